/*
 * kinds.h: contexts counted by kind and type: how long they took and what they cost. The reading thread owns everything.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_KINDS_H
#define DASHBOARD_KINDS_H

#include <stddef.h>
#include <stdint.h>

/* Beyond so many kinds, all further ones are counted as one; the library tells no more of them apart, either. */
enum { KINDS_MAX = 2000, KIND_BOUNDS = 9 };

/* Upper bounds of the buckets of durations, in seconds; the last bucket has none. */
extern const double kind_bounds[KIND_BOUNDS];

struct kind {
    char *name;
    char *type; /* NULL: none was said */
    int64_t count, failed, errors;
    int64_t buckets[KIND_BOUNDS + 1];
    double cpu, db, wait; /* sums, in seconds */
    float *durations;
    size_t capacity;
    double p50, p99, max; /* after kinds_finish; NaN without durations */
    size_t rank;          /* after kinds_finish: its place in the order of names */
};

struct kinds {
    struct kind *items;
    size_t count;
    uint32_t *slots; /* of the hash: index + 1 */
};

/* What is counted of one context. Seconds; NaN: not known. */
struct kind_sample {
    double duration, cpu, db, wait;
    int64_t errors;
    int failed;
};

/* NULL items: no memory; then nothing is counted, and the rest may be called all the same. */
void kinds_init(struct kinds *kinds);
void kinds_free(struct kinds *kinds);

/* The kind's index. */
size_t kinds_find(struct kinds *kinds, const char *name, const char *type);
void kinds_add(struct kinds *kinds, size_t index, const struct kind_sample *sample);
void kinds_finish(struct kinds *kinds);

#endif
