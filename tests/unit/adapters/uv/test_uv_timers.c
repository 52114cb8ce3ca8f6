/*
 * test_uv_timers.c: what the core does with time, on libuv's real loop: sleeping, calls that are due later, looping calls and
 * timeouts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "uv_support.h"

#include <logctx/timers.h>

static const logctx_timers_t *timers;
static logctx_call_t *call;
static int calls;

static int set_up(void **state)
{
    uv_setup(state);
    timers = logctx_uv_timers(attached);
    assert_non_null(timers);
    calls = 0;
    return 0;
}
#define timers_test(name) logctx_unit_test_setup_teardown(name, set_up, uv_teardown)

static logctx_result_t on_awake(void *user, logctx_result_t *result)
{
    (void)user;
    say(result->error ? result->error : "awake");
    logctx_set_current(logctx_sentinel());
    return logctx_success(NULL, NULL);
}

static void test_sleep(void **state)
{
    (void)state;
    logctx_t *ctx = in("A");
    logctx_deferred_t *sleeping = logctx_sleep(timers, 3);
    assert_in_sentinel();
    logctx_deferred_add(sleeping, on_awake, on_awake, NULL, NULL);
    logctx_deferred_unref(sleeping);
    logctx_unref(ctx);
    run();
    assert_said("awake:A ");
}

static void test_sleep_is_cancelled(void **state)
{
    (void)state;
    logctx_t *ctx = in("A");
    logctx_deferred_t *sleeping = logctx_sleep(timers, 100000);
    logctx_deferred_add(sleeping, on_awake, on_awake, NULL, NULL);
    assert_int_equal(uv_loop_alive(&loop), 1);
    logctx_deferred_cancel(sleeping);
    assert_int_equal(uv_loop_alive(&loop), 0);
    logctx_deferred_unref(sleeping);
    logctx_unref(ctx);
    assert_said("cancelled:A ");
}

static logctx_result_t do_it(void *user)
{
    assert_ptr_equal(user, &calls);
    assert_string_equal(logctx_kind_name(logctx_kind_of(logctx_current())), "tidy up");
    assert_int_equal(logctx_type(logctx_current()), LOGCTX_TYPE_CALLBACK);
    if (++calls == 3) {
        logctx_call_cancel(call);
        call = NULL;
    }
    return logctx_success(NULL, NULL);
}

static void test_call_later(void **state)
{
    (void)state;
    logctx_call_unref(logctx_call_later(timers, 1, "tidy up", do_it, &calls, NULL));
    logctx_call_cancel(logctx_call_later(timers, 100000, "tidy up", do_it, &calls, NULL));
    run();
    assert_int_equal(calls, 1);
}

static void test_looping_call(void **state)
{
    (void)state;
    call = logctx_looping_call(timers, 1, "tidy up", do_it, &calls, NULL);
    assert_int_equal(calls, 0);
    run();
    assert_int_equal(calls, 3);
}

static void test_looping_call_now(void **state)
{
    (void)state;
    call = logctx_looping_call_now(timers, 1, "tidy up", do_it, &calls, NULL);
    assert_int_equal(calls, 1);
    run();
    assert_int_equal(calls, 3);
}

static void test_timeout(void **state)
{
    (void)state;
    logctx_deferred_t *never = logctx_deferred_new(NULL, NULL, NULL);
    assert_int_equal(logctx_deferred_set_timeout(never, timers, 1), LOGCTX_OK);
    logctx_deferred_add(never, on_awake, on_awake, NULL, NULL);
    run();
    assert_said("timeout:- ");
    logctx_deferred_unref(never);
}

// The timers are used again: many in a row need one handle.
static void test_handles_are_used_again(void **state)
{
    (void)state;
    size_t handles = 0;
    for (int i = 0; i < 100; i++) {
        logctx_call_unref(logctx_call_later(timers, 0, "tidy up", do_it, &calls, NULL));
        calls = 10;
        run();
    }
    for (void **next = loop.handle_queue[0]; next != (void **)&loop.handle_queue; next = *next)
        handles++;
    assert_true(handles <= 5); // ours: prepare, check, and one timer; and two of libuv's own
}

// What is due still comes; nothing more is started.
static void test_detached(void **state)
{
    (void)state;
    logctx_call_unref(logctx_call_later(timers, 1, "tidy up", do_it, &calls, NULL));
    call = logctx_looping_call(timers, 1, "tidy up", do_it, &calls, NULL);
    logctx_call_t *cancelled = logctx_call_later(timers, 100000, "tidy up", do_it, &calls, NULL);
    logctx_uv_detach(attached);
    assert_null(logctx_sleep(timers, 1));
    logctx_call_cancel(cancelled);
    run();
    assert_int_equal(calls, 2);
    take_misuse("a looping call ends");
    logctx_call_cancel(call);
    attached = NULL;
}

static int asked_at;

static void ask_elsewhere(void *arg)
{
    (void)arg;
    logctx_deferred_t *sleeping = logctx_sleep(timers, 1);
    asked_at = __LINE__ - 1;
    logctx_deferred_unref(sleeping);
    say(sleeping ? "asleep" : "refused");
}

// The loop is not this thread's, and libuv has no lock.
static void test_asked_by_another_thread(void **state)
{
    (void)state;
    uv_thread_t thread;
    uv_thread_create(&thread, ask_elsewhere, NULL);
    uv_thread_join(&thread);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_INVALID_USE);
    assert_non_null(strstr(error->message, "by another thread than that which attached it"));
    assert_at(error->found_by, asked_at);
    assert_said("refused:- ");
}

static void test_null(void **state)
{
    (void)state;
    assert_null(logctx_uv_timers(NULL));
    take_misuse("logctx_uv_timers() got NULL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        timers_test(test_sleep),
        timers_test(test_sleep_is_cancelled),
        timers_test(test_call_later),
        timers_test(test_looping_call),
        timers_test(test_looping_call_now),
        timers_test(test_timeout),
        timers_test(test_handles_are_used_again),
        timers_test(test_detached),
        timers_test(test_asked_by_another_thread),
        timers_test(test_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
