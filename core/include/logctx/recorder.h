/*
 * logctx/recorder.h: a sink for tests that keeps the records of ended contexts.
 *
 * Unless it says otherwise, a function here may be called on any thread, leaves the current context as it was, and takes
 * over nothing that it is given; what it returns is borrowed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_RECORDER_H
#define LOGCTX_RECORDER_H

#include <logctx/sink.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct logctx_recorder logctx_recorder_t;

/* A recorder, added as a sink; keeps at most `capacity` records, and counts those beyond. NULL: no memory, or 4 sinks. */
LOGCTX_API logctx_recorder_t *logctx_recorder_new(size_t capacity);
/* Remove it as a sink, give back its records. */
LOGCTX_API void logctx_recorder_free(logctx_recorder_t *recorder);
/* How many records it has, in the order of their ends. Any thread. */
LOGCTX_API size_t logctx_recorder_count(logctx_recorder_t *recorder);
LOGCTX_API size_t logctx_recorder_dropped(logctx_recorder_t *recorder);
/* The record at `index`, borrowed until clear or free; NULL beyond the end. */
LOGCTX_API const logctx_record_t *logctx_recorder_at(logctx_recorder_t *recorder, size_t index);
/* The newest record of that kind (span name); NULL if there is none. */
LOGCTX_API const logctx_record_t *logctx_recorder_find(logctx_recorder_t *recorder, const char *span_name);
/* Forget all records. */
LOGCTX_API void logctx_recorder_clear(logctx_recorder_t *recorder);

#ifdef __cplusplus
}
#endif
#endif
