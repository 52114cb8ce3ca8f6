/*
 * arena.c: blocks of memory in a list, the newest of which is cut into pieces. One owner at a time, no locks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arena.h"
#include "valid_utf8.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 32 * 1024 };

struct logctx__arena_block {
    struct logctx__arena_block *older;
    size_t used;
    size_t size;
    alignas(max_align_t) unsigned char bytes[];
};

void logctx__arena_init(struct logctx__arena *arena, size_t limit)
{
    *arena = (struct logctx__arena){.limit = limit};
}

void logctx__arena_free(struct logctx__arena *arena)
{
    for (struct logctx__arena_block *block = arena->blocks, *older; block != NULL; block = older) {
        older = block->older;
        free(block);
    }
    logctx__arena_init(arena, arena->limit);
}

static struct logctx__arena_block *add_block(struct logctx__arena *arena, size_t need)
{
    size_t size = need > BLOCK_SIZE ? need : BLOCK_SIZE;
    size_t whole = sizeof(struct logctx__arena_block) + size;
    if (arena->failed || whole > arena->limit - arena->taken) {
        return NULL;
    }
    struct logctx__arena_block *block = calloc(1, whole);
    if (block == NULL) {
        return NULL;
    }
    block->size = size;
    block->older = arena->blocks;
    arena->blocks = block;
    arena->taken += whole;
    return block;
}

void *logctx__arena_alloc(struct logctx__arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2) {
        arena->failed = true;
        return NULL;
    }
    size_t step = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct logctx__arena_block *block = arena->blocks;
    if (block == NULL || block->size - block->used < step) {
        block = add_block(arena, step);
        if (block == NULL) {
            arena->failed = true;
            return NULL;
        }
    }
    void *piece = block->bytes + block->used;
    block->used += step;
    return piece;
}

void *logctx__arena_array(struct logctx__arena *arena, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / 4 / size) {
        arena->failed = true;
        return NULL;
    }
    return logctx__arena_alloc(arena, count * size);
}

char *logctx__arena_text(struct logctx__arena *arena, const char *text, size_t length)
{
    size_t need = logctx__valid_utf8(NULL, text, length);
    char *copy = logctx__arena_array(arena, need + 1, 1);
    if (copy != NULL) {
        logctx__valid_utf8(copy, text, length);
    }
    return copy;
}

char *logctx__arena_string(struct logctx__arena *arena, const char *text)
{
    return logctx__arena_text(arena, text, strlen(text));
}

void *logctx__arena_grow(struct logctx__arena *arena, void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) {
        return array;
    }
    size_t wider = *capacity == 0 ? 8 : *capacity * 2;
    void *bigger = logctx__arena_array(arena, wider, size);
    if (bigger == NULL) {
        return NULL;
    }
    if (count != 0) {
        memcpy(bigger, array, count * size);
    }
    *capacity = wider;
    return bigger;
}
