// Pools: blocks of one size for one thread. The owner takes and gives back without atomics; another thread pushes a
// block on the `returned` stack, which the owner takes as a whole when its own list is empty, so there is no ABA.
// Chunks are never unmapped: a stale handle still points at memory whose generation tells that it is stale. Those of
// contexts lie in the table (table.h), as long as it has room.
//
// Under AddressSanitizer a free block is poisoned but for its first cache line, which stale handles may read for ever.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <stdlib.h>

enum { CHUNK_SIZE = 64 * 1024, BLOCK_ALIGNMENT = 64, LINK_OFFSET = BLOCK_ALIGNMENT };

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

static char *new_chunk(struct pool *pool, struct thread *owner)
{
    char *chunk = pool->in_table ? logctx__table_contexts(CHUNK_SIZE, pool->block_size, owner) : NULL;
    if (chunk)
        return chunk;
    chunk = aligned_alloc(BLOCK_ALIGNMENT, CHUNK_SIZE);
    if (!chunk)
        return NULL;
    *(void **)(void *)chunk = pool->chunks;
    pool->chunks = chunk;
    return chunk;
}
_Static_assert((int)BLOCK_ALIGNMENT == (int)LOGCTX_TABLE_CHUNK_HEADER, "blocks begin behind the header of a chunk");

static bool grow(struct pool *pool, struct thread *owner)
{
    char *chunk = new_chunk(pool, owner);
    if (!chunk)
        return false;
    size_t count = 0;
    for (size_t at = BLOCK_ALIGNMENT; at + pool->block_size <= CHUNK_SIZE; at += pool->block_size, count++) {
        pool->prepare(chunk + at, owner);
        push(pool, chunk + at);
    }
    if (chunk != pool->chunks)
        logctx__table_filled(chunk, count);
    return true;
}

void *logctx__pool_get(struct pool *pool, struct thread *owner)
{
    if (unlikely(!pool->free_list)) {
        pool->free_list = atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);
        if (!pool->free_list && !grow(pool, owner))
            return NULL;
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
