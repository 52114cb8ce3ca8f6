// SPDX-License-Identifier: Apache-2.0
// One run of a scenario on the library: what it made, what it left as a trace, and the walk over its ops.
// Handed from thread to thread by creation and join: exactly one of a scenario's threads runs at a time.

#ifndef CONFORMANCE_RUN_H
#define CONFORMANCE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "scenario.h"
#include "trace.h"
#include "world.h"

/* How a body ends: with a deferred (a reference), an error, what it was called with, or, without all these, plainly. */
typedef struct ending {
    logctx_deferred_t *deferred;
    const char *error;
    bool pass;
    bool take;   // the function keeps the value that it was called with
    void *value; // of values.h, of success or failure; NULL: none
} ending_t;

typedef struct run {
    world_t world;
    ending_t ending; // of the body that is running or has just run
    trace_t trace;
    char problem[320]; // why the scenario is not a valid one; "" as long as it is
} run_t;

/* An op that is about to be carried out. */
typedef struct step {
    const json_t *op;
    const char *path;
} step_t;

/*
 * Carries out one op. An op with a result puts a new reference into *result, which is NULL before. False
 * means that the scenario is not valid, run_invalid() has said why, and the run ends.
 */
typedef bool op_handler_t(run_t *run, const step_t *step, json_t **result);

/*
 * Runs the scenario on the calling thread, which is in the sentinel before and after. True if it could be run
 * to its end; the trace is there in any case, until run_close().
 */
bool run_scenario(run_t *run, const scenario_t *scenario);
void run_close(run_t *run);

/* Runs the body that stands under `key` of the op, on the calling thread. False as for a handler. */
bool run_body(run_t *run, const step_t *step, const char *key);

/* Says what is wrong with the scenario at this step; always false. */
bool run_invalid(run_t *run, const step_t *step, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Fields of an op. False if it has none of that name and type. */
bool run_string(run_t *run, const step_t *step, const char *key, const char **out);
bool run_integer(run_t *run, const step_t *step, const char *key, int64_t *out);

/* A field of whole milliseconds, as nanoseconds. */
bool run_ms(run_t *run, const step_t *step, const char *key, int64_t *out_ns);

/* The context that a field names; the sentinel only where its reserved name is allowed. */
bool run_context(run_t *run, const step_t *step, const char *key, logctx_t **out);
bool run_context_or_sentinel(run_t *run, const step_t *step, const char *key, logctx_t **out);

#endif
