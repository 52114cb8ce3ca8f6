// SPDX-License-Identifier: Apache-2.0
// Contexts and the switch, as sections 4.1 to 4.5 and 4.10 of the format have them. Part of the model, which belongs to one
// thread.

#include "model.h"

#include <string.h>

static bool is_sentinel(const model_t *model, const model_context_t *context)
{
    return context == &model->sentinel;
}

model_context_t *model_context_new(model_t *model, const char *name, model_context_t *parent, const char *server)
{
    model_context_t *context = model_memory(model, sizeof *context);

    *context = (model_context_t){
        .name = name,
        .server = server,
        .home = model->thread->label,
        .parent = parent,
        .previous = model->thread->current,
    };
    model->contexts = model_room(model, model->contexts, model->context_count, sizeof(model_context_t *));
    model->contexts[model->context_count++] = context;
    return context;
}

void model_context_name(model_t *model, model_context_t *context, const char *id)
{
    (void)model;
    context->id = id;
}

model_context_t *model_context_find(model_t *model, const char *id)
{
    for (size_t i = 0; i < model->context_count; i++) {
        if (model->contexts[i]->id && strcmp(model->contexts[i]->id, id) == 0) {
            return model->contexts[i];
        }
    }
    model_invalid(model, "there is no context \"%s\" now", id);
    return &model->sentinel;
}

static model_context_t *context_or_sentinel(model_t *model, const json_t *op)
{
    const char *id = model_string(model, op, "id");
    return strcmp(id, "sentinel") == 0 ? &model->sentinel : model_context_find(model, id);
}

static bool is_home(const model_t *model, const model_context_t *context)
{
    return strcmp(model->thread->label, context->home) == 0;
}

static void stop(model_t *model, model_context_t *context, bool reading, int64_t user, int64_t system)
{
    if (!is_home(model, context)) {
        model_event(model, "stopped_on_different_thread", "Stopped logcontext %s on different thread", context->name);
    } else if (!reading) {
        // Silently.
    } else if (!context->started) {
        model_event(model, "stop_without_start", "Called stop on logcontext %s without recording a start rusage",
                    context->name);
    } else {
        model_usage_t slice = model_delta(model, context, user, system);
        model_charge(context, &slice);
    }
    context->started = false;
}

static void start(model_t *model, model_context_t *context, bool reading, int64_t user, int64_t system)
{
    if (!is_home(model, context)) {
        model_event(model, "started_on_different_thread", "Started logcontext %s on different thread", context->name);
        return;
    }
    if (context->finished) {
        model_event(model, "restarted_finished", "Re-starting finished log context %s", context->name);
    }
    if (context->started) {
        model_event(model, "restarted_active", "Re-starting already-active log context %s", context->name);
        return;
    }
    context->started = reading;
    context->started_user = user;
    context->started_system = system;
}

model_context_t *model_switch(model_t *model, model_context_t *to)
{
    model_context_t *old = model->thread->current;
    int64_t user = 0;
    int64_t system = 0;

    if (old == to) {
        return old;
    }
    bool reading = model_reading(model, &user, &system);
    if (!is_sentinel(model, old)) {
        stop(model, old, reading, user, system);
    }
    model->thread->current = to;
    if (!is_sentinel(model, to)) {
        start(model, to, reading, user, system);
        if (to->process) {
            model_process_started(model, to);
        }
    }
    return old;
}

void model_verdict(model_t *model, const model_context_t *expected, const model_context_t *found)
{
    if (found == expected) {
        return;
    }
    if (is_sentinel(model, found)) {
        model_event(model, "context_lost", "Expected logging context %s was lost", expected->name);
    } else {
        model_event(model, "unexpected_context", "Expected logging context %s but found %s", expected->name,
                    found->name);
    }
}

void model_enter(model_t *model, model_context_t *context)
{
    const model_context_t *old = model_switch(model, context);

    if (old != context->previous) {
        model_event(model, "previous_context_mismatch", "Expected previous context %s, found %s",
                    context->previous->name, old->name);
    }
}

void model_exit(model_t *model, model_context_t *context)
{
    const model_context_t *found = model_switch(model, context->previous);

    model_verdict(model, context, found);
    context->finished = true;
    if (context->process) {
        model_process_exited(model, context);
    }
}

model_block_t model_preserve(model_t *model, model_context_t *target)
{
    return (model_block_t){.old = model_switch(model, target), .target = target};
}

void model_preserved(model_t *model, model_block_t *block)
{
    const model_context_t *found = model_switch(model, block->old);

    model_verdict(model, block->target, found);
    block->left = true;
}

static void op_new(model_t *model, const model_step_t *step, json_t **result)
{
    const json_t *parent = json_object_get(step->op, "parent");
    const json_t *server = json_object_get(step->op, "server");

    (void)result;
    model_context_name(model,
                       model_context_new(model, model_string(model, step->op, "name"),
                                         parent ? model_context_find(model, json_string_value(parent)) : NULL,
                                         server ? json_string_value(server) : "test_server"),
                       model_string(model, step->op, "id"));
}

static void op_nested(model_t *model, const model_step_t *step, json_t **result)
{
    model_context_t *current = model->thread->current;
    bool orphan = is_sentinel(model, current);

    (void)result;
    if (orphan) {
        model_event(model, "nested_from_sentinel",
                    "Starting nested logging context from sentinel context: metrics will be lost");
    }
    const char *name = model_text(model, "%s-%s", current->name, model_string(model, step->op, "suffix"));
    model_context_name(model, model_context_new(model, name, orphan ? NULL : current, current->server),
                       model_string(model, step->op, "id"));
}

static void op_enter(model_t *model, const model_step_t *step, json_t **result)
{
    (void)result;
    model_enter(model, model_context_find(model, model_string(model, step->op, "id")));
}

static void op_exit(model_t *model, const model_step_t *step, json_t **result)
{
    (void)result;
    model_exit(model, model_context_find(model, model_string(model, step->op, "id")));
}

// Of the library's own: what runs is charged before, and nothing is switched.
static void op_finish(model_t *model, const model_step_t *step, json_t **result)
{
    model_context_t *context = model_context_find(model, model_string(model, step->op, "id"));
    int64_t user;
    int64_t system;

    (void)result;
    if (context->finished) {
        return;
    }
    context->finished = true;
    if (model->thread->current == context && is_home(model, context) && context->started &&
        model_reading(model, &user, &system)) {
        model_usage_t slice = model_delta(model, context, user, system);
        model_charge(context, &slice);
        context->started_user = user;
        context->started_system = system;
    }
    if (context->process) {
        model_process_exited(model, context);
    }
}

static void op_ctx_drop(model_t *model, const model_step_t *step, json_t **result)
{
    model_context_t *context = model_context_find(model, model_string(model, step->op, "id"));

    (void)result;
    context->id = NULL;
    context->dropped = true;
}

// Of the library's own: this thread becomes the home, and what is current here the previous context.
static void op_hand_over(model_t *model, const model_step_t *step, json_t **result)
{
    model_context_t *context = model_context_find(model, model_string(model, step->op, "id"));
    bool current = context == model->thread->current;

    *result = json_pack("{s:b}", "done", !context->finished);
    if (context->finished) {
        return;
    }
    context->loose = true;
    context->home = model->thread->label;
    context->previous = current ? &model->sentinel : model->thread->current;
    context->started = current && model_reading(model, &context->started_user, &context->started_system);
}

static void op_set_current(model_t *model, const model_step_t *step, json_t **result)
{
    const model_context_t *old = model_switch(model, context_or_sentinel(model, step->op));
    *result = json_pack("{s:s}", "prev", old->name);
}

static void op_current(model_t *model, const model_step_t *step, json_t **result)
{
    (void)model;
    (void)step;
    (void)result;
}

static void op_ctx_state(model_t *model, const model_step_t *step, json_t **result)
{
    const model_context_t *context = model_context_find(model, model_string(model, step->op, "id"));
    *result = json_pack("{s:s, s:b}", "name", context->name, "finished", context->finished);
}

static void op_log(model_t *model, const model_step_t *step, json_t **result)
{
    const model_context_t *current = model->thread->current;
    bool preset = json_is_true(json_object_get(step->op, "preset")) && is_sentinel(model, current);

    *result = json_pack("{s:s, s:s}", "request", preset ? "preset_request" : current->name, "server_name",
                        preset ? "preset_server" : current->server);
}

static void op_preserve_enter(model_t *model, const model_step_t *step, json_t **result)
{
    model_block_t *block = model_memory(model, sizeof *block);

    (void)result;
    *block = model_preserve(model, context_or_sentinel(model, step->op));
    model_name_add(model, &model->blocks, model_string(model, step->op, "h"), block);
}

static void op_preserve_exit(model_t *model, const model_step_t *step, json_t **result)
{
    model_block_t *block = model_name_find(model, &model->blocks, model_string(model, step->op, "h"));

    (void)result;
    if (block) {
        model_preserved(model, block);
    }
}

const model_op_t model_context_ops[] = {
    {"new", op_new},
    {"nested", op_nested},
    {"enter", op_enter},
    {"exit", op_exit},
    {"finish", op_finish},
    {"ctx_drop", op_ctx_drop},
    {"hand_over", op_hand_over},
    {"set_current", op_set_current},
    {"current", op_current},
    {"ctx_state", op_ctx_state},
    {"log", op_log},
    {"preserve_enter", op_preserve_enter},
    {"preserve_exit", op_preserve_exit},
    {NULL, NULL},
};
