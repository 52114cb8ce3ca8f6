/*
 * memory.h: the bytes that all request bodies together may take. One account for the server: whoever makes a body
 * grow takes from it first, so that many large requests at once are refused instead of filling the machine.
 * Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_MEMORY_H
#define DASHBOARD_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct memory {
    atomic_size_t used; /* relaxed: it guards no other data */
    size_t limit;
};

/* False, and nothing taken, if the limit does not allow it. */
static inline bool memory_take(struct memory *memory, size_t bytes)
{
    size_t used = atomic_load_explicit(&memory->used, memory_order_relaxed);
    do {
        if (bytes > memory->limit - used)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&memory->used, &used, used + bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static inline void memory_give(struct memory *memory, size_t bytes)
{
    atomic_fetch_sub_explicit(&memory->used, bytes, memory_order_relaxed);
}

#endif
