/*
 * test_hand_over.c: contexts whose home becomes another thread, one step after the other: what moves, what is refused, and
 * what is previous. The steps of the other threads are run to their end, or made to wait, by the test's own thread. What
 * happens at the same time is in test_workers.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "collected.h"
#include "spans.h"
#include "types.h"
#include "worker.h"

#include <sys/syscall.h>
#include <unistd.h>

// ---- a context that moves ----

static void test_a_context_moves(void **state)
{
    (void)state;
    struct worker worker;
    worker_start(&worker);
    logctx_t *ctx = make("moved", "m");
    logctx_set_current(ctx);
    run_user(MS);
    logctx_set_current(logctx_sentinel());
    worker_do(&worker, run_and_end, ctx); // no error: the teardown looks
    const logctx_record_t *record = record_of("m");
    const logctx_span_t *span = logctx_record_span(record);
    assert_int_equal(span->own.cpu_user_ns, 3 * MS);
    assert_int_equal(span->own.cpu_system_ns, 3 * MS);
    assert_int_equal(span->own.running_ns, 6 * MS);
    assert_int_equal(span->own.db_transactions, 1);
    assert_int_equal(int_attr(record, "thread.id"), worker.tid);
    assert_int_equal(int_attr(record, "logctx.switches"), 3);
    assert_false(has_attr(record, "logctx.total.cpu.time")); // nothing went through the cells of other threads
    assert_string_equal(text_attr(record, "logctx.segments"), "0+1000:run 1000+5000:run 2000+1000:txn");
    worker_end(&worker);
}

// Created here, ended there: each thread counts its part, and the sums are right.
static void test_metrics_of_what_moves(void **state)
{
    (void)state;
    struct worker worker;
    worker_start(&worker);
    logctx_t *moved = make("counted move", "moved"), *stays = make("counted move", "stays");
    logctx_set_current(moved);
    run_user(MS);
    logctx_set_current(logctx_sentinel());
    pass(SECOND);
    worker_do(&worker, take_and_set, moved);
    const logctx_series_t *series = collect("counted move", "request");
    assert_int_equal(series->created, 2);
    assert_int_equal(series->in_flight, 2);
    run_user(2 * MS);
    worker_do(&worker, to_sentinel, NULL);
    worker_do(&worker, run_and_end, moved);
    series = collect("counted move", "request");
    assert_int_equal(series->ended, 1);
    assert_int_equal(series->in_flight, 1);
    assert_int_equal(series->usage.cpu_ns, 8 * MS);
    assert_int_equal(series->usage.db_transactions, 1);
    assert_int_equal(series->cpu_usage.count, 1);
    assert_true(series->oldest_age_s > 1.0);
    end(stays);
    series = collect("counted move", "request");
    assert_int_equal(series->in_flight, 0);
    assert_near(series->oldest_age_s, 0.0);
    worker_end(&worker);
}

static void begin_loop(void *name)
{
    logctx_set_loop_name(name);
}

static void run_outside(void *unused)
{
    (void)unused;
    run_user(5 * MS);
}

// contexts + loop + unattributed = the thread's CPU clock. The fake one is that of the one thread that runs.
static void test_the_thread_clock_is_accounted_for(void **state)
{
    (void)state;
    struct worker worker;
    worker_start(&worker);
    logctx_t *ctx = make("accounted", "a");
    logctx_set_current(ctx);
    run_user(MS);
    logctx_set_current(logctx_sentinel());
    collect("accounted", "request");
    worker_do(&worker, begin_loop, "receives");
    int64_t before = fake.user + fake.system;
    worker_do(&worker, run_outside, NULL);
    worker_do(&worker, run_and_end, ctx); // 5 ms in the context
    worker_do(&worker, run_outside, NULL);
    worker_end(&worker);
    const logctx_series_t *series = collect("accounted", "request");
    const logctx_loop_sums_t *loop = collected_loop("receives");
    assert_non_null(loop);
    assert_int_equal(loop->unattributed_cpu_ns, 10 * MS);
    assert_int_equal(loop->loop_cpu_ns, 0);
    assert_int_equal((series->usage.cpu_ns - MS) + loop->unattributed_cpu_ns, fake.user + fake.system - before);
}

static void test_snapshots_show_the_new_home(void **state)
{
    (void)state;
    struct worker worker;
    worker_start(&worker);
    logctx_t *ctx = make("k", "shown");
    logctx_snapshot_t shown;
    assert_int_equal(logctx_get_snapshot(&shown, 1), 1);
    assert_int_equal(shown.thread_id, syscall(SYS_gettid));
    worker_do(&worker, take_and_set, ctx);
    assert_int_equal(logctx_get_snapshot(&shown, 1), 1);
    assert_int_equal(shown.thread_id, worker.tid);
    assert_int_equal(shown.state, LOGCTX_STATE_RUNNING);
    worker_do(&worker, to_sentinel, NULL);
    end(ctx);
    assert_int_equal(logctx_get_snapshot(&shown, 1), 0);
    worker_end(&worker);
}

// To and fro, and after each move the thread that gave it away is a foreign one.
static void test_to_and_fro(void **state)
{
    (void)state;
    struct worker worker;
    worker_start(&worker);
    logctx_t *ctx = make("k", "to and fro");
    for (int i = 0; i < 3; i++) {
        worker_do(&worker, take_and_set, ctx);
        run_user(MS);
        worker_do(&worker, to_sentinel, NULL);
        logctx_set_current(ctx);
        take_error(LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD);
        run_user(MS);
        logctx_set_current(logctx_sentinel());
        take_error(LOGCTX_ERROR_STOPPED_ON_DIFFERENT_THREAD);
        take_and_set(ctx);
        run_user(MS);
        logctx_set_current(logctx_sentinel());
    }
    assert_int_equal(own_of(ctx).cpu_ns, 6 * MS);
    end(ctx);
    worker_end(&worker);
}

// ---- what is refused ----

static int refused_line;

static void take_refused(void *ctx)
{
    assert_int_equal(logctx_hand_over(ctx), LOGCTX_E_STATE);
    refused_line = __LINE__ - 1;
}

static void test_refused_while_it_runs(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "busy");
    logctx_set_current(ctx);
    int set_line = __LINE__ - 1;
    run_user(MS);
    struct worker worker;
    worker_start(&worker);
    worker_do(&worker, take_refused, ctx);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_INVALID_USE);
    assert_string_equal(error->message,
                        "Wrong use of logctx: logctx_hand_over() got a context that is current on another "
                        "thread; set the sentinel there, and then pass the context on");
    assert_string_equal(error->affected, "busy");
    assert_at(error->found_by, refused_line);
    assert_at(error->set_by, set_line);
    run_user(MS);
    logctx_set_current(logctx_sentinel());
    assert_int_equal(own_of(ctx).cpu_ns, 2 * MS); // nothing has changed for its home
    worker_do(&worker, run_and_end, ctx);
    worker_end(&worker);
}

// A visitor wipes the start reading: it is current at home all the same, and would be freed under its feet.
static void test_refused_without_a_reading(void **state)
{
    (void)state;
    struct worker worker;
    worker_start(&worker);
    logctx_t *ctx = make("k", "wiped");
    logctx_set_current(ctx);
    worker_do(&worker, set, ctx);
    worker_do(&worker, to_sentinel, NULL);
    take_error(LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD);
    take_error(LOGCTX_ERROR_STOPPED_ON_DIFFERENT_THREAD);
    worker_do(&worker, take_refused, ctx);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_set_current(logctx_sentinel());
    take_error(LOGCTX_ERROR_STOP_WITHOUT_START);
    worker_do(&worker, take, ctx);

    worker_do(&worker, to_sentinel, NULL);
    take(ctx);
    fake.broken = true;
    logctx_set_current(ctx);
    worker_do(&worker, take_refused, ctx);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_set_current(logctx_sentinel());
    fake.broken = false;
    worker_do(&worker, run_and_end, ctx);
    worker_end(&worker);
}

static void test_arguments(void **state)
{
    (void)state;
    assert_int_equal(logctx_hand_over(NULL), LOGCTX_E_INVALID);
    int line = __LINE__ - 1;
    assert_at(take_error(LOGCTX_ERROR_INVALID_USE)->found_by, line);
    assert_int_equal((logctx_hand_over)(NULL), LOGCTX_E_INVALID);
    assert_non_null(strstr(take_error(LOGCTX_ERROR_INVALID_USE)->found_by, "core_hand_over"));
    assert_int_equal(logctx_hand_over(logctx_sentinel()), LOGCTX_OK);
    logctx_t *ctx = make("k", "c");
    logctx_finish(ctx);
    assert_int_equal(logctx_hand_over(ctx), LOGCTX_E_FINISHED);
    logctx_unref(ctx);
    assert_int_equal(logctx_hand_over(ctx), LOGCTX_E_INVALID);
    take_error(LOGCTX_ERROR_INVALID_USE);
}

static void take_finished(void *ctx)
{
    assert_int_equal(logctx_hand_over(ctx), LOGCTX_E_FINISHED);
}

static void test_finished_elsewhere(void **state)
{
    (void)state;
    struct worker worker;
    worker_start(&worker);
    logctx_t *ctx = make("k", "finished before it moved");
    worker_do(&worker, finish_here, ctx);
    worker_do(&worker, take_finished, ctx);
    logctx_unref(ctx);
    worker_end(&worker);
    end(make("k", "the next one adopts what others finished"));
}

static logctx_t *tried_in_hook;

static void take_in_hook(const logctx_error_t *error, void *user)
{
    (void)error;
    (void)user;
    assert_int_equal(logctx_hand_over(tried_in_hook), LOGCTX_E_STATE);
}

static void test_refused_in_a_hook(void **state)
{
    (void)state;
    tried_in_hook = make("k", "c");
    logctx_test_chain_hook(take_in_hook, NULL);
    logctx_hand_over(NULL);
    logctx_test_chain_hook(NULL, NULL);
    take_error(LOGCTX_ERROR_INVALID_USE);
    end(tried_in_hook);
}

// ---- previous ----

struct pair {
    logctx_t *ctx, *around;
};

static void enter_and_exit(void *argument)
{
    struct pair *pair = argument;
    take(pair->around);
    logctx_set_current(pair->around);
    take(pair->ctx);
    logctx_enter(pair->ctx); // what is current now is what was current when it was handed over
    logctx_exit(pair->ctx);
    assert_current(pair->around);
    logctx_set_current(logctx_sentinel());
}

static void test_previous_is_what_is_current_there(void **state)
{
    (void)state;
    logctx_t *before = make("k", "before");
    logctx_set_current(before);
    struct pair pair = {make("k", "c"), make("k", "around")};
    logctx_set_current(logctx_sentinel());
    end(before); // held by ctx until here
    struct worker worker;
    worker_start(&worker);
    worker_do(&worker, enter_and_exit, &pair);
    worker_end(&worker);
    logctx_unref(pair.ctx);
    end(pair.around);
}

static void test_previous_that_is_gone(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c"), *around = make("k", "around");
    struct worker worker;
    worker_start(&worker);
    worker_do(&worker, take, ctx);
    logctx_set_current(around);
    take(ctx);
    end(around);
    end(make("k", "in the memory of the one before"));
    logctx_set_current(ctx);
    logctx_exit(ctx);
    assert_current(logctx_sentinel());
    logctx_unref(ctx);
    worker_end(&worker);
}

// Each is the other's previous. Nobody finishes them: the last references do.
static void test_no_ring_of_previous_ones(void **state)
{
    (void)state;
    struct worker worker;
    worker_start(&worker);
    logctx_t *one = make("k", "one");
    logctx_set_current(one);
    logctx_t *other = make("k", "other");
    logctx_set_current(logctx_sentinel());
    worker_do(&worker, take, one);
    logctx_set_current(other);
    take(one);
    logctx_set_current(logctx_sentinel());
    logctx_unref(one);
    logctx_unref(other);
    span_of("one");
    span_of("other");
    worker_end(&worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_a_context_moves),
        core_test(test_metrics_of_what_moves),
        core_test(test_the_thread_clock_is_accounted_for),
        core_test(test_snapshots_show_the_new_home),
        core_test(test_to_and_fro),
        core_test(test_refused_while_it_runs),
        core_test(test_refused_without_a_reading),
        core_test(test_arguments),
        core_test(test_finished_elsewhere),
        core_test(test_refused_in_a_hook),
        core_test(test_previous_is_what_is_current_there),
        core_test(test_previous_that_is_gone),
        core_test(test_no_ring_of_previous_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
