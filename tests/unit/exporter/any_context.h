/*
 * any_context.h: contexts by chance, made and ended by the public API, and beside each the model of its span. With the
 * fake clock, and ids that come from a seed. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_ANY_CONTEXT_H
#define LOGCTX_TESTS_ANY_CONTEXT_H

#include "model_span.h"

enum { BATCH_MAX = 400, KINDS = 40 };

// How often something has come that a run must not be without.
struct any_tally {
    uint64_t dropped_attributes, dropped_events, dropped_links;
    uint64_t huge, parents, nested, remote, lives, failed;
};

extern struct any_world {
    struct any any;
    struct logctx__arena arena; // of one batch
    logctx_limits_t limits;
    uint64_t clock_ns; // of the fake clock, since `begin_unix_ns`
    uint64_t begin_unix_ns;
    int64_t thread_id;
    logctx_kind_t *kinds[KINDS];
    struct any_text kind_names[KINDS];
    struct model_span *models[BATCH_MAX]; // of the batch, in the order of their ends
    size_t model_count;
    struct any_tally tally;
} world;

void any_world_begin(void);
void any_world_end(void);
// From here on the choices are those of that seed.
void any_world_seed(uint64_t seed);

// Forgets the models of the batch before, and takes other limits.
void any_batch_begin(void);
// Makes and ends a few contexts without a parent, and those of their children.
void any_batch_make(void);

struct model_span *any_model(void);

#endif
