/*
 * fuzz_wire.c: libFuzzer target for the wire form. The input is read as an attribute and as an event, and it
 * is taken as a recipe for attributes that are written: sizes have to agree, and the reader has to get back
 * what was written.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "utf8.h"
#include "wire.h"

#include <logctx/sink.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ITEMS 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

// Touches every byte, so that a sanitizer sees a piece that is not inside the input.
static void touch(const void *data, size_t length)
{
    static volatile unsigned char sum;
    for (size_t i = 0; i < length; i++)
        sum = (unsigned char)(sum + ((const unsigned char *)data)[i]);
}

static void touch_attr(const logctx_attr_t *attr)
{
    touch(attr->key, attr->key_length);
    logctx_value_type_t type = attr->value.type;
    if (type == LOGCTX_VALUE_STRING || type == LOGCTX_VALUE_BYTES || type == LOGCTX_VALUE_ARRAY)
        touch(attr->value.as.bytes.data, attr->value.as.bytes.length);
}

static void check_read(const uint8_t *data, size_t size)
{
    logctx_attr_t attr;
    logctx_event_t event;
    size_t cursor = 0;
    size_t before = 0;
    if (logctx_attr_read(data, size, &attr))
        touch_attr(&attr);
    bool good = logctx_event_read(data, size, &event);
    if (good)
        touch(event.name, event.name_length);
    else
        event = (logctx_event_t){.bytes = data, .length = size};
    for (; logctx_event_next(&event, &cursor, &attr); before = cursor) {
        require(cursor > before && cursor <= size);
        touch_attr(&attr);
    }
    require(!good || cursor == size);
}

typedef struct recipe {
    const uint8_t *p;
    size_t left;
    logctx_value_t items[MAX_ITEMS];
    size_t used;
} recipe_t;

static uint8_t take_byte(recipe_t *recipe)
{
    if (recipe->left == 0)
        return 0;
    recipe->left--;
    return *recipe->p++;
}

static const char *take_bytes(recipe_t *recipe, size_t *length)
{
    size_t want = take_byte(recipe);
    *length = want < recipe->left ? want : recipe->left;
    const char *bytes = (const char *)recipe->p;
    recipe->p += *length;
    recipe->left -= *length;
    return bytes;
}

static logctx_value_t take_value(recipe_t *recipe)
{
    logctx_value_t value = {.type = (logctx_value_type_t)(take_byte(recipe) % 9)};
    switch (value.type) {
    case LOGCTX_VALUE_BOOL:
        value.as.boolean = take_byte(recipe) & 1;
        break;
    case LOGCTX_VALUE_INT:
        value.as.integer = (int64_t)((uint64_t)take_byte(recipe) << (take_byte(recipe) % 64));
        break;
    case LOGCTX_VALUE_DOUBLE:
        value.as.real = take_byte(recipe) / 3.0;
        break;
    case LOGCTX_VALUE_ARRAY:
        // Items made before this value, so that they may be shared and nested, and do not go round.
        value.as.array.count = recipe->used > 0 ? take_byte(recipe) % 4 : 0;
        if (value.as.array.count > recipe->used)
            value.as.array.count = recipe->used;
        value.as.array.items = recipe->items + (recipe->used - value.as.array.count);
        break;
    case LOGCTX_VALUE_EMPTY:
    case LOGCTX_VALUE_STRING:
    case LOGCTX_VALUE_BYTES:
    default:
        value.as.bytes.data = take_bytes(recipe, &value.as.bytes.length);
        break;
    }
    return value;
}

static void check_written(const uint8_t *bytes, size_t size, const logctx_attr_t *attr, uint32_t limit)
{
    logctx_attr_t read;
    require(logctx_attr_read(bytes, size, &read));
    touch_attr(&read);
    require(logctx__utf8_equal(read.key, read.key_length, attr->key, attr->key_length));
    if (read.value.type != LOGCTX_VALUE_STRING)
        return;
    bool same;
    size_t length = read.value.as.bytes.length;
    require(attr->value.type == LOGCTX_VALUE_STRING);
    require(logctx__utf8_measure(read.value.as.bytes.data, length, limit, &same) == length && same);
}

static void check_attr(const logctx_attr_t *attr, uint32_t limit)
{
    size_t size = logctx__wire_attr_size(attr, limit);
    if (size == 0 || size > (size_t)1 << 20)
        return;
    uint8_t *bytes = malloc(size);
    require(bytes != NULL);
    require(logctx__wire_attr_put(bytes, size - 1, attr, limit) == size);
    require(logctx__wire_attr_write(bytes, attr, limit) == bytes + size);
    check_written(bytes, size, attr, limit);
    free(bytes);
}

static void check_event(const logctx_attr_t *attrs, size_t count, const logctx__wire_limits_t *limits)
{
    const logctx__wire_event_t event = {
        .unix_ns = 1, .name = attrs[0].key, .name_length = attrs[0].key_length, .attrs = attrs, .count = count};
    size_t size = logctx__wire_event_size(&event, limits);
    if (size == 0 || size > (size_t)1 << 20)
        return;
    uint8_t *bytes = malloc(size);
    require(bytes != NULL);
    require(logctx__wire_event_write(bytes, &event, limits) == bytes + size);
    logctx_event_t read;
    logctx_attr_t seen[8];
    size_t cursor = 0;
    size_t n = 0;
    require(logctx_event_read(bytes, size, &read));
    while (n < 8 && logctx_event_next(&read, &cursor, &seen[n])) {
        for (size_t i = 0; i < n; i++)
            require(!logctx__utf8_equal(seen[i].key, seen[i].key_length, seen[n].key, seen[n].key_length));
        n++;
    }
    require(n <= limits->attr_count && n + read.dropped_attributes <= count);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_read(data, size);

    static recipe_t recipe;
    recipe.p = data;
    recipe.left = size;
    recipe.used = 0;
    logctx_attr_t attrs[8];
    size_t count = 0;
    logctx__wire_limits_t limits = {.value_length = take_byte(&recipe), .attr_count = take_byte(&recipe) % 8};
    if (limits.value_length > 100)
        limits.value_length = UINT32_MAX;
    while (count < 8 && recipe.left > 0) {
        attrs[count].key = take_bytes(&recipe, &attrs[count].key_length);
        for (size_t items = take_byte(&recipe) % 8; items > 0 && recipe.used < MAX_ITEMS; items--) {
            recipe.items[recipe.used] = take_value(&recipe);
            recipe.used++;
        }
        attrs[count].value = take_value(&recipe);
        check_attr(&attrs[count], limits.value_length);
        count++;
    }
    if (count > 0)
        check_event(attrs, count, &limits);
    return 0;
}
