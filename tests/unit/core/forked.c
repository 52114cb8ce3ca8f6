/*
 * forked.c: children of fork in tests.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "forked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

int run_child(int (*body)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(HANGS_AFTER_S);
        _exit(body());
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

logctx_books_t books(void)
{
    logctx_books_t now;
    logctx_get_books(&now);
    return now;
}

bool balanced(void)
{
    logctx_books_t b = books();
    return b.created == b.live + b.ended &&
           b.ended == b.handed_over + b.unsampled + b.no_sink + b.dropped_live_limit + b.dropped_no_memory;
}

uint64_t all_errors(void)
{
    uint64_t sum = 0;
    for (int kind = 0; kind < LOGCTX_ERROR_COUNT; kind++)
        sum += logctx_error_count((logctx_error_kind_t)kind);
    return sum;
}

logctx_t *make(const char *name, logctx_t *parent)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = name;
    opts.parent = parent;
    return logctx_new(logctx_kind("forked"), &opts);
}

void end(logctx_t *ctx)
{
    logctx_finish(ctx);
    logctx_unref(ctx);
}

struct inherited inherited;

void make_inherited(void)
{
    inherited.recorder = logctx_recorder_new(64);
    inherited.parent = make("parent", NULL);
    inherited.running = make("a name that is too long to stand in the context itself", inherited.parent);
    inherited.finished = make("finished", NULL);
    inherited.other = make("other", inherited.parent);
    logctx_finish(inherited.finished);
    logctx_set_string(inherited.running, "key", "value");
    logctx_enter(inherited.running);
}

void drop_inherited(void)
{
    logctx_set_current(logctx_sentinel());
    end(inherited.running);
    end(inherited.other);
    end(inherited.parent);
    logctx_unref(inherited.finished);
    logctx_recorder_free(inherited.recorder);
}

void use(logctx_t *ctx)
{
    logctx_set_current(ctx);
    logctx_set_current(logctx_sentinel());
    logctx_enter(ctx);
    logctx_set_int(ctx, "answer", 42);
    logctx_add_event(ctx, "event", NULL, 0);
    logctx_set_failed(ctx, "error", "message");
    logctx_charge_cpu(ctx, 1000, 1000);
    logctx_hand_over(ctx);
    logctx_db_t db = {logctx_ref(ctx), 0};
    logctx_db_end(&db);
    logctx_preserve_t block = logctx_preserve_enter(ctx);
    logctx_preserve_exit(&block);
    logctx_exit(ctx);
    logctx_finish(ctx);
    logctx_set_current(ctx);
    logctx_set_current(logctx_sentinel());
    logctx_exit(ctx);
    logctx_unref(logctx_ref(ctx));
}
