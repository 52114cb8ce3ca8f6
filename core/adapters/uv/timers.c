// What the core does with time on a libuv loop: its logctx_timers_t. The handles are the library's, and used again: a timer
// that has called back or was stopped waits for the next one. On the loop's thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "attached.h"

#include <stdlib.h>

struct timer {
    uv_timer_t handle; // first: its address is the timer's
    logctx_uv_t *owner;
    struct timer *next_idle;
    void (*fn)(void *arg);
    void *arg;
};

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

// Of a detached loop nothing is started any more.
static void put_back(struct timer *timer)
{
    timer->owner->timers_due--;
    if (timer->owner->detached) {
        uv_close((uv_handle_t *)&timer->handle, closed);
        return;
    }
    timer->next_idle = timer->owner->idle_timers;
    timer->owner->idle_timers = timer;
}

static struct timer *get(logctx_uv_t *owner)
{
    struct timer *timer = owner->idle_timers;
    if (timer) {
        owner->idle_timers = timer->next_idle;
        return timer;
    }
    timer = calloc(1, sizeof *timer);
    if (!timer)
        return NULL;
    uv_timer_init(owner->loop, &timer->handle);
    timer->handle.data = timer;
    timer->owner = owner;
    return timer;
}

// The function may start another one, or detach the loop; it is the core's, and leaves the sentinel.
static void on_due(uv_timer_t *handle)
{
    struct timer *timer = handle->data;
    logctx_uv_t *owner = timer->owner;
    void (*fn)(void *arg) = timer->fn;
    void *arg = timer->arg;
    logctx_loop_check_at(owner->site);
    put_back(timer);
    owner->timers_due++; // until it has returned, so that the owner lives
    fn(arg);
    owner->timers_due--;
    logctx__uv_taken(owner);
}

// libuv counts whole milliseconds from when the loop woke up, which may be a while ago.
static uint64_t timeout_of(const uv_loop_t *loop, uint64_t delay_ns)
{
    uint64_t ms = delay_ns / 1000000 + (delay_ns % 1000000 != 0);
    uint64_t now = uv_hrtime() / 1000000, woke = uv_now(loop);
    return now > woke ? ms + (now - woke) : ms;
}

static bool is_here(const logctx_uv_t *owner)
{
    const logctx_uv_t *attached = logctx__uv_mine;
    while (attached && attached != owner)
        attached = attached->next_mine;
    if (attached)
        return true;
    logctx_report_misuse(
        "a timer was asked of a loop by another thread than that which attached it, and is not started; "
        "wake the loop by uv_async_send(), and ask there",
        NULL);
    return false;
}

static void *start(void *user, uint64_t delay_ns, void (*fn)(void *arg), void *arg)
{
    logctx_uv_t *owner = user;
    struct timer *timer = is_here(owner) && !owner->detached ? get(owner) : NULL;
    if (!timer)
        return NULL;
    timer->fn = fn;
    timer->arg = arg;
    owner->timers_due++;
    uv_timer_start(&timer->handle, on_due, timeout_of(owner->loop, delay_ns), 0);
    return timer;
}

static void stop(void *user, void *handle)
{
    logctx_uv_t *owner = user;
    struct timer *timer = handle;
    uv_timer_stop(&timer->handle);
    put_back(timer);
    logctx__uv_taken(owner);
}

void logctx__uv_timers_open(logctx_uv_t *attached)
{
    attached->timers = (logctx_timers_t){sizeof attached->timers, start, stop, attached};
}

void logctx__uv_timers_close(logctx_uv_t *attached)
{
    for (struct timer *timer = attached->idle_timers; timer; timer = timer->next_idle)
        uv_close((uv_handle_t *)&timer->handle, closed);
    attached->idle_timers = NULL;
}

const logctx_timers_t *logctx_uv_timers(logctx_uv_t *attached)
{
    if (attached)
        return &attached->timers;
    logctx_report_misuse("logctx_uv_timers() got NULL; pass what logctx_uv_attach() returned",
                         logctx_site_of_caller(__builtin_return_address(0)));
    return NULL;
}
