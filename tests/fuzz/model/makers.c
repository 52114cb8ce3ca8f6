// SPDX-License-Identifier: Apache-2.0
// Makes each op of the format and of our own, with what there is at that moment: one of a few ids, the latest first, one of
// a few names, small numbers. One thread.

#include "makers.h"

#include <stdio.h>
#include <string.h>

enum { THREADS_MAX = 3, NAME_MAX_LENGTH = 60 };

unsigned make_byte(generator_t *generator)
{
    if (generator->left == 0) {
        return 0;
    }
    generator->left--;
    return *generator->bytes++;
}

json_t *make_named(const char *name)
{
    return json_pack("{s:s}", "op", name);
}

json_t *make_with(json_t *made, const char *key, const char *value)
{
    json_object_set_new(made, key, json_string(value));
    return made;
}

static json_t *with_number(json_t *made, const char *key, int64_t value)
{
    json_object_set_new(made, key, json_integer(value));
    return made;
}

static json_t *with_body(json_t *made, const char *key)
{
    json_object_set_new(made, key, json_array());
    return made;
}

static json_t *with_new(generator_t *generator, json_t *made, const char *key, char letter)
{
    snprintf(generator->text, sizeof generator->text, "%c%u", letter, generator->ids++);
    return make_with(made, key, generator->text);
}

json_t *make_with_value(generator_t *generator, json_t *made)
{
    if (make_byte(generator) & 1) {
        json_object_set_new(made, "value", json_true());
    }
    return made;
}

const char *make_error_name(generator_t *generator)
{
    return make_byte(generator) & 1 ? "boom" : "timeout";
}

const char *make_description(unsigned choice)
{
    return choice & 1 ? "sweep" : "mail";
}

// The choice among those that fit: the latest first.
static size_t choose(generator_t *generator, size_t count)
{
    return count - 1 - make_byte(generator) % count;
}

typedef bool context_fits_t(const model_t *model, const model_context_t *context);

static bool any_context(const model_t *model, const model_context_t *context)
{
    (void)model;
    return context->id;
}

static bool is_known(const model_t *model, const model_context_t *context)
{
    return context == &model->sentinel || context->id;
}

// A context that is finished or was handed over does not keep its previous one, which has to be somebody else's.
static bool can_enter_and_exit(const model_t *model, const model_context_t *context)
{
    bool keeps = !context->finished && !context->loose;
    return context->id && (keeps || is_known(model, context->previous));
}

static bool is_current_outside(const model_t *model, const model_context_t *context)
{
    for (const model_thread_t *thread = model->thread->starter; thread; thread = thread->starter) {
        if (thread->current == context) {
            return true;
        }
    }
    return false;
}

// Left running by a thread that ended, whose id another one has now: from elsewhere it seems to be current there.
static bool seems_current_outside(const model_t *model, const model_context_t *context)
{
    for (const model_thread_t *thread = model->thread->starter; thread; thread = thread->starter) {
        if ((context->started || model->no_readings) && strcmp(thread->label, context->home) == 0) {
            return true;
        }
    }
    return false;
}

// Whom no thread runs, but perhaps this one as a stranger. A process ends by itself, in what was current then.
static bool can_hand_over(const model_t *model, const model_context_t *context)
{
    const model_thread_t *here = model->thread;
    bool runs = context == here->current && strcmp(context->home, here->label) == 0;

    return context->id && !runs && !is_current_outside(model, context) && !seems_current_outside(model, context) &&
           (!context->process || here->current == &model->sentinel);
}

// The books of the scenario's processes keep their contexts. One that another thread has current would be finished there.
static bool can_drop(const model_t *model, const model_context_t *context)
{
    return context->id && !context->process && !is_current_outside(model, context);
}

static model_context_t *a_context(generator_t *generator, const model_t *model, context_fits_t *fits)
{
    size_t count = 0;

    for (size_t i = 0; i < model->context_count; i++) {
        count += fits(model, model->contexts[i]);
    }
    if (count == 0) {
        return NULL;
    }
    size_t chosen = choose(generator, count);
    for (size_t i = 0;; i++) {
        if (fits(model, model->contexts[i]) && chosen-- == 0) {
            return model->contexts[i];
        }
    }
}

static json_t *of_context(generator_t *generator, const model_t *model, const char *name, context_fits_t *fits)
{
    const model_context_t *context = a_context(generator, model, fits);
    return context ? make_with(make_named(name), "id", context->id) : NULL;
}

static json_t *of_context_or_sentinel(generator_t *generator, const model_t *model, const char *name)
{
    if (make_byte(generator) % 3 == 0) {
        return make_with(make_named(name), "id", "sentinel");
    }
    return of_context(generator, model, name, any_context);
}

bool any_deferred(model_t *model, model_deferred_t *deferred)
{
    (void)model;
    return deferred;
}

static bool can_call(model_t *model, model_deferred_t *deferred)
{
    (void)model;
    return deferred->origin == MODEL_BY_NEW;
}

static bool can_deliver(model_t *model, model_deferred_t *deferred)
{
    (void)model;
    return deferred->origin == MODEL_BY_THREAD;
}

static bool can_pause(model_t *model, model_deferred_t *deferred)
{
    (void)model;
    return deferred->origin != MODEL_BY_PROCESS && deferred->paused < 4;
}

static bool can_unpause(model_t *model, model_deferred_t *deferred)
{
    (void)model;
    return deferred->held > 0;
}

static bool can_cancel(model_t *model, model_deferred_t *deferred)
{
    (void)model;
    return deferred->origin != MODEL_BY_PROCESS || deferred->called;
}

const model_name_t *pick_deferred(generator_t *generator, model_t *model, deferred_fits_t *fits)
{
    const model_names_t *names = &model->deferred_names;
    size_t count = 0;

    for (size_t i = 0; i < names->count; i++) {
        count += names->items[i].thing && fits(model, names->items[i].thing);
    }
    if (count == 0) {
        return NULL;
    }
    size_t chosen = choose(generator, count);
    for (size_t i = 0;; i++) {
        if (names->items[i].thing && fits(model, names->items[i].thing) && chosen-- == 0) {
            return &names->items[i];
        }
    }
}

static json_t *of_deferred(generator_t *generator, model_t *model, const char *name, deferred_fits_t *fits)
{
    const model_name_t *deferred = pick_deferred(generator, model, fits);
    return deferred ? make_with(make_named(name), "d", deferred->id) : NULL;
}

static json_t *make_new(generator_t *generator, model_t *model)
{
    static const char *const names[] = {"A", "B", "C", "50% \"of\"\\\t\xc3\xa9"};
    unsigned choice = make_byte(generator);
    json_t *made = make_with(with_new(generator, make_named("new"), "id", 'c'), "name", names[choice & 3]);
    const model_context_t *parent = choice & 4 ? a_context(generator, model, any_context) : NULL;

    if (parent) {
        make_with(made, "parent", parent->id);
    }
    return (choice & 24) == 24 ? make_with(made, "server", choice & 32 ? "other" : "") : made;
}

static json_t *make_nested(generator_t *generator, model_t *model)
{
    if (strlen(model->thread->current->name) > NAME_MAX_LENGTH) {
        return NULL;
    }
    return make_with(with_new(generator, make_named("nested"), "id", 'c'), "suffix",
                     make_byte(generator) & 1 ? "n" : "m");
}

static json_t *make_enter(generator_t *generator, model_t *model)
{
    return of_context(generator, model, "enter", can_enter_and_exit);
}

static json_t *make_exit(generator_t *generator, model_t *model)
{
    return of_context(generator, model, "exit", can_enter_and_exit);
}

static json_t *make_finish(generator_t *generator, model_t *model)
{
    return of_context(generator, model, "finish", any_context);
}

static json_t *make_ctx_drop(generator_t *generator, model_t *model)
{
    return of_context(generator, model, "ctx_drop", can_drop);
}

static json_t *make_hand_over(generator_t *generator, model_t *model)
{
    return of_context(generator, model, "hand_over", can_hand_over);
}

static json_t *make_set_current(generator_t *generator, model_t *model)
{
    return of_context_or_sentinel(generator, model, "set_current");
}

static json_t *make_ctx_state(generator_t *generator, model_t *model)
{
    return of_context(generator, model, "ctx_state", any_context);
}

static json_t *make_log(generator_t *generator, model_t *model)
{
    json_t *made = make_named("log");

    (void)model;
    if (make_byte(generator) & 1) {
        json_object_set_new(made, "preset", json_true());
    }
    return made;
}

static json_t *make_preserve_enter(generator_t *generator, model_t *model)
{
    json_t *made = of_context_or_sentinel(generator, model, "preserve_enter");
    return made ? with_new(generator, made, "h", 'h') : NULL;
}

static json_t *make_preserve_exit(generator_t *generator, model_t *model)
{
    const model_names_t *names = &model->blocks;
    size_t start = names->count ? choose(generator, names->count) : 0;

    for (size_t i = 0; i < names->count; i++) {
        const model_name_t *name = &names->items[(start + i) % names->count];
        const model_block_t *block = name->thing;
        if (!block->left || (is_known(model, block->old) && is_known(model, block->target))) {
            return make_with(make_named("preserve_exit"), "h", name->id);
        }
    }
    return NULL;
}

// A few milliseconds, seldom many, seldom below zero.
static int64_t some_ms(generator_t *generator)
{
    unsigned choice = make_byte(generator);
    return choice >= 250 ? 1234567 : choice >= 230 ? (int64_t)choice - 256 : choice % 16;
}

static json_t *make_db_txn(generator_t *generator, model_t *model)
{
    (void)model;
    return with_number(make_named("db_txn"), "ms", some_ms(generator));
}

static json_t *make_db_sched(generator_t *generator, model_t *model)
{
    (void)model;
    return with_number(make_named("db_sched"), "ms", some_ms(generator));
}

static json_t *make_event_fetch(generator_t *generator, model_t *model)
{
    (void)model;
    return with_number(make_named("event_fetch"), "n", some_ms(generator));
}

static json_t *make_add_cputime(generator_t *generator, model_t *model)
{
    json_t *made = of_context(generator, model, "add_cputime", any_context);
    return made ? with_number(with_number(made, "user_ms", some_ms(generator)), "sys_ms", some_ms(generator)) : NULL;
}

static json_t *make_usage(generator_t *generator, model_t *model)
{
    return of_context(generator, model, "usage", any_context);
}

static int64_t not_below(int64_t change, int64_t clock)
{
    return change < -clock ? -clock : change;
}

static json_t *make_cpu(generator_t *generator, model_t *model)
{
    int64_t user = not_below(some_ms(generator), model->thread->user);
    int64_t system = not_below(some_ms(generator), model->thread->system);
    return with_number(with_number(make_named("cpu"), "user_ms", user), "sys_ms", system);
}

// A label that no thread which runs has.
static json_t *on_some_thread(generator_t *generator, const model_t *model, json_t *made)
{
    static const char *const labels[] = {"t", "u", "v", "w"};
    size_t start = make_byte(generator);
    const char *label = NULL;
    unsigned running = model->thread->current->dropped ? THREADS_MAX : 0; // see can_drop()

    for (const model_thread_t *thread = model->thread; thread; thread = thread->starter) {
        running++;
    }
    for (size_t i = 0; !label && running <= THREADS_MAX && i < 4; i++) {
        label = labels[(start + i) % 4];
        for (const model_thread_t *thread = model->thread; thread && label; thread = thread->starter) {
            label = strcmp(thread->label, label) == 0 ? NULL : label;
        }
    }
    if (!label) {
        json_decref(made);
        return NULL;
    }
    return with_body(make_with(made, "label", label), "ops");
}

static json_t *make_on_thread(generator_t *generator, model_t *model)
{
    return on_some_thread(generator, model, make_named("on_thread"));
}

static json_t *make_defer_to_thread(generator_t *generator, model_t *model)
{
    return on_some_thread(generator, model, with_new(generator, make_named("defer_to_thread"), "d", 'd'));
}

static json_t *make_deliver(generator_t *generator, model_t *model)
{
    return of_deferred(generator, model, "deliver", can_deliver);
}

static json_t *make_d_new(generator_t *generator, model_t *model)
{
    json_t *made = with_new(generator, make_named("d_new"), "d", 'd');

    (void)model;
    return make_byte(generator) % 4 == 3 ? with_body(made, "canceller") : made;
}

static json_t *make_d_called(generator_t *generator, model_t *model)
{
    json_t *made = make_with_value(generator, with_new(generator, make_named("d_called"), "d", 'd'));

    (void)model;
    return make_byte(generator) & 1 ? make_with(made, "err", make_error_name(generator)) : made;
}

static json_t *make_d_add(generator_t *generator, model_t *model)
{
    json_t *made = of_deferred(generator, model, "d_add", any_deferred);
    unsigned sides = made ? make_byte(generator) % 8 : 0;

    if (!made) {
        return NULL;
    }
    if (sides >= 4) {
        return with_body(made, "both");
    }
    if (sides != 1) {
        with_body(made, "cb");
    }
    return sides > 0 ? with_body(made, "eb") : made;
}

static json_t *calls(generator_t *generator, model_t *model, const char *name, bool fails)
{
    json_t *made = of_deferred(generator, model, name, can_call);

    if (made && fails) {
        make_with(made, "err", make_error_name(generator));
    }
    return made ? make_with_value(generator, made) : NULL;
}

static json_t *make_d_callback(generator_t *generator, model_t *model)
{
    return calls(generator, model, "d_callback", false);
}

static json_t *make_d_errback(generator_t *generator, model_t *model)
{
    return calls(generator, model, "d_errback", true);
}

static json_t *make_succeed(generator_t *generator, model_t *model)
{
    return calls(generator, model, "succeed", false);
}

static json_t *make_fail(generator_t *generator, model_t *model)
{
    return calls(generator, model, "fail", true);
}

static json_t *make_d_cancel(generator_t *generator, model_t *model)
{
    return of_deferred(generator, model, "d_cancel", can_cancel);
}

static json_t *make_cancel(generator_t *generator, model_t *model)
{
    return of_deferred(generator, model, "cancel", can_cancel);
}

static json_t *make_d_pause(generator_t *generator, model_t *model)
{
    return of_deferred(generator, model, "d_pause", can_pause);
}

static json_t *make_d_unpause(generator_t *generator, model_t *model)
{
    return of_deferred(generator, model, "d_unpause", can_unpause);
}

static json_t *make_d_drop(generator_t *generator, model_t *model)
{
    return of_deferred(generator, model, "d_drop", any_deferred);
}

static json_t *make_d_state(generator_t *generator, model_t *model)
{
    return of_deferred(generator, model, "d_state", any_deferred);
}

static json_t *make_d_look(generator_t *generator, model_t *model)
{
    return of_deferred(generator, model, "d_look", any_deferred);
}

static json_t *make_values(generator_t *generator, model_t *model)
{
    (void)generator;
    (void)model;
    return make_named("values");
}

static json_t *make_gather(generator_t *generator, model_t *model)
{
    unsigned choice = make_byte(generator);
    json_t *ids = json_array();

    for (unsigned i = 0; i < (choice >> 1) % 5; i++) {
        const model_name_t *member = pick_deferred(generator, model, any_deferred);
        if (member) {
            json_array_append_new(ids, json_string(member->id));
        }
    }
    json_t *made = with_new(generator, make_named("gather"), "d", 'd');
    json_object_set_new(made, "ds", ids);
    json_object_set_new(made, "consume", json_boolean(choice & 1));
    return made;
}

static json_t *make_make_yieldable(generator_t *generator, model_t *model)
{
    return of_deferred(generator, model, "make_yieldable", any_deferred);
}

static json_t *make_run_in_background(generator_t *generator, model_t *model)
{
    (void)model;
    return with_body(with_new(generator, make_named("run_in_background"), "d", 'd'), "ops");
}

static json_t *make_bg_new(generator_t *generator, model_t *model)
{
    json_t *made = with_new(generator, make_named("bg_new"), "id", 'c');

    (void)model;
    return with_number(make_with(made, "name", make_description(make_byte(generator))), "instance", generator->ids);
}

static json_t *make_bg_process(generator_t *generator, model_t *model)
{
    unsigned choice = make_byte(generator);
    json_t *made = with_body(
        make_with(with_new(generator, make_named("bg_process"), "d", 'd'), "desc", make_description(choice)), "ops");

    (void)model;
    return choice & 2 ? made : with_new(generator, made, "ctx", 'c');
}

static json_t *make_bg_scrape(generator_t *generator, model_t *model)
{
    (void)generator;
    (void)model;
    return make_named("bg_scrape");
}

static json_t *make_bg_metrics(generator_t *generator, model_t *model)
{
    (void)model;
    return make_with(make_named("bg_metrics"), "name", make_description(make_byte(generator)));
}

static json_t *make_bind(generator_t *generator, model_t *model)
{
    (void)model;
    return with_new(generator, make_named("bind"), "b", 'b');
}

static json_t *of_binding(generator_t *generator, const model_names_t *names, const char *name, const char *key)
{
    size_t start = names->count ? choose(generator, names->count) : 0;

    for (size_t i = 0; i < names->count; i++) {
        const model_name_t *found = &names->items[(start + i) % names->count];
        if (!((const model_capture_t *)found->thing)->gone) {
            return make_with(make_named(name), key, found->id);
        }
    }
    return NULL;
}

static json_t *make_bound_call(generator_t *generator, model_t *model)
{
    json_t *made = of_binding(generator, &model->bounds, "bound_call", "b");

    if (made && make_byte(generator) % 4 == 3) {
        json_object_set_new(made, "once", json_true());
    }
    return made ? with_body(made, "ops") : NULL;
}

static json_t *make_bound_free(generator_t *generator, model_t *model)
{
    return of_binding(generator, &model->bounds, "bound_free", "b");
}

static json_t *make_capture(generator_t *generator, model_t *model)
{
    (void)model;
    return with_new(generator, make_named("capture"), "c", 'k');
}

static json_t *make_capture_clear(generator_t *generator, model_t *model)
{
    return of_binding(generator, &model->captures, "capture_clear", "c");
}

static json_t *make_resume(generator_t *generator, model_t *model)
{
    json_t *made = of_binding(generator, &model->captures, "resume", "c");
    return made ? with_body(made, "ops") : NULL;
}

typedef json_t *maker_t(generator_t *generator, model_t *model);

// How likely each is; where a body may end, what begins at 200 is less so.
static const struct {
    unsigned weight;
    maker_t *make;
} makers[] = {
    {8, make_new},
    {3, make_nested},
    {7, make_enter},
    {8, make_exit},
    {3, make_finish},
    {3, make_ctx_drop},
    {9, make_set_current},
    {1, make_ctx_state},
    {1, make_log},
    {4, make_preserve_enter},
    {5, make_preserve_exit},
    {2, make_db_txn},
    {1, make_db_sched},
    {1, make_event_fetch},
    {2, make_add_cputime},
    {3, make_usage},
    {8, make_cpu},
    {3, make_on_thread},
    {2, make_defer_to_thread},
    {3, make_deliver},
    {10, make_d_new},
    {2, make_d_called},
    {15, make_d_add},
    {9, make_d_callback},
    {4, make_d_errback},
    {3, make_succeed},
    {2, make_fail},
    {5, make_d_cancel},
    {2, make_cancel},
    {3, make_d_pause},
    {4, make_d_unpause},
    {6, make_d_drop},
    {2, make_d_state},
    {1, make_d_look},
    {1, make_values},
    {6, make_gather},
    {8, make_make_yieldable},
    {8, make_run_in_background},
    {2, make_bg_new},
    {8, make_bg_process},
    {2, make_bg_scrape},
    {1, make_bg_metrics},
    {3, make_bind},
    {4, make_bound_call},
    {2, make_bound_free},
    {2, make_capture},
    {1, make_capture_clear},
    {3, make_resume},
    {4, make_hand_over},
};

json_t *make_op(generator_t *generator, model_t *model, unsigned choice)
{
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        if (choice < makers[i].weight) {
            return makers[i].make(generator, model);
        }
        choice -= makers[i].weight;
    }
    return NULL;
}
