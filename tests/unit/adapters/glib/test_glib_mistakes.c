/*
 * test_glib_mistakes.c: a small service on the main loop that makes one mistake in each test. Each is found once, as what
 * it is, with the line that made it and the line that found it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "glib_support.h"

#include <pthread.h>
#include <unistd.h>

// Lines of the service, by what happens there.
static struct {
    int armed, switched, exited;
} line;

static logctx_t *request, *other;
static bool done;

// What a service does first: a request, and work that is to come.
static void receive(GSourceFunc next)
{
    done = false;
    request = make("GET /", "GET-1");
    logctx_enter(request);
    logctx_g_timeout_add(1, next, NULL);
    line.armed = __LINE__ - 1;
    logctx_set_current(logctx_sentinel());
}

static void finish(void)
{
    logctx_exit(request);
    line.exited = __LINE__ - 1;
    logctx_unref(request);
    done = true;
}

static const logctx_test_error_t *take(logctx_error_kind_t kind, int set_by, int found_by)
{
    const logctx_test_error_t *error = take_error(kind);
    assert_at(error->set_by, set_by);
    assert_at(error->found_by, found_by);
    return error;
}

static gboolean answer(gpointer data)
{
    (void)data;
    finish();
    return G_SOURCE_REMOVE;
}

static void test_without_a_mistake(void **state)
{
    (void)state;
    receive(answer);
    TURN_UNTIL(done);
}

// ---- leaks ----

static gboolean answer_in_another(gpointer data)
{
    answer(data);
    logctx_set_current(other);
    line.switched = __LINE__ - 1;
    return G_SOURCE_REMOVE;
}

static void test_a_callback_leaves_another_context(void **state)
{
    (void)state;
    other = make("GET /", "GET-2");
    receive(answer_in_another);
    TURN_UNTIL(done);
    take(LOGCTX_ERROR_LEAKED_TO_LOOP, line.switched, line.armed);
    end(other);
}

static gboolean take_up(gpointer data)
{
    (void)data;
    logctx_set_current(other);
    line.switched = __LINE__ - 1;
    done = true;
    return G_SOURCE_REMOVE;
}

static void test_an_unwrapped_callback_leaks(void **state)
{
    (void)state;
    done = false;
    other = make("GET /", "GET-2");
    g_idle_add(take_up, NULL);
    TURN_UNTIL(done);
    turn();
    assert_at(take_error(LOGCTX_ERROR_LEAKED_TO_LOOP)->set_by, line.switched);
    end(other);
}

static void test_an_unwrapped_callback_leaks_and_a_wrapped_one_follows(void **state)
{
    (void)state;
    other = make("GET /", "GET-2");
    request = make("GET /", "GET-1");
    done = false;
    g_idle_add(take_up, NULL);
    logctx_enter(request);
    logctx_g_idle_add(answer, NULL); // in the same turn
    logctx_set_current(logctx_sentinel());
    TURN_UNTIL(done);
    turn();
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_string_equal(error->affected, "GET-2");
    assert_at(error->set_by, line.switched);
    assert_at_attachment(error->found_by);
    end(other);
}

// ---- losses ----

static gboolean lose(gpointer data)
{
    logctx_set_current(logctx_sentinel()); // and forgets to come back
    line.switched = __LINE__ - 1;
    return answer(data);
}

static void test_a_callback_loses_its_context(void **state)
{
    (void)state;
    receive(lose);
    TURN_UNTIL(done);
    take(LOGCTX_ERROR_CONTEXT_LOST, line.switched, line.exited);
}

static gboolean swap(gpointer data)
{
    logctx_set_current(other);
    line.switched = __LINE__ - 1;
    return answer(data);
}

static void test_a_callback_answers_in_another_context(void **state)
{
    (void)state;
    other = make("GET /", "GET-2");
    receive(swap);
    TURN_UNTIL(done);
    take(LOGCTX_ERROR_UNEXPECTED_CONTEXT, line.switched, line.exited);
    end(other);
}

static void test_an_unwrapped_function_was_used(void **state)
{
    (void)state;
    done = false;
    request = make("GET /", "GET-1");
    logctx_enter(request);
    g_timeout_add(1, answer, NULL); // not logctx_g_timeout_add()
    logctx_set_current(logctx_sentinel());
    line.switched = __LINE__ - 1;
    TURN_UNTIL(done);
    take(LOGCTX_ERROR_CONTEXT_LOST, line.switched, line.exited);
}

// ---- too late ----

static gboolean tick(gpointer data)
{
    ++*(int *)data;
    return G_SOURCE_REMOVE;
}

static void test_a_timer_outlives_its_request(void **state)
{
    (void)state;
    int ticks = 0;
    receive(answer);
    logctx_set_current(request);
    logctx_g_timeout_add(3, tick, &ticks); // and nobody removes it
    line.armed = __LINE__ - 1;
    logctx_set_current(logctx_sentinel());
    TURN_UNTIL(ticks);
    assert_true(done);
    assert_at(take_error(LOGCTX_ERROR_RESTARTED_FINISHED)->found_by, line.armed);
}

static int kept[2];

static gboolean on_data(gint fd, GIOCondition condition, gpointer data)
{
    (void)fd, (void)condition, (void)data;
    fail_msg("closed, and called");
    return G_SOURCE_REMOVE;
}

static void test_a_watch_goes_with_the_only_reference(void **state)
{
    (void)state;
    assert_int_equal(pipe(kept), 0);
    request = make("GET /", "GET-1");
    logctx_set_current(request);
    guint id = logctx_g_unix_fd_add(kept[0], G_IO_IN, on_data, NULL);
    logctx_set_current(logctx_sentinel());
    logctx_unref(request); // never finished
    logctx_check_unfinished();
    take_error(LOGCTX_ERROR_UNFINISHED_AT_EXIT);
    g_source_remove(id); // and now it is, since nobody else can
    close(kept[0]);
    close(kept[1]);
    assert_int_equal(books().live, 0);
}

// ---- threads ----

static gpointer compute_in(gpointer ctx)
{
    logctx_set_current(ctx);
    line.armed = __LINE__ - 1;
    logctx_set_current(logctx_sentinel());
    line.switched = __LINE__ - 1;
    return NULL;
}

static void test_a_worker_uses_the_requests_context(void **state)
{
    (void)state;
    request = make("GET /", "GET-1");
    g_thread_join(g_thread_new("worker", compute_in, request));
    assert_at(take_error(LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD)->found_by, line.armed);
    take(LOGCTX_ERROR_STOPPED_ON_DIFFERENT_THREAD, line.armed, line.switched);
    end(request);
}

static gpointer leave_in_thread(gpointer ctx)
{
    other = logctx_ref(logctx_new_on_thread(ctx));
    logctx_set_current(other);
    line.switched = __LINE__ - 1;
    return NULL;
}

static void test_a_worker_ends_in_a_context_of_its_own(void **state)
{
    (void)state;
    request = make("GET /", "GET-1");
    logctx_set_current(request);
    GThread *thread = logctx_g_thread_new("worker", leave_in_thread, request);
    line.armed = __LINE__ - 1;
    logctx_set_current(logctx_sentinel());
    g_thread_join(thread);
    take(LOGCTX_ERROR_UNEXPECTED_CONTEXT, line.switched, line.armed);
    logctx_finish(other);
    logctx_unref(other);
    logctx_unref(other);
    end(request);
}

// ---- loops ----

static gboolean wait_in_request(gpointer data)
{
    int ticks = 0;
    g_timeout_add(1, tick, &ticks);
    while (!ticks)
        g_main_context_iteration(NULL, TRUE); // not logctx_g_main_context_iteration()
    logctx_set_current(request);
    return answer(data);
}

static void test_a_loop_in_a_callback(void **state)
{
    (void)state;
    receive(wait_in_request);
    TURN_UNTIL(done);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_string_equal(error->affected, "GET-1");
    assert_at(error->set_by, line.armed);
    assert_at_attachment(error->found_by);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        glib_test(test_without_a_mistake),
        glib_test(test_a_callback_leaves_another_context),
        glib_test(test_an_unwrapped_callback_leaks),
        glib_test(test_an_unwrapped_callback_leaks_and_a_wrapped_one_follows),
        glib_test(test_a_callback_loses_its_context),
        glib_test(test_a_callback_answers_in_another_context),
        glib_test(test_an_unwrapped_function_was_used),
        glib_test(test_a_timer_outlives_its_request),
        glib_test(test_a_watch_goes_with_the_only_reference),
        glib_test(test_a_worker_uses_the_requests_context),
        glib_test(test_a_worker_ends_in_a_context_of_its_own),
        glib_test(test_a_loop_in_a_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
