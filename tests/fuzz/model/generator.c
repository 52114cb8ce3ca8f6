// SPDX-License-Identifier: Apache-2.0
// The choice of the next op, of the end of a body, and of the questions that end a scenario. One byte says which; what is not
// possible at that moment is passed over. One thread.

#include "generator.h"

#include <string.h>

#include "makers.h"

enum { OPS_MAX = 160, DEPTH_MAX = 7, ENDING_FROM = 200 };

static bool is_op(const json_t *owner, const char *name)
{
    return strcmp(json_string_value(json_object_get(owner, "op")), name) == 0;
}

// Out of the callback that runs: once, and neither itself nor one that waits for it.
static bool can_return(model_t *model, model_deferred_t *deferred)
{
    model_deferred_t *waiter = model->running[model->running_count - 1];
    return !deferred->returned && !model_keeps(model, waiter, deferred);
}

// Another name of the work on a thread would not know how that ended.
static bool can_become(model_t *model, model_deferred_t *deferred)
{
    (void)model;
    return deferred->origin != MODEL_BY_THREAD;
}

static json_t *make_failure(generator_t *generator)
{
    return make_with(make_named("d_fail"), "err", make_error_name(generator));
}

static json_t *make_return(generator_t *generator, model_t *model, deferred_fits_t *fits, bool once)
{
    const model_name_t *name = pick_deferred(generator, model, fits);

    if (!name) {
        return NULL;
    }
    ((model_deferred_t *)name->thing)->returned |= once;
    return make_with(make_named("d_return"), "d", name->id);
}

// How the body ends that is `key` of `owner`; NULL: plainly.
static json_t *make_ending(generator_t *generator, model_t *model, const json_t *owner, const char *key,
                           unsigned choice)
{
    bool callback = strcmp(key, "cb") == 0 || strcmp(key, "eb") == 0 || strcmp(key, "both") == 0;
    bool background = is_op(owner, "run_in_background");
    bool process = is_op(owner, "bg_process");

    switch (choice % 8) {
    case 0:
    case 1:
    case 2:
        return callback     ? make_return(generator, model, can_return, true)
               : background ? make_return(generator, model, can_become, false)
               : process    ? make_return(generator, model, any_deferred, false)
                            : NULL;
    case 3:
        return callback || background || process ? make_with_value(generator, make_failure(generator))
               : is_op(owner, "defer_to_thread") ? make_failure(generator)
                                                 : NULL;
    case 4:
        return callback ? make_named("d_pass") : NULL;
    case 5:
        return callback || background ? make_named("d_value") : NULL;
    case 6:
        return callback ? make_named("d_take") : NULL;
    default:
        return NULL;
    }
}

static bool is_ending(const json_t *made)
{
    static const char *const endings[] = {"d_return", "d_fail", "d_pass", "d_value", "d_take"};

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (is_op(made, endings[i])) {
            return true;
        }
    }
    return false;
}

// In the end everything that has a name is asked how it is.
static json_t *make_closing(generator_t *generator, const model_t *model)
{
    size_t at = generator->closing++;

    if (at < 3) {
        return at < 2 ? make_with(make_named("bg_metrics"), "name", make_description((unsigned)at))
                      : make_named("values");
    }
    at -= 3;
    if (at < 2 * model->context_count) {
        const char *id = model->contexts[at / 2]->id;
        return id ? make_with(make_named(at & 1 ? "usage" : "ctx_state"), "id", id) : make_named("current");
    }
    at -= 2 * model->context_count;
    if (at < 2 * model->deferred_names.count) {
        const model_name_t *name = &model->deferred_names.items[at / 2];
        return name->thing ? make_with(make_named(at & 1 ? "d_look" : "d_state"), "d", name->id)
                           : make_named("current");
    }
    return NULL;
}

static json_t *make_next(generator_t *generator, model_t *model, const json_t *owner, const char *key,
                         const json_t *ops)
{
    size_t count = json_array_size(ops);

    if (owner && (model->depth > DEPTH_MAX || (count > 0 && is_ending(json_array_get(ops, count - 1))))) {
        return NULL;
    }
    while (generator->left > 0 && generator->made < OPS_MAX) {
        unsigned choice = make_byte(generator);
        if (choice >= ENDING_FROM && owner) {
            return make_ending(generator, model, owner, key, choice - ENDING_FROM);
        }
        json_t *made = make_op(generator, model, choice);
        if (made) {
            return made;
        }
    }
    return owner ? NULL : make_closing(generator, model);
}

json_t *generator_next(void *user, model_t *model, const json_t *owner, const char *key, json_t *ops, size_t index)
{
    generator_t *generator = user;

    if (!owner && index == 0 && make_byte(generator) % 16 == 15) {
        json_array_append_new(ops, make_named("no_rusage"));
        return json_array_get(ops, 0);
    }
    json_t *made = make_next(generator, model, owner, key, ops);
    if (!made) {
        return NULL;
    }
    generator->made++;
    json_array_append_new(ops, made);
    return made;
}
