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
    atomic_uint count;
} table = {.lock = 0};

bool logctx__has_sink(void)
{
    return READ_RELAXED(table.count) > 0;
}

// Sinks are inherited; what they do in a child is their own affair. A thread that is not here may have been between a slot
// and the count.
void logctx__sinks_in_child(void)
{
    unsigned count = 0;
    for (size_t i = 0; i < LOGCTX_SINKS_MAX; i++)
        count += READ_RELAXED(table.slots[i]) != NULL;
    atomic_store_explicit(&table.count, count, memory_order_relaxed);
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
            atomic_fetch_add(&table.count, 1);
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
            atomic_fetch_sub(&table.count, 1);
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
    bool taken = false;
    unsigned depth = READ_RELAXED(thread->in_sink); // a sink may end a context of its own
    atomic_store(&thread->in_sink, depth + 1);
    thread->in_hook++;
    for (size_t i = 0; i < LOGCTX_SINKS_MAX; i++) {
        const logctx_sink_t *sink = atomic_load(&table.slots[i]);
        if (!sink)
            continue;
        sink->ended(sink->user, logctx_record_ref(record));
        taken = true;
    }
    thread->in_hook--;
    atomic_store_explicit(&thread->in_sink, depth, memory_order_release);
    logctx_record_unref(record);
    return taken;
}
