// The spin lock of the core: for critical sections of a few dozen instructions, which are never entered on the switch
// path. It yields when the holder has been preempted, so that two threads on one processor make progress.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <sched.h>

void logctx__lock(atomic_flag *lock)
{
    for (unsigned spins = 0; atomic_flag_test_and_set_explicit(lock, memory_order_acquire); spins++)
        if (spins >= 64)
            sched_yield();
}

void logctx__unlock(atomic_flag *lock)
{
    atomic_flag_clear_explicit(lock, memory_order_release);
}
