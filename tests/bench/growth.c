// logctx-bench-growth: whether costs stay flat: with contexts in flight, depth of nesting, kinds, and threads. Lines of
// `axis value threads what ns`, separated by tabs, for plots.sh.
//
// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#include <logctx/logctx.h>
#include <logctx/runtime.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 9, BATCH = 100000, LIVE_MAX = 1000000, KINDS_MAX = 1000, DEPTH_MAX = 64 };

uint64_t bench_thread_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

// What one thread has: contexts in flight, and kinds to make others of.
struct set {
    logctx_t **live;
    uint32_t *order; // of visits to all of them
    unsigned live_count, kind_count;
    logctx_kind_t **kinds;
};

static void switch_two(const struct set *set, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        logctx_set_current(set->live[i & 1]);
    logctx_set_current(logctx_sentinel());
}

static void switch_all(const struct set *set, unsigned times)
{
    for (unsigned i = 0, at = 0; i < times; i++, at = at + 1 == set->live_count ? 0 : at + 1)
        logctx_set_current(set->live[set->order[at]]);
    logctx_set_current(logctx_sentinel());
}

static void make_and_end(const struct set *set, unsigned times)
{
    for (unsigned i = 0, at = 0; i < times; i++, at = at + 1 == set->kind_count ? 0 : at + 1) {
        logctx_t *ctx = logctx_new(set->kinds[at], NULL);
        logctx_enter(ctx);
        logctx_exit(ctx);
        logctx_unref(ctx);
    }
}

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double cost(void (*run)(const struct set *set, unsigned times), const struct set *set)
{
    double ns[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t began = bench_thread_ns();
        run(set, BATCH);
        ns[i] = (double)(bench_thread_ns() - began) / BATCH;
    }
    qsort(ns, ROUNDS, sizeof *ns, compare);
    return ns[ROUNDS / 2];
}

struct job {
    const char *axis;
    unsigned value, live, kinds, depth;
    pthread_barrier_t *together;
    double two, all, made;
    bool failed;
};

static bool fill(struct set *set, const struct job *job)
{
    char name[32];
    set->live = malloc((job->live + 2) * sizeof(logctx_t *));
    set->order = malloc((job->live + 2) * sizeof *set->order);
    set->kinds = malloc(job->kinds * sizeof(logctx_kind_t *));
    if (!set->live || !set->order || !set->kinds)
        return false;
    for (set->kind_count = 0; set->kind_count < job->kinds; set->kind_count++) {
        snprintf(name, sizeof name, "kind-%u", set->kind_count);
        set->kinds[set->kind_count] = logctx_kind(name);
    }
    for (set->live_count = 0; set->live_count < job->live; set->live_count++) {
        set->live[set->live_count] = logctx_new(set->kinds[set->live_count % job->kinds], NULL);
        set->order[set->live_count] = set->live_count;
    }
    uint64_t random = 1;
    for (uint32_t i = job->live - 1; i > 0; i--) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t other = (uint32_t)((random >> 33) % (i + 1)), kept = set->order[i];
        set->order[i] = set->order[other];
        set->order[other] = kept;
    }
    return true;
}

static void empty(struct set *set)
{
    while (set->live_count > 0) {
        logctx_t *ctx = set->live[--set->live_count];
        logctx_finish(ctx);
        logctx_unref(ctx);
    }
    free(set->live);
    free(set->order);
    free(set->kinds);
}

// The two that are switched between are the innermost ones of that depth; contexts are made below them.
static void *work(void *user)
{
    struct job *job = user;
    struct set set = {.live_count = 0};
    logctx_t *parents[DEPTH_MAX];
    job->failed = !fill(&set, job);
    for (unsigned i = 0; i < job->depth; i++) {
        parents[i] = logctx_new_nested("part");
        logctx_enter(parents[i]);
    }
    if (job->depth > 0 && !job->failed)
        for (int i = 0; i < 2; i++) {
            logctx_finish(set.live[i]);
            logctx_unref(set.live[i]);
            set.live[i] = logctx_new_nested("inner");
        }
    pthread_barrier_wait(job->together);
    if (!job->failed) {
        logctx_t *inner = logctx_set_current(logctx_sentinel());
        job->two = cost(switch_two, &set);
        job->all = cost(switch_all, &set);
        logctx_set_current(inner);
        job->made = cost(make_and_end, &set);
    }
    pthread_barrier_wait(job->together);
    for (unsigned i = job->depth; i > 0; i--) {
        logctx_exit(parents[i - 1]);
        logctx_unref(parents[i - 1]);
    }
    empty(&set);
    return NULL;
}

static bool measure(struct job base, unsigned threads)
{
    struct job jobs[2];
    pthread_t ids[2];
    pthread_barrier_t together;
    pthread_barrier_init(&together, NULL, threads);
    base.together = &together;
    bool failed = false;
    double two = 0, all = 0, made = 0;
    for (unsigned i = 0; i < threads; i++) {
        jobs[i] = base;
        pthread_create(&ids[i], NULL, work, &jobs[i]);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        failed = failed || jobs[i].failed;
        two += jobs[i].two / threads;
        all += jobs[i].all / threads;
        made += jobs[i].made / threads;
    }
    pthread_barrier_destroy(&together);
    if (failed)
        return false;
    printf("%s\t%u\t%u\tswitch\t%.1f\n", base.axis, base.value, threads, two);
    printf("%s\t%u\t%u\tswitch_all\t%.1f\n", base.axis, base.value, threads, all);
    printf("%s\t%u\t%u\tcontext\t%.1f\n", base.axis, base.value, threads, made);
    fflush(stdout);
    return true;
}

int main(void)
{
    static const unsigned live[] = {10, 100, 1000, 10000, 100000, LIVE_MAX};
    static const unsigned depths[] = {1, 2, 4, 8, 16, 32, DEPTH_MAX};
    static const unsigned kinds[] = {1, 3, 10, 30, 100, 300, KINDS_MAX};
    logctx_limits_t limits = {.struct_size = sizeof limits};
    logctx_get_limits(&limits);
    limits.live_contexts = 3 * LIVE_MAX;
    logctx_set_limits(&limits);
    bool good = true;
    for (unsigned threads = 1; threads <= 2; threads++) {
        for (size_t i = 0; i < sizeof live / sizeof live[0]; i++)
            good = measure((struct job){.axis = "live", .value = live[i], .live = live[i] / threads, .kinds = 1},
                           threads) &&
                   good;
        for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++)
            good =
                measure((struct job){.axis = "depth", .value = depths[i], .live = 10, .kinds = 1, .depth = depths[i]},
                        threads) &&
                good;
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
            good =
                measure((struct job){.axis = "kinds", .value = kinds[i], .live = 1000, .kinds = kinds[i]}, threads) &&
                good;
    }
    return good ? 0 : 1;
}
