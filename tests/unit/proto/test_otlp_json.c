// SPDX-License-Identifier: Apache-2.0
// OTLP/JSON both ways: golden lines, round trips of every message, the liberties that readers must take, and
// bodies that have to be refused with a sentence that says what and where.

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "opentelemetry/proto/collector/metrics/v1/metrics_service.pb-c.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "opentelemetry/proto/logs/v1/logs.pb-c.h"
#include "otlp_decode.h"
#include "otlp_json.h"
#include "otlp_json_read.h"
#include "sample.h"

typedef Opentelemetry__Proto__Common__V1__AnyValue AnyValue;
typedef Opentelemetry__Proto__Common__V1__ArrayValue ArrayValue;
typedef Opentelemetry__Proto__Common__V1__KeyValue KeyValue;
typedef Opentelemetry__Proto__Trace__V1__Span Span;

#define ANY_VALUE (&opentelemetry__proto__common__v1__any_value__descriptor)
#define SPAN (&opentelemetry__proto__trace__v1__span__descriptor)
#define NUMBER_POINT (&opentelemetry__proto__metrics__v1__number_data_point__descriptor)
#define EXPONENTIAL_POINT (&opentelemetry__proto__metrics__v1__exponential_histogram_data_point__descriptor)
#define TRACE_REQUEST (&opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor)
#define METRICS_REQUEST (&opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor)

enum { LIMIT = 1 << 20 };

static ProtobufCMessage *read_sized(const ProtobufCMessageDescriptor *type, const char *json, size_t length)
{
    char why[512] = "";
    ProtobufCMessage *message = logctx__otlp_json_read(type, json, length, NULL, why, sizeof why);
    if (message == NULL)
        print_error("%s\n", why);
    assert_non_null(message);
    return message;
}

static ProtobufCMessage *read_json(const ProtobufCMessageDescriptor *type, const char *json)
{
    return read_sized(type, json, strlen(json));
}

static void release(ProtobufCMessage *message)
{
    protobuf_c_message_free_unpacked(message, NULL);
}

static void assert_prints(const ProtobufCMessage *message, const char *expected)
{
    struct logctx__text text;
    logctx__text_init(&text, LIMIT);
    assert_true(logctx__otlp_json_print(message, &text));
    assert_string_equal(text.bytes, expected);
    logctx__text_free(&text);
}

// What is read and printed again: the form that this project writes.
static void assert_reads_as(const ProtobufCMessageDescriptor *type, const char *json, const char *expected)
{
    ProtobufCMessage *message = read_json(type, json);
    assert_prints(message, expected);
    release(message);
}

static void assert_same(const ProtobufCMessageDescriptor *type, const char *json)
{
    assert_reads_as(type, json, json);
}

static void assert_refused(const ProtobufCMessageDescriptor *type, const char *json, const char *expected)
{
    char why[512] = "";
    ProtobufCMessage *message = logctx__otlp_json_read(type, json, strlen(json), NULL, why, sizeof why);
    assert_null(message);
    if (strstr(why, expected) == NULL)
        print_error("expected: %s\nfound: %s\n", expected, why);
    assert_non_null(strstr(why, expected));
}

static void test_keys_are_lower_camel_case(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"explicit_bounds", "explicitBounds"},
        {"as_int", "asInt"},
        {"time_unix_nano", "timeUnixNano"},
        {"name", "name"},
        {"dropped_attributes_count", "droppedAttributesCount"},
        {"field_2_b", "field2B"},
        {"trailing_", "trailing"},
        {"two__lines", "twoLines"},
    };
    char key[LOGCTX__OTLP_JSON_KEY_SIZE];
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_true(logctx__otlp_json_key(pairs[i][0], key));
        assert_string_equal(key, pairs[i][1]);
    }
    char name[LOGCTX__OTLP_JSON_KEY_SIZE + 1] = "";
    memset(name, 'x', LOGCTX__OTLP_JSON_KEY_SIZE - 1);
    assert_true(logctx__otlp_json_key(name, key));
    assert_string_equal(key, name);
    name[LOGCTX__OTLP_JSON_KEY_SIZE - 1] = 'x';
    assert_false(logctx__otlp_json_key(name, key));
}

static void test_a_span_as_one_line(void **state)
{
    (void)state;
    assert_same(TRACE_REQUEST,
                "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":"
                "{\"stringValue\":\"demo\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"logctx\",\"version\":\"1\"},"
                "\"spans\":[{\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"spanId\":\"eee19b7ec3c1b174\","
                "\"traceState\":\"a=1\",\"parentSpanId\":\"eee19b7ec3c1b173\",\"name\":\"GET /\",\"kind\":2,"
                "\"startTimeUnixNano\":\"1544712660000000000\",\"endTimeUnixNano\":\"1544712661000000000\","
                "\"attributes\":[{\"key\":\"n\",\"value\":{\"intValue\":\"-5\"}},{\"key\":\"f\",\"value\":"
                "{\"boolValue\":false}}],\"droppedAttributesCount\":1,\"events\":[{\"timeUnixNano\":\"1\","
                "\"name\":\"e\"}],\"links\":[{\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"spanId\":"
                "\"eee19b7ec3c1b174\",\"flags\":768}],\"status\":{\"message\":\"no\",\"code\":2},\"flags\":257}]}],"
                "\"schemaUrl\":\"s\"}]}");
}

static void test_metrics_as_one_line(void **state)
{
    (void)state;
    assert_same(METRICS_REQUEST,
                "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"h\",\"unit\":\"s\","
                "\"histogram\":{\"dataPoints\":[{\"startTimeUnixNano\":\"1\",\"timeUnixNano\":\"2\",\"count\":\"2\","
                "\"sum\":0,\"bucketCounts\":[\"1\",\"1\"],\"explicitBounds\":[0.005],\"exemplars\":[{"
                "\"timeUnixNano\":"
                "\"2\",\"asDouble\":0.1,\"spanId\":\"eee19b7ec3c1b174\",\"traceId\":"
                "\"5b8efff798038103d269b633813fc60c\"}],\"min\":0.1,\"max\":0.3}],\"aggregationTemporality\":2}},"
                "{\"name\":\"c\",\"sum\":{\"dataPoints\":[{\"timeUnixNano\":\"2\",\"asInt\":\"0\"}],"
                "\"aggregationTemporality\":2,\"isMonotonic\":true},\"metadata\":[{\"key\":\"k\",\"value\":{}}]}]}]}]"
                "}");
    assert_same(EXPONENTIAL_POINT,
                "{\"count\":\"3\",\"scale\":-2,\"zeroCount\":\"1\",\"positive\":{\"offset\":-1,\"bucketCounts\":"
                "[\"2\",\"0\"]},\"flags\":1,\"zeroThreshold\":1e-10}");
    assert_same(&opentelemetry__proto__collector__trace__v1__export_trace_service_response__descriptor,
                "{\"partialSuccess\":{\"rejectedSpans\":\"1\",\"errorMessage\":\"why\"}}");
}

static void test_a_log_record_as_one_line(void **state)
{
    (void)state;
    assert_same(&opentelemetry__proto__logs__v1__log_record__descriptor,
                "{\"timeUnixNano\":\"1\",\"severityNumber\":9,\"severityText\":\"Info\",\"body\":{\"kvlistValue\":"
                "{\"values\":[{\"key\":\"a\",\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":\"\"},{}]}}}]}},"
                "\"flags\":1,\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"spanId\":\"eee19b7ec3c1b174\","
                "\"observedTimeUnixNano\":\"2\",\"eventName\":\"e\"}");
}

// The pattern of every message: pack, print, read, pack.
static void check_round_trip(const ProtobufCMessageDescriptor *type, unsigned variant)
{
    ProtobufCMessage *sample = sample_message(type, variant);
    struct logctx__text text;
    logctx__text_init(&text, 16 * LIMIT);
    assert_true(logctx__otlp_json_print(sample, &text));
    ProtobufCMessage *back = read_sized(type, text.bytes, text.length);
    size_t size = protobuf_c_message_get_packed_size(sample);
    assert_int_equal(protobuf_c_message_get_packed_size(back), size);
    uint8_t *packed = malloc(2 * size + 1);
    assert_non_null(packed);
    protobuf_c_message_pack(sample, packed);
    protobuf_c_message_pack(back, packed + size);
    assert_memory_equal(packed, packed + size, size);
    free(packed);
    logctx__text_free(&text);
    release(back);
    release(sample);
}

static void test_every_message_survives_the_round_trip(void **state)
{
    (void)state;
    for (size_t t = 0; sample_types[t] != NULL; t++)
        for (unsigned variant = 0; variant < sample_variants(sample_types[t]); variant++)
            check_round_trip(sample_types[t], variant);
}

static void assert_string_prints(const char *string, const char *expected)
{
    AnyValue value = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__INIT;
    char copy[64];
    char json[256];
    snprintf(copy, sizeof copy, "%s", string);
    snprintf(json, sizeof json, "{\"stringValue\":\"%s\"}", expected);
    value.value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE;
    value.string_value = copy;
    assert_prints(&value.base, json);
    release(read_json(ANY_VALUE, json));
}

#define BAD "\xEF\xBF\xBD"

static void test_strings_are_escaped_and_made_valid(void **state)
{
    (void)state;
    assert_string_prints("a\"b\\c/d", "a\\\"b\\\\c/d");
    assert_string_prints("\b\t\n\f\r\x01\x1F\x7F", "\\b\\t\\n\\f\\r\\u0001\\u001f\x7F");
    assert_string_prints("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", "\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80");
    assert_string_prints("\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF");
    assert_string_prints("a\xFFz", "a" BAD "z");
    assert_string_prints("cut \xC3", "cut " BAD);
    assert_string_prints("cut \xE2\x82", "cut " BAD BAD);
    assert_string_prints("cut \xF0\x9F\x98", "cut " BAD BAD BAD);
    assert_string_prints("\xC0\x80", BAD BAD);                 // an overlong NUL
    assert_string_prints("\xE0\x80\xAF", BAD BAD BAD);         // an overlong slash
    assert_string_prints("\xED\xA0\x80", BAD BAD BAD);         // a surrogate
    assert_string_prints("\xF4\x90\x80\x80", BAD BAD BAD BAD); // beyond U+10FFFF
    assert_string_prints("\x80\xC3\"", BAD BAD "\\\"");
}

static void assert_double_prints(double number, const char *expected)
{
    AnyValue value = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__INIT;
    char json[64];
    snprintf(json, sizeof json, "{\"doubleValue\":%s}", expected);
    value.value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_DOUBLE_VALUE;
    value.double_value = number;
    assert_prints(&value.base, json);
    AnyValue *back = (AnyValue *)read_json(ANY_VALUE, json);
    assert_memory_equal(&back->double_value, &number, isnan(number) ? 0 : sizeof number);
    assert_true(isnan(number) == isnan(back->double_value));
    release(&back->base);
}

static void check_doubles(void)
{
    assert_double_prints(0.0, "0");
    assert_double_prints(-0.0, "-0.0");
    assert_double_prints(0.1, "0.1");
    assert_double_prints(-2.5, "-2.5");
    assert_double_prints(1.0 / 3, "0.3333333333333333");
    assert_double_prints(5e-324, "4.94065645841247e-324");
    assert_double_prints(1.7976931348623157e308, "1.7976931348623157e+308");
    assert_double_prints(9007199254740993.0, "9007199254740992");
    assert_double_prints((double)NAN, "\"NaN\"");
    assert_double_prints((double)INFINITY, "\"Infinity\"");
    assert_double_prints(-(double)INFINITY, "\"-Infinity\"");
}

static void test_doubles_read_back_as_they_were(void **state)
{
    (void)state;
    check_doubles();
}

static void test_the_locale_of_the_host_does_not_show(void **state)
{
    (void)state;
    // The second one has a decimal point of two bytes. The build makes both where Debian's locales are.
    static const char *const names[] = {"de_DE.UTF-8", "ps_AF.UTF-8"};
    size_t found = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (setlocale(LC_NUMERIC, names[i]) == NULL)
            continue;
        found++;
        assert_string_not_equal(localeconv()->decimal_point, ".");
        check_doubles();
        assert_reads_as(NUMBER_POINT, "{\"asDouble\":\"0.5\"}", "{\"asDouble\":0.5}");
        assert_string_not_equal(localeconv()->decimal_point, ".");
    }
    setlocale(LC_NUMERIC, "C");
    if (found == 0) {
        print_message("skipped: no locale with another decimal point; install the package locales\n");
        skip();
    }
}

static void test_numbers_are_read_in_each_form(void **state)
{
    (void)state;
    static const char *const maximum = "{\"timeUnixNano\":\"18446744073709551615\"}";
    assert_reads_as(NUMBER_POINT, "{\"timeUnixNano\":18446744073709551615}", maximum);
    assert_reads_as(NUMBER_POINT, "{\"timeUnixNano\":\"18446744073709551615\"}", maximum);
    assert_reads_as(NUMBER_POINT, "{\"timeUnixNano\": 9223372036854775808 , \"z\": [\"\\\"12345678901234567890\"]}",
                    "{\"timeUnixNano\":\"9223372036854775808\"}");
    assert_reads_as(NUMBER_POINT, "{\"timeUnixNano\":1.5e9}", "{\"timeUnixNano\":\"1500000000\"}");
    assert_reads_as(NUMBER_POINT, "{\"asInt\":-9223372036854775808}", "{\"asInt\":\"-9223372036854775808\"}");
    assert_reads_as(NUMBER_POINT, "{\"asInt\":\"-9223372036854775808\"}", "{\"asInt\":\"-9223372036854775808\"}");
    assert_reads_as(NUMBER_POINT, "{\"asInt\":\"-0\"}", "{\"asInt\":\"0\"}");
    assert_reads_as(NUMBER_POINT, "{\"flags\":4294967295}", "{\"flags\":4294967295}");
    assert_reads_as(NUMBER_POINT, "{\"flags\":\"1\"}", "{\"flags\":1}");
    assert_reads_as(NUMBER_POINT, "{\"asDouble\":100000000000000000000}", "{\"asDouble\":1e+20}");
    assert_reads_as(NUMBER_POINT, "{\"asDouble\":-100000000000000000000}", "{\"asDouble\":-1e+20}");
    assert_reads_as(NUMBER_POINT, "{\"asDouble\":\"0.5\"}", "{\"asDouble\":0.5}");
    assert_reads_as(NUMBER_POINT, "{\"asDouble\":7}", "{\"asDouble\":7}");
    assert_reads_as(EXPONENTIAL_POINT, "{\"scale\":-2147483648}", "{\"scale\":-2147483648}");
}

static void test_ids_are_hex_and_other_bytes_base64(void **state)
{
    (void)state;
    assert_reads_as(SPAN, "{\"traceId\":\"5B8EFFF798038103D269B633813FC60C\",\"parentSpanId\":\"EEE19b7ec3c1b173\"}",
                    "{\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"parentSpanId\":\"eee19b7ec3c1b173\"}");
    assert_reads_as(SPAN, "{\"parentSpanId\":\"\"}", "{}");
    assert_same(ANY_VALUE, "{\"bytesValue\":\"\"}");
    assert_same(ANY_VALUE, "{\"bytesValue\":\"Zg==\"}");
    assert_same(ANY_VALUE, "{\"bytesValue\":\"Zm8=\"}");
    assert_same(ANY_VALUE, "{\"bytesValue\":\"Zm9v\"}");
    assert_same(ANY_VALUE, "{\"bytesValue\":\"Zm9vYmFy+/+/\"}");
    assert_reads_as(ANY_VALUE, "{\"bytesValue\":\"-_8\"}", "{\"bytesValue\":\"+/8=\"}");
    assert_refused(SPAN, "{\"traceId\":\"5b8efff798038103d269b633813fc60\"}",
                   "at traceId: expected 32 hex digits, found 31 characters.");
    assert_refused(SPAN, "{\"spanId\":\"eee19b7ec3c1b17g\"}", "at spanId: expected hex digits only");
    assert_refused(SPAN, "{\"spanId\":\"7uGbfsPBsXQ=\"}", "at spanId: expected 16 hex digits");
    assert_refused(SPAN, "{\"spanId\":12}", "at spanId: expected a string of hex digits, found an integer.");
    assert_refused(ANY_VALUE, "{\"bytesValue\":\"Z\"}", "at bytesValue: expected base64");
    assert_refused(ANY_VALUE, "{\"bytesValue\":\"Zm9v!\"}", "at bytesValue: expected base64");
    assert_refused(ANY_VALUE, "{\"bytesValue\":\"====\"}", "at bytesValue: expected base64");
}

static void test_what_is_unknown_or_null_is_skipped(void **state)
{
    (void)state;
    assert_reads_as(SPAN, "{\"name\":\"n\",\"trace_state\":\"old\",\"new\":{\"deep\":[1,{\"er\":null}]},\"kind\":null}",
                    "{\"name\":\"n\"}");
    assert_reads_as(SPAN, "{\"attributes\":null,\"events\":[],\"status\":{},\"name\":\"\"}", "{\"status\":{}}");
    assert_reads_as(ANY_VALUE, "{\"stringValue\":null,\"intValue\":\"1\"}", "{\"intValue\":\"1\"}");
    assert_reads_as(ANY_VALUE, "{\"stringValueStrindex\":3}", "{}");
    assert_reads_as(ANY_VALUE, "{\"stringValue\":\"a\\u0000b\\ud83d\\ude00\"}",
                    "{\"stringValue\":\"a" BAD "b\xF0\x9F\x98\x80\"}");
    assert_reads_as(SPAN, "{\"kind\":77}", "{\"kind\":77}");
}

static void test_wrong_types_are_named_with_their_place(void **state)
{
    (void)state;
    assert_refused(TRACE_REQUEST,
                   "{\"resourceSpans\":[{\"scopeSpans\":[{},{\"spans\":[{\"kind\":\"SPAN_KIND_SERVER\"}]}]}]}",
                   "at resourceSpans[0].scopeSpans[1].spans[0].kind: expected an integer, as OTLP/JSON has no names");
    assert_refused(SPAN, "{\"name\":5}", "at name: expected a string, found an integer.");
    assert_refused(SPAN, "{\"attributes\":{}}", "at attributes: expected an array, found an object.");
    assert_refused(SPAN, "{\"attributes\":[null]}", "at attributes[0]: expected an object, found null.");
    assert_refused(SPAN, "{\"attributes\":[{\"key\":\"k\"},7]}", "at attributes[1]: expected an object");
    assert_refused(SPAN, "{\"status\":[]}", "at status: expected an object, found an array.");
    assert_refused(SPAN, "[]", "at the top level: expected an object, found an array.");
    assert_refused(ANY_VALUE, "{\"boolValue\":1}", "at boolValue: expected true or false, found an integer.");
    assert_refused(ANY_VALUE, "{\"stringValue\":\"a\",\"intValue\":1}", "another key of the same object");
    assert_refused(NUMBER_POINT, "{\"asDouble\":true}", "at asDouble: expected a number, found true.");
    assert_refused(NUMBER_POINT, "{\"asInt\":[]}", "at asInt: expected an integer");
}

static void test_numbers_outside_their_range_are_refused(void **state)
{
    (void)state;
    assert_refused(NUMBER_POINT, "{\"timeUnixNano\":18446744073709551616}", "at timeUnixNano: expected an integer");
    assert_refused(NUMBER_POINT, "{\"timeUnixNano\":-1}", "at timeUnixNano: the integer is outside the range");
    assert_refused(NUMBER_POINT, "{\"asInt\":9223372036854775808}", "at asInt: the integer is outside the range");
    assert_refused(NUMBER_POINT, "{\"asInt\":\"-9223372036854775809\"}", "at asInt: the integer is outside the range");
    assert_refused(NUMBER_POINT, "{\"asInt\":1.5}", "at asInt: expected an integer");
    assert_refused(NUMBER_POINT, "{\"asInt\":1e300}", "at asInt: expected an integer");
    assert_refused(NUMBER_POINT, "{\"asInt\":\"\"}", "at asInt: expected an integer");
    assert_refused(NUMBER_POINT, "{\"asInt\":\"-\"}", "at asInt: expected an integer");
    assert_refused(NUMBER_POINT, "{\"asInt\":\" 1\"}", "at asInt: expected an integer");
    assert_refused(NUMBER_POINT, "{\"asInt\":\"+1\"}", "at asInt: expected an integer");
    assert_refused(NUMBER_POINT, "{\"flags\":4294967296}", "at flags: the integer is outside the range");
    assert_refused(SPAN, "{\"kind\":2147483648}", "at kind: the integer is outside the range");
    assert_refused(NUMBER_POINT, "{\"asDouble\":1e999}", "not JSON that can be read: real number overflow (line 1");
    assert_refused(NUMBER_POINT, "{\"asDouble\":\"1e999\"}", "at asDouble: expected a number");
    assert_refused(NUMBER_POINT, "{\"asDouble\":\"nan\"}", "at asDouble: expected a number");
    assert_refused(NUMBER_POINT, "{\"asDouble\":\"1 \"}", "at asDouble: expected a number");
    assert_refused(NUMBER_POINT, "{\"asDouble\":\"\"}", "at asDouble: expected a number");
}

static void test_what_is_not_json_is_refused(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "",
        " ",
        "{",
        "{\"a\"",
        "{} {}",
        "nul",
        "{\"name\":\"\xFF\"}",
        "{\"name\":\"\\ud800\"}",
        "{\"name\":\"a\nb\"}",
        "{'name':1}",
        "{\"a\":01}",
        "{\"a\":NaN}",
        "{\"a\":12345678901234567890",
        "\"",
        "{\"a\":-}",
        "12345678901234567890",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        assert_refused(SPAN, broken[i], "The body is not JSON that can be read: ");
    char why[512];
    assert_null(logctx__otlp_json_read(SPAN, "{}\0x", 4, NULL, why, sizeof why));
}

static void test_cut_off_bodies_are_refused(void **state)
{
    (void)state;
    ProtobufCMessage *sample = sample_message(SPAN, 1);
    struct logctx__text text;
    logctx__text_init(&text, LIMIT);
    assert_true(logctx__otlp_json_print(sample, &text));
    release(sample);
    for (size_t cut = 0; cut < text.length; cut++) {
        char why[512] = "";
        char *piece = malloc(cut + 1); // a full copy, so that the sanitizer sees a byte too many
        assert_non_null(piece);
        memcpy(piece, text.bytes, cut);
        assert_null(logctx__otlp_json_read(SPAN, piece, cut, NULL, why, sizeof why));
        assert_true(strlen(why) > 20);
        free(piece);
    }
    logctx__text_free(&text);
}

// The value of so many messages, {"arrayValue":{"values":[{ ... }]}}, as JSON.
static char *nested_json(size_t arrays)
{
    static const char open[] = "{\"arrayValue\":{\"values\":[";
    static const char close[] = "]}}";
    char *json = malloc(arrays * (sizeof open + sizeof close) + 3);
    assert_non_null(json);
    char *to = json;
    for (size_t i = 0; i < arrays; i++)
        to = stpcpy(to, open);
    to = stpcpy(to, "{}");
    for (size_t i = 0; i < arrays; i++)
        to = stpcpy(to, close);
    return json;
}

static void test_deep_bodies_are_refused(void **state)
{
    (void)state;
    char *json = nested_json(LOGCTX__OTLP_MAX_DEPTH / 2 - 1);
    assert_same(ANY_VALUE, json);
    free(json);
    json = nested_json(LOGCTX__OTLP_MAX_DEPTH / 2);
    assert_refused(ANY_VALUE, json, "the objects nest too deep");
    free(json);
    json = nested_json(100000);
    assert_refused(ANY_VALUE, json, "maximum parsing depth");
    free(json);
}

static void test_many_and_large_values_are_refused(void **state)
{
    (void)state;
    size_t size = 2 * (size_t)LOGCTX__JSON_MAX_VALUES + 2;
    char *json = malloc(size + 1);
    assert_non_null(json);
    for (size_t i = 0; i < size; i += 2)
        memcpy(json + i, "0,", 2);
    json[0] = '[';
    json[size] = '\0';
    assert_refused(ANY_VALUE, json, "has more than 1048576 values");
    free(json);
    char why[512] = "";
    // The length is looked at before the bytes are.
    assert_null(logctx__otlp_json_read(ANY_VALUE, "{}", (size_t)LOGCTX__JSON_MAX_BYTES + 1, NULL, why, sizeof why));
    assert_non_null(strstr(why, "larger than 67108864 bytes"));
}

static void test_memory_is_bounded_at_every_allocation(void **state)
{
    (void)state;
    static const char json[] = "{\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"name\":\"n\",\"events\":[{\"name\":"
                               "\"e\",\"attributes\":[{\"key\":\"k\",\"value\":{\"bytesValue\":\"Zg==\"}}]}]}";
    bool succeeded = false;
    for (size_t room = 0; !succeeded; room += 8) {
        struct logctx__budget budget;
        char why[512] = "";
        logctx__budget_init(&budget, room);
        ProtobufCMessage *message =
            logctx__otlp_json_read(SPAN, json, sizeof json - 1, &budget.allocator, why, sizeof why);
        succeeded = message != NULL;
        assert_true(succeeded != budget.exceeded);
        assert_true(succeeded || strstr(why, "needs more memory") != NULL);
        protobuf_c_message_free_unpacked(message, &budget.allocator);
    }
}

static void test_the_sentence_fits_any_buffer(void **state)
{
    (void)state;
    static const char json[] = "{\"events\":[{\"attributes\":[{\"key\":1}]}]}";
    for (size_t size = 0; size < 120; size++) {
        char *why = malloc(size + 1);
        assert_non_null(why);
        assert_null(logctx__otlp_json_read(SPAN, json, sizeof json - 1, NULL, why, size));
        assert_true(size == 0 || strlen(why) < size);
        free(why);
    }
}

static void test_a_full_text_is_as_it_was(void **state)
{
    (void)state;
    ProtobufCMessage *sample = sample_message(SPAN, 0);
    struct logctx__text text;
    logctx__text_init(&text, LIMIT);
    assert_true(logctx__otlp_json_print(sample, &text));
    size_t needed = text.length;
    logctx__text_free(&text);
    for (size_t room = 0; room <= needed; room++) {
        logctx__text_init(&text, 2 + room);
        assert_true(logctx__text_append_string(&text, "> "));
        assert_true(logctx__otlp_json_print(sample, &text) == (room == needed));
        assert_true(text.failed == (room < needed));
        assert_int_equal(text.length, room == needed ? 2 + needed : 2);
        assert_int_equal(strlen(text.bytes), text.length);
        logctx__text_free(&text);
    }
    release(sample);
}

static void test_a_failed_text_fails_until_it_is_reset(void **state)
{
    (void)state;
    struct logctx__text text;
    logctx__text_init(&text, 4);
    assert_true(logctx__text_append(&text, "abc", 3));
    assert_false(logctx__text_append(&text, "de", 2));
    assert_false(logctx__text_append_byte(&text, 'd'));
    assert_string_equal(text.bytes, "abc");
    logctx__text_reset(&text, 2);
    assert_true(logctx__text_append_string(&text, "yz"));
    assert_string_equal(text.bytes, "abyz");
    assert_false(logctx__text_append_byte(&text, '!'));
    logctx__text_free(&text);
}

// Values in values on the stack, one more than may be printed.
static void test_printing_stops_at_the_depth_limit(void **state)
{
    (void)state;
    static AnyValue values[LOGCTX__OTLP_MAX_DEPTH];
    static ArrayValue arrays[LOGCTX__OTLP_MAX_DEPTH];
    static AnyValue *elements[LOGCTX__OTLP_MAX_DEPTH];
    enum { ARRAYS = LOGCTX__OTLP_MAX_DEPTH / 2 };
    struct logctx__text text;
    for (size_t i = 0; i <= ARRAYS; i++) {
        values[i] = (AnyValue)OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__INIT;
        arrays[i] = (ArrayValue)OPENTELEMETRY__PROTO__COMMON__V1__ARRAY_VALUE__INIT;
        elements[i] = &values[i];
    }
    for (size_t i = 0; i < ARRAYS; i++) {
        values[i].value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_ARRAY_VALUE;
        values[i].array_value = &arrays[i];
        arrays[i].n_values = 1;
        arrays[i].values = &elements[i + 1];
    }
    logctx__text_init(&text, LIMIT);
    assert_false(logctx__otlp_json_print(&values[0].base, &text));
    assert_int_equal(text.length, 0);
    logctx__text_reset(&text, 0);
    assert_true(logctx__otlp_json_print(&values[1].base, &text));
    logctx__text_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_are_lower_camel_case),
        cmocka_unit_test(test_a_span_as_one_line),
        cmocka_unit_test(test_metrics_as_one_line),
        cmocka_unit_test(test_a_log_record_as_one_line),
        cmocka_unit_test(test_every_message_survives_the_round_trip),
        cmocka_unit_test(test_strings_are_escaped_and_made_valid),
        cmocka_unit_test(test_doubles_read_back_as_they_were),
        cmocka_unit_test(test_the_locale_of_the_host_does_not_show),
        cmocka_unit_test(test_numbers_are_read_in_each_form),
        cmocka_unit_test(test_ids_are_hex_and_other_bytes_base64),
        cmocka_unit_test(test_what_is_unknown_or_null_is_skipped),
        cmocka_unit_test(test_wrong_types_are_named_with_their_place),
        cmocka_unit_test(test_numbers_outside_their_range_are_refused),
        cmocka_unit_test(test_what_is_not_json_is_refused),
        cmocka_unit_test(test_cut_off_bodies_are_refused),
        cmocka_unit_test(test_deep_bodies_are_refused),
        cmocka_unit_test(test_many_and_large_values_are_refused),
        cmocka_unit_test(test_memory_is_bounded_at_every_allocation),
        cmocka_unit_test(test_the_sentence_fits_any_buffer),
        cmocka_unit_test(test_a_full_text_is_as_it_was),
        cmocka_unit_test(test_a_failed_text_fails_until_it_is_reset),
        cmocka_unit_test(test_printing_stops_at_the_depth_limit),
    };
    return cmocka_run_group_tests_name("otlp_json", tests, NULL, NULL);
}
