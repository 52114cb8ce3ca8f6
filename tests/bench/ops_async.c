// Rows of asynchronous code, as a program would write it. State belongs to the thread that runs them.
//
// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#include <logctx/bind.h>
#include <logctx/deferred.h>
#include <logctx/logctx.h>

static _Thread_local logctx_t *a;
static _Thread_local logctx_bound_t *bound;
static _Thread_local volatile uintptr_t sink;

static void make(void)
{
    a = logctx_new(logctx_kind("bench"), NULL);
}

static void end(void)
{
    logctx_set_current(logctx_sentinel());
    logctx_finish(a);
    logctx_unref(a);
}

static void nothing(void *user)
{
    sink = (uintptr_t)user;
}

static void make_bound(void)
{
    make();
    logctx_set_current(a);
    bound = logctx_bind(nothing, &a);
    logctx_set_current(logctx_sentinel());
}

static void free_bound(void)
{
    logctx_bound_free(bound);
    end();
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

const bench_op_t bench_async_ops[] = {
    {.name = "bound_call", .run = call_bound, .begin = make_bound, .end = free_bound, .two = true},
    {.name = "bind_call_once", .run = bind_and_call_once},
    {.name = "deferred_callback", .run = call_deferred, .two = true},
    {.name = "deferred_yield", .run = call_yieldable, .begin = make, .end = end},
    {.name = NULL},
};
