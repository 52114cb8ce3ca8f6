/*
 * values.h: how the words of an environment variable become a value (OpenTelemetry, configuration/common.md). Pure
 * functions; saying what was wrong is the caller's part.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_VALUES_H
#define LOGCTX_EXPORTER_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A whole decimal number in [low, high], with white space around it. False for everything else.
bool logctx__value_integer(const char *text, int64_t low, int64_t high, int64_t *out);

// True only for "true" in any case. *odd: it was neither that nor "false".
bool logctx__value_boolean(const char *text, bool *odd);

// The index of `text` among the `count` words, in any case and with white space around it; -1 if it is none of them.
int logctx__value_word(const char *text, const char *const *words, size_t count);

// A copy without white space around it in `out`, cut to fit.
void logctx__value_trim(const char *text, char *out, size_t size);

// Whether it is unset or nothing but white space.
bool logctx__value_blank(const char *text);

#endif
