// Blocks: enter and exit, preserve blocks, scopes. Each switches, and then judges whether what it found is what it had left.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

// What was found instead of the context that should have been current, after a switch away from it.
static void verdict(struct thread *thread, logctx_t *expected, logctx_t *found, const logctx_site_t *found_at,
                    const logctx_site_t *site)
{
    if (likely(found == expected))
        return;
    logctx__report(thread, &(struct occurrence){.kind = is_sentinel(found) ? LOGCTX_ERROR_CONTEXT_LOST
                                                                           : LOGCTX_ERROR_UNEXPECTED_CONTEXT,
                                                .affected = expected,
                                                .expected = logctx_name(expected),
                                                .found = logctx_name(found),
                                                .found_by = site,
                                                .set_by = found_at});
}

// A context that is known by generation: held by somebody else, or with a reference of ours, for another thread may be about
// to free it. The sentinel if it is gone.
struct known {
    logctx_t *ctx;
    bool ours;
};

static struct known known(logctx_t *ctx, uint32_t generation, bool held)
{
    ctx = logctx__if_generation(ctx, generation);
    if (likely(held) || is_sentinel(ctx))
        return (struct known){ctx, false};
    return logctx__ref_same(ctx, generation) ? (struct known){ctx, true} : (struct known){&logctx__sentinel, false};
}

// Also of a context that was exited after its last reference had been given back: what it left behind is then poisoned for
// AddressSanitizer (pool.c), and is believed only if the generation is right.
__attribute__((no_sanitize("address"))) static struct known previous_of(const logctx_t *ctx)
{
    return known(ctx->previous, ctx->previous_generation, READ_RELAXED(ctx->previous_held));
}

static void let_go(struct known known)
{
    if (unlikely(known.ours))
        logctx_unref(known.ctx);
}

// Switch to `to`, judge whether `expected` was current before. What was found is held until it has been named. `blame` is
// who made `to` current when it was so before, or the same as `site`.
static void switch_and_judge(logctx_t *to, logctx_t *expected, const logctx_site_t *site, const logctx_site_t *blame)
{
    struct thread *thread = this_thread();
    if (!thread || thread->in_hook > 0) {
        logctx__switch(thread, to, site);
        return;
    }
    logctx_t *found = current_context();
    const logctx_site_t *found_at = thread->current_at;
    bool hold = unlikely(found != expected); // once it is left another thread may take it over, and end it
    if (hold)
        logctx_ref(found);
    logctx__put_back(thread, to, site, blame);
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
    if (is_sentinel(ctx) || is_inert(ctx))
        return;
    struct thread *thread = this_thread();
    if (!thread || thread->in_hook > 0 || READ_RELAXED(ctx->refs) == 0) {
        logctx__switch(thread, ctx, site);
        return;
    }
    struct known expected = previous_of(ctx);
    logctx_t *old = current_context();
    const logctx_site_t *old_at = thread->current_at;
    bool mismatch = unlikely(old != expected.ctx);
    if (mismatch)
        logctx_ref(old);
    logctx__switch(thread, ctx, site);
    if (mismatch) {
        logctx__report(thread, &(struct occurrence){.kind = LOGCTX_ERROR_PREVIOUS_CONTEXT_MISMATCH,
                                                    .affected = ctx,
                                                    .expected = logctx_name(expected.ctx),
                                                    .found = logctx_name(old),
                                                    .found_by = site,
                                                    .set_by = old_at});
        logctx_unref(old);
    }
    let_go(expected);
}

void(logctx_enter)(logctx_t *ctx)
{
    logctx_enter_at(ctx, logctx__site_of_caller(__builtin_return_address(0)));
}

// When ctx was left, if that was the only switch since there were so many of them: its end needs no other reading. Else 0.
static uint64_t left_at(const struct thread *thread, const logctx_t *ctx, uint32_t switches)
{
    if (unlikely(!thread || thread->recent_next != switches + 1))
        return 0;
    const struct recorded_switch *last = &thread->recent[switches % LOGCTX_RECENT];
    return likely(last->from == ctx) ? last->monotonic : 0;
}

void logctx_exit_at(logctx_t *ctx, const logctx_site_t *site)
{
    if (!ctx) {
        logctx__misuse("logctx_exit() got a NULL context; pass what logctx_new() returned", site);
        return;
    }
    if (is_sentinel(ctx) || is_inert(ctx))
        return;
    struct thread *thread = this_thread();
    struct known previous = previous_of(ctx); // the caller's reference holds ctx
    if (unlikely(READ_RELAXED(ctx->refs) == 0)) {
        logctx__misuse("logctx_exit() got a context whose last reference was given back before; exit first, then "
                       "logctx_unref()",
                       site);
        logctx__switch(thread, previous.ctx, site);
        let_go(previous);
        return;
    }
    uint32_t switches = thread ? thread->recent_next : 0;
    switch_and_judge(previous.ctx, ctx, site, site);
    let_go(previous);
    if (!logctx__finish(thread, ctx, site, left_at(thread, ctx, switches)) && unlikely(ctx->process) && thread)
        logctx__process_exited(thread, ctx, false, site);
}

void(logctx_exit)(logctx_t *ctx)
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
    target = is_inert(target) ? &logctx__sentinel : logctx_ref(target); // the sentinel, if it is gone
    struct thread *thread = this_thread();
    logctx_preserve_t block = {.old = logctx_ref(old),
                               .old_at = thread ? thread->current_at : NULL,
                               .target = target,
                               .old_generation = READ_RELAXED(old->generation),
                               .target_generation = READ_RELAXED(target->generation),
                               .held = true,
                               .site = site};
    logctx__switch(thread, target, site);
    return block;
}

logctx_preserve_t(logctx_preserve_enter)(logctx_t *target)
{
    return logctx_preserve_enter_at(target, logctx__site_of_caller(__builtin_return_address(0)));
}

void logctx_preserve_exit_at(logctx_preserve_t *block, const logctx_site_t *site)
{
    if (!block || !block->old || !block->target) {
        logctx__misuse("logctx_preserve_exit() got NULL or a block that was not begun", site);
        return;
    }
    struct known old = known(block->old, block->old_generation, block->held);
    struct known target = known(block->target, block->target_generation, block->held);
    switch_and_judge(old.ctx, target.ctx, site, block->old_at);
    let_go(target);
    let_go(old);
    if (!block->held)
        return;
    block->held = false;
    logctx_unref(block->old);
    logctx_unref(block->target);
}

void(logctx_preserve_exit)(logctx_preserve_t *block)
{
    logctx_preserve_exit_at(block, logctx__site_of_caller(__builtin_return_address(0)));
}

void logctx_preserve_end(logctx_preserve_t *block)
{
    logctx_preserve_exit_at(block, block ? block->site : NULL);
}
