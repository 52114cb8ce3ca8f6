/*
 * test_streams.c: bufferevents, listeners and resolvers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <arpa/inet.h>
#include <event2/bufferevent_struct.h>
#include <netinet/in.h>

struct seen {
    int reads, writes, events, accepts, errors, answers;
    logctx_t *reading, *writing, *happening, *accepting, *failing, *answering;
    short what;
    int result;
    bool free_it;
};

static void reads(struct bufferevent *bufferevent, void *arg)
{
    struct seen *seen = arg;
    seen->reads++;
    seen->reading = logctx_current();
    struct evbuffer *input = bufferevent_get_input(bufferevent);
    evbuffer_drain(input, evbuffer_get_length(input));
    if (seen->free_it)
        logctx_bufferevent_free(bufferevent);
}

static void writes(struct bufferevent *bufferevent, void *arg)
{
    (void)bufferevent;
    struct seen *seen = arg;
    seen->writes++;
    seen->writing = logctx_current();
}

static void happens(struct bufferevent *bufferevent, short what, void *arg)
{
    (void)bufferevent;
    struct seen *seen = arg;
    seen->events++;
    seen->what = what;
    seen->happening = logctx_current();
}

static struct bufferevent *on(int fd)
{
    struct bufferevent *bufferevent = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    assert_non_null(bufferevent);
    return bufferevent;
}

static void test_in_the_context_that_set(void **state)
{
    (void)state;
    struct seen seen = {0};
    int pair[2];
    make_readable(pair);
    logctx_t *a = make("A"), *b = make("B");
    struct bufferevent *bufferevent = on(pair[0]);
    logctx_set_current(a);
    logctx_bufferevent_setcb(bufferevent, reads, writes, happens, &seen);
    logctx_set_current(logctx_sentinel());
    bufferevent_enable(bufferevent, EV_READ | EV_WRITE);
    bufferevent_write(bufferevent, "y", 1);
    while (seen.reads == 0 || seen.writes == 0)
        logctx_event_base_loop(base, EVLOOP_ONCE);
    assert_ptr_equal(seen.reading, a);
    assert_ptr_equal(seen.writing, a);
    // Set again: B's.
    logctx_set_current(b);
    (logctx_bufferevent_setcb)(bufferevent, reads, NULL, happens, &seen);
    logctx_set_current(logctx_sentinel());
    close(pair[1]);
    while (seen.events == 0)
        logctx_event_base_loop(base, EVLOOP_ONCE);
    assert_true(seen.what & (BEV_EVENT_EOF | BEV_EVENT_ERROR));
    assert_ptr_equal(seen.happening, b);
    logctx_bufferevent_free(bufferevent);
    end(a);
    end(b);
}

// The request writes its answer and ends: that it is written, and that the other side goes, is nobody's. A read is.
static void test_over_after_the_request(void **state)
{
    (void)state;
    struct seen seen = {0};
    int pair[2];
    make_readable(pair);
    logctx_t *a = make("A");
    struct bufferevent *bufferevent = on(pair[0]);
    logctx_set_current(a);
    logctx_bufferevent_setcb(bufferevent, reads, writes, happens, &seen);
    int set_at = __LINE__ - 1;
    bufferevent_write(bufferevent, "y", 1);
    end(a);
    while (seen.writes == 0)
        logctx_event_base_loop(base, EVLOOP_ONCE);
    assert_ptr_equal(seen.writing, logctx_sentinel());
    assert_int_equal(logctx_unexpected_transition_errors(), 0);
    bufferevent_enable(bufferevent, EV_READ);
    while (seen.reads == 0)
        logctx_event_base_loop(base, EVLOOP_ONCE);
    assert_ptr_equal(seen.reading, a);
    assert_at(take_error(LOGCTX_ERROR_RESTARTED_FINISHED)->found_by, set_at);
    close(pair[1]);
    while (seen.events == 0)
        logctx_event_base_loop(base, EVLOOP_ONCE);
    assert_ptr_equal(seen.happening, logctx_sentinel());
    bufferevent_trigger_event(bufferevent, BEV_EVENT_TIMEOUT, 0); // a timer that outlives its request
    assert_ptr_equal(seen.happening, a);
    assert_at(take_error(LOGCTX_ERROR_RESTARTED_FINISHED)->found_by, set_at);
    logctx_bufferevent_free(bufferevent);
}

static void test_gives_back(void **state)
{
    (void)state;
    struct seen seen = {.free_it = true};
    int pair[2];
    for (int way = 0; way < 3; way++) {
        make_readable(pair);
        logctx_t *a = make("A");
        struct bufferevent *bufferevent = on(pair[0]);
        logctx_set_current(a);
        logctx_bufferevent_setcb(bufferevent, reads, NULL, NULL, &seen);
        drop(a);
        assert_int_equal(live(), 1);
        if (way == 0) {
            logctx_bufferevent_free(bufferevent);
        } else if (way == 1) {
            logctx_bufferevent_setcb(bufferevent, NULL, NULL, NULL, NULL);
            assert_int_equal(live(), 0);
            logctx_bufferevent_free(bufferevent);
        } else { // in its own callback
            bufferevent_enable(bufferevent, EV_READ);
            while (seen.reads == 0)
                logctx_event_base_loop(base, EVLOOP_ONCE);
            assert_ptr_equal(seen.reading, a);
        }
        assert_int_equal(live(), 0);
        close(pair[1]);
    }
}

static void test_deferred_and_freed(void **state)
{
    (void)state;
    struct seen seen = {0};
    int pair[2];
    make_readable(pair);
    logctx_t *a = make("A");
    struct bufferevent *bufferevent =
        bufferevent_socket_new(base, pair[0], BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    logctx_set_current(a);
    logctx_bufferevent_setcb(bufferevent, reads, NULL, NULL, &seen);
    bufferevent_trigger(bufferevent, EV_READ, BEV_OPT_DEFER_CALLBACKS); // queued
    logctx_bufferevent_free(bufferevent);
    drop(a);
    assert_int_equal(live(), 0);
    logctx_event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(seen.reads, 0);
    close(pair[1]);
}

// Called by the host's own code, in a context of its own: which is there again afterwards, and no leak.
static void test_called_directly(void **state)
{
    (void)state;
    struct seen seen = {0};
    int pair[2];
    make_readable(pair);
    logctx_t *a = make("A"), *b = make("B");
    struct bufferevent *bufferevent = on(pair[0]);
    logctx_set_current(a);
    logctx_bufferevent_setcb(bufferevent, reads, NULL, NULL, &seen);
    logctx_set_current(b);
    bufferevent_trigger(bufferevent, EV_READ, BEV_TRIG_IGNORE_WATERMARKS);
    assert_int_equal(seen.reads, 1);
    assert_ptr_equal(seen.reading, a);
    assert_current(b);
    logctx_set_current(logctx_sentinel());
    logctx_bufferevent_free(bufferevent);
    close(pair[1]);
    end(a);
    end(b);
}

static void test_whose_argument_it_is(void **state)
{
    (void)state;
    int pair[2], mine;
    make_readable(pair);
    struct bufferevent *bufferevent = on(pair[0]);
    bufferevent_data_cb readcb, writecb;
    bufferevent_event_cb eventcb;
    void *arg;
    logctx_bufferevent_setcb(bufferevent, reads, NULL, happens, &mine);
    logctx_bufferevent_getcb(bufferevent, &readcb, &writecb, &eventcb, &arg);
    assert_ptr_equal(readcb, reads);
    assert_null(writecb);
    assert_ptr_equal(eventcb, happens);
    assert_ptr_equal(arg, &mine);
    bufferevent_setcb(bufferevent, NULL, writes, NULL, NULL); // libevent's own
    logctx_bufferevent_getcb(bufferevent, NULL, &writecb, NULL, &arg);
    assert_ptr_equal(writecb, writes);
    assert_null(arg);
    logctx_bufferevent_free(bufferevent);
    close(pair[1]);
}

static void accepts(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int length,
                    void *arg)
{
    (void)address;
    (void)length;
    struct seen *seen = arg;
    seen->accepts++;
    seen->accepting = logctx_current();
    close(fd);
    if (seen->free_it)
        logctx_evconnlistener_free(listener);
}

static void fails(struct evconnlistener *listener, void *arg)
{
    struct seen *seen = arg;
    seen->errors++;
    seen->failing = logctx_current();
    evconnlistener_disable(listener);
}

static struct evconnlistener *listen_on_a_free_port(evconnlistener_cb fn, struct seen *seen)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct evconnlistener *listener = logctx_evconnlistener_new_bind(
        base, fn, seen, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, -1, (struct sockaddr *)&address, sizeof address);
    assert_non_null(listener);
    return listener;
}

static int connect_to(struct evconnlistener *listener)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    assert_int_equal(getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &length), 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void test_listener(void **state)
{
    (void)state;
    struct seen seen = {0};
    logctx_t *a = make("A"), *b = make("B");
    logctx_set_current(a);
    struct evconnlistener *listener = listen_on_a_free_port(accepts, &seen);
    logctx_set_current(logctx_sentinel());
    int fd = connect_to(listener);
    while (seen.accepts == 0)
        logctx_event_base_loop(base, EVLOOP_ONCE);
    close(fd);
    assert_ptr_equal(seen.accepting, a);
    logctx_set_current(b);
    logctx_evconnlistener_set_cb(listener, accepts, &seen);
    logctx_set_current(logctx_sentinel());
    fd = connect_to(listener);
    while (seen.accepts == 1)
        logctx_event_base_loop(base, EVLOOP_ONCE);
    close(fd);
    assert_ptr_equal(seen.accepting, b);
    seen.free_it = true;
    fd = connect_to(listener);
    while (seen.accepts == 2)
        logctx_event_base_loop(base, EVLOOP_ONCE);
    close(fd);
    end(a);
    drop(b); // the listener has given it back
    assert_int_equal(live(), 0);
}

static void leak(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    logctx_set_current(arg);
}

// With libevent's own loop.
static void test_listener_finds_what_leaked(void **state)
{
    (void)state;
    struct seen seen = {0};
    logctx_t *a = make("A");
    struct evconnlistener *listener = listen_on_a_free_port(accepts, &seen);
    int fd = connect_to(listener);
    event_base_once(base, -1, EV_TIMEOUT, leak, a, NULL);
    while (seen.accepts == 0)
        event_base_loop(base, EVLOOP_ONCE);
    assert_ptr_equal(seen.accepting, logctx_sentinel());
    assert_by_the_loop(take_error(LOGCTX_ERROR_LEAKED_TO_LOOP)->found_by);
    logctx_evconnlistener_free(listener);
    close(fd);
    end(a);
}

// accept() fails on a socket that does not listen.
static void test_listener_error(void **state)
{
    (void)state;
    struct seen seen = {0};
    int pair[2];
    make_readable(pair);
    logctx_t *a = make("A"), *b = make("B");
    logctx_set_current(a);
    struct evconnlistener *listener = logctx_evconnlistener_new(base, accepts, &seen, 0, 0, pair[0]);
    logctx_set_current(b);
    logctx_evconnlistener_set_error_cb(listener, fails);
    logctx_set_current(logctx_sentinel());
    while (seen.errors == 0)
        logctx_event_base_loop(base, EVLOOP_ONCE);
    assert_ptr_equal(seen.failing, b);
    logctx_evconnlistener_set_error_cb(listener, NULL);
    (logctx_evconnlistener_set_cb)(listener, NULL, NULL);
    drop(a);
    drop(b);
    assert_int_equal(live(), 0);
    logctx_evconnlistener_free(listener);
    close_pair(pair);
}

static void answered(int result, struct evutil_addrinfo *found, void *arg)
{
    struct seen *seen = arg;
    seen->answers++;
    seen->answering = logctx_current();
    seen->result = result;
    if (found)
        evutil_freeaddrinfo(found);
}

static void test_resolver(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct evdns_base *dns = evdns_base_new(base, 0);
    logctx_t *a = make("A");
    logctx_set_current(a);
    // A number is answered before this returns.
    assert_null(logctx_evdns_getaddrinfo(dns, "127.0.0.1", "80", NULL, answered, &seen));
    assert_current(a);
    assert_int_equal(seen.answers, 1);
    assert_ptr_equal(seen.answering, a);
    // A name server that never answers: the request is cancelled.
    int silent = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    assert_int_equal(bind(silent, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(evdns_base_nameserver_sockaddr_add(dns, (struct sockaddr *)&address, length, 0), 0);
    struct evdns_getaddrinfo_request *request =
        (logctx_evdns_getaddrinfo)(dns, "name.invalid", NULL, NULL, answered, &seen);
    assert_non_null(request);
    drop(a);
    assert_int_equal(live(), 1);
    seen.answering = NULL;
    evdns_getaddrinfo_cancel(request);
    while (seen.answers == 1)
        logctx_event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(seen.result, EVUTIL_EAI_CANCEL);
    assert_ptr_equal(seen.answering, a);
    assert_int_equal(live(), 0);
    // The one who asked gives up: it cancels, and ends.
    a = make("A");
    logctx_set_current(a);
    evdns_getaddrinfo_cancel(logctx_evdns_getaddrinfo(dns, "name.invalid", NULL, NULL, answered, &seen));
    end(a);
    while (seen.answers == 2)
        logctx_event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(seen.result, EVUTIL_EAI_CANCEL);
    assert_ptr_equal(seen.answering, logctx_sentinel());
    evdns_base_free(dns, 1);
    logctx_event_base_loop(base, EVLOOP_NONBLOCK);
    close(silent);
}

static void test_misuse(void **state)
{
    (void)state;
    struct seen seen = {0};
    int pair[2];
    make_readable(pair);
    struct event_base *other = event_base_new();
    struct bufferevent *bufferevent = bufferevent_socket_new(other, pair[0], 0);
    logctx_t *a = make("A");
    logctx_set_current(a);
    logctx_bufferevent_setcb(bufferevent, reads, NULL, NULL, &seen);
    int line = __LINE__ - 1;
    assert_at(take_error(LOGCTX_ERROR_INVALID_USE)->found_by, line);
    drop(a);
    assert_int_equal(live(), 0);
    bufferevent_enable(bufferevent, EV_READ);
    while (seen.reads == 0)
        event_base_loop(other, EVLOOP_ONCE);
    assert_ptr_equal(seen.reading, logctx_sentinel());
    logctx_bufferevent_free(bufferevent);
    struct evconnlistener *plain = evconnlistener_new(base, NULL, &seen, 0, 0, pair[0]);
    logctx_evconnlistener_set_cb(plain, accepts, &seen);
    take_error(LOGCTX_ERROR_INVALID_USE);
    (logctx_evconnlistener_set_error_cb)(plain, fails);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_evconnlistener_free(plain);
    plain = (logctx_evconnlistener_new)(other, accepts, &seen, 0, 0, pair[0]);
    assert_non_null(plain);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_evconnlistener_free(plain);
    logctx_bufferevent_setcb(NULL, reads, NULL, NULL, NULL);
    logctx_bufferevent_getcb(NULL, NULL, NULL, NULL, NULL);
    logctx_bufferevent_free(NULL);
    assert_null(logctx_evconnlistener_new(NULL, accepts, NULL, 0, 0, 0));
    assert_null((logctx_evconnlistener_new_bind)(NULL, accepts, NULL, 0, 0, NULL, 0));
    logctx_evconnlistener_set_cb(NULL, accepts, NULL);
    logctx_evconnlistener_set_error_cb(NULL, fails);
    logctx_evconnlistener_free(NULL);
    assert_null(logctx_evdns_getaddrinfo(NULL, "a", NULL, NULL, answered, NULL));
    for (int i = 0; i < 9; i++)
        take_error(LOGCTX_ERROR_INVALID_USE);
    event_base_free(other);
    close_pair(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        a_test(test_in_the_context_that_set),
        a_test(test_over_after_the_request),
        a_test(test_gives_back),
        a_test(test_deferred_and_freed),
        a_test(test_called_directly),
        a_test(test_whose_argument_it_is),
        a_test(test_listener),
        a_test(test_listener_error),
        a_test(test_listener_finds_what_leaked),
        a_test(test_resolver),
        a_test(test_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
