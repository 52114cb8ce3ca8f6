// The switch: the one place where another context becomes current. One reading of the thread's clock stops the old context
// and starts the new one; everything that can go wrong here is reported, and the switch happens all the same.
//
// Budget of logctx__switch() without an error: one CPU clock reading, one monotonic reading, no allocation, no lock, no
// locked instruction, no other system call.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

static void report(struct thread *thread, logctx_error_kind_t kind, logctx_t *ctx, const logctx_site_t *site)
{
    logctx__report(thread, &(struct occurrence){.kind = kind,
                                                .affected = ctx,
                                                .expected = logctx_name(ctx),
                                                .found_by = site,
                                                .set_by = thread->current_at});
}

// For collections on other threads: which slice runs here, and since when. Odd while it is being changed.
static void publish_slice(struct thread *thread, struct shard *shard, int64_t cpu, uint64_t monotonic)
{
    unsigned sequence = READ_RELAXED(thread->slice_sequence);
    atomic_store_explicit(&thread->slice_sequence, sequence + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&thread->slice_shard, shard, memory_order_relaxed);
    atomic_store_explicit(&thread->slice_cpu, cpu, memory_order_relaxed);
    atomic_store_explicit(&thread->slice_monotonic, monotonic, memory_order_relaxed);
    atomic_store_explicit(&thread->slice_sequence, sequence + 2, memory_order_release);
}

// `now` is NULL if the clock gave no reading.
static void stop(struct thread *thread, logctx_t *ctx, const logctx_cpu_reading_t *now, uint64_t monotonic,
                 const logctx_site_t *site)
{
    if (unlikely(thread->id != ctx->home))
        report(thread, LOGCTX_ERROR_STOPPED_ON_DIFFERENT_THREAD, ctx, site);
    else if (unlikely(now == NULL))
        ;
    else if (unlikely(!READ_RELAXED(ctx->started)))
        report(thread, LOGCTX_ERROR_STOP_WITHOUT_START, ctx, site);
    else
        logctx__charge_slice(thread, ctx, now, monotonic, site);
    atomic_store_explicit(&ctx->started, false, memory_order_relaxed);
}

static void start(struct thread *thread, logctx_t *ctx, const logctx_cpu_reading_t *now, uint64_t monotonic,
                  const logctx_site_t *site)
{
    atomic_store_explicit(&ctx->switched_at, site, memory_order_relaxed);
    if (unlikely(thread->id != ctx->home)) {
        report(thread, LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD, ctx, site);
        return;
    }
    ADD_OWNED(ctx->switches, 1);
    if (unlikely(READ_RELAXED(ctx->finished)))
        report(thread, LOGCTX_ERROR_RESTARTED_FINISHED, ctx, site);
    if (unlikely(READ_RELAXED(ctx->started))) {
        report(thread, LOGCTX_ERROR_RESTARTED_ACTIVE, ctx, site);
        return;
    }
    if (unlikely(now == NULL))
        return;
    ctx->start = *now;
    ctx->start_monotonic = monotonic;
    atomic_store_explicit(&ctx->started, true, memory_order_relaxed);
}

static void remember(struct thread *thread, logctx_t *from, logctx_t *to, const logctx_site_t *site, uint64_t monotonic)
{
    struct recorded_switch *entry = &thread->recent[thread->recent_next++ % LOGCTX_RECENT];
    entry->from = from;
    entry->to = to;
    entry->from_generation = READ_RELAXED(from->generation);
    entry->to_generation = READ_RELAXED(to->generation);
    entry->site = site;
    entry->monotonic = monotonic;
}

// Whether ctx may become current: a handle whose last reference was given back is caught here, not followed.
static logctx_t *checked(struct thread *thread, logctx_t *ctx, const logctx_site_t *site)
{
    if (likely(READ_RELAXED(ctx->refs) > 0))
        return ctx;
    logctx__report(thread, &(struct occurrence){
                               .kind = LOGCTX_ERROR_INVALID_USE,
                               .text = "a context was made current after its last reference was given back; keep one "
                                       "with logctx_ref(). The sentinel is current instead",
                               .found_by = site});
    return &logctx__sentinel;
}

logctx_t *logctx__switch(struct thread *thread, logctx_t *to, const logctx_site_t *site)
{
    logctx_t *from = current_context();
    if (from == to)
        return from;
    if (unlikely(thread == NULL))
        return from;
    if (unlikely(thread->in_hook > 0)) {
        ADD_OWNED(thread->refused_switches, 1);
        return from;
    }
    to = checked(thread, to, site);
    if (unlikely(from == to))
        return from;

    logctx_cpu_reading_t reading;
    const logctx_cpu_reading_t *now = logctx__read_cpu(&reading) ? &reading : NULL;
    uint64_t monotonic = logctx__monotonic();
    if (!is_sentinel(from))
        stop(thread, from, now, monotonic, site);
    logctx__tls.current = to;
    remember(thread, from, to, site, monotonic);
    bool pin = false;
    if (!is_sentinel(to)) {
        // Only an unfinished context of this thread is kept alive by itself while it is current.
        pin = unlikely(to->owner != thread) || unlikely(READ_RELAXED(to->finished));
        if (unlikely(pin))
            logctx_ref(to);
        start(thread, to, now, monotonic, site);
        publish_slice(thread, to->owner == thread ? to->shard : NULL, reading.total_ns, monotonic);
    } else {
        publish_slice(thread, NULL, 0, 0);
    }
    thread->current_at = site;
    bool unpin = thread->pinned;
    thread->pinned = pin;
    if (unlikely(unpin))
        logctx_unref(from);
    return from;
}

// Charge the slice so far of the context that is current, and go on: for a finish without a switch.
void logctx__charge_running(struct thread *thread, logctx_t *ctx)
{
    logctx_cpu_reading_t now;
    if (ctx != current_context() || thread->id != ctx->home || !READ_RELAXED(ctx->started) || !logctx__read_cpu(&now))
        return;
    uint64_t monotonic = logctx__monotonic();
    logctx__charge_slice(thread, ctx, &now, monotonic, NULL);
    ctx->start = now;
    ctx->start_monotonic = monotonic;
    publish_slice(thread, ctx->owner == thread ? ctx->shard : NULL, now.total_ns, monotonic);
}

logctx_t *logctx_set_current_at(logctx_t *ctx, const logctx_site_t *site)
{
    if (unlikely(ctx == NULL)) {
        logctx__misuse("logctx_set_current() got a NULL context; the sentinel is current instead", site);
        ctx = &logctx__sentinel;
    }
    return logctx__switch(this_thread(), ctx, site);
}

logctx_t *(logctx_set_current)(logctx_t *ctx)
{
    return logctx_set_current_at(ctx, logctx__site_of_caller(__builtin_return_address(0)));
}

// What was found instead of the context that should have been current, after a switch away from it.
static void verdict(struct thread *thread, logctx_t *expected, logctx_t *found, const logctx_site_t *found_at,
                    const logctx_site_t *site)
{
    if (likely(found == expected))
        return;
    logctx__report(thread, &(struct occurrence){
                               .kind = is_sentinel(found) ? LOGCTX_ERROR_CONTEXT_LOST : LOGCTX_ERROR_UNEXPECTED_CONTEXT,
                               .affected = expected,
                               .expected = logctx_name(expected),
                               .found = logctx_name(found),
                               .found_by = site,
                               .set_by = found_at});
}

// Switch to `to`, judge whether `expected` was current before. What was found is held until it has been named.
static void switch_and_judge(logctx_t *to, logctx_t *expected, const logctx_site_t *site)
{
    struct thread *thread = this_thread();
    if (!thread || thread->in_hook > 0) {
        logctx__switch(thread, to, site);
        return;
    }
    logctx_t *found = current_context();
    const logctx_site_t *found_at = thread->current_at;
    bool hold = unlikely(found != expected) && thread->pinned;
    if (hold)
        logctx_ref(found);
    logctx__switch(thread, to, site);
    verdict(thread, expected, found, found_at, site);
    if (hold)
        logctx_unref(found);
}

void logctx_enter_at(logctx_t *ctx, const logctx_site_t *site)
{
    if (!ctx) {
        logctx__misuse("logctx_enter() got a NULL context; pass what logctx_new() returned", site);
        return;
    }
    if (is_sentinel(ctx))
        return;
    struct thread *thread = this_thread();
    if (!thread || thread->in_hook > 0) {
        logctx__switch(thread, ctx, site);
        return;
    }
    logctx_t *expected = logctx__if_generation(ctx->previous, ctx->previous_generation);
    logctx_t *old = current_context();
    const logctx_site_t *old_at = thread->current_at;
    bool hold = unlikely(old != expected) && thread->pinned;
    if (hold)
        logctx_ref(old);
    logctx__switch(thread, ctx, site);
    if (unlikely(old != expected))
        logctx__report(thread, &(struct occurrence){.kind = LOGCTX_ERROR_PREVIOUS_CONTEXT_MISMATCH,
                                                    .affected = ctx,
                                                    .expected = logctx_name(expected),
                                                    .found = logctx_name(old),
                                                    .found_by = site,
                                                    .set_by = old_at});
    if (hold)
        logctx_unref(old);
}

void (logctx_enter)(logctx_t *ctx)
{
    logctx_enter_at(ctx, logctx__site_of_caller(__builtin_return_address(0)));
}

void logctx_exit_at(logctx_t *ctx, const logctx_site_t *site)
{
    if (!ctx) {
        logctx__misuse("logctx_exit() got a NULL context; pass what logctx_new() returned", site);
        return;
    }
    if (is_sentinel(ctx))
        return;
    struct thread *thread = this_thread();
    // The caller's reference holds ctx; its previous is held by ctx, or is the sentinel if it is gone.
    switch_and_judge(logctx__if_generation(ctx->previous, ctx->previous_generation), ctx, site);
    logctx__finish(thread, ctx, site);
}

void (logctx_exit)(logctx_t *ctx)
{
    logctx_exit_at(ctx, logctx__site_of_caller(__builtin_return_address(0)));
}

logctx_scope_t logctx_scope_begin(logctx_t *ctx, const logctx_site_t *site)
{
    logctx_enter_at(ctx, site);
    return (logctx_scope_t){ctx, site};
}

void logctx_scope_end(logctx_scope_t *scope)
{
    if (!scope || !scope->ctx)
        return;
    logctx_exit_at(scope->ctx, scope->site);
    logctx_unref(scope->ctx);
    scope->ctx = NULL;
}

// A block holds both its contexts, so that its exit can name them; after the first exit it knows them by generation.
logctx_preserve_t logctx_preserve_enter_at(logctx_t *target, const logctx_site_t *site)
{
    if (!target) {
        logctx__misuse("logctx_preserve_enter() got a NULL context; the sentinel is current instead", site);
        target = &logctx__sentinel;
    }
    logctx_t *old = current_context();
    logctx_preserve_t block = {logctx_ref(old), logctx_ref(target), READ_RELAXED(old->generation),
                               READ_RELAXED(target->generation), true, site};
    logctx__switch(this_thread(), target, site);
    return block;
}

logctx_preserve_t (logctx_preserve_enter)(logctx_t *target)
{
    return logctx_preserve_enter_at(target, logctx__site_of_caller(__builtin_return_address(0)));
}

void logctx_preserve_exit_at(logctx_preserve_t *block, const logctx_site_t *site)
{
    if (!block || !block->old || !block->target) {
        logctx__misuse("logctx_preserve_exit() got NULL or a block that was not begun", site);
        return;
    }
    logctx_t *old = logctx__if_generation(block->old, block->old_generation);
    logctx_t *target = logctx__if_generation(block->target, block->target_generation);
    switch_and_judge(old, target, site);
    if (!block->held)
        return;
    block->held = false;
    logctx_unref(block->old);
    logctx_unref(block->target);
}

void (logctx_preserve_exit)(logctx_preserve_t *block)
{
    logctx_preserve_exit_at(block, logctx__site_of_caller(__builtin_return_address(0)));
}

void logctx_preserve_end(logctx_preserve_t *block)
{
    logctx_preserve_exit_at(block, block ? block->site : NULL);
}
