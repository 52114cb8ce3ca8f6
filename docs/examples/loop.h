// SPDX-License-Identifier: Apache-2.0
// The smallest loop: timers, and what the library wants to know of a loop. The examples' time is the fake clock's, which
// moves when it is told. One thread.
#ifndef LOOP_H
#define LOOP_H

#include <logctx/logctx.h>
#include <stdlib.h>

struct timer {
    uint64_t due_ns;
    void (*fn)(void *arg);
    void *arg;
    struct timer *next;
};

static struct timer *first_timer; // the soonest

static inline void *start_timer(void *loop, uint64_t delay_ns, void (*fn)(void *arg), void *arg)
{
    (void)loop;
    struct timer *timer = malloc(sizeof *timer), **at = &first_timer;
    if (!timer)
        return NULL;
    *timer = (struct timer){logctx_now_ns() + delay_ns, fn, arg, NULL};
    while (*at && (*at)->due_ns <= timer->due_ns)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
    return timer;
}

static inline void stop_timer(void *loop, void *timer)
{
    (void)loop;
    struct timer **at = &first_timer;
    while (*at != timer)
        at = &(*at)->next;
    *at = (*at)->next;
    free(timer);
}

static const logctx_timers_t timers = {sizeof timers, start_timer, stop_timer, NULL};

// A real loop passes the time to epoll_wait() or poll(), and also runs what is readable.
static inline void wait_until(uint64_t due_ns)
{
    if (due_ns > logctx_now_ns())
        logctx_fake_time((int64_t)(due_ns - logctx_now_ns()));
}

// Runs until no timer is left.
static inline void run_loop(void)
{
    while (first_timer) {
        logctx_poll_begin(); // the sentinel has to be current here
        wait_until(first_timer->due_ns);
        logctx_poll_end();
        struct timer timer = *first_timer;
        stop_timer(NULL, first_timer); // its handle is gone before it is called
        timer.fn(timer.arg);
    }
}

#endif
