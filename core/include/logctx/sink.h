/*
 * logctx/sink.h: what ended contexts are handed to, and how a sink reads them.
 *
 * At finish a context's span is sealed into a record: its usage is copied and its wire bytes are frozen. Records are
 * immutable and counted; every sink gets a reference of its own. The exporter is a sink, and so is a test's recorder.
 *
 * Unless it says otherwise, a function here may be called on any thread, leaves the current context as it was, and takes
 * over nothing that it is given; what it returns is borrowed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_SINK_H
#define LOGCTX_SINK_H

#include <logctx/trace.h>
#include <logctx/usage.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct logctx_record logctx_record_t;

/* A sealed span. Everything in it is borrowed from the record and lives as long as that. */
typedef struct logctx_span {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t parent_span_id[8];
    bool has_parent;
    uint32_t flags;         /* OTLP's Span.flags: W3C flags, 0x100, and 0x200 if the parent is remote */
    const char *tracestate; /* "" if none */
    const char *name;       /* the kind, or "logctx.transition_error" */
    const char *instance;   /* the context's own name */
    const char *kind;
    const char *server;
    logctx_type_t type;
    logctx_span_kind_t span_kind;
    uint64_t start_unix_ns;
    uint64_t end_unix_ns;
    logctx_usage_t own;
    logctx_usage_t total;
    bool is_error_span; /* a transition error found after the seal, or from another thread: zero length */
    logctx_status_code_t status;
    const char *status_message; /* "" if none */
    uint32_t dropped_attributes;
    uint32_t dropped_events;
    uint32_t dropped_links;
    size_t bytes; /* what the record holds in memory */
} logctx_span_t;

LOGCTX_API logctx_record_t *logctx_record_ref(logctx_record_t *record);
/* Any thread. */
LOGCTX_API void logctx_record_unref(logctx_record_t *record);
/*
 * Gives back one reference to each of `count` records; NULLs are skipped. Costs less than one by one on a thread other than
 * those that ended the contexts.
 * Thread: any. Current: unchanged. Owner: the array stays the caller's. Errors: none.
 */
LOGCTX_API void logctx_record_unref_all(logctx_record_t *const *records, size_t count);
LOGCTX_API const logctx_span_t *logctx_record_span(const logctx_record_t *record);

/* What logctx_record_next() walks: the numbers are the fields of opentelemetry.proto.trace.v1.Span. */
typedef enum logctx_part { LOGCTX_PART_ATTRIBUTE = 9, LOGCTX_PART_EVENT = 11, LOGCTX_PART_LINK = 13 } logctx_part_t;

/*
 * The next attribute, event or link of a record, in order: `*bytes` and `*length` get the encoded KeyValue, Span.Event or
 * Span.Link message without its outer tag and length. Replaced attributes are skipped. `*cursor` starts at 0.
 * Returns false at the end.
 */
LOGCTX_API bool logctx_record_next(const logctx_record_t *record, logctx_part_t part, size_t *cursor,
                                   const uint8_t **bytes, size_t *length);

/*
 * The same for a sink that passes spans on as they are: writes all of that part as the fields of an encoded Span, each with
 * its tag and its length, and returns where they end. For all three parts, in any order but without a gap, `to` needs
 * logctx_record_room() bytes in all; those behind the returned end hold anything.
 */
LOGCTX_API uint8_t *logctx_record_write(const logctx_record_t *record, logctx_part_t part, uint8_t *to);
LOGCTX_API size_t logctx_record_room(const logctx_record_t *record);

/* Read one encoded KeyValue. Arrays come as type ARRAY with as.bytes being the encoded ArrayValue. False: not well formed. */
LOGCTX_API bool logctx_attr_read(const uint8_t *bytes, size_t length, logctx_attr_t *out);

/* An encoded Span.Event, read. Attributes: logctx_event_next(), `*cursor` from 0. */
typedef struct logctx_event {
    uint64_t unix_ns;
    const char *name; /* not zero-terminated */
    size_t name_length;
    uint32_t dropped_attributes;
    const uint8_t *bytes;
    size_t length;
} logctx_event_t;

LOGCTX_API bool logctx_event_read(const uint8_t *bytes, size_t length, logctx_event_t *out);
LOGCTX_API bool logctx_event_next(const logctx_event_t *event, size_t *cursor, logctx_attr_t *out);

/* The attribute of that key, if the record has it. */
LOGCTX_API bool logctx_record_find(const logctx_record_t *record, const char *key, logctx_attr_t *out);

/*
 * A sink. `ended` is called on the thread that finished the context, right then: it must be quick, must not block and
 * must not switch. It gets one reference to the record and has to give it back with logctx_record_unref() or
 * logctx_record_unref_all(), on any thread.
 */
typedef struct logctx_sink {
    size_t struct_size;
    void (*ended)(void *user, logctx_record_t *record);
    void *user;
} logctx_sink_t;

/*
 * Add a sink (at most 4, else LOGCTX_E_LIMIT); `sink` is not copied and must live until it is removed. Removing waits
 * until no thread is inside the sink; not from within a sink. While there is no sink no spans are made. A child of fork()
 * inherits the sinks, and their `ended` is called there: a sink that has a thread has to make it again.
 */
LOGCTX_API logctx_status_t logctx_sink_add(const logctx_sink_t *sink);
LOGCTX_API logctx_status_t logctx_sink_remove(const logctx_sink_t *sink);

#ifdef __cplusplus
}
#endif
#endif
