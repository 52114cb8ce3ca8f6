/*
 * logctx/deferred.h: deferreds: results that will be there later, with the functions that wait for them.
 *
 * A deferred is made by who will have the result (the *producer*) and given to who wants it (the *consumer*). The
 * consumer adds pairs of functions: a callback for success, an errback for failure. When the deferred is *called* the
 * pairs run in order, each with the result of the one before; if it was called already they run at once. A function may
 * return another deferred: what comes after it waits for that one.
 *
 * What it has to do with contexts (docs/async.md): functions run in the context of whoever calls the deferred, unless
 * somebody sees to it. Two sides see to it:
 *   - logctx_deferred_succeed(), logctx_deferred_fail() and logctx_deferred_cancel() do it in a preserve block: whoever
 *     calls has the same context before and after, whatever the functions leave behind;
 *   - logctx_make_yieldable() puts the consumer's context back before its functions run.
 * Their bare forms, with `_here`, switch nothing, as the reference's deferreds do.
 *
 * Thread: a deferred is used by one thread at a time; the host's hand-over between threads orders it. Owner: deferreds are
 * counted; every function that returns one gives the caller a reference, and one that is given a deferred borrows it,
 * unless it says otherwise. NULL stands for a deferred that could not be made: it counts as failed with `no_memory`, and
 * every function here takes it. Bounded: no function recurses, however long a chain of deferreds is; only a function of
 * the host's that calls another deferred from within itself adds to the stack.
 *
 * The semantics are those of Twisted's deferreds with the rules of Synapse's logging contexts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_DEFERRED_H
#define LOGCTX_DEFERRED_H

#include <logctx/context.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct logctx_deferred logctx_deferred_t;

/*
 * What a deferred has in the end, or a function returns. `error` NULL is success, else a short word without ids for what
 * failed, such as "timeout": it is not copied, so it is a literal or lives as long as the result. `value` is anything;
 * `destroy` (or NULL) frees it when nobody wants it any more. `deferred`, only in what a function returns: the result is
 * not there yet, it will be that of this deferred; the reference to it is handed over, `error` and `value` are ignored.
 */
typedef struct logctx_result {
    const char *error;
    void *value;
    void (*destroy)(void *value);
    logctx_deferred_t *deferred;
} logctx_result_t;

/* Results by what they mean. `destroy` may be NULL. */
static inline logctx_result_t logctx_success(void *value, void (*destroy)(void *value))
{
    logctx_result_t result = {NULL, value, destroy, NULL};
    return result;
}
static inline logctx_result_t logctx_failure(const char *error, void *value, void (*destroy)(void *value))
{
    logctx_result_t result = {error ? error : "_OTHER", value, destroy, NULL};
    return result;
}
static inline logctx_result_t logctx_wait_for(logctx_deferred_t *deferred)
{
    logctx_result_t result = {deferred ? NULL : "no_memory", NULL, NULL, deferred};
    return result;
}

/* The errors that the library itself makes. */
#define LOGCTX_CANCELLED "cancelled"
#define LOGCTX_FIRST_ERROR "first_error"
#define LOGCTX_TIMEOUT "timeout"
#define LOGCTX_NO_MEMORY "no_memory"

/*
 * A function of a pair: gets the result so far and returns the one to go on with. `result` is borrowed: its value is freed
 * afterwards, unless the returned result has the same value, or the function has kept it and set result->destroy to NULL.
 * To pass it on: `return *result;`. A deferred that begins to wait for this one while the function runs gets the result
 * without the value.
 */
typedef logctx_result_t logctx_callback_t(void *user, logctx_result_t *result);

/* Work that is started in the background: what it returns is its result, or the deferred that will have it. */
typedef logctx_result_t logctx_work_t(void *user);

/*
 * A new deferred. `cancel` (or NULL) is called once when it is cancelled before it was called: it stops the work, and may
 * call the deferred itself; cancelling it from there again does nothing. `release` (or NULL) frees `user`, when the
 * deferred is freed. Current: unchanged. Owner: the caller has one reference; `user` has to live until `release`.
 * Errors: NULL without memory; then `release` has been called.
 */
typedef void logctx_canceller_t(void *user, logctx_deferred_t *deferred);
LOGCTX_API logctx_deferred_t *logctx_deferred_new(logctx_canceller_t *cancel, void *user, void (*release)(void *user));

/* A deferred that is called already, with that result (which it takes over; not one that waits). Else as above. */
LOGCTX_API logctx_deferred_t *logctx_deferred_called(logctx_result_t result);

/* One more reference; returns it. */
LOGCTX_API logctx_deferred_t *logctx_deferred_ref(logctx_deferred_t *deferred);

/*
 * Give a reference back. With the last one the deferred is freed: what waits in it is dropped and released, never run, and
 * a failure that no errback has taken is reported as unhandled_failure, with the place that failed it. Deferreds that wait
 * for each other, dropped by all, are freed together; only a member that waits for its own gather, and work that waits for
 * the end of its own process, keep each other until one of them is called. Current: unchanged, whatever the release functions
 * do.
 */
LOGCTX_API void logctx_deferred_unref(logctx_deferred_t *deferred);

/*
 * Add a pair. `callback` gets success, `errback` failure; NULL passes the result on. `release` (or NULL) frees `user`
 * after one of them ran, or when the pair is dropped. They run now if the deferred is called and not held up.
 * Current: unchanged, or, if they ran, what they left. Errors: LOGCTX_E_NO_MEMORY: nothing was added, nothing released.
 */
LOGCTX_API logctx_status_t logctx_deferred_add(logctx_deferred_t *deferred, logctx_callback_t *callback,
                                               logctx_callback_t *errback, void *user, void (*release)(void *user));

/*
 * Call it with success or failure, or cancel it, in a preserve block with the sentinel: the pairs run in the sentinel,
 * each in the context that it puts back itself. Takes over `value`.
 * Current: what it was before. Errors: already_called, with both places, once it was called (the value is freed);
 * unexpected_context if a function left a context behind, with this call as the place that noticed.
 * Cancel: calls the canceller, or, without one, marks the deferred so that one late result is ignored; then, if it still
 * is not called, it fails with LOGCTX_CANCELLED. If it waits for another one, that one is cancelled; a gather passes it
 * on to all of its members, and fails with LOGCTX_FIRST_ERROR. A deferred that has its result is not touched.
 */
LOGCTX_API void logctx_deferred_succeed(logctx_deferred_t *deferred, void *value, void (*destroy)(void *value));
LOGCTX_API void logctx_deferred_succeed_at(logctx_deferred_t *deferred, void *value, void (*destroy)(void *value),
                                           const logctx_site_t *site);
LOGCTX_API void logctx_deferred_fail(logctx_deferred_t *deferred, const char *error, void *value,
                                     void (*destroy)(void *value));
LOGCTX_API void logctx_deferred_fail_at(logctx_deferred_t *deferred, const char *error, void *value,
                                        void (*destroy)(void *value), const logctx_site_t *site);
LOGCTX_API void logctx_deferred_cancel(logctx_deferred_t *deferred);
LOGCTX_API void logctx_deferred_cancel_at(logctx_deferred_t *deferred, const logctx_site_t *site);

/*
 * The bare forms: no switch before, between or after. The pairs run in the context that is current, and it is the
 * caller's affair what they leave. For code that has a preserve block around it, or wants it so.
 * Current: what the last function left. Errors: already_called.
 */
LOGCTX_API void logctx_deferred_call_here(logctx_deferred_t *deferred, logctx_result_t result);
LOGCTX_API void logctx_deferred_call_here_at(logctx_deferred_t *deferred, logctx_result_t result,
                                             const logctx_site_t *site);
LOGCTX_API void logctx_deferred_cancel_here(logctx_deferred_t *deferred);
LOGCTX_API void logctx_deferred_cancel_here_at(logctx_deferred_t *deferred, const logctx_site_t *site);

/*
 * Hold up the pairs, and let them go on; counted. Pairs that run when it is paused go on, until one of them waits.
 * Current: as logctx_deferred_add(). Errors: invalid_use for one that is not paused.
 */
LOGCTX_API void logctx_deferred_pause(logctx_deferred_t *deferred);
LOGCTX_API void logctx_deferred_unpause(logctx_deferred_t *deferred);

/* Whether it was called; whether its result is there and not held up (called, not paused, not waiting for another). */
LOGCTX_API bool logctx_deferred_is_called(const logctx_deferred_t *deferred);
LOGCTX_API bool logctx_deferred_is_complete(const logctx_deferred_t *deferred);
LOGCTX_API unsigned logctx_deferred_paused(const logctx_deferred_t *deferred);

/*
 * The result so far: NULL if it was not called, or waits for another. Borrowed, valid until the deferred is used again.
 * Looking does not handle a failure.
 */
LOGCTX_API const logctx_result_t *logctx_deferred_result(const logctx_deferred_t *deferred);

/* How many deferreds there are in this process that were not called yet. Any thread. For tests. */
LOGCTX_API size_t logctx_deferred_pending(void);

/*
 * A deferred that succeeds when all of the members have, or fails with LOGCTX_FIRST_ERROR when the first of them does.
 * Each member's own result is passed on to what is added to it later, but that with `consume` a failure becomes success
 * and so is handled. None: it is called at once. A NULL member counts as failed.
 * Current: as logctx_deferred_add() for each member. Owner: the members stay the caller's, who keeps the references that
 * it wants to read results from; the gather is kept by its members until they have their results. Errors: NULL without
 * memory.
 */
LOGCTX_API logctx_deferred_t *logctx_gather(logctx_deferred_t *const *members, size_t count, bool consume);

/*
 * For the consumer: make a deferred that knows nothing of contexts keep the rules. If it is not complete, the sentinel is
 * set now, and when it is called the context that is current now is put back before what is added after this.
 * Add what is to run in the context after this call, and return to the loop. Returns the same deferred, no new reference.
 * Current: the sentinel, or unchanged if it was complete, or if there is no memory to put the context back later. Errors:
 * those of logctx_set_current(), later ones with this place.
 */
LOGCTX_API logctx_deferred_t *logctx_make_yieldable(logctx_deferred_t *deferred);
LOGCTX_API logctx_deferred_t *logctx_make_yieldable_at(logctx_deferred_t *deferred, const logctx_site_t *site);

/*
 * Start work that keeps the rules, and go on without waiting for it: fire and forget, or to gather it later. The work
 * begins in the current context. If it is not complete when it returns, the context is put back, and when it completes
 * the sentinel is set after its last function, so that whoever completed it gets back no context of ours.
 * Returns the deferred of the work. Add nothing to it that relies on a context, except through logctx_make_yieldable().
 * To forget it, give the reference back.
 * Current: unchanged, except that work which completes at once must have kept the context itself: else
 * background_maintained_violation is reported and it is left as it is. (Work that returns a failure has it left as it is
 * without a report, as in the reference.) Errors: NULL without memory; invalid_use for a NULL function, which fails. If
 * there is no memory to set the sentinel later, whoever completes the work gets back what its last function leaves.
 */
LOGCTX_API logctx_deferred_t *logctx_run_in_background(logctx_work_t *work, void *user)
    __attribute__((warn_unused_result));
LOGCTX_API logctx_deferred_t *logctx_run_in_background_at(logctx_work_t *work, void *user, const logctx_site_t *site)
    __attribute__((warn_unused_result));

#define logctx_deferred_succeed(deferred, value, destroy)                                                              \
    logctx_deferred_succeed_at((deferred), (value), (destroy), LOGCTX_HERE)
#define logctx_deferred_fail(deferred, error, value, destroy)                                                          \
    logctx_deferred_fail_at((deferred), (error), (value), (destroy), LOGCTX_HERE)
#define logctx_deferred_cancel(deferred) logctx_deferred_cancel_at((deferred), LOGCTX_HERE)
#define logctx_deferred_call_here(deferred, ...) logctx_deferred_call_here_at((deferred), (__VA_ARGS__), LOGCTX_HERE)
#define logctx_deferred_cancel_here(deferred) logctx_deferred_cancel_here_at((deferred), LOGCTX_HERE)
#define logctx_make_yieldable(deferred) logctx_make_yieldable_at((deferred), LOGCTX_HERE)
#define logctx_run_in_background(work, user) logctx_run_in_background_at((work), (user), LOGCTX_HERE)

#ifdef __cplusplus
}
#endif
#endif
