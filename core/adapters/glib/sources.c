// GLib's functions that make a source of the default main context, with the context of their caller. What they get that is
// wrong is reported and then given to GLib's own function, which refuses it. Any thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "glib_parts.h"

static bool missing(bool there, const char *text, const logctx_site_t *site)
{
    if (!there)
        logctx_report_misuse(text, site);
    return !there;
}
#define MISSING(function, name)                                                                                        \
    missing((function) != NULL, "logctx_" name "() got a NULL function; pass the one to be called", site)

// The source is given up to the main context. `source` NULL: GLib refused to make it, and said so.
static guint add(GSource *source, gint priority, GSourceFunc caller, GSourceFunc function, gpointer data,
                 GDestroyNotify notify, const logctx_site_t *site)
{
    if (!source)
        return 0;
    g_source_set_priority(source, priority);
    guint id = 0;
    bool armed = logctx__glib_arm(source, caller, function, data, notify, site);
    if (!armed && caller != logctx__glib_call_once) // whose function has another type than GLib takes
        g_source_set_callback(source, function, data, notify);
    if (armed || caller != logctx__glib_call_once)
        id = g_source_attach(source, NULL);
    g_source_unref(source);
    return id;
}

guint logctx_g_timeout_add_full_at(gint priority, guint interval, GSourceFunc function, gpointer data,
                                   GDestroyNotify notify, const logctx_site_t *site)
{
    if (MISSING(function, "g_timeout_add"))
        return g_timeout_add_full(priority, interval, function, data, notify);
    return add(g_timeout_source_new(interval), priority, logctx__glib_call_plain, function, data, notify, site);
}

guint(logctx_g_timeout_add_full)(gint priority, guint interval, GSourceFunc function, gpointer data,
                                 GDestroyNotify notify)
{
    return logctx_g_timeout_add_full_at(priority, interval, function, data, notify, SITE_OF_CALLER);
}

guint(logctx_g_timeout_add)(guint interval, GSourceFunc function, gpointer data)
{
    return logctx_g_timeout_add_full_at(G_PRIORITY_DEFAULT, interval, function, data, NULL, SITE_OF_CALLER);
}

guint logctx_g_timeout_add_seconds_full_at(gint priority, guint interval, GSourceFunc function, gpointer data,
                                           GDestroyNotify notify, const logctx_site_t *site)
{
    if (MISSING(function, "g_timeout_add_seconds"))
        return g_timeout_add_seconds_full(priority, interval, function, data, notify);
    return add(g_timeout_source_new_seconds(interval), priority, logctx__glib_call_plain, function, data, notify, site);
}

guint(logctx_g_timeout_add_seconds_full)(gint priority, guint interval, GSourceFunc function, gpointer data,
                                         GDestroyNotify notify)
{
    return logctx_g_timeout_add_seconds_full_at(priority, interval, function, data, notify, SITE_OF_CALLER);
}

guint(logctx_g_timeout_add_seconds)(guint interval, GSourceFunc function, gpointer data)
{
    return logctx_g_timeout_add_seconds_full_at(G_PRIORITY_DEFAULT, interval, function, data, NULL, SITE_OF_CALLER);
}

guint logctx_g_idle_add_full_at(gint priority, GSourceFunc function, gpointer data, GDestroyNotify notify,
                                const logctx_site_t *site)
{
    if (MISSING(function, "g_idle_add"))
        return g_idle_add_full(priority, function, data, notify);
    return add(g_idle_source_new(), priority, logctx__glib_call_plain, function, data, notify, site);
}

guint(logctx_g_idle_add_full)(gint priority, GSourceFunc function, gpointer data, GDestroyNotify notify)
{
    return logctx_g_idle_add_full_at(priority, function, data, notify, SITE_OF_CALLER);
}

guint(logctx_g_idle_add)(GSourceFunc function, gpointer data)
{
    return logctx_g_idle_add_full_at(G_PRIORITY_DEFAULT_IDLE, function, data, NULL, SITE_OF_CALLER);
}

guint logctx_g_io_add_watch_full_at(GIOChannel *channel, gint priority, GIOCondition condition, GIOFunc function,
                                    gpointer data, GDestroyNotify notify, const logctx_site_t *site)
{
    if (MISSING(function, "g_io_add_watch") ||
        missing(channel != NULL, "logctx_g_io_add_watch() got a NULL channel; pass an open one", site))
        return g_io_add_watch_full(channel, priority, condition, function, data, notify);
    return add(g_io_create_watch(channel, condition), priority, logctx__glib_call_io, AS_FUNCTION(function), data,
               notify, site);
}

guint(logctx_g_io_add_watch_full)(GIOChannel *channel, gint priority, GIOCondition condition, GIOFunc function,
                                  gpointer data, GDestroyNotify notify)
{
    return logctx_g_io_add_watch_full_at(channel, priority, condition, function, data, notify, SITE_OF_CALLER);
}

guint(logctx_g_io_add_watch)(GIOChannel *channel, GIOCondition condition, GIOFunc function, gpointer data)
{
    return logctx_g_io_add_watch_full_at(channel, G_PRIORITY_DEFAULT, condition, function, data, NULL, SITE_OF_CALLER);
}

guint logctx_g_unix_fd_add_full_at(gint priority, gint fd, GIOCondition condition, GUnixFDSourceFunc function,
                                   gpointer data, GDestroyNotify notify, const logctx_site_t *site)
{
    if (MISSING(function, "g_unix_fd_add"))
        return g_unix_fd_add_full(priority, fd, condition, function, data, notify);
    return add(g_unix_fd_source_new(fd, condition), priority, logctx__glib_call_fd, AS_FUNCTION(function), data, notify,
               site);
}

guint(logctx_g_unix_fd_add_full)(gint priority, gint fd, GIOCondition condition, GUnixFDSourceFunc function,
                                 gpointer data, GDestroyNotify notify)
{
    return logctx_g_unix_fd_add_full_at(priority, fd, condition, function, data, notify, SITE_OF_CALLER);
}

guint(logctx_g_unix_fd_add)(gint fd, GIOCondition condition, GUnixFDSourceFunc function, gpointer data)
{
    return logctx_g_unix_fd_add_full_at(G_PRIORITY_DEFAULT, fd, condition, function, data, NULL, SITE_OF_CALLER);
}

guint logctx_g_unix_signal_add_full_at(gint priority, gint signum, GSourceFunc function, gpointer data,
                                       GDestroyNotify notify, const logctx_site_t *site)
{
    if (MISSING(function, "g_unix_signal_add"))
        return g_unix_signal_add_full(priority, signum, function, data, notify);
    return add(g_unix_signal_source_new(signum), priority, logctx__glib_call_plain, function, data, notify, site);
}

guint(logctx_g_unix_signal_add_full)(gint priority, gint signum, GSourceFunc function, gpointer data,
                                     GDestroyNotify notify)
{
    return logctx_g_unix_signal_add_full_at(priority, signum, function, data, notify, SITE_OF_CALLER);
}

guint(logctx_g_unix_signal_add)(gint signum, GSourceFunc function, gpointer data)
{
    return logctx_g_unix_signal_add_full_at(G_PRIORITY_DEFAULT, signum, function, data, NULL, SITE_OF_CALLER);
}

guint logctx_g_child_watch_add_full_at(gint priority, GPid pid, GChildWatchFunc function, gpointer data,
                                       GDestroyNotify notify, const logctx_site_t *site)
{
    if (MISSING(function, "g_child_watch_add"))
        return g_child_watch_add_full(priority, pid, function, data, notify);
    return add(g_child_watch_source_new(pid), priority, logctx__glib_call_child, AS_FUNCTION(function), data, notify,
               site);
}

guint(logctx_g_child_watch_add_full)(gint priority, GPid pid, GChildWatchFunc function, gpointer data,
                                     GDestroyNotify notify)
{
    return logctx_g_child_watch_add_full_at(priority, pid, function, data, notify, SITE_OF_CALLER);
}

guint(logctx_g_child_watch_add)(GPid pid, GChildWatchFunc function, gpointer data)
{
    return logctx_g_child_watch_add_full_at(G_PRIORITY_DEFAULT, pid, function, data, NULL, SITE_OF_CALLER);
}

guint logctx_g_timeout_add_once_at(guint interval, void (*function)(gpointer data), gpointer data,
                                   const logctx_site_t *site)
{
    if (MISSING(function, "g_timeout_add_once"))
        return 0;
    return add(g_timeout_source_new(interval), G_PRIORITY_DEFAULT, logctx__glib_call_once, AS_FUNCTION(function), data,
               NULL, site);
}

guint(logctx_g_timeout_add_once)(guint interval, void (*function)(gpointer data), gpointer data)
{
    return logctx_g_timeout_add_once_at(interval, function, data, SITE_OF_CALLER);
}

guint logctx_g_idle_add_once_at(void (*function)(gpointer data), gpointer data, const logctx_site_t *site)
{
    if (MISSING(function, "g_idle_add_once"))
        return 0;
    return add(g_idle_source_new(), G_PRIORITY_DEFAULT_IDLE, logctx__glib_call_once, AS_FUNCTION(function), data, NULL,
               site);
}

guint(logctx_g_idle_add_once)(void (*function)(gpointer data), gpointer data)
{
    return logctx_g_idle_add_once_at(function, data, SITE_OF_CALLER);
}
