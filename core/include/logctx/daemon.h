/*
 * logctx/daemon.h: going to the background, with a pid file, and a foreground that waits until the daemon is ready.
 *
 *     logctx_daemon_t *daemon = NULL;
 *     if (logctx_daemonize(&opts, &daemon) != LOGCTX_OK)
 *         return 1;                         // still in the foreground; a log line has said why
 *     if (!open_everything())
 *         return logctx_daemon_failed(daemon, "port 80 is taken"), 1;
 *     logctx_daemon_ready(daemon);          // the command that started us ends with status 0
 *
 * What fork() itself does to contexts: docs/guide.md, "Fork and daemonise". In short: fork in the sentinel; in the child the
 * sentinel is current, sums count from zero, and the parent's contexts are inert: every call with them is safe and does
 * nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_DAEMON_H
#define LOGCTX_DAEMON_H

#include <logctx/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The daemon that this process is. Owner: the library; there is one in a process. */
typedef struct logctx_daemon logctx_daemon_t;

typedef struct logctx_daemon_opts {
    size_t struct_size;    /* sizeof(logctx_daemon_opts_t) */
    const char *pid_file;  /* made with mode 0600, locked while the daemon runs; NULL: none */
    const char *log_file;  /* standard output and error are appended to it, made with mode 0600; NULL: /dev/null */
    const char *directory; /* where the daemon runs; NULL: "/" */
} logctx_daemon_opts_t;

#define LOGCTX_DAEMON_OPTS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(logctx_daemon_opts_t), NULL, NULL, NULL                                                                 \
    }

/*
 * Become a daemon: two forks and setsid(), so that the daemon has no terminal and cannot get one; standard input from
 * /dev/null; the pid file written. Returns in the daemon, with *daemon set. `opts` may be NULL. Paths are taken from the
 * directory in which the call is made.
 *
 * The process that called it, the foreground, never returns from a call that succeeds: it waits until the daemon says
 * logctx_daemon_ready() and ends with status 0, or, when the daemon says logctx_daemon_failed() or ends before it is
 * ready, writes the reason to its standard error and ends with status 1. It and the process between the two forks end by
 * _exit(): atexit handlers and destructors of the host run in the daemon alone, and what stands in stdio buffers is the
 * daemon's (call fflush(NULL) before). This is the one call of the library that ends a process, because that is what it is
 * for.
 *
 * A pid file that is left over from a daemon that was killed is not locked any more, and is taken over. It is removed at the
 * daemon's exit() or by logctx_daemon_end(), and by no child of the daemon.
 *
 * Thread: only where the process has no other thread: before the exporter is started, and before pools of workers.
 * Current: the sentinel. Call it in the sentinel, outside of all blocks; when a context is current all the same,
 * unexpected_context is reported in the daemon and the sentinel is made current; the context is inert from then on.
 * Owner: *daemon is the library's.
 * Errors, all in the foreground: LOGCTX_E_STATE if there are other threads or this is a daemon already, which are reported
 * as invalid_use, or if another daemon holds the pid file; LOGCTX_E_INVALID for a path that is too long; LOGCTX_E_IO if a
 * file or directory cannot be opened or is none of ours, or fork() fails: all with a line to the host's logger. Without
 * one: LOGCTX_E_STATE in a hook, LOGCTX_E_INVALID for a NULL `daemon` or a struct_size of 0.
 */
LOGCTX_API logctx_status_t logctx_daemonize(const logctx_daemon_opts_t *opts, logctx_daemon_t **daemon);
LOGCTX_API logctx_status_t logctx_daemonize_at(const logctx_daemon_opts_t *opts, logctx_daemon_t **daemon,
                                               const logctx_site_t *site);

/*
 * The daemon works: the foreground ends with status 0. Any thread of the daemon; once, later calls do nothing.
 * Errors: LOGCTX_E_STATE in a child of the daemon, and after logctx_daemon_end(); LOGCTX_E_INVALID for NULL.
 */
LOGCTX_API logctx_status_t logctx_daemon_ready(logctx_daemon_t *daemon);

/*
 * The daemon does not work: the foreground writes `reason`, a sentence of at most 1000 bytes, to its standard error and ends
 * with status 1. The daemon itself ends when its program ends it. Thread, Errors: as logctx_daemon_ready(), and nothing
 * happens after that.
 */
LOGCTX_API logctx_status_t logctx_daemon_failed(logctx_daemon_t *daemon, const char *reason);

/*
 * Remove the pid file and give its lock back, earlier than exit() would. Any thread of the daemon. NULL is accepted; a second
 * call, and a call in a child of the daemon, do nothing.
 */
LOGCTX_API void logctx_daemon_end(logctx_daemon_t *daemon);

#define logctx_daemonize(opts, daemon) logctx_daemonize_at((opts), (daemon), LOGCTX_HERE)

#ifdef __cplusplus
}
#endif
#endif
