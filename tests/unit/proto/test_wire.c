// SPDX-License-Identifier: Apache-2.0
// The wire format where it is easily got wrong, against bytes written down by hand, and messages from
// strangers: cut off, nested without end, or larger than the memory set aside. check_wire.py covers every
// field.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "google/rpc/status.pb-c.h"
#include "opentelemetry/proto/collector/metrics/v1/metrics_service.pb-c.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "otlp_decode.h"
#include "otlp_json.h"
#include "sample.h"

typedef Opentelemetry__Proto__Common__V1__AnyValue AnyValue;
typedef Opentelemetry__Proto__Common__V1__KeyValue KeyValue;
typedef Opentelemetry__Proto__Metrics__V1__ExponentialHistogramDataPoint ExponentialPoint;
typedef Opentelemetry__Proto__Metrics__V1__HistogramDataPoint HistogramPoint;
typedef Opentelemetry__Proto__Metrics__V1__NumberDataPoint NumberPoint;
typedef Opentelemetry__Proto__Trace__V1__Span Span;

#define ANY_VALUE (&opentelemetry__proto__common__v1__any_value__descriptor)
#define KEY_VALUE (&opentelemetry__proto__common__v1__key_value__descriptor)
#define HISTOGRAM_POINT (&opentelemetry__proto__metrics__v1__histogram_data_point__descriptor)
#define REQUEST (&opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor)

// A packed message against its bytes, given as a string constant.
#define assert_packs(message, bytes) check_packs(&(message)->base, (bytes), sizeof(bytes) - 1)

static void check_packs(const ProtobufCMessage *message, const char *bytes, size_t length)
{
    uint8_t packed[256];
    assert_int_equal(protobuf_c_message_get_packed_size(message), length);
    assert_true(length <= sizeof packed);
    protobuf_c_message_pack(message, packed);
    assert_memory_equal(packed, bytes, length);
}

static ProtobufCMessage *decode(const ProtobufCMessageDescriptor *type, const void *bytes, size_t length)
{
    char why[256] = "";
    ProtobufCMessage *message = logctx__otlp_decode(type, bytes, length, NULL, why, sizeof why);
    if (message == NULL)
        print_error("%s\n", why);
    assert_non_null(message);
    return message;
}

static void release(ProtobufCMessage *message)
{
    protobuf_c_message_free_unpacked(message, NULL);
}

static void test_span_flags_are_fixed32_in_a_two_byte_tag(void **state)
{
    (void)state;
    Span span = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__INIT;
    span.kind = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__SPAN_KIND__SPAN_KIND_SERVER;
    span.start_time_unix_nano = 1;
    span.flags = 0x301;
    assert_packs(&span, "\x30\x02"
                        "\x39\x01\x00\x00\x00\x00\x00\x00\x00"
                        "\x85\x01\x01\x03\x00\x00");
}

static void test_a_root_has_no_parent_field(void **state)
{
    (void)state;
    Span span = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__INIT;
    uint8_t id[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    span.span_id = (ProtobufCBinaryData){.len = 8, .data = id};
    assert_packs(&span, "\x12\x08\x01\x02\x03\x04\x05\x06\x07\x08");
    span.parent_span_id = span.span_id;
    assert_packs(&span, "\x12\x08\x01\x02\x03\x04\x05\x06\x07\x08"
                        "\x22\x08\x01\x02\x03\x04\x05\x06\x07\x08");
}

static void test_status_message_is_two_and_code_three(void **state)
{
    (void)state;
    Opentelemetry__Proto__Trace__V1__Status status = OPENTELEMETRY__PROTO__TRACE__V1__STATUS__INIT;
    status.code = OPENTELEMETRY__PROTO__TRACE__V1__STATUS__STATUS_CODE__STATUS_CODE_ERROR;
    status.message = (char[]){"no"};
    assert_packs(&status, "\x12\x02no\x18\x02");
}

static void test_as_int_is_sfixed64_and_zero_is_present(void **state)
{
    (void)state;
    NumberPoint point = OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__INIT;
    assert_packs(&point, "");
    point.value_case = OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_INT;
    point.as_int = 0;
    assert_packs(&point, "\x31\x00\x00\x00\x00\x00\x00\x00\x00");
    point.as_int = -2;
    assert_packs(&point, "\x31\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF");
}

static void test_histogram_counts_are_packed_fixed64_and_sum_has_presence(void **state)
{
    (void)state;
    HistogramPoint point = OPENTELEMETRY__PROTO__METRICS__V1__HISTOGRAM_DATA_POINT__INIT;
    uint64_t counts[] = {1, 0};
    double bounds[] = {0.5};
    point.bucket_counts = counts;
    point.n_bucket_counts = 2;
    point.explicit_bounds = bounds;
    point.n_explicit_bounds = 1;
    assert_packs(&point, "\x32\x10\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
                         "\x3A\x08\x00\x00\x00\x00\x00\x00\xE0\x3F");
    point.n_bucket_counts = 0;
    point.n_explicit_bounds = 0;
    point.opt_sum_case = OPENTELEMETRY__PROTO__METRICS__V1__HISTOGRAM_DATA_POINT__OPT_SUM_SUM;
    point.sum = 0;
    assert_packs(&point, "\x29\x00\x00\x00\x00\x00\x00\x00\x00");
}

static void test_exponential_scale_is_zigzag_and_counts_are_varints(void **state)
{
    (void)state;
    ExponentialPoint point = OPENTELEMETRY__PROTO__METRICS__V1__EXPONENTIAL_HISTOGRAM_DATA_POINT__INIT;
    Opentelemetry__Proto__Metrics__V1__ExponentialHistogramDataPoint__Buckets buckets =
        OPENTELEMETRY__PROTO__METRICS__V1__EXPONENTIAL_HISTOGRAM_DATA_POINT__BUCKETS__INIT;
    uint64_t counts[] = {300, 1};
    buckets.offset = -1;
    buckets.bucket_counts = counts;
    buckets.n_bucket_counts = 2;
    point.scale = -3;
    point.positive = &buckets;
    point.zero_threshold = 0.5;
    assert_packs(&point, "\x30\x05"
                         "\x42\x07\x08\x01\x12\x03\xAC\x02\x01"
                         "\x71\x00\x00\x00\x00\x00\x00\xE0\x3F");
}

static void test_exemplar_has_the_span_before_the_trace(void **state)
{
    (void)state;
    Opentelemetry__Proto__Metrics__V1__Exemplar exemplar = OPENTELEMETRY__PROTO__METRICS__V1__EXEMPLAR__INIT;
    uint8_t span[] = {'s'};
    uint8_t trace[] = {'t'};
    exemplar.span_id = (ProtobufCBinaryData){.len = 1, .data = span};
    exemplar.trace_id = (ProtobufCBinaryData){.len = 1, .data = trace};
    assert_packs(&exemplar, "\x22\x01s\x2A\x01t");
}

static void test_unpacked_numbers_are_read_too(void **state)
{
    (void)state;
    static const char bytes[] = "\x31\x01\x00\x00\x00\x00\x00\x00\x00\x31\x02\x00\x00\x00\x00\x00\x00\x00";
    HistogramPoint *point = (HistogramPoint *)decode(HISTOGRAM_POINT, bytes, sizeof bytes - 1);
    assert_int_equal(point->n_bucket_counts, 2);
    assert_int_equal(point->bucket_counts[1], 2);
    release(&point->base);
}

static void test_profile_indexes_count_as_absent_and_survive(void **state)
{
    (void)state;
    static const char bytes[] = "\x0A\x01k\x12\x05\x0A\x01v\x40\x07\x18\x05";
    KeyValue *attribute = (KeyValue *)decode(KEY_VALUE, bytes, sizeof bytes - 1);
    assert_string_equal(attribute->key, "k");
    assert_int_equal(attribute->value->value_case, OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE);
    assert_string_equal(attribute->value->string_value, "v");
    check_packs(&attribute->base, bytes, sizeof bytes - 1);
    release(&attribute->base);
}

static void test_responses_of_a_collector_are_read(void **state)
{
    (void)state;
    static const char partial[] = "\x0A\x07\x08\x03\x12\x03why";
    Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceResponse *response =
        (Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceResponse *)decode(
            &opentelemetry__proto__collector__metrics__v1__export_metrics_service_response__descriptor, partial,
            sizeof partial - 1);
    assert_int_equal(response->partial_success->rejected_data_points, 3);
    assert_string_equal(response->partial_success->error_message, "why");
    release(&response->base);

    static const char error[] = "\x08\x03\x12\x03"
                                "bad\x1A\x03\x0A\x01t";
    Google__Rpc__Status *status =
        (Google__Rpc__Status *)decode(&google__rpc__status__descriptor, error, sizeof error - 1);
    assert_int_equal(status->code, 3);
    assert_string_equal(status->message, "bad");
    assert_int_equal(status->n_details, 1);
    release(&status->base);
}

static void assert_refused(const ProtobufCMessageDescriptor *type, const void *bytes, size_t length,
                           const char *expected)
{
    char why[256] = "";
    assert_null(logctx__otlp_decode(type, bytes, length, NULL, why, sizeof why));
    assert_non_null(strstr(why, expected));
}

// Every shorter piece is either a whole message by chance, or refused with a sentence.
static void test_cut_off_messages_are_refused(void **state)
{
    (void)state;
    ProtobufCMessage *sample = sample_message(REQUEST, 0);
    size_t length = protobuf_c_message_get_packed_size(sample);
    uint8_t *bytes = malloc(length);
    assert_non_null(bytes);
    protobuf_c_message_pack(sample, bytes);
    release(sample);
    release(decode(REQUEST, bytes, length));
    size_t refused = 0;
    for (size_t cut = 1; cut < length; cut++) {
        uint8_t *piece = malloc(cut); // of its exact size, so that the sanitizer sees a byte too many
        char why[256] = "";
        assert_non_null(piece);
        memcpy(piece, bytes, cut);
        ProtobufCMessage *message = logctx__otlp_decode(REQUEST, piece, cut, NULL, why, sizeof why);
        refused += message == NULL;
        assert_true(message != NULL || strlen(why) > 20);
        release(message);
        free(piece);
    }
    assert_true(refused >= length - 3);
    free(bytes);
}

static void test_malformed_fields_are_refused(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "\x0B\x0C",                                         // groups
        "\x0E",                                             // a wire type that does not exist
        "\x0A\xFF\xFF\xFF\xFF\x0F",                         // a length of 4 GiB
        "\x0A\xFF\xFF\xFF\xFF\xFF\x01",                     // and one beyond
        "\xFF\xFF\xFF\xFF\xFF\xFF",                         // a tag without end
        "\x10\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", // a varint of eleven bytes
        "\x2D\x01\x02",                                     // half a fixed32
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        assert_refused(ANY_VALUE, broken[i], strlen(broken[i]), "not a protobuf message");
    assert_refused(ANY_VALUE, "\x2A\x01\x41", 3, "not a protobuf message"); // cut off one level down
    assert_refused(KEY_VALUE, "\x10\x01", 2, "not a valid opentelemetry.proto.common.v1.KeyValue");
}

// Arrays in arrays, built from the inside outwards: each level costs the sender a few bytes.
static size_t nested_values(uint8_t *end, size_t messages)
{
    uint8_t *p = end;
    for (size_t level = 1; level < messages; level++) {
        size_t inside = (size_t)(end - p);
        uint8_t length[5];
        size_t n = 0;
        for (size_t rest = inside; n == 0 || rest > 0; rest >>= 7)
            length[n++] = (uint8_t)((rest & 0x7F) | (rest >> 7 > 0 ? 0x80 : 0));
        p -= n;
        memcpy(p, length, n);
        bool array = (messages - level) % 2 == 1; // the outermost one is an AnyValue
        *--p = array ? 0x2A : 0x0A;
    }
    return (size_t)(end - p);
}

static void test_nesting_ends_at_the_limit(void **state)
{
    (void)state;
    enum { ROOM = 4 << 20 };
    uint8_t *room = malloc(ROOM);
    assert_non_null(room);
    size_t length = nested_values(room + ROOM, LOGCTX__OTLP_MAX_DEPTH);
    release(decode(ANY_VALUE, room + ROOM - length, length));
    length = nested_values(room + ROOM, LOGCTX__OTLP_MAX_DEPTH + 1);
    assert_refused(ANY_VALUE, room + ROOM - length, length, "nest deeper than 256");
    length = nested_values(room + ROOM, 800000);
    assert_refused(ANY_VALUE, room + ROOM - length, length, "nest deeper than 256");
    free(room);
}

static void test_memory_is_bounded_at_every_allocation(void **state)
{
    (void)state;
    ProtobufCMessage *sample = sample_message(KEY_VALUE, 5);
    uint8_t bytes[512];
    size_t length = protobuf_c_message_pack(sample, bytes);
    assert_true(length <= sizeof bytes);
    release(sample);
    struct logctx__budget budget;
    char why[256] = "";
    bool succeeded = false;
    for (size_t room = 0; !succeeded; room += 8) {
        logctx__budget_init(&budget, room);
        ProtobufCMessage *message = logctx__otlp_decode(KEY_VALUE, bytes, length, &budget.allocator, why, sizeof why);
        succeeded = message != NULL;
        assert_true(succeeded != budget.exceeded);
        protobuf_c_message_free_unpacked(message, &budget.allocator);
    }
    // Two bytes make an empty attribute, which takes more than fifty.
    static uint8_t many[20000];
    for (size_t i = 0; i < sizeof many; i += 2)
        many[i] = 0x0A;
    logctx__budget_init(&budget, 100000);
    assert_null(logctx__otlp_decode(&opentelemetry__proto__common__v1__key_value_list__descriptor, many, sizeof many,
                                    &budget.allocator, why, sizeof why));
    assert_true(budget.exceeded);
    assert_non_null(strstr(why, "smaller parts"));
}

static void test_an_empty_body_is_an_empty_message(void **state)
{
    (void)state;
    ProtobufCMessage *message = decode(REQUEST, NULL, 0);
    assert_packs((Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest *)message, "");
    release(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_span_flags_are_fixed32_in_a_two_byte_tag),
        cmocka_unit_test(test_a_root_has_no_parent_field),
        cmocka_unit_test(test_status_message_is_two_and_code_three),
        cmocka_unit_test(test_as_int_is_sfixed64_and_zero_is_present),
        cmocka_unit_test(test_histogram_counts_are_packed_fixed64_and_sum_has_presence),
        cmocka_unit_test(test_exponential_scale_is_zigzag_and_counts_are_varints),
        cmocka_unit_test(test_exemplar_has_the_span_before_the_trace),
        cmocka_unit_test(test_unpacked_numbers_are_read_too),
        cmocka_unit_test(test_profile_indexes_count_as_absent_and_survive),
        cmocka_unit_test(test_responses_of_a_collector_are_read),
        cmocka_unit_test(test_cut_off_messages_are_refused),
        cmocka_unit_test(test_malformed_fields_are_refused),
        cmocka_unit_test(test_nesting_ends_at_the_limit),
        cmocka_unit_test(test_memory_is_bounded_at_every_allocation),
        cmocka_unit_test(test_an_empty_body_is_an_empty_message),
    };
    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
