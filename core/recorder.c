// The recorder: a sink that keeps records for a test to look at.
//
// SPDX-License-Identifier: Apache-2.0
#include <logctx/recorder.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// Everything but `sink` and `capacity` is under `mutex`: contexts end on any thread.
struct logctx_recorder {
    logctx_sink_t sink;
    pthread_mutex_t mutex;
    size_t capacity, count, dropped;
    logctx_record_t *records[];
};

static void keep(void *user, logctx_record_t *record)
{
    logctx_recorder_t *recorder = user;
    pthread_mutex_lock(&recorder->mutex);
    bool fits = recorder->count < recorder->capacity;
    if (fits)
        recorder->records[recorder->count++] = record;
    else
        recorder->dropped++;
    pthread_mutex_unlock(&recorder->mutex);
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
    pthread_mutex_init(&recorder->mutex, NULL);
    if (logctx_sink_add(&recorder->sink) == LOGCTX_OK)
        return recorder;
    pthread_mutex_destroy(&recorder->mutex);
    free(recorder);
    return NULL;
}

void logctx_recorder_clear(logctx_recorder_t *recorder)
{
    if (!recorder)
        return;
    pthread_mutex_lock(&recorder->mutex);
    for (size_t i = 0; i < recorder->count; i++)
        logctx_record_unref(recorder->records[i]);
    recorder->count = recorder->dropped = 0;
    pthread_mutex_unlock(&recorder->mutex);
}

void logctx_recorder_free(logctx_recorder_t *recorder)
{
    if (!recorder)
        return;
    logctx_sink_remove(&recorder->sink);
    logctx_recorder_clear(recorder);
    pthread_mutex_destroy(&recorder->mutex);
    free(recorder);
}

size_t logctx_recorder_count(logctx_recorder_t *recorder)
{
    if (!recorder)
        return 0;
    pthread_mutex_lock(&recorder->mutex);
    size_t count = recorder->count;
    pthread_mutex_unlock(&recorder->mutex);
    return count;
}

size_t logctx_recorder_dropped(logctx_recorder_t *recorder)
{
    if (!recorder)
        return 0;
    pthread_mutex_lock(&recorder->mutex);
    size_t dropped = recorder->dropped;
    pthread_mutex_unlock(&recorder->mutex);
    return dropped;
}

const logctx_record_t *logctx_recorder_at(logctx_recorder_t *recorder, size_t index)
{
    if (!recorder)
        return NULL;
    pthread_mutex_lock(&recorder->mutex);
    const logctx_record_t *record = index < recorder->count ? recorder->records[index] : NULL;
    pthread_mutex_unlock(&recorder->mutex);
    return record;
}

const logctx_record_t *logctx_recorder_find(logctx_recorder_t *recorder, const char *span_name)
{
    if (!recorder || !span_name)
        return NULL;
    const logctx_record_t *found = NULL;
    pthread_mutex_lock(&recorder->mutex);
    for (size_t i = recorder->count; i-- > 0 && !found;)
        if (strcmp(logctx_record_span(recorder->records[i])->name, span_name) == 0)
            found = recorder->records[i];
    pthread_mutex_unlock(&recorder->mutex);
    return found;
}
