// SPDX-License-Identifier: Apache-2.0
// The process that serves: in the background or not, and where its log goes. On the only thread that there is by then, but
// for write_line(), which any thread calls.
#include "process.h"
#include "account.h"
#include "mistakes.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <logctx/logctx.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// The library's lines and ours. The exporter's thread runs no work of ours and has no context: its lines, which come when
// an endpoint fails, bear its name, so that every line that bears the sentinel's shows work that has lost its context.
static void write_line(const logctx_log_line_t *line, void *user)
{
    static const char exporter[] = "logctx-export";
    logctx_log_line_t named = *line;
    char thread[16];
    if (!pthread_getname_np(pthread_self(), thread, sizeof thread) && !strcmp(thread, exporter))
        named.request = exporter, named.server_name = "-";
    logctx_log_to_fd(&named, user);
}

// What a command says to who typed it; in a daemon that has just begun, a line of its log.
static void say(const logctx_log_line_t *line, void *user)
{
    static int standard_error = STDERR_FILENO;
    if (getpid() != *(const pid_t *)user)
        write_line(line, &standard_error);
    else
        fprintf(stderr, "%s\n", line->message);
}

bool settle(logctx_daemon_t **daemon)
{
    static int standard_error = STDERR_FILENO;
    logctx_daemon_opts_t opts = {.struct_size = sizeof opts, .directory = "."};
    opts.pid_file = options.pid_file;
    opts.log_file = options.log_file;
    static pid_t foreground;
    foreground = getpid();
    logctx_set_logger(say, &foreground);
    fflush(NULL);
    if (options.daemonize && daemonize(&opts, daemon))
        return false;
    int log = options.daemonize || !options.log_file
                  ? STDERR_FILENO
                  : open(options.log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (log < 0 || dup2(log, STDERR_FILENO) < 0)
        return fprintf(stderr, "The log file cannot be opened: %s: %s\n", options.log_file, strerror(errno)), false;
    logctx_set_logger(write_line, &standard_error);
    account = (struct account){0}; // what the foreground did is not the daemon's
    return true;
}

bool fail_to_start(logctx_daemon_t *daemon, const char *format, ...)
{
    char reason[1024];
    va_list words;
    va_start(words, format);
    vsnprintf(reason, sizeof reason, format, words);
    va_end(words);
    logctx_log(LOGCTX_FATAL, "%s", reason);
    logctx_daemon_failed(daemon, reason);
    logctx_daemon_end(daemon); // who tries again at once is not to find its pid file
    return false;
}
