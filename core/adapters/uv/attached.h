/*
 * attached.h: the loops that are attached, and what the wrapped functions do with what is kept for them.
 *
 * Owner: an attached loop belongs to the thread that attached it, which alone touches it, but for `detached`, `works` and
 * `next`: these are under one lock of the process, since the threads of the pool look for their work there. `loop` and
 * `site` are constant.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_UV_ATTACHED_H
#define LOGCTX_UV_ATTACHED_H

#include "table.h"

#include <logctx/adapter.h>
#include <logctx/loop.h>
#include <logctx/uv.h>
#include <stdatomic.h>

struct logctx_uv {
    uv_loop_t *loop;
    const logctx_site_t *site;
    struct table kept;
    logctx_uv_t *next_mine; /* of this thread */
    unsigned open_handles;
    uv_prepare_t prepare;
    uv_check_t check;
    logctx_timers_t timers; /* what the core starts on this loop */
    struct timer *idle_timers;
    unsigned timers_due;
    atomic_bool told_elsewhere; /* that another thread runs the loop: once */

    bool detached; /* written under the lock, by its thread alone */
    struct table works;
    logctx_uv_t *next;
};

/* Those of this thread, at most one for each loop. The running loop is usually the first. */
extern LOGCTX_INTERNAL _Thread_local logctx_uv_t *logctx__uv_mine __attribute__((tls_model("initial-exec")));

/* attached.c */
LOGCTX_INTERNAL void logctx__uv_lock(void);
LOGCTX_INTERNAL void logctx__uv_unlock(void);
/* Under the lock; NULL if no thread has attached it. */
LOGCTX_INTERNAL logctx_uv_t *logctx__uv_anyones(const uv_loop_t *loop);
/* Another thread than that which attached the loop runs it: say so, once. */
LOGCTX_INTERNAL void logctx__uv_tell_elsewhere(logctx_uv_t *attached);
/* Something was taken out of what is kept for a loop: a detached one may be at its end. */
LOGCTX_INTERNAL void logctx__uv_taken(logctx_uv_t *attached);

static inline logctx_uv_t *mine(const uv_loop_t *loop)
{
    logctx_uv_t *attached = logctx__uv_mine;
    while (attached && attached->loop != loop)
        attached = attached->next_mine;
    return attached;
}

/* timers.c */
LOGCTX_INTERNAL void logctx__uv_timers_open(logctx_uv_t *attached);
LOGCTX_INTERNAL void logctx__uv_timers_close(logctx_uv_t *attached);

/* ---- kept.c: arming ---- */

/*
 * The attached loop, with room for one entry; else NULL, and it is reported why: libuv's function gets the host's callback
 * then. `function` is the name of the wrapped one.
 */
LOGCTX_INTERNAL logctx_uv_t *logctx__uv_ready(const uv_loop_t *loop, const char *function, const logctx_site_t *site);

/* Keep the current context and the host's callbacks for the object, in place of what was kept for that slot. */
LOGCTX_INTERNAL struct entry *logctx__uv_keep(logctx_uv_t *to, const void *object, enum slot slot, any_fn_t *fn,
                                              any_fn_t *second, const logctx_site_t *site);

/* Keep nothing for it any longer. */
LOGCTX_INTERNAL void logctx__uv_drop(const uv_loop_t *loop, const void *object, enum slot slot);
/* Nor for any slot of a handle but its close. */
LOGCTX_INTERNAL void logctx__uv_drop_handle(const uv_handle_t *handle);

/* False, and reported, if one of the pointers is NULL. */
LOGCTX_INTERNAL bool logctx__uv_given(const void *one, const void *other, const char *function,
                                      const logctx_site_t *site);

/* What libuv answered, after keeping what it accepted. */
static inline int kept(logctx_uv_t *to, int result, const void *object, enum slot slot, any_fn_t *fn, any_fn_t *second,
                       const logctx_site_t *site)
{
    if (likely(to && result >= 0))
        logctx__uv_keep(to, object, slot, fn, second, site);
    return result;
}

/* ---- kept.c: calling back ---- */

/* A callback of the host's under way. Lives on the stack, since the host may close, free or detach everything in it. */
struct call {
    any_fn_t *fn;
    any_fn_t *second;
    logctx_resumed_t resumed;
    bool resumes;
};

enum call_flags {
    CALL_READY = 1, /* what it tells of has been ready since the poll */
    CALL_ONCE = 2,  /* the entry goes: it comes no more */
    CALL_OVER = 4,  /* it only tells that something is over: in the sentinel, if the context has finished */
};

/*
 * Find what is kept for the object and resume its context. False, and reported, if there is nothing. What another callback
 * left current is found here at the latest: after this one's own switches nobody could tell any more which line it was.
 */
LOGCTX_INTERNAL bool logctx__uv_begin(struct call *call, const uv_loop_t *loop, const void *object, enum slot slot,
                                      unsigned flags);
LOGCTX_INTERNAL void logctx__uv_resume(struct call *call, const logctx_uv_t *attached, const struct entry *entry,
                                       unsigned flags);
LOGCTX_INTERNAL void logctx__uv_end(struct call *call);

/* What was cancelled is over, whatever it would have told. */
static inline unsigned over_if(bool cancelled)
{
    return cancelled ? CALL_OVER : 0;
}

/* For a callback of a loop that is not this thread's: what is kept, to be called without contexts. */
LOGCTX_INTERNAL bool logctx__uv_begin_elsewhere(struct call *call, const uv_loop_t *loop, const void *object,
                                                enum slot slot);

#endif
