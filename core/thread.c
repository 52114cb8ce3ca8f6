// Threads: the library's state of each application thread. Made at a thread's first use, left at its end for the next
// thread, so that thousands of threads leave nothing behind; never freed, because contexts may outlive their thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "deferred.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Thread_local struct thread_local_state logctx__tls
    __attribute__((tls_model("initial-exec"))) = {&logctx__sentinel, NULL};

enum { LOOK_AT_FIRST = 16 };

// Under `lock`: states without a thread, which wait for the next one, and `attached` of every state. `newest` and every
// `next` are written before they are published.
static struct {
    lock_t lock;
    _Atomic(struct thread *) newest;
    struct thread *idle;      // the one left last is first: its memory is warm
    size_t count;             // of states
    size_t look_at;           // how many there are when lost ones are looked for; SIZE_MAX: somebody is looking
    struct thread *inherited; // of parent processes, by their newest ones; kept so that nothing counts as lost
} registry = {.look_at = LOOK_AT_FIRST};

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool key_made;

struct thread *logctx__threads(void)
{
    return atomic_load_explicit(&registry.newest, memory_order_acquire);
}

// False for a thread that ended, and for one that fork() left in the parent process.
bool logctx__has_thread(const struct thread *thread)
{
    return atomic_load(&thread->attached) && READ_RELAXED(thread->process) == READ_RELAXED(logctx__forks);
}

// The parent's threads leave the list, and with them all that they counted. The next use of the library attaches anew.
void logctx__threads_in_child(void)
{
    struct thread *newest = READ_RELAXED(registry.newest);
    if (!newest)
        return;
    newest->inherited = registry.inherited;
    registry.inherited = newest;
    atomic_store_explicit(&registry.newest, NULL, memory_order_relaxed);
    registry.idle = NULL;
    registry.count = 0;
    registry.look_at = LOOK_AT_FIRST;
}

static void prepare_context(void *block, struct thread *owner)
{
    logctx_t *ctx = block;
    memset(ctx, 0, sizeof *ctx);
    ctx->owner = owner;
    atomic_init(&ctx->generation, 1);
}

static void prepare_nothing(void *block, struct thread *owner)
{
    (void)block;
    (void)owner;
}

// Contexts that were finished by others after their thread had ended: nobody runs them, and without this their memory
// would wait for a thread that takes the state over. That thread is not in the way: it holds what it runs of them.
void logctx__drop_orphans(struct thread *thread)
{
    logctx_t *ctx = NULL;
    logctx__lock(&registry.lock);
    if (!atomic_load(&thread->attached))
        ctx = atomic_exchange(&thread->finished_elsewhere, NULL);
    logctx__unlock(&registry.lock);
    while (ctx) {
        logctx_t *next = ctx->next_foreign;
        logctx_unref(ctx);
        ctx = next;
    }
}

static void retire(struct thread *thread)
{
    logctx__loop_retire(thread, "none");
    logctx__lock(&thread->lock);
    thread->has_clock_id = false;
    logctx__unlock(&thread->lock);
}

static void set_idle(struct thread *thread)
{
    atomic_store_explicit(&thread->id, 0, memory_order_relaxed);
    logctx__lock(&registry.lock);
    atomic_store(&thread->attached, false);
    thread->next_idle = registry.idle;
    registry.idle = thread;
    logctx__unlock(&registry.lock);
    if (atomic_load(&thread->finished_elsewhere))
        logctx__drop_orphans(thread);
}

// A thread ends. Its contexts stay: they may be finished or read by others, and its state waits for the next thread.
// It may end in the midst of a hook, a sink or a release function of the host, which is over then.
static void detach(void *state)
{
    struct thread *thread = state;
    if (thread != logctx__tls.thread)
        return; // inherited by fork, and this child has not used the library
    logctx_t *left = logctx__tls.current;
    thread->in_hook = 0;
    atomic_store(&thread->in_sink, 0);
    logctx__end_slice(thread);
    if (!is_sentinel(left)) {
        logctx__report(thread, &(struct occurrence){.kind = LOGCTX_ERROR_THREAD_EXIT_WITH_CONTEXT,
                                                    .affected = left,
                                                    .found = logctx_name(left),
                                                    .set_by = thread->current_at});
        set_current_context(thread, &logctx__sentinel);
        if (thread->pinned)
            logctx_unref(left);
        thread->pinned = false;
    }
    if (thread->in_dying)
        logctx__deferreds_free(thread);
    logctx__adopt_finished(thread);
    retire(thread);
    logctx__tls.thread = NULL;
    set_idle(thread);
}

static void make_key(void)
{
    key_made = pthread_key_create(&key, detach) == 0;
}

static struct thread *idle_thread(void)
{
    struct thread *thread;
    logctx__lock(&registry.lock);
    thread = registry.idle;
    if (thread) {
        registry.idle = thread->next_idle;
        atomic_store(&thread->attached, true);
    }
    logctx__unlock(&registry.lock);
    return thread;
}

// A thread's CPU clock is gone when the thread is.
static bool has_vanished(struct thread *thread)
{
    struct timespec unused;
    logctx__lock(&thread->lock);
    bool known = thread->has_clock_id;
    clockid_t clock_id = thread->clock_id;
    logctx__unlock(&thread->lock);
    return known && clock_gettime(clock_id, &unused) != 0 && errno == EINVAL;
}

static void take_back(struct thread *lost)
{
    struct recorded_switch *last = &lost->recent[(lost->recent_next - 1) % LOGCTX_RECENT];
    if (lost->pinned)
        logctx_unref(last->to); // what was current
    lost->pinned = false;
    lost->in_hook = 0;
    lost->in_dying = false;
    atomic_store(&lost->in_sink, 0);
    logctx__end_slice(lost);
    retire(lost);
    set_idle(lost);
}

// States of threads that ended without detach(): the C library calls the destructors of thread-specific data in a few
// rounds, and a host that uses logctx in the last one gets a state that is never given back. (The same without a key.)
// Looked for whenever the states have doubled, so each new one pays for a constant number of looks.
static void take_back_lost(void)
{
    logctx__lock(&registry.lock);
    bool look = registry.count >= registry.look_at;
    if (look)
        registry.look_at = SIZE_MAX;
    logctx__unlock(&registry.lock);
    if (!look)
        return;
    size_t in_use = 0;
    for (struct thread *thread = logctx__threads(); thread; thread = thread->next) {
        if (logctx__has_thread(thread) && has_vanished(thread))
            take_back(thread);
        else
            in_use++;
    }
    logctx__lock(&registry.lock);
    registry.look_at = 2 * in_use + 16;
    logctx__unlock(&registry.lock);
}

static struct thread *new_thread(void)
{
    struct thread *thread = logctx__table_element(LOGCTX_TABLE_THREADS, sizeof *thread);
    if (!thread)
        return NULL;
    atomic_init(&thread->lock, 0);
    atomic_init(&thread->process, READ_RELAXED(logctx__forks));
    thread->contexts = (struct pool){.block_size = sizeof(struct logctx), .in_table = true, .prepare = prepare_context};
    thread->names = (struct pool){.block_size = LOGCTX_NAME_BLOCK, .prepare = prepare_nothing};
    logctx__record_pool(&thread->records);
    logctx__family_pool(&thread->families);
    logctx__bound_pool(&thread->bounds);
    logctx__deferred_pools(&thread->deferreds, &thread->entries);
    atomic_init(&thread->attached, true);
    logctx__lock(&registry.lock);
    registry.count++;
    thread->next = READ_RELAXED(registry.newest);
    atomic_store_explicit(&registry.newest, thread, memory_order_release);
    logctx__unlock(&registry.lock);
    return thread;
}

static void begin(struct thread *thread)
{
    // A clock may number the child's thread as the parent's: inherited contexts are at home in neither.
    uint64_t id = logctx__clock_thread_id() ^ (uint64_t)READ_RELAXED(logctx__forks) << 32;
    atomic_store_explicit(&thread->id, id, memory_order_relaxed);
    thread->profile_slot = logctx__profile_slot();
    thread->random_generation = 0;
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
    logctx__clock_begin(thread);
    int64_t now;
    bool has_reading = logctx__read_cpu_now(thread, &now);
    logctx__lock(&thread->lock);
    atomic_store_explicit(&thread->tid, (int)syscall(SYS_gettid), memory_order_relaxed);
    snprintf(thread->loop_name, sizeof thread->loop_name, "%s", "none");
    if (has_clock_id)
        thread->clock_id = clock_id;
    thread->has_clock_id = has_clock_id;
    thread->cpu_base = has_reading ? now : 0;
    logctx__unlock(&thread->lock);
}

struct thread *logctx__attach(void)
{
    pthread_once(&key_once, make_key);
    logctx__begin_process();
    struct thread *thread = idle_thread();
    if (!thread) {
        take_back_lost();
        if (logctx__tls.thread) // what a lost thread held last has been finished here
            return logctx__tls.thread;
        thread = idle_thread();
    }
    if (!thread)
        thread = new_thread();
    if (!thread)
        return NULL;
    if (key_made)
        pthread_setspecific(key, thread);
    logctx__tls.thread = thread;
    begin(thread);
    logctx__table_say();
    return thread;
}

void logctx__reread_thread_id(void)
{
    if (logctx__tls.thread)
        begin(logctx__tls.thread);
}
