/*
 * logctx/gio.h: contexts in what GIO and GObject call back: results of asynchronous functions, tasks in threads, signals.
 * Link logctx::gio (pkg-config: logctx-gio). For the main loop itself there is logctx/glib.h; docs/adapters/glib.md
 * explains both.
 *
 * Callbacks run where logctx/glib.h says that they do. Unless it says otherwise, a function leaves the current context as it
 * was.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_GIO_H
#define LOGCTX_GIO_H

#include <gio/gio.h>
#include <logctx/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A callback for one asynchronous call: pass logctx_g_async_call and what the second returns as the last two arguments.
 *
 *     g_input_stream_read_async(stream, buffer, size, priority, cancellable, logctx_g_async_call,
 *                               logctx_g_async_bind(on_read, request));
 *
 * `callback` may be NULL, as in GIO; then nothing runs. The context is released before the callback begins.
 * If the context has finished by then, that is reported as restarted_finished, but for results that only tell that something
 * is over: of GIO's functions that write, flush or close an output or I/O stream, and of every task whose GCancellable is cancelled. These
 * run in the sentinel then, and nothing is reported.
 * Thread: any; the callback runs on the thread whose main context GIO takes. Owner: given up to the asynchronous call, which
 * calls back once; logctx_g_async_free() is for a pair that was never passed. `user_data` stays the caller's.
 * Errors: NULL without memory; logctx_g_async_call() reports that, and calls nothing.
 * Budget: one allocation; one switch there and one back.
 */
LOGCTX_API gpointer logctx_g_async_bind(GAsyncReadyCallback callback, gpointer user_data)
    __attribute__((warn_unused_result));
LOGCTX_API gpointer logctx_g_async_bind_at(GAsyncReadyCallback callback, gpointer user_data, const logctx_site_t *site)
    __attribute__((warn_unused_result));
LOGCTX_API void logctx_g_async_call(GObject *source_object, GAsyncResult *result, gpointer bound);
LOGCTX_API void logctx_g_async_free(gpointer bound);

/*
 * g_task_run_in_thread(), and its synchronous form, for the current context: the function runs in a child of it, of type
 * `thread`, which ends before the task's callback is called. That callback is whoever made the task's: make it one of
 * logctx_g_async_bind().
 * Errors: on the worker threadpool_from_sentinel if no context was current; context_lost or unexpected_context if the
 * function leaves another context behind; invalid_use for NULL, which is passed on.
 */
LOGCTX_API void logctx_g_task_run_in_thread(GTask *task, GTaskThreadFunc function);
LOGCTX_API void logctx_g_task_run_in_thread_at(GTask *task, GTaskThreadFunc function, const logctx_site_t *site);
LOGCTX_API void logctx_g_task_run_in_thread_sync(GTask *task, GTaskThreadFunc function);
LOGCTX_API void logctx_g_task_run_in_thread_sync_at(GTask *task, GTaskThreadFunc function, const logctx_site_t *site);

/*
 * Connect a handler that runs in the context that connects it, whoever emits the signal. What was current is current again
 * after it. The context is released when the handler is disconnected or the object goes: connect in the sentinel what
 * outlives a request. All of g_signal_handler_* and g_signal_handlers_* finds it by handler and data. `destroy` (or NULL) is
 * called in whatever context disconnects. One thread at a time emits the signal.
 * Errors: 0 and GLib's message if there is no such signal; invalid_use for NULL.
 */
LOGCTX_API gulong logctx_g_signal_connect(gpointer instance, const gchar *signal, GCallback handler, gpointer data);
LOGCTX_API gulong logctx_g_signal_connect_data(gpointer instance, const gchar *signal, GCallback handler, gpointer data,
                                               GClosureNotify destroy, GConnectFlags flags);
LOGCTX_API gulong logctx_g_signal_connect_data_at(gpointer instance, const gchar *signal, GCallback handler,
                                                  gpointer data, GClosureNotify destroy, GConnectFlags flags,
                                                  const logctx_site_t *site);

#define logctx_g_async_bind(callback, user_data) logctx_g_async_bind_at((callback), (user_data), LOGCTX_HERE)
#define logctx_g_task_run_in_thread(task, function) logctx_g_task_run_in_thread_at((task), (function), LOGCTX_HERE)
#define logctx_g_task_run_in_thread_sync(task, function)                                                               \
    logctx_g_task_run_in_thread_sync_at((task), (function), LOGCTX_HERE)
#define logctx_g_signal_connect(instance, signal, handler, data)                                                       \
    logctx_g_signal_connect_data_at((instance), (signal), (handler), (data), NULL, (GConnectFlags)0, LOGCTX_HERE)
#define logctx_g_signal_connect_data(instance, signal, handler, data, destroy, flags)                                  \
    logctx_g_signal_connect_data_at((instance), (signal), (handler), (data), (destroy), (flags), LOGCTX_HERE)

#ifdef __cplusplus
}
#endif
#endif
