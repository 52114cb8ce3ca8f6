// SPDX-License-Identifier: Apache-2.0
// The ops that make, enter, leave and ask contexts, and the preserve blocks (sections 4.1 to 4.5 and 4.10 of
// the format). Each runs on whatever thread of the scenario walks.

#include <logctx/logctx.h>

#include "ops.h"

// What the format says a context has when the op names no server.
static const char DEFAULT_SERVER[] = "test_server";
static const char CANNOT_MAKE[] = "the library could not make a context.";

// A context of the scenario's own, kept under the op's id.
static bool keep(run_t *run, const step_t *step, logctx_t *ctx)
{
    const char *id;

    if (logctx_is_sentinel(ctx)) {
        return run_invalid(run, step, "%s", CANNOT_MAKE);
    }
    if (run_string(run, step, "id", &id)) {
        if (world_add_context(&run->world, id, ctx)) {
            return true;
        }
        run_invalid(run, step, "there is a context \"%s\" already.", id);
    }
    logctx_unref(ctx);
    return false;
}

bool op_new(run_t *run, const step_t *step, json_t **result)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;

    (void)result;
    if (!run_string(run, step, "name", &opts.name)) {
        return false;
    }
    opts.server = DEFAULT_SERVER;
    if (json_object_get(step->op, "server") && !run_string(run, step, "server", &opts.server)) {
        return false;
    }
    if (json_object_get(step->op, "parent") && !run_context(run, step, "parent", &opts.parent)) {
        return false;
    }
    return keep(run, step, logctx_new(logctx_kind("conformance"), &opts));
}

bool op_nested(run_t *run, const step_t *step, json_t **result)
{
    const char *suffix;

    (void)result;
    return run_string(run, step, "suffix", &suffix) && keep(run, step, logctx_new_nested(suffix));
}

bool op_enter(run_t *run, const step_t *step, json_t **result)
{
    logctx_t *ctx;

    (void)result;
    if (!run_context(run, step, "id", &ctx)) {
        return false;
    }
    logctx_enter(ctx);
    return true;
}

bool op_exit(run_t *run, const step_t *step, json_t **result)
{
    logctx_t *ctx;

    (void)result;
    if (!run_context(run, step, "id", &ctx)) {
        return false;
    }
    logctx_exit(ctx);
    return true;
}

bool op_set_current(run_t *run, const step_t *step, json_t **result)
{
    logctx_t *ctx;

    if (!run_context_or_sentinel(run, step, "id", &ctx)) {
        return false;
    }
    logctx_t *held = logctx_ref(logctx_current()); // it may be finished, and go when it is left
    logctx_t *previous = logctx_set_current(ctx);
    *result = json_pack("{s:o}", "prev", trace_text(logctx_name(previous)));
    logctx_unref(held);
    return true;
}

bool op_current(run_t *run, const step_t *step, json_t **result)
{
    // The record shows it.
    (void)run;
    (void)step;
    (void)result;
    return true;
}

bool op_ctx_state(run_t *run, const step_t *step, json_t **result)
{
    logctx_t *ctx;

    if (!run_context(run, step, "id", &ctx)) {
        return false;
    }
    *result = json_pack("{s:o, s:b}", "name", trace_text(logctx_name(ctx)), "finished", logctx_is_finished(ctx));
    return true;
}

bool op_log(run_t *run, const step_t *step, json_t **result)
{
    logctx_log_line_t line = LOGCTX_LOG_LINE_INIT;

    (void)run;
    if (json_is_true(json_object_get(step->op, "preset"))) {
        line.request = "preset_request";
        line.server_name = "preset_server";
    }
    logctx_log_stamp(&line);
    *result = json_pack("{s:o, s:o}", "request", trace_text(line.request), "server_name", trace_text(line.server_name));
    return true;
}

bool op_preserve_enter(run_t *run, const step_t *step, json_t **result)
{
    const char *handle;
    logctx_t *target;

    (void)result;
    if (!run_string(run, step, "h", &handle) || !run_context_or_sentinel(run, step, "id", &target)) {
        return false;
    }
    if (world_block(&run->world, handle)) {
        return run_invalid(run, step, "there is a handle \"%s\" already.", handle);
    }
    world_add_block(&run->world, handle, logctx_preserve_enter(target));
    return true;
}

bool op_preserve_exit(run_t *run, const step_t *step, json_t **result)
{
    const char *handle;

    (void)result;
    if (!run_string(run, step, "h", &handle)) {
        return false;
    }
    world_block_t *block = world_block(&run->world, handle);
    if (!block) {
        return run_invalid(run, step, "there is no handle \"%s\" now.", handle);
    }
    logctx_preserve_exit(&block->block);
    block->left = true;
    return true;
}
