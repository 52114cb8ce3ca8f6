/*
 * attributes.c: builds KeyValue and AnyValue messages. No state of its own: everything lives in the caller's arena.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "attributes.h"

#include <string.h>

static otlp_value_t *make_value(struct logctx__arena *arena, const logctx_value_t *from, int depth);

static void fill_bytes(struct logctx__arena *arena, otlp_value_t *to, const logctx_value_t *from)
{
    to->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_BYTES_VALUE;
    to->bytes_value.len = from->as.bytes.length;
    to->bytes_value.data = logctx__arena_array(arena, from->as.bytes.length + 1, 1);
    if (to->bytes_value.data != NULL && from->as.bytes.length != 0) {
        memcpy(to->bytes_value.data, from->as.bytes.data, from->as.bytes.length);
    }
}

static void fill_array(struct logctx__arena *arena, otlp_value_t *to, const logctx_value_t *from, int depth)
{
    otlp_array_t *array = logctx__arena_alloc(arena, sizeof *array);
    size_t count = from->as.array.items != NULL ? from->as.array.count : 0;
    otlp_value_t **values = logctx__arena_array(arena, count + 1, sizeof(otlp_value_t *));
    if (array == NULL || values == NULL) {
        return;
    }
    opentelemetry__proto__common__v1__array_value__init(array);
    for (size_t i = 0; i < count; i++) {
        values[i] = make_value(arena, &from->as.array.items[i], depth + 1);
    }
    array->values = values;
    array->n_values = arena->failed ? 0 : count;
    to->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_ARRAY_VALUE;
    to->array_value = array;
}

static void fill_string(struct logctx__arena *arena, otlp_value_t *to, const logctx_value_t *from)
{
    const char *data = from->as.bytes.data != NULL ? from->as.bytes.data : "";
    char *text = logctx__arena_text(arena, data, from->as.bytes.data != NULL ? from->as.bytes.length : 0);
    if (text != NULL) {
        to->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE;
        to->string_value = text;
    }
}

static otlp_value_t *make_value(struct logctx__arena *arena, const logctx_value_t *from, int depth)
{
    otlp_value_t *to = logctx__arena_alloc(arena, sizeof *to);
    if (to == NULL) {
        return NULL;
    }
    opentelemetry__proto__common__v1__any_value__init(to);
    switch (from->type) {
    case LOGCTX_VALUE_STRING:
        fill_string(arena, to, from);
        break;
    case LOGCTX_VALUE_BOOL:
        to->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_BOOL_VALUE;
        to->bool_value = from->as.boolean;
        break;
    case LOGCTX_VALUE_INT:
        to->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE;
        to->int_value = from->as.integer;
        break;
    case LOGCTX_VALUE_DOUBLE:
        to->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_DOUBLE_VALUE;
        to->double_value = from->as.real;
        break;
    case LOGCTX_VALUE_ARRAY:
        if (depth < LOGCTX__VALUE_DEPTH) {
            fill_array(arena, to, from, depth);
        }
        break;
    case LOGCTX_VALUE_BYTES:
        fill_bytes(arena, to, from);
        break;
    case LOGCTX_VALUE_EMPTY:
        break;
    }
    return to;
}

otlp_pair_t *logctx__attribute(struct logctx__arena *arena, const logctx_attr_t *attr)
{
    if (attr->key == NULL || attr->key_length == 0) {
        return NULL;
    }
    otlp_pair_t *pair = logctx__arena_alloc(arena, sizeof *pair);
    if (pair == NULL) {
        return NULL;
    }
    opentelemetry__proto__common__v1__key_value__init(pair);
    char *key = logctx__arena_text(arena, attr->key, attr->key_length);
    pair->value = make_value(arena, &attr->value, 0);
    if (key == NULL || arena->failed) {
        return NULL;
    }
    pair->key = key;
    return pair;
}

void logctx__attributes_set(struct logctx__attributes *list, struct logctx__arena *arena, logctx_attr_t attr)
{
    otlp_pair_t *pair = logctx__attribute(arena, &attr);
    if (pair == NULL) {
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i]->key, pair->key) == 0) {
            list->items[i] = pair;
            return;
        }
    }
    otlp_pair_t **items = logctx__arena_grow(arena, list->items, list->count, &list->capacity, sizeof(otlp_pair_t *));
    if (items != NULL) {
        list->items = items;
        list->items[list->count++] = pair;
    }
}
