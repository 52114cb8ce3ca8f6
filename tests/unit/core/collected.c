/*
 * collected.c: one collection, kept for a test to look at.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "collected.h"

static struct {
    logctx_series_t *series;
    size_t count, room;
    logctx_loop_sums_t loops[128];
    size_t loop_count;
} last;

static void keep_series(void *user, const logctx_series_t *series)
{
    (void)user;
    if (last.count == last.room) {
        last.room = last.room ? last.room * 2 : 64;
        last.series = realloc(last.series, last.room * sizeof *last.series);
        assert_non_null(last.series);
    }
    last.series[last.count++] = *series;
}

static void keep_loop(void *user, const logctx_loop_sums_t *loop)
{
    (void)user;
    if (last.loop_count < COUNT(last.loops))
        last.loops[last.loop_count++] = *loop;
}

const logctx_series_t *collected(const char *kind, const char *type)
{
    for (size_t i = 0; i < last.count; i++)
        if (strcmp(last.series[i].kind, kind) == 0 && strcmp(last.series[i].type, type) == 0)
            return &last.series[i];
    return NULL;
}

const logctx_loop_sums_t *collected_loop(const char *name)
{
    for (size_t i = 0; i < last.loop_count; i++)
        if (strcmp(last.loops[i].name, name) == 0)
            return &last.loops[i];
    return NULL;
}

const logctx_series_t *collect(const char *kind, const char *type)
{
    static const logctx_collector_t collector = {keep_series, keep_loop, NULL};
    last.count = last.loop_count = 0;
    assert_int_equal(logctx_collect(&collector), LOGCTX_OK);
    return kind ? collected(kind, type) : NULL;
}

logctx_series_t collected_sum(void)
{
    logctx_series_t sum;
    memset(&sum, 0, sizeof sum);
    for (size_t i = 0; i < last.count; i++) {
        sum.created += last.series[i].created;
        sum.ended += last.series[i].ended;
        sum.in_flight += last.series[i].in_flight;
        sum.usage.cpu_ns += last.series[i].usage.cpu_ns;
        sum.usage.db_transactions += last.series[i].usage.db_transactions;
        sum.usage.db_ns += last.series[i].usage.db_ns;
        sum.cpu_usage.count += last.series[i].cpu_usage.count;
    }
    return sum;
}
