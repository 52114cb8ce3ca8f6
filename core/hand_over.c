// Handing over: another thread becomes a context's home. Called there, by the thread that takes it; whoever gave it away
// has left it before.
//
// Under the lock of the owner, which a finish takes, too: a context is handed over before it is finished or not at all,
// and who finishes it knows whose it is.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

// Whether another thread has ctx current. Under the owner's lock. A thread that ended runs nothing, whatever it left; but
// where a clock of the host's gives its id to a later thread, what it left seems to be current there.
static bool runs_elsewhere(const struct thread *thread, const logctx_t *ctx)
{
    const struct thread *writer = READ_RELAXED(ctx->writer);
    return writer != thread && READ_RELAXED(ctx->started) != SLICE_NONE && logctx__has_thread(writer) &&
           READ_RELAXED(writer->id) == READ_RELAXED(ctx->home);
}

// By generation, since a reference could close a ring. Returns the reference that there was.
static logctx_t *change_previous(logctx_t *ctx, logctx_t *previous)
{
    logctx_t *held = READ_RELAXED(ctx->previous_held) ? ctx->previous : NULL;
    atomic_store_explicit(&ctx->previous_held, false, memory_order_relaxed);
    ctx->previous = previous;
    ctx->previous_generation = READ_RELAXED(previous->generation);
    return held;
}

static logctx_status_t take(struct thread *thread, logctx_t *ctx, struct shard *shard, logctx_t **held)
{
    logctx_status_t status = LOGCTX_OK;
    logctx__lock(&ctx->owner->lock);
    if (READ_RELAXED(ctx->finished)) {
        status = LOGCTX_E_FINISHED;
    } else if (runs_elsewhere(thread, ctx)) {
        status = LOGCTX_E_STATE;
    } else {
        logctx_t *current = current_context();
        *held = change_previous(ctx, ctx == current ? &logctx__sentinel : current);
        atomic_store_explicit(&ctx->started, SLICE_NONE, memory_order_relaxed);
        atomic_store_explicit(&ctx->home, READ_RELAXED(thread->id), memory_order_relaxed);
        atomic_store_explicit(&ctx->shard, shard, memory_order_release);
        atomic_store_explicit(&ctx->writer, thread, memory_order_relaxed);
    }
    logctx__unlock(&ctx->owner->lock);
    return status;
}

// Current at home: nothing to take, and its slice goes on.
static bool runs_here(const struct thread *thread, const logctx_t *ctx)
{
    return ctx == current_context() && READ_RELAXED(ctx->writer) == thread &&
           READ_RELAXED(ctx->home) == READ_RELAXED(thread->id);
}

static logctx_status_t hand_over(struct thread *thread, logctx_t *ctx, const logctx_site_t *site)
{
    if (READ_RELAXED(ctx->finished))
        return LOGCTX_E_FINISHED;
    if (runs_here(thread, ctx))
        return LOGCTX_OK;
    struct shard *shard = logctx__shard(thread, ctx->series);
    if (!shard)
        return LOGCTX_E_NO_MEMORY;
    logctx_t *held = NULL;
    logctx_status_t status = take(thread, ctx, shard, &held);
    logctx_unref(held);
    if (status == LOGCTX_E_STATE)
        logctx__report(
            thread,
            &(struct occurrence){.kind = LOGCTX_ERROR_INVALID_USE,
                                 .affected = ctx,
                                 .text = "logctx_hand_over() got a context that is current on another thread; set the "
                                         "sentinel there, and then pass the context on",
                                 .found_by = site,
                                 .set_by = READ_RELAXED(ctx->switched_at)});
    // Made current too early, which was reported; from here on it is charged.
    if (status == LOGCTX_OK && ctx == current_context())
        logctx__begin_slice(thread, ctx);
    return status;
}

logctx_status_t logctx_hand_over_at(logctx_t *ctx, const logctx_site_t *site)
{
    if (!ctx) {
        logctx__misuse("logctx_hand_over() got a NULL context; pass the one that this thread takes over", site);
        return LOGCTX_E_INVALID;
    }
    if (is_sentinel(ctx) || is_inert(ctx))
        return LOGCTX_OK;
    struct thread *thread = this_thread();
    if (!thread)
        return LOGCTX_E_NO_MEMORY;
    if (thread->in_hook > 0)
        return LOGCTX_E_STATE;
    if (READ_RELAXED(ctx->refs) == 0) {
        logctx__misuse("logctx_hand_over() got a context whose last reference was given back; the thread that passes a "
                       "context on passes a reference with it",
                       site);
        return LOGCTX_E_INVALID;
    }
    return hand_over(thread, ctx, site);
}

logctx_status_t(logctx_hand_over)(logctx_t *ctx)
{
    return logctx_hand_over_at(ctx, logctx__site_of_caller(__builtin_return_address(0)));
}
