/*
 * test_uv_delay.c: how late the loop ran what was ready, and whose CPU time it was, by the core's fake clock on libuv's real
 * loop.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "uv_support.h"

#include <unistd.h>

#define MS INT64_C(1000000)

static logctx_loop_sums_t sums;

static void find_loop(void *user, const logctx_loop_sums_t *loop_sums)
{
    if (strcmp(loop_sums->name, user) == 0)
        sums = *loop_sums;
}

static void ignore_series(void *user, const logctx_series_t *series)
{
    (void)user;
    (void)series;
}

static const logctx_loop_sums_t *sums_of(const char *name)
{
    char copy[64];
    snprintf(copy, sizeof copy, "%s", name);
    logctx_collector_t collector = {ignore_series, find_loop, copy};
    memset(&sums, 0, sizeof sums);
    assert_int_equal(logctx_collect(&collector), LOGCTX_OK);
    return &sums;
}

#define assert_seconds(is, ms) assert_int_equal((int64_t)((is)*1e6 + 0.5), (int64_t)(ms)*1000)

// ---- delay ----

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
}

static void test_late_timer(void **state)
{
    (void)state;
    logctx_set_loop_name("late timer");
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    logctx_uv_timer_start(&timer, on_timer, 2, 0);
    logctx_fake_time(9 * MS); // the loop is held up
    run();
    const logctx_loop_sums_t *late = sums_of("late timer");
    assert_int_equal(late->delay.count, 1);
    assert_seconds(late->delay.max, 7);
    logctx_uv_close((uv_handle_t *)&timer, NULL);
    run();
}

static int calls;

static void on_repeated(uv_timer_t *timer)
{
    if (++calls == 3)
        logctx_uv_timer_stop(timer);
    logctx_fake_time(calls == 1 ? 1 * MS : 5 * MS);
}

static void test_late_repetition(void **state)
{
    (void)state;
    logctx_set_loop_name("repeated");
    calls = 0;
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    logctx_uv_timer_start(&timer, on_repeated, 0, 2);
    run();
    const logctx_loop_sums_t *late = sums_of("repeated"); // due at 0, 2 and 3; at 0, 1 and 6
    assert_int_equal(late->delay.count, 3);
    assert_seconds(late->delay.max, 3);
    assert_seconds(late->delay.sum, 3);
    logctx_uv_close((uv_handle_t *)&timer, NULL);
    run();
}

static uv_poll_t polls[2];
static int ends[2][2];

static void on_readable(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    logctx_uv_poll_stop(handle);
    logctx_fake_time(4 * MS);
    logctx_fake_cpu(3 * MS, 0);
}

// Both are ready when the poll returns; the second waits for the first.
static void arm_two_that_are_ready(void)
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe(ends[i]), 0);
        assert_int_equal(write(ends[i][1], "x", 1), 1);
        uv_poll_init(&loop, &polls[i], ends[i][0]);
        logctx_uv_poll_start(&polls[i], UV_READABLE, on_readable);
    }
}

static void run_and_close(void)
{
    run();
    for (int i = 0; i < 2; i++) {
        logctx_uv_close((uv_handle_t *)&polls[i], NULL);
        run();
        close(ends[i][0]);
        close(ends[i][1]);
    }
}

static void test_waiting_for_another_callback(void **state)
{
    (void)state;
    logctx_loop_ran(0); // somebody asks for delays
    logctx_set_loop_name("waiting");
    arm_two_that_are_ready();
    run_and_close();
    const logctx_loop_sums_t *late = sums_of("waiting");
    assert_int_equal(late->delay.count, 2);
    assert_seconds(late->delay.min, 0);
    assert_seconds(late->delay.max, 4);
}

// The library's check handle runs before the host's, whenever that was started: there the poll is over.
static void on_check(uv_check_t *check)
{
    logctx_fake_time(5 * MS);
    logctx_loop_ran(0);
    uv_check_stop(check);
}

static void test_poll_is_over_before_any_check(void **state)
{
    (void)state;
    logctx_loop_ran(0);
    logctx_set_loop_name("checking");
    uv_check_t check;
    uv_check_init(&loop, &check);
    uv_check_start(&check, on_check);
    uv_run(&loop, UV_RUN_NOWAIT);
    const logctx_loop_sums_t *late = sums_of("checking");
    assert_int_equal(late->delay.count, 1);
    assert_seconds(late->delay.max, 5);
    uv_close((uv_handle_t *)&check, NULL);
    run();
}

// ---- whose time ----

static void test_callbacks_in_the_poll_are_charged_to_their_contexts(void **state)
{
    (void)state;
    logctx_set_loop_name("whose");
    logctx_t *ctx = in("A");
    arm_two_that_are_ready();
    logctx_set_current(logctx_sentinel());
    run_and_close();
    logctx_usage_t own;
    logctx_get_usage(ctx, &own, NULL);
    assert_int_equal(own.cpu_ns, 6 * MS);
    assert_int_equal(sums_of("whose")->loop_cpu_ns, 0);
    assert_int_equal(sums_of("whose")->unattributed_cpu_ns, 0);
    logctx_unref(ctx);
}

int main(void)
{
    assert_int_equal(logctx_set_clock(logctx_clock("fake")), LOGCTX_OK);
    logctx_fake_time(1000 * MS);
    const struct CMUnitTest tests[] = {
        uv_test(test_late_timer),
        uv_test(test_late_repetition),
        uv_test(test_waiting_for_another_callback),
        uv_test(test_poll_is_over_before_any_check),
        uv_test(test_callbacks_in_the_poll_are_charged_to_their_contexts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
