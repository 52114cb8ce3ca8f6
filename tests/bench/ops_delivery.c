// Rows of delivery: spans on their way to an endpoint, and what the whole process pays for it. Paced by the exporter's
// queue, so that nothing is lost; a row in which something was lost says so, and fails.
//
// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#include <logctx/logctx.h>
#include <logctx/otlp.h>
#include <logctx/runtime.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

enum { SPANS = 200000, QUICK_SPANS = 2000, WAITING_MAX = 2000, CHECK_EVERY = 256 };

// Sleeps while the exporter is behind: sleeping costs no CPU time, and a full queue would drop.
static void keep_pace(logctx_otlp_t *otlp)
{
    logctx_otlp_books_t books = {.struct_size = sizeof books};
    for (;;) {
        logctx_otlp_get_books(otlp, &books);
        if (books.queued + books.in_flight < WAITING_MAX)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

static void deliver(bench_row_t *row, logctx_compression_t compression)
{
    const uint64_t spans = bench_is_quick ? QUICK_SPANS : SPANS;
    char endpoint[64];
    logctx_otlp_t *otlp = NULL;
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u", bench_endpoint_start());
    logctx_otlp_opts_t opts = {.struct_size = sizeof opts,
                               .service_name = "bench",
                               .endpoint = endpoint,
                               .schedule_delay_ms = 100,
                               .compression = compression};
    if (logctx_otlp_start(&opts, &otlp) != LOGCTX_OK) {
        snprintf(row->extra, sizeof row->extra, "\"error\": \"the exporter did not start\"");
        return;
    }
    logctx_kind_t *kind = logctx_kind("GET /rooms/{id}/messages");
    logctx_otlp_books_t books = {.struct_size = sizeof books};
    uint64_t allocations = bench_allocations(), began = bench_process_ns(), bytes;
    for (uint64_t i = 0; i < spans; i++) {
        bench_span(kind, true);
        if (i % CHECK_EVERY == 0)
            keep_pace(otlp);
    }
    logctx_otlp_flush(otlp, 60000);
    uint64_t took = bench_process_ns() - began;
    row->allocs = (double)(bench_allocations() - allocations) / (double)spans;
    logctx_otlp_get_books(otlp, &books);
    logctx_otlp_shutdown(otlp, 10000);
    bench_endpoint_stop(NULL, &bytes);
    row->ns = (double)took / (double)spans;
    snprintf(row->extra, sizeof row->extra,
             "\"cpu_s_per_million\": %.3f, \"spans\": %llu, \"delivered\": %llu, \"bytes_per_span\": %.0f%s",
             row->ns / 1e3, (unsigned long long)spans, (unsigned long long)books.exported,
             (double)bytes / (double)spans, books.exported == spans ? "" : ", \"error\": \"spans were lost\"");
}

static void deliver_plain(bench_row_t *row)
{
    deliver(row, LOGCTX_COMPRESSION_NONE);
}

static void deliver_gzip(bench_row_t *row)
{
    deliver(row, LOGCTX_COMPRESSION_GZIP);
}

const bench_op_t bench_delivery_ops[] = {
    {.name = "end_to_end", .figure = deliver_plain},
    {.name = "end_to_end_gzip", .figure = deliver_gzip},
    {.name = NULL},
};
