/*
 * test_uv_streams.c: streams and datagrams over loopback: who listens, connects, reads and writes is called back in its own
 * context, also when the other end is gone, the handle is closed under a request, or libuv refuses.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "uv_support.h"

#include <sys/socket.h>
#include <unistd.h>

static uv_tcp_t listener, server, client;
static uv_connect_t connecting;
static uv_write_t writing;
static uv_shutdown_t shutting;
static char buffer[64];
static struct sockaddr_in address;

static void allocate(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)handle;
    (void)size;
    say("alloc");
    *buf = uv_buf_init(buffer, sizeof buffer);
}

// ---- a whole conversation ----

static void on_client_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    (void)buf;
    say(count == UV_EOF ? "eof" : "answer");
    if (count != UV_EOF)
        return;
    logctx_uv_close((uv_handle_t *)stream, on_closed);
    logctx_uv_close((uv_handle_t *)&server, NULL);
    logctx_uv_close((uv_handle_t *)&listener, NULL);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    assert_ptr_equal(req->data, buffer);
    assert_int_equal(status, 0);
    say("shutdown");
}

static void on_written(uv_write_t *req, int status)
{
    assert_ptr_equal(req->data, buffer);
    assert_int_equal(status, 0);
    say("written");
}

static void on_server_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    assert_int_equal(count, 5);
    say("question");
    uv_buf_t answer = uv_buf_init(buf->base, 5);
    writing.data = shutting.data = buffer;
    in("answering");
    assert_int_equal(logctx_uv_write(&writing, stream, &answer, 1, on_written), 0);
    leave();
    assert_int_equal(logctx_uv_read_stop(stream), 0);
    in("ending");
    assert_int_equal(logctx_uv_shutdown(&shutting, stream, on_shutdown), 0);
    leave();
}

static void on_connection(uv_stream_t *stream, int status)
{
    assert_int_equal(status, 0);
    say("connection");
    uv_tcp_init(&loop, &server);
    assert_int_equal(uv_accept(stream, (uv_stream_t *)&server), 0);
    in("serving");
    assert_int_equal(logctx_uv_read_start((uv_stream_t *)&server, allocate, on_server_read), 0);
    leave();
}

static void on_connected(uv_connect_t *req, int status)
{
    assert_ptr_equal(req->data, buffer);
    assert_int_equal(status, 0);
    say("connected");
    uv_buf_t question = uv_buf_init(buffer, 5);
    assert_int_equal(uv_try_write(req->handle, &question, 1), 5);
    assert_int_equal(logctx_uv_read_start(req->handle, allocate, on_client_read), 0);
    assert_int_equal(logctx_uv_read_start(req->handle, allocate, on_client_read), UV_EALREADY);
}

static void listen_on_loopback(uv_connection_cb cb)
{
    int length = sizeof address;
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(&loop, &listener);
    assert_int_equal(uv_tcp_bind(&listener, (struct sockaddr *)&address, 0), 0);
    in("listening");
    assert_int_equal(logctx_uv_listen((uv_stream_t *)&listener, 8, cb), 0);
    leave();
    uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &length);
}

static void connect_to_it(uv_connect_cb cb)
{
    uv_tcp_init(&loop, &client);
    connecting.data = buffer;
    in("asking");
    assert_int_equal(logctx_uv_tcp_connect(&connecting, &client, (struct sockaddr *)&address, cb), 0);
    leave();
}

static int in_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// What was said, sorted: which end libuv serves first in a turn is the kernel's affair.
static void assert_said_in_any_order(const char *text);

static void test_conversation(void **state)
{
    (void)state;
    listen_on_loopback(on_connection);
    connect_to_it(on_connected);
    run();
    assert_said_in_any_order("alloc:asking alloc:asking alloc:serving answer:asking closed:asking connected:asking "
                             "connection:listening eof:asking question:serving shutdown:ending written:answering ");
}

// ---- with the other end gone, and closed under requests ----

static void on_refused(uv_connect_t *req, int status)
{
    assert_int_equal(status, UV_ECONNREFUSED);
    say("refused");
    assert_int_equal(live(), 1);
    logctx_uv_close((uv_handle_t *)req->handle, NULL);
}

static void test_refused(void **state)
{
    (void)state;
    listen_on_loopback(on_connection);
    logctx_uv_close((uv_handle_t *)&listener, NULL);
    run();
    connect_to_it(on_refused);
    run();
    assert_said("refused:asking ");
    assert_int_equal(live(), 0);
}

static void on_cancelled_write(uv_write_t *req, int status)
{
    (void)req;
    assert_int_equal(status, UV_ECANCELED);
    say("cancelled");
}

static void close_all_in(uv_stream_t *stream)
{
    in("closing");
    logctx_uv_close((uv_handle_t *)stream, on_closed);
    logctx_uv_close((uv_handle_t *)&server, NULL);
    logctx_uv_close((uv_handle_t *)&listener, NULL);
    leave();
}

// More than the kernel takes: it is pending when the handle is closed.
static void write_much(uv_connect_t *req, int status)
{
    assert_int_equal(status, 0);
    static char much[32 << 20];
    uv_buf_t buf = uv_buf_init(much, sizeof much);
    in("writing");
    assert_int_equal(logctx_uv_write(&writing, req->handle, &buf, 1, on_cancelled_write), 0);
    leave();
    close_all_in(req->handle);
}

static void accept_silently(uv_stream_t *stream, int status)
{
    assert_int_equal(status, 0);
    uv_accept(stream, (uv_stream_t *)&server);
}

static void test_closed_under_a_write(void **state)
{
    (void)state;
    listen_on_loopback(accept_silently);
    uv_tcp_init(&loop, &server);
    connect_to_it(write_much);
    run();
    assert_said("cancelled:writing closed:closing ");
    assert_int_equal(live(), 0);
}

// ---- what only tells that something is over, after its request ----

static void on_any_write(uv_write_t *req, int status)
{
    (void)req;
    assert_int_equal(status, 0);
    say("written");
}

static void on_any_shutdown(uv_shutdown_t *req, int status)
{
    (void)req;
    (void)status;
    say("shut");
}

static void on_any_send(uv_udp_send_t *req, int status)
{
    (void)req;
    (void)status;
    say("sent");
}

// An answer, the end of the connection, a datagram, in one request, which then ends, or is still under way.
static void answer_and_leave(void (*end)(void))
{
    uv_pipe_t pipe;
    uv_udp_t udp;
    uv_udp_send_t sending;
    struct sockaddr_in discard;
    int pair[2];
    uv_buf_t buf = uv_buf_init(buffer, 5);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    uv_ip4_addr("127.0.0.1", 9, &discard);
    uv_pipe_init(&loop, &pipe, 0);
    uv_pipe_open(&pipe, pair[0]);
    uv_udp_init(&loop, &udp);
    in("R");
    assert_int_equal(logctx_uv_write(&writing, (uv_stream_t *)&pipe, &buf, 1, on_any_write), 0);
    assert_int_equal(logctx_uv_shutdown(&shutting, (uv_stream_t *)&pipe, on_any_shutdown), 0);
    assert_int_equal(logctx_uv_udp_send(&sending, &udp, &buf, 1, (const struct sockaddr *)&discard, on_any_send), 0);
    end();
    run();
    in("R");
    logctx_uv_close((uv_handle_t *)&pipe, on_closed);
    end();
    logctx_uv_close((uv_handle_t *)&udp, NULL);
    run();
    close(pair[1]);
}

static void test_over_after_the_request(void **state)
{
    (void)state;
    answer_and_leave(leave);
    assert_said_in_any_order("closed:R sent:R shut:R written:R ");
    answer_and_leave(leave_finished);
    assert_said_in_any_order("closed:- sent:- shut:- written:- ");
    assert_int_equal(logctx_recorder_count(recorder), 4);
}

static void on_never_connected(uv_connect_t *req, int status)
{
    (void)req;
    say(status == UV_ECANCELED ? "cancelled" : "connected");
}

// A request that gives up closes its connection and ends; one that only ends has forgotten the connection.
static void test_connect_after_the_request(void **state)
{
    (void)state;
    listen_on_loopback(accept_silently);
    uv_tcp_init(&loop, &server);
    uv_tcp_init(&loop, &client);
    in("R");
    logctx_uv_tcp_connect(&connecting, &client, (struct sockaddr *)&address, on_never_connected);
    logctx_uv_close((uv_handle_t *)&client, NULL);
    leave_finished();
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_said("cancelled:- ");

    uv_tcp_t other;
    uv_connect_t forgotten;
    uv_tcp_init(&loop, &other);
    in("R");
    logctx_uv_tcp_connect(&forgotten, &other, (struct sockaddr *)&address, on_never_connected);
    int connects_at = __LINE__ - 1;
    leave_finished();
    while (logctx_unexpected_transition_errors() == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_at(take_error(LOGCTX_ERROR_RESTARTED_FINISHED)->found_by, connects_at);
    assert_said("connected:R ");
    uv_close((uv_handle_t *)&other, NULL);
    uv_close((uv_handle_t *)&server, NULL);
    uv_close((uv_handle_t *)&listener, NULL);
    run();
}

static void test_closed_with_a_reset(void **state)
{
    (void)state;
    uv_tcp_t tcp;
    uv_tcp_init_ex(&loop, &tcp, AF_INET);
    in("A");
    assert_int_equal(logctx_uv_tcp_close_reset(&tcp, on_closed), 0);
    leave();
    assert_int_equal(logctx_uv_tcp_close_reset(&tcp, on_closed), UV_EINVAL);
    take_misuse("close it once");
    run();
    assert_said("closed:A ");
}

// libuv refuses: nothing is kept.
static void test_errors(void **state)
{
    (void)state;
    uv_tcp_t tcp;
    uv_buf_t buf = uv_buf_init(buffer, 1);
    uv_tcp_init(&loop, &tcp);
    in("A");
    assert_int_equal(logctx_uv_write(&writing, (uv_stream_t *)&tcp, &buf, 1, on_written), UV_EBADF);
    assert_int_equal(logctx_uv_shutdown(&shutting, (uv_stream_t *)&tcp, on_shutdown), UV_ENOTCONN);
    assert_int_not_equal(logctx_uv_read_start((uv_stream_t *)&tcp, allocate, on_server_read), 0);
    assert_int_not_equal(logctx_uv_read_start((uv_stream_t *)&tcp, NULL, NULL), 0);
    leave();
    assert_int_equal(live(), 0);
    logctx_uv_close((uv_handle_t *)&tcp, NULL);
    run();
}

// ---- pipes, which may carry handles ----

static uv_pipe_t one, other;

static void on_sent(uv_write_t *req, int status)
{
    assert_ptr_equal(req, &writing);
    assert_int_equal(status, 0);
    say("sent");
    logctx_uv_close((uv_handle_t *)&client, NULL);
}

static void on_received(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    (void)buf;
    assert_int_equal(count, 1);
    assert_int_equal(uv_pipe_pending_count((uv_pipe_t *)stream), 1);
    say("received");
    logctx_uv_close((uv_handle_t *)&one, NULL);
    logctx_uv_close((uv_handle_t *)&other, NULL);
}

static void test_handle_over_a_pipe(void **state)
{
    (void)state;
    uv_os_sock_t ends[2];
    assert_int_equal(uv_socketpair(SOCK_STREAM, 0, ends, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE), 0);
    uv_pipe_init(&loop, &one, 1);
    uv_pipe_init(&loop, &other, 1);
    uv_pipe_open(&one, ends[0]);
    uv_pipe_open(&other, ends[1]);
    uv_tcp_init(&loop, &client);
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_bind(&client, (struct sockaddr *)&address, 0);
    uv_buf_t buf = uv_buf_init(buffer, 1);
    in("sending");
    assert_int_equal(logctx_uv_write2(&writing, (uv_stream_t *)&one, &buf, 1, (uv_stream_t *)&client, on_sent), 0);
    leave();
    in("receiving");
    assert_int_equal(logctx_uv_read_start((uv_stream_t *)&other, allocate, on_received), 0);
    leave();
    run();
    assert_said_in_any_order("alloc:receiving received:receiving sent:sending ");
}

static void on_pipe_connected(uv_connect_t *req, int status)
{
    assert_int_equal(status, UV_ENOENT);
    say("connected");
    logctx_uv_close((uv_handle_t *)req->handle, NULL);
}

static void test_pipe_connect(void **state)
{
    (void)state;
    uv_pipe_init(&loop, &one, 0);
    in("A");
    logctx_uv_pipe_connect(&connecting, &one, "/no/such/socket", on_pipe_connected);
    leave();
    assert_int_equal(live(), 1);
    run();
    assert_said("connected:A ");
}

// ---- datagrams ----

static uv_udp_t receiver, sender;
static uv_udp_send_t sending;

static void on_recv(uv_udp_t *handle, ssize_t count, const uv_buf_t *buf, const struct sockaddr *addr, unsigned flags)
{
    (void)buf;
    (void)flags;
    if (count == 0 && !addr)
        return; // nothing more to read
    assert_int_equal(count, 5);
    say("recv");
    assert_int_equal(logctx_uv_udp_recv_stop(handle), 0);
}

static void on_send(uv_udp_send_t *req, int status)
{
    assert_ptr_equal(req, &sending);
    assert_int_equal(status, 0);
    say("send");
}

static void test_datagrams(void **state)
{
    (void)state;
    int length = sizeof address;
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_udp_init(&loop, &receiver);
    uv_udp_init(&loop, &sender);
    assert_int_equal(uv_udp_bind(&receiver, (struct sockaddr *)&address, 0), 0);
    uv_udp_getsockname(&receiver, (struct sockaddr *)&address, &length);
    in("R");
    assert_int_equal(logctx_uv_udp_recv_start(&receiver, allocate, on_recv), 0);
    leave();
    in("S");
    uv_buf_t buf = uv_buf_init(buffer, 5);
    assert_int_equal(logctx_uv_udp_send(&sending, &sender, &buf, 1, (struct sockaddr *)&address, on_send), 0);
    leave();
    run();
    assert_said_in_any_order("alloc:R recv:R send:S ");
    assert_int_equal(live(), 0);
    in("R");
    logctx_uv_udp_recv_start(&receiver, allocate, on_recv);
    leave();
    logctx_uv_close((uv_handle_t *)&receiver, NULL);
    assert_int_equal(live(), 0);
    logctx_uv_close((uv_handle_t *)&sender, NULL);
    run();
}

// ---- misuse ----

static void test_null(void **state)
{
    (void)state;
    uv_buf_t buf = uv_buf_init(buffer, 1);
    assert_int_equal(logctx_uv_listen(NULL, 1, accept_silently), UV_EINVAL);
    take_misuse("logctx_uv_listen() got NULL");
    assert_int_equal(logctx_uv_read_start(NULL, allocate, on_received), UV_EINVAL);
    take_misuse("logctx_uv_read_start() got NULL");
    assert_int_equal(logctx_uv_read_stop(NULL), UV_EINVAL);
    take_misuse("logctx_uv_read_stop() got NULL");
    assert_int_equal(logctx_uv_write(&writing, NULL, &buf, 1, NULL), UV_EINVAL);
    take_misuse("logctx_uv_write() got NULL");
    assert_int_equal(logctx_uv_write2(NULL, NULL, &buf, 1, NULL, NULL), UV_EINVAL);
    take_misuse("logctx_uv_write2() got NULL");
    assert_int_equal(logctx_uv_shutdown(NULL, NULL, NULL), UV_EINVAL);
    take_misuse("logctx_uv_shutdown() got NULL");
    assert_int_equal(logctx_uv_tcp_connect(NULL, &client, NULL, NULL), UV_EINVAL);
    take_misuse("logctx_uv_tcp_connect() got NULL");
    logctx_uv_pipe_connect(NULL, NULL, NULL, NULL);
    take_misuse("logctx_uv_pipe_connect() got NULL");
    assert_int_equal(logctx_uv_udp_send(NULL, NULL, NULL, 0, NULL, NULL), UV_EINVAL);
    take_misuse("logctx_uv_udp_send() got NULL");
    assert_int_equal(logctx_uv_udp_recv_start(NULL, allocate, on_recv), UV_EINVAL);
    take_misuse("logctx_uv_udp_recv_start() got NULL");
    assert_int_equal(logctx_uv_udp_recv_stop(NULL), UV_EINVAL);
    take_misuse("logctx_uv_udp_recv_stop() got NULL");
}

static void assert_said_in_any_order(const char *text)
{
    char copy[1024], sorted[1024] = "", *words[32], *next = NULL;
    size_t count = 0;
    take_said(copy, sizeof copy);
    for (char *word = strtok_r(copy, " ", &next); word && count < COUNT(words); word = strtok_r(NULL, " ", &next))
        words[count++] = word;
    qsort(words, count, sizeof *words, in_order);
    for (size_t i = 0; i < count; i++) {
        strcat(sorted, words[i]);
        strcat(sorted, " ");
    }
    assert_string_equal(sorted, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        uv_test(test_conversation),
        uv_test(test_refused),
        uv_test(test_closed_under_a_write),
        uv_test(test_closed_with_a_reset),
        uv_test(test_errors),
        uv_test(test_handle_over_a_pipe),
        uv_test(test_pipe_connect),
        uv_test(test_datagrams),
        uv_test(test_null),
        uv_test(test_over_after_the_request),
        uv_test(test_connect_after_the_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
