// Pools: blocks of one size for one thread. The owner takes and gives back without atomics; another thread pushes a
// block on the `returned` stack, which the owner takes as a whole when its own list is empty, so there is no ABA.
// Chunks are never unmapped: a stale handle still points at memory whose generation tells that it is stale. Those of
// contexts lie in the table (table.h), as long as it has room.
//
// Under AddressSanitizer a free block is poisoned but for its first cache line, which stale handles may read for ever.
//
// SPDX-License-Identifier: Apache-2.0
#include "table_map.h"

#include <stdlib.h>

enum { CHUNK_FIRST = 64 * 1024, CHUNK_LAST = 1024 * 1024, BLOCK_ALIGNMENT = 64, LINK_OFFSET = BLOCK_ALIGNMENT };

#if defined(__SANITIZE_ADDRESS__)
#define POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONS 1
#endif
#endif
#ifdef POISONS
#include <sanitizer/asan_interface.h>
#define POISON(block, size) __asan_poison_memory_region((char *)(block) + LINK_OFFSET, (size)-LINK_OFFSET)
#define UNPOISON(block, size) __asan_unpoison_memory_region((char *)(block) + LINK_OFFSET, (size)-LINK_OFFSET)
#define IN_POISON __attribute__((no_sanitize("address"), noinline))
#else
#define POISON(block, size) ((void)(block), (void)(size))
#define UNPOISON(block, size) ((void)(block), (void)(size))
#define IN_POISON
#endif

struct link {
    struct link *next;
};

// The link is behind the first cache line: contexts keep their generation and reference count there, readable for ever.
static struct link *link_of(void *block)
{
    return (struct link *)((char *)block + LINK_OFFSET);
}

static void *block_of(struct link *link)
{
    return (char *)link - LINK_OFFSET;
}

// The two accesses to a free block that are right.
static IN_POISON void set_next(struct link *link, struct link *next)
{
    link->next = next;
}

static IN_POISON struct link *next_of(const struct link *link)
{
    return link->next;
}

static void push(struct pool *pool, void *block)
{
    struct link *link = link_of(block);
    POISON(block, pool->block_size);
    set_next(link, pool->free_list);
    pool->free_list = link;
}

// Twice the one before, so that a header is shared by many blocks where there are many.
static size_t next_size(const struct pool *pool)
{
    size_t size = pool->chunk_size * 2;
    return size < CHUNK_FIRST ? CHUNK_FIRST : size > CHUNK_LAST ? CHUNK_LAST : size;
}

static bool new_chunk(struct pool *pool, struct thread *owner)
{
    size_t size = pool->in_table ? next_size(pool) : CHUNK_FIRST;
    char *chunk = pool->in_table ? logctx__table_contexts(size, pool->block_size, owner) : NULL;
    if (!chunk && size > CHUNK_FIRST) {
        size = CHUNK_FIRST;
        chunk = logctx__table_contexts(size, pool->block_size, owner);
    }
    pool->fresh_in_table = chunk != NULL;
    if (!chunk) {
        chunk = aligned_alloc(BLOCK_ALIGNMENT, size);
        if (!chunk)
            return false;
        if (pool->in_table)
            logctx__table_count_elsewhere((size - BLOCK_ALIGNMENT) / pool->block_size, 0);
        *(void **)(void *)chunk = pool->chunks;
        pool->chunks = chunk;
    }
    pool->chunk = chunk;
    pool->chunk_size = (uint32_t)size;
    pool->fresh = 0;
    return true;
}
_Static_assert((int)BLOCK_ALIGNMENT == (int)LOGCTX_TABLE_CHUNK_HEADER, "blocks begin behind the header of a chunk");

// Blocks are made one by one, as they are needed: a chunk's pages are not touched before.
static void *fresh_block(struct pool *pool, struct thread *owner)
{
    if ((!pool->chunk || BLOCK_ALIGNMENT + (pool->fresh + (size_t)1) * pool->block_size > pool->chunk_size) &&
        !new_chunk(pool, owner))
        return NULL;
    char *block = (char *)pool->chunk + BLOCK_ALIGNMENT + pool->fresh * pool->block_size;
    pool->prepare(block, owner);
    pool->fresh++;
    if (pool->fresh_in_table)
        logctx__table_filled(pool->chunk, pool->fresh);
    return block;
}

void *logctx__pool_get(struct pool *pool, struct thread *owner)
{
    if (unlikely(!pool->free_list)) {
        pool->free_list = atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);
        if (!pool->free_list)
            return fresh_block(pool, owner);
    }
    struct link *link = pool->free_list;
    pool->free_list = next_of(link);
    UNPOISON(block_of(link), pool->block_size);
    return block_of(link);
}

void logctx__pool_rest(struct pool *pool, void **room)
{
    pool->resting = room;
}

// The block comes last in a queue, and the one that has waited longest is free.
static __attribute__((noinline)) void *rest(struct pool *pool, void *block)
{
    void **place = &pool->resting[pool->rested++ % LOGCTX_RESTING], *rested = *place;
    *place = block;
    POISON(block, pool->block_size);
    return rested;
}

void logctx__pool_put(struct pool *pool, void *block, bool owned)
{
    if (likely(owned)) {
        if (unlikely(pool->resting != NULL) && !(block = rest(pool, block)))
            return;
        push(pool, block);
        return;
    }
    struct pool_chain chain = {.first = NULL};
    logctx__pool_gather(pool, block, &chain);
    logctx__pool_give_back(pool, &chain);
}

void logctx__pool_gather(struct pool *pool, void *block, struct pool_chain *chain)
{
    struct link *link = link_of(block);
    POISON(block, pool->block_size);
    set_next(link, chain->first);
    chain->first = link;
    if (!chain->last)
        chain->last = link;
}

void logctx__pool_give_back(struct pool *pool, struct pool_chain *chain)
{
    if (!chain->first)
        return;
    void *head = READ_RELAXED(pool->returned);
    do {
        set_next(chain->last, head);
    } while (!atomic_compare_exchange_weak_explicit(&pool->returned, &head, chain->first, memory_order_release,
                                                    memory_order_relaxed));
    *chain = (struct pool_chain){.first = NULL};
}

const void *logctx__pool_next(const struct pool *pool)
{
    return pool->free_list ? block_of(pool->free_list) : NULL;
}
