/*
 * server.c: one thread, poll(2), at most 64 connections at a time. The lock guards the list of requests, which the
 * test's thread reads; connections are the server thread's alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "server.h"

#include <arpa/inet.h>
#include <libdeflate.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 64, MAX_REQUESTS = 4096, MAX_INFLATED = 64 << 20 };

struct connection {
    int fd;
    int number;
    char *data;
    size_t length;
    size_t capacity;
};

struct server {
    server_answer_t *answer;
    void *user;
    int listener;
    int stop_fd;
    int port;
    char url[64];
    bool listening;
    pthread_t thread;
    struct connection connections[MAX_CONNECTIONS];
    int connection_count; // at the moment

    pthread_mutex_t lock;
    pthread_cond_t changed;
    int accepted;                                  // under the lock
    int request_count;                             // under the lock
    struct server_request *requests[MAX_REQUESTS]; // under the lock; what they point to does not change
};

static void must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(2);
    }
}

struct server *server_new(server_answer_t *answer, void *user)
{
    struct server *server = calloc(1, sizeof *server);
    must(server != NULL, "calloc");
    server->answer = answer;
    server->user = user;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    must(bind(server->listener, (struct sockaddr *)&address, size) == 0, "bind");
    must(getsockname(server->listener, (struct sockaddr *)&address, &size) == 0, "getsockname");
    server->port = ntohs(address.sin_port);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d", server->port);
    server->stop_fd = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    return server;
}

static void close_connection(struct server *server, int i)
{
    close(server->connections[i].fd);
    free(server->connections[i].data);
    server->connections[i] = server->connections[--server->connection_count];
}

static void accept_one(struct server *server)
{
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    must(server->connection_count < MAX_CONNECTIONS, "too many connections");
    pthread_mutex_lock(&server->lock);
    int number = server->accepted++;
    pthread_mutex_unlock(&server->lock);
    server->connections[server->connection_count++] = (struct connection){.fd = fd, .number = number};
}

static void inflate(struct server_request *request, const void *bytes, size_t length)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    request->body = malloc(MAX_INFLATED);
    must(libdeflate_gzip_decompress(d, bytes, length, request->body, MAX_INFLATED - 1, &request->length) ==
             LIBDEFLATE_SUCCESS,
         "the body is not gzip");
    libdeflate_free_decompressor(d);
    request->body = realloc(request->body, request->length + 1);
    request->body[request->length] = 0;
}

static struct server_request *make_request(struct connection *connection, size_t head, size_t length)
{
    struct server_request *request = calloc(1, sizeof *request);
    request->head = strndup(connection->data, head);
    request->connection = connection->number;
    const char *encoding = server_header(request, "Content-Encoding");
    request->gzip = encoding != NULL && strcmp(encoding, "gzip") == 0;
    if (request->gzip) {
        inflate(request, connection->data + head, length);
    } else {
        request->body = calloc(1, length + 1);
        memcpy(request->body, connection->data + head, length);
        request->length = length;
    }
    return request;
}

static int keep_request(struct server *server, struct server_request *request)
{
    pthread_mutex_lock(&server->lock);
    must(server->request_count < MAX_REQUESTS, "too many requests");
    int index = server->request_count;
    server->requests[server->request_count++] = request;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    return index;
}

static void send_all(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t n = send(fd, at, length, MSG_NOSIGNAL);
        if (n <= 0) {
            return;
        }
        at += n;
        length -= (size_t)n;
    }
}

// False if the connection is to be closed.
static bool reply_to(struct server *server, int fd, int index, const struct server_request *request)
{
    struct server_reply reply = {.action = SERVER_REPLY, .status = 200, .headers = "", .body = ""};
    server->answer(server->user, index, request, &reply);
    if (reply.action == SERVER_REPLY) {
        char head[4096];
        int n = snprintf(head, sizeof head, "HTTP/1.1 %d Test\r\nContent-Length: %zu\r\n%s\r\n", reply.status,
                         reply.length, reply.headers);
        send_all(fd, head, (size_t)n);
        send_all(fd, reply.body, reply.length);
    } else if (reply.action == SERVER_RAW) {
        send_all(fd, reply.body, reply.length);
    }
    return reply.action == SERVER_REPLY || reply.action == SERVER_HANG;
}

// Serves what is complete. False if the connection is to be closed.
static bool serve(struct server *server, struct connection *connection)
{
    const char *end = connection->data != NULL ? strstr(connection->data, "\r\n\r\n") : NULL;
    if (end == NULL) {
        return true;
    }
    size_t head = (size_t)(end - connection->data) + 4;
    struct server_request probe = {.head = strndup(connection->data, head)};
    const char *value = server_header(&probe, "Content-Length");
    size_t length = value != NULL ? strtoul(value, NULL, 10) : 0;
    free(probe.head);
    if (connection->length < head + length) {
        return true;
    }
    struct server_request *request = make_request(connection, head, length);
    connection->length -= head + length;
    memmove(connection->data, connection->data + head + length, connection->length + 1);
    int index = keep_request(server, request);
    return reply_to(server, connection->fd, index, request);
}

static bool receive(struct connection *connection)
{
    if (connection->capacity - connection->length < 65536) {
        connection->capacity = connection->capacity * 2 + 131072;
        connection->data = realloc(connection->data, connection->capacity);
    }
    ssize_t n = recv(connection->fd, connection->data + connection->length, 65535, 0);
    if (n <= 0) {
        return false;
    }
    connection->length += (size_t)n;
    connection->data[connection->length] = '\0';
    return true;
}

static void *run(void *argument)
{
    struct server *server = argument;
    for (;;) {
        struct pollfd fds[MAX_CONNECTIONS + 2] = {{.fd = server->stop_fd, .events = POLLIN},
                                                  {.fd = server->listener, .events = POLLIN}};
        int count = server->connection_count;
        for (int i = 0; i < count; i++) {
            fds[i + 2] = (struct pollfd){.fd = server->connections[i].fd, .events = POLLIN};
        }
        poll(fds, (nfds_t)count + 2, -1);
        if (fds[0].revents != 0) {
            return NULL;
        }
        for (int i = count - 1; i >= 0; i--) {
            struct connection *connection = &server->connections[i];
            if (fds[i + 2].revents != 0 && (!receive(connection) || !serve(server, connection))) {
                close_connection(server, i);
            }
        }
        if (fds[1].revents != 0) {
            accept_one(server);
        }
    }
}

void server_listen(struct server *server)
{
    must(listen(server->listener, 64) == 0, "listen");
    must(pthread_create(&server->thread, NULL, run, server) == 0, "pthread_create");
    server->listening = true;
}

void server_free(struct server *server)
{
    if (server->listening) {
        uint64_t one = 1;
        must(write(server->stop_fd, &one, sizeof one) == sizeof one, "write");
        pthread_join(server->thread, NULL);
    }
    while (server->connection_count > 0) {
        close_connection(server, 0);
    }
    for (int i = 0; i < server->request_count; i++) {
        free(server->requests[i]->head);
        free(server->requests[i]->body);
        free(server->requests[i]);
    }
    close(server->listener);
    close(server->stop_fd);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->changed);
    free(server);
}

int server_port(const struct server *server)
{
    return server->port;
}

const char *server_url(const struct server *server)
{
    return server->url;
}

int server_count(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    int count = server->request_count;
    pthread_mutex_unlock(&server->lock);
    return count;
}

int server_connections(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    int count = server->accepted;
    pthread_mutex_unlock(&server->lock);
    return count;
}

void server_wait(struct server *server, int count)
{
    pthread_mutex_lock(&server->lock);
    while (server->request_count < count) {
        pthread_cond_wait(&server->changed, &server->lock);
    }
    pthread_mutex_unlock(&server->lock);
}

const struct server_request *server_request_at(struct server *server, int index)
{
    pthread_mutex_lock(&server->lock);
    const struct server_request *request = index < server->request_count ? server->requests[index] : NULL;
    pthread_mutex_unlock(&server->lock);
    return request;
}

const char *server_header(const struct server_request *request, const char *name)
{
    static _Thread_local char value[4096];
    size_t length = strlen(name);
    for (const char *line = strstr(request->head, "\r\n"); line != NULL && line[2] != '\r';
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, length) == 0 && line[2 + length] == ':') {
            const char *from = line + 3 + length;
            from += strspn(from, " ");
            snprintf(value, sizeof value, "%.*s", (int)strcspn(from, "\r"), from);
            return value;
        }
    }
    return NULL;
}
