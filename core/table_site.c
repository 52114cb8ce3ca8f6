// Call sites in the table: each is written down once, by the macro or the return address that is used first there, so that a
// switch stores nothing for it. Any thread, under the table's lock; bounded in number.
//
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "table_map.h"

enum { SITES_MAX = 16384, FILES = 1024 }; // a power of two

// Under the table's lock: texts that many sites share. What finds no place here is written down again.
static const char *known[FILES];
static uint32_t sites;

static const char **place_of(const char *text, size_t length)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)text[i]) * 16777619u;
    for (uint32_t probe = 0; probe < 8; probe++) {
        const char **place = &known[(hash + probe) % FILES];
        if (!*place || (strncmp(*place, text, length) == 0 && !(*place)[length]))
            return place;
    }
    return NULL;
}

// 0: there is none, or no room.
static uint64_t text_of(struct table_map *table, const char *text)
{
    size_t length = text ? strlen(text) : 0;
    if (length == 0)
        return 0;
    if (length > LOGCTX_TABLE_TEXT_MAX) {
        text += length - LOGCTX_TABLE_TEXT_MAX;
        length = LOGCTX_TABLE_TEXT_MAX;
    }
    const char **place = place_of(text, length), *there = place ? *place : NULL;
    if (!there)
        there = logctx__table_new_text(table, text, length);
    if (place)
        *place = there;
    return (uintptr_t)there;
}

void logctx__table_site(const logctx_site_t *site, const char *file, int line, const char *function)
{
    struct table_map *table = &logctx__table;
    int error = errno;
    logctx__lock(&table->lock);
    struct logctx_table_site *entry = NULL;
    if (sites < SITES_MAX)
        entry = logctx__table_new_element(table, LOGCTX_TABLE_SITES, sizeof *entry);
    if (entry) {
        sites++;
        entry->file = text_of(table, file);
        entry->function = text_of(table, function);
        entry->line = line > 0 ? (uint32_t)line : 0;
        __atomic_store_n(&entry->address, (uintptr_t)site, __ATOMIC_RELEASE); // last: without it there is no entry
        logctx__table_written(entry, sizeof *entry);
    }
    logctx__unlock(&table->lock);
    if (!entry)
        logctx__table_count_elsewhere(0, 1);
    errno = error;
}

void logctx_site_seen(const logctx_site_t *site, unsigned char *seen)
{
    if (!seen || __atomic_exchange_n(seen, 1, __ATOMIC_RELAXED) || !site)
        return;
    logctx__table_site(site, site->file, site->line, site->function);
}
