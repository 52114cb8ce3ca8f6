/*
 * alloc.h: allocations of the core, counted and made to fail. For programs linked with --wrap (core_alloc_test in
 * CMakeLists.txt): calls from the core, the tests' support and the test come here, those inside the C library do not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_CORE_ALLOC_H
#define LOGCTX_TESTS_CORE_ALLOC_H

#include <stdatomic.h>
#include <stdbool.h>

/* How many allocations there were, and how many of them were not given back yet. */
extern atomic_long alloc_calls, alloc_blocks;

/* The `nth` allocation from now on fails (1: the next), and, if `lasting`, all after it. 0: none fails. */
void alloc_fail(long nth, bool lasting);
/* Whether one has failed since. */
bool alloc_failed(void);

#endif
