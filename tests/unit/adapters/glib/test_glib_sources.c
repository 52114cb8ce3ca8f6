/*
 * test_glib_sources.c: each function that arms a source: its callback runs in the context that armed it, with the host's
 * arguments, as often as it says; the notify runs once, in the sentinel; and the context is released, on every path.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "glib_support.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct seen {
    logctx_t *current;
    int calls, wanted; // it goes on until it was called that often
    int notified;
    int argument; // the descriptor, the signal or the status, if it gets one
    guint id;
    int fds[2];
    GIOChannel *channel;
} seen;

static gboolean see(struct seen *what)
{
    what->current = logctx_current();
    assert_current(what->current);
    if (what->fds[1]) {
        char byte;
        assert_int_equal(read(what->fds[0], &byte, 1), 1);
        assert_int_equal(write(what->fds[1], "x", 1), 1);
    }
    return ++what->calls < what->wanted;
}

static gboolean on_source(gpointer data)
{
    return see(data);
}

static void on_once(gpointer data)
{
    see(data);
}

static gboolean on_io(GIOChannel *channel, GIOCondition condition, gpointer data)
{
    assert_ptr_equal(channel, seen.channel);
    assert_int_equal(condition, G_IO_IN);
    return see(data);
}

static gboolean on_fd(gint fd, GIOCondition condition, gpointer data)
{
    assert_int_equal(fd, seen.fds[0]);
    assert_int_equal(condition, G_IO_IN);
    return see(data);
}

static gboolean on_signal(gpointer data)
{
    bool again = see(data);
    if (again)
        assert_int_equal(kill(getpid(), SIGUSR1), 0);
    return again;
}

static void on_child(GPid pid, gint status, gpointer data)
{
    (void)pid;
    seen.argument = WEXITSTATUS(status);
    see(data);
}

static void on_notify(gpointer data)
{
    struct seen *what = data;
    what->notified++;
    assert_current(logctx_sentinel());
}

static GPid child(int status)
{
    GPid pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(status);
    return pid;
}

// ---- all of them ----

static guint arm_timeout(void)
{
    return logctx_g_timeout_add(1, on_source, &seen);
}
static guint arm_timeout_full(void)
{
    return logctx_g_timeout_add_full(G_PRIORITY_HIGH, 1, on_source, &seen, on_notify);
}
static guint arm_seconds(void)
{
    return logctx_g_timeout_add_seconds(0, on_source, &seen);
}
static guint arm_seconds_full(void)
{
    return logctx_g_timeout_add_seconds_full(G_PRIORITY_LOW, 0, on_source, &seen, on_notify);
}
static guint arm_idle(void)
{
    return logctx_g_idle_add(on_source, &seen);
}
static guint arm_idle_full(void)
{
    return logctx_g_idle_add_full(G_PRIORITY_HIGH, on_source, &seen, on_notify);
}
static guint arm_timeout_once(void)
{
    return logctx_g_timeout_add_once(1, on_once, &seen);
}
static guint arm_idle_once(void)
{
    return logctx_g_idle_add_once(on_once, &seen);
}

static void open_pipe(void)
{
    assert_int_equal(pipe(seen.fds), 0);
    assert_int_equal(write(seen.fds[1], "x", 1), 1);
}
static guint arm_io(void)
{
    open_pipe();
    seen.channel = g_io_channel_unix_new(seen.fds[0]);
    return logctx_g_io_add_watch(seen.channel, G_IO_IN, on_io, &seen);
}
static guint arm_io_full(void)
{
    open_pipe();
    seen.channel = g_io_channel_unix_new(seen.fds[0]);
    return logctx_g_io_add_watch_full(seen.channel, G_PRIORITY_HIGH, G_IO_IN, on_io, &seen, on_notify);
}
static guint arm_fd(void)
{
    open_pipe();
    return logctx_g_unix_fd_add(seen.fds[0], G_IO_IN, on_fd, &seen);
}
static guint arm_fd_full(void)
{
    open_pipe();
    return logctx_g_unix_fd_add_full(G_PRIORITY_HIGH, seen.fds[0], G_IO_IN, on_fd, &seen, on_notify);
}
static guint arm_signal(void)
{
    guint id = logctx_g_unix_signal_add(SIGUSR1, on_signal, &seen);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    return id;
}
static guint arm_signal_full(void)
{
    guint id = logctx_g_unix_signal_add_full(G_PRIORITY_HIGH, SIGUSR1, on_signal, &seen, on_notify);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    return id;
}
static guint arm_child(void)
{
    return logctx_g_child_watch_add(child(3), on_child, &seen);
}
static guint arm_child_full(void)
{
    return logctx_g_child_watch_add_full(G_PRIORITY_HIGH, child(3), on_child, &seen, on_notify);
}

// Sources by hand, of each type.
static guint by_hand(GSource *source, GSourceFunc function)
{
    logctx_g_source_set_callback(source, function, &seen, on_notify);
    guint id = g_source_attach(source, NULL);
    g_source_unref(source);
    return id;
}
static guint arm_timeout_source(void)
{
    return by_hand(g_timeout_source_new(1), on_source);
}
static guint arm_idle_source(void)
{
    return by_hand(g_idle_source_new(), on_source);
}
static guint arm_io_source(void)
{
    open_pipe();
    seen.channel = g_io_channel_unix_new(seen.fds[0]);
    return by_hand(g_io_create_watch(seen.channel, G_IO_IN), G_SOURCE_FUNC(on_io));
}
static guint arm_fd_source(void)
{
    open_pipe();
    return by_hand(g_unix_fd_source_new(seen.fds[0], G_IO_IN), G_SOURCE_FUNC(on_fd));
}
static guint arm_child_source(void)
{
    return by_hand(g_child_watch_source_new(child(3)), G_SOURCE_FUNC(on_child));
}

// A type of the host's, whose callback is like no other.
typedef gboolean other_function(int first, const char *second, gpointer data, double last);
static gboolean dispatch_other(GSource *source, GSourceFunc function, gpointer data)
{
    g_source_set_ready_time(source, 0);
    return ((other_function *)(void (*)(void))function)(7, "seven", data, 7.5);
}
static GSourceFuncs other_type = {NULL, NULL, dispatch_other, NULL, NULL, NULL};
static gboolean on_other(int first, const char *second, gpointer data, double last)
{
    assert_int_equal(first, 7);
    assert_string_equal(second, "seven");
    assert_true(last > 7.4);
    return see(data);
}
static GSource *other_source(void)
{
    GSource *source = g_source_new(&other_type, sizeof(GSource));
    g_source_set_ready_time(source, 0);
    return source;
}
static guint arm_other_source(void)
{
    return by_hand(other_source(), G_SOURCE_FUNC(on_other));
}

static const struct way {
    const char *name;
    guint (*arm)(void);
    bool again, notifies;
} ways[] = {
    {"g_timeout_add", arm_timeout, true, false},
    {"g_timeout_add_full", arm_timeout_full, true, true},
    {"g_timeout_add_seconds", arm_seconds, true, false},
    {"g_timeout_add_seconds_full", arm_seconds_full, true, true},
    {"g_idle_add", arm_idle, true, false},
    {"g_idle_add_full", arm_idle_full, true, true},
    {"g_timeout_add_once", arm_timeout_once, false, false},
    {"g_idle_add_once", arm_idle_once, false, false},
    {"g_io_add_watch", arm_io, true, false},
    {"g_io_add_watch_full", arm_io_full, true, true},
    {"g_unix_fd_add", arm_fd, true, false},
    {"g_unix_fd_add_full", arm_fd_full, true, true},
    {"g_unix_signal_add", arm_signal, true, false},
    {"g_unix_signal_add_full", arm_signal_full, true, true},
    {"g_child_watch_add", arm_child, false, false},
    {"g_child_watch_add_full", arm_child_full, false, true},
    {"timeout source", arm_timeout_source, true, true},
    {"idle source", arm_idle_source, true, true},
    {"io source", arm_io_source, true, true},
    {"fd source", arm_fd_source, true, true},
    {"child source", arm_child_source, false, true},
    {"other source", arm_other_source, true, true},
};

// Armed in a new context, of which the source then holds the only reference.
static logctx_t *arm(const struct way *way)
{
    memset(&seen, 0, sizeof seen);
    seen.wanted = 2;
    logctx_t *ctx = make("k", way->name);
    logctx_set_current(ctx);
    seen.id = way->arm();
    assert_true(seen.id > 0);
    assert_current(ctx);
    logctx_set_current(logctx_sentinel());
    return ctx;
}

static void close_all(void)
{
    if (seen.channel)
        g_io_channel_unref(seen.channel);
    if (seen.fds[1]) {
        close(seen.fds[0]);
        close(seen.fds[1]);
    }
}

static void test_each_runs_in_its_context(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(ways); i++) {
        logctx_t *ctx = arm(&ways[i]);
        logctx_unref(ctx);
        assert_int_equal(books().live, 1);
        int calls = ways[i].again ? 2 : 1;
        TURN_UNTIL(seen.calls == calls);
        turn();
        assert_int_equal(seen.calls, calls);
        assert_ptr_equal(seen.current, ctx);
        assert_int_equal(seen.notified, ways[i].notifies);
        assert_int_equal(books().live, 0); // the last reference is gone
        close_all();
    }
}

static void test_each_is_released_when_it_is_removed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(ways); i++) {
        logctx_unref(arm(&ways[i]));
        assert_int_equal(books().live, 1);
        logctx_t *other = make("k", "the one that removes");
        logctx_set_current(other); // the notify does not see it
        assert_true(g_source_remove(seen.id));
        assert_current(other);
        end(other);
        assert_int_equal(seen.notified, ways[i].notifies);
        assert_int_equal(books().live, 0);
        assert_int_equal(seen.calls, 0);
        close_all();
    }
}

// ---- how a source ends ----

static void test_the_main_context_goes_with_sources_in_it(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    GMainContext *context = g_main_context_new();
    logctx_glib_t *loop = logctx_glib_attach(context, "gone");
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    GSource *source = g_timeout_source_new(1000000);
    logctx_g_source_set_callback(source, on_source, &seen, on_notify);
    logctx_set_current(logctx_sentinel());
    g_source_attach(source, context);
    g_source_unref(source);
    logctx_unref(ctx);
    g_main_context_unref(context);
    assert_int_equal(books().live, 1);
    logctx_glib_detach(loop); // had the last reference
    assert_int_equal(books().live, 0);
    assert_int_equal(seen.notified, 1);
}

static gboolean destroy_itself(gpointer data)
{
    struct seen *what = data;
    what->calls++;
    g_source_destroy(g_main_current_source());
    logctx_exit(logctx_current());
    return G_SOURCE_CONTINUE;
}

static void test_destroyed_in_its_callback(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    logctx_g_idle_add_full(0, destroy_itself, &seen, on_notify);
    logctx_set_current(logctx_sentinel());
    logctx_unref(ctx);
    TURN_UNTIL(seen.notified);
    turn();
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.notified, 1);
}

static void test_armed_again(void **state)
{
    (void)state;
    for (int other = 0; other < 2; other++) {
        memset(&seen, 0, sizeof seen);
        logctx_t *a = make("k", "A"), *b = make("k", "B");
        GSource *source = other ? other_source() : g_idle_source_new();
        GSourceFunc function = other ? G_SOURCE_FUNC(on_other) : on_source;
        logctx_set_current(a);
        logctx_g_source_set_callback(source, function, &seen, on_notify);
        g_source_attach(source, NULL);
        end(a);
        logctx_set_current(b);
        logctx_g_source_set_callback(source, function, &seen, on_notify); // while it is attached
        assert_int_equal(seen.notified, 1);
        assert_int_equal(books().live, 1);
        logctx_set_current(logctx_sentinel());
        TURN_UNTIL(seen.calls);
        assert_ptr_equal(seen.current, b);
        assert_int_equal(seen.notified, 2);
        g_source_unref(source);
        end(b);
    }
}

static void test_armed_again_without_us(void **state)
{
    (void)state;
    for (int other = 0; other < 2; other++) {
        memset(&seen, 0, sizeof seen);
        logctx_t *ctx = make("k", "A");
        GSource *source = other ? other_source() : g_idle_source_new();
        GSourceFunc function = other ? G_SOURCE_FUNC(on_other) : on_source;
        logctx_set_current(ctx);
        logctx_g_source_set_callback(source, function, &seen, on_notify);
        logctx_set_current(logctx_sentinel());
        logctx_unref(ctx);
        g_source_set_callback(source, function, &seen, NULL);
        assert_int_equal(seen.notified, 1);
        assert_int_equal(books().live, 0);
        g_source_attach(source, NULL);
        g_source_unref(source);
        TURN_UNTIL(seen.calls);
        assert_ptr_equal(seen.current, logctx_sentinel());
    }
}

static void test_found_by_their_data(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    logctx_g_idle_add(on_source, &seen);
    assert_true(g_idle_remove_by_data(&seen));
    logctx_g_timeout_add(1, on_source, &seen);
    assert_true(g_source_remove_by_user_data(&seen));
    logctx_g_timeout_add(1, on_source, &seen);
    assert_true(g_source_remove_by_funcs_user_data(&g_timeout_funcs, &seen));
    assert_false(g_source_remove_by_user_data(&seen));
    turn();
    assert_int_equal(seen.calls, 0);
}

static int notify_left_at;
static void leave_from_notify(gpointer ctx)
{
    logctx_set_current(ctx);
    notify_left_at = __LINE__ - 1;
}

static void test_a_notify_that_leaks(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "A");
    guint id = logctx_g_idle_add_full(0, on_source, ctx, leave_from_notify);
    int armed_at = __LINE__ - 1;
    g_source_remove(id);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_at(error->set_by, notify_left_at);
    assert_at(error->found_by, armed_at);
    assert_current(logctx_sentinel());
    end(ctx);
}

// ---- wrong use ----

static void ignore_glib(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer count)
{
    (void)domain, (void)level, (void)message;
    ++*(int *)count;
}

static void test_misuse(void **state)
{
    (void)state;
    int criticals = 0;
    g_log_set_default_handler(ignore_glib, &criticals);
    assert_int_equal(logctx_g_timeout_add(1, NULL, NULL), 0);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_INVALID_USE);
    assert_at(error->found_by, __LINE__ - 2);
    assert_non_null(strstr(error->message, "logctx_g_timeout_add() got a NULL function"));
    assert_int_equal(logctx_g_timeout_add_seconds(1, NULL, NULL), 0);
    assert_int_equal(logctx_g_idle_add(NULL, NULL), 0);
    assert_int_equal(logctx_g_idle_add_once(NULL, NULL), 0);
    assert_int_equal(logctx_g_timeout_add_once(1, NULL, NULL), 0);
    assert_int_equal(logctx_g_io_add_watch(NULL, G_IO_IN, on_io, NULL), 0);
    assert_int_equal(logctx_g_unix_fd_add(0, G_IO_IN, NULL, NULL), 0);
    logctx_g_source_set_callback(NULL, on_source, NULL, NULL);
    logctx_g_main_loop_run(NULL);
    logctx_g_main_context_invoke(NULL, NULL, NULL);
    take_errors(LOGCTX_ERROR_INVALID_USE, 9);
    assert_true(criticals > 0); // GLib's own words
    assert_int_equal(logctx_g_unix_signal_add(SIGSEGV, on_source, NULL), 0);
    g_log_set_default_handler(g_log_default_handler, NULL);
}

static void test_an_attached_source_of_another_type(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    GSource *source = other_source();
    g_source_attach(source, NULL);
    logctx_g_source_set_callback(source, G_SOURCE_FUNC(on_other), &seen, NULL);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_INVALID_USE);
    assert_at(error->found_by, __LINE__ - 2);
    assert_non_null(strstr(error->message, "before g_source_attach()"));
    g_source_unref(source);
    TURN_UNTIL(seen.calls); // it runs all the same
}

static void test_callers_without_macros(void **state)
{
    (void)state;
    logctx_t *b = make("k", "B");
    memset(&seen, 0, sizeof seen);
    (logctx_g_idle_add_once)(leave_from_notify, b);
    (logctx_g_timeout_add_once)(1, leave_from_notify, b);
    for (int i = 0; i < 2; i++) {
        TURN_UNTIL(logctx_unexpected_transition_errors());
        const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
        assert_non_null(strstr(error->found_by, "glib_sources+0x"));
    }
    seen.wanted = 1;
    guint ids[] = {
        (logctx_g_timeout_add)(1, on_source, &seen),
        (logctx_g_timeout_add_full)(0, 1, on_source, &seen, NULL),
        (logctx_g_timeout_add_seconds)(0, on_source, &seen),
        (logctx_g_timeout_add_seconds_full)(0, 0, on_source, &seen, NULL),
        (logctx_g_idle_add)(on_source, &seen),
        (logctx_g_idle_add_full)(0, on_source, &seen, NULL),
    };
    TURN_UNTIL(seen.calls == COUNT(ids));
    open_pipe();
    seen.channel = g_io_channel_unix_new(seen.fds[0]);
    g_source_remove((logctx_g_io_add_watch)(seen.channel, G_IO_IN, on_io, &seen));
    g_source_remove((logctx_g_io_add_watch_full)(seen.channel, 0, G_IO_IN, on_io, &seen, NULL));
    g_source_remove((logctx_g_unix_fd_add)(seen.fds[0], G_IO_IN, on_fd, &seen));
    g_source_remove((logctx_g_unix_fd_add_full)(0, seen.fds[0], G_IO_IN, on_fd, &seen, NULL));
    close_all();
    g_source_remove((logctx_g_unix_signal_add)(SIGUSR1, on_source, &seen));
    g_source_remove((logctx_g_unix_signal_add_full)(0, SIGUSR1, on_source, &seen, NULL));
    memset(&seen, 0, sizeof seen);
    (logctx_g_child_watch_add)(child(3), on_child, &seen);
    (logctx_g_child_watch_add_full)(0, child(3), on_child, &seen, NULL);
    TURN_UNTIL(seen.calls == 2);
    assert_int_equal(seen.argument, 3);
    end(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        glib_test(test_each_runs_in_its_context),
        glib_test(test_each_is_released_when_it_is_removed),
        glib_test(test_the_main_context_goes_with_sources_in_it),
        glib_test(test_destroyed_in_its_callback),
        glib_test(test_armed_again),
        glib_test(test_armed_again_without_us),
        glib_test(test_found_by_their_data),
        glib_test(test_a_notify_that_leaks),
        glib_test(test_misuse),
        glib_test(test_an_attached_source_of_another_type),
        glib_test(test_callers_without_macros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
