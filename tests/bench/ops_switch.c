// Rows of the switch, in the places where programs make it. State belongs to the thread that runs them.
//
// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#include <logctx/logctx.h>
#include <logctx/runtime.h>

enum { DEPTH = 64 };

static _Thread_local logctx_t *a, *b, *parents[DEPTH];
static _Thread_local volatile uintptr_t sink;

static logctx_t *make(void)
{
    return logctx_new(logctx_kind("bench"), NULL);
}

static void end(logctx_t *ctx)
{
    logctx_finish(ctx);
    logctx_unref(ctx);
}

static void make_two(void)
{
    a = make();
    b = make();
}

static void end_two(void)
{
    logctx_set_current(logctx_sentinel());
    end(a);
    end(b);
}

static void read_current(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++)
        sink = (uintptr_t)logctx_current();
}

static void switch_contexts(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++)
        logctx_set_current(i & 1 ? a : b);
}

// Two contexts with 64 parents above them, all of them entered.
static void go_deep(void)
{
    for (int i = 0; i < DEPTH; i++) {
        parents[i] = i == 0 ? make() : logctx_new_nested("part");
        logctx_enter(parents[i]);
    }
    a = logctx_new_nested("one");
    b = logctx_new_nested("other");
}

static void come_back(void)
{
    logctx_set_current(parents[DEPTH - 1]);
    end(a);
    end(b);
    for (int i = DEPTH - 1; i >= 0; i--) {
        logctx_exit(parents[i]);
        logctx_unref(parents[i]);
    }
}

// Each slice a segment of its own, since the sentinel is between them: the record of how the life went is full at once,
// and merges its neighbours from then on.
static void switch_by_sentinel(uint64_t times)
{
    for (uint64_t i = 0; i < times; i += 2) {
        logctx_set_current(i & 2 ? a : b);
        logctx_set_current(logctx_sentinel());
    }
}

static void use_rusage(void)
{
    logctx_set_clock(logctx_clock("rusage"));
}

static void use_cpu(void)
{
    logctx_set_clock(NULL);
}

const bench_op_t bench_switch_ops[] = {
    {.name = "current", .run = read_current, .two = true},
    {.name = "switch", .run = switch_contexts, .begin = make_two, .end = end_two, .two = true},
    {.name = "switch_depth64", .run = switch_contexts, .begin = go_deep, .end = come_back, .two = true},
    {.name = "switch_segments", .run = switch_by_sentinel, .begin = make_two, .end = end_two, .two = true},
    {.name = "switch_rusage",
     .run = switch_contexts,
     .begin = make_two,
     .end = end_two,
     .prepare = use_rusage,
     .done = use_cpu,
     .floor = &bench_getrusage},
    {.name = NULL},
};
