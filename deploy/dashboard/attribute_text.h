/*
 * attribute_text.h: looking into attributes as the store keeps them, a JSON text (attributes_json). No state; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_ATTRIBUTE_TEXT_H
#define DASHBOARD_ATTRIBUTE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

/* Whether the attribute has this value, as it would be printed: text, true or false, a number. */
bool attribute_is(const char *json, const char *key, size_t key_length, const char *value);

/* The value of a key in attributes that are parsed, as text: a new string, from malloc; NULL: it is not there, or a list. */
char *attribute_print(const json_t *attributes, const char *key);

#endif
