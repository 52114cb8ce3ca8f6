// Rows of a context's whole life, from new to the exporter, which runs on its own thread meanwhile and sends to an endpoint
// in another process. What is measured is the CPU time of the thread that makes the contexts.
//
// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#include <logctx/logctx.h>
#include <logctx/runtime.h>
#include <logctx/trace.h>
#ifdef BENCH_EXPORTER
#include <logctx/otlp.h>
#endif
#include <stdio.h>
#include <string.h>

static logctx_kind_t *kind;
static _Thread_local volatile unsigned sink;

static void make_kind(void)
{
    kind = logctx_kind("GET /rooms/{id}/messages");
}

static void live_bare(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++) {
        logctx_t *ctx = logctx_new(kind, NULL);
        logctx_enter(ctx);
        logctx_exit(ctx);
        logctx_unref(ctx);
    }
}

#ifdef BENCH_EXPORTER
static void live(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++)
        bench_span(kind, false);
}

static void sample_none(void)
{
    make_kind();
    logctx_set_sampler(LOGCTX_SAMPLER_ALWAYS_OFF);
}

static void sample_all(void)
{
    logctx_set_sampler(LOGCTX_SAMPLER_PARENTBASED_ALWAYS_ON);
}

static logctx_otlp_t *otlp;

static void start_exporter(void)
{
    char endpoint[64];
    make_kind();
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u", bench_endpoint_start());
    logctx_otlp_opts_t opts = {.struct_size = sizeof opts,
                               .service_name = "bench",
                               .endpoint = endpoint,
                               .schedule_delay_ms = 100,
                               .compression = LOGCTX_COMPRESSION_NONE};
    logctx_otlp_start(&opts, &otlp);
}

static void start_unsampled(void)
{
    start_exporter();
    sample_none();
}

static void stop_exporter(void)
{
    logctx_otlp_shutdown(otlp, 30000);
    otlp = NULL;
    bench_endpoint_stop(NULL, NULL);
    sample_all();
}

// How many of the spans the exporter could not keep up with: then the calling thread had less to do for them.
static void say_dropped(bench_row_t *row)
{
    logctx_otlp_books_t books = {.struct_size = sizeof books};
    logctx_otlp_flush(otlp, 30000);
    logctx_otlp_get_books(otlp, &books);
    uint64_t dropped = 0;
    for (int i = 0; i < LOGCTX_DROP_COUNT; i++)
        dropped += books.dropped[i];
    snprintf(row->extra, sizeof row->extra, "\"spans\": %llu, \"dropped\": %llu", (unsigned long long)books.taken,
             (unsigned long long)dropped);
}
#endif

static void parse_traceparent(uint64_t times)
{
    static const char header[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (uint64_t i = 0; i < times; i++) {
        logctx_span_context_t caller;
        sink = logctx_traceparent_read(header, sizeof header - 1, &caller);
    }
}

const bench_op_t bench_span_ops[] = {
#ifdef BENCH_EXPORTER
    {.name = "context_span",
     .run = live,
     .prepare = start_exporter,
     .done = stop_exporter,
     .extra = say_dropped,
     .two = true},
    {.name = "unsampled_span", .run = live, .prepare = start_unsampled, .done = stop_exporter, .two = true},
#endif
    {.name = "context_bare", .run = live_bare, .prepare = make_kind, .two = true},
    {.name = "traceparent_parse", .run = parse_traceparent},
    {.name = NULL},
};
