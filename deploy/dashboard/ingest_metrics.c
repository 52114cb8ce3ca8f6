// SPDX-License-Identifier: Apache-2.0
// Metric series and their points. Of histograms the buckets are kept as OTLP/JSON beside count, sum, minimum and
// maximum. No state of its own.

#include <math.h>
#include <string.h>

#include "ingest.h"
#include "otlp_json.h"

typedef Opentelemetry__Proto__Metrics__V1__Metric metric_t;
typedef Opentelemetry__Proto__Metrics__V1__NumberDataPoint number_t;
typedef Opentelemetry__Proto__Metrics__V1__HistogramDataPoint histogram_t;
typedef Opentelemetry__Proto__Metrics__V1__ExponentialHistogramDataPoint exponential_t;
typedef Opentelemetry__Proto__Metrics__V1__SummaryDataPoint summary_t;

// Where the points of one metric go.
struct target {
    struct store *store;
    struct ingested *ingested;
    struct series_row series; // without its attributes
};

static bool add_point(struct target *target, struct attributes attributes, struct point_row *point,
                      const ProtobufCMessage *detail)
{
    if (point->time == 0) {
        ingest_reject(target->ingested, "a point of %.60s has no time", target->series.name);
        return true;
    }
    struct logctx__text *scratch = store_scratch(target->store);
    struct series_row *series = &target->series;
    series->attributes = attributes_json(attributes, scratch);
    series->context_kind = attributes_string(attributes, "logctx.kind");
    series->context_type = attributes_string(attributes, "logctx.type");
    series->cpu_mode = attributes_string(attributes, "cpu.mode");
    series->error_kind = attributes_string(attributes, "logctx.error.kind");
    series->error_type = attributes_string(attributes, "error.type");
    series->sampling = attributes_string(attributes, "otel.span.sampling_result");
    series->loop = attributes_string(attributes, "logctx.loop.name");
    point->series = store_series(target->store, series);
    if (point->series < 0)
        return false;
    logctx__text_reset(scratch, 0);
    if (detail != NULL && logctx__otlp_json_print(detail, scratch))
        point->detail = scratch->bytes;
    return store_point(target->store, point) != STORE_FAILED;
}

static bool has_value(uint32_t flags)
{
    return (flags & OPENTELEMETRY__PROTO__METRICS__V1__DATA_POINT_FLAGS__DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK) == 0;
}

static bool add_numbers(struct target *target, number_t **points, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const number_t *from = points[i];
        struct attributes attributes = {from->attributes, from->n_attributes};
        struct point_row point = {.time = ingest_time(from->time_unix_nano),
                                  .start = ingest_time(from->start_time_unix_nano),
                                  .value = NAN,
                                  .count = -1,
                                  .sum = NAN,
                                  .min = NAN,
                                  .max = NAN};
        if (from->value_case == OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_DOUBLE)
            point.value = from->as_double;
        else if (from->value_case == OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_INT)
            point.value = (double)from->as_int;
        if (!has_value(from->flags))
            point.value = NAN;
        if (!add_point(target, attributes, &point, NULL))
            return false;
    }
    return true;
}

static bool add_histograms(struct target *target, histogram_t **points, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        histogram_t buckets = *points[i];
        struct attributes attributes = {buckets.attributes, buckets.n_attributes};
        if (buckets.n_bucket_counts > 0 && buckets.n_bucket_counts != buckets.n_explicit_bounds + 1) {
            ingest_reject(target->ingested, "a point of %.60s has %zu buckets for %zu bounds", target->series.name,
                          buckets.n_bucket_counts, buckets.n_explicit_bounds);
            continue;
        }
        struct point_row point = {
            .time = ingest_time(buckets.time_unix_nano),
            .start = ingest_time(buckets.start_time_unix_nano),
            .value = NAN,
            .count = has_value(buckets.flags) ? ingest_time(buckets.count) : -1,
            .sum = buckets.opt_sum_case != 0 ? buckets.sum : NAN,
            .min = buckets.opt_min_case != 0 ? buckets.min : NAN,
            .max = buckets.opt_max_case != 0 ? buckets.max : NAN,
        };
        buckets.n_attributes = 0;
        buckets.n_exemplars = 0;
        if (!add_point(target, attributes, &point, &buckets.base))
            return false;
    }
    return true;
}

static bool add_exponentials(struct target *target, exponential_t **points, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        exponential_t buckets = *points[i];
        struct attributes attributes = {buckets.attributes, buckets.n_attributes};
        struct point_row point = {
            .time = ingest_time(buckets.time_unix_nano),
            .start = ingest_time(buckets.start_time_unix_nano),
            .value = NAN,
            .count = has_value(buckets.flags) ? ingest_time(buckets.count) : -1,
            .sum = buckets.opt_sum_case != 0 ? buckets.sum : NAN,
            .min = buckets.opt_min_case != 0 ? buckets.min : NAN,
            .max = buckets.opt_max_case != 0 ? buckets.max : NAN,
        };
        buckets.n_attributes = 0;
        buckets.n_exemplars = 0;
        if (!add_point(target, attributes, &point, &buckets.base))
            return false;
    }
    return true;
}

static bool add_summaries(struct target *target, summary_t **points, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        summary_t quantiles = *points[i];
        struct attributes attributes = {quantiles.attributes, quantiles.n_attributes};
        struct point_row point = {
            .time = ingest_time(quantiles.time_unix_nano),
            .start = ingest_time(quantiles.start_time_unix_nano),
            .value = NAN,
            .count = has_value(quantiles.flags) ? ingest_time(quantiles.count) : -1,
            .sum = quantiles.sum,
            .min = NAN,
            .max = NAN,
        };
        quantiles.n_attributes = 0;
        if (!add_point(target, attributes, &point, &quantiles.base))
            return false;
    }
    return true;
}

static bool add_metric(struct target *target, const metric_t *metric)
{
    struct series_row *series = &target->series;
    series->name = metric->name;
    series->unit = metric->unit;
    series->description = metric->description;
    series->temporality = 0;
    series->monotonic = false;
    // The members of the oneof are pointers in one place: asking one asks all.
    switch (metric->gauge != NULL ? metric->data_case : OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA__NOT_SET) {
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_GAUGE:
        series->form = SERIES_GAUGE;
        return add_numbers(target, metric->gauge->data_points, metric->gauge->n_data_points);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM:
        series->form = SERIES_SUM;
        series->temporality = (int)metric->sum->aggregation_temporality;
        series->monotonic = metric->sum->is_monotonic != 0;
        return add_numbers(target, metric->sum->data_points, metric->sum->n_data_points);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_HISTOGRAM:
        series->form = SERIES_HISTOGRAM;
        series->temporality = (int)metric->histogram->aggregation_temporality;
        return add_histograms(target, metric->histogram->data_points, metric->histogram->n_data_points);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_EXPONENTIAL_HISTOGRAM:
        series->form = SERIES_EXPONENTIAL_HISTOGRAM;
        series->temporality = (int)metric->exponential_histogram->aggregation_temporality;
        return add_exponentials(target, metric->exponential_histogram->data_points,
                                metric->exponential_histogram->n_data_points);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUMMARY:
        series->form = SERIES_SUMMARY;
        return add_summaries(target, metric->summary->data_points, metric->summary->n_data_points);
    default:
        // A kind of metric from after this program's time; how many points it has is not known.
        ingest_reject(target->ingested, "metric %.60s is of no kind that is known here", metric->name);
        return true;
    }
}

static bool add_resource(struct store *store, const Opentelemetry__Proto__Metrics__V1__ResourceMetrics *metrics,
                         struct ingested *ingested)
{
    int64_t resource = ingest_resource(store, metrics->resource);
    if (resource < 0)
        return false;
    for (size_t i = 0; i < metrics->n_scope_metrics; i++) {
        const Opentelemetry__Proto__Metrics__V1__ScopeMetrics *scope = metrics->scope_metrics[i];
        struct target target = {.store = store, .ingested = ingested};
        target.series.resource = resource;
        target.series.scope = scope->scope != NULL ? scope->scope->name : NULL;
        for (size_t j = 0; j < scope->n_metrics; j++)
            if (!add_metric(&target, scope->metrics[j]))
                return false;
    }
    return true;
}

bool ingest_metrics(struct store *store, const metrics_request_t *request, struct ingested *ingested)
{
    *ingested = (struct ingested){0};
    for (size_t i = 0; i < request->n_resource_metrics; i++)
        if (request->resource_metrics[i]->n_scope_metrics > 0 &&
            !add_resource(store, request->resource_metrics[i], ingested))
            return false;
    store_count(store, STORE_POINTS_REFUSED, ingested->rejected);
    return true;
}
