/*
 * test_glib_memory.c: what the adapter allocates, and what it does when it gets nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "alloc.h"
#include "glib_support.h"

static struct {
    int calls, wanted;
    logctx_t *current;
} seen;

static gboolean see(gpointer data)
{
    (void)data;
    seen.current = logctx_current();
    return ++seen.calls < seen.wanted;
}

static void see_once(gpointer data)
{
    see(data);
}

static gpointer see_in_thread(gpointer data)
{
    see(data);
    return data;
}

static logctx_t *begin(int wanted)
{
    memset(&seen, 0, sizeof seen);
    seen.wanted = wanted;
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    return ctx;
}

static void test_calls_allocate_nothing(void **state)
{
    (void)state;
    logctx_t *ctx = begin(1000);
    logctx_g_idle_add(see, NULL);
    logctx_g_timeout_add(0, see, NULL);
    logctx_set_current(logctx_sentinel());
    TURN_UNTIL(seen.calls > 10);
    long before = alloc_calls;
    TURN_UNTIL(seen.calls > 900);
    assert_int_equal(alloc_calls, before);
    TURN_UNTIL(seen.calls > 1000);
    end(ctx);
}

static void test_arming_allocates_once_and_gives_it_back(void **state)
{
    (void)state;
    logctx_t *ctx = begin(1);
    g_source_remove(logctx_g_timeout_add(0, see, NULL));
    long calls = alloc_calls, blocks = alloc_blocks;
    guint id = logctx_g_timeout_add(0, see, NULL);
    assert_int_equal(alloc_calls, calls + 1);
    g_source_remove(id);
    assert_int_equal(alloc_blocks, blocks);
    end(ctx);
}

static void test_without_memory_it_runs_in_the_sentinel(void **state)
{
    (void)state;
    logctx_t *ctx = begin(1);
    alloc_fail(1, true);
    logctx_g_idle_add(see, NULL);
    assert_int_equal(logctx_g_idle_add_once(see_once, NULL), 0); // cannot be done by GLib's means
    assert_true(alloc_failed());
    alloc_fail(0, false);
    logctx_set_current(logctx_sentinel());
    TURN_UNTIL(seen.calls);
    turn();
    assert_int_equal(seen.calls, 1);
    assert_ptr_equal(seen.current, logctx_sentinel());
    end(ctx);
}

static gboolean dispatch(GSource *source, GSourceFunc function, gpointer data)
{
    (void)source;
    return function(data);
}

static void test_a_source_of_another_type_without_memory(void **state)
{
    (void)state;
    static GSourceFuncs type = {NULL, NULL, dispatch, NULL, NULL, NULL};
    logctx_t *ctx = begin(1);
    for (int fail_at = 1; fail_at <= 3; fail_at++) {
        seen.calls = 0;
        GSource *source = g_source_new(&type, sizeof(GSource));
        g_source_set_ready_time(source, 0);
        logctx_set_current(ctx);
        alloc_fail(fail_at, false);
        logctx_g_source_set_callback(source, see, NULL, NULL);
        bool failed = alloc_failed();
        alloc_fail(0, false);
        logctx_set_current(logctx_sentinel());
        if (fail_at == 1) // the type
            take_error(LOGCTX_ERROR_INVALID_USE);
        g_source_attach(source, NULL);
        g_source_unref(source);
        TURN_UNTIL(seen.calls);
        assert_ptr_equal(seen.current, failed ? logctx_sentinel() : ctx);
    }
    end(ctx);
}

static void test_a_thread_without_memory(void **state)
{
    (void)state;
    logctx_t *ctx = begin(1);
    alloc_fail(1, false);
    GThread *thread = logctx_g_thread_new("worker", see_in_thread, &seen);
    assert_true(alloc_failed());
    alloc_fail(0, false);
    assert_ptr_equal(g_thread_join(thread), &seen);
    assert_ptr_equal(seen.current, logctx_sentinel());
    end(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        glib_test(test_calls_allocate_nothing),
        glib_test(test_arming_allocates_once_and_gives_it_back),
        glib_test(test_without_memory_it_runs_in_the_sentinel),
        glib_test(test_a_source_of_another_type_without_memory),
        glib_test(test_a_thread_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
