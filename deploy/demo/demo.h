// SPDX-License-Identifier: Apache-2.0
/*
 * logctx-demo: a small server that shows where logging contexts begin, rest, go on and end. Read rooms.c first, then
 * http.c, then main.c. Everything belongs to the loop's thread, except for what a comment gives to another.
 */
#ifndef DEMO_H
#define DEMO_H

#include <logctx/logctx.h>
#include <logctx/otlp.h>
#include <uv.h>

typedef struct request request_t;
typedef void handler_t(request_t *request);

// What the server can do: the name of the kind, and what fnmatch() looks for. A NULL ends the table.
typedef struct route {
    const char *name, *pattern;
    handler_t *handle;
    logctx_kind_t *kind; // looked up once, by http_listen()
} route_t;

struct request {
    logctx_t *ctx;        // from the complete request until its answer is out; NULL at other times
    logctx_kind_t *kind;  // the route's, or the method where there is no route
    const route_t *route; // NULL: there is none
    const char *method, *path;
    uint64_t began;         // uv_hrtime()
    logctx_attr_t attrs[6]; // what its span and its duration say alike; the texts are literals
    size_t attr_count, body_length;
    int status;
    char body[1025], answer[4096]; // what came, with a zero behind it; a text that the handler makes
    handler_t *sent;               // called when the answer is out, in ctx, just before ctx ends; or NULL
    uv_work_t work;                // for a handler that needs a worker thread
    request_t *next;               // for a handler that keeps several
};

// http.c: the protocol. Returns the port, or libuv's negative error. Without a text the answer is the status's name.
int http_listen(uv_loop_t *loop, const char *address, int port);
void http_answer(request_t *request, int status, const char *text);
void http_stop(void);

// rooms.c: the service.
extern route_t routes[];
bool rooms_open(uv_loop_t *loop, const char *path);
void rooms_close(void);

// main.c: the demo's own account, to hold beside the library's, and http.server.request.duration.
extern struct account {
    uint64_t connections, worker_jobs, background_runs, startups, shutdowns, transactions, rows;
    uint64_t bugs_lost, bugs_leaked, bugs_restarted;
} account;
void account_request(const request_t *request);
logctx_t *new_background(const char *kind);

#endif
