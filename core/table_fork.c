// What fork() makes of the table. The child must have what the parent had at the fork, and must never write to what the
// parent's threads and its readers see. The mapping is shared, so the kernel copies nothing: the thread that forks takes
// a copy before, and in the child it is moved to the table's place, where everything points to.
//
// The child's handler makes system calls only. A file of its own the child gets at its next use of the library
// (begin_in_child() in table.c); most children execute another program first.
//
// What is made once and found from elsewhere (kinds, series, chunks) is not made by others between the copy and the fork:
// their locks are held for so long, and are free in the child. A context that a thread of the parent goes on to change may
// be seen half a step behind the rest of the child's memory. Nothing relies on that: it is inert (types.h).
//
// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>
#include <unistd.h>

#include "table_map.h"

// Of the thread that forks, between the handlers: others may fork at the same time.
static _Thread_local struct {
    char *memory; // NULL: none
    size_t size;
    bool holds; // the locks
} copy __attribute__((tls_model("initial-exec")));

// Word by word: other threads write meanwhile, which is no news to a sanitizer, and freed slots are poisoned.
__attribute__((no_sanitize("thread"), no_sanitize("address"))) static void copy_words(char *to, const char *from,
                                                                                      size_t size)
{
    volatile uint64_t *out = (volatile uint64_t *)(void *)to;
    const volatile uint64_t *in = (const volatile uint64_t *)(const void *)from;
    for (size_t i = 0; i < size / sizeof *in; i++)
        out[i] = in[i];
}

static char *copy_of(const char *from, size_t size)
{
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    copy_words(memory, from, size);
    return memory;
}

void logctx__table_before_fork(void)
{
    struct table_map *table = &logctx__table;
    copy.memory = NULL;
    // In any case: another thread may be making the table at this moment.
    logctx__kinds_hold();
    logctx__lock(&table->lock);
    copy.holds = true;
    if (!READ_RELAXED(table->shared))
        return;
    copy.size = atomic_load_explicit(&table->committed, memory_order_acquire);
    copy.memory = copy_of(READ_RELAXED(table->base), copy.size);
}

void logctx__table_after_fork(void)
{
    if (copy.memory)
        munmap(copy.memory, copy.size);
    copy.memory = NULL;
    if (!copy.holds)
        return;
    copy.holds = false;
    logctx__unlock(&logctx__table.lock);
    logctx__kinds_release();
}

// Whatever fails here, what was shared is not shared any more. Without a copy the next best is the file, privately: as the
// parent's is now, and not as it was.
static void replace(const struct table_map *table, char *at, char *memory, size_t size)
{
    if (memory && mremap(memory, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at) != MAP_FAILED)
        return;
    off_t offset = at - READ_RELAXED(table->base);
    if (logctx__table_is_ours(&table->file) &&
        mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, table->file.fd, offset) != MAP_FAILED)
        return;
    (void)!mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

void logctx__table_in_child(void)
{
    struct table_map *table = &logctx__table;
    copy.holds = false;
    if (!READ_RELAXED(table->shared))
        return;
    char *base = READ_RELAXED(table->base);
    size_t committed = READ_RELAXED(table->committed), have = copy.memory ? copy.size : 0;
    if (have)
        replace(table, base, copy.memory, have);
    copy.memory = NULL;
    // There was no memory for a copy, and perhaps there is now.
    if (have < committed)
        replace(table, base + have, copy_of(base + have, committed - have), committed - have);
    atomic_store_explicit(&table->shared, false, memory_order_relaxed);
    if (logctx__table_is_ours(&table->file))
        close(table->file.fd);
    table->file.fd = -1;
}

bool logctx__table_move(struct table_map *table)
{
    char *base = READ_RELAXED(table->base);
    size_t size = READ_RELAXED(table->committed);
    if (!logctx__table_grow(&table->file, 0, size))
        return false;
    char *file = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, table->file.fd, 0);
    if (file == MAP_FAILED)
        return false;
    copy_words(file, base, table_header()->used);
    if (mremap(file, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, base) != MAP_FAILED)
        return true;
    munmap(file, size);
    return false;
}
