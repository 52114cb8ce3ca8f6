// Rows of the application's metrics, with two attributes as a server would have them.
//
// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#include <logctx/logctx.h>
#include <logctx/metrics.h>

static logctx_instrument_t *requests;
static logctx_point_t *bound, *durations;
static _Thread_local logctx_t *ctx;

static void make_counter(void)
{
    const logctx_attr_t attrs[] = {logctx_attr_string("http.request.method", "GET"),
                                   logctx_attr_int("http.response.status_code", 200)};
    requests = logctx_counter("bench.requests", "{request}", "Requests.");
    bound = logctx_point(requests, attrs, 2);
    durations = logctx_point(logctx_histogram("bench.duration", "ms", "Durations.", NULL, 0), attrs, 2);
}

static void add(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++)
        logctx_point_add(bound, 1);
}

static void add_by_lookup(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++) {
        const logctx_attr_t attrs[] = {logctx_attr_string("http.request.method", "GET"),
                                       logctx_attr_int("http.response.status_code", 200)};
        logctx_instrument_add(requests, 1, attrs, 2);
    }
}

static void record(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++)
        logctx_point_record(durations, (double)(i % 1000));
}

static void enter(void)
{
    ctx = logctx_new(logctx_kind("bench"), NULL);
    logctx_enter(ctx);
}

static void leave(void)
{
    logctx_exit(ctx);
    logctx_unref(ctx);
}

const bench_op_t bench_metrics_ops[] = {
    {.name = "counter_add", .run = add, .prepare = make_counter, .two = true},
    {.name = "counter_add_lookup", .run = add_by_lookup, .prepare = make_counter, .two = true},
    {.name = "histogram_record", .run = record, .prepare = make_counter, .two = true},
    {.name = "histogram_exemplar", .run = record, .prepare = make_counter, .begin = enter, .end = leave, .two = true},
    {.name = NULL},
};
