// SPDX-License-Identifier: Apache-2.0
// The contexts and preserve blocks of one scenario by id. There are a handful of each: a list that is
// searched from the front is as fast as it needs to be. Whatever thread of the scenario runs owns the world.

#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Room for one more at the end; grows by doubling whenever the count is a power of two.
static void *room_for_one(void *items, size_t count, size_t size)
{
    if (count != 0 && (count & (count - 1)) != 0) {
        return items;
    }
    items = reallocarray(items, count ? 2 * count : 1, size);
    if (!items) {
        fputs("logctx-conformance: out of memory\n", stderr);
        exit(2);
    }
    return items;
}

bool world_add_context(world_t *world, const char *id, logctx_t *ctx)
{
    if (world_context(world, id)) {
        return false;
    }
    world->contexts = room_for_one(world->contexts, world->context_count, sizeof *world->contexts);
    world->contexts[world->context_count++] = (world_context_t){.id = id, .ctx = ctx};
    return true;
}

bool world_add_block(world_t *world, const char *id, logctx_preserve_t block)
{
    if (world_block(world, id)) {
        return false;
    }
    world->blocks = room_for_one(world->blocks, world->block_count, sizeof *world->blocks);
    world->blocks[world->block_count++] = (world_block_t){.id = id, .block = block};
    return true;
}

logctx_t *world_context(const world_t *world, const char *id)
{
    for (size_t i = 0; i < world->context_count; i++) {
        if (strcmp(world->contexts[i].id, id) == 0) {
            return world->contexts[i].ctx;
        }
    }
    return NULL;
}

world_block_t *world_block(const world_t *world, const char *id)
{
    for (size_t i = 0; i < world->block_count; i++) {
        if (strcmp(world->blocks[i].id, id) == 0) {
            return &world->blocks[i];
        }
    }
    return NULL;
}

static world_deferred_t *find_deferred(const world_t *world, const char *id)
{
    for (size_t i = 0; i < world->deferred_count; i++) {
        if (strcmp(world->deferreds[i].id, id) == 0) {
            return &world->deferreds[i];
        }
    }
    return NULL;
}

bool world_add_deferred(world_t *world, const char *id, logctx_deferred_t *deferred)
{
    if (find_deferred(world, id)) {
        return false;
    }
    world->deferreds = room_for_one(world->deferreds, world->deferred_count, sizeof *world->deferreds);
    world->deferreds[world->deferred_count++] = (world_deferred_t){.id = id, .deferred = deferred};
    return true;
}

logctx_deferred_t *world_deferred(const world_t *world, const char *id)
{
    const world_deferred_t *found = find_deferred(world, id);

    return found ? found->deferred : NULL;
}

void world_forget_context(world_t *world, const logctx_t *ctx)
{
    for (size_t i = 0; i < world->context_count; i++) {
        if (world->contexts[i].ctx == ctx) {
            world->contexts[i].ctx = NULL;
        }
    }
}

void world_forget_deferred(world_t *world, const char *id)
{
    find_deferred(world, id)->deferred = NULL;
}

void world_set_error(world_t *world, const char *id, const char *error)
{
    find_deferred(world, id)->error = error;
}

const char *world_error(const world_t *world, const char *id)
{
    return find_deferred(world, id)->error;
}

void world_close(world_t *world)
{
    for (size_t i = world->deferred_count; i-- > 0;) {
        logctx_deferred_unref(world->deferreds[i].deferred);
    }
    // A block holds its contexts until it is left for the first time.
    for (size_t i = world->block_count; i-- > 0;) {
        if (!world->blocks[i].left) {
            logctx_preserve_exit(&world->blocks[i].block);
        }
    }
    logctx_set_current(logctx_sentinel());

    // Children were made after their parents.
    for (size_t i = world->context_count; i-- > 0;) {
        logctx_t *ctx = world->contexts[i].ctx;
        if (ctx && !logctx_is_finished(ctx)) {
            logctx_finish(ctx);
        }
        logctx_unref(ctx);
    }
    free(world->contexts);
    free(world->blocks);
    free(world->deferreds);
    *world = (world_t){0};
}
