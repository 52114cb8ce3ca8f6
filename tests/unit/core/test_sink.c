/*
 * test_sink.c: sinks and the recorder: who gets ended contexts, how many there may be, what happens without one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "spans.h"
#include "worker.h"

struct counter {
    size_t count;
    bool finish_one;
    logctx_t *to_switch;
};

static void count_and_drop(void *user, logctx_record_t *record)
{
    struct counter *counter = user;
    counter->count++;
    if (counter->to_switch)
        logctx_set_current(counter->to_switch);
    if (counter->finish_one) {
        counter->finish_one = false;
        logctx_t *ctx = make("k", "from a sink");
        logctx_finish(ctx);
        logctx_unref(ctx);
    }
    logctx_record_unref(record);
}

static void test_each_sink_gets_each_record(void **state)
{
    (void)state;
    struct counter counters[3] = {{0, false, NULL}};
    logctx_sink_t sinks[4];
    for (size_t i = 0; i < 4; i++)
        sinks[i] = (logctx_sink_t){sizeof sinks[i], count_and_drop, &counters[i % 3]};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(logctx_sink_add(&sinks[i]), LOGCTX_OK);
    assert_int_equal(logctx_sink_add(&sinks[3]), LOGCTX_E_LIMIT); // the recorder is the fourth
    assert_null(logctx_recorder_new(1));
    logctx_books_t before = books();
    end(make("k", "a"));
    assert_int_equal(books().handed_over - before.handed_over, 1); // once, however many sinks
    assert_int_equal(logctx_sink_remove(&sinks[1]), LOGCTX_OK);
    assert_int_equal(logctx_sink_remove(&sinks[1]), LOGCTX_E_INVALID);
    end(make("k", "b"));
    assert_int_equal(counters[0].count, 2);
    assert_int_equal(counters[1].count, 1);
    assert_int_equal(counters[2].count, 2);
    assert_int_equal(logctx_recorder_count(recorder), 2);
    assert_int_equal(logctx_sink_remove(&sinks[0]), LOGCTX_OK);
    assert_int_equal(logctx_sink_remove(&sinks[2]), LOGCTX_OK);
}

static void test_refusals(void **state)
{
    (void)state;
    logctx_sink_t empty = {sizeof empty, NULL, NULL};
    assert_int_equal(logctx_sink_add(NULL), LOGCTX_E_INVALID);
    assert_int_equal(logctx_sink_add(&empty), LOGCTX_E_INVALID);
    assert_int_equal(logctx_sink_remove(NULL), LOGCTX_E_INVALID);
    assert_int_equal(logctx_sink_remove(&empty), LOGCTX_E_INVALID);
    logctx_record_unref(NULL);
    assert_null(logctx_record_ref(NULL));
    logctx_recorder_free(NULL);
    assert_null(logctx_recorder_new(SIZE_MAX));
}

static void test_without_a_sink(void **state)
{
    (void)state;
    logctx_recorder_free(recorder);
    recorder = NULL;
    logctx_books_t before = books();
    logctx_t *ctx = make("k", "c");
    assert_false(logctx_is_recording(ctx));
    assert_int_equal(logctx_set_string(ctx, "a", "b"), LOGCTX_OK);
    end(ctx);
    assert_int_equal(books().no_sink - before.no_sink, 1);
    assert_int_equal(books().handed_over, before.handed_over);
    recorder = logctx_recorder_new(1);
    end(make("k", "d"));
    assert_int_equal(books().handed_over - before.handed_over, 1);
}

static logctx_sink_t self;
static logctx_status_t removed;

static void remove_itself(void *user, logctx_record_t *record)
{
    (void)user;
    removed = logctx_sink_remove(&self);
    logctx_record_unref(record);
}

static void test_what_a_sink_must_not_do(void **state)
{
    (void)state;
    self = (logctx_sink_t){sizeof self, remove_itself, NULL};
    assert_int_equal(logctx_sink_add(&self), LOGCTX_OK);
    end(make("k", "a"));
    assert_int_equal(removed, LOGCTX_E_STATE);
    assert_int_equal(logctx_sink_remove(&self), LOGCTX_OK);

    logctx_t *other = make("k", "other");
    struct counter counter = {0, true, other};
    logctx_sink_t sink = {sizeof sink, count_and_drop, &counter};
    uint64_t refused = logctx_refused_switches();
    assert_int_equal(logctx_sink_add(&sink), LOGCTX_OK);
    end(make("k", "b"));
    assert_int_equal(counter.count, 2); // the one that it ended itself, too
    assert_current(logctx_sentinel());
    assert_int_equal(logctx_refused_switches() - refused, 2);
    counter.to_switch = NULL;
    end(other);
    assert_int_equal(logctx_sink_remove(&sink), LOGCTX_OK);
    span_of("from a sink");
}

static void test_the_recorder(void **state)
{
    (void)state;
    logctx_recorder_t *small = logctx_recorder_new(2);
    end(make("one", "1"));
    end(make("two", "2"));
    end(make("two", "3"));
    assert_int_equal(logctx_recorder_count(small), 2);
    assert_int_equal(logctx_recorder_dropped(small), 1);
    assert_null(logctx_recorder_at(small, 2));
    assert_string_equal(logctx_record_span(logctx_recorder_at(small, 0))->instance, "1");
    assert_string_equal(logctx_record_span(logctx_recorder_find(small, "two"))->instance, "2");
    assert_string_equal(logctx_record_span(logctx_recorder_find(recorder, "two"))->instance, "3"); // the newest
    assert_null(logctx_recorder_find(small, "three"));
    logctx_recorder_clear(small);
    assert_int_equal(logctx_recorder_count(small), 0);
    assert_int_equal(logctx_recorder_dropped(small), 0);
    end(make("one", "4"));
    assert_int_equal(logctx_recorder_count(small), 1);
    logctx_recorder_free(small);
}

static void test_records_outlive_their_context_and_sink(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "a name which is longer than the forty bytes inside");
    logctx_set_string(ctx, "key", "value");
    end(ctx);
    logctx_record_t *record = logctx_record_ref((logctx_record_t *)(uintptr_t)record_of_kind("k"));
    logctx_recorder_clear(recorder);
    assert_string_equal(logctx_record_span(record)->instance, "a name which is longer than the forty bytes inside");
    assert_string_equal(text_attr(record, "key"), "value");
    assert_true(logctx_record_span(record)->bytes > 0);
    logctx_record_unref(record);
}

enum { ROUNDS = 10, IN_A_ROUND = 40 };

struct kept {
    logctx_record_t *records[ROUNDS * IN_A_ROUND];
    size_t count;
    size_t given; // of them, given back
};

static void keep(void *user, logctx_record_t *record)
{
    struct kept *kept = user;
    kept->records[kept->count++] = record;
}

static void give_back(void *user)
{
    struct kept *kept = user;
    logctx_record_unref_all(kept->records + kept->given, kept->count - kept->given);
    kept->given = kept->count;
}

static size_t different(const struct kept *kept)
{
    size_t count = 0;
    for (size_t i = 0; i < kept->count; i++) {
        size_t before = 0;
        while (before < i && kept->records[before] != kept->records[i])
            before++;
        count += before == i;
    }
    return count;
}

// How many records it takes to make so many spans, by rounds after each of which another thread gives them back, or not.
static size_t records_used(bool give)
{
    static struct kept kept;
    kept = (struct kept){.count = 0};
    const logctx_sink_t sink = {sizeof sink, keep, &kept};
    struct worker worker;
    assert_int_equal(logctx_sink_add(&sink), LOGCTX_OK);
    worker_start(&worker);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < IN_A_ROUND; i++)
            end(make("k", "one of many"));
        logctx_recorder_clear(recorder);
        if (give)
            worker_do(&worker, give_back, &kept);
    }
    assert_int_equal(logctx_sink_remove(&sink), LOGCTX_OK);
    give_back(&kept); // on their own thread
    worker_end(&worker);
    return different(&kept);
}

static void test_records_go_back_together(void **state)
{
    (void)state;
    assert_true(records_used(true) < 3 * IN_A_ROUND);
    assert_int_equal(records_used(false), ROUNDS * IN_A_ROUND);

    struct kept kept = {.count = 0};
    const logctx_sink_t sink = {sizeof sink, keep, &kept};
    assert_int_equal(logctx_sink_add(&sink), LOGCTX_OK);
    end(make("k", "held twice"));
    assert_int_equal(logctx_sink_remove(&sink), LOGCTX_OK);
    logctx_record_t *const some[] = {NULL, kept.records[0], NULL};
    logctx_record_unref_all(some, COUNT(some)); // the recorder's is left
    assert_string_equal(logctx_record_span(kept.records[0])->instance, "held twice");
    logctx_record_unref_all(NULL, 0);
}

static void test_what_every_span_says(void **state)
{
    (void)state;
    logctx_t *ctx = make("GET /", "GET-1");
    pass(5);
    end(ctx);
    const logctx_record_t *record = record_of("GET-1");
    static const char *const always[] = {
        "logctx.name",    "logctx.type",         "logctx.server",  "logctx.cpu.time",     "logctx.db.transactions",
        "logctx.db.time", "logctx.db.wait_time", "logctx.db.rows", "logctx.running.time", "logctx.switches",
        "thread.id"};
    for (size_t i = 0; i < COUNT(always); i++)
        assert_int_equal(count_key(record, always[i]), 1);
    assert_int_equal(count_parts(record, LOGCTX_PART_ATTRIBUTE), COUNT(always));
    const logctx_span_t *span = logctx_record_span(record);
    assert_string_equal(span->name, "GET /");
    assert_string_equal(span->kind, "GET /");
    assert_string_equal(span->server, "default");
    assert_true(span->start_unix_ns == UNIX_START && span->end_unix_ns == UNIX_START + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_each_sink_gets_each_record),
        core_test(test_refusals),
        core_test(test_without_a_sink),
        core_test(test_what_a_sink_must_not_do),
        core_test(test_the_recorder),
        core_test(test_records_outlive_their_context_and_sink),
        core_test(test_records_go_back_together),
        core_test(test_what_every_span_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
