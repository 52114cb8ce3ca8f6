// Timers: sleeping, calls that are due later, and timeouts, on whatever loop gives the timers. All of it on the loop's thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "deferred.h"

#include <logctx/timers.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)

static bool are_usable(const logctx_timers_t *timers, const logctx_site_t *site)
{
    if (timers && timers->struct_size >= sizeof *timers && timers->start && timers->stop)
        return true;
    logctx__misuse("a timer was to be started without timers; pass those of the loop's adapter, or a logctx_timers_t "
                   "with struct_size, start and stop set",
                   site);
    return false;
}

// What the loop reports of it names the place that asks.
static void *start_timer(const logctx_timers_t *timers, uint64_t delay_ns, void (*fn)(void *arg), void *arg,
                         const logctx_site_t *site)
{
    struct thread *thread = this_thread();
    if (!thread)
        return NULL;
    thread->asking_at = site;
    void *timer = timers->start(timers->user, delay_ns, fn, arg);
    thread->asking_at = NULL;
    return timer;
}

static uint64_t to_ns(uint64_t ms)
{
    return ms < UINT64_MAX / NS_PER_MS ? ms * NS_PER_MS : UINT64_MAX;
}

// ---- sleep: its timer keeps the deferred ----

struct sleeper {
    const logctx_timers_t *timers;
    void *timer; // NULL: over
    logctx_deferred_t *deferred;
    uint64_t due_ns;
    const logctx_site_t *site;
};

static void wake(void *arg)
{
    struct sleeper *sleeper = arg;
    logctx_deferred_t *deferred = sleeper->deferred;
    sleeper->timer = NULL;
    logctx_loop_ran(sleeper->due_ns);
    logctx_deferred_succeed_at(deferred, NULL, NULL, sleeper->site);
    logctx_deferred_unref(deferred);
}

static void cancel_sleep(void *user, logctx_deferred_t *deferred)
{
    struct sleeper *sleeper = user;
    if (!sleeper->timer)
        return;
    sleeper->timers->stop(sleeper->timers->user, sleeper->timer);
    sleeper->timer = NULL;
    logctx_deferred_unref(deferred);
}

logctx_deferred_t *logctx_sleep_at(const logctx_timers_t *timers, uint64_t ms, const logctx_site_t *site)
{
    struct sleeper *sleeper = are_usable(timers, site) ? calloc(1, sizeof *sleeper) : NULL;
    logctx_deferred_t *deferred = sleeper ? logctx_deferred_new(cancel_sleep, sleeper, free) : NULL;
    if (!deferred)
        return NULL;
    *sleeper =
        (struct sleeper){.timers = timers, .deferred = deferred, .due_ns = logctx_now_ns() + to_ns(ms), .site = site};
    sleeper->timer = start_timer(timers, to_ns(ms), wake, sleeper, site);
    if (!sleeper->timer) {
        logctx_deferred_unref(deferred);
        return NULL;
    }
    logctx_deferred_ref(deferred);
    return logctx_make_yieldable_at(deferred, site);
}

logctx_deferred_t *(logctx_sleep)(const logctx_timers_t *timers, uint64_t ms)
{
    return logctx_sleep_at(timers, ms, logctx__site_of_caller(__builtin_return_address(0)));
}

// ---- calls ----

struct logctx_call {
    unsigned refs; // the caller's, and one while the call is due or under way
    const logctx_timers_t *timers;
    void *timer;        // NULL: not due
    uint64_t period_ns; // 0: once
    bool loops, cancelled;
    uint64_t began_ns, due_ns;
    logctx_kind_t *kind;
    logctx_work_t *work;
    void *user;
    void (*release)(void *user);
    const logctx_site_t *site;
};

void logctx_call_unref(logctx_call_t *call)
{
    if (!call || --call->refs > 0)
        return;
    if (call->release)
        call->release(call->user);
    free(call);
}

void logctx_call_cancel(logctx_call_t *call)
{
    if (!call)
        return;
    call->cancelled = true;
    if (call->timer) {
        call->timers->stop(call->timers->user, call->timer);
        call->timer = NULL;
        call->refs--; // not the last one: the caller's is still there
    }
    logctx_call_unref(call);
}

static void run_call(void *arg);

// Takes the reference of the call that is due; false if it could not be started.
static bool arm(logctx_call_t *call, uint64_t delay_ns)
{
    call->due_ns = logctx_now_ns() + delay_ns;
    call->timer = start_timer(call->timers, delay_ns, run_call, call, call->site);
    return call->timer != NULL;
}

// A multiple of the period since the beginning, the first that is still to come. A loop that counts in milliseconds calls a
// little early; that is no reason to call twice.
static uint64_t until_next(const logctx_call_t *call)
{
    uint64_t now = logctx_now_ns();
    if (call->period_ns == 0)
        return 0;
    uint64_t from = now > call->due_ns ? now : call->due_ns;
    uint64_t next = from + call->period_ns - (from - call->began_ns) % call->period_ns;
    return next - now;
}

static logctx_result_t go_on(void *user, logctx_result_t *result)
{
    logctx_call_t *call = user;
    if (!call->loops || call->cancelled)
        logctx_call_unref(call);
    else if (!arm(call, until_next(call))) {
        logctx__misuse("a looping call ends, because the loop could not start its timer", call->site);
        logctx_call_unref(call);
    }
    return *result;
}

// Without memory the work is not begun, which counts as its failure.
static void run_now(logctx_call_t *call)
{
    logctx_deferred_t *ended = logctx_deferred_new(NULL, NULL, NULL);
    bool waits = ended && logctx_deferred_add(ended, go_on, go_on, call, NULL) == LOGCTX_OK;
    logctx__run_call(call->kind, call->work, call->user, waits ? ended : NULL, call->site);
    logctx_deferred_unref(ended);
    if (!waits)
        go_on(call, &(logctx_result_t){0});
}

static void run_call(void *arg)
{
    logctx_call_t *call = arg;
    call->timer = NULL;
    logctx_loop_ran(call->due_ns);
    run_now(call);
}

struct wanted {
    const logctx_timers_t *timers;
    uint64_t ms;
    const char *kind;
    logctx_work_t *work;
    void *user;
    void (*release)(void *user);
    const logctx_site_t *site;
    bool loops, now;
};

static logctx_call_t *new_call(const struct wanted *wanted)
{
    if (!wanted->work)
        logctx__misuse("a call was to be made later of a NULL function; pass the work to be done", wanted->site);
    bool usable = are_usable(wanted->timers, wanted->site) && wanted->work;
    logctx_call_t *call = usable ? calloc(1, sizeof *call) : NULL;
    uint64_t now = logctx_now_ns();
    if (call)
        *call = (logctx_call_t){.refs = 2,
                                .timers = wanted->timers,
                                .period_ns = to_ns(wanted->ms),
                                .loops = wanted->loops,
                                .began_ns = now,
                                .due_ns = now,
                                .kind = logctx_kind(wanted->kind),
                                .work = wanted->work,
                                .user = wanted->user,
                                .release = wanted->release,
                                .site = wanted->site};
    else if (wanted->release)
        wanted->release(wanted->user);
    return call;
}

static logctx_call_t *start(struct wanted wanted)
{
    logctx_call_t *call = new_call(&wanted);
    if (!call)
        return NULL;
    if (wanted.now) {
        run_now(call);
        return call;
    }
    if (arm(call, call->period_ns))
        return call;
    call->refs = 1; // both are ours
    logctx_call_unref(call);
    return NULL;
}

logctx_call_t *logctx_call_later_at(const logctx_timers_t *timers, uint64_t ms, const char *kind, logctx_work_t *work,
                                    void *user, void (*release)(void *user), const logctx_site_t *site)
{
    return start((struct wanted){timers, ms, kind, work, user, release, site, false, false});
}

logctx_call_t *(logctx_call_later)(const logctx_timers_t *timers, uint64_t ms, const char *kind, logctx_work_t *work,
                                   void *user, void (*release)(void *user))
{
    return logctx_call_later_at(timers, ms, kind, work, user, release,
                                logctx__site_of_caller(__builtin_return_address(0)));
}

logctx_call_t *logctx_looping_call_at(const logctx_timers_t *timers, uint64_t ms, const char *kind, logctx_work_t *work,
                                      void *user, void (*release)(void *user), const logctx_site_t *site)
{
    return start((struct wanted){timers, ms, kind, work, user, release, site, true, false});
}

logctx_call_t *(logctx_looping_call)(const logctx_timers_t *timers, uint64_t ms, const char *kind, logctx_work_t *work,
                                     void *user, void (*release)(void *user))
{
    return logctx_looping_call_at(timers, ms, kind, work, user, release,
                                  logctx__site_of_caller(__builtin_return_address(0)));
}

logctx_call_t *logctx_looping_call_now_at(const logctx_timers_t *timers, uint64_t ms, const char *kind,
                                          logctx_work_t *work, void *user, void (*release)(void *user),
                                          const logctx_site_t *site)
{
    return start((struct wanted){timers, ms, kind, work, user, release, site, true, true});
}

logctx_call_t *(logctx_looping_call_now)(const logctx_timers_t *timers, uint64_t ms, const char *kind,
                                         logctx_work_t *work, void *user, void (*release)(void *user))
{
    return logctx_looping_call_now_at(timers, ms, kind, work, user, release,
                                      logctx__site_of_caller(__builtin_return_address(0)));
}

// ---- timeouts: the pair that waits for the result has the timer, so that it goes when the deferred does ----

struct timeout {
    const logctx_timers_t *timers;
    void *timer;                 // NULL: over
    logctx_deferred_t *deferred; // not kept: it keeps us
    uint64_t due_ns;
    bool came_first;
    const logctx_site_t *site;
};

static void on_time(void *arg)
{
    struct timeout *timeout = arg;
    timeout->timer = NULL;
    timeout->came_first = true;
    logctx_loop_ran(timeout->due_ns);
    logctx_deferred_cancel_at(timeout->deferred, timeout->site);
}

static logctx_result_t name_timeout(void *user, logctx_result_t *result)
{
    const struct timeout *timeout = user;
    bool cancelled = result->error && strcmp(result->error, LOGCTX_CANCELLED) == 0;
    return timeout->came_first && cancelled ? logctx_failure(LOGCTX_TIMEOUT, NULL, NULL) : *result;
}

static void end_timeout(void *user)
{
    struct timeout *timeout = user;
    if (timeout->timer)
        timeout->timers->stop(timeout->timers->user, timeout->timer);
    free(timeout);
}

logctx_status_t logctx_deferred_set_timeout_at(logctx_deferred_t *deferred, const logctx_timers_t *timers, uint64_t ms,
                                               const logctx_site_t *site)
{
    if (!logctx__deferred_usable(deferred) || !are_usable(timers, site))
        return LOGCTX_E_INVALID;
    if (deferred->called && !deferred->waiting)
        return LOGCTX_OK;
    struct timeout *timeout = calloc(1, sizeof *timeout);
    if (!timeout)
        return LOGCTX_E_NO_MEMORY;
    *timeout =
        (struct timeout){.timers = timers, .deferred = deferred, .due_ns = logctx_now_ns() + to_ns(ms), .site = site};
    timeout->timer = start_timer(timers, to_ns(ms), on_time, timeout, site);
    logctx_status_t status = timeout->timer
                                 ? logctx_deferred_add(deferred, name_timeout, name_timeout, timeout, end_timeout)
                                 : LOGCTX_E_NO_MEMORY;
    if (status != LOGCTX_OK)
        end_timeout(timeout);
    return status;
}

logctx_status_t(logctx_deferred_set_timeout)(logctx_deferred_t *deferred, const logctx_timers_t *timers, uint64_t ms)
{
    return logctx_deferred_set_timeout_at(deferred, timers, ms, logctx__site_of_caller(__builtin_return_address(0)));
}
