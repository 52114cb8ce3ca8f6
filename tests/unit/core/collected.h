/*
 * collected.h: one collection, kept for a test to look at. The copies belong to the test's thread, until the next one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_CORE_COLLECTED_H
#define LOGCTX_TESTS_CORE_COLLECTED_H

#include "support.h"

/* Collect, and the series of that kind and type; NULL if there is none. */
const logctx_series_t *collect(const char *kind, const char *type);
/* From the same collection. */
const logctx_series_t *collected(const char *kind, const char *type);
const logctx_loop_sums_t *collected_loop(const char *name);
/* Sum over all series of the last collection. */
logctx_series_t collected_sum(void);

#endif
