// The encoder beside protobuf-c, which packs the same span from a message that is there already.
//
// SPDX-License-Identifier: Apache-2.0
#include "bench.h"
#include "encode_span.h"
#include "messages.h"

#include <logctx/logctx.h>
#include <logctx/recorder.h>
#include <logctx/runtime.h>
#include <stdio.h>
#include <stdlib.h>

static logctx_recorder_t *recorder;
static const logctx_record_t *record;
static struct logctx__span_batch batch;
static Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest *message;
static const Opentelemetry__Proto__Trace__V1__Span *span;
static uint8_t packed[4096];

static void prepare(void)
{
    recorder = logctx_recorder_new(1);
    bench_span(logctx_kind("GET /rooms/{id}/messages"), true);
    record = logctx_recorder_at(recorder, 0);
    size_t length;
    logctx__span_batch_init(&batch, NULL, 0, (size_t)1 << 26);
    logctx__span_batch_add(&batch, record);
    const uint8_t *bytes = logctx__span_batch_finish(&batch, &length);
    message = opentelemetry__proto__collector__trace__v1__export_trace_service_request__unpack(NULL, length, bytes);
    if (!message) {
        fputs("logctx-bench: protobuf-c cannot read the span.\n", stderr);
        exit(1);
    }
    span = message->resource_spans[0]->scope_spans[0]->spans[0];
}

static void done(void)
{
    opentelemetry__proto__collector__trace__v1__export_trace_service_request__free_unpacked(message, NULL);
    logctx__span_batch_free(&batch);
    logctx_recorder_free(recorder);
}

// In batches of the exporter's size, as it does.
static void encode(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++) {
        if (i % 512 == 0)
            logctx__span_batch_reset(&batch);
        logctx__span_batch_add(&batch, record);
    }
}

static void pack(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++)
        if (opentelemetry__proto__trace__v1__span__get_packed_size(span) <= sizeof packed)
            opentelemetry__proto__trace__v1__span__pack(span, packed);
}

static const bench_floor_t protobuf_c = {"protobuf-c", pack};

static void say_size(bench_row_t *row)
{
    snprintf(row->extra, sizeof row->extra, "\"bytes\": %zu",
             opentelemetry__proto__trace__v1__span__get_packed_size(span));
}

const bench_op_t bench_encode_ops[] = {
    {.name = "encode_span", .run = encode, .prepare = prepare, .done = done, .extra = say_size, .floor = &protobuf_c},
    {.name = NULL},
};
