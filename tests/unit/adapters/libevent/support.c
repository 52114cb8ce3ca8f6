/*
 * support.c: the base and the clock of support.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

struct event_base *base;
logctx_libevent_t *attached;
int attached_at;
logctx_recorder_t *recorder;

void assert_by_the_loop(const char *text)
{
    assert_at_(text, __FILE__, attached_at);
}

int setup(void **state)
{
    (void)state;
    recorder = logctx_recorder_new(256);
    assert_non_null(recorder);
    base = event_base_new();
    assert_non_null(base);
    attached = logctx_libevent_attach(base, "test");
    attached_at = __LINE__ - 1;
    assert_non_null(attached);
    return 0;
}

int setup_threads(void **state)
{
    assert_int_equal(evthread_use_pthreads(), 0);
    return setup(state);
}

int teardown(void **state)
{
    (void)state;
    if (base)
        logctx_event_base_free(base);
    base = NULL;
    logctx_recorder_free(recorder);
    return 0;
}

void pass(int64_t ns)
{
    logctx_fake_time(ns);
}

logctx_t *make(const char *name)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = name;
    return logctx_new(logctx_kind("test"), &opts);
}

void end(logctx_t *ctx)
{
    logctx_set_current(logctx_sentinel());
    logctx_finish(ctx);
    logctx_unref(ctx);
}

void drop(logctx_t *ctx)
{
    logctx_set_current(logctx_sentinel());
    logctx_unref(ctx);
}

uint64_t live(void)
{
    logctx_books_t books;
    logctx_get_books(&books);
    return books.live;
}

static struct {
    const char *name;
    logctx_histogram_t delay;
} wanted;

static void skip_series(void *user, const logctx_series_t *series)
{
    (void)user;
    (void)series;
}

static void see_loop(void *user, const logctx_loop_sums_t *loop)
{
    (void)user;
    if (strcmp(loop->name, wanted.name) == 0)
        wanted.delay = loop->delay;
}

logctx_histogram_t delay_of(const char *name)
{
    wanted.name = name;
    memset(&wanted.delay, 0, sizeof wanted.delay);
    logctx_collector_t collector = {skip_series, see_loop, NULL};
    assert_int_equal(logctx_collect(&collector), LOGCTX_OK);
    return wanted.delay;
}

void run(void)
{
    logctx_event_base_dispatch(base);
    assert_true(logctx_is_sentinel(logctx_current()));
}

void make_readable(int pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
}

void close_pair(const int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}
