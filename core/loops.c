// Loops: CPU time outside of contexts, by the name of the thread's loop: what the loop itself used, and what nobody is
// charged for. Threads end and are renamed, so what they had by then is moved to the row of its name.
//
// SPDX-License-Identifier: Apache-2.0
#include "loops.h"

#include <stdio.h>
#include <string.h>

// Under `lock`, which is taken inside a thread's lock and never the other way round.
static struct {
    lock_t lock;
    size_t count;
    struct loop_row rows[LOOP_ROWS];
} table = {.lock = 0};

void logctx__loops_in_child(void)
{
    table.count = 0;
}

static struct loop_row *row_of(const char *name)
{
    for (size_t i = 0; i < table.count; i++)
        if (strcmp(table.rows[i].name, name) == 0)
            return &table.rows[i];
    // The last row is for all names beyond the bound.
    if (table.count == LOOP_ROWS)
        return &table.rows[LOOP_ROWS - 1];
    struct loop_row *row = &table.rows[table.count++];
    memset(row, 0, sizeof *row);
    snprintf(row->name, sizeof row->name, "%s", table.count == LOOP_ROWS ? "_other" : name);
    row->since_unix = logctx__unix();
    return row;
}

// Counters never go down, so that nothing may be said of a running slice that it will not be charged.
static int64_t surely(const struct look *look, int64_t unsure)
{
    int64_t passed = (int64_t)(logctx__monotonic() - look->since) - CPU_UNSURE_NS, said = look->most - unsure;
    int64_t least = said < passed ? said : passed;
    return least > 0 ? least : 0;
}

// What the thread used outside of contexts since its sums were retired, and the slice that runs. False if a switch came in
// between, or its clock cannot be read. Under the thread's lock.
static bool look_at(const struct thread *thread, struct look *look, int64_t *unattributed)
{
    int64_t now;
    look->sequence = atomic_load_explicit(&thread->slice_sequence, memory_order_acquire);
    struct shard *shard = READ_RELAXED(thread->slice_shard);
    int64_t from = READ_RELAXED(thread->slice_cpu);
    int64_t charged = READ_RELAXED(thread->attributed_cpu) + READ_RELAXED(thread->loop_cpu);
    int64_t unsure = READ_RELAXED(thread->slice_unsure);
    look->since = READ_RELAXED(thread->slice_monotonic);
    if ((look->sequence & 1) || !logctx__read_cpu_of(thread, &now))
        return false;
    FENCE(memory_order_acquire);
    if (READ_RELAXED(thread->slice_sequence) != look->sequence)
        return false;
    look->series = shard ? shard->series : NULL;
    look->most = shard && now > from ? now - from : 0;
    look->cpu = unsure == 0 ? look->most : surely(look, unsure);
    *unattributed = now - thread->cpu_base - charged - look->most;
    return true;
}

// The buckets decide the count, since they are what a reader adds up: a callback that is being counted is in all or none.
static void add_delay(logctx_histogram_t *sum, const struct delay_cells *delay)
{
    if (atomic_load_explicit(&delay->count, memory_order_acquire) == 0)
        return;
    double min = (double)READ_RELAXED(delay->min) / 1e9, max = (double)READ_RELAXED(delay->max) / 1e9;
    sum->min = sum->count == 0 || min < sum->min ? min : sum->min;
    sum->max = sum->count == 0 || max > sum->max ? max : sum->max;
    sum->sum += (double)READ_RELAXED(delay->sum) / 1e9;
    for (size_t i = 0; i <= LOGCTX_BOUNDS; i++) {
        uint64_t count = READ_RELAXED(delay->buckets[i]);
        sum->buckets[i] += count;
        sum->count += count;
    }
}

static void clear_delay(struct delay_cells *delay)
{
    atomic_store_explicit(&delay->count, 0, memory_order_relaxed);
    atomic_store_explicit(&delay->sum, 0, memory_order_relaxed);
    atomic_store_explicit(&delay->max, 0, memory_order_relaxed);
    for (size_t i = 0; i <= LOGCTX_BOUNDS; i++)
        atomic_store_explicit(&delay->buckets[i], 0, memory_order_relaxed);
}

// By the thread itself: its sums go to the row of its name, and it begins anew. What the context that runs has used so far
// is taken off in advance, as all of its slice will be charged.
void logctx__loop_retire(struct thread *thread, const char *new_name)
{
    struct look look;
    int64_t unattributed = 0, now;
    logctx__lock(&thread->lock);
    bool known = look_at(thread, &look, &unattributed);
    logctx__lock(&table.lock);
    struct loop_row *row = row_of(thread->loop_name);
    row->retired_loop += READ_RELAXED(thread->loop_cpu);
    row->retired_unattributed += unattributed;
    add_delay(&row->retired_delay, &thread->delay);
    logctx__unlock(&table.lock);
    clear_delay(&thread->delay);
    thread->cpu_base = logctx__read_cpu_of(thread, &now) ? now : 0;
    thread->unattributed = 0;
    atomic_store_explicit(&thread->attributed_cpu, known ? -look.most : 0, memory_order_relaxed);
    atomic_store_explicit(&thread->loop_cpu, 0, memory_order_relaxed);
    snprintf(thread->loop_name, sizeof thread->loop_name, "%s", new_name);
    logctx__unlock(&thread->lock);
}

void logctx__loops_begin(void)
{
    logctx__lock(&table.lock);
    for (size_t i = 0; i < table.count; i++) {
        table.rows[i].loop = table.rows[i].retired_loop;
        table.rows[i].unattributed = table.rows[i].retired_unattributed;
        table.rows[i].delay = table.rows[i].retired_delay;
    }
    logctx__unlock(&table.lock);
}

// A thread that switches all the time is looked at again; if that does not help it counts as it was seen last.
void logctx__loops_add(struct thread *thread, struct look *look)
{
    enum { TRIES = 100 };
    bool known = false;
    logctx__lock(&thread->lock);
    for (unsigned i = 0; i < TRIES && !known; i++)
        known = look_at(thread, look, &thread->unattributed);
    if (!known)
        look->series = NULL;
    logctx__lock(&table.lock);
    struct loop_row *row = row_of(thread->loop_name);
    row->loop += READ_RELAXED(thread->loop_cpu);
    row->unattributed += thread->unattributed;
    add_delay(&row->delay, &thread->delay);
    logctx__unlock(&table.lock);
    logctx__unlock(&thread->lock);
}

size_t logctx__loops_end(struct loop_row *rows)
{
    logctx__lock(&table.lock);
    for (size_t i = 0; i < table.count; i++) {
        struct loop_row *row = &table.rows[i];
        if (row->loop > row->emitted_loop)
            row->emitted_loop = row->loop;
        if (row->unattributed > row->emitted_unattributed)
            row->emitted_unattributed = row->unattributed;
    }
    size_t count = table.count;
    memcpy(rows, table.rows, count * sizeof *rows);
    logctx__unlock(&table.lock);
    return count;
}
