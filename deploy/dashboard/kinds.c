// SPDX-License-Identifier: Apache-2.0
// Counts contexts by kind and type. The reading thread owns everything.

#include "kinds.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 8192 };

const double kind_bounds[KIND_BOUNDS] = {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10};

void kinds_init(struct kinds *kinds)
{
    *kinds = (struct kinds){
        .items = calloc(KINDS_MAX + 1, sizeof *kinds->items),
        .slots = calloc(SLOTS, sizeof *kinds->slots),
    };
    if (kinds->items == NULL || kinds->slots == NULL)
        kinds_free(kinds);
}

void kinds_free(struct kinds *kinds)
{
    for (size_t i = 0; i < kinds->count; i++) {
        free(kinds->items[i].name);
        free(kinds->items[i].type);
        free(kinds->items[i].durations);
    }
    free(kinds->items);
    free(kinds->slots);
    *kinds = (struct kinds){0};
}

static uint32_t hash_text(uint32_t hash, const char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return (hash ^ 0xFF) * 16777619u;
}

static bool is_kind(const struct kind *kind, const char *name, const char *type)
{
    if (strcmp(kind->name, name) != 0)
        return false;
    return type == NULL || kind->type == NULL ? type == kind->type : strcmp(kind->type, type) == 0;
}

size_t kinds_find(struct kinds *kinds, const char *name, const char *type)
{
    if (kinds->items == NULL)
        return 0;
    uint32_t at = hash_text(hash_text(2166136261u, name), type) % SLOTS;
    for (; kinds->slots[at] != 0; at = (at + 1) % SLOTS)
        if (is_kind(&kinds->items[kinds->slots[at] - 1], name, type))
            return kinds->slots[at] - 1;
    bool full = kinds->count >= KINDS_MAX;
    if (full && kinds->count > KINDS_MAX)
        return KINDS_MAX;
    char *copy = strdup(full ? "(further kinds)" : name);
    if (copy == NULL)
        return kinds->count > 0 ? kinds->count - 1 : 0;
    struct kind *kind = &kinds->items[kinds->count++];
    kind->name = copy;
    kind->type = full || type == NULL ? NULL : strdup(type);
    if (!full)
        kinds->slots[at] = (uint32_t)kinds->count;
    return kinds->count - 1;
}

static void keep_duration(struct kind *kind, double duration)
{
    if ((size_t)kind->count == kind->capacity) {
        size_t capacity = kind->capacity > 0 ? 2 * kind->capacity : 64;
        float *durations = realloc(kind->durations, capacity * sizeof *durations);
        if (durations == NULL)
            return;
        kind->durations = durations;
        kind->capacity = capacity;
    }
    kind->durations[kind->count++] = (float)duration;
}

void kinds_add(struct kinds *kinds, size_t index, const struct kind_sample *sample)
{
    if (index >= kinds->count)
        return;
    struct kind *kind = &kinds->items[index];
    size_t bucket = 0;
    while (bucket < KIND_BOUNDS && sample->duration > kind_bounds[bucket])
        bucket++;
    kind->buckets[bucket]++;
    kind->failed += sample->failed;
    kind->errors += sample->errors;
    kind->cpu += isnan(sample->cpu) ? 0 : sample->cpu;
    kind->db += isnan(sample->db) ? 0 : sample->db;
    kind->wait += isnan(sample->wait) ? 0 : sample->wait;
    keep_duration(kind, sample->duration);
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x > y) - (x < y);
}

// The smallest value that so large a share of all does not exceed.
static double percentile(const struct kind *kind, double share)
{
    size_t rank = (size_t)ceil(share * (double)kind->count);
    return kind->count > 0 ? kind->durations[rank > 0 ? rank - 1 : 0] : NAN;
}

static int by_name(const void *a, const void *b)
{
    const struct kind *x = *(struct kind *const *)a;
    const struct kind *y = *(struct kind *const *)b;
    return strcmp(x->name, y->name);
}

static void rank(struct kinds *kinds)
{
    struct kind **order = calloc(kinds->count + 1, sizeof(struct kind *));
    for (size_t i = 0; order != NULL && i < kinds->count; i++)
        order[i] = &kinds->items[i];
    if (order != NULL)
        qsort(order, kinds->count, sizeof(struct kind *), by_name);
    for (size_t i = 0; order != NULL && i < kinds->count; i++)
        order[i]->rank = i > 0 && by_name(&order[i - 1], &order[i]) == 0 ? order[i - 1]->rank : i;
    free(order);
}

void kinds_finish(struct kinds *kinds)
{
    for (size_t i = 0; i < kinds->count; i++) {
        struct kind *kind = &kinds->items[i];
        if (kind->durations != NULL)
            qsort(kind->durations, (size_t)kind->count, sizeof *kind->durations, by_value);
        kind->p50 = percentile(kind, 0.5);
        kind->p99 = percentile(kind, 0.99);
        kind->max = percentile(kind, 1);
    }
    rank(kinds);
}
