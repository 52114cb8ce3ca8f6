/*
 * test_uv_handles.c: each handle of libuv calls back in the context that armed it, and keeps that for exactly as long.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "uv_support.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static int mark; // what `data` points to, before and after

// By libuv's own function; the handle is no more in use then.
static void close_quietly(void *handle)
{
    uv_close(handle, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
}

// ---- timers ----

static void on_timer(uv_timer_t *timer)
{
    assert_ptr_equal(timer->data, &mark);
    say("timer");
}

static void test_timer_once(void **state)
{
    (void)state;
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    timer.data = &mark;
    in("A");
    assert_int_equal(logctx_uv_timer_start(&timer, on_timer, 0, 0), 0);
    leave();
    assert_int_equal(live(), 1);
    run();
    assert_said("timer:A ");
    assert_int_equal(live(), 0); // given back, before the handle is closed
    logctx_uv_close((uv_handle_t *)&timer, NULL);
    run();
}

static void on_timer_thrice(uv_timer_t *timer)
{
    static int calls;
    say("timer");
    if (++calls % 3 == 0)
        logctx_uv_timer_stop(timer);
}

static void test_timer_repeats(void **state)
{
    (void)state;
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    in("A");
    assert_int_equal(logctx_uv_timer_start(&timer, on_timer_thrice, 0, 1), 0);
    leave();
    run();
    assert_said("timer:A timer:A timer:A ");
    assert_int_equal(live(), 0);
    close_quietly(&timer);
}

static void test_timer_started_anew(void **state)
{
    (void)state;
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    timer.data = &mark;
    in("A");
    logctx_uv_timer_start(&timer, on_timer_thrice, 1000, 0);
    leave();
    in("B");
    assert_int_equal(live(), 2);
    (logctx_uv_timer_start)(&timer, on_timer, 0, 0);
    leave();
    assert_int_equal(live(), 1); // A is given back
    run();
    assert_said("timer:B ");
    close_quietly(&timer);
}

static void on_timer_stopped(uv_timer_t *timer)
{
    say("timer");
    logctx_uv_timer_stop(timer);
}

static void test_timer_again(void **state)
{
    (void)state;
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    timer.data = &mark;
    assert_int_equal(logctx_uv_timer_again(&timer), UV_EINVAL); // it was never started
    in("A");
    logctx_uv_timer_start(&timer, on_timer_stopped, 0, 0);
    leave();
    run();
    in("B");
    assert_int_equal(logctx_uv_timer_again(&timer), 0); // does not repeat: nothing happens
    assert_false(uv_is_active((uv_handle_t *)&timer));
    leave();
    assert_int_equal(live(), 0);
    uv_timer_set_repeat(&timer, 1);
    in("C");
    assert_int_equal(logctx_uv_timer_again(&timer), 0);
    leave();
    run();
    assert_said("timer:A timer:C ");
    assert_int_equal(live(), 0);
    uv_timer_again(&timer); // libuv's own: the callback, without a context
    run();
    assert_said("timer:- ");
    logctx_uv_close((uv_handle_t *)&timer, NULL);
    run();
}

static void test_timer_refused(void **state)
{
    (void)state;
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    in("A");
    assert_int_equal(logctx_uv_timer_start(&timer, NULL, 0, 0), UV_EINVAL);
    logctx_uv_close((uv_handle_t *)&timer, NULL);
    assert_int_equal(logctx_uv_timer_start(&timer, on_timer, 0, 0), UV_EINVAL);
    leave();
    assert_int_equal(live(), 0);
    run();
}

// ---- once a turn ----

static void on_idle(uv_idle_t *idle)
{
    (void)idle;
    say("idle");
}

static void on_idle_otherwise(uv_idle_t *idle)
{
    (void)idle;
    fail();
}

static void on_prepare(uv_prepare_t *prepare)
{
    say("prepare");
    logctx_uv_prepare_stop(prepare);
}

static void on_check(uv_check_t *check)
{
    say("check");
    logctx_uv_check_stop(check);
    logctx_uv_idle_stop(check->data); // as long as it is active the loop does not wait
}

static void test_once_a_turn(void **state)
{
    (void)state;
    uv_idle_t idle;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_init(&loop, &idle);
    uv_prepare_init(&loop, &prepare);
    uv_check_init(&loop, &check);
    check.data = &idle;
    in("I");
    assert_int_equal(logctx_uv_idle_start(&idle, on_idle), 0);
    leave();
    in("P");
    assert_int_equal(logctx_uv_prepare_start(&prepare, on_prepare), 0);
    leave();
    in("C");
    assert_int_equal(logctx_uv_check_start(&check, on_check), 0);
    leave();
    in("ignored"); // active already: libuv keeps what it has
    assert_int_equal(logctx_uv_idle_start(&idle, on_idle_otherwise), 0);
    assert_int_equal(logctx_uv_idle_start(&idle, NULL), 0);
    leave();
    assert_int_equal(live(), 3);
    run();
    assert_said("idle:I prepare:P check:C ");
    assert_int_equal(live(), 0);
    assert_int_equal(logctx_uv_idle_start(&idle, NULL), UV_EINVAL);
    close_quietly(&idle);
    close_quietly(&prepare);
    close_quietly(&check);
}

// ---- async ----

static void on_async(uv_async_t *async)
{
    say("async");
    logctx_uv_close((uv_handle_t *)async, on_closed);
}

static void send_from_a_thread(void *async)
{
    in("sender");
    uv_async_send(async);
    leave();
}

static void test_async(void **state)
{
    (void)state;
    uv_async_t async;
    uv_thread_t thread;
    in("A");
    assert_int_equal(logctx_uv_async_init(&loop, &async, on_async), 0);
    leave();
    uv_thread_create(&thread, send_from_a_thread, &async);
    uv_thread_join(&thread);
    run();
    assert_said("async:A closed:A ");
    uv_async_t silent;
    assert_int_equal(logctx_uv_async_init(&loop, &silent, NULL), 0);
    uv_async_send(&silent);
    logctx_uv_close((uv_handle_t *)&silent, NULL);
    run();
}

// ---- signals ----

static void on_signal(uv_signal_t *handle, int number)
{
    assert_int_equal(number, SIGUSR1);
    say("signal");
    logctx_uv_signal_stop(handle);
}

static void on_signal_once(uv_signal_t *handle, int number)
{
    (void)handle;
    assert_int_equal(number, SIGUSR2);
    say("once");
    assert_int_equal(live(), 1);
}

static void test_signals(void **state)
{
    (void)state;
    uv_signal_t always, once;
    uv_signal_init(&loop, &always);
    uv_signal_init(&loop, &once);
    in("S");
    assert_int_equal(logctx_uv_signal_start(&always, on_signal, SIGUSR1), 0);
    leave();
    in("refused");
    assert_int_equal(logctx_uv_signal_start(&once, on_signal, 0), UV_EINVAL);
    leave();
    raise(SIGUSR1);
    run();
    assert_said("signal:S ");
    assert_int_equal(live(), 0);
    in("O");
    assert_int_equal(logctx_uv_signal_start_oneshot(&once, on_signal_once, SIGUSR2), 0);
    leave();
    raise(SIGUSR2);
    run();
    assert_said("once:O ");
    assert_int_equal(live(), 0);
    close_quietly(&always);
    close_quietly(&once);
}

// ---- descriptors ----

static void on_readable(uv_poll_t *handle, int status, int events)
{
    assert_int_equal(status, 0);
    assert_int_equal(events, UV_READABLE);
    say("readable");
    in("nobody's");
    logctx_uv_poll_start(handle, 0, on_readable); // no events: libuv stops it
    leave();
}

static void on_writable(uv_poll_t *handle, int status, int events)
{
    assert_int_equal(status, 0);
    assert_int_equal(events, UV_WRITABLE);
    say("writable");
    logctx_uv_poll_stop(handle);
}

static void test_descriptors(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    uv_poll_t readable, writable;
    uv_poll_init(&loop, &readable, ends[0]);
    uv_poll_init(&loop, &writable, ends[1]);
    in("R");
    assert_int_equal(logctx_uv_poll_start(&readable, UV_READABLE, on_readable), 0);
    leave();
    in("W");
    assert_int_equal(logctx_uv_poll_start(&writable, UV_WRITABLE, on_writable), 0);
    leave();
    uv_run(&loop, UV_RUN_ONCE);
    assert_said("writable:W ");
    assert_int_equal(write(ends[1], "x", 1), 1);
    run();
    assert_said("readable:R ");
    assert_int_equal(live(), 0);
    close_quietly(&readable);
    close_quietly(&writable);
    run();
    close(ends[0]);
    close(ends[1]);
}

// ---- processes ----

static void on_exit_of(uv_process_t *process, int64_t status, int number)
{
    assert_int_equal(status, 0);
    assert_int_equal(number, 0);
    say("exit");
    assert_int_equal(live(), 1);
    logctx_uv_close((uv_handle_t *)process, on_closed);
}

static void test_process(void **state)
{
    (void)state;
    uv_process_t process, failed;
    char name[] = "true", none[] = "/no/such/program";
    char *args[] = {name, NULL}, *no_args[] = {none, NULL};
    uv_process_options_t options = {.file = name, .args = args, .exit_cb = on_exit_of};
    in("P");
    assert_int_equal(logctx_uv_spawn(&loop, &process, &options), 0);
    leave();
    assert_ptr_equal(options.exit_cb, on_exit_of);
    uv_process_options_t bad = {.file = none, .args = no_args, .exit_cb = on_exit_of};
    in("failed");
    assert_int_equal(logctx_uv_spawn(&loop, &failed, &bad), UV_ENOENT);
    leave();
    assert_int_equal(live(), 1);
    logctx_uv_close((uv_handle_t *)&failed, NULL);
    run();
    assert_said("exit:P closed:P ");
}

// ---- files that change ----

static int changes;
static char folder[] = "/tmp/logctx-uv-XXXXXX", path[64];

static void touch(const char *text)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    close(file);
}

static void on_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
    (void)name;
    (void)events;
    assert_int_equal(status, 0);
    say("event");
    changes++;
    logctx_uv_fs_event_stop(handle);
}

static void on_polled(uv_fs_poll_t *handle, int status, const uv_stat_t *before, const uv_stat_t *now)
{
    assert_int_equal(status, 0);
    assert_non_null(before);
    assert_non_null(now);
    say("polled");
    changes++;
    logctx_uv_fs_poll_stop(handle);
}

// Again and again, until libuv has seen that it is not as it was.
static void touch_again(uv_timer_t *timer)
{
    static int size;
    char text[64];
    memset(text, 'x', sizeof text);
    text[size++ % 60 + 1] = '\0';
    touch(text);
    if (changes == 2)
        uv_timer_stop(timer);
}

static void test_files_that_change(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
    touch("");
    uv_fs_event_t event;
    uv_fs_poll_t poll;
    uv_timer_t timer;
    uv_fs_event_init(&loop, &event);
    uv_fs_poll_init(&loop, &poll);
    uv_timer_init(&loop, &timer);
    in("E");
    assert_int_equal(logctx_uv_fs_event_start(&event, on_event, folder, 0), 0);
    leave();
    in("refused");
    assert_int_equal(logctx_uv_fs_event_start(&event, on_event, folder, 0), UV_EINVAL); // active
    leave();
    in("P");
    assert_int_equal(logctx_uv_fs_poll_start(&poll, on_polled, path, 2), 0);
    leave();
    in("ignored");
    assert_int_equal(logctx_uv_fs_poll_start(&poll, on_polled, path, 2), 0);
    leave();
    assert_int_equal(live(), 2);
    uv_timer_start(&timer, touch_again, 5, 5);
    run();
    char copy[64];
    take_said(copy, sizeof copy);
    assert_true(strcmp(copy, "event:E polled:P ") == 0 || strcmp(copy, "polled:P event:E ") == 0);
    assert_int_equal(live(), 0);
    close_quietly(&event);
    close_quietly(&poll);
    close_quietly(&timer);
    run();
    unlink(path);
    rmdir(folder);
}

// ---- closing ----

static void test_close_gives_back(void **state)
{
    (void)state;
    uv_timer_t timer, other;
    uv_timer_init(&loop, &timer);
    uv_timer_init(&loop, &other);
    in("T");
    logctx_uv_timer_start(&timer, on_timer, 1000, 1000);
    logctx_uv_timer_start(&other, on_timer, 1000, 1000);
    leave();
    in("C");
    logctx_uv_close((uv_handle_t *)&timer, on_closed);
    assert_int_equal(live(), 2);
    (logctx_uv_close)((uv_handle_t *)&other, NULL);
    leave();
    assert_int_equal(live(), 1); // that of the close callback
    run();
    assert_said("closed:C ");
}

static void test_closed_twice(void **state)
{
    (void)state;
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    logctx_uv_close((uv_handle_t *)&timer, on_closed);
    logctx_uv_close((uv_handle_t *)&timer, on_closed);
    take_misuse("logctx_uv_close() got a handle that is closing; close it once");
    run();
    assert_said("closed:- ");
}

static void free_it(uv_handle_t *handle)
{
    say("freed");
    free(handle);
}

static void test_handles_may_be_freed_when_closed(void **state)
{
    (void)state;
    uv_idle_t *idle = malloc(sizeof *idle);
    uv_idle_init(&loop, idle);
    in("A");
    logctx_uv_idle_start(idle, on_idle);
    logctx_uv_close((uv_handle_t *)idle, free_it);
    leave();
    run();
    assert_said("freed:A ");
}

// ---- misuse ----

static void test_null(void **state)
{
    (void)state;
    uv_process_t process;
    assert_int_equal(logctx_uv_timer_start(NULL, on_timer, 0, 0), UV_EINVAL);
    take_misuse("logctx_uv_timer_start() got NULL");
    assert_int_equal(logctx_uv_timer_again(NULL), UV_EINVAL);
    take_misuse("logctx_uv_timer_again() got NULL");
    assert_int_equal(logctx_uv_timer_stop(NULL), UV_EINVAL);
    take_misuse("logctx_uv_timer_stop() got NULL");
    assert_int_equal(logctx_uv_idle_start(NULL, on_idle), UV_EINVAL);
    take_misuse("logctx_uv_idle_start() got NULL");
    assert_int_equal(logctx_uv_idle_stop(NULL), UV_EINVAL);
    take_misuse("logctx_uv_idle_stop() got NULL");
    assert_int_equal(logctx_uv_async_init(NULL, NULL, on_async), UV_EINVAL);
    take_misuse("logctx_uv_async_init() got NULL");
    assert_int_equal(logctx_uv_signal_start(NULL, on_signal, SIGUSR1), UV_EINVAL);
    take_misuse("logctx_uv_signal_start() got NULL");
    assert_int_equal(logctx_uv_signal_start_oneshot(NULL, on_signal, SIGUSR1), UV_EINVAL);
    take_misuse("logctx_uv_signal_start_oneshot() got NULL");
    assert_int_equal(logctx_uv_poll_start(NULL, UV_READABLE, on_readable), UV_EINVAL);
    take_misuse("logctx_uv_poll_start() got NULL");
    assert_int_equal(logctx_uv_spawn(&loop, &process, NULL), UV_EINVAL);
    take_misuse("logctx_uv_spawn() got NULL");
    assert_int_equal(logctx_uv_fs_event_start(NULL, on_event, "/", 0), UV_EINVAL);
    take_misuse("logctx_uv_fs_event_start() got NULL");
    assert_int_equal(logctx_uv_fs_poll_start(NULL, on_polled, "/", 1), UV_EINVAL);
    take_misuse("logctx_uv_fs_poll_start() got NULL");
    logctx_uv_close(NULL, NULL);
    take_misuse("logctx_uv_close() got NULL");
    assert_int_equal(logctx_uv_tcp_close_reset(NULL, NULL), UV_EINVAL);
    take_misuse("logctx_uv_tcp_close_reset() got NULL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        uv_test(test_timer_once),
        uv_test(test_timer_repeats),
        uv_test(test_timer_started_anew),
        uv_test(test_timer_again),
        uv_test(test_timer_refused),
        uv_test(test_once_a_turn),
        uv_test(test_async),
        uv_test(test_signals),
        uv_test(test_descriptors),
        uv_test(test_process),
        uv_test(test_files_that_change),
        uv_test(test_close_gives_back),
        uv_test(test_closed_twice),
        uv_test(test_handles_may_be_freed_when_closed),
        uv_test(test_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
