/*
 * pairs.h: lists of the form "k=v,k=v" with percent-encoding: OTEL_RESOURCE_ATTRIBUTES and the exporter's headers.
 * A reader gives one pair after the other; what a bad one means (skip it, or the whole list) is the caller's choice.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_PAIRS_H
#define LOGCTX_EXPORTER_PAIRS_H

#include <stdbool.h>
#include <stddef.h>

enum { LOGCTX__PAIR_KEY_SIZE = 256, LOGCTX__PAIR_VALUE_SIZE = 8192 };

struct logctx__pair {
    char key[LOGCTX__PAIR_KEY_SIZE]; // decoded; of a bad pair as much of it as fits, if it has one
    char value[LOGCTX__PAIR_VALUE_SIZE];
    size_t value_length;
    const char *fault; // NULL if the pair is good, else what is wrong with it, without its value
};

// The next member; false at the end. `*list` starts at the text. A list that is empty or white space has no members.
bool logctx__pairs_next(const char **list, struct logctx__pair *pair);

// Whether a decoded pair can be an HTTP header (RFC 9110: token, and no control characters) that is not ours to set.
// NULL, or what is wrong.
const char *logctx__pair_header_fault(const struct logctx__pair *pair);

#endif
