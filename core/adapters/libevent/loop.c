// Loops: bases are attached, run one turn at a time, and let go. A loop belongs to the thread that it runs on; the list of
// them has the lock of callback.h.
//
// Where libevent has no hook, its poll is found like this: it begins where a turn does, and it is over when the first of our
// callbacks begins, or the turn ends. So every turn is checked for leaks; callbacks that are not ours and run before the
// first one that is count as the poll.
//
// SPDX-License-Identifier: Apache-2.0
#include "callback.h"

#include <stdio.h>
#include <stdlib.h>

static struct logctx_libevent *loops; // under the lock
static struct logctx_libevent *ended; // detached, but in use; under the lock
// Whether this thread is inside a turn: only then it is known since when I/O has been ready.
static _Thread_local unsigned turns;

struct logctx_libevent *logctx__libevent_of_base(const struct event_base *base)
{
    logctx__libevent_lock();
    struct logctx_libevent *loop = loops;
    while (loop && loop->base != base)
        loop = loop->next;
    logctx__libevent_unlock();
    return loop;
}

bool logctx__libevent_is_here(const struct logctx_libevent *loop)
{
    return pthread_equal(atomic_load_explicit(&loop->thread, memory_order_relaxed), pthread_self());
}

struct logctx_libevent *logctx__libevent_usable(const struct event_base *base, const logctx_site_t *site)
{
    struct logctx_libevent *loop = base ? logctx__libevent_of_base(base) : NULL;
    if (!loop)
        logctx_report_misuse(
            "a callback was armed on an event base that is not attached, and runs in the sentinel; call "
            "logctx_libevent_attach() first",
            site);
    else if (!logctx__libevent_is_here(loop))
        logctx_report_misuse("a callback was armed by another thread than that of its event base, and gets no context; "
                             "arm it on the loop's thread, after logctx_event_active() of an event there",
                             site);
    else
        return loop;
    return NULL;
}

// The loop turns out to run on this thread.
static void settle(struct logctx_libevent *loop)
{
    atomic_store_explicit(&loop->thread, pthread_self(), memory_order_relaxed);
    logctx_set_loop_name(loop->name);
}

static void turn(struct logctx_libevent *loop)
{
    logctx_poll_end();
    if (loop && unlikely(!logctx__libevent_is_here(loop)))
        settle(loop);
}

void logctx__libevent_called(struct logctx_libevent *loop, uint64_t due_ns)
{
    turn(loop);
    if (due_ns > 0 || turns > 0)
        logctx_loop_ran(due_ns);
}

void logctx__libevent_called_by_loop(struct logctx_libevent *loop, uint64_t due_ns, const logctx_site_t *site)
{
    logctx_loop_check_at(loop ? loop->site : site);
    logctx__libevent_called(loop, due_ns);
}

void logctx__libevent_timer_called(struct logctx_libevent *loop)
{
    logctx_loop_check_at(loop->site);
    turn(loop);
}

static void break_the_loop(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct logctx_libevent *loop = arg;
    event_base_loopbreak(loop->base);
}

logctx_libevent_t *logctx_libevent_attach_at(struct event_base *base, const char *name, const logctx_site_t *site)
{
    if (!base) {
        logctx_report_misuse("logctx_libevent_attach() got NULL; pass what event_base_new() returned", site);
        return NULL;
    }
    struct logctx_libevent *loop = logctx__libevent_of_base(base);
    if (loop) {
        logctx_report_misuse("an event base was attached twice; detach it first, or keep what the first call returned",
                             site);
        return loop;
    }
    loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    loop->base = base;
    loop->site = site;
    snprintf(loop->name, sizeof loop->name, "%s", name && *name ? name : "loop");
    event_assign(&loop->breaker, base, -1, 0, break_the_loop, loop);
    event_priority_set(&loop->breaker, 0);
    logctx__libevent_timers_init(loop);
    settle(loop);
    logctx__libevent_lock();
    loop->next = loops;
    loops = loop;
    logctx__libevent_unlock();
    return loop;
}

logctx_libevent_t *(logctx_libevent_attach)(struct event_base *base, const char *name)
{
    return logctx_libevent_attach_at(base, name, CALLER);
}

// False if it is not in that list (any more).
static bool take_out(struct logctx_libevent **list, const struct logctx_libevent *loop)
{
    logctx__libevent_lock();
    struct logctx_libevent **link = list;
    while (*link && *link != loop)
        link = &(*link)->next;
    bool found = *link != NULL;
    if (found)
        *link = (*link)->next;
    logctx__libevent_unlock();
    return found;
}

void logctx__libevent_free_unused(struct logctx_libevent *loop)
{
    if (!loop->detached || loop->running || loop->first_timer)
        return;
    take_out(&ended, loop);
    free(loop);
}

static void forget(struct logctx_libevent *loop)
{
    loop->detached = true;
    logctx__libevent_lock();
    loop->next = ended;
    ended = loop;
    logctx__libevent_unlock();
    logctx__libevent_free_unused(loop);
}

// Events of ours that the base has.
static void end(struct logctx_libevent *loop)
{
    logctx__libevent_timers_end(loop);
    event_del(&loop->breaker);
    event_debug_unassign(&loop->breaker);
}

void logctx_libevent_detach(logctx_libevent_t *loop)
{
    if (!loop)
        return;
    if (!take_out(&loops, loop)) {
        logctx_report_misuse("logctx_libevent_detach() got a base that is detached already", CALLER);
        return;
    }
    end(loop);
    logctx__libevent_callbacks_release(loop);
    forget(loop);
}

void logctx_event_base_free(struct event_base *base)
{
    struct logctx_libevent *loop = base ? logctx__libevent_of_base(base) : NULL;
    if (!loop)
        logctx_report_misuse("logctx_event_base_free() got NULL, or a base that is not attached (any more)", CALLER);
    if (!base)
        return;
    if (loop) {
        take_out(&loops, loop);
        end(loop);
    }
    event_base_free(base);
    if (loop) {
        logctx__libevent_callbacks_free(loop);
        forget(loop);
    }
}

static bool is_stopped(struct event_base *base)
{
    return event_base_got_exit(base) || event_base_got_break(base);
}

// EVLOOP_ONCE is a turn: it polls until something was ready, and runs what is active then. A break is looked at last before
// libevent's loop begins, which forgets it.
static int run(struct logctx_libevent *loop, int flags)
{
    struct event_base *base = loop->base;
    bool single = flags & (EVLOOP_ONCE | EVLOOP_NONBLOCK);
    for (bool first = true;; first = false) {
        logctx_poll_begin_at(loop->site);
        bool stopped = !first && is_stopped(base);
        int result = stopped ? 0 : event_base_loop(base, single ? flags : flags | EVLOOP_ONCE);
        logctx_poll_end();
        if (!stopped && (result != 0 || single))
            logctx_loop_check_at(loop->site);
        if (stopped || result != 0 || single || loop->detached)
            return result;
    }
}

int logctx_event_base_loop_at(struct event_base *base, int flags, const logctx_site_t *site)
{
    struct logctx_libevent *loop = base ? logctx__libevent_of_base(base) : NULL;
    if (!base) {
        logctx_report_misuse("logctx_event_base_loop() got NULL; pass what event_base_new() returned", site);
        return -1;
    }
    if (!loop) {
        logctx_report_misuse("logctx_event_base_loop() got a base that is not attached, and runs it without a look at "
                             "contexts; call logctx_libevent_attach() first",
                             site);
        return event_base_loop(base, flags);
    }
    if (loop->running) {
        logctx_report_misuse(
            "logctx_event_base_loop() was called from a callback of the same loop; libevent's loops do not "
            "nest",
            site);
        return -1;
    }
    if (!logctx__libevent_is_here(loop))
        settle(loop);
    loop->running = true;
    event_del(&loop->breaker); // libevent forgets a break before its loop, too
    turns++;
    int result = run(loop, flags);
    turns--;
    loop->running = false;
    if (loop->detached)
        logctx__libevent_free_unused(loop);
    else
        event_del(&loop->breaker);
    return result;
}

int(logctx_event_base_loop)(struct event_base *base, int flags)
{
    return logctx_event_base_loop_at(base, flags, CALLER);
}

int logctx_event_base_dispatch_at(struct event_base *base, const logctx_site_t *site)
{
    return logctx_event_base_loop_at(base, 0, site);
}

int(logctx_event_base_dispatch)(struct event_base *base)
{
    return logctx_event_base_loop_at(base, 0, CALLER);
}

int logctx_event_base_loopbreak(struct event_base *base)
{
    struct logctx_libevent *loop = base ? logctx__libevent_of_base(base) : NULL;
    if (!loop)
        logctx_report_misuse("logctx_event_base_loopbreak() got NULL, or a base that is not attached", CALLER);
    if (!base)
        return -1;
    if (!loop || logctx__libevent_is_here(loop))
        return event_base_loopbreak(base);
    event_active(&loop->breaker, EV_TIMEOUT, 1);
    return 0;
}
