/*
 * put.h: members of JSON objects and items of lists, with null for what has no value. Without memory the member is left
 * out. One thread for each value.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_PUT_H
#define DASHBOARD_PUT_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

/* A new number, or null for NaN and infinities. */
static inline json_t *put_new_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static inline json_t *put_new_text(const char *text)
{
    json_t *value = text != NULL ? json_string(text) : NULL;
    return value != NULL ? value : json_null();
}

static inline void put_null(json_t *object, const char *key)
{
    json_object_set_new(object, key, json_null());
}

static inline void put_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, put_new_text(text));
}

static inline void put_real(json_t *object, const char *key, double value)
{
    json_object_set_new(object, key, put_new_real(value));
}

static inline void put_whole(json_t *object, const char *key, int64_t value)
{
    json_object_set_new(object, key, json_integer(value));
}

static inline void put_bool(json_t *object, const char *key, bool value)
{
    json_object_set_new(object, key, json_boolean(value));
}

/* A time of the store as Unix seconds; 0 and less: there is none. */
static inline void put_time(json_t *object, const char *key, int64_t unix_nano)
{
    int64_t whole = unix_nano / 1000000000;
    double seconds = (double)whole + (double)(unix_nano % 1000000000) / 1e9;
    put_real(object, key, unix_nano > 0 ? seconds : NAN);
}

/* A new object or list as a member, borrowed; NULL without memory, which all of these functions bear. */
static inline json_t *put_object(json_t *object, const char *key)
{
    json_t *value = json_object();
    json_object_set_new(object, key, value);
    return value;
}

static inline json_t *put_list(json_t *object, const char *key)
{
    json_t *value = json_array();
    json_object_set_new(object, key, value);
    return value;
}

static inline json_t *put_row(json_t *list)
{
    json_t *value = json_object();
    json_array_append_new(list, value);
    return value;
}

#endif
