// SPDX-License-Identifier: Apache-2.0
// Ops that the format does not have, for what the reference has not: bound callbacks and captures, finishing without a
// switch, handing over, giving references back early, values, calls in a preserve block. Recorded scenarios have none of them; the
// fuzzer's do. Each runs on whatever thread of the scenario walks.

#include <string.h>

#include <logctx/bind.h>
#include <logctx/logctx.h>

#include "bindings.h"
#include "ops.h"
#include "values.h"

enum { BINDINGS_MAX = 256 };

// A bound callback runs the body of the op that calls it; a capture has no function.
typedef struct binding {
    const char *id;
    logctx_bound_t *bound;
    logctx_capture_t capture;
    run_t *run;
    const step_t *step; // that calls it
} binding_t;

static binding_t bindings[BINDINGS_MAX];
static size_t count;

void bindings_reset(void)
{
    for (size_t i = 0; i < count; i++) {
        logctx_bound_free(bindings[i].bound);
        logctx_capture_clear(&bindings[i].capture);
    }
    count = 0;
}

static binding_t *find(run_t *run, const step_t *step, const char *key)
{
    const char *id;

    if (!run_string(run, step, key, &id)) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(bindings[i].id, id) == 0) {
            return &bindings[i];
        }
    }
    run_invalid(run, step, "there is no \"%s\" now.", id);
    return NULL;
}

static binding_t *add(run_t *run, const step_t *step, const char *key)
{
    const char *id;

    if (!run_string(run, step, key, &id)) {
        return NULL;
    }
    if (count == BINDINGS_MAX) {
        run_invalid(run, step, "there are more bound callbacks and captures than this driver has room for.");
        return NULL;
    }
    bindings[count] = (binding_t){.id = id, .run = run};
    return &bindings[count++];
}

static void on_call(void *user)
{
    const binding_t *binding = user;

    run_body(binding->run, binding->step, "ops");
}

bool op_bind(run_t *run, const step_t *step, json_t **result)
{
    binding_t *binding = add(run, step, "b");

    (void)result;
    if (binding) {
        binding->bound = logctx_bind(on_call, binding);
    }
    return binding;
}

bool op_bound_call(run_t *run, const step_t *step, json_t **result)
{
    binding_t *binding = find(run, step, "b");

    (void)result;
    if (!binding || !binding->bound) {
        return run_invalid(run, step, "that bound callback is gone.");
    }
    const step_t *before = binding->step;
    logctx_bound_t *bound = binding->bound;
    binding->step = step;
    if (json_is_true(json_object_get(step->op, "once"))) {
        binding->bound = NULL;
        logctx_bound_call_once(bound);
    } else {
        logctx_bound_call(bound);
    }
    binding->step = before;
    return true;
}

bool op_bound_free(run_t *run, const step_t *step, json_t **result)
{
    binding_t *binding = find(run, step, "b");

    (void)result;
    if (binding) {
        logctx_bound_free(binding->bound);
        binding->bound = NULL;
    }
    return binding;
}

bool op_capture(run_t *run, const step_t *step, json_t **result)
{
    binding_t *binding = add(run, step, "c");

    (void)result;
    if (binding) {
        logctx_capture_init(&binding->capture, LOGCTX_HERE);
    }
    return binding;
}

bool op_capture_clear(run_t *run, const step_t *step, json_t **result)
{
    binding_t *binding = find(run, step, "c");

    (void)result;
    if (binding) {
        logctx_capture_clear(&binding->capture);
    }
    return binding;
}

bool op_resume(run_t *run, const step_t *step, json_t **result)
{
    const binding_t *binding = find(run, step, "c");

    (void)result;
    if (!binding) {
        return false;
    }
    logctx_resumed_t resumed = logctx_resume(&binding->capture);
    bool valid = run_body(run, step, "ops");
    logctx_resume_end(&resumed);
    return valid;
}

bool op_finish(run_t *run, const step_t *step, json_t **result)
{
    logctx_t *ctx;

    (void)result;
    if (!run_context(run, step, "id", &ctx)) {
        return false;
    }
    logctx_finish(ctx);
    return true;
}

bool op_ctx_drop(run_t *run, const step_t *step, json_t **result)
{
    logctx_t *ctx;

    (void)result;
    if (!run_context(run, step, "id", &ctx)) {
        return false;
    }
    world_forget_context(&run->world, ctx);
    logctx_unref(ctx);
    return true;
}

bool op_hand_over(run_t *run, const step_t *step, json_t **result)
{
    logctx_t *ctx;

    if (!run_context(run, step, "id", &ctx)) {
        return false;
    }
    *result = json_pack("{s:b}", "done", logctx_hand_over(ctx) == LOGCTX_OK);
    return true;
}

bool op_d_drop(run_t *run, const step_t *step, json_t **result)
{
    logctx_deferred_t *deferred;

    (void)result;
    if (!run_deferred(run, step, &deferred)) {
        return false;
    }
    world_forget_deferred(&run->world, json_string_value(json_object_get(step->op, "d")));
    logctx_deferred_unref(deferred);
    return true;
}

bool op_d_called(run_t *run, const step_t *step, json_t **result)
{
    (void)result;
    return run_keep_deferred(
        run, step, logctx_deferred_called(run_result(step, json_string_value(json_object_get(step->op, "err")))), NULL);
}

bool op_succeed(run_t *run, const step_t *step, json_t **result)
{
    logctx_deferred_t *deferred;

    (void)result;
    if (!run_deferred(run, step, &deferred)) {
        return false;
    }
    logctx_result_t called = run_result(step, NULL);
    logctx_deferred_succeed(deferred, called.value, called.destroy);
    return true;
}

bool op_fail(run_t *run, const step_t *step, json_t **result)
{
    logctx_deferred_t *deferred;
    const char *error;

    (void)result;
    if (!run_deferred(run, step, &deferred) || !run_string(run, step, "err", &error)) {
        return false;
    }
    logctx_result_t called = run_result(step, error);
    logctx_deferred_fail(deferred, error, called.value, called.destroy);
    return true;
}

bool op_cancel(run_t *run, const step_t *step, json_t **result)
{
    logctx_deferred_t *deferred;

    (void)result;
    if (!run_deferred(run, step, &deferred)) {
        return false;
    }
    logctx_deferred_cancel(deferred);
    return true;
}

bool op_d_look(run_t *run, const step_t *step, json_t **result)
{
    logctx_deferred_t *deferred;

    if (!run_deferred(run, step, &deferred)) {
        return false;
    }
    const logctx_result_t *there = logctx_deferred_result(deferred);
    *result = json_pack("{s:i}", "value", there ? values_number(there->value) : 0);
    return true;
}

bool op_values(run_t *run, const step_t *step, json_t **result)
{
    (void)run;
    (void)step;
    *result = json_pack("{s:i}", "live", values_live());
    return true;
}

bool op_d_value(run_t *run, const step_t *step, json_t **result)
{
    (void)step;
    (void)result;
    run->ending.value = values_new();
    return true;
}

bool op_d_take(run_t *run, const step_t *step, json_t **result)
{
    (void)step;
    (void)result;
    run->ending.take = true;
    return true;
}
