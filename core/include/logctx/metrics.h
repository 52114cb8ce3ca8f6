/*
 * logctx/metrics.h: the application's own metrics: counters, updowncounters, gauges and histograms, and their observable
 * forms. They go out with the library's by whatever exports those (logctx/otlp.h), cumulative, in an instrumentation scope of
 * the application's.
 *
 *     static logctx_instrument_t *sent; // once: sent = logctx_counter("app.mail.sent", "{mail}", "Mails sent.");
 *     logctx_attr_t to = logctx_attr_string("app.mail.kind", "digest");
 *     logctx_instrument_add(sent, 1, &to, 1);                   // looks the attributes up
 *     logctx_point_t *digests = logctx_point(sent, &to, 1);     // or once
 *     logctx_point_add(digests, 1);                             // and then only adds
 *
 * Instruments and points live as long as the process: ask for them again and again, or keep them. An instrument has at most
 * 2,000 attribute sets, a process 65,536: what is beyond is summed under `otel.metric.overflow` (OpenTelemetry
 * metrics/sdk.md, Cardinality limits). Each thread adds to cells of its own, so no thread waits for another.
 *
 * Any thread, also in an error hook; the current context stays as it was; nothing that is given is taken over. NULL for an
 * instrument or point is accepted and does nothing, for that is what there is without memory. What the specification calls
 * wrong (a negative number for a counter, a value that is not finite, a function for another kind of instrument) is
 * reported as invalid_use and ignored.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_METRICS_H
#define LOGCTX_METRICS_H

#include <logctx/collect.h>
#include <logctx/trace.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum logctx_instrument_kind {
    LOGCTX_INSTRUMENT_COUNTER = 0,       /* goes up */
    LOGCTX_INSTRUMENT_UPDOWNCOUNTER = 1, /* goes up and down */
    LOGCTX_INSTRUMENT_GAUGE = 2,         /* what was set last, by whatever thread */
    LOGCTX_INSTRUMENT_HISTOGRAM = 3      /* how values are distributed; with exemplars of sampled contexts */
} logctx_instrument_kind_t;

typedef struct logctx_instrument logctx_instrument_t; /* interned */
typedef struct logctx_point logctx_point_t;           /* one attribute set of an instrument; interned */
typedef struct logctx_observer logctx_observer_t;     /* during a callback */

/* Says the values of the moment, by logctx_observe(). Called by collections, on the thread that collects, one at a time. */
typedef void logctx_observe_t(logctx_observer_t *observer, void *user);

#define LOGCTX_METRIC_BOUNDS_MAX 64

typedef struct logctx_instrument_opts {
    size_t struct_size;
    logctx_instrument_kind_t kind;
    const char *name;        /* a letter, then letters, digits and _ . - /, at most 255 (metrics/api.md) */
    const char *unit;        /* UCUM, at most 63 characters; NULL: none */
    const char *description; /* NULL: none */
    const char *scope;       /* instrumentation scope: the part of the program that measures; NULL: "app" */
    const char *scope_version;
    bool is_double; /* counters and gauges: values are numbers with a fraction; histograms always are */
    const double
        *bounds;        /* histogram: upper bounds, upper inclusive, rising; NULL: OpenTelemetry's, for milliseconds */
    size_t bound_count; /* at most LOGCTX_METRIC_BOUNDS_MAX */
    logctx_observe_t *observe; /* not for histograms; then nothing else gives it values */
    void *user;
} logctx_instrument_opts_t;

/*
 * The instrument of that scope and name, made if it is new. Names are compared without regard to case. If it is there as
 * something else (kind, unit, type, bounds), a log line says so, and another one is made under the name as it was written
 * first: both work, and both are exported, as the specification wants; whoever reads them may mix them up. Of descriptions
 * the first one stays. NULL: the name or another field is wrong, which is reported, there are 1,000 already, or no
 * memory. `observe` replaces an earlier one.
 */
LOGCTX_API logctx_instrument_t *logctx_instrument(const logctx_instrument_opts_t *opts);

/* Short forms, of whole numbers but for the histogram. */
LOGCTX_API logctx_instrument_t *logctx_counter(const char *name, const char *unit, const char *description);
LOGCTX_API logctx_instrument_t *logctx_updowncounter(const char *name, const char *unit, const char *description);
LOGCTX_API logctx_instrument_t *logctx_gauge(const char *name, const char *unit, const char *description);
LOGCTX_API logctx_instrument_t *logctx_histogram(const char *name, const char *unit, const char *description,
                                                 const double *bounds, size_t bound_count);

/*
 * No more callbacks: when this returns none is running and none will. Within the callback itself it returns at once, and
 * the running one is the last.
 */
LOGCTX_API void logctx_instrument_stop_observing(logctx_instrument_t *instrument);

/*
 * The point of that attribute set. The order does not matter; of equal keys the last one counts; empty keys are left out;
 * text is made valid UTF-8. Texts are cut at 4,096 bytes, and 128 attributes are taken at most. Beyond the limits: the
 * point of the overflow.
 */
LOGCTX_API logctx_point_t *logctx_point(logctx_instrument_t *instrument, const logctx_attr_t *attrs, size_t count);

/* Counters and updowncounters. Budget: 40 instructions, no lock, no allocation but for a thread's first use. */
LOGCTX_API void logctx_point_add(logctx_point_t *point, int64_t amount);
LOGCTX_API void logctx_point_add_double(logctx_point_t *point, double amount);
/* Gauges. */
LOGCTX_API void logctx_point_set(logctx_point_t *point, int64_t value);
LOGCTX_API void logctx_point_set_double(logctx_point_t *point, double value);
/* Histograms. The context that is current becomes the exemplar of its bucket, if it is sampled. */
LOGCTX_API void logctx_point_record(logctx_point_t *point, double value);

/* The same of an attribute set, which is looked up: a hash of the attributes and a comparison with those that are there. */
LOGCTX_API void logctx_instrument_add(logctx_instrument_t *instrument, int64_t amount, const logctx_attr_t *attrs,
                                      size_t count);
LOGCTX_API void logctx_instrument_add_double(logctx_instrument_t *instrument, double amount, const logctx_attr_t *attrs,
                                             size_t count);
LOGCTX_API void logctx_instrument_set(logctx_instrument_t *instrument, int64_t value, const logctx_attr_t *attrs,
                                      size_t count);
LOGCTX_API void logctx_instrument_set_double(logctx_instrument_t *instrument, double value, const logctx_attr_t *attrs,
                                             size_t count);
LOGCTX_API void logctx_instrument_record(logctx_instrument_t *instrument, double value, const logctx_attr_t *attrs,
                                         size_t count);

/*
 * In a callback only: the sum (counters: since the start, and it does not go down) or value of the moment. Of equal sets
 * the last one counts. What is not observed in a collection is not in it; a negative sum of a counter is wrong.
 */
LOGCTX_API void logctx_observe(logctx_observer_t *observer, int64_t value, const logctx_attr_t *attrs, size_t count);
LOGCTX_API void logctx_observe_double(logctx_observer_t *observer, double value, const logctx_attr_t *attrs,
                                      size_t count);

/* For exporters: one point as it is collected. Everything is borrowed, during the call. */
typedef struct logctx_metric_point {
    logctx_instrument_kind_t kind;
    bool is_double;
    const char *name, *unit, *description, *scope, *scope_version; /* never NULL */
    const logctx_attr_t *attrs;                                    /* sorted by key */
    size_t attr_count;
    uint64_t since_unix_ns;
    int64_t integer; /* as is_double says */
    double real;
    uint64_t count; /* histograms, with what follows */
    double sum, min, max;
    const double *bounds;
    size_t bound_count;
    const uint64_t *buckets;            /* bound_count + 1 */
    const logctx_exemplar_t *exemplars; /* as many; unix_ns 0: none */
} logctx_metric_point_t;

/*
 * Calls the callbacks of observable instruments, and `each` for every point that has a value; those of an instrument follow
 * each other. One collection at a time: others wait. Not within a callback (LOGCTX_E_STATE).
 */
LOGCTX_API logctx_status_t logctx_collect_metrics(void (*each)(void *user, const logctx_metric_point_t *point),
                                                  void *user);

#ifdef __cplusplus
}
#endif
#endif
