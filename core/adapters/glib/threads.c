// Work that goes to another thread: to the one that owns a main context, and to a new one. What is handed over is written
// by the caller's thread before GLib or the C library starts the other, and read there.
//
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "glib_parts.h"

// ---- to the owner of a main context ----

static void run_here(GSourceFunc function, gpointer data, GDestroyNotify notify, const logctx_site_t *site)
{
    logctx_capture_t capture;
    logctx_capture_init(&capture, site);
    struct call call;
    gboolean again = G_SOURCE_CONTINUE;
    while (again) {
        call_begin(&call, &capture);
        again = function(data);
        call_end(&call);
    }
    logctx_capture_clear(&capture);
    if (notify) {
        call = call_begin_in_sentinel(site);
        notify(data);
        call_end(&call);
    }
}

static void run_later(GMainContext *context, gint priority, GSourceFunc function, gpointer data, GDestroyNotify notify,
                      const logctx_site_t *site)
{
    GSource *source = g_idle_source_new();
    g_source_set_priority(source, priority);
    logctx_g_source_set_callback_at(source, function, data, notify, site);
    g_source_attach(source, context);
    g_source_unref(source);
}

void logctx_g_main_context_invoke_full_at(GMainContext *context, gint priority, GSourceFunc function, gpointer data,
                                          GDestroyNotify notify, const logctx_site_t *site)
{
    if (!function) {
        logctx_report_misuse("logctx_g_main_context_invoke() got a NULL function; pass the one to be called", site);
        g_main_context_invoke_full(context, priority, function, data, notify);
        return;
    }
    if (!context)
        context = g_main_context_default();
    if (g_main_context_is_owner(context)) {
        run_here(function, data, notify, site);
        return;
    }
    GMainContext *ours = g_main_context_get_thread_default();
    if ((ours ? ours : g_main_context_default()) == context && g_main_context_acquire(context)) {
        run_here(function, data, notify, site);
        g_main_context_release(context);
    } else {
        run_later(context, priority, function, data, notify, site);
    }
}

void(logctx_g_main_context_invoke_full)(GMainContext *context, gint priority, GSourceFunc function, gpointer data,
                                        GDestroyNotify notify)
{
    logctx_g_main_context_invoke_full_at(context, priority, function, data, notify, SITE_OF_CALLER);
}

void(logctx_g_main_context_invoke)(GMainContext *context, GSourceFunc function, gpointer data)
{
    logctx_g_main_context_invoke_full_at(context, G_PRIORITY_DEFAULT, function, data, NULL, SITE_OF_CALLER);
}

// ---- to a new thread ----

struct task {
    logctx_t *caller;
    const logctx_site_t *site;
    GThreadFunc function;
    gpointer data;
};

static void free_task(struct task *task)
{
    logctx_unref(task->caller);
    free(task);
}

static gpointer run_task(gpointer data)
{
    const struct task task = *(struct task *)data;
    logctx_scope_t scope = logctx_scope_begin(logctx_new_on_thread_at(task.caller, task.site), task.site);
    free_task(data);
    gpointer result = task.function(task.data);
    logctx_scope_end(&scope);
    return result;
}

static struct task *new_task(GThreadFunc function, gpointer data, const logctx_site_t *site)
{
    if (!function) {
        logctx_report_misuse("logctx_g_thread_new() got a NULL function; pass the one to be run", site);
        return NULL;
    }
    struct task *task = malloc(sizeof *task);
    if (task)
        *task = (struct task){logctx_ref(logctx_current()), site, function, data};
    return task;
}

GThread *logctx_g_thread_try_new_at(const gchar *name, GThreadFunc function, gpointer data, GError **error,
                                    const logctx_site_t *site)
{
    struct task *task = new_task(function, data, site);
    if (!task)
        return g_thread_try_new(name, function, data, error);
    GThread *thread = g_thread_try_new(name, run_task, task, error);
    if (!thread)
        free_task(task);
    return thread;
}

GThread *(logctx_g_thread_try_new)(const gchar *name, GThreadFunc function, gpointer data, GError **error)
{
    return logctx_g_thread_try_new_at(name, function, data, error, SITE_OF_CALLER);
}

// GLib's g_thread_new() ends the program when there is no thread to be had, and so does this.
GThread *logctx_g_thread_new_at(const gchar *name, GThreadFunc function, gpointer data, const logctx_site_t *site)
{
    struct task *task = new_task(function, data, site);
    return task ? g_thread_new(name, run_task, task) : g_thread_new(name, function, data);
}

GThread *(logctx_g_thread_new)(const gchar *name, GThreadFunc function, gpointer data)
{
    return logctx_g_thread_new_at(name, function, data, SITE_OF_CALLER);
}
