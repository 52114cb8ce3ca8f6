/*
 * test_uv_loop.c: a loop that is attached, detached, run by another thread, or neither: what leaks to it is found, and
 * nothing is kept for longer than it should.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "uv_support.h"

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
    say("timer");
}

// ---- leaks ----

static logctx_t *leaked;
static int leaked_at;

static void leak(void)
{
    leaked = logctx_new(logctx_kind("leaked"), NULL);
    logctx_set_current(leaked);
    leaked_at = __LINE__ - 1;
}

static void end_leaked(void)
{
    logctx_finish(leaked);
    logctx_unref(leaked);
}

static void leaking_timer(uv_timer_t *timer)
{
    (void)timer;
    leak();
}

static void on_idle_once(uv_idle_t *idle)
{
    say("idle");
    uv_idle_stop(idle);
}

static void assert_leak_found(void)
{
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_at(error->set_by, leaked_at);
    assert_at_(error->found_by, "uv_support.c", attached_at);
    end_leaked();
}

static void test_plain_callback_leaks(void **state)
{
    (void)state;
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, leaking_timer, 0, 0);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_in_sentinel();
    assert_leak_found();
    uv_close((uv_handle_t *)&timer, NULL);
    run();
}

// A wrapped callback comes between the leak and the poll: it is told from the line that leaked all the same.
static void test_plain_callback_leaks_before_a_wrapped_one(void **state)
{
    (void)state;
    uv_timer_t timer;
    uv_idle_t idle;
    uv_timer_init(&loop, &timer);
    uv_idle_init(&loop, &idle);
    uv_timer_start(&timer, leaking_timer, 0, 0);
    in("I");
    logctx_uv_idle_start(&idle, on_idle_once);
    leave();
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_said("idle:I ");
    assert_leak_found();
    logctx_uv_close((uv_handle_t *)&idle, NULL);
    uv_close((uv_handle_t *)&timer, NULL);
    run();
}

static void leaking_prepare(uv_prepare_t *prepare)
{
    leak();
    uv_prepare_stop(prepare);
}

// libuv runs what was started last first: ours, started at the attach, is the last before the poll.
static void test_prepare_that_is_started_later_leaks(void **state)
{
    (void)state;
    uv_prepare_t prepare;
    uv_prepare_init(&loop, &prepare);
    for (int i = 0; i < 2; i++) { // our place is not lost when others are started and stopped
        uv_prepare_start(&prepare, leaking_prepare);
        uv_run(&loop, UV_RUN_NOWAIT);
        assert_in_sentinel();
        assert_leak_found();
    }
    uv_close((uv_handle_t *)&prepare, NULL);
    run();
}

// ---- attach and detach ----

static void test_attached_does_not_keep_the_loop_alive(void **state)
{
    (void)state;
    assert_int_equal(uv_loop_alive(&loop), 0);
    run();
}

static void test_attached_twice(void **state)
{
    (void)state;
    assert_null((logctx_uv_attach)(&loop, NULL));
    take_misuse("got a loop that is attached; detach it first");
    assert_null(logctx_uv_attach(NULL, NULL));
    take_misuse("logctx_uv_attach() got NULL");
    logctx_uv_detach(NULL);
}

static void test_detached_twice(void **state)
{
    (void)state;
    logctx_uv_detach(attached);
    logctx_uv_detach(attached);
    take_misuse("has detached");
    assert_int_equal(uv_loop_close(&loop), UV_EBUSY); // the two handles are closing
    attached = NULL;
}

static void test_two_loops_on_a_thread(void **state)
{
    (void)state;
    uv_loop_t second;
    uv_timer_t timer, other;
    assert_int_equal(uv_loop_init(&second), 0);
    logctx_uv_t *also = logctx_uv_attach(&second, "second");
    uv_timer_init(&loop, &timer);
    uv_timer_init(&second, &other);
    in("A");
    logctx_uv_timer_start(&timer, on_timer, 0, 0);
    leave();
    in("B");
    logctx_uv_timer_start(&other, on_timer, 0, 0);
    leave();
    uv_run(&second, UV_RUN_DEFAULT);
    assert_said("timer:B ");
    run();
    assert_said("timer:A ");
    logctx_uv_close((uv_handle_t *)&other, NULL);
    logctx_uv_detach(also);
    uv_run(&second, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&second), 0);
    logctx_uv_close((uv_handle_t *)&timer, NULL);
    run();
}

// What is armed goes on without contexts; what is armed then is told.
static void test_detached_with_armed_handles(void **state)
{
    (void)state;
    uv_timer_t timer, closed;
    uv_timer_init(&loop, &timer);
    uv_timer_init(&loop, &closed);
    in("A");
    logctx_uv_timer_start(&timer, on_timer, 0, 0);
    logctx_uv_timer_start(&closed, on_timer, 1000, 0);
    logctx_uv_close((uv_handle_t *)&closed, on_closed);
    leave();
    assert_int_equal(live(), 1);
    logctx_uv_detach(attached);
    assert_int_equal(live(), 0);
    run();
    assert_said("timer:- closed:- ");
    logctx_uv_timer_start(&timer, on_timer, 0, 0);
    int started_at = __LINE__ - 1;
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_INVALID_USE);
    assert_non_null(strstr(error->message, "not attached: call logctx_uv_attach() first"));
    assert_at(error->found_by, started_at);
    run();
    assert_said("timer:- ");
    logctx_uv_close((uv_handle_t *)&timer, on_closed); // no reproach
    run();
    assert_said("closed:- ");
    attached = NULL;
}

static void test_attached_again(void **state)
{
    (void)state;
    uv_timer_t timer, before;
    uv_timer_init(&loop, &timer);
    uv_timer_init(&loop, &before);
    in("A");
    logctx_uv_timer_start(&before, on_timer, 0, 0);
    leave();
    logctx_uv_detach(attached);
    attached = logctx_uv_attach(&loop, "again");
    assert_non_null(attached);
    in("B");
    logctx_uv_timer_start(&timer, on_timer, 1, 0);
    leave();
    run();
    assert_said("timer:- timer:B ");
    logctx_uv_close((uv_handle_t *)&timer, NULL);
    logctx_uv_close((uv_handle_t *)&before, NULL);
    run();
}

static void detach_in_it(uv_timer_t *timer)
{
    (void)timer;
    say("detaching");
    logctx_uv_detach(attached);
    attached = NULL;
}

static void test_detached_in_a_callback(void **state)
{
    (void)state;
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    in("A");
    logctx_uv_timer_start(&timer, detach_in_it, 0, 0);
    leave();
    run();
    assert_said("detaching:A ");
    uv_close((uv_handle_t *)&timer, NULL);
    run();
}

// The host may never run the loop again.
static void test_abandoned_with_pending_requests(void **state)
{
    (void)state;
    uv_loop_t *abandoned = malloc(sizeof *abandoned);
    uv_loop_init(abandoned);
    logctx_uv_t *of_it = logctx_uv_attach(abandoned, NULL);
    uv_timer_t timer;
    uv_timer_init(abandoned, &timer);
    in("A");
    logctx_uv_timer_start(&timer, on_timer, 0, 0);
    leave();
    logctx_uv_detach(of_it);
    assert_int_equal(live(), 0);
    uv_close((uv_handle_t *)&timer, NULL); // libuv itself would leak what it has
    uv_run(abandoned, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(abandoned), 0);
    free(abandoned);
}

static void test_never_attached(void **state)
{
    (void)state;
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    in("A");
    logctx_uv_timer_start(&timer, on_timer, 0, 0);
    leave();
    take_misuse("logctx_uv_timer_start() was called for a loop that is not attached");
    assert_int_equal(live(), 0);
    run();
    assert_said("timer:- ");
    logctx_uv_close((uv_handle_t *)&timer, on_closed);
    run();
    assert_said("closed:- ");
}

// ---- threads ----

static void use_it_elsewhere(void *arg)
{
    uv_timer_t *timer = arg;
    logctx_uv_timer_start(timer, on_timer, 0, 0);
    logctx_uv_detach(attached);
    logctx_uv_attach(&loop, NULL);
}

static void test_used_by_another_thread(void **state)
{
    (void)state;
    uv_timer_t timer;
    uv_thread_t thread;
    uv_timer_init(&loop, &timer);
    uv_thread_create(&thread, use_it_elsewhere, &timer);
    uv_thread_join(&thread);
    take_misuse("on another thread than that which attached the loop");
    take_misuse("detach it once, on the thread that attached it");
    take_misuse("another thread has attached");
    run();
    assert_said("timer:- ");
    uv_close((uv_handle_t *)&timer, NULL);
    run();
}

static void run_it_elsewhere(void *arg)
{
    (void)arg;
    uv_run(&loop, UV_RUN_DEFAULT);
}

// It is told once, and the host's functions are called, without contexts: those are at home on the other thread.
static void test_run_by_another_thread(void **state)
{
    (void)state;
    uv_timer_t timer, later;
    uv_thread_t thread;
    uv_timer_init(&loop, &timer);
    uv_timer_init(&loop, &later);
    in("A");
    logctx_uv_timer_start(&timer, on_timer, 0, 0);
    logctx_uv_timer_start(&later, on_timer, 1, 0);
    leave();
    uv_thread_create(&thread, run_it_elsewhere, NULL);
    uv_thread_join(&thread);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_INVALID_USE);
    assert_non_null(strstr(error->message, "a loop is run by another thread"));
    assert_at_(error->found_by, "uv_support.c", attached_at);
    assert_said("timer:- timer:- ");
    logctx_uv_close((uv_handle_t *)&timer, NULL);
    logctx_uv_close((uv_handle_t *)&later, NULL);
    run();
    assert_int_equal(live(), 0);
}

static uv_loop_t of_a_thread;
static uv_timer_t left_behind;

static void leave_it_attached(void *arg)
{
    (void)arg;
    uv_loop_init(&of_a_thread);
    logctx_uv_attach(&of_a_thread, "left");
    uv_timer_init(&of_a_thread, &left_behind);
    in("A");
    logctx_uv_timer_start(&left_behind, on_timer, 0, 0);
    leave();
}

static void test_thread_ends_without_detaching(void **state)
{
    (void)state;
    uv_thread_t thread;
    uv_thread_create(&thread, leave_it_attached, NULL);
    uv_thread_join(&thread);
    assert_int_equal(live(), 0);
    uv_run(&of_a_thread, UV_RUN_DEFAULT);
    take_misuse("a loop is run by another thread");
    assert_said("timer:- ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        uv_test(test_plain_callback_leaks),
        uv_test(test_plain_callback_leaks_before_a_wrapped_one),
        uv_test(test_prepare_that_is_started_later_leaks),
        uv_test(test_attached_does_not_keep_the_loop_alive),
        uv_test(test_attached_twice),
        uv_test(test_detached_twice),
        uv_test(test_two_loops_on_a_thread),
        uv_test(test_detached_with_armed_handles),
        uv_test(test_attached_again),
        uv_test(test_detached_in_a_callback),
        uv_test(test_abandoned_with_pending_requests),
        uv_test_bare(test_never_attached),
        uv_test(test_used_by_another_thread),
        uv_test(test_run_by_another_thread),
        uv_test(test_thread_ends_without_detaching),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
