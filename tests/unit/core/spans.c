/*
 * spans.c: reading recorded spans in tests. Belongs to the test's thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "spans.h"

static const char *keep(const void *bytes, size_t length)
{
    static char room[4][8192];
    static unsigned next;
    char *out = room[next++ % 4];
    if (length >= sizeof room[0])
        length = sizeof room[0] - 1;
    memcpy(out, bytes, length);
    out[length] = '\0';
    return out;
}

const logctx_record_t *record_of_kind(const char *span_name)
{
    const logctx_record_t *record = logctx_recorder_find(recorder, span_name);
    if (!record)
        fail_msg("no span is called %s", span_name);
    return record;
}

const logctx_record_t *record_of(const char *instance)
{
    for (size_t i = logctx_recorder_count(recorder); i-- > 0;) {
        const logctx_record_t *record = logctx_recorder_at(recorder, i);
        const logctx_span_t *span = logctx_record_span(record);
        if (!span->is_error_span && strcmp(span->instance, instance) == 0)
            return record;
    }
    fail_msg("no span belongs to the context %s", instance);
    return NULL;
}

const logctx_span_t *span_of(const char *instance)
{
    return logctx_record_span(record_of(instance));
}

static logctx_attr_t get(const logctx_record_t *record, const char *key, logctx_value_type_t type)
{
    logctx_attr_t attr;
    memset(&attr, 0, sizeof attr);
    if (!logctx_record_find(record, key, &attr))
        fail_msg("the span has no attribute %s", key);
    if (attr.value.type != type)
        fail_msg("the attribute %s is of type %d, not %d", key, (int)attr.value.type, (int)type);
    return attr;
}

const char *text_attr(const logctx_record_t *record, const char *key)
{
    logctx_attr_t attr = get(record, key, LOGCTX_VALUE_STRING);
    return keep(attr.value.as.bytes.data, attr.value.as.bytes.length);
}

int64_t int_attr(const logctx_record_t *record, const char *key)
{
    return get(record, key, LOGCTX_VALUE_INT).value.as.integer;
}

double real_attr(const logctx_record_t *record, const char *key)
{
    return get(record, key, LOGCTX_VALUE_DOUBLE).value.as.real;
}

bool has_attr(const logctx_record_t *record, const char *key)
{
    logctx_attr_t attr;
    return logctx_record_find(record, key, &attr);
}

size_t count_parts(const logctx_record_t *record, logctx_part_t part)
{
    const uint8_t *bytes;
    size_t length, count = 0;
    for (size_t cursor = 0; logctx_record_next(record, part, &cursor, &bytes, &length);)
        count++;
    return count;
}

size_t count_key(const logctx_record_t *record, const char *key)
{
    const uint8_t *bytes;
    size_t length, count = 0;
    logctx_attr_t attr;
    for (size_t cursor = 0; logctx_record_next(record, LOGCTX_PART_ATTRIBUTE, &cursor, &bytes, &length);) {
        assert_true(logctx_attr_read(bytes, length, &attr));
        count += attr.key_length == strlen(key) && memcmp(attr.key, key, attr.key_length) == 0;
    }
    return count;
}

bool find_event(const logctx_record_t *record, const char *name, size_t index, logctx_event_t *out)
{
    const uint8_t *bytes;
    size_t length;
    for (size_t cursor = 0; logctx_record_next(record, LOGCTX_PART_EVENT, &cursor, &bytes, &length);) {
        assert_true(logctx_event_read(bytes, length, out));
        bool same = !name || (out->name_length == strlen(name) && memcmp(out->name, name, out->name_length) == 0);
        if (same && index-- == 0)
            return true;
    }
    return false;
}

size_t count_events(const logctx_record_t *record, const char *name)
{
    logctx_event_t event;
    size_t count = 0;
    while (find_event(record, name, count, &event))
        count++;
    return count;
}

bool event_attr(const logctx_event_t *event, const char *key, logctx_attr_t *out)
{
    logctx_attr_t attr;
    size_t found = 0;
    for (size_t cursor = 0; logctx_event_next(event, &cursor, &attr);)
        if (attr.key_length == strlen(key) && memcmp(attr.key, key, attr.key_length) == 0) {
            *out = attr;
            found++;
        }
    assert_true(found <= 1);
    return found == 1;
}

const char *event_text(const logctx_event_t *event, const char *key)
{
    logctx_attr_t attr;
    if (!event_attr(event, key, &attr))
        return NULL;
    assert_int_equal(attr.value.type, LOGCTX_VALUE_STRING);
    return keep(attr.value.as.bytes.data, attr.value.as.bytes.length);
}
