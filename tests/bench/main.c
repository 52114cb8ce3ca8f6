// logctx-bench: what operations cost, as ratios to one reading of the thread's CPU clock by the kernel, measured in turns
// with them. One line of JSON for each.
//
// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 31, BATCH_NS = 2000000 };

static uint64_t now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static void read_thread_clock(uint64_t times)
{
    struct timespec at;
    for (uint64_t i = 0; i < times; i++)
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
}

static uint64_t time_of(void (*run)(uint64_t), uint64_t times)
{
    uint64_t began = now_ns();
    run(times);
    return now_ns() - began;
}

// How often it has to run for a batch of a length that can be measured.
static uint64_t batch_size(void (*run)(uint64_t))
{
    uint64_t times = 16;
    while (time_of(run, times) < BATCH_NS && times < UINT64_C(1) << 32)
        times *= 2;
    return times;
}

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, compare);
    return values[ROUNDS / 2];
}

// In turns, so that what disturbs the machine disturbs both.
static void measure(const bench_op_t *op, bool json)
{
    double costs[ROUNDS], floors[ROUNDS];
    if (op->prepare)
        op->prepare();
    uint64_t times = batch_size(op->run), floor_times = batch_size(read_thread_clock);
    uint64_t allocations = bench_allocations();
    for (int i = 0; i < ROUNDS; i++) {
        costs[i] = (double)time_of(op->run, times) / (double)times;
        floors[i] = (double)time_of(read_thread_clock, floor_times) / (double)floor_times;
    }
    double allocs = (double)(bench_allocations() - allocations) / ((double)times * ROUNDS);
    if (op->done)
        op->done();
    double ns = median(costs), floor_ns = median(floors);
    if (json)
        printf("{\"name\": \"%s\", \"threads\": 1, \"ns\": %.2f, \"floor\": \"thread_clock\", \"floor_ns\": %.2f, "
               "\"ratio\": %.4f, \"allocs\": %.4f}\n",
               op->name, ns, floor_ns, ns / floor_ns, allocs);
    else
        printf("%-20s %10.2f ns   %6.3f of the thread clock (%.0f ns)   %.4f allocations\n", op->name, ns,
               ns / floor_ns, floor_ns, allocs);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"filter", required_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
    bool json = false;
    const char *filter = "";
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option != 'j' && option != 'f') {
            fputs("usage: logctx-bench [--json] [--filter PART-OF-A-NAME]\n", stderr);
            return 2;
        }
        json = json || option == 'j';
        filter = option == 'f' ? optarg : filter;
    }
    int measured = 0;
    for (const bench_op_t *op = bench_ops; op->name; op++)
        if (strstr(op->name, filter)) {
            measure(op, json);
            measured++;
        }
    return measured > 0 ? 0 : 1;
}
