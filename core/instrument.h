/*
 * instrument.h: internal. The application's instruments, their points, and the cells of each thread.
 *
 * An instrument and its points are interned for ever and constant after they are published, but for what is said here. A
 * thread reaches its cell of a point by the point's number; it alone writes it, and collections sum the cells of all threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_CORE_INSTRUMENT_H
#define LOGCTX_CORE_INSTRUMENT_H

#include "types.h"

#include <logctx/metrics.h>

enum {
    INSTRUMENTS_MAX = 1000,
    POINTS_PER_INSTRUMENT = 2000, /* and that of the overflow (metrics/sdk.md) */
    POINTS_MAX = 65536,
    POINT_ATTRS_MAX = 128,
    POINT_TEXT_MAX = 4096,
};

struct point_table {
    struct point_table *before; /* kept: somebody may be reading it */
    uint32_t mask;
    _Atomic(logctx_point_t *) slots[];
};

struct logctx_instrument {
    logctx_instrument_kind_t kind;
    bool is_double;
    const char *name, *unit, *description, *scope, *scope_version;
    double *bounds;
    uint32_t bound_count;
    lock_t lock; /* adding points */
    _Atomic(struct point_table *) table;
    uint32_t point_count; /* lock */
    _Atomic(logctx_point_t *) first, overflow;
    logctx_observe_t *observe; /* with `user`: the lock of collections */
    void *user;
    _Atomic(logctx_instrument_t *) next;
};

struct logctx_point {
    logctx_instrument_t *instrument;
    uint64_t hash;
    uint64_t since_unix;
    uint32_t number;
    uint32_t attr_count;
    logctx_attr_t *attrs; /* sorted by key */
    _Atomic(logctx_point_t *) next;
    /* Gauges, written by any thread; and what a callback has said, by the one collection that there is. */
    _Atomic uint64_t value;
    atomic_uint set_in; /* the process that has set it: logctx__forks and 1 */
    uint64_t observed_in;
};

/* Integers, or the bits of a double. A cache line of its own: only its thread writes it. */
struct sum_cell {
    _Atomic uint64_t value;
} __attribute__((aligned(64)));

struct exemplar_cell {
    _Atomic uint64_t value, unix_ns, trace_high, trace_low, span;
};

/* Whole for readers while `sequence` is even and stays the same. */
struct histogram_cell {
    atomic_uint sequence;
    _Atomic uint64_t count, sum, min, max;
    struct {
        _Atomic uint64_t count;
        struct exemplar_cell exemplar;
    } buckets[];
} __attribute__((aligned(64)));

/* point.c */
LOGCTX_INTERNAL logctx_point_t *logctx__point(logctx_instrument_t *instrument, const logctx_attr_t *attrs,
                                              size_t count);

/* measure.c: a thread's cell; NULL: it has none, or there is no memory. */
LOGCTX_INTERNAL void *logctx__cell_of(struct thread *thread, const logctx_point_t *point);

/* instrument.c */
LOGCTX_INTERNAL logctx_instrument_t *logctx__instruments(void);

/* instrument_collect.c */
LOGCTX_INTERNAL void logctx__collecting_lock(void);
LOGCTX_INTERNAL void logctx__collecting_unlock(void);

#endif
