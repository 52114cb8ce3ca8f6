/*
 * test_workers.c: eight workers at once, under the real clock: children of contexts that other threads run, and contexts
 * that move from thread to thread. The books balance and the metrics are the sums of the spans; the thread sanitizer says
 * the rest.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "collected.h"
#include "spans.h"

#include <pthread.h>
#include <sched.h>

enum { WORKERS = 8, JOBS = 4000, MOVES = 5, REQUESTS = 800 };

// ---- a queue: what orders one thread's part of the work before the next one's ----

struct job {
    logctx_t *ctx; // a reference of the job's own
    unsigned moves;
    logctx_db_t db; // begun on one thread, ended on the next one
};

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct job *jobs[JOBS];
    size_t count;
    bool closed;
} queue = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static void push(struct job *job)
{
    pthread_mutex_lock(&queue.mutex);
    assert_true(queue.count < JOBS);
    queue.jobs[queue.count++] = job;
    pthread_cond_signal(&queue.cond);
    pthread_mutex_unlock(&queue.mutex);
}

static struct job *pop(void)
{
    pthread_mutex_lock(&queue.mutex);
    while (queue.count == 0 && !queue.closed)
        pthread_cond_wait(&queue.cond, &queue.mutex);
    struct job *job = queue.count > 0 ? queue.jobs[--queue.count] : NULL;
    pthread_mutex_unlock(&queue.mutex);
    return job;
}

static void close_queue(bool closed)
{
    pthread_mutex_lock(&queue.mutex);
    queue.closed = closed;
    pthread_cond_broadcast(&queue.cond);
    pthread_mutex_unlock(&queue.mutex);
}

static pthread_t workers[WORKERS];
static struct job jobs[JOBS];
static atomic_uint done;

static void start_all(void *(*body)(void *))
{
    done = 0;
    close_queue(false);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&workers[i], NULL, body, NULL), 0);
}

static void join_all(void)
{
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
}

static void look_around(void)
{
    static logctx_snapshot_t entries[64];
    logctx_get_snapshot(entries, COUNT(entries));
    collect(NULL, NULL);
    logctx_books_t now = books();
    assert_true(now.created >= now.ended);
    sched_yield();
}

// ---- what all spans said, added up by a sink ----

static struct {
    _Atomic int64_t cpu, transactions, total_transactions;
    atomic_ulong spans, switches;
} said;

static void add_up(void *user, logctx_record_t *record)
{
    (void)user;
    const logctx_span_t *span = logctx_record_span(record);
    said.spans++;
    said.cpu += span->own.cpu_ns;
    said.transactions += span->own.db_transactions;
    said.total_transactions += span->total.db_transactions;
    logctx_record_unref(record);
}

static const logctx_sink_t adding = {sizeof adding, add_up, NULL};

static int begin(void **state)
{
    core_setup_real(state);
    logctx_recorder_free(recorder);
    recorder = NULL;
    memset(&said, 0, sizeof said);
    return logctx_sink_add(&adding);
}

static int finish(void **state)
{
    logctx_sink_remove(&adding);
    return core_teardown(state);
}

// ---- a pool of workers: thread children ----

static void *serve_pool(void *unused)
{
    for (struct job *job; (job = pop());) {
        logctx_t *ctx = logctx_new_on_thread(job->ctx);
        logctx_enter(ctx);
        logctx_db_transaction(1000);
        logctx_set_current(logctx_sentinel());
        logctx_set_current(ctx);
        logctx_set_string(job->ctx, "worked", "yes");
        logctx_exit(ctx);
        logctx_unref(ctx);
        logctx_unref(job->ctx);
        done++;
    }
    return unused;
}

static void test_a_pool_of_workers(void **state)
{
    (void)state;
    collect(NULL, NULL);
    logctx_series_t before = collected_sum();
    logctx_books_t books_before = books();
    start_all(serve_pool);
    enum { CALLERS = 16 };
    logctx_t *callers[CALLERS];
    for (int i = 0; i < CALLERS; i++)
        callers[i] = make("pooled", "caller");
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){.ctx = logctx_ref(callers[i % CALLERS])};
        logctx_set_current(callers[i % CALLERS]); // runs here, while its children run there
        push(&jobs[i]);
        logctx_db_transaction(1);
        logctx_set_current(logctx_sentinel());
        if (i % 64 == 0)
            look_around();
    }
    while (done < JOBS)
        look_around();
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(total_of(callers[i]).db_transactions, 2 * JOBS / CALLERS);
        assert_int_equal(total_of(callers[i]).db_ns, 1001 * JOBS / CALLERS);
        end(callers[i]);
    }
    close_queue(true);
    join_all();
    collect(NULL, NULL);
    logctx_series_t sum = collected_sum();
    assert_int_equal(said.spans, JOBS + CALLERS);
    assert_int_equal(books().created - books_before.created, JOBS + CALLERS);
    assert_int_equal(collected("pooled", "thread")->in_flight, 0);
    assert_int_equal(collected("pooled", "request")->in_flight, 0);
    assert_int_equal(sum.usage.cpu_ns - before.usage.cpu_ns, said.cpu);
    assert_int_equal(sum.usage.db_transactions - before.usage.db_transactions, 2 * JOBS);
    assert_int_equal(said.total_transactions, 3 * JOBS); // children, and callers with theirs
}

// ---- work stealing: each step of a request on whatever thread is free ----

static void work_in_a_child(logctx_t *ctx)
{
    logctx_t *child = logctx_new_nested("step");
    logctx_enter(child);
    logctx_db_transaction(1);
    logctx_exit(child);
    logctx_unref(child);
    assert_current(ctx);
}

static void *steal(void *unused)
{
    for (struct job *job; (job = pop());) {
        logctx_t *ctx = job->ctx;
        if (logctx_hand_over(ctx) != LOGCTX_OK)
            break;
        logctx_set_current(ctx);
        if (job->db.ctx)
            logctx_db_end(&job->db);
        work_in_a_child(ctx);
        if (--job->moves > 0) {
            logctx_db_begin(&job->db);
            logctx_set_current(logctx_sentinel());
            push(job);
            continue;
        }
        logctx_exit(ctx);
        logctx_unref(ctx);
        done++;
    }
    return unused;
}

static void test_work_stealing(void **state)
{
    (void)state;
    collect(NULL, NULL);
    logctx_series_t before = collected_sum();
    start_all(steal);
    for (int i = 0; i < REQUESTS; i++) {
        jobs[i] = (struct job){.ctx = make("stolen", "stolen"), .moves = MOVES};
        logctx_set_string(jobs[i].ctx, "made by", "the test");
        push(&jobs[i]);
        if (i % 16 == 0)
            look_around();
    }
    while (done < REQUESTS)
        look_around();
    close_queue(true);
    join_all();
    collect(NULL, NULL);
    logctx_series_t sum = collected_sum();
    assert_int_equal(said.spans, REQUESTS * (1 + MOVES));
    assert_int_equal(collected("stolen", "request")->ended, REQUESTS);
    assert_int_equal(collected("stolen", "request")->in_flight, 0);
    assert_int_equal(collected("stolen-step", "nested")->in_flight, 0);
    assert_int_equal(sum.usage.cpu_ns - before.usage.cpu_ns, said.cpu);
    assert_int_equal(said.transactions, REQUESTS * (MOVES + MOVES - 1));
    assert_int_equal(said.total_transactions, REQUESTS * (MOVES + MOVES + MOVES - 1));
    for (int i = 0; i < REQUESTS; i++)
        end(make("stolen", "their memory is back here"));
}

// ---- charged, finished and given back by others at the moment at which it moves ----

static struct {
    logctx_t *ctx;
    pthread_barrier_t barrier;
    atomic_uint taken;
} shared;

enum { SHARED_ROUNDS = 200, CHARGES = 400, TAKES = 40 };

static void *use_shared(void *unused)
{
    for (int round = 0; round < SHARED_ROUNDS; round++) {
        pthread_barrier_wait(&shared.barrier); // there is a context
        logctx_t *ctx = shared.ctx;
        for (int i = 0; i < CHARGES; i++) {
            logctx_charge_cpu(ctx, 1, 0);
            if (i % (CHARGES / TAKES) == 0 && logctx_hand_over(ctx) == LOGCTX_OK)
                shared.taken++;
        }
        pthread_barrier_wait(&shared.barrier); // all charges are made
        if (round % 2)
            logctx_finish(ctx);
        logctx_unref(ctx);
        pthread_barrier_wait(&shared.barrier);
    }
    return unused;
}

static void test_all_take_the_same(void **state)
{
    (void)state;
    pthread_barrier_init(&shared.barrier, NULL, WORKERS + 1);
    shared.taken = 0;
    start_all(use_shared);
    for (int round = 0; round < SHARED_ROUNDS; round++) {
        logctx_t *parent = make("k", "parent");
        shared.ctx = make_child(parent, "shared");
        for (int i = 0; i < WORKERS; i++)
            logctx_ref(shared.ctx);
        pthread_barrier_wait(&shared.barrier);
        logctx_charge_cpu(shared.ctx, 1, 0);
        pthread_barrier_wait(&shared.barrier);
        assert_int_equal(own_of(shared.ctx).cpu_ns, WORKERS * CHARGES + 1);
        logctx_unref(shared.ctx);
        pthread_barrier_wait(&shared.barrier);
        assert_int_equal(total_of(parent).cpu_ns, WORKERS * CHARGES + 1);
        end(parent);
    }
    join_all();
    pthread_barrier_destroy(&shared.barrier);
    assert_int_equal(shared.taken, WORKERS * SHARED_ROUNDS * TAKES);
    assert_int_equal(said.spans, 2 * SHARED_ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        logctx_unit_test_setup_teardown(test_a_pool_of_workers, begin, finish),
        logctx_unit_test_setup_teardown(test_work_stealing, begin, finish),
        logctx_unit_test_setup_teardown(test_all_take_the_same, begin, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
