// The operations that are measured, as a program would write them. State belongs to the one thread that runs them all.
//
// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#include <logctx/bind.h>
#include <logctx/deferred.h>
#include <logctx/logctx.h>

static logctx_t *a, *b;
static logctx_bound_t *bound;
static volatile uintptr_t sink;

static void make_two(void)
{
    a = logctx_new(logctx_kind("bench"), NULL);
    b = logctx_new(logctx_kind("bench"), NULL);
}

static void end_two(void)
{
    logctx_set_current(logctx_sentinel());
    logctx_finish(a);
    logctx_finish(b);
    logctx_unref(a);
    logctx_unref(b);
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

static void nothing(void *user)
{
    sink = (uintptr_t)user;
}

static void make_bound(void)
{
    make_two();
    logctx_set_current(a);
    bound = logctx_bind(nothing, &a);
    logctx_set_current(logctx_sentinel());
}

static void free_bound(void)
{
    logctx_bound_free(bound);
    end_two();
}

static void call_bound(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++)
        logctx_bound_call(bound);
}

static void bind_and_call_once(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++)
        logctx_bound_call_once(logctx_bind(nothing, &a));
}

static logctx_result_t pass_on(void *user, logctx_result_t *result)
{
    (void)user;
    return *result;
}

static void call_deferred(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++) {
        logctx_deferred_t *deferred = logctx_deferred_new(NULL, NULL, NULL);
        logctx_deferred_add(deferred, pass_on, pass_on, NULL, NULL);
        logctx_deferred_succeed(deferred, NULL, NULL);
        logctx_deferred_unref(deferred);
    }
}

// A request that waits once: to the sentinel, and back into its context when the result is there.
static void call_yieldable(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++) {
        logctx_deferred_t *deferred = logctx_deferred_new(NULL, NULL, NULL);
        logctx_set_current(a);
        logctx_make_yieldable(deferred);
        logctx_deferred_call_here(deferred, logctx_success(NULL, NULL));
        logctx_deferred_unref(deferred);
    }
}

const bench_op_t bench_ops[] = {
    {"current", NULL, read_current, NULL},
    {"switch", make_two, switch_contexts, end_two},
    {"bound_call", make_bound, call_bound, free_bound},
    {"bind_call_once", NULL, bind_and_call_once, NULL},
    {"deferred_callback", NULL, call_deferred, NULL},
    {"deferred_yield", make_two, call_yieldable, end_two},
    {NULL, NULL, NULL, NULL},
};
