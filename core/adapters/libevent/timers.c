// Timers: what logctx/timers.h wants of a loop. Each is an event of ours, and in its loop's list, so that the end of the loop
// finds those that are pending. Their handles stay good until they are stopped: a deferred with a timeout may be called or
// freed when the loop has ended. All on the loop's thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "callback.h"

#include <stdlib.h>

struct timer {
    struct event event;
    struct logctx_libevent *loop;
    void (*fn)(void *arg);
    void *arg;
    bool over; // its loop has ended, perhaps with the base
    struct timer *next, *previous;
};

static void take_off(struct timer *timer)
{
    event_del(&timer->event);
    event_debug_unassign(&timer->event);
}

static void drop(struct timer *timer)
{
    if (timer->previous)
        timer->previous->next = timer->next;
    else
        timer->loop->first_timer = timer->next;
    if (timer->next)
        timer->next->previous = timer->previous;
    if (!timer->over)
        take_off(timer);
    free(timer);
}

static void due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct timer *timer = arg;
    void (*fn)(void *) = timer->fn;
    void *own = timer->arg;
    logctx__libevent_timer_called(timer->loop);
    drop(timer);
    fn(own);
}

// libevent counts in microseconds, from its reading of the clock when the last poll ended: a timer must not be early by that.
static bool is_here(const struct logctx_libevent *loop)
{
    if (logctx__libevent_is_here(loop))
        return true;
    logctx_report_misuse(
        "a timer was asked of an event base by another thread than its own, and is not started; wake it by "
        "logctx_event_active() of an event, and ask there",
        NULL);
    return false;
}

static void *start(void *user, uint64_t delay_ns, void (*fn)(void *arg), void *arg)
{
    struct logctx_libevent *loop = user;
    struct timer *timer = is_here(loop) && !loop->detached ? calloc(1, sizeof *timer) : NULL;
    uint64_t microseconds = delay_ns / 1000 + (delay_ns % 1000 > 0);
    struct timeval delay = {(time_t)(microseconds / 1000000), (suseconds_t)(microseconds % 1000000)};
    if (!timer)
        return NULL;
    *timer = (struct timer){.loop = loop, .fn = fn, .arg = arg, .next = loop->first_timer};
    event_base_update_cache_time(loop->base);
    if (event_assign(&timer->event, loop->base, -1, 0, due, timer) != 0 || event_add(&timer->event, &delay) != 0) {
        free(timer);
        return NULL;
    }
    if (timer->next)
        timer->next->previous = timer;
    loop->first_timer = timer;
    return timer;
}

static void stop(void *user, void *timer)
{
    drop(timer);
    logctx__libevent_free_unused(user);
}

void logctx__libevent_timers_init(struct logctx_libevent *loop)
{
    loop->timers = (logctx_timers_t){sizeof loop->timers, start, stop, loop};
}

void logctx__libevent_timers_end(struct logctx_libevent *loop)
{
    for (struct timer *timer = loop->first_timer; timer; timer = timer->next) {
        take_off(timer);
        timer->over = true;
    }
}

const logctx_timers_t *logctx_libevent_timers(const logctx_libevent_t *attached)
{
    if (attached)
        return &attached->timers;
    logctx_report_misuse("logctx_libevent_timers() got NULL; pass what logctx_libevent_attach() returned", CALLER);
    return NULL;
}
