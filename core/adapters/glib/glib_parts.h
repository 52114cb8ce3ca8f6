/*
 * glib_parts.h: internal. What the files of this adapter know of each other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_GLIB_PARTS_H
#define LOGCTX_GLIB_PARTS_H

#include <logctx/glib.h>

#include "call.h"

/* loop.c: this thread's loop is about to run a callback that was armed at `armed`: finds what an earlier one left. */
void logctx__glib_dispatching(const logctx_site_t *armed);

/* loop.c: NULL once it is detached. */
GMainContext *logctx__glib_context(const struct logctx_glib *loop);

/* timers.c */
logctx_timers_t logctx__glib_timers_of(struct logctx_glib *loop);

/*
 * closure.c: give the source a callback that runs through `caller`, one of those below by the type of the source. False
 * without memory: then nothing has changed.
 */
bool logctx__glib_arm(GSource *source, GSourceFunc caller, GSourceFunc function, gpointer data, GDestroyNotify notify,
                      const logctx_site_t *site);
extern const GSourceFunc logctx__glib_call_plain, logctx__glib_call_once, logctx__glib_call_io, logctx__glib_call_fd,
    logctx__glib_call_child;

/* Any function as what GLib keeps it as; whoever calls it knows its type. */
#define AS_FUNCTION(function) ((GSourceFunc)(void (*)(void))(function))

#endif
