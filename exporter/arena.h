/*
 * arena.h: memory that is taken piece by piece and given back at once, for messages that are built, packed and
 * forgotten. An arena has a limit and one owner at a time; a failure sticks until it is freed, so that a builder checks
 * once, at its end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_ARENA_H
#define LOGCTX_EXPORTER_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct logctx__arena_block;

struct logctx__arena {
    struct logctx__arena_block *blocks;
    size_t taken; // from malloc
    size_t limit;
    bool failed;
};

void logctx__arena_init(struct logctx__arena *arena, size_t limit);
void logctx__arena_free(struct logctx__arena *arena);

// Zeroed and aligned for everything. NULL, and the arena has failed, beyond the limit or without memory.
void *logctx__arena_alloc(struct logctx__arena *arena, size_t size);
void *logctx__arena_array(struct logctx__arena *arena, size_t count, size_t size);

// A copy as a zero-terminated string of valid UTF-8, in which bad sequences and zero bytes are U+FFFD.
char *logctx__arena_text(struct logctx__arena *arena, const char *text, size_t length);
char *logctx__arena_string(struct logctx__arena *arena, const char *text);

// `array` of `*capacity` items of `size` bytes with room for one more than `count`; grows twofold, in the arena.
void *logctx__arena_grow(struct logctx__arena *arena, void *array, size_t count, size_t *capacity, size_t size);

#endif
