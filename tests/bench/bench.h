/*
 * bench.h: how operations are measured. A row is an operation as a program would write it, in batches on one thread or on
 * two at once, beside a floor that is measured in turns with it; or a figure that a function of its own finds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_BENCH_H
#define LOGCTX_TESTS_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What a row is compared with. */
typedef struct bench_floor {
    const char *name;
    void (*run)(uint64_t times);
} bench_floor_t;
extern const bench_floor_t bench_thread_clock; /* clock_gettime(CLOCK_THREAD_CPUTIME_ID) */
extern const bench_floor_t bench_getrusage;    /* getrusage(RUSAGE_THREAD) */

/* One line of the output. NaN: there is none. */
typedef struct bench_row {
    const char *name;
    unsigned threads;
    double ns; /* CPU time of the thread that calls, for one operation */
    const char *floor;
    double floor_ns;
    double allocs;   /* of the whole process, for one operation */
    char extra[512]; /* more members: `"key": value`, with commas between */
} bench_row_t;

/* `prepare` once, then on each thread `begin` once, `run` many times over, `end` once; `done` once. NULL: nothing. */
typedef struct bench_op {
    const char *name;
    void (*run)(uint64_t times);
    void (*begin)(void);
    void (*end)(void);
    void (*prepare)(void);
    void (*done)(void);
    const bench_floor_t *floor;       /* NULL: the thread clock */
    bool two;                         /* on two threads, too */
    void (*figure)(bench_row_t *row); /* instead of `run`: finds the whole row */
    void (*extra)(bench_row_t *row);  /* says more, before `done` */
} bench_op_t;

/* The subjects. Each list ends with a NULL name. */
extern const bench_op_t bench_switch_ops[], bench_async_ops[], bench_span_ops[], bench_metrics_ops[],
    bench_metrics_ops[], bench_memory_ops[], bench_encode_ops[], bench_delivery_ops[], bench_weight_ops[];

/* Whether this is only a trial whether everything runs: figures mean nothing then. */
extern bool bench_is_quick;

/* How many allocations there were so far, in all threads. */
uint64_t bench_allocations(void);

/* A context of that kind from new to unref, with 8 attributes; with an event, too. */
struct logctx_kind;
void bench_span(struct logctx_kind *kind, bool event);

/* CPU time of the calling thread, and of the process. */
uint64_t bench_thread_ns(void);
uint64_t bench_process_ns(void);

/* The middle one; sorts them. */
double bench_median(double *values, unsigned count);

/*
 * An HTTP endpoint in a process of its own that reads each request to its end and answers 200, on loopback. Returns its
 * port, 0 if it could not be started; bench_endpoint_stop() ends it, and returns how many requests and bytes it got.
 */
uint16_t bench_endpoint_start(void);
void bench_endpoint_stop(uint64_t *requests, uint64_t *bytes);

#endif
