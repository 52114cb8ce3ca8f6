// Threads: the library's state of each application thread. Made at a thread's first use, left at its end for the next
// thread, so that thousands of threads leave nothing behind; never freed, because contexts may outlive their thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "deferred.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

_Thread_local struct thread_local_state logctx__tls
    __attribute__((tls_model("initial-exec"))) = {&logctx__sentinel, NULL};

// Under `lock`: the taking over of idle states. `newest` and every `next` are written before they are published.
static struct {
    lock_t lock;
    _Atomic(struct thread *) newest;
} registry = {.lock = 0};

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool key_made;

struct thread *logctx__threads(void)
{
    return atomic_load_explicit(&registry.newest, memory_order_acquire);
}

static void prepare_context(void *block, struct thread *owner)
{
    logctx_t *ctx = block;
    memset(ctx, 0, sizeof *ctx);
    ctx->owner = owner;
    atomic_init(&ctx->generation, 1);
}

// A thread ends. Its contexts stay: they may be finished or read by others, and its state waits for the next thread.
static void detach(void *state)
{
    struct thread *thread = state;
    logctx_t *left = logctx__tls.current;
    if (!is_sentinel(left)) {
        logctx__report(thread, &(struct occurrence){.kind = LOGCTX_ERROR_THREAD_EXIT_WITH_CONTEXT,
                                                    .affected = left,
                                                    .found = logctx_name(left),
                                                    .set_by = thread->current_at});
        logctx__tls.current = &logctx__sentinel;
        if (thread->pinned)
            logctx_unref(left);
        thread->pinned = false;
    }
    atomic_store_explicit(&thread->slice_shard, NULL, memory_order_relaxed);
    logctx__loop_retire(thread, "none");
    logctx__lock(&thread->lock);
    thread->has_clock_id = false;
    logctx__unlock(&thread->lock);
    logctx__adopt_finished(thread);
    logctx__lock(&registry.lock);
    thread->attached = false;
    logctx__unlock(&registry.lock);
    logctx__tls.thread = NULL;
}

static void make_key(void)
{
    key_made = pthread_key_create(&key, detach) == 0;
    logctx__watch_forks();
}

static struct thread *idle_thread(void)
{
    struct thread *thread;
    logctx__lock(&registry.lock);
    for (thread = READ_RELAXED(registry.newest); thread && thread->attached; thread = thread->next)
        ;
    if (thread)
        thread->attached = true;
    logctx__unlock(&registry.lock);
    return thread;
}

static struct thread *new_thread(void)
{
    struct thread *thread = aligned_alloc(64, (sizeof *thread + 63) / 64 * 64);
    if (!thread)
        return NULL;
    memset(thread, 0, sizeof *thread);
    atomic_init(&thread->lock, 0);
    thread->contexts = (struct pool){.block_size = sizeof(struct logctx), .prepare = prepare_context};
    logctx__record_pool(&thread->records);
    logctx__bound_pool(&thread->bounds);
    logctx__deferred_pools(&thread->deferreds, &thread->entries);
    thread->attached = true;
    logctx__lock(&registry.lock);
    thread->next = READ_RELAXED(registry.newest);
    atomic_store_explicit(&registry.newest, thread, memory_order_release);
    logctx__unlock(&registry.lock);
    return thread;
}

static void begin(struct thread *thread)
{
    thread->id = logctx__clock_thread_id();
    thread->random_generation = 0;
    atomic_store_explicit(&thread->process, logctx__generation(), memory_order_relaxed);
    atomic_store_explicit(&thread->in_sink, 0, memory_order_relaxed);
    thread->in_hook = 0;
    thread->in_poll = false;
    thread->turn = 0;
    thread->poll_cost = 0;
    thread->wants_delay = false;
    thread->polled_at = 0;
    thread->loop_named = false;
    thread->recent_next = 0;
    memset(thread->recent, 0, sizeof thread->recent);
    thread->current_at = NULL;
    clockid_t clock_id;
    bool has_clock_id = pthread_getcpuclockid(pthread_self(), &clock_id) == 0;
    logctx_cpu_reading_t reading = {0};
    bool has_reading = logctx__read_cpu(&reading);
    logctx__lock(&thread->lock);
    atomic_store_explicit(&thread->tid, (int)syscall(SYS_gettid), memory_order_relaxed);
    snprintf(thread->loop_name, sizeof thread->loop_name, "%s", "none");
    if (has_clock_id)
        thread->clock_id = clock_id;
    thread->has_clock_id = has_clock_id;
    thread->cpu_base = has_reading ? reading.total_ns : 0;
    logctx__unlock(&thread->lock);
}

struct thread *logctx__attach(void)
{
    pthread_once(&key_once, make_key);
    struct thread *thread = idle_thread();
    if (!thread)
        thread = new_thread();
    if (!thread)
        return NULL;
    // Without a key the state is lost when the thread ends: bounded by the number of keys a process has, and rare.
    if (key_made)
        pthread_setspecific(key, thread);
    logctx__tls.thread = thread;
    begin(thread);
    return thread;
}

void logctx__reread_thread_id(void)
{
    if (logctx__tls.thread)
        begin(logctx__tls.thread);
}
