// The recorder: a sink that keeps records for a test to look at.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <logctx/recorder.h>

#include <stdlib.h>
#include <string.h>

// Everything but `sink` and `capacity` is under `lock`: contexts end on any thread.
struct logctx_recorder {
    logctx_sink_t sink;
    lock_t lock; // of the core: a child of fork finds it free, whoever had it
    size_t capacity, dropped;
    atomic_size_t count;
    logctx_record_t *records[];
};

static void keep(void *user, logctx_record_t *record)
{
    logctx_recorder_t *recorder = user;
    logctx__lock(&recorder->lock);
    bool fits = recorder->count < recorder->capacity;
    if (fits) {
        recorder->records[recorder->count] = record;
        recorder->count++; // last: a fork at any moment sees whole entries
    } else {
        recorder->dropped++;
    }
    logctx__unlock(&recorder->lock);
    if (!fits)
        logctx_record_unref(record);
}

logctx_recorder_t *logctx_recorder_new(size_t capacity)
{
    if (capacity > SIZE_MAX / sizeof(logctx_record_t *) / 2)
        return NULL;
    logctx_recorder_t *recorder = calloc(1, sizeof *recorder + capacity * sizeof(logctx_record_t *));
    if (!recorder)
        return NULL;
    recorder->sink = (logctx_sink_t){sizeof(logctx_sink_t), keep, recorder};
    recorder->capacity = capacity;
    if (logctx_sink_add(&recorder->sink) == LOGCTX_OK)
        return recorder;
    free(recorder);
    return NULL;
}

void logctx_recorder_clear(logctx_recorder_t *recorder)
{
    if (!recorder)
        return;
    logctx__lock(&recorder->lock);
    for (size_t i = 0; i < recorder->count; i++)
        logctx_record_unref(recorder->records[i]);
    recorder->count = recorder->dropped = 0;
    logctx__unlock(&recorder->lock);
}

void logctx_recorder_free(logctx_recorder_t *recorder)
{
    if (!recorder)
        return;
    logctx_sink_remove(&recorder->sink);
    logctx_recorder_clear(recorder);
    free(recorder);
}

size_t logctx_recorder_count(logctx_recorder_t *recorder)
{
    if (!recorder)
        return 0;
    logctx__lock(&recorder->lock);
    size_t count = recorder->count;
    logctx__unlock(&recorder->lock);
    return count;
}

size_t logctx_recorder_dropped(logctx_recorder_t *recorder)
{
    if (!recorder)
        return 0;
    logctx__lock(&recorder->lock);
    size_t dropped = recorder->dropped;
    logctx__unlock(&recorder->lock);
    return dropped;
}

const logctx_record_t *logctx_recorder_at(logctx_recorder_t *recorder, size_t index)
{
    if (!recorder)
        return NULL;
    logctx__lock(&recorder->lock);
    const logctx_record_t *record = index < recorder->count ? recorder->records[index] : NULL;
    logctx__unlock(&recorder->lock);
    return record;
}

const logctx_record_t *logctx_recorder_find(logctx_recorder_t *recorder, const char *span_name)
{
    if (!recorder || !span_name)
        return NULL;
    const logctx_record_t *found = NULL;
    logctx__lock(&recorder->lock);
    for (size_t i = recorder->count; i-- > 0 && !found;)
        if (strcmp(logctx_record_span(recorder->records[i])->name, span_name) == 0)
            found = recorder->records[i];
    logctx__unlock(&recorder->lock);
    return found;
}
