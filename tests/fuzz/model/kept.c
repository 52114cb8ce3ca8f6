// SPDX-License-Identifier: Apache-2.0
// Who keeps which deferred: what has a name, is being run, or is in the queue of one that is kept. The library counts
// references; the model looks whether there is a way. Part of the model, which belongs to one thread.

#include "model.h"

#include <string.h>

static void mark(model_t *model, model_deferred_t *deferred);

// Everything that `deferred` keeps gets the mark. A gather keeps the members that it has counted until it is called,
// and while it is being cancelled.
static void mark_kept_by(model_t *model, const model_deferred_t *deferred)
{
    for (size_t i = 0; i < deferred->entry_count; i++) {
        if (deferred->entries[i].to) {
            mark(model, deferred->entries[i].to);
        }
    }
    for (size_t i = 0; (!deferred->called || deferred->walks > 0) && i < deferred->member_count; i++) {
        if (deferred->counted[i]) {
            mark(model, deferred->members[i]);
        }
    }
}

static void mark(model_t *model, model_deferred_t *deferred)
{
    if (deferred->mark == model->mark) {
        return;
    }
    deferred->mark = model->mark;
    mark_kept_by(model, deferred);
}

static void mark_all(model_t *model)
{
    model->mark++;
    for (size_t i = 0; i < model->deferred_count; i++) {
        if (model->deferreds[i]->names > 0) {
            mark(model, model->deferreds[i]);
        }
    }
    for (size_t i = 0; i < model->busy_count; i++) {
        mark(model, model->busy[i]);
    }
    if (model->ending.deferred) {
        mark(model, model->ending.deferred);
    }
}

bool model_is_kept(model_t *model, model_deferred_t *deferred)
{
    mark_all(model);
    return deferred->mark == model->mark;
}

bool model_keeps(model_t *model, model_deferred_t *from, model_deferred_t *to)
{
    model->mark++;
    mark(model, from);
    return to->mark == model->mark;
}

bool model_has_ring(model_t *model)
{
    for (size_t i = 0; i < model->deferred_count; i++) {
        model->mark++;
        mark_kept_by(model, model->deferreds[i]);
        if (model->deferreds[i]->mark == model->mark) {
            return true;
        }
    }
    return false;
}

// The same value may be seen twice: in a result, and with the function that works on it.
static int distinct(const int *values, int count)
{
    int different = 0;

    for (int i = 0; i < count; i++) {
        int before = 0;
        while (before < i && values[before] != values[i]) {
            before++;
        }
        different += before == i;
    }
    return different;
}

int model_values_live(model_t *model)
{
    int *values = model_memory(model, (model->deferred_count + model->input_count + 1) * sizeof *values);
    int count = 0;

    mark_all(model);
    for (size_t i = 0; i < model->deferred_count; i++) {
        if (model->deferreds[i]->mark == model->mark && model->deferreds[i]->result.value) {
            values[count++] = model->deferreds[i]->result.value;
        }
    }
    for (size_t i = 0; i < model->input_count; i++) {
        if (model->inputs[i].value) {
            values[count++] = model->inputs[i].value;
        }
    }
    return distinct(values, count);
}
