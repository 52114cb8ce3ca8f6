/*
 * test_load.c: four threads at once, under the real clock: the books balance, the sums of the metrics are the sums of the
 * spans, and collections, snapshots and sinks come and go meanwhile. Meant for the thread sanitizer above all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "collected.h"
#include "spans.h"

#include <logctx/trace.h>
#include <pthread.h>
#include <sched.h>

enum { THREADS = 4, ROUNDS = 1500 };

// What all spans said, added up by a sink.
static struct {
    _Atomic int64_t cpu, transactions, db;
    atomic_ulong spans, error_spans;
} said;

static void add_up(void *user, logctx_record_t *record)
{
    (void)user;
    const logctx_span_t *span = logctx_record_span(record);
    if (span->is_error_span) {
        said.error_spans++;
    } else {
        said.spans++;
        said.cpu += span->own.cpu_ns;
        said.transactions += span->own.db_transactions;
        said.db += span->own.db_ns;
    }
    logctx_record_unref(record);
}

static const logctx_sink_t adding = {sizeof adding, add_up, NULL};

static int no_recorder(void **state)
{
    core_setup_real(state);
    logctx_recorder_free(recorder);
    recorder = NULL;
    said.cpu = said.transactions = said.db = 0;
    said.spans = said.error_spans = 0;
    return 0;
}

static pthread_t threads[THREADS];
static atomic_uint working;

static void start_all(void *(*body)(void *), void *argument)
{
    working = THREADS;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, body, argument), 0);
}

static void join_all(void)
{
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

// ---- requests on four threads, and everyone who reads meanwhile ----

static void serve(int round)
{
    logctx_t *ctx = logctx_new(logctx_kind("loaded"), NULL);
    logctx_enter(ctx);
    logctx_set_int(ctx, "round", round);
    logctx_db_transaction(1000);
    logctx_t *nested = logctx_new_nested("part");
    logctx_enter(nested);
    logctx_set_string(nested, "a key", "a value");
    logctx_db_waited(5);
    logctx_exit(nested);
    logctx_unref(nested);
    if (round % 16 == 0)
        logctx_set_failed(ctx, "sixteenth", NULL);
    logctx_exit(ctx);
    logctx_unref(ctx);
}

static void *serve_all(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++)
        serve(i);
    working--;
    return NULL;
}

static void look_around(void)
{
    static logctx_snapshot_t entries[64];
    size_t count = logctx_get_snapshot(entries, COUNT(entries));
    for (size_t i = 0; i < count && i < COUNT(entries); i++)
        assert_true(strncmp(entries[i].name, "loaded-", 7) == 0);
    logctx_books_t now = books();
    assert_true(now.created >= now.ended);
    collect(NULL, NULL);
}

static void test_books_and_sums(void **state)
{
    (void)state;
    logctx_books_t before = books();
    collect(NULL, NULL);
    logctx_series_t sum_before = collected_sum();
    assert_int_equal(logctx_sink_add(&adding), LOGCTX_OK);
    start_all(serve_all, NULL);
    int64_t last = 0;
    while (working > 0) {
        look_around();
        int64_t cpu = collected_sum().usage.cpu_ns;
        assert_true(cpu >= last);
        last = cpu;
        sched_yield();
    }
    join_all();
    assert_int_equal(logctx_sink_remove(&adding), LOGCTX_OK);
    collect(NULL, NULL);
    logctx_series_t sum = collected_sum();
    logctx_books_t after = books();
    uint64_t made = 2 * THREADS * ROUNDS;
    assert_int_equal(after.created - before.created, made);
    assert_int_equal(after.ended - before.ended, made);
    assert_int_equal(after.handed_over - before.handed_over, made);
    assert_int_equal(said.spans, made);
    assert_int_equal(sum.created - sum_before.created, made);
    assert_int_equal(sum.ended - sum_before.ended, made);
    assert_int_equal(sum.in_flight, 0);
    assert_int_equal(sum.cpu_usage.count - sum_before.cpu_usage.count, made);
    assert_int_equal(sum.usage.cpu_ns - sum_before.usage.cpu_ns, said.cpu);
    assert_int_equal(sum.usage.db_transactions - sum_before.usage.db_transactions, THREADS * ROUNDS);
    assert_int_equal(said.transactions, THREADS * ROUNDS);
    assert_int_equal(said.db, 1000 * THREADS * ROUNDS);
}

// ---- one context that everybody touches ----

static void *touch(void *argument)
{
    logctx_t *shared = argument;
    char key[16];
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(key, sizeof key, "key %d", i % 20);
        logctx_set_int(shared, key, i);
        if (i % 100 == 0)
            logctx_add_event(shared, "touched", NULL, 0);
        logctx_charge_cpu(shared, 1, 1);
        logctx_db_t db;
        logctx_t *child = logctx_new_on_thread(shared);
        logctx_enter(child);
        logctx_db_begin(&db);
        logctx_exit(child);
        logctx_db_end(&db);
        logctx_charge_cpu(child, 3, 0); // late
        logctx_unref(child);
        logctx_usage_t own, total;
        logctx_get_usage(shared, &own, &total);
        assert_true(total.cpu_ns >= own.cpu_ns);
        logctx_unref(logctx_ref(shared));
    }
    working--;
    return NULL;
}

static void test_one_parent_for_all(void **state)
{
    (void)state;
    assert_int_equal(logctx_sink_add(&adding), LOGCTX_OK);
    logctx_t *shared = make("shared", "shared");
    start_all(touch, shared);
    while (working > 0) {
        logctx_set_current(shared);
        logctx_db_transaction(1);
        logctx_set_current(logctx_sentinel());
        total_of(shared);
        sched_yield();
    }
    join_all();
    logctx_usage_t own, total;
    logctx_get_usage(shared, &own, &total);
    assert_true(own.cpu_ns >= 2 * THREADS * ROUNDS);
    assert_int_equal(total.db_transactions - own.db_transactions, THREADS * ROUNDS);
    end(shared);
    assert_int_equal(said.spans, THREADS * ROUNDS + 1);
    assert_int_equal(logctx_sink_remove(&adding), LOGCTX_OK);
}

// A context ends while others still charge it: what they charge is in its parent's total exactly once.
static atomic_bool go;

static void *charge_until_told(void *argument)
{
    logctx_t *ctx = argument;
    while (!go)
        sched_yield();
    for (int i = 0; i < ROUNDS; i++)
        logctx_charge_cpu(ctx, 1, 0);
    working--;
    return NULL;
}

static void test_charges_while_it_ends(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        logctx_t *parent = make("k", "parent"), *ctx = make_child(parent, "charged");
        go = false;
        start_all(charge_until_told, ctx);
        go = true;
        while (own_of(ctx).cpu_ns == 0)
            sched_yield();
        logctx_finish(ctx);
        join_all();
        assert_int_equal(own_of(ctx).cpu_ns, THREADS * ROUNDS);
        assert_int_equal(total_of(parent).cpu_ns, THREADS * ROUNDS);
        logctx_unref(ctx);
        end(parent);
    }
}

// ---- contexts that are handed on, finished and given back elsewhere ----

static struct {
    pthread_mutex_t mutex;
    logctx_t *slots[64];
} exchange = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static logctx_t *swap(logctx_t *mine, unsigned slot)
{
    pthread_mutex_lock(&exchange.mutex);
    logctx_t *other = exchange.slots[slot % 64];
    exchange.slots[slot % 64] = mine;
    pthread_mutex_unlock(&exchange.mutex);
    return other;
}

static void *pass_on(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        logctx_t *ctx = make("passed", "a name of more than forty bytes, so that it has to be allocated");
        logctx_set_current(ctx);
        logctx_t *later = make("passed", "later, also with a name of more than forty bytes that is allocated");
        logctx_db_transaction(100);
        logctx_ref(ctx);
        logctx_t *other = swap(ctx, i * 7);
        logctx_set_string(ctx, "k", "v");
        logctx_set_current(later); // others may be finishing ctx by now, while it is left
        logctx_set_current(logctx_sentinel());
        logctx_unref(ctx);
        if (other) {
            logctx_set_string(other, "by", "another");
            if (i % 3)
                logctx_finish(other);
            logctx_set_current(other);
            logctx_set_current(logctx_sentinel());
            logctx_unref(other);
        }
        if (i % 2)
            logctx_finish(later);
        logctx_unref(later);
    }
    working--;
    return NULL;
}

static void test_passed_on(void **state)
{
    (void)state;
    // Every kind that another thread's context gives.
    static const logctx_error_kind_t kinds[] = {
        LOGCTX_ERROR_RESTARTED_FINISHED, LOGCTX_ERROR_RESTARTED_ACTIVE, LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD,
        LOGCTX_ERROR_STOPPED_ON_DIFFERENT_THREAD, LOGCTX_ERROR_STOP_WITHOUT_START};
    for (size_t i = 0; i < COUNT(kinds); i++)
        logctx_allow_transition_errors(kinds[i]);
    logctx_set_error_hook(NULL, NULL);
    assert_int_equal(logctx_sink_add(&adding), LOGCTX_OK);
    start_all(pass_on, NULL);
    while (working > 0) {
        static logctx_snapshot_t entries[16];
        logctx_get_snapshot(entries, COUNT(entries));
        collect(NULL, NULL);
        sched_yield();
    }
    join_all();
    for (unsigned i = 0; i < 64; i++)
        logctx_unref(swap(NULL, i));
    assert_int_equal(books().live, 0);
    assert_int_equal(said.spans, 2 * THREADS * ROUNDS);
    assert_int_equal(logctx_sink_remove(&adding), LOGCTX_OK);
}

// ---- sinks come and go ----

static atomic_bool present[2];

static void only_while_present(void *user, logctx_record_t *record)
{
    if (!*(atomic_bool *)user)
        abort(); // called after its removal
    logctx_record_unref(record);
}

static void test_sinks_come_and_go(void **state)
{
    (void)state;
    logctx_sink_t sinks[2];
    for (size_t i = 0; i < 2; i++)
        sinks[i] = (logctx_sink_t){sizeof sinks[i], only_while_present, &present[i]};
    logctx_books_t before = books();
    start_all(serve_all, NULL);
    while (working > 0)
        for (size_t i = 0; i < 2; i++) {
            present[i] = true;
            assert_int_equal(logctx_sink_add(&sinks[i]), LOGCTX_OK);
            sched_yield();
            assert_int_equal(logctx_sink_remove(&sinks[i]), LOGCTX_OK);
            present[i] = false;
        }
    join_all();
    logctx_books_t after = books();
    assert_int_equal(after.ended - before.ended, 2 * THREADS * ROUNDS);
    assert_int_equal(after.handed_over - before.handed_over + after.no_sink - before.no_sink, 2 * THREADS * ROUNDS);
}

// ---- settings and hooks change meanwhile ----

static void *err(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS / 10; i++) {
        logctx_t *ctx = make("erring", "e");
        logctx_exit(ctx);
        logctx_unref(ctx);
        logctx_log(LOGCTX_INFO, "round %d", i);
    }
    working--;
    return NULL;
}

static void ignore_error(const logctx_error_t *error, void *user)
{
    (void)user;
    assert_true(error->message[0] != '\0');
}

static void ignore_line(const logctx_log_line_t *line, void *user)
{
    (void)user;
    (void)line;
}

static void test_settings_change(void **state)
{
    (void)state;
    logctx_set_error_hook(NULL, NULL);
    assert_int_equal(logctx_sink_add(&adding), LOGCTX_OK);
    logctx_expect_transition_error_count(LOGCTX_ERROR_CONTEXT_LOST, THREADS * (ROUNDS / 10));
    start_all(err, NULL);
    for (unsigned i = 0; working > 0; i++) {
        logctx_set_error_hook(i % 2 ? ignore_error : NULL, NULL);
        logctx_set_logger(i % 2 ? ignore_line : NULL, NULL);
        logctx_set_default_server(i % 2 ? "one" : NULL);
        logctx_set_sampler((logctx_sampler_t)(i % 4));
        logctx_error_count(LOGCTX_ERROR_CONTEXT_LOST);
        sched_yield();
    }
    join_all();
    assert_int_equal(said.spans, THREADS * (ROUNDS / 10)); // each has an error, so each is exported
    assert_int_equal(logctx_sink_remove(&adding), LOGCTX_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        logctx_unit_test_setup_teardown(test_books_and_sums, no_recorder, core_teardown),
        logctx_unit_test_setup_teardown(test_one_parent_for_all, no_recorder, core_teardown),
        logctx_unit_test_setup_teardown(test_charges_while_it_ends, no_recorder, core_teardown),
        logctx_unit_test_setup_teardown(test_passed_on, no_recorder, core_teardown),
        logctx_unit_test_setup_teardown(test_sinks_come_and_go, no_recorder, core_teardown),
        logctx_unit_test_setup_teardown(test_settings_change, no_recorder, core_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
