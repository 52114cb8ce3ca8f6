// Collections: the shards of all threads summed, one series after the other, and the books.
//
// A collection holds a thread's lock for one shard at a time, so that no application thread waits for long.
//
// SPDX-License-Identifier: Apache-2.0
#include "loops.h"

#include <stdlib.h>
#include <string.h>

static lock_t one_at_a_time; // outermost
static _Atomic uint64_t started_unix;

void logctx__start_restart(void)
{
    atomic_store_explicit(&started_unix, logctx__unix(), memory_order_relaxed);
}

uint64_t logctx_start_unix_ns(void)
{
    logctx__begin_process();
    uint64_t there = READ_RELAXED(started_unix);
    if (there)
        return there;
    uint64_t now = logctx__unix();
    return atomic_compare_exchange_strong(&started_unix, &there, now) ? now : there;
}

// One thread of a collection.
struct seen {
    struct thread *thread;
    struct look look;
};

static void add_histogram(logctx_histogram_t *sum, const logctx_histogram_t *part)
{
    if (part->count == 0)
        return;
    if (sum->count == 0 || part->min < sum->min)
        sum->min = part->min;
    if (sum->count == 0 || part->max > sum->max)
        sum->max = part->max;
    sum->count += part->count;
    sum->sum += part->sum;
    for (size_t i = 0; i <= LOGCTX_BOUNDS; i++) {
        sum->buckets[i] += part->buckets[i];
        if (part->exemplars[i].unix_ns > sum->exemplars[i].unix_ns)
            sum->exemplars[i] = part->exemplars[i];
    }
}

static void add_usage(logctx_usage_t *sum, const struct usage_cells *cells)
{
    sum->cpu_ns += READ_RELAXED(cells->cpu);
    sum->cpu_user_ns += READ_RELAXED(cells->user);
    sum->cpu_system_ns += READ_RELAXED(cells->system);
    sum->running_ns += READ_RELAXED(cells->running);
    sum->db_transactions += READ_RELAXED(cells->transactions);
    sum->db_ns += READ_RELAXED(cells->db);
    sum->db_wait_ns += READ_RELAXED(cells->wait);
    sum->db_rows += READ_RELAXED(cells->rows);
}

// Under the thread's lock. Ends are read before beginnings, so that in_flight is never negative.
static void add_shard(logctx_series_t *sum, const struct shard *shard, uint64_t now)
{
    sum->ended += READ_RELAXED(shard->ended);
    sum->created += READ_RELAXED(shard->created);
    add_usage(&sum->usage, &shard->usage);
    for (size_t i = 0; i < LOGCTX_ERROR_COUNT; i++)
        sum->errors[i] += READ_RELAXED(shard->errors[i]);
    if (shard->oldest) {
        double age = (double)age_ns(shard->oldest, now) / 1e9;
        if (age > sum->oldest_age_s)
            sum->oldest_age_s = age;
    }
    add_histogram(&sum->cpu_usage, &shard->cpu_usage);
    for (size_t i = 0; i < LOGCTX_ERROR_TYPES_MAX; i++)
        if (shard->durations[i])
            add_histogram(&sum->durations[i].histogram, shard->durations[i]);
}

// The exact total is split by the ticks since the last collection, and no part ever goes down.
static void split_cpu(struct series *series, logctx_usage_t *usage)
{
    if (READ_RELAXED(logctx__clock)->exact_parts)
        return;
    int64_t fresh = usage->cpu_ns - series->emitted_cpu;
    double user = (double)(usage->cpu_user_ns - series->sampled_user);
    double system = (double)(usage->cpu_system_ns - series->sampled_system);
    if (user + system <= 0) {
        user = (double)usage->cpu_user_ns;
        system = (double)usage->cpu_system_ns;
    }
    if (fresh > 0) {
        int64_t user_part = user + system > 0 ? (int64_t)((double)fresh * (user / (user + system))) : fresh;
        series->emitted_user += user_part;
        series->emitted_system += fresh - user_part;
        series->emitted_cpu += fresh;
    }
    series->sampled_user = usage->cpu_user_ns;
    series->sampled_system = usage->cpu_system_ns;
    usage->cpu_ns = series->emitted_cpu;
    usage->cpu_user_ns = series->emitted_user;
    usage->cpu_system_ns = series->emitted_system;
}

// Only the durations that have something: the first is that of contexts which did not fail.
static void name_durations(struct series *series, logctx_series_t *sum)
{
    size_t kept = 0;
    for (size_t i = 0; i < LOGCTX_ERROR_TYPES_MAX; i++) {
        if (sum->durations[i].histogram.count == 0)
            continue;
        if (kept != i)
            sum->durations[kept] = sum->durations[i];
        sum->durations[kept++].error_type = i == 0 ? "" : READ_RELAXED(series->error_types[i - 1]);
    }
    sum->duration_count = kept;
}

// After the shards: a slice that was charged meanwhile is in them. A clock with exact parts counts it when it is known
// which part it was.
static void add_running(const struct series *series, logctx_usage_t *usage, const struct seen *seen, size_t count,
                        uint64_t now)
{
    FENCE(memory_order_acquire);
    for (size_t i = 0; i < count; i++) {
        const struct look *look = &seen[i].look;
        if (look->series != series || READ_RELAXED(seen[i].thread->slice_sequence) != look->sequence ||
            READ_RELAXED(logctx__clock)->exact_parts)
            continue;
        usage->cpu_ns += look->cpu;
        usage->running_ns += now > look->since ? (int64_t)(now - look->since) : 0;
    }
}

static void collect_series(struct series *series, logctx_series_t *sum, const struct seen *seen, size_t count,
                           uint64_t now)
{
    memset(sum, 0, sizeof *sum);
    sum->kind = series->kind->name;
    sum->type = logctx_type_name(series->type);
    sum->since_unix_ns = READ_RELAXED(series->since_unix);
    for (struct thread *thread = logctx__threads(); thread; thread = thread->next) {
        logctx__lock(&thread->lock);
        struct shard *shard = series->number < thread->shard_count ? thread->shards[series->number] : NULL;
        if (shard)
            add_shard(sum, shard, now);
        logctx__unlock(&thread->lock);
    }
    add_running(series, &sum->usage, seen, count, now);
    sum->in_flight = sum->created > sum->ended ? sum->created - sum->ended : 0;
    split_cpu(series, &sum->usage);
    // A slice that ended between the look at its thread and at its shard may be in neither: what was said stays said.
    if (sum->usage.running_ns < series->emitted_running)
        sum->usage.running_ns = series->emitted_running;
    series->emitted_running = sum->usage.running_ns;
    name_durations(series, sum);
}

static void collect_loops(const logctx_collector_t *collector)
{
    static struct loop_row rows[LOOP_ROWS]; // of the one collection that there is at a time
    size_t count = logctx__loops_end(rows);
    for (size_t i = 0; i < count; i++) {
        logctx_loop_sums_t sums = {.since_unix_ns = rows[i].since_unix,
                                   .loop_cpu_ns = rows[i].emitted_loop,
                                   .unattributed_cpu_ns = rows[i].emitted_unattributed,
                                   .delay = rows[i].delay};
        memcpy(sums.name, rows[i].name, sizeof sums.name);
        collector->loop(collector->user, &sums);
    }
}

logctx_status_t logctx_collect(const logctx_collector_t *collector)
{
    if (!collector || !collector->series || !collector->loop)
        return LOGCTX_E_INVALID;
    logctx__begin_process();
    size_t threads = 0, at = 0;
    struct thread *first = logctx__threads();
    for (struct thread *thread = first; thread; thread = thread->next)
        threads++;
    logctx_series_t *sum = malloc(sizeof *sum);
    struct seen *seen = calloc(threads + 1, sizeof *seen);
    if (!sum || !seen) {
        free(sum);
        free(seen);
        return LOGCTX_E_NO_MEMORY;
    }
    logctx__lock(&one_at_a_time);
    uint64_t now = logctx__monotonic();
    logctx__loops_begin();
    for (struct thread *thread = first; thread; thread = thread->next, at++) {
        seen[at].thread = thread;
        logctx__loops_add(thread, &seen[at].look);
    }
    for (struct series *series = logctx__all_series(); series; series = series->next)
        if (READ_RELAXED(series->since_unix) > 0) {
            collect_series(series, sum, seen, threads, now);
            collector->series(collector->user, sum);
        }
    collect_loops(collector);
    logctx__unlock(&one_at_a_time);
    free(sum);
    free(seen);
    return LOGCTX_OK;
}

void logctx_get_books(logctx_books_t *books)
{
    if (!books)
        return;
    memset(books, 0, sizeof *books);
    books->refused_no_memory = logctx__refused_without_thread();
    for (struct thread *thread = logctx__threads(); thread; thread = thread->next) {
        books->ended += READ_RELAXED(thread->ended);
        books->live_sampled -= READ_RELAXED(thread->ended_sampled);
        books->handed_over += READ_RELAXED(thread->handed_over);
        books->unsampled += READ_RELAXED(thread->unsampled);
        books->no_sink += READ_RELAXED(thread->no_sink);
        books->dropped_live_limit += READ_RELAXED(thread->over_limit);
        books->dropped_no_memory += READ_RELAXED(thread->no_record);
        books->refused_no_memory += READ_RELAXED(thread->refused);
        books->error_spans += READ_RELAXED(thread->error_spans);
    }
    for (struct thread *thread = logctx__threads(); thread; thread = thread->next) {
        books->created_sampled += READ_RELAXED(thread->created_sampled);
        books->created += READ_RELAXED(thread->created);
    }
    books->live_sampled += books->created_sampled;
    books->live = books->created > books->ended ? books->created - books->ended : 0;
}
