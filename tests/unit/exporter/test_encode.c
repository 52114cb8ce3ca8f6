/*
 * test_encode.c: the span encoder against protobuf-c (unpacked and packed again: the same bytes) on random spans,
 * against values stated here, against protoc --decode, and gzip there and back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdint.h>

#include "encode_span.h"
#include "gzip.h"
#include "messages.h"
#include "support.h"

#include <logctx/telemetry.h>

#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest request_t;
typedef Opentelemetry__Proto__Trace__V1__Span span_t;

// A Resource with the attribute a=b.
static const uint8_t resource[] = {0x0A, 0x08, 0x0A, 0x01, 'a', 0x12, 0x03, 0x0A, 0x01, 'b'};

static logctx_recorder_t *recorder;

static int setup(void **state)
{
    (void)state;
    recorder = logctx_recorder_new(10000);
    return recorder == NULL;
}

static int teardown(void **state)
{
    (void)state;
    logctx_recorder_free(recorder);
    return 0;
}

// A small generator of its own, so that every run and every C library tries the same spans.
static uint64_t seed = 1;

static uint32_t any(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static const char *any_text(char *text, size_t size)
{
    static const char *const pieces[] = {"a",    "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                                         "\xFF", "\n",       "long text ",   ""};
    text[0] = '\0';
    for (uint32_t n = any(40); n > 0; n--) {
        const char *piece = pieces[any(8)];
        if (strlen(text) + strlen(piece) + 1 < size) {
            strcat(text, piece);
        }
    }
    return text;
}

static logctx_attr_t any_attr(char *text, size_t size, char *key, logctx_value_t items[3])
{
    sprintf(key, "key.%u", any(30));
    switch (any(7)) {
    case 0:
        return logctx_attr_int(key, (int64_t)seed);
    case 1:
        return logctx_attr_double(key, any(3) == 0 ? 0 : (double)any(1000) / 7);
    case 2:
        return logctx_attr_bool(key, any(2) != 0);
    case 3:
        return logctx_attr_bytes(key, &seed, any(9));
    case 4:
        for (int i = 0; i < 3; i++) {
            items[i] = (logctx_value_t){.type = LOGCTX_VALUE_INT, .as.integer = any(3)};
        }
        return logctx_attr_array(key, items, any(4));
    default:
        return logctx_attr_string(key, any_text(text, size));
    }
}

static void any_context(int number)
{
    char text[512];
    char key[32];
    char kind[32];
    logctx_value_t items[3];
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    snprintf(kind, sizeof kind, "kind %u", any(10));
    opts.span_kind = (logctx_span_kind_t)any(6);
    if (any(3) == 0) {
        opts.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        opts.tracestate = any(2) == 0 ? "a=b,c=d" : NULL;
    }
    logctx_t *ctx = logctx_new(logctx_kind(kind), &opts);
    for (uint32_t n = any(40); n > 0; n--) {
        logctx_set_attr(ctx, any_attr(text, sizeof text, key, items));
    }
    for (uint32_t n = any(4); n > 0; n--) {
        logctx_attr_t attr = any_attr(text, sizeof text, key, items);
        logctx_add_event(ctx, "something", &attr, any(2));
    }
    for (uint32_t n = any(3); n > 0; n--) {
        logctx_attr_t attr = any_attr(text, sizeof text, key, items);
        const logctx_span_context_t to = {.trace_id = {1, (uint8_t)number}, .span_id = {2}, .flags = 1};
        logctx_add_link(ctx, &to, any(2) == 0 ? "x=y" : NULL, &attr, 1);
    }
    switch (any(4)) {
    case 0:
        logctx_set_status(ctx, LOGCTX_STATUS_OK, NULL);
        break;
    case 1:
        logctx_set_failed(ctx, "500", any_text(text, sizeof text));
        break;
    default:
        break;
    }
    logctx_finish(ctx);
    logctx_unref(ctx);
}

static void assert_repacks(const uint8_t *bytes, size_t length, size_t spans)
{
    request_t *request =
        opentelemetry__proto__collector__trace__v1__export_trace_service_request__unpack(NULL, length, bytes);
    assert_non_null(request);
    assert_int_equal(request->n_resource_spans, 1);
    assert_int_equal(request->resource_spans[0]->n_scope_spans, 1);
    assert_int_equal(request->resource_spans[0]->scope_spans[0]->n_spans, spans);
    size_t size = protobuf_c_message_get_packed_size(&request->base);
    assert_int_equal(size, length);
    uint8_t *again = malloc(size);
    protobuf_c_message_pack(&request->base, again);
    assert_memory_equal(again, bytes, length);
    free(again);
    protobuf_c_message_free_unpacked(&request->base, NULL);
}

// Random spans, in batches of different sizes; the buffer is used again for each.
static void test_same_bytes_as_protobuf_c(void **state)
{
    (void)state;
    struct logctx__span_batch batch;
    logctx__span_batch_init(&batch, resource, sizeof resource, 64 << 20);
    for (int round = 0; round < 60; round++) {
        logctx_recorder_clear(recorder);
        logctx__span_batch_reset(&batch);
        uint32_t count = 1 + any(20);
        for (uint32_t i = 0; i < count; i++) {
            any_context((int)i);
            assert_int_equal(logctx__span_batch_add(&batch, logctx_recorder_at(recorder, i)), LOGCTX__ADDED);
        }
        size_t length = 0;
        const uint8_t *bytes = logctx__span_batch_finish(&batch, &length);
        assert_non_null(bytes);
        assert_repacks(bytes, length, count);
    }
    logctx__span_batch_free(&batch);
}

// Spans around the sizes at which their length takes another byte.
static void test_length_boundaries(void **state)
{
    (void)state;
    static char text[20000];
    struct logctx__span_batch batch;
    logctx__span_batch_init(&batch, resource, sizeof resource, 64 << 20);
    memset(text, 'x', sizeof text - 1);
    for (int length = 0; length<17000; length += length> 120 && length < 15500 ? 997 : 1) {
        logctx_recorder_clear(recorder);
        logctx_t *ctx = logctx_new(logctx_kind("boundary"), NULL);
        logctx_set_attr(ctx, logctx_attr_string_n("x", text, (size_t)length));
        logctx_finish(ctx);
        logctx_unref(ctx);
        logctx__span_batch_reset(&batch);
        assert_int_equal(logctx__span_batch_add(&batch, logctx_recorder_at(recorder, 0)), LOGCTX__ADDED);
        size_t size = 0;
        const uint8_t *bytes = logctx__span_batch_finish(&batch, &size);
        assert_repacks(bytes, size, 1);
    }
    logctx__span_batch_free(&batch);
}

static const logctx_record_t *known_record(void)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    logctx_recorder_clear(recorder);
    opts.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    opts.tracestate = "vendor=1";
    opts.name = "GET-1";
    opts.span_kind = LOGCTX_SPAN_SERVER;
    logctx_t *ctx = logctx_new(logctx_kind("GET /known"), &opts);
    logctx_set_string(ctx, "http.route", "/known");
    logctx_set_int(ctx, "http.response.status_code", 500);
    logctx_add_event(ctx, "an event", NULL, 0);
    logctx_set_failed(ctx, "500", "broken");
    logctx_finish(ctx);
    logctx_unref(ctx);
    return logctx_recorder_at(recorder, 0);
}

static const char *string_attribute(const span_t *span, const char *key)
{
    for (size_t i = 0; i < span->n_attributes; i++) {
        if (strcmp(span->attributes[i]->key, key) == 0) {
            return span->attributes[i]->value->string_value;
        }
    }
    return NULL;
}

static void test_fields(void **state)
{
    (void)state;
    static const uint8_t trace_id[] = {0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd,
                                       0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c};
    static const uint8_t parent[] = {0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31};
    struct logctx__span_batch batch;
    logctx__span_batch_init(&batch, resource, sizeof resource, 64 << 20);
    const logctx_record_t *record = known_record();
    assert_int_equal(logctx__span_batch_add(&batch, record), LOGCTX__ADDED);
    size_t length = 0;
    const uint8_t *bytes = logctx__span_batch_finish(&batch, &length);
    request_t *request =
        opentelemetry__proto__collector__trace__v1__export_trace_service_request__unpack(NULL, length, bytes);
    assert_string_equal(request->resource_spans[0]->resource->attributes[0]->key, "a");
    assert_string_equal(request->resource_spans[0]->schema_url, LOGCTX_SCHEMA_URL);
    const Opentelemetry__Proto__Trace__V1__ScopeSpans *scope = request->resource_spans[0]->scope_spans[0];
    assert_string_equal(scope->scope->name, "logctx");
    assert_string_equal(scope->scope->version, logctx_version());
    assert_string_equal(scope->schema_url, LOGCTX_SCHEMA_URL);
    const span_t *span = scope->spans[0];
    assert_int_equal(span->trace_id.len, 16);
    assert_memory_equal(span->trace_id.data, trace_id, 16);
    assert_int_equal(span->span_id.len, 8);
    assert_memory_equal(span->span_id.data, logctx_record_span(record)->span_id, 8);
    assert_memory_equal(span->parent_span_id.data, parent, 8);
    assert_string_equal(span->trace_state, "vendor=1");
    assert_string_equal(span->name, "GET /known");
    assert_int_equal(span->kind, OPENTELEMETRY__PROTO__TRACE__V1__SPAN__SPAN_KIND__SPAN_KIND_SERVER);
    assert_true(span->start_time_unix_nano != 0 && span->end_time_unix_nano >= span->start_time_unix_nano);
    assert_string_equal(string_attribute(span, "http.route"), "/known");
    assert_string_equal(string_attribute(span, "logctx.name"), "GET-1");
    assert_string_equal(string_attribute(span, "error.type"), "500");
    assert_null(string_attribute(span, "absent"));
    assert_int_equal(span->n_events, 1);
    assert_string_equal(span->events[0]->name, "an event");
    assert_int_equal(span->status->code, OPENTELEMETRY__PROTO__TRACE__V1__STATUS__STATUS_CODE__STATUS_CODE_ERROR);
    assert_string_equal(span->status->message, "broken");
    assert_int_equal(span->flags, 0x301);
    protobuf_c_message_free_unpacked(&request->base, NULL);
    logctx__span_batch_free(&batch);
}

static void test_root_has_no_parent(void **state)
{
    (void)state;
    struct logctx__span_batch batch;
    logctx__span_batch_init(&batch, resource, sizeof resource, 64 << 20);
    logctx_recorder_clear(recorder);
    support_contexts("root", 1);
    logctx__span_batch_add(&batch, logctx_recorder_at(recorder, 0));
    size_t length = 0;
    const uint8_t *bytes = logctx__span_batch_finish(&batch, &length);
    request_t *request =
        opentelemetry__proto__collector__trace__v1__export_trace_service_request__unpack(NULL, length, bytes);
    const span_t *span = request->resource_spans[0]->scope_spans[0]->spans[0];
    assert_int_equal(span->parent_span_id.len, 0);
    assert_null(span->status);
    assert_int_equal(span->flags & 0x300, 0x100);
    protobuf_c_message_free_unpacked(&request->base, NULL);
    logctx__span_batch_free(&batch);
}

// What another decoder makes of it. protoc reads the definitions, not our code.
static void test_protoc_decodes(void **state)
{
    (void)state;
    char path[] = "/tmp/logctx-encode-XXXXXX";
    char command[2048];
    static char text[65536];
    if (system("protoc --version >/dev/null 2>&1") != 0) {
        print_message("protoc is not installed: test_protoc_decodes is skipped\n");
        skip();
    }
    struct logctx__span_batch batch;
    logctx__span_batch_init(&batch, resource, sizeof resource, 64 << 20);
    logctx__span_batch_add(&batch, known_record());
    size_t length = 0;
    const uint8_t *bytes = logctx__span_batch_finish(&batch, &length);
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "wb");
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
    snprintf(command, sizeof command,
             "protoc -I %s/../../../proto --decode=opentelemetry.proto.trace.v1.TracesData "
             "opentelemetry/proto/trace/v1/trace.proto < %s",
             LOGCTX_TEST_DATA, path);
    FILE *pipe = popen(command, "r");
    text[fread(text, 1, sizeof text - 1, pipe)] = '\0';
    assert_int_equal(pclose(pipe), 0);
    remove(path);
    assert_non_null(strstr(text, "trace_id: \"\\n\\367e\\031\\026\\315C\\335\\204H\\353!\\034\\2001\\234\""));
    assert_non_null(strstr(text, "parent_span_id: \"\\267\\255kqi 31\""));
    assert_non_null(strstr(text, "name: \"GET /known\""));
    assert_non_null(strstr(text, "kind: SPAN_KIND_SERVER"));
    assert_non_null(strstr(text, "code: STATUS_CODE_ERROR"));
    assert_non_null(strstr(text, "message: \"broken\""));
    assert_non_null(strstr(text, "flags: 769"));
    // A field that the definitions do not know would stand there as a number.
    for (const char *line = text; line != NULL; line = strchr(line + 1, '\n')) {
        line += strspn(line, "\n ");
        assert_false(*line >= '0' && *line <= '9');
    }
    logctx__span_batch_free(&batch);
}

static void test_limit(void **state)
{
    (void)state;
    struct logctx__span_batch batch;
    logctx_recorder_clear(recorder);
    support_contexts("limit", 4);
    logctx__span_batch_init(&batch, resource, sizeof resource, 64 << 20);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(logctx__span_batch_add(&batch, logctx_recorder_at(recorder, i)), LOGCTX__ADDED);
    }
    size_t length = 0;
    logctx__span_batch_finish(&batch, &length);
    logctx__span_batch_free(&batch);

    // Too little for the four of them, and then for one.
    logctx__span_batch_init(&batch, resource, sizeof resource, length - 1);
    size_t added = 0;
    enum logctx__added result = LOGCTX__ADDED;
    for (; added < 4 && result == LOGCTX__ADDED; added += result == LOGCTX__ADDED) {
        result = logctx__span_batch_add(&batch, logctx_recorder_at(recorder, added));
    }
    assert_int_equal(result, LOGCTX__BATCH_FULL);
    assert_in_range(added, 1, 3);
    size_t fitting = 0;
    const uint8_t *bytes = logctx__span_batch_finish(&batch, &fitting);
    assert_true(fitting < length);
    assert_repacks(bytes, fitting, added);
    logctx__span_batch_free(&batch);
    logctx__span_batch_init(&batch, resource, sizeof resource, 100);
    assert_int_equal(logctx__span_batch_add(&batch, logctx_recorder_at(recorder, 0)), LOGCTX__SPAN_TOO_LARGE);
    logctx__span_batch_free(&batch);
}

static void test_gzip_round_trip(void **state)
{
    (void)state;
    struct logctx__gzip gzip = {.length = 0};
    struct libdeflate_decompressor *inflater = libdeflate_alloc_decompressor();
    for (size_t size = 1; size < 3000000; size *= 7) {
        uint8_t *body = malloc(size);
        uint8_t *back = malloc(size);
        for (size_t i = 0; i < size; i++) {
            body[i] = (uint8_t)any(i % 2 == 0 ? 4 : 256);
        }
        assert_true(logctx__gzip_pack(&gzip, body, size));
        size_t length = 0;
        assert_int_equal(libdeflate_gzip_decompress(inflater, gzip.bytes, gzip.length, back, size, &length),
                         LIBDEFLATE_SUCCESS);
        assert_int_equal(length, size);
        assert_memory_equal(body, back, size);
        free(body);
        free(back);
    }
    libdeflate_free_decompressor(inflater);
    logctx__gzip_free(&gzip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        logctx_unit_test(test_same_bytes_as_protobuf_c),
        logctx_unit_test(test_length_boundaries),
        logctx_unit_test(test_fields),
        logctx_unit_test(test_root_has_no_parent),
        logctx_unit_test(test_protoc_decodes),
        logctx_unit_test(test_limit),
        logctx_unit_test(test_gzip_round_trip),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
