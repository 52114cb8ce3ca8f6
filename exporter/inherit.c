/*
 * inherit.c: an exporter in a child of fork. The handle that the host holds is the parent's in the child, too; at the first
 * context that ends there it is given a thread, a queue, connections and an identity of its own. What the parent had at
 * the fork is left as it is: its thread may have been in the middle of changing it, and what is queued the parent sends.
 *
 * Who owns what: whoever makes it again holds `again`; nobody else reads the fields that are made anew before
 * `generation` says that they are this process's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "exporter.h"
#include "fork.h"

#include <logctx/log.h>

#include <stdlib.h>
#include <string.h>

static logctx__fork_lock_t again;

// What was left of parents' exporters: out of use, and kept reachable. Under `again`.
static struct logctx_otlp *left_behind;

// An exporter of metrics alone has no sink; in a child one tells it of the first context that ends.
static struct logctx_otlp *_Atomic without_sink;

void logctx__inherit_watch(logctx_otlp_t *otlp)
{
    atomic_store(&without_sink, otlp);
}

void logctx__inherit_forget(logctx_otlp_t *otlp)
{
    atomic_compare_exchange_strong(&without_sink, &otlp, NULL);
}

// The core's handler has run before, so the lock of its sinks is free.
void logctx__inherit_in_child(void)
{
    struct logctx_otlp *otlp = atomic_load_explicit(&without_sink, memory_order_relaxed);
    if (otlp != NULL && !atomic_exchange(&otlp->telltale, true) && logctx_sink_add(&otlp->sink) != LOGCTX_OK) {
        atomic_store(&otlp->telltale, false);
    }
}

bool logctx__inherit_is_inert(const logctx_otlp_t *otlp)
{
    return atomic_load_explicit(&otlp->generation, memory_order_acquire) != logctx__fork_generation();
}

static void leave(struct logctx_otlp *left)
{
    left->left_behind = left_behind;
    left_behind = left;
}

// Everything that is not the same in each process. `left` is where the parent's goes.
static bool make_anew(logctx_otlp_t *otlp, struct logctx_otlp *left)
{
    memcpy(left, otlp, sizeof *left);
    leave(left);
    memset((char *)otlp + offsetof(struct logctx_otlp, anew), 0, sizeof *otlp - offsetof(struct logctx_otlp, anew));
    atomic_store(&otlp->references, 1);
    logctx__books_init(&otlp->books);
    logctx__rounds_init(&otlp->rounds);
    otlp->anew.by_thread = true; // what libcurl makes: its locks may be held by a thread that is not here
    return logctx__resource_again(&otlp->resource, &left->resource) == LOGCTX_OK && logctx__exporter_make_queue(otlp) &&
           logctx__exporter_start_thread(otlp);
}

// Under `again`.
static bool take_over(logctx_otlp_t *otlp)
{
    if (!logctx__inherit_is_inert(otlp)) {
        return true; // another thread was quicker
    }
    if (!logctx__exporter_claim_inherited(otlp)) {
        return false;
    }
    struct logctx_otlp *left = malloc(sizeof *left);
    if (left != NULL && make_anew(otlp, left)) {
        atomic_store_explicit(&otlp->generation, logctx__fork_generation(), memory_order_release);
        return true;
    }
    logctx__exporter_disclaim();
    atomic_store(&otlp->lost, 0);
    atomic_store(&otlp->lost_generation, (uint64_t)logctx__fork_generation() + 1);
    return false;
}

bool logctx__inherit_again(logctx_otlp_t *otlp)
{
    logctx__fork_lock(&again);
    bool known = atomic_load(&otlp->lost_generation) == (uint64_t)logctx__fork_generation() + 1;
    bool works = !known && take_over(otlp);
    logctx__fork_unlock(&again);
    if (!works && !known && logctx__inherit_has_failed(otlp)) {
        logctx_log(LOGCTX_WARN,
                   "In this child of fork there was no memory, or no thread, to export anything: its spans "
                   "are dropped and counted");
    }
    return works;
}

bool logctx__inherit_has_failed(const logctx_otlp_t *otlp)
{
    return logctx__inherit_is_inert(otlp) &&
           atomic_load(&otlp->lost_generation) == (uint64_t)logctx__fork_generation() + 1;
}

// Nobody uses the handle any more: nothing of it can be given back but its place.
void logctx__inherit_leave(logctx_otlp_t *otlp)
{
    logctx__inherit_forget(otlp);
    logctx__fork_lock(&again);
    if (logctx__exporter_claim_inherited(otlp)) {
        logctx__exporter_disclaim();
    }
    leave(otlp);
    logctx__fork_unlock(&again);
}
