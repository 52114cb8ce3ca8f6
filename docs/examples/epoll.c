// SPDX-License-Identifier: Apache-2.0
// A server on plain epoll, and its clients: each connection is a request, answered when its timer is due. One thread.
#include "check.h"
#include <logctx/recorder.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { CLIENTS = 3 };
static int loop, served;

struct connection {
    logctx_t *ctx;
    int fd, timer;
    logctx_bound_t *readable, *due;
    char text[64];
};

static logctx_bound_t *watch(int fd, logctx_bound_fn_t *fn, void *user)
{
    logctx_bound_t *bound = logctx_bind(fn, user); // keeps the context that is current now
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = bound};
    return epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) ? NULL : bound;
}

static void end_request(struct connection *c) // called in its context
{
    logctx_bound_free(c->readable);
    logctx_bound_free(c->due);
    close(c->fd);
    close(c->timer);
    end(c->ctx); // and the sentinel is current, in which it was made
    free(c);
    served++;
}

static void on_due(void *user)
{
    struct connection *c = user;
    send(c->fd, c->text, strlen(c->text), MSG_NOSIGNAL);
    end_request(c);
}

static void on_readable(void *user) // its context may stay current: logctx_bound_call() puts the sentinel back
{
    struct connection *c = user;
    struct itimerspec soon = {.it_value = {.tv_nsec = 1000000}};
    if (recv(c->fd, c->text, sizeof c->text - 1, 0) <= 0 || timerfd_settime(c->timer, 0, &soon, NULL))
        end_request(c); // the client has left
}

static void on_client(void *listener) // in the sentinel
{
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        return;
    *c = (struct connection){.fd = accept(*(int *)listener, NULL, NULL), .timer = timerfd_create(CLOCK_MONOTONIC, 0)};
    logctx_enter(c->ctx = logctx_new(logctx_kind("echo"), NULL));
    c->readable = watch(c->fd, on_readable, c); // these two will run in the new context
    c->due = watch(c->timer, on_due, c);
    logctx_set_current(logctx_sentinel()); // made here, so left here: the connection waits
}

static void run_loop(void)
{
    while (served < CLIENTS) {
        struct epoll_event event; // one at a time, since a callback may free the next one's
        logctx_poll_begin();      // the sentinel has to be current here
        int ready = epoll_wait(loop, &event, 1, -1);
        logctx_poll_end();
        if (ready == 1)
            logctx_bound_call(event.data.ptr); // the loop needs no other code for contexts
    }
}

int main(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *address = (struct sockaddr *)&here;
    socklen_t size = sizeof here;
    int listener = socket(AF_INET, SOCK_STREAM, 0), clients[CLIENTS];
    char text[8] = "";
    logctx_recorder_t *spans = logctx_recorder_new(CLIENTS);
    loop = epoll_create1(0);
    CHECK(!bind(listener, address, size) && !getsockname(listener, address, &size) && !listen(listener, CLIENTS));
    logctx_bound_t *accepting = watch(listener, on_client, &listener);
    for (int i = 0; i < CLIENTS; i++) // the kernel keeps what they send until the server accepts
        CHECK((clients[i] = socket(AF_INET, SOCK_STREAM, 0)) >= 0 && !connect(clients[i], address, size) &&
              send(clients[i], "ping", 4, 0) == 4);
    run_loop();
    for (int i = 0; i < CLIENTS; i++)
        CHECK(recv(clients[i], text, sizeof text, 0) > 0 && strcmp(text, "ping") == 0 && !close(clients[i]));
    CHECK(logctx_recorder_count(spans) == CLIENTS && all_errors() == 0); // a span for each connection
    logctx_recorder_free(spans);
    logctx_bound_free(accepting);
    return failures > 0;
}
