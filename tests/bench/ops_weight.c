// What the library adds to a program from its start to its end: small programs with and without it, started in turns.
//
// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#include <stdio.h>

static void compare(bench_row_t *row, const char *without, const char *with, const char *floor)
{
    char command[4096];
    double ns[2], bytes[2];
    snprintf(command, sizeof command, "'%s-run' %d '%s-%s' '%s-%s' http://127.0.0.1:%u", BENCH_WEIGHT,
             bench_is_quick ? 3 : 201, BENCH_WEIGHT, without, BENCH_WEIGHT, with, bench_endpoint_start());
    FILE *run = popen(command, "r");
    bool good = run && fscanf(run, "%lf %lf %lf %lf", &ns[0], &bytes[0], &ns[1], &bytes[1]) == 4;
    good = run && pclose(run) == 0 && good;
    bench_endpoint_stop(NULL, NULL);
    if (!good) {
        snprintf(row->extra, sizeof row->extra, "\"error\": \"a program failed\"");
        return;
    }
    row->ns = ns[1];
    row->floor = floor;
    row->floor_ns = ns[0];
    snprintf(row->extra, sizeof row->extra, "\"more_ms\": %.3f, \"more_bytes\": %.0f, \"bytes\": %.0f",
             (ns[1] - ns[0]) / 1e6, bytes[1] - bytes[0], bytes[1]);
}

static void weigh_core(bench_row_t *row)
{
    compare(row, "empty", "core", "empty program");
}

static void weigh_exporter(bench_row_t *row)
{
    compare(row, "curl", "exporter", "libcurl POST");
}

const bench_op_t bench_weight_ops[] = {
    {.name = "weight_core", .figure = weigh_core},
    {.name = "weight_exporter", .figure = weigh_exporter},
    {.name = NULL},
};
