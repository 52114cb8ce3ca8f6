/*
 * wire.h: internal. Attributes, events and links as the protobuf bytes of opentelemetry.proto, written into
 * the caller's buffer exactly as protobuf-c would pack them. Pure functions, any thread, no allocation.
 *
 * Strings and keys are made valid UTF-8. Beyond LOGCTX__WIRE_MAX bytes a message is refused: its size is 0,
 * which no message here has otherwise, and nothing is written. The readers for these bytes are in
 * logctx/sink.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_CORE_WIRE_H
#define LOGCTX_CORE_WIRE_H

#include <endian.h>
#include <logctx/trace.h>

#define LOGCTX__WIRE_MAX ((size_t)64 << 20)
#define LOGCTX__WIRE_MAX_DEPTH 64
#define LOGCTX__WIRE_MAX_ATTRS 1024 /* of one event or link, whatever the limit says */

/* Wire types and tags: (field << 3) | type. */
enum { LOGCTX__WIRE_VARINT = 0, LOGCTX__WIRE_FIXED64 = 1, LOGCTX__WIRE_BYTES = 2, LOGCTX__WIRE_FIXED32 = 5 };
#define LOGCTX__WIRE_TAG(field, type) (((uint32_t)(field) << 3) | (uint32_t)(type))

// Fields of opentelemetry.proto.common.v1 and trace.v1; all tags fit into one byte.
enum {
    KEY_VALUE_KEY = 1,
    KEY_VALUE_VALUE = 2,
    ARRAY_VALUES = 1,
    EVENT_TIME = 1,
    EVENT_NAME = 2,
    EVENT_ATTRIBUTES = 3,
    EVENT_DROPPED = 4,
    LINK_TRACE_ID = 1,
    LINK_SPAN_ID = 2,
    LINK_TRACESTATE = 3,
    LINK_ATTRIBUTES = 4,
    LINK_DROPPED = 5,
    LINK_FLAGS = 6
};

static inline size_t logctx__wire_varint_size(uint64_t value)
{
    if (value < 0x80)
        return 1;
    // ceil(bits / 7) without a loop; 64 significant bits give 10.
    return ((size_t)(63 - __builtin_clzll(value | 1)) * 9 + 73) / 64;
}

static inline uint8_t *logctx__wire_varint_write(uint8_t *p, uint64_t value)
{
    while (value >= 0x80) {
        *p++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *p++ = (uint8_t)value;
    return p;
}

static inline uint8_t *logctx__wire_fixed64_write(uint8_t *p, uint64_t value)
{
    uint64_t little = htole64(value);
    memcpy(p, &little, sizeof little);
    return p + sizeof little;
}

static inline uint8_t *logctx__wire_fixed32_write(uint8_t *p, uint32_t value)
{
    uint32_t little = htole32(value);
    memcpy(p, &little, sizeof little);
    return p + sizeof little;
}

/*
 * A KeyValue body. max_value_length: characters of a string, bytes of bytes, also inside arrays; UINT32_MAX:
 * no limit. Arrays deeper than LOGCTX__WIRE_MAX_DEPTH, and values of an unknown type, become empty values.
 * `put` is one pass for those who have room: it writes only if the body fits into `room`, and returns its
 * size.
 */
size_t logctx__wire_attr_size(const logctx_attr_t *attr, uint32_t max_value_length);
size_t logctx__wire_attr_put(uint8_t *p, size_t room, const logctx_attr_t *attr, uint32_t max_value_length);

typedef struct logctx__wire_limits {
    uint32_t value_length; /* as max_value_length above */
    uint32_t attr_count;   /* different keys of one event or link; the others are dropped and counted */
} logctx__wire_limits_t;

/*
 * A Span.Event body. Of equal keys the last value is kept, in the place of the first; an attribute without a
 * key is dropped and counted like one beyond the limit. (Time 0, no name, no attributes would be the empty
 * message: 0.)
 */
typedef struct logctx__wire_event {
    uint64_t unix_ns;
    const char *name;
    size_t name_length;
    const logctx_attr_t *attrs;
    size_t count;
} logctx__wire_event_t;

size_t logctx__wire_event_size(const logctx__wire_event_t *event, const logctx__wire_limits_t *limits);
size_t logctx__wire_event_put(uint8_t *p, size_t room, const logctx__wire_event_t *event,
                              const logctx__wire_limits_t *limits);

/* A Span.Link body; attributes as in events. `flags` is OTLP's: W3C flags, 0x100 and 0x200. */
typedef struct logctx__wire_link {
    const uint8_t *trace_id; /* 16 bytes */
    const uint8_t *span_id;  /* 8 bytes */
    uint32_t flags;
    const char *tracestate;
    size_t tracestate_length;
    const logctx_attr_t *attrs;
    size_t count;
} logctx__wire_link_t;

size_t logctx__wire_link_size(const logctx__wire_link_t *link, const logctx__wire_limits_t *limits);
size_t logctx__wire_link_put(uint8_t *p, size_t room, const logctx__wire_link_t *link,
                             const logctx__wire_limits_t *limits);

/* For those who have made exactly that room: write, and return where it ends (`p` if it was refused). */
static inline uint8_t *logctx__wire_attr_write(uint8_t *p, const logctx_attr_t *attr, uint32_t max_value_length)
{
    return p + logctx__wire_attr_put(p, SIZE_MAX, attr, max_value_length);
}

static inline uint8_t *logctx__wire_event_write(uint8_t *p, const logctx__wire_event_t *event,
                                                const logctx__wire_limits_t *limits)
{
    return p + logctx__wire_event_put(p, SIZE_MAX, event, limits);
}

static inline uint8_t *logctx__wire_link_write(uint8_t *p, const logctx__wire_link_t *link,
                                               const logctx__wire_limits_t *limits)
{
    return p + logctx__wire_link_put(p, SIZE_MAX, link, limits);
}

#endif
