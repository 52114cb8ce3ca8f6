/*
 * test_glib_loop.c: attached main contexts: polls that are bracketed, leaks that are found, loops in loops, loops on other
 * threads, what is wrong use.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "collected.h"
#include "glib_support.h"

#include <logctx/loop.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int left_at;

// Of a program that does not know of contexts: not wrapped.
static gboolean leave(gpointer ctx)
{
    logctx_set_current(ctx);
    left_at = __LINE__ - 1;
    return G_SOURCE_REMOVE;
}

static void take_leak(const char *name)
{
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_string_equal(error->affected, name);
    assert_at(error->set_by, left_at);
    assert_current(logctx_sentinel());
}

static void test_a_leak_is_found_by_a_loop_that_never_blocks(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "A");
    g_idle_add(leave, ctx);
    TURN_UNTIL(logctx_unexpected_transition_errors());
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_at(error->set_by, left_at);
    assert_at_attachment(error->found_by);
    assert_current(logctx_sentinel());
    end(ctx);
}

static gboolean stop_waiting(gpointer data)
{
    (void)data;
    return G_SOURCE_CONTINUE;
}

static void test_a_leak_is_found_by_a_loop_that_waits(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "A");
    g_idle_add(leave, ctx);
    guint ticks = g_timeout_add(1, stop_waiting, NULL);
    while (!logctx_unexpected_transition_errors())
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(ticks);
    take_leak("A");
    end(ctx);
}

// ---- the poll ----

static struct {
    int calls;
    bool bracketed;
} poll_seen;

static gint seen_poll(GPollFD *fds, guint count, gint timeout)
{
    poll_seen.calls++;
    assert_current(logctx_sentinel());
    uint64_t before = fake.readings;
    logctx_poll_end(); // does something only after a begin
    poll_seen.bracketed = fake.readings > before;
    return g_poll(fds, count, timeout);
}

static gint no_poll(GPollFD *fds, guint count, gint timeout)
{
    (void)fds, (void)count, (void)timeout;
    fail_msg("a poll");
    return 0;
}

static gboolean always(gpointer data)
{
    (void)data;
    return G_SOURCE_CONTINUE;
}

static void attach_idle(GMainContext *context, gint priority, GSourceFunc function, gpointer data)
{
    GSource *source = g_idle_source_new();
    g_source_set_priority(source, priority);
    g_source_set_callback(source, function, data, NULL);
    g_source_attach(source, context);
    g_source_unref(source);
}

static void test_a_leak_is_found_in_turns_without_a_poll(void **state)
{
    (void)state;
    GMainContext *context = g_main_context_new();
    g_main_context_set_poll_func(context, no_poll);
    logctx_glib_t *loop = logctx_glib_attach(context, "never polls");
    int here = __LINE__ - 1;
    logctx_t *ctx = make("k", "A");
    attach_idle(context, G_PRIORITY_HIGH, always, NULL);
    attach_idle(context, G_PRIORITY_HIGH, leave, ctx);
    while (!logctx_unexpected_transition_errors())
        g_main_context_iteration(context, FALSE);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_at(error->set_by, left_at);
    assert_at(error->found_by, here);
    assert_current(logctx_sentinel());
    logctx_glib_detach(loop);
    g_main_context_unref(context);
    end(ctx);
}

static void test_polls_are_bracketed_and_go_to_the_hosts_function(void **state)
{
    (void)state;
    GMainContext *context = g_main_context_new();
    g_main_context_set_poll_func(context, seen_poll);
    g_main_context_iteration(context, FALSE);
    assert_int_equal(poll_seen.calls, 1);
    assert_false(poll_seen.bracketed);
    logctx_glib_t *loop = logctx_glib_attach(context, "seen");
    bool ever = false;
    for (int i = 0; i < 64; i++) { // one turn in 64 is measured
        g_main_context_iteration(context, FALSE);
        ever = ever || poll_seen.bracketed;
    }
    assert_true(ever);
    assert_int_equal(poll_seen.calls, 65);
    logctx_glib_detach(loop);
    assert_ptr_equal(g_main_context_get_poll_func(context), seen_poll);
    g_main_context_unref(context);
}

static gint busy_poll(GPollFD *fds, guint count, gint timeout)
{
    run_user(2 * MS);
    return g_poll(fds, count, timeout);
}

static const logctx_loop_sums_t *sums_of(const char *name)
{
    collect("", "");
    const logctx_loop_sums_t *sums = collected_loop(name);
    assert_non_null(sums);
    return sums;
}

static void test_loop_time_has_the_loops_name(void **state)
{
    (void)state;
    GMainContext *context = g_main_context_new();
    g_main_context_set_poll_func(context, busy_poll);
    logctx_glib_t *loop = logctx_glib_attach(context, "busy");
    for (int i = 0; i < 64; i++)
        g_main_context_iteration(context, FALSE);
    assert_int_equal(sums_of("busy")->loop_cpu_ns, 64 * 2 * MS);
    logctx_glib_detach(loop);
    g_main_context_unref(context);
}

// ---- several loops ----

struct inner {
    GMainContext *context;
    logctx_t *leak;
    bool ran;
};

static gboolean run_inner(gpointer data)
{
    struct inner *inner = data;
    GSource *source = g_idle_source_new();
    g_source_set_callback(source, leave, inner->leak, NULL);
    g_source_attach(source, inner->context);
    g_source_unref(source);
    while (!inner->ran) {
        g_main_context_iteration(inner->context, FALSE);
        inner->ran = logctx_unexpected_transition_errors() > 0;
    }
    return G_SOURCE_REMOVE;
}

static void test_a_loop_in_a_loop(void **state)
{
    (void)state;
    struct inner inner = {.context = g_main_context_new(), .leak = make("k", "A")};
    logctx_glib_t *loop = logctx_glib_attach(inner.context, "inner");
    int inner_at = __LINE__ - 1;
    g_idle_add(run_inner, &inner);
    TURN_UNTIL(inner.ran);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_at(error->found_by, inner_at);
    assert_at(error->set_by, left_at);
    g_idle_add(leave, inner.leak); // and the outer one is itself again
    TURN_UNTIL(logctx_unexpected_transition_errors());
    assert_at_attachment(take_error(LOGCTX_ERROR_LEAKED_TO_LOOP)->found_by);
    sums_of("inner");
    sums_of("test");
    logctx_glib_detach(loop);
    g_main_context_unref(inner.context);
    end(inner.leak);
}

static logctx_t *request;
static int loop_in_request_at;

static gboolean see_the_sentinel(gpointer done)
{
    assert_current(logctx_sentinel());
    *(bool *)done = true;
    return G_SOURCE_REMOVE;
}

static gboolean wait_inside(gpointer data)
{
    assert_current(request);
    bool *done = data;
    g_timeout_add(1, see_the_sentinel, done);
    logctx_g_main_context_pending(NULL);
    (logctx_g_main_context_pending)(NULL);
    assert_current(request);
    while (!*done)
        (logctx_g_main_context_iteration)(NULL, TRUE);
    logctx_g_main_context_iteration(NULL, FALSE);
    assert_current(request);
    return G_SOURCE_REMOVE;
}

static void test_a_loop_inside_a_request(void **state)
{
    (void)state;
    bool done = false;
    request = make("k", "A");
    logctx_set_current(request);
    logctx_g_idle_add(wait_inside, &done);
    logctx_set_current(logctx_sentinel());
    TURN_UNTIL(done);
    end(request);
}

static gboolean wait_inside_carelessly(gpointer data)
{
    bool *done = data;
    g_timeout_add(1, see_the_sentinel, done);
    while (!*done)
        g_main_context_iteration(NULL, TRUE);
    logctx_set_current(request); // which the loop had to put aside
    return G_SOURCE_REMOVE;
}

static void test_a_careless_loop_inside_a_request(void **state)
{
    (void)state;
    bool done = false;
    request = make("k", "A");
    logctx_set_current(request);
    logctx_g_idle_add(wait_inside_carelessly, &done);
    loop_in_request_at = __LINE__ - 1;
    logctx_set_current(logctx_sentinel());
    TURN_UNTIL(done);
    assert_at(take_error(LOGCTX_ERROR_LEAKED_TO_LOOP)->set_by, loop_in_request_at);
    end(request);
}

static gboolean leave_and_quit(gpointer loop)
{
    leave(request);
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

static void test_the_last_callback_of_a_loop(void **state)
{
    (void)state;
    request = make("k", "A");
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    g_idle_add(leave_and_quit, loop);
    logctx_g_main_loop_run(loop);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_at(error->set_by, left_at);
    assert_at(error->found_by, __LINE__ - 3);
    g_idle_add(leave_and_quit, loop);
    (logctx_g_main_loop_run)(loop);
    assert_non_null(strstr(take_error(LOGCTX_ERROR_LEAKED_TO_LOOP)->found_by, "glib_loop+0x"));
    g_main_loop_unref(loop);
    end(request);
}

// ---- another thread ----

static void *run_elsewhere(void *data)
{
    struct inner *inner = data;
    assert_true(g_main_context_acquire(inner->context));
    inner->leak = make("k", "elsewhere's");
    run_inner(inner);
    g_main_context_release(inner->context);
    end(inner->leak);
    return NULL;
}

static void test_a_loop_on_another_thread(void **state)
{
    (void)state;
    struct inner inner = {.context = g_main_context_new()};
    logctx_glib_t *loop = logctx_glib_attach(inner.context, "elsewhere");
    int elsewhere_at = __LINE__ - 1;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_elsewhere, &inner), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_at(error->found_by, elsewhere_at);
    assert_at(error->set_by, left_at);
    sums_of("elsewhere");
    logctx_glib_detach(loop);
    g_main_context_unref(inner.context);
}

// ---- how late ----

// GLib asks the C library for the time, and so finds ours: its timers are armed and found due at moments of the test's, however
// long the machine takes. 0: the kernel's clock.
static _Atomic int64_t glib_ns;

__attribute__((visibility("default"), no_sanitize("address", "thread", "undefined"))) int
clock_gettime(clockid_t id, struct timespec *out)
{
    int64_t now = id == CLOCK_MONOTONIC ? atomic_load(&glib_ns) : 0;
    if (now == 0)
        return (int)syscall(SYS_clock_gettime, id, out);
    *out = (struct timespec){now / SECOND, now % SECOND};
    return 0;
}

static void stop_glibs_clock(void)
{
    glib_ns = g_get_monotonic_time() * 1000;
}

static void pass_in_glib(int64_t ns)
{
    gint64 before = g_get_monotonic_time();
    glib_ns += ns;
    assert_int_equal(g_get_monotonic_time() - before, ns / 1000); // it is the clock that GLib reads
}

static gboolean nothing(gpointer data)
{
    ++*(int *)data;
    return G_SOURCE_REMOVE;
}

static gboolean take_time(gpointer data)
{
    (void)data;
    pass(3 * MS);
    return G_SOURCE_REMOVE;
}

static void test_delay_of_what_was_ready(void **state)
{
    (void)state;
    int calls = 0;
    logctx_glib_detach(attached);
    attached = logctx_glib_attach(NULL, "ready");
    logctx_loop_ran(0); // delays are wanted from now on
    g_idle_add(take_time, NULL);
    logctx_g_idle_add(nothing, &calls);
    TURN_UNTIL(calls);
    const logctx_histogram_t *delay = &sums_of("ready")->delay;
    assert_int_equal(delay->count, 1);
    assert_near(delay->sum, 0.003);
}

static gboolean twice(gpointer data)
{
    int *calls = data;
    pass(7 * MS);
    pass_in_glib(5 * MS);
    return ++*calls < 2;
}

static void test_delay_of_timers(void **state)
{
    (void)state;
    int calls = 0;
    logctx_glib_detach(attached);
    attached = logctx_glib_attach(NULL, "timers");
    stop_glibs_clock();
    logctx_g_timeout_add(5, twice, &calls);
    pass(45 * MS); // by the library's clock it is 40 ms late, then 2
    pass_in_glib(5 * MS);
    TURN_UNTIL(calls == 2);
    glib_ns = 0;
    const logctx_histogram_t *delay = &sums_of("timers")->delay;
    assert_int_equal(delay->count, 2);
    assert_near(delay->max, 0.040);
    assert_near(delay->min, 0.002);
}

// ---- wrong use ----

static void test_attached_once(void **state)
{
    (void)state;
    assert_null(logctx_glib_attach(NULL, "again"));
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_INVALID_USE);
    assert_at(error->found_by, __LINE__ - 2);
    assert_non_null(strstr(error->message, "attached already"));
    logctx_glib_detach(NULL);
    assert_at(take_error(LOGCTX_ERROR_INVALID_USE)->found_by, __LINE__ - 1);
    logctx_glib_detach(attached);
    logctx_glib_detach(attached);
    take_error(LOGCTX_ERROR_INVALID_USE);
    assert_null(logctx_glib_timers(attached));
    assert_null((logctx_glib_timers)(NULL));
    take_errors(LOGCTX_ERROR_INVALID_USE, 2);
    attached = (logctx_glib_attach)(NULL, NULL);
    assert_non_null(attached);
}

static void test_too_many(void **state)
{
    (void)state;
    GMainContext *contexts[64];
    logctx_glib_t *loops[64];
    for (int i = 0; i < 64; i++) {
        contexts[i] = g_main_context_new();
        loops[i] = logctx_glib_attach(contexts[i], "one of many");
        assert_true(loops[i] != NULL || i == 63); // one is attached already
        g_main_context_iteration(contexts[i], FALSE);
    }
    assert_non_null(strstr(take_error(LOGCTX_ERROR_INVALID_USE)->message, "has attached 64"));
    for (int i = 0; i < 64; i++) {
        if (loops[i])
            logctx_glib_detach(loops[i]);
        g_main_context_unref(contexts[i]);
    }
}

static GPollFunc below;
static gint wrapping_poll(GPollFD *fds, guint count, gint timeout)
{
    return below(fds, count, timeout);
}

static void test_detached_below_another_wrapper(void **state)
{
    (void)state;
    GMainContext *context = g_main_context_new();
    g_main_context_set_poll_func(context, seen_poll);
    logctx_glib_t *loop = logctx_glib_attach(context, "below");
    below = g_main_context_get_poll_func(context);
    g_main_context_set_poll_func(context, wrapping_poll);
    logctx_glib_detach(loop);
    assert_non_null(strstr(take_error(LOGCTX_ERROR_INVALID_USE)->message, "another poll function"));
    int calls = poll_seen.calls;
    g_main_context_iteration(context, FALSE); // still goes to the host's
    assert_int_equal(poll_seen.calls, calls + 1);
    g_main_context_unref(context);
}

static void *own_until_told(void *data)
{
    GAsyncQueue **queues = data;
    GMainContext *context = g_async_queue_pop(queues[0]);
    assert_true(g_main_context_acquire(context));
    g_async_queue_push(queues[1], context);
    g_async_queue_pop(queues[0]);
    g_main_context_release(context);
    return NULL;
}

static void test_detached_while_another_thread_runs_it(void **state)
{
    (void)state;
    GMainContext *context = g_main_context_new();
    logctx_glib_t *loop = logctx_glib_attach(context, "busy elsewhere");
    GAsyncQueue *queues[2] = {g_async_queue_new(), g_async_queue_new()};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, own_until_told, queues), 0);
    g_async_queue_push(queues[0], context);
    g_async_queue_pop(queues[1]);
    logctx_glib_detach(loop);
    assert_non_null(strstr(take_error(LOGCTX_ERROR_INVALID_USE)->message, "another thread"));
    g_async_queue_push(queues[0], context);
    assert_int_equal(pthread_join(thread, NULL), 0);
    g_async_queue_unref(queues[0]);
    g_async_queue_unref(queues[1]);
    g_main_context_unref(context);
}

static void *run_unattached(void *data)
{
    (void)data;
    GMainContext *context = g_main_context_new();
    int calls = 0;
    for (int i = 0; i < 2; i++) { // it is said once for each thread
        GSource *source = g_idle_source_new();
        logctx_g_source_set_callback(source, nothing, &calls, NULL);
        g_source_attach(source, context);
        g_source_unref(source);
        g_main_context_iteration(context, FALSE);
    }
    assert_int_equal(calls, 2);
    g_main_context_unref(context);
    return NULL;
}

static void test_not_attached(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_unattached, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_INVALID_USE);
    assert_non_null(strstr(error->message, "call logctx_glib_attach()"));
    assert_non_null(strstr(error->found_by, "test_glib_loop.c:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        glib_test(test_a_leak_is_found_by_a_loop_that_never_blocks),
        glib_test(test_a_leak_is_found_by_a_loop_that_waits),
        glib_test(test_a_leak_is_found_in_turns_without_a_poll),
        glib_test(test_polls_are_bracketed_and_go_to_the_hosts_function),
        glib_test(test_loop_time_has_the_loops_name),
        glib_test(test_a_loop_in_a_loop),
        glib_test(test_a_loop_inside_a_request),
        glib_test(test_a_careless_loop_inside_a_request),
        glib_test(test_the_last_callback_of_a_loop),
        glib_test(test_a_loop_on_another_thread),
        glib_test(test_delay_of_what_was_ready),
        glib_test(test_delay_of_timers),
        glib_test(test_attached_once),
        glib_test(test_too_many),
        glib_test(test_detached_while_another_thread_runs_it), // these two keep their places
        glib_test(test_detached_below_another_wrapper),
        glib_test(test_not_attached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
