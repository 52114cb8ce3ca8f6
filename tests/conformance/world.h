// SPDX-License-Identifier: Apache-2.0
// What a scenario refers to by id: its contexts and its preserve blocks, which live until it ends.
// Only one thread of a scenario runs at a time, so that nothing here needs a lock.

#ifndef CONFORMANCE_WORLD_H
#define CONFORMANCE_WORLD_H

#include <stdbool.h>
#include <stddef.h>

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

typedef struct world {
    world_context_t *contexts;
    size_t context_count;
    world_block_t *blocks;
    size_t block_count;
} world_t;

/* Names a context, or a block, and keeps it. False if the name is taken, and then nothing is kept. */
bool world_add_context(world_t *world, const char *id, logctx_t *ctx);
bool world_add_block(world_t *world, const char *id, logctx_preserve_t block);

/* The context, or block, of that name; NULL if there is none. A block may move when the next one is added. */
logctx_t *world_context(const world_t *world, const char *id);
world_block_t *world_block(const world_t *world, const char *id);

/*
 * The end of the scenario, on its first thread: every block is left, the sentinel is current, what is
 * unfinished is finished and every reference is given back. The library reports what it thinks of that;
 * nobody should listen.
 */
void world_close(world_t *world);

#endif
