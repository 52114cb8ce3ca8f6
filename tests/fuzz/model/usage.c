// SPDX-License-Identifier: Apache-2.0
// Clocks and accounting, as sections 4.2 and 4.6 of the format have them. Part of the model, which belongs to one thread.

#include "model.h"

#include <inttypes.h>
#include <string.h>

bool model_reading(model_t *model, int64_t *user, int64_t *system)
{
    model_thread_t *thread = model->thread;

    if (model->no_readings) {
        return false;
    }
    *user = thread->user;
    *system = thread->system;
    thread->user += thread->tick_user;
    thread->system += thread->tick_system;
    return true;
}

void model_charge(model_context_t *context, const model_usage_t *usage)
{
    for (; context; context = context->parent) {
        context->used.user += usage->user;
        context->used.system += usage->system;
        context->used.transactions += usage->transactions;
        context->used.transaction_ms += usage->transaction_ms;
        context->used.waited_ms += usage->waited_ms;
        context->used.rows += usage->rows;
    }
}

static int64_t part(model_t *model, const char *name, int64_t from, int64_t to)
{
    if (to >= from) {
        return to - from;
    }
    model_event(model, strcmp(name, "utime") == 0 ? "utime_backwards" : "stime_backwards",
                "%s went backwards! %" PRId64 ".%03" PRId64 "000 < %" PRId64 ".%03" PRId64 "000", name, to / 1000,
                to % 1000, from / 1000, from % 1000);
    return 0;
}

model_usage_t model_delta(model_t *model, const model_context_t *context, int64_t user, int64_t system)
{
    model_usage_t slice = {0};

    slice.user = part(model, "utime", context->started_user, user);
    slice.system = part(model, "stime", context->started_system, system);
    return slice;
}

model_usage_t model_usage_of(model_t *model, const model_context_t *context)
{
    model_usage_t usage = context->used;
    int64_t user;
    int64_t system;

    if (context->started && strcmp(context->home, model->thread->label) == 0 && model_reading(model, &user, &system)) {
        model_usage_t slice = model_delta(model, context, user, system);
        usage.user += slice.user;
        usage.system += slice.system;
    }
    return usage;
}

static void charge_current(model_t *model, const model_usage_t *usage)
{
    if (model->thread->current != &model->sentinel) {
        model_charge(model->thread->current, usage);
    }
}

// Whether a duration may be charged here; a negative one is refused, but the sentinel does not look.
static bool accepts(model_t *model, int64_t ms, const char *what)
{
    if (ms >= 0 || model->thread->current == &model->sentinel) {
        return true;
    }
    model_event(model, "negative_duration", "DB %s time can only be non-negative", what);
    return false;
}

static void op_db_txn(model_t *model, const model_step_t *step, json_t **result)
{
    int64_t ms = model_integer(model, step->op, "ms");

    (void)result;
    if (accepts(model, ms, "txn")) {
        charge_current(model, &(model_usage_t){.transactions = 1, .transaction_ms = ms});
    }
}

static void op_db_sched(model_t *model, const model_step_t *step, json_t **result)
{
    int64_t ms = model_integer(model, step->op, "ms");

    (void)result;
    if (accepts(model, ms, "scheduling")) {
        charge_current(model, &(model_usage_t){.waited_ms = ms});
    }
}

static void op_event_fetch(model_t *model, const model_step_t *step, json_t **result)
{
    (void)result;
    charge_current(model, &(model_usage_t){.rows = model_integer(model, step->op, "n")});
}

static void op_add_cputime(model_t *model, const model_step_t *step, json_t **result)
{
    model_usage_t usage = {.user = model_integer(model, step->op, "user_ms"),
                           .system = model_integer(model, step->op, "sys_ms")};

    (void)result;
    model_charge(model_context_find(model, model_string(model, step->op, "id")), &usage);
}

static void op_usage(model_t *model, const model_step_t *step, json_t **result)
{
    model_usage_t usage = model_usage_of(model, model_context_find(model, model_string(model, step->op, "id")));

    *result = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "utime", (json_int_t)usage.user, "stime",
                        (json_int_t)usage.system, "txn_count", (json_int_t)usage.transactions, "txn_ms",
                        (json_int_t)usage.transaction_ms, "sched_ms", (json_int_t)usage.waited_ms, "evt",
                        (json_int_t)usage.rows);
}

const model_op_t model_usage_ops[] = {
    {"db_txn", op_db_txn},           {"db_sched", op_db_sched}, {"event_fetch", op_event_fetch},
    {"add_cputime", op_add_cputime}, {"usage", op_usage},       {NULL, NULL},
};
