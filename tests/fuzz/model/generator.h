// SPDX-License-Identifier: Apache-2.0
// Makes a scenario from bytes, op by op while the model carries it out: what exists, who waits for whom and what the clocks
// say is known when each op is chosen, so that every scenario is a valid one. One thread.

#ifndef FUZZ_GENERATOR_H
#define FUZZ_GENERATOR_H

#include "model.h"

typedef struct generator {
    const uint8_t *bytes;
    size_t left;
    unsigned made;  // ops
    unsigned ids;   // given out
    size_t closing; // of the questions that end each scenario: which is next
    char text[24];
} generator_t;

/* The source of a model whose ops are made. */
json_t *generator_next(void *generator, model_t *model, const json_t *owner, const char *key, json_t *ops,
                       size_t index);

#endif
