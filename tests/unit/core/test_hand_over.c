/*
 * test_hand_over.c: contexts whose home becomes another thread, one step after the other. The steps of the other threads
 * are run to their end, or made to wait, by the test's own thread. What happens at the same time is in test_workers.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "collected.h"
#include "spans.h"
#include "types.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static void on_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, body, argument), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

// A thread that does one step when told, so that it is still there in the next one.
struct worker {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    void (*step)(void *); // NULL: nothing to do
    void *argument;
    bool end;
    long tid;
};

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    pthread_mutex_lock(&worker->mutex);
    worker->tid = syscall(SYS_gettid);
    while (!worker->end) {
        if (worker->step) {
            worker->step(worker->argument);
            worker->step = NULL;
            pthread_cond_broadcast(&worker->cond);
        }
        if (!worker->end)
            pthread_cond_wait(&worker->cond, &worker->mutex);
    }
    pthread_mutex_unlock(&worker->mutex);
    return NULL;
}

static void worker_start(struct worker *worker)
{
    memset(worker, 0, sizeof *worker);
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_cond_init(&worker->cond, NULL);
    assert_int_equal(pthread_create(&worker->thread, NULL, worker_main, worker), 0);
}

static void worker_do(struct worker *worker, void (*step)(void *), void *argument)
{
    pthread_mutex_lock(&worker->mutex);
    worker->step = step;
    worker->argument = argument;
    pthread_cond_broadcast(&worker->cond);
    while (worker->step)
        pthread_cond_wait(&worker->cond, &worker->mutex);
    pthread_mutex_unlock(&worker->mutex);
}

static void worker_end(struct worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    worker->end = true;
    pthread_cond_broadcast(&worker->cond);
    pthread_mutex_unlock(&worker->mutex);
    pthread_join(worker->thread, NULL);
    pthread_cond_destroy(&worker->cond);
    pthread_mutex_destroy(&worker->mutex);
}

static void take(void *ctx)
{
    assert_int_equal(logctx_hand_over(ctx), LOGCTX_OK);
}

static void set(void *ctx)
{
    logctx_set_current(ctx);
}

static void to_sentinel(void *unused)
{
    (void)unused;
    logctx_set_current(logctx_sentinel());
}

static void take_and_set(void *ctx)
{
    take(ctx);
    set(ctx);
}

static void run_and_end(void *ctx)
{
    take(ctx);
    logctx_set_current(ctx);
    run_user(2 * MS);
    logctx_db_transaction(MS);
    logctx_set_current(logctx_sentinel());
    logctx_set_current(ctx);
    run_system(3 * MS);
    logctx_exit(ctx);
    assert_current(logctx_sentinel());
    logctx_unref(ctx);
}

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

static void finish_here(void *ctx)
{
    logctx_finish(ctx);
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

static void drop_it(void *ctx)
{
    logctx_unref(ctx);
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

static void switch_often(logctx_t *ctx)
{
    unsigned long before = locks;
    for (int i = 0; i < 100; i++) {
        logctx_set_current(ctx);
        logctx_db_transaction(1);
        logctx_set_current(logctx_sentinel());
    }
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
    assert_int_equal(total_of(ctx).db_transactions, 300);
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
        core_test(test_children_of_what_moves),
        core_test(test_a_child_that_moves),
        core_test(test_the_old_thread_is_foreign),
        core_test(test_last_references),
        core_test(test_from_a_thread_that_ended),
        core_test(test_made_current_too_early),
        core_test(test_at_home_already),
        core_test(test_the_flight_recorder_names_it),
        core_test(test_switches_take_no_lock),
        core_test(test_the_previous_one_is_freed_before_it_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
