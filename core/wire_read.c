/*
 * wire_read.c: the readers of logctx/sink.h, for bytes that may come from anywhere: bounded, refusing what is not well
 * formed, skipping fields that they do not know. Pure functions, any thread, no allocation.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire.h"

#include <logctx/sink.h>

typedef struct reader {
    const uint8_t *p;
    const uint8_t *end;
} reader_t;

// One field: value for varints and fixed ones, bytes and value = length for the others.
typedef struct field {
    uint32_t tag;
    uint64_t value;
    const uint8_t *bytes;
} field_t;

#define NUMBER(tag) ((tag) >> 3)

static reader_t reader_of(const uint8_t *bytes, size_t length)
{
    static const uint8_t nothing[1];
    const uint8_t *p = bytes ? bytes : nothing;
    return (reader_t){.p = p, .end = p + (bytes ? length : 0)};
}

static bool read_varint(reader_t *reader, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && reader->p < reader->end; shift += 7) {
        uint8_t byte = *reader->p++;
        if (shift == 63 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool read_fixed(reader_t *reader, unsigned size, uint64_t *out)
{
    if ((size_t)(reader->end - reader->p) < size)
        return false;
    *out = 0;
    for (unsigned i = 0; i < size; i++)
        *out |= (uint64_t)reader->p[i] << (8 * i);
    reader->p += size;
    return true;
}

// Only when reader->p < reader->end. False: not well formed. Groups count as that: nobody writes them.
static bool read_field(reader_t *reader, field_t *out)
{
    uint64_t tag;
    if (!read_varint(reader, &tag) || tag > UINT32_MAX || NUMBER(tag) == 0)
        return false;
    *out = (field_t){.tag = (uint32_t)tag};
    switch (tag & 7) {
    case LOGCTX__WIRE_VARINT:
        return read_varint(reader, &out->value);
    case LOGCTX__WIRE_FIXED64:
        return read_fixed(reader, 8, &out->value);
    case LOGCTX__WIRE_FIXED32:
        return read_fixed(reader, 4, &out->value);
    case LOGCTX__WIRE_BYTES:
        if (!read_varint(reader, &out->value) || out->value > (size_t)(reader->end - reader->p))
            return false;
        out->bytes = reader->p;
        reader->p += out->value;
        return true;
    default:
        return false;
    }
}

// Puts one field of an AnyValue into *out. False: a field that we know comes with a wire type that it cannot
// have.
static bool read_value_field(const field_t *field, logctx_value_t *out)
{
    static const uint8_t types[] = {
        [LOGCTX_VALUE_STRING] = LOGCTX__WIRE_BYTES, [LOGCTX_VALUE_BOOL] = LOGCTX__WIRE_VARINT,
        [LOGCTX_VALUE_INT] = LOGCTX__WIRE_VARINT,   [LOGCTX_VALUE_DOUBLE] = LOGCTX__WIRE_FIXED64,
        [LOGCTX_VALUE_ARRAY] = LOGCTX__WIRE_BYTES,  [LOGCTX_VALUE_BYTES] = LOGCTX__WIRE_BYTES};
    uint32_t number = NUMBER(field->tag);
    if (number > LOGCTX_VALUE_BYTES || number == LOGCTX_VALUE_ARRAY + 1)
        return true;
    if ((field->tag & 7) != types[number])
        return false;

    *out = (logctx_value_t){.type = (logctx_value_type_t)number};
    switch (out->type) {
    case LOGCTX_VALUE_BOOL:
        out->as.boolean = field->value != 0;
        break;
    case LOGCTX_VALUE_INT:
        out->as.integer = (int64_t)field->value;
        break;
    case LOGCTX_VALUE_DOUBLE:
        memcpy(&out->as.real, &field->value, sizeof out->as.real);
        break;
    case LOGCTX_VALUE_STRING:
    case LOGCTX_VALUE_ARRAY:
    case LOGCTX_VALUE_BYTES:
    case LOGCTX_VALUE_EMPTY:
    default:
        out->as.bytes.data = field->bytes;
        out->as.bytes.length = (size_t)field->value;
        break;
    }
    return true;
}

static bool read_value(const field_t *message, logctx_value_t *out)
{
    reader_t reader = reader_of(message->bytes, (size_t)message->value);
    while (reader.p < reader.end) {
        field_t field;
        if (!read_field(&reader, &field) || !read_value_field(&field, out))
            return false;
    }
    return true;
}

bool logctx_attr_read(const uint8_t *bytes, size_t length, logctx_attr_t *out)
{
    logctx_attr_t attr = logctx_attr_("", LOGCTX_VALUE_EMPTY);
    reader_t reader = reader_of(bytes, length);
    while (reader.p < reader.end) {
        field_t field;
        if (!read_field(&reader, &field))
            return false;
        if (NUMBER(field.tag) > KEY_VALUE_VALUE)
            continue;
        if (!field.bytes)
            return false;
        if (NUMBER(field.tag) == KEY_VALUE_KEY) {
            attr.key = (const char *)field.bytes;
            attr.key_length = (size_t)field.value;
        } else if (!read_value(&field, &attr.value)) {
            return false;
        }
    }
    *out = attr;
    return true;
}

static bool read_event_field(const field_t *field, logctx_event_t *event)
{
    logctx_attr_t attr;
    switch (field->tag) {
    case LOGCTX__WIRE_TAG(EVENT_TIME, LOGCTX__WIRE_FIXED64):
        event->unix_ns = field->value;
        return true;
    case LOGCTX__WIRE_TAG(EVENT_NAME, LOGCTX__WIRE_BYTES):
        event->name = (const char *)field->bytes;
        event->name_length = (size_t)field->value;
        return true;
    case LOGCTX__WIRE_TAG(EVENT_ATTRIBUTES, LOGCTX__WIRE_BYTES):
        return logctx_attr_read(field->bytes, (size_t)field->value, &attr);
    case LOGCTX__WIRE_TAG(EVENT_DROPPED, LOGCTX__WIRE_VARINT):
        event->dropped_attributes = (uint32_t)field->value;
        return true;
    default:
        return NUMBER(field->tag) > EVENT_DROPPED;
    }
}

bool logctx_event_read(const uint8_t *bytes, size_t length, logctx_event_t *out)
{
    reader_t reader = reader_of(bytes, length);
    logctx_event_t event = {.name = "", .bytes = reader.p, .length = (size_t)(reader.end - reader.p)};
    while (reader.p < reader.end) {
        field_t field;
        if (!read_field(&reader, &field) || !read_event_field(&field, &event))
            return false;
    }
    *out = event;
    return true;
}

bool logctx_event_next(const logctx_event_t *event, size_t *cursor, logctx_attr_t *out)
{
    if (!event || !cursor || !out)
        return false;
    if (*cursor > event->length)
        return false;
    reader_t reader = reader_of(event->bytes, event->length);
    reader.p += event->bytes ? *cursor : 0;
    while (reader.p < reader.end) {
        field_t field;
        if (!read_field(&reader, &field))
            break;
        if (field.tag != LOGCTX__WIRE_TAG(EVENT_ATTRIBUTES, LOGCTX__WIRE_BYTES))
            continue;
        *cursor = (size_t)(reader.p - event->bytes);
        return logctx_attr_read(field.bytes, (size_t)field.value, out);
    }
    *cursor = event->length;
    return false;
}
