/*
 * server_internal.h: the server as its files see it: connections, routes and ingestion (server.c), what is read
 * (server_page.c). A request belongs to libmicrohttpd's thread, except while it is suspended: then it is the writer's or a
 * reader's. `lock` guards `active` and `stopping`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_SERVER_INTERNAL_H
#define DASHBOARD_SERVER_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include <microhttpd.h>

#include "body.h"
#include "live.h"
#include "page.h"
#include "readers.h"
#include "server.h"

struct server {
    struct server_options options;
    struct writer *writer;
    struct readers *readers;
    struct live *live;
    struct view_settings settings;
    struct MHD_Daemon *daemon;
    struct address address;
    int listener; // ours to close; -1 while it is the daemon's
    struct memory memory;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    int active;
    bool stopping;
};

struct request {
    struct server *server;
    struct MHD_Connection *connection;
    time_t started;
    char *query; // of the URL as it came; NULL: none
    enum signal_kind signal;
    enum encoding encoding;
    struct outcome outcome; // once its status is not 0 the answer is known, and what still comes is thrown away
    const char *allow;
    const char *text; // answered instead of an outcome's sentence; "": what this program is
    const char *location;
    bool set_cookie;
    bool live;
    const struct asset *asset; // answered likewise
    bool json;                 // an error is answered as JSON
    struct body body;
    size_t drained;
    struct job job;
    struct reading reading; // `view` not NULL: it is one
    bool seen_headers;
    bool submitted;
};

/* For both files: a header of the request, or NULL; the request's answer from now on. */
const char *server__header(const struct request *request, const char *name);
void server__refuse(struct request *request, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool server__is_stopping(struct server *server);

unsigned server__port(const struct server *server);

/* Whether the method reads; else the request is refused. */
bool server__reads(struct request *request, const char *method);

/* Whether who asks may: the headers of the browser, and the token. Else the request is refused. */
bool server__admits(struct request *request, const char *url, const char *method);

/* Everything that is read. False: there is nothing at this path. */
bool server__route_page(struct request *request, const char *url, const char *method);

/* Hands the request to the readers; it is suspended until they are done, and then resumed. */
void server__submit_reading(struct request *request);

/* A response with what all responses carry; NULL without memory. Takes `bytes` (from malloc). */
struct MHD_Response *server__response(const struct request *request, char *bytes, size_t length, const char *type);

/* The response of a request that server__route_page took and that has a status. NULL without memory. */
struct MHD_Response *server__page_response(struct request *request);

#endif
