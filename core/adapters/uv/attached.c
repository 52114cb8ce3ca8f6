// Loops that are attached: attach, detach, and the two handles around the poll. Each belongs to the thread that attached
// it; the list of all, under the lock, is for the threads of libuv's pool.
//
// SPDX-License-Identifier: Apache-2.0
#include "attached.h"

#include <pthread.h>
#include <stdlib.h>

_Thread_local logctx_uv_t *logctx__uv_mine;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static logctx_uv_t *all;

void logctx__uv_lock(void)
{
    pthread_mutex_lock(&lock);
}

void logctx__uv_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

logctx_uv_t *logctx__uv_anyones(const uv_loop_t *loop)
{
    logctx_uv_t *attached = all;
    while (attached && attached->loop != loop)
        attached = attached->next;
    return attached;
}

void logctx__uv_tell_elsewhere(logctx_uv_t *attached)
{
    if (!atomic_exchange_explicit(&attached->told_elsewhere, true, memory_order_relaxed))
        logctx_report_misuse(
            "a loop is run by another thread than that which attached it; call logctx_uv_attach() on the "
            "thread that runs it. Its callbacks run without their contexts",
            attached->site);
}

// ---- around the poll ----

// A check handle that is started last runs first: what the poll took ends before any check of the host's.
static void before_poll(uv_prepare_t *handle)
{
    logctx_uv_t *attached = handle->data;
    if (unlikely(mine(attached->loop) != attached))
        logctx__uv_tell_elsewhere(attached);
    uv_check_t *check = &attached->check;
    uv_check_cb after_poll = check->check_cb;
    uv_check_stop(check);
    uv_check_start(check, after_poll);
    logctx_poll_begin_at(attached->site);
}

static void after_poll(uv_check_t *handle)
{
    (void)handle;
    logctx_poll_end();
}

static void open_handles(logctx_uv_t *attached)
{
    uv_prepare_init(attached->loop, &attached->prepare);
    uv_check_init(attached->loop, &attached->check);
    attached->prepare.data = attached->check.data = attached;
    uv_prepare_start(&attached->prepare, before_poll);
    uv_check_start(&attached->check, after_poll);
    uv_unref((uv_handle_t *)&attached->prepare);
    uv_unref((uv_handle_t *)&attached->check);
    attached->open_handles = 2;
}

// ---- giving the contexts back ----

// The contexts are given back, the host's callbacks stay: libuv still has ours. Outside of the lock, as the end of a context
// calls the host's sinks.
static void release_works(logctx_uv_t *attached)
{
    for (size_t i = 0;; i++) {
        logctx_capture_t capture = {NULL, NULL};
        logctx__uv_lock();
        bool end = i >= attached->works.capacity;
        if (!end && attached->works.entries[i].object) {
            capture = attached->works.entries[i].capture;
            attached->works.entries[i].capture.ctx = NULL;
        }
        logctx__uv_unlock();
        if (end)
            return;
        logctx_capture_clear(&capture);
    }
}

static void release(logctx_uv_t *attached)
{
    logctx__uv_lock();
    attached->detached = true;
    logctx__uv_unlock();
    for (size_t i = 0; i < attached->kept.capacity; i++)
        logctx_capture_clear(&attached->kept.entries[i].capture);
    release_works(attached);
}

// A thread that ends without detaching keeps no contexts. Its loop may live or not, so the handles in it stay, and with them
// the memory.
static void thread_ends(void *unused)
{
    (void)unused;
    for (logctx_uv_t *attached = logctx__uv_mine; attached; attached = attached->next_mine)
        if (!attached->detached)
            release(attached);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_thread_end;
static bool has_key;

static void make_key(void)
{
    has_key = pthread_key_create(&at_thread_end, thread_ends) == 0;
}

static void watch_thread(void)
{
    pthread_once(&once, make_key);
    if (has_key)
        pthread_setspecific(at_thread_end, &at_thread_end);
}

// ---- attach ----

// What is left of an earlier attachment of the loop goes on in the new one, so that there is one place to look.
static void take_over(logctx_uv_t *attached, logctx_uv_t *earlier)
{
    attached->kept = earlier->kept;
    attached->works = earlier->works;
    earlier->kept = earlier->works = (struct table){.entries = NULL};
}

// Under the lock: the list of all, newest first, so that the newest of a loop is found.
static const char *enlist(logctx_uv_t *attached, logctx_uv_t *earlier)
{
    const logctx_uv_t *anyones = logctx__uv_anyones(attached->loop);
    if (earlier && !earlier->detached)
        return "logctx_uv_attach() got a loop that is attached; detach it first";
    if (!earlier && anyones && !anyones->detached)
        return "logctx_uv_attach() got a loop that another thread has attached; detach it there first";
    if (earlier)
        take_over(attached, earlier);
    attached->next = all;
    all = attached;
    attached->next_mine = logctx__uv_mine;
    logctx__uv_mine = attached;
    return NULL;
}

logctx_uv_t *logctx_uv_attach_at(uv_loop_t *loop, const char *name, const logctx_site_t *site)
{
    if (!loop) {
        logctx_report_misuse("logctx_uv_attach() got NULL; pass a loop that uv_loop_init() has made", site);
        return NULL;
    }
    logctx_uv_t *attached = calloc(1, sizeof *attached);
    if (!attached)
        return NULL;
    attached->loop = loop;
    attached->site = site;
    logctx_uv_t *earlier = mine(loop);
    logctx__uv_lock();
    const char *refused = enlist(attached, earlier);
    logctx__uv_unlock();
    if (refused) {
        free(attached);
        logctx_report_misuse(refused, site);
        return NULL;
    }
    if (earlier)
        logctx__uv_taken(earlier);
    watch_thread();
    logctx__uv_timers_open(attached);
    open_handles(attached);
    logctx_set_loop_name(name);
    return attached;
}

// ---- detach ----

static bool is_mine(const logctx_uv_t *attached)
{
    const logctx_uv_t *other = logctx__uv_mine;
    while (other && other != attached)
        other = other->next_mine;
    return other != NULL;
}

static void leave_lists(logctx_uv_t *attached)
{
    logctx_uv_t **link = &logctx__uv_mine;
    while (*link != attached)
        link = &(*link)->next_mine;
    *link = attached->next_mine;
    logctx__uv_lock();
    for (link = &all; *link != attached;)
        link = &(*link)->next;
    *link = attached->next;
    logctx__uv_unlock();
}

void logctx__uv_taken(logctx_uv_t *attached)
{
    if (likely(!attached->detached))
        return;
    logctx__uv_lock();
    bool over = attached->open_handles == 0 && attached->timers_due == 0 && attached->kept.count == 0 &&
                attached->works.count == 0;
    logctx__uv_unlock();
    if (!over)
        return;
    leave_lists(attached);
    logctx__uv_table_free(&attached->kept);
    logctx__uv_table_free(&attached->works);
    free(attached);
}

static void handle_closed(uv_handle_t *handle)
{
    logctx_uv_t *attached = handle->data;
    attached->open_handles--;
    logctx__uv_taken(attached);
}

void logctx_uv_detach(logctx_uv_t *attached)
{
    if (!attached)
        return;
    if (!is_mine(attached) || attached->detached) {
        logctx_report_misuse(
            "logctx_uv_detach() got a loop that this thread has not attached, or has detached; detach it "
            "once, on the thread that attached it",
            logctx_site_of_caller(__builtin_return_address(0)));
        return;
    }
    release(attached);
    logctx_poll_end();
    logctx__uv_timers_close(attached);
    uv_close((uv_handle_t *)&attached->prepare, handle_closed);
    uv_close((uv_handle_t *)&attached->check, handle_closed);
}
