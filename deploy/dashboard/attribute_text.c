// SPDX-License-Identifier: Apache-2.0
// Looks for a key in the JSON of a span's attributes. No state; any thread.

#include "attribute_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const json_t *find(const json_t *attributes, const char *key, size_t key_length)
{
    size_t index;
    const json_t *item;
    json_array_foreach(attributes, index, item)
    {
        const char *name = json_string_value(json_object_get(item, "key"));
        if (name != NULL && strlen(name) == key_length && memcmp(name, key, key_length) == 0)
            return json_object_get(item, "value");
    }
    return NULL;
}

// A value of OTLP/JSON: {"stringValue": "x"}, {"intValue": "7"}, {"doubleValue": 0.5}, {"boolValue": true}.
static char *print(const json_t *value)
{
    char number[32];
    const json_t *any;
    if ((any = json_object_get(value, "stringValue")) != NULL && json_is_string(any))
        return strdup(json_string_value(any));
    if ((any = json_object_get(value, "intValue")) != NULL && json_is_string(any))
        return strdup(json_string_value(any));
    if ((any = json_object_get(value, "boolValue")) != NULL)
        return strdup(json_is_true(any) ? "true" : "false");
    if ((any = json_object_get(value, "doubleValue")) != NULL && json_is_number(any)) {
        snprintf(number, sizeof number, "%.15g", json_number_value(any));
        return strdup(number);
    }
    return NULL;
}

char *attribute_print(const json_t *attributes, const char *key)
{
    return print(find(attributes, key, strlen(key)));
}

// What JSON writes as it is. A number with a fraction may be written in other ways than it is printed.
static bool is_plain(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || strchr("\"\\", text[i]) != NULL)
            return false;
    return length > 0 && !(strspn(text, "+-0123456789.einfa") == length && strpbrk(text, ".einf") != NULL);
}

bool attribute_is(const char *json, const char *key, size_t key_length, const char *value)
{
    // Most have not even these bytes: a look for them is far cheaper than to take the text apart.
    size_t size = strlen(json);
    size_t length = strlen(value);
    if ((is_plain(key, key_length) && memmem(json, size, key, key_length) == NULL) ||
        (is_plain(value, length) && memmem(json, size, value, length) == NULL))
        return false;
    json_t *attributes = json_loads(json, 0, NULL);
    char *text = print(find(attributes, key, key_length));
    bool same = text != NULL && strcmp(text, value) == 0;
    free(text);
    json_decref(attributes);
    return same;
}
