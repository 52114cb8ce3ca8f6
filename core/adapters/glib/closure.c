// The closure: a callback of a source, with the context that armed it. Counted, because GLib holds it while it dispatches.
// Written by who arms it, read by the thread that dispatches, in the order that `refs` makes.
//
// GLib asks a closure for its function and data right before it dispatches. The function that it gets is ours, by the type
// of the source; the data are the host's own, so that g_source_remove_by_user_data() and g_idle_remove_by_data() find them.
// Which closure it is, our function learns from `asked`. Sources whose type of callback is unknown keep their function, and
// get a dispatch of ours instead.
//
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "glib_parts.h"

struct closure {
    atomic_uint refs;
    GSourceFunc caller;
    GSourceFunc function;
    gpointer data;
    GDestroyNotify notify;
    logctx_capture_t capture;
    gint64 real_us; // GLib's clock and ours when it was armed, then when it was last called
    uint64_t ours_ns;
};

// The closure that GLib asked last on this thread, which holds it until its dispatch is over.
static _Thread_local struct {
    struct closure *closure;
    const GSource *source;
    gint64 ready_time;
} asked;

static void closure_ref(gpointer data)
{
    struct closure *closure = data;
    atomic_fetch_add_explicit(&closure->refs, 1, memory_order_acq_rel);
}

static void closure_unref(gpointer data)
{
    struct closure *closure = data;
    if (atomic_fetch_sub_explicit(&closure->refs, 1, memory_order_acq_rel) > 1)
        return;
    logctx_capture_clear(&closure->capture);
    if (closure->notify) {
        struct call call = call_begin_in_sentinel(closure->capture.site);
        closure->notify(closure->data);
        call_end(&call);
    }
    free(closure);
}

// The main context is locked: nothing may call out here.
static void closure_get(gpointer data, GSource *source, GSourceFunc *function, gpointer *user_data)
{
    struct closure *closure = data;
    asked.closure = closure;
    asked.source = source;
    asked.ready_time = g_source_get_ready_time(source);
    *function = closure->caller;
    *user_data = closure->data;
}

static GSourceCallbackFuncs closure_funcs = {closure_ref, closure_unref, closure_get};

static void look_at_clocks(struct closure *closure)
{
    closure->real_us = g_get_monotonic_time();
    closure->ours_ns = logctx_now_ns();
}

// When the source was due, by the library's clock, which a test may have stopped: as long after the last look at the clocks
// as GLib's was. 0: it waited for no time, or something else came first. A timeout's interval has whole milliseconds, and
// began right before that look.
static uint64_t due(const struct closure *closure, const GSource *source, gint64 ready_time)
{
    gint64 lead_us = ready_time - closure->real_us;
    if (lead_us < 0 || ready_time > g_get_monotonic_time())
        return 0;
    if (source->source_funcs == &g_timeout_funcs)
        lead_us = (lead_us + 999) / 1000 * 1000;
    return closure->ours_ns + (uint64_t)lead_us * 1000;
}

static struct closure *begin(struct call *call)
{
    struct closure *closure = asked.closure;
    logctx__glib_dispatching(closure->capture.site);
    if (asked.ready_time > 0) {
        logctx_loop_ran(due(closure, asked.source, asked.ready_time));
        look_at_clocks(closure);
    } else {
        logctx_loop_ran(0);
    }
    call_begin(call, &closure->capture);
    return closure;
}

static gboolean call_plain(gpointer data)
{
    struct call call;
    const struct closure *closure = begin(&call);
    gboolean again = closure->function(data);
    call_end(&call);
    return again;
}

static gboolean call_once(gpointer data)
{
    struct call call;
    struct closure *closure = begin(&call);
    logctx_capture_clear(&closure->capture);
    ((void (*)(gpointer))(void (*)(void))closure->function)(data);
    call_end(&call);
    return G_SOURCE_REMOVE;
}

static gboolean call_io(GIOChannel *channel, GIOCondition condition, gpointer data)
{
    struct call call;
    const struct closure *closure = begin(&call);
    gboolean again = ((GIOFunc)(void (*)(void))closure->function)(channel, condition, data);
    call_end(&call);
    return again;
}

static gboolean call_fd(gint fd, GIOCondition condition, gpointer data)
{
    struct call call;
    const struct closure *closure = begin(&call);
    gboolean again = ((GUnixFDSourceFunc)(void (*)(void))closure->function)(fd, condition, data);
    call_end(&call);
    return again;
}

static void call_child(GPid pid, gint status, gpointer data)
{
    struct call call;
    struct closure *closure = begin(&call);
    logctx_capture_clear(&closure->capture);
    ((GChildWatchFunc)(void (*)(void))closure->function)(pid, status, data);
    call_end(&call);
}

const GSourceFunc logctx__glib_call_plain = call_plain, logctx__glib_call_once = call_once,
                  logctx__glib_call_io = AS_FUNCTION(call_io), logctx__glib_call_fd = AS_FUNCTION(call_fd),
                  logctx__glib_call_child = AS_FUNCTION(call_child);

bool logctx__glib_arm(GSource *source, GSourceFunc caller, GSourceFunc function, gpointer data, GDestroyNotify notify,
                      const logctx_site_t *site)
{
    struct closure *closure = calloc(1, sizeof *closure);
    if (!closure)
        return false;
    closure->caller = caller;
    closure->function = function;
    closure->data = data;
    closure->notify = notify;
    logctx_capture_init(&closure->capture, site);
    look_at_clocks(closure);
    atomic_store_explicit(&closure->refs, 1, memory_order_release);
    g_source_set_callback_indirect(source, closure, &closure_funcs);
    return true;
}

// ---- sources of other types ----

// GLib's table of a type of sources, with a dispatch of ours. One for each type, for ever; `next` is constant.
struct other_type {
    GSourceFuncs funcs; // first: a source's table leads here
    GSourceFuncs *real;
    struct other_type *next;
};
enum { OTHER_TYPES = 256 }; // a program that makes a table for each source must not fill the memory
static _Atomic(struct other_type *) other_types;
static unsigned other_type_count;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

// Says that the closure asked last is the one to be dispatched, as opposed to a callback that was set without us.
static gboolean call_other(gpointer data)
{
    (void)data;
    return G_SOURCE_REMOVE;
}

static gboolean dispatch_other(GSource *source, GSourceFunc function, gpointer data)
{
    const struct other_type *type = (const struct other_type *)(const void *)source->source_funcs;
    if (function != call_other)
        return type->real->dispatch(source, function, data);
    struct call call;
    const struct closure *closure = begin(&call);
    gboolean again = type->real->dispatch(source, closure->function, data);
    call_end(&call);
    return again;
}

static struct other_type *find_other_type(GSourceFuncs *real)
{
    struct other_type *type = atomic_load_explicit(&other_types, memory_order_acquire);
    while (type && type->real != real)
        type = type->next;
    return type;
}

// Under `mutex`.
static struct other_type *new_other_type(GSourceFuncs *real)
{
    struct other_type *type = other_type_count < OTHER_TYPES ? calloc(1, sizeof *type) : NULL;
    if (!type)
        return NULL;
    type->funcs = *real;
    type->funcs.dispatch = dispatch_other;
    type->real = real;
    type->next = atomic_load_explicit(&other_types, memory_order_relaxed);
    atomic_store_explicit(&other_types, type, memory_order_release);
    other_type_count++;
    return type;
}

// Whether the source dispatches through us, now or already.
static bool adopt(GSource *source)
{
    if (source->source_funcs->dispatch == dispatch_other)
        return true;
    if (!source->source_funcs->dispatch || g_source_is_destroyed(source) || g_source_get_context(source))
        return false;
    GSourceFuncs *real = (GSourceFuncs *)source->source_funcs;
    struct other_type *type = find_other_type(real);
    if (!type) {
        pthread_mutex_lock(&mutex);
        type = find_other_type(real);
        if (!type)
            type = new_other_type(real);
        pthread_mutex_unlock(&mutex);
    }
    if (type)
        g_source_set_funcs(source, &type->funcs);
    return type != NULL;
}

static GSourceFunc caller_of(const GSource *source)
{
    const GSourceFuncs *type = source->source_funcs;
    if (type == &g_timeout_funcs || type == &g_idle_funcs || type == &g_unix_signal_funcs)
        return logctx__glib_call_plain;
    if (type == &g_io_watch_funcs)
        return logctx__glib_call_io;
    if (type == &g_unix_fd_source_funcs)
        return logctx__glib_call_fd;
    return type == &g_child_watch_funcs ? logctx__glib_call_child : NULL;
}

void logctx_g_source_set_callback_at(GSource *source, GSourceFunc function, gpointer data, GDestroyNotify notify,
                                     const logctx_site_t *site)
{
    GSourceFunc caller = source && function ? caller_of(source) : NULL;
    if (!source || !function) {
        logctx_report_misuse("logctx_g_source_set_callback() got NULL for the source or the function; pass both", site);
    } else if (!caller && adopt(source)) {
        caller = call_other;
    } else if (!caller) {
        logctx_report_misuse("logctx_g_source_set_callback() got a source of a type of its own that is attached "
                             "already, or there is no memory, or 256 types are known; set its callback before "
                             "g_source_attach(), and use one GSourceFuncs for all sources of a type. It runs without "
                             "its context",
                             site);
    }
    if (!caller || !logctx__glib_arm(source, caller, function, data, notify, site))
        g_source_set_callback(source, function, data, notify);
}

void(logctx_g_source_set_callback)(GSource *source, GSourceFunc function, gpointer data, GDestroyNotify notify)
{
    logctx_g_source_set_callback_at(source, function, data, notify, SITE_OF_CALLER);
}
