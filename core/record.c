// Records: wire bytes with an index, growing from what is inline to the byte limit of a span; counted, and returned to the
// pool of the thread they came from by whoever is last.
//
// SPDX-License-Identifier: Apache-2.0
#include "record.h"
#include "utf8.h"
#include "wire.h"

#include <stdlib.h>
#include <string.h>

static void prepare_record(void *block, struct thread *owner)
{
    logctx_record_t *record = block;
    record->owner = owner;
}

void logctx__record_pool(struct pool *pool)
{
    *pool = (struct pool){.block_size = (sizeof(logctx_record_t) + 63) / 64 * 64, .prepare = prepare_record};
}

static void reset(logctx_record_t *record, struct thread *owner)
{
    wipe(record, offsetof(logctx_record_t, inline_instance));
    atomic_init(&record->refs, 1);
    record->owner = owner;
    record->capacity = RECORD_INLINE_ENTRIES;
    record->room = RECORD_INLINE_BYTES;
    record->entries = record->inline_entries;
    record->bytes = record->inline_bytes;
    record->instance = record->inline_instance;
    record->inline_instance[0] = '\0';
}

// For writing: without that, what the exporter's processor has read has to be asked for twice.
static inline void fetch_line(const void *at)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)at)); // nothing on processors that do not know it
#else
    __builtin_prefetch(at, 1);
#endif
}

static inline void fetch(const void *begin, size_t from, size_t to)
{
    for (size_t at = from; begin && at < to; at += 64)
        fetch_line((const char *)begin + at);
}

// A record comes back from the exporter's processor with its lines there: those of the next one are on their way here while
// this one is written, its head and index from the begin of this one, and its bytes from the seal on.
enum { FETCH_ENTRIES = 20, FETCH_BYTES = 640 };

void logctx__record_fetch_bytes(const struct thread *thread)
{
    const size_t from = offsetof(logctx_record_t, inline_bytes);
    fetch(logctx__pool_next(&thread->records), from, from + FETCH_BYTES);
}

static void fetch_head(const struct thread *thread)
{
    const size_t entries = offsetof(logctx_record_t, inline_entries);
    const void *next = logctx__pool_next(&thread->records);
    fetch(next, 0, offsetof(logctx_record_t, inline_instance) + 64);
    fetch(next, entries, entries + FETCH_ENTRIES * sizeof(struct entry));
}

// Only the owner of the pool may take from it; another thread that says something on the context allocates.
logctx_record_t *logctx__record_new(struct thread *thread)
{
    logctx_record_t *record = thread ? logctx__pool_get(&thread->records, thread) : NULL;
    if (!record)
        return NULL;
    reset(record, thread);
    fetch_head(thread);
    return record;
}

logctx_record_t *logctx__record_of(struct thread *thread, logctx_t *ctx)
{
    if (!ctx->record)
        ctx->record = logctx__record_new(thread);
    return ctx->record;
}

logctx_record_t *logctx_record_ref(logctx_record_t *record)
{
    if (record)
        atomic_fetch_add_explicit(&record->refs, 1, memory_order_relaxed);
    return record;
}

// Whose only reference is the caller's, nobody else can reach.
static bool drop_reference(logctx_record_t *record)
{
    if (atomic_load_explicit(&record->refs, memory_order_acquire) == 1) {
        atomic_store_explicit(&record->refs, 0, memory_order_relaxed);
        return true;
    }
    return atomic_fetch_sub_explicit(&record->refs, 1, memory_order_acq_rel) == 1;
}

static void let_go(logctx_record_t *record)
{
    if (record->entries != record->inline_entries)
        free(record->entries);
    if (record->bytes != record->inline_bytes)
        free(record->bytes);
    if (record->instance != record->inline_instance)
        free(record->instance);
    free(record->status_message);
    logctx__string_unref(record->tracestate);
    logctx__string_unref(record->server);
}

void logctx_record_unref(logctx_record_t *record)
{
    if (!record || !drop_reference(record))
        return;
    let_go(record);
    logctx__pool_put(&record->owner->records, record, record->owner == logctx__tls.thread);
}

// Neighbours of one thread go back to it together: it and the caller's would else fetch the line of its list from each
// other for each of them.
void logctx_record_unref_all(logctx_record_t *const *records, size_t count)
{
    struct thread *owner = NULL;
    struct pool_chain chain = {.first = NULL};
    for (size_t i = 0; records && i < count; i++) {
        logctx_record_t *record = records[i];
        if (!record || !drop_reference(record))
            continue;
        let_go(record);
        if (record->owner == logctx__tls.thread) {
            logctx__pool_put(&record->owner->records, record, true);
            continue;
        }
        if (owner != record->owner && owner)
            logctx__pool_give_back(&owner->records, &chain);
        owner = record->owner;
        logctx__pool_gather(&owner->records, record, &chain);
    }
    if (owner)
        logctx__pool_give_back(&owner->records, &chain);
}

const logctx_span_t *logctx_record_span(const logctx_record_t *record)
{
    return &record->span;
}

// Squeeze replaced attributes out once they are half of it: setting one key for ever must not fill the span.
static void compact(logctx_record_t *record)
{
    uint32_t kept = 0, at = 0;
    for (uint32_t i = 0; i < record->count; i++) {
        struct entry entry = record->entries[i];
        if (entry.dead)
            continue;
        if (at != entry.offset)
            memmove(record->bytes + at, record->bytes + entry.offset, entry.length);
        entry.offset = at;
        at += entry.length;
        record->entries[kept++] = entry;
    }
    record->count = kept;
    record->used = at;
    record->dead_bytes = 0;
}

static bool grow_entries(logctx_record_t *record)
{
    uint32_t capacity = record->capacity * 2;
    bool was_inline = record->entries == record->inline_entries;
    struct entry *entries = realloc(was_inline ? NULL : record->entries, capacity * sizeof *entries);
    if (!entries)
        return false;
    if (was_inline)
        memcpy(entries, record->inline_entries, record->count * sizeof *entries);
    record->entries = entries;
    record->capacity = capacity;
    return true;
}

static bool grow_bytes(logctx_record_t *record, size_t needed)
{
    size_t room = record->room;
    while (room < needed)
        room *= 2;
    bool was_inline = record->bytes == record->inline_bytes;
    uint8_t *bytes = realloc(was_inline ? NULL : record->bytes, room);
    if (!bytes)
        return false;
    if (was_inline)
        memcpy(bytes, record->inline_bytes, record->used);
    record->bytes = bytes;
    record->room = (uint32_t)room;
    return true;
}

uint8_t *logctx__record_reserve(logctx_record_t *record, size_t length)
{
    if (record->dead_bytes > record->used / 2 || record->count == record->capacity)
        compact(record);
    if (record->count == record->capacity && !grow_entries(record))
        return NULL;
    if (length > LOGCTX__WIRE_MAX ||
        (record->used + length > record->room && !grow_bytes(record, record->used + length)))
        return NULL;
    return record->bytes + record->used;
}

static unsigned slot_of(logctx_part_t part)
{
    return part == LOGCTX_PART_ATTRIBUTE ? 0 : part == LOGCTX_PART_EVENT ? 1 : 2;
}

void logctx__record_commit(logctx_record_t *record, logctx_part_t part, uint32_t key_hash, size_t length)
{
    record->entries[record->count++] =
        (struct entry){.key_hash = key_hash, .offset = record->used, .length = (uint32_t)length, .part = (uint8_t)part};
    record->used += (uint32_t)length;
    record->live[slot_of(part)]++;
}

static inline uint64_t load8(const char *at)
{
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

static inline uint64_t load4(const char *at)
{
    uint32_t word;
    memcpy(&word, at, 4);
    return word;
}

// One pass over a key, eight bytes at a time, since this is done for each attribute: its hash; all its bytes or'ed into
// `seen`; and a copy of it, if `to` is not NULL. The last word overlaps the one before.
static inline __attribute__((always_inline)) uint32_t pass_key(const char *key, size_t length, uint8_t *to,
                                                               uint64_t *seen)
{
    const uint64_t factor = 0x9e3779b97f4a7c15u;
    uint64_t hash = length * factor, word = 0;
    if (length >= 8) {
        for (size_t at = 0; at + 8 < length; at += 8) {
            word = load8(key + at);
            if (to)
                memcpy(to + at, &word, 8);
            *seen |= word;
            hash = (hash ^ word) * factor;
            hash ^= hash >> 29;
        }
        word = load8(key + length - 8);
        if (to)
            memcpy(to + length - 8, &word, 8);
    } else if (length >= 4) {
        word = load4(key) | load4(key + length - 4) << 32;
        if (to) {
            memcpy(to, key, 4);
            memcpy(to + length - 4, key + length - 4, 4);
        }
    } else {
        for (size_t i = 0; i < length; i++) {
            word = word << 8 | (unsigned char)key[i];
            if (to)
                to[i] = (uint8_t)key[i];
        }
    }
    *seen |= word;
    return (uint32_t)((hash ^ word) * factor >> 32);
}

static uint32_t hash_of(const char *key, size_t length)
{
    uint64_t seen = 0;
    return pass_key(key, length, NULL, &seen);
}

static inline bool may_have(const logctx_record_t *record, uint32_t hash)
{
    return record->keys[hash & 7] & (uint64_t)1 << (hash >> 26);
}

static inline void note_key(logctx_record_t *record, uint32_t hash)
{
    record->keys[hash & 7] |= (uint64_t)1 << (hash >> 26);
}

// Keys are compared as they stand in the bytes, that is repaired: "\xff" and "\xfe" are one key.
static struct entry *find(logctx_record_t *record, uint32_t hash, const char *key, size_t length)
{
    if (likely(!may_have(record, hash)))
        return NULL;
    for (uint32_t i = record->count; i-- > 0;) {
        struct entry *entry = &record->entries[i];
        logctx_attr_t there;
        if (!entry->dead && entry->part == LOGCTX_PART_ATTRIBUTE && entry->key_hash == hash &&
            logctx_attr_read(record->bytes + entry->offset, entry->length, &there) && there.key_length == length &&
            memcmp(there.key, key, length) == 0)
            return entry;
    }
    return NULL;
}

// ---- attributes of the sort that nearly all are ----

// A short ASCII key that is new, and a scalar or a short ASCII string: written while it is looked at, without measuring.
// All its lengths take one byte.
enum { PLAIN_KEY = 127, PLAIN_TEXT = 125, PLAIN_ROOM = 2 + PLAIN_KEY + 4 + PLAIN_TEXT };

// All bytes or'ed. To `to`, in words that overlap.
static inline uint64_t copy_text(uint8_t *to, const char *from, size_t length)
{
    uint64_t seen = 0, word;
    if (length >= 8) {
        for (size_t at = 0; at + 8 < length; at += 8) {
            word = load8(from + at);
            memcpy(to + at, &word, 8);
            seen |= word;
        }
        word = load8(from + length - 8);
        memcpy(to + length - 8, &word, 8);
        return seen | word;
    }
    if (length >= 4) {
        memcpy(to, from, 4);
        memcpy(to + length - 4, from + length - 4, 4);
        return load4(from) | load4(from + length - 4);
    }
    for (size_t i = 0; i < length; i++) {
        to[i] = (uint8_t)from[i];
        seen |= (uint8_t)from[i];
    }
    return seen;
}

// The AnyValue behind its tag and length. NULL: of another sort.
static inline uint8_t *put_plain_value(uint8_t *at, const logctx_value_t *value, uint32_t max_length)
{
    uint8_t *begin = at;
    uint64_t bits;
    size_t length;
    at += 2;
    switch (value->type) {
    case LOGCTX_VALUE_STRING:
        length = value->as.bytes.length;
        if (length > PLAIN_TEXT || length > max_length)
            return NULL;
        *at++ = LOGCTX__WIRE_TAG(LOGCTX_VALUE_STRING, LOGCTX__WIRE_BYTES);
        *at++ = (uint8_t)length;
        if (copy_text(at, value->as.bytes.data, length) & LOGCTX__UTF8_HIGH_BITS)
            return NULL;
        at += length;
        break;
    case LOGCTX_VALUE_INT:
        *at++ = LOGCTX__WIRE_TAG(LOGCTX_VALUE_INT, LOGCTX__WIRE_VARINT);
        at = logctx__wire_varint_write(at, (uint64_t)value->as.integer);
        break;
    case LOGCTX_VALUE_DOUBLE:
        *at++ = LOGCTX__WIRE_TAG(LOGCTX_VALUE_DOUBLE, LOGCTX__WIRE_FIXED64);
        memcpy(&bits, &value->as.real, sizeof bits);
        at = logctx__wire_fixed64_write(at, bits);
        break;
    case LOGCTX_VALUE_BOOL:
        *at++ = LOGCTX__WIRE_TAG(LOGCTX_VALUE_BOOL, LOGCTX__WIRE_VARINT);
        *at++ = value->as.boolean ? 1 : 0;
        break;
    case LOGCTX_VALUE_EMPTY:
    case LOGCTX_VALUE_BYTES:
    case LOGCTX_VALUE_ARRAY:
    default:
        return NULL;
    }
    begin[0] = LOGCTX__WIRE_TAG(KEY_VALUE_VALUE, LOGCTX__WIRE_BYTES);
    begin[1] = (uint8_t)(at - begin - 2);
    return at;
}

// False: it is of another sort, or is not to be set, or there is no room here; nothing was done.
static inline bool set_plain(logctx_record_t *record, const logctx_attr_t *attr, bool limited)
{
    const uint32_t max_length = limited ? READ_RELAXED(logctx__limits.value_length) : UINT32_MAX;
    const size_t length = attr->key_length;
    if (length - 1 >= PLAIN_KEY || record->room - record->used < PLAIN_ROOM || record->count == record->capacity)
        return false;
    uint8_t *at = record->bytes + record->used;
    uint64_t seen = 0;
    const uint32_t hash = pass_key(attr->key, length, at + 2, &seen);
    if ((seen & LOGCTX__UTF8_HIGH_BITS) || may_have(record, hash))
        return false;
    at[0] = LOGCTX__WIRE_TAG(KEY_VALUE_KEY, LOGCTX__WIRE_BYTES);
    at[1] = (uint8_t)length;
    const uint8_t *end = put_plain_value(at + 2 + length, &attr->value, max_length);
    if (!end)
        return false;
    const size_t size = (size_t)(end - at);
    if (limited && (record->live[0] >= READ_RELAXED(logctx__limits.attributes) ||
                    record->used - record->dead_bytes + size > READ_RELAXED(logctx__limits.span_bytes)))
        return false;
    logctx__record_commit(record, LOGCTX_PART_ATTRIBUTE, hash, size);
    note_key(record, hash);
    return true;
}

static logctx_status_t set_any(logctx_record_t *record, const logctx_attr_t *attr, bool limited)
{
    uint32_t value_length = limited ? READ_RELAXED(logctx__limits.value_length) : UINT32_MAX;
    char repaired[256];
    const char *key = attr->key;
    size_t length = attr->key_length;
    if (!logctx__utf8_is_ascii(key, length)) {
        length = logctx__utf8_copy(repaired, sizeof repaired, key, length, LOGCTX__UTF8_NO_LIMIT);
        key = repaired;
    }
    logctx_attr_t valid = *attr;
    valid.key = key;
    valid.key_length = length;
    uint32_t hash = hash_of(key, length);
    struct entry *old = find(record, hash, key, length);
    if (limited && !old && record->live[0] >= READ_RELAXED(logctx__limits.attributes)) {
        record->span.dropped_attributes++;
        return LOGCTX_E_LIMIT;
    }
    // Mostly there is room, and the bytes can be written while they are measured; what does not count is not committed.
    uint8_t *bytes = record->bytes + record->used;
    size_t room = record->room - record->used;
    size_t size = logctx__wire_attr_put(bytes, room, &valid, value_length);
    uint32_t replaced = old ? old->length : 0;
    bool fits = size > 0 && (!limited || record->used - record->dead_bytes - replaced + size <=
                                             READ_RELAXED(logctx__limits.span_bytes));
    if (fits && (size > room || record->count == record->capacity)) {
        // The old value stays until the new one is in: a value that does not fit must not cost the one before.
        bytes = logctx__record_reserve(record, size);
        old = find(record, hash, key, length);
        if (bytes)
            logctx__wire_attr_write(bytes, &valid, value_length);
    }
    if (!fits || !bytes) {
        record->span.dropped_attributes++;
        return fits ? LOGCTX_E_NO_MEMORY : LOGCTX_E_LIMIT;
    }
    if (old) {
        old->dead = true;
        record->dead_bytes += old->length;
        record->live[0]--;
    }
    logctx__record_commit(record, LOGCTX_PART_ATTRIBUTE, hash, size);
    note_key(record, hash);
    return LOGCTX_OK;
}

// The library's own attributes are beyond the limits, as are its events: an application that fills a span must not hide
// what the span cost.
logctx_status_t logctx__record_set(logctx_record_t *record, const logctx_attr_t *attr, bool limited)
{
    return likely(set_plain(record, attr, limited)) ? LOGCTX_OK : set_any(record, attr, limited);
}

void logctx__own_key_init(struct own_key *key, const char *text)
{
    *key = (struct own_key){.text = text, .length = (uint8_t)strlen(text)};
    key->hash = hash_of(text, key->length);
    key->head[0] = LOGCTX__WIRE_TAG(KEY_VALUE_KEY, LOGCTX__WIRE_BYTES);
    key->head[1] = key->length;
    memcpy(key->head + 2, text, key->length);
    key->head[2 + key->length] = LOGCTX__WIRE_TAG(KEY_VALUE_VALUE, LOGCTX__WIRE_BYTES);
}

// Where the value of such an attribute goes, of at most `size` bytes; NULL: the long way, which looks for an older one of
// that key, and makes room. The head is copied whole, so that the compiler knows its length.
static inline __attribute__((always_inline)) uint8_t *begin_own(logctx_record_t *record, const struct own_key *key,
                                                                size_t size)
{
    if (unlikely(record->count == record->capacity || record->room - record->used < sizeof key->head + size ||
                 (may_have(record, key->hash) && find(record, key->hash, key->text, key->length))))
        return NULL;
    uint8_t *at = record->bytes + record->used;
    memcpy(at, key->head, sizeof key->head);
    return at + key->length + 3;
}

static inline void end_own(logctx_record_t *record, const struct own_key *key, const uint8_t *end)
{
    logctx__record_commit(record, LOGCTX_PART_ATTRIBUTE, key->hash, (size_t)(end - (record->bytes + record->used)));
    note_key(record, key->hash);
}

// Budget of these three: 40 instructions, and a copy of the text.
void logctx__record_set_own_double(logctx_record_t *record, const struct own_key *key, double value)
{
    uint8_t *at = begin_own(record, key, 16);
    if (unlikely(!at)) {
        const logctx_attr_t attr = logctx_attr_double(key->text, value);
        logctx__record_set(record, &attr, false);
        return;
    }
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    *at++ = 1 + sizeof bits;
    *at++ = LOGCTX__WIRE_TAG(LOGCTX_VALUE_DOUBLE, LOGCTX__WIRE_FIXED64);
    end_own(record, key, logctx__wire_fixed64_write(at, bits));
}

void logctx__record_set_own_int(logctx_record_t *record, const struct own_key *key, int64_t value)
{
    uint8_t *at = begin_own(record, key, 16);
    if (unlikely(!at)) {
        const logctx_attr_t attr = logctx_attr_int(key->text, value);
        logctx__record_set(record, &attr, false);
        return;
    }
    *at++ = (uint8_t)(1 + logctx__wire_varint_size((uint64_t)value));
    *at++ = LOGCTX__WIRE_TAG(LOGCTX_VALUE_INT, LOGCTX__WIRE_VARINT);
    end_own(record, key, logctx__wire_varint_write(at, (uint64_t)value));
}

// `value` is valid UTF-8.
void logctx__record_set_own_string(logctx_record_t *record, const struct own_key *key, const char *value, size_t length)
{
    enum { SHORT = 125 }; // its length, and that of what is around it, take one byte each
    uint8_t *at = length <= SHORT ? begin_own(record, key, 4 + SHORT) : NULL;
    if (unlikely(!at)) {
        const logctx_attr_t attr = logctx_attr_string_n(key->text, value, length);
        logctx__record_set(record, &attr, false);
        return;
    }
    *at++ = (uint8_t)(2 + length);
    *at++ = LOGCTX__WIRE_TAG(LOGCTX_VALUE_STRING, LOGCTX__WIRE_BYTES);
    *at++ = (uint8_t)length;
    memcpy(at, value, length);
    end_own(record, key, at + length);
}

// Events of the library's own have a limit of theirs: an error that comes again and again must not fill the memory.
logctx_status_t logctx__record_add_event(logctx_record_t *record, const char *name, uint64_t unix_ns,
                                         const logctx_attr_t *attrs, size_t count, bool limited)
{
    logctx__wire_event_t event = {unix_ns, name, name ? strlen(name) : 0, attrs, count};
    logctx__wire_limits_t limits = {READ_RELAXED(logctx__limits.value_length),
                                    READ_RELAXED(logctx__limits.attributes_per_event)};
    if (!limited)
        limits = (logctx__wire_limits_t){UINT32_MAX, LOGCTX__WIRE_MAX_ATTRS};
    size_t size = logctx__wire_event_size(&event, &limits);
    bool below = limited ? record->live[1] - record->own_events < READ_RELAXED(logctx__limits.events)
                         : record->own_events < RECORD_OWN_EVENTS;
    bool fits = size > 0 && below &&
                (!limited || record->used - record->dead_bytes + size <= READ_RELAXED(logctx__limits.span_bytes));
    uint8_t *bytes = fits ? logctx__record_reserve(record, size) : NULL;
    if (!bytes) {
        record->span.dropped_events++;
        return fits ? LOGCTX_E_NO_MEMORY : LOGCTX_E_LIMIT;
    }
    logctx__wire_event_write(bytes, &event, &limits);
    logctx__record_commit(record, LOGCTX_PART_EVENT, 0, size);
    record->own_events += !limited;
    return LOGCTX_OK;
}

bool logctx_record_next(const logctx_record_t *record, logctx_part_t part, size_t *cursor, const uint8_t **bytes,
                        size_t *length)
{
    while (record && cursor && *cursor < record->count) {
        const struct entry *entry = &record->entries[(*cursor)++];
        if (entry->dead || entry->part != part)
            continue;
        *bytes = record->bytes + entry->offset;
        *length = entry->length;
        return true;
    }
    return false;
}

// A tag of one byte, and the length; and what logctx_record_write() may write behind the end.
enum { FRAME_MAX = 1 + 5, STRIDE = 64 };

size_t logctx_record_room(const logctx_record_t *record)
{
    if (!record)
        return 0;
    const size_t parts = (size_t)record->live[0] + record->live[1] + record->live[2];
    return record->used - record->dead_bytes + parts * FRAME_MAX + STRIDE;
}

// Budget: at most 900 instructions for `record_write` of twenty attributes, 40 for one of up to 64 bytes. Those are copied in
// one stride of a length that the compiler knows: what is behind them in the record is there to be read, and what comes next
// overwrites it.
uint8_t *logctx_record_write(const logctx_record_t *record, logctx_part_t part, uint8_t *to)
{
    if (!record || record->live[slot_of(part)] == 0)
        return to;
    const uint8_t *bytes = record->bytes;
    const uint32_t room = record->room;
    const uint8_t tag = (uint8_t)LOGCTX__WIRE_TAG(part, LOGCTX__WIRE_BYTES);
    const struct entry *end = record->entries + record->count;
    for (const struct entry *entry = record->entries; entry < end; entry++) {
        if (entry->part != part || entry->dead)
            continue;
        const uint32_t length = entry->length, offset = entry->offset;
        *to++ = tag;
        to = logctx__wire_varint_write(to, length);
        if (likely(length <= STRIDE && room - offset >= STRIDE))
            memcpy(to, bytes + offset, STRIDE);
        else
            memcpy(to, bytes + offset, length);
        to += length;
    }
    return to;
}

bool logctx_record_find(const logctx_record_t *record, const char *key, logctx_attr_t *out)
{
    if (!record || !key || !out)
        return false;
    const uint8_t *bytes;
    size_t length, key_length = strlen(key);
    for (size_t cursor = 0; logctx_record_next(record, LOGCTX_PART_ATTRIBUTE, &cursor, &bytes, &length);)
        if (logctx_attr_read(bytes, length, out) && out->key_length == key_length &&
            memcmp(out->key, key, key_length) == 0)
            return true;
    return false;
}
