// SPDX-License-Identifier: Apache-2.0
// What the examples of docs/async.md share: facts that have to hold, and how many errors there were. One thread.
#ifndef CHECK_H
#define CHECK_H

#include <logctx/logctx.h>
#include <stdio.h>
#include <string.h>

static int failures;

// A fact that the page states. The program goes on, and ends with 1.
#define CHECK(fact)                                                                                                    \
    do {                                                                                                               \
        if (!(fact)) {                                                                                                 \
            failures++;                                                                                                \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #fact);                                         \
        }                                                                                                              \
    } while (0)

static inline uint64_t all_errors(void)
{
    uint64_t sum = 0;
    for (logctx_error_kind_t kind = 0; kind < LOGCTX_ERROR_COUNT; kind++)
        sum += logctx_error_count(kind);
    return sum;
}

// A context of that name, made in the sentinel and current from here on, and its end. Errors name the line that uses them.
static inline logctx_t *begin_at(const char *name, const logctx_site_t *site)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = name;
    logctx_t *ctx = logctx_new_at(logctx_kind("GET /rooms/{id}"), &opts, site);
    logctx_enter_at(ctx, site);
    return ctx;
}

static inline void end_at(logctx_t *ctx, const logctx_site_t *site)
{
    logctx_exit_at(ctx, site);
    logctx_unref(ctx);
}

#define begin(name) begin_at((name), LOGCTX_HERE)
#define end(ctx) end_at((ctx), LOGCTX_HERE)

// Whether the context that is current has that name.
static inline bool in(const char *name)
{
    return strcmp(logctx_name(logctx_current()), name) == 0;
}

#endif
