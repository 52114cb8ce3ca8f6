/*
 * test_lifecycle.c: the exporter as its host sees it: settings that start nothing, metrics of the application, and ends that
 * nothing may hang.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "exporting.h"
#include "messages.h"

#include <logctx/metrics.h>
#include <logctx/sink.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static void test_unfinished_are_reported(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    logctx_otlp_t *otlp = start(&opts);
    logctx_t *ctx = logctx_new(logctx_kind("GET /forgotten"), NULL);
    const logctx_test_error_t *error = logctx_expect_transition_error(LOGCTX_ERROR_UNFINISHED_AT_EXIT);
    assert_int_equal(logctx_otlp_shutdown(otlp, LONG_MS), LOGCTX_OK);
    assert_true(error->came);
    logctx_finish(ctx);
    logctx_unref(ctx);
    server_free(server);
}

static void test_disabled(void **state)
{
    (void)state;
    setenv("OTEL_SDK_DISABLED", "true", 1);
    logctx_otlp_t *otlp = start(NULL);
    support_contexts("GET /disabled", 1);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    assert_int_equal(books_of(otlp).taken, 0);
    assert_int_equal(logctx_otlp_shutdown(otlp, LONG_MS), LOGCTX_OK);
    unsetenv("OTEL_SDK_DISABLED");
}

static void test_bad_settings(void **state)
{
    (void)state;
    logctx_otlp_t *otlp = NULL;
    logctx_otlp_opts_t opts = {.struct_size = sizeof opts, .endpoint = "ftp://localhost"};
    support_log_begin();
    assert_int_equal(logctx_otlp_start(&opts, &otlp), LOGCTX_E_CONFIG);
    assert_null(otlp);
    assert_int_equal(support_log_matching("opts.endpoint", "neither http nor https"), 1);
    assert_int_equal(logctx_otlp_start(NULL, NULL), LOGCTX_E_INVALID);
}

static const otlp_scope_metrics_t *scope_of(const otlp_metrics_request_t *message, const char *name)
{
    const Opentelemetry__Proto__Metrics__V1__ResourceMetrics *metrics = message->resource_metrics[0];
    for (size_t i = 0; i < metrics->n_scope_metrics; i++) {
        if (strcmp(metrics->scope_metrics[i]->scope->name, name) == 0) {
            return metrics->scope_metrics[i];
        }
    }
    return NULL;
}

// They go out in the scope of the application, beside the library's own.
static void test_application_metrics(void **state)
{
    (void)state;
    const double bounds[] = {0.1, 1};
    const logctx_attr_t attrs[] = {logctx_attr_string("http.route", "/rooms/{id}"),
                                   logctx_attr_int("http.response.status_code", 200)};
    const logctx_instrument_opts_t instrument = {.struct_size = sizeof instrument,
                                                 .kind = LOGCTX_INSTRUMENT_HISTOGRAM,
                                                 .name = "http.server.request.duration",
                                                 .unit = "s",
                                                 .scope = "server",
                                                 .scope_version = "1.2",
                                                 .bounds = bounds,
                                                 .bound_count = 2};
    logctx_point_t *duration = logctx_point(logctx_instrument(&instrument), attrs, 2);
    const double values[] = {0.05, 0.1, 0.5, 3, 2, 2};
    for (size_t i = 0; i < 6; i++) {
        logctx_point_record(duration, values[i]);
    }
    logctx_instrument_add(logctx_counter("mails", "{mail}", "Mails."), 3, attrs, 1);
    struct server *server = server_new(answer_ok, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    opts.metrics_off = false;
    logctx_otlp_t *otlp = start(&opts);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    const struct server_request *request = server_request_at(server, 0);
    otlp_metrics_request_t *message =
        opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__unpack(NULL, request->length,
                                                                                             request->body);
    const otlp_scope_metrics_t *scope = scope_of(message, "server");
    assert_non_null(scope);
    assert_string_equal(scope->scope->version, "1.2");
    assert_int_equal(scope->n_metrics, 1);
    assert_string_equal(scope->metrics[0]->name, "http.server.request.duration");
    const otlp_histogram_point_t *point = scope->metrics[0]->histogram->data_points[0];
    assert_int_equal(point->count, 6);
    assert_int_equal(point->bucket_counts[0], 2);
    assert_int_equal(point->bucket_counts[2], 3);
    assert_int_equal(point->n_attributes, 2);
    assert_true(point->sum > 7.64 && point->sum < 7.66 && point->min < 0.06 && point->max > 2.9);
    assert_true(point->start_time_unix_nano > 0 && point->time_unix_nano > point->start_time_unix_nano);
    scope = scope_of(message, "app");
    assert_non_null(scope);
    assert_string_equal(scope->metrics[0]->name, "mails");
    assert_true(scope->metrics[0]->sum->is_monotonic);
    assert_int_equal(scope->metrics[0]->sum->data_points[0]->as_int, 3);
    assert_non_null(scope_of(message, "logctx"));
    opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__free_unpacked(message, NULL);
    logctx_otlp_shutdown(otlp, LONG_MS);
    server_free(server);
}

// From inside a sink there is no shutdown: it would wait for itself.
static logctx_otlp_t *to_shut_down;
static logctx_status_t shut_down_status;

static void shut_down_in_sink(void *user, logctx_record_t *record)
{
    (void)user;
    shut_down_status = logctx_otlp_shutdown(to_shut_down, LONG_MS);
    logctx_record_unref(record);
}

static void test_shutdown_in_sink(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    const logctx_sink_t sink = {.struct_size = sizeof sink, .ended = shut_down_in_sink};
    to_shut_down = start(&opts);
    assert_int_equal(logctx_sink_add(&sink), LOGCTX_OK);
    support_contexts("GET /in-sink", 1);
    assert_int_equal(logctx_sink_remove(&sink), LOGCTX_OK);
    assert_int_equal(shut_down_status, LOGCTX_E_STATE);
    assert_int_equal(logctx_otlp_shutdown(to_shut_down, LONG_MS), LOGCTX_OK);
    assert_int_equal(spans_in(server_request_at(server, 0)), 1);
    server_free(server);
}

// A callback of the application that hangs does not make the shutdown hang: the thread is left to itself, and cleans up
// when it comes back.
static pthread_barrier_t collecting;
static pthread_barrier_t collected;

static void hang(logctx_observer_t *observer, void *user)
{
    (void)observer;
    (void)user;
    pthread_barrier_wait(&collecting);
    pthread_barrier_wait(&collected);
}

static void test_callback_hangs(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    opts.metrics_off = false;
    opts.metric_interval_ms = 1;
    const logctx_instrument_opts_t instrument = {
        .struct_size = sizeof instrument, .kind = LOGCTX_INSTRUMENT_GAUGE, .name = "hangs", .observe = hang};
    logctx_instrument_t *gauge = logctx_instrument(&instrument);
    pthread_barrier_init(&collecting, NULL, 2);
    pthread_barrier_init(&collected, NULL, 2);
    support_log_begin();
    logctx_otlp_t *otlp = start(&opts);
    pthread_barrier_wait(&collecting);
    assert_int_equal(logctx_otlp_shutdown(otlp, 100), LOGCTX_E_TIMEOUT);
    assert_int_equal(support_log_matching("did not end in time", NULL), 1);
    // Another one can start beside it.
    opts.metrics_off = true;
    otlp = start(&opts);
    assert_int_equal(logctx_otlp_shutdown(otlp, LONG_MS), LOGCTX_OK);
    pthread_barrier_wait(&collected);
    logctx_instrument_stop_observing(gauge);
    server_free(server);
}
int main(void)
{
    // A proxy of the developer's must not come between.
    setenv("no_proxy", "*", 1);
    const struct CMUnitTest tests[] = {
        logctx_unit_test(test_unfinished_are_reported),
        logctx_unit_test(test_disabled),
        logctx_unit_test(test_bad_settings),
        logctx_unit_test(test_application_metrics),
        logctx_unit_test(test_shutdown_in_sink),
        logctx_unit_test(test_callback_hangs), // last: its thread ends when it likes
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
