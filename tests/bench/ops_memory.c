// What contexts cost in memory: in a child process, so that each row begins with little.
//
// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#include <logctx/logctx.h>
#include <logctx/runtime.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static double resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%*s %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double in_child(double (*find)(void))
{
    int ends[2];
    double found = NAN;
    if (pipe(ends) != 0)
        return NAN;
    pid_t child = fork();
    if (child == 0) {
        found = find();
        _exit(write(ends[1], &found, sizeof found) == sizeof found ? 0 : 1);
    }
    close(ends[1]);
    if (child < 0 || read(ends[0], &found, sizeof found) != sizeof found)
        found = NAN;
    close(ends[0]);
    if (child > 0)
        waitpid(child, NULL, 0);
    return found;
}

static double live_contexts(void)
{
    enum { COUNT = 1000000 };
    const unsigned count = bench_is_quick ? 10000 : COUNT;
    logctx_limits_t limits = {.struct_size = sizeof limits};
    logctx_get_limits(&limits);
    limits.live_contexts = 2 * COUNT;
    logctx_set_limits(&limits);
    logctx_kind_t *kind = logctx_kind("live");
    logctx_t **all = malloc(count * sizeof(logctx_t *));
    if (!all)
        return NAN;
    memset(all, 0xff, count * sizeof(logctx_t *));
    double before = resident_bytes();
    for (unsigned i = 0; i < count; i++)
        all[i] = logctx_new(kind, NULL);
    double bytes = (resident_bytes() - before) / count;
    for (unsigned i = 0; i < count; i++) {
        logctx_finish(all[i]);
        logctx_unref(all[i]);
    }
    free(all);
    return bytes;
}

static void bytes_per_live_context(bench_row_t *row)
{
    snprintf(row->extra, sizeof row->extra, "\"bytes\": %.1f", in_child(live_contexts));
}

// How much more memory millions of contexts in a row take than the first thousand of them.
static double contexts_in_a_row(void)
{
    logctx_kind_t *kind = logctx_kind("row");
    double before = 0;
    const unsigned count = bench_is_quick ? 10000 : 5000000;
    for (unsigned i = 0; i < count; i++) {
        if (i == 1000)
            before = resident_bytes();
        logctx_t *ctx = logctx_new(kind, NULL);
        logctx_enter(ctx);
        logctx_exit(ctx);
        logctx_unref(ctx);
    }
    return resident_bytes() - before;
}

static void growth_in_a_row(bench_row_t *row)
{
    snprintf(row->extra, sizeof row->extra, "\"contexts\": %u, \"bytes\": %.0f", bench_is_quick ? 10000u : 5000000u,
             in_child(contexts_in_a_row));
}

const bench_op_t bench_memory_ops[] = {
    {.name = "bytes_per_live_context", .figure = bytes_per_live_context},
    {.name = "growth_in_a_row", .figure = growth_in_a_row},
    {.name = NULL},
};
