// Timers for the core's sleeps and calls: a source each, of a type of our own. On the thread that runs the main context.
//
// SPDX-License-Identifier: Apache-2.0
#include "glib_parts.h"

struct timer {
    GSource source;
    void (*function)(void *arg);
    void *arg;
};

static gboolean run_timer(GSource *source, GSourceFunc function, gpointer data)
{
    (void)function;
    (void)data;
    const struct timer *timer = (const struct timer *)(const void *)source;
    static const logctx_site_t here = {__FILE__, __LINE__, __func__};
    logctx__glib_dispatching(&here);
    timer->function(timer->arg);
    g_source_unref(source);
    return G_SOURCE_REMOVE;
}

static GSourceFuncs timer_type = {NULL, NULL, run_timer, NULL, NULL, NULL};

static gint64 in_us(uint64_t delay_ns)
{
    gint64 now = g_get_monotonic_time();
    uint64_t delay = delay_ns / 1000 + (delay_ns % 1000 != 0);
    return delay < (uint64_t)(G_MAXINT64 - now) ? now + (gint64)delay : G_MAXINT64;
}

static void *start_timer(void *user, uint64_t delay_ns, void (*fn)(void *arg), void *arg)
{
    GMainContext *context = logctx__glib_context(user);
    if (!context)
        return NULL;
    GSource *source = g_source_new(&timer_type, sizeof(struct timer));
    struct timer *timer = (struct timer *)(void *)source;
    timer->function = fn;
    timer->arg = arg;
    g_source_set_ready_time(source, in_us(delay_ns));
    g_source_attach(source, context);
    return source; // with a reference of ours until it ran or is stopped: the main context may go before
}

static void stop_timer(void *user, void *timer)
{
    (void)user;
    g_source_destroy(timer);
    g_source_unref(timer);
}

logctx_timers_t logctx__glib_timers_of(struct logctx_glib *loop)
{
    return (logctx_timers_t){sizeof(logctx_timers_t), start_timer, stop_timer, loop};
}
