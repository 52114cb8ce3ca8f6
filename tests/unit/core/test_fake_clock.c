// The clock that a user's test installs: nothing moves by itself, and what is moved is charged exactly.
//
// SPDX-License-Identifier: Apache-2.0
#include <logctx/logctx.h>
#include <logctx/recorder.h>
#include <logctx/testing.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_charges_what_it_is_told(void **state)
{
    (void)state;
    assert_string_equal(logctx_cpu_clock_name(), "fake");
    logctx_recorder_t *recorder = logctx_recorder_new(1);
    logctx_t *ctx = logctx_new(logctx_kind("job"), NULL);
    logctx_enter(ctx);
    logctx_fake_cpu(30000000, 10000000);
    logctx_fake_time(50000000);
    logctx_exit(ctx);
    logctx_fake_cpu(7, 7); // in the sentinel: nobody's

    logctx_usage_t own;
    logctx_get_usage(ctx, &own, NULL);
    assert_int_equal(own.cpu_user_ns, 30000000);
    assert_int_equal(own.cpu_system_ns, 10000000);
    assert_int_equal(own.running_ns, 50000000);
    const logctx_span_t *span = logctx_record_span(logctx_recorder_at(recorder, 0));
    assert_int_equal(span->end_unix_ns - span->start_unix_ns, 50000000);
    logctx_unref(ctx);
    logctx_recorder_free(recorder);
}

static void *on_another_thread(void *user)
{
    logctx_t *ctx = logctx_new(logctx_kind("other"), NULL);
    logctx_enter(ctx);
    logctx_fake_cpu(5, 0);
    logctx_exit(ctx);
    logctx_get_usage(ctx, user, NULL);
    logctx_unref(ctx);
    return NULL;
}

static void test_cpu_is_each_threads_own(void **state)
{
    (void)state;
    logctx_t *ctx = logctx_new(logctx_kind("job"), NULL);
    logctx_enter(ctx);
    logctx_usage_t theirs, ours;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, on_another_thread, &theirs), 0);
    pthread_join(thread, NULL);
    logctx_exit(ctx);
    logctx_get_usage(ctx, &ours, NULL);
    assert_int_equal(theirs.cpu_ns, 5);
    assert_int_equal(ours.cpu_ns, 0);
    logctx_unref(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        logctx_unit_test_fake_clock(test_charges_what_it_is_told),
        logctx_unit_test_fake_clock(test_cpu_is_each_threads_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
