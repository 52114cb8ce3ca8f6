/*
 * logctx/collect.h: the sums of all contexts, for exporters, and the books.
 *
 * Threads add to shards of their own; a collection sums the shards. All counts are cumulative since the start of the
 * process (in a child of fork(): of the child) and count own usage, so that contexts + loop + unattributed is the threads' CPU time.
 *
 * Unless it says otherwise, a function here may be called on any thread, leaves the current context as it was, and takes
 * over nothing that it is given; what it returns is borrowed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_COLLECT_H
#define LOGCTX_COLLECT_H

#include <logctx/error.h>
#include <logctx/usage.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Upper bounds of the buckets, in seconds, upper inclusive; one more bucket is above the last. */
#define LOGCTX_DURATION_BOUNDS                                                                                         \
    {                                                                                                                  \
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60        \
    }
#define LOGCTX_CPU_BOUNDS                                                                                              \
    {                                                                                                                  \
        0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,  \
            1, 2.5, 10                                                                                                 \
    }
#define LOGCTX_BOUNDS 18
LOGCTX_API extern const double logctx_duration_bounds[LOGCTX_BOUNDS];
LOGCTX_API extern const double logctx_cpu_bounds[LOGCTX_BOUNDS];

/* One value kept as an example, of a sampled context. unix_ns 0: none. */
typedef struct logctx_exemplar {
    double value;
    uint64_t unix_ns;
    uint8_t trace_id[16];
    uint8_t span_id[8];
} logctx_exemplar_t;

typedef struct logctx_histogram {
    uint64_t count;
    double sum;
    double min;
    double max;
    uint64_t buckets[LOGCTX_BOUNDS + 1];            /* not cumulative */
    logctx_exemplar_t exemplars[LOGCTX_BOUNDS + 1]; /* the newest of each bucket */
} logctx_histogram_t;

/* The durations of one kind and type that ended with one error.type ("": did not fail). */
typedef struct logctx_duration {
    const char *error_type;
    logctx_histogram_t histogram;
} logctx_duration_t;

#define LOGCTX_ERROR_TYPES_MAX 17

/* All contexts of one kind and type. Strings live as long as the process. */
typedef struct logctx_series {
    const char *kind;
    const char *type;
    uint64_t since_unix_ns; /* when the first of them was made */
    uint64_t created;
    uint64_t ended;
    uint64_t in_flight;
    double oldest_age_s;  /* 0 if none is in flight */
    logctx_usage_t usage; /* with what is running now on other threads, if the clock can tell */
    logctx_histogram_t cpu_usage;
    logctx_duration_t durations[LOGCTX_ERROR_TYPES_MAX];
    size_t duration_count;
    uint64_t errors[LOGCTX_ERROR_COUNT]; /* transition errors by kind of error */
} logctx_series_t;

/* CPU outside of contexts, of the threads whose loop has one name. */
typedef struct logctx_loop_sums {
    char name[64];
    uint64_t since_unix_ns;
    int64_t loop_cpu_ns;         /* between poll begin and end: sampled one turn in 64, and scaled */
    int64_t unattributed_cpu_ns; /* thread clocks - contexts - loop; never goes down */
    logctx_histogram_t delay;    /* how late ready callbacks ran, in logctx_duration_bounds; no exemplars */
} logctx_loop_sums_t;

/* Contexts in the books: created = live + ended; ended = handed_over + unsampled + no_sink + dropped. */
typedef struct logctx_books {
    uint64_t created;
    uint64_t live;
    uint64_t ended;
    uint64_t created_sampled; /* of those created, the ones that the sampler chose for a span */
    uint64_t live_sampled;
    uint64_t handed_over;        /* given to sinks */
    uint64_t unsampled;          /* sampler said no, or the caller */
    uint64_t no_sink;            /* nobody was there to take them */
    uint64_t dropped_live_limit; /* made beyond limits.live_contexts: metrics only */
    uint64_t dropped_no_memory;  /* no memory for the record */
    uint64_t refused_no_memory;  /* not created at all: work ran in the sentinel; not in `created` */
    uint64_t error_spans;        /* zero-length spans of transition errors handed over, beside the contexts */
} logctx_books_t;

LOGCTX_API void logctx_get_books(logctx_books_t *books);

/*
 * Collect: calls `series` for each kind and type that ever had a context, then `loop` for each loop name. The pointers
 * are valid during the call. One collection at a time (others wait). Not on a hot path: takes each thread's list lock
 * for a moment. Returns LOGCTX_E_NO_MEMORY, and calls nothing, if the sums do not fit into memory.
 */
typedef struct logctx_collector {
    void (*series)(void *user, const logctx_series_t *series);
    void (*loop)(void *user, const logctx_loop_sums_t *loop);
    void *user;
} logctx_collector_t;

LOGCTX_API logctx_status_t logctx_collect(const logctx_collector_t *collector);

/* When the library began to count: the start time of series that exist from the beginning. */
LOGCTX_API uint64_t logctx_start_unix_ns(void);

#ifdef __cplusplus
}
#endif
#endif
