// SPDX-License-Identifier: Apache-2.0
// The ops of deferreds (section 4.7 of the format), and how a body ends. A body that waits in a deferred is a
// script: it knows its op and its path, and runs when the library calls it, on whatever thread walks then.

#include <stdlib.h>
#include <string.h>

#include <logctx/deferred.h>

#include "ops.h"
#include "values.h"

// A body on its way into a callback. Freed by the library, when it has run or never will.
typedef struct script {
    run_t *run;
    const json_t *op;
    char path[];
} script_t;

static script_t *script_new(run_t *run, const step_t *step)
{
    size_t size = strlen(step->path) + 1;
    script_t *script = malloc(sizeof *script + size);

    if (!script) {
        fputs("logctx-conformance: out of memory\n", stderr);
        exit(2);
    }
    script->run = run;
    script->op = step->op;
    memcpy(script->path, step->path, size);
    values_held(1);
    return script;
}

static void script_free(void *script)
{
    values_held(-1);
    free(script);
}

logctx_result_t run_result(const step_t *step, const char *error)
{
    void *value = json_is_true(json_object_get(step->op, "value")) ? values_new() : NULL;

    return error ? logctx_failure(error, value, value ? values_destroy : NULL)
                 : logctx_success(value, value ? values_destroy : NULL);
}

// The function keeps the value: here that means that it destroys it.
static void take_value(logctx_result_t *passed)
{
    if (passed->destroy) {
        passed->destroy(passed->value);
    }
    passed->destroy = NULL;
}

logctx_result_t run_ending(run_t *run, logctx_result_t *passed)
{
    ending_t ending = run->ending;

    run->ending = (ending_t){0};
    if (ending.deferred) {
        return logctx_wait_for(ending.deferred);
    }
    if (ending.error) {
        return logctx_failure(ending.error, ending.value, ending.value ? values_destroy : NULL);
    }
    if (ending.take && passed) {
        take_value(passed);
    }
    return ending.pass && passed ? *passed : logctx_success(ending.value, ending.value ? values_destroy : NULL);
}

static logctx_result_t run_script(const script_t *script, const char *key, logctx_result_t *result)
{
    const step_t step = {.op = script->op, .path = script->path};

    run_body(script->run, &step, key);
    return run_ending(script->run, result);
}

static logctx_result_t on_success(void *user, logctx_result_t *result)
{
    return run_script(user, "cb", result);
}

static logctx_result_t on_failure(void *user, logctx_result_t *result)
{
    return run_script(user, "eb", result);
}

static logctx_result_t on_both(void *user, logctx_result_t *result)
{
    return run_script(user, "both", result);
}

static void on_cancel(void *user, logctx_deferred_t *deferred)
{
    (void)deferred;
    run_script(user, "canceller", NULL);
}

bool run_deferred(run_t *run, const step_t *step, logctx_deferred_t **out)
{
    const char *id;

    if (!run_string(run, step, "d", &id)) {
        return false;
    }
    *out = world_deferred(&run->world, id);
    return *out || run_invalid(run, step, "there is no deferred \"%s\" now.", id);
}

bool run_keep_deferred(run_t *run, const step_t *step, logctx_deferred_t *deferred, json_t **result)
{
    const char *id;

    if (!run_string(run, step, "d", &id) || !world_add_deferred(&run->world, id, deferred)) {
        logctx_deferred_unref(deferred);
        return run_invalid(run, step, "it needs \"d\", the name of a new deferred.");
    }
    if (result) {
        *result = json_pack("{s:b}", "complete", logctx_deferred_is_complete(deferred));
    }
    return true;
}

bool op_d_new(run_t *run, const step_t *step, json_t **result)
{
    bool cancels = json_object_get(step->op, "canceller");

    (void)result;
    return run_keep_deferred(run, step,
                             cancels ? logctx_deferred_new(on_cancel, script_new(run, step), script_free)
                                     : logctx_deferred_new(NULL, NULL, NULL),
                             NULL);
}

bool op_d_add(run_t *run, const step_t *step, json_t **result)
{
    logctx_deferred_t *deferred;
    bool both = json_object_get(step->op, "both");

    (void)result;
    if (!run_deferred(run, step, &deferred)) {
        return false;
    }
    logctx_deferred_add(deferred,
                        both                              ? on_both
                        : json_object_get(step->op, "cb") ? on_success
                                                          : NULL,
                        both                              ? on_both
                        : json_object_get(step->op, "eb") ? on_failure
                                                          : NULL,
                        script_new(run, step), script_free);
    return true;
}

bool op_d_callback(run_t *run, const step_t *step, json_t **result)
{
    logctx_deferred_t *deferred;

    (void)result;
    if (!run_deferred(run, step, &deferred)) {
        return false;
    }
    logctx_deferred_call_here(deferred, run_result(step, NULL));
    return true;
}

bool op_d_errback(run_t *run, const step_t *step, json_t **result)
{
    logctx_deferred_t *deferred;
    const char *error;

    (void)result;
    if (!run_deferred(run, step, &deferred) || !run_string(run, step, "err", &error)) {
        return false;
    }
    logctx_deferred_call_here(deferred, run_result(step, error));
    return true;
}

bool op_d_cancel(run_t *run, const step_t *step, json_t **result)
{
    logctx_deferred_t *deferred;

    (void)result;
    if (!run_deferred(run, step, &deferred)) {
        return false;
    }
    logctx_deferred_cancel_here(deferred);
    return true;
}

bool op_d_pause(run_t *run, const step_t *step, json_t **result)
{
    logctx_deferred_t *deferred;

    (void)result;
    if (!run_deferred(run, step, &deferred)) {
        return false;
    }
    logctx_deferred_pause(deferred);
    return true;
}

bool op_d_unpause(run_t *run, const step_t *step, json_t **result)
{
    logctx_deferred_t *deferred;

    (void)result;
    if (!run_deferred(run, step, &deferred)) {
        return false;
    }
    logctx_deferred_unpause(deferred);
    return true;
}

bool op_d_state(run_t *run, const step_t *step, json_t **result)
{
    logctx_deferred_t *deferred;

    if (!run_deferred(run, step, &deferred)) {
        return false;
    }
    bool called = logctx_deferred_is_called(deferred);
    const logctx_result_t *there = logctx_deferred_result(deferred);
    json_t *shown = there && there->error ? json_sprintf("fail:%s", there->error)
                                          : json_string(there    ? "ok"
                                                        : called ? "waiting"
                                                                 : "none");
    *result = json_pack("{s:b, s:i, s:o}", "called", called, "paused", (int)logctx_deferred_paused(deferred), "result",
                        shown);
    return true;
}

bool op_d_return(run_t *run, const step_t *step, json_t **result)
{
    logctx_deferred_t *deferred;

    (void)result;
    if (!run_deferred(run, step, &deferred)) {
        return false;
    }
    run->ending.deferred = logctx_deferred_ref(deferred);
    return true;
}

bool op_d_fail(run_t *run, const step_t *step, json_t **result)
{
    (void)result;
    if (!run_string(run, step, "err", &run->ending.error)) {
        return false;
    }
    run->ending.value = run_result(step, run->ending.error).value;
    return true;
}

bool op_d_pass(run_t *run, const step_t *step, json_t **result)
{
    (void)step;
    (void)result;
    run->ending.pass = true;
    return true;
}

bool op_gather(run_t *run, const step_t *step, json_t **result)
{
    const json_t *ids = json_object_get(step->op, "ds");
    size_t count = json_array_size(ids);
    logctx_deferred_t *members[64];

    if (count > sizeof members / sizeof *members) {
        return run_invalid(run, step, "it joins more deferreds than this driver has room for.");
    }
    for (size_t i = 0; i < count; i++) {
        const char *id = json_string_value(json_array_get(ids, i));
        members[i] = id ? world_deferred(&run->world, id) : NULL;
        if (!members[i]) {
            return run_invalid(run, step, "there is no deferred \"%s\" now.", id ? id : "");
        }
    }
    // A body that runs meanwhile may drop the name of a member.
    for (size_t i = 0; i < count; i++) {
        logctx_deferred_ref(members[i]);
    }
    logctx_deferred_t *gather = logctx_gather(members, count, json_is_true(json_object_get(step->op, "consume")));
    for (size_t i = 0; i < count; i++) {
        logctx_deferred_unref(members[i]);
    }
    return run_keep_deferred(run, step, gather, result);
}

bool op_make_yieldable(run_t *run, const step_t *step, json_t **result)
{
    logctx_deferred_t *deferred;

    if (!run_deferred(run, step, &deferred)) {
        return false;
    }
    deferred = logctx_make_yieldable(deferred);
    *result = json_pack("{s:b}", "complete", logctx_deferred_is_complete(deferred));
    return true;
}

static logctx_result_t run_work(void *user)
{
    return run_script(user, "ops", NULL);
}

bool op_run_in_background(run_t *run, const step_t *step, json_t **result)
{
    script_t *script = script_new(run, step);
    logctx_deferred_t *deferred = logctx_run_in_background(run_work, script);

    script_free(script);
    return run_keep_deferred(run, step, deferred, result);
}
