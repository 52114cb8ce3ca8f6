// Inherited contexts: what a child of fork() knows of those that its parent made.
//
// They lie in memory that the parent goes on to use (table_fork.c), and the child may look at any time. A context has a mark,
// that of the last fork before it was made, and a new use of its memory changes the mark before all else: so what was read
// before the mark was found to be an old one is of the context that there was at the fork, and what it points to lies in
// memory of the process, which the kernel has copied. Else the parent has ended the context and used its memory again:
// nothing is known of it any more, and nothing that it points to is followed.
//
// What was read is kept for ever: texts that were handed out stay, and a parent that ends the context later changes nothing.
// So that a child has time to ask, a thread that forks keeps the memory of the contexts that it frees for a while (pool.c).
//
// SPDX-License-Identifier: Apache-2.0
#include "inherited.h"

#include <stdlib.h>
#include <string.h>

enum { PROCESSES = 16, BUCKETS = 256, KEPT_MAX = 65536 };

atomic_uint logctx__fork_mark = 1;

// Of the thread that forks: contexts with a lower mark were made before.
static _Thread_local unsigned mark __attribute__((tls_model("initial-exec")));

// The same in the last ancestors of this process, by logctx__forks. Written in a child's handler only.
static struct {
    unsigned process, mark;
} forked[PROCESSES];

// What has been asked for, newest first; elements never change.
static _Atomic(struct inherited_facts *) kept[BUCKETS];
static atomic_uint kept_count;

static const struct inherited_facts unknown = {.name = "a context of the parent process", .finished = true};

void logctx__before_fork(void)
{
    mark = atomic_fetch_add(&logctx__fork_mark, 1) + 1;
    if (logctx__tls.thread)
        logctx__pool_rest(&logctx__tls.thread->contexts, logctx__tls.thread->resting);
}

void logctx__inherited_in_child(void)
{
    unsigned parent = READ_RELAXED(logctx__forks) - 1;
    forked[parent % PROCESSES].process = parent;
    forked[parent % PROCESSES].mark = mark;
}

static bool is_as_it_was(const logctx_t *ctx)
{
    unsigned process = READ_RELAXED(ctx->owner->process);
    return forked[process % PROCESSES].process == process && READ_RELAXED(ctx->made) < forked[process % PROCESSES].mark;
}

// What another process changes meanwhile is not believed afterwards.
static bool read(struct inherited_facts *out, const logctx_t *ctx)
{
    memset(out, 0, sizeof *out);
    out->ctx = ctx;
    out->name = ctx->name;
    out->server = ctx->server;
    out->tracestate = ctx->tracestate;
    out->series = ctx->series;
    memcpy(out->trace_id, ctx->profile.trace_id, sizeof out->trace_id);
    memcpy(out->span_id, ctx->profile.span_id, sizeof out->span_id);
    out->flags = ctx->profile.flags;
    out->finished = READ_RELAXED(ctx->finished);
    out->own = (logctx_usage_t){.cpu_ns = READ_RELAXED(ctx->own.cpu),
                                .cpu_user_ns = READ_RELAXED(ctx->own.user),
                                .cpu_system_ns = READ_RELAXED(ctx->own.system),
                                .running_ns = READ_RELAXED(ctx->own.running),
                                .db_transactions = READ_RELAXED(ctx->own.transactions),
                                .db_ns = READ_RELAXED(ctx->own.db),
                                .db_wait_ns = READ_RELAXED(ctx->own.wait),
                                .db_rows = READ_RELAXED(ctx->own.rows)};
    memcpy(out->short_name, ctx->profile.name, sizeof out->short_name - 1);
    if (out->name == ctx->profile.name || !ctx->profile.valid) // freed: the whole name is gone
        out->name = out->short_name;
    FENCE(memory_order_acquire);
    return is_as_it_was(ctx) && out->series;
}

static const struct inherited_facts *find(const struct inherited_facts *at, const logctx_t *ctx)
{
    while (at && at->ctx != ctx)
        at = at->next;
    return at;
}

const struct inherited_facts *logctx__inherited(const logctx_t *ctx)
{
    uint64_t hash = (uint64_t)(uintptr_t)ctx * 0x9e3779b97f4a7c15u;
    _Atomic(struct inherited_facts *) *bucket = &kept[hash >> 56];
    struct inherited_facts *newest = atomic_load_explicit(bucket, memory_order_acquire);
    const struct inherited_facts *there = find(newest, ctx);
    if (there)
        return there;
    struct inherited_facts *fresh = READ_RELAXED(kept_count) < KEPT_MAX ? malloc(sizeof *fresh) : NULL;
    if (!fresh || !read(fresh, ctx)) {
        free(fresh);
        return &unknown;
    }
    atomic_fetch_add_explicit(&kept_count, 1, memory_order_relaxed);
    do {
        fresh->next = newest;
    } while (
        !atomic_compare_exchange_weak_explicit(bucket, &newest, fresh, memory_order_release, memory_order_acquire));
    return fresh;
}
