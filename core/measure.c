// Measuring: a thread adds to its cell of a point. Only that thread writes it; collections read it meanwhile.
//
// Budget: at most 40 instructions for `counter_add`, a bound point's, and at most 140 instructions for `histogram_record`; no lock,
// no allocation but for a thread's first use of a point.
//
// SPDX-License-Identifier: Apache-2.0
#include "instrument.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double real_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// ---- cells ----

static bool make_room(struct thread *thread, uint32_t number)
{
    if (number < thread->cell_count)
        return true;
    uint32_t count = number + 1 < 16 ? 16 : (number + 1) * 2;
    void **cells = calloc(count, sizeof(void *));
    if (!cells)
        return false;
    logctx__lock(&thread->lock);
    void **old = thread->cells;
    if (old)
        memcpy(cells, old, thread->cell_count * sizeof(void *));
    thread->cells = cells;
    thread->cell_count = count;
    logctx__unlock(&thread->lock);
    free(old);
    return true;
}

static __attribute__((noinline, cold)) void *make_cell(struct thread *thread, const logctx_point_t *point)
{
    const logctx_instrument_t *instrument = point->instrument;
    struct histogram_cell *histogram = NULL;
    size_t size = sizeof(struct sum_cell);
    if (instrument->kind == LOGCTX_INSTRUMENT_HISTOGRAM)
        size = sizeof *histogram + (instrument->bound_count + 1) * sizeof histogram->buckets[0];
    size = (size + 63) / 64 * 64;
    void *cell = make_room(thread, point->number) ? aligned_alloc(64, size) : NULL;
    if (!cell)
        return NULL;
    memset(cell, 0, size);
    logctx__lock(&thread->lock);
    thread->cells[point->number] = cell;
    logctx__unlock(&thread->lock);
    return cell;
}

void *logctx__cell_of(struct thread *thread, const logctx_point_t *point)
{
    return point->number < thread->cell_count ? thread->cells[point->number] : NULL;
}

static inline void *cell_of(const logctx_point_t *point)
{
    struct thread *thread = this_thread();
    if (unlikely(!thread))
        return NULL;
    void *cell = logctx__cell_of(thread, point);
    return likely(cell != NULL) ? cell : make_cell(thread, point);
}

// ---- values ----

static __attribute__((noinline, cold)) void refuse(const logctx_instrument_t *instrument, const char *what)
{
    (void)instrument;
    logctx__misuse(what, NULL);
}

static bool may_add(const logctx_instrument_t *instrument, bool negative)
{
    if (likely(instrument->kind <= LOGCTX_INSTRUMENT_UPDOWNCOUNTER &&
               !(negative && instrument->kind == LOGCTX_INSTRUMENT_COUNTER)))
        return true;
    refuse(instrument, negative && instrument->kind == LOGCTX_INSTRUMENT_COUNTER
                           ? "a negative number was added to a counter; make it an updowncounter"
                           : "something was added to a gauge or histogram; set or record it");
    return false;
}

static void add_real(const logctx_point_t *point, double amount)
{
    struct sum_cell *cell = cell_of(point);
    if (likely(cell != NULL))
        atomic_store_explicit(&cell->value, bits_of(real_of(READ_RELAXED(cell->value)) + amount), memory_order_relaxed);
}

void logctx_point_add(logctx_point_t *point, int64_t amount)
{
    if (unlikely(!point) || unlikely(!may_add(point->instrument, amount < 0)))
        return;
    if (unlikely(point->instrument->is_double)) {
        add_real(point, (double)amount);
        return;
    }
    struct sum_cell *cell = cell_of(point);
    if (likely(cell != NULL))
        ADD_OWNED(cell->value, (uint64_t)amount);
}

void logctx_point_add_double(logctx_point_t *point, double amount)
{
    if (unlikely(!point) || unlikely(!may_add(point->instrument, amount < 0)))
        return;
    if (unlikely(!point->instrument->is_double || !isfinite(amount)))
        refuse(point->instrument, "a number that is not finite, or a fraction for an instrument of whole numbers, was "
                                  "added; set is_double when the instrument is made");
    else
        add_real(point, amount);
}

static void set(logctx_point_t *point, uint64_t value)
{
    if (unlikely(point->instrument->kind != LOGCTX_INSTRUMENT_GAUGE)) {
        refuse(point->instrument, "a value was set on an instrument that is no gauge; add or record it");
        return;
    }
    atomic_store_explicit(&point->value, value, memory_order_relaxed);
    atomic_store_explicit(&point->set_in, READ_RELAXED(logctx__forks) + 1, memory_order_release);
}

void logctx_point_set(logctx_point_t *point, int64_t value)
{
    if (point)
        set(point, point->instrument->is_double ? bits_of((double)value) : (uint64_t)value);
}

void logctx_point_set_double(logctx_point_t *point, double value)
{
    if (!point)
        return;
    if (unlikely(!point->instrument->is_double || !isfinite(value)))
        refuse(point->instrument, "a number that is not finite, or a fraction for an instrument of whole numbers, was "
                                  "set; set is_double when the instrument is made");
    else
        set(point, bits_of(value));
}

// ---- histograms ----

// An exemplar leads to a trace, so only sampled contexts give one (metrics/sdk.md, TraceBased). The coarse clock is enough to
// tell which one is newer.
static void keep_exemplar(struct exemplar_cell *cell, const logctx_t *ctx, double value)
{
    struct timespec now;
    uint64_t ids[3];
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    memcpy(ids, ctx->profile.trace_id, sizeof ctx->profile.trace_id);
    memcpy(ids + 2, ctx->profile.span_id, sizeof ctx->profile.span_id);
    atomic_store_explicit(&cell->value, bits_of(value), memory_order_relaxed);
    atomic_store_explicit(&cell->unix_ns, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
                          memory_order_relaxed);
    atomic_store_explicit(&cell->trace_high, ids[0], memory_order_relaxed);
    atomic_store_explicit(&cell->trace_low, ids[1], memory_order_relaxed);
    atomic_store_explicit(&cell->span, ids[2], memory_order_relaxed);
}

// Half of what is left in each step, without a branch to guess.
static uint32_t bucket_of(const logctx_instrument_t *instrument, double value)
{
    const double *bounds = instrument->bounds;
    uint32_t begin = 0, count = instrument->bound_count;
    while (count > 0) {
        uint32_t half = count / 2;
        bool above = value > bounds[begin + half];
        begin = above ? begin + half + 1 : begin;
        count = above ? count - half - 1 : half;
    }
    return begin;
}

static void record(const logctx_point_t *point, struct histogram_cell *cell, double value)
{
    uint32_t bucket = bucket_of(point->instrument, value);
    unsigned sequence = READ_RELAXED(cell->sequence);
    bool first = READ_RELAXED(cell->count) == 0;
    atomic_store_explicit(&cell->sequence, sequence + 1, memory_order_relaxed);
    FENCE(memory_order_release);
    ADD_OWNED(cell->count, 1);
    ADD_OWNED(cell->buckets[bucket].count, 1);
    atomic_store_explicit(&cell->sum, bits_of(real_of(READ_RELAXED(cell->sum)) + value), memory_order_relaxed);
    if (first || value < real_of(READ_RELAXED(cell->min)))
        atomic_store_explicit(&cell->min, bits_of(value), memory_order_relaxed);
    if (first || value > real_of(READ_RELAXED(cell->max)))
        atomic_store_explicit(&cell->max, bits_of(value), memory_order_relaxed);
    const logctx_t *ctx = current_context();
    if (ctx->profile.flags & LOGCTX_FLAG_SAMPLED)
        keep_exemplar(&cell->buckets[bucket].exemplar, ctx, value);
    atomic_store_explicit(&cell->sequence, sequence + 1 + 1, memory_order_release);
}

void logctx_point_record(logctx_point_t *point, double value)
{
    if (unlikely(!point))
        return;
    if (unlikely(point->instrument->kind != LOGCTX_INSTRUMENT_HISTOGRAM || !isfinite(value))) {
        refuse(point->instrument, "a value was recorded that is not finite, or on an instrument that is no histogram");
        return;
    }
    struct histogram_cell *cell = cell_of(point);
    if (likely(cell != NULL))
        record(point, cell, value);
}

// ---- looked up ----

void logctx_instrument_add(logctx_instrument_t *instrument, int64_t amount, const logctx_attr_t *attrs, size_t count)
{
    logctx_point_add(logctx_point(instrument, attrs, count), amount);
}

void logctx_instrument_add_double(logctx_instrument_t *instrument, double amount, const logctx_attr_t *attrs,
                                  size_t count)
{
    logctx_point_add_double(logctx_point(instrument, attrs, count), amount);
}

void logctx_instrument_set(logctx_instrument_t *instrument, int64_t value, const logctx_attr_t *attrs, size_t count)
{
    logctx_point_set(logctx_point(instrument, attrs, count), value);
}

void logctx_instrument_set_double(logctx_instrument_t *instrument, double value, const logctx_attr_t *attrs,
                                  size_t count)
{
    logctx_point_set_double(logctx_point(instrument, attrs, count), value);
}

void logctx_instrument_record(logctx_instrument_t *instrument, double value, const logctx_attr_t *attrs, size_t count)
{
    logctx_point_record(logctx_point(instrument, attrs, count), value);
}
