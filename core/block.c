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
    bool hold = unlikely(found != expected) && thread->pinned;
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

void(logctx_enter)(logctx_t *ctx)
{
    logctx_enter_at(ctx, logctx__site_of_caller(__builtin_return_address(0)));
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
    // The caller's reference holds ctx; its previous is held by ctx, or is the sentinel if it is gone.
    logctx_t *previous = logctx__if_generation(ctx->previous, ctx->previous_generation);
    if (unlikely(READ_RELAXED(ctx->refs) == 0)) {
        logctx__misuse("logctx_exit() got a context whose last reference was given back before; exit first, then "
                       "logctx_unref()",
                       site);
        logctx__switch(thread, previous, site);
        return;
    }
    switch_and_judge(previous, ctx, site, site);
    if (!logctx__finish(thread, ctx, site) && unlikely(ctx->process) && thread)
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
    logctx_t *old = logctx__if_generation(block->old, block->old_generation);
    logctx_t *target = logctx__if_generation(block->target, block->target_generation);
    switch_and_judge(old, target, site, block->old_at);
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
