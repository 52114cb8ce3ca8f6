/*
 * encode_span.h: sealed spans as the wire bytes of an ExportTraceServiceRequest (the same as TracesData), without
 * building messages: attributes, events and links are copied as they were frozen. Byte for byte what protobuf-c would
 * pack. One owner at a time; the buffer is used again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_ENCODE_SPAN_H
#define LOGCTX_EXPORTER_ENCODE_SPAN_H

#include <logctx/sink.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct logctx__span_batch {
    const uint8_t *resource; // an encoded Resource message; borrowed
    size_t resource_length;
    size_t limit; // of the whole request
    uint8_t *bytes;
    size_t capacity;
    size_t head; // room in front of the spans for what encloses them
    size_t used; // the end of the spans
    uint64_t spans;
};

enum logctx__added {
    LOGCTX__ADDED,
    LOGCTX__BATCH_FULL,     // it would make the request larger than the limit: send first
    LOGCTX__SPAN_TOO_LARGE, // even alone
    LOGCTX__SPAN_NO_MEMORY
};

void logctx__span_batch_init(struct logctx__span_batch *batch, const uint8_t *resource, size_t length, size_t limit);
void logctx__span_batch_free(struct logctx__span_batch *batch);
// An empty batch again.
void logctx__span_batch_reset(struct logctx__span_batch *batch);
enum logctx__added logctx__span_batch_add(struct logctx__span_batch *batch, const logctx_record_t *record);
// Puts the envelope around the spans. The bytes live until the next reset. Only with at least one span.
const uint8_t *logctx__span_batch_finish(struct logctx__span_batch *batch, size_t *length);

#endif
