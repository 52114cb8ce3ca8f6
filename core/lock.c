// The spin lock of the core: for critical sections of a few dozen instructions, which are never entered on the switch
// path. It yields when the holder has been preempted, so that two threads on one processor make progress.
//
// A lock holds the generation of the process that took it. In a child of fork() the holder may be a thread that is not
// there any more: a lock of an earlier generation counts as free, and needs nobody who knows where all the locks are.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <sched.h>

void logctx__lock(lock_t *lock)
{
    unsigned char mine = logctx__generation();
    unsigned char seen = 0;
    for (unsigned spins = 0;
         !atomic_compare_exchange_weak_explicit(lock, &seen, mine, memory_order_acquire, memory_order_relaxed);) {
        if (seen != mine)
            continue; // free by now, or left behind by the parent process
        seen = 0;
        if (++spins >= 64)
            sched_yield();
    }
}

void logctx__unlock(lock_t *lock)
{
    atomic_store_explicit(lock, 0, memory_order_release);
}
