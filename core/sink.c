// Sinks: who gets ended contexts. The table is read without a lock on every finish; removing waits until each thread has
// been seen outside of all sinks.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <sched.h>

// Slots change under `lock` only. A thread sets its in_sink before it reads them, the remover clears the slot before it
// reads in_sink, both sequentially consistent: one of the two sees the other.
static struct {
    lock_t lock;
    _Atomic(const logctx_sink_t *) slots[LOGCTX_SINKS_MAX];
} table = {.lock = 0};
atomic_uint logctx__sink_count; // as the slots

// Sinks are inherited; what they do in a child is their own affair. A thread that is not here may have been between a slot
// and the count.
void logctx__sinks_in_child(void)
{
    unsigned count = 0;
    for (size_t i = 0; i < LOGCTX_SINKS_MAX; i++)
        count += READ_RELAXED(table.slots[i]) != NULL;
    atomic_store_explicit(&logctx__sink_count, count, memory_order_relaxed);
}

logctx_status_t logctx_sink_add(const logctx_sink_t *sink)
{
    if (!sink || !sink->ended)
        return LOGCTX_E_INVALID;
    logctx_status_t status = LOGCTX_E_LIMIT;
    logctx__lock(&table.lock);
    for (size_t i = 0; i < LOGCTX_SINKS_MAX && status != LOGCTX_OK; i++)
        if (!READ_RELAXED(table.slots[i])) {
            atomic_store(&table.slots[i], sink);
            atomic_fetch_add(&logctx__sink_count, 1);
            status = LOGCTX_OK;
        }
    logctx__unlock(&table.lock);
    return status;
}

static bool clear(const logctx_sink_t *sink)
{
    bool found = false;
    logctx__lock(&table.lock);
    for (size_t i = 0; i < LOGCTX_SINKS_MAX && !found; i++)
        if (READ_RELAXED(table.slots[i]) == sink) {
            atomic_store(&table.slots[i], NULL);
            atomic_fetch_sub(&logctx__sink_count, 1);
            found = true;
        }
    logctx__unlock(&table.lock);
    return found;
}

logctx_status_t logctx_sink_remove(const logctx_sink_t *sink)
{
    struct thread *self = logctx__tls.thread;
    if (!sink)
        return LOGCTX_E_INVALID;
    if (self && atomic_load(&self->in_sink) > 0)
        return LOGCTX_E_STATE;
    if (!clear(sink))
        return LOGCTX_E_INVALID;
    for (struct thread *thread = logctx__threads(); thread; thread = thread->next)
        while (atomic_load(&thread->in_sink) > 0)
            sched_yield();
    return LOGCTX_OK;
}

// Takes the caller's reference. False: no sink was there.
bool logctx__to_sinks(struct thread *thread, logctx_record_t *record)
{
    unsigned depth = READ_RELAXED(thread->in_sink); // a sink may end a context of its own
    atomic_store(&thread->in_sink, depth + 1);
    thread->in_hook++;
    const logctx_sink_t *last = NULL; // the last one gets our reference, so that a single one needs no other
    for (size_t i = 0; i < LOGCTX_SINKS_MAX; i++) {
        const logctx_sink_t *sink = atomic_load(&table.slots[i]);
        if (!sink)
            continue;
        if (last)
            last->ended(last->user, logctx_record_ref(record));
        last = sink;
    }
    if (last)
        last->ended(last->user, record);
    thread->in_hook--;
    atomic_store_explicit(&thread->in_sink, depth, memory_order_release);
    if (!last)
        logctx_record_unref(record);
    return last != NULL;
}
