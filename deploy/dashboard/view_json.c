// SPDX-License-Identifier: Apache-2.0
// Values of the views' JSON. No state; any thread.

#include "view_json.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "clean.h"
#include "site.h"

enum {
    VALUE_LIMIT = 2048, // bytes of an attribute that are shown
    DEPTH_MAX = 16,     // of values inside of values
};

json_t *view_duration(int64_t nano)
{
    return json_real((double)nano / 1e9);
}

json_t *view_column_text(sqlite3_stmt *statement, int column)
{
    return put_new_text((const char *)sqlite3_column_text(statement, column));
}

void view_hex(const void *bytes, size_t length, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;
    for (size_t i = 0; i < length; i++) {
        out[2 * i] = digits[from[i] >> 4];
        out[2 * i + 1] = digits[from[i] & 15];
    }
    out[2 * length] = '\0';
}

json_t *view_column_hex(sqlite3_stmt *statement, int column)
{
    char text[65];
    const void *bytes = sqlite3_column_blob(statement, column);
    size_t length = (size_t)sqlite3_column_bytes(statement, column);
    if (bytes == NULL || length > 32)
        return json_null();
    view_hex(bytes, length, text);
    return put_new_text(text);
}

json_t *view_site(const char *text)
{
    struct site site;
    if (!site_read(text, &site))
        return json_null();
    json_t *value = json_object();
    put_text(value, "place", site.place);
    put_text(value, "function", site.function[0] != '\0' ? site.function : NULL);
    put_text(value, "path", site.path[0] != '\0' ? site.path : NULL);
    return value;
}

static json_t *plain(const json_t *value, int depth);

static json_t *plain_list(const json_t *array, int depth)
{
    json_t *list = json_array();
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(array, "values"), i, item) json_array_append_new(list, plain(item, depth));
    return list;
}

static json_t *plain_map(const json_t *keys, int depth)
{
    json_t *map = json_object();
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(keys, "values"), i, item)
    {
        const char *key = json_string_value(json_object_get(item, "key"));
        json_object_set_new(map, key != NULL ? key : "", plain(json_object_get(item, "value"), depth));
    }
    return map;
}

// A value of OTLP/JSON, {"intValue": "7"}, as JSON would have it: 7.
static json_t *plain(const json_t *value, int depth)
{
    const json_t *inner;
    if (depth == DEPTH_MAX)
        return json_string("...");
    if ((inner = json_object_get(value, "arrayValue")) != NULL)
        return plain_list(inner, depth + 1);
    if ((inner = json_object_get(value, "kvlistValue")) != NULL)
        return plain_map(inner, depth + 1);
    inner = json_object_iter_value(json_object_iter((json_t *)value));
    if (json_object_get(value, "intValue") != NULL && json_is_string(inner))
        return json_integer(strtoll(json_string_value(inner), NULL, 10));
    return inner != NULL ? json_deep_copy(inner) : json_null();
}

// As it would be printed: a string as it is, everything else as JSON.
static char *printed(const json_t *value)
{
    json_t *simple = plain(value, 0);
    char *text = json_is_string(simple) ? strdup(json_string_value(simple))
                                        : json_dumps(simple, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    json_decref(simple);
    return text;
}

static json_t *attribute(const char *key, const json_t *value)
{
    json_t *pair = json_object();
    char *text = printed(value);
    char *cut = text != NULL ? clean_text(text, VALUE_LIMIT) : NULL;
    put_text(pair, "key", key);
    put_text(pair, "value", cut != NULL ? cut : text);
    if (cut != NULL)
        json_object_set_new(pair, "cut", json_true());
    free(cut);
    free(text);
    return pair;
}

json_t *view_attributes(const json_t *attributes, bool (*leave_out)(const char *key), size_t limit, size_t *total)
{
    json_t *list = json_array();
    size_t i;
    json_t *item;
    *total = 0;
    json_array_foreach(attributes, i, item)
    {
        const char *key = json_string_value(json_object_get(item, "key"));
        if (key == NULL || (leave_out != NULL && leave_out(key)))
            continue;
        if ((*total)++ < limit)
            json_array_append_new(list, attribute(key, json_object_get(item, "value")));
    }
    return list;
}

const json_t *view_attribute(const json_t *attributes, const char *key)
{
    size_t i;
    json_t *item;
    json_array_foreach(attributes, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "key"));
        if (name != NULL && strcmp(name, key) == 0)
            return json_object_get(item, "value");
    }
    return NULL;
}

const char *view_attribute_text(const json_t *attributes, const char *key)
{
    return json_string_value(json_object_get(view_attribute(attributes, key), "stringValue"));
}

double view_attribute_number(const json_t *attributes, const char *key)
{
    const json_t *value = view_attribute(attributes, key);
    const json_t *whole = json_object_get(value, "intValue");
    const json_t *real = json_object_get(value, "doubleValue");
    if (json_is_string(whole))
        return (double)strtoll(json_string_value(whole), NULL, 10);
    if (json_is_number(whole))
        return json_number_value(whole);
    return json_is_number(real) ? json_number_value(real) : NAN;
}
