/*
 * metrics_app.c: the application's metrics (logctx/metrics.h) as points, in the scopes of their instruments. Runs inside
 * logctx_collect_metrics(), on the thread that collects; nothing of it outlives the collection.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "attributes.h"
#include "metrics.h"

#include <logctx/metrics.h>

struct collection {
    logctx__metrics_t *metrics;
    struct logctx__metric *metric; // the one whose points are coming; NULL: none
    const char *name;              // of its instrument, whose points follow each other
};

static enum logctx__instrument instrument_of(const logctx_metric_point_t *from)
{
    switch (from->kind) {
    case LOGCTX_INSTRUMENT_UPDOWNCOUNTER:
        return LOGCTX__UPDOWNCOUNTER;
    case LOGCTX_INSTRUMENT_GAUGE:
        return LOGCTX__GAUGE;
    case LOGCTX_INSTRUMENT_HISTOGRAM:
        return LOGCTX__HISTOGRAM;
    case LOGCTX_INSTRUMENT_COUNTER:
        break;
    }
    return LOGCTX__COUNTER;
}

static otlp_pair_t **attributes_of(struct logctx__arena *arena, const logctx_metric_point_t *from, size_t *count)
{
    struct logctx__attributes list = {.count = 0};
    for (size_t i = 0; i < from->attr_count; i++) {
        logctx__attributes_set(&list, arena, from->attrs[i]);
    }
    *count = list.count;
    return list.items;
}

static void *number_point(logctx__metrics_t *metrics, const logctx_metric_point_t *from)
{
    otlp_number_point_t *point = logctx__arena_alloc(&metrics->arena, sizeof *point);
    if (point == NULL) {
        return NULL;
    }
    opentelemetry__proto__metrics__v1__number_data_point__init(point);
    point->attributes = attributes_of(&metrics->arena, from, &point->n_attributes);
    point->start_time_unix_nano = from->kind == LOGCTX_INSTRUMENT_GAUGE ? 0 : from->since_unix_ns;
    if (from->is_double) {
        point->value_case = OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_DOUBLE;
        point->as_double = from->real;
    } else {
        point->value_case = OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_INT;
        point->as_int = from->integer;
    }
    return point;
}

static void *histogram_point(logctx__metrics_t *metrics, const logctx_metric_point_t *from)
{
    const struct logctx__histogram_values values = {.since = from->since_unix_ns,
                                                    .bounds = from->bounds,
                                                    .bound_count = from->bound_count,
                                                    .buckets = from->buckets,
                                                    .exemplars = from->exemplars,
                                                    .sum = from->sum,
                                                    .min = from->min,
                                                    .max = from->max};
    otlp_histogram_point_t *point = logctx__histogram_point(metrics, &values);
    if (point != NULL) {
        point->attributes = attributes_of(&metrics->arena, from, &point->n_attributes);
    }
    return point;
}

static void on_point(void *user, const logctx_metric_point_t *from)
{
    struct collection *c = user;
    if (c->name != from->name) { // interned: the same text is another instrument's in another scope
        c->name = from->name;
        c->metric = logctx__metrics_add(c->metrics, instrument_of(from), from);
    }
    if (c->metric == NULL) {
        return;
    }
    void *point = c->metric->instrument == LOGCTX__HISTOGRAM ? histogram_point(c->metrics, from)
                                                             : number_point(c->metrics, from);
    if (point != NULL) {
        logctx__metric_add_point(c->metrics, c->metric, point);
    }
}

logctx_status_t logctx__metrics_add_app(logctx__metrics_t *metrics)
{
    struct collection c = {.metrics = metrics};
    logctx_status_t status = logctx_collect_metrics(on_point, &c);
    return status == LOGCTX_OK && metrics->arena.failed ? LOGCTX_E_NO_MEMORY : status;
}
