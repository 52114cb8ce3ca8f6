/*
 * test_attr.c: attributes, events, links and status: values, replacement, limits, dropped counts, text of strangers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "spans.h"

#include <logctx/trace.h>
#include <stdlib.h>

static void set_limits(uint32_t attributes, uint32_t value_length, uint32_t span_bytes)
{
    logctx_limits_t limits;
    logctx_get_limits(&limits);
    limits.attributes = attributes;
    limits.attribute_value_length = value_length;
    limits.span_bytes = span_bytes;
    assert_int_equal(logctx_set_limits(&limits), LOGCTX_OK);
}

static const logctx_record_t *finished(logctx_t *ctx)
{
    end(ctx);
    return logctx_recorder_at(recorder, logctx_recorder_count(recorder) - 1);
}

static void test_every_type(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    logctx_value_t items[2] = {logctx_attr_int("", 7).value, logctx_attr_string("", "x").value};
    assert_int_equal(logctx_set_string(ctx, "s", "text"), LOGCTX_OK);
    assert_int_equal(logctx_set_string(ctx, "null", NULL), LOGCTX_OK);
    assert_int_equal(logctx_set_int(ctx, "i", INT64_MIN), LOGCTX_OK);
    assert_int_equal(logctx_set_double(ctx, "d", -0.5), LOGCTX_OK);
    assert_int_equal(logctx_set_bool(ctx, "b", true), LOGCTX_OK);
    assert_int_equal(logctx_set_attr(ctx, logctx_attr_bytes("y", "\0\xff", 2)), LOGCTX_OK);
    assert_int_equal(logctx_set_attr(ctx, logctx_attr_array("a", items, 2)), LOGCTX_OK);
    assert_int_equal(logctx_set_attr(ctx, logctx_attr_("e", LOGCTX_VALUE_EMPTY)), LOGCTX_OK);
    const logctx_record_t *record = finished(ctx);
    assert_string_equal(text_attr(record, "s"), "text");
    assert_string_equal(text_attr(record, "null"), "");
    assert_true(int_attr(record, "i") == INT64_MIN);
    assert_near(real_attr(record, "d"), -0.5);
    logctx_attr_t attr;
    assert_true(logctx_record_find(record, "b", &attr) && attr.value.type == LOGCTX_VALUE_BOOL &&
                attr.value.as.boolean);
    assert_true(logctx_record_find(record, "y", &attr) && attr.value.type == LOGCTX_VALUE_BYTES);
    assert_int_equal(attr.value.as.bytes.length, 2);
    assert_true(logctx_record_find(record, "a", &attr) && attr.value.type == LOGCTX_VALUE_ARRAY);
    assert_memory_equal(attr.value.as.bytes.data, "\n\x02\x18\x07\n\x03\n\x01x", attr.value.as.bytes.length);
    assert_true(logctx_record_find(record, "e", &attr) && attr.value.type == LOGCTX_VALUE_EMPTY);
    assert_false(has_attr(record, "S")); // keys are case-sensitive
}

static void test_refusals(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    assert_int_equal(logctx_set_string(ctx, "", "x"), LOGCTX_E_INVALID);
    assert_int_equal(logctx_set_string(ctx, NULL, "x"), LOGCTX_E_INVALID);
    assert_int_equal(logctx_add_event(ctx, NULL, NULL, 0), LOGCTX_E_INVALID);
    assert_int_equal(logctx_add_event(ctx, "e", NULL, 3), LOGCTX_E_INVALID);
    assert_int_equal(logctx_add_link(ctx, NULL, NULL, NULL, 0), LOGCTX_E_INVALID);
    assert_int_equal(logctx_set_status(ctx, (logctx_status_code_t)9, "x"), LOGCTX_E_INVALID);
    assert_int_equal(logctx_set_string(NULL, "a", "x"), LOGCTX_E_INVALID);
    assert_int_equal(logctx_add_event(NULL, "e", NULL, 0), LOGCTX_E_INVALID);
    assert_int_equal(logctx_add_link(NULL, NULL, NULL, NULL, 0), LOGCTX_E_INVALID);
    assert_int_equal(logctx_set_status(NULL, LOGCTX_STATUS_OK, NULL), LOGCTX_E_INVALID);
    assert_int_equal(logctx_set_failed(NULL, "x", NULL), LOGCTX_E_INVALID);
    take_errors(LOGCTX_ERROR_INVALID_USE, 5);
    assert_true(logctx_is_recording(ctx));
    logctx_finish(ctx);
    assert_false(logctx_is_recording(ctx));
    assert_int_equal(logctx_set_string(ctx, "a", "x"), LOGCTX_E_FINISHED);
    assert_int_equal(logctx_add_event(ctx, "e", NULL, 0), LOGCTX_E_FINISHED);
    assert_int_equal(logctx_set_status(ctx, LOGCTX_STATUS_OK, NULL), LOGCTX_E_FINISHED);
    assert_int_equal(logctx_set_failed(ctx, "x", NULL), LOGCTX_E_FINISHED);
    logctx_unref(ctx);
    for (int status = LOGCTX_E_SHUTDOWN; status <= LOGCTX_OK; status++)
        assert_true(strlen(logctx_strerror((logctx_status_t)status)) > 3);
    assert_non_null(strstr(logctx_strerror((logctx_status_t)-77), "does not know"));
}

// What is wrong is said also where nothing would be kept.
static void test_refusals_without_a_span(void **state)
{
    (void)state;
    logctx_set_sampler(LOGCTX_SAMPLER_ALWAYS_OFF);
    logctx_t *const contexts[] = {make("k", "not sampled"), logctx_sentinel()};
    logctx_set_sampler(LOGCTX_SAMPLER_PARENTBASED_ALWAYS_ON);
    for (size_t i = 0; i < COUNT(contexts); i++) {
        assert_int_equal(logctx_set_string(contexts[i], "", "x"), LOGCTX_E_INVALID);
        assert_int_equal(logctx_set_string(contexts[i], NULL, "x"), LOGCTX_E_INVALID);
        assert_int_equal(logctx_set_int(contexts[i], "", 1), LOGCTX_E_INVALID);
        assert_int_equal(logctx_set_double(contexts[i], NULL, 1), LOGCTX_E_INVALID);
        assert_int_equal(logctx_set_bool(contexts[i], "", true), LOGCTX_E_INVALID);
        assert_int_equal(logctx_set_string(contexts[i], "a", "x"), LOGCTX_OK);
        assert_int_equal(logctx_set_int(contexts[i], "a", 1), LOGCTX_OK);
        assert_int_equal(logctx_set_double(contexts[i], "a", 1), LOGCTX_OK);
        assert_int_equal(logctx_set_bool(contexts[i], "a", true), LOGCTX_OK);
    }
    end(contexts[0]);
}

// What is written while it is looked at is what is written the long way, at every length, and with any byte in it.
static void test_every_length(void **state)
{
    (void)state;
    enum { LONGEST = 140 };
    char key[LONGEST + 1], value[LONGEST + 1], name[32];
    for (size_t length = 1; length <= LONGEST; length++)
        for (size_t odd = 0; odd < 3; odd++) { // all ASCII; a character of two bytes in the key; in the value
            snprintf(name, sizeof name, "%zu %zu", length, odd);
            memset(key, 'k', length);
            memset(value, 'v', length);
            key[length] = value[length] = '\0';
            if (odd > 0 && length >= 2)
                memcpy((odd == 1 ? key : value) + (length - 2) * (length % 3) / 2, "\xc3\xa9", 2);
            logctx_t *ctx = make("k", name);
            assert_int_equal(logctx_set_string(ctx, key, value), LOGCTX_OK);
            assert_int_equal(logctx_set_string(ctx, "other", value), LOGCTX_OK);
            assert_int_equal(logctx_set_string(ctx, key, value), LOGCTX_OK);
            end(ctx);
            const logctx_record_t *record = record_of(name);
            assert_int_equal(count_key(record, key), 1);
            assert_string_equal(text_attr(record, key), value);
            assert_string_equal(text_attr(record, "other"), value);
        }
}

static void test_replacing(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    for (int i = 0; i < 10; i++) {
        logctx_set_int(ctx, "n", i);
        logctx_set_string(ctx, "\xff", "first");
        logctx_set_string(ctx, "\xfe", "second"); // both are U+FFFD: one key
    }
    logctx_set_string(ctx, "n", "another type");
    const logctx_record_t *record = finished(ctx);
    assert_int_equal(count_key(record, "n"), 1);
    assert_string_equal(text_attr(record, "n"), "another type");
    assert_int_equal(count_key(record, "\xef\xbf\xbd"), 1);
    assert_string_equal(text_attr(record, "\xef\xbf\xbd"), "second");
    assert_int_equal(logctx_record_span(record)->dropped_attributes, 0);
}

static void test_the_count_limit(void **state)
{
    (void)state;
    set_limits(4, UINT32_MAX, 1u << 20);
    logctx_t *ctx = make("k", "c");
    char key[] = "key0";
    for (int i = 0; i < 7; i++, key[3]++)
        assert_int_equal(logctx_set_int(ctx, key, i), i < 4 ? LOGCTX_OK : LOGCTX_E_LIMIT);
    assert_int_equal(logctx_set_int(ctx, "key2", 22), LOGCTX_OK); // also at the limit
    const logctx_record_t *record = finished(ctx);
    assert_int_equal(int_attr(record, "key2"), 22);
    assert_true(int_attr(record, "key3") == 3);
    assert_false(has_attr(record, "key4"));
    assert_int_equal(logctx_record_span(record)->dropped_attributes, 3);
    assert_string_equal(text_attr(record, "logctx.name"), "c"); // the library's own are beside it
    set_limits(0, UINT32_MAX, 1u << 20);
    ctx = make("k", "none");
    assert_int_equal(logctx_set_int(ctx, "a", 1), LOGCTX_E_LIMIT);
    assert_string_equal(text_attr(finished(ctx), "logctx.name"), "none");
}

static void test_the_default_limit(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    char key[16];
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(logctx_set_int(ctx, key, i), i < 128 ? LOGCTX_OK : LOGCTX_E_LIMIT);
    }
    const logctx_record_t *record = finished(ctx);
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(has_attr(record, key), i < 128);
    }
    assert_int_equal(logctx_record_span(record)->dropped_attributes, 72);
}

static void test_values_are_cut_on_a_character(void **state)
{
    (void)state;
    set_limits(128, 3, 1u << 20);
    logctx_t *ctx = make("k", "a name that is longer than that");
    logctx_set_string(ctx, "s", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80xyz");
    logctx_set_attr(ctx, logctx_attr_bytes("b", "12345", 5));
    logctx_value_t items[] = {logctx_attr_string("", "12345").value};
    logctx_set_attr(ctx, logctx_attr_array("a", items, 1));
    const logctx_record_t *record = finished(ctx);
    assert_string_equal(text_attr(record, "s"), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    logctx_attr_t attr;
    assert_true(logctx_record_find(record, "b", &attr));
    assert_int_equal(attr.value.as.bytes.length, 3);
    assert_true(logctx_record_find(record, "a", &attr));
    assert_memory_equal(attr.value.as.bytes.data,
                        "\n\x05\n\x03"
                        "123",
                        7);
    assert_string_equal(text_attr(record, "logctx.name"), "a name that is longer than that");
}

static void test_bad_text_is_repaired(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    logctx_set_string(ctx, "a\xc0", "x\xed\xa0\x80y");
    logctx_set_attr(ctx, logctx_attr_string_n("zero", "a\0b", 3));
    const logctx_record_t *record = finished(ctx);
    assert_string_equal(text_attr(record, "a\xef\xbf\xbd"), "x\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdy");
    logctx_attr_t attr;
    assert_true(logctx_record_find(record, "zero", &attr));
    assert_int_equal(attr.value.as.bytes.length, 3);
}

static void test_the_byte_limit(void **state)
{
    (void)state;
    set_limits(1000, UINT32_MAX, 10000);
    char big[6001];
    memset(big, 'b', 6000);
    big[6000] = '\0';
    logctx_t *ctx = make("k", "c");
    assert_int_equal(logctx_set_string(ctx, "one", big), LOGCTX_OK);
    assert_int_equal(logctx_set_string(ctx, "two", big), LOGCTX_E_LIMIT);
    assert_int_equal(logctx_set_string(ctx, "small", "fits"), LOGCTX_OK);
    assert_int_equal(logctx_set_string(ctx, "one", big), LOGCTX_OK); // in the place of itself
    logctx_attr_t attr = logctx_attr_string("a", big);
    assert_int_equal(logctx_add_event(ctx, "e", &attr, 1), LOGCTX_E_LIMIT);
    assert_int_equal(logctx_add_link(ctx, &(logctx_span_context_t){{1}, {1}, 1}, NULL, &attr, 1), LOGCTX_E_LIMIT);
    // What does not fit must not cost what was there.
    big[5999] = '\0';
    assert_int_equal(logctx_set_string(ctx, "small", big), LOGCTX_E_LIMIT);
    const logctx_record_t *record = finished(ctx);
    assert_string_equal(text_attr(record, "small"), "fits");
    assert_false(has_attr(record, "two"));
    const logctx_span_t *span = logctx_record_span(record);
    assert_int_equal(span->dropped_attributes, 2);
    assert_int_equal(span->dropped_events, 1);
    assert_int_equal(span->dropped_links, 1);
}

// An application that fills its span does not hide what the context cost.
static void test_the_librarys_own_are_beyond_the_limits(void **state)
{
    (void)state;
    set_limits(1, 1, 64);
    logctx_t *ctx = make("k", "a longer name than the span may hold in all: 0123456789 0123456789 0123456789");
    logctx_set_string(ctx, "x", "y");
    const logctx_record_t *record = finished(ctx);
    assert_int_equal(strlen(text_attr(record, "logctx.name")), 77);
    assert_true(has_attr(record, "logctx.cpu.time") && has_attr(record, "logctx.running.time"));
    assert_int_equal(logctx_record_span(record)->dropped_attributes, 0);
}

static void test_one_key_a_hundred_thousand_times(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    char value[300];
    memset(value, 'v', sizeof value);
    for (int i = 0; i < 100000; i++) {
        snprintf(value + 280, 20, "%d", i);
        assert_int_equal(logctx_set_string(ctx, i % 3 ? "one" : "other", value), LOGCTX_OK);
    }
    const logctx_record_t *record = finished(ctx);
    assert_string_equal(text_attr(record, "one") + 280, "99998");
    assert_string_equal(text_attr(record, "other") + 280, "99999");
    assert_true(logctx_record_span(record)->bytes < 64 * 1024);
}

static void test_many_keys_many_times(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    char key[16];
    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof key, "k%d", i * 7919 % 100);
        assert_int_equal(logctx_set_int(ctx, key, i), LOGCTX_OK);
        if (i % 1000 == 0)
            assert_int_equal(logctx_add_event(ctx, "between", NULL, 0), LOGCTX_OK);
    }
    const logctx_record_t *record = finished(ctx);
    for (int i = 19900; i < 20000; i++) {
        snprintf(key, sizeof key, "k%d", i * 7919 % 100);
        assert_int_equal(int_attr(record, key), i);
        assert_int_equal(count_key(record, key), 1);
    }
    assert_int_equal(count_events(record, "between"), 20);
}

// ---- events and links ----

static void test_events(void **state)
{
    (void)state;
    logctx_limits_t limits;
    logctx_get_limits(&limits);
    limits.events = 3;
    limits.attributes_per_event = 2;
    logctx_set_limits(&limits);
    logctx_t *ctx = make("k", "c");
    logctx_attr_t attrs[] = {logctx_attr_string("a", "1"), logctx_attr_int("b", 2), logctx_attr_string("a", "3"),
                             logctx_attr_bool("c", true)};
    pass(MS);
    assert_int_equal(logctx_add_event(ctx, "first", attrs, COUNT(attrs)), LOGCTX_OK);
    assert_int_equal(logctx_add_event(ctx, "", NULL, 0), LOGCTX_OK);
    assert_int_equal(logctx_add_event(ctx, "third", NULL, 0), LOGCTX_OK);
    assert_int_equal(logctx_add_event(ctx, "fourth", NULL, 0), LOGCTX_E_LIMIT);
    const logctx_record_t *record = finished(ctx);
    logctx_event_t event;
    assert_true(find_event(record, NULL, 0, &event));
    assert_int_equal(event.name_length, 5);
    assert_true(event.unix_ns == UNIX_START + (uint64_t)MS);
    assert_string_equal(event_text(&event, "a"), "3");
    assert_int_equal(event.dropped_attributes, 1);
    assert_true(find_event(record, NULL, 2, &event)); // in order
    assert_memory_equal(event.name, "third", 5);
    assert_false(find_event(record, NULL, 3, &event));
    assert_int_equal(logctx_record_span(record)->dropped_events, 1);
}

static void test_links(void **state)
{
    (void)state;
    logctx_limits_t limits;
    logctx_get_limits(&limits);
    limits.links = 2;
    logctx_set_limits(&limits);
    logctx_t *ctx = make("k", "c");
    logctx_span_context_t to = {{1, 2}, {3, 4}, 1}, zero = {{0}, {0}, 0};
    logctx_attr_t attr = logctx_attr_string("why", "batch");
    assert_int_equal(logctx_add_link(ctx, &to, "a=1", &attr, 1), LOGCTX_OK);
    assert_int_equal(logctx_add_link(ctx, &zero, NULL, &attr, 1), LOGCTX_OK); // kept: it has attributes
    assert_int_equal(logctx_add_link(ctx, &to, NULL, NULL, 0), LOGCTX_E_LIMIT);
    const logctx_record_t *record = finished(ctx);
    assert_int_equal(count_parts(record, LOGCTX_PART_LINK), 2);
    assert_int_equal(logctx_record_span(record)->dropped_links, 1);
}

// ---- status ----

// By hand: a tag and a length before each.
static uint8_t *framed(const logctx_record_t *record, logctx_part_t part, uint8_t *to)
{
    const uint8_t *bytes;
    size_t length;
    for (size_t cursor = 0; logctx_record_next(record, part, &cursor, &bytes, &length); to += length) {
        size_t left = length;
        *to++ = (uint8_t)(part << 3 | 2);
        for (; left >= 128; left >>= 7)
            *to++ = (uint8_t)(left | 128);
        *to++ = (uint8_t)left;
        memcpy(to, bytes, length);
    }
    return to;
}

// In memory of just the room that it asks for, as a sanitizer sees.
static void test_parts_as_fields(void **state)
{
    (void)state;
    static const logctx_part_t parts[] = {LOGCTX_PART_ATTRIBUTE, LOGCTX_PART_EVENT, LOGCTX_PART_LINK};
    static char text[20000];
    memset(text, 'x', sizeof text);
    for (size_t length = 0; length < sizeof text; length += length < 300 ? 1 : 6000) {
        const logctx_attr_t attr = logctx_attr_string_n("key", text, length);
        logctx_t *ctx = make("k", "c");
        for (int i = 0; i < 4; i++)
            assert_int_equal(logctx_set_attr(ctx, attr), LOGCTX_OK);
        assert_int_equal(logctx_set_attr(ctx, logctx_attr_string_n("other", text, length / 2)), LOGCTX_OK);
        for (size_t i = 0; i < length % 3; i++)
            assert_int_equal(logctx_add_event(ctx, "event", &attr, 1), LOGCTX_OK);
        const logctx_span_context_t to = {.trace_id = {1}, .span_id = {2}};
        for (size_t i = 0; i < length % 2; i++)
            assert_int_equal(logctx_add_link(ctx, &to, NULL, &attr, 1), LOGCTX_OK);
        const logctx_record_t *record = finished(ctx);
        size_t room = logctx_record_room(record);
        uint8_t *written = malloc(room), *expected = malloc(room), *at = written, *end = expected;
        for (size_t i = 0; i < 3; i++) {
            at = logctx_record_write(record, parts[i], at);
            end = framed(record, parts[i], end);
        }
        assert_int_equal(at - written, end - expected);
        assert_true((size_t)(at - written) <= room);
        assert_memory_equal(written, expected, (size_t)(at - written));
        free(written);
        free(expected);
    }
    uint8_t nothing;
    assert_ptr_equal(logctx_record_write(NULL, LOGCTX_PART_EVENT, &nothing), &nothing);
    assert_int_equal(logctx_record_room(NULL), 0);
}

static void test_status_order(void **state)
{
    (void)state;
    static const struct {
        logctx_status_code_t codes[3];
        logctx_status_code_t want;
        const char *message;
    } rows[] = {
        {{LOGCTX_STATUS_UNSET, LOGCTX_STATUS_UNSET, LOGCTX_STATUS_UNSET}, LOGCTX_STATUS_UNSET, ""},
        {{LOGCTX_STATUS_ERROR, LOGCTX_STATUS_UNSET, LOGCTX_STATUS_UNSET}, LOGCTX_STATUS_ERROR, "0"},
        {{LOGCTX_STATUS_ERROR, LOGCTX_STATUS_ERROR, LOGCTX_STATUS_UNSET}, LOGCTX_STATUS_ERROR, "1"},
        {{LOGCTX_STATUS_ERROR, LOGCTX_STATUS_OK, LOGCTX_STATUS_ERROR}, LOGCTX_STATUS_OK, ""},
        {{LOGCTX_STATUS_OK, LOGCTX_STATUS_ERROR, LOGCTX_STATUS_UNSET}, LOGCTX_STATUS_OK, ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        logctx_t *ctx = make("k", "c");
        for (size_t j = 0; j < 3; j++)
            assert_int_equal(logctx_set_status(ctx, rows[i].codes[j], j == 0 ? "0" : j == 1 ? "1" : "2"), LOGCTX_OK);
        const logctx_span_t *span = logctx_record_span(finished(ctx));
        assert_int_equal(span->status, rows[i].want);
        assert_string_equal(span->status_message, rows[i].message);
    }
}

static void test_set_failed(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    assert_int_equal(logctx_set_failed(ctx, "timeout", "after 3 s \xff"), LOGCTX_OK);
    const logctx_record_t *record = finished(ctx);
    assert_string_equal(text_attr(record, "error.type"), "timeout");
    assert_int_equal(logctx_record_span(record)->status, LOGCTX_STATUS_ERROR);
    assert_string_equal(logctx_record_span(record)->status_message, "after 3 s \xef\xbf\xbd");
    ctx = make("k", "c");
    logctx_set_failed(ctx, NULL, NULL);
    record = finished(ctx);
    assert_string_equal(text_attr(record, "error.type"), "_OTHER");
    assert_string_equal(logctx_record_span(record)->status_message, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_every_type),
        core_test(test_refusals),
        core_test(test_refusals_without_a_span),
        core_test(test_every_length),
        core_test(test_replacing),
        core_test(test_the_count_limit),
        core_test(test_the_default_limit),
        core_test(test_values_are_cut_on_a_character),
        core_test(test_bad_text_is_repaired),
        core_test(test_the_byte_limit),
        core_test(test_the_librarys_own_are_beyond_the_limits),
        core_test(test_one_key_a_hundred_thousand_times),
        core_test(test_many_keys_many_times),
        core_test(test_events),
        core_test(test_links),
        core_test(test_parts_as_fields),
        core_test(test_status_order),
        core_test(test_set_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
