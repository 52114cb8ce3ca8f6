/*
 * test_mistakes.c: a program on libevent that makes a mistake in each test: it is reported once, as what it is, with the line
 * that made it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <netinet/in.h>
#include <pthread.h>

static logctx_t *request; // of the test
static int mistake_at;    // the line that makes the mistake
static int armed_at;      // the line that armed the callback
static int calls;

static const struct timeval soon = {0, 1000};

static int setup_request(void **state)
{
    setup(state);
    calls = mistake_at = armed_at = 0;
    request = make("GET-1");
    return 0;
}
#define mistake(name) logctx_unit_test_fake_clock_setup_teardown(name, setup_request, teardown)

static void ok(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    calls++;
}

// ---- a callback that leaves a context current ----

static void leaves_its_context(evutil_socket_t fd, short what, void *arg)
{
    ok(fd, what, arg);
    logctx_set_current(request);
    mistake_at = __LINE__ - 1;
}

static void test_unwrapped_callback_leaks(void **state)
{
    (void)state;
    struct event *event = event_new(base, -1, 0, leaves_its_context, NULL);
    event_add(event, &soon);
    run();
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_string_equal(error->affected, "GET-1");
    assert_at(error->set_by, mistake_at);
    assert_by_the_loop(error->found_by);
    event_free(event);
    end(request);
}

static void test_wrapped_callback_leaks_another_context(void **state)
{
    (void)state;
    logctx_t *other = make("GET-2");
    struct event *event = logctx_evtimer_new(base, leaves_its_context, NULL);
    logctx_set_current(other);
    logctx_evtimer_add(event, &soon);
    armed_at = __LINE__ - 1;
    logctx_set_current(logctx_sentinel());
    run();
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_string_equal(error->affected, "GET-1");
    assert_at(error->set_by, mistake_at);
    assert_at(error->found_by, armed_at);
    logctx_event_free(event);
    end(other);
    end(request);
}

static void test_unwrapped_callback_leaks_under_libevents_own_loop(void **state)
{
    (void)state;
    struct event *plain = event_new(base, -1, 0, leaves_its_context, NULL);
    struct event *wrapped = logctx_evtimer_new(base, ok, NULL);
    logctx_evtimer_add(wrapped, &(struct timeval){0, 5000});
    event_add(plain, &soon);
    event_base_dispatch(base);
    assert_int_equal(calls, 2);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_at(error->set_by, mistake_at);
    assert_by_the_loop(error->found_by);
    event_free(plain);
    logctx_event_free(wrapped);
    end(request);
}

static void test_the_loop_is_run_in_a_context(void **state)
{
    (void)state;
    event_base_once(base, -1, EV_TIMEOUT, ok, NULL, NULL);
    logctx_set_current(request);
    mistake_at = __LINE__ - 1;
    logctx_event_base_dispatch(base);
    assert_current(logctx_sentinel());
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_at(error->set_by, mistake_at);
    end(request);
}

static void reads_and_leaves(struct bufferevent *bufferevent, void *arg)
{
    (void)arg;
    calls++;
    bufferevent_disable(bufferevent, EV_READ);
    logctx_set_current(request);
    mistake_at = __LINE__ - 1;
}

static void test_stream_leaves_another_context(void **state)
{
    (void)state;
    int pair[2];
    make_readable(pair);
    struct bufferevent *bufferevent = bufferevent_socket_new(base, pair[0], 0);
    logctx_bufferevent_setcb(bufferevent, reads_and_leaves, NULL, NULL, NULL); // in the sentinel
    armed_at = __LINE__ - 1;
    bufferevent_enable(bufferevent, EV_READ);
    while (calls == 0)
        logctx_event_base_loop(base, EVLOOP_ONCE);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_at(error->set_by, mistake_at);
    assert_at(error->found_by, armed_at);
    logctx_bufferevent_free(bufferevent);
    close_pair(pair);
    end(request);
}

static void handles_and_leaves(struct evhttp_request *http_request, void *arg)
{
    (void)arg;
    logctx_set_current(request);
    mistake_at = __LINE__ - 1;
    evhttp_send_reply(http_request, 200, "OK", NULL);
}

static void answered(struct evhttp_request *http_request, void *arg)
{
    (void)http_request;
    (void)arg;
    calls++;
}

static void test_handler_leaves_its_context(void **state)
{
    (void)state;
    struct evhttp *http = evhttp_new(base);
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(http, "127.0.0.1", 0);
    assert_int_equal(getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &length), 0);
    logctx_evhttp_set_gencb(http, handles_and_leaves, NULL);
    armed_at = __LINE__ - 1;
    struct evhttp_connection *client = evhttp_connection_base_new(base, NULL, "127.0.0.1", ntohs(address.sin_port));
    logctx_evhttp_make_request(client, logctx_evhttp_request_new(answered, NULL), EVHTTP_REQ_GET, "/");
    while (calls == 0)
        logctx_event_base_loop(base, EVLOOP_ONCE);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_at(error->set_by, mistake_at);
    assert_at(error->found_by, armed_at);
    logctx_evhttp_connection_free(client);
    logctx_evhttp_free(http);
    end(request);
}

// ---- a callback that loses its context ----

static void helper_that_forgets(void)
{
    logctx_set_current(logctx_sentinel());
    mistake_at = __LINE__ - 1;
}

static void enters_and_loses(evutil_socket_t fd, short what, void *arg)
{
    ok(fd, what, arg);
    logctx_t *part = logctx_new_nested("part");
    logctx_enter(part);
    helper_that_forgets();
    logctx_exit(part);
    armed_at = __LINE__ - 1;
    logctx_unref(part);
}

static void test_context_lost_in_a_callback(void **state)
{
    (void)state;
    logctx_set_current(request);
    logctx_event_base_once(base, -1, EV_TIMEOUT, enters_and_loses, NULL, NULL);
    logctx_set_current(logctx_sentinel());
    run();
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_CONTEXT_LOST);
    assert_string_equal(error->affected, "GET-1-part");
    assert_at(error->set_by, mistake_at);
    assert_at(error->found_by, armed_at);
    end(request);
}

// ---- callbacks that outlive their request ----

static void test_timer_outlives_its_request(void **state)
{
    (void)state;
    struct event *event = logctx_evtimer_new(base, ok, NULL);
    logctx_set_current(request);
    logctx_evtimer_add(event, &soon);
    armed_at = __LINE__ - 1;
    end(request);
    run();
    assert_int_equal(calls, 1);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_RESTARTED_FINISHED);
    assert_string_equal(error->affected, "GET-1");
    assert_at(error->found_by, armed_at);
    logctx_event_free(event);
}

static void reads(struct bufferevent *bufferevent, void *arg)
{
    (void)arg;
    calls++;
    bufferevent_disable(bufferevent, EV_READ);
}

static void test_connection_outlives_its_context(void **state)
{
    (void)state;
    int pair[2];
    make_readable(pair);
    struct bufferevent *bufferevent = bufferevent_socket_new(base, pair[0], 0);
    logctx_set_current(request);
    logctx_bufferevent_setcb(bufferevent, reads, NULL, NULL, NULL);
    armed_at = __LINE__ - 1;
    end(request);
    bufferevent_enable(bufferevent, EV_READ);
    while (calls == 0)
        logctx_event_base_loop(base, EVLOOP_ONCE);
    assert_at(take_error(LOGCTX_ERROR_RESTARTED_FINISHED)->found_by, armed_at);
    logctx_bufferevent_free(bufferevent);
    close_pair(pair);
}

// ---- what keeps a context for ever ----

static void test_a_persistent_event_is_forgotten(void **state)
{
    (void)state;
    struct event *event = logctx_event_new(base, -1, EV_PERSIST, ok, NULL);
    logctx_set_current(request);
    logctx_event_add(event, &soon);
    drop(request); // the event alone keeps it
    logctx_check_unfinished();
    assert_string_equal(take_error(LOGCTX_ERROR_UNFINISHED_AT_EXIT)->affected, "GET-1");
    logctx_event_free(event);
}

static void test_a_bufferevent_is_freed_by_the_plain_function(void **state)
{
    (void)state;
    int pair[2];
    make_readable(pair);
    struct bufferevent *bufferevent = bufferevent_socket_new(base, pair[0], 0);
    logctx_set_current(request);
    logctx_bufferevent_setcb(bufferevent, reads, NULL, NULL, NULL);
    drop(request);
    bufferevent_free(bufferevent);
    logctx_check_unfinished();
    assert_string_equal(take_error(LOGCTX_ERROR_UNFINISHED_AT_EXIT)->affected, "GET-1");
    close_pair(pair);
}

// ---- threads ----

static void *works_in_the_callers_context(void *arg)
{
    (void)arg;
    logctx_set_current(request);
    mistake_at = __LINE__ - 1;
    return NULL;
}

static void test_a_thread_works_in_the_loops_context(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, works_in_the_callers_context, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_at(take_error(LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD)->found_by, mistake_at);
    take_error(LOGCTX_ERROR_THREAD_EXIT_WITH_CONTEXT);
    end(request);
}

static void *adds_from_outside(void *arg)
{
    logctx_t *task = logctx_new_on_thread(request);
    logctx_enter(task);
    logctx_event_add(arg, &soon);
    mistake_at = __LINE__ - 1;
    logctx_exit(task);
    logctx_unref(task);
    return NULL;
}

static void test_a_thread_arms_an_event_of_the_loop(void **state)
{
    (void)state;
    pthread_t thread;
    struct event *event = logctx_evtimer_new(base, ok, NULL);
    assert_int_equal(pthread_create(&thread, NULL, adds_from_outside, event), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_INVALID_USE);
    assert_at(error->found_by, mistake_at);
    assert_non_null(strstr(error->message, "another thread"));
    run();
    assert_int_equal(calls, 1); // it runs all the same
    logctx_event_free(event);
    end(request);
}

// ---- mixing our functions with libevent's ----

static void test_a_plain_event_is_added_by_our_function(void **state)
{
    (void)state;
    struct event *event = event_new(base, -1, 0, ok, NULL);
    logctx_set_current(request);
    logctx_event_add(event, &soon);
    mistake_at = __LINE__ - 1;
    end(request);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_INVALID_USE);
    assert_at(error->found_by, mistake_at);
    assert_non_null(strstr(error->message, "logctx_event_new()"));
    run();
    assert_int_equal(calls, 1);
    event_free(event);
}

static void test_a_base_that_is_not_attached(void **state)
{
    (void)state;
    struct event_base *other = event_base_new();
    struct event *event = logctx_evtimer_new(other, ok, NULL);
    mistake_at = __LINE__ - 1;
    assert_at(take_error(LOGCTX_ERROR_INVALID_USE)->found_by, mistake_at);
    event_free(event);
    event_base_free(other);
    end(request);
}

// ---- none ----

static void leaves_its_own(evutil_socket_t fd, short what, void *arg)
{
    ok(fd, what, arg);
    assert_current(request); // and stays
}

static void test_no_mistake(void **state)
{
    (void)state;
    logctx_set_current(request);
    logctx_event_base_once(base, -1, EV_TIMEOUT, leaves_its_own, NULL, NULL);
    logctx_event_base_once(base, -1, EV_TIMEOUT, leaves_its_own, NULL, &soon);
    logctx_set_current(logctx_sentinel());
    run();
    assert_int_equal(calls, 2);
    assert_int_equal(logctx_unexpected_transition_errors(), 0);
    end(request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        mistake(test_unwrapped_callback_leaks),
        mistake(test_wrapped_callback_leaks_another_context),
        mistake(test_unwrapped_callback_leaks_under_libevents_own_loop),
        mistake(test_the_loop_is_run_in_a_context),
        mistake(test_stream_leaves_another_context),
        mistake(test_handler_leaves_its_context),
        mistake(test_context_lost_in_a_callback),
        mistake(test_timer_outlives_its_request),
        mistake(test_connection_outlives_its_context),
        mistake(test_a_persistent_event_is_forgotten),
        mistake(test_a_bufferevent_is_freed_by_the_plain_function),
        mistake(test_a_thread_works_in_the_loops_context),
        mistake(test_a_thread_arms_an_event_of_the_loop),
        mistake(test_a_plain_event_is_added_by_our_function),
        mistake(test_a_base_that_is_not_attached),
        mistake(test_no_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
