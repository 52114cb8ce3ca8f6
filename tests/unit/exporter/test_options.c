/*
 * test_options.c: settings from code and from the environment: every variable, good and bad values, who wins, URLs,
 * headers, and the resource.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"
#include "messages.h"
#include "pairs.h"
#include "resource.h"
#include "support.h"
#include "valid_utf8.h"
#include "values.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static logctx_status_t read_options(struct logctx__options *out, const logctx_otlp_opts_t *opts,
                                    const char *const *pairs)
{
    const struct logctx__environment env = support_environment(pairs);
    support_log_begin();
    return logctx__options_read(out, opts, &env);
}

// Values.

static void test_integers(void **state)
{
    (void)state;
    int64_t value = -1;
    assert_true(logctx__value_integer("0", 0, 10, &value));
    assert_int_equal(value, 0);
    assert_true(logctx__value_integer(" 2147483647 ", 0, INT32_MAX, &value));
    assert_int_equal(value, INT32_MAX);
    assert_true(logctx__value_integer("-5", -10, 10, &value));
    assert_int_equal(value, -5);
    const char *const bad[] = {"",   " ", "-", "+", "abc", "1.5", "1 2", "0x10", "5s", "99999999999999999999",
                               "11", "-1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(logctx__value_integer(bad[i], 0, 10, &value));
    }
    assert_int_equal(value, -5);
}

static void test_booleans(void **state)
{
    (void)state;
    bool odd = false;
    assert_true(logctx__value_boolean("true", &odd) && !odd);
    assert_true(logctx__value_boolean(" TRUE ", &odd) && !odd);
    assert_true(!logctx__value_boolean("false", &odd) && !odd);
    assert_true(!logctx__value_boolean("False", &odd) && !odd);
    const char *const words[] = {"1", "yes", "on", "t", "0", "no"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        assert_true(!logctx__value_boolean(words[i], &odd) && odd);
    }
}

// Defaults and numbers.

static void test_defaults(void **state)
{
    (void)state;
    struct logctx__options o;
    assert_int_equal(read_options(&o, NULL, NULL), LOGCTX_OK);
    assert_string_equal(o.signals[LOGCTX__TRACES].endpoint.url, "http://localhost:4318/v1/traces");
    assert_string_equal(o.signals[LOGCTX__METRICS].endpoint.url, "http://localhost:4318/v1/metrics");
    assert_int_equal(o.signals[LOGCTX__TRACES].timeout_ms, 10000);
    assert_true(o.signals[LOGCTX__TRACES].gzip);
    assert_false(o.signals[LOGCTX__TRACES].off);
    assert_int_equal(o.signals[LOGCTX__TRACES].header_count, 0);
    assert_int_equal(o.schedule_delay_ms, 5000);
    assert_int_equal(o.max_batch, 512);
    assert_int_equal(o.max_queue, 0);
    assert_int_equal(o.max_queue_bytes, 16 << 20);
    assert_int_equal(o.metric_interval_ms, 60000);
    assert_int_equal(o.max_request_bytes, 67108864);
    assert_int_equal(o.max_response_bytes, 4194304);
    assert_int_equal(o.retry_initial_ms, 1000);
    assert_int_equal(o.retry_max_ms, 30000);
    assert_int_equal(o.retry_elapsed_ms, 300000);
    assert_false(o.has_sampler);
    assert_false(o.has_limits);
    assert_true(o.exemplars);
    assert_int_equal(support_log_count(), 0);
    logctx__options_free(&o);
}

static void test_empty_is_unset(void **state)
{
    (void)state;
    static const char *const env[] = {"OTEL_EXPORTER_OTLP_ENDPOINT",
                                      "",
                                      "OTEL_BSP_SCHEDULE_DELAY",
                                      " ",
                                      "OTEL_SDK_DISABLED",
                                      "",
                                      "OTEL_TRACES_SAMPLER",
                                      "",
                                      "OTEL_EXPORTER_OTLP_HEADERS",
                                      " ",
                                      NULL};
    struct logctx__options o;
    assert_int_equal(read_options(&o, NULL, env), LOGCTX_OK);
    assert_string_equal(o.signals[LOGCTX__TRACES].endpoint.url, "http://localhost:4318/v1/traces");
    assert_int_equal(o.schedule_delay_ms, 5000);
    assert_int_equal(support_log_count(), 0);
    logctx__options_free(&o);
}

static void test_numbers_from_environment(void **state)
{
    (void)state;
    static const char *const env[] = {"OTEL_BSP_SCHEDULE_DELAY",
                                      "250",
                                      "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
                                      "100",
                                      "OTEL_BSP_MAX_QUEUE_SIZE",
                                      "50",
                                      "OTEL_METRIC_EXPORT_INTERVAL",
                                      "7",
                                      "OTEL_EXPORTER_OTLP_TIMEOUT",
                                      "0",
                                      "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
                                      "5",
                                      NULL};
    struct logctx__options o;
    assert_int_equal(read_options(&o, NULL, env), LOGCTX_OK);
    assert_int_equal(o.schedule_delay_ms, 250);
    assert_int_equal(o.max_queue, 50);
    assert_int_equal(o.max_batch, 50); // no larger than the queue
    assert_int_equal(o.metric_interval_ms, 7);
    assert_int_equal(o.signals[LOGCTX__TRACES].timeout_ms, 0);
    assert_int_equal(o.signals[LOGCTX__METRICS].timeout_ms, 5);
    assert_int_equal(support_log_count(), 0);
    logctx__options_free(&o);
}

static void test_bad_numbers(void **state)
{
    (void)state;
    static const char *const names[] = {"OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
                                        "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_METRIC_EXPORT_INTERVAL",
                                        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"};
    static const char *const values[] = {"many", "-1", "99999999999999999999", "1.5"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (size_t k = 0; k < sizeof values / sizeof values[0]; k++) {
            const char *const env[] = {names[i], values[k], NULL};
            struct logctx__options o;
            assert_int_equal(read_options(&o, NULL, env), LOGCTX_OK);
            assert_int_equal(support_log_count(), 1);
            assert_int_equal(support_log_matching(names[i], values[k]), 1);
            assert_int_equal(o.schedule_delay_ms, 5000);
            assert_int_equal(o.max_batch, 512);
            assert_int_equal(o.max_queue, 0);
            assert_int_equal(o.metric_interval_ms, 60000);
            assert_int_equal(o.signals[LOGCTX__TRACES].timeout_ms, 10000);
            logctx__options_free(&o);
        }
    }
    static const char *const zero[] = {"OTEL_BSP_MAX_QUEUE_SIZE", "0", NULL};
    struct logctx__options o;
    assert_int_equal(read_options(&o, NULL, zero), LOGCTX_OK);
    assert_int_equal(support_log_matching("OTEL_BSP_MAX_QUEUE_SIZE", "no bound"), 1);
    logctx__options_free(&o);
}

static void test_code_wins(void **state)
{
    (void)state;
    static const char *const env[] = {"OTEL_BSP_SCHEDULE_DELAY",
                                      "250",
                                      "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                                      "http://environment/traces",
                                      "OTEL_EXPORTER_OTLP_COMPRESSION",
                                      "gzip",
                                      "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
                                      "1",
                                      "OTEL_EXPORTER_OTLP_HEADERS",
                                      "from=environment",
                                      NULL};
    const logctx_otlp_opts_t opts = {.struct_size = sizeof opts,
                                     .endpoint = "http://code:1/base",
                                     .metrics_endpoint = "http://code/exact",
                                     .compression = LOGCTX_COMPRESSION_NONE,
                                     .timeout_ms = 42,
                                     .headers = "from=code",
                                     .schedule_delay_ms = 9};
    struct logctx__options o;
    assert_int_equal(read_options(&o, &opts, env), LOGCTX_OK);
    assert_int_equal(o.schedule_delay_ms, 9);
    assert_string_equal(o.signals[LOGCTX__TRACES].endpoint.url, "http://code:1/base/v1/traces");
    assert_string_equal(o.signals[LOGCTX__METRICS].endpoint.url, "http://code/exact");
    assert_false(o.signals[LOGCTX__TRACES].gzip);
    assert_int_equal(o.signals[LOGCTX__TRACES].timeout_ms, 42);
    assert_int_equal(o.signals[LOGCTX__TRACES].header_count, 1);
    assert_string_equal(o.signals[LOGCTX__TRACES].headers[0], "from: code");
    logctx__options_free(&o);
}

static void assert_refused(logctx_otlp_opts_t opts, const char *field)
{
    struct logctx__options o;
    opts.struct_size = sizeof opts;
    assert_int_equal(read_options(&o, &opts, NULL), LOGCTX_E_CONFIG);
    assert_int_equal(support_log_matching(field, NULL), 1);
    logctx__options_free(&o);
}

static void test_bad_code(void **state)
{
    (void)state;
    assert_refused((logctx_otlp_opts_t){.schedule_delay_ms = -1}, "opts.schedule_delay_ms");
    assert_refused((logctx_otlp_opts_t){.timeout_ms = -1}, "opts.timeout_ms");
    assert_refused((logctx_otlp_opts_t){.max_batch = UINT32_MAX}, "opts.max_batch");
    assert_refused((logctx_otlp_opts_t){.max_request_bytes = SIZE_MAX}, "opts.max_request_bytes");
    assert_refused((logctx_otlp_opts_t){.retry_max_ms = -5}, "opts.retry_max_ms");
    assert_refused((logctx_otlp_opts_t){.endpoint = "localhost:4318"}, "opts.endpoint");
    assert_refused((logctx_otlp_opts_t){.traces_endpoint = "http://"}, "opts.traces_endpoint");
    assert_refused((logctx_otlp_opts_t){.metrics_endpoint = "file:///etc/passwd"}, "opts.metrics_endpoint");
    assert_refused((logctx_otlp_opts_t){.headers = "no-equals-sign"}, "opts.headers");
    assert_refused((logctx_otlp_opts_t){.compression = (logctx_compression_t)77}, "opts.compression");
    struct logctx__options o;
    const logctx_otlp_opts_t sizeless = {.struct_size = 0};
    assert_int_equal(read_options(&o, &sizeless, NULL), LOGCTX_E_CONFIG);
    assert_int_equal(support_log_matching("struct_size", NULL), 1);
    logctx__options_free(&o);
}

// Enumerations and switches.

static void test_compression(void **state)
{
    (void)state;
    static const char *const none[] = {"OTEL_EXPORTER_OTLP_COMPRESSION", "NONE",
                                       "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip", NULL};
    static const char *const odd[] = {"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "brotli", NULL};
    struct logctx__options o;
    assert_int_equal(read_options(&o, NULL, none), LOGCTX_OK);
    assert_false(o.signals[LOGCTX__TRACES].gzip);
    assert_true(o.signals[LOGCTX__METRICS].gzip);
    logctx__options_free(&o);
    assert_int_equal(read_options(&o, NULL, odd), LOGCTX_OK);
    assert_true(o.signals[LOGCTX__TRACES].gzip);
    assert_int_equal(support_log_matching("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "brotli"), 1);
    logctx__options_free(&o);
}

static void test_protocol(void **state)
{
    (void)state;
    static const char *const grpc[] = {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc", NULL};
    static const char *const fine[] = {"OTEL_EXPORTER_OTLP_PROTOCOL", "HTTP/protobuf", NULL};
    struct logctx__options o;
    assert_int_equal(read_options(&o, NULL, grpc), LOGCTX_OK);
    assert_int_equal(support_log_matching("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"), 1);
    logctx__options_free(&o);
    assert_int_equal(read_options(&o, NULL, fine), LOGCTX_OK);
    assert_int_equal(support_log_count(), 0);
    logctx__options_free(&o);
}

static void test_general_is_reported_once(void **state)
{
    (void)state;
    static const char *const env[] = {"OTEL_EXPORTER_OTLP_PROTOCOL",
                                      "grpc",
                                      "OTEL_EXPORTER_OTLP_TIMEOUT",
                                      "soon",
                                      "OTEL_EXPORTER_OTLP_ENDPOINT",
                                      "nowhere",
                                      "OTEL_EXPORTER_OTLP_HEADERS",
                                      "x",
                                      "OTEL_EXPORTER_OTLP_COMPRESSION",
                                      "zip",
                                      NULL};
    struct logctx__options o;
    assert_int_equal(read_options(&o, NULL, env), LOGCTX_OK);
    assert_int_equal(support_log_matching("OTEL_EXPORTER_OTLP_PROTOCOL", NULL), 1);
    assert_int_equal(support_log_matching("OTEL_EXPORTER_OTLP_TIMEOUT", NULL), 1);
    assert_int_equal(support_log_matching("OTEL_EXPORTER_OTLP_ENDPOINT", NULL), 1);
    assert_int_equal(support_log_matching("OTEL_EXPORTER_OTLP_HEADERS", NULL), 1);
    assert_int_equal(support_log_matching("OTEL_EXPORTER_OTLP_COMPRESSION", NULL), 1);
    logctx__options_free(&o);
}

static void test_exporters(void **state)
{
    (void)state;
    static const char *const env[] = {"OTEL_TRACES_EXPORTER", "none", "OTEL_METRICS_EXPORTER", "prometheus", NULL};
    struct logctx__options o;
    assert_int_equal(read_options(&o, NULL, env), LOGCTX_OK);
    assert_true(o.signals[LOGCTX__TRACES].off);
    assert_false(o.signals[LOGCTX__METRICS].off);
    assert_int_equal(support_log_matching("OTEL_METRICS_EXPORTER", "prometheus"), 1);
    logctx__options_free(&o);
}

static void test_disabled(void **state)
{
    (void)state;
    static const char *const yes[] = {"OTEL_SDK_DISABLED", "True", NULL};
    static const char *const odd[] = {"OTEL_SDK_DISABLED", "1", NULL};
    struct logctx__options o;
    assert_int_equal(read_options(&o, NULL, yes), LOGCTX_OK);
    assert_true(o.disabled);
    logctx__options_free(&o);
    assert_int_equal(read_options(&o, NULL, odd), LOGCTX_OK);
    assert_false(o.disabled);
    assert_int_equal(support_log_matching("OTEL_SDK_DISABLED", "\"1\""), 1);
    logctx__options_free(&o);
}

static void test_samplers(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        bool known;
        logctx_sampler_t sampler;
    } rows[] = {{"always_on", true, LOGCTX_SAMPLER_ALWAYS_ON},
                {"ALWAYS_OFF", true, LOGCTX_SAMPLER_ALWAYS_OFF},
                {"parentbased_always_on", true, LOGCTX_SAMPLER_PARENTBASED_ALWAYS_ON},
                {"parentbased_always_off", true, LOGCTX_SAMPLER_PARENTBASED_ALWAYS_OFF},
                {"traceidratio", false, LOGCTX_SAMPLER_PARENTBASED_ALWAYS_ON}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const env[] = {"OTEL_TRACES_SAMPLER", rows[i].word, NULL};
        struct logctx__options o;
        assert_int_equal(read_options(&o, NULL, env), LOGCTX_OK);
        assert_int_equal(o.has_sampler, rows[i].known);
        assert_int_equal(support_log_count(), rows[i].known ? 0 : 1);
        if (rows[i].known) {
            logctx__options_apply(&o);
            assert_int_equal(logctx_get_sampler(), rows[i].sampler);
        }
        logctx__options_free(&o);
    }
    logctx_set_sampler(LOGCTX_SAMPLER_PARENTBASED_ALWAYS_ON);
}

static void test_limits(void **state)
{
    (void)state;
    static const char *const env[] = {"OTEL_ATTRIBUTE_COUNT_LIMIT",
                                      "10",
                                      "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
                                      "20",
                                      "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
                                      "30",
                                      "OTEL_SPAN_EVENT_COUNT_LIMIT",
                                      "40",
                                      "OTEL_SPAN_LINK_COUNT_LIMIT",
                                      "50",
                                      "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
                                      "60",
                                      "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
                                      "-7",
                                      NULL};
    struct logctx__options o;
    assert_int_equal(read_options(&o, NULL, env), LOGCTX_OK);
    assert_true(o.has_limits);
    assert_int_equal(o.limits.attributes, 20);
    assert_int_equal(o.limits.attribute_value_length, 30);
    assert_int_equal(o.limits.events, 40);
    assert_int_equal(o.limits.links, 50);
    assert_int_equal(o.limits.attributes_per_event, 60);
    assert_int_equal(o.limits.attributes_per_link, 128);
    assert_int_equal(support_log_matching("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "-7"), 1);
    logctx__options_free(&o);
}

static void test_unsupported(void **state)
{
    (void)state;
#define LOGCTX_X(variable, value)                                                                                      \
    {                                                                                                                  \
        const char *const env[] = {variable, "surprise", NULL};                                                        \
        struct logctx__options o;                                                                                      \
        assert_int_equal(read_options(&o, NULL, env), LOGCTX_OK);                                                      \
        assert_int_equal(support_log_matching(variable, "does not support"), 1);                                       \
        logctx__options_free(&o);                                                                                      \
    }
    LOGCTX__UNSUPPORTED(LOGCTX_X)
#undef LOGCTX_X
    static const char *const anyway[] = {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Cumulative", NULL};
    struct logctx__options o;
    assert_int_equal(read_options(&o, NULL, anyway), LOGCTX_OK);
    assert_int_equal(support_log_count(), 0);
    logctx__options_free(&o);
}

static void test_exemplar_filter(void **state)
{
    (void)state;
    static const char *const off[] = {"OTEL_METRICS_EXEMPLAR_FILTER", "always_off", NULL};
    static const char *const on[] = {"OTEL_METRICS_EXEMPLAR_FILTER", "always_on", NULL};
    struct logctx__options o;
    assert_int_equal(read_options(&o, NULL, off), LOGCTX_OK);
    assert_false(o.exemplars);
    logctx__options_free(&o);
    assert_int_equal(read_options(&o, NULL, on), LOGCTX_OK);
    assert_true(o.exemplars);
    assert_int_equal(support_log_count(), 1);
    logctx__options_free(&o);
}

// URLs.

static void test_urls(void **state)
{
    (void)state;
    static const char *const bases[][2] = {
        {"http://h:4318", "http://h:4318/v1/traces"},
        {"http://h:4318/", "http://h:4318/v1/traces"},
        {"http://h:4318/x", "http://h:4318/x/v1/traces"},
        {" http://h:4318/x/ ", "http://h:4318/x/v1/traces"},
        {"https://h", "https://h/v1/traces"},
        {"http://h/a?tenant=1", "http://h/a/v1/traces?tenant=1"},
        {"http://[::1]:4318", "http://[::1]:4318/v1/traces"},
        {"HTTP://h", "http://h/v1/traces"},
    };
    static const char *const exact[][2] = {
        {"http://h:4318", "http://h:4318/"},          {"http://h:4318/", "http://h:4318/"},
        {"http://h/custom", "http://h/custom"},       {"http://h/v1/traces/", "http://h/v1/traces/"},
        {"https://h:99/a?b=c", "https://h:99/a?b=c"},
    };
    struct logctx__endpoint e;
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        assert_null(logctx__endpoint_base(&e, bases[i][0], "v1/traces"));
        assert_string_equal(e.url, bases[i][1]);
    }
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++) {
        assert_null(logctx__endpoint_exact(&e, exact[i][0]));
        assert_string_equal(e.url, exact[i][1]);
    }
}

static void test_url_facts(void **state)
{
    (void)state;
    struct logctx__endpoint e;
    assert_null(logctx__endpoint_exact(&e, "https://user:secret@h.example/p?key=secret#secret"));
    assert_string_equal(e.host, "h.example");
    assert_int_equal(e.port, 443);
    assert_null(strstr(e.shown, "secret"));
    assert_string_equal(e.shown, "https://h.example:443/p");
    assert_null(logctx__endpoint_exact(&e, "http://h"));
    assert_int_equal(e.port, 80);
}

static void test_bad_urls(void **state)
{
    (void)state;
    static char longer[5000];
    memset(longer, 'a', sizeof longer - 1);
    memcpy(longer, "http://h/", 9);
    const char *const bad[] = {"localhost:4318", "h",           "http://", "ftp://h", "file:///x", "http://h:99999",
                               "http://h:port",  "http://a b/", "://h",    longer};
    struct logctx__endpoint e = {.port = 7};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_non_null(logctx__endpoint_base(&e, bad[i], "v1/traces"));
        assert_non_null(logctx__endpoint_exact(&e, bad[i]));
    }
    assert_int_equal(e.port, 7);
}

static void test_bad_url_falls_back(void **state)
{
    (void)state;
    static const char *const env[] = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "gopher://x", "OTEL_EXPORTER_OTLP_ENDPOINT",
                                      "http://general", NULL};
    struct logctx__options o;
    assert_int_equal(read_options(&o, NULL, env), LOGCTX_OK);
    assert_string_equal(o.signals[LOGCTX__TRACES].endpoint.url, "http://general/v1/traces");
    assert_int_equal(support_log_matching("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "neither http nor https"), 1);
    logctx__options_free(&o);
}

// Headers.

static void test_headers(void **state)
{
    (void)state;
    static const char *const env[] = {"OTEL_EXPORTER_OTLP_HEADERS",
                                      "api-key = a%2Cb%3Dc , x=1=2,empty=,User-Agent=mine",
                                      "OTEL_EXPORTER_OTLP_METRICS_HEADERS", "only=metrics", NULL};
    struct logctx__options o;
    assert_int_equal(read_options(&o, NULL, env), LOGCTX_OK);
    const struct logctx__signal_options *traces = &o.signals[LOGCTX__TRACES];
    assert_int_equal(traces->header_count, 4);
    assert_string_equal(traces->headers[0], "api-key: a,b=c");
    assert_string_equal(traces->headers[1], "x: 1=2");
    assert_string_equal(traces->headers[2], "empty;");
    assert_string_equal(traces->headers[3], "User-Agent: mine");
    assert_int_equal(o.signals[LOGCTX__METRICS].header_count, 1);
    assert_string_equal(o.signals[LOGCTX__METRICS].headers[0], "only: metrics");
    assert_int_equal(support_log_count(), 0);
    logctx__options_free(&o);
}

// Each of these members is left out and reported without its value; the good one beside it stays.
static void test_bad_headers(void **state)
{
    (void)state;
    const char *const bad[] = {
        "hunter2",          "=hunter2",     "a b=hunter2",  "x=hunter2%0d%0aEvil:1", "x=hunter2%",
        "x=hunter2%2",      "x=hunter2%zz", "x=hunter2%00", "content-type=hunter2",  "Content-Length=hunter2",
        "n%C3%A4me=hunter2"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char list[256];
        snprintf(list, sizeof list, "%s,good=yes", bad[i]);
        const char *const env[] = {"OTEL_EXPORTER_OTLP_TRACES_HEADERS", list, NULL};
        struct logctx__options o;
        assert_int_equal(read_options(&o, NULL, env), LOGCTX_OK);
        assert_int_equal(o.signals[LOGCTX__TRACES].header_count, 1);
        assert_string_equal(o.signals[LOGCTX__TRACES].headers[0], "good: yes");
        assert_int_equal(support_log_matching("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "member 1"), 1);
        assert_int_equal(support_log_matching("hunter2", NULL), 0);
        logctx__options_free(&o);
    }
}

// The resource.

static const char *attribute(const struct logctx__resource *r, const char *key)
{
    for (size_t i = 0; i < r->message->n_attributes; i++) {
        if (strcmp(r->message->attributes[i]->key, key) == 0) {
            return r->message->attributes[i]->value->string_value;
        }
    }
    return NULL;
}

static void build(struct logctx__resource *r, const struct logctx__resource_given *given, const char *const *pairs)
{
    const struct logctx__environment env = support_environment(pairs);
    support_log_begin();
    assert_int_equal(logctx__resource_build(r, given, &env), LOGCTX_OK);
}

static void test_resource_detected(void **state)
{
    (void)state;
    struct logctx__resource r;
    struct logctx__resource second;
    build(&r, &(struct logctx__resource_given){0}, NULL);
    build(&second, &(struct logctx__resource_given){0}, NULL);
    assert_int_equal(strncmp(attribute(&r, "service.name"), "unknown_service:", 16), 0);
    assert_string_equal(attribute(&r, "telemetry.sdk.name"), "logctx");
    assert_string_equal(attribute(&r, "telemetry.sdk.language"), "c");
    assert_string_equal(attribute(&r, "telemetry.sdk.version"), logctx_version());
    assert_string_equal(attribute(&r, "os.type"), "linux");
    assert_non_null(attribute(&r, "host.name"));
    assert_non_null(attribute(&r, "host.arch"));
    assert_non_null(attribute(&r, "process.executable.name"));
    assert_non_null(attribute(&r, "process.creation.time"));
    assert_null(attribute(&r, "process.command_args"));
    const char *id = attribute(&r, "service.instance.id");
    assert_int_equal(strlen(id), 36);
    assert_int_equal(id[14], '4');
    assert_non_null(strchr("89ab", id[19]));
    assert_string_equal(id, attribute(&second, "service.instance.id")); // one for the process
    for (size_t i = 0; i < r.message->n_attributes; i++) {
        if (strcmp(r.message->attributes[i]->key, "process.pid") == 0) {
            assert_int_equal(r.message->attributes[i]->value->int_value, getpid());
        }
    }
    logctx__resource_free(&r);
    logctx__resource_free(&second);
}

static void test_resource_precedence(void **state)
{
    (void)state;
    static const char *const env[] = {
        "OTEL_RESOURCE_ATTRIBUTES",
        "service.name=attrs,service.version=1,deployment=a%2Cb%3D,host.name=mine, spaced = x y ", "OTEL_SERVICE_NAME",
        "env", NULL};
    const logctx_attr_t attrs[] = {logctx_attr_string("deployment", "code"), logctx_attr_int("shard", 7)};
    struct logctx__resource r;
    build(&r, &(struct logctx__resource_given){0}, env);
    assert_string_equal(attribute(&r, "service.name"), "env");
    assert_string_equal(attribute(&r, "service.version"), "1");
    assert_string_equal(attribute(&r, "deployment"), "a,b=");
    assert_string_equal(attribute(&r, "host.name"), "mine");
    assert_string_equal(attribute(&r, "spaced"), "x y");
    assert_int_equal(support_log_count(), 0);
    logctx__resource_free(&r);
    build(&r, &(struct logctx__resource_given){"code", "2", attrs, 2}, env);
    assert_string_equal(attribute(&r, "service.name"), "code");
    assert_string_equal(attribute(&r, "service.version"), "2");
    assert_string_equal(attribute(&r, "deployment"), "code");
    logctx__resource_free(&r);
    build(&r, &(struct logctx__resource_given){0}, (const char *const[]){env[0], env[1], NULL});
    assert_string_equal(attribute(&r, "service.name"), "attrs");
    logctx__resource_free(&r);
}

static void test_bad_resource_is_void(void **state)
{
    (void)state;
    const char *const bad[] = {"a=1,b", "a=1,=2", "a=1,b=%zz", "a=1,,b=2", "a=1,b=%"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct logctx__resource r;
        build(&r, &(struct logctx__resource_given){0}, (const char *const[]){"OTEL_RESOURCE_ATTRIBUTES", bad[i], NULL});
        assert_null(attribute(&r, "a"));
        assert_int_equal(support_log_matching("OTEL_RESOURCE_ATTRIBUTES", "the whole variable is ignored"), 1);
        logctx__resource_free(&r);
    }
}

static void test_utf8(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"plain", "plain"},
        {"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"},
        {"\xFF", "\xEF\xBF\xBD"},
        {"a\xC3", "a\xEF\xBF\xBD"},
        {"\xC0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xE2\x82z", "\xEF\xBF\xBDz"},
        {"\xF5\x80", "\xEF\xBF\xBD\xEF\xBF\xBD"},
    };
    char out[64];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t length = logctx__valid_utf8(NULL, rows[i][0], strlen(rows[i][0]));
        assert_int_equal(length, strlen(rows[i][1]));
        assert_int_equal(logctx__valid_utf8(out, rows[i][0], strlen(rows[i][0])), length);
        assert_string_equal(out, rows[i][1]);
    }
    logctx__cut_utf8(out, 4, "ab\xE2\x82\xAC");
    assert_string_equal(out, "ab");
    logctx__cut_utf8(out, 6, "ab\xE2\x82\xAC");
    assert_string_equal(out, "ab\xE2\x82\xAC");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        logctx_unit_test(test_integers),
        logctx_unit_test(test_booleans),
        logctx_unit_test(test_defaults),
        logctx_unit_test(test_empty_is_unset),
        logctx_unit_test(test_numbers_from_environment),
        logctx_unit_test(test_bad_numbers),
        logctx_unit_test(test_code_wins),
        logctx_unit_test(test_bad_code),
        logctx_unit_test(test_compression),
        logctx_unit_test(test_protocol),
        logctx_unit_test(test_general_is_reported_once),
        logctx_unit_test(test_exporters),
        logctx_unit_test(test_disabled),
        logctx_unit_test(test_samplers),
        logctx_unit_test(test_limits),
        logctx_unit_test(test_unsupported),
        logctx_unit_test(test_exemplar_filter),
        logctx_unit_test(test_urls),
        logctx_unit_test(test_url_facts),
        logctx_unit_test(test_bad_urls),
        logctx_unit_test(test_bad_url_falls_back),
        logctx_unit_test(test_headers),
        logctx_unit_test(test_bad_headers),
        logctx_unit_test(test_resource_detected),
        logctx_unit_test(test_resource_precedence),
        logctx_unit_test(test_bad_resource_is_void),
        logctx_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
