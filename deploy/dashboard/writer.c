// SPDX-License-Identifier: Apache-2.0
// The writer's queue and thread. `lock` guards the queue, `tending` and `stopping`; the store is the thread's alone; a job is the
// thread's from submission until `done`.

#include "writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "receive.h"

// So many requests in one transaction: beyond, the first of them would wait for long.
enum { GROUP_MAX = 64 };

struct writer {
    struct store *store;
    size_t memory_limit;
    writer_report_t *report;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *first;
    struct job **last;
    size_t waiting;
    bool tending;
    bool stopping;
    atomic_bool healthy; // relaxed: a hint for /healthz
};

// The next requests, oldest first. NULL: there are none, and the store is to be tended, or, if not, it is the end.
static struct job *take_group(struct writer *writer, bool *tend)
{
    pthread_mutex_lock(&writer->lock);
    while (writer->first == NULL && !writer->stopping && !writer->tending)
        pthread_cond_wait(&writer->wake, &writer->lock);
    // A transaction with requests in it tends the store as well.
    *tend = writer->tending && writer->first == NULL;
    writer->tending = false;
    struct job *group = writer->first;
    struct job **end = &writer->first;
    for (int i = 0; i < GROUP_MAX && *end != NULL; i++) {
        end = &(*end)->next;
        writer->waiting--;
    }
    writer->first = *end;
    *end = NULL;
    // If everything was taken, the queue's tail is its head again; `end` may be the head itself.
    if (writer->first == NULL)
        writer->last = &writer->first;
    pthread_mutex_unlock(&writer->lock);
    return group;
}

static bool store_group(struct writer *writer, struct job *group)
{
    if (!store_begin(writer->store))
        return false;
    for (struct job *job = group; job != NULL; job = job->next) {
        if (!receive(writer->store, job->signal, job->encoding, job->bytes, job->length, writer->memory_limit,
                     &job->outcome)) {
            store_rollback(writer->store);
            return false;
        }
    }
    return store_commit(writer->store);
}

static void note_health(struct writer *writer, bool stored)
{
    bool before = atomic_exchange_explicit(&writer->healthy, stored, memory_order_relaxed);
    char sentence[SENTENCE_SIZE];
    if (before && !stored) {
        snprintf(sentence, sizeof sentence,
                 "The store cannot be written: %s. Senders are asked to try again until it can.",
                 store_why(writer->store));
        writer->report(sentence);
    } else if (!before && stored) {
        writer->report("The store can be written again.");
    }
}

static void finish_group(struct writer *writer, struct job *group, bool stored)
{
    while (group != NULL) {
        struct job *job = group;
        group = job->next;
        if (!stored)
            receive_store_failed(writer->store, &job->outcome);
        job->done(job);
    }
}

// What the store refuses about one request must not be blamed on those that came with it.
static void store_one_by_one(struct writer *writer, struct job *group)
{
    while (group != NULL) {
        struct job *job = group;
        group = job->next;
        job->next = NULL;
        bool stored = store_group(writer, job);
        note_health(writer, stored || store_refused_rows(writer->store));
        finish_group(writer, job, stored);
    }
}

static void *run(void *argument)
{
    struct writer *writer = argument;
    bool tend = false;
    for (struct job *group = take_group(writer, &tend); group != NULL || tend; group = take_group(writer, &tend)) {
        // Without requests it is a transaction all the same, in which old rows go.
        bool stored = store_group(writer, group);
        if (group != NULL && !stored && store_refused_rows(writer->store)) {
            store_one_by_one(writer, group);
            continue;
        }
        note_health(writer, stored);
        finish_group(writer, group, stored);
    }
    return NULL;
}

struct writer *writer_start(struct store *store, size_t memory_limit, writer_report_t *report)
{
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return NULL;
    writer->store = store;
    writer->memory_limit = memory_limit;
    writer->report = report;
    writer->last = &writer->first;
    atomic_init(&writer->healthy, true);
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->wake, NULL);
    if (pthread_create(&writer->thread, NULL, run, writer) == 0)
        return writer;
    pthread_cond_destroy(&writer->wake);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
    return NULL;
}

bool writer_submit(struct writer *writer, struct job *job)
{
    pthread_mutex_lock(&writer->lock);
    bool taken = writer->waiting < WRITER_QUEUE_MAX && !writer->stopping;
    if (taken) {
        job->next = NULL;
        *writer->last = job;
        writer->last = &job->next;
        writer->waiting++;
        pthread_cond_signal(&writer->wake);
    }
    pthread_mutex_unlock(&writer->lock);
    return taken;
}

void writer_tend(struct writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    writer->tending = true;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->lock);
}

bool writer_healthy(const struct writer *writer)
{
    return atomic_load_explicit(&writer->healthy, memory_order_relaxed);
}

void writer_stop(struct writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    writer->stopping = true;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
}

void writer_free(struct writer *writer)
{
    pthread_cond_destroy(&writer->wake);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}
