/*
 * metrics.c: builds points and packs them into requests. One owner at a time; no locks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "metrics.h"
#include "attributes.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    ARENA_LIMIT = 256 << 20,
    ADMITTED_SLOTS = 4096,
    POINT_OVERHEAD = 8,
    METRIC_OVERHEAD = 64,
    REQUEST_OVERHEAD = 256
};

struct row {
    const char *name;
    enum logctx__instrument instrument;
    const char *unit;
    const char *description;
};

static const struct row rows[LOGCTX__METRIC_COUNT] = {
#define LOGCTX_X(id, name, instrument, unit, attributes, description) {name, LOGCTX__##instrument, unit, description},
    LOGCTX_METRICS(LOGCTX_X)
#undef LOGCTX_X
};

// Which attribute sets there are.

bool logctx__series_memory_init(struct logctx__series_memory *memory)
{
    *memory = (struct logctx__series_memory){.counts = {0}};
    for (int i = 0; i < LOGCTX__ADMISSIONS; i++) {
        memory->slots[i] = calloc(ADMITTED_SLOTS, sizeof(struct logctx__admitted));
        if (memory->slots[i] == NULL) {
            logctx__series_memory_free(memory);
            return false;
        }
    }
    return true;
}

void logctx__series_memory_free(struct logctx__series_memory *memory)
{
    for (int i = 0; i < LOGCTX__ADMISSIONS; i++) {
        free(memory->slots[i]);
        memory->slots[i] = NULL;
    }
}

// FNV-1a over the words and the zero behind each.
static uint64_t hash_words(const char *a, const char *b, const char *c)
{
    const char *words[] = {a, b, c};
    uint64_t hash = 14695981039346656037u;
    for (int i = 0; i < 3; i++) {
        const unsigned char *at = (const unsigned char *)words[i];
        do {
            hash = (hash ^ *at) * 1099511628211u;
        } while (*at++ != 0);
    }
    return hash == 0 ? 1 : hash;
}

struct logctx__admitted *logctx__admit(struct logctx__series_memory *memory, enum logctx__admission group,
                                       const char *a, const char *b, const char *c)
{
    // A series of CPU time makes two sets: user and system.
    size_t limit = group == LOGCTX__BY_CPU ? LOGCTX__SERIES_LIMIT / 2 : LOGCTX__SERIES_LIMIT;
    uint64_t hash = hash_words(a, b, c);
    size_t at = (size_t)(hash % ADMITTED_SLOTS);
    struct logctx__admitted *slots = memory->slots[group];
    while (slots[at].hash != 0 && slots[at].hash != hash) {
        at = (at + 1) % ADMITTED_SLOTS;
    }
    if (slots[at].hash == hash) {
        return &slots[at];
    }
    if (memory->counts[group] == limit) {
        return NULL;
    }
    memory->counts[group]++;
    slots[at].hash = hash;
    return &slots[at];
}

// The collection.

void logctx__metrics_init(logctx__metrics_t *metrics, struct logctx__series_memory *memory, bool exemplars)
{
    *metrics = (logctx__metrics_t){.memory = memory, .exemplars = exemplars};
    logctx__arena_init(&metrics->arena, ARENA_LIMIT);
}

void logctx__metrics_free(logctx__metrics_t *metrics)
{
    logctx__arena_free(&metrics->arena);
    *metrics = (logctx__metrics_t){.count = 0};
}

static struct logctx__metric *add_metric(logctx__metrics_t *metrics, const struct row *row)
{
    struct logctx__arena *arena = &metrics->arena;
    struct logctx__metric *metric = logctx__arena_alloc(arena, sizeof *metric);
    struct logctx__metric **list = logctx__arena_grow(arena, metrics->metrics, metrics->count, &metrics->capacity,
                                                      sizeof(struct logctx__metric *));
    if (metric == NULL || list == NULL) {
        return NULL;
    }
    metric->instrument = row->instrument;
    metric->name = logctx__arena_string(arena, row->name);
    metric->unit = logctx__arena_string(arena, row->unit);
    metric->description = logctx__arena_string(arena, row->description);
    metric->scope = NULL;
    metrics->metrics = list;
    if (arena->failed) {
        return NULL;
    }
    list[metrics->count++] = metric;
    return metric;
}

struct logctx__metric *logctx__metrics_add(logctx__metrics_t *metrics, enum logctx__instrument instrument,
                                           const logctx_metric_point_t *of)
{
    const struct row row = {
        .name = of->name, .instrument = instrument, .unit = of->unit, .description = of->description};
    otlp_scope_t *scope = logctx__arena_alloc(&metrics->arena, sizeof *scope);
    struct logctx__metric *metric = scope != NULL ? add_metric(metrics, &row) : NULL;
    if (metric == NULL) {
        return NULL;
    }
    opentelemetry__proto__common__v1__instrumentation_scope__init(scope);
    scope->name = logctx__arena_string(&metrics->arena, of->scope);
    scope->version = logctx__arena_string(&metrics->arena, of->scope_version);
    metric->scope = scope;
    return metrics->arena.failed ? NULL : metric;
}

static struct logctx__metric *metric_of(logctx__metrics_t *metrics, enum logctx__metric_id id)
{
    if (metrics->ours[id] == NULL) {
        metrics->ours[id] = add_metric(metrics, &rows[id]);
    }
    return metrics->ours[id];
}

bool logctx__metric_add_point(logctx__metrics_t *metrics, struct logctx__metric *metric, void *point)
{
    void **points =
        logctx__arena_grow(&metrics->arena, metric->points, metric->count, &metric->capacity, sizeof(void *));
    if (points == NULL) {
        return false;
    }
    metric->points = points;
    metric->points[metric->count++] = point;
    return true;
}

void logctx__metrics_stamp(logctx__metrics_t *metrics)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t unix_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    for (size_t i = 0; i < metrics->count; i++) {
        const struct logctx__metric *metric = metrics->metrics[i];
        for (size_t k = 0; k < metric->count; k++) {
            if (metric->instrument == LOGCTX__HISTOGRAM) {
                ((otlp_histogram_point_t *)metric->points[k])->time_unix_nano = unix_ns;
            } else {
                ((otlp_number_point_t *)metric->points[k])->time_unix_nano = unix_ns;
            }
        }
    }
}

size_t logctx__metrics_points(const logctx__metrics_t *metrics)
{
    size_t points = 0;
    for (size_t i = 0; i < metrics->count; i++) {
        points += metrics->metrics[i]->count;
    }
    return points;
}

// Labels.

static void add_label(logctx__metrics_t *metrics, struct logctx__labels *labels, logctx_attr_t attr)
{
    otlp_pair_t *pair = logctx__attribute(&metrics->arena, &attr);
    if (pair != NULL && labels->count < sizeof labels->pairs / sizeof labels->pairs[0]) {
        labels->pairs[labels->count++] = pair;
    }
}

void logctx__label(logctx__metrics_t *metrics, struct logctx__labels *labels, const char *key, const char *value)
{
    add_label(metrics, labels, logctx_attr_string(key, value));
}

void logctx__label_int(logctx__metrics_t *metrics, struct logctx__labels *labels, const char *key, int64_t value)
{
    add_label(metrics, labels, logctx_attr_int(key, value));
}

void logctx__label_overflow(logctx__metrics_t *metrics, struct logctx__labels *labels)
{
    add_label(metrics, labels, logctx_attr_bool("otel.metric.overflow", true));
}

static otlp_pair_t **copy_labels(logctx__metrics_t *metrics, const struct logctx__labels *labels)
{
    otlp_pair_t **pairs = logctx__arena_array(&metrics->arena, labels->count + 1, sizeof(otlp_pair_t *));
    if (pairs != NULL) {
        memcpy(pairs, labels->pairs, labels->count * sizeof(otlp_pair_t *));
    }
    return pairs;
}

// Points.

static otlp_number_point_t *add_number(logctx__metrics_t *metrics, enum logctx__metric_id id,
                                       const struct logctx__labels *labels, uint64_t since)
{
    struct logctx__metric *metric = metric_of(metrics, id);
    otlp_number_point_t *point = logctx__arena_alloc(&metrics->arena, sizeof *point);
    otlp_pair_t **pairs = copy_labels(metrics, labels);
    if (metric == NULL || point == NULL || pairs == NULL) {
        return NULL;
    }
    opentelemetry__proto__metrics__v1__number_data_point__init(point);
    point->attributes = pairs;
    point->n_attributes = labels->count;
    point->start_time_unix_nano = metric->instrument == LOGCTX__GAUGE ? 0 : since;
    return logctx__metric_add_point(metrics, metric, point) ? point : NULL;
}

void logctx__point_int(logctx__metrics_t *metrics, enum logctx__metric_id id, const struct logctx__labels *labels,
                       uint64_t since, uint64_t value)
{
    otlp_number_point_t *point = add_number(metrics, id, labels, since);
    if (point != NULL) {
        point->value_case = OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_INT;
        point->as_int = value > INT64_MAX ? INT64_MAX : (int64_t)value;
    }
}

void logctx__point_double(logctx__metrics_t *metrics, enum logctx__metric_id id, const struct logctx__labels *labels,
                          uint64_t since, double value)
{
    otlp_number_point_t *point = add_number(metrics, id, labels, since);
    if (point != NULL) {
        point->value_case = OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_DOUBLE;
        point->as_double = value;
    }
}

static void set_extremes(otlp_histogram_point_t *point, double min, double max)
{
    point->opt_min_case = OPENTELEMETRY__PROTO__METRICS__V1__HISTOGRAM_DATA_POINT__OPT_MIN_MIN;
    point->min = min;
    point->opt_max_case = OPENTELEMETRY__PROTO__METRICS__V1__HISTOGRAM_DATA_POINT__OPT_MAX_MAX;
    point->max = max;
}

// The count is what the buckets add up to: the shards go on counting while they are read.
static otlp_histogram_point_t *make_histogram(logctx__metrics_t *metrics, uint64_t since, const double *bounds,
                                              size_t bound_count, const uint64_t *buckets)
{
    struct logctx__arena *arena = &metrics->arena;
    otlp_histogram_point_t *point = logctx__arena_alloc(arena, sizeof *point);
    double *own_bounds = logctx__arena_array(arena, bound_count + 1, sizeof *own_bounds);
    uint64_t *own_buckets = logctx__arena_array(arena, bound_count + 1, sizeof *own_buckets);
    if (point == NULL || own_bounds == NULL || own_buckets == NULL) {
        return NULL;
    }
    opentelemetry__proto__metrics__v1__histogram_data_point__init(point);
    point->start_time_unix_nano = since;
    for (size_t i = 0; i <= bound_count; i++) {
        own_buckets[i] = buckets[i];
        point->count += buckets[i];
    }
    if (bound_count != 0) {
        memcpy(own_bounds, bounds, bound_count * sizeof *own_bounds);
    }
    point->bucket_counts = own_buckets;
    point->n_bucket_counts = bound_count + 1;
    point->explicit_bounds = own_bounds;
    point->n_explicit_bounds = bound_count;
    point->opt_sum_case = OPENTELEMETRY__PROTO__METRICS__V1__HISTOGRAM_DATA_POINT__OPT_SUM_SUM;
    return point;
}

static otlp_exemplar_t *make_exemplar(logctx__metrics_t *metrics, const logctx_exemplar_t *from)
{
    otlp_exemplar_t *to = logctx__arena_alloc(&metrics->arena, sizeof *to);
    uint8_t *ids = logctx__arena_array(&metrics->arena, sizeof from->trace_id + sizeof from->span_id, 1);
    if (to == NULL || ids == NULL) {
        return NULL;
    }
    opentelemetry__proto__metrics__v1__exemplar__init(to);
    memcpy(ids, from->trace_id, sizeof from->trace_id);
    memcpy(ids + sizeof from->trace_id, from->span_id, sizeof from->span_id);
    to->trace_id = (ProtobufCBinaryData){.len = sizeof from->trace_id, .data = ids};
    to->span_id = (ProtobufCBinaryData){.len = sizeof from->span_id, .data = ids + sizeof from->trace_id};
    to->time_unix_nano = from->unix_ns;
    to->value_case = OPENTELEMETRY__PROTO__METRICS__V1__EXEMPLAR__VALUE_AS_DOUBLE;
    to->as_double = from->value;
    return to;
}

static void add_exemplars(logctx__metrics_t *metrics, otlp_histogram_point_t *point,
                          const struct logctx__histogram_values *from)
{
    otlp_exemplar_t **list = logctx__arena_array(&metrics->arena, from->bound_count + 1, sizeof(otlp_exemplar_t *));
    for (size_t i = 0; list != NULL && i <= from->bound_count; i++) {
        const logctx_exemplar_t *exemplar = &from->exemplars[i];
        if (exemplar->unix_ns == 0 || from->buckets[i] == 0) {
            continue;
        }
        list[point->n_exemplars] = make_exemplar(metrics, exemplar);
        if (list[point->n_exemplars] == NULL) {
            break;
        }
        point->n_exemplars++;
    }
    point->exemplars = list;
}

otlp_histogram_point_t *logctx__histogram_point(logctx__metrics_t *metrics, const struct logctx__histogram_values *from)
{
    otlp_histogram_point_t *point =
        make_histogram(metrics, from->since, from->bounds, from->bound_count, from->buckets);
    if (point == NULL) {
        return NULL;
    }
    point->sum = from->sum;
    if (point->count != 0) {
        set_extremes(point, from->min, from->max);
    }
    if (metrics->exemplars) {
        add_exemplars(metrics, point, from);
    }
    return point;
}

void logctx__point_histogram(logctx__metrics_t *metrics, enum logctx__metric_id id, const struct logctx__labels *labels,
                             uint64_t since, const double *bounds, const logctx_histogram_t *from)
{
    const struct logctx__histogram_values values = {.since = since,
                                                    .bounds = bounds,
                                                    .bound_count = LOGCTX_BOUNDS,
                                                    .buckets = from->buckets,
                                                    .exemplars = from->exemplars,
                                                    .sum = from->sum,
                                                    .min = from->min,
                                                    .max = from->max};
    struct logctx__metric *metric = metric_of(metrics, id);
    otlp_pair_t **pairs = copy_labels(metrics, labels);
    otlp_histogram_point_t *point = logctx__histogram_point(metrics, &values);
    if (metric == NULL || pairs == NULL || point == NULL) {
        return;
    }
    point->attributes = pairs;
    point->n_attributes = labels->count;
    logctx__metric_add_point(metrics, metric, point);
}

void logctx__point_summary(logctx__metrics_t *metrics, enum logctx__metric_id id, const struct logctx__labels *labels,
                           uint64_t since, uint64_t count, double sum, double min, double max)
{
    struct logctx__metric *metric = metric_of(metrics, id);
    otlp_pair_t **pairs = copy_labels(metrics, labels);
    otlp_histogram_point_t *point = make_histogram(metrics, since, NULL, 0, &count);
    if (metric == NULL || pairs == NULL || point == NULL) {
        return;
    }
    point->attributes = pairs;
    point->n_attributes = labels->count;
    point->sum = sum;
    if (count != 0) {
        set_extremes(point, min, max);
    }
    logctx__metric_add_point(metrics, metric, point);
}

// Packing.

struct packer {
    logctx__metrics_t *metrics;
    size_t room;
    otlp_metric_t **list;
    otlp_scope_t **scopes; // of each in the list; NULL: the library's
    size_t count;
    struct logctx__metrics_request *out;
};

static bool fill_sum(struct packer *p, otlp_metric_t *message, const struct logctx__metric *metric)
{
    otlp_sum_t *sum = logctx__arena_alloc(&p->metrics->arena, sizeof *sum);
    if (sum == NULL) {
        return false;
    }
    opentelemetry__proto__metrics__v1__sum__init(sum);
    sum->aggregation_temporality =
        OPENTELEMETRY__PROTO__METRICS__V1__AGGREGATION_TEMPORALITY__AGGREGATION_TEMPORALITY_CUMULATIVE;
    sum->is_monotonic = metric->instrument == LOGCTX__COUNTER;
    message->data_case = OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM;
    message->sum = sum;
    return true;
}

static bool fill_gauge(struct packer *p, otlp_metric_t *message)
{
    otlp_gauge_t *gauge = logctx__arena_alloc(&p->metrics->arena, sizeof *gauge);
    if (gauge == NULL) {
        return false;
    }
    opentelemetry__proto__metrics__v1__gauge__init(gauge);
    message->data_case = OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_GAUGE;
    message->gauge = gauge;
    return true;
}

static bool fill_histogram(struct packer *p, otlp_metric_t *message)
{
    otlp_histogram_t *histogram = logctx__arena_alloc(&p->metrics->arena, sizeof *histogram);
    if (histogram == NULL) {
        return false;
    }
    opentelemetry__proto__metrics__v1__histogram__init(histogram);
    histogram->aggregation_temporality =
        OPENTELEMETRY__PROTO__METRICS__V1__AGGREGATION_TEMPORALITY__AGGREGATION_TEMPORALITY_CUMULATIVE;
    message->data_case = OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_HISTOGRAM;
    message->histogram = histogram;
    return true;
}

// The message of `count` points of a metric, which stay where they are.
static bool add_message(struct packer *p, const struct logctx__metric *metric, size_t begin, size_t count)
{
    otlp_metric_t *message = logctx__arena_alloc(&p->metrics->arena, sizeof *message);
    if (message == NULL) {
        return false;
    }
    opentelemetry__proto__metrics__v1__metric__init(message);
    message->name = metric->name;
    message->unit = metric->unit;
    message->description = metric->description;
    void **points = metric->points + begin;
    bool good = false;
    if (metric->instrument == LOGCTX__HISTOGRAM) {
        good = fill_histogram(p, message);
        if (good) {
            message->histogram->data_points = (otlp_histogram_point_t **)points;
            message->histogram->n_data_points = count;
        }
    } else if (metric->instrument == LOGCTX__GAUGE) {
        good = fill_gauge(p, message);
        if (good) {
            message->gauge->data_points = (otlp_number_point_t **)points;
            message->gauge->n_data_points = count;
        }
    } else {
        good = fill_sum(p, message, metric);
        if (good) {
            message->sum->data_points = (otlp_number_point_t **)points;
            message->sum->n_data_points = count;
        }
    }
    if (good) {
        p->scopes[p->count] = metric->scope;
        p->list[p->count++] = message;
        p->out->points += count;
    }
    return good;
}

// As many points from the cursor on as there is room for. False without memory.
static bool take_points(struct packer *p, struct logctx__metrics_cursor *cursor, bool *full)
{
    const struct logctx__metric *metric = p->metrics->metrics[cursor->metric];
    size_t head = strlen(metric->name) + strlen(metric->unit) + strlen(metric->description) + METRIC_OVERHEAD;
    if (metric->scope != NULL) {
        head += strlen(metric->scope->name) + strlen(metric->scope->version) + METRIC_OVERHEAD;
    }
    size_t begin = cursor->point;
    size_t need = head;
    while (cursor->point < metric->count) {
        size_t size = protobuf_c_message_get_packed_size(metric->points[cursor->point]) + POINT_OVERHEAD;
        if (need + size > p->room) {
            *full = true;
            break;
        }
        need += size;
        cursor->point++;
    }
    if (cursor->point == begin) {
        return true;
    }
    p->room -= need;
    return add_message(p, metric, begin, cursor->point - begin);
}

static bool gather(struct packer *p, struct logctx__metrics_cursor *cursor)
{
    while (cursor->metric < p->metrics->count) {
        bool full = false;
        if (!take_points(p, cursor, &full)) {
            return false;
        }
        if (full && p->count != 0) {
            return true;
        }
        if (full) {
            // Not even alone in an empty request.
            p->out->too_large++;
            cursor->point++;
            continue;
        }
        cursor->metric++;
        cursor->point = 0;
    }
    return true;
}

static bool same_scope(const otlp_scope_t *a, const otlp_scope_t *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a->name, b->name) == 0 && strcmp(a->version, b->version) == 0);
}

static otlp_scope_t *own_scope(struct logctx__arena *arena)
{
    static char name[] = LOGCTX_SCOPE_NAME;
    otlp_scope_t *scope = logctx__arena_alloc(arena, sizeof *scope);
    if (scope == NULL) {
        return NULL;
    }
    opentelemetry__proto__common__v1__instrumentation_scope__init(scope);
    scope->name = name;
    scope->version = logctx__arena_string(arena, logctx_version());
    return scope->version != NULL ? scope : NULL;
}

// The metrics of one scope that follow each other make one ScopeMetrics. NULL without memory.
static otlp_scope_metrics_t **by_scope(struct packer *p, size_t *count)
{
    static char schema_url[] = LOGCTX_SCHEMA_URL;
    struct logctx__arena *arena = &p->metrics->arena;
    otlp_scope_metrics_t **list = logctx__arena_array(arena, p->count, sizeof(otlp_scope_metrics_t *));
    otlp_scope_t *ours = own_scope(arena);
    *count = 0;
    for (size_t i = 0; list != NULL && ours != NULL && i < p->count; i++) {
        if (i != 0 && same_scope(p->scopes[i], p->scopes[i - 1])) {
            list[*count - 1]->n_metrics++;
            continue;
        }
        otlp_scope_metrics_t *next = logctx__arena_alloc(arena, sizeof *next);
        if (next == NULL) {
            return NULL;
        }
        opentelemetry__proto__metrics__v1__scope_metrics__init(next);
        next->scope = p->scopes[i] != NULL ? p->scopes[i] : ours;
        if (p->scopes[i] == NULL) {
            next->schema_url = schema_url;
        }
        next->metrics = p->list + i;
        next->n_metrics = 1;
        list[(*count)++] = next;
    }
    return *count != 0 ? list : NULL;
}

static bool pack(struct packer *p, otlp_resource_t *resource)
{
    otlp_resource_metrics_t resource_metrics = OPENTELEMETRY__PROTO__METRICS__V1__RESOURCE_METRICS__INIT;
    otlp_metrics_request_t request = OPENTELEMETRY__PROTO__COLLECTOR__METRICS__V1__EXPORT_METRICS_SERVICE_REQUEST__INIT;
    otlp_resource_metrics_t *resource_list[] = {&resource_metrics};
    static char schema_url[] = LOGCTX_SCHEMA_URL;
    resource_metrics.resource = resource;
    resource_metrics.schema_url = schema_url;
    resource_metrics.scope_metrics = by_scope(p, &resource_metrics.n_scope_metrics);
    request.resource_metrics = resource_list;
    request.n_resource_metrics = 1;
    if (resource_metrics.scope_metrics == NULL) {
        return false;
    }
    p->out->length = protobuf_c_message_get_packed_size(&request.base);
    p->out->bytes = malloc(p->out->length);
    if (p->out->bytes == NULL) {
        return false;
    }
    protobuf_c_message_pack(&request.base, p->out->bytes);
    return true;
}

enum logctx__packed logctx__metrics_pack(logctx__metrics_t *metrics, otlp_resource_t *resource, size_t limit,
                                         struct logctx__metrics_cursor *cursor, struct logctx__metrics_request *out)
{
    *out = (struct logctx__metrics_request){.bytes = NULL};
    if (metrics->arena.failed) {
        return LOGCTX__PACK_NO_MEMORY;
    }
    size_t envelope = protobuf_c_message_get_packed_size(&resource->base) + REQUEST_OVERHEAD;
    struct packer p = {.metrics = metrics, .out = out, .room = limit > envelope ? limit - envelope : 0};
    p.list = logctx__arena_array(&metrics->arena, metrics->count + 1, sizeof(otlp_metric_t *));
    p.scopes = logctx__arena_array(&metrics->arena, metrics->count + 1, sizeof(otlp_scope_t *));
    if (p.list == NULL || p.scopes == NULL || !gather(&p, cursor)) {
        return LOGCTX__PACK_NO_MEMORY;
    }
    if (p.count == 0) {
        return LOGCTX__PACKED_ALL;
    }
    return pack(&p, resource) ? LOGCTX__PACKED : LOGCTX__PACK_NO_MEMORY;
}
