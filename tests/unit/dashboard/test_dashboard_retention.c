// SPDX-License-Identifier: Apache-2.0
// What goes from a store because it is old, what is counted of it, and a store of an earlier version that is brought up to
// date. The clock is the test's. One thread.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sample.h"
#include "store_internal.h"

#define SECOND INT64_C(1000000000)

static int64_t time_now;

static int64_t test_clock(void)
{
    return time_now;
}

static void set_time(int64_t seconds)
{
    time_now = (INT64_C(1700000000) + seconds) * SECOND;
}

static struct store *open_store(const char *path, int64_t age_s)
{
    set_time(0);
    struct store *store = sample_store(path, &(struct store_limits){.age_s = age_s});
    store_set_clock(store, test_clock);
    return store;
}

static void send_traces(struct store *store, int first, int count)
{
    sample_receive_json(store, SIGNAL_TRACES, sample_traces(first, count));
}

static int64_t counter(struct store *store, const char *name)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT value FROM counter WHERE name = '%s'", name);
    return sample_number(store, sql);
}

// A commit that brings nothing, as the writer makes one when nobody sends.
static void commit(struct store *store)
{
    assert_true(store_begin(store));
    assert_true(store_commit(store));
}

static void test_old_spans_go(void **state)
{
    (void)state;
    struct store *store = open_store(NULL, 120);
    send_traces(store, 0, 10);
    set_time(90);
    send_traces(store, 10, 5);
    set_time(119);
    commit(store);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span"), 15);
    assert_int_equal(counter(store, "spans pruned"), 0);
    // Two minutes after it came, whatever the times in it say: those are of 1970.
    set_time(120);
    commit(store);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span"), 5);
    assert_int_equal(sample_number(store, "SELECT min(id) FROM span"), 11);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM event"), 5);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM link"), 5);
    assert_int_equal(store->spans, 5);
    assert_int_equal(counter(store, "spans pruned"), 10);
    assert_int_equal(counter(store, "contexts pruned"), 10);
    assert_int_equal(counter(store, "contexts received"), 15);
    set_time(1000);
    commit(store);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span"), 0);
    assert_int_equal(counter(store, "contexts pruned"), 15);
    // Who sent it is forgotten as well, and whoever sends now is there again.
    assert_int_equal(sample_number(store, "SELECT count(*) FROM resource"), 0);
    send_traces(store, 20, 1);
    assert_int_equal(sample_number(store, "SELECT contexts FROM resource"), 1);
    assert_true(sample_number(store, "SELECT last FROM resource") == time_now);
    store_close(store);
}

static void test_old_points_go(void **state)
{
    (void)state;
    struct store *store = open_store(NULL, 120);
    sample_receive_json(store, SIGNAL_METRICS, sample_counter("silent", 1, 100));
    set_time(60);
    sample_receive_json(store, SIGNAL_METRICS, sample_counter("busy", 1, 100));
    set_time(120);
    sample_receive_json(store, SIGNAL_METRICS, sample_counter("busy", 2, 200));
    // Age is known to the minute: the next row of the clock tells what came before it.
    set_time(180);
    commit(store);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM point"), 1);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM series WHERE name = 'silent'"), 0);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM series WHERE name = 'busy'"), 1);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM resource"), 1);
    assert_int_equal(store->points, 1);
    assert_int_equal(store->series, 1);
    assert_int_equal(counter(store, "points pruned"), 2);
    store_close(store);
}

static void test_much_goes_in_steps(void **state)
{
    (void)state;
    struct store *store = open_store(NULL, 3600);
    for (int i = 0; i < 5; i++) {
        set_time(i * 60);
        send_traces(store, i * 1000, 1000);
    }
    set_time(5000);
    commit(store);
    int64_t left = sample_number(store, "SELECT count(*) FROM span");
    assert_in_range(left, 1, 4999);
    for (int i = 0; i < 5; i++)
        commit(store);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span"), 0);
    assert_int_equal(counter(store, "contexts pruned"), 5000);
    store_close(store);
}

static void test_no_limit(void **state)
{
    (void)state;
    struct store *store = open_store(NULL, 0);
    send_traces(store, 0, 10);
    for (int64_t day = 1; day < 1000; day += 100) {
        set_time(day * 86400);
        commit(store);
    }
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span"), 10);
    // What is kept to know the age of rows is bounded all the same.
    assert_in_range(sample_number(store, "SELECT count(*) FROM arrival"), 1, 6);
    store_close(store);
}

// A clock that was set back makes nothing old, and one that was set forth only what it says.
static void test_clock_set_back(void **state)
{
    (void)state;
    struct store *store = open_store(NULL, 120);
    set_time(1000);
    send_traces(store, 0, 10);
    set_time(0);
    send_traces(store, 10, 10);
    set_time(60);
    commit(store);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span"), 20);
    store_close(store);
}

// The second version of the tables has more columns: what they hold is made from what is there.
static void test_earlier_version(void **state)
{
    (void)state;
    char path[] = "/tmp/logctx-retention-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    struct store *store = open_store(path, 0);
    send_traces(store, 0, 10);
    sample_receive_json(store, SIGNAL_METRICS, sample_counter("x", 1, 100));
    static const char back[] =
        "DROP INDEX span_end; DROP INDEX transition_error_time; DROP INDEX transition_error_place;"
        "DROP INDEX point_time; DROP INDEX link_target;"
        "DROP TABLE arrival; DELETE FROM span WHERE id = 1; UPDATE counter SET value = 1 WHERE name = 'spans pruned';"
        "DELETE FROM counter WHERE name = 'contexts pruned'; ALTER TABLE resource DROP COLUMN contexts;"
        "INSERT INTO transition_error (span, late, time, kind) VALUES (5, 0, 7, 'context_lost');"
        "ALTER TABLE transition_error DROP COLUMN resource; ALTER TABLE resource DROP COLUMN last;"
        "PRAGMA user_version = 1;";
    assert_int_equal(sqlite3_exec(store->db, back, NULL, NULL, NULL), SQLITE_OK);
    store_close(store);
    store = open_store(path, 0);
    assert_int_equal(sample_number(store, "SELECT contexts FROM resource"), 9);
    assert_int_equal(counter(store, "contexts pruned"), 1);
    assert_int_equal(sample_number(store, "SELECT resource FROM transition_error"),
                     sample_number(store, "SELECT id FROM resource"));
    assert_true(sample_number(store, "SELECT last FROM resource") > 0);
    send_traces(store, 10, 1);
    assert_int_equal(sample_number(store, "SELECT contexts FROM resource"), 10);
    store_close(store);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old_spans_go),       cmocka_unit_test(test_old_points_go),
        cmocka_unit_test(test_much_goes_in_steps), cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_clock_set_back),     cmocka_unit_test(test_earlier_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
