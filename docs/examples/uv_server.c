// SPDX-License-Identifier: Apache-2.0
// A TCP server on libuv: what a client sends is a request, and is sent back a moment later. Each request has one context,
// through a timer and a write. The program is its own client, once, and ends. One thread.
#include <logctx/collect.h>
#include <logctx/logctx.h>
#include <logctx/uv.h>
#include <stdlib.h>
#include <string.h>

struct connection {
    uv_timer_t timer; // first, so that its address is the connection's
    uv_tcp_t tcp;
    uv_write_t write;
    logctx_t *ctx; // of the request that is under way
    uv_buf_t answer;
    char text[256];
};

static uv_loop_t loop;
static uv_tcp_t listener;
static struct connection client = {.tcp.data = &client};
static void wait_for_request(struct connection *c);

// In the request's context, which asked for the write. Its end puts back the sentinel.
static void on_written(uv_write_t *write, int status)
{
    struct connection *c = write->data;
    logctx_exit(c->ctx);
    logctx_unref(c->ctx);
    wait_for_request(c);
}

// In the request's context, which started the timer. Afterwards the loop has the sentinel again.
static void on_moment_later(uv_timer_t *timer)
{
    struct connection *c = timer->data;
    logctx_uv_write(&c->write, (uv_stream_t *)&c->tcp, &c->answer, 1, on_written);
}

static void close_timer(uv_handle_t *tcp)
{
    struct connection *c = tcp->data;
    logctx_uv_close((uv_handle_t *)&c->timer, (uv_close_cb)free);
}

// In the sentinel, which waits for requests: a request begins here.
static void on_request(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct connection *c = stream->data;
    logctx_uv_read_stop(stream); // one at a time
    if (count < 0) {
        logctx_uv_close((uv_handle_t *)stream, close_timer);
        return;
    }
    c->answer = uv_buf_init(buffer->base, (unsigned)count);
    c->ctx = logctx_new(logctx_kind("ECHO"), NULL);
    logctx_enter(c->ctx);
    logctx_uv_timer_start(&c->timer, on_moment_later, 1, 0);
    logctx_set_current(logctx_sentinel()); // the answer is pending, and we return to the loop
}

static void allocate(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    *buffer = uv_buf_init(((struct connection *)handle->data)->text, sizeof client.text);
}

static void wait_for_request(struct connection *c)
{
    logctx_uv_read_start((uv_stream_t *)&c->tcp, allocate, on_request);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct connection *c = status ? NULL : calloc(1, sizeof *c);
    if (!c)
        return;
    c->tcp.data = c->write.data = c->timer.data = c;
    uv_tcp_init(&loop, &c->tcp);
    uv_timer_init(&loop, &c->timer);
    if (!uv_accept(stream, (uv_stream_t *)&c->tcp))
        wait_for_request(c);
}

static void on_answer(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    logctx_uv_close((uv_handle_t *)stream, NULL);
    logctx_uv_close((uv_handle_t *)&listener, NULL);
}

static void on_connected(uv_connect_t *request, int status)
{
    uv_buf_t hello = uv_buf_init("hello", 5);
    if (status || uv_try_write(request->handle, &hello, 1) != 5)
        exit(1);
    logctx_uv_read_start(request->handle, allocate, on_answer);
}

int main(void)
{
    uv_connect_t connecting;
    struct sockaddr_in address;
    int length = sizeof address;
    uv_loop_init(&loop);
    logctx_uv_t *attached = logctx_uv_attach(&loop, "server"); // before any handle is started
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(&loop, &listener);
    uv_tcp_init(&loop, &client.tcp);
    if (uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) ||
        logctx_uv_listen((uv_stream_t *)&listener, 128, on_connection) ||
        uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &length) ||
        logctx_uv_tcp_connect(&connecting, &client.tcp, (struct sockaddr *)&address, on_connected))
        return 1;
    uv_run(&loop, UV_RUN_DEFAULT);
    logctx_uv_detach(attached);
    uv_run(&loop, UV_RUN_DEFAULT); // closes the handles of the library
    logctx_books_t books;
    logctx_get_books(&books);
    return uv_loop_close(&loop) == 0 && books.ended == 1 && strcmp(client.text, "hello") == 0 ? 0 : 1;
}
