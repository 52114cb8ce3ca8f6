/*
 * history.h: what the metrics of a service say of a window, in steps of equal length that stick to the clock. Counters
 * become rates: what was counted between two exports of a process is spread evenly over the time between. A step for which
 * nothing came has no value; a counter that began anew, or a process that was silent for too long, leaves a gap. Of several
 * instances the values add up. The reading thread owns everything.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_HISTORY_H
#define DASHBOARD_HISTORY_H

#include "view.h"

enum { HISTORY_STEPS_MAX = 200 };

/* The metrics that are read. X(id, "name") */
#define HISTORY_METRICS(X)                                                                                             \
    X(CREATED, "logctx.context.created")                                                                               \
    X(IN_FLIGHT, "logctx.context.in_flight")                                                                           \
    X(OLDEST_AGE, "logctx.context.oldest.age")                                                                         \
    X(CPU, "logctx.context.cpu.time")                                                                                  \
    X(DB_TRANSACTIONS, "logctx.context.db.transactions")                                                               \
    X(DB_TIME, "logctx.context.db.time")                                                                               \
    X(DB_WAIT, "logctx.context.db.wait_time")                                                                          \
    X(ERRORS, "logctx.transition.errors")                                                                              \
    X(LOOP_CPU, "logctx.loop.cpu.time")                                                                                \
    X(UNATTRIBUTED, "logctx.unattributed.cpu.time")

enum history_metric {
#define HISTORY_X(id, name) HISTORY_##id,
    HISTORY_METRICS(HISTORY_X)
#undef HISTORY_X
        HISTORY_METRIC_COUNT
};

/* One series. `points` has the last point of each step, and one from before the first. */
struct history_point {
    int64_t time; /* 0: there is none */
    int64_t start;
    double value;
};

struct history_series {
    int64_t id;
    enum history_metric metric;
    size_t process; /* index */
    bool sums;      /* a counter; else its value is what is */
    bool delta;
    char *kind; /* of the context, of the error, or the loop's name; NULL: none */
    char *type; /* of the context */
    struct history_point *points;
};

/* One process: when its exports came. */
struct history_process {
    int64_t resource;
    int64_t exports[HISTORY_STEPS_MAX + 1]; /* the last in each step; 0: none */
    double cover[HISTORY_STEPS_MAX];        /* how much of the step lies between two exports: 0 to 1 */
    int64_t gap;                            /* ns: silent for longer, it counts as gone */
    bool waits[HISTORY_STEPS_MAX];          /* it will tell of this step, and has not yet */
};

struct history {
    int64_t step; /* ns */
    size_t count;
    size_t shown_from; /* the first step that the answer tells */
    int64_t ends[HISTORY_STEPS_MAX];
    struct history_series *series;
    size_t series_count;
    struct history_process *processes;
    size_t process_count;
};

/* False: call->outcome says why. In any case to be freed. */
bool history_read(struct history *history, struct view_call *call);
void history_free(struct history *history);

/*
 * Values by step, NaN where there are none; `out` has room for all steps. They add up over the series for which `chosen`
 * says yes (NULL: all of the metric).
 */
typedef bool history_choice(const struct history_series *series, const void *argument);
void history_rates(const struct history *history, enum history_metric metric, history_choice *chosen,
                   const void *argument, double out[HISTORY_STEPS_MAX]);
/* How many were counted by the exports of each step. */
void history_counts(const struct history *history, enum history_metric metric, history_choice *chosen,
                    const void *argument, double out[HISTORY_STEPS_MAX]);
/* The same of one series in the whole window. */
double history_total(const struct history *history, const struct history_series *series);
/* What is, at the end of each step; the largest instead of the sum if `most`. */
void history_levels(const struct history *history, enum history_metric metric, bool most,
                    double out[HISTORY_STEPS_MAX]);

/* A choice: series of this kind (argument: its name), of this type. */
history_choice history_of_kind;
history_choice history_of_type;

#endif
