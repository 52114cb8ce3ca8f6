// Kinds and series: names interned for ever, found without a lock once they exist, bounded in number.
//
// A kind is looked up by name in a hash table; a nested kind by its suffix in its parent's list, so that making a nested
// context needs no hashing. A series is a kind with a type: one row of each metric.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"
#include "utf8.h"

#include <string.h>

enum { BUCKETS = 1024 };

// `buckets`, `count` and the writing of nested lists and series: under `lock`. Readers follow pointers that were stored
// with release and never change afterwards.
static struct {
    lock_t lock;
    _Atomic(struct logctx_kind *) buckets[BUCKETS];
    uint32_t kinds;
    uint32_t series;
    _Atomic(struct series *) newest;
} registry = {.lock = 0};

static struct logctx_kind other = {.name = "_other"};
static struct series other_series[LOGCTX_TYPE_COUNT] = {
    {.kind = &other, .type = LOGCTX_TYPE_REQUEST, .number = 0},
    {.kind = &other, .type = LOGCTX_TYPE_BACKGROUND, .number = 1},
    {.kind = &other, .type = LOGCTX_TYPE_NESTED, .number = 2},
    {.kind = &other, .type = LOGCTX_TYPE_THREAD, .number = 3},
    {.kind = &other, .type = LOGCTX_TYPE_CALLBACK, .number = 4},
};

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 16777619u;
    return hash % BUCKETS;
}

static struct logctx_kind *find(const char *name, uint32_t bucket)
{
    struct logctx_kind *kind = atomic_load_explicit(&registry.buckets[bucket], memory_order_acquire);
    while (kind && strcmp(kind->name, name) != 0)
        kind = kind->next_in_bucket;
    return kind;
}

// Under the registry's lock. The name is made valid UTF-8, since it becomes a span name and a label.
static struct logctx_kind *create(const char *name, uint32_t bucket)
{
    size_t length = strlen(name);
    size_t room = logctx__utf8_size(name, length, LOGCTX__UTF8_NO_LIMIT);
    if (registry.kinds >= LOGCTX_KINDS_MAX || room > LOGCTX_KIND_NAME_MAX)
        return &other;
    char valid[LOGCTX_KIND_NAME_MAX + 1];
    const char *copy = logctx__table_text(valid, logctx__utf8_copy(valid, room, name, length, LOGCTX__UTF8_NO_LIMIT));
    struct logctx_kind *kind = copy ? logctx__table_element(LOGCTX_TABLE_KINDS, sizeof *kind) : NULL;
    if (!kind)
        return &other;
    kind->name = copy;
    kind->number = registry.kinds++;
    logctx__table_written(kind, sizeof *kind);
    kind->next_in_bucket = READ_RELAXED(registry.buckets[bucket]);
    atomic_store_explicit(&registry.buckets[bucket], kind, memory_order_release);
    return kind;
}

static struct logctx_kind *find_or_create(const char *name)
{
    uint32_t bucket = hash_of(name);
    struct logctx_kind *kind = find(name, bucket);
    if (likely(kind != NULL))
        return kind;
    logctx__lock(&registry.lock);
    kind = find(name, bucket);
    if (!kind)
        kind = create(name, bucket);
    logctx__unlock(&registry.lock);
    return kind;
}

logctx_kind_t *logctx_kind(const char *name)
{
    if (!name || !*name || strcmp(name, other.name) == 0)
        return &other;
    // A name that is not valid UTF-8 is interned under its repaired form.
    size_t length = strlen(name);
    if (length > LOGCTX_KIND_NAME_MAX)
        return &other;
    char repaired[LOGCTX_KIND_NAME_MAX * 3 + 1];
    repaired[logctx__utf8_copy(repaired, sizeof repaired - 1, name, length, LOGCTX__UTF8_NO_LIMIT)] = '\0';
    return find_or_create(repaired);
}

const char *logctx_kind_name(const logctx_kind_t *kind)
{
    return kind ? kind->name : other.name;
}

static struct logctx_kind *find_nested(struct logctx_kind *parent, const char *suffix)
{
    struct logctx_kind *kind = atomic_load_explicit(&parent->first_nested, memory_order_acquire);
    while (kind && kind->suffix != suffix && strcmp(kind->suffix, suffix) != 0)
        kind = kind->next_nested;
    return kind;
}

struct logctx_kind *logctx__nested_kind(struct logctx_kind *parent, const char *suffix)
{
    struct logctx_kind *kind = find_nested(parent, suffix);
    if (likely(kind != NULL))
        return kind;
    char name[LOGCTX_KIND_NAME_MAX + 1];
    size_t parent_length = strlen(parent->name), suffix_length = strlen(suffix);
    if (parent == &other || parent_length + 1 + suffix_length >= sizeof name)
        return &other;
    memcpy(name, parent->name, parent_length);
    name[parent_length] = '-';
    memcpy(name + parent_length + 1, suffix, suffix_length + 1);
    kind = logctx_kind(name);
    if (kind == &other)
        return kind;
    // The same name may have been made by hand, or under another parent ("a-b" + "c", "a" + "b-c"): then it is found
    // by name each time, since a kind stands in one list only.
    logctx__lock(&registry.lock);
    if (!kind->suffix) {
        kind->suffix = strdup(suffix);
        if (kind->suffix) {
            kind->next_nested = READ_RELAXED(parent->first_nested);
            atomic_store_explicit(&parent->first_nested, kind, memory_order_release);
        }
    }
    logctx__unlock(&registry.lock);
    return kind;
}

static void publish(struct series *series)
{
    series->next = READ_RELAXED(registry.newest);
    atomic_store_explicit(&registry.newest, series, memory_order_release);
}

static void publish_others(void)
{
    for (size_t i = 0; i < LOGCTX_TYPE_COUNT; i++) {
        publish(&other_series[i]);
        atomic_store_explicit(&other.series[i], &other_series[i], memory_order_release);
    }
    registry.series = LOGCTX_TYPE_COUNT;
}

struct series *logctx__series(struct logctx_kind *kind, logctx_type_t type)
{
    struct series *series = atomic_load_explicit(&kind->series[type], memory_order_acquire);
    if (likely(series != NULL))
        return series;
    logctx__lock(&registry.lock);
    if (registry.series == 0)
        publish_others();
    series = READ_RELAXED(kind->series[type]);
    if (!series) {
        series = logctx__table_element(LOGCTX_TABLE_SERIES, sizeof *series);
        if (series) {
            *series = (struct series){.kind = kind, .type = type, .number = registry.series++};
            logctx__table_written(series, sizeof *series);
            publish(series);
            atomic_store_explicit(&kind->series[type], series, memory_order_release);
        } else {
            series = &other_series[type];
        }
    }
    logctx__unlock(&registry.lock);
    return series;
}

struct series *logctx__all_series(void)
{
    return atomic_load_explicit(&registry.newest, memory_order_acquire);
}

const struct series *logctx__other_series(void)
{
    return other_series;
}

// In a child of fork(): series count from zero, since the first context of theirs there.
void logctx__series_restart(void)
{
    for (struct series *series = logctx__all_series(); series; series = series->next) {
        atomic_store_explicit(&series->since_unix, 0, memory_order_relaxed);
        series->emitted_cpu = series->emitted_user = series->emitted_system = series->emitted_running = 0;
        series->sampled_user = series->sampled_system = 0;
    }
}

static const char *find_error_type(struct series *series, const char *text)
{
    unsigned count = atomic_load_explicit(&series->error_type_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++)
        if (strcmp(READ_RELAXED(series->error_types[i]), text) == 0)
            return READ_RELAXED(series->error_types[i]);
    return NULL;
}

// One place is kept for what stands for all types beyond the limit, so that the label stays bounded whatever callers put
// into it. It is there once, also where callers use that name themselves.
const char *logctx__error_type(struct series *series, const char *text)
{
    static const char others[] = "_OTHER";
    const char *found = find_error_type(series, text);
    if (likely(found != NULL))
        return found;
    logctx__lock(&registry.lock);
    unsigned count = READ_RELAXED(series->error_type_count), places = LOGCTX_ERROR_TYPES_MAX - 1;
    const char *other_type = find_error_type(series, others);
    bool room = count < (other_type ? places : places - 1);
    found = find_error_type(series, text);
    if (!found) {
        const char *fresh = room && strcmp(text, others) != 0 ? strdup(text) : NULL;
        found = fresh ? fresh : other_type;
    }
    if (!found)
        found = others;
    if (!find_error_type(series, found)) {
        atomic_store_explicit(&series->error_types[count], found, memory_order_relaxed);
        atomic_store_explicit(&series->error_type_count, count + 1, memory_order_release);
    }
    logctx__unlock(&registry.lock);
    return found;
}
