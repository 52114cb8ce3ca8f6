// Points: attribute sets of an instrument, found by a hash that does not depend on their order. Nearly all lookups find
// what is there, without a lock; what is not found is brought into its one form (valid UTF-8, unique keys, sorted), and
// looked for again under the instrument's lock.
//
// SPDX-License-Identifier: Apache-2.0
#include "instrument.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 16, DEPTH_MAX = 8, COUNT_INLINE = 64 };

static atomic_uint points;

// ---- the hash ----

// Multiplied to 128 bits and folded: one multiplication mixes 16 bytes.
static inline uint64_t mix(uint64_t hash, uint64_t value)
{
    __extension__ unsigned __int128 product = (unsigned __int128)(hash ^ 0x9e3779b97f4a7c15u) *
                                              (value ^ 0xd6e8feb86659fd93u);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t load8(const char *at)
{
    uint64_t value;
    memcpy(&value, at, 8);
    return value;
}

static inline uint64_t load4(const char *at)
{
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

// The bytes of a short text in two words, by loads that overlap.
static inline void two_words(const char *at, size_t length, uint64_t *a, uint64_t *b)
{
    if (length >= 8) {
        *a = load8(at);
        *b = load8(at + length - 8);
    } else if (length >= 4) {
        *a = load4(at);
        *b = load4(at + length - 4);
    } else {
        *a = *b = 0;
        for (size_t i = 0; i < length; i++)
            *a = *a << 8 | (unsigned char)at[i];
    }
}

static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const char *at = bytes;
    uint64_t a, b;
    hash ^= length;
    for (; length > 16; at += 16, length -= 16)
        hash = mix(load8(at) ^ hash, load8(at + 8));
    two_words(at, length, &a, &b);
    return mix(a ^ hash, b ^ hash << 1);
}

static inline bool bytes_equal(const void *one, const void *other, size_t length)
{
    const char *a = one, *b = other;
    uint64_t words[4];
    for (; length > 16; a += 8, b += 8, length -= 8)
        if (load8(a) != load8(b))
            return false;
    two_words(a, length, &words[0], &words[1]);
    two_words(b, length, &words[2], &words[3]);
    return words[0] == words[2] && words[1] == words[3];
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint64_t hash_value(uint64_t hash, const logctx_value_t *value, unsigned depth)
{
    hash = mix(hash, (uint64_t)value->type);
    switch (value->type) {
    case LOGCTX_VALUE_STRING:
    case LOGCTX_VALUE_BYTES:
        return hash_bytes(hash, value->as.bytes.data, value->as.bytes.length);
    case LOGCTX_VALUE_BOOL:
        return mix(hash, value->as.boolean);
    case LOGCTX_VALUE_INT:
        return mix(hash, (uint64_t)value->as.integer);
    case LOGCTX_VALUE_DOUBLE:
        return mix(hash, bits_of(value->as.real));
    case LOGCTX_VALUE_ARRAY:
        hash = mix(hash, value->as.array.count);
        for (size_t i = 0; i < value->as.array.count && depth < DEPTH_MAX; i++)
            hash = hash_value(hash, &value->as.array.items[i], depth + 1);
        return hash;
    case LOGCTX_VALUE_EMPTY:
        break;
    }
    return hash;
}

// A sum, so that the order does not matter.
static uint64_t hash_set(const logctx_attr_t *attrs, size_t count)
{
    uint64_t sum = count;
    for (size_t i = 0; i < count; i++)
        sum += hash_value(hash_bytes(0, attrs[i].key, attrs[i].key_length), &attrs[i].value, 0);
    return mix(0, sum);
}

// ---- comparing ----

static bool value_equals(const logctx_value_t *a, const logctx_value_t *b, unsigned depth)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case LOGCTX_VALUE_STRING:
    case LOGCTX_VALUE_BYTES:
        return a->as.bytes.length == b->as.bytes.length &&
               bytes_equal(a->as.bytes.data, b->as.bytes.data, a->as.bytes.length);
    case LOGCTX_VALUE_BOOL:
        return a->as.boolean == b->as.boolean;
    case LOGCTX_VALUE_INT:
        return a->as.integer == b->as.integer;
    case LOGCTX_VALUE_DOUBLE:
        return bits_of(a->as.real) == bits_of(b->as.real);
    case LOGCTX_VALUE_ARRAY:
        if (a->as.array.count != b->as.array.count)
            return false;
        for (size_t i = 0; i < a->as.array.count && depth < DEPTH_MAX; i++)
            if (!value_equals(&a->as.array.items[i], &b->as.array.items[i], depth + 1))
                return false;
        return true;
    case LOGCTX_VALUE_EMPTY:
        break;
    }
    return true;
}

static inline bool key_equals(const logctx_attr_t *a, const logctx_attr_t *b)
{
    return a->key_length == b->key_length && bytes_equal(a->key, b->key, a->key_length);
}

// In any order. The point's keys are unique: if as many different ones of them were met, all were.
static bool set_equals(const logctx_point_t *point, const logctx_attr_t *attrs, size_t count)
{
    if (point->attr_count != count || count > COUNT_INLINE)
        return false; // that many are compared in their one form only
    uint64_t met = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = i; // mostly the order is the same
        for (size_t tried = 0; tried < count; tried++, at = at + 1 == count ? 0 : at + 1)
            if (key_equals(&point->attrs[at], &attrs[i]))
                break;
        if (!key_equals(&point->attrs[at], &attrs[i]) || (met & UINT64_C(1) << at) ||
            !value_equals(&point->attrs[at].value, &attrs[i].value, 0))
            return false;
        met |= UINT64_C(1) << at;
    }
    return true;
}

static bool canonical_equals(const logctx_point_t *point, const logctx_attr_t *attrs, size_t count)
{
    if (point->attr_count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!key_equals(&point->attrs[i], &attrs[i]) || !value_equals(&point->attrs[i].value, &attrs[i].value, 0))
            return false;
    return true;
}

// ---- the table ----

typedef bool equals_t(const logctx_point_t *point, const logctx_attr_t *attrs, size_t count);

static logctx_point_t *find(logctx_instrument_t *instrument, uint64_t hash, const logctx_attr_t *attrs, size_t count,
                            equals_t *equals)
{
    const struct point_table *table = atomic_load_explicit(&instrument->table, memory_order_acquire);
    if (!table)
        return NULL;
    for (uint32_t at = (uint32_t)hash & table->mask;; at = (at + 1) & table->mask) {
        logctx_point_t *point = atomic_load_explicit(&table->slots[at], memory_order_acquire);
        if (!point || (point->hash == hash && equals(point, attrs, count)))
            return point;
    }
}

static void put(struct point_table *table, logctx_point_t *point)
{
    uint32_t at = (uint32_t)point->hash & table->mask;
    while (READ_RELAXED(table->slots[at]))
        at = (at + 1) & table->mask;
    atomic_store_explicit(&table->slots[at], point, memory_order_release);
}

// At most half full. The table before stays: somebody may be reading it. All of them are twice the last one at most.
static bool make_room(logctx_instrument_t *instrument)
{
    struct point_table *table = READ_RELAXED(instrument->table);
    if (table && instrument->point_count < (table->mask + 1) / 2)
        return true;
    uint32_t slots = table ? (table->mask + 1) * 2 : FIRST_SLOTS;
    struct point_table *larger = calloc(1, sizeof *larger + slots * sizeof larger->slots[0]);
    if (!larger)
        return false;
    larger->mask = slots - 1;
    larger->before = table;
    for (logctx_point_t *point = READ_RELAXED(instrument->first); point; point = READ_RELAXED(point->next))
        put(larger, point);
    atomic_store_explicit(&instrument->table, larger, memory_order_release);
    return true;
}

// ---- the one form ----

// Copies a value into memory of its own: false without memory. What is copied is freed with free_value().
static bool copy_value(logctx_value_t *to, const logctx_value_t *from, unsigned depth)
{
    *to = *from;
    if (from->type == LOGCTX_VALUE_STRING || from->type == LOGCTX_VALUE_BYTES) {
        bool text = from->type == LOGCTX_VALUE_STRING;
        size_t length = from->as.bytes.data ? from->as.bytes.length : 0;
        size_t room = text ? logctx__utf8_size(from->as.bytes.data, length, LOGCTX__UTF8_NO_LIMIT) : length;
        room = room < POINT_TEXT_MAX ? room : POINT_TEXT_MAX;
        char *copy = malloc(room + 1);
        if (!copy)
            return false;
        if (text)
            room = logctx__utf8_copy(copy, room, from->as.bytes.data, length, LOGCTX__UTF8_NO_LIMIT);
        else if (room > 0)
            memcpy(copy, from->as.bytes.data, room);
        to->as.bytes.data = copy;
        to->as.bytes.length = room;
    } else if (from->type == LOGCTX_VALUE_ARRAY) {
        size_t count = depth < DEPTH_MAX ? from->as.array.count : 0;
        count = count < POINT_ATTRS_MAX ? count : POINT_ATTRS_MAX;
        logctx_value_t *items = calloc(count + 1, sizeof *items);
        to->as.array.items = items;
        to->as.array.count = 0;
        for (; items && to->as.array.count < count; to->as.array.count++)
            if (!copy_value(&items[to->as.array.count], &from->as.array.items[to->as.array.count], depth + 1))
                return false;
        return items != NULL;
    }
    return true;
}

static void free_value(logctx_value_t *value)
{
    if (value->type == LOGCTX_VALUE_STRING || value->type == LOGCTX_VALUE_BYTES)
        free((void *)(uintptr_t)value->as.bytes.data);
    if (value->type != LOGCTX_VALUE_ARRAY)
        return;
    logctx_value_t *items = (logctx_value_t *)(uintptr_t)value->as.array.items;
    for (size_t i = 0; i < value->as.array.count; i++)
        free_value(&items[i]);
    free(items);
}

static void free_attrs(logctx_attr_t *attrs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((char *)(uintptr_t)attrs[i].key);
        free_value(&attrs[i].value);
    }
    free(attrs);
}

static bool copy_attr(logctx_attr_t *to, const logctx_attr_t *from)
{
    size_t room = logctx__utf8_size(from->key, from->key_length, LOGCTX__UTF8_NO_LIMIT);
    room = room < POINT_TEXT_MAX ? room : POINT_TEXT_MAX;
    char *key = malloc(room + 1);
    if (!key)
        return false;
    room = logctx__utf8_copy(key, room, from->key, from->key_length, LOGCTX__UTF8_NO_LIMIT);
    key[room] = '\0';
    *to = (logctx_attr_t){.key = key, .key_length = room};
    if (copy_value(&to->value, &from->value, 0))
        return true;
    free(key);
    return false;
}

// Where a key is among sorted ones, or belongs.
static size_t place_of(const logctx_attr_t *attrs, size_t count, const logctx_attr_t *attr, bool *there)
{
    *there = false;
    for (size_t i = 0; i < count; i++) {
        size_t shorter = attrs[i].key_length < attr->key_length ? attrs[i].key_length : attr->key_length;
        int order = memcmp(attrs[i].key, attr->key, shorter);
        if (order == 0)
            order = (attrs[i].key_length > attr->key_length) - (attrs[i].key_length < attr->key_length);
        *there = order == 0;
        if (order >= 0)
            return i;
    }
    return count;
}

static bool value_is_sound(const logctx_value_t *value, unsigned depth)
{
    if (value->type == LOGCTX_VALUE_STRING || value->type == LOGCTX_VALUE_BYTES)
        return value->as.bytes.data || value->as.bytes.length == 0;
    if (value->type != LOGCTX_VALUE_ARRAY)
        return true;
    if (!value->as.array.items && value->as.array.count > 0)
        return false;
    for (size_t i = 0; i < value->as.array.count && depth < DEPTH_MAX; i++)
        if (!value_is_sound(&value->as.array.items[i], depth + 1))
            return false;
    return true;
}

static bool is_sound(const logctx_attr_t *attr)
{
    return attr->key && attr->key_length > 0 && value_is_sound(&attr->value, 0);
}

// Sorted and unique, in memory of its own. NULL without memory.
static logctx_attr_t *canonical(const logctx_attr_t *attrs, size_t count, size_t *kept)
{
    logctx_attr_t *own = calloc(POINT_ATTRS_MAX, sizeof *own);
    *kept = 0;
    for (size_t i = 0; own && i < count; i++) {
        logctx_attr_t attr;
        bool there;
        if (!is_sound(&attrs[i]))
            continue;
        if (!copy_attr(&attr, &attrs[i])) {
            free_attrs(own, *kept);
            return NULL;
        }
        size_t at = place_of(own, *kept, &attr, &there);
        if (there) {
            free((char *)(uintptr_t)own[at].key);
            free_value(&own[at].value);
        } else if (*kept == POINT_ATTRS_MAX) {
            free((char *)(uintptr_t)attr.key);
            free_value(&attr.value);
            continue;
        } else {
            memmove(&own[at + 1], &own[at], (*kept - at) * sizeof *own);
            (*kept)++;
        }
        own[at] = attr;
    }
    return own;
}

// ---- making ----

// Takes `attrs` over.
static logctx_point_t *make(logctx_instrument_t *instrument, uint64_t hash, logctx_attr_t *attrs, size_t count)
{
    logctx_point_t *point = make_room(instrument) ? calloc(1, sizeof *point) : NULL;
    if (!point) {
        free_attrs(attrs, count);
        return NULL;
    }
    point->instrument = instrument;
    point->hash = hash;
    point->since_unix = logctx__unix();
    point->number = atomic_fetch_add_explicit(&points, 1, memory_order_relaxed);
    point->attrs = attrs;
    point->attr_count = (uint32_t)count;
    atomic_store_explicit(&point->next, READ_RELAXED(instrument->first), memory_order_relaxed);
    put(READ_RELAXED(instrument->table), point);
    atomic_store_explicit(&instrument->first, point, memory_order_release);
    instrument->point_count++;
    return point;
}

static logctx_point_t *overflow_of(logctx_instrument_t *instrument)
{
    logctx_point_t *point = READ_RELAXED(instrument->overflow);
    if (point)
        return point;
    const logctx_attr_t attr = logctx_attr_bool("otel.metric.overflow", true);
    size_t kept;
    logctx_attr_t *attrs = canonical(&attr, 1, &kept);
    point = attrs ? make(instrument, hash_set(attrs, kept), attrs, kept) : NULL;
    atomic_store_explicit(&instrument->overflow, point, memory_order_release);
    return point;
}

static logctx_point_t *find_or_make(logctx_instrument_t *instrument, const logctx_attr_t *attrs, size_t count)
{
    size_t kept;
    logctx_attr_t *own = canonical(attrs, count, &kept);
    if (!own)
        return NULL;
    uint64_t hash = hash_set(own, kept);
    logctx__lock(&instrument->lock);
    logctx_point_t *point = find(instrument, hash, own, kept, canonical_equals);
    // The overflow's own point takes nobody's place: 2,000 sets never overflow.
    bool full = instrument->point_count - (READ_RELAXED(instrument->overflow) ? 1 : 0) >= POINTS_PER_INSTRUMENT ||
                READ_RELAXED(points) >= POINTS_MAX;
    if (point || full)
        free_attrs(own, kept);
    if (!point)
        point = full ? overflow_of(instrument) : make(instrument, hash, own, kept);
    logctx__unlock(&instrument->lock);
    return point;
}

// ---- what a thread found lately ----

// By where keys and texts lie, not by what they say: most are literals, so that nothing needs to be read to guess the point.
// Whoever has them elsewhere each time misses, and pays for the guess.
static inline uint64_t place_hash(const logctx_instrument_t *instrument, const logctx_attr_t *attrs, size_t count)
{
    uint64_t hash = (uint64_t)(uintptr_t)instrument;
    for (size_t i = 0; i < count; i++) {
        uint64_t value = (uint64_t)attrs[i].value.as.integer; // of texts, where they lie
        hash = (hash ^ (uint64_t)(uintptr_t)attrs[i].key ^ value << 20) * 0x9e3779b97f4a7c15u;
    }
    return hash;
}

static inline bool simple_equals(const logctx_value_t *a, const logctx_value_t *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == LOGCTX_VALUE_STRING)
        return a->as.bytes.length == b->as.bytes.length && b->as.bytes.data &&
               bytes_equal(a->as.bytes.data, b->as.bytes.data, a->as.bytes.length);
    return a->type == LOGCTX_VALUE_INT && a->as.integer == b->as.integer;
}

// Of texts and whole numbers, in any order, as in set_equals(): what is of another sort is looked up.
static inline bool plainly_equals(const logctx_point_t *point, const logctx_attr_t *attrs, size_t count)
{
    unsigned met = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        if (!attrs[i].key)
            return false;
        for (size_t tried = 1; !key_equals(&point->attrs[at], &attrs[i]); tried++) {
            if (tried == count)
                return false;
            at = at + 1 == count ? 0 : at + 1;
        }
        if ((met & 1u << at) || !simple_equals(&point->attrs[at].value, &attrs[i].value))
            return false;
        met |= 1u << at;
    }
    return true;
}

static __attribute__((noinline)) logctx_point_t *look_up(logctx_instrument_t *instrument, const logctx_attr_t *attrs,
                                                         size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (unlikely(!is_sound(&attrs[i])))
            return find_or_make(instrument, attrs, count);
    logctx_point_t *point = find(instrument, hash_set(attrs, count), attrs, count, set_equals);
    return likely(point != NULL) ? point : find_or_make(instrument, attrs, count);
}

// Budget: at most 340 instructions for `counter_add_lookup`, with two attributes made for it.
logctx_point_t *logctx__point(logctx_instrument_t *instrument, const logctx_attr_t *attrs, size_t count)
{
    enum { GUESSED_ATTRS = 8 };
    struct thread *thread = this_thread();
    if (unlikely(!attrs))
        count = 0;
    if (unlikely(!thread || count == 0 || count > GUESSED_ATTRS))
        return look_up(instrument, attrs, count);
    logctx_point_t **place = &thread->points[place_hash(instrument, attrs, count) >> (64 - LOGCTX_POINTS_SHIFT)];
    logctx_point_t *point = *place;
    if (likely(point && point->instrument == instrument && point->attr_count == count &&
               plainly_equals(point, attrs, count)))
        return point;
    point = look_up(instrument, attrs, count);
    if (point)
        *place = point;
    return point;
}

logctx_point_t *logctx_point(logctx_instrument_t *instrument, const logctx_attr_t *attrs, size_t count)
{
    return instrument ? logctx__point(instrument, attrs, count) : NULL;
}
