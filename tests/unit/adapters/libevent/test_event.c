/*
 * test_event.c: I/O, timers and signals run in the context that armed them, and give it back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <signal.h>

struct seen {
    int calls;
    logctx_t *current, *at_call[4];
    short what;
    struct event *event;
    bool free_it, add_again, end_it;
    logctx_t *held; // a context that the callback expects to be in flight no more once it has left it
};

static void callback(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    struct seen *seen = arg;
    if (seen->calls < 4)
        seen->at_call[seen->calls] = logctx_current();
    seen->calls++;
    seen->what = what;
    seen->current = logctx_current();
    if (seen->add_again && seen->calls < 3)
        logctx_event_add(seen->event, &(struct timeval){0, 1000});
    if (seen->free_it)
        logctx_event_free(seen->event);
    if (seen->end_it)
        logctx_event_base_loopbreak(base);
}

static const struct timeval soon = {0, 1000};

static void test_in_the_context_that_added(void **state)
{
    (void)state;
    struct seen seen = {0};
    logctx_t *a = make("A"), *b = make("B");
    struct event *event = logctx_evtimer_new(base, callback, &seen);
    logctx_set_current(a);
    assert_int_equal(logctx_evtimer_add(event, &soon), 0);
    assert_current(a);
    logctx_set_current(b);
    assert_int_equal(logctx_evtimer_add(event, &soon), 0); // again: B's now
    logctx_set_current(logctx_sentinel());
    run();
    assert_int_equal(seen.calls, 1);
    assert_ptr_equal(seen.current, b);
    assert_int_equal(seen.what, EV_TIMEOUT);
    logctx_event_free(event);
    end(a);
    end(b);
}

static void test_one_shot_gives_back(void **state)
{
    (void)state;
    struct seen seen = {.free_it = true};
    logctx_t *a = make("A");
    seen.event = logctx_event_new(base, -1, 0, callback, &seen);
    logctx_set_current(a);
    logctx_event_add(seen.event, &soon);
    drop(a); // the event alone holds it
    assert_int_equal(live(), 1);
    run();
    assert_ptr_equal(seen.current, a);
    assert_int_equal(live(), 0);
}

static void test_added_again_by_its_callback(void **state)
{
    (void)state;
    struct seen seen = {.add_again = true};
    logctx_t *a = make("A");
    seen.event = logctx_event_new(base, -1, 0, callback, &seen);
    logctx_set_current(a);
    logctx_event_add(seen.event, &soon);
    drop(a);
    run();
    assert_int_equal(seen.calls, 3);
    assert_ptr_equal(seen.at_call[2], a);
    assert_int_equal(live(), 0);
    logctx_event_free(seen.event);
}

static void test_persistent_keeps(void **state)
{
    (void)state;
    struct seen seen = {.end_it = true};
    int pair[2];
    make_readable(pair);
    logctx_t *a = make("A");
    struct event *event = logctx_event_new(base, pair[0], EV_READ | EV_PERSIST, callback, &seen);
    logctx_set_current(a);
    logctx_event_add(event, NULL);
    drop(a);
    run();
    run();
    assert_int_equal(seen.calls, 2);
    assert_ptr_equal(seen.at_call[0], a);
    assert_ptr_equal(seen.at_call[1], a);
    assert_int_equal(seen.what, EV_READ);
    assert_int_equal(live(), 1);
    assert_int_equal(logctx_event_del(event), 0);
    assert_int_equal(live(), 0);
    logctx_event_free(event);
    close_pair(pair);
}

static void test_freed_while_armed(void **state)
{
    (void)state;
    struct seen seen = {0};
    logctx_t *a = make("A");
    struct event *event = logctx_event_new(base, -1, EV_PERSIST, callback, &seen);
    logctx_set_current(a);
    logctx_event_add(event, &soon);
    drop(a);
    logctx_event_free(event);
    assert_int_equal(live(), 0);
    run();
    assert_int_equal(seen.calls, 0);
}

static void test_freed_in_its_callback(void **state)
{
    (void)state;
    struct seen seen = {.free_it = true};
    logctx_t *a = make("A");
    seen.event = logctx_event_new(base, -1, EV_PERSIST, callback, &seen);
    logctx_set_current(a);
    logctx_event_add(seen.event, &soon);
    drop(a);
    run();
    assert_int_equal(seen.calls, 1);
    assert_int_equal(live(), 0);
}

static void test_refused_by_libevent(void **state)
{
    (void)state;
    struct seen seen = {0};
    char name[] = "/tmp/logctx-libevent-XXXXXX";
    int file = mkstemp(name); // epoll refuses files
    assert_true(file >= 0);
    logctx_t *a = make("A");
    struct event *event = logctx_event_new(base, file, EV_READ, callback, &seen);
    logctx_set_current(a);
    assert_int_equal(logctx_event_add(event, NULL), -1);
    drop(a);
    assert_int_equal(live(), 0);
    assert_int_equal(logctx_event_base_once(base, -1, EV_SIGNAL, callback, &seen, NULL), -1);
    logctx_event_free(event);
    close(file);
    unlink(name);
}

static void test_active_by_hand(void **state)
{
    (void)state;
    struct seen seen = {0};
    logctx_t *a = make("A"), *b = make("B");
    struct event *event = logctx_event_new(base, -1, EV_PERSIST, callback, &seen);
    logctx_set_current(a);
    logctx_event_active(event, EV_WRITE, 1);
    drop(a);
    run();
    assert_ptr_equal(seen.current, a);
    assert_int_equal(seen.what, EV_WRITE);
    assert_int_equal(live(), 1); // B
    // An event that is added keeps the context that added it.
    logctx_set_current(b);
    logctx_event_add(event, &(struct timeval){1000, 0});
    logctx_set_current(logctx_sentinel());
    (logctx_event_active)(event, EV_WRITE, 1);
    logctx_event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(seen.calls, 2);
    assert_ptr_equal(seen.current, b);
    logctx_event_free(event);
    end(b);
}

static void test_signals(void **state)
{
    (void)state;
    struct seen seen = {.end_it = true};
    logctx_t *a = make("A");
    struct event *event = logctx_evsignal_new(base, SIGUSR1, callback, &seen);
    logctx_set_current(a);
    logctx_evsignal_add(event, NULL);
    drop(a);
    raise(SIGUSR1);
    run();
    assert_int_equal(seen.calls, 1);
    assert_ptr_equal(seen.current, a);
    logctx_evsignal_del(event);
    assert_int_equal(live(), 0);
    logctx_event_free(event);
}

// One that is not persistent and came twice calls back twice, each time in its context.
static void test_signals_that_came_twice(void **state)
{
    (void)state;
    struct seen seen = {0};
    logctx_t *a = make("A");
    struct event *event = logctx_event_new(base, SIGUSR1, EV_SIGNAL, callback, &seen);
    logctx_set_current(a);
    logctx_event_add(event, NULL);
    drop(a);
    event_active(event, EV_SIGNAL, 2);
    run();
    assert_int_equal(seen.calls, 2);
    assert_ptr_equal(seen.at_call[0], a);
    assert_ptr_equal(seen.at_call[1], a);
    assert_int_equal(live(), 0);
    logctx_event_free(event);
}

static void test_assigned(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct event event;
    logctx_t *a = make("A");
    logctx_set_current(a);
    assert_int_equal(logctx_evtimer_assign(&event, base, callback, &seen), 0);
    logctx_evtimer_add(&event, &soon);
    logctx_set_current(logctx_sentinel());
    run();
    assert_ptr_equal(seen.current, a);
    // Again without a word: libevent allows it, since nothing is pending.
    assert_int_equal((logctx_event_assign)(&event, base, -1, EV_PERSIST, callback, &seen), 0);
    logctx_set_current(a);
    (logctx_event_add)(&event, &soon);
    drop(a);
    assert_int_equal(live(), 1);
    logctx_event_debug_unassign(&event);
    assert_int_equal(live(), 0);
    run();
    assert_int_equal(seen.calls, 1);
}

static void self(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    assert_ptr_equal(logctx_event_get_callback_arg(arg), arg);
    logctx_event_free(arg);
}

static void test_whose_argument_it_is(void **state)
{
    (void)state;
    int mine = 0;
    struct event *event = (logctx_event_new)(base, -1, 0, callback, &mine),
                 *plain = event_new(base, -1, 0, callback, &mine);
    assert_ptr_equal(logctx_event_get_callback(event), callback);
    assert_ptr_equal(logctx_event_get_callback_arg(event), &mine);
    assert_ptr_equal(logctx_event_get_callback(plain), callback);
    assert_ptr_equal(logctx_event_get_callback_arg(plain), &mine);
    assert_null(logctx_event_get_callback(NULL));
    assert_null(logctx_event_get_callback_arg(NULL));
    logctx_event_free(event);
    logctx_event_free(plain); // passed on
    event = logctx_event_new(base, -1, 0, self, event_self_cbarg());
    logctx_event_add(event, &soon);
    run();
}

static void test_once(void **state)
{
    (void)state;
    struct seen seen = {0};
    logctx_t *a = make("A");
    logctx_set_current(a);
    assert_int_equal(logctx_event_base_once(base, -1, EV_TIMEOUT, callback, &seen, NULL), 0);
    assert_int_equal((logctx_event_base_once)(base, -1, EV_TIMEOUT, callback, &seen, &soon), 0);
    drop(a);
    run();
    assert_int_equal(seen.calls, 2);
    assert_ptr_equal(seen.at_call[0], a);
    assert_ptr_equal(seen.at_call[1], a);
    assert_int_equal(live(), 0);
}

static void test_pending_at_the_end_of_the_base(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct event event;
    logctx_t *a = make("A");
    logctx_set_current(a);
    logctx_event_base_once(base, -1, EV_TIMEOUT, callback, &seen, &(struct timeval){1000, 0});
    logctx_event_assign(&event, base, -1, 0, callback, &seen);
    logctx_event_add(&event, &(struct timeval){1000, 0});
    drop(a);
    assert_int_equal(live(), 1);
    logctx_event_base_free(base);
    base = NULL;
    assert_int_equal(live(), 0);
    assert_int_equal(seen.calls, 0);
}

// What is freed by libevent's own function leaves its callback behind until the address is used again, or the base is freed.
static void test_freed_by_the_plain_function(void **state)
{
    (void)state;
    struct seen seen = {0};
    for (int i = 0; i < 100; i++) {
        logctx_t *a = make("A");
        struct event *event = logctx_event_new(base, -1, EV_PERSIST, callback, &seen);
        logctx_set_current(a);
        logctx_event_add(event, &soon);
        drop(a);
        event_free(event);
    }
    assert_int_not_equal(live(), 0);
    logctx_event_base_free(base);
    base = NULL;
    assert_int_equal(live(), 0);
}

static void test_many_at_once(void **state)
{
    (void)state;
    enum { MANY = 1000 }; // more than the table begins with
    static struct seen seen[MANY];
    static struct event *events[MANY];
    static logctx_t *contexts[MANY];
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < MANY; i++) {
        contexts[i] = make("many");
        events[i] = logctx_event_new(base, -1, 0, callback, &seen[i]);
        logctx_set_current(contexts[i]);
        logctx_event_add(events[i], &soon);
    }
    logctx_set_current(logctx_sentinel());
    run();
    for (int i = 0; i < MANY; i++) {
        assert_ptr_equal(seen[i].current, contexts[i]);
        logctx_event_free(events[i]);
        end(contexts[i]);
    }
}

// ---- how late ----

static void late(evutil_socket_t fd, short what, void *arg)
{
    callback(fd, what, arg);
    pass(7 * MS);
}

static void test_delay_of_a_timer(void **state)
{
    (void)state;
    struct seen seen = {0};
    logctx_set_loop_name("timers");
    struct event *event = logctx_event_new(base, -1, 0, callback, &seen);
    logctx_event_add(event, &soon);
    pass(41 * MS); // due after one
    run();
    logctx_histogram_t delay = delay_of("timers");
    assert_int_equal(delay.count, 1);
    assert_true(delay.sum > 0.0399 && delay.sum < 0.0401);
    logctx_event_free(event);
}

static void test_delay_of_a_persistent_timer(void **state)
{
    (void)state;
    struct seen seen = {.end_it = true};
    logctx_set_loop_name("ticker");
    struct event *event = logctx_event_new(base, -1, EV_PERSIST, callback, &seen);
    logctx_event_add(event, &(struct timeval){0, 2000});
    pass(3 * MS); // due after two, so one late
    run();
    pass(3 * MS); // the next one was due after four: two late
    run();
    logctx_histogram_t delay = delay_of("ticker");
    assert_int_equal(delay.count, 2);
    assert_true(delay.sum > 0.0029 && delay.sum < 0.0031);
    logctx_event_free(event);
}

static void test_delay_of_io(void **state)
{
    (void)state;
    struct seen seen[2] = {{0}, {0}};
    int first[2], second[2];
    make_readable(first);
    make_readable(second);
    logctx_set_loop_name("sockets");
    logctx_loop_ran(0); // from now on somebody asks
    struct event *a = logctx_event_new(base, first[0], EV_READ, late, &seen[0]);
    struct event *b = logctx_event_new(base, second[0], EV_READ, late, &seen[1]);
    logctx_event_add(a, NULL);
    logctx_event_add(b, NULL);
    run();
    logctx_histogram_t delay = delay_of("sockets");
    assert_int_equal(delay.count, 2);
    assert_true(delay.sum > 0.0069 && delay.sum < 0.0071); // the second waited for the first
    logctx_event_free(a);
    logctx_event_free(b);
    close_pair(first);
    close_pair(second);
}

// ---- wrong use ----

static void test_misuse(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct event_base *other = event_base_new();
    struct event *event = logctx_event_new(other, -1, 0, callback, &seen), plain;
    int line = __LINE__ - 1;
    assert_non_null(event);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_INVALID_USE);
    assert_at(error->found_by, line);
    assert_non_null(strstr(error->message, "logctx_libevent_attach()"));
    logctx_t *a = make("A");
    logctx_set_current(a);
    assert_int_equal(logctx_event_add(event, &soon), 0); // passed on
    take_error(LOGCTX_ERROR_INVALID_USE);
    assert_int_equal(logctx_event_base_once(other, -1, EV_TIMEOUT, callback, &seen, NULL), 0);
    take_error(LOGCTX_ERROR_INVALID_USE);
    drop(a);
    assert_int_equal(live(), 0);
    event_base_dispatch(other);
    assert_int_equal(seen.calls, 2);
    assert_ptr_equal(seen.current, logctx_sentinel());
    logctx_event_free(event);
    event_base_free(other);

    assert_null(logctx_event_new(base, -1, 0, NULL, NULL));
    assert_null(logctx_event_new(NULL, -1, 0, callback, NULL));
    assert_int_equal(logctx_event_assign(NULL, base, -1, 0, callback, NULL), -1);
    assert_int_equal(logctx_event_assign(&plain, base, -1, 0, NULL, NULL), -1);
    assert_int_equal(logctx_event_add(NULL, NULL), -1);
    assert_int_equal(logctx_event_del(NULL), -1);
    logctx_event_active(NULL, 0, 0);
    logctx_event_free(NULL);
    logctx_event_debug_unassign(NULL);
    assert_int_equal(logctx_event_base_once(base, -1, EV_TIMEOUT, NULL, NULL, NULL), -1);
    assert_int_equal(logctx_event_base_once(NULL, -1, EV_TIMEOUT, callback, NULL, NULL), -1);
    for (int i = 0; i < 11; i++)
        take_error(LOGCTX_ERROR_INVALID_USE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        a_test(test_in_the_context_that_added),
        a_test(test_one_shot_gives_back),
        a_test(test_added_again_by_its_callback),
        a_test(test_persistent_keeps),
        a_test(test_freed_while_armed),
        a_test(test_freed_in_its_callback),
        a_test(test_refused_by_libevent),
        a_test(test_active_by_hand),
        a_test(test_signals),
        a_test(test_signals_that_came_twice),
        a_test(test_assigned),
        a_test(test_whose_argument_it_is),
        a_test(test_once),
        a_test(test_pending_at_the_end_of_the_base),
        a_test(test_freed_by_the_plain_function),
        a_test(test_many_at_once),
        a_test(test_delay_of_a_timer),
        a_test(test_delay_of_a_persistent_timer),
        a_test(test_delay_of_io),
        a_test(test_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
