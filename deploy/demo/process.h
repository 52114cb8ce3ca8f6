/*
 * process.h: becoming the process that serves, a daemon or not, with its log where it belongs; or failing to.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DEMO_PROCESS_H
#define DEMO_PROCESS_H

#include <logctx/daemon.h>
#include <stdbool.h>

// As the options say. Where it is a daemon that returns, *daemon is set. False: it does not serve, and has said why.
bool settle(logctx_daemon_t **daemon);

// Says why it does not start: in the log, and, of a daemon, to who waits for it in the foreground. Returns false.
bool fail_to_start(logctx_daemon_t *daemon, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
