// SPDX-License-Identifier: Apache-2.0
// The threads of a scenario, each a struct, and what moves their clocks (sections 3 and 4.8 of the format). Part of the
// model, which belongs to one thread.

#include "model.h"

static void op_cpu(model_t *model, const model_step_t *step, json_t **result)
{
    (void)result;
    model->thread->user += model_integer(model, step->op, "user_ms");
    model->thread->system += model_integer(model, step->op, "sys_ms");
    if (model->thread->user < 0 || model->thread->system < 0) {
        model_invalid(model, "the clock goes below 0");
    }
}

static void op_cpu_tick(model_t *model, const model_step_t *step, json_t **result)
{
    (void)result;
    model->thread->tick_user = model_integer(model, step->op, "user_ms");
    model->thread->tick_system = model_integer(model, step->op, "sys_ms");
}

static void op_no_rusage(model_t *model, const model_step_t *step, json_t **result)
{
    (void)step;
    (void)result;
    model->no_readings = true;
}

static void begin_thread(model_t *model, const model_step_t *step)
{
    model_thread_t *thread = model_memory(model, sizeof *thread);

    *thread = (model_thread_t){
        .label = model_string(model, step->op, "label"), .current = &model->sentinel, .starter = model->thread};
    model->thread = thread;
}

static void op_on_thread(model_t *model, const model_step_t *step, json_t **result)
{
    (void)result;
    begin_thread(model, step);
    model_body(model, step->op, step->path, "ops");
    model->thread = model->thread->starter;
}

static void op_defer_to_thread(model_t *model, const model_step_t *step, json_t **result)
{
    model_context_t *caller = model->thread->current;
    bool orphan = caller == &model->sentinel;

    begin_thread(model, step);
    if (orphan) {
        model_event(model, "threadpool_from_sentinel",
                    "Calling defer_to_threadpool from sentinel context: metrics will be lost");
    }
    model_context_t *child = model_context_new(model, caller->name, orphan ? NULL : caller, caller->server);
    model_enter(model, child);
    model_ending_t ending = model_body(model, step->op, step->path, "ops");
    model_exit(model, child);
    model->thread = model->thread->starter;

    model_deferred_t *deferred = model_deferred_new(model, MODEL_BY_THREAD);
    deferred->outcome = ending.error;
    model_deferred_name(model, step->op, deferred);
    model_make_yieldable(model, deferred);
    *result = model_complete(deferred);
}

static void op_deliver(model_t *model, const model_step_t *step, json_t **result)
{
    model_deferred_t *deferred = model_deferred_find(model, step->op, "d");

    (void)result;
    if (deferred) {
        model_fire(model, deferred, (model_result_t){deferred->outcome ? MODEL_FAIL : MODEL_OK, deferred->outcome, 0});
    }
}

const model_op_t model_thread_ops[] = {
    {"cpu", op_cpu},
    {"cpu_tick", op_cpu_tick},
    {"no_rusage", op_no_rusage},
    {"on_thread", op_on_thread},
    {"defer_to_thread", op_defer_to_thread},
    {"deliver", op_deliver},
    {NULL, NULL},
};
