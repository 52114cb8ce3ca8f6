/*
 * server.h: the HTTP side: routes, checks, and answers. One thread of libmicrohttpd's serves all connections; it only
 * collects bodies, and a request that waits for the writer is suspended meanwhile.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_SERVER_H
#define DASHBOARD_SERVER_H

#include <stddef.h>

#include "access.h"
#include "address.h"
#include "writer.h"

struct server;

struct server_options {
    struct address address;         /* port 0: any free one */
    const char *const *extra_hosts; /* names that the Host header may have besides */
    size_t extra_host_count;
    size_t max_body;   /* of one request, in bytes, before and after inflating */
    size_t max_bodies; /* of all of them together */
    struct access access;
    const char *db_path;        /* that readers open */
    struct store_limits limits; /* as answers tell them */
};

/* Everything pointed to has to stay until server_stop. NULL: `why` says why. */
struct server *server_start(const struct server_options *options, struct writer *writer, char *why, size_t why_size);

/* Where it listens, with the port it got. */
const struct address *server_address(const struct server *server);

/*
 * The end, in this order: server_quiesce takes no new connections or requests and waits (at most `grace_s` seconds)
 * until those under way are answered; then writer_stop; then server_stop; then writer_free.
 */
void server_quiesce(struct server *server, int grace_s);
void server_stop(struct server *server);

#endif
