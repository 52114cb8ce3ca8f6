// SPDX-License-Identifier: Apache-2.0
/*
 * mistakes.c: each mistake is the one line that is marked with its name, and is made once. The library reports it with that
 * line, in the log, in the span of the context concerned, and in logctx.transition.errors. Everything on the loop's thread,
 * before the loop runs, but for the worker of thread-borrows-context.
 */
#include "mistakes.h"
#include "account.h"

#include <logctx/logctx.h>
#include <string.h>
#include <time.h>
#include <uv.h>

// ---- daemonize-in-main: start-up has a context, and the fork is taken for a part of start-up. It belongs before. ----

// In the daemon that context is the foreground's: it is inert, and has no span there.
static logctx_status_t daemonize_in_main(const logctx_daemon_opts_t *opts, logctx_daemon_t **daemon)
{
    logctx_t *ctx = new_background("main", "main");
    logctx_set_current(ctx);
    logctx_status_t status = logctx_daemonize(opts, daemon); // MISTAKE: daemonize-in-main
    logctx_set_current(logctx_sentinel());
    logctx_finish(ctx);
    logctx_unref(ctx);
    return status;
}

// ---- fork-keeps-clock: a clock of our own, in which a daemon's time goes on where the foreground's ended. Its base is of
// the process that it was taken in. It has to be renewed right after the fork, where nothing runs; a job that does it later
// has its own time cut off. ----

static _Atomic int64_t base_ns;

static bool read_cpu(void *user, logctx_cpu_reading_t *out)
{
    (void)user;
    struct timespec used;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used))
        return false;
    *out = (logctx_cpu_reading_t){.total_ns = base_ns + used.tv_sec * INT64_C(1000000000) + used.tv_nsec};
    return true;
}

static logctx_status_t fork_keeps_clock(const logctx_daemon_opts_t *opts, logctx_daemon_t **daemon)
{
    static logctx_clock_t clock;
    logctx_cpu_reading_t used;
    clock = *logctx_get_clock();
    clock.exact_parts = false;
    clock.read_cpu = read_cpu;
    logctx_set_clock(&clock);
    base_ns = read_cpu(NULL, &used) ? used.total_ns : 0;
    return logctx_daemonize(opts, daemon);
}

static void renew_base(void)
{
    LOGCTX_SCOPE(new_background("renew_base", NULL)); // MISTAKE: fork-keeps-clock
    base_ns = 0;
    logctx_log(LOGCTX_INFO, "The clock begins anew.");
}

// ---- background-reentered: a job keeps its context, to write down later what came of it. By then it has ended. ----

static logctx_t *tidy_up(void)
{
    LOGCTX_SCOPE(new_background("tidy_up", NULL));
    logctx_log(LOGCTX_INFO, "Tidying up.");
    return logctx_ref(logctx_current());
}

static void reenter_background(void)
{
    logctx_t *job = tidy_up();
    logctx_set_current(job); // MISTAKE: background-reentered
    logctx_log(LOGCTX_INFO, "Tidied up.");
    logctx_set_current(logctx_sentinel());
    logctx_unref(job);
}

// ---- thread-borrows-context: a worker makes its caller's own context current, instead of a child that it makes for itself
// with logctx_new_on_thread(). The caller, which waits for it, then has lost the reading that its time began with. ----

static void add_up(void *caller)
{
    logctx_set_current(caller); // MISTAKE: thread-borrows-context
    logctx_log(LOGCTX_INFO, "Adding up.");
    logctx_set_current(logctx_sentinel());
}

static void borrow_context(void)
{
    LOGCTX_SCOPE(new_background("add_up", NULL));
    uv_thread_t worker;
    if (!uv_thread_create(&worker, add_up, logctx_current()))
        uv_thread_join(&worker);
}

// ---- entered-elsewhere: a context is made with the job, where the job is put on a list, and entered where somebody finds it
// there. It is to be made where it is entered. ----

static void enter_elsewhere(void)
{
    logctx_t *listed = new_background("send_mail", NULL), *finder = new_background("look_for_work", NULL);
    logctx_set_current(finder);
    logctx_enter(listed); // MISTAKE: entered-elsewhere
    logctx_log(LOGCTX_INFO, "Sending mail.");
    logctx_exit(listed); // puts back what was current when it was made, which is the sentinel, not the finder
    logctx_finish(finder);
    logctx_unref(listed);
    logctx_unref(finder);
}

// ---- Which one ----

typedef logctx_status_t daemonize_t(const logctx_daemon_opts_t *opts, logctx_daemon_t **daemon);

static const struct mistake {
    const char *name;
    daemonize_t *daemonize;
    void (*make)(void);
} mistakes[] = {{"daemonize-in-main", daemonize_in_main, NULL},
                {"fork-keeps-clock", fork_keeps_clock, renew_base},
                {"background-reentered", NULL, reenter_background},
                {"thread-borrows-context", NULL, borrow_context},
                {"entered-elsewhere", NULL, enter_elsewhere}};
static const struct mistake *chosen;

const char *mistake_name(size_t index)
{
    return index < sizeof mistakes / sizeof *mistakes ? mistakes[index].name : NULL;
}

bool choose_mistake(const char *name)
{
    size_t i = 0;
    while (mistake_name(i) && strcmp(mistake_name(i), name))
        i++;
    chosen = mistake_name(i) ? &mistakes[i] : NULL;
    return chosen;
}

bool mistake_daemonizes(void)
{
    return chosen && chosen->daemonize;
}

logctx_status_t daemonize(const logctx_daemon_opts_t *opts, logctx_daemon_t **daemon)
{
    return mistake_daemonizes() ? chosen->daemonize(opts, daemon) : logctx_daemonize(opts, daemon);
}

void make_mistake(void)
{
    if (chosen && chosen->make)
        chosen->make();
}
