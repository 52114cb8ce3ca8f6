/*
 * metrics.h: one collection of metrics on its way to be requests: metrics with their points, in an arena, from which
 * ExportMetricsServiceRequests (the same as MetricsData) of a bounded size are packed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_METRICS_H
#define LOGCTX_EXPORTER_METRICS_H

#include "arena.h"
#include "messages.h"

#include <logctx/metrics.h>
#include <logctx/otlp.h>
#include <logctx/telemetry.h>

// How many different attribute sets a metric may have; what is beyond is summed in one point (metrics/sdk.md).
enum { LOGCTX__SERIES_LIMIT = 2000 };

enum logctx__instrument { LOGCTX__COUNTER, LOGCTX__UPDOWNCOUNTER, LOGCTX__GAUGE, LOGCTX__HISTOGRAM };

enum logctx__metric_id {
#define LOGCTX_X(id, name, instrument, unit, attributes, description) LOGCTX__METRIC_##id,
    LOGCTX_METRICS(LOGCTX_X)
#undef LOGCTX_X
        LOGCTX__METRIC_COUNT
};

// One metric under construction. Points are otlp_number_point_t or otlp_histogram_point_t, by the instrument.
struct logctx__metric {
    enum logctx__instrument instrument;
    char *name;
    char *unit;
    char *description;
    otlp_scope_t *scope; // NULL: the library's
    void **points;
    size_t count;
    size_t capacity;
};

/*
 * Which attribute sets were there first, and so keep their points when there are too many; and what was said last of
 * the two parts of the CPU time, which must not go down. Lives as long as an exporter; one owner at a time.
 */
enum logctx__admission { LOGCTX__BY_SERIES, LOGCTX__BY_CPU, LOGCTX__BY_DURATION, LOGCTX__BY_ERROR, LOGCTX__ADMISSIONS };

struct logctx__admitted {
    uint64_t hash; // 0: free
    int64_t user_ns;
    int64_t system_ns;
};

struct logctx__series_memory {
    struct logctx__admitted *slots[LOGCTX__ADMISSIONS];
    size_t counts[LOGCTX__ADMISSIONS];
};

bool logctx__series_memory_init(struct logctx__series_memory *memory);
void logctx__series_memory_free(struct logctx__series_memory *memory);
// The entry of those words, made if there is room; NULL if there is not: they belong to the overflow.
struct logctx__admitted *logctx__admit(struct logctx__series_memory *memory, enum logctx__admission group,
                                       const char *a, const char *b, const char *c);

typedef struct logctx__metrics {
    struct logctx__arena arena;
    struct logctx__metric **metrics;
    size_t count;
    size_t capacity;
    struct logctx__metric *ours[LOGCTX__METRIC_COUNT]; // by id, as far as they have points
    bool exemplars;
    struct logctx__series_memory *memory;
} logctx__metrics_t;

void logctx__metrics_init(logctx__metrics_t *metrics, struct logctx__series_memory *memory, bool exemplars);
void logctx__metrics_free(logctx__metrics_t *metrics);

// Attributes of a point: shared between points, in the arena.
struct logctx__labels {
    otlp_pair_t *pairs[8];
    size_t count;
};

void logctx__label(logctx__metrics_t *metrics, struct logctx__labels *labels, const char *key, const char *value);
void logctx__label_int(logctx__metrics_t *metrics, struct logctx__labels *labels, const char *key, int64_t value);
void logctx__label_overflow(logctx__metrics_t *metrics, struct logctx__labels *labels);

// A point. `since` is left out of gauges, which have no start.
void logctx__point_int(logctx__metrics_t *metrics, enum logctx__metric_id id, const struct logctx__labels *labels,
                       uint64_t since, uint64_t value);
void logctx__point_double(logctx__metrics_t *metrics, enum logctx__metric_id id, const struct logctx__labels *labels,
                          uint64_t since, double value);
// `bounds` has LOGCTX_BOUNDS entries.
void logctx__point_histogram(logctx__metrics_t *metrics, enum logctx__metric_id id, const struct logctx__labels *labels,
                             uint64_t since, const double *bounds, const logctx_histogram_t *from);
// A histogram without bounds: only count, sum, smallest and largest.
void logctx__point_summary(logctx__metrics_t *metrics, enum logctx__metric_id id, const struct logctx__labels *labels,
                           uint64_t since, uint64_t count, double sum, double min, double max);

// The application's. A metric of its own, and a point of it.
struct logctx__metric *logctx__metrics_add(logctx__metrics_t *metrics, enum logctx__instrument instrument,
                                           const logctx_metric_point_t *of);
bool logctx__metric_add_point(logctx__metrics_t *metrics, struct logctx__metric *metric, void *point);

struct logctx__histogram_values {
    uint64_t since;
    const double *bounds;
    size_t bound_count;
    const uint64_t *buckets;            // bound_count + 1
    const logctx_exemplar_t *exemplars; // as many
    double sum;
    double min;
    double max;
};

// A point without attributes; NULL without memory.
otlp_histogram_point_t *logctx__histogram_point(logctx__metrics_t *metrics,
                                                const struct logctx__histogram_values *from);

// The moment of the collection, on every point: taken when all are there, so that nothing in them is younger.
void logctx__metrics_stamp(logctx__metrics_t *metrics);

size_t logctx__metrics_points(const logctx__metrics_t *metrics);

// Where packing goes on.
struct logctx__metrics_cursor {
    size_t metric;
    size_t point;
};

enum logctx__packed { LOGCTX__PACKED, LOGCTX__PACKED_ALL, LOGCTX__PACK_NO_MEMORY };

struct logctx__metrics_request {
    uint8_t *bytes; // from malloc; the caller's
    size_t length;
    uint64_t points;
    uint64_t too_large; // points that do not fit into a request even alone, and were passed over
};

// The next request of at most `limit` bytes; LOGCTX__PACKED_ALL if there are no more points.
enum logctx__packed logctx__metrics_pack(logctx__metrics_t *metrics, otlp_resource_t *resource, size_t limit,
                                         struct logctx__metrics_cursor *cursor, struct logctx__metrics_request *out);

// The metrics of contexts, loops and errors: a collection of the core's sums.
logctx_status_t logctx__metrics_add_core(logctx__metrics_t *metrics);
// What the application measures with logctx/metrics.h.
logctx_status_t logctx__metrics_add_app(logctx__metrics_t *metrics);

#endif
