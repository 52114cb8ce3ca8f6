/*
 * bench.h: how operations are measured: each in batches, the median of which counts, beside a floor measured in the same
 * run. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_BENCH_H
#define LOGCTX_TESTS_BENCH_H

#include <stdint.h>

/* What one row measures: `prepare` once, `run` many times over, `done` once. */
typedef struct bench_op {
    const char *name;
    void (*prepare)(void); /* or NULL */
    void (*run)(uint64_t times);
    void (*done)(void); /* or NULL */
} bench_op_t;

extern const bench_op_t bench_ops[]; /* ends with a NULL name */

/* How many allocations there were so far. */
uint64_t bench_allocations(void);

#endif
