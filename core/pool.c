// Pools: blocks of one size for one thread. The owner takes and gives back without atomics; another thread pushes a
// block on the `returned` stack, which the owner takes as a whole when its own list is empty, so there is no ABA.
// Chunks are never unmapped: a stale handle still points at memory whose generation tells that it is stale.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <stdlib.h>

enum { CHUNK_SIZE = 64 * 1024, BLOCK_ALIGNMENT = 64, LINK_OFFSET = BLOCK_ALIGNMENT };

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

static bool grow(struct pool *pool, struct thread *owner)
{
    char *chunk = aligned_alloc(BLOCK_ALIGNMENT, CHUNK_SIZE);
    if (!chunk)
        return false;
    *(void **)(void *)chunk = pool->chunks;
    pool->chunks = chunk;
    for (size_t at = BLOCK_ALIGNMENT; at + pool->block_size <= CHUNK_SIZE; at += pool->block_size) {
        pool->prepare(chunk + at, owner);
        struct link *link = link_of(chunk + at);
        link->next = pool->free_list;
        pool->free_list = link;
    }
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
    pool->free_list = link->next;
    return block_of(link);
}

void logctx__pool_put(struct pool *pool, void *block, bool owned)
{
    struct link *link = link_of(block);
    if (likely(owned)) {
        link->next = pool->free_list;
        pool->free_list = link;
        return;
    }
    void *head = READ_RELAXED(pool->returned);
    do {
        link->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&pool->returned, &head, link, memory_order_release,
                                                    memory_order_relaxed));
}
