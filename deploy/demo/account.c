// SPDX-License-Identifier: Apache-2.0
// The demo's account. The loop's thread writes it, and reads it when nothing else runs any more.
#include "account.h"

#include <inttypes.h>
#include <logctx/metrics.h>
#include <stdio.h>

enum { SERIES_MAX = 256, BOUNDS = 14 };
static const double bounds[BOUNDS] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10};

static struct series {
    logctx_kind_t *kind;
    int status;
    logctx_point_t *point;
    uint64_t count;
} series[SERIES_MAX]; // more than there are kinds with the statuses that they can have; a count of 0 ends it

struct account account;

// Work that is nobody's request has a root context of its own.
logctx_t *new_background(const char *kind, const char *name)
{
    logctx_opts_t opts = {.struct_size = sizeof opts, .type = LOGCTX_TYPE_BACKGROUND, .name = name};
    account.backgrounds++;
    return logctx_new(logctx_kind(kind), &opts);
}

// The point of the metric for such requests, by the attributes that have a value.
static logctx_point_t *point_of(const logctx_attr_t shared[SHARED])
{
    logctx_attr_t attrs[SHARED];
    size_t count = 0;
    for (size_t i = 0; i < SHARED; i++)
        if (shared[i].value.type != LOGCTX_VALUE_STRING || shared[i].value.as.bytes.length)
            attrs[count++] = shared[i];
    logctx_instrument_t *duration =
        logctx_histogram("http.server.request.duration", "s", "Duration of HTTP server requests.", bounds, BOUNDS);
    return logctx_point(duration, attrs, count);
}

void account_request(logctx_kind_t *kind, int status, double seconds, const logctx_attr_t shared[SHARED])
{
    struct series *s = series;
    while (s->count && (s->kind != kind || s->status != status))
        s++;
    if (!s->count)
        *s = (struct series){.kind = kind, .status = status, .point = point_of(shared)};
    s->count++;
    logctx_point_record(s->point, seconds);
}

bool account_write(const char *path, const logctx_otlp_books_t *sent)
{
    FILE *file = fopen(path, "we");
    logctx_books_t books;
    logctx_get_books(&books);
    if (!file)
        return perror(path), false;
#define PUT(of, field) fprintf(file, ", \"" #field "\": %" PRIu64, of.field)
    fprintf(file, "{\"started_unix_ns\": %" PRIu64, logctx_start_unix_ns());
    PUT(account, connections), PUT(account, requests_total), PUT(account, cancelled), PUT(account, worker_jobs),
        PUT(account, queries), PUT(account, ranked), PUT(account, backgrounds), PUT(account, background_runs),
        PUT(account, startups), PUT(account, shutdowns), PUT(account, transactions), PUT(account, rows),
        PUT(account, bugs_lost), PUT(account, bugs_leaked), PUT(account, bugs_restarted);
    fprintf(file, ",\n\"requests\": [");
    for (const struct series *s = series; s->count; s++)
        fprintf(file, "%s{\"kind\": \"%s\", \"status\": %d, \"count\": %" PRIu64 "}", s == series ? "" : ",\n",
                logctx_kind_name(s->kind), s->status, s->count);
    fprintf(file, "],\n\"library\": {\"created\": %" PRIu64, books.created);
    PUT(books, live), PUT(books, ended), PUT(books, handed_over), PUT(books, unsampled), PUT(books, no_sink),
        PUT(books, dropped_live_limit), PUT(books, dropped_no_memory), PUT(books, error_spans), PUT((*sent), taken),
        PUT((*sent), exported), PUT((*sent), rejected), PUT((*sent), queued), PUT((*sent), in_flight),
        PUT((*sent), spooled);
    for (logctx_error_kind_t kind = 0; kind < LOGCTX_ERROR_COUNT; kind++)
        fprintf(file, "%s\"%s\": %" PRIu64, kind ? ", " : ",\n\"errors\": {", logctx_error_info(kind)->name,
                logctx_error_count(kind));
    fprintf(file, "}}}\n");
    return !fclose(file);
}
