/*
 * test_gio.c: results of asynchronous functions, tasks in threads and signals, with the contexts that asked for them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "glib_support.h"
#include "spans.h"

#include <logctx/gio.h>

static struct {
    logctx_t *current, *worker_parent;
    int calls;
    logctx_type_t worker_type;
    char worker[64];
    gssize read;
    gint value;
} seen;

static void forget(void)
{
    memset(&seen, 0, sizeof seen);
}

// ---- asynchronous calls ----

static void on_read(GObject *source, GAsyncResult *result, gpointer user_data)
{
    assert_ptr_equal(user_data, &seen);
    seen.read = g_input_stream_read_finish(G_INPUT_STREAM(source), result, NULL);
    seen.current = logctx_current();
    seen.calls++;
    logctx_exit(seen.current);
}

static void test_an_asynchronous_read(void **state)
{
    (void)state;
    forget();
    static char buffer[16];
    GInputStream *stream = g_memory_input_stream_new_from_data("hello", 5, NULL);
    logctx_t *ctx = make("k", "A");
    logctx_enter(ctx);
    g_input_stream_read_async(stream, buffer, sizeof buffer, 0, NULL, logctx_g_async_call,
                              logctx_g_async_bind(on_read, &seen));
    logctx_set_current(logctx_sentinel());
    logctx_unref(ctx);
    TURN_UNTIL(seen.calls);
    assert_int_equal(seen.read, 5);
    assert_ptr_equal(seen.current, ctx);
    assert_int_equal(books().live, 0); // it was released before
    g_object_unref(stream);
}

// ---- results that come after the request ----

static void on_any_result(GObject *source, GAsyncResult *result, gpointer user_data)
{
    (void)source;
    (void)result;
    (void)user_data;
    seen.current = logctx_current();
    seen.calls++;
}

static struct {
    GInputStream *in;
    GOutputStream *out;
    GIOStream *both;
    GCancellable *cancellable;
    char bytes[16];
} io;

static void open_streams(void)
{
    io.in = g_memory_input_stream_new_from_data("hello", 5, NULL);
    io.out = g_memory_output_stream_new_resizable();
    io.both = g_simple_io_stream_new(io.in, io.out);
    io.cancellable = g_cancellable_new();
}

static void close_streams(void)
{
    g_object_unref(io.in);
    g_object_unref(io.out);
    g_object_unref(io.both);
    g_object_unref(io.cancellable);
}

static void ask(int what)
{
    gpointer bound = logctx_g_async_bind(on_any_result, NULL);
    static GOutputVector vector = {"x", 1};
    if (what == 0)
        g_output_stream_write_async(io.out, "x", 1, 0, NULL, logctx_g_async_call, bound);
    if (what == 1)
        g_output_stream_write_all_async(io.out, "x", 1, 0, NULL, logctx_g_async_call, bound);
    if (what == 2)
        g_output_stream_writev_async(io.out, &vector, 1, 0, NULL, logctx_g_async_call, bound);
    if (what == 3)
        g_output_stream_writev_all_async(io.out, &vector, 1, 0, NULL, logctx_g_async_call, bound);
    if (what == 4) {
        GBytes *bytes = g_bytes_new_static("x", 1);
        g_output_stream_write_bytes_async(io.out, bytes, 0, NULL, logctx_g_async_call, bound);
        g_bytes_unref(bytes);
    }
    if (what == 5)
        g_output_stream_flush_async(io.out, 0, NULL, logctx_g_async_call, bound);
    if (what == 6)
        g_output_stream_close_async(io.out, 0, NULL, logctx_g_async_call, bound);
    if (what == 7)
        g_io_stream_close_async(io.both, 0, NULL, logctx_g_async_call, bound);
    if (what == 8) { // given up
        g_input_stream_read_async(io.in, io.bytes, sizeof io.bytes, 0, io.cancellable, logctx_g_async_call, bound);
        g_cancellable_cancel(io.cancellable);
    }
}

static void test_what_is_over_after_the_request(void **state)
{
    (void)state;
    for (int what = 0; what < 9; what++)
        for (int late = 0; late < 2; late++) {
            forget();
            open_streams();
            logctx_t *ctx = make("k", "A");
            logctx_set_current(ctx);
            ask(what);
            logctx_set_current(logctx_sentinel());
            if (late)
                logctx_finish(ctx);
            TURN_UNTIL(seen.calls);
            assert_ptr_equal(seen.current, late ? logctx_sentinel() : ctx);
            end(ctx);
            close_streams();
        }
}

// A read, and a cancellable that nobody has cancelled, are a request's own.
static void test_a_read_after_the_request(void **state)
{
    (void)state;
    forget();
    open_streams();
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    g_input_stream_read_async(io.in, io.bytes, sizeof io.bytes, 0, io.cancellable, logctx_g_async_call,
                              logctx_g_async_bind(on_any_result, NULL));
    int bound_at = __LINE__ - 1;
    logctx_set_current(logctx_sentinel());
    logctx_finish(ctx);
    TURN_UNTIL(seen.calls);
    assert_ptr_equal(seen.current, ctx);
    assert_at(take_error(LOGCTX_ERROR_RESTARTED_FINISHED)->found_by, bound_at);
    logctx_unref(ctx);
    close_streams();
}

static void test_a_bound_callback_that_is_not_used(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    gpointer bound = (logctx_g_async_bind)(on_read, NULL);
    logctx_g_async_free(bound);
    logctx_g_async_free(NULL);
    logctx_g_async_call(NULL, NULL, logctx_g_async_bind(NULL, NULL)); // nobody wants the result
    logctx_g_async_call(NULL, NULL, NULL);
    take_error(LOGCTX_ERROR_INVALID_USE);
    end(ctx);
}

static int leaked_at;

static gboolean leak(gpointer ctx)
{
    logctx_set_current(ctx);
    leaked_at = __LINE__ - 1;
    return G_SOURCE_REMOVE;
}

static void test_an_unwrapped_callback_leaks_and_a_bound_one_follows(void **state)
{
    (void)state;
    forget();
    static char buffer[16];
    GInputStream *stream = g_memory_input_stream_new_from_data("hello", 5, NULL);
    logctx_t *leaked = make("k", "leaked"), *ctx = make("k", "A");
    g_idle_add_full(G_PRIORITY_DEFAULT, leak, leaked, NULL); // dispatched in the same turn, before
    logctx_enter(ctx);
    g_input_stream_read_async(stream, buffer, sizeof buffer, 0, NULL, logctx_g_async_call,
                              logctx_g_async_bind(on_read, &seen));
    logctx_set_current(logctx_sentinel());
    TURN_UNTIL(seen.calls);
    turn();
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_string_equal(error->affected, "leaked");
    assert_at(error->set_by, leaked_at);
    g_object_unref(stream);
    logctx_unref(ctx);
    end(leaked);
}

// ---- a source of GIO's ----

static gboolean on_cancelled(GCancellable *cancellable, gpointer data)
{
    assert_true(g_cancellable_is_cancelled(cancellable));
    assert_ptr_equal(data, &seen);
    seen.current = logctx_current();
    seen.calls++;
    return G_SOURCE_REMOVE;
}

static void test_a_source_of_gio(void **state)
{
    (void)state;
    forget();
    logctx_t *ctx = make("k", "A");
    GCancellable *cancellable = g_cancellable_new();
    GSource *source = g_cancellable_source_new(cancellable);
    logctx_set_current(ctx);
    logctx_g_source_set_callback(source, G_SOURCE_FUNC(on_cancelled), &seen, NULL);
    logctx_set_current(logctx_sentinel());
    g_source_attach(source, NULL);
    g_source_unref(source);
    g_cancellable_cancel(cancellable);
    TURN_UNTIL(seen.calls);
    assert_ptr_equal(seen.current, ctx);
    turn();
    g_object_unref(cancellable);
    end(ctx);
}

// ---- tasks ----

// What the worker has written is ours, for TSan too: its context ended under the recorder's lock.
static void take_over(void)
{
    assert_true(logctx_recorder_count(recorder) > 0);
}

static void compute(GTask *task, gpointer source_object, gpointer task_data, GCancellable *cancellable)
{
    assert_null(source_object);
    assert_null(cancellable);
    logctx_t *worker = logctx_current();
    seen.worker_type = logctx_type(worker);
    snprintf(seen.worker, sizeof seen.worker, "%s", logctx_name(worker));
    g_task_return_int(task, GPOINTER_TO_INT(task_data) + 1);
}

static void on_computed(GObject *source, GAsyncResult *result, gpointer user_data)
{
    (void)source;
    (void)user_data;
    seen.value = (gint)g_task_propagate_int(G_TASK(result), NULL);
    seen.current = logctx_current();
    logctx_exit(seen.current); // the worker's context has ended: this one does not go before it
    seen.calls++;
}

static GTask *new_task(void)
{
    GTask *task = g_task_new(NULL, NULL, logctx_g_async_call, logctx_g_async_bind(on_computed, NULL));
    g_task_set_task_data(task, GINT_TO_POINTER(41), NULL);
    return task;
}

static void test_a_task_in_a_thread(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        forget();
        logctx_t *ctx = make("k", "A");
        logctx_enter(ctx);
        GTask *task = new_task();
        if (i % 2)
            logctx_g_task_run_in_thread(task, compute);
        else
            (logctx_g_task_run_in_thread)(task, compute);
        g_object_unref(task);
        logctx_set_current(logctx_sentinel());
        TURN_UNTIL(seen.calls);
        assert_int_equal(seen.value, 42);
        assert_ptr_equal(seen.current, ctx);
        assert_int_equal(seen.worker_type, LOGCTX_TYPE_THREAD);
        assert_string_equal(seen.worker, "A");
        logctx_unref(ctx);
    }
}

static void test_a_task_that_is_waited_for(void **state)
{
    (void)state;
    forget();
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    for (int i = 0; i < 2; i++) {
        GTask *task = g_task_new(NULL, NULL, NULL, NULL);
        if (i)
            logctx_g_task_run_in_thread_sync(task, compute);
        else
            (logctx_g_task_run_in_thread_sync)(task, compute);
        assert_int_equal(g_task_propagate_int(task, NULL), 1);
        take_over();
        g_object_unref(task);
        assert_int_equal(seen.worker_type, LOGCTX_TYPE_THREAD);
        assert_current(ctx);
    }
    end(ctx);
}

static void test_a_task_for_nobody(void **state)
{
    (void)state;
    GTask *task = g_task_new(NULL, NULL, NULL, NULL);
    logctx_g_task_run_in_thread_sync(task, compute);
    int run_at = __LINE__ - 1;
    take_over();
    assert_at(take_error(LOGCTX_ERROR_THREADPOOL_FROM_SENTINEL)->found_by, run_at);
    g_object_unref(task);
}

static int left_at;
static void leave(GTask *task, gpointer source_object, gpointer task_data, GCancellable *cancellable)
{
    (void)source_object, (void)task_data, (void)cancellable;
    logctx_set_current(logctx_sentinel());
    left_at = __LINE__ - 1;
    g_task_return_int(task, 1);
}

static void test_a_task_that_loses_its_context(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    GTask *task = g_task_new(NULL, NULL, NULL, NULL);
    logctx_g_task_run_in_thread_sync(task, leave);
    int run_at = __LINE__ - 1;
    take_over();
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_CONTEXT_LOST);
    assert_at(error->found_by, run_at);
    assert_at(error->set_by, left_at);
    g_object_unref(task);
    end(ctx);
}

// ---- signals ----

static void on_cancel_signal(GCancellable *cancellable, gpointer data)
{
    (void)cancellable;
    assert_ptr_equal(data, &seen);
    seen.current = logctx_current();
    seen.calls++;
}

static void on_destroy(gpointer data, GClosure *closure)
{
    (void)data;
    (void)closure;
    seen.value++;
}

static void test_a_signal(void **state)
{
    (void)state;
    forget();
    logctx_t *a = make("k", "A"), *b = make("k", "B");
    GCancellable *cancellable = g_cancellable_new();
    logctx_set_current(a);
    logctx_g_signal_connect(cancellable, "cancelled", G_CALLBACK(on_cancel_signal), &seen);
    logctx_g_signal_connect_data(cancellable, "cancelled", G_CALLBACK(on_cancel_signal), &seen, on_destroy,
                                 G_CONNECT_AFTER);
    logctx_set_current(b);
    g_cancellable_cancel(cancellable);
    assert_int_equal(seen.calls, 2);
    assert_ptr_equal(seen.current, a);
    assert_current(b);
    end(a);
    assert_int_equal(g_signal_handlers_disconnect_by_func(cancellable, (gpointer)(uintptr_t)on_cancel_signal, &seen),
                     2);
    assert_int_equal(books().live, 1); // a was released
    assert_int_equal(seen.value, 1);
    g_object_unref(cancellable);
    end(b);
}

static void disconnect_itself(GCancellable *cancellable, gpointer data)
{
    on_cancel_signal(cancellable, data);
    g_signal_handlers_disconnect_by_data(cancellable, data);
}

static void test_a_handler_that_disconnects_itself(void **state)
{
    (void)state;
    forget();
    GCancellable *cancellable = g_cancellable_new();
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    (logctx_g_signal_connect)(cancellable, "cancelled", G_CALLBACK(disconnect_itself), &seen);
    logctx_set_current(logctx_sentinel());
    logctx_unref(ctx);
    for (int i = 0; i < 2; i++) {
        g_cancellable_cancel(cancellable);
        g_cancellable_reset(cancellable);
    }
    assert_int_equal(seen.calls, 1);
    assert_ptr_equal(seen.current, ctx);
    assert_int_equal(books().live, 0);
    g_object_unref(cancellable);
}

static void ignore_glib(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer count)
{
    (void)domain, (void)level, (void)message;
    ++*(int *)count;
}

static void test_signals_misused(void **state)
{
    (void)state;
    int criticals = 0;
    g_log_set_default_handler(ignore_glib, &criticals);
    GCancellable *cancellable = g_cancellable_new();
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    assert_int_equal(logctx_g_signal_connect(cancellable, "no-such-signal", G_CALLBACK(on_cancel_signal), NULL), 0);
    end(ctx);
    assert_int_equal(books().live, 0);
    assert_int_equal(logctx_g_signal_connect(NULL, "cancelled", G_CALLBACK(on_cancel_signal), NULL), 0);
    assert_at(take_error(LOGCTX_ERROR_INVALID_USE)->found_by, __LINE__ - 1);
    assert_int_equal((logctx_g_signal_connect_data)(cancellable, NULL, NULL, NULL, NULL, (GConnectFlags)0), 0);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_g_task_run_in_thread(NULL, compute);
    take_error(LOGCTX_ERROR_INVALID_USE);
    assert_true(criticals > 0);
    g_object_unref(cancellable);
    g_log_set_default_handler(g_log_default_handler, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        glib_test(test_an_asynchronous_read),
        glib_test(test_an_unwrapped_callback_leaks_and_a_bound_one_follows),
        glib_test(test_what_is_over_after_the_request),
        glib_test(test_a_read_after_the_request),
        glib_test(test_a_bound_callback_that_is_not_used),
        glib_test(test_a_source_of_gio),
        glib_test(test_a_task_in_a_thread),
        glib_test(test_a_task_that_is_waited_for),
        glib_test(test_a_task_for_nobody),
        glib_test(test_a_task_that_loses_its_context),
        glib_test(test_a_signal),
        glib_test(test_a_handler_that_disconnects_itself),
        glib_test(test_signals_misused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
