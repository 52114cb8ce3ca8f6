// Fork: which process this is. The child has the parent's memory and one thread; what must not be shared with the parent
// (ids, clocks, locks that others held) is told apart by a generation.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <sys/syscall.h>
#include <unistd.h>

// 1 to 255, and round again: what is compared with it was written by this process or by one of its last ancestors.
static atomic_uchar generation = 1;

unsigned char logctx__generation(void)
{
    return READ_RELAXED(generation);
}

// In the child, on its only thread. The kernel's clock of that thread starts from zero again.
static void in_child(void)
{
    unsigned char next = (unsigned char)(READ_RELAXED(generation) + 1);
    atomic_store_explicit(&generation, next ? next : 1, memory_order_relaxed);
    struct thread *thread = logctx__tls.thread;
    if (!thread)
        return;
    thread->random_generation = 0;
    atomic_store_explicit(&thread->process, READ_RELAXED(generation), memory_order_relaxed);
    atomic_store_explicit(&thread->tid, (int)syscall(SYS_gettid), memory_order_relaxed);
    clockid_t clock_id;
    thread->has_clock_id = pthread_getcpuclockid(pthread_self(), &clock_id) == 0;
    if (thread->has_clock_id)
        thread->clock_id = clock_id;
    thread->cpu_base = 0;
    atomic_store_explicit(&thread->attributed_cpu, 0, memory_order_relaxed);
    atomic_store_explicit(&thread->loop_cpu, 0, memory_order_relaxed);
}

void logctx__watch_forks(void)
{
    pthread_atfork(NULL, NULL, in_child);
}
