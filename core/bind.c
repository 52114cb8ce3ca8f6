// Bind: callbacks in the context that asked for them. Structs of one thread at a time; bound callbacks come from the pool of
// the thread that makes them, and may be freed by another.
//
// Budget: at most 560 instructions for `bound_call`, there and back.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <logctx/bind.h>

// The pool keeps its link behind the first cache line, so a block has two.
struct logctx_bound {
    struct thread *owner;
    logctx_capture_t capture;
    logctx_bound_fn_t *fn;
    void *user;
    char room[64];
} __attribute__((aligned(64)));

static void prepare(void *block, struct thread *owner)
{
    logctx_bound_t *bound = block;
    *bound = (logctx_bound_t){.owner = owner};
}

void logctx__bound_pool(struct pool *pool)
{
    *pool = (struct pool){.block_size = sizeof(struct logctx_bound), .prepare = prepare};
}

void logctx_capture_init(logctx_capture_t *capture, const logctx_site_t *site)
{
    if (!capture) {
        logctx__misuse("logctx_capture_init() got NULL; pass a logctx_capture_t to be filled in", site);
        return;
    }
    capture->ctx = logctx_ref(current_context());
    capture->site = site;
}

void logctx_capture_clear(logctx_capture_t *capture)
{
    if (!capture)
        return;
    logctx_unref(capture->ctx);
    capture->ctx = NULL;
}

logctx_resumed_t logctx_resume(const logctx_capture_t *capture)
{
    logctx_t *ctx = capture && capture->ctx ? capture->ctx : &logctx__sentinel;
    const logctx_site_t *site = capture ? capture->site : NULL;
    struct thread *thread = this_thread();
    logctx_resumed_t resumed = {logctx_ref(current_context()), thread ? thread->current_at : NULL, logctx_ref(ctx),
                                site};
    logctx__switch(thread, resumed.ctx, site);
    return resumed;
}

logctx_resumed_t logctx_resume_unless_finished(const logctx_capture_t *capture)
{
    if (likely(!capture || !capture->ctx || !logctx_is_finished(capture->ctx)))
        return logctx_resume(capture);
    return logctx_resume(&(logctx_capture_t){NULL, capture->site});
}

// Only called from the loop can it leak to the loop; other callers find a context that is not theirs.
static void report_left(struct thread *thread, const logctx_resumed_t *resumed, logctx_t *found,
                        const logctx_site_t *found_at)
{
    bool from_loop = is_sentinel(resumed->old);
    logctx__report(
        thread, &(struct occurrence){.kind = from_loop ? LOGCTX_ERROR_LEAKED_TO_LOOP : LOGCTX_ERROR_UNEXPECTED_CONTEXT,
                                     .affected = from_loop ? found : resumed->ctx,
                                     .expected = from_loop ? "sentinel" : logctx_name(resumed->ctx),
                                     .found = logctx_name(found),
                                     .found_by = resumed->site,
                                     .set_by = found_at});
}

// Whether it is what logctx_exit() of the callback's own context has put back: the context that this one was made in, or,
// if the callback has ended that one as well (a parent, which lives as long), what was before. Handed-over contexts may point
// at each other: so not for ever.
static bool was_put_back(logctx_t *ctx, const logctx_t *found)
{
    for (int ended = 0; ended < 64 && !is_sentinel(ctx) && !is_inert(ctx) && logctx_is_finished(ctx); ended++) {
        ctx = logctx__if_generation(ctx->previous, ctx->previous_generation);
        if (ctx == found)
            return true;
    }
    return false;
}

void logctx_resume_end(logctx_resumed_t *resumed)
{
    if (!resumed || !resumed->old || !resumed->ctx) {
        logctx__misuse("logctx_resume_end() got NULL, or a second time what logctx_resume() returned", NULL);
        return;
    }
    struct thread *thread = this_thread();
    logctx_t *found = current_context();
    bool left = unlikely(found != resumed->ctx && found != resumed->old && !is_sentinel(found));
    if (unlikely(left) && thread && !was_put_back(resumed->ctx, found)) {
        const logctx_site_t *found_at = thread->current_at;
        logctx_ref(found);
        logctx__put_back(thread, resumed->old, resumed->site, resumed->old_at);
        report_left(thread, resumed, found, found_at);
        logctx_unref(found);
    } else {
        logctx__put_back(thread, resumed->old, resumed->site, resumed->old_at);
    }
    logctx_unref(resumed->ctx);
    logctx_unref(resumed->old);
    resumed->old = resumed->ctx = NULL;
}

logctx_t *logctx_at_home(logctx_t *ctx)
{
    const struct thread *thread = this_thread();
    if (!ctx || is_sentinel(ctx))
        return &logctx__sentinel;
    if (is_inert(ctx))
        return NULL;
    while (ctx && thread && READ_RELAXED(ctx->home) != READ_RELAXED(thread->id))
        ctx = ctx->parent;
    return ctx;
}

logctx_bound_t *logctx_bind_at(logctx_bound_fn_t *fn, void *user, const logctx_site_t *site)
{
    struct thread *thread = this_thread();
    if (!fn)
        logctx__misuse("logctx_bind() got a NULL function; pass the one to be called", site);
    logctx_bound_t *bound = fn && thread ? logctx__pool_get(&thread->bounds, thread) : NULL;
    if (!bound)
        return NULL;
    logctx_capture_init(&bound->capture, site);
    bound->fn = fn;
    bound->user = user;
    return bound;
}

logctx_bound_t *(logctx_bind)(logctx_bound_fn_t *fn, void *user)
{
    return logctx_bind_at(fn, user, logctx__site_of_caller(__builtin_return_address(0)));
}

static bool is_callable(const logctx_bound_t *bound, void *caller)
{
    if (likely(bound && bound->fn))
        return true;
    logctx__misuse(
        "logctx_bound_call() got NULL, or a bound callback that was freed; logctx_bind() returns NULL without "
        "memory",
        logctx__site_of_caller(caller));
    return false;
}

void logctx_bound_call(void *user)
{
    const logctx_bound_t *bound = user;
    if (!is_callable(bound, __builtin_return_address(0)))
        return;
    logctx_resumed_t resumed = logctx_resume(&bound->capture);
    bound->fn(bound->user);
    logctx_resume_end(&resumed);
}

void logctx_bound_call_once(void *user)
{
    logctx_bound_t *bound = user;
    if (!is_callable(bound, __builtin_return_address(0)))
        return;
    logctx_bound_fn_t *fn = bound->fn;
    void *own = bound->user;
    logctx_resumed_t resumed = logctx_resume(&bound->capture);
    logctx_bound_free(bound);
    fn(own);
    logctx_resume_end(&resumed);
}

void logctx_bound_free(logctx_bound_t *bound)
{
    if (!bound || !bound->fn)
        return;
    logctx_capture_clear(&bound->capture);
    bound->fn = NULL;
    logctx__pool_put(&bound->owner->bounds, bound, bound->owner == logctx__tls.thread);
}
