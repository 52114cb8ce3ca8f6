// Call sites. The macros bring a static logctx_site_t; the plain functions only a return address, for which a site is
// kept in a table that is filled once per address and read without a lock.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <dlfcn.h>
#include <logctx/adapter.h>
#include <stdio.h>
#include <string.h>

enum { ADDRESSES = 4096 }; // a power of two; beyond it callers are "an unknown place"

// `site.file` stays NULL: that is how a site of this table is known.
struct address_site {
    _Atomic(void *) address; // NULL: free; set once
    logctx_site_t site;
};
static struct address_site table[ADDRESSES];
static const logctx_site_t unknown = {"an unknown place", 0, ""};

static __attribute__((noinline, cold)) void write_down(const struct address_site *entry)
{
    char where[256];
    logctx__where(&entry->site, where, sizeof where);
    logctx__table_site(&entry->site, where, 0, NULL);
}

const logctx_site_t *logctx__site_of_caller(void *return_address)
{
    uint64_t hash = (uint64_t)(uintptr_t)return_address * 0x9e3779b97f4a7c15u;
    for (unsigned probe = 0; probe < 32; probe++) {
        struct address_site *entry = &table[((hash >> 40) + probe) & (ADDRESSES - 1)];
        void *there = atomic_load_explicit(&entry->address, memory_order_relaxed);
        if (!there && atomic_compare_exchange_strong_explicit(&entry->address, &there, return_address,
                                                              memory_order_relaxed, memory_order_relaxed)) {
            write_down(entry);
            return &entry->site;
        }
        if (there == return_address)
            return &entry->site;
    }
    return &unknown;
}

const logctx_site_t *logctx_site_of_caller(void *return_address)
{
    return logctx__site_of_caller(return_address);
}

void logctx__where_address(void *at, char *out, size_t size)
{
    char *address = at;
    Dl_info info;
    memset(&info, 0, sizeof info);
    if (dladdr(address, &info) && info.dli_fname) {
        const char *slash = strrchr(info.dli_fname, '/');
        const char *object = slash ? slash + 1 : info.dli_fname;
        if (info.dli_sname)
            snprintf(out, size, "%s+0x%zx (%s)", object, (size_t)(address - (char *)info.dli_fbase), info.dli_sname);
        else
            snprintf(out, size, "%s+0x%zx", object, (size_t)(address - (char *)info.dli_fbase));
    } else {
        snprintf(out, size, "%p", (void *)address);
    }
}

static void *address_of(const logctx_site_t *site)
{
    const struct address_site *entry =
        (const struct address_site *)(const void *)((const char *)site - offsetof(struct address_site, site));
    return READ_RELAXED(entry->address);
}

// A path that is too long loses its beginning: what tells places apart is at the end.
static void where_in_file(const logctx_site_t *site, char *out, size_t size)
{
    int length = snprintf(NULL, 0, "%s:%d", site->file, site->line);
    size_t whole = length < 0 ? 0 : (size_t)length, path = strlen(site->file);
    size_t skip = whole >= size ? whole - size + 1 : 0;
    snprintf(out, size, "%s:%d", site->file + (skip < path ? skip : path), site->line);
}

void logctx__where(const logctx_site_t *site, char *out, size_t size)
{
    if (!site)
        snprintf(out, size, "%s", "");
    else if (!site->file)
        logctx__where_address(address_of(site), out, size);
    else if (site == &unknown)
        snprintf(out, size, "%s", unknown.file);
    else
        where_in_file(site, out, size);
}
