// SPDX-License-Identifier: Apache-2.0
// Attributes as they come in a message: looking up, and writing as JSON. No state; any thread.

#include "attributes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "otlp_json.h"

const any_value_t *attributes_find(struct attributes attributes, const char *key)
{
    for (size_t i = 0; i < attributes.count; i++)
        if (strcmp(attributes.items[i]->key, key) == 0)
            return attributes.items[i]->value;
    return NULL;
}

const char *value_string(const any_value_t *value)
{
    if (value == NULL || value->value_case != OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE)
        return NULL;
    return value->string_value;
}

const char *attributes_string(struct attributes attributes, const char *key)
{
    return value_string(attributes_find(attributes, key));
}

double value_number(const any_value_t *value)
{
    if (value == NULL)
        return NAN;
    if (value->value_case == OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_DOUBLE_VALUE)
        return value->double_value;
    if (value->value_case == OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE)
        return (double)value->int_value;
    return NAN;
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(key_value_t *const *)a)->key, (*(key_value_t *const *)b)->key);
}

static void append_item(const key_value_t *item, struct logctx__text *out, bool *first)
{
    // The closing bracket needs a place too.
    size_t before = out->length;
    if (!*first)
        logctx__text_append_byte(out, ',');
    if (logctx__otlp_json_print(&item->base, out) && out->length < out->limit)
        *first = false;
    else
        logctx__text_reset(out, before);
}

const char *attributes_json(struct attributes attributes, struct logctx__text *scratch)
{
    key_value_t **sorted = malloc((attributes.count + 1) * sizeof *sorted);
    if (sorted == NULL)
        return "[]";
    if (attributes.count > 0)
        memcpy(sorted, attributes.items, attributes.count * sizeof *sorted);
    qsort(sorted, attributes.count, sizeof *sorted, by_key);
    scratch->limit = ATTRIBUTES_LIMIT;
    logctx__text_reset(scratch, 0);
    logctx__text_append_byte(scratch, '[');
    bool first = true;
    for (size_t i = 0; i < attributes.count; i++)
        append_item(sorted[i], scratch, &first);
    free(sorted);
    return logctx__text_append_byte(scratch, ']') ? scratch->bytes : "[]";
}
