/*
 * server.h: an HTTP/1.1 server for tests, on loopback, in a thread of its own. A function of the test says what each
 * request is answered with; all requests are kept.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_SERVER_H
#define LOGCTX_TESTS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum server_action {
    SERVER_REPLY,
    SERVER_HANG,  // never answer
    SERVER_CLOSE, // close the connection without an answer
    SERVER_RAW    // send `body` as it is and close
};

struct server_reply {
    enum server_action action;
    int status;
    const char *headers; // lines that end in CRLF, or ""
    const void *body;
    size_t length;
};

// As it arrived; the body inflated if it was compressed. Zero-terminated.
struct server_request {
    char *head;
    uint8_t *body;
    size_t length;
    bool gzip;
    int connection; // which connection of the server it came over, from 0
};

struct server;

// `answer` fills *reply, preset to 200 without a body. Runs on the server's thread; `index` counts requests from 0.
typedef void server_answer_t(void *user, int index, const struct server_request *request, struct server_reply *reply);

// Bound to a free port, and refusing connections until server_listen().
struct server *server_new(server_answer_t *answer, void *user);
void server_listen(struct server *server);
void server_free(struct server *server);

int server_port(const struct server *server);
const char *server_url(const struct server *server);
int server_count(struct server *server);
int server_connections(struct server *server);
// Blocks until there have been `count` requests.
void server_wait(struct server *server, int count);
// A request that has arrived; lives as long as the server.
const struct server_request *server_request_at(struct server *server, int index);
// The value of a header of that request, in a static buffer; NULL if it has none.
const char *server_header(const struct server_request *request, const char *name);

#endif
