/*
 * logctx/glib.h: contexts on GLib's main loop. Link logctx::glib (pkg-config: logctx-glib). docs/adapters/glib.md explains it.
 *
 * Attach a main context once, and call the functions below in place of GLib's: the same names with `logctx_` before them,
 * the same parameters and results. Each captures the context that is current, and the callback runs in it. What GIO calls
 * back is in logctx/gio.h.
 *
 * Where a callback runs, of all functions here that take one: in the context that was current when it was armed, if that
 * one lives on the thread that dispatches; else in the nearest of its parents that does (a worker's callback on the loop
 * runs in the worker's request); else in a child of it, made and finished around each call. What was current before is
 * current again after it. The errors of a callback are those of logctx_resume() and logctx_resume_end(), and name the line
 * that armed it.
 *
 * A GDestroyNotify runs once, in the sentinel, on the thread where GLib calls it: at that time the context of its callback
 * is often over. The context is released before it runs: by then the source is destroyed (it was removed, its callback
 * returned G_SOURCE_REMOVE, it was given another callback, or its main context is gone). `_once` functions and child
 * watches release it before the callback begins.
 *
 * Thread: as for GLib's functions. Unless it says otherwise, a function leaves the current context as it was, and takes
 * over nothing. Wrong use, such as a NULL function, is reported as invalid_use and passed on to GLib, which refuses it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_GLIB_H
#define LOGCTX_GLIB_H

#include <glib-unix.h>
#include <glib.h>
#include <logctx/context.h>
#include <logctx/timers.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the loop ---- */

typedef struct logctx_glib logctx_glib_t;

/*
 * Attach a main context (NULL: the default one): from now on each of its polls is bracketed by logctx_poll_begin() and
 * logctx_poll_end(), so that a context which a callback leaves behind is reported as leaked_to_loop, with the line that
 * made it current and this place; and whatever thread polls it has `name` as its loop's name in the metrics (NULL: "loop").
 * It works by the poll function (set one of your own before), and by a source called "logctx" that is never ready, since
 * GLib has turns without a poll. At most 64 contexts at a time.
 * Thread: any. Owner: the library; valid until logctx_glib_detach(). The main context is referenced until then.
 * Errors: NULL, and invalid_use, if it is attached already or 64 are.
 * Budget: a turn costs one source that GLib asks, and what logctx_poll_begin() and logctx_poll_end() say.
 */
LOGCTX_API logctx_glib_t *logctx_glib_attach(GMainContext *context, const char *name);
LOGCTX_API logctx_glib_t *logctx_glib_attach_at(GMainContext *context, const char *name, const logctx_site_t *site);

/*
 * Give the main context its own poll function back. What was armed stays armed and runs in its contexts.
 * Thread: the one that runs the loop, or any when none does. Errors: invalid_use for NULL, for a second time, while another
 * thread runs the loop, and if somebody has set another poll function since; the latter two keep one of the 64 places.
 */
LOGCTX_API void logctx_glib_detach(logctx_glib_t *loop);
LOGCTX_API void logctx_glib_detach_at(logctx_glib_t *loop, const logctx_site_t *site);

/*
 * The loop's timers, for logctx_sleep(), logctx_call_later() and what else logctx/timers.h has. Their functions run from the
 * main context, at G_PRIORITY_DEFAULT. NULL, and invalid_use, for NULL or a loop that is not attached.
 * Thread: the one that runs the loop. Owner: the loop; what was started with them is over before it is detached.
 */
LOGCTX_API const logctx_timers_t *logctx_glib_timers(logctx_glib_t *loop);

/*
 * A loop inside a callback: the callback's context is put aside, since a loop runs in the sentinel, and is current again on
 * return. In place of a program's outermost g_main_loop_run() the first also finds what the very last callback leaves.
 * Errors: leaked_to_loop, with this place.
 */
LOGCTX_API void logctx_g_main_loop_run(GMainLoop *loop);
LOGCTX_API void logctx_g_main_loop_run_at(GMainLoop *loop, const logctx_site_t *site);
LOGCTX_API gboolean logctx_g_main_context_iteration(GMainContext *context, gboolean may_block);
LOGCTX_API gboolean logctx_g_main_context_iteration_at(GMainContext *context, gboolean may_block,
                                                       const logctx_site_t *site);
/* Asks the sources and polls, as a loop does, but calls nothing back. */
LOGCTX_API gboolean logctx_g_main_context_pending(GMainContext *context);
LOGCTX_API gboolean logctx_g_main_context_pending_at(GMainContext *context, const logctx_site_t *site);

/* ---- sources ---- */

/*
 * Set or replace the callback of a source of any type; `function` has the type that belongs to it. Sources that GLib has no
 * function for below (GIO's, and those of your own) must not be attached yet: else it is reported, and the callback runs in
 * whatever context the loop has.
 * Budget: one allocation to arm, none for each call; a call costs one switch there and one back.
 */
LOGCTX_API void logctx_g_source_set_callback(GSource *source, GSourceFunc function, gpointer data,
                                             GDestroyNotify notify);
LOGCTX_API void logctx_g_source_set_callback_at(GSource *source, GSourceFunc function, gpointer data,
                                                GDestroyNotify notify, const logctx_site_t *site);

/* GLib's functions of these names. Each arms a new source of the default main context and returns its id. */
LOGCTX_API guint logctx_g_timeout_add(guint interval, GSourceFunc function, gpointer data);
LOGCTX_API guint logctx_g_timeout_add_full(gint priority, guint interval, GSourceFunc function, gpointer data,
                                           GDestroyNotify notify);
LOGCTX_API guint logctx_g_timeout_add_full_at(gint priority, guint interval, GSourceFunc function, gpointer data,
                                              GDestroyNotify notify, const logctx_site_t *site);
LOGCTX_API guint logctx_g_timeout_add_seconds(guint interval, GSourceFunc function, gpointer data);
LOGCTX_API guint logctx_g_timeout_add_seconds_full(gint priority, guint interval, GSourceFunc function, gpointer data,
                                                   GDestroyNotify notify);
LOGCTX_API guint logctx_g_timeout_add_seconds_full_at(gint priority, guint interval, GSourceFunc function,
                                                      gpointer data, GDestroyNotify notify, const logctx_site_t *site);
LOGCTX_API guint logctx_g_idle_add(GSourceFunc function, gpointer data);
LOGCTX_API guint logctx_g_idle_add_full(gint priority, GSourceFunc function, gpointer data, GDestroyNotify notify);
LOGCTX_API guint logctx_g_idle_add_full_at(gint priority, GSourceFunc function, gpointer data, GDestroyNotify notify,
                                           const logctx_site_t *site);

/* The same for one call. Errors: 0 without memory. */
LOGCTX_API guint logctx_g_timeout_add_once(guint interval, void (*function)(gpointer data), gpointer data);
LOGCTX_API guint logctx_g_timeout_add_once_at(guint interval, void (*function)(gpointer data), gpointer data,
                                              const logctx_site_t *site);
LOGCTX_API guint logctx_g_idle_add_once(void (*function)(gpointer data), gpointer data);
LOGCTX_API guint logctx_g_idle_add_once_at(void (*function)(gpointer data), gpointer data, const logctx_site_t *site);

LOGCTX_API guint logctx_g_io_add_watch(GIOChannel *channel, GIOCondition condition, GIOFunc function, gpointer data);
LOGCTX_API guint logctx_g_io_add_watch_full(GIOChannel *channel, gint priority, GIOCondition condition,
                                            GIOFunc function, gpointer data, GDestroyNotify notify);
LOGCTX_API guint logctx_g_io_add_watch_full_at(GIOChannel *channel, gint priority, GIOCondition condition,
                                               GIOFunc function, gpointer data, GDestroyNotify notify,
                                               const logctx_site_t *site);
LOGCTX_API guint logctx_g_unix_fd_add(gint fd, GIOCondition condition, GUnixFDSourceFunc function, gpointer data);
LOGCTX_API guint logctx_g_unix_fd_add_full(gint priority, gint fd, GIOCondition condition, GUnixFDSourceFunc function,
                                           gpointer data, GDestroyNotify notify);
LOGCTX_API guint logctx_g_unix_fd_add_full_at(gint priority, gint fd, GIOCondition condition,
                                              GUnixFDSourceFunc function, gpointer data, GDestroyNotify notify,
                                              const logctx_site_t *site);
LOGCTX_API guint logctx_g_unix_signal_add(gint signum, GSourceFunc function, gpointer data);
LOGCTX_API guint logctx_g_unix_signal_add_full(gint priority, gint signum, GSourceFunc function, gpointer data,
                                               GDestroyNotify notify);
LOGCTX_API guint logctx_g_unix_signal_add_full_at(gint priority, gint signum, GSourceFunc function, gpointer data,
                                                  GDestroyNotify notify, const logctx_site_t *site);
LOGCTX_API guint logctx_g_child_watch_add(GPid pid, GChildWatchFunc function, gpointer data);
LOGCTX_API guint logctx_g_child_watch_add_full(gint priority, GPid pid, GChildWatchFunc function, gpointer data,
                                               GDestroyNotify notify);
LOGCTX_API guint logctx_g_child_watch_add_full_at(gint priority, GPid pid, GChildWatchFunc function, gpointer data,
                                                  GDestroyNotify notify, const logctx_site_t *site);

/* ---- threads ---- */

/*
 * Run function(data) on the thread that owns the main context: at once if that is this one (then in the current context),
 * else by an idle source of that priority.
 */
LOGCTX_API void logctx_g_main_context_invoke(GMainContext *context, GSourceFunc function, gpointer data);
LOGCTX_API void logctx_g_main_context_invoke_full(GMainContext *context, gint priority, GSourceFunc function,
                                                  gpointer data, GDestroyNotify notify);
LOGCTX_API void logctx_g_main_context_invoke_full_at(GMainContext *context, gint priority, GSourceFunc function,
                                                     gpointer data, GDestroyNotify notify, const logctx_site_t *site);

/*
 * A thread that works for the current context: function(data) runs in a child of it, of type `thread`, which ends with the
 * thread. For threads that work for nobody in particular there is g_thread_new().
 * Errors: as GLib's; on the new thread threadpool_from_sentinel if no context was current, context_lost or
 * unexpected_context if the function leaves another one behind.
 */
LOGCTX_API GThread *logctx_g_thread_new(const gchar *name, GThreadFunc function, gpointer data);
LOGCTX_API GThread *logctx_g_thread_new_at(const gchar *name, GThreadFunc function, gpointer data,
                                           const logctx_site_t *site);
LOGCTX_API GThread *logctx_g_thread_try_new(const gchar *name, GThreadFunc function, gpointer data, GError **error);
LOGCTX_API GThread *logctx_g_thread_try_new_at(const gchar *name, GThreadFunc function, gpointer data, GError **error,
                                               const logctx_site_t *site);

#define logctx_glib_attach(context, name) logctx_glib_attach_at((context), (name), LOGCTX_HERE)
#define logctx_glib_detach(loop) logctx_glib_detach_at((loop), LOGCTX_HERE)
#define logctx_g_main_loop_run(loop) logctx_g_main_loop_run_at((loop), LOGCTX_HERE)
#define logctx_g_main_context_iteration(context, may_block)                                                            \
    logctx_g_main_context_iteration_at((context), (may_block), LOGCTX_HERE)
#define logctx_g_main_context_pending(context) logctx_g_main_context_pending_at((context), LOGCTX_HERE)
#define logctx_g_source_set_callback(source, function, data, notify)                                                   \
    logctx_g_source_set_callback_at((source), (function), (data), (notify), LOGCTX_HERE)
#define logctx_g_timeout_add(interval, function, data)                                                                 \
    logctx_g_timeout_add_full_at(G_PRIORITY_DEFAULT, (interval), (function), (data), NULL, LOGCTX_HERE)
#define logctx_g_timeout_add_full(priority, interval, function, data, notify)                                          \
    logctx_g_timeout_add_full_at((priority), (interval), (function), (data), (notify), LOGCTX_HERE)
#define logctx_g_timeout_add_seconds(interval, function, data)                                                         \
    logctx_g_timeout_add_seconds_full_at(G_PRIORITY_DEFAULT, (interval), (function), (data), NULL, LOGCTX_HERE)
#define logctx_g_timeout_add_seconds_full(priority, interval, function, data, notify)                                  \
    logctx_g_timeout_add_seconds_full_at((priority), (interval), (function), (data), (notify), LOGCTX_HERE)
#define logctx_g_idle_add(function, data)                                                                              \
    logctx_g_idle_add_full_at(G_PRIORITY_DEFAULT_IDLE, (function), (data), NULL, LOGCTX_HERE)
#define logctx_g_idle_add_full(priority, function, data, notify)                                                       \
    logctx_g_idle_add_full_at((priority), (function), (data), (notify), LOGCTX_HERE)
#define logctx_g_timeout_add_once(interval, function, data)                                                            \
    logctx_g_timeout_add_once_at((interval), (function), (data), LOGCTX_HERE)
#define logctx_g_idle_add_once(function, data) logctx_g_idle_add_once_at((function), (data), LOGCTX_HERE)
#define logctx_g_io_add_watch(channel, condition, function, data)                                                      \
    logctx_g_io_add_watch_full_at((channel), G_PRIORITY_DEFAULT, (condition), (function), (data), NULL, LOGCTX_HERE)
#define logctx_g_io_add_watch_full(channel, priority, condition, function, data, notify)                               \
    logctx_g_io_add_watch_full_at((channel), (priority), (condition), (function), (data), (notify), LOGCTX_HERE)
#define logctx_g_unix_fd_add(fd, condition, function, data)                                                            \
    logctx_g_unix_fd_add_full_at(G_PRIORITY_DEFAULT, (fd), (condition), (function), (data), NULL, LOGCTX_HERE)
#define logctx_g_unix_fd_add_full(priority, fd, condition, function, data, notify)                                     \
    logctx_g_unix_fd_add_full_at((priority), (fd), (condition), (function), (data), (notify), LOGCTX_HERE)
#define logctx_g_unix_signal_add(signum, function, data)                                                               \
    logctx_g_unix_signal_add_full_at(G_PRIORITY_DEFAULT, (signum), (function), (data), NULL, LOGCTX_HERE)
#define logctx_g_unix_signal_add_full(priority, signum, function, data, notify)                                        \
    logctx_g_unix_signal_add_full_at((priority), (signum), (function), (data), (notify), LOGCTX_HERE)
#define logctx_g_child_watch_add(pid, function, data)                                                                  \
    logctx_g_child_watch_add_full_at(G_PRIORITY_DEFAULT, (pid), (function), (data), NULL, LOGCTX_HERE)
#define logctx_g_child_watch_add_full(priority, pid, function, data, notify)                                           \
    logctx_g_child_watch_add_full_at((priority), (pid), (function), (data), (notify), LOGCTX_HERE)
#define logctx_g_main_context_invoke(context, function, data)                                                          \
    logctx_g_main_context_invoke_full_at((context), G_PRIORITY_DEFAULT, (function), (data), NULL, LOGCTX_HERE)
#define logctx_g_main_context_invoke_full(context, priority, function, data, notify)                                   \
    logctx_g_main_context_invoke_full_at((context), (priority), (function), (data), (notify), LOGCTX_HERE)
#define logctx_g_thread_new(name, function, data) logctx_g_thread_new_at((name), (function), (data), LOGCTX_HERE)
#define logctx_g_thread_try_new(name, function, data, error)                                                           \
    logctx_g_thread_try_new_at((name), (function), (data), (error), LOGCTX_HERE)

#ifdef __cplusplus
}
#endif
#endif
