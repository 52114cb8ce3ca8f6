/*
 * test_http.c: a server and a client of libevent's, in one loop.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <event2/event.h>

// libevent's memory: what was freed last is given out first, so that new objects have the addresses of old ones.
enum { KEPT = 64, SIZE_ROOM = 16 };
static struct {
    char *blocks[KEPT];
    size_t count;
} kept;

static size_t *size_of(void *memory)
{
    return (size_t *)(void *)((char *)memory - SIZE_ROOM);
}

static void *reuse_malloc(size_t size)
{
    for (size_t i = kept.count; i-- > 0;) {
        char *block = kept.blocks[i];
        if (*size_of(block) == size) {
            kept.blocks[i] = kept.blocks[--kept.count];
            return block;
        }
    }
    char *block = malloc(SIZE_ROOM + size);
    if (!block)
        return NULL;
    *(size_t *)(void *)block = size;
    return block + SIZE_ROOM;
}

static void reuse_free(void *memory)
{
    if (!memory)
        return;
    if (kept.count < KEPT)
        kept.blocks[kept.count++] = memory;
    else
        free(size_of(memory));
}

static void *reuse_realloc(void *memory, size_t size)
{
    void *grown = reuse_malloc(size);
    if (grown && memory)
        memcpy(grown, memory, *size_of(memory) < size ? *size_of(memory) : size);
    if (grown)
        reuse_free(memory);
    return grown;
}

static struct evhttp *server;
static struct evhttp_connection *connection;
static struct {
    int handled, general, done, chunks, headers, failures, closes;
    logctx_t *handling, *finishing, *chunking, *heading, *failing, *closing;
    bool failed, leave, retry, free_connection;
    const void *retried, *reused;
    int left_at;
} seen;
static logctx_t *of_handler;

static void handle(struct evhttp_request *request, void *arg)
{
    assert_ptr_equal(arg, &seen);
    seen.handled++;
    seen.handling = logctx_current();
    if (seen.leave) {
        logctx_set_current(of_handler);
        seen.left_at = __LINE__ - 1;
    }
    evhttp_send_reply(request, 200, "OK", NULL);
}

static void handle_any(struct evhttp_request *request, void *arg)
{
    (void)arg;
    seen.general++;
    seen.handling = logctx_current();
    struct evbuffer *body = evbuffer_new();
    evbuffer_add_printf(body, "part");
    evhttp_send_reply_start(request, 200, "OK");
    evhttp_send_reply_chunk(request, body);
    evhttp_send_reply_end(request);
    evbuffer_free(body);
}

static void never(struct evhttp_request *request, void *arg)
{
    (void)request;
    (void)arg;
    seen.handled++;
}

static void done(struct evhttp_request *request, void *arg)
{
    assert_ptr_equal(arg, &seen);
    seen.done++;
    seen.failed = request == NULL;
    seen.finishing = logctx_current();
}

static void chunk(struct evhttp_request *request, void *arg)
{
    (void)request;
    assert_ptr_equal(arg, &seen);
    seen.chunks++;
    seen.chunking = logctx_current();
}

static int head(struct evhttp_request *request, void *arg)
{
    (void)request;
    assert_ptr_equal(arg, &seen);
    seen.headers++;
    seen.heading = logctx_current();
    return 0;
}

static void fail_http(enum evhttp_request_error error, void *arg)
{
    (void)error;
    assert_ptr_equal(arg, &seen);
    seen.failures++;
    seen.failing = logctx_current();
    if (seen.retry) { // the new one may have the old one's address
        seen.retry = false;
        struct evhttp_request *next = logctx_evhttp_request_new(done, &seen);
        seen.reused = next;
        logctx_evhttp_request_free(next);
    }
    if (seen.free_connection) {
        logctx_evhttp_connection_free(connection);
        connection = NULL;
    }
}

static void on_close(struct evhttp_connection *closed, void *arg)
{
    (void)closed;
    assert_ptr_equal(arg, &seen);
    seen.closes++;
    seen.closing = logctx_current();
}

static int setup_http(void **state)
{
    setup(state);
    memset(&seen, 0, sizeof seen);
    server = evhttp_new(base);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(server, "127.0.0.1", 0);
    assert_non_null(bound);
    struct evconnlistener *listener = evhttp_bound_socket_get_listener(bound);
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    assert_int_equal(getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &length), 0);
    uint16_t port = (uint16_t)((((uint8_t *)&address)[2] << 8) | ((uint8_t *)&address)[3]);
    connection = evhttp_connection_base_new(base, NULL, "127.0.0.1", port);
    assert_non_null(connection);
    return 0;
}

static int teardown_http(void **state)
{
    if (connection)
        logctx_evhttp_connection_free(connection);
    if (server)
        logctx_evhttp_free(server);
    connection = NULL;
    server = NULL;
    return teardown(state);
}
#define http_test(name) logctx_unit_test_fake_clock_setup_teardown(name, setup_http, teardown_http)

static void until(const int *count)
{
    for (int before = *count; *count == before;)
        logctx_event_base_loop(base, EVLOOP_ONCE);
}

static void ask(const char *path)
{
    struct evhttp_request *request = logctx_evhttp_request_new(done, &seen);
    assert_int_equal(logctx_evhttp_make_request(connection, request, EVHTTP_REQ_GET, path), 0);
}

static void test_request_and_reply(void **state)
{
    (void)state;
    logctx_t *startup = make("startup"), *a = make("A");
    logctx_set_current(startup);
    assert_int_equal(logctx_evhttp_set_cb(server, "/", handle, &seen), 0);
    assert_int_equal(logctx_evhttp_set_cb(server, "/", handle, &seen), -1); // libevent's answer: it is there
    end(startup);
    logctx_set_current(a);
    ask("/");
    drop(a);
    until(&seen.done);
    assert_int_equal(seen.handled, 1);
    assert_ptr_equal(seen.handling, logctx_sentinel()); // not in that of the start
    assert_ptr_equal(seen.finishing, a);
    assert_false(seen.failed);
    assert_int_equal(live(), 0);
    assert_int_equal(logctx_evhttp_del_cb(server, "/"), 0);
    assert_int_equal(logctx_evhttp_del_cb(server, "/"), -1);
}

static void test_all_callbacks_of_a_request(void **state)
{
    (void)state;
    logctx_t *a = make("A");
    logctx_evhttp_set_gencb(server, handle_any, NULL);
    (logctx_evhttp_set_gencb)(server, handle_any, NULL); // instead
    struct evhttp_request *request = (logctx_evhttp_request_new)(done, &seen);
    logctx_evhttp_request_set_chunked_cb(request, chunk);
    logctx_evhttp_request_set_header_cb(request, head);
    logctx_evhttp_request_set_error_cb(request, fail_http);
    logctx_set_current(a);
    assert_int_equal((logctx_evhttp_make_request)(connection, request, EVHTTP_REQ_GET, "/x"), 0);
    drop(a);
    until(&seen.done);
    assert_int_equal(seen.general, 1);
    assert_int_equal(seen.chunks, 1);
    assert_int_equal(seen.headers, 1);
    assert_int_equal(seen.failures, 0);
    assert_ptr_equal(seen.chunking, a);
    assert_ptr_equal(seen.heading, a);
    assert_ptr_equal(seen.finishing, a);
    assert_int_equal(live(), 0);
    logctx_evhttp_set_gencb(server, NULL, NULL);
}

// The server goes away without an answer.
static void test_a_request_that_fails(void **state)
{
    (void)state;
    logctx_t *a = make("A");
    logctx_evhttp_set_cb(server, "/", never, &seen);
    logctx_set_current(a);
    struct evhttp_request *request = logctx_evhttp_request_new(done, &seen);
    logctx_evhttp_request_set_error_cb(request, fail_http);
    seen.retry = true;
    seen.retried = request;
    assert_int_equal(logctx_evhttp_make_request(connection, request, EVHTTP_REQ_GET, "/"), 0);
    drop(a);
    until(&seen.handled);
    logctx_evhttp_free(server);
    server = NULL;
    until(&seen.done);
    assert_true(seen.failed);
    assert_int_equal(seen.failures, 1);
    assert_ptr_equal(seen.reused, seen.retried);
    assert_ptr_equal(seen.failing, a);
    assert_ptr_equal(seen.finishing, a);
    assert_int_equal(live(), 0);
}

// It still hears of its end.
static void test_the_connection_is_freed_when_a_request_fails(void **state)
{
    (void)state;
    logctx_t *a = make("A");
    logctx_evhttp_set_cb(server, "/", never, &seen);
    logctx_set_current(a);
    struct evhttp_request *request = logctx_evhttp_request_new(done, &seen);
    logctx_evhttp_request_set_error_cb(request, fail_http);
    seen.free_connection = true;
    assert_int_equal(logctx_evhttp_make_request(connection, request, EVHTTP_REQ_GET, "/"), 0);
    drop(a);
    until(&seen.handled);
    logctx_evhttp_free(server);
    server = NULL;
    until(&seen.done);
    assert_true(seen.failed);
    assert_null(connection);
    assert_ptr_equal(seen.finishing, a);
    assert_int_equal(live(), 0);
}

static void test_cancelled_freed_and_forgotten(void **state)
{
    (void)state;
    logctx_t *a = make("A");
    logctx_evhttp_set_cb(server, "/", never, &seen);
    logctx_set_current(a);
    struct evhttp_request *request = logctx_evhttp_request_new(done, &seen);
    assert_int_equal(logctx_evhttp_make_request(connection, request, EVHTTP_REQ_GET, "/"), 0);
    drop(a);
    until(&seen.handled);
    assert_int_equal(live(), 1);
    logctx_evhttp_cancel_request(request);
    assert_int_equal(live(), 0);
    a = make("A");
    logctx_set_current(a);
    logctx_evhttp_request_free(logctx_evhttp_request_new(done, &seen)); // was never sent
    ask("/");
    ask("/"); // both are pending when the connection is freed
    drop(a);
    assert_int_equal(live(), 1);
    logctx_evhttp_connection_free(connection);
    connection = NULL;
    assert_int_equal(live(), 0);
    assert_int_equal(seen.done, 0);
}

static void test_close(void **state)
{
    (void)state;
    logctx_t *a = make("A"), *b = make("B");
    logctx_evhttp_set_cb(server, "/", handle, &seen);
    logctx_set_current(a);
    logctx_evhttp_connection_set_closecb(connection, on_close, &seen);
    logctx_set_current(b);
    (logctx_evhttp_connection_set_closecb)(connection, on_close, &seen); // instead
    ask("/");
    end(a);
    drop(b);
    assert_int_equal(live(), 1);
    until(&seen.done);
    logctx_evhttp_connection_free(connection);
    connection = NULL;
    assert_int_equal(seen.closes, 1);
    assert_ptr_equal(seen.closing, b);
    assert_int_equal(live(), 0);
}

static void test_closed_by_the_other_side(void **state)
{
    (void)state;
    logctx_t *a = make("A");
    logctx_evhttp_set_cb(server, "/", handle, &seen);
    ask("/");
    until(&seen.done);
    logctx_set_current(a);
    logctx_evhttp_connection_set_closecb(connection, on_close, &seen);
    drop(a);
    assert_int_equal(live(), 1);
    logctx_evhttp_free(server);
    server = NULL;
    until(&seen.closes);
    assert_ptr_equal(seen.closing, a);
    assert_int_equal(live(), 0);
}

// A request that gives up ends before it cancels, and before its connection closes: neither is reported.
static void test_over_after_the_request(void **state)
{
    (void)state;
    logctx_t *a = make("A");
    logctx_evhttp_set_cb(server, "/", never, &seen);
    logctx_set_current(a);
    struct evhttp_request *request = logctx_evhttp_request_new(done, &seen);
    logctx_evhttp_request_set_error_cb(request, fail_http);
    logctx_evhttp_connection_set_closecb(connection, on_close, &seen);
    assert_int_equal(logctx_evhttp_make_request(connection, request, EVHTTP_REQ_GET, "/"), 0);
    logctx_set_current(logctx_sentinel());
    until(&seen.handled);
    end(a);
    logctx_evhttp_cancel_request(request);
    assert_int_equal(seen.failures, 1);
    assert_ptr_equal(seen.failing, logctx_sentinel());
    logctx_evhttp_connection_free(connection);
    connection = NULL;
    assert_int_equal(seen.closes, 1);
    assert_ptr_equal(seen.closing, logctx_sentinel());
}

static void test_a_close_that_never_comes(void **state)
{
    (void)state;
    logctx_t *a = make("A");
    logctx_set_current(a);
    logctx_evhttp_connection_set_closecb(connection, on_close, &seen);
    logctx_evhttp_connection_set_closecb(connection, NULL, NULL);
    drop(a);
    assert_int_equal(live(), 0);
    a = make("A");
    logctx_set_current(a);
    logctx_evhttp_connection_set_closecb(connection, on_close, &seen);
    drop(a);
    logctx_evhttp_connection_free(connection); // it was never connected
    connection = NULL;
    assert_int_equal(seen.closes, 0);
    assert_int_equal(live(), 0);
}

static void test_a_handler_that_leaves_its_context(void **state)
{
    (void)state;
    of_handler = make("GET-1");
    seen.leave = true;
    (logctx_evhttp_set_cb)(server, "/", handle, &seen);
    int line = __LINE__ - 1;
    ask("/");
    until(&seen.done);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_string_equal(error->affected, "GET-1");
    assert_at(error->set_by, seen.left_at);
    (void)line; // without the macro the place is an address
    assert_non_null(strstr(error->found_by, "libevent_http+0x"));
    end(of_handler);
}

static void leak(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    logctx_set_current(arg);
}

// With libevent's own loop, which is in a context when the request comes.
static void test_a_handler_finds_what_leaked(void **state)
{
    (void)state;
    logctx_t *a = make("A");
    struct event *leaks = event_new(base, -1, EV_PERSIST, leak, a);
    logctx_evhttp_set_cb(server, "/", handle, &seen);
    int line = __LINE__ - 1;
    ask("/");
    while (seen.handled == 0) {
        event_active(leaks, EV_READ, 1); // before all that is ready in this turn
        event_base_loop(base, EVLOOP_ONCE);
    }
    assert_ptr_equal(seen.handling, logctx_sentinel());
    assert_at(take_error(LOGCTX_ERROR_LEAKED_TO_LOOP)->found_by, line);
    logctx_set_current(logctx_sentinel());
    event_free(leaks);
    end(a);
}

static void test_misuse(void **state)
{
    (void)state;
    assert_int_equal(logctx_evhttp_set_cb(NULL, "/", handle, NULL), -2);
    assert_int_equal(logctx_evhttp_del_cb(NULL, "/"), -1);
    logctx_evhttp_set_gencb(NULL, handle, NULL);
    logctx_evhttp_free(NULL);
    logctx_evhttp_request_set_chunked_cb(NULL, chunk);
    logctx_evhttp_request_set_header_cb(NULL, head);
    logctx_evhttp_request_set_error_cb(NULL, fail_http);
    assert_int_equal(logctx_evhttp_make_request(connection, NULL, EVHTTP_REQ_GET, "/"), -1);
    logctx_evhttp_cancel_request(NULL);
    logctx_evhttp_request_free(NULL);
    logctx_evhttp_connection_set_closecb(NULL, on_close, NULL);
    logctx_evhttp_connection_free(NULL);
    for (int i = 0; i < 12; i++)
        take_error(LOGCTX_ERROR_INVALID_USE);
    struct evhttp_request *plain = evhttp_request_new(done, &seen);
    logctx_evhttp_request_set_error_cb(plain, fail_http);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_evhttp_request_free(plain); // passed on
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_request_and_reply),
        http_test(test_all_callbacks_of_a_request),
        http_test(test_a_request_that_fails),
        http_test(test_the_connection_is_freed_when_a_request_fails),
        http_test(test_cancelled_freed_and_forgotten),
        http_test(test_close),
        http_test(test_closed_by_the_other_side),
        http_test(test_over_after_the_request),
        http_test(test_a_close_that_never_comes),
        http_test(test_a_handler_that_leaves_its_context),
        http_test(test_a_handler_finds_what_leaked),
        http_test(test_misuse),
    };
    event_set_mem_functions(reuse_malloc, reuse_realloc, reuse_free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
