// The table of what is kept. It belongs to whoever has it; see table.h. Grows to twice its size when three quarters are
// used, and shrinks to half when less than an eighth is: so a steady number of entries asks for no memory.
//
// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <stdlib.h>

enum { CAPACITY_MIN = 64 };

static size_t home_of(const struct table *table, const void *object, uint32_t slot)
{
    uint64_t hash = ((uint64_t)(uintptr_t)object + slot) * 0x9e3779b97f4a7c15u;
    return (size_t)(hash >> 32) & (table->capacity - 1);
}

struct entry *logctx__uv_table_find(const struct table *table, const void *object, enum slot slot)
{
    if (table->count == 0)
        return NULL;
    for (size_t i = home_of(table, object, slot); table->entries[i].object; i = (i + 1) & (table->capacity - 1))
        if (table->entries[i].object == object && table->entries[i].slot == slot)
            return &table->entries[i];
    return NULL;
}

bool logctx__uv_table_has_room(const struct table *table)
{
    return table->count < table->capacity / 4 * 3;
}

// The first free place for a key that is not there.
static struct entry *free_place(const struct table *table, const void *object, uint32_t slot)
{
    size_t i = home_of(table, object, slot);
    while (table->entries[i].object)
        i = (i + 1) & (table->capacity - 1);
    return &table->entries[i];
}

static bool resize(struct table *table, size_t capacity)
{
    struct table new = {calloc(capacity, sizeof *new.entries), capacity, table->count};
    if (!new.entries)
        return false;
    for (size_t i = 0; i < table->capacity; i++)
        if (table->entries[i].object)
            *free_place(&new, table->entries[i].object, table->entries[i].slot) = table->entries[i];
    free(table->entries);
    *table = new;
    return true;
}

bool logctx__uv_table_grow(struct table *table)
{
    return resize(table, table->capacity ? 2 * table->capacity : CAPACITY_MIN) || logctx__uv_table_has_room(table);
}

struct entry *logctx__uv_table_put(struct table *table, const void *object, enum slot slot)
{
    struct entry *entry = logctx__uv_table_find(table, object, slot);
    if (entry)
        return entry;
    entry = free_place(table, object, slot);
    *entry = (struct entry){.object = object, .slot = slot};
    table->count++;
    return entry;
}

// Those behind a free place move up, unless they are nearer to their home already: so a search never meets a gap.
static void close_gap(struct table *table, size_t gap)
{
    size_t mask = table->capacity - 1;
    for (size_t i = (gap + 1) & mask; table->entries[i].object; i = (i + 1) & mask) {
        size_t home = home_of(table, table->entries[i].object, table->entries[i].slot);
        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        table->entries[gap] = table->entries[i];
        gap = i;
    }
    table->entries[gap] = (struct entry){.object = NULL};
}

struct entry logctx__uv_table_take(struct table *table, struct entry *entry)
{
    struct entry taken = *entry;
    close_gap(table, (size_t)(entry - table->entries));
    table->count--;
    if (unlikely(table->capacity > CAPACITY_MIN && table->count < table->capacity / 8))
        (void)resize(table, table->capacity / 2); // without memory it stays as it is
    return taken;
}

// An entry that moves up from behind is looked at in its new place, so the index stays after a removal.
void logctx__uv_table_sweep(struct table *table)
{
    for (size_t i = 0; i < table->capacity;) {
        struct entry *entry = &table->entries[i];
        if (!entry->object || entry->slot >= SLOT_REQUESTS || entry->seen) {
            i++;
            continue;
        }
        logctx_capture_t capture = entry->capture;
        close_gap(table, i);
        table->count--;
        logctx_capture_clear(&capture);
    }
    for (size_t i = 0; i < table->capacity; i++)
        table->entries[i].seen = false;
}

void logctx__uv_table_free(struct table *table)
{
    free(table->entries);
    *table = (struct table){.entries = NULL};
}
