/*
 * support.h: what several tests of the exporter need: an environment that they make up, the log lines that the library
 * wrote, and contexts to export.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_SUPPORT_H
#define LOGCTX_TESTS_SUPPORT_H

#include "options.h"

#include <logctx/logctx.h>
#include <logctx/recorder.h>
#include <logctx/testing.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

// Pairs of name and value, ended by NULL.
struct logctx__environment support_environment(const char *const *pairs);

// From here on the library's lines are kept, and are forgotten by the next call.
void support_log_begin(void);
int support_log_count(void);
// How many of them contain both words (the second may be NULL).
int support_log_matching(const char *word, const char *other);

// Makes `count` contexts of that kind and finishes them.
void support_contexts(const char *kind, int count);

#endif
