/*
 * test_wire.c: core/wire.c against bytes written by hand from the field numbers of opentelemetry.proto. What
 * protobuf-c makes of the same values is test_wire_oracle.c's business.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire.h"

#include <logctx/sink.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NO_LIMIT UINT32_MAX
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

static const logctx__wire_limits_t no_limits = {.value_length = NO_LIMIT, .attr_count = NO_LIMIT};

// ---- varints ----

static void test_varint(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits <= 64; bits++) {
        uint64_t around = bits == 64 ? 0 : UINT64_C(1) << bits;
        for (uint64_t value = around - 1; value != around + 2; value++) {
            uint8_t bytes[10];
            size_t size = (size_t)(logctx__wire_varint_write(bytes, value) - bytes);
            size_t want = 1;
            for (uint64_t rest = value; rest >= 0x80; rest >>= 7)
                want++;
            assert_int_equal(size, want);
            assert_int_equal(logctx__wire_varint_size(value), want);
            uint64_t again = 0;
            for (size_t i = 0; i < size; i++)
                again |= (uint64_t)(bytes[i] & 0x7F) << (7 * i);
            assert_int_equal(again, value);
        }
    }
}

static void test_fixed(void **state)
{
    (void)state;
    uint8_t bytes[8];
    assert_ptr_equal(logctx__wire_fixed64_write(bytes, 0x0102030405060708), bytes + 8);
    assert_memory_equal(bytes, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
    assert_ptr_equal(logctx__wire_fixed32_write(bytes, 0x0A0B0C0D), bytes + 4);
    assert_memory_equal(bytes, "\x0D\x0C\x0B\x0A", 4);
}

// ---- attributes ----

static void expect_attr(logctx_attr_t attr, uint32_t limit, const uint8_t *want, size_t length)
{
    assert_int_equal(logctx__wire_attr_size(&attr, limit), length);
    uint8_t *bytes = malloc(length);
    assert_non_null(bytes);
    assert_ptr_equal(logctx__wire_attr_write(bytes, &attr, limit), bytes + length);
    assert_memory_equal(bytes, want, length);

    // One byte less of room: the size is told and nothing is written.
    memset(bytes, 0x55, length);
    assert_int_equal(logctx__wire_attr_put(bytes, length - 1, &attr, limit), length);
    for (size_t i = 0; i < length; i++)
        assert_int_equal(bytes[i], 0x55);
    assert_int_equal(logctx__wire_attr_put(bytes, length, &attr, limit), length);
    assert_memory_equal(bytes, want, length);
    free(bytes);
}

static void test_scalars(void **state)
{
    (void)state;
    expect_attr(logctx_attr_string("k", "v"), NO_LIMIT, BYTES("\x0A\x01k\x12\x03\x0A\x01v"));
    expect_attr(logctx_attr_string("k", ""), NO_LIMIT, BYTES("\x0A\x01k\x12\x02\x0A\x00"));
    expect_attr(logctx_attr_string("k", NULL), NO_LIMIT, BYTES("\x0A\x01k\x12\x02\x0A\x00"));
    expect_attr(logctx_attr_string_n("k", "a\0b", 3), NO_LIMIT,
                BYTES("\x0A\x01k\x12\x05\x0A\x03"
                      "a\0b"));
    expect_attr(logctx_attr_bool("k", true), NO_LIMIT, BYTES("\x0A\x01k\x12\x02\x10\x01"));
    expect_attr(logctx_attr_bool("k", false), NO_LIMIT, BYTES("\x0A\x01k\x12\x02\x10\x00"));
    expect_attr(logctx_attr_int("k", 0), NO_LIMIT, BYTES("\x0A\x01k\x12\x02\x18\x00"));
    expect_attr(logctx_attr_int("k", 300), NO_LIMIT, BYTES("\x0A\x01k\x12\x03\x18\xAC\x02"));
    expect_attr(logctx_attr_int("k", -1), NO_LIMIT,
                BYTES("\x0A\x01k\x12\x0B\x18\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"));
    expect_attr(logctx_attr_int("k", INT64_MIN), NO_LIMIT,
                BYTES("\x0A\x01k\x12\x0B\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"));
    expect_attr(logctx_attr_double("k", 1.0), NO_LIMIT, BYTES("\x0A\x01k\x12\x09\x21\x00\x00\x00\x00\x00\x00\xF0\x3F"));
    expect_attr(logctx_attr_double("k", -0.0), NO_LIMIT,
                BYTES("\x0A\x01k\x12\x09\x21\x00\x00\x00\x00\x00\x00\x00\x80"));
    expect_attr(logctx_attr_bytes("k", "\xFF\x00", 2), NO_LIMIT, BYTES("\x0A\x01k\x12\x04\x3A\x02\xFF\x00"));
    expect_attr(logctx_attr_bytes("k", NULL, 9), NO_LIMIT, BYTES("\x0A\x01k\x12\x02\x3A\x00"));
    expect_attr(logctx_attr_("k", LOGCTX_VALUE_EMPTY), NO_LIMIT, BYTES("\x0A\x01k\x12\x00"));
}

static void test_odd_input(void **state)
{
    (void)state;
    logctx_attr_t attr = logctx_attr_int(NULL, 1);
    expect_attr(attr, NO_LIMIT, BYTES("\x12\x02\x18\x01"));
    attr.key_length = 7;
    expect_attr(attr, NO_LIMIT, BYTES("\x12\x02\x18\x01"));
    expect_attr(logctx_attr_int("", 1), NO_LIMIT, BYTES("\x12\x02\x18\x01"));
    expect_attr(logctx_attr_int("k\xFF", 1), NO_LIMIT, BYTES("\x0A\x04k\xEF\xBF\xBD\x12\x02\x18\x01"));

    attr = logctx_attr_string_n("k", "x", 1);
    attr.value.as.bytes.data = NULL;
    expect_attr(attr, NO_LIMIT, BYTES("\x0A\x01k\x12\x02\x0A\x00"));
    attr = logctx_attr_bytes("k", "x", 1);
    attr.value.as.bytes.data = NULL;
    expect_attr(attr, NO_LIMIT, BYTES("\x0A\x01k\x12\x02\x3A\x00"));
    attr = logctx_attr_array("k", NULL, 3);
    attr.value.as.array.count = 3;
    expect_attr(attr, NO_LIMIT, BYTES("\x0A\x01k\x12\x02\x2A\x00"));
}

static logctx_value_t array_of(const logctx_value_t *items, size_t count)
{
    return logctx_attr_array("", items, count).value;
}

static void test_arrays(void **state)
{
    (void)state;
    const logctx_value_t inner[] = {logctx_attr_string("", "a\xFFz").value, logctx_attr_double("", 0).value};
    const logctx_value_t outer[] = {logctx_attr_int("", 7).value, array_of(inner, 2), array_of(NULL, 0),
                                    logctx_attr_("", LOGCTX_VALUE_EMPTY).value, logctx_attr_bool("", false).value};
    expect_attr(logctx_attr_array("k", outer, 0), NO_LIMIT, BYTES("\x0A\x01k\x12\x02\x2A\x00"));
    expect_attr(logctx_attr_array("k", outer, COUNT(outer)), NO_LIMIT,
                BYTES("\x0A\x01k\x12\x28\x2A\x26"
                      "\x0A\x02\x18\x07"
                      "\x0A\x16\x2A\x14\x0A\x07\x0A\x05"
                      "a\xEF\xBF\xBDz\x0A\x09\x21\x00\x00\x00\x00\x00\x00\x00\x00"
                      "\x0A\x02\x2A\x00"
                      "\x0A\x00"
                      "\x0A\x02\x10\x00"));
}

static void test_value_length(void **state)
{
    (void)state;
    expect_attr(logctx_attr_string("key", "\xC3\xA4\xE2\x82\xAC!"), 2,
                BYTES("\x0A\x03key\x12\x07\x0A\x05\xC3\xA4\xE2\x82\xAC"));
    expect_attr(logctx_attr_string("key", "abc"), 0, BYTES("\x0A\x03key\x12\x02\x0A\x00"));
    expect_attr(logctx_attr_string("key", "abc"), 3,
                BYTES("\x0A\x03key\x12\x05\x0A\x03"
                      "abc"));
    expect_attr(logctx_attr_bytes("key", "\xC3\xA4\xE2", 3), 2, BYTES("\x0A\x03key\x12\x04\x3A\x02\xC3\xA4"));
    expect_attr(logctx_attr_int("key", 123456), 1, BYTES("\x0A\x03key\x12\x04\x18\xC0\xC4\x07"));

    const logctx_value_t items[] = {logctx_attr_string("", "abc").value, logctx_attr_bytes("", "abc", 3).value};
    expect_attr(logctx_attr_array("key", items, 2), 1,
                BYTES("\x0A\x03key\x12\x0C\x2A\x0A\x0A\x03\x0A\x01"
                      "a\x0A\x03\x3A\x01"
                      "a"));
}

// Arrays `levels` deep around the number 1.
static logctx_attr_t tower(logctx_value_t *values, size_t levels)
{
    values[0] = logctx_attr_int("", 1).value;
    for (size_t i = 1; i < levels; i++)
        values[i] = array_of(&values[i - 1], 1);
    return logctx_attr_array("k", &values[levels - 1], 1);
}

// How many arrays are inside each other on the wire, and what is in the innermost. An ArrayValue of one value
// differs from a KeyValue without a key by its first byte only, so that the reader reads the next level too.
static size_t depth_of(const logctx_attr_t *attr, logctx_value_t *innermost)
{
    uint8_t bytes[1024];
    size_t size = logctx__wire_attr_put(bytes, sizeof bytes, attr, NO_LIMIT);
    assert_true(size > 0 && size <= sizeof bytes);
    logctx_attr_t read;
    assert_true(logctx_attr_read(bytes, size, &read));
    size_t depth = 0;
    for (; read.value.type == LOGCTX_VALUE_ARRAY; depth++) {
        size = read.value.as.bytes.length;
        memmove(bytes, read.value.as.bytes.data, size);
        assert_int_equal(bytes[0], 0x0A);
        bytes[0] = 0x12;
        assert_true(logctx_attr_read(bytes, size, &read));
    }
    *innermost = read.value;
    return depth;
}

static void test_depth(void **state)
{
    (void)state;
    logctx_value_t values[100];
    logctx_value_t innermost;
    logctx_attr_t attr = tower(values, LOGCTX__WIRE_MAX_DEPTH);
    assert_int_equal(depth_of(&attr, &innermost), LOGCTX__WIRE_MAX_DEPTH);
    assert_int_equal(innermost.type, LOGCTX_VALUE_INT);
    attr = tower(values, LOGCTX__WIRE_MAX_DEPTH + 1);
    assert_int_equal(depth_of(&attr, &innermost), LOGCTX__WIRE_MAX_DEPTH);
    assert_int_equal(innermost.type, LOGCTX_VALUE_EMPTY);
    attr = tower(values, COUNT(values));
    assert_int_equal(depth_of(&attr, &innermost), LOGCTX__WIRE_MAX_DEPTH);
    assert_int_equal(innermost.type, LOGCTX_VALUE_EMPTY);

    // An array that is in itself is only deep.
    logctx_value_t self;
    self = array_of(&self, 1);
    attr = logctx_attr_array("k", &self, 1);
    assert_int_equal(depth_of(&attr, &innermost), LOGCTX__WIRE_MAX_DEPTH);
}

static void expect_refused(logctx_attr_t attr, uint32_t limit)
{
    uint8_t byte = 0x55;
    assert_int_equal(logctx__wire_attr_size(&attr, limit), 0);
    assert_ptr_equal(logctx__wire_attr_write(&byte, &attr, limit), &byte);
    assert_int_equal(byte, 0x55);
}

static void test_too_large(void **state)
{
    (void)state;
    const size_t max = LOGCTX__WIRE_MAX;
    char *text = malloc(max + 8);
    assert_non_null(text);
    memset(text, 'x', max + 8);
    // 3 for the key, 5 + 5 before the text of 2^26 bytes less a few.
    assert_int_equal(
        logctx__wire_attr_size(
            &(logctx_attr_t){.key = "k", .key_length = 1, .value = logctx_attr_string_n("", text, max - 13).value},
            NO_LIMIT),
        max);
    expect_refused(logctx_attr_string_n("k", text, max - 12), NO_LIMIT);
    expect_refused(logctx_attr_string_n("k", text, max + 8), NO_LIMIT);
    expect_refused(logctx_attr_bytes("k", text, max + 8), NO_LIMIT);
    expect_refused(logctx_attr_bytes("k", text, SIZE_MAX), NO_LIMIT);
    expect_refused((logctx_attr_t){.key = text, .key_length = max + 1}, NO_LIMIT);
    const logctx_value_t half = logctx_attr_bytes("", text, max / 2).value;
    const logctx_value_t two[] = {half, half};
    expect_refused(logctx_attr_array("k", two, 2), NO_LIMIT);
    const logctx__wire_event_t event = {.name = text, .name_length = max};
    assert_int_equal(logctx__wire_event_size(&event, &no_limits), 0);
    const logctx__wire_event_t less = {.name = text, .name_length = max - 6};
    assert_int_equal(logctx__wire_event_size(&less, &no_limits), max - 1);
    const logctx__wire_link_t link = {
        .trace_id = (uint8_t *)text, .span_id = (uint8_t *)text, .tracestate = text, .tracestate_length = max - 6};
    assert_int_equal(logctx__wire_link_size(&link, &no_limits), 0);
    assert_ptr_equal(logctx__wire_link_write((uint8_t *)text, &link, &no_limits), text);
    expect_attr(logctx_attr_bytes("k", text, SIZE_MAX), 1, BYTES("\x0A\x01k\x12\x03\x3A\x01x"));
    expect_attr(logctx_attr_string_n("k", text, max + 8), 1, BYTES("\x0A\x01k\x12\x03\x0A\x01x"));

    // A few shared items that unfold to 2^64.
    logctx_value_t pairs[64][2];
    pairs[0][0] = pairs[0][1] = logctx_attr_("", LOGCTX_VALUE_EMPTY).value;
    for (size_t i = 1; i < 64; i++)
        pairs[i][0] = pairs[i][1] = array_of(pairs[i - 1], 2);
    expect_refused(logctx_attr_array("k", pairs[63], 2), NO_LIMIT);
    free(text);
}

// ---- events and links ----

static void expect_event(const logctx__wire_event_t *event, logctx__wire_limits_t limits, const uint8_t *want,
                         size_t length)
{
    assert_int_equal(logctx__wire_event_size(event, &limits), length);
    uint8_t *bytes = malloc(length + (length == 0));
    assert_non_null(bytes);
    assert_ptr_equal(logctx__wire_event_write(bytes, event, &limits), bytes + length);
    assert_memory_equal(bytes, want, length);
    memset(bytes, 0x55, length);
    assert_int_equal(logctx__wire_event_put(bytes, length - 1, event, &limits), length);
    assert_int_equal(bytes[0], 0x55);
    free(bytes);
}

#define TIME "\x09\x01\x00\x00\x00\x00\x00\x00\x00"

static void test_event(void **state)
{
    (void)state;
    logctx_attr_t attrs[] = {logctx_attr_int("a", 1), logctx_attr_string("b", "xy")};
    logctx__wire_event_t event = {.unix_ns = 1, .name = "n\xFF", .name_length = 2};
    expect_event(&event, no_limits, BYTES(TIME "\x12\x04n\xEF\xBF\xBD"));
    event.attrs = attrs;
    event.count = 2;
    expect_event(&event, no_limits,
                 BYTES(TIME "\x12\x04n\xEF\xBF\xBD\x1A\x07\x0A\x01"
                            "a\x12\x02\x18\x01\x1A\x09\x0A\x01"
                            "b\x12\x04\x0A\x02xy"));
    expect_event(&event, (logctx__wire_limits_t){.value_length = 1, .attr_count = 2},
                 BYTES(TIME "\x12\x04n\xEF\xBF\xBD\x1A\x07\x0A\x01"
                            "a\x12\x02\x18\x01\x1A\x08\x0A\x01"
                            "b\x12\x03\x0A\x01x"));
    event = (logctx__wire_event_t){.unix_ns = 1, .count = 4};
    expect_event(&event, no_limits, BYTES(TIME));
    event = (logctx__wire_event_t){.name = "n", .name_length = 1};
    expect_event(&event, no_limits, BYTES("\x12\x01n"));
    event = (logctx__wire_event_t){.unix_ns = 0};
    assert_int_equal(logctx__wire_event_size(&event, &no_limits), 0);
}

static void test_event_keys(void **state)
{
    (void)state;
    // The last value of a key, in the place of the first; a key counts as what it is on the wire.
    const logctx_attr_t attrs[] = {logctx_attr_int("a", 1),  logctx_attr_int("\xFF", 2), logctx_attr_int("", 3),
                                   logctx_attr_int("a", 4),  logctx_attr_int("\xFE", 5), logctx_attr_int("b", 6),
                                   logctx_attr_int(NULL, 7), logctx_attr_int("b", 8)};
    logctx__wire_event_t event = {.unix_ns = 1, .attrs = attrs, .count = COUNT(attrs)};
    expect_event(&event, no_limits,
                 BYTES(TIME "\x1A\x07\x0A\x01"
                            "a\x12\x02\x18\x04\x1A\x09\x0A\x03\xEF\xBF\xBD\x12\x02\x18\x05\x1A\x07\x0A\x01"
                            "b\x12\x02\x18\x08\x20\x02"));
    // Beyond the limit new keys are dropped and counted, and old ones still replaced.
    expect_event(&event, (logctx__wire_limits_t){.value_length = NO_LIMIT, .attr_count = 1},
                 BYTES(TIME "\x1A\x07\x0A\x01"
                            "a\x12\x02\x18\x04\x20\x06"));
    expect_event(&event, (logctx__wire_limits_t){.value_length = NO_LIMIT, .attr_count = 0}, BYTES(TIME "\x20\x08"));
}

static void test_event_is_bounded(void **state)
{
    (void)state;
    enum { MANY = LOGCTX__WIRE_MAX_ATTRS + 300 };
    static char keys[MANY][8];
    static logctx_attr_t attrs[MANY];
    for (int i = 0; i < MANY; i++) {
        for (int digit = 0, rest = i; digit < 4; digit++, rest /= 10)
            keys[i][digit] = (char)('0' + rest % 10);
        attrs[i] = logctx_attr_int(keys[i], i);
    }
    logctx__wire_event_t event = {.unix_ns = 1, .attrs = attrs, .count = MANY};
    size_t size = logctx__wire_event_size(&event, &no_limits);
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    logctx__wire_event_write(bytes, &event, &no_limits);
    logctx_event_t read;
    logctx_attr_t attr;
    size_t cursor = 0;
    int count = 0;
    assert_true(logctx_event_read(bytes, size, &read));
    while (logctx_event_next(&read, &cursor, &attr))
        assert_int_equal(attr.value.as.integer, count++);
    assert_int_equal(count, LOGCTX__WIRE_MAX_ATTRS);
    assert_int_equal(read.dropped_attributes, 300);
    free(bytes);

    // One attribute that cannot be written refuses the event.
    attrs[1] = logctx_attr_bytes("huge", keys, SIZE_MAX);
    assert_int_equal(logctx__wire_event_size(&event, &no_limits), 0);
    assert_ptr_equal(logctx__wire_event_write((uint8_t *)keys, &event, &no_limits), keys);
    event = (logctx__wire_event_t){.name = keys[0], .name_length = 1};
    assert_int_equal(logctx__wire_event_size(&event, &no_limits), 3);
}

static void test_link(void **state)
{
    (void)state;
    static const uint8_t ids[24] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                    13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24};
    const logctx_attr_t attrs[] = {logctx_attr_int("a", 1), logctx_attr_int("b", 1)};
    const logctx__wire_limits_t one = {.value_length = NO_LIMIT, .attr_count = 1};
    static const char want[] = "\x0A\x10\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C\x0D\x0E\x0F\x10"
                               "\x12\x08\x11\x12\x13\x14\x15\x16\x17\x18\x1A\x03x=y\x22\x07\x0A\x01"
                               "a\x12\x02\x18\x01\x28\x01\x35\x01\x03\x00\x00";
    logctx__wire_link_t link = {.trace_id = ids,
                                .span_id = ids + 16,
                                .flags = 0x301,
                                .tracestate = "x=y",
                                .tracestate_length = 3,
                                .attrs = attrs,
                                .count = 2};
    uint8_t bytes[128];
    size_t size = sizeof want - 1;
    assert_int_equal(logctx__wire_link_size(&link, &one), size);
    assert_ptr_equal(logctx__wire_link_write(bytes, &link, &one), bytes + size);
    assert_memory_equal(bytes, want, size);
    bytes[0] = 0x55;
    assert_int_equal(logctx__wire_link_put(bytes, size - 1, &link, &one), size);
    assert_int_equal(bytes[0], 0x55);

    link = (logctx__wire_link_t){.trace_id = ids, .span_id = ids + 16};
    assert_int_equal(logctx__wire_link_size(&link, &one), 28);
    assert_ptr_equal(logctx__wire_link_write(bytes, &link, &one), bytes + 28);
    assert_memory_equal(bytes, want, 28);
}

// ---- reading ----

typedef struct reading {
    const char *what;
    const uint8_t *bytes;
    size_t length;
    bool good;
    logctx_value_type_t type;
    int64_t value; // of an int, or the length of what has one
} reading_t;

static void test_attr_read(void **state)
{
    (void)state;
    static const reading_t readings[] = {
        {"nothing", BYTES(""), true, LOGCTX_VALUE_EMPTY, 0},
        {"key only", BYTES("\x0A\x01k"), true, LOGCTX_VALUE_EMPTY, 0},
        {"empty value", BYTES("\x0A\x01k\x12\x00"), true, LOGCTX_VALUE_EMPTY, 0},
        {"value before key", BYTES("\x12\x02\x18\x07\x0A\x01k"), true, LOGCTX_VALUE_INT, 7},
        {"string", BYTES("\x12\x03\x0A\x01k"), true, LOGCTX_VALUE_STRING, 1},
        {"bytes", BYTES("\x12\x04\x3A\x02kk"), true, LOGCTX_VALUE_BYTES, 2},
        {"array", BYTES("\x12\x06\x2A\x04\x0A\x02\x18\x01"), true, LOGCTX_VALUE_ARRAY, 4},
        {"the last of two values", BYTES("\x12\x02\x18\x01\x12\x02\x18\x02"), true, LOGCTX_VALUE_INT, 2},
        {"the last in one value", BYTES("\x12\x05\x0A\x01x\x18\x02"), true, LOGCTX_VALUE_INT, 2},
        {"an empty one changes nothing", BYTES("\x12\x02\x18\x01\x12\x00"), true, LOGCTX_VALUE_INT, 1},
        {"a long varint", BYTES("\x12\x03\x18\x87\x00"), true, LOGCTX_VALUE_INT, 7},
        {"-1", BYTES("\x12\x0B\x18\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), true, LOGCTX_VALUE_INT, -1},
        {"unknown fields", BYTES("\x18\x05\x21xxxxxxxx\x2Dyyyy\x32\x01z\x12\x02\x18\x07"), true, LOGCTX_VALUE_INT, 7},
        {"unknown fields of the value", BYTES("\x12\x06\x40\x01\x18\x07\x32\x00"), true, LOGCTX_VALUE_INT, 7},
        {"a field number of five bytes", BYTES("\xF8\xFF\xFF\xFF\x0F\x00"), true, LOGCTX_VALUE_EMPTY, 0},
        {"field 0", BYTES("\x02\x00"), false, 0, 0},
        {"a field number beyond 32 bits", BYTES("\xF8\xFF\xFF\xFF\x1F\x00"), false, 0, 0},
        {"no length", BYTES("\x0A"), false, 0, 0},
        {"length beyond the end", BYTES("\x0A\x02k"), false, 0, 0},
        {"length of 2^64-1", BYTES("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01k"), false, 0, 0},
        {"varint without end", BYTES("\x12\x02\x18\x80"), false, 0, 0},
        {"varint of eleven bytes", BYTES("\x12\x0C\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), false, 0, 0},
        {"varint beyond 64 bits", BYTES("\x12\x0B\x18\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02"), false, 0, 0},
        {"short fixed64", BYTES("\x12\x08\x21xxxxxxx"), false, 0, 0},
        {"short fixed32", BYTES("\x2Dyyy"), false, 0, 0},
        {"group", BYTES("\x1B\x1C"), false, 0, 0},
        {"wire type 6", BYTES("\x1E"), false, 0, 0},
        {"wire type 7", BYTES("\x1F"), false, 0, 0},
        {"key as a number", BYTES("\x08\x01"), false, 0, 0},
        {"value as a number", BYTES("\x10\x01"), false, 0, 0},
        {"bool as text", BYTES("\x12\x03\x12\x01x"), false, 0, 0},
        {"string as a number", BYTES("\x12\x02\x08\x01"), false, 0, 0},
        {"double of 32 bits", BYTES("\x12\x05\x25xxxx"), false, 0, 0},
    };
    for (size_t i = 0; i < COUNT(readings); i++) {
        const reading_t *r = &readings[i];
        uint8_t *bytes = malloc(r->length + (r->length == 0));
        assert_non_null(bytes);
        memcpy(bytes, r->bytes, r->length);
        logctx_attr_t attr = logctx_attr_int("untouched", 4711);
        if (logctx_attr_read(bytes, r->length, &attr) != r->good)
            fail_msg("%s", r->what);
        if (r->good &&
            (attr.value.type != r->type ||
             (r->type == LOGCTX_VALUE_INT ? attr.value.as.integer : (int64_t)attr.value.as.bytes.length) != r->value))
            fail_msg("%s", r->what);
        if (!r->good)
            assert_int_equal(attr.value.as.integer, 4711);
        free(bytes);
    }
    logctx_attr_t attr;
    assert_true(logctx_attr_read(NULL, 0, &attr));
    assert_true(logctx_attr_read(NULL, 10, &attr));
    assert_int_equal(attr.key_length, 0);
    assert_non_null(attr.key);
}

static void test_attr_round_trip(void **state)
{
    (void)state;
    const logctx_attr_t attrs[] = {logctx_attr_string("k", "text"), logctx_attr_bytes("k", "\0\1", 2),
                                   logctx_attr_int("k", INT64_MIN), logctx_attr_double("k", -INFINITY),
                                   logctx_attr_bool("k", true),     logctx_attr_("k", LOGCTX_VALUE_EMPTY)};
    for (size_t i = 0; i < COUNT(attrs); i++) {
        uint8_t bytes[64];
        uint8_t again[64];
        logctx_attr_t read;
        size_t size = logctx__wire_attr_put(bytes, sizeof bytes, &attrs[i], NO_LIMIT);
        assert_true(logctx_attr_read(bytes, size, &read));
        assert_int_equal(read.value.type, attrs[i].value.type);
        assert_int_equal(logctx__wire_attr_put(again, sizeof again, &read, NO_LIMIT), size);
        assert_memory_equal(again, bytes, size);
    }
}

static size_t sample_event(uint8_t *bytes, size_t room)
{
    const logctx_attr_t attrs[] = {logctx_attr_int("a", 1), logctx_attr_string("b", "text"),
                                   logctx_attr_double("c", 0.5), logctx_attr_int("d", 4)};
    const logctx__wire_limits_t limits = {.value_length = NO_LIMIT, .attr_count = 3};
    const logctx__wire_event_t event = {.unix_ns = 77, .name = "name", .name_length = 4, .attrs = attrs, .count = 4};
    size_t size = logctx__wire_event_put(bytes, room, &event, &limits);
    assert_true(size > 0 && size <= room);
    return size;
}

static void test_event_read(void **state)
{
    (void)state;
    uint8_t bytes[128];
    size_t size = sample_event(bytes, sizeof bytes);
    logctx_event_t event;
    logctx_attr_t attr;
    size_t cursor = 0;
    assert_true(logctx_event_read(bytes, size, &event));
    assert_int_equal(event.unix_ns, 77);
    assert_int_equal(event.name_length, 4);
    assert_memory_equal(event.name, "name", 4);
    assert_int_equal(event.dropped_attributes, 1);
    for (char key = 'a'; key <= 'c'; key++) {
        assert_true(logctx_event_next(&event, &cursor, &attr));
        assert_int_equal(attr.key_length, 1);
        assert_int_equal(attr.key[0], key);
    }
    assert_false(logctx_event_next(&event, &cursor, &attr));
    assert_false(logctx_event_next(&event, &cursor, &attr));
    cursor = SIZE_MAX;
    assert_false(logctx_event_next(&event, &cursor, &attr));

    cursor = 0;
    assert_true(logctx_event_read(NULL, 9, &event));
    assert_int_equal(event.name_length, 0);
    assert_false(logctx_event_next(&event, &cursor, &attr));
    // Not through logctx_event_read().
    event = (logctx_event_t){.length = 3};
    assert_false(logctx_event_next(&event, &(size_t){0}, &attr));
    assert_false(logctx_event_read(BYTES("\x08\x01"), &event));
    assert_false(logctx_event_read(BYTES("\x10\x01"), &event));
    assert_false(logctx_event_read(BYTES("\x1A\x01\x0A"), &event));
    assert_true(logctx_event_read(BYTES("\x28\x01\x20\x05"), &event));
    assert_int_equal(event.dropped_attributes, 5);
}

// Every prefix and every changed byte, in memory of exactly that size: any answer will do, and no read
// outside.
static void test_event_read_broken(void **state)
{
    (void)state;
    uint8_t whole[128];
    size_t size = sample_event(whole, sizeof whole);
    for (size_t length = 0; length <= size; length++) {
        uint8_t *bytes = malloc(length + (length == 0));
        assert_non_null(bytes);
        for (unsigned i = 0; i < (length == 0 ? 1 : 256 * length); i++) {
            memcpy(bytes, whole, length);
            if (length > 0)
                bytes[i / 256] ^= (uint8_t)i;
            logctx_event_t event;
            logctx_attr_t attr;
            size_t cursor = 0;
            size_t before = 0;
            logctx_attr_read(bytes, length, &attr);
            if (!logctx_event_read(bytes, length, &event))
                event = (logctx_event_t){.bytes = bytes, .length = length};
            for (; logctx_event_next(&event, &cursor, &attr); before = cursor)
                assert_true(cursor > before && cursor <= length);
        }
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_varint),
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_odd_input),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_value_length),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_event),
        cmocka_unit_test(test_event_keys),
        cmocka_unit_test(test_event_is_bounded),
        cmocka_unit_test(test_link),
        cmocka_unit_test(test_attr_read),
        cmocka_unit_test(test_attr_round_trip),
        cmocka_unit_test(test_event_read),
        cmocka_unit_test(test_event_read_broken),
    };
    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
