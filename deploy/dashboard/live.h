/*
 * live.h: server-sent events: each second what /now answers, and news of contexts, losses and alerts. One thread makes
 * the events, once for all clients that look at the same; the server's thread sends them. A client that does not take
 * them is dropped.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_LIVE_H
#define DASHBOARD_LIVE_H

#include <microhttpd.h>

#include "params.h"
#include "view.h"

enum { LIVE_CLIENTS_MAX = 16, LIVE_PENDING_MAX = 512 << 10 };

struct live;

/* `settings` and `path` have to stay. NULL: no memory or no thread. */
struct live *live_start(const struct view_settings *settings, const char *path);

/* A response that goes on for as long as the client takes it; on the server's thread. NULL: there are too many clients, or no
 * memory. */
struct MHD_Response *live_response(struct live *live, struct MHD_Connection *connection, const struct params *params);

/* Ends all responses, and every one that is asked for afterwards. */
void live_end(struct live *live);

/* Ends the thread; then, when the server has none of its responses any more, the rest. */
void live_stop(struct live *live);
void live_free(struct live *live);

#endif
