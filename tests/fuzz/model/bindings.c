// SPDX-License-Identifier: Apache-2.0
// Bound callbacks and captures, as logctx/bind.h has them: the captured context is current for a body, and what was
// current before is put back. Part of the model, which belongs to one thread.

#include "model.h"

static void capture_as(model_t *model, model_names_t *names, const char *id)
{
    model_capture_t *capture = model_memory(model, sizeof *capture);

    capture->context = model->thread->current;
    model_name_add(model, names, id, capture);
}

// What the end of the callback's own context, or of one that was around it, has made current again.
static bool was_put_back(const model_t *model, const model_context_t *context, const model_context_t *found)
{
    for (int ended = 0; ended < 64 && context != &model->sentinel && context->finished; ended++) {
        context = context->previous;
        if (context == found) {
            return true;
        }
        if (context->dropped) { // nobody's any more
            return false;
        }
    }
    return false;
}

static void resume(model_t *model, const model_step_t *step, model_context_t *context)
{
    model_context_t *old = model_switch(model, context);

    model_body(model, step->op, step->path, "ops");
    const model_context_t *found = model_switch(model, old);
    bool allowed = found == context || found == old || found == &model->sentinel || was_put_back(model, context, found);
    if (!allowed && old != &model->sentinel) { // in the sentinel the loop has called: an error of a kind of our own
        model_event(model, "unexpected_context", "Expected logging context %s but found %s", context->name,
                    found->name);
    }
}

static void op_bind(model_t *model, const model_step_t *step, json_t **result)
{
    (void)result;
    capture_as(model, &model->bounds, model_string(model, step->op, "b"));
}

static void op_bound_call(model_t *model, const model_step_t *step, json_t **result)
{
    model_capture_t *bound = model_name_find(model, &model->bounds, model_string(model, step->op, "b"));

    (void)result;
    if (bound) {
        bound->gone = bound->gone || json_is_true(json_object_get(step->op, "once"));
        resume(model, step, bound->context);
    }
}

static void op_bound_free(model_t *model, const model_step_t *step, json_t **result)
{
    model_capture_t *bound = model_name_find(model, &model->bounds, model_string(model, step->op, "b"));

    (void)result;
    if (bound) {
        bound->gone = true;
    }
}

static void op_capture(model_t *model, const model_step_t *step, json_t **result)
{
    (void)result;
    capture_as(model, &model->captures, model_string(model, step->op, "c"));
}

static void op_capture_clear(model_t *model, const model_step_t *step, json_t **result)
{
    model_capture_t *capture = model_name_find(model, &model->captures, model_string(model, step->op, "c"));

    (void)result;
    if (capture) {
        capture->context = &model->sentinel;
    }
}

static void op_resume(model_t *model, const model_step_t *step, json_t **result)
{
    const model_capture_t *capture = model_name_find(model, &model->captures, model_string(model, step->op, "c"));

    (void)result;
    if (capture) {
        resume(model, step, capture->context);
    }
}

const model_op_t model_binding_ops[] = {
    {"bind", op_bind},
    {"bound_call", op_bound_call},
    {"bound_free", op_bound_free},
    {"capture", op_capture},
    {"capture_clear", op_capture_clear},
    {"resume", op_resume},
    {NULL, NULL},
};
