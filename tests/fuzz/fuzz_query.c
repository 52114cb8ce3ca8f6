/*
 * fuzz_query.c: libFuzzer target for the parameters of the dashboard's views. Whatever the query, what is taken is what the
 * view's rules allow, and what is refused has a sentence.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clean.h"
#include "params.h"
#include "view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_text(const char *text)
{
    size_t size = strlen(text);
    require(size > 0 && size <= PARAM_TEXT_MAX);
    // Valid UTF-8 needs no mending.
    require(clean_text(text, PARAM_TEXT_MAX) == NULL);
}

static void check_param(const struct param *param, const struct params *params)
{
    const struct param_rule *rule = param->rule;
    size_t length = strlen(param->text);
    if (rule->form == PARAM_TEXT)
        check_text(param->text);
    else if (rule->form == PARAM_CHOICE)
        require(length > 0 && strchr(param->text, ' ') == NULL && strstr(rule->choices, param->text) != NULL);
    else
        require(param->number >= rule->least && param->number <= rule->most);
    if (!rule->repeats)
        require(params_next(params, rule->name, param + 1) == NULL);
    const struct param *first = params_next(params, rule->name, params->items);
    require(first != NULL && params_text(params, rule->name) == first->text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct params params;
    char why[160] = "";
    char *query = malloc(size + 1);
    require(query != NULL);
    memcpy(query, data, size);
    query[size] = '\0';
    bool good = params_read(&params, query, view_contexts_rules, why, sizeof why);
    require(good == (why[0] == '\0'));
    require(good || params.count == 0);
    require(params.count <= PARAMS_MAX);
    for (size_t i = 0; i < params.count; i++)
        check_param(&params.items[i], &params);
    params_free(&params);
    free(query);
    return 0;
}
