// SPDX-License-Identifier: Apache-2.0
// The demo's account. The loop's thread writes it; the exporter's thread reads the metric, under a lock.
#include "account.h"

#include <inttypes.h>
#include <stdio.h>
#include <uv.h>

enum { SERIES_MAX = 256, BOUNDS = 14 };
static const double bounds[BOUNDS] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10};

static struct series {
    logctx_kind_t *kind;
    int status;
    size_t attr_count;
    logctx_attr_t attrs[SHARED];
    uint64_t count, buckets[BOUNDS + 1];
    double sum, min, max;
} series[SERIES_MAX]; // more than there are kinds with the statuses that they can have; a count of 0 ends it

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock; // holds all of it

struct account account;

static void begin(void)
{
    uv_mutex_init(&lock);
}

static void lock_series(void)
{
    uv_once(&once, begin);
    uv_mutex_lock(&lock);
}

// Work that is nobody's request has a root context of its own.
logctx_t *new_background(const char *kind, const char *name)
{
    logctx_opts_t opts = {.struct_size = sizeof opts, .type = LOGCTX_TYPE_BACKGROUND, .name = name};
    account.backgrounds++;
    return logctx_new(logctx_kind(kind), &opts);
}

void account_request(logctx_kind_t *kind, int status, double seconds, const logctx_attr_t shared[SHARED])
{
    struct series *s = series;
    size_t bucket = 0;
    while (bucket < BOUNDS && seconds > bounds[bucket])
        bucket++;
    lock_series();
    while (s->count && (s->kind != kind || s->status != status))
        s++;
    s->min = s->count && s->min < seconds ? s->min : seconds;
    s->max = s->max > seconds ? s->max : seconds;
    s->sum += seconds;
    s->buckets[bucket]++;
    s->count++;
    s->kind = kind;
    s->status = status;
    s->attr_count = 0;
    for (size_t i = 0; i < SHARED; i++)
        if (shared[i].value.type != LOGCTX_VALUE_STRING || shared[i].value.as.bytes.length)
            s->attrs[s->attr_count++] = shared[i];
    uv_mutex_unlock(&lock);
}

void account_collect(void *user, logctx_otlp_metrics_t *metrics)
{
    (void)user;
    lock_series();
    for (const struct series *s = series; s->count; s++) {
        // clang-format off
        logctx_otlp_histogram_t point = {
            .struct_size = sizeof point, .name = "http.server.request.duration", .unit = "s", .bounds = bounds,
            .description = "Duration of HTTP server requests.", .attrs = s->attrs, .attr_count = s->attr_count,
            .since_unix_ns = logctx_start_unix_ns(), .bound_count = BOUNDS, .bucket_counts = s->buckets, .sum = s->sum,
            .min = s->min, .max = s->max};
        // clang-format on
        logctx_otlp_add_histogram(metrics, &point);
    }
    uv_mutex_unlock(&lock);
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
        PUT(account, backgrounds), PUT(account, background_runs), PUT(account, startups), PUT(account, shutdowns),
        PUT(account, transactions), PUT(account, rows), PUT(account, bugs_lost), PUT(account, bugs_leaked),
        PUT(account, bugs_restarted);
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
