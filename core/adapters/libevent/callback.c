// Callbacks: made, found by libevent's object, freed. The table is one for all loops; its lock is held for a look-up or one
// walk, and over a fork, so that the child finds it whole.
//
// SPDX-License-Identifier: Apache-2.0
#include "callback.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BUCKETS = 64 }; // a power of two

static struct callback *first_buckets[FIRST_BUCKETS];
static struct {
    pthread_mutex_t lock;
    pthread_once_t once;
    struct callback **buckets;
    size_t size, count;
} table = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_ONCE_INIT, first_buckets, FIRST_BUCKETS, 0};

static void before_fork(void)
{
    pthread_mutex_lock(&table.lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&table.lock);
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork, after_fork);
}

void logctx__libevent_lock(void)
{
    pthread_once(&table.once, watch_forks);
    pthread_mutex_lock(&table.lock);
}

void logctx__libevent_unlock(void)
{
    pthread_mutex_unlock(&table.lock);
}

static size_t bucket_of(const void *handle, size_t size)
{
    uint64_t hash = (uint64_t)(uintptr_t)handle * 0x9e3779b97f4a7c15u;
    return (size_t)(hash >> 32) & (size - 1);
}

// Without memory the chains get longer, and nothing else happens.
static void grow(void)
{
    size_t size = table.size * 2;
    struct callback **buckets = calloc(size, sizeof(struct callback *));
    if (!buckets)
        return;
    for (size_t i = 0; i < table.size; i++) {
        struct callback *next;
        for (struct callback *callback = table.buckets[i]; callback; callback = next) {
            next = callback->next;
            struct callback **bucket = &buckets[bucket_of(callback->handle, size)];
            callback->next = *bucket;
            *bucket = callback;
        }
    }
    if (table.buckets != first_buckets)
        free(table.buckets);
    table.buckets = buckets;
    table.size = size;
}

static bool is_path(const struct callback *callback, const char *path)
{
    const char *own = callback->fn.serve.path;
    return own && path ? strcmp(own, path) == 0 : own == path;
}

// A server has one callback for each path. Under the lock.
static struct callback *find(const void *handle, enum purpose purpose, const char *path)
{
    struct callback *callback = table.buckets[bucket_of(handle, table.size)];
    while (callback && (callback->handle != handle || callback->purpose != purpose ||
                        (purpose == FOR_PATH && !is_path(callback, path))))
        callback = callback->next;
    return callback;
}

void logctx__libevent_request_unlink(struct callback *request)
{
    struct callback *connection = request->more.request.connection;
    if (!connection)
        return;
    struct callback *next = request->more.request.next, *previous = request->more.request.previous;
    if (previous)
        previous->more.request.next = next;
    else
        connection->more.connection.first = next;
    if (next)
        next->more.request.previous = previous;
    request->more.request.connection = NULL;
}

// Under the lock.
static void enter(struct callback *callback, const void *handle)
{
    struct callback **bucket = &table.buckets[bucket_of(handle, table.size)];
    callback->handle = handle;
    callback->next = *bucket;
    *bucket = callback;
    table.count++;
}

static void leave(struct callback *callback)
{
    if (!callback->handle)
        return;
    struct callback **link = &table.buckets[bucket_of(callback->handle, table.size)];
    while (*link != callback)
        link = &(*link)->next;
    *link = callback->next;
    callback->next = NULL;
    callback->handle = NULL;
    table.count--;
}

// Out of the table already. What the end of a context calls may use the table.
static void destroy(struct callback *callback)
{
    if (callback->purpose == FOR_REQUEST)
        logctx__libevent_request_unlink(callback);
    if (callback->purpose == FOR_CONNECTION)
        while (callback->more.connection.first)
            logctx__libevent_request_unlink(callback->more.connection.first);
    logctx_capture_clear(&callback->capture);
    logctx_capture_clear(&callback->error_capture);
    if (callback->purpose == FOR_PATH)
        free(callback->fn.serve.path);
    free(callback);
}

static void destroy_all(struct callback *first)
{
    while (first) {
        struct callback *callback = first;
        first = callback->next;
        destroy(callback);
    }
}

struct callback *logctx__libevent_callback_new(enum purpose purpose, struct logctx_libevent *loop, void *arg)
{
    struct callback *callback = calloc(1, sizeof *callback);
    if (!callback)
        return NULL;
    callback->purpose = purpose;
    callback->loop = loop;
    callback->arg = arg;
    return callback;
}

void logctx__libevent_callback_enter(struct callback *callback, const void *handle)
{
    logctx__libevent_lock();
    const char *path = callback->purpose == FOR_PATH ? callback->fn.serve.path : NULL;
    struct callback *stale = find(handle, callback->purpose, path);
    if (stale)
        leave(stale);
    // libevent calls back for a request that failed when it has freed it: the callback is found by itself from now on.
    if (stale && stale->purpose == FOR_REQUEST) {
        enter(stale, stale);
        stale = NULL;
    }
    if (table.count >= table.size)
        grow();
    enter(callback, handle);
    logctx__libevent_unlock();
    if (stale)
        destroy(stale);
}

void logctx__libevent_callback_leave(struct callback *callback)
{
    if (!callback)
        return;
    logctx__libevent_lock();
    leave(callback);
    logctx__libevent_unlock();
}

struct callback *logctx__libevent_callback_find(const void *handle, enum purpose purpose)
{
    logctx__libevent_lock();
    struct callback *callback = find(handle, purpose, NULL);
    logctx__libevent_unlock();
    return callback;
}

struct callback *logctx__libevent_callback_find_path(const void *handle, const char *path)
{
    logctx__libevent_lock();
    struct callback *callback = find(handle, FOR_PATH, path);
    logctx__libevent_unlock();
    return callback;
}

void logctx__libevent_callback_free(struct callback *callback)
{
    logctx__libevent_callback_leave(callback);
    if (callback)
        destroy(callback);
}

void logctx__libevent_callbacks_free(struct logctx_libevent *loop)
{
    struct callback *freed = NULL;
    logctx__libevent_lock();
    for (size_t i = 0; i < table.size; i++) {
        struct callback *next;
        for (struct callback *callback = table.buckets[i]; callback; callback = next) {
            next = callback->next;
            if (callback->loop != loop)
                continue;
            leave(callback);
            callback->next = freed;
            freed = callback;
        }
    }
    logctx__libevent_unlock();
    destroy_all(freed);
}

void logctx__libevent_callbacks_free_of(const void *handle, enum purpose purpose)
{
    struct callback *freed = NULL, *next;
    logctx__libevent_lock();
    for (struct callback *callback = table.buckets[bucket_of(handle, table.size)]; callback; callback = next) {
        next = callback->next;
        if (callback->handle != handle || callback->purpose != purpose)
            continue;
        leave(callback);
        callback->next = freed;
        freed = callback;
    }
    logctx__libevent_unlock();
    destroy_all(freed);
}

// Takes the contexts of one callback of the loop, which then has no loop; false if there is none.
static bool take_one(const struct logctx_libevent *loop, size_t *bucket, logctx_capture_t *captures)
{
    for (; *bucket < table.size; ++*bucket)
        for (struct callback *callback = table.buckets[*bucket]; callback; callback = callback->next)
            if (callback->loop == loop) {
                captures[0] = callback->capture;
                captures[1] = callback->error_capture;
                callback->capture.ctx = callback->error_capture.ctx = NULL;
                callback->loop = NULL;
                return true;
            }
    return false;
}

void logctx__libevent_callbacks_release(struct logctx_libevent *loop)
{
    logctx_capture_t captures[2];
    size_t bucket = 0;
    for (bool found = true; found;) {
        logctx__libevent_lock();
        found = take_one(loop, &bucket, captures);
        logctx__libevent_unlock();
        if (!found)
            break;
        logctx_capture_clear(&captures[0]);
        logctx_capture_clear(&captures[1]);
    }
}

void logctx__libevent_recapture(logctx_capture_t *capture, const logctx_site_t *site)
{
    logctx_capture_t old = *capture;
    logctx_capture_init(capture, site);
    logctx_capture_clear(&old);
}
