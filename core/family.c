// Families: what a context's total adds to its own usage. Switches charge own usage only; a child's total is folded into
// its parent when it finishes, and a reader walks the descendants that have not finished. All of it under the lock of the
// tree's root, never on the path of a switch; only charges to finished contexts come here one by one.
//
// A finished context stays in its parent's list for as long as it has unfinished descendants, since the walk must find
// them through it.
//
// A family comes from the pool of the thread that needed it first, often the one that made the child, and goes back there.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <stdlib.h>
#include <string.h>

static void add(logctx_usage_t *sum, const logctx_usage_t *amount)
{
    sum->cpu_ns += amount->cpu_ns;
    sum->cpu_user_ns += amount->cpu_user_ns;
    sum->cpu_system_ns += amount->cpu_system_ns;
    sum->running_ns += amount->running_ns;
    sum->db_transactions += amount->db_transactions;
    sum->db_ns += amount->db_ns;
    sum->db_wait_ns += amount->db_wait_ns;
    sum->db_rows += amount->db_rows;
}

// Under the root's lock; readers are not.
static void add_cells(struct usage_cells *cells, const logctx_usage_t *amount)
{
    ADD_OWNED(cells->cpu, amount->cpu_ns);
    ADD_OWNED(cells->user, amount->cpu_user_ns);
    ADD_OWNED(cells->system, amount->cpu_system_ns);
    ADD_OWNED(cells->running, amount->running_ns);
    ADD_OWNED(cells->transactions, amount->db_transactions);
    ADD_OWNED(cells->db, amount->db_ns);
    ADD_OWNED(cells->wait, amount->db_wait_ns);
    ADD_OWNED(cells->rows, amount->db_rows);
}

static struct family *family_of(const logctx_t *ctx)
{
    return atomic_load_explicit(&ctx->family, memory_order_acquire);
}

static void prepare_family(void *block, struct thread *owner)
{
    (void)block;
    (void)owner;
}

void logctx__family_pool(struct pool *pool)
{
    *pool = (struct pool){.block_size = (sizeof(struct family) + 63) / 64 * 64, .prepare = prepare_family};
}

// A thread that has ended its part here has no pool any more.
static struct family *new_family(void)
{
    struct thread *thread = logctx__tls.thread;
    struct family *family = thread ? logctx__pool_get(&thread->families, thread) : NULL;
    if (!family)
        return calloc(1, sizeof *family);
    memset(family, 0, sizeof *family);
    family->owner = thread;
    return family;
}

void logctx__family_free(logctx_t *ctx)
{
    struct family *family = READ_RELAXED(ctx->family);
    if (!family)
        return;
    atomic_store_explicit(&ctx->family, NULL, memory_order_relaxed);
    if (family->owner)
        logctx__pool_put(&family->owner->families, family, family->owner == logctx__tls.thread);
    else
        free(family);
}

// NULL without memory.
static struct family *get_family(logctx_t *ctx)
{
    struct family *family = family_of(ctx);
    if (family)
        return family;
    logctx__lock(&ctx->root->lock);
    family = family_of(ctx);
    if (!family) {
        family = new_family();
        atomic_store_explicit(&ctx->family, family, memory_order_release);
    }
    logctx__unlock(&ctx->root->lock);
    return family;
}

static bool is_listed(const logctx_t *c)
{
    return c->previous_sibling || family_of(c->parent)->first_child == c;
}

static void link_in(logctx_t *child)
{
    struct family *family = family_of(child->parent);
    child->previous_sibling = NULL;
    child->next_sibling = family->first_child;
    if (family->first_child)
        family->first_child->previous_sibling = child;
    family->first_child = child;
}

bool logctx__family_join(logctx_t *child)
{
    struct family *family = get_family(child->parent);
    if (!family)
        return false;
    logctx__lock(&child->root->lock);
    link_in(child);
    // A finished ancestor without unfinished descendants had left its parent's list: the walk must find it again.
    for (logctx_t *at = child->parent; at->parent && READ_RELAXED(at->folded) && !is_listed(at); at = at->parent)
        link_in(at);
    logctx__unlock(&child->root->lock);
    return true;
}

static void leave(logctx_t *child)
{
    struct family *family = family_of(child->parent);
    if (child->previous_sibling)
        child->previous_sibling->next_sibling = child->next_sibling;
    else
        family->first_child = child->next_sibling;
    if (child->next_sibling)
        child->next_sibling->previous_sibling = child->previous_sibling;
    child->previous_sibling = child->next_sibling = NULL;
}

// What ctx itself stands for in its parent's total: own usage and its finished descendants.
static logctx_usage_t without_live_children(const logctx_t *ctx)
{
    logctx_usage_t sum = logctx__own_usage(ctx);
    struct family *family = family_of(ctx);
    if (family)
        add(&sum, &family->folded);
    return sum;
}

static logctx_t *first_child(const logctx_t *ctx)
{
    struct family *family = family_of(ctx);
    return family ? family->first_child : NULL;
}

// The lists of a parent process may have been left half changed.
logctx_usage_t logctx__family_total(logctx_t *ctx)
{
    if (!family_of(ctx) || is_inert(ctx))
        return logctx__own_usage(ctx);
    logctx__lock(&ctx->root->lock);
    logctx_usage_t sum = without_live_children(ctx);
    // Depth first without recursion: a tree may be as deep as its program likes.
    for (logctx_t *at = first_child(ctx); at;) {
        if (!READ_RELAXED(at->folded)) {
            logctx_usage_t part = without_live_children(at);
            add(&sum, &part);
        }
        logctx_t *next = first_child(at);
        while (!next && at != ctx) {
            next = at->next_sibling;
            at = at->parent;
        }
        at = next;
    }
    logctx__unlock(&ctx->root->lock);
    return sum;
}

// Into the parent, and further up for as long as those are folded already.
static void fold_up(logctx_t *ctx, const logctx_usage_t *amount)
{
    for (; ctx->parent; ctx = ctx->parent) {
        add(&family_of(ctx->parent)->folded, amount);
        if (!READ_RELAXED(ctx->parent->folded))
            return;
    }
}

void logctx__family_fold(logctx_t *ctx)
{
    if (!ctx->parent)
        return;
    logctx__lock(&ctx->root->lock);
    logctx_usage_t amount = without_live_children(ctx);
    atomic_store_explicit(&ctx->folded, true, memory_order_relaxed);
    fold_up(ctx, &amount);
    // Leaving may free the way for ancestors that had finished before.
    for (logctx_t *at = ctx; at->parent && READ_RELAXED(at->folded) && !first_child(at); at = at->parent)
        leave(at);
    logctx__unlock(&ctx->root->lock);
}

// Charged by a thread that is not the writer, finished or not. Under the lock, so that a finish at the same moment has it in
// what it folds or finds it folded, and never both.
void logctx__family_foreign(logctx_t *ctx, const logctx_usage_t *delta)
{
    struct family *family = get_family(ctx);
    if (!family)
        return;
    logctx__lock(&ctx->root->lock);
    add_cells(&family->foreign, delta);
    if (READ_RELAXED(ctx->folded))
        fold_up(ctx, delta);
    logctx__unlock(&ctx->root->lock);
}

void logctx__family_late(logctx_t *ctx, const logctx_usage_t *delta)
{
    if (!ctx->parent)
        return;
    logctx__lock(&ctx->root->lock);
    fold_up(ctx, delta);
    logctx__unlock(&ctx->root->lock);
}
