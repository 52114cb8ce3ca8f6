// SPDX-License-Identifier: Apache-2.0
// What a scenario refers to by id: its contexts, preserve blocks and deferreds, which live until it ends.
// Only one thread of a scenario runs at a time, so that nothing here needs a lock.

#ifndef CONFORMANCE_WORLD_H
#define CONFORMANCE_WORLD_H

#include <stdbool.h>
#include <stddef.h>

#include <logctx/deferred.h>
#include <logctx/logctx.h>

/* Ids are borrowed from the scenario, which outlives its world. */
typedef struct world_context {
    const char *id;
    logctx_t *ctx; // the scenario's reference
} world_context_t;

typedef struct world_block {
    const char *id;
    logctx_preserve_t block;
    bool left; // at least once
} world_block_t;

typedef struct world_deferred {
    const char *id;
    logctx_deferred_t *deferred; // the scenario's reference
    const char *error;           // of the thread's work that it stands for; NULL: none, or it was done well
} world_deferred_t;

typedef struct world {
    world_context_t *contexts;
    size_t context_count;
    world_block_t *blocks;
    size_t block_count;
    world_deferred_t *deferreds;
    size_t deferred_count;
} world_t;

/* Names a context, or a block, and keeps it. False if the name is taken, and then nothing is kept. */
bool world_add_context(world_t *world, const char *id, logctx_t *ctx);
bool world_add_block(world_t *world, const char *id, logctx_preserve_t block);
bool world_add_deferred(world_t *world, const char *id, logctx_deferred_t *deferred);

/* The context, or block, of that name; NULL if there is none. A block may move when the next one is added. */
logctx_t *world_context(const world_t *world, const char *id);
world_block_t *world_block(const world_t *world, const char *id);
logctx_deferred_t *world_deferred(const world_t *world, const char *id);

/* What was given back before the end: the name is nobody's. */
void world_forget_context(world_t *world, const logctx_t *ctx);
void world_forget_deferred(world_t *world, const char *id);

/* What came of the work on a thread that a deferred stands for. */
void world_set_error(world_t *world, const char *id, const char *error);
const char *world_error(const world_t *world, const char *id);

/*
 * The end of the scenario, on its first thread: every block is left, the sentinel is current, what is
 * unfinished is finished and every reference is given back; what waits in a deferred is dropped. The library reports what it thinks of that;
 * nobody should listen.
 */
void world_close(world_t *world);

#endif
