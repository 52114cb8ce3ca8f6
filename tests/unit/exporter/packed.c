/*
 * packed.c: see packed.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdint.h>

#include "packed.h"
#include "support.h"

#include <logctx/telemetry.h>

#include <stdio.h>
#include <string.h>

typedef Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest request_t;

enum { REQUEST_LIMIT = 64 << 20 };

// A Resource with the attribute a=b.
static const uint8_t resource[] = {0x0A, 0x08, 0x0A, 0x01, 'a', 0x12, 0x03, 0x0A, 0x01, 'b'};

static struct logctx__span_batch batch;

void packed_begin(void)
{
    logctx__span_batch_init(&batch, resource, sizeof resource, REQUEST_LIMIT);
}

void packed_end(void)
{
    logctx__span_batch_free(&batch);
}

struct request {
    request_t message;
    Opentelemetry__Proto__Trace__V1__ResourceSpans resource_spans;
    Opentelemetry__Proto__Trace__V1__ScopeSpans scope_spans;
    otlp_scope_t scope;
    Opentelemetry__Proto__Trace__V1__ResourceSpans *resource_list[1];
    Opentelemetry__Proto__Trace__V1__ScopeSpans *scope_list[1];
    otlp_span_t *spans[BATCH_MAX];
};

uint8_t *packed_by_protobuf(otlp_span_t *const *spans, size_t count, size_t *length)
{
    static struct request all;
    otlp_resource_t *around = opentelemetry__proto__resource__v1__resource__unpack(NULL, sizeof resource, resource);
    opentelemetry__proto__collector__trace__v1__export_trace_service_request__init(&all.message);
    opentelemetry__proto__trace__v1__resource_spans__init(&all.resource_spans);
    opentelemetry__proto__trace__v1__scope_spans__init(&all.scope_spans);
    opentelemetry__proto__common__v1__instrumentation_scope__init(&all.scope);
    all.scope.name = (char *)(uintptr_t)LOGCTX_SCOPE_NAME;
    all.scope.version = (char *)(uintptr_t)logctx_version();
    all.resource_spans.schema_url = all.scope_spans.schema_url = (char *)(uintptr_t)LOGCTX_SCHEMA_URL;
    all.resource_spans.resource = around;
    all.scope_spans.scope = &all.scope;
    all.resource_list[0] = &all.resource_spans;
    all.scope_list[0] = &all.scope_spans;
    all.message.resource_spans = all.resource_list;
    all.message.n_resource_spans = 1;
    all.resource_spans.scope_spans = all.scope_list;
    all.resource_spans.n_scope_spans = 1;
    memcpy(all.spans, spans, count * sizeof *spans);
    all.scope_spans.spans = all.spans;
    all.scope_spans.n_spans = count;
    *length = protobuf_c_message_get_packed_size(&all.message.base);
    uint8_t *bytes = logctx__arena_array(&world.arena, *length, 1);
    assert_non_null(bytes);
    assert_int_equal(protobuf_c_message_pack(&all.message.base, bytes), *length);
    protobuf_c_message_free_unpacked(&around->base, NULL);
    return bytes;
}

const uint8_t *packed_by_encoder(logctx_recorder_t *recorder, size_t *length)
{
    logctx__span_batch_reset(&batch);
    for (size_t i = 0; i < world.model_count; i++) {
        assert_int_equal(logctx__span_batch_add(&batch, logctx_recorder_at(recorder, i)), LOGCTX__ADDED);
    }
    const uint8_t *bytes = logctx__span_batch_finish(&batch, length);
    assert_non_null(bytes);
    return bytes;
}

bool packed_is_alike(const uint8_t *bytes, size_t length)
{
    otlp_span_t *spans[BATCH_MAX];
    size_t expected_length = 0;
    for (size_t i = 0; i < world.model_count; i++) {
        spans[i] = &world.models[i]->message;
    }
    const uint8_t *expected = packed_by_protobuf(spans, world.model_count, &expected_length);
    return length == expected_length && memcmp(bytes, expected, length) == 0;
}

void packed_show_difference(logctx_recorder_t *recorder)
{
    for (size_t i = 0; i < world.model_count; i++) {
        otlp_span_t *span = &world.models[i]->message;
        size_t length = 0;
        size_t expected_length = 0;
        const uint8_t *expected = packed_by_protobuf(&span, 1, &expected_length);
        logctx__span_batch_reset(&batch);
        logctx__span_batch_add(&batch, logctx_recorder_at(recorder, i));
        const uint8_t *bytes = logctx__span_batch_finish(&batch, &length);
        size_t at = 0;
        while (at < length && at < expected_length && bytes[at] == expected[at]) {
            at++;
        }
        if (at < length || at < expected_length) {
            fprintf(stderr, "span %zu of the batch: %zu bytes, expected %zu; different from byte %zu on: ...%.60s\n", i,
                    length, expected_length, at, (const char *)expected + (at < 20 ? 0 : at - 20));
            return;
        }
    }
}
