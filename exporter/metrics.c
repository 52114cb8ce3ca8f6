/*
 * metrics.c: builds points and packs them into requests. One owner at a time; no locks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "metrics.h"
#include "attributes.h"

#include <math.h>
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

void logctx__metrics_init(logctx_otlp_metrics_t *metrics, struct logctx__series_memory *memory, bool exemplars)
{
    *metrics = (struct logctx_otlp_metrics){.memory = memory, .exemplars = exemplars};
    logctx__arena_init(&metrics->arena, ARENA_LIMIT);
}

void logctx__metrics_free(logctx_otlp_metrics_t *metrics)
{
    logctx__arena_free(&metrics->arena);
    *metrics = (struct logctx_otlp_metrics){.count = 0};
}

static struct logctx__metric *add_metric(logctx_otlp_metrics_t *metrics, const struct row *row)
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
    metrics->metrics = list;
    if (arena->failed) {
        return NULL;
    }
    list[metrics->count++] = metric;
    return metric;
}

static struct logctx__metric *metric_of(logctx_otlp_metrics_t *metrics, enum logctx__metric_id id)
{
    if (metrics->ours[id] == NULL) {
        metrics->ours[id] = add_metric(metrics, &rows[id]);
    }
    return metrics->ours[id];
}

static bool add_point(logctx_otlp_metrics_t *metrics, struct logctx__metric *metric, void *point)
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

void logctx__metrics_stamp(logctx_otlp_metrics_t *metrics)
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

size_t logctx__metrics_points(const logctx_otlp_metrics_t *metrics)
{
    size_t points = 0;
    for (size_t i = 0; i < metrics->count; i++) {
        points += metrics->metrics[i]->count;
    }
    return points;
}

// Labels.

static void add_label(logctx_otlp_metrics_t *metrics, struct logctx__labels *labels, logctx_attr_t attr)
{
    otlp_pair_t *pair = logctx__attribute(&metrics->arena, &attr);
    if (pair != NULL && labels->count < sizeof labels->pairs / sizeof labels->pairs[0]) {
        labels->pairs[labels->count++] = pair;
    }
}

void logctx__label(logctx_otlp_metrics_t *metrics, struct logctx__labels *labels, const char *key, const char *value)
{
    add_label(metrics, labels, logctx_attr_string(key, value));
}

void logctx__label_int(logctx_otlp_metrics_t *metrics, struct logctx__labels *labels, const char *key, int64_t value)
{
    add_label(metrics, labels, logctx_attr_int(key, value));
}

void logctx__label_overflow(logctx_otlp_metrics_t *metrics, struct logctx__labels *labels)
{
    add_label(metrics, labels, logctx_attr_bool("otel.metric.overflow", true));
}

static otlp_pair_t **copy_labels(logctx_otlp_metrics_t *metrics, const struct logctx__labels *labels)
{
    otlp_pair_t **pairs = logctx__arena_array(&metrics->arena, labels->count + 1, sizeof(otlp_pair_t *));
    if (pairs != NULL) {
        memcpy(pairs, labels->pairs, labels->count * sizeof(otlp_pair_t *));
    }
    return pairs;
}

// Points.

static otlp_number_point_t *add_number(logctx_otlp_metrics_t *metrics, enum logctx__metric_id id,
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
    return add_point(metrics, metric, point) ? point : NULL;
}

void logctx__point_int(logctx_otlp_metrics_t *metrics, enum logctx__metric_id id, const struct logctx__labels *labels,
                       uint64_t since, uint64_t value)
{
    otlp_number_point_t *point = add_number(metrics, id, labels, since);
    if (point != NULL) {
        point->value_case = OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_INT;
        point->as_int = value > INT64_MAX ? INT64_MAX : (int64_t)value;
    }
}

void logctx__point_double(logctx_otlp_metrics_t *metrics, enum logctx__metric_id id,
                          const struct logctx__labels *labels, uint64_t since, double value)
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
static otlp_histogram_point_t *make_histogram(logctx_otlp_metrics_t *metrics, uint64_t since, const double *bounds,
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

static otlp_exemplar_t *make_exemplar(logctx_otlp_metrics_t *metrics, const logctx_exemplar_t *from)
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

static void add_exemplars(logctx_otlp_metrics_t *metrics, otlp_histogram_point_t *point, const logctx_histogram_t *from)
{
    otlp_exemplar_t **list = logctx__arena_array(&metrics->arena, LOGCTX_BOUNDS + 1, sizeof(otlp_exemplar_t *));
    for (size_t i = 0; list != NULL && i <= LOGCTX_BOUNDS; i++) {
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

void logctx__point_histogram(logctx_otlp_metrics_t *metrics, enum logctx__metric_id id,
                             const struct logctx__labels *labels, uint64_t since, const double *bounds,
                             const logctx_histogram_t *from)
{
    struct logctx__metric *metric = metric_of(metrics, id);
    otlp_pair_t **pairs = copy_labels(metrics, labels);
    otlp_histogram_point_t *point = make_histogram(metrics, since, bounds, LOGCTX_BOUNDS, from->buckets);
    if (metric == NULL || pairs == NULL || point == NULL) {
        return;
    }
    point->attributes = pairs;
    point->n_attributes = labels->count;
    point->sum = from->sum;
    if (point->count != 0) {
        set_extremes(point, from->min, from->max);
    }
    if (metrics->exemplars) {
        add_exemplars(metrics, point, from);
    }
    add_point(metrics, metric, point);
}

void logctx__point_summary(logctx_otlp_metrics_t *metrics, enum logctx__metric_id id,
                           const struct logctx__labels *labels, uint64_t since, uint64_t count, double sum, double min,
                           double max)
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
    add_point(metrics, metric, point);
}

// The application's points.

static bool histogram_is_good(const logctx_otlp_histogram_t *point)
{
    if (point == NULL || point->struct_size < sizeof *point || point->name == NULL || point->name[0] == '\0' ||
        point->bucket_counts == NULL || (point->bound_count != 0 && point->bounds == NULL) ||
        point->bound_count > 1000 || point->attr_count > 128 || (point->attr_count != 0 && point->attrs == NULL)) {
        return false;
    }
    for (size_t i = 0; i < point->bound_count; i++) {
        if (!isfinite(point->bounds[i]) || (i != 0 && !(point->bounds[i] > point->bounds[i - 1]))) {
            return false;
        }
    }
    return true;
}

static struct logctx__metric *app_metric(logctx_otlp_metrics_t *metrics, const logctx_otlp_histogram_t *point)
{
    for (size_t i = metrics->count; i > metrics->app_begin; i--) {
        if (strcmp(metrics->metrics[i - 1]->name, point->name) == 0) {
            return metrics->metrics[i - 1];
        }
    }
    struct row row = {.name = point->name,
                      .instrument = LOGCTX__HISTOGRAM,
                      .unit = point->unit != NULL ? point->unit : "",
                      .description = point->description != NULL ? point->description : ""};
    return add_metric(metrics, &row);
}

logctx_status_t logctx_otlp_add_histogram(logctx_otlp_metrics_t *metrics, const logctx_otlp_histogram_t *from)
{
    if (metrics == NULL || !histogram_is_good(from)) {
        return LOGCTX_E_INVALID;
    }
    struct logctx__metric *metric = app_metric(metrics, from);
    if (metric != NULL && metric->count == LOGCTX__SERIES_LIMIT) {
        return LOGCTX_E_LIMIT;
    }
    struct logctx__attributes attrs = {.count = 0};
    for (size_t i = 0; i < from->attr_count; i++) {
        logctx__attributes_set(&attrs, &metrics->arena, from->attrs[i]);
    }
    otlp_histogram_point_t *point =
        make_histogram(metrics, from->since_unix_ns, from->bounds, from->bound_count, from->bucket_counts);
    if (metric == NULL || point == NULL || metrics->arena.failed) {
        return LOGCTX_E_NO_MEMORY;
    }
    point->attributes = attrs.items;
    point->n_attributes = attrs.count;
    point->sum = from->sum;
    if (point->count != 0) {
        set_extremes(point, from->min, from->max);
    }
    return add_point(metrics, metric, point) ? LOGCTX_OK : LOGCTX_E_NO_MEMORY;
}

// Packing.

struct packer {
    logctx_otlp_metrics_t *metrics;
    size_t room;
    otlp_metric_t **list;
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

static bool pack(struct packer *p, otlp_resource_t *resource)
{
    otlp_scope_t scope = OPENTELEMETRY__PROTO__COMMON__V1__INSTRUMENTATION_SCOPE__INIT;
    otlp_scope_metrics_t scope_metrics = OPENTELEMETRY__PROTO__METRICS__V1__SCOPE_METRICS__INIT;
    otlp_resource_metrics_t resource_metrics = OPENTELEMETRY__PROTO__METRICS__V1__RESOURCE_METRICS__INIT;
    otlp_metrics_request_t request = OPENTELEMETRY__PROTO__COLLECTOR__METRICS__V1__EXPORT_METRICS_SERVICE_REQUEST__INIT;
    otlp_scope_metrics_t *scope_list[] = {&scope_metrics};
    otlp_resource_metrics_t *resource_list[] = {&resource_metrics};
    static char scope_name[] = LOGCTX_SCOPE_NAME;
    static char schema_url[] = LOGCTX_SCHEMA_URL;
    scope.name = scope_name;
    scope.version = logctx__arena_string(&p->metrics->arena, logctx_version());
    scope_metrics.scope = &scope;
    scope_metrics.schema_url = schema_url;
    scope_metrics.metrics = p->list;
    scope_metrics.n_metrics = p->count;
    resource_metrics.resource = resource;
    resource_metrics.schema_url = schema_url;
    resource_metrics.scope_metrics = scope_list;
    resource_metrics.n_scope_metrics = 1;
    request.resource_metrics = resource_list;
    request.n_resource_metrics = 1;
    if (scope.version == NULL) {
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

enum logctx__packed logctx__metrics_pack(logctx_otlp_metrics_t *metrics, otlp_resource_t *resource, size_t limit,
                                         struct logctx__metrics_cursor *cursor, struct logctx__metrics_request *out)
{
    *out = (struct logctx__metrics_request){.bytes = NULL};
    if (metrics->arena.failed) {
        return LOGCTX__PACK_NO_MEMORY;
    }
    size_t envelope = protobuf_c_message_get_packed_size(&resource->base) + REQUEST_OVERHEAD;
    struct packer p = {.metrics = metrics, .out = out, .room = limit > envelope ? limit - envelope : 0};
    p.list = logctx__arena_array(&metrics->arena, metrics->count + 1, sizeof(otlp_metric_t *));
    if (p.list == NULL || !gather(&p, cursor)) {
        return LOGCTX__PACK_NO_MEMORY;
    }
    if (p.count == 0) {
        return LOGCTX__PACKED_ALL;
    }
    return pack(&p, resource) ? LOGCTX__PACKED : LOGCTX__PACK_NO_MEMORY;
}
