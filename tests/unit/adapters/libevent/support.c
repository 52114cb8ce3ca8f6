/*
 * support.c: the base, the clock, the collecting hook of support.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <pthread.h>

struct event_base *base;
logctx_libevent_t *attached;
int attached_at;
logctx_recorder_t *recorder;

enum { NOTED_MAX = 64 };
static struct {
    pthread_mutex_t mutex;
    struct noted list[NOTED_MAX];
    size_t count, taken;
} errors = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void note(const logctx_error_t *error, void *user)
{
    (void)user;
    pthread_mutex_lock(&errors.mutex);
    if (errors.count < NOTED_MAX) {
        struct noted *noted = &errors.list[errors.count];
        noted->kind = error->kind;
        snprintf(noted->message, sizeof noted->message, "%s", error->message);
        snprintf(noted->affected, sizeof noted->affected, "%s", logctx_name(error->affected));
        snprintf(noted->found_by, sizeof noted->found_by, "%s", error->found_by);
        snprintf(noted->set_by, sizeof noted->set_by, "%s", error->set_by);
    }
    errors.count++;
    pthread_mutex_unlock(&errors.mutex);
}

const struct noted *take_error(logctx_error_kind_t kind)
{
    if (errors.taken >= errors.count)
        fail_msg("expected the error %s, and there was none", logctx_error_info(kind)->name);
    if (errors.taken >= NOTED_MAX)
        fail_msg("more errors than a test can look at");
    const struct noted *noted = &errors.list[errors.taken++];
    if (noted->kind != kind)
        fail_msg("expected the error %s, got %s (found by %s, set by %s)", logctx_error_info(kind)->name,
                 noted->message, noted->found_by, noted->set_by);
    return noted;
}

size_t errors_waiting(void)
{
    return errors.count - errors.taken;
}

void assert_at_(const char *text, const char *file, int line)
{
    char want[4096];
    snprintf(want, sizeof want, "%s:%d", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line);
    size_t length = strlen(text), tail = strlen(want);
    if (length < tail || strcmp(text + length - tail, want) != 0)
        fail_msg("expected the place %s, got \"%s\"", want, text);
}

void assert_by_the_loop(const char *text)
{
    assert_at_(text, __FILE__, attached_at);
}

int setup(void **state)
{
    (void)state;
    assert_true(logctx_is_sentinel(logctx_current()));
    assert_int_equal(logctx_set_clock(logctx_clock("fake")), LOGCTX_OK);
    errors.count = errors.taken = 0;
    logctx_set_error_hook(note, NULL);
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
    if (errors_waiting() > 0 && errors.taken < NOTED_MAX)
        fail_msg("%zu unexpected errors, the first is %s: %s", errors_waiting(),
                 logctx_error_info(errors.list[errors.taken].kind)->name, errors.list[errors.taken].message);
    assert_true(logctx_is_sentinel(logctx_current()));
    assert_int_equal(live(), 0);
    logctx_set_error_hook(NULL, NULL);
    assert_int_equal(logctx_set_clock(NULL), LOGCTX_OK);
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
