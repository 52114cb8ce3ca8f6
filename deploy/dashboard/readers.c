// SPDX-License-Identifier: Apache-2.0
// The readers' queue and threads. `lock` guards the queue and `ended`; a connection is its thread's alone.

#include "readers.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store_read.h"

struct readers {
    const struct view_settings *settings;
    const char *path;
    pthread_t threads[READERS_COUNT];
    int thread_count;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct reading *first;
    struct reading **last;
    size_t waiting;
    bool ended;
    atomic_bool stopping; // relaxed: read by queries under way
};

static struct reading *take(struct readers *readers)
{
    pthread_mutex_lock(&readers->lock);
    while (readers->first == NULL && !readers->ended)
        pthread_cond_wait(&readers->wake, &readers->lock);
    struct reading *reading = readers->first;
    if (reading != NULL) {
        readers->first = reading->next;
        readers->waiting--;
        if (readers->first == NULL)
            readers->last = &readers->first;
    }
    pthread_mutex_unlock(&readers->lock);
    return reading;
}

static void refuse(struct reading *reading, const char *sentence)
{
    reading->outcome = (struct outcome){.status = 503, .retry_after = 5};
    snprintf(reading->outcome.sentence, sizeof reading->outcome.sentence, "%s", sentence);
}

static void answer(struct readers *readers, sqlite3 **db, struct reading *reading)
{
    char why[256] = "";
    char sentence[320];
    struct timespec time;
    if (atomic_load_explicit(&readers->stopping, memory_order_relaxed)) {
        refuse(reading, "logctx-dashboard is stopping.");
        return;
    }
    if (*db == NULL && !store_read_open(db, readers->path, why, sizeof why)) {
        sqlite3_close(*db);
        *db = NULL;
        snprintf(sentence, sizeof sentence, "The store cannot be read: %s", why);
        refuse(reading, sentence);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &time);
    struct view_call call = {
        .db = *db,
        .settings = readers->settings,
        .params = &reading->params,
        .rest = reading->rest,
        .deadline = (time.tv_sec + READERS_SECONDS) * INT64_C(1000000000) + time.tv_nsec,
        .stopping = &readers->stopping,
    };
    reading->text = view_answer(reading->view, &call, &reading->length);
    reading->outcome = call.outcome;
}

static void *run(void *argument)
{
    struct readers *readers = argument;
    sqlite3 *db = NULL;
    for (struct reading *reading = take(readers); reading != NULL; reading = take(readers)) {
        answer(readers, &db, reading);
        // The last touch.
        reading->done(reading);
    }
    sqlite3_close(db);
    return NULL;
}

struct readers *readers_start(const struct view_settings *settings, const char *path)
{
    struct readers *readers = calloc(1, sizeof *readers);
    if (readers == NULL)
        return NULL;
    // Seeds the hashes of JSON objects, before there are threads that would do it at once.
    json_object_seed(0);
    readers->settings = settings;
    readers->path = path;
    readers->last = &readers->first;
    atomic_init(&readers->stopping, false);
    pthread_mutex_init(&readers->lock, NULL);
    pthread_cond_init(&readers->wake, NULL);
    for (int i = 0; i < READERS_COUNT; i++)
        readers->thread_count += pthread_create(&readers->threads[readers->thread_count], NULL, run, readers) == 0;
    if (readers->thread_count > 0)
        return readers;
    readers_free(readers);
    return NULL;
}

bool readers_submit(struct readers *readers, struct reading *reading)
{
    pthread_mutex_lock(&readers->lock);
    bool taken = readers->waiting < READERS_QUEUE_MAX && !readers->ended;
    if (taken) {
        reading->next = NULL;
        *readers->last = reading;
        readers->last = &reading->next;
        readers->waiting++;
        pthread_cond_signal(&readers->wake);
    }
    pthread_mutex_unlock(&readers->lock);
    return taken;
}

void readers_stop(struct readers *readers)
{
    atomic_store_explicit(&readers->stopping, true, memory_order_relaxed);
    pthread_mutex_lock(&readers->lock);
    readers->ended = true;
    pthread_cond_broadcast(&readers->wake);
    pthread_mutex_unlock(&readers->lock);
    for (int i = 0; i < readers->thread_count; i++)
        pthread_join(readers->threads[i], NULL);
    readers->thread_count = 0;
}

void readers_free(struct readers *readers)
{
    pthread_cond_destroy(&readers->wake);
    pthread_mutex_destroy(&readers->lock);
    free(readers);
}
