// Shards: each thread's part of each series. The thread adds to its counters without a lock; what is changed at the
// beginning and end of a context (the list of those in flight, the histograms) is under the thread's lock.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <stdlib.h>
#include <string.h>

const double logctx_duration_bounds[LOGCTX_BOUNDS] = LOGCTX_DURATION_BOUNDS;
const double logctx_cpu_bounds[LOGCTX_BOUNDS] = LOGCTX_CPU_BOUNDS;

static bool make_room(struct thread *thread, uint32_t number)
{
    if (number < thread->shard_count)
        return true;
    uint32_t count = number + 1 < 16 ? 16 : (number + 1) * 2;
    struct shard **shards = calloc(count, sizeof(struct shard *));
    if (!shards)
        return false;
    logctx__lock(&thread->lock);
    struct shard **old = thread->shards;
    if (old)
        memcpy(shards, old, thread->shard_count * sizeof(struct shard *));
    thread->shards = shards;
    thread->shard_count = count;
    logctx__unlock(&thread->lock);
    free(old);
    return true;
}

static struct shard *make_shard(struct thread *thread, struct series *series)
{
    struct shard *shard = make_room(thread, series->number) ? calloc(1, sizeof *shard) : NULL;
    if (!shard)
        return NULL;
    shard->series = series;
    logctx__lock(&thread->lock);
    thread->shards[series->number] = shard;
    logctx__unlock(&thread->lock);
    return shard;
}

struct shard *logctx__shard(struct thread *thread, struct series *series)
{
    struct shard *shard = series->number < thread->shard_count ? thread->shards[series->number] : NULL;
    return likely(shard != NULL) ? shard : make_shard(thread, series);
}

void logctx__live_add(struct shard *shard, logctx_t *ctx)
{
    struct thread *owner = ctx->owner;
    logctx__lock(&owner->lock);
    ctx->next_live = NULL;
    ctx->previous_live = shard->newest;
    if (shard->newest)
        shard->newest->next_live = ctx;
    else
        shard->oldest = ctx;
    shard->newest = ctx;
    logctx__unlock(&owner->lock);
}

// Under the owner's lock.
static void live_remove(logctx_t *ctx)
{
    struct shard *shard = ctx->owner->shards[ctx->series->number]; // of the owner, whoever the writer is by now
    if (ctx->previous_live)
        ctx->previous_live->next_live = ctx->next_live;
    else
        shard->oldest = ctx->next_live;
    if (ctx->next_live)
        ctx->next_live->previous_live = ctx->previous_live;
    else
        shard->newest = ctx->previous_live;
}

static void observe(logctx_histogram_t *histogram, const double *bounds, double value, const logctx_t *ctx,
                    uint64_t unix_ns)
{
    unsigned bucket = 0;
    while (bucket < LOGCTX_BOUNDS && value > bounds[bucket])
        bucket++;
    if (histogram->count == 0 || value < histogram->min)
        histogram->min = value;
    if (histogram->count == 0 || value > histogram->max)
        histogram->max = value;
    histogram->count++;
    histogram->sum += value;
    histogram->buckets[bucket]++;
    // Exemplars lead to a trace, so only sampled contexts give one (OpenTelemetry's filter `trace_based`).
    if (!(ctx->profile.flags & LOGCTX_FLAG_SAMPLED) || ctx->over_limit)
        return;
    logctx_exemplar_t *exemplar = &histogram->exemplars[bucket];
    exemplar->value = value;
    exemplar->unix_ns = unix_ns;
    memcpy(exemplar->trace_id, ctx->profile.trace_id, sizeof exemplar->trace_id);
    memcpy(exemplar->span_id, ctx->profile.span_id, sizeof exemplar->span_id);
}

static unsigned duration_index(const logctx_t *ctx)
{
    if (!ctx->error_type)
        return 0;
    unsigned count = atomic_load_explicit(&ctx->series->error_type_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++)
        if (READ_RELAXED(ctx->series->error_types[i]) == ctx->error_type)
            return i + 1;
    return 0;
}

static void make_durations(struct thread *thread, struct shard *shard, unsigned index)
{
    logctx_histogram_t *histogram = calloc(1, sizeof *histogram);
    logctx__lock(&thread->lock);
    shard->durations[index] = histogram;
    logctx__unlock(&thread->lock);
}

// In the shard of the thread that finishes the context, which is not always its owner: if it is, one lock will do.
void logctx__count_end(struct thread *thread, logctx_t *ctx, uint64_t duration_ns, int64_t cpu_ns)
{
    struct shard *shard = logctx__shard(thread, ctx->series);
    bool owned = ctx->owner == thread;
    unsigned index = duration_index(ctx);
    if (likely(shard != NULL)) {
        if (unlikely(!shard->durations[index]))
            make_durations(thread, shard, index);
        uint64_t unix_ns = ctx->created_unix + duration_ns;
        logctx__lock(&thread->lock);
        ADD_OWNED(shard->ended, 1);
        if (likely(shard->durations[index] != NULL))
            observe(shard->durations[index], logctx_duration_bounds, (double)duration_ns / 1e9, ctx, unix_ns);
        observe(&shard->cpu_usage, logctx_cpu_bounds, cpu_ns > 0 ? (double)cpu_ns / 1e9 : 0.0, ctx, unix_ns);
        if (likely(owned))
            live_remove(ctx);
        logctx__unlock(&thread->lock);
        if (likely(owned))
            return;
    }
    logctx__lock(&ctx->owner->lock);
    live_remove(ctx);
    logctx__unlock(&ctx->owner->lock);
}
