/*
 * account.h: the demo's own account of what it does, to hold beside the library's: counts, and the application's own metric,
 * http.server.request.duration.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DEMO_ACCOUNT_H
#define DEMO_ACCOUNT_H

#include <logctx/logctx.h>
#include <logctx/otlp.h>

// Written by the loop's thread.
struct account {
    uint64_t connections, requests_total, cancelled, worker_jobs, queries, ranked, backgrounds, background_runs,
        startups, shutdowns;
    uint64_t transactions, rows, bugs_lost, bugs_leaked, bugs_restarted;
};
extern struct account account;

// Work that is nobody's request has a root context of its own; without a name it is called after its kind, with a number.
// Counted here. On the loop's thread.
logctx_t *new_background(const char *kind, const char *name);

// A request ends: its duration goes to the metric, in the series of its kind and status. `shared` are the attributes of
// that series; their texts are literals. On the loop's thread.
enum { SHARED = 5 };
void account_request(logctx_kind_t *kind, int status, double seconds, const logctx_attr_t shared[SHARED]);

// All of it as JSON, with what the library says of itself. When nothing else runs any more.
bool account_write(const char *path, const logctx_otlp_books_t *sent);

#endif
