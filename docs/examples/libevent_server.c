// SPDX-License-Identifier: Apache-2.0
// A server on libevent, and a client that asks it: a context for each connection, and a timer that runs in it. One thread.
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <logctx/collect.h>
#include <logctx/libevent.h>
#include <stdlib.h>
#include <string.h>

static logctx_kind_t *connection_kind;
static bool answered;

struct connection {
    logctx_t *ctx;
    struct bufferevent *stream;
    struct event *timer;
};

// In the connection's context, as all of its callbacks. The sentinel has to be current when the context is finished.
static void close_connection(struct connection *connection)
{
    logctx_set_current(logctx_sentinel());
    logctx_event_free(connection->timer);
    logctx_bufferevent_free(connection->stream);
    logctx_finish(connection->ctx);
    logctx_unref(connection->ctx);
    free(connection);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct connection *connection = arg;
    bufferevent_write(connection->stream, "pong\n", 5);
}

static void on_line(struct bufferevent *stream, void *arg)
{
    struct connection *connection = arg;
    char *line = evbuffer_readln(bufferevent_get_input(stream), NULL, EVBUFFER_EOL_LF);
    if (line)
        logctx_evtimer_add(connection->timer, &(struct timeval){0, 10000});
    free(line);
}

static void on_end(struct bufferevent *stream, short what, void *arg)
{
    (void)stream;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        close_connection(arg);
}

// In the sentinel, since the listener was made in it. What is armed while the connection's context is current runs in it.
static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int length,
                      void *arg)
{
    (void)address;
    (void)length;
    (void)arg;
    struct event_base *base = evconnlistener_get_base(listener);
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection) {
        evutil_closesocket(fd);
        return;
    }
    connection->ctx = logctx_new(connection_kind, NULL);
    LOGCTX_PRESERVE(connection->ctx);
    connection->timer = logctx_evtimer_new(base, on_timer, connection);
    connection->stream = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    logctx_bufferevent_setcb(connection->stream, on_line, NULL, on_end, connection);
    bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
}

static void on_answer(struct bufferevent *stream, void *arg)
{
    (void)arg;
    answered = true;
    logctx_bufferevent_free(stream); // the server sees the end of the connection
}

// No further turn, once the connection's context is finished.
static void on_check(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    logctx_books_t books;
    logctx_get_books(&books);
    if (answered && books.live == 0)
        logctx_event_base_loopbreak(arg);
}

int main(void)
{
    struct event_base *base = event_base_new();
    connection_kind = logctx_kind("ping");
    logctx_libevent_attach(base, "server");

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct evconnlistener *listener = logctx_evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE, -1,
                                                                     (struct sockaddr *)&address, sizeof address);
    getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &length);
    struct bufferevent *client = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    logctx_bufferevent_setcb(client, on_answer, NULL, NULL, NULL);
    bufferevent_enable(client, EV_READ);
    bufferevent_socket_connect(client, (struct sockaddr *)&address, sizeof address);
    bufferevent_write(client, "ping\n", 5);
    struct event *check = logctx_event_new(base, -1, EV_PERSIST, on_check, base);
    logctx_event_add(check, &(struct timeval){0, 5000});

    logctx_event_base_dispatch(base);

    logctx_event_free(check);
    logctx_evconnlistener_free(listener);
    logctx_event_base_free(base);
    return answered && logctx_error_count(LOGCTX_ERROR_LEAKED_TO_LOOP) == 0 ? 0 : 1;
}
