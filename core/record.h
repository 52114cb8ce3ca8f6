/*
 * record.h: internal. What a span says, in wire form from the moment it is said: the bytes of each attribute, event and
 * link, and an index of them. While its context is not sealed a record belongs to it, under the context's lock; sealed
 * it is constant and counted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_CORE_RECORD_H
#define LOGCTX_CORE_RECORD_H

#include "types.h"

enum { RECORD_INLINE_NAME = 256, RECORD_INLINE_ENTRIES = 48, RECORD_INLINE_BYTES = 1536, RECORD_OWN_EVENTS = 128 };

/* One attribute, event or link: its body in `bytes`. `dead`: replaced, and skipped by every reader. */
struct entry {
    uint32_t key_hash;
    uint32_t offset;
    uint32_t length;
    uint8_t part; /* logctx_part_t */
    bool dead;
};

struct logctx_record {
    atomic_uint refs;
    struct thread *owner; /* whose pool it came from; NULL: allocated, when the owner's was exhausted */
    uint32_t count;       /* entries, the dead ones too */
    uint32_t capacity;
    uint32_t used; /* bytes */
    uint32_t room;
    uint32_t dead_bytes;
    uint32_t live[3];    /* attributes, events, links that are not dead */
    uint32_t own_events; /* of live[1]: the library's, transition errors */
    uint64_t keys[8];    /* a bit for each key's hash: most keys are new, and need no search */
    struct entry *entries;
    uint8_t *bytes;
    logctx_span_t span;
    char *status_message;
    struct shared_string *tracestate;
    struct shared_string *server;
    char *instance; /* inline_instance or allocated */
    char inline_instance[RECORD_INLINE_NAME];
    struct entry inline_entries[RECORD_INLINE_ENTRIES];
    uint8_t inline_bytes[RECORD_INLINE_BYTES];
};

/* A record for ctx to write to; NULL without memory. Under the context's lock. */
LOGCTX_INTERNAL logctx_record_t *logctx__record_of(struct thread *thread, logctx_t *ctx);

/* The bytes of this thread's next record, into its processor's cache. */
LOGCTX_INTERNAL void logctx__record_fetch_bytes(const struct thread *thread);

/* Room for `length` more bytes and one more entry; NULL beyond span_bytes or memory. Then commit what was written. */
LOGCTX_INTERNAL uint8_t *logctx__record_reserve(logctx_record_t *record, size_t length);
LOGCTX_INTERNAL void logctx__record_commit(logctx_record_t *record, logctx_part_t part, uint32_t key_hash,
                                           size_t length);

/*
 * Set one attribute; replaces an older one of that key. `limited`: it is the application's. In record.c so that the seal
 * and the setters are one path.
 */
LOGCTX_INTERNAL logctx_status_t logctx__record_set(logctx_record_t *record, const logctx_attr_t *attr, bool limited);

/*
 * An attribute of the library's own: its key is encoded once for all. The same as logctx__record_set() without a limit.
 */
struct own_key {
    const char *text;
    uint8_t length;
    uint32_t hash;
    uint8_t head[36]; /* the key field of the KeyValue, and the tag of the value */
};
LOGCTX_INTERNAL void logctx__own_key_init(struct own_key *key, const char *text);
LOGCTX_INTERNAL void logctx__record_set_own_double(logctx_record_t *record, const struct own_key *key, double value);
LOGCTX_INTERNAL void logctx__record_set_own_int(logctx_record_t *record, const struct own_key *key, int64_t value);
LOGCTX_INTERNAL void logctx__record_set_own_string(logctx_record_t *record, const struct own_key *key,
                                                   const char *value, size_t length);

LOGCTX_INTERNAL logctx_status_t logctx__record_add_event(logctx_record_t *record, const char *name, uint64_t unix_ns,
                                                         const logctx_attr_t *attrs, size_t count, bool limited);

#endif
