// SPDX-License-Identifier: Apache-2.0
// Deferreds, as section 4.7 of the format has them, and what the library adds: values, calls in a preserve block, deferreds
// that are dropped. Part of the model, which belongs to one thread.

#include "model.h"

#include <string.h>

static const model_result_t plain = {MODEL_OK, NULL, 0};

model_deferred_t *model_deferred_new(model_t *model, model_origin_t origin)
{
    model_deferred_t *deferred = model_memory(model, sizeof *deferred);

    deferred->origin = origin;
    model->deferreds = model_room(model, model->deferreds, model->deferred_count, sizeof(model_deferred_t *));
    model->deferreds[model->deferred_count++] = deferred;
    return deferred;
}

model_deferred_t *model_deferred_find(model_t *model, const json_t *op, const char *key)
{
    return model_name_find(model, &model->deferred_names, model_string(model, op, key));
}

void model_deferred_name(model_t *model, const json_t *op, model_deferred_t *deferred)
{
    deferred->names++;
    model_name_add(model, &model->deferred_names, model_string(model, op, "d"), deferred);
}

bool model_is_complete(const model_deferred_t *deferred)
{
    return deferred->called && deferred->paused == 0;
}

json_t *model_complete(const model_deferred_t *deferred)
{
    return json_pack("{s:b}", "complete", model_is_complete(deferred));
}

static void push_busy(model_t *model, model_deferred_t *deferred)
{
    model->busy = model_room(model, model->busy, model->busy_count, sizeof(model_deferred_t *));
    model->busy[model->busy_count++] = deferred;
}

static void append(model_t *model, model_deferred_t *deferred, model_entry_t entry)
{
    if (deferred->entry_count == deferred->entry_capacity) {
        size_t capacity = deferred->entry_capacity ? 2 * deferred->entry_capacity : 1;
        model_entry_t *longer = model_memory(model, capacity * sizeof *longer);
        if (deferred->entry_count > 0) {
            memcpy(longer, deferred->entries, deferred->entry_count * sizeof *longer);
        }
        deferred->entries = longer;
        deferred->entry_capacity = capacity;
    }
    deferred->entries[deferred->entry_count++] = entry;
}

static model_entry_t take(model_deferred_t *deferred)
{
    model_entry_t first = deferred->entries[0];

    deferred->entry_count--;
    memmove(deferred->entries, deferred->entries + 1, deferred->entry_count * sizeof first);
    return first;
}

// What a function returned becomes the result. True if the deferred waits now.
static bool settle(model_t *model, model_deferred_t *deferred, const model_ending_t *ending, model_result_t input)
{
    model_deferred_t *other = ending->deferred;

    if (!other) {
        deferred->result = ending->error    ? (model_result_t){MODEL_FAIL, ending->error, ending->value}
                           : ending->passes ? input
                                            : (model_result_t){MODEL_OK, NULL, ending->value};
        return false;
    }
    if (!other->called || other->paused > 0) {
        deferred->paused++;
        deferred->result = (model_result_t){MODEL_WAITING, NULL, 0};
        deferred->waits_for = other;
        append(model, other, (model_entry_t){.kind = MODEL_HAND_OVER, .to = deferred});
        return true;
    }
    deferred->result = other->result;
    other->result = plain;
    if (other->running) { // its value is lent to the function that runs
        deferred->result.value = 0;
    }
    return false;
}

static void push_input(model_t *model, model_result_t input)
{
    model->inputs = model_room(model, model->inputs, model->input_count, sizeof *model->inputs);
    model->inputs[model->input_count++] = input;
}

static bool run_pair(model_t *model, model_deferred_t *deferred, const model_entry_t *entry)
{
    const char *side = json_object_get(entry->op, "both")      ? "both"
                       : deferred->result.status == MODEL_FAIL ? "eb"
                                                               : "cb";
    model_result_t input = deferred->result;

    if (!json_object_get(entry->op, side)) {
        return false;
    }
    push_input(model, input);
    model->running = model_room(model, model->running, model->running_count, sizeof(model_deferred_t *));
    model->running[model->running_count++] = deferred;
    deferred->running = true;
    model_ending_t ending = model_body(model, entry->op, entry->path, side);
    deferred->running = false;
    model->running_count--;
    model->input_count--;
    return settle(model, deferred, &ending, input);
}

static void count_member(model_t *model, model_deferred_t *gather, size_t index, bool failed)
{
    gather->counted_count++;
    gather->counted[index] = true;
    if (gather->called) {
        return;
    }
    if (failed) {
        model_fire(model, gather, (model_result_t){MODEL_FAIL, "first_error", 0});
    } else if (gather->counted_count == gather->member_count) {
        model_fire(model, gather, plain);
    }
}

static void begin_step(model_t *model, model_deferred_t *deferred, model_deferred_t *calls)
{
    push_busy(model, calls);
    push_input(model, deferred->result);
    deferred->running = true;
}

static void end_step(model_t *model, model_deferred_t *deferred)
{
    deferred->running = false;
    model->input_count--;
    model->busy_count--;
}

// True if the deferred waits now.
static bool run_entry(model_t *model, model_deferred_t *deferred, const model_entry_t *entry)
{
    model_result_t input = deferred->result;
    bool failed = input.status == MODEL_FAIL;

    switch (entry->kind) {
    case MODEL_PAIR:
        return run_pair(model, deferred, entry);
    case MODEL_SWITCH:
        model_switch(model, entry->context);
        break;
    case MODEL_COUNT:
        begin_step(model, deferred, entry->to);
        count_member(model, entry->to, entry->index, failed);
        end_step(model, deferred);
        deferred->result = failed && entry->to->consume ? plain : input;
        break;
    case MODEL_END:
        begin_step(model, deferred, entry->to);
        model_process_ends(model, entry->context, entry->to, failed ? input.error : NULL);
        end_step(model, deferred);
        deferred->result = plain;
        break;
    case MODEL_HAND_OVER:
        break; // run() does it
    }
    return false;
}

// Until its queue is empty or it waits: NULL; or the one that it has handed its result to.
static model_deferred_t *run_queue(model_t *model, model_deferred_t *deferred)
{
    while (deferred->entry_count > 0) {
        model_entry_t entry = take(deferred);
        if (entry.kind == MODEL_HAND_OVER) {
            entry.to->result = deferred->result;
            entry.to->waits_for = NULL;
            entry.to->paused--;
            deferred->result = plain;
            return entry.to;
        }
        if (run_entry(model, deferred, &entry)) {
            return NULL;
        }
    }
    return NULL;
}

static void run(model_t *model, model_deferred_t *deferred)
{
    size_t bottom = model->busy_count;

    if (deferred->running) {
        return;
    }
    push_busy(model, deferred);
    while (model->busy_count > bottom) {
        model_deferred_t *top = model->busy[model->busy_count - 1];
        if (top->paused > 0) {
            break;
        }
        model_deferred_t *next = run_queue(model, top);
        if (next) {
            push_busy(model, next);
        } else {
            model->busy_count--;
        }
    }
    model->busy_count = bottom;
}

void model_fire(model_t *model, model_deferred_t *deferred, model_result_t result)
{
    if (deferred->called) {
        if (!deferred->late) {
            model_event(model, "already_called", "deferred already called");
        }
        deferred->late = false;
        return;
    }
    deferred->called = true;
    deferred->result = result;
    run(model, deferred);
}

void model_add(model_t *model, model_deferred_t *deferred, model_entry_t entry)
{
    append(model, deferred, entry);
    if (deferred->called) {
        run(model, deferred);
    }
}

void model_make_yieldable(model_t *model, model_deferred_t *deferred)
{
    if (model_is_complete(deferred)) {
        return;
    }
    model_context_t *caller = model_switch(model, &model->sentinel);
    model_add(model, deferred, (model_entry_t){.kind = MODEL_SWITCH, .context = caller});
}

static void cancel(model_t *model, model_deferred_t *deferred)
{
    bool was_called = deferred->called;

    push_busy(model, deferred);
    if (deferred->origin == MODEL_BY_GATHER) {
        bool walked = was_called || deferred->walks > 0;
        deferred->walks++;
        for (size_t i = 0; !walked && i < deferred->member_count; i++) {
            if (model_is_kept(model, deferred->members[i])) {
                cancel(model, deferred->members[i]);
            }
        }
        deferred->walks--;
    } else if (!deferred->called && deferred->origin == MODEL_BY_PROCESS) {
        model_invalid(model, "a background process is not cancelled");
    } else if (!deferred->called && !deferred->cancelling) {
        deferred->cancelling = true;
        if (deferred->canceller) {
            model_body(model, deferred->canceller, deferred->canceller_path, "canceller");
        } else {
            deferred->late = true;
        }
        if (!deferred->called) {
            model_fire(model, deferred, (model_result_t){MODEL_FAIL, "cancelled", 0});
        }
    } else if (deferred->result.status == MODEL_WAITING) {
        if (model_is_kept(model, deferred->waits_for)) {
            cancel(model, deferred->waits_for);
        } else { // nobody else will give it a result
            deferred->paused--;
            deferred->result = (model_result_t){MODEL_FAIL, "cancelled", 0};
            deferred->waits_for = NULL;
            run(model, deferred);
        }
    }
    model->busy_count--;
}

static int new_value(model_t *model, const json_t *op)
{
    return json_is_true(json_object_get(op, "value")) ? ++model->value_count : 0;
}

static void op_d_new(model_t *model, const model_step_t *step, json_t **result)
{
    model_deferred_t *deferred = model_deferred_new(model, MODEL_BY_NEW);

    (void)result;
    if (json_object_get(step->op, "canceller")) {
        deferred->canceller = step->op;
        deferred->canceller_path = step->path;
    }
    model_deferred_name(model, step->op, deferred);
}

static void op_d_called(model_t *model, const model_step_t *step, json_t **result)
{
    model_deferred_t *deferred = model_deferred_new(model, MODEL_BY_WORK);
    const char *error = json_string_value(json_object_get(step->op, "err"));

    (void)result;
    deferred->called = true;
    deferred->result = (model_result_t){error ? MODEL_FAIL : MODEL_OK, error, new_value(model, step->op)};
    model_deferred_name(model, step->op, deferred);
}

static void op_d_add(model_t *model, const model_step_t *step, json_t **result)
{
    model_deferred_t *deferred = model_deferred_find(model, step->op, "d");

    (void)result;
    if (deferred) {
        model_add(model, deferred, (model_entry_t){.kind = MODEL_PAIR, .op = step->op, .path = step->path});
    }
}

static void call(model_t *model, const json_t *op, const char *error)
{
    model_deferred_t *deferred = model_deferred_find(model, op, "d");

    if (deferred) {
        model_fire(model, deferred, (model_result_t){error ? MODEL_FAIL : MODEL_OK, error, new_value(model, op)});
    }
}

static void op_d_callback(model_t *model, const model_step_t *step, json_t **result)
{
    (void)result;
    call(model, step->op, NULL);
}

static void op_d_errback(model_t *model, const model_step_t *step, json_t **result)
{
    (void)result;
    call(model, step->op, model_string(model, step->op, "err"));
}

static void op_d_cancel(model_t *model, const model_step_t *step, json_t **result)
{
    model_deferred_t *deferred = model_deferred_find(model, step->op, "d");

    (void)result;
    if (deferred) {
        cancel(model, deferred);
    }
}

static void in_block(model_t *model, const model_step_t *step, model_handler_t *handler)
{
    model_block_t block = model_preserve(model, &model->sentinel);

    handler(model, step, NULL);
    model_preserved(model, &block);
}

static void op_succeed(model_t *model, const model_step_t *step, json_t **result)
{
    (void)result;
    in_block(model, step, op_d_callback);
}

static void op_fail(model_t *model, const model_step_t *step, json_t **result)
{
    (void)result;
    in_block(model, step, op_d_errback);
}

static void op_cancel(model_t *model, const model_step_t *step, json_t **result)
{
    (void)result;
    in_block(model, step, op_d_cancel);
}

static void op_d_pause(model_t *model, const model_step_t *step, json_t **result)
{
    model_deferred_t *deferred = model_deferred_find(model, step->op, "d");

    (void)result;
    if (deferred) {
        deferred->paused++;
        deferred->held++;
    }
}

static void op_d_unpause(model_t *model, const model_step_t *step, json_t **result)
{
    model_deferred_t *deferred = model_deferred_find(model, step->op, "d");

    (void)result;
    if (deferred) {
        deferred->held--;
        if (--deferred->paused == 0 && deferred->called) {
            run(model, deferred);
        }
    }
}

static void op_d_drop(model_t *model, const model_step_t *step, json_t **result)
{
    const char *id = model_string(model, step->op, "d");

    (void)result;
    for (size_t i = 0; i < model->deferred_names.count; i++) {
        model_name_t *name = &model->deferred_names.items[i];
        if (name->thing && strcmp(name->id, id) == 0) {
            ((model_deferred_t *)name->thing)->names--;
            name->thing = NULL;
        }
    }
}

static void op_d_state(model_t *model, const model_step_t *step, json_t **result)
{
    const model_deferred_t *deferred = model_deferred_find(model, step->op, "d");

    if (deferred) {
        const model_result_t *there = &deferred->result;
        const char *shown = there->status == MODEL_NONE      ? "none"
                            : there->status == MODEL_OK      ? "ok"
                            : there->status == MODEL_WAITING ? "waiting"
                                                             : model_text(model, "fail:%s", there->error);
        *result = json_pack("{s:b, s:i, s:s}", "called", deferred->called, "paused", deferred->paused, "result", shown);
    }
}

static void op_d_look(model_t *model, const model_step_t *step, json_t **result)
{
    const model_deferred_t *deferred = model_deferred_find(model, step->op, "d");

    if (deferred) {
        *result = json_pack("{s:i}", "value", deferred->result.value);
    }
}

static void op_values(model_t *model, const model_step_t *step, json_t **result)
{
    (void)step;
    *result = json_pack("{s:i}", "live", model_values_live(model));
}

static void op_d_return(model_t *model, const model_step_t *step, json_t **result)
{
    (void)result;
    model->ending.deferred = model_deferred_find(model, step->op, "d");
}

static void op_d_fail(model_t *model, const model_step_t *step, json_t **result)
{
    (void)result;
    model->ending.error = model_string(model, step->op, "err");
    model->ending.value = new_value(model, step->op);
}

static void op_d_pass(model_t *model, const model_step_t *step, json_t **result)
{
    (void)step;
    (void)result;
    model->ending.passes = true;
}

static void op_d_value(model_t *model, const model_step_t *step, json_t **result)
{
    (void)step;
    (void)result;
    model->ending.value = ++model->value_count;
}

static void op_d_take(model_t *model, const model_step_t *step, json_t **result)
{
    (void)step;
    (void)result;
    model->ending.takes = true;
}

static void op_gather(model_t *model, const model_step_t *step, json_t **result)
{
    const json_t *ids = json_object_get(step->op, "ds");
    model_deferred_t *gather = model_deferred_new(model, MODEL_BY_GATHER);

    gather->member_count = json_array_size(ids);
    gather->members = model_memory(model, (gather->member_count + 1) * sizeof(model_deferred_t *));
    gather->counted = model_memory(model, (gather->member_count + 1) * sizeof(bool));
    gather->consume = json_is_true(json_object_get(step->op, "consume"));
    push_busy(model, gather);
    if (gather->member_count == 0) {
        model_fire(model, gather, plain);
    }
    for (size_t i = 0; i < gather->member_count; i++) {
        const char *id = json_string_value(json_array_get(ids, i));
        gather->members[i] = model_name_find(model, &model->deferred_names, id ? id : "");
        if (!gather->members[i]) {
            return;
        }
    }
    for (size_t i = 0; i < gather->member_count; i++) {
        push_busy(model, gather->members[i]); // until all of them have been added to
    }
    for (size_t i = 0; i < gather->member_count; i++) {
        model_add(model, gather->members[i], (model_entry_t){.kind = MODEL_COUNT, .to = gather, .index = i});
    }
    model->busy_count -= 1 + gather->member_count;
    model_deferred_name(model, step->op, gather);
    *result = model_complete(gather);
}

static void op_make_yieldable(model_t *model, const model_step_t *step, json_t **result)
{
    model_deferred_t *deferred = model_deferred_find(model, step->op, "d");

    if (deferred) {
        model_make_yieldable(model, deferred);
        *result = model_complete(deferred);
    }
}

static void op_run_in_background(model_t *model, const model_step_t *step, json_t **result)
{
    model_context_t *caller = model->thread->current;
    model_ending_t ending = model_body(model, step->op, step->path, "ops");
    model_deferred_t *deferred = ending.deferred;

    if (!deferred) {
        deferred = model_deferred_new(model, MODEL_BY_WORK);
        deferred->called = true;
        deferred->result = (model_result_t){ending.error ? MODEL_FAIL : MODEL_OK, ending.error, ending.value};
    }
    if (ending.error) {
        // Nothing is looked at.
    } else if (model_is_complete(deferred)) {
        if (model->thread->current != caller) {
            model_event(
                model, "background_maintained_violation",
                "run_in_background(*): deferred already completed but the function did not maintain the calling "
                "logcontext %s (found %s)",
                caller->name, model->thread->current->name);
        }
    } else {
        model_switch(model, caller);
        model_add(model, deferred, (model_entry_t){.kind = MODEL_SWITCH, .context = &model->sentinel});
    }
    model_deferred_name(model, step->op, deferred);
    *result = model_complete(deferred);
}

const model_op_t model_deferred_ops[] = {
    {"d_new", op_d_new},
    {"d_called", op_d_called},
    {"d_add", op_d_add},
    {"d_callback", op_d_callback},
    {"d_errback", op_d_errback},
    {"d_cancel", op_d_cancel},
    {"succeed", op_succeed},
    {"fail", op_fail},
    {"cancel", op_cancel},
    {"d_pause", op_d_pause},
    {"d_unpause", op_d_unpause},
    {"d_drop", op_d_drop},
    {"d_state", op_d_state},
    {"d_look", op_d_look},
    {"values", op_values},
    {"d_return", op_d_return},
    {"d_fail", op_d_fail},
    {"d_pass", op_d_pass},
    {"d_value", op_d_value},
    {"d_take", op_d_take},
    {"gather", op_gather},
    {"make_yieldable", op_make_yieldable},
    {"run_in_background", op_run_in_background},
    {NULL, NULL},
};
