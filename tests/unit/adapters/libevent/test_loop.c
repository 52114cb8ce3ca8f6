/*
 * test_loop.c: the loop polls in the sentinel, finds each turn what leaked, and begins and ends as libevent's does.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <pthread.h>
#include <semaphore.h>

static const struct timeval now = {0, 0}, soon = {0, 1000}, later = {0, 5000}, never = {100000, 0};

static int leaked_at;
static logctx_t *to_leak;
static event_callback_fn leak_then; // in the next turn; NULL: nothing
static int calls;

static void once(event_callback_fn fn, const struct timeval *timeout)
{
    assert_int_equal(event_base_once(base, -1, EV_TIMEOUT, fn, NULL, timeout), 0);
}

// A callback that nobody wrapped, and that leaves its context current.
static void leak(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    calls++;
    if (leak_then)
        once(leak_then, &soon);
    logctx_set_current(to_leak);
    leaked_at = __LINE__ - 1;
}

static void count(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    calls++;
}

static void count_in_sentinel(evutil_socket_t fd, short what, void *arg)
{
    assert_current(logctx_sentinel());
    count(fd, what, arg);
}

static void break_loop(evutil_socket_t fd, short what, void *arg)
{
    count(fd, what, arg);
    event_base_loopbreak(base);
}

static void exit_loop(evutil_socket_t fd, short what, void *arg)
{
    count(fd, what, arg);
    event_base_loopexit(base, NULL);
}

static void test_a_leak_is_found_in_its_turn(void **state)
{
    (void)state;
    calls = 0;
    to_leak = make("GET-1");
    leak_then = count_in_sentinel;
    once(leak, &now);
    run();
    leak_then = NULL;
    assert_int_equal(calls, 2);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_string_equal(error->affected, "GET-1");
    assert_at(error->set_by, leaked_at);
    assert_by_the_loop(error->found_by);
    end(to_leak);
}

static void test_a_leak_of_the_last_turn(void **state)
{
    (void)state;
    to_leak = make("GET-1");
    once(leak, &now);
    assert_int_equal(logctx_event_base_loop(base, EVLOOP_ONCE), 0);
    assert_current(logctx_sentinel());
    assert_at(take_error(LOGCTX_ERROR_LEAKED_TO_LOOP)->set_by, leaked_at);
    once(leak, &now);
    logctx_event_base_loop(base, EVLOOP_NONBLOCK);
    assert_at(take_error(LOGCTX_ERROR_LEAKED_TO_LOOP)->set_by, leaked_at);
    end(to_leak);
}

static void test_each_leak_once(void **state)
{
    (void)state;
    to_leak = make("GET-1");
    leak_then = leak;
    once(leak, &now);
    for (int i = 0; i < 5; i++)
        logctx_event_base_loop(base, EVLOOP_ONCE);
    leak_then = NULL;
    run(); // the sixth
    take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    for (int i = 0; i < 5; i++)
        take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    end(to_leak);
}

// With libevent's own loop: a wrapped callback finds what one that is not wrapped has left.
static void test_the_weaker_check(void **state)
{
    (void)state;
    calls = 0;
    to_leak = make("GET-1");
    struct event *event = logctx_evtimer_new(base, count_in_sentinel, NULL);
    logctx_evtimer_add(event, &later);
    once(leak, &now);
    assert_int_equal(event_base_dispatch(base), 1);
    assert_int_equal(calls, 2);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_at(error->set_by, leaked_at);
    assert_by_the_loop(error->found_by);
    // Nothing that is wrapped comes after it: nobody sees it.
    once(leak, &now);
    event_base_dispatch(base);
    assert_int_equal(logctx_unexpected_transition_errors(), 0);
    assert_current(to_leak);
    logctx_event_free(event);
    end(to_leak);
}

static void test_ends_when_nothing_is_left(void **state)
{
    (void)state;
    calls = 0;
    assert_int_equal(logctx_event_base_dispatch(base), 1);
    once(count, &now);
    once(count, &soon);
    assert_int_equal((logctx_event_base_dispatch)(base), 1);
    assert_int_equal(calls, 2);
    assert_false(event_base_got_break(base));
    assert_false(event_base_got_exit(base));
}

static void test_break_and_exit(void **state)
{
    (void)state;
    calls = 0;
    once(count, &never);
    once(break_loop, &now);
    once(count, &now); // not reached: the break is at once
    assert_int_equal(logctx_event_base_dispatch(base), 0);
    assert_int_equal(calls, 1);
    assert_true(event_base_got_break(base));
    once(exit_loop, &soon);
    assert_int_equal((logctx_event_base_loop)(base, 0), 0);
    assert_int_equal(calls, 3);
    assert_true(event_base_got_exit(base));
    assert_int_equal(event_base_loopexit(base, &soon), 0);
    assert_int_equal(logctx_event_base_dispatch(base), 0);
    assert_true(event_base_got_exit(base));
    // Before the loop it is forgotten, as libevent does.
    event_base_loopbreak(base);
    once(count, &now);
    assert_int_equal(logctx_event_base_loop(base, EVLOOP_ONCE), 0);
    assert_int_equal(calls, 4);
}

static void read_one(evutil_socket_t fd, short what, void *arg)
{
    char byte;
    count(fd, what, arg);
    assert_int_equal(read(fd, &byte, 1), 1);
}

static void test_flags(void **state)
{
    (void)state;
    int pair[2];
    make_readable(pair);
    assert_int_equal(write(pair[1], "yz", 2), 2);
    struct event *event = event_new(base, pair[0], EV_READ | EV_PERSIST, read_one, NULL);
    event_add(event, NULL);
    calls = 0;
    assert_int_equal(logctx_event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(logctx_event_base_loop(base, EVLOOP_NONBLOCK), 0); // until nothing is ready
    assert_int_equal(calls, 3);
    event_free(event);
    close_pair(pair);
    calls = 0;
    once(count, &never);
    assert_int_equal(logctx_event_base_loop(base, EVLOOP_NONBLOCK), 0);
    assert_int_equal(calls, 0);
    once(count, &soon);
    once(count, &later);
    assert_int_equal(logctx_event_base_loop(base, EVLOOP_ONCE), 0);
    assert_in_range(calls, 1, 2);
    assert_int_equal(logctx_event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK), 0);
}

static void *wake_and_break(void *arg)
{
    event_base_once(base, -1, EV_TIMEOUT, arg ? exit_loop : break_loop, NULL, &soon);
    return NULL;
}

static void test_no_exit_on_empty(void **state)
{
    (void)state;
    calls = 0;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_and_break, NULL), 0);
    assert_int_equal(logctx_event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(calls, 1);
    assert_true(event_base_got_break(base));
}

// The callbacks of each priority are a turn of libevent's own.
static void test_priorities(void **state)
{
    (void)state;
    calls = 0;
    assert_int_equal(event_base_priority_init(base, 3), 0);
    struct event *events[3];
    for (int i = 0; i < 3; i++) {
        events[i] = logctx_event_new(base, -1, 0, count_in_sentinel, NULL);
        event_priority_set(events[i], i);
        logctx_event_active(events[i], EV_TIMEOUT, 1);
    }
    assert_int_equal(logctx_event_base_dispatch(base), 1);
    assert_int_equal(calls, 3);
    for (int i = 0; i < 3; i++)
        logctx_event_free(events[i]);
}

static void *break_from_here(void *arg)
{
    (void)arg;
    assert_int_equal(logctx_event_base_loopbreak(base), 0);
    return NULL;
}

static pthread_t breaker;
static void start_breaker(evutil_socket_t fd, short what, void *arg)
{
    count(fd, what, arg);
    if (calls == 1)
        assert_int_equal(pthread_create(&breaker, NULL, break_from_here, NULL), 0);
}

// The loop turns as fast as it can while the other thread ends it: no break may be lost between two turns.
static void test_break_from_another_thread(void **state)
{
    (void)state;
    int pair[2];
    make_readable(pair);
    struct event *event = logctx_event_new(base, pair[0], EV_READ | EV_PERSIST, start_breaker, NULL);
    logctx_event_add(event, NULL);
    for (int i = 0; i < 200; i++) {
        calls = 0;
        assert_int_equal(logctx_event_base_dispatch(base), 0);
        assert_int_equal(pthread_join(breaker, NULL), 0);
        assert_true(event_base_got_break(base));
    }
    logctx_event_free(event);
    close_pair(pair);
}

static void test_a_break_before_the_loop_is_forgotten(void **state)
{
    (void)state;
    calls = 0;
    assert_int_equal(pthread_create(&breaker, NULL, break_from_here, NULL), 0);
    assert_int_equal(pthread_join(breaker, NULL), 0);
    once(count, &soon);
    assert_int_equal(logctx_event_base_dispatch(base), 1);
    assert_int_equal(calls, 1);
}

static void *dispatch(void *arg)
{
    (void)arg;
    logctx_event_base_dispatch(base);
    return NULL;
}

static void *dispatch_plainly(void *arg)
{
    (void)arg;
    event_base_dispatch(base);
    return NULL;
}

// The loop's thread is the one that its callbacks run on, also if libevent's own function runs it.
static void test_on_another_thread_plainly(void **state)
{
    (void)state;
    calls = 0;
    pthread_t thread;
    uint64_t before = delay_of("test").count;
    struct event *event = logctx_evtimer_new(base, count, NULL);
    logctx_evtimer_add(event, &soon);
    assert_int_equal(pthread_create(&thread, NULL, dispatch_plainly, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(delay_of("test").count, before + 1);
    assert_int_equal(logctx_evtimer_add(event, &never), 0);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_event_free(event);
}

static struct event *from_outside;
static logctx_t *seen_in_thread;
static void in_thread(evutil_socket_t fd, short what, void *arg)
{
    count(fd, what, arg);
    seen_in_thread = logctx_current();
    event_base_loopbreak(base);
}

// Set up here, run there: then the events are that thread's.
static void test_on_another_thread(void **state)
{
    (void)state;
    calls = 0;
    pthread_t thread;
    struct event *keeps = logctx_event_new(base, -1, EV_PERSIST, count, NULL);
    from_outside = logctx_event_new(base, -1, EV_PERSIST, in_thread, NULL);
    logctx_event_add(keeps, &never);
    assert_int_equal(pthread_create(&thread, NULL, dispatch, NULL), 0);
    logctx_t *a = make("A");
    logctx_set_current(a);
    logctx_event_active(from_outside, EV_READ, 1); // only wakes, or is before the loop: no other thread's context
    logctx_set_current(logctx_sentinel());
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(calls, 1);
    while (logctx_unexpected_transition_errors() >
           0) // the loop had not begun yet: A was captured, and A is at home here
        take_error(LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD), take_error(LOGCTX_ERROR_STOPPED_ON_DIFFERENT_THREAD);
    // It is the other thread's now.
    assert_int_equal(logctx_event_add(keeps, &never), 0);
    int line = __LINE__ - 1;
    assert_at(take_error(LOGCTX_ERROR_INVALID_USE)->found_by, line);
    assert_int_equal(logctx_event_base_once(base, -1, EV_TIMEOUT, count, NULL, &never), 0);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_event_del(keeps);
    logctx_event_free(keeps);
    logctx_event_free(from_outside);
    end(a);
}

static sem_t turns;
static void say_it_turns(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    sem_post(&turns);
}

static void *turn_until_broken(void *arg)
{
    event_base_once(base, -1, EV_TIMEOUT, exit_loop, NULL, &never);
    event_base_once(base, -1, EV_TIMEOUT, say_it_turns, NULL, &now);
    logctx_event_base_dispatch(base);
    return arg;
}

// Deleted and freed here, while it is called there.
static void test_freed_by_another_thread(void **state)
{
    (void)state;
    pthread_t thread;
    int pair[2];
    make_readable(pair);
    logctx_t *a = make("A");
    logctx_set_current(a);
    struct event *events[100];
    for (int i = 0; i < 100; i++) {
        events[i] = logctx_event_new(base, pair[0], EV_READ | EV_PERSIST, count, NULL);
        logctx_event_add(events[i], NULL);
    }
    logctx_set_current(logctx_sentinel());
    for (int i = 0; i < 100; i++) // their context lives here, and they are going to run there
        logctx_event_del(events[i]);
    drop(a);
    for (int i = 0; i < 100; i++)
        logctx_event_add(events[i], NULL);
    assert_int_equal(sem_init(&turns, 0, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, turn_until_broken, NULL), 0);
    assert_int_equal(sem_wait(&turns), 0);
    for (int i = 0; i < 100; i++) {
        if (i % 2)
            assert_int_equal(logctx_event_del(events[i]), 0);
        logctx_event_free(events[i]);
    }
    assert_int_equal(logctx_event_base_loopbreak(base), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(sem_destroy(&turns), 0);
    assert_int_equal(live(), 0);
    close_pair(pair);
}

static void nest(evutil_socket_t fd, short what, void *arg)
{
    count(fd, what, arg);
    assert_int_equal(logctx_event_base_loop(base, 0), -1);
}

static void detach_inside(evutil_socket_t fd, short what, void *arg)
{
    count(fd, what, arg);
    logctx_libevent_detach(attached);
}

static void test_detached(void **state)
{
    (void)state;
    calls = 0;
    logctx_t *a = make("A");
    struct event *event = logctx_event_new(base, -1, EV_PERSIST, count_in_sentinel, NULL);
    logctx_set_current(a);
    logctx_event_add(event, &later);
    logctx_event_base_once(base, -1, EV_TIMEOUT, count_in_sentinel, NULL, &soon);
    drop(a);
    assert_int_equal(live(), 1);
    once(detach_inside, &now);
    assert_int_equal(logctx_event_base_loop(base, EVLOOP_ONCE), 0);
    assert_int_equal(live(), 0);
    while (calls < 3)
        event_base_loop(base, EVLOOP_ONCE); // what is armed goes on, in the sentinel
    logctx_libevent_detach(NULL);
    logctx_libevent_detach(attached);
    take_error(LOGCTX_ERROR_INVALID_USE);
    // Attached again it takes its events back.
    a = make("A");
    attached = logctx_libevent_attach(base, "again");
    logctx_set_current(a);
    logctx_event_add(event, &later);
    drop(a);
    assert_int_equal(live(), 1);
    logctx_event_free(event);
    assert_int_equal(live(), 0);
}

static void test_misuse(void **state)
{
    (void)state;
    calls = 0;
    assert_null(logctx_libevent_attach(NULL, "x"));
    take_error(LOGCTX_ERROR_INVALID_USE);
    assert_ptr_equal((logctx_libevent_attach)(base, "x"), attached);
    take_error(LOGCTX_ERROR_INVALID_USE);
    assert_int_equal(logctx_event_base_loop(NULL, 0), -1);
    take_error(LOGCTX_ERROR_INVALID_USE);
    assert_int_equal(logctx_event_base_loopbreak(NULL), -1);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_event_base_free(NULL);
    take_error(LOGCTX_ERROR_INVALID_USE);
    once(nest, &now);
    run();
    take_error(LOGCTX_ERROR_INVALID_USE);
    struct event_base *other = event_base_new();
    event_base_once(other, -1, EV_TIMEOUT, count, NULL, &now);
    assert_int_equal(logctx_event_base_dispatch(other), 1);
    int line = __LINE__ - 1;
    assert_at(take_error(LOGCTX_ERROR_INVALID_USE)->found_by, line);
    assert_int_equal(calls, 2);
    assert_int_equal(logctx_event_base_loopbreak(other), 0);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_event_base_free(other); // passed on
    take_error(LOGCTX_ERROR_INVALID_USE);
}

static void test_named(void **state)
{
    (void)state;
    logctx_libevent_detach(attached);
    attached = logctx_libevent_attach(base, "events");
    struct event *event = logctx_event_new(base, -1, 0, count, NULL);
    logctx_event_add(event, &soon);
    run();
    assert_int_equal(delay_of("events").count, 1);
    logctx_event_free(event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        a_test(test_a_leak_is_found_in_its_turn),
        a_test(test_a_leak_of_the_last_turn),
        a_test(test_each_leak_once),
        a_test(test_the_weaker_check),
        a_test(test_ends_when_nothing_is_left),
        a_test(test_break_and_exit),
        a_test(test_flags),
        a_test(test_priorities),
        a_test(test_detached),
        a_test(test_misuse),
        a_test(test_named),
        a_test_with_threads(test_no_exit_on_empty),
        a_test_with_threads(test_break_from_another_thread),
        a_test_with_threads(test_a_break_before_the_loop_is_forgotten),
        a_test_with_threads(test_on_another_thread),
        a_test_with_threads(test_on_another_thread_plainly),
        a_test_with_threads(test_freed_by_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
