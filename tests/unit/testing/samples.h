/*
 * samples.h: the groups of tests that test_testing.c runs as processes of their own, by name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_SAMPLES_H
#define LOGCTX_TESTS_SAMPLES_H

#include <logctx/logctx.h>
#include <logctx/testing.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct sample {
    const char *name;
    const struct CMUnitTest *tests;
    size_t count;
};
#define SAMPLE(group)                                                                                                  \
    {                                                                                                                  \
#group, group, sizeof(group) / sizeof((group)[0])                                                              \
    }

/* Ended by one without a name. */
extern const struct sample samples[], samples_errors[];

/* A request called `name`, with one reference. */
#define request(name) request_at((name), LOGCTX_HERE)
logctx_t *request_at(const char *name, const logctx_site_t *site);
void finish_request(logctx_t *ctx);
/* One context_lost, of a context called `name`. */
void lose(const char *name);
/* A test that finds nothing of the ones before it. */
void fine(void **state);

#endif
