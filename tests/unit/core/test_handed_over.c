/*
 * test_handed_over.c: what has a part in it when a context is handed over: its children, the thread that gave it away,
 * threads that ended, the flight recorder, and locks, of which a switch takes none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "collected.h"
#include "spans.h"
#include "types.h"
#include "worker.h"

// ---- families ----

static void work_for(void *caller)
{
    logctx_t *ctx = logctx_new_on_thread(caller);
    logctx_enter(ctx);
    run_user(3 * MS);
    logctx_exit(ctx);
    logctx_unref(ctx);
}

static void test_children_of_what_moves(void **state)
{
    (void)state;
    struct worker one, two;
    worker_start(&one);
    worker_start(&two);
    logctx_t *parent = make("family", "parent");
    worker_do(&one, work_for, parent);
    worker_do(&two, take_and_set, parent);
    worker_do(&one, work_for, parent);
    run_user(MS); // on `two`, as well
    worker_do(&two, to_sentinel, NULL);
    work_for(parent);
    assert_int_equal(own_of(parent).cpu_ns, 4 * MS); // fake threads share a clock: 3 of them by `one`
    assert_int_equal(total_of(parent).cpu_ns, 13 * MS);
    end(parent);
    assert_int_equal(span_of("parent")->total.cpu_ns, 13 * MS);
    worker_end(&one);
    worker_end(&two);
}

static void run_late(void *ctx)
{
    logctx_set_current(ctx);
    take_error(LOGCTX_ERROR_RESTARTED_FINISHED);
    run_user(MS);
    logctx_db_transaction(7);
    logctx_set_current(logctx_sentinel());
    logctx_charge_cpu(ctx, 5, 0);
}

// A child that moved, finished, and is charged late where it is at home now: each charge reaches the parent once.
static void test_a_child_that_moves(void **state)
{
    (void)state;
    struct worker worker;
    worker_start(&worker);
    logctx_t *parent = make("family", "parent"), *child = make_child(parent, "child");
    logctx_set_current(child);
    run_user(MS);
    logctx_set_current(logctx_sentinel());
    logctx_ref(child);
    worker_do(&worker, run_and_end, child);
    assert_int_equal(total_of(parent).cpu_ns, 6 * MS);
    worker_do(&worker, run_late, child);
    assert_int_equal(total_of(parent).cpu_ns, 7 * MS + 5);
    assert_int_equal(total_of(parent).db_transactions, 2);
    logctx_unref(child);
    end(parent);
    worker_end(&worker);
}

// ---- the thread that gave it away, and a third one ----

static void test_the_old_thread_is_foreign(void **state)
{
    (void)state;
    struct worker worker;
    worker_start(&worker);
    logctx_t *ctx = make("k", "given");
    logctx_db_t db;
    logctx_set_current(ctx);
    logctx_db_begin(&db);
    logctx_set_current(logctx_sentinel());
    logctx_charge_cpu(ctx, 1, 0);
    worker_do(&worker, take_and_set, ctx);
    run_user(MS);
    logctx_charge_cpu(ctx, 10, 0);
    logctx_db_end(&db);
    assert_int_equal(own_of(ctx).cpu_ns, 11); // the slice that runs there is invisible here
    assert_int_equal(logctx_set_int(ctx, "set by", 1), LOGCTX_OK);
    logctx_finish(ctx);
    logctx_unref(ctx);
    run_user(MS);
    worker_do(&worker, to_sentinel, NULL);
    worker_do(&worker, finish_here, logctx_sentinel());
    assert_int_equal(span_of("given")->own.db_transactions, 1);
    assert_int_equal(collect("k", "request")->in_flight, 0);
    worker_end(&worker);
}

static void *drop_elsewhere(void *ctx)
{
    logctx_unref(ctx);
    return NULL;
}

// The last reference goes while it is current at its new home: it lives until it is left.
static void take_set_and_drop(void *ctx)
{
    take_and_set(ctx);
    logctx_unref(ctx);
    run_user(MS);
    assert_string_equal(logctx_name(logctx_current()), "dropped");
}

static void test_last_references(void **state)
{
    (void)state;
    struct worker worker;
    worker_start(&worker);
    worker_do(&worker, take_set_and_drop, make("k", "dropped"));
    assert_int_equal(logctx_recorder_count(recorder), 0);
    worker_do(&worker, to_sentinel, NULL);
    assert_int_equal(span_of("dropped")->own.cpu_ns, MS);
    logctx_t *ctx = make("k", "dropped by a third");
    worker_do(&worker, take_and_set, ctx);
    logctx_finish(ctx);
    on_thread(drop_elsewhere, ctx);
    worker_do(&worker, to_sentinel, NULL);
    worker_end(&worker); // adopts what others finished
    ctx = make("k", "dropped at home");
    worker_start(&worker);
    worker_do(&worker, take, ctx);
    worker_do(&worker, drop_it, ctx);
    span_of("dropped at home");
    worker_end(&worker);
}

// ---- threads that ended, contexts that were visited ----

static void *leave_current(void *ctx)
{
    take_and_set(ctx);
    run_user(MS);
    return NULL;
}

static void test_from_a_thread_that_ended(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "left behind");
    on_thread(leave_current, ctx);
    take_error(LOGCTX_ERROR_THREAD_EXIT_WITH_CONTEXT);
    take_and_set(ctx); // it does not keep it
    run_user(2 * MS);
    logctx_set_current(logctx_sentinel());
    assert_int_equal(own_of(ctx).cpu_ns, 2 * MS);
    // The same, when another thread has taken over the state of the one that ended.
    on_thread(leave_current, ctx);
    take_error(LOGCTX_ERROR_THREAD_EXIT_WITH_CONTEXT);
    struct worker worker;
    worker_start(&worker);
    worker_do(&worker, drop_it, logctx_ref(ctx));
    worker_do(&worker, take_and_set, ctx);
    worker_do(&worker, to_sentinel, NULL);
    worker_end(&worker);
    end(ctx);
}

static void visit_and_take(void *ctx)
{
    logctx_set_current(ctx);
    take_error(LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD);
    run_user(MS); // charged to nobody
    take(ctx);
    run_user(2 * MS);
    logctx_exit(ctx); // in the sentinel, and not in itself
    assert_current(logctx_sentinel());
}

static void test_made_current_too_early(void **state)
{
    (void)state;
    struct worker worker;
    worker_start(&worker);
    logctx_t *ctx = make("k", "early");
    worker_do(&worker, visit_and_take, ctx);
    assert_int_equal(span_of("early")->own.cpu_ns, 2 * MS);
    assert_int_equal(int_attr(record_of("early"), "logctx.switches"), 1);
    logctx_unref(ctx);
    worker_end(&worker);
}

static void test_at_home_already(void **state)
{
    (void)state;
    logctx_t *around = make("k", "around"), *ctx = make("k", "c");
    logctx_set_current(around);
    take(ctx); // a loop need not know where its work comes from
    logctx_enter(ctx);
    run_user(MS);
    take(ctx); // runs here: nothing happens
    run_user(MS);
    logctx_exit(ctx);
    assert_current(around);
    assert_int_equal(own_of(ctx).cpu_ns, 2 * MS);
    logctx_unref(ctx);
    end(around);
}

// ---- the flight recorder ----

static void lose_it(void *ctx)
{
    take(ctx);
    logctx_enter(ctx);
    logctx_set_current(logctx_sentinel());
    logctx_exit(ctx);
    logctx_unref(ctx);
}

static void test_the_flight_recorder_names_it(void **state)
{
    (void)state;
    struct worker worker;
    worker_start(&worker);
    worker_do(&worker, lose_it, make("k", "recorded"));
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_CONTEXT_LOST);
    assert_string_equal(error->recent[0].from, "recorded");
    assert_string_equal(error->recent[1].to, "recorded");
    worker_end(&worker);
}

// ---- no lock on the path of a switch ----

static _Thread_local unsigned long locks;

void __real_logctx__lock(lock_t *lock);
void __wrap_logctx__lock(lock_t *lock);
void __wrap_logctx__lock(lock_t *lock)
{
    locks++;
    __real_logctx__lock(lock);
}

static void switch_there_and_back(logctx_t *ctx)
{
    logctx_set_current(ctx);
    logctx_db_transaction(1);
    logctx_set_current(logctx_sentinel());
}

static void switch_often(logctx_t *ctx)
{
    switch_there_and_back(ctx); // the first use of a place writes it down in the table, under its lock
    unsigned long before = locks;
    for (int i = 0; i < 100; i++)
        switch_there_and_back(ctx);
    assert_int_equal(locks, before);
}

static void switch_often_here(void *ctx)
{
    unsigned long before = locks;
    take(ctx);
    assert_true(locks > before); // the counter counts
    set(ctx);
    assert_int_equal(READ_RELAXED(((logctx_t *)ctx)->refs), 2); // nor is a reference counted
    to_sentinel(NULL);
    switch_often(ctx);
    logctx_t *child = logctx_new_on_thread(ctx);
    switch_often(child);
    end(child);
    assert_null(READ_RELAXED(((logctx_t *)ctx)->family)->first_child);
    assert_int_equal(READ_RELAXED(READ_RELAXED(((logctx_t *)ctx)->family)->foreign.transactions), 0);
}

static void test_switches_take_no_lock(void **state)
{
    (void)state;
    struct worker worker;
    worker_start(&worker);
    logctx_t *ctx = make("k", "c");
    switch_often(ctx);
    worker_do(&worker, switch_often_here, ctx);
    assert_int_equal(total_of(ctx).db_transactions, 3 * 101);
    end(ctx);
    worker_end(&worker);
}

// ---- what is known by generation only ----

static logctx_t *to_be_freed;

static void free_it(const logctx_error_t *error, void *user)
{
    (void)error;
    (void)user;
    logctx_t *ctx = to_be_freed;
    to_be_freed = NULL;
    logctx_unref(ctx);
}

// Whom a context that was handed over came from may be freed by another thread at any time: here by the hook of an error that
// comes before the one that names it.
static void test_the_previous_one_is_freed_before_it_is_named(void **state)
{
    (void)state;
    const char *name = "a name that is too long for the context itself, so that it has memory of its own";
    to_be_freed = make("k", name);
    logctx_set_current(to_be_freed);
    logctx_t *ctx = make("k", "B");
    assert_int_equal(logctx_hand_over(ctx), LOGCTX_OK);
    logctx_set_current(logctx_sentinel());
    logctx_finish(ctx);
    logctx_finish(to_be_freed);
    logctx_test_chain_hook(free_it, NULL);
    logctx_enter(ctx);
    logctx_test_chain_hook(NULL, NULL);
    assert_null(to_be_freed);
    take_error(LOGCTX_ERROR_RESTARTED_FINISHED);
    assert_string_equal(take_error(LOGCTX_ERROR_PREVIOUS_CONTEXT_MISMATCH)->expected, name);
    logctx_set_current(logctx_sentinel());
    logctx_unref(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_children_of_what_moves),    core_test(test_a_child_that_moves),
        core_test(test_the_old_thread_is_foreign), core_test(test_last_references),
        core_test(test_from_a_thread_that_ended),  core_test(test_made_current_too_early),
        core_test(test_at_home_already),           core_test(test_the_flight_recorder_names_it),
        core_test(test_switches_take_no_lock),     core_test(test_the_previous_one_is_freed_before_it_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
