/*
 * test_metrics.c: collections as requests: unpacked by protobuf-c and compared with what contexts did. Every metric has
 * to stand in the table of logctx/telemetry.h as it is sent.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdint.h>

#include "metrics.h"
#include "metrics_self.h"
#include "resource.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct collected {
    struct logctx__series_memory memory;
    struct logctx__resource resource;
    otlp_metrics_request_t *request;
};

static void pack_all(struct collected *c, logctx__metrics_t *metrics)
{
    struct logctx__metrics_cursor cursor = {.metric = 0};
    struct logctx__metrics_request out;
    logctx__metrics_stamp(metrics);
    assert_int_equal(logctx__metrics_pack(metrics, c->resource.message, 64 << 20, &cursor, &out), LOGCTX__PACKED);
    assert_int_equal(out.points, logctx__metrics_points(metrics));
    c->request = opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__unpack(NULL, out.length,
                                                                                                      out.bytes);
    assert_non_null(c->request);
    free(out.bytes);
    assert_int_equal(logctx__metrics_pack(metrics, c->resource.message, 64 << 20, &cursor, &out), LOGCTX__PACKED_ALL);
    logctx__metrics_free(metrics);
}

static void open_collected(struct collected *c)
{
    const struct logctx__environment env = support_environment(NULL);
    c->request = NULL;
    assert_true(logctx__series_memory_init(&c->memory));
    assert_int_equal(logctx__resource_build(&c->resource, &(struct logctx__resource_given){0}, &env), LOGCTX_OK);
}

static void collect(struct collected *c)
{
    logctx__metrics_t metrics;
    if (c->request != NULL) {
        protobuf_c_message_free_unpacked(&c->request->base, NULL);
    }
    logctx__metrics_init(&metrics, &c->memory, true);
    assert_int_equal(logctx__metrics_add_core(&metrics), LOGCTX_OK);
    logctx__metrics_add_process(&metrics, logctx__process_start_unix_ns());
    pack_all(c, &metrics);
}

static void close_collected(struct collected *c)
{
    protobuf_c_message_free_unpacked(&c->request->base, NULL);
    logctx__resource_free(&c->resource);
    logctx__series_memory_free(&c->memory);
}

static const otlp_metric_t *find(const struct collected *c, const char *name)
{
    const otlp_scope_metrics_t *scope = c->request->resource_metrics[0]->scope_metrics[0];
    for (size_t i = 0; i < scope->n_metrics; i++) {
        if (strcmp(scope->metrics[i]->name, name) == 0) {
            return scope->metrics[i];
        }
    }
    return NULL;
}

static const char *label(otlp_pair_t **pairs, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(pairs[i]->key, key) == 0) {
            return pairs[i]->value->string_value;
        }
    }
    return "";
}

static const otlp_number_point_t *number(const otlp_metric_t *metric, const char *key, const char *value)
{
    otlp_number_point_t **points = metric->sum->data_points;
    size_t count = metric->sum->n_data_points;
    if (metric->data_case == OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_GAUGE) {
        points = metric->gauge->data_points;
        count = metric->gauge->n_data_points;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(label(points[i]->attributes, points[i]->n_attributes, key), value) == 0) {
            return points[i];
        }
    }
    return NULL;
}

static const otlp_histogram_point_t *histogram(const otlp_metric_t *metric, const char *kind, const char *error_type)
{
    for (size_t i = 0; i < metric->histogram->n_data_points; i++) {
        const otlp_histogram_point_t *point = metric->histogram->data_points[i];
        if (strcmp(label(point->attributes, point->n_attributes, "logctx.kind"), kind) == 0 &&
            strcmp(label(point->attributes, point->n_attributes, "error.type"), error_type) == 0) {
            return point;
        }
    }
    return NULL;
}

static void test_contexts(void **state)
{
    (void)state;
    struct collected c;
    open_collected(&c);
    support_contexts("GET /metrics", 4);
    logctx_t *live = logctx_new(logctx_kind("GET /metrics"), NULL);
    logctx_t *failed = logctx_new(logctx_kind("GET /metrics"), NULL);
    logctx_set_current(failed);
    logctx_db_transaction(2000000000);
    logctx_db_waited(500000000);
    logctx_db_fetched(7);
    logctx_charge_cpu(failed, 3000000000, 1000000000);
    logctx_set_failed(failed, "timeout", NULL);
    logctx_set_current(logctx_sentinel());
    logctx_finish(failed);
    logctx_unref(failed);
    collect(&c);

    const char *kind = "GET /metrics";
    assert_int_equal(number(find(&c, "logctx.context.created"), "logctx.kind", kind)->as_int, 6);
    assert_int_equal(number(find(&c, "logctx.context.in_flight"), "logctx.kind", kind)->as_int, 1);
    assert_int_equal(number(find(&c, "logctx.context.db.transactions"), "logctx.kind", kind)->as_int, 1);
    assert_int_equal(number(find(&c, "logctx.context.db.rows"), "logctx.kind", kind)->as_int, 7);
    assert_true(number(find(&c, "logctx.context.db.time"), "logctx.kind", kind)->as_double == 2);
    assert_true(number(find(&c, "logctx.context.db.wait_time"), "logctx.kind", kind)->as_double == 0.5);
    assert_true(number(find(&c, "logctx.context.oldest.age"), "logctx.kind", kind)->as_double > 0);
    const otlp_metric_t *cpu = find(&c, "logctx.context.cpu.time");
    double both = 0;
    for (size_t i = 0; i < cpu->sum->n_data_points; i++) {
        const otlp_number_point_t *point = cpu->sum->data_points[i];
        if (strcmp(label(point->attributes, point->n_attributes, "logctx.kind"), kind) == 0) {
            const char *mode = label(point->attributes, point->n_attributes, "cpu.mode");
            // The parts follow whole clock ticks; what was charged is 3 to 1.
            assert_true(strcmp(mode, "user") == 0 ? point->as_double > 2 : point->as_double > 0.5);
            both += point->as_double;
        }
    }
    assert_true(both >= 4 && both < 5);

    const otlp_histogram_point_t *good = histogram(find(&c, "logctx.context.duration"), kind, "");
    const otlp_histogram_point_t *bad = histogram(find(&c, "logctx.context.duration"), kind, "timeout");
    assert_int_equal(good->count, 4);
    assert_int_equal(bad->count, 1);
    assert_int_equal(good->n_bucket_counts, LOGCTX_BOUNDS + 1);
    assert_int_equal(good->n_explicit_bounds, LOGCTX_BOUNDS);
    assert_true(good->min <= good->max && good->max * 4 >= good->sum);
    assert_int_equal(good->opt_min_case, 11);
    assert_true(good->n_exemplars >= 1);
    assert_int_equal(good->exemplars[0]->trace_id.len, 16);
    assert_int_equal(good->exemplars[0]->span_id.len, 8);
    assert_true(good->exemplars[0]->time_unix_nano > good->start_time_unix_nano);
    assert_int_equal(histogram(find(&c, "logctx.context.cpu.usage"), kind, "")->count, 5);
    logctx_finish(live);
    logctx_unref(live);
    close_collected(&c);
}

static void test_every_error_kind_is_there(void **state)
{
    (void)state;
    struct collected c;
    open_collected(&c);
    collect(&c);
    const otlp_metric_t *errors = find(&c, "logctx.transition.errors");
    assert_int_equal(errors->sum->n_data_points, LOGCTX_ERROR_COUNT);
#define LOGCTX_X(id, name, cls, origin, severity, sentence, help)                                                      \
    assert_non_null(number(errors, "logctx.error.kind", name));                                                        \
    assert_int_equal(number(errors, "logctx.error.kind", name)->start_time_unix_nano, logctx_start_unix_ns());
    LOGCTX_ERRORS(LOGCTX_X)
#undef LOGCTX_X
    int64_t before = number(errors, "logctx.error.kind", "restarted_finished")->as_int;
    logctx_t *ctx = logctx_new(logctx_kind("GET /restarted"), NULL);
    logctx_finish(ctx);
    logctx_expect_transition_error(LOGCTX_ERROR_RESTARTED_FINISHED);
    logctx_set_current(ctx);
    logctx_set_current(logctx_sentinel());
    logctx_unref(ctx);
    collect(&c);
    errors = find(&c, "logctx.transition.errors");
    assert_int_equal(number(errors, "logctx.error.kind", "restarted_finished")->as_int, before + 1);
    const otlp_number_point_t *by_kind =
        number(find(&c, "logctx.transition.errors.by_kind"), "logctx.kind", "GET /restarted");
    assert_int_equal(by_kind->as_int, 1);
    assert_string_equal(label(by_kind->attributes, by_kind->n_attributes, "logctx.error.kind"), "restarted_finished");
    close_collected(&c);
}

// What the data model asks of each point, whatever the metric.
static void check_point_times(const otlp_metric_t *metric, uint64_t start, uint64_t time)
{
    bool gauge = metric->data_case == OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_GAUGE;
    assert_true(time != 0);
    assert_true(gauge ? start == 0 : start != 0 && start <= time);
}

static void check_metric(const otlp_metric_t *metric)
{
    switch (metric->data_case) {
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM:
        assert_int_equal(metric->sum->aggregation_temporality, 2);
        for (size_t i = 0; i < metric->sum->n_data_points; i++) {
            const otlp_number_point_t *p = metric->sum->data_points[i];
            check_point_times(metric, p->start_time_unix_nano, p->time_unix_nano);
            assert_int_not_equal(p->value_case, 0);
        }
        assert_true(metric->sum->n_data_points > 0);
        break;
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_GAUGE:
        for (size_t i = 0; i < metric->gauge->n_data_points; i++) {
            check_point_times(metric, metric->gauge->data_points[i]->start_time_unix_nano,
                              metric->gauge->data_points[i]->time_unix_nano);
        }
        assert_true(metric->gauge->n_data_points > 0);
        break;
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_HISTOGRAM:
        assert_int_equal(metric->histogram->aggregation_temporality, 2);
        for (size_t i = 0; i < metric->histogram->n_data_points; i++) {
            const otlp_histogram_point_t *p = metric->histogram->data_points[i];
            uint64_t sum = 0;
            check_point_times(metric, p->start_time_unix_nano, p->time_unix_nano);
            assert_int_equal(p->n_bucket_counts, p->n_explicit_bounds + 1);
            for (size_t k = 0; k < p->n_bucket_counts; k++) {
                sum += p->bucket_counts[k];
            }
            assert_int_equal(sum, p->count);
            assert_int_equal(p->opt_min_case != 0, p->count != 0);
        }
        assert_true(metric->histogram->n_data_points > 0);
        break;
    default:
        fail_msg("%s has no data", metric->name);
    }
}

static void check_row(const otlp_metric_t *metric)
{
    static const struct {
        const char *name;
        enum logctx__instrument instrument;
        const char *unit;
        const char *description;
    } rows[] = {
#define LOGCTX_X(id, name, instrument, unit, attributes, description) {name, LOGCTX__##instrument, unit, description},
        LOGCTX_METRICS(LOGCTX_X)
#undef LOGCTX_X
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].name, metric->name) != 0) {
            continue;
        }
        assert_string_equal(metric->unit, rows[i].unit);
        assert_string_equal(metric->description, rows[i].description);
        if (metric->data_case == OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM) {
            assert_int_equal(metric->sum->is_monotonic, rows[i].instrument == LOGCTX__COUNTER);
        }
        return;
    }
    fail_msg("%s stands in no table", metric->name);
}

static void test_shape(void **state)
{
    (void)state;
    static const char *const env_pairs[] = {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://h.example:9999",
                                            "OTEL_BSP_MAX_QUEUE_SIZE", "77", NULL};
    const struct logctx__environment env = support_environment(env_pairs);
    const struct logctx__queue_limits limits = {.bytes = 1 << 20, .count = 77, .batch = 77};
    struct logctx__options options;
    struct logctx__books books;
    struct collected c;
    logctx__metrics_t metrics;
    open_collected(&c);
    assert_int_equal(logctx__options_read(&options, NULL, &env), LOGCTX_OK);
    struct logctx__queue *queue = logctx__queue_new(&limits, NULL, NULL);
    logctx__books_init(&books);
    logctx__books_take(&books, LOGCTX__TRACES, 9);
    logctx__books_accept(&books, LOGCTX__TRACES, 9, 2);
    logctx__books_took(&books, LOGCTX__TRACES, "", 200, 0.25);
    logctx__books_took(&books, LOGCTX__METRICS, "http_error", 404, 0.5);
    logctx__took_add(&books.collections, 0.001);

    support_contexts("GET /shape", 2);
    logctx__metrics_init(&metrics, &c.memory, true);
    assert_int_equal(logctx__metrics_add_core(&metrics), LOGCTX_OK);
    logctx__metrics_add_process(&metrics, 12345);
    logctx__metrics_add_self(&metrics, &options, &books, queue, 12345);
    pack_all(&c, &metrics);

    const otlp_resource_metrics_t *resource = c.request->resource_metrics[0];
    assert_int_equal(c.request->n_resource_metrics, 1);
    assert_int_equal(resource->n_scope_metrics, 1);
    assert_string_equal(resource->schema_url, LOGCTX_SCHEMA_URL);
    assert_string_equal(resource->scope_metrics[0]->scope->name, "logctx");
    assert_string_equal(resource->scope_metrics[0]->schema_url, LOGCTX_SCHEMA_URL);
    for (size_t i = 0; i < resource->scope_metrics[0]->n_metrics; i++) {
        check_row(resource->scope_metrics[0]->metrics[i]);
        check_metric(resource->scope_metrics[0]->metrics[i]);
    }
    const otlp_metric_t *exported = find(&c, "otel.sdk.exporter.span.exported");
    const otlp_number_point_t *good = number(exported, "error.type", "");
    assert_int_equal(good->as_int, 7);
    assert_string_equal(label(good->attributes, good->n_attributes, "server.address"), "h.example");
    assert_int_equal(number(exported, "error.type", "rejected")->as_int, 2);
    assert_int_equal(find(&c, "otel.sdk.processor.span.queue.capacity")->sum->data_points[0]->as_int, 77);
    assert_int_equal(find(&c, "otel.sdk.exporter.operation.duration")->histogram->n_data_points, 2);
    assert_int_equal(find(&c, "otel.sdk.metric_reader.collection.duration")->histogram->data_points[0]->count, 1);
    assert_int_equal(find(&c, "process.cpu.time")->sum->n_data_points, 2);
    close_collected(&c);
    logctx__queue_close(queue);
    logctx__books_free(&books);
    logctx__options_free(&options);
}

// Neither part of the CPU time goes down when the core corrects how it splits the total.
static void test_counters_never_go_down(void **state)
{
    (void)state;
    struct collected c;
    open_collected(&c);
    logctx_t *ctx = logctx_new(logctx_kind("GET /monotonic"), NULL);
    double last = 0;
    for (int i = 0; i < 5; i++) {
        logctx_charge_cpu(ctx, i % 2 == 0 ? 1000000 : 0, i % 2 == 0 ? 0 : 1000000);
        collect(&c);
        const otlp_metric_t *cpu = find(&c, "logctx.context.cpu.time");
        double user = number(cpu, "logctx.kind", "GET /monotonic")->as_double;
        assert_true(user >= last);
        last = user;
    }
    logctx_finish(ctx);
    logctx_unref(ctx);
    close_collected(&c);
}

static void test_admission(void **state)
{
    (void)state;
    struct logctx__series_memory memory;
    char kind[32];
    assert_true(logctx__series_memory_init(&memory));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < LOGCTX__SERIES_LIMIT; i++) {
            snprintf(kind, sizeof kind, "kind %d", i);
            assert_non_null(logctx__admit(&memory, LOGCTX__BY_SERIES, kind, "request", ""));
        }
        assert_null(logctx__admit(&memory, LOGCTX__BY_SERIES, "one more", "request", ""));
    }
    // The other groups have room of their own.
    assert_non_null(logctx__admit(&memory, LOGCTX__BY_DURATION, "one more", "request", ""));
    logctx__series_memory_free(&memory);
}

// More series than there may be: the sums of the rest are in one point, and nothing is lost.
static void test_overflow(void **state)
{
    (void)state;
    struct collected c;
    char kind[32];
    uint64_t expected = 0;
    open_collected(&c);
    for (int i = 0; i < LOGCTX__SERIES_LIMIT - 10; i++) {
        snprintf(kind, sizeof kind, "filler %d", i);
        logctx__admit(&c.memory, LOGCTX__BY_SERIES, kind, "request", "");
        logctx__admit(&c.memory, LOGCTX__BY_DURATION, kind, "request", "");
        logctx__admit(&c.memory, LOGCTX__BY_CPU, kind, "request", "");
    }
    for (int i = 0; i < 30; i++) {
        snprintf(kind, sizeof kind, "overflow %d", i);
        support_contexts(kind, i + 1);
    }
    collect(&c);
    logctx_books_t books;
    logctx_get_books(&books);
    expected = books.created;
    const otlp_metric_t *created = find(&c, "logctx.context.created");
    uint64_t sum = 0;
    size_t overflows = 0;
    for (size_t i = 0; i < created->sum->n_data_points; i++) {
        const otlp_number_point_t *point = created->sum->data_points[i];
        sum += (uint64_t)point->as_int;
        overflows += point->n_attributes == 1 && strcmp(point->attributes[0]->key, "otel.metric.overflow") == 0 &&
                     point->attributes[0]->value->bool_value;
    }
    assert_int_equal(overflows, 1);
    assert_int_equal(sum, expected);
    const otlp_metric_t *duration = find(&c, "logctx.context.duration");
    uint64_t count = 0;
    for (size_t i = 0; i < duration->histogram->n_data_points; i++) {
        count += duration->histogram->data_points[i]->count;
    }
    assert_int_equal(count, books.ended);
    close_collected(&c);
}

// In requests of any size all points arrive once, and none is larger than allowed.
static void test_split(void **state)
{
    (void)state;
    struct collected c;
    open_collected(&c);
    support_contexts("GET /split", 2);
    for (size_t limit = 1500; limit < 20000; limit += 1700) {
        logctx__metrics_t metrics;
        struct logctx__metrics_cursor cursor = {.metric = 0};
        struct logctx__metrics_request out;
        uint64_t points = 0;
        logctx__metrics_init(&metrics, &c.memory, true);
        assert_int_equal(logctx__metrics_add_core(&metrics), LOGCTX_OK);
        while (logctx__metrics_pack(&metrics, c.resource.message, limit, &cursor, &out) == LOGCTX__PACKED) {
            assert_true(out.length <= limit);
            points += out.points + out.too_large;
            free(out.bytes);
        }
        points += out.too_large;
        assert_int_equal(points, logctx__metrics_points(&metrics));
        logctx__metrics_free(&metrics);
    }
    collect(&c);
    close_collected(&c);
}

int main(void)
{
    // The overflow comes last: it makes many kinds.
    const struct CMUnitTest tests[] = {
        logctx_unit_test(test_contexts),  logctx_unit_test(test_every_error_kind_is_there),
        logctx_unit_test(test_shape),     logctx_unit_test(test_counters_never_go_down),
        logctx_unit_test(test_admission), logctx_unit_test(test_split),
        logctx_unit_test(test_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
