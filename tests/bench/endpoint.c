// An endpoint that does no more than HTTP asks of it: it reads requests to their end and answers 200 with an empty body,
// which is an empty OTLP response. A process of its own, so that its CPU time is not ours. One at a time.
//
// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONNECTIONS = 64, HEAD_MAX = 16384 };

struct counts {
    uint64_t requests, bytes;
};

static pid_t child;
static struct counts *counts;

struct connection {
    int fd;
    size_t length; // of the head so far
    size_t body;   // bytes that are still to come, of the body or of this chunk with its end
    bool chunked;  // the body comes in chunks
    size_t digits; // of the next chunk's size, so far, and what they say
    size_t size;
    char head[HEAD_MAX + 1];
};

static bool answer(const struct connection *at)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
    counts->requests++;
    return send(at->fd, text, sizeof text - 1, MSG_NOSIGNAL) == (ssize_t)sizeof text - 1;
}

static bool is_busy(const struct connection *at)
{
    return at->body > 0 || at->chunked;
}

// One character of a chunk's size line. The last chunk is empty, and has no trailers here.
static void read_size(struct connection *at, char c)
{
    if (c == '\r')
        return;
    if (c != '\n') {
        at->size = at->size * 16 + (size_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
        at->digits++;
        return;
    }
    at->body = at->size + 2;
    at->chunked = at->size > 0;
    at->size = at->digits = 0;
}

// Takes what has come; false: the connection is over.
static bool take(struct connection *at, const char *bytes, size_t length)
{
    counts->bytes += length;
    for (size_t i = 0; i < length;) {
        if (at->body == 0 && at->chunked) {
            read_size(at, bytes[i++]);
            continue;
        }
        size_t here = at->body < length - i ? at->body : length - i;
        if (here == 0)
            return false; // no pipelining
        at->body -= here;
        i += here;
    }
    return is_busy(at) || answer(at);
}

static bool read_body(struct connection *at)
{
    static char drain[1 << 18];
    ssize_t got = recv(at->fd, drain, sizeof drain, MSG_DONTWAIT);
    return got > 0 ? take(at, drain, (size_t)got) : got < 0;
}

static bool read_head(struct connection *at)
{
    ssize_t got = recv(at->fd, at->head + at->length, HEAD_MAX - at->length, MSG_DONTWAIT);
    if (got <= 0)
        return got < 0;
    at->length += (size_t)got;
    at->head[at->length] = '\0';
    char *end = strstr(at->head, "\r\n\r\n");
    if (!end)
        return at->length < HEAD_MAX;
    const char *rest = end + 4;
    size_t here = at->length - (size_t)(rest - at->head);
    *end = '\0';
    const char *length = strcasestr(at->head, "\r\nContent-Length:");
    at->chunked = strcasestr(at->head, "\r\nTransfer-Encoding: chunked") != NULL;
    if ((!length && !at->chunked) || strcasestr(at->head, "\r\nExpect:"))
        return false;
    at->body = at->chunked ? 0 : strtoul(length + 17, NULL, 10);
    at->length = 0;
    return here == 0 && is_busy(at) ? true : take(at, rest, here);
}

static void serve(int listener)
{
    static struct connection all[CONNECTIONS];
    struct pollfd polled[CONNECTIONS + 1] = {{.fd = listener, .events = POLLIN}};
    nfds_t count = 0;
    for (;;) {
        for (nfds_t i = 0; i < count; i++)
            polled[i + 1] = (struct pollfd){.fd = all[i].fd, .events = POLLIN};
        if (poll(polled, count + 1, -1) < 0)
            _exit(1);
        for (nfds_t i = count; i > 0; i--) {
            struct connection *at = &all[i - 1];
            if (!(polled[i].revents) || (is_busy(at) ? read_body(at) : read_head(at)))
                continue;
            close(at->fd);
            *at = all[--count];
        }
        int fd = polled[0].revents & POLLIN ? accept(listener, NULL, NULL) : -1;
        if (fd >= 0 && count < CONNECTIONS) {
            all[count] = (struct connection){.fd = fd};
            count++;
        } else if (fd >= 0) {
            close(fd);
        }
    }
}

static int listen_anywhere(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, 16) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &size) == 0) {
        *port = ntohs(address.sin_port);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

uint16_t bench_endpoint_start(void)
{
    uint16_t port = 0;
    int listener = listen_anywhere(&port);
    if (!counts)
        counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (listener < 0 || counts == MAP_FAILED) {
        fputs("logctx-bench: no endpoint could be started.\n", stderr);
        exit(1);
    }
    *counts = (struct counts){0, 0};
    child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(listener);
    }
    close(listener);
    return child > 0 ? port : 0;
}

void bench_endpoint_stop(uint64_t *requests, uint64_t *bytes)
{
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    child = 0;
    if (requests)
        *requests = counts->requests;
    if (bytes)
        *bytes = counts->bytes;
}
