// Fork: which process this is. The child has the parent's memory and one thread. What must not be shared with the parent
// (contexts, sums, ids, clocks, locks that others held) is told apart by numbers that go up in the child.
//
// In the child's handler there are a few stores and, in a daemon, two closes, and the table is made private memory: a child
// that only executes another program costs little more than that. The rest is made at the child's first use of the library.
// Before the fork there is one addition, and no lock: fork() may be called in a signal handler.
//
// SPDX-License-Identifier: Apache-2.0
#include "inherited.h"

// Written in a child before its second thread exists.
atomic_uint logctx__forks;
// The same as 1 to 255, and round again: what is compared with it was written by this process or one of its last ancestors.
atomic_uchar logctx__process_generation = 1;

static void in_child(void)
{
    unsigned char next = (unsigned char)(logctx__generation() + 1);
    atomic_store_explicit(&logctx__process_generation, next ? next : 1, memory_order_relaxed);
    atomic_store_explicit(&logctx__forks, READ_RELAXED(logctx__forks) + 1, memory_order_relaxed);
    if (logctx__tls.thread) // whose state lies in the table, and may be another thread's in the parent by now
        *logctx__profile_slot() = NULL;
    logctx__table_in_child(); // before anything is written that lies in it
    logctx__inherited_in_child();
    logctx__tls.current = &logctx__sentinel;
    logctx__tls.thread = NULL;
    logctx__threads_in_child();
    logctx__contexts_in_child();
    logctx__loops_in_child();
    logctx__sinks_in_child();
    logctx__daemon_in_child();
}

// When the library is loaded: handlers run in the order in which they were registered, and those of whoever uses the core
// may rely on its locks.
__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(logctx__before_fork, NULL, in_child);
}

// What a child has to make anew that is too much for its handler: by whoever first counts or collects there.
void logctx__begin_process(void)
{
    static lock_t lock;
    static atomic_uint begun; // the last process that has done it
    if (likely(atomic_load_explicit(&begun, memory_order_acquire) == READ_RELAXED(logctx__forks)))
        return;
    logctx__lock(&lock);
    if (READ_RELAXED(begun) != READ_RELAXED(logctx__forks)) {
        logctx__table_begin();
        logctx__series_restart();
        logctx__start_restart();
        atomic_store_explicit(&begun, READ_RELAXED(logctx__forks), memory_order_release);
    }
    logctx__unlock(&lock);
}
