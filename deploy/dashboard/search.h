/*
 * search.h: one pass over the contexts of a window: those that match what was asked for, in the order asked for, and all
 * of them counted by kind, type and kind of error. The reading thread owns everything.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_SEARCH_H
#define DASHBOARD_SEARCH_H

#include "kinds.h"
#include "view.h"

enum { SEARCH_TYPES_MAX = 32, SEARCH_ERROR_KINDS_MAX = 64 };

/* What orders a list; a name by its beginning. Of equal ones the newer one comes first. */
struct match {
    int64_t id;
    union {
        double number;
        char text[24];
    } key;
};

struct tally {
    char name[64];
    int64_t count;
};

/* A context with transition errors: the kind of its first one, as an index of `error_kinds`, and how many. */
struct slip {
    int64_t span;
    uint32_t kind;
    uint32_t count;
    uint64_t kinds; /* a bit for each of error_kinds */
};

struct search {
    struct kinds kinds;
    struct match *matches;
    size_t match_count;
    size_t match_capacity;
    int64_t searched;
    int64_t total;  /* of the window */
    int64_t newest; /* the largest id */
    int64_t oldest_end;
    bool complete;
    struct tally types[SEARCH_TYPES_MAX];
    size_t type_count;
    struct tally error_kinds[SEARCH_ERROR_KINDS_MAX];
    size_t error_kind_count;
    struct slip *slips;
    size_t slip_count;
};

/* Whether it was carried out or not, to be freed. */
void search_run(struct search *search, struct view_call *call);
void search_free(struct search *search);

/* The errors of a span; NULL: none. */
const struct slip *search_slip(const struct search *search, int64_t span);

#endif
