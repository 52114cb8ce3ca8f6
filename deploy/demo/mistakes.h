/*
 * mistakes.h: mistakes that programmers make with contexts, one at a time and by request: --mistake NAME. What the library
 * says about each is what an operator looks for in the log of a server.
 *
 * Everything on the loop's thread, before the loop runs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DEMO_MISTAKES_H
#define DEMO_MISTAKES_H

#include <logctx/daemon.h>
#include <stdbool.h>
#include <stddef.h>

// The names, in order; NULL after the last one.
const char *mistake_name(size_t index);

// The one that is to be made. False: there is none of that name.
bool choose_mistake(const char *name);

// Whether the mistake that was chosen is about becoming a daemon.
bool mistake_daemonizes(void);

// Become a daemon, with the mistake in it, if it is about that.
logctx_status_t daemonize(const logctx_daemon_opts_t *opts, logctx_daemon_t **daemon);

// Make the mistake, if it is one that a running server makes: the exporter runs, and the sentinel is current.
void make_mistake(void);

#endif
