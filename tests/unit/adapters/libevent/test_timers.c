/*
 * test_timers.c: sleep, calls that are due later, looping calls and timeouts on libevent's loop.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <pthread.h>

static int calls;
static logctx_t *seen;
static const logctx_timers_t *timers;

static int setup_timers(void **state)
{
    calls = 0;
    seen = NULL;
    setup(state);
    timers = logctx_libevent_timers(attached);
    assert_non_null(timers);
    return 0;
}
#define timer_test(name) logctx_unit_test_fake_clock_setup_teardown(name, setup_timers, teardown)

static logctx_result_t woken(void *user, logctx_result_t *result)
{
    (void)user;
    calls++;
    seen = logctx_current();
    logctx_set_current(logctx_sentinel());
    return *result;
}

static void test_sleep(void **state)
{
    (void)state;
    logctx_t *a = make("A");
    logctx_set_current(a);
    logctx_deferred_t *slept = logctx_sleep(timers, 2);
    assert_current(logctx_sentinel());
    logctx_deferred_add(slept, woken, NULL, NULL, NULL);
    logctx_deferred_unref(slept);
    assert_int_equal(calls, 0);
    run();
    assert_int_equal(calls, 1);
    assert_ptr_equal(seen, a);
    end(a);
}

static logctx_result_t cancelled(void *user, logctx_result_t *result)
{
    (void)user;
    calls++;
    assert_string_equal(result->error, LOGCTX_CANCELLED);
    logctx_set_current(logctx_sentinel());
    return logctx_success(NULL, NULL);
}

static void test_sleep_cancelled(void **state)
{
    (void)state;
    logctx_t *a = make("A");
    logctx_set_current(a);
    logctx_deferred_t *slept = logctx_sleep(timers, 1000000);
    logctx_deferred_add(slept, NULL, cancelled, NULL, NULL);
    logctx_deferred_cancel(slept);
    logctx_deferred_unref(slept);
    assert_int_equal(calls, 1);
    run(); // nothing is left
    end(a);
}

static logctx_call_t *looping;
static logctx_result_t work(void *user)
{
    const int *times = user;
    calls++;
    seen = logctx_current();
    assert_string_equal(logctx_kind_name(logctx_kind_of(seen)), "tick");
    assert_int_equal(logctx_type(seen), LOGCTX_TYPE_CALLBACK);
    pass(2 * MS); // the next one is due in two
    if (calls == *times && looping) {
        logctx_call_cancel(looping);
        looping = NULL;
    }
    return logctx_success(NULL, NULL);
}

static void test_call_later(void **state)
{
    (void)state;
    int times = 0;
    logctx_set_loop_name("calls");
    logctx_call_unref(logctx_call_later(timers, 2, "tick", work, &times, NULL));
    pass(5 * MS); // due after two
    run();
    assert_int_equal(calls, 1);
    assert_false(logctx_is_sentinel(seen));
    logctx_histogram_t delay = delay_of("calls");
    assert_int_equal(delay.count, 1); // counted once, by the call
    assert_true(delay.sum > 0.0029 && delay.sum < 0.0031);
    assert_int_equal(logctx_recorder_count(recorder), 1);
}

static void test_call_later_cancelled(void **state)
{
    (void)state;
    int times = 0;
    logctx_call_cancel(logctx_call_later(timers, 1000000, "tick", work, &times, NULL));
    run();
    assert_int_equal(calls, 0);
}

static void test_looping_call(void **state)
{
    (void)state;
    int times = 3;
    looping = logctx_looping_call(timers, 2, "tick", work, &times, NULL);
    assert_int_equal(calls, 0);
    run();
    assert_int_equal(calls, 3);
    assert_int_equal(logctx_recorder_count(recorder), 3);
}

static void test_looping_call_now(void **state)
{
    (void)state;
    int times = 3;
    looping = logctx_looping_call_now(timers, 2, "tick", work, &times, NULL);
    assert_int_equal(calls, 1);
    run();
    assert_int_equal(calls, 3);
}

static logctx_result_t timed_out(void *user, logctx_result_t *result)
{
    (void)user;
    calls++;
    assert_string_equal(result->error, LOGCTX_TIMEOUT);
    return logctx_success(NULL, NULL);
}

static void test_timeout(void **state)
{
    (void)state;
    logctx_deferred_t *never = logctx_deferred_new(NULL, NULL, NULL);
    assert_int_equal(logctx_deferred_set_timeout(never, timers, 2), LOGCTX_OK);
    logctx_deferred_add(never, NULL, timed_out, NULL, NULL);
    run();
    assert_int_equal(calls, 1);
    logctx_deferred_unref(never);
}

// A timer's own call is looked at for leaks, too.
static void leak(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    logctx_set_current(arg);
}

static void test_the_weaker_check(void **state)
{
    (void)state;
    int times = 0;
    logctx_t *a = make("A");
    logctx_call_unref(logctx_call_later(timers, 5, "tick", work, &times, NULL));
    event_base_once(base, -1, EV_TIMEOUT, leak, a, NULL);
    event_base_dispatch(base);
    assert_by_the_loop(take_error(LOGCTX_ERROR_LEAKED_TO_LOOP)->found_by);
    assert_int_equal(calls, 1);
    end(a);
}

static int asked_at;

static void *ask_elsewhere(void *arg)
{
    (void)arg;
    int times = 0;
    logctx_call_t *call = logctx_call_later(timers, 1, "tick", work, &times, NULL);
    asked_at = __LINE__ - 1;
    return call;
}

// The loop is not this thread's.
static void test_asked_by_another_thread(void **state)
{
    (void)state;
    pthread_t thread;
    void *call = &thread;
    assert_int_equal(pthread_create(&thread, NULL, ask_elsewhere, NULL), 0);
    assert_int_equal(pthread_join(thread, &call), 0);
    assert_null(call);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_INVALID_USE);
    assert_non_null(strstr(error->message, "by another thread than its own"));
    assert_at(error->found_by, asked_at);
    run();
    assert_int_equal(calls, 0);
}

static void never_called(void *arg)
{
    (void)arg;
    calls++;
}

static void test_pending_at_the_end(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_non_null(timers->start(timers->user, 1000000000, never_called, NULL));
    void *middle = timers->start(timers->user, 1, never_called, NULL);
    assert_non_null(timers->start(timers->user, 1000000000, never_called, NULL));
    timers->stop(timers->user, middle);
    logctx_libevent_detach(attached);
    assert_int_equal(event_base_dispatch(base), 1); // nothing is left
    attached = logctx_libevent_attach(base, "again");
    timers = logctx_libevent_timers(attached);
    assert_non_null(timers->start(timers->user, 1000000000, never_called, NULL));
    assert_int_equal(calls, 0);
    assert_null(logctx_libevent_timers(NULL));
    take_error(LOGCTX_ERROR_INVALID_USE);
}

// Whoever has a timer may stop it when its loop has ended: here they do, with the deferreds that have a timeout.
static void test_stopped_after_the_end(void **state)
{
    (void)state;
    logctx_deferred_t *called = logctx_deferred_new(NULL, NULL, NULL), *dropped = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_t *slept = logctx_sleep(timers, 1000);
    assert_int_equal(logctx_deferred_set_timeout(called, timers, 1000), LOGCTX_OK);
    assert_int_equal(logctx_deferred_set_timeout(dropped, timers, 1000), LOGCTX_OK);
    logctx_deferred_add(slept, NULL, cancelled, NULL, NULL);
    logctx_event_base_free(base);
    base = NULL;
    assert_null(timers->start(timers->user, 1, never_called, NULL));
    logctx_deferred_succeed(called, NULL, NULL);
    logctx_deferred_unref(called);
    logctx_deferred_unref(dropped);
    logctx_deferred_cancel(slept);
    assert_int_equal(calls, 1);
    logctx_deferred_unref(slept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        timer_test(test_sleep),
        timer_test(test_sleep_cancelled),
        timer_test(test_call_later),
        timer_test(test_call_later_cancelled),
        timer_test(test_looping_call),
        timer_test(test_looping_call_now),
        timer_test(test_timeout),
        timer_test(test_the_weaker_check),
        timer_test(test_asked_by_another_thread),
        timer_test(test_pending_at_the_end),
        timer_test(test_stopped_after_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
