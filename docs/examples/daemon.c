// SPDX-License-Identifier: Apache-2.0
// A daemon that gives a job to a worker process. The daemon and the worker are in the sentinel when they begin, and each
// counts for itself. One thread each. Argument: the pid file.
#include <logctx/collect.h>
#include <logctx/daemon.h>
#include <logctx/logctx.h>
#include <sys/wait.h>
#include <unistd.h>

// In the worker. `batch` is its parent's context and inert here, but for its name and its trace.
static int work_on(logctx_t *batch)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.parent = batch; // the trace goes on; nothing is charged to `batch`
    logctx_t *job = logctx_new(logctx_kind("resize"), &opts);
    logctx_enter(job);
    // ... the job ...
    logctx_exit(job);
    logctx_unref(job);
    logctx_books_t books;
    logctx_get_books(&books);
    return books.created == 1 && books.live == 0 ? 0 : 1; // the worker's own
}

static bool start_worker(logctx_t *batch)
{
    pid_t worker = fork();
    if (worker == 0)
        _exit(work_on(batch));
    int status = 1;
    return worker > 0 && waitpid(worker, &status, 0) == worker && status == 0;
}

int main(int argc, char **argv)
{
    logctx_daemon_opts_t opts = LOGCTX_DAEMON_OPTS_INIT;
    opts.pid_file = argc > 1 ? argv[1] : NULL;
    logctx_daemon_t *daemon = NULL;
    if (logctx_daemonize(&opts, &daemon) != LOGCTX_OK)
        return 1; // still the foreground; a log line has said why

    // From here on this is the daemon. Now is the time for the exporter, and for threads.
    logctx_t *batch = logctx_new(logctx_kind("batch"), NULL);
    bool works = start_worker(batch); // in the sentinel
    logctx_finish(batch);
    logctx_unref(batch);
    if (works)
        logctx_daemon_ready(daemon); // the command that was typed ends with status 0
    else
        logctx_daemon_failed(daemon, "the worker does not work"); // it says so, and ends with status 1
    return works ? 0 : 1;
}
