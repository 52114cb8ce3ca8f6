// SPDX-License-Identifier: Apache-2.0
// Builds the requests of sample.h. One thread.

#include "sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "receive.h"
#include "schema.h"
#include "store_internal.h"

#define RESOURCE "{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"demo\"}}]},"

char *sample_traces(int first, int count)
{
    char *json = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&json, &size);
    assert_non_null(out);
    fprintf(out, "{\"resourceSpans\":[" RESOURCE "\"scopeSpans\":[{\"scope\":{\"name\":\"logctx\"},\"spans\":[");
    for (int i = first; i < first + count; i++)
        fprintf(out,
                "%s{\"traceId\":\"%032x\",\"spanId\":\"%016x\",\"name\":\"GET /x\",\"kind\":2,"
                "\"startTimeUnixNano\":\"%d000000\",\"endTimeUnixNano\":\"%d500000\",\"attributes\":["
                "{\"key\":\"logctx.name\",\"value\":{\"stringValue\":\"GET-%d\"}},"
                "{\"key\":\"logctx.type\",\"value\":{\"stringValue\":\"request\"}},"
                "{\"key\":\"logctx.cpu.time\",\"value\":{\"doubleValue\":0.001}}],"
                "\"events\":[{\"name\":\"hello\",\"timeUnixNano\":\"7\"}],"
                "\"links\":[{\"traceId\":\"%032x\",\"spanId\":\"%016x\"}]}",
                i > first ? "," : "", i + 1, i + 1, i + 1, i + 1, i, i + 2, i + 2);
    fprintf(out, "]}]}]}");
    fclose(out);
    return json;
}

char *sample_counter(const char *name, int value, int time_s)
{
    char *json = NULL;
    assert_true(asprintf(&json,
                         "{\"resourceMetrics\":[" RESOURCE
                         "\"scopeMetrics\":[{\"scope\":{\"name\":\"logctx\"},\"metrics\":[{\"name\":\"%s\",\"sum\":{"
                         "\"aggregationTemporality\":2,\"isMonotonic\":true,\"dataPoints\":[{\"asInt\":\"%d\","
                         "\"startTimeUnixNano\":\"1000\",\"timeUnixNano\":\"%d000000000\"}]}}]}]}]}",
                         name, value, time_s) > 0);
    return json;
}

char *sample_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = NULL;
    FILE *out = open_memstream(&text, length);
    for (int c = fgetc(file); c != EOF; c = fgetc(file))
        fputc(c, out);
    fclose(out);
    fclose(file);
    return text;
}

uint8_t *sample_pack(sample_span_t *span, size_t *length)
{
    static uint8_t trace_id[16] = {1};
    static uint8_t span_id[8] = {2};
    if (span->trace_id.len == 0)
        span->trace_id = (ProtobufCBinaryData){16, trace_id};
    if (span->span_id.len == 0)
        span->span_id = (ProtobufCBinaryData){8, span_id};
    Opentelemetry__Proto__Trace__V1__ScopeSpans scope = OPENTELEMETRY__PROTO__TRACE__V1__SCOPE_SPANS__INIT;
    Opentelemetry__Proto__Trace__V1__ResourceSpans resource = OPENTELEMETRY__PROTO__TRACE__V1__RESOURCE_SPANS__INIT;
    trace_request_t request = OPENTELEMETRY__PROTO__COLLECTOR__TRACE__V1__EXPORT_TRACE_SERVICE_REQUEST__INIT;
    scope.spans = &span;
    scope.n_spans = 1;
    resource.scope_spans = (Opentelemetry__Proto__Trace__V1__ScopeSpans *[]){&scope};
    resource.n_scope_spans = 1;
    request.resource_spans = (Opentelemetry__Proto__Trace__V1__ResourceSpans *[]){&resource};
    request.n_resource_spans = 1;
    *length = protobuf_c_message_get_packed_size(&request.base);
    uint8_t *bytes = malloc(*length);
    assert_non_null(bytes);
    protobuf_c_message_pack(&request.base, bytes);
    return bytes;
}

key_value_t *sample_attribute(const char *key, const char *value)
{
    struct {
        key_value_t item;
        any_value_t value;
    } *both = malloc(sizeof *both);
    assert_non_null(both);
    opentelemetry__proto__common__v1__key_value__init(&both->item);
    opentelemetry__proto__common__v1__any_value__init(&both->value);
    both->item.key = (char *)key;
    both->item.value = &both->value;
    both->value.value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE;
    both->value.string_value = (char *)value;
    return &both->item;
}

struct store *sample_store(const char *path, const struct store_limits *limits)
{
    char why[300] = "";
    struct store *store = store_open(
        path != NULL ? path : ":memory:", limits != NULL ? limits : &(struct store_limits){0}, why, sizeof why);
    if (store == NULL)
        fail_msg("the store does not open: %s", why);
    return store;
}

struct outcome sample_receive(struct store *store, enum signal_kind signal, enum encoding encoding, const void *bytes,
                              size_t length)
{
    struct outcome outcome;
    assert_true(store_begin(store));
    if (!receive(store, signal, encoding, bytes, length, (size_t)64 << 20, &outcome))
        fail_msg("the store failed: %s", store_why(store));
    if (!store_commit(store))
        fail_msg("the store does not commit: %s", store_why(store));
    return outcome;
}

struct outcome sample_receive_json(struct store *store, enum signal_kind signal, char *json)
{
    struct outcome outcome = sample_receive(store, signal, ENCODING_JSON, json, strlen(json));
    free(json);
    return outcome;
}

int64_t sample_number(struct store *store, const char *sql)
{
    return schema_number(store->db, sql);
}
