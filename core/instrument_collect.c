// Collections of the application's metrics: callbacks are asked, and the cells of all threads summed.
//
// SPDX-License-Identifier: Apache-2.0
#include "instrument.h"

#include <math.h>
#include <string.h>

// Held while callbacks of the host run; only other collections wait for it. A thread that has it may ask for it again.
static lock_t one_at_a_time;
static _Thread_local unsigned held __attribute__((tls_model("initial-exec")));
static uint64_t collection; // counted under the lock

struct logctx_observer {
    logctx_instrument_t *instrument;
};

void logctx__collecting_lock(void)
{
    if (held++ == 0)
        logctx__lock(&one_at_a_time);
}

void logctx__collecting_unlock(void)
{
    if (--held == 0)
        logctx__unlock(&one_at_a_time);
}

static double real_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// ---- observing ----

// An observer is gone when its callback has returned, so it is not looked at before.
static bool in_callback(const logctx_observer_t *observer)
{
    if (held > 0 && observer)
        return true;
    logctx__misuse("logctx_observe() was called outside of a callback; only collections ask for values", NULL);
    return false;
}

static bool may_observe(const logctx_observer_t *observer, bool negative)
{
    if (!negative || observer->instrument->kind != LOGCTX_INSTRUMENT_COUNTER)
        return true;
    logctx__misuse("a callback observed a negative sum for a counter; make it an updowncounter", NULL);
    return false;
}

static void observe(logctx_observer_t *observer, bool real, uint64_t value, const logctx_attr_t *attrs, size_t count)
{
    if (real != observer->instrument->is_double) {
        logctx__misuse("a callback observed a whole number for an instrument of fractions, or the reverse", NULL);
        return;
    }
    logctx_point_t *point = logctx__point(observer->instrument, attrs, count);
    if (!point)
        return;
    atomic_store_explicit(&point->value, value, memory_order_relaxed);
    point->observed_in = collection;
}

void logctx_observe(logctx_observer_t *observer, int64_t value, const logctx_attr_t *attrs, size_t count)
{
    if (!in_callback(observer))
        return;
    if (observer->instrument->is_double)
        logctx_observe_double(observer, (double)value, attrs, count);
    else if (may_observe(observer, value < 0))
        observe(observer, false, (uint64_t)value, attrs, count);
}

void logctx_observe_double(logctx_observer_t *observer, double value, const logctx_attr_t *attrs, size_t count)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (!in_callback(observer))
        return;
    if (!isfinite(value))
        logctx__misuse("a callback observed a number that is not finite", NULL);
    else if (may_observe(observer, value < 0))
        observe(observer, true, bits, attrs, count);
}

// ---- summing ----

enum { BUCKETS_MAX = LOGCTX_METRIC_BOUNDS_MAX + 1 };

// One collected histogram, of one thread or all.
struct sums {
    uint64_t count, buckets[BUCKETS_MAX];
    double sum, min, max;
    logctx_exemplar_t exemplars[BUCKETS_MAX];
};

static void copy_cell(const struct histogram_cell *cell, uint32_t buckets, struct sums *out)
{
    out->count = READ_RELAXED(cell->count);
    out->sum = real_of(READ_RELAXED(cell->sum));
    out->min = real_of(READ_RELAXED(cell->min));
    out->max = real_of(READ_RELAXED(cell->max));
    for (uint32_t i = 0; i < buckets; i++) {
        const struct exemplar_cell *from = &cell->buckets[i].exemplar;
        const uint64_t ids[] = {READ_RELAXED(from->trace_high), READ_RELAXED(from->trace_low),
                                READ_RELAXED(from->span)};
        out->buckets[i] = READ_RELAXED(cell->buckets[i].count);
        out->exemplars[i] =
            (logctx_exemplar_t){.value = real_of(READ_RELAXED(from->value)), .unix_ns = READ_RELAXED(from->unix_ns)};
        memcpy(out->exemplars[i].trace_id, ids, sizeof out->exemplars[i].trace_id);
        memcpy(out->exemplars[i].span_id, ids + 2, sizeof out->exemplars[i].span_id);
    }
}

// Whole, or after many tries as it is: a thread that was stopped in the midst must not hold up the collection.
static void read_cell(const struct histogram_cell *cell, uint32_t buckets, struct sums *out)
{
    for (unsigned tries = 0; tries < 1000; tries++) {
        unsigned before = atomic_load_explicit(&cell->sequence, memory_order_acquire);
        copy_cell(cell, buckets, out);
        FENCE(memory_order_acquire);
        if (!(before & 1) && READ_RELAXED(cell->sequence) == before)
            return;
    }
}

static void add_sums(struct sums *all, const struct sums *part, uint32_t buckets)
{
    if (part->count == 0)
        return;
    all->min = all->count == 0 || part->min < all->min ? part->min : all->min;
    all->max = all->count == 0 || part->max > all->max ? part->max : all->max;
    all->count += part->count;
    all->sum += part->sum;
    for (uint32_t i = 0; i < buckets; i++) {
        all->buckets[i] += part->buckets[i];
        if (part->exemplars[i].unix_ns > all->exemplars[i].unix_ns)
            all->exemplars[i] = part->exemplars[i];
    }
}

// Cells are never freed, so that only finding them takes the lock of their thread.
static const void *cell_of(struct thread *thread, const logctx_point_t *point)
{
    logctx__lock(&thread->lock);
    const void *cell = logctx__cell_of(thread, point);
    logctx__unlock(&thread->lock);
    return cell;
}

static bool sum_point(const logctx_point_t *point, logctx_metric_point_t *out)
{
    bool any = false;
    for (struct thread *thread = logctx__threads(); thread; thread = thread->next) {
        const struct sum_cell *cell = cell_of(thread, point);
        if (!cell)
            continue;
        any = true;
        uint64_t value = READ_RELAXED(cell->value);
        if (out->is_double)
            out->real += real_of(value);
        else
            out->integer = (int64_t)((uint64_t)out->integer + value);
    }
    return any;
}

static bool sum_histogram(const logctx_point_t *point, logctx_metric_point_t *out, struct sums *all)
{
    static struct sums part; // of the one collection that there is at a time
    uint32_t buckets = point->instrument->bound_count + 1;
    memset(all, 0, sizeof *all);
    for (struct thread *thread = logctx__threads(); thread; thread = thread->next) {
        const struct histogram_cell *cell = cell_of(thread, point);
        if (!cell)
            continue;
        read_cell(cell, buckets, &part);
        add_sums(all, &part, buckets);
    }
    out->count = all->count;
    out->sum = all->sum;
    out->min = all->min;
    out->max = all->max;
    out->bounds = point->instrument->bounds;
    out->bound_count = point->instrument->bound_count;
    out->buckets = all->buckets;
    out->exemplars = all->exemplars;
    return all->count > 0;
}

static bool read_value(const logctx_point_t *point, logctx_metric_point_t *out)
{
    uint64_t value = READ_RELAXED(point->value);
    if (out->is_double)
        out->real = real_of(value);
    else
        out->integer = (int64_t)value;
    return true;
}

// Whether it has a value, in this process and this collection.
static bool fill(const logctx_point_t *point, bool observed, logctx_metric_point_t *out, struct sums *sums)
{
    if (observed)
        return point->observed_in == collection && read_value(point, out);
    if (out->kind == LOGCTX_INSTRUMENT_HISTOGRAM)
        return sum_histogram(point, out, sums);
    if (out->kind == LOGCTX_INSTRUMENT_GAUGE)
        return atomic_load_explicit(&point->set_in, memory_order_acquire) == READ_RELAXED(logctx__forks) + 1 &&
               read_value(point, out);
    return sum_point(point, out);
}

static void collect_instrument(logctx_instrument_t *instrument,
                               void (*each)(void *user, const logctx_metric_point_t *point), void *user)
{
    static struct sums sums; // of the one collection that there is at a time
    uint64_t start = logctx_start_unix_ns();
    bool observed = instrument->observe != NULL;
    if (observed) {
        logctx_observer_t observer = {instrument};
        instrument->observe(&observer, instrument->user);
    }
    for (logctx_point_t *point = atomic_load_explicit(&instrument->first, memory_order_acquire); point;
         point = READ_RELAXED(point->next)) {
        logctx_metric_point_t out = {.kind = instrument->kind,
                                     .is_double = instrument->is_double,
                                     .name = instrument->name,
                                     .unit = instrument->unit,
                                     .description = instrument->description,
                                     .scope = instrument->scope,
                                     .scope_version = instrument->scope_version,
                                     .attrs = point->attrs,
                                     .attr_count = point->attr_count,
                                     // A child of fork() counts from its own start.
                                     .since_unix_ns = point->since_unix > start ? point->since_unix : start};
        if (fill(point, observed, &out, &sums))
            each(user, &out);
    }
}

logctx_status_t logctx_collect_metrics(void (*each)(void *user, const logctx_metric_point_t *point), void *user)
{
    if (!each)
        return LOGCTX_E_INVALID;
    if (held > 0)
        return LOGCTX_E_STATE;
    logctx__begin_process();
    logctx__collecting_lock();
    collection++;
    for (logctx_instrument_t *instrument = logctx__instruments(); instrument;
         instrument = atomic_load_explicit(&instrument->next, memory_order_acquire))
        collect_instrument(instrument, each, user);
    logctx__collecting_unlock();
    return LOGCTX_OK;
}
