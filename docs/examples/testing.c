// SPDX-License-Identifier: Apache-2.0
// Tests of a program's own code that fail at any slip, see the spans that the code makes, and move the clock. One thread.
#include <logctx/logctx.h>
#include <logctx/recorder.h>
#include <logctx/testing.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static logctx_t *serve_room(void)
{
    logctx_t *request = logctx_new(logctx_kind("GET /rooms/{id}"), NULL);
    logctx_enter(request);
    logctx_db_fetched(7);
    logctx_fake_cpu(2000000, 0); // stands for two milliseconds of work
    logctx_exit(request);
    return request;
}

static void late_timer(logctx_t *request)
{
    logctx_set_current(request);
    logctx_set_current(logctx_sentinel());
}

static int start_recording(void **state)
{
    *state = logctx_recorder_new(100);
    return *state ? 0 : -1;
}

static int stop_recording(void **state)
{
    logctx_recorder_free(*state);
    return 0;
}

static void test_room_reads_seven_rows(void **state)
{
    logctx_unref(serve_room());
    const logctx_record_t *record = logctx_recorder_find(*state, "GET /rooms/{id}");
    assert_non_null(record);
    assert_int_equal(logctx_record_span(record)->own.db_rows, 7);
}

static void test_room_costs_two_milliseconds(void **state)
{
    (void)state;
    logctx_usage_t own;
    logctx_t *request = serve_room();
    logctx_get_usage(request, &own, NULL);
    logctx_unref(request);
    assert_int_equal(own.cpu_ns, 2000000);
}

static void test_late_timer_is_noticed(void **state)
{
    (void)state;
    const logctx_test_error_t *error = logctx_expect_transition_error(LOGCTX_ERROR_RESTARTED_FINISHED);
    logctx_t *request = serve_room();
    late_timer(request);
    assert_true(error->came);
    assert_string_equal(error->affected, logctx_name(request));
    logctx_unref(request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        logctx_unit_test_setup_teardown(test_room_reads_seven_rows, start_recording, stop_recording),
        logctx_unit_test_fake_clock(test_room_costs_two_milliseconds),
        logctx_unit_test(test_late_timer_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
