/*
 * attributes.h: logctx_attr_t as OTLP messages in an arena, for what is not on the way of each span.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_ATTRIBUTES_H
#define LOGCTX_EXPORTER_ATTRIBUTES_H

#include "arena.h"
#include "messages.h"

#include <logctx/trace.h>

// How deep arrays may nest in a value, as in the core; what is deeper becomes an empty value.
enum { LOGCTX__VALUE_DEPTH = 64 };

// NULL for an empty key or without memory (the arena has failed then). Text becomes valid UTF-8.
otlp_pair_t *logctx__attribute(struct logctx__arena *arena, const logctx_attr_t *attr);

// A list of attributes with unique keys: setting a key again replaces the value.
struct logctx__attributes {
    otlp_pair_t **items;
    size_t count;
    size_t capacity;
};

void logctx__attributes_set(struct logctx__attributes *list, struct logctx__arena *arena, logctx_attr_t attr);

#endif
