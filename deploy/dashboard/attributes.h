/*
 * attributes.h: reading the attributes of OTLP messages, and their JSON form for the store.
 * Plain functions; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_ATTRIBUTES_H
#define DASHBOARD_ATTRIBUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "opentelemetry/proto/common/v1/common.pb-c.h"
#include "text.h"

typedef Opentelemetry__Proto__Common__V1__KeyValue key_value_t;
typedef Opentelemetry__Proto__Common__V1__AnyValue any_value_t;

/* A borrowed list of attributes. */
struct attributes {
    key_value_t **items;
    size_t count;
};

/* The largest JSON text of one set of attributes that is kept. */
enum { ATTRIBUTES_LIMIT = 64 << 10 };

/* The value of a key; NULL if it is not there or has no value. */
const any_value_t *attributes_find(struct attributes attributes, const char *key);

/* The string of a key or of a value; NULL if there is none or it is of another type. */
const char *attributes_string(struct attributes attributes, const char *key);
const char *value_string(const any_value_t *value);

/* The number of a value, whole or not; NaN if it is none. */
double value_number(const any_value_t *value);

/*
 * A JSON array of OTLP's key-value objects, sorted by key, so that equal sets are equal texts. What does not fit into
 * ATTRIBUTES_LIMIT is left out, attribute by attribute. The text is borrowed from `scratch`; "[]" without memory.
 */
const char *attributes_json(struct attributes attributes, struct logctx__text *scratch);

#endif
