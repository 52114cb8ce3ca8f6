// The loops: a main context's poll bracketed for the core. GLib gives a poll function no user data, and neither the thread
// (which may run several main contexts, one inside the other) nor the descriptors say whose poll it is: so each attached
// main context has a poll function of its own, out of a fixed set.
//
// A loop's fields are written under `mutex` before its state becomes ATTACHED (release), and read by whatever thread polls
// once it has seen that (acquire). TSan and valgrind do not see GLib's own locks.
//
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "glib_parts.h"

// PASSING_ON: somebody may still call our poll function, so the loop keeps its place for ever.
enum loop_state { FREE, ATTACHED, PASSING_ON };

struct logctx_glib {
    atomic_int state;
    unsigned attachment; // which one it is: a place is used again
    GMainContext *context;
    GPollFunc poll;   // the one that was there
    GSource *watcher; // ours, for the turns without a poll
    const logctx_site_t *site;
    logctx_timers_t timers;
    char name[64];
};

enum { LOOPS = 64 };
static struct logctx_glib loops[LOOPS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned attachments;

// Whose name this thread has; `told` once it was reported that it runs a loop that is not attached.
static _Thread_local struct {
    const struct logctx_glib *loop;
    unsigned attachment;
    bool told;
} polled;

static gint poll_loop(struct logctx_glib *loop, GPollFD *fds, guint count, gint timeout)
{
    int state = atomic_load_explicit(&loop->state, memory_order_acquire);
    if (unlikely(state != ATTACHED))
        return (state == PASSING_ON ? loop->poll : g_poll)(fds, count, timeout);
    if (unlikely(polled.loop != loop || polled.attachment != loop->attachment)) {
        logctx_set_loop_name(loop->name);
        polled.loop = loop;
        polled.attachment = loop->attachment;
    }
    logctx_poll_begin_at(loop->site);
    gint ready = loop->poll(fds, count, timeout);
    int error = errno; // GLib looks at it
    logctx_poll_end();
    errno = error;
    return ready;
}

// GLib leaves out the poll while something of a priority below 0 is ready, and a host may poll by itself. Each turn begins by
// asking the sources, first the one of the highest priority: ours.
struct watcher {
    GSource source;
    struct logctx_glib *loop;
};

static gboolean watch_turn(GSource *source, gint *timeout)
{
    const struct logctx_glib *loop = ((const struct watcher *)(const void *)source)->loop;
    *timeout = -1;
    if (likely(atomic_load_explicit(&loop->state, memory_order_acquire) == ATTACHED))
        logctx_loop_check_at(loop->site);
    return FALSE;
}

static GSourceFuncs watcher_type = {watch_turn, NULL, NULL, NULL, NULL, NULL};

static GSource *new_watcher(struct logctx_glib *loop)
{
    GSource *source = g_source_new(&watcher_type, sizeof(struct watcher));
    ((struct watcher *)(void *)source)->loop = loop;
    g_source_set_priority(source, G_MININT);
    g_source_set_name(source, "logctx");
    g_source_attach(source, loop->context);
    return source;
}

#define EIGHT(X, n) X(n##0) X(n##1) X(n##2) X(n##3) X(n##4) X(n##5) X(n##6) X(n##7)
#define EACH_LOOP(X)                                                                                                   \
    EIGHT(X, 0) EIGHT(X, 01) EIGHT(X, 02) EIGHT(X, 03) EIGHT(X, 04) EIGHT(X, 05) EIGHT(X, 06) EIGHT(X, 07)
#define LOGCTX_X(n)                                                                                                    \
    static gint poll_##n(GPollFD *fds, guint count, gint timeout)                                                      \
    {                                                                                                                  \
        return poll_loop(&loops[n], fds, count, timeout);                                                              \
    }
EACH_LOOP(LOGCTX_X)
#undef LOGCTX_X

static const GPollFunc polls[LOOPS] = {
#define LOGCTX_X(n) [n] = poll_##n,
    EACH_LOOP(LOGCTX_X)
#undef LOGCTX_X
};

static struct logctx_glib *loop_of(const GMainContext *context)
{
    for (int i = 0; i < LOOPS; i++)
        if (atomic_load_explicit(&loops[i].state, memory_order_acquire) == ATTACHED && loops[i].context == context)
            return &loops[i];
    return NULL;
}

static struct logctx_glib *free_loop(void)
{
    for (int i = 0; i < LOOPS; i++)
        if (atomic_load_explicit(&loops[i].state, memory_order_acquire) == FREE)
            return &loops[i];
    return NULL;
}

// Under `mutex`.
static const char *attach(struct logctx_glib **out, GMainContext *context, const char *name, const logctx_site_t *site)
{
    if (loop_of(context))
        return "logctx_glib_attach() got a main context that is attached already; detach it before, or keep what the "
               "first call returned";
    struct logctx_glib *loop = free_loop();
    if (!loop)
        return "logctx_glib_attach() has attached 64 main contexts and has no place for another; detach those that are "
               "no longer used";
    loop->attachment = ++attachments;
    loop->context = g_main_context_ref(context);
    loop->poll = g_main_context_get_poll_func(context);
    loop->site = site;
    loop->timers = logctx__glib_timers_of(loop);
    snprintf(loop->name, sizeof loop->name, "%s", name && *name ? name : "loop");
    loop->watcher = new_watcher(loop);
    atomic_store_explicit(&loop->state, ATTACHED, memory_order_release);
    g_main_context_set_poll_func(context, polls[loop - loops]);
    *out = loop;
    return NULL;
}

logctx_glib_t *logctx_glib_attach_at(GMainContext *context, const char *name, const logctx_site_t *site)
{
    struct logctx_glib *loop = NULL;
    pthread_mutex_lock(&mutex);
    const char *problem = attach(&loop, context ? context : g_main_context_default(), name, site);
    pthread_mutex_unlock(&mutex);
    if (problem)
        logctx_report_misuse(problem, site);
    return loop;
}

logctx_glib_t *(logctx_glib_attach)(GMainContext *context, const char *name)
{
    return logctx_glib_attach_at(context, name, SITE_OF_CALLER);
}

// Under `mutex`. The main context to be unreferenced, which may free it and call anybody, or NULL.
static GMainContext *detach(struct logctx_glib *loop, const char **problem)
{
    if (!loop || atomic_load_explicit(&loop->state, memory_order_acquire) != ATTACHED) {
        *problem = "logctx_glib_detach() got NULL, or a loop that is not attached; call it once for each "
                   "logctx_glib_attach()";
        return NULL;
    }
    GMainContext *context = loop->context;
    int state = FREE;
    if (g_main_context_acquire(context)) {
        g_main_context_release(context);
    } else {
        *problem = "logctx_glib_detach() was called while another thread ran the main context; detach on that thread, "
                   "or when its loop has ended";
        state = PASSING_ON;
    }
    if (g_main_context_get_poll_func(context) == polls[loop - loops]) {
        g_main_context_set_poll_func(context, loop->poll);
    } else {
        *problem = "logctx_glib_detach() found another poll function than its own; put back what "
                   "g_main_context_get_poll_func() returned to you before you detach";
        state = PASSING_ON;
    }
    g_source_destroy(loop->watcher);
    g_source_unref(loop->watcher);
    loop->context = NULL;
    atomic_store_explicit(&loop->state, state, memory_order_release);
    return context;
}

void logctx_glib_detach_at(logctx_glib_t *loop, const logctx_site_t *site)
{
    const char *problem = NULL;
    pthread_mutex_lock(&mutex);
    GMainContext *context = detach(loop, &problem);
    pthread_mutex_unlock(&mutex);
    if (polled.loop == loop)
        polled.loop = NULL;
    if (problem)
        logctx_report_misuse(problem, site);
    if (context)
        g_main_context_unref(context);
}

void(logctx_glib_detach)(logctx_glib_t *loop)
{
    logctx_glib_detach_at(loop, SITE_OF_CALLER);
}

GMainContext *logctx__glib_context(const struct logctx_glib *loop)
{
    return atomic_load_explicit(&loop->state, memory_order_acquire) == ATTACHED ? loop->context : NULL;
}

const logctx_timers_t *logctx_glib_timers(logctx_glib_t *loop)
{
    if (loop && atomic_load_explicit(&loop->state, memory_order_acquire) == ATTACHED)
        return &loop->timers;
    logctx_report_misuse(
        "logctx_glib_timers() got NULL, or a loop that is not attached; pass what logctx_glib_attach() "
        "returned",
        SITE_OF_CALLER);
    return NULL;
}

// An unwrapped callback has left its context, and a wrapped one is next: found now, nothing more is charged to the stranger.
static __attribute__((noinline)) void look_closer(const logctx_site_t *armed)
{
    GSource *source = g_main_current_source();
    GMainContext *context = source && !g_source_is_destroyed(source) ? g_source_get_context(source) : NULL;
    const struct logctx_glib *loop = context ? loop_of(context) : NULL;
    logctx_loop_check_at(loop ? loop->site : armed);
    if (loop || polled.loop || polled.told)
        return;
    polled.told = true;
    logctx_report_misuse("a callback runs in a main context that is not attached, so leaks to its loop are not found; "
                         "call logctx_glib_attach() before the loop runs",
                         armed);
}

void logctx__glib_dispatching(const logctx_site_t *armed)
{
    if (unlikely(!polled.loop || !logctx_is_sentinel(logctx_current())))
        look_closer(armed);
}

void logctx_g_main_loop_run_at(GMainLoop *loop, const logctx_site_t *site)
{
    if (!loop)
        logctx_report_misuse("logctx_g_main_loop_run() got NULL; pass what g_main_loop_new() returned", site);
    logctx_preserve_t block = logctx_preserve_enter_at(logctx_sentinel(), site);
    g_main_loop_run(loop);
    logctx_loop_check_at(site); // of the last callback, after which there was no turn
    logctx_preserve_exit_at(&block, site);
}

void(logctx_g_main_loop_run)(GMainLoop *loop)
{
    logctx_g_main_loop_run_at(loop, SITE_OF_CALLER);
}

gboolean logctx_g_main_context_iteration_at(GMainContext *context, gboolean may_block, const logctx_site_t *site)
{
    logctx_preserve_t block = logctx_preserve_enter_at(logctx_sentinel(), site);
    gboolean dispatched = g_main_context_iteration(context, may_block);
    logctx_loop_check_at(site);
    logctx_preserve_exit_at(&block, site);
    return dispatched;
}

gboolean(logctx_g_main_context_iteration)(GMainContext *context, gboolean may_block)
{
    return logctx_g_main_context_iteration_at(context, may_block, SITE_OF_CALLER);
}

gboolean logctx_g_main_context_pending_at(GMainContext *context, const logctx_site_t *site)
{
    logctx_preserve_t block = logctx_preserve_enter_at(logctx_sentinel(), site);
    gboolean pending = g_main_context_pending(context);
    logctx_preserve_exit_at(&block, site);
    return pending;
}

gboolean(logctx_g_main_context_pending)(GMainContext *context)
{
    return logctx_g_main_context_pending_at(context, SITE_OF_CALLER);
}
