/*
 * test_process.c: background processes, and work in the background, beyond the recorded scenarios: spans and links,
 * metrics while they run, the observer, ownership, misuse.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "collected.h"
#include "spans.h"

#include <logctx/process.h>

static logctx_deferred_t *pending;
static logctx_t *seen;

static logctx_result_t work(void *user)
{
    seen = logctx_current();
    run_user(3 * MS);
    return user ? logctx_failure(user, NULL, NULL) : logctx_success(NULL, NULL);
}

static logctx_result_t work_that_waits(void *user)
{
    (void)user;
    seen = logctx_current();
    run_user(2 * MS);
    pending = logctx_deferred_new(NULL, NULL, NULL);
    logctx_make_yieldable(pending);
    return logctx_wait_for(logctx_deferred_ref(pending));
}

static logctx_result_t count(void *user, logctx_result_t *result)
{
    (*(int *)user)++;
    return *result;
}

// ---- processes ----

static void test_a_process_has_a_root_context_of_its_own(void **state)
{
    (void)state;
    logctx_t *starter = make("GET /", "GET-1");
    logctx_set_current(starter);
    logctx_deferred_t *ended = logctx_run_as_background_process("test_prune", work, NULL);
    assert_current(starter);
    assert_true(logctx_deferred_is_complete(ended));
    logctx_deferred_unref(ended);
    const logctx_span_t *span = span_of("test_prune-1");
    assert_string_equal(span->name, "test_prune");
    assert_int_equal(span->type, LOGCTX_TYPE_BACKGROUND);
    assert_false(span->has_parent);
    assert_int_equal(span->own.cpu_ns, 3 * MS);
    logctx_span_context_t here = logctx_get_span_context(starter);
    assert_memory_not_equal(span->trace_id, here.trace_id, sizeof here.trace_id);
    assert_int_equal(own_of(starter).cpu_ns, 0);
    end(starter);
    // Each is linked with the other.
    assert_int_equal(count_parts(record_of("test_prune-1"), LOGCTX_PART_LINK), 1);
    assert_int_equal(count_parts(record_of("GET-1"), LOGCTX_PART_LINK), 1);
}

static void test_from_the_sentinel_there_is_no_link(void **state)
{
    (void)state;
    logctx_deferred_unref(logctx_run_as_background_process("test_alone", work, NULL));
    assert_int_equal(count_parts(record_of("test_alone-1"), LOGCTX_PART_LINK), 0);
    assert_current(logctx_sentinel());
}

static void test_it_is_in_flight_until_its_work_is_done(void **state)
{
    (void)state;
    int calls = 0;
    logctx_deferred_t *ended = logctx_run_as_background_process("test_slow", work_that_waits, NULL);
    logctx_deferred_add(ended, count, NULL, &calls, NULL);
    assert_current(logctx_sentinel());
    const logctx_series_t *series = collect("test_slow", "background");
    assert_int_equal(series->in_flight, 1);
    assert_int_equal(series->usage.cpu_ns, 2 * MS); // what it used so far
    assert_int_equal(calls, 0);
    logctx_deferred_succeed(pending, NULL, NULL);
    assert_int_equal(calls, 1);
    assert_int_equal(collect("test_slow", "background")->in_flight, 0);
    logctx_deferred_unref(pending);
    logctx_deferred_unref(ended);
}

static void test_a_failure_is_told_and_on_the_span(void **state)
{
    (void)state;
    logctx_deferred_unref(logctx_run_as_background_process("test_fails", work, (void *)(uintptr_t) "disk_full"));
    int started_at = __LINE__ - 1;
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_BGPROC_EXCEPTION);
    assert_string_equal(error->message, "Background process 'test_fails' threw an exception");
    assert_at(error->found_by, started_at);
    assert_string_equal(error->affected, "test_fails-1");
    assert_int_equal(span_of("test_fails-1")->status, LOGCTX_STATUS_ERROR);
    logctx_deferred_t *ended = logctx_run_as_background_process("test_fails", work_that_waits, NULL);
    logctx_deferred_fail(pending, "timeout", NULL, NULL);
    take_error(LOGCTX_ERROR_BGPROC_EXCEPTION); // once: it is handled by that
    assert_null(logctx_deferred_result(ended)->error);
    logctx_deferred_unref(pending);
    logctx_deferred_unref(ended);
}

static void test_run_again_and_ended_twice(void **state)
{
    (void)state;
    logctx_opts_t opts = {.struct_size = sizeof opts, .name = "sync-7", .type = LOGCTX_TYPE_BACKGROUND};
    logctx_t *ctx = logctx_new(logctx_kind("sync"), &opts);
    logctx_enter(ctx);
    logctx_exit(ctx);
    logctx_set_current(ctx);
    int again = __LINE__ - 1;
    take_error(LOGCTX_ERROR_RESTARTED_FINISHED);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_BGPROC_REENTERED);
    assert_string_equal(error->message, "Background process re-entered without a proc: sync-7");
    assert_at(error->found_by, again);
    logctx_exit(ctx);
    error = take_error(LOGCTX_ERROR_BGPROC_EXITED);
    assert_string_equal(error->message, "Background process exited without a proc: sync-7");
    assert_at(error->found_by, __LINE__ - 3);
    assert_at(error->set_by, again);
    logctx_unref(ctx);
}

static void test_work_that_nobody_completes(void **state)
{
    (void)state;
    logctx_deferred_t *ended = logctx_run_as_background_process("test_orphan", work_that_waits, NULL);
    logctx_deferred_unref(pending);
    assert_false(logctx_deferred_is_called(ended));
    assert_int_equal(books().live, 0); // its context has ended with it
    logctx_deferred_unref(ended);
}

static void test_no_function(void **state)
{
    (void)state;
    logctx_deferred_unref(logctx_run_as_background_process("test_null", NULL, NULL));
    take_error(LOGCTX_ERROR_INVALID_USE);
    take_error(LOGCTX_ERROR_BGPROC_EXCEPTION);
    logctx_deferred_t *deferred = logctx_run_in_background(NULL, NULL);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_deferred_unref(deferred);
    take_error(LOGCTX_ERROR_UNHANDLED_FAILURE);
}

// The next process of a chain returns the one before: a chain of any length ends without recursion.
static logctx_result_t return_deferred(void *user)
{
    return logctx_wait_for(logctx_make_yieldable(user));
}

static void test_a_long_chain_of_processes(void **state)
{
    (void)state;
    enum { LONG = 20000 };
    logctx_deferred_t *first = logctx_deferred_new(NULL, NULL, NULL), *last = logctx_deferred_ref(first);
    int calls = 0;
    for (int i = 0; i < LONG; i++)
        last = logctx_run_as_background_process("test_chain", return_deferred, last);
    logctx_deferred_add(last, count, NULL, &calls, NULL);
    assert_int_equal(books().live, LONG);
    logctx_deferred_succeed(first, NULL, NULL);
    assert_int_equal(calls, 1);
    assert_int_equal(books().live, 0);
    logctx_deferred_unref(first);
    logctx_deferred_unref(last);
}

// ---- the observer ----

static struct {
    int resumed, ended;
    int64_t cpu_ns;
    bool switches;
} observed;

static void on_resumed(void *user, logctx_t *process)
{
    assert_ptr_equal(user, &observed);
    assert_current(process);
    observed.resumed++;
    if (observed.switches)
        logctx_set_current(logctx_sentinel()); // refused
}

static void on_ended(void *user, logctx_t *process)
{
    (void)user;
    logctx_usage_t own;
    logctx_get_usage(process, &own, NULL);
    observed.ended++;
    observed.cpu_ns = own.cpu_ns;
    if (observed.switches)
        logctx_set_current(process); // put back
}

static void test_the_observer(void **state)
{
    (void)state;
    static const logctx_process_observer_t observer = {sizeof observer, on_resumed, on_ended, &observed};
    logctx_set_process_observer(&observer);
    memset(&observed, 0, sizeof observed);
    logctx_deferred_unref(logctx_run_as_background_process("test_seen", work_that_waits, NULL));
    assert_int_equal(observed.resumed, 1);
    assert_int_equal(observed.ended, 0);
    logctx_deferred_succeed(pending, NULL, NULL);
    assert_int_equal(observed.resumed, 2);
    assert_int_equal(observed.ended, 1);
    assert_int_equal(observed.cpu_ns, 2 * MS);
    logctx_deferred_unref(pending);
    observed.switches = true;
    uint64_t refused = logctx_refused_switches();
    logctx_deferred_unref(logctx_run_as_background_process("test_seen", work, NULL));
    assert_current(logctx_sentinel());
    assert_int_equal(logctx_refused_switches(), refused + 1);
    take_error(LOGCTX_ERROR_RESTARTED_FINISHED); // what the observer did in `ended`
    take_error(LOGCTX_ERROR_BGPROC_REENTERED);
    logctx_set_process_observer(NULL);
}

// ---- in the background ----

static int left_at;

static logctx_result_t leave_another(void *user)
{
    logctx_set_current(user);
    left_at = __LINE__ - 1;
    return logctx_success(NULL, NULL);
}

static void test_background_work_that_completes_at_once(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "A"), *other = make("k", "B");
    logctx_set_current(ctx);
    logctx_deferred_unref(logctx_run_in_background(work, NULL));
    assert_ptr_equal(seen, ctx);
    assert_current(ctx);
    logctx_deferred_unref(logctx_run_in_background(leave_another, other));
    int found_by = __LINE__ - 1;
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_BACKGROUND_MAINTAINED_VIOLATION);
    assert_string_equal(error->message, "run_in_background(*): deferred already completed but the function did not "
                                        "maintain the calling logcontext A (found B)");
    assert_at(error->found_by, found_by);
    assert_at(error->set_by, left_at);
    assert_current(other); // reported, and left as it is
    logctx_set_current(logctx_sentinel());
    end(ctx);
    end(other);
}

static void test_background_work_that_waits(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    logctx_deferred_t *deferred = logctx_run_in_background(work_that_waits, NULL);
    assert_current(ctx);
    logctx_set_current(logctx_sentinel());
    int calls = 0;
    logctx_deferred_add(deferred, count, NULL, &calls, NULL);
    logctx_deferred_succeed(pending, NULL, NULL); // ends in the sentinel: nothing is left to whoever completes it
    assert_int_equal(calls, 1);
    logctx_deferred_unref(pending);
    logctx_deferred_unref(deferred);
    end(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_a_process_has_a_root_context_of_its_own),
        core_test(test_from_the_sentinel_there_is_no_link),
        core_test(test_it_is_in_flight_until_its_work_is_done),
        core_test(test_a_failure_is_told_and_on_the_span),
        core_test(test_run_again_and_ended_twice),
        core_test(test_work_that_nobody_completes),
        core_test(test_no_function),
        core_test(test_a_long_chain_of_processes),
        core_test(test_the_observer),
        core_test(test_background_work_that_completes_at_once),
        core_test(test_background_work_that_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
