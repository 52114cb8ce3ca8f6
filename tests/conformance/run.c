// SPDX-License-Identifier: Apache-2.0
// Walks a scenario: op by op, body by body, with a record after the one and before the other.
// A body may run on a thread of its own; the run belongs to whichever thread is walking.

#include "run.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <logctx/collect.h>

#include "bindings.h"
#include "clock.h"
#include "ops.h"
#include "processes.h"
#include "values.h"

enum { NS_PER_MS = 1000000 };
static const char SENTINEL_ID[] = "sentinel";

bool run_invalid(run_t *run, const step_t *step, const char *format, ...)
{
    char sentence[sizeof run->problem];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    snprintf(run->problem, sizeof run->problem, "op %s: %.200s", step->path, sentence);
    return false;
}

bool run_string(run_t *run, const step_t *step, const char *key, const char **out)
{
    *out = json_string_value(json_object_get(step->op, key));
    return *out || run_invalid(run, step, "it needs \"%s\", a string.", key);
}

bool run_integer(run_t *run, const step_t *step, const char *key, int64_t *out)
{
    const json_t *value = json_object_get(step->op, key);

    if (!json_is_integer(value)) {
        return run_invalid(run, step, "it needs \"%s\", an integer.", key);
    }
    *out = json_integer_value(value);
    return true;
}

bool run_ms(run_t *run, const step_t *step, const char *key, int64_t *out_ns)
{
    int64_t ms = 0;

    if (!run_integer(run, step, key, &ms)) {
        return false;
    }
    if (__builtin_mul_overflow(ms, (int64_t)NS_PER_MS, out_ns)) {
        return run_invalid(run, step, "\"%s\" does not fit into 64 bits as nanoseconds.", key);
    }
    return true;
}

bool run_context(run_t *run, const step_t *step, const char *key, logctx_t **out)
{
    const char *id;

    if (!run_string(run, step, key, &id)) {
        return false;
    }
    *out = world_context(&run->world, id);
    return *out || run_invalid(run, step, "there is no context \"%s\" now.", id);
}

bool run_context_or_sentinel(run_t *run, const step_t *step, const char *key, logctx_t **out)
{
    const char *id;

    if (!run_string(run, step, key, &id)) {
        return false;
    }
    if (strcmp(id, SENTINEL_ID) == 0) {
        *out = logctx_sentinel();
        return true;
    }
    return run_context(run, step, key, out);
}

static char *make_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *make_path(const char *format, ...)
{
    char *path;
    va_list arguments;

    va_start(arguments, format);
    int length = vasprintf(&path, format, arguments);
    va_end(arguments);
    if (length < 0) {
        fputs("logctx-conformance: out of memory\n", stderr);
        exit(2);
    }
    return path;
}

static bool run_op(run_t *run, const step_t *step)
{
    json_t *result = NULL;
    const op_row_t *row = ops_find(json_string_value(json_object_get(step->op, "op")));

    // What is wrong in a body that a callback ran is found here: the library has carried it no further.
    if (!row->handler(run, step, &result) || run->problem[0]) {
        json_decref(result);
        return false;
    }
    trace_record(&run->trace, step->path, result);
    return true;
}

static bool run_ops(run_t *run, const json_t *ops, const char *body_path)
{
    bool valid = true;

    for (size_t i = 0; valid && i < json_array_size(ops); i++) {
        char *path = make_path("%s%s%zu", body_path, *body_path ? "." : "", i);
        valid = run_op(run, &(step_t){.op = json_array_get(ops, i), .path = path});
        free(path);
    }
    return valid;
}

bool run_body(run_t *run, const step_t *step, const char *key)
{
    const json_t *ops = json_object_get(step->op, key);

    if (!ops) {
        return run_invalid(run, step, "it needs \"%s\", an array of ops.", key);
    }
    char *path = make_path("%s.%s", step->path, key);
    trace_record(&run->trace, path, NULL);
    run->ending = (ending_t){0};
    bool valid = run_ops(run, ops, path);
    free(path);
    return valid;
}

// A context that was finished on another thread than its own is let go, with what it keeps, when its own thread, or the
// one that has got its place, makes its next context: that many threads at once do so.
enum { THREADS_MAX = 5 };

static void *let_go(void *argument)
{
    const int *threads = argument;
    int fewer = *threads - 1;
    pthread_t thread;

    logctx_unref(logctx_new(logctx_kind("conformance"), NULL));
    if (fewer > 0 && pthread_create(&thread, NULL, let_go, &fewer) == 0) {
        pthread_join(thread, NULL);
    }
    return NULL;
}

// What the library keeps of a scenario when everything of it was given back.
static bool nothing_left(run_t *run)
{
    logctx_books_t books;

    logctx_get_books(&books);
    for (int threads = THREADS_MAX, i = 0; books.live > 0 && i < 2; i++) {
        let_go(&threads);
        logctx_get_books(&books);
    }
    if (!values_close(run->problem, sizeof run->problem)) {
        return false;
    }
    if (books.live == 0 && logctx_deferred_pending() == 0) {
        return true;
    }
    snprintf(run->problem, sizeof run->problem, "%llu contexts and %zu deferreds are left over at its end.",
             (unsigned long long)books.live, logctx_deferred_pending());
    return false;
}

bool run_scenario(run_t *run, const scenario_t *scenario)
{
    *run = (run_t){0};
    trace_open(&run->trace);
    clock_reset();
    processes_install();

    trace_listen(&run->trace);
    bool valid = run_ops(run, scenario->ops, "");
    // What clearing up brings to light is no part of the trace.
    trace_listen(NULL);

    processes_reset();
    bindings_reset();
    logctx_deferred_unref(run->ending.deferred);
    world_close(&run->world);
    return nothing_left(run) && valid;
}

void run_close(run_t *run)
{
    trace_close(&run->trace);
}
