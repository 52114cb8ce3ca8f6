/*
 * encode_span.c: writes forwards. A nested message's length stands in front of it and has one to five bytes: two are
 * left free, which fits all but very short and very long ones, and those are moved. No state besides the batch.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "encode_span.h"

#include <logctx/telemetry.h>

#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum {
    VARINT_MAX = 10,
    FIELD_MAX = 16, // more than a tag and a length, or a tag and a number
    GUESS = 2,      // bytes for the length of a nested message
    SPAN_FIELDS = 16,
    IDS = 16 + 8 + 8,
    KEEP_BYTES = 4 << 20,
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5
};

// Field numbers of opentelemetry.proto.trace.v1.
enum span_field {
    SPAN_TRACE_ID = 1,
    SPAN_SPAN_ID = 2,
    SPAN_TRACE_STATE = 3,
    SPAN_PARENT = 4,
    SPAN_NAME = 5,
    SPAN_KIND = 6,
    SPAN_START = 7,
    SPAN_END = 8,
    SPAN_DROPPED_ATTRIBUTES = 10,
    SPAN_DROPPED_EVENTS = 12,
    SPAN_DROPPED_LINKS = 14,
    SPAN_STATUS = 15,
    SPAN_FLAGS = 16
};
enum { STATUS_MESSAGE = 2, STATUS_CODE = 3 };
enum { REQUEST_RESOURCE_SPANS = 1 };
enum { RESOURCE_SPANS_RESOURCE = 1, RESOURCE_SPANS_SCOPE_SPANS = 2, RESOURCE_SPANS_SCHEMA_URL = 3 };
enum { SCOPE_SPANS_SCOPE = 1, SCOPE_SPANS_SPANS = 2, SCOPE_SPANS_SCHEMA_URL = 3 };
enum { SCOPE_NAME = 1, SCOPE_VERSION = 2 };

// Makes room for `more` bytes behind `used`. The buffer grows twofold.
static bool grow(struct logctx__span_batch *batch, size_t more)
{
    size_t wider = batch->capacity < 4096 ? 4096 : batch->capacity * 2;
    while (wider - batch->used < more) {
        wider *= 2;
    }
    uint8_t *bytes = realloc(batch->bytes, wider);
    if (bytes == NULL) {
        return false;
    }
    batch->bytes = bytes;
    batch->capacity = wider;
    return true;
}

static inline bool reserve(struct logctx__span_batch *batch, size_t more)
{
    return more <= batch->capacity - batch->used || grow(batch, more);
}

static size_t varint_size(uint64_t value)
{
    size_t size = 1;
    for (; value >= 0x80; value >>= 7) {
        size++;
    }
    return size;
}

static inline uint8_t *put_varint(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        *at++ = (uint8_t)(value | 0x80);
    }
    *at++ = (uint8_t)value;
    return at;
}

static inline uint8_t *put_tag(uint8_t *at, unsigned field, unsigned wire)
{
    return put_varint(at, field << 3 | wire);
}

static inline uint8_t *put_bytes(uint8_t *at, unsigned field, const void *bytes, size_t length)
{
    at = put_varint(put_tag(at, field, WIRE_BYTES), length);
    memcpy(at, bytes, length);
    return at + length;
}

// proto3 leaves out what is 0 or empty.
static inline uint8_t *put_text(uint8_t *at, unsigned field, const char *text, size_t length)
{
    return length == 0 ? at : put_bytes(at, field, text, length);
}

static inline uint8_t *put_number(uint8_t *at, unsigned field, uint64_t value)
{
    return value == 0 ? at : put_varint(put_tag(at, field, WIRE_VARINT), value);
}

static inline uint8_t *put_fixed64(uint8_t *at, unsigned field, uint64_t value)
{
    if (value == 0) {
        return at;
    }
    const uint64_t little = htole64(value);
    at = put_tag(at, field, WIRE_FIXED64);
    memcpy(at, &little, sizeof little);
    return at + sizeof little;
}

static inline uint8_t *put_fixed32(uint8_t *at, unsigned field, uint32_t value)
{
    if (value == 0) {
        return at;
    }
    const uint32_t little = htole32(value);
    at = put_tag(at, field, WIRE_FIXED32);
    memcpy(at, &little, sizeof little);
    return at + sizeof little;
}

static bool is_zero_id(const uint8_t id[8])
{
    uint64_t bits;
    memcpy(&bits, id, sizeof bits);
    return bits == 0;
}

static uint8_t *put_status(uint8_t *at, const logctx_span_t *span, size_t message)
{
    const size_t code = span->status == LOGCTX_STATUS_UNSET ? 0 : 2;
    const size_t inner = (message == 0 ? 0 : 1 + varint_size(message) + message) + code;
    if (inner == 0) {
        return at;
    }
    at = put_varint(put_tag(at, SPAN_STATUS, WIRE_BYTES), inner);
    at = put_text(at, STATUS_MESSAGE, span->status_message, message);
    return put_number(at, STATUS_CODE, (uint64_t)span->status);
}

static size_t length_of(const char *text)
{
    return text[0] == '\0' ? 0 : strlen(text);
}

// The fields in ascending order, as every protobuf library writes them. One look at the room, for all of them.
// Budget: 250 instructions besides the attributes, events and links.
static bool put_span(struct logctx__span_batch *batch, const logctx_record_t *record)
{
    const logctx_span_t *span = logctx_record_span(record);
    const size_t tracestate = length_of(span->tracestate);
    const size_t name = length_of(span->name);
    const size_t message = length_of(span->status_message);
    if (!reserve(batch, tracestate + name + message + SPAN_FIELDS * FIELD_MAX + IDS + logctx_record_room(record))) {
        return false;
    }
    uint8_t *at = batch->bytes + batch->used;
    at = put_bytes(at, SPAN_TRACE_ID, span->trace_id, sizeof span->trace_id);
    at = put_bytes(at, SPAN_SPAN_ID, span->span_id, sizeof span->span_id);
    at = put_text(at, SPAN_TRACE_STATE, span->tracestate, tracestate);
    if (span->has_parent && !is_zero_id(span->parent_span_id)) {
        at = put_bytes(at, SPAN_PARENT, span->parent_span_id, sizeof span->parent_span_id);
    }
    at = put_text(at, SPAN_NAME, span->name, name);
    at = put_number(at, SPAN_KIND, (uint64_t)span->span_kind);
    at = put_fixed64(at, SPAN_START, span->start_unix_ns);
    at = put_fixed64(at, SPAN_END, span->end_unix_ns);
    at = logctx_record_write(record, LOGCTX_PART_ATTRIBUTE, at);
    at = put_number(at, SPAN_DROPPED_ATTRIBUTES, span->dropped_attributes);
    at = logctx_record_write(record, LOGCTX_PART_EVENT, at);
    at = put_number(at, SPAN_DROPPED_EVENTS, span->dropped_events);
    at = logctx_record_write(record, LOGCTX_PART_LINK, at);
    at = put_number(at, SPAN_DROPPED_LINKS, span->dropped_links);
    at = put_status(at, span, message);
    at = put_fixed32(at, SPAN_FLAGS, span->flags);
    batch->used = (size_t)(at - batch->bytes);
    return true;
}

// Writes the length of what begins at `begin` + GUESS in front of it.
static bool close_nested(struct logctx__span_batch *batch, size_t begin)
{
    size_t length = batch->used - begin - GUESS;
    size_t size = varint_size(length);
    if (size != GUESS) {
        if (!reserve(batch, VARINT_MAX)) {
            return false;
        }
        memmove(batch->bytes + begin + size, batch->bytes + begin + GUESS, length);
        batch->used = begin + size + length;
    }
    put_varint(batch->bytes + begin, length);
    return true;
}

// The most that the envelope takes: three nested messages, the resource, the scope, two schema URLs.
static size_t head_size(const struct logctx__span_batch *batch)
{
    return batch->resource_length + sizeof LOGCTX_SCOPE_NAME + strlen(logctx_version()) + 8 * FIELD_MAX;
}

static size_t tail_size(void)
{
    return 2 * (sizeof LOGCTX_SCHEMA_URL + FIELD_MAX);
}

void logctx__span_batch_init(struct logctx__span_batch *batch, const uint8_t *resource, size_t length, size_t limit)
{
    *batch = (struct logctx__span_batch){.resource = resource, .resource_length = length, .limit = limit};
    batch->head = head_size(batch);
    batch->used = batch->head;
}

void logctx__span_batch_free(struct logctx__span_batch *batch)
{
    free(batch->bytes);
    *batch = (struct logctx__span_batch){.used = 0};
}

void logctx__span_batch_reset(struct logctx__span_batch *batch)
{
    if (batch->capacity > KEEP_BYTES && batch->used < batch->capacity / 4) {
        free(batch->bytes);
        batch->bytes = NULL;
        batch->capacity = 0;
    }
    batch->used = batch->head;
    batch->spans = 0;
}

static enum logctx__added take_back(struct logctx__span_batch *batch, size_t begin, enum logctx__added why)
{
    batch->used = begin;
    return why;
}

enum logctx__added logctx__span_batch_add(struct logctx__span_batch *batch, const logctx_record_t *record)
{
    if (batch->capacity == 0) {
        // The spans begin behind the room for the envelope, which is not written yet.
        batch->used = 0;
        if (!reserve(batch, batch->head + FIELD_MAX)) {
            batch->used = batch->head;
            return LOGCTX__SPAN_NO_MEMORY;
        }
        batch->used = batch->head;
    }
    size_t begin = batch->used;
    if (!reserve(batch, FIELD_MAX)) {
        return LOGCTX__SPAN_NO_MEMORY;
    }
    put_tag(batch->bytes + begin, SCOPE_SPANS_SPANS, WIRE_BYTES);
    batch->used += 1 + GUESS;
    if (!put_span(batch, record) || !close_nested(batch, begin + 1)) {
        return take_back(batch, begin, LOGCTX__SPAN_NO_MEMORY);
    }
    if (batch->used + tail_size() > batch->limit) {
        return take_back(batch, begin, batch->spans == 0 ? LOGCTX__SPAN_TOO_LARGE : LOGCTX__BATCH_FULL);
    }
    batch->spans++;
    return LOGCTX__ADDED;
}

// Writes the enclosing messages' heads into `out`, each with the length of all that it encloses.
static uint8_t *put_envelope(const struct logctx__span_batch *batch, uint8_t *at, size_t spans)
{
    size_t url = sizeof LOGCTX_SCHEMA_URL - 1;
    size_t url_field = 1 + varint_size(url) + url;
    size_t name = sizeof LOGCTX_SCOPE_NAME - 1;
    size_t version = strlen(logctx_version());
    size_t scope = 1 + varint_size(name) + name + 1 + varint_size(version) + version;
    size_t scope_spans = 1 + varint_size(scope) + scope + spans + url_field;
    size_t resource_field = 1 + varint_size(batch->resource_length) + batch->resource_length;
    size_t resource_spans = resource_field + 1 + varint_size(scope_spans) + scope_spans + url_field;

    at = put_varint(put_tag(at, REQUEST_RESOURCE_SPANS, WIRE_BYTES), resource_spans);
    at = put_bytes(at, RESOURCE_SPANS_RESOURCE, batch->resource, batch->resource_length);
    at = put_varint(put_tag(at, RESOURCE_SPANS_SCOPE_SPANS, WIRE_BYTES), scope_spans);
    at = put_varint(put_tag(at, SCOPE_SPANS_SCOPE, WIRE_BYTES), scope);
    at = put_bytes(at, SCOPE_NAME, LOGCTX_SCOPE_NAME, name);
    return put_bytes(at, SCOPE_VERSION, logctx_version(), version);
}

const uint8_t *logctx__span_batch_finish(struct logctx__span_batch *batch, size_t *length)
{
    if (!reserve(batch, tail_size())) {
        return NULL;
    }
    size_t spans = batch->used - batch->head;
    // Written at the front first to learn its size, then moved against the spans.
    size_t envelope = (size_t)(put_envelope(batch, batch->bytes, spans) - batch->bytes);
    uint8_t *begin = batch->bytes + batch->head - envelope;
    memmove(begin, batch->bytes, envelope);
    uint8_t *end = batch->bytes + batch->used;
    end = put_text(end, SCOPE_SPANS_SCHEMA_URL, LOGCTX_SCHEMA_URL, sizeof LOGCTX_SCHEMA_URL - 1);
    end = put_text(end, RESOURCE_SPANS_SCHEMA_URL, LOGCTX_SCHEMA_URL, sizeof LOGCTX_SCHEMA_URL - 1);
    *length = (size_t)(end - begin);
    return begin;
}
