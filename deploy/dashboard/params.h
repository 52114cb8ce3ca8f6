/*
 * params.h: the parameters of a view, from the query of a URL: percent-decoded, held to what the view takes, bounded.
 * Anything that is not as it should be is a sentence. Plain values; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_PARAMS_H
#define DASHBOARD_PARAMS_H

#include <stdbool.h>
#include <stddef.h>

enum param_form {
    PARAM_TEXT,   /* valid UTF-8, not empty, at most PARAM_TEXT_MAX bytes */
    PARAM_NUMBER, /* decimal, with a fraction or without, between least and most */
    PARAM_WHOLE,  /* decimal digits, between least and most */
    PARAM_CHOICE, /* one of `choices` */
};

enum { PARAMS_MAX = 64, PARAMS_QUERY_MAX = 16 << 10, PARAM_TEXT_MAX = 1024 };

/* A parameter that a view takes. A list of them ends with one without a name. */
struct param_rule {
    const char *name;
    enum param_form form;
    bool repeats;
    double least, most;
    const char *choices; /* with a blank between them */
};

struct param {
    const struct param_rule *rule;
    const char *text; /* decoded */
    double number;
};

struct params {
    struct param items[PARAMS_MAX];
    size_t count;
    char *buffer; /* of all texts */
};

/* What every view takes: service, instance, window, to, format. */
extern const struct param_rule params_common[];

/*
 * Reads a query (without its question mark; NULL is an empty one) by the rules of all views and the view's own (may be
 * NULL). False: `why` is a sentence, and `*params` is empty. In any case to be freed.
 */
bool params_read(struct params *params, const char *query, const struct param_rule *rules, char *why, size_t why_size);
void params_free(struct params *params);

/* The one of this name at or behind `from`; NULL: there is none. */
const struct param *params_next(const struct params *params, const char *name, const struct param *from);
/* Its text, or NULL; its number, or `otherwise`. */
const char *params_text(const struct params *params, const char *name);
double params_number(const struct params *params, const char *name, double otherwise);

#endif
