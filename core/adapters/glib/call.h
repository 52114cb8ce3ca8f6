/*
 * call.h: internal to the adapters of GLib and GIO. A callback in the context that asked for it, on whatever thread it is.
 * Lives on the stack of the thread that calls.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_GLIB_CALL_H
#define LOGCTX_GLIB_CALL_H

#include <logctx/adapter.h>
#include <logctx/bind.h>
#include <logctx/loop.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define SITE_OF_CALLER logctx_site_of_caller(__builtin_return_address(0))

struct call {
    logctx_resumed_t resumed;
    logctx_t *child; /* made for this call, because nothing of the captured context lives here; else NULL */
    const logctx_site_t *site;
};

/* The capture may be cleared afterwards: the call holds what it needs. */
static inline void call_begin(struct call *call, const logctx_capture_t *capture)
{
    logctx_t *here = logctx_at_home(capture->ctx);
    call->site = capture->site;
    call->child = unlikely(here == NULL) ? logctx_new_on_thread_at(capture->ctx, capture->site) : NULL;
    const logctx_capture_t at = {here ? here : call->child, capture->site};
    call->resumed = logctx_resume(&at);
}

/* The same for what only tells that something is over: in the sentinel, if the context has finished. */
static inline void call_begin_unless_finished(struct call *call, const logctx_capture_t *capture)
{
    const logctx_t *here = logctx_at_home(capture->ctx);
    bool late = unlikely(logctx_is_finished(here ? here : capture->ctx));
    call_begin(call, late ? &(logctx_capture_t){NULL, capture->site} : capture);
}

static inline void call_end(struct call *call)
{
    logctx_resume_end(&call->resumed);
    if (unlikely(call->child != NULL)) {
        logctx_finish_at(call->child, call->site);
        logctx_unref(call->child);
    }
}

/* What belongs to no context, such as a destroy notify: runs in the sentinel. */
static inline struct call call_begin_in_sentinel(const logctx_site_t *site)
{
    struct call call;
    call_begin(&call, &(logctx_capture_t){NULL, site});
    return call;
}

#endif
