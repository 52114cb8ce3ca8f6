// SPDX-License-Identifier: Apache-2.0
// Takes a query apart. No state; any thread.

#include "params.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clean.h"

const struct param_rule params_common[] = {
    {.name = "service", .form = PARAM_TEXT},
    {.name = "instance", .form = PARAM_TEXT},
    {.name = "window", .form = PARAM_WHOLE, .least = 60, .most = 86400},
    // Up to the year 2261, which is as far as nanoseconds in 64 bits reach.
    {.name = "to", .form = PARAM_NUMBER, .least = 0, .most = 9.2e9},
    {.name = "format", .form = PARAM_CHOICE, .choices = "json"},
    {.name = NULL},
};

static bool refuse(char *why, size_t why_size, const char *format, ...) __attribute__((format(printf, 3, 4)));

static bool refuse(char *why, size_t why_size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, why_size, format, arguments);
    va_end(arguments);
    return false;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// In place; false: a percent sign without two digits behind it, or a NUL.
static bool decode(char *text)
{
    char *out = text;
    for (const char *in = text; *in != '\0'; in++) {
        if (*in == '+') {
            *out++ = ' ';
        } else if (*in == '%') {
            int high = hex_digit(in[1]);
            int low = high >= 0 ? hex_digit(in[2]) : -1;
            if (low < 0 || (high == 0 && low == 0))
                return false;
            *out++ = (char)(high << 4 | low);
            in += 2;
        } else {
            *out++ = *in;
        }
    }
    *out = '\0';
    return true;
}

static bool is_utf8(const char *text)
{
    uint32_t code;
    size_t length;
    for (; *text != '\0'; text += length) {
        length = clean_character(text, &code);
        if (length == 0)
            return false;
    }
    return true;
}

static const struct param_rule *find_rule(const struct param_rule *rules, const char *name)
{
    for (; rules != NULL && rules->name != NULL; rules++)
        if (strcmp(rules->name, name) == 0)
            return rules;
    return NULL;
}

static bool is_number(const char *text, bool fraction)
{
    size_t digits = strspn(text, "0123456789");
    size_t length = strlen(text);
    if (digits == 0 || length > 24)
        return false;
    if (!fraction || text[digits] != '.')
        return text[digits] == '\0';
    return strspn(text + digits + 1, "0123456789") == length - digits - 1;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (const char *at = choices; length > 0 && at != NULL && *at != '\0'; at += strspn(at, " ")) {
        size_t size = strcspn(at, " ");
        if (size == length && memcmp(at, text, size) == 0)
            return true;
        at += size;
    }
    return false;
}

static bool check(struct param *param, char *why, size_t why_size)
{
    const struct param_rule *rule = param->rule;
    switch (rule->form) {
    case PARAM_TEXT:
        if (*param->text != '\0' && strlen(param->text) <= PARAM_TEXT_MAX && is_utf8(param->text))
            return true;
        return refuse(why, why_size, "The parameter %s needs a text of 1 to %d bytes in UTF-8.", rule->name,
                      (int)PARAM_TEXT_MAX);
    case PARAM_NUMBER:
    case PARAM_WHOLE:
        // Only digits and a point come here, and the program runs in the C locale.
        param->number = is_number(param->text, rule->form == PARAM_NUMBER) ? strtod(param->text, NULL) : -1;
        if (param->number >= rule->least && param->number <= rule->most)
            return true;
        return refuse(why, why_size, "The parameter %s needs a %snumber from %.15g to %.15g.", rule->name,
                      rule->form == PARAM_WHOLE ? "whole " : "", rule->least, rule->most);
    case PARAM_CHOICE:
        if (is_choice(rule->choices, param->text))
            return true;
        return refuse(why, why_size, "The parameter %s takes one of these: %s.", rule->name, rule->choices);
    }
    return false;
}

static bool add(struct params *params, char *pair, const struct param_rule *rules, char *why, size_t why_size)
{
    char *value = strchr(pair, '=');
    if (value != NULL)
        *value++ = '\0';
    if (!decode(pair) || (value != NULL && !decode(value)))
        return refuse(why, why_size, "In a parameter a percent sign needs two hexadecimal digits behind it, not 00.");
    const struct param_rule *rule = find_rule(params_common, pair);
    if (rule == NULL)
        rule = find_rule(rules, pair);
    if (rule == NULL)
        return refuse(why, why_size, "This view has no parameter \"%.60s\".", pair);
    if (params->count == PARAMS_MAX)
        return refuse(why, why_size, "There are more than %d parameters.", (int)PARAMS_MAX);
    if (!rule->repeats && params_next(params, rule->name, params->items) != NULL)
        return refuse(why, why_size, "The parameter %s can be given once only.", rule->name);
    struct param *param = &params->items[params->count++];
    *param = (struct param){.rule = rule, .text = value != NULL ? value : ""};
    return check(param, why, why_size);
}

bool params_read(struct params *params, const char *query, const struct param_rule *rules, char *why, size_t why_size)
{
    params->count = 0;
    params->buffer = NULL;
    if (query == NULL || *query == '\0')
        return true;
    if (strlen(query) > PARAMS_QUERY_MAX)
        return refuse(why, why_size, "The parameters have more than %d bytes.", (int)PARAMS_QUERY_MAX);
    params->buffer = strdup(query);
    if (params->buffer == NULL)
        return refuse(why, why_size, "There is no memory for the parameters.");
    char *rest = params->buffer;
    while (rest != NULL) {
        char *pair = strsep(&rest, "&");
        if (*pair != '\0' && !add(params, pair, rules, why, why_size)) {
            params_free(params);
            return false;
        }
    }
    return true;
}

void params_free(struct params *params)
{
    free(params->buffer);
    params->buffer = NULL;
    params->count = 0;
}

const struct param *params_next(const struct params *params, const char *name, const struct param *from)
{
    for (const struct param *param = from; param < params->items + params->count; param++)
        if (strcmp(param->rule->name, name) == 0)
            return param;
    return NULL;
}

const char *params_text(const struct params *params, const char *name)
{
    const struct param *param = params_next(params, name, params->items);
    return param != NULL ? param->text : NULL;
}

double params_number(const struct params *params, const char *name, double otherwise)
{
    const struct param *param = params_next(params, name, params->items);
    return param != NULL ? param->number : otherwise;
}
