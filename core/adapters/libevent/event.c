// Events: I/O, timers and signals in the context that armed them. A callback is found by the event's argument; it belongs to
// the thread of the loop, but for deleting and freeing, where libevent's lock orders.
//
// SPDX-License-Identifier: Apache-2.0
#include "callback.h"

enum { MICROSECONDS = 0xfffff }; // above are libevent's marks of common timeouts

// A signal that came several times calls back as often.
static bool is_over(const struct callback *callback)
{
    if (callback->more.event.by_hand)
        return true;
    if (callback->more.event.events & EV_PERSIST)
        return false;
    return !(callback->more.event.events & EV_SIGNAL) || callback->more.event.event->ev_.ev_signal.ev_ncalls == 0;
}

// When it was due, if it is a timer; and the next time, as libevent counts it.
static uint64_t due(struct callback *callback, short what)
{
    uint64_t was_due = what & EV_TIMEOUT ? callback->more.event.due_ns : 0;
    if (callback->more.event.interval_ns > 0 && callback->more.event.events & EV_PERSIST) {
        uint64_t now = logctx_now_ns();
        uint64_t next = (was_due > 0 ? was_due : now) + callback->more.event.interval_ns;
        callback->more.event.due_ns = next < now ? now + callback->more.event.interval_ns : next;
    }
    return was_due;
}

// Nothing of the callback is used once the host's function runs: it may free the event.
static void called(evutil_socket_t fd, short what, void *arg)
{
    struct callback *callback = arg;
    logctx__libevent_called_by_loop(callback->loop, due(callback, what), callback->capture.site);
    event_callback_fn fn = callback->fn.event;
    void *own = callback->arg;
    logctx_resumed_t resumed = logctx_resume(&callback->capture);
    if (is_over(callback))
        logctx_capture_clear(&callback->capture);
    fn(fd, what, own);
    logctx_resume_end(&resumed);
}

static struct callback *callback_of(const struct event *event)
{
    return event && event_get_callback(event) == called ? event_get_callback_arg(event) : NULL;
}

static struct callback *make(struct event_base *base, short events, event_callback_fn fn, void *arg,
                             const logctx_site_t *site)
{
    struct logctx_libevent *loop = base ? logctx__libevent_of_base(base) : NULL;
    if (!loop)
        logctx_report_misuse(
            "an event was made for a base that is not attached: its callback will run in the sentinel; "
            "call logctx_libevent_attach() first",
            site);
    if (!fn)
        logctx_report_misuse("an event was made without a callback; pass the function to be called", site);
    struct callback *callback = fn && loop ? logctx__libevent_callback_new(FOR_EVENT, loop, arg) : NULL;
    if (!callback)
        return NULL;
    callback->fn.event = fn;
    callback->capture.site = site;
    callback->more.event.events = events;
    return callback;
}

// Without memory for a callback the event is libevent's plain one, and runs in the sentinel.
static void remember(struct callback *callback, struct event *event)
{
    if (callback->arg == event_self_cbarg())
        callback->arg = event;
    callback->more.event.event = event;
    logctx__libevent_callback_enter(callback, event);
}

struct event *logctx_event_new_at(struct event_base *base, evutil_socket_t fd, short events, event_callback_fn fn,
                                  void *arg, const logctx_site_t *site)
{
    struct callback *callback = make(base, events, fn, arg, site);
    if (!callback)
        return base && fn ? event_new(base, fd, events, fn, arg) : NULL;
    struct event *event = event_new(base, fd, events, called, callback);
    if (event)
        remember(callback, event);
    else
        logctx__libevent_callback_free(callback);
    return event;
}

struct event *(logctx_event_new)(struct event_base *base, evutil_socket_t fd, short events, event_callback_fn fn,
                                 void *arg)
{
    return logctx_event_new_at(base, fd, events, fn, arg, CALLER);
}

int logctx_event_assign_at(struct event *event, struct event_base *base, evutil_socket_t fd, short events,
                           event_callback_fn fn, void *arg, const logctx_site_t *site)
{
    if (!event) {
        logctx_report_misuse("logctx_event_assign() got a NULL event; pass the memory for it", site);
        return -1;
    }
    struct callback *callback = make(base, events, fn, arg, site);
    if (!callback)
        return base && fn ? event_assign(event, base, fd, events, fn, arg) : -1;
    int result = event_assign(event, base, fd, events, called, callback);
    if (result == 0)
        remember(callback, event);
    else
        logctx__libevent_callback_free(callback);
    return result;
}

int(logctx_event_assign)(struct event *event, struct event_base *base, evutil_socket_t fd, short events,
                         event_callback_fn fn, void *arg)
{
    return logctx_event_assign_at(event, base, fd, events, fn, arg, CALLER);
}

// The callback of an event that may be armed by this thread; NULL, and reported, if it may not. A base that was detached
// and attached again takes its events back.
static struct callback *armable(struct event *event, const logctx_site_t *site)
{
    struct callback *callback = callback_of(event);
    if (!callback) {
        logctx_report_misuse(
            "an event was armed that libevent's own function made: its callback runs in the sentinel; make "
            "it with logctx_event_new() or logctx_event_assign()",
            site);
        return NULL;
    }
    if (callback->loop && logctx__libevent_is_here(callback->loop))
        return callback;
    struct logctx_libevent *loop = logctx__libevent_usable(event_get_base(event), site);
    if (!loop)
        return NULL;
    callback->loop = loop;
    return callback;
}

int logctx_event_add_at(struct event *event, const struct timeval *timeout, const logctx_site_t *site)
{
    if (!event) {
        logctx_report_misuse("logctx_event_add() got NULL; logctx_event_new() returns it without memory", site);
        return -1;
    }
    struct callback *callback = armable(event, site);
    int result = event_add(event, timeout);
    if (!callback || result != 0)
        return result;
    callback->more.event.by_hand = false;
    if (timeout) {
        callback->more.event.interval_ns = (uint64_t)timeout->tv_sec * 1000000000u +
                                           ((uint64_t)timeout->tv_usec & MICROSECONDS) * 1000u;
        callback->more.event.due_ns = logctx_now_ns() + callback->more.event.interval_ns;
    }
    logctx__libevent_recapture(&callback->capture, site);
    return result;
}

int(logctx_event_add)(struct event *event, const struct timeval *timeout)
{
    return logctx_event_add_at(event, timeout, CALLER);
}

void logctx_event_active_at(struct event *event, int res, short ncalls, const logctx_site_t *site)
{
    enum { ARMED = EV_READ | EV_WRITE | EV_SIGNAL | EV_TIMEOUT | EV_CLOSED };
    if (!event) {
        logctx_report_misuse("logctx_event_active() got NULL; logctx_event_new() returns it without memory", site);
        return;
    }
    // Another thread may only wake: the context is that of the event.
    struct callback *callback = callback_of(event);
    bool wakes = callback && callback->loop && !logctx__libevent_is_here(callback->loop);
    callback = wakes ? NULL : armable(event, site);
    if (callback && !event_pending(event, ARMED, NULL)) {
        callback->more.event.by_hand = true;
        callback->more.event.due_ns = callback->more.event.interval_ns = 0;
        logctx__libevent_recapture(&callback->capture, site);
    }
    event_active(event, res, ncalls);
}

void(logctx_event_active)(struct event *event, int res, short ncalls)
{
    logctx_event_active_at(event, res, ncalls, CALLER);
}

// libevent waits for a callback that runs on another thread, so that it is over with ours then.
int logctx_event_del(struct event *event)
{
    if (!event) {
        logctx_report_misuse("logctx_event_del() got NULL; logctx_event_new() returns it without memory", CALLER);
        return -1;
    }
    int result = event_del(event);
    struct callback *callback = callback_of(event);
    if (callback) {
        callback->more.event.due_ns = callback->more.event.interval_ns = 0;
        logctx_capture_clear(&callback->capture);
    }
    return result;
}

void logctx_event_free(struct event *event)
{
    if (!event) {
        logctx_report_misuse("logctx_event_free() got NULL; logctx_event_new() returns it without memory", CALLER);
        return;
    }
    struct callback *callback = callback_of(event);
    logctx__libevent_callback_leave(callback);
    event_free(event);
    logctx__libevent_callback_free(callback);
}

void logctx_event_debug_unassign(struct event *event)
{
    if (!event) {
        logctx_report_misuse("logctx_event_debug_unassign() got NULL; pass an event that was assigned", CALLER);
        return;
    }
    struct callback *callback = callback_of(event);
    event_del(event);
    event_debug_unassign(event);
    logctx__libevent_callback_free(callback);
}

event_callback_fn logctx_event_get_callback(const struct event *event)
{
    const struct callback *callback = callback_of(event);
    return callback ? callback->fn.event : event ? event_get_callback(event) : NULL;
}

void *logctx_event_get_callback_arg(const struct event *event)
{
    const struct callback *callback = callback_of(event);
    return callback ? callback->arg : event ? event_get_callback_arg(event) : NULL;
}

static void called_once(evutil_socket_t fd, short what, void *arg)
{
    struct callback *callback = arg;
    logctx__libevent_called_by_loop(callback->loop, due(callback, what), callback->capture.site);
    event_callback_fn fn = callback->fn.event;
    void *own = callback->arg;
    logctx_resumed_t resumed = logctx_resume(&callback->capture);
    logctx__libevent_callback_free(callback);
    fn(fd, what, own);
    logctx_resume_end(&resumed);
}

int logctx_event_base_once_at(struct event_base *base, evutil_socket_t fd, short events, event_callback_fn fn,
                              void *arg, const struct timeval *timeout, const logctx_site_t *site)
{
    struct logctx_libevent *loop = fn ? logctx__libevent_usable(base, site) : NULL;
    if (!fn)
        logctx_report_misuse("logctx_event_base_once() got no callback; pass the function to be called", site);
    if (!fn || !base)
        return -1;
    struct callback *callback = loop ? logctx__libevent_callback_new(FOR_ONCE, loop, arg) : NULL;
    if (!callback)
        return event_base_once(base, fd, events, fn, arg, timeout);
    callback->fn.event = fn;
    if (timeout)
        callback->more.event.due_ns = logctx_now_ns() + (uint64_t)timeout->tv_sec * 1000000000u +
                                      ((uint64_t)timeout->tv_usec & MICROSECONDS) * 1000u;
    logctx_capture_init(&callback->capture, site);
    logctx__libevent_callback_enter(callback, callback);
    int result = event_base_once(base, fd, events, called_once, callback, timeout);
    if (result != 0)
        logctx__libevent_callback_free(callback);
    return result;
}

int(logctx_event_base_once)(struct event_base *base, evutil_socket_t fd, short events, event_callback_fn fn, void *arg,
                            const struct timeval *timeout)
{
    return logctx_event_base_once_at(base, fd, events, fn, arg, timeout, CALLER);
}
