/*
 * test_collect.c: the sums of all contexts: series, histograms, exemplars, what is in flight and running, the books.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "collected.h"

#include <logctx/usage.h>
#include <pthread.h>
#include <sched.h>

static void test_a_series(void **state)
{
    (void)state;
    assert_null(collect("served", "request"));
    uint64_t since = fake.unix_ns;
    logctx_t *a = make("served", "a"), *b = make("served", "b");
    pass(SECOND);
    logctx_set_current(a);
    run_user(3 * MS);
    run_system(2 * MS);
    logctx_db_transaction(7 * MS);
    logctx_db_waited(4 * MS);
    logctx_db_fetched(9);
    logctx_set_current(logctx_sentinel());
    end(a);
    const logctx_series_t *series = collect("served", "request");
    assert_non_null(series);
    assert_true(series->since_unix_ns == since);
    assert_int_equal(series->created, 2);
    assert_int_equal(series->ended, 1);
    assert_int_equal(series->in_flight, 1);
    assert_near(series->oldest_age_s, 1.005);
    assert_int_equal(series->usage.cpu_ns, 5 * MS);
    assert_int_equal(series->usage.cpu_user_ns, 3 * MS);
    assert_int_equal(series->usage.cpu_system_ns, 2 * MS);
    assert_int_equal(series->usage.running_ns, 5 * MS);
    assert_int_equal(series->usage.db_transactions, 1);
    assert_int_equal(series->usage.db_ns, 7 * MS);
    assert_int_equal(series->usage.db_wait_ns, 4 * MS);
    assert_int_equal(series->usage.db_rows, 9);
    assert_int_equal(series->cpu_usage.count, 1);
    assert_int_equal(series->duration_count, 1);
    assert_string_equal(series->durations[0].error_type, "");
    assert_null(collected("served", "background"));
    end(b);
    series = collect("served", "request");
    assert_int_equal(series->in_flight, 0);
    assert_near(series->oldest_age_s, 0);
}

static void test_own_usage_only(void **state)
{
    (void)state;
    logctx_t *parent = make("above", "p"), *child = make_child(parent, "c");
    int64_t before = collect("child", "nested") ? collected("child", "nested")->usage.cpu_ns : 0;
    logctx_set_current(child);
    run_user(MS);
    end(child);
    end(parent);
    assert_int_equal(collect("above", "request")->usage.cpu_ns, 0);
    assert_int_equal(collected("child", "nested")->usage.cpu_ns - before, MS);
}

static void test_negative_charges_do_not_reach_the_metrics(void **state)
{
    (void)state;
    logctx_t *ctx = make("corrected", "c");
    logctx_set_current(ctx);
    logctx_charge_cpu(ctx, 5 * MS, -3 * MS);
    logctx_charge_cpu(ctx, -4 * MS, MS);
    logctx_db_fetched(5);
    logctx_db_fetched(-5);
    end(ctx);
    const logctx_series_t *series = collect("corrected", "request");
    assert_int_equal(series->usage.cpu_user_ns, 5 * MS);
    assert_int_equal(series->usage.cpu_system_ns, MS);
    assert_int_equal(series->usage.cpu_ns, 6 * MS);
    assert_int_equal(series->usage.db_rows, 5);
    assert_true(series->cpu_usage.min >= 0); // one context's own usage was negative
}

// ---- histograms ----

static void end_after(const char *kind, int64_t ns)
{
    logctx_t *ctx = make(kind, "h");
    pass(ns);
    end(ctx);
}

static void test_bounds_are_inclusive(void **state)
{
    (void)state;
    for (size_t i = 0; i < LOGCTX_BOUNDS; i++) {
        char kind[32];
        snprintf(kind, sizeof kind, "bound %zu", i);
        int64_t bound = (int64_t)(logctx_duration_bounds[i] * 1e9 + 0.5);
        end_after(kind, bound);
        end_after(kind, bound);
        end_after(kind, bound + 1);
        const logctx_histogram_t *histogram = &collect(kind, "request")->durations[0].histogram;
        assert_int_equal(histogram->buckets[i], 2);
        assert_int_equal(histogram->buckets[i + 1], 1);
        assert_int_equal(histogram->count, 3);
        assert_near(histogram->min, logctx_duration_bounds[i]);
        assert_near(histogram->max, logctx_duration_bounds[i] + 1e-9);
        assert_near(histogram->sum, 3 * logctx_duration_bounds[i] + 1e-9);
        assert_true(i == 0 || logctx_duration_bounds[i] > logctx_duration_bounds[i - 1]);
        assert_true(i == 0 || logctx_cpu_bounds[i] > logctx_cpu_bounds[i - 1]);
    }
}

static void test_cpu_histogram(void **state)
{
    (void)state;
    for (size_t i = 0; i < LOGCTX_BOUNDS; i++) {
        logctx_t *ctx = make("cpu hist", "h");
        logctx_set_current(ctx);
        run_user((int64_t)(logctx_cpu_bounds[i] * 1e9 + 0.5));
        end(ctx);
        assert_int_equal(collect("cpu hist", "request")->cpu_usage.buckets[i], 1);
    }
}

static void test_exemplars_of_sampled_ones_only(void **state)
{
    (void)state;
    logctx_t *first = make("exemplary", "first"), *second = make("exemplary", "second");
    logctx_set_sampler(LOGCTX_SAMPLER_ALWAYS_OFF);
    logctx_t *third = make("exemplary", "unsampled");
    logctx_span_context_t ids = logctx_get_span_context(second);
    pass(700 * 1000);
    end(first);
    pass(1);
    uint64_t when = fake.unix_ns;
    end(second);
    end(third);
    const logctx_histogram_t *histogram = &collect("exemplary", "request")->durations[0].histogram;
    const logctx_exemplar_t *exemplar = &histogram->exemplars[3];
    assert_int_equal(histogram->buckets[3], 3);
    assert_true(exemplar->unix_ns == when);
    assert_near(exemplar->value, 0.000700001);
    assert_memory_equal(exemplar->trace_id, ids.trace_id, 16);
    assert_memory_equal(exemplar->span_id, ids.span_id, 8);
    for (size_t i = 0; i <= LOGCTX_BOUNDS; i++)
        assert_true(i == 3 || histogram->exemplars[i].unix_ns == 0);
}

static void test_error_types(void **state)
{
    (void)state;
    logctx_t *ctx = make("failing", "ok");
    end(ctx);
    for (int i = 0; i < 40; i++) {
        char type[16];
        snprintf(type, sizeof type, "type %d", i % 20);
        ctx = make("failing", "f");
        logctx_set_failed(ctx, i == 3 ? NULL : type, NULL); // NULL is "_OTHER", before it is needed as such
        end(ctx);
    }
    const logctx_series_t *series = collect("failing", "request");
    assert_int_equal(series->duration_count, 17); // "", fifteen types, and the others
    uint64_t sum = 0;
    for (size_t i = 0; i < series->duration_count; i++) {
        sum += series->durations[i].histogram.count;
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(series->durations[i].error_type, series->durations[j].error_type);
        if (strcmp(series->durations[i].error_type, "_OTHER") == 0)
            assert_int_equal(series->durations[i].histogram.count, 40 - 15 * 2);
    }
    assert_int_equal(sum, 41);
}

static void test_failing_unsampled_contexts_count_too(void **state)
{
    (void)state;
    logctx_set_sampler(LOGCTX_SAMPLER_ALWAYS_OFF);
    logctx_t *ctx = make("failing quietly", "f");
    assert_int_equal(logctx_set_failed(ctx, "500", NULL), LOGCTX_OK);
    end(ctx);
    assert_string_equal(collect("failing quietly", "request")->durations[0].error_type, "500");
}

// ---- what never goes down ----

static void test_parts_never_go_down(void **state)
{
    (void)state;
    static const struct {
        int64_t cpu, user, system;
    } rows[] = {{5, 0, 0}, {10, 10, 0}, {10, 0, 20}, {0, 30, 0}, {7, 0, 0}, {100, 1, 99}, {1, 1000, 0}};
    logctx_usage_t last = {0};
    int64_t total = 0;
    logctx_t *ctx = make("split", "c");
    for (size_t i = 0; i < COUNT(rows); i++) {
        logctx_set_current(ctx);
        run_user(rows[i].cpu * MS);
        fake_user_ticks += rows[i].user * MS;
        fake_system_ticks += rows[i].system * MS;
        logctx_set_current(logctx_sentinel());
        total += rows[i].cpu * MS;
        const logctx_usage_t *usage = &collect("split", "request")->usage;
        assert_int_equal(usage->cpu_ns, total);
        assert_int_equal(usage->cpu_user_ns + usage->cpu_system_ns, total);
        assert_true(usage->cpu_user_ns >= last.cpu_user_ns && usage->cpu_system_ns >= last.cpu_system_ns);
        last = *usage;
    }
    end(ctx);
}

// The slice that runs on this thread is in the sums, and once only when it has ended.
static void test_the_running_slice_here(void **state)
{
    (void)state;
    logctx_t *ctx = make("runs here", "c");
    logctx_set_current(ctx);
    run_user(3 * MS);
    assert_int_equal(collect("runs here", "request")->usage.cpu_ns, 3 * MS);
    assert_int_equal(collected("runs here", "request")->usage.running_ns, 3 * MS);
    run_user(MS);
    assert_int_equal(collect("runs here", "request")->usage.cpu_ns, 4 * MS);
    logctx_finish(ctx);
    assert_int_equal(collect("runs here", "request")->usage.cpu_ns, 4 * MS);
    run_user(MS);
    assert_int_equal(collect("runs here", "request")->usage.cpu_ns, 5 * MS);
    logctx_set_current(logctx_sentinel());
    assert_int_equal(collect("runs here", "request")->usage.cpu_ns, 5 * MS);
    logctx_unref(ctx);
}

static atomic_bool spinning, enough;

static void *spin(void *argument)
{
    (void)argument;
    logctx_t *ctx = make("runs elsewhere", "spinner");
    logctx_set_current(ctx);
    spinning = true;
    while (!enough)
        ;
    end(ctx);
    return NULL;
}

static void test_the_running_slice_of_another_thread(void **state)
{
    (void)state;
    pthread_t thread;
    spinning = enough = false;
    assert_int_equal(pthread_create(&thread, NULL, spin, NULL), 0);
    while (!spinning)
        sched_yield();
    logctx_usage_t last = {0};
    for (int growing = 0; growing < 5;) {
        const logctx_usage_t *usage = &collect("runs elsewhere", "request")->usage;
        assert_true(usage->cpu_ns >= last.cpu_ns && usage->running_ns >= last.running_ns);
        assert_true(usage->cpu_user_ns >= last.cpu_user_ns && usage->cpu_system_ns >= last.cpu_system_ns);
        growing += usage->cpu_ns > last.cpu_ns;
        last = *usage;
        sched_yield();
    }
    enough = true;
    pthread_join(thread, NULL);
    const logctx_usage_t *usage = &collect("runs elsewhere", "request")->usage;
    assert_true(usage->cpu_ns >= last.cpu_ns && usage->running_ns >= last.running_ns);
}

// ---- snapshots ----

static void test_snapshot(void **state)
{
    (void)state;
    logctx_t *old = make("shown", "old"), *txn = make("shown", "txn"), *run = make("shown", "run");
    logctx_db_t db;
    pass(5 * MS);
    logctx_set_current(txn);
    run_user(MS);
    logctx_db_begin(&db);
    logctx_set_current(run);
    int line = __LINE__ - 1;
    logctx_snapshot_t entries[8];
    assert_int_equal(logctx_get_snapshot(NULL, 0), 3);
    assert_int_equal(logctx_get_snapshot(entries, 1), 3);
    assert_string_equal(entries[0].name, "old"); // the oldest of its kind first
    assert_int_equal(logctx_get_snapshot(entries, 8), 3);
    assert_int_equal(entries[0].state, LOGCTX_STATE_IDLE);
    assert_true(entries[0].age_ns == (uint64_t)(6 * MS));
    assert_non_null(strstr(entries[0].where, "support.c:")); // where it was made
    assert_string_equal(entries[1].name, "txn");
    assert_int_equal(entries[1].state, LOGCTX_STATE_TXN);
    assert_int_equal(entries[1].own.cpu_ns, MS);
    assert_int_equal(entries[2].state, LOGCTX_STATE_RUNNING);
    assert_at(entries[2].where, line);
    assert_string_equal(entries[2].kind, "shown");
    assert_string_equal(entries[2].server, "default");
    logctx_span_context_t ids = logctx_get_span_context(run);
    assert_memory_equal(entries[2].span_id, ids.span_id, 8);
    logctx_db_end(&db);
    end(run);
    end(old);
    end(txn);
    assert_int_equal(logctx_get_snapshot(entries, 8), 0);
}

static void test_refusals(void **state)
{
    (void)state;
    logctx_collector_t nothing = {NULL, NULL, NULL};
    assert_int_equal(logctx_collect(NULL), LOGCTX_E_INVALID);
    assert_int_equal(logctx_collect(&nothing), LOGCTX_E_INVALID);
    logctx_get_books(NULL);
    assert_true(logctx_start_unix_ns() > 0);
    assert_true(logctx_start_unix_ns() == logctx_start_unix_ns());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_a_series),
        core_test(test_own_usage_only),
        core_test(test_negative_charges_do_not_reach_the_metrics),
        core_test(test_bounds_are_inclusive),
        core_test(test_cpu_histogram),
        core_test(test_exemplars_of_sampled_ones_only),
        core_test(test_error_types),
        core_test(test_failing_unsampled_contexts_count_too),
        core_test_ticking(test_parts_never_go_down),
        core_test_ticking(test_the_running_slice_here),
        core_test_real(test_the_running_slice_of_another_thread),
        core_test(test_snapshot),
        core_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
