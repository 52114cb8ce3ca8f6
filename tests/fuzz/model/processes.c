// SPDX-License-Identifier: Apache-2.0
// Background processes and their report, as section 4.9 of the format has them. Part of the model, which belongs to one
// thread.

#include "model.h"

#include <string.h>

static model_row_t *row_of(model_t *model, const char *desc)
{
    for (size_t i = 0; i < model->row_count; i++) {
        if (strcmp(model->rows[i].desc, desc) == 0) {
            return &model->rows[i];
        }
    }
    model->rows = model_room(model, model->rows, model->row_count, sizeof *model->rows);
    model->rows[model->row_count] = (model_row_t){.desc = desc};
    return &model->rows[model->row_count++];
}

static int64_t at_least_0(int64_t number)
{
    return number > 0 ? number : 0;
}

static void report(model_t *model, model_context_t *context)
{
    model_usage_t now = model_usage_of(model, context);
    model_usage_t *sum = &row_of(model, context->process)->sum;

    sum->user += at_least_0(now.user - context->reported.user);
    sum->system += at_least_0(now.system - context->reported.system);
    sum->transactions += now.transactions - context->reported.transactions;
    sum->transaction_ms += now.transaction_ms - context->reported.transaction_ms;
    sum->waited_ms += now.waited_ms - context->reported.waited_ms;
    context->reported = now;
}

static size_t find_active(const model_t *model, const model_context_t *context)
{
    size_t i = 0;

    while (i < model->active_count && model->active[i] != context) {
        i++;
    }
    return i;
}

void model_process_started(model_t *model, model_context_t *context)
{
    if (context->gone) {
        model_event(model, "bgproc_reentered", "Background process re-entered without a proc: %s", context->name);
    } else if (find_active(model, context) == model->active_count) {
        model->active = model_room(model, model->active, model->active_count, sizeof(model_context_t *));
        model->active[model->active_count++] = context;
    }
}

void model_process_exited(model_t *model, model_context_t *context)
{
    if (context->gone) {
        model_event(model, "bgproc_exited", "Background process exited without a proc: %s", context->name);
        return;
    }
    size_t at = find_active(model, context);
    if (at < model->active_count) {
        memmove(model->active + at, model->active + at + 1, (model->active_count - at - 1) * sizeof(model_context_t *));
        model->active_count--;
    }
    report(model, context);
    context->gone = true;
}

void model_process_ends(model_t *model, model_context_t *context, model_deferred_t *ended, const char *error)
{
    if (error) {
        model_event(model, "bgproc_exception", "Background process '%s' threw an exception", context->process);
    }
    row_of(model, context->process)->in_flight--;
    model_exit(model, context);
    model_fire(model, ended, (model_result_t){MODEL_OK, NULL, 0});
}

static void op_bg_new(model_t *model, const model_step_t *step, json_t **result)
{
    const char *desc = model_string(model, step->op, "name");
    const char *name = model_text(model, "%s-%lld", desc, (long long)model_integer(model, step->op, "instance"));
    model_context_t *context = model_context_new(model, name, NULL, "test_server");

    (void)result;
    context->process = desc;
    model_context_name(model, context, model_string(model, step->op, "id"));
}

static model_context_t *begin_process(model_t *model, const json_t *op)
{
    const char *desc = model_string(model, op, "desc");
    const char *id = json_string_value(json_object_get(op, "ctx"));
    model_row_t *row = row_of(model, desc);
    const char *name = model_text(model, "%s-%lld", desc, (long long)row->started);

    row->started++;
    row->in_flight++;
    model_context_t *context = model_context_new(model, name, NULL, "test_server");
    context->process = desc;
    model_enter(model, context);
    if (id) {
        model_context_name(model, context, id);
    }
    return context;
}

static void op_bg_process(model_t *model, const model_step_t *step, json_t **result)
{
    model_block_t block = model_preserve(model, &model->sentinel);
    model_context_t *context = begin_process(model, step->op);
    model_deferred_t *ended = model_deferred_new(model, MODEL_BY_PROCESS);
    model_ending_t ending = model_body(model, step->op, step->path, "ops");
    model_deferred_t *work = ending.deferred;

    if (work && !model_is_complete(work)) {
        model_add(model, work, (model_entry_t){.kind = MODEL_END, .context = context, .to = ended});
    } else {
        const char *error = !work ? ending.error : work->result.status == MODEL_FAIL ? work->result.error : NULL;
        model_process_ends(model, context, ended, error);
    }
    model_preserved(model, &block);
    model_deferred_name(model, step->op, ended);
    *result = model_complete(ended);
}

static void op_bg_scrape(model_t *model, const model_step_t *step, json_t **result)
{
    size_t count = model->active_count;

    (void)step;
    (void)result;
    model->active_count = 0;
    for (size_t i = 0; i < count; i++) {
        report(model, model->active[i]);
    }
}

static void op_bg_metrics(model_t *model, const model_step_t *step, json_t **result)
{
    const model_row_t *row = row_of(model, model_string(model, step->op, "name"));

    *result = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "started", (json_int_t)row->started, "in_flight",
                        (json_int_t)row->in_flight, "utime", (json_int_t)row->sum.user, "stime",
                        (json_int_t)row->sum.system, "txn_count", (json_int_t)row->sum.transactions, "txn_ms",
                        (json_int_t)row->sum.transaction_ms, "sched_ms", (json_int_t)row->sum.waited_ms);
}

const model_op_t model_process_ops[] = {
    {"bg_new", op_bg_new}, {"bg_process", op_bg_process}, {"bg_scrape", op_bg_scrape}, {"bg_metrics", op_bg_metrics},
    {NULL, NULL},
};
