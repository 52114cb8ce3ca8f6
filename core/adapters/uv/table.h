/*
 * table.h: what is kept for libuv's objects: an open-addressed hash table, keyed by address and slot. Whoever has the table
 * says which thread owns it; nothing here locks.
 *
 * An object may have several callbacks (a stream: connection, read, close), so each entry is for one slot of it. Entries
 * move when others are removed or the table changes its size: a pointer to one is valid until the next call here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_UV_TABLE_H
#define LOGCTX_UV_TABLE_H

#include <logctx/bind.h>

#define LOGCTX_INTERNAL __attribute__((visibility("hidden")))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Which callback of an object. Those of handles first: they may go stale, requests come back by themselves. */
enum slot {
    SLOT_TIMER,
    SLOT_IDLE,
    SLOT_PREPARE,
    SLOT_CHECK,
    SLOT_ASYNC,
    SLOT_SIGNAL,
    SLOT_POLL,
    SLOT_EXIT,
    SLOT_FS_EVENT,
    SLOT_FS_POLL,
    SLOT_CONNECTION,
    SLOT_READ,
    SLOT_RECV,
    SLOT_CLOSE,
    SLOT_REQUESTS, /* from here on */
    SLOT_CONNECT = SLOT_REQUESTS,
    SLOT_WRITE,
    SLOT_SHUTDOWN,
    SLOT_SEND,
    SLOT_FS,
    SLOT_WORK,
    SLOT_ADDRINFO,
    SLOT_NAMEINFO,
    SLOT_RANDOM,
};

typedef void any_fn_t(void);

struct entry {
    const void *object; /* NULL: free */
    any_fn_t *fn;       /* the host's callback, to be cast back to what it is */
    union {
        any_fn_t *second; /* the one that allocates; of work, the one afterwards */
        uint64_t due_ns;  /* of a timer, by logctx_now_ns() */
    };
    logctx_capture_t capture;
    uint32_t slot;
    bool seen; /* during logctx__uv_table_sweep() */
};

struct table {
    struct entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

/* NULL if there is none. */
LOGCTX_INTERNAL struct entry *logctx__uv_table_find(const struct table *table, const void *object, enum slot slot);

/* Whether one more fits without memory being asked for. */
LOGCTX_INTERNAL bool logctx__uv_table_has_room(const struct table *table);

/* Twice the room; false if without memory there is none for one more. */
LOGCTX_INTERNAL bool logctx__uv_table_grow(struct table *table);

/* The entry of that key, a new one if need be; only while there is room. A new one has an empty capture. */
LOGCTX_INTERNAL struct entry *logctx__uv_table_put(struct table *table, const void *object, enum slot slot);

/* Take an entry out; its capture is the caller's then. */
LOGCTX_INTERNAL struct entry logctx__uv_table_take(struct table *table, struct entry *entry);

/* Take out the entries of handles that nobody has marked as seen, give back their contexts, and unmark the others. */
LOGCTX_INTERNAL void logctx__uv_table_sweep(struct table *table);

/* Free the memory. The captures are the caller's affair. */
LOGCTX_INTERNAL void logctx__uv_table_free(struct table *table);

#endif
