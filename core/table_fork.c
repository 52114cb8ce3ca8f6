// What fork() makes of the table. The child must never write to what the parent's threads and its readers see, and the parent
// must not be held up: neither the thread that forks, however many contexts there are, nor the others.
//
// What is written down is private memory, of which the kernel gives the child what there was at the fork. The live chunks are
// the file's: in the child's handler the same file is mapped privately in their place, which copies nothing. So the child
// sees there what the parent goes on to do, until it writes itself; what it may still believe of a context says inherited.c.
// Of the parent's threads the child reads only what never changes.
//
// The child's handler makes system calls only, and takes no lock: other threads may have been anywhere in table.c. A file of
// its own the child gets at its next use of the library (begin_in_child() in table.c); most children execute another program.
//
// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>
#include <unistd.h>

#include "table_map.h"

// Word by word: other threads write meanwhile, which is no news to a sanitizer, and freed slots are poisoned.
__attribute__((no_sanitize("thread"), no_sanitize("address"))) static void copy_words(char *to, const char *from,
                                                                                      size_t size)
{
    volatile uint64_t *out = (volatile uint64_t *)(void *)to;
    const volatile uint64_t *in = (const volatile uint64_t *)(const void *)from;
    for (size_t i = 0; i < size / sizeof *in; i++)
        out[i] = in[i];
}

// A context whose memory the parent uses again while it is copied has a new mark before anything else is new in it: the marks
// are copied once more, last.
__attribute__((no_sanitize("thread"), no_sanitize("address"))) static void copy_marks(char *to, const char *from,
                                                                                      size_t size)
{
    FENCE(memory_order_acquire);
    for (size_t at = 0; at < size;) {
        const struct logctx_table_chunk *chunk = (const struct logctx_table_chunk *)(const void *)(from + at);
        if (chunk->magic != LOGCTX_TABLE_CHUNK_MAGIC || chunk->size == 0)
            return;
        for (size_t i = 0; chunk->type == LOGCTX_TABLE_CONTEXTS && i < chunk->count; i++) {
            size_t mark = at + LOGCTX_TABLE_CHUNK_HEADER + i * chunk->element_size + offsetof(struct logctx, made);
            *(volatile unsigned *)(void *)(to + mark) = *(const volatile unsigned *)(const void *)(from + mark);
        }
        at += chunk->size;
    }
}

static bool replace_by_copy(char *at, size_t size, size_t header)
{
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    copy_words(memory, at, size);
    copy_marks(memory + header, at + header, size - header);
    return mremap(memory, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at) != MAP_FAILED;
}

// A copy is made where there is no file, since the host has closed it; and where a leak checker runs, which looks in the child
// as well, and must not find what the parent does. If there is no memory for either, the parent's stays in place: what is
// inherited is not written to.
static void make_private(const struct table_map *table, size_t begin, size_t end)
{
    char *at = READ_RELAXED(table->base) + begin;
    size_t size = end - begin;
    bool copies = __lsan_register_root_region || !logctx__table_is_ours(&table->file);
    if (copies && replace_by_copy(at, size, begin == 0 ? LOGCTX_TABLE_HEADER_SIZE : 0))
        return;
    if (logctx__table_is_ours(&table->file))
        (void)!mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, table->file.fd, (off_t)begin);
}

// The child goes on behind what has been used: what another thread was about to use is nobody's.
void logctx__table_in_child(void)
{
    struct table_map *table = &logctx__table;
    table->open[LOGCTX_TABLE_CONTEXTS] = table->open[LOGCTX_TABLE_THREADS] = NULL;
    bool shared = atomic_load_explicit(&table->shared, memory_order_acquire);
    size_t used = READ_RELAXED(table->used);
    unsigned count = atomic_load_explicit(&table->run_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++) {
        struct table_run *run = &table->runs[i];
        size_t begin = READ_RELAXED(run->begin), end = READ_RELAXED(run->end);
        if (READ_RELAXED(run->process) + 1 != READ_RELAXED(logctx__forks))
            continue;
        if (shared && begin < end)
            make_private(table, begin, end);
        if (READ_RELAXED(run->end) > used)
            atomic_store_explicit(&run->end, used, memory_order_relaxed);
    }
    if (!shared)
        return;
    atomic_store_explicit(&table->shared, false, memory_order_relaxed);
    if (logctx__table_is_ours(&table->file))
        close(table->file.fd);
    table->file.fd = -1;
}

// In the file an inherited run is an empty chunk: its contexts are the parent's.
static bool write_run(const struct table_map *table, size_t begin, size_t end)
{
    const struct logctx_table_chunk chunk = {.magic = LOGCTX_TABLE_CHUNK_MAGIC,
                                             .type = LOGCTX_TABLE_CONTEXTS,
                                             .size = (uint32_t)(end - begin),
                                             .element_size = sizeof(struct logctx)};
    return begin >= end || logctx__table_write(&table->file, begin, &chunk, sizeof chunk);
}

static bool write_down(const struct table_map *table, size_t begin, size_t end)
{
    char page[LOGCTX_TABLE_PAGE];
    for (size_t at = begin; at < end; at += sizeof page) {
        copy_words(page, READ_RELAXED(table->base) + at, sizeof page);
        if (!logctx__table_write(&table->file, at, page, sizeof page))
            return false;
    }
    return true;
}

// The runs are in the order of their places.
bool logctx__table_write_all(struct table_map *table)
{
    size_t at = LOGCTX_TABLE_HEADER_SIZE;
    unsigned count = READ_RELAXED(table->run_count), process = READ_RELAXED(logctx__forks);
    if (count == TABLE_RUNS || !logctx__table_grow(&table->file, 0, LOGCTX_TABLE_HEADER_SIZE))
        return false;
    for (unsigned i = 0; i < count; i++) {
        size_t begin = READ_RELAXED(table->runs[i].begin), end = READ_RELAXED(table->runs[i].end);
        if (begin < at) // the header
            begin = at;
        if (end <= begin)
            continue;
        if (!write_down(table, at, begin) || !write_run(table, begin, end))
            return false;
        at = end;
    }
    if (!write_down(table, at, READ_RELAXED(table->used)))
        return false;
    struct table_run *header = &table->runs[count];
    atomic_store_explicit(&header->begin, 0, memory_order_relaxed);
    atomic_store_explicit(&header->end, LOGCTX_TABLE_HEADER_SIZE, memory_order_relaxed);
    atomic_store_explicit(&header->process, process, memory_order_relaxed);
    atomic_store_explicit(&table->run_count, count + 1, memory_order_release);
    return mmap(READ_RELAXED(table->base), LOGCTX_TABLE_HEADER_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                table->file.fd, 0) != MAP_FAILED;
}
