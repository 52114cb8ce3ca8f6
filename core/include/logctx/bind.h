/*
 * logctx/bind.h: callbacks that run in the context that asked for them.
 *
 * An event loop, a driver or a library calls back with whatever context it has, usually the sentinel. A *capture* keeps
 * the context that is current when the call is asked for; *resuming* it makes that context current for the length of
 * the callback and puts back what was there. A *bound* callback is a capture with the function to call.
 *
 * Thread: a capture is resumed on the home thread of its context; the structs here are used by one thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_BIND_H
#define LOGCTX_BIND_H

#include <logctx/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A context that was current once, and where. Embed it beside what the callback needs; its fields are private. */
typedef struct logctx_capture {
    logctx_t *ctx;
    const logctx_site_t *site;
} logctx_capture_t;

/*
 * Capture what is current now. `site` is the place that asks for the callback: the switch to the context and errors
 * found by it name that place.
 * Owner: the capture holds a reference until logctx_capture_clear(). Current: unchanged. Errors: NULL is reported as
 * invalid_use.
 */
LOGCTX_API void logctx_capture_init(logctx_capture_t *capture, const logctx_site_t *site);

/* Give the reference back. NULL and an empty (zeroed or cleared) capture are fine. Current: unchanged. */
LOGCTX_API void logctx_capture_clear(logctx_capture_t *capture);

/* A callback under way. Lives on its stack; its fields are private. */
typedef struct logctx_resumed {
    logctx_t *old;
    const logctx_site_t *old_at;
    logctx_t *ctx;
    const logctx_site_t *site;
} logctx_resumed_t;

/*
 * The callback begins: make the captured context current (the sentinel, for an empty capture). The capture may be
 * cleared and its memory freed before logctx_resume_end().
 * Current: the captured context. Errors: those of logctx_set_current(): restarted_finished if its work is over.
 * Budget: two references and one switch, no allocation, no lock.
 */
LOGCTX_API logctx_resumed_t logctx_resume(const logctx_capture_t *capture);

/*
 * The same for a callback that only tells that something is over: it was written, closed, cancelled, its memory may go. Such
 * a callback often comes when the work that asked for it has ended, and that is no mistake: if the captured context is
 * finished it runs in the sentinel, and nothing is reported. Ended with logctx_resume_end().
 * Current: the captured context, or the sentinel. Errors, Budget: as above.
 */
LOGCTX_API logctx_resumed_t logctx_resume_unless_finished(const logctx_capture_t *capture);

/*
 * The callback ends. Current: what it was before logctx_resume(), always. The callback may leave its own context current,
 * or, if it has ended it, the sentinel or what that end has put back (a connection's context, in which the request's was
 * made); another context is a leak: leaked_to_loop if a loop in the sentinel called, unexpected_context if other code did,
 * in both cases with the place that made that context current. NULL, or a second end, is reported as invalid_use.
 */
LOGCTX_API void logctx_resume_end(logctx_resumed_t *resumed);

/*
 * Which context the calling thread may make current to work for `ctx`: itself if it lives here, else the nearest of its
 * parents that does. So a worker's context leads back to the request that it works for. NULL if none lives here: then the
 * work is a child's, made by logctx_new_on_thread(). NULL and the sentinel are the sentinel.
 * Any thread. Owner: borrowed; valid for as long as ctx is.
 */
LOGCTX_API logctx_t *logctx_at_home(logctx_t *ctx);

typedef void logctx_bound_fn_t(void *user);
typedef struct logctx_bound logctx_bound_t;

/*
 * A callback for anyone who takes a function and a `void *`: pass logctx_bound_call and what this returns.
 *
 *     register_callback(source, logctx_bound_call, logctx_bind(on_data, connection));
 *
 * Owner: the caller owns it, until logctx_bound_free() or logctx_bound_call_once(). `user` stays the caller's. Current:
 * unchanged. Errors: NULL without memory, and for a NULL function, which is reported; logctx_bound_call(NULL) does
 * nothing but report.
 * Budget: no malloc in steady state: bound callbacks come from a pool of their thread.
 */
LOGCTX_API logctx_bound_t *logctx_bind(logctx_bound_fn_t *fn, void *user);
LOGCTX_API logctx_bound_t *logctx_bind_at(logctx_bound_fn_t *fn, void *user, const logctx_site_t *site);

/*
 * Call it, in its context: any number of times, also from within itself. It may be freed by the function it calls.
 * `bound` is a logctx_bound_t. Current on return, errors: as logctx_resume_end().
 * Budget: one switch there and one back, no allocation, no lock.
 */
LOGCTX_API void logctx_bound_call(void *bound);

/* The same for the only call: it is freed before the function runs. */
LOGCTX_API void logctx_bound_call_once(void *bound);

/* Free it without a call. NULL is fine. Any thread. */
LOGCTX_API void logctx_bound_free(logctx_bound_t *bound);

#define logctx_bind(fn, user) logctx_bind_at((fn), (user), LOGCTX_HERE)

#ifdef __cplusplus
}
#endif
#endif
