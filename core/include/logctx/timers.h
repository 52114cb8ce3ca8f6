/*
 * logctx/timers.h: time and contexts: sleep, call later, looping calls, and timeouts of deferreds, on any event loop.
 *
 * The loop's adapter (logctx/uv.h, logctx/libevent.h, logctx/glib.h) gives a logctx_timers_t; a loop of your own fills
 * one in. Each call has a root context of its own, of type `callback` and of the kind that you name: it is a row of all the
 * `logctx.context.*` metrics, and one span each time. Late timers count in `logctx.loop.delay`.
 *
 * Thread: that of the loop; on another one the adapters of libuv and libevent report invalid_use, and start nothing. The
 * functions that start something leave the current context as it was, unless they say otherwise.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TIMERS_H
#define LOGCTX_TIMERS_H

#include <logctx/deferred.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What a loop can do with time. `start` calls fn(arg) once, from the loop and in the sentinel, when delay_ns have passed,
 * and returns a handle, or NULL if it cannot. `stop` gives a timer up: its function will not be called. The handle is
 * gone after either: the call or the stop. Must outlive everything that was started with it.
 */
typedef struct logctx_timers {
    size_t struct_size;
    void *(*start)(void *user, uint64_t delay_ns, void (*fn)(void *arg), void *arg);
    void (*stop)(void *user, void *timer);
    void *user;
} logctx_timers_t;

/*
 * A deferred that succeeds in `ms` milliseconds. It keeps the rules: the sentinel is current on return, and the context
 * that was current before is put back before what is added to it runs. Cancelling it stops the timer.
 * Current: the sentinel. Owner: the caller has a reference; forgotten, the timer goes on. Errors: NULL if the timer could
 * not be started, and then the context is unchanged.
 */
LOGCTX_API logctx_deferred_t *logctx_sleep(const logctx_timers_t *timers, uint64_t ms);
LOGCTX_API logctx_deferred_t *logctx_sleep_at(const logctx_timers_t *timers, uint64_t ms, const logctx_site_t *site);

/* A call that is due later, once or again and again. */
typedef struct logctx_call logctx_call_t;

/*
 * Call work(user) in `ms` milliseconds, in a context of kind `kind`, which ends when the work does: at once, or when the
 * deferred that it returns completes. `release` (or NULL) frees `user` when the call is over.
 * Owner: the caller has a reference to the call, for logctx_call_cancel() or logctx_call_unref(). Errors: NULL if it could
 * not be started; then `release` has been called. A failure of the work that nobody handles is reported as
 * unhandled_failure; so is `no_memory`, when there is none to wait for the work with, which is then not begun.
 */
LOGCTX_API logctx_call_t *logctx_call_later(const logctx_timers_t *timers, uint64_t ms, const char *kind,
                                            logctx_work_t *work, void *user, void (*release)(void *user));
LOGCTX_API logctx_call_t *logctx_call_later_at(const logctx_timers_t *timers, uint64_t ms, const char *kind,
                                               logctx_work_t *work, void *user, void (*release)(void *user),
                                               const logctx_site_t *site);

/*
 * The same every `ms` milliseconds, until it is cancelled. The next call comes when the one before has completed, at the
 * next multiple of `ms` since the start; those it missed are left out. `_now`: the first at once, before this returns.
 * Errors: as logctx_call_later(); it ends, and invalid_use is reported, when the loop cannot start its timer.
 */
LOGCTX_API logctx_call_t *logctx_looping_call(const logctx_timers_t *timers, uint64_t ms, const char *kind,
                                              logctx_work_t *work, void *user, void (*release)(void *user));
LOGCTX_API logctx_call_t *logctx_looping_call_at(const logctx_timers_t *timers, uint64_t ms, const char *kind,
                                                 logctx_work_t *work, void *user, void (*release)(void *user),
                                                 const logctx_site_t *site);
LOGCTX_API logctx_call_t *logctx_looping_call_now(const logctx_timers_t *timers, uint64_t ms, const char *kind,
                                                  logctx_work_t *work, void *user, void (*release)(void *user));
LOGCTX_API logctx_call_t *logctx_looping_call_now_at(const logctx_timers_t *timers, uint64_t ms, const char *kind,
                                                     logctx_work_t *work, void *user, void (*release)(void *user),
                                                     const logctx_site_t *site);

/* No further call; work under way goes on. Gives the reference back, as logctx_call_unref() does without cancelling. */
LOGCTX_API void logctx_call_cancel(logctx_call_t *call);
LOGCTX_API void logctx_call_unref(logctx_call_t *call);

/*
 * Cancel the deferred if it is not called in `ms` milliseconds; the failure is then LOGCTX_TIMEOUT instead of
 * LOGCTX_CANCELLED. Set it before what is to see the timeout is added. The timer goes with the deferred; one that is called
 * already gets none. Errors: LOGCTX_E_INVALID for a NULL deferred, and for timers that cannot be used, which are reported;
 * LOGCTX_E_NO_MEMORY if the timer could not be started.
 */
LOGCTX_API logctx_status_t logctx_deferred_set_timeout(logctx_deferred_t *deferred, const logctx_timers_t *timers,
                                                       uint64_t ms);
LOGCTX_API logctx_status_t logctx_deferred_set_timeout_at(logctx_deferred_t *deferred, const logctx_timers_t *timers,
                                                          uint64_t ms, const logctx_site_t *site);

#define logctx_sleep(timers, ms) logctx_sleep_at((timers), (ms), LOGCTX_HERE)
#define logctx_call_later(timers, ms, kind, work, user, release)                                                       \
    logctx_call_later_at((timers), (ms), (kind), (work), (user), (release), LOGCTX_HERE)
#define logctx_looping_call(timers, ms, kind, work, user, release)                                                     \
    logctx_looping_call_at((timers), (ms), (kind), (work), (user), (release), LOGCTX_HERE)
#define logctx_looping_call_now(timers, ms, kind, work, user, release)                                                 \
    logctx_looping_call_now_at((timers), (ms), (kind), (work), (user), (release), LOGCTX_HERE)
#define logctx_deferred_set_timeout(deferred, timers, ms)                                                              \
    logctx_deferred_set_timeout_at((deferred), (timers), (ms), LOGCTX_HERE)

#ifdef __cplusplus
}
#endif
#endif
