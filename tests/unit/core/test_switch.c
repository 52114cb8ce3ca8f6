/*
 * test_switch.c: the switch and its errors: which one, in what order, with which names and places, and what is charged.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "spans.h"

static int64_t cpu_of(logctx_t *ctx)
{
    return own_of(ctx).cpu_ns;
}

static void test_slices_are_charged(void **state)
{
    (void)state;
    logctx_t *a = make("a", "a"), *b = make("b", "b");
    run_user(MS);
    logctx_set_current(a);
    run_user(2 * MS);
    run_system(3 * MS);
    logctx_set_current(b);
    run_user(7 * MS);
    logctx_set_current(a);
    run_system(11 * MS);
    logctx_set_current(logctx_sentinel());
    run_user(13 * MS);
    logctx_usage_t own = own_of(a);
    assert_int_equal(own.cpu_user_ns, 2 * MS);
    assert_int_equal(own.cpu_system_ns, 14 * MS);
    assert_int_equal(own.cpu_ns, 16 * MS);
    assert_int_equal(own.running_ns, 16 * MS);
    assert_int_equal(cpu_of(b), 7 * MS);
    end(a);
    end(b);
    assert_int_equal(int_attr(record_of("a"), "logctx.switches"), 2);
}

static void test_waiting_is_running_but_no_cpu(void **state)
{
    (void)state;
    logctx_t *ctx = make("a", "a");
    logctx_set_current(ctx);
    pass(5 * MS);
    logctx_set_current(logctx_sentinel());
    assert_int_equal(own_of(ctx).running_ns, 5 * MS);
    assert_int_equal(cpu_of(ctx), 0);
    end(ctx);
}

static void test_no_reading_charges_nothing_and_says_nothing(void **state)
{
    (void)state;
    logctx_t *ctx = make("a", "a");
    fake.broken = true;
    logctx_set_current(ctx);
    fake.broken = false;
    run_user(MS);
    logctx_set_current(logctx_sentinel());
    // Started without a reading, so the stop finds none.
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_STOP_WITHOUT_START);
    assert_string_equal(error->message, "Called stop on logcontext a without recording a start rusage");
    logctx_set_current(ctx);
    run_user(MS);
    fake.broken = true;
    logctx_set_current(logctx_sentinel());
    fake.broken = false;
    assert_int_equal(cpu_of(ctx), 0);
    end(ctx);
}

static void test_previous_context_mismatch(void **state)
{
    (void)state;
    logctx_t *outer = make("o", "outer"), *ctx = make("c", "ctx");
    logctx_set_current(outer);
    int set_by = __LINE__ - 1;
    logctx_enter(ctx);
    int found_by = __LINE__ - 1;
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_PREVIOUS_CONTEXT_MISMATCH);
    assert_string_equal(error->message, "Expected previous context sentinel, found outer");
    assert_string_equal(error->expected, "sentinel");
    assert_string_equal(error->found, "outer");
    assert_string_equal(error->affected, "ctx");
    assert_string_equal(error->current, "ctx");
    assert_at(error->found_by, found_by);
    assert_at(error->set_by, set_by);
    logctx_exit(ctx);
    assert_current(logctx_sentinel());
    logctx_unref(ctx);
    end(outer);
}

static void test_entering_what_is_current_is_a_mismatch(void **state)
{
    (void)state;
    logctx_t *ctx = make("c", "ctx");
    logctx_set_current(ctx);
    unsigned long long readings = fake.readings;
    logctx_enter(ctx);
    assert_int_equal(fake.readings, readings);
    assert_string_equal(take_error(LOGCTX_ERROR_PREVIOUS_CONTEXT_MISMATCH)->found, "ctx");
    logctx_exit(ctx);
    logctx_unref(ctx);
}

static void test_context_lost(void **state)
{
    (void)state;
    logctx_t *ctx = make("c", "ctx");
    logctx_enter(ctx);
    run_user(MS);
    logctx_set_current(logctx_sentinel());
    int set_by = __LINE__ - 1;
    run_user(MS);
    logctx_exit(ctx);
    int found_by = __LINE__ - 1;
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_CONTEXT_LOST);
    assert_string_equal(error->message, "Expected logging context ctx was lost");
    assert_string_equal(error->expected, "ctx");
    assert_string_equal(error->found, "sentinel");
    assert_ptr_equal(error->affected_address, ctx);
    assert_string_equal(error->current, "sentinel");
    assert_at(error->found_by, found_by);
    assert_at(error->set_by, set_by);
    assert_int_equal(cpu_of(ctx), MS);
    logctx_unref(ctx);
}

static void test_unexpected_context(void **state)
{
    (void)state;
    logctx_t *ctx = make("c", "ctx"), *other = make("o", "other");
    logctx_enter(ctx);
    logctx_set_current(other);
    int set_by = __LINE__ - 1;
    run_user(MS);
    logctx_exit(ctx);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_UNEXPECTED_CONTEXT);
    assert_at(error->found_by, __LINE__ - 2);
    assert_at(error->set_by, set_by);
    assert_string_equal(error->message, "Expected logging context ctx but found other");
    assert_int_equal(cpu_of(other), MS);
    logctx_unref(ctx);
    end(other);
}

static void test_restarted_finished(void **state)
{
    (void)state;
    logctx_t *ctx = make("c", "ctx");
    logctx_set_current(ctx);
    int before = __LINE__ - 1;
    logctx_set_current(logctx_sentinel());
    logctx_finish(ctx);
    logctx_set_current(ctx);
    int found_by = __LINE__ - 1;
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_RESTARTED_FINISHED);
    assert_string_equal(error->message, "Re-starting finished log context ctx");
    assert_string_equal(error->expected, "ctx");
    assert_string_equal(error->current, "ctx");
    assert_at(error->found_by, found_by);
    assert_at(error->set_by, before);
    run_user(MS);
    logctx_set_current(logctx_sentinel());
    assert_int_equal(cpu_of(ctx), MS);
    logctx_unref(ctx);
}

// The same context is not restarted, finished or not: nothing happens.
static void test_a_finished_current_context_is_not_restarted(void **state)
{
    (void)state;
    logctx_t *ctx = make("c", "ctx");
    logctx_set_current(ctx);
    logctx_finish(ctx);
    logctx_set_current(ctx);
    logctx_set_current(logctx_sentinel());
    logctx_unref(ctx);
}

static void test_backwards(void **state)
{
    (void)state;
    logctx_t *ctx = make("c", "ctx");
    fake.user = 1234 * MS;
    fake.system = 500 * MS;
    logctx_set_current(ctx);
    fake.user = 234 * MS;
    fake.system = 507 * MS;
    logctx_set_current(logctx_sentinel());
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_UTIME_BACKWARDS);
    assert_string_equal(error->message, "utime went backwards! 0.234000 < 1.234000");
    assert_string_equal(error->current, "ctx");
    assert_int_equal(own_of(ctx).cpu_user_ns, 0);
    assert_int_equal(own_of(ctx).cpu_system_ns, 7 * MS); // the other part counts
    logctx_set_current(ctx);
    fake.user += 3 * MS;
    fake.system = 0;
    logctx_set_current(logctx_sentinel());
    assert_string_equal(take_error(LOGCTX_ERROR_STIME_BACKWARDS)->message, "stime went backwards! 0.000000 < 0.507000");
    assert_int_equal(own_of(ctx).cpu_user_ns, 3 * MS);
    logctx_set_current(ctx);
    fake.user = fake.system = -1;
    logctx_set_current(logctx_sentinel());
    take_error(LOGCTX_ERROR_UTIME_BACKWARDS);
    take_error(LOGCTX_ERROR_STIME_BACKWARDS);
    end(ctx);
}

static void test_usage_says_backwards_each_time(void **state)
{
    (void)state;
    logctx_t *ctx = make("c", "ctx");
    fake.user = 5 * MS;
    logctx_set_current(ctx);
    fake.user = 1 * MS;
    own_of(ctx);
    own_of(ctx);
    take_errors(LOGCTX_ERROR_UTIME_BACKWARDS, 2);
    fake.user = 9 * MS; // nothing was stored
    logctx_set_current(logctx_sentinel());
    assert_int_equal(cpu_of(ctx), 4 * MS);
    end(ctx);
}

static void test_nested(void **state)
{
    (void)state;
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = "GET-1";
    opts.server = "example.org";
    logctx_t *outer = logctx_new(logctx_kind("GET /"), &opts);
    logctx_enter(outer);
    logctx_t *inner = logctx_new_nested("render");
    assert_current(outer);
    assert_string_equal(logctx_name(inner), "GET-1-render");
    assert_string_equal(logctx_kind_name(logctx_kind_of(inner)), "GET /-render");
    assert_string_equal(logctx_server(inner), "example.org");
    assert_int_equal(logctx_type(inner), LOGCTX_TYPE_NESTED);
    logctx_enter(inner);
    run_user(MS);
    logctx_exit(inner);
    assert_current(outer);
    logctx_exit(outer);
    assert_int_equal(total_of(outer).cpu_ns, MS);
    assert_int_equal(cpu_of(outer), 0);
    logctx_unref(inner);
    logctx_unref(outer);
    assert_memory_equal(span_of("GET-1-render")->parent_span_id, span_of("GET-1")->span_id, 8);
}

static void test_nested_from_sentinel(void **state)
{
    (void)state;
    logctx_t *ctx = logctx_new_nested("part");
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_NESTED_FROM_SENTINEL);
    assert_at(error->found_by, __LINE__ - 2);
    assert_string_equal(error->message, "Starting nested logging context from sentinel context: metrics will be lost");
    assert_string_equal(error->affected, "sentinel-part");
    assert_string_equal(logctx_name(ctx), "sentinel-part");
    assert_string_equal(logctx_server(ctx), "unknown_server_from_sentinel_context");
    assert_current(logctx_sentinel());
    end(ctx);
    assert_false(span_of("sentinel-part")->has_parent);
}

static void test_threadpool_from_sentinel(void **state)
{
    (void)state;
    logctx_t *earlier = make("k", "earlier work of this thread"); // which is not to blame
    logctx_set_current(earlier);
    end(earlier);
    logctx_t *ctx = logctx_new_on_thread(logctx_sentinel());
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_THREADPOOL_FROM_SENTINEL);
    assert_at(error->found_by, __LINE__ - 2);
    assert_string_equal(error->set_by, "");
    assert_string_equal(logctx_name(ctx), "sentinel");
    assert_string_equal(logctx_server(ctx), "unknown_server_from_sentinel_context");
    assert_int_equal(logctx_type(ctx), LOGCTX_TYPE_THREAD);
    end(ctx);
}

// ---- preserve blocks ----

static void test_preserve(void **state)
{
    (void)state;
    logctx_t *ctx = make("c", "ctx"), *other = make("o", "other");
    logctx_set_current(ctx);
    logctx_preserve_t block = logctx_preserve_enter(other);
    assert_current(other);
    logctx_preserve_exit(&block);
    assert_current(ctx);

    block = logctx_preserve_enter(logctx_sentinel());
    logctx_set_current(other);
    logctx_preserve_exit(&block);
    assert_string_equal(take_error(LOGCTX_ERROR_UNEXPECTED_CONTEXT)->message,
                        "Expected logging context sentinel but found other");
    assert_current(ctx);

    block = logctx_preserve_enter(other);
    logctx_set_current(logctx_sentinel());
    logctx_preserve_exit(&block);
    assert_string_equal(take_error(LOGCTX_ERROR_CONTEXT_LOST)->affected, "other");
    assert_current(ctx);
    end(ctx);
    end(other);
    assert_false(logctx_is_finished(logctx_sentinel()));
}

static void test_preserve_of_the_current_one_switches_nothing(void **state)
{
    (void)state;
    logctx_t *ctx = make("c", "ctx");
    logctx_set_current(ctx);
    unsigned long long readings = fake.readings;
    logctx_preserve_t block = logctx_preserve_enter(ctx);
    logctx_preserve_exit(&block);
    assert_int_equal(fake.readings, readings);
    end(ctx);
}

// A block that goes nowhere, with balanced switches in it: who lost the context is still the one before it.
static void test_preserve_of_the_current_one_keeps_the_blame(void **state)
{
    (void)state;
    logctx_t *ctx = make("c", "ctx"), *other = make("o", "other");
    logctx_enter(ctx);
    logctx_set_current(logctx_sentinel()); // loses it
    int lost_at = __LINE__ - 1;
    logctx_preserve_t block = logctx_preserve_enter(logctx_sentinel());
    logctx_set_current(other);
    logctx_set_current(logctx_sentinel());
    logctx_preserve_exit(&block);
    logctx_exit(ctx);
    assert_at(take_error(LOGCTX_ERROR_CONTEXT_LOST)->set_by, lost_at);
    logctx_unref(ctx);
    end(other);
}

static void test_preserve_holds_both(void **state)
{
    (void)state;
    logctx_t *ctx = make("c", "ctx"), *other = make("o", "other");
    logctx_set_current(ctx);
    logctx_preserve_t block = logctx_preserve_enter(other);
    logctx_unref(ctx);
    logctx_finish(other);
    logctx_unref(other);
    logctx_preserve_exit(&block);
    assert_string_equal(logctx_name(logctx_current()), "ctx");
    logctx_set_current(logctx_sentinel());
    assert_int_equal(books().live, 0);
    logctx_preserve_exit(&block); // a second time: both are gone, and that is all
    assert_current(logctx_sentinel());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_slices_are_charged),
        core_test(test_waiting_is_running_but_no_cpu),
        core_test(test_no_reading_charges_nothing_and_says_nothing),
        core_test(test_previous_context_mismatch),
        core_test(test_entering_what_is_current_is_a_mismatch),
        core_test(test_context_lost),
        core_test(test_unexpected_context),
        core_test(test_restarted_finished),
        core_test(test_a_finished_current_context_is_not_restarted),
        core_test(test_backwards),
        core_test(test_usage_says_backwards_each_time),
        core_test(test_nested),
        core_test(test_nested_from_sentinel),
        core_test(test_threadpool_from_sentinel),
        core_test(test_preserve),
        core_test(test_preserve_of_the_current_one_switches_nothing),
        core_test(test_preserve_of_the_current_one_keeps_the_blame),
        core_test(test_preserve_holds_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
