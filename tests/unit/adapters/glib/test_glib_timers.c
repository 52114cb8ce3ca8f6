/*
 * test_glib_timers.c: the timers of the main context, through what the core does with them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "glib_support.h"
#include "spans.h"

#include <logctx/timers.h>

static int calls;
static logctx_t *was;

static logctx_result_t note(void *user, logctx_result_t *result)
{
    (void)user;
    calls++;
    was = logctx_set_current(logctx_sentinel()); // it goes back to the loop
    return *result;
}

static logctx_result_t handle(void *user, logctx_result_t *result)
{
    (void)user;
    (void)result;
    return logctx_success(NULL, NULL);
}

static logctx_result_t work(void *user)
{
    (void)user;
    calls++;
    return logctx_success(NULL, NULL);
}

static void test_sleep(void **state)
{
    (void)state;
    calls = 0;
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    logctx_deferred_t *slept = logctx_sleep(logctx_glib_timers(attached), 1);
    assert_current(logctx_sentinel());
    assert_int_equal(logctx_deferred_add(slept, note, note, NULL, NULL), LOGCTX_OK);
    TURN_UNTIL(calls);
    assert_ptr_equal(was, ctx);
    assert_current(logctx_sentinel());
    logctx_deferred_unref(slept);
    end(ctx);
}

static void test_cancelled_sleep(void **state)
{
    (void)state;
    calls = 0;
    logctx_deferred_t *slept = logctx_sleep(logctx_glib_timers(attached), 1000000);
    logctx_deferred_add(slept, NULL, note, NULL, NULL);
    logctx_deferred_cancel(slept);
    assert_int_equal(calls, 1);
    logctx_deferred_t *again = logctx_sleep(logctx_glib_timers(attached), UINT64_MAX);
    logctx_deferred_cancel(again);
    logctx_deferred_add(again, NULL, handle, NULL, NULL);
    logctx_deferred_add(slept, NULL, handle, NULL, NULL);
    logctx_deferred_unref(slept);
    logctx_deferred_unref(again);
}

static void test_call_later(void **state)
{
    (void)state;
    calls = 0;
    logctx_call_t *call = logctx_call_later(logctx_glib_timers(attached), 1, "later", work, NULL, NULL);
    TURN_UNTIL(calls);
    logctx_call_unref(call);
    assert_non_null(logctx_recorder_find(recorder, "later"));
}

static void test_looping_calls(void **state)
{
    (void)state;
    calls = 0;
    logctx_call_t *call = logctx_looping_call(logctx_glib_timers(attached), 1, "again", work, NULL, NULL);
    assert_int_equal(calls, 0);
    TURN_UNTIL(calls == 3);
    logctx_call_cancel(call);
    call = logctx_looping_call_now(logctx_glib_timers(attached), 1, "now", work, NULL, NULL);
    assert_int_equal(calls, 4);
    TURN_UNTIL(calls == 6);
    logctx_call_cancel(call);
}

static void test_timeout(void **state)
{
    (void)state;
    calls = 0;
    logctx_deferred_t *never = logctx_deferred_new(NULL, NULL, NULL);
    assert_int_equal(logctx_deferred_set_timeout(never, logctx_glib_timers(attached), 1), LOGCTX_OK);
    logctx_deferred_add(never, NULL, note, NULL, NULL);
    TURN_UNTIL(calls);
    assert_string_equal(logctx_deferred_result(never)->error, LOGCTX_TIMEOUT);
    logctx_deferred_add(never, NULL, handle, NULL, NULL);
    logctx_deferred_unref(never);
}

static void test_after_detaching(void **state)
{
    (void)state;
    const logctx_timers_t *timers = logctx_glib_timers(attached);
    logctx_glib_detach(attached);
    assert_null(logctx_sleep(timers, 1)); // and nothing is left behind
    assert_null(timers->start(timers->user, 1, NULL, NULL));
    attached = logctx_glib_attach(NULL, "test");
}

static void test_stopped_after_the_main_context_has_gone(void **state)
{
    (void)state;
    GMainContext *context = g_main_context_new();
    logctx_glib_t *loop = logctx_glib_attach(context, "gone");
    logctx_deferred_t *slept = logctx_sleep(logctx_glib_timers(loop), 1000000);
    logctx_deferred_add(slept, NULL, handle, NULL, NULL);
    logctx_glib_detach(loop);
    g_main_context_unref(context);
    logctx_deferred_cancel(slept);
    logctx_deferred_unref(slept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        glib_test(test_sleep),
        glib_test(test_cancelled_sleep),
        glib_test(test_call_later),
        glib_test(test_looping_calls),
        glib_test(test_timeout),
        glib_test(test_after_detaching),
        glib_test(test_stopped_after_the_main_context_has_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
