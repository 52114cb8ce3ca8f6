// What GIO and GObject call back, in the context that asked for it. Each object here belongs to the call, the task or the
// handler that it was made for; what a worker reads was written before `ready` was (release), since TSan does not see
// GLib's own locks.
//
// SPDX-License-Identifier: Apache-2.0
#include <logctx/gio.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "call.h"

// ---- asynchronous calls ----

struct async {
    atomic_bool ready;
    logctx_capture_t capture;
    GAsyncReadyCallback callback;
    gpointer user_data;
};

gpointer logctx_g_async_bind_at(GAsyncReadyCallback callback, gpointer user_data, const logctx_site_t *site)
{
    struct async *async = calloc(1, sizeof *async);
    if (!async)
        return NULL;
    logctx_capture_init(&async->capture, site);
    async->callback = callback;
    async->user_data = user_data;
    atomic_store_explicit(&async->ready, true, memory_order_release);
    return async;
}

gpointer(logctx_g_async_bind)(GAsyncReadyCallback callback, gpointer user_data)
{
    return logctx_g_async_bind_at(callback, user_data, SITE_OF_CALLER);
}

void logctx_g_async_free(gpointer bound)
{
    struct async *async = bound;
    if (!async)
        return;
    logctx_capture_clear(&async->capture);
    free(async);
}

// The functions of GIO that tell only that something was written or closed. They tag their tasks with themselves.
static bool is_writing_or_closing(gpointer tag)
{
    const GCallback functions[] = {
        G_CALLBACK(g_output_stream_write_async),       G_CALLBACK(g_output_stream_write_all_async),
        G_CALLBACK(g_output_stream_writev_async),      G_CALLBACK(g_output_stream_writev_all_async),
        G_CALLBACK(g_output_stream_write_bytes_async), G_CALLBACK(g_output_stream_flush_async),
        G_CALLBACK(g_output_stream_close_async),       G_CALLBACK(g_io_stream_close_async),
    };
    for (size_t i = 0; i < G_N_ELEMENTS(functions); i++)
        if (tag == (gpointer)functions[i])
            return true;
    return false;
}

// Such results, and those of what was cancelled, may come when whoever asked has ended.
static bool tells_that_it_is_over(GAsyncResult *result)
{
    if (!G_IS_TASK(result))
        return false;
    GCancellable *cancellable = g_task_get_cancellable(G_TASK(result));
    return (cancellable && g_cancellable_is_cancelled(cancellable)) ||
           is_writing_or_closing(g_task_get_source_tag(G_TASK(result)));
}

void logctx_g_async_call(GObject *source_object, GAsyncResult *result, gpointer bound)
{
    struct async *async = bound;
    if (!async || !atomic_load_explicit(&async->ready, memory_order_acquire)) {
        logctx_report_misuse(
            "logctx_g_async_call() got NULL; pass it with what logctx_g_async_bind() returned, which is "
            "NULL only without memory",
            NULL);
        return;
    }
    GAsyncReadyCallback callback = async->callback;
    gpointer user_data = async->user_data;
    struct call call;
    logctx_loop_ran(0);
    if (tells_that_it_is_over(result))
        call_begin_unless_finished(&call, &async->capture);
    else
        call_begin(&call, &async->capture);
    logctx_g_async_free(async);
    if (callback)
        callback(source_object, result, user_data);
    call_end(&call);
}

// ---- tasks ----

struct work {
    atomic_bool ready;
    logctx_t *caller;
    const logctx_site_t *site;
    GTaskThreadFunc function;
};

static void free_work(gpointer data)
{
    struct work *work = data;
    logctx_unref(work->caller);
    free(work);
}

static GQuark work_of_task(void)
{
    return g_quark_from_static_string("logctx-work");
}

static void run_work(GTask *task, gpointer source_object, gpointer task_data, GCancellable *cancellable)
{
    struct work *work = g_object_steal_qdata(G_OBJECT(task), work_of_task());
    if (!work || !atomic_load_explicit(&work->ready, memory_order_acquire)) {
        logctx_report_misuse("a task ran a second time in a thread; run each GTask once", NULL);
        return;
    }
    GTaskThreadFunc function = work->function;
    logctx_scope_t scope = logctx_scope_begin(logctx_new_on_thread_at(work->caller, work->site), work->site);
    free_work(work);
    function(task, source_object, task_data, cancellable);
    logctx_scope_end(&scope);
}

// What to run: `function` itself if there is nothing to be kept.
static GTaskThreadFunc prepare(GTask *task, GTaskThreadFunc function, const logctx_site_t *site)
{
    if (!task || !function) {
        logctx_report_misuse("logctx_g_task_run_in_thread() got NULL for the task or the function; pass both", site);
        return function;
    }
    struct work *work = calloc(1, sizeof *work);
    if (!work)
        return function;
    work->caller = logctx_ref(logctx_current());
    work->site = site;
    work->function = function;
    atomic_store_explicit(&work->ready, true, memory_order_release);
    g_object_set_qdata_full(G_OBJECT(task), work_of_task(), work, free_work);
    return run_work;
}

void logctx_g_task_run_in_thread_at(GTask *task, GTaskThreadFunc function, const logctx_site_t *site)
{
    g_task_run_in_thread(task, prepare(task, function, site));
}

void(logctx_g_task_run_in_thread)(GTask *task, GTaskThreadFunc function)
{
    logctx_g_task_run_in_thread_at(task, function, SITE_OF_CALLER);
}

void logctx_g_task_run_in_thread_sync_at(GTask *task, GTaskThreadFunc function, const logctx_site_t *site)
{
    g_task_run_in_thread_sync(task, prepare(task, function, site));
}

void(logctx_g_task_run_in_thread_sync)(GTask *task, GTaskThreadFunc function)
{
    logctx_g_task_run_in_thread_sync_at(task, function, SITE_OF_CALLER);
}

// ---- signals ----

// Beside the handler's closure. GObject calls before() and after() around the outermost of calls within each other.
struct handler {
    logctx_capture_t capture;
    struct call call;
};

static void before(gpointer data, GClosure *closure)
{
    (void)closure;
    struct handler *handler = data;
    call_begin(&handler->call, &handler->capture);
}

static void after(gpointer data, GClosure *closure)
{
    (void)closure;
    struct handler *handler = data;
    call_end(&handler->call);
}

static void disconnected(gpointer data, GClosure *closure)
{
    (void)closure;
    struct handler *handler = data;
    logctx_capture_clear(&handler->capture);
}

static void gone(gpointer data, GClosure *closure)
{
    (void)closure;
    free(data);
}

gulong logctx_g_signal_connect_data_at(gpointer instance, const gchar *signal, GCallback handler, gpointer data,
                                       GClosureNotify destroy, GConnectFlags flags, const logctx_site_t *site)
{
    struct handler *ours = instance && signal && handler ? calloc(1, sizeof *ours) : NULL;
    if (!ours) {
        if (!instance || !signal || !handler)
            logctx_report_misuse("logctx_g_signal_connect() got NULL for the instance, the signal or the handler",
                                 site);
        return g_signal_connect_data(instance, signal, handler, data, destroy, flags);
    }
    logctx_capture_init(&ours->capture, site);
    GClosure *closure = (flags & G_CONNECT_SWAPPED) ? g_cclosure_new_swap(handler, data, destroy)
                                                    : g_cclosure_new(handler, data, destroy);
    g_closure_ref(closure);
    g_closure_sink(closure);
    g_closure_add_marshal_guards(closure, ours, before, ours, after);
    g_closure_add_invalidate_notifier(closure, ours, disconnected);
    g_closure_add_finalize_notifier(closure, ours, gone);
    gulong id = g_signal_connect_closure(instance, signal, closure, (flags & G_CONNECT_AFTER) != 0);
    g_closure_unref(closure); // if it was not connected, this is its end
    return id;
}

gulong(logctx_g_signal_connect_data)(gpointer instance, const gchar *signal, GCallback handler, gpointer data,
                                     GClosureNotify destroy, GConnectFlags flags)
{
    return logctx_g_signal_connect_data_at(instance, signal, handler, data, destroy, flags, SITE_OF_CALLER);
}

gulong(logctx_g_signal_connect)(gpointer instance, const gchar *signal, GCallback handler, gpointer data)
{
    return logctx_g_signal_connect_data_at(instance, signal, handler, data, NULL, (GConnectFlags)0, SITE_OF_CALLER);
}
