/*
 * test_memory.c: memory: none is allocated in steady state, long chains are freed without recursion and do not keep
 * themselves alive, and where there is none left, contexts are refused and everything goes on.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "alloc.h"
#include "collected.h"
#include "spans.h"

#include <logctx/trace.h>

enum { LONG = 100000 };

// ---- steady state ----

static void one_request(void)
{
    logctx_t *ctx = logctx_new(logctx_kind("steady"), NULL);
    logctx_enter(ctx);
    for (char key[] = "key0"; key[3] < '8'; key[3]++)
        logctx_set_string(ctx, key, "a value of some length, as they are");
    logctx_t *nested = logctx_new_nested("part");
    logctx_enter(nested);
    logctx_db_transaction(MS);
    logctx_exit(nested);
    logctx_unref(nested);
    logctx_exit(ctx);
    logctx_unref(ctx);
}

static void drop(void *user, logctx_record_t *record)
{
    (void)user;
    logctx_record_unref(record);
}

static void test_no_allocation_in_steady_state(void **state)
{
    (void)state;
    logctx_recorder_free(recorder);
    recorder = NULL;
    logctx_sink_t sink = {sizeof sink, drop, NULL};
    assert_int_equal(logctx_sink_add(&sink), LOGCTX_OK);
    one_request();
    long calls = alloc_calls;
    for (int i = 0; i < 1000; i++)
        one_request();
    for (int i = 0; i < 1000; i++)
        end(logctx_new(logctx_kind("steady"), NULL));
    assert_int_equal(alloc_calls, calls);
    assert_int_equal(logctx_sink_remove(&sink), LOGCTX_OK);
}

// ---- chains ----

// Each made in the last one, which then ends: only the newest is there.
static void test_a_chain_of_previous_contexts_is_flat(void **state)
{
    (void)state;
    logctx_recorder_free(recorder);
    recorder = NULL;
    logctx_set_current(make("k", "c"));
    long blocks = 0;
    for (int i = 0; i < LONG; i++) {
        logctx_t *before = logctx_current(), *next = make("k", "c");
        logctx_set_current(next);
        logctx_finish(before);
        logctx_unref(before);
        if (i == 1000)
            blocks = alloc_blocks;
    }
    assert_int_equal(alloc_blocks, blocks);
    end(logctx_current());
}

// Nothing is finished until the last reference goes: then all are, one after the other and not one inside the other.
static void test_a_chain_of_unfinished_previous_contexts(void **state)
{
    (void)state;
    logctx_recorder_free(recorder);
    recorder = NULL;
    for (int i = 0; i < LONG; i++) {
        logctx_t *before = logctx_current(), *next = make("k", "c");
        logctx_set_current(next);
        logctx_unref(before);
    }
    assert_int_equal(books().live, LONG);
    logctx_t *last = logctx_current();
    logctx_set_current(logctx_sentinel());
    logctx_unref(last);
    assert_int_equal(books().live, 0);
}

static void test_a_chain_of_parents(void **state)
{
    (void)state;
    logctx_recorder_free(recorder);
    recorder = NULL;
    for (int finished = 0; finished < 2; finished++) {
        logctx_t *ctx = make("k", "root");
        for (int i = 0; i < LONG; i++) {
            logctx_t *child = make_child(ctx, "c");
            logctx_unref(ctx);
            ctx = child;
        }
        assert_int_equal(books().live, LONG + 1);
        logctx_charge_cpu(ctx, 1, 0);
        if (finished)
            logctx_finish(ctx);
        logctx_unref(ctx);
        assert_int_equal(books().live, 0);
    }
}

// Parent and previous at once, as nested contexts are.
static void test_a_chain_of_nested_contexts(void **state)
{
    (void)state;
    logctx_recorder_free(recorder);
    recorder = NULL;
    logctx_t *last = make("k", "root");
    for (int i = 0; i < 1000; i++) {
        logctx_set_current(last);
        logctx_t *next = logctx_new_nested("n");
        logctx_unref(last);
        last = next;
    }
    logctx_set_current(logctx_sentinel());
    logctx_unref(last);
    assert_int_equal(books().live, 0);
}

// ---- no memory ----

static logctx_t *kept[40000];
static size_t kept_count;

static uint64_t refused_here;

static logctx_t *keep(logctx_t *ctx)
{
    refused_here += logctx_is_sentinel(ctx);
    if (!logctx_is_sentinel(ctx) && kept_count < COUNT(kept))
        kept[kept_count++] = ctx;
    return ctx;
}

// Everything that allocates. Names are new each time, since what is interned is there for ever.
static void everything(unsigned round)
{
    char name[200], kind[64];
    snprintf(kind, sizeof kind, "round %u", round);
    snprintf(name, sizeof name, "%s, with a name that is much longer than the forty bytes which are inside", kind);
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = name;
    opts.server = name;
    opts.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    opts.tracestate = "a=1";
    logctx_t *ctx = keep(logctx_new(logctx_kind(kind), &opts));
    logctx_enter(ctx);
    for (int i = 0; i < 60; i++) {
        snprintf(kind, sizeof kind, "key %d", i);
        logctx_set_string(ctx, kind, name);
    }
    logctx_add_event(ctx, "e", NULL, 0);
    logctx_add_link(ctx, &(logctx_span_context_t){{1}, {2}, 3}, NULL, NULL, 0);
    logctx_set_failed(ctx, kind, name);
    logctx_t *nested = keep(logctx_new_nested(name));
    logctx_t *child = keep(logctx_new_on_thread(ctx));
    opts.parent = child;
    logctx_t *grandchild = keep(logctx_new(logctx_kind("k"), &opts));
    logctx_set_default_server(name);
    for (int i = 0; i < 130; i++)
        keep(logctx_new(logctx_kind("k"), NULL));
    logctx_set_current(logctx_sentinel());
    logctx_finish(grandchild);
    logctx_finish(nested);
    logctx_exit(ctx);
    logctx_set_current(ctx);
    logctx_set_current(logctx_sentinel());
    logctx_set_default_server(NULL);
}

static void fail_each(bool lasting)
{
    // Where no context could be made, the work runs in the sentinel.
    static const logctx_error_kind_t kinds[] = {LOGCTX_ERROR_CONTEXT_LOST, LOGCTX_ERROR_RESTARTED_FINISHED,
                                                LOGCTX_ERROR_NESTED_FROM_SENTINEL,
                                                LOGCTX_ERROR_THREADPOOL_FROM_SENTINEL, LOGCTX_ERROR_OUTLIVED_PARENT};
    for (size_t i = 0; i < COUNT(kinds); i++)
        logctx_allow_transition_errors(kinds[i]);
    logctx_set_error_hook(NULL, NULL);
    static unsigned round;
    bool failed = true;
    for (long nth = 1; failed; nth++) {
        uint64_t refused = books().refused_no_memory, created = books().created;
        size_t kept_before = kept_count;
        refused_here = 0;
        alloc_fail(nth, lasting);
        everything(round++);
        failed = alloc_failed();
        alloc_fail(0, false);
        assert_int_equal(books().refused_no_memory - refused, refused_here);
        assert_int_equal(books().created - created, kept_count - kept_before);
        assert_true(nth < 1000);
        // Every other round its contexts go, so that pools are found both empty and full.
        if (round % 2)
            continue;
        while (kept_count > 0)
            end(kept[--kept_count]);
        assert_int_equal(books().live, 0);
    }
    while (kept_count > 0)
        end(kept[--kept_count]);
    logctx_books_t now = books();
    assert_int_equal(now.ended, now.handed_over + now.unsampled + now.no_sink + now.dropped_no_memory);
}

static void test_each_allocation_fails_once(void **state)
{
    (void)state;
    fail_each(false);
}

static void test_nothing_is_left(void **state)
{
    (void)state;
    fail_each(true);
}

static void no_series(void *user, const logctx_series_t *series)
{
    (void)user;
    fail_msg("the series %s is shown, though there is no memory", series->kind);
}

static void no_loop(void *user, const logctx_loop_sums_t *loop)
{
    (void)user;
    fail_msg("the loop %s is shown, though there is no memory", loop->name);
}

static void test_a_collection_without_memory(void **state)
{
    (void)state;
    end(make("k", "c"));
    for (long nth = 1; nth <= 2; nth++) {
        logctx_collector_t collector = {no_series, no_loop, NULL};
        alloc_fail(nth, false);
        assert_int_equal(logctx_collect(&collector), LOGCTX_E_NO_MEMORY); // and nothing is called
        alloc_fail(0, false);
    }
    alloc_fail(1, false);
    assert_null(logctx_recorder_new(10));
    alloc_fail(0, false);
}

// The first use of the library on the first thread.
static void test_no_memory_for_the_thread(void **state)
{
    (void)state;
    uint64_t refused = books().refused_no_memory;
    for (long nth = 1; nth <= 2; nth++) {
        alloc_fail(nth, true);
        logctx_t *ctx = logctx_new(logctx_kind("first of all"), NULL);
        assert_true(logctx_is_sentinel(ctx));
        logctx_enter(ctx);
        logctx_set_string(ctx, "a", "b");
        logctx_exit(ctx);
        logctx_unref(ctx);
        assert_ptr_equal(logctx_set_current(NULL), logctx_sentinel());
        logctx_poll_begin();
        logctx_poll_end();
        alloc_fail(0, false);
    }
    assert_int_equal(books().refused_no_memory - refused, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory_for_the_thread),
        core_test(test_no_allocation_in_steady_state),
        core_test(test_a_chain_of_previous_contexts_is_flat),
        core_test(test_a_chain_of_unfinished_previous_contexts),
        core_test(test_a_chain_of_parents),
        core_test(test_a_chain_of_nested_contexts),
        core_test(test_each_allocation_fails_once),
        core_test(test_nothing_is_left),
        core_test(test_a_collection_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
