/*
 * view_json.h: from columns of the store to values of the views' JSON. All of them give a new reference, for
 * json_object_set_new and the like; what has no value is JSON's null. One thread for each value.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_VIEW_JSON_H
#define DASHBOARD_VIEW_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <sqlite3.h>

#include "put.h"

/* A length of time in seconds. */
json_t *view_duration(int64_t nano);

/* Columns. */
json_t *view_column_text(sqlite3_stmt *statement, int column);
json_t *view_column_hex(sqlite3_stmt *statement, int column);

/* Bytes as lower-case hex; `out` has 2 * length + 1 bytes. */
void view_hex(const void *bytes, size_t length, char *out);

/* A call site as `{"place", "function", "path"}`; null for NULL and "". */
json_t *view_site(const char *text);

/* Attributes as the store keeps them, as a list of `{"key", "value"}` without those whose key `leave_out` names; at most
 * `limit`, and `*total` is how many there are. `leave_out` may be NULL. */
json_t *view_attributes(const json_t *attributes, bool (*leave_out)(const char *key), size_t limit, size_t *total);

/* The value of a key in attributes as the store keeps them: borrowed, the object of OTLP/JSON; NULL if it is not there. */
const json_t *view_attribute(const json_t *attributes, const char *key);
const char *view_attribute_text(const json_t *attributes, const char *key);
double view_attribute_number(const json_t *attributes, const char *key);

#endif
