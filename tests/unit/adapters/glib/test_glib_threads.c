/*
 * test_glib_threads.c: work that crosses threads: what a worker sends to the loop, what the loop sends to a worker, threads
 * that work for a request.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "glib_support.h"
#include "spans.h"

#include <pthread.h>

static void on_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, body, argument), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static struct {
    logctx_t *request, *current;
    char name[64];
    logctx_type_t type;
    int calls, notified;
    gboolean again;
} seen;

static gboolean see(gpointer data)
{
    (void)data;
    seen.current = logctx_current();
    snprintf(seen.name, sizeof seen.name, "%s", logctx_name(seen.current));
    seen.type = logctx_type(seen.current);
    run_user(MS);
    return ++seen.calls < 2 && seen.again;
}

static void notify(gpointer data)
{
    (void)data;
    assert_current(logctx_sentinel());
    seen.notified++;
}

static void *worker_of_a_request(void *data)
{
    LOGCTX_SCOPE(logctx_new_on_thread(data));
    logctx_g_idle_add_full(0, see, NULL, notify);
    return NULL;
}

static void test_a_workers_callback_runs_in_its_request(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    logctx_t *request = make("k", "A");
    on_thread(worker_of_a_request, request);
    TURN_UNTIL(seen.notified);
    assert_ptr_equal(seen.current, request);
    assert_int_equal(own_of(request).cpu_ns, MS);
    end(request);
}

static void *request_of_its_own(void *data)
{
    (void)data;
    logctx_t *ctx = make("k", "foreign");
    logctx_set_current(ctx);
    logctx_g_main_context_invoke_full(NULL, 0, see, NULL, notify);
    logctx_set_current(logctx_sentinel());
    seen.request = ctx;
    return NULL;
}

static void test_a_foreign_contexts_callback_runs_in_a_child(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    assert_true(g_main_context_acquire(NULL)); // ours, as while the loop runs
    seen.again = true;
    on_thread(request_of_its_own, NULL);
    TURN_UNTIL(seen.notified);
    g_main_context_release(NULL);
    assert_int_equal(seen.calls, 2);
    assert_ptr_not_equal(seen.current, seen.request);
    assert_string_equal(seen.name, "foreign");
    assert_int_equal(seen.type, LOGCTX_TYPE_THREAD);
    assert_int_equal(own_of(seen.request).cpu_ns, 0);
    assert_int_equal(total_of(seen.request).cpu_ns, 2 * MS); // the children have ended, and count
    logctx_finish(seen.request);
    logctx_unref(seen.request);
}

static void test_invoked_by_the_owner(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    seen.again = true;
    logctx_g_main_context_invoke_full(NULL, 0, see, NULL, notify); // nobody owns it: acquired
    assert_int_equal(seen.calls, 2);
    assert_int_equal(seen.notified, 1);
    assert_ptr_equal(seen.current, ctx);
    assert_true(g_main_context_acquire(NULL));
    logctx_g_main_context_invoke(NULL, see, NULL);
    (logctx_g_main_context_invoke)(NULL, see, NULL);
    (logctx_g_main_context_invoke_full)(NULL, 0, see, NULL, notify);
    g_main_context_release(NULL);
    assert_int_equal(seen.calls, 5);
    assert_current(ctx);
    end(ctx);
}

// ---- threads ----

static gpointer work(gpointer data)
{
    see(NULL);
    assert_ptr_not_equal(seen.current, seen.request);
    return data;
}

static void test_a_thread_for_a_request(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    seen.request = make("k", "A");
    logctx_set_current(seen.request);
    GThread *threads[] = {
        logctx_g_thread_new("worker", work, &seen),
        NULL,
    };
    assert_ptr_equal(g_thread_join(threads[0]), &seen);
    threads[1] = logctx_g_thread_try_new("worker", work, &seen, NULL);
    assert_ptr_equal(g_thread_join(threads[1]), &seen);
    assert_string_equal(seen.name, "A");
    assert_int_equal(seen.type, LOGCTX_TYPE_THREAD);
    assert_current(seen.request);
    assert_int_equal(own_of(seen.request).cpu_ns, 2 * MS); // the fake clock is one for all threads
    end(seen.request);
}

static void test_a_thread_for_nobody(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    g_thread_join((logctx_g_thread_new)("worker", work, NULL));
    assert_non_null(strstr(take_error(LOGCTX_ERROR_THREADPOOL_FROM_SENTINEL)->found_by, "glib_threads+0x"));
    g_thread_join((logctx_g_thread_try_new)("worker", work, NULL, NULL));
    take_error(LOGCTX_ERROR_THREADPOOL_FROM_SENTINEL);
}

// ---- many at once ----

enum { WORKERS = 4, CALLS = 200 };
static int done;

static gboolean count_done(gpointer request)
{
    assert_current((logctx_t *)request);
    done++;
    return G_SOURCE_REMOVE;
}

static gpointer send_many(gpointer request)
{
    for (int i = 0; i < CALLS; i++) {
        if (i % 2)
            logctx_g_idle_add(count_done, request);
        else
            logctx_g_timeout_add_full(0, 0, count_done, request, NULL);
    }
    return NULL;
}

static void test_workers_at_the_same_time(void **state)
{
    (void)state;
    logctx_t *requests[WORKERS];
    GThread *threads[WORKERS];
    done = 0;
    for (int i = 0; i < WORKERS; i++) {
        requests[i] = make("k", "A");
        logctx_set_current(requests[i]);
        threads[i] = logctx_g_thread_new("worker", send_many, requests[i]);
        logctx_set_current(logctx_sentinel());
    }
    TURN_UNTIL(done == WORKERS * CALLS);
    for (int i = 0; i < WORKERS; i++) {
        g_thread_join(threads[i]);
        end(requests[i]);
    }
}

// A main context that is run now here, now there: what was armed on one thread is dispatched on the other.
static void *run_a_while(void *context)
{
    for (int i = 0; i < 100; i++)
        g_main_context_iteration(context, FALSE);
    return NULL;
}

static gboolean count(gpointer calls)
{
    ++*(atomic_int *)calls;
    return G_SOURCE_CONTINUE;
}

static void test_a_main_context_that_changes_threads(void **state)
{
    (void)state;
    atomic_int calls = 0;
    GMainContext *context = g_main_context_new();
    logctx_glib_t *loop = logctx_glib_attach(context, "moving");
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    GSource *source = g_idle_source_new();
    logctx_g_source_set_callback(source, count, &calls, NULL);
    g_source_attach(source, context);
    logctx_set_current(logctx_sentinel());
    for (int i = 0; i < 3; i++) {
        run_a_while(context);
        on_thread(run_a_while, context);
    }
    assert_int_equal(calls, 600);
    g_source_destroy(source);
    g_source_unref(source);
    logctx_glib_detach(loop);
    g_main_context_unref(context);
    end(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        glib_test(test_a_workers_callback_runs_in_its_request),
        glib_test(test_a_foreign_contexts_callback_runs_in_a_child),
        glib_test(test_invoked_by_the_owner),
        glib_test(test_a_thread_for_a_request),
        glib_test(test_a_thread_for_nobody),
        glib_test(test_workers_at_the_same_time),
        glib_test(test_a_main_context_that_changes_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
