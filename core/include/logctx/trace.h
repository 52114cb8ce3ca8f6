/*
 * logctx/trace.h: what a context says on its span: identity, W3C propagation, attributes, events, links, status.
 *
 * Strings are made valid UTF-8 when they are set (each bad sequence becomes U+FFFD) and cut on a character. Everything
 * here may be called from any thread that may use ctx, leaves the current context as it was, copies what it is given,
 * and does nothing on the sentinel, on an unsampled context and after the span is sealed (LOGCTX_E_FINISHED).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TRACE_H
#define LOGCTX_TRACE_H

#include <logctx/context.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LOGCTX_FLAG_SAMPLED 0x01u /* W3C Trace Context, Level 2: trace-flags */
#define LOGCTX_FLAG_RANDOM 0x02u

/* Lengths of written headers, with the terminating zero. */
#define LOGCTX_TRACEPARENT_SIZE 56
#define LOGCTX_TRACESTATE_SIZE 8192

/* A W3C span context as read from headers. Plain data; no ownership. */
typedef struct logctx_span_context {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t flags;
} logctx_span_context_t;

/*
 * Read one traceparent header of `length` bytes. Accepts what W3C Trace Context Level 2 (sections 3.2 and 4) accepts:
 * lowercase hex, version 00 with exactly 55 characters, higher versions with more after a dash, white space around
 * it. Returns false for anything else, and leaves *out alone. Reads at most the first 512 bytes.
 */
LOGCTX_API bool logctx_traceparent_read(const char *header, size_t length, logctx_span_context_t *out);

/* Write version 00 with the two known flags; `out` gets 55 characters and a zero. */
LOGCTX_API void logctx_traceparent_write(const logctx_span_context_t *in, char out[LOGCTX_TRACEPARENT_SIZE]);

/*
 * Read a tracestate header of `length` bytes (several lines: joined by commas before). Writes the valid members, comma
 * separated and without white space, duplicates reduced to the first, to `out` and returns the length written. A bad
 * member, more than 32 of them, or more than LOGCTX_TRACESTATE_SIZE-1 bytes discard the whole header: 0. (W3C Trace
 * Context Level 2, section 3.3.)
 */
LOGCTX_API size_t logctx_tracestate_read(const char *header, size_t length, char *out, size_t size);

/* The span context of ctx, for outgoing calls. All zero for the sentinel. */
LOGCTX_API logctx_span_context_t logctx_get_span_context(const logctx_t *ctx);

/*
 * The headers for an outgoing call made in ctx: `traceparent` gets 55 characters, or "" for the sentinel; `tracestate`
 * (may be NULL) is cut by whole members to fit. Returns false where there is nothing to send.
 */
LOGCTX_API bool logctx_inject(const logctx_t *ctx, char traceparent[LOGCTX_TRACEPARENT_SIZE], char *tracestate,
                              size_t tracestate_size);

/* Values of attributes: OpenTelemetry's AnyValue without maps. */
typedef enum logctx_value_type {
    LOGCTX_VALUE_EMPTY = 0,
    LOGCTX_VALUE_STRING = 1,
    LOGCTX_VALUE_BOOL = 2,
    LOGCTX_VALUE_INT = 3,
    LOGCTX_VALUE_DOUBLE = 4,
    LOGCTX_VALUE_ARRAY = 5,
    LOGCTX_VALUE_BYTES = 7
} logctx_value_type_t;

typedef struct logctx_value {
    logctx_value_type_t type;
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct {
            const void *data; /* string: UTF-8 wanted, not required; need not end in a zero */
            size_t length;
        } bytes;
        struct {
            const struct logctx_value *items; /* at most 64 levels deep */
            size_t count;
        } array;
    } as;
} logctx_value_t;

typedef struct logctx_attr {
    const char *key;
    size_t key_length;
    logctx_value_t value;
} logctx_attr_t;

static inline logctx_attr_t logctx_attr_(const char *key, logctx_value_type_t type)
{
    logctx_attr_t attr;
    attr.key = key;
    attr.key_length = key ? strlen(key) : 0;
    attr.value.type = type;
    attr.value.as.bytes.data = NULL;
    attr.value.as.bytes.length = 0;
    return attr;
}

static inline logctx_attr_t logctx_attr_string(const char *key, const char *value)
{
    logctx_attr_t attr = logctx_attr_(key, LOGCTX_VALUE_STRING);
    attr.value.as.bytes.data = value ? value : "";
    attr.value.as.bytes.length = value ? strlen(value) : 0;
    return attr;
}

static inline logctx_attr_t logctx_attr_string_n(const char *key, const char *value, size_t length)
{
    logctx_attr_t attr = logctx_attr_(key, LOGCTX_VALUE_STRING);
    attr.value.as.bytes.data = value ? value : "";
    attr.value.as.bytes.length = value ? length : 0;
    return attr;
}

static inline logctx_attr_t logctx_attr_bytes(const char *key, const void *value, size_t length)
{
    logctx_attr_t attr = logctx_attr_(key, LOGCTX_VALUE_BYTES);
    attr.value.as.bytes.data = value;
    attr.value.as.bytes.length = value ? length : 0;
    return attr;
}

static inline logctx_attr_t logctx_attr_int(const char *key, int64_t value)
{
    logctx_attr_t attr = logctx_attr_(key, LOGCTX_VALUE_INT);
    attr.value.as.integer = value;
    return attr;
}

static inline logctx_attr_t logctx_attr_double(const char *key, double value)
{
    logctx_attr_t attr = logctx_attr_(key, LOGCTX_VALUE_DOUBLE);
    attr.value.as.real = value;
    return attr;
}

static inline logctx_attr_t logctx_attr_bool(const char *key, bool value)
{
    logctx_attr_t attr = logctx_attr_(key, LOGCTX_VALUE_BOOL);
    attr.value.as.boolean = value;
    return attr;
}

static inline logctx_attr_t logctx_attr_array(const char *key, const logctx_value_t *items, size_t count)
{
    logctx_attr_t attr = logctx_attr_(key, LOGCTX_VALUE_ARRAY);
    attr.value.as.array.items = items;
    attr.value.as.array.count = items ? count : 0;
    return attr;
}

/*
 * Set an attribute of ctx's span; the same key again replaces the value, also at the limit.
 * Errors: LOGCTX_E_INVALID for an empty key, or a value of no known type or without its data; LOGCTX_E_LIMIT beyond the attribute count limit or the byte limit of a
 * span (counted in dropped_attributes_count); LOGCTX_E_NO_MEMORY (counted there too).
 */
LOGCTX_API logctx_status_t logctx_set_attr(logctx_t *ctx, logctx_attr_t attr);
LOGCTX_API logctx_status_t logctx_set_string(logctx_t *ctx, const char *key, const char *value);
LOGCTX_API logctx_status_t logctx_set_int(logctx_t *ctx, const char *key, int64_t value);
LOGCTX_API logctx_status_t logctx_set_double(logctx_t *ctx, const char *key, double value);
LOGCTX_API logctx_status_t logctx_set_bool(logctx_t *ctx, const char *key, bool value);

/* Add an event that happens now, with `count` attributes (may be 0). Errors: as logctx_set_attr(). */
LOGCTX_API logctx_status_t logctx_add_event(logctx_t *ctx, const char *name, const logctx_attr_t *attrs, size_t count);

/* Add a link to another span, with attributes. `tracestate` may be NULL. Errors: as logctx_set_attr(). */
LOGCTX_API logctx_status_t logctx_add_link(logctx_t *ctx, const logctx_span_context_t *to, const char *tracestate,
                                           const logctx_attr_t *attrs, size_t count);

/* OpenTelemetry's status codes. Unset < error < ok: unset is never set, ok is final, a message stays only with error. */
typedef enum logctx_status_code {
    LOGCTX_STATUS_UNSET = 0,
    LOGCTX_STATUS_OK = 1,
    LOGCTX_STATUS_ERROR = 2
} logctx_status_code_t;

LOGCTX_API logctx_status_t logctx_set_status(logctx_t *ctx, logctx_status_code_t code, const char *message);

/*
 * Say that the work failed: sets the status to error with `message` (may be NULL) and the attribute `error.type`,
 * which also becomes a label of `logctx.context.duration`: low cardinality, such as "500" or "timeout". Beyond 15
 * different types of one kind and type the label is "_OTHER".
 */
LOGCTX_API logctx_status_t logctx_set_failed(logctx_t *ctx, const char *error_type, const char *message);

/* Whether what is set on ctx can still reach a span: false for the sentinel, when unsampled, and after the seal. */
LOGCTX_API bool logctx_is_recording(const logctx_t *ctx);

#ifdef __cplusplus
}
#endif
#endif
