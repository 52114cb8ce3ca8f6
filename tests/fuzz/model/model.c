// SPDX-License-Identifier: Apache-2.0
// The walk of the model over the ops of a scenario, its trace (sections 1 to 3 of the format), and its memory.
// A model belongs to one thread.

#include "model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *pointer)
{
    if (!pointer) {
        fputs("the model is out of memory\n", stderr);
        abort();
    }
    return pointer;
}

void *model_memory(model_t *model, size_t size)
{
    void **block = must(calloc(1, sizeof(max_align_t) + size));

    *block = model->blocks_of_memory;
    model->blocks_of_memory = block;
    return (char *)block + sizeof(max_align_t);
}

static void format_into(model_t *model, char **text, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

static void format_into(model_t *model, char **text, const char *format, va_list arguments)
{
    char *printed = NULL;

    if (vasprintf(&printed, format, arguments) < 0) {
        must(NULL);
    }
    *text = strcpy(model_memory(model, strlen(printed) + 1), printed);
    free(printed);
}

char *model_text(model_t *model, const char *format, ...)
{
    char *text;
    va_list arguments;

    va_start(arguments, format);
    format_into(model, &text, format, arguments);
    va_end(arguments);
    return text;
}

void *model_room(model_t *model, void *items, size_t count, size_t size)
{
    if (count != 0 && (count & (count - 1)) != 0) {
        return items;
    }
    void *longer = model_memory(model, size * (count ? 2 * count : 1));
    if (count > 0) {
        memcpy(longer, items, size * count);
    }
    return longer;
}

void model_event(model_t *model, const char *kind, const char *format, ...)
{
    char *message;
    va_list arguments;

    va_start(arguments, format);
    format_into(model, &message, format, arguments);
    va_end(arguments);
    json_array_append_new(model->events, must(json_pack("{s:s, s:s, s:s}", "kind", kind, "message", message, "in",
                                                        model->thread->current->name)));
}

void model_invalid(model_t *model, const char *format, ...)
{
    va_list arguments;

    if (model->problem[0]) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(model->problem, sizeof model->problem, format, arguments);
    va_end(arguments);
}

const char *model_string(model_t *model, const json_t *op, const char *key)
{
    const char *value = json_string_value(json_object_get(op, key));

    if (!value) {
        model_invalid(model, "an op needs the string \"%s\"", key);
        return "";
    }
    return value;
}

int64_t model_integer(model_t *model, const json_t *op, const char *key)
{
    const json_t *value = json_object_get(op, key);

    if (!json_is_integer(value)) {
        model_invalid(model, "an op needs the integer \"%s\"", key);
    }
    return json_integer_value(value);
}

void model_name_add(model_t *model, model_names_t *names, const char *id, void *thing)
{
    names->items = model_room(model, names->items, names->count, sizeof *names->items);
    names->items[names->count++] = (model_name_t){id, thing};
}

void *model_name_find(model_t *model, const model_names_t *names, const char *id)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].id, id) == 0 && names->items[i].thing) {
            return names->items[i].thing;
        }
    }
    model_invalid(model, "there is no \"%s\" now", id);
    return NULL;
}

static void record(model_t *model, const char *path, json_t *result)
{
    json_t *made = must(json_pack("{s:s, s:s}", "at", path, "cur", model->thread->current->name));

    if (json_array_size(model->events) > 0) {
        json_object_set_new(made, "ev", model->events);
        model->events = must(json_array());
    }
    if (result) {
        json_object_set_new(made, "r", result);
    }
    json_array_append_new(model->records, made);
}

static model_handler_t *find_handler(const char *name)
{
    const model_op_t *const tables[] = {model_context_ops, model_deferred_ops, model_process_ops,
                                        model_binding_ops, model_thread_ops,   model_usage_ops};

    for (size_t i = 0; name && i < sizeof tables / sizeof *tables; i++) {
        for (const model_op_t *row = tables[i]; row->name; row++) {
            if (strcmp(row->name, name) == 0) {
                return row->handler;
            }
        }
    }
    return NULL;
}

static void run_op(model_t *model, const model_step_t *step)
{
    const char *name = json_string_value(json_object_get(step->op, "op"));
    model_handler_t *handler = find_handler(name);
    json_t *result = NULL;

    if (!handler) {
        model_invalid(model, "there is no op \"%s\"", name ? name : "");
        return;
    }
    handler(model, step, &result);
    if (model->problem[0]) {
        json_decref(result);
        return;
    }
    record(model, step->path, result);
}

static void run_ops(model_t *model, const json_t *owner, const char *key, json_t *ops, const char *path)
{
    json_t *op;

    for (size_t i = 0; !model->problem[0] && (op = model->source(model->user, model, owner, key, ops, i)); i++) {
        run_op(model, &(model_step_t){op, model_text(model, "%s%s%zu", path, *path ? "." : "", i)});
    }
}

model_ending_t model_body(model_t *model, json_t *op, const char *path, const char *key)
{
    const char *body_path = model_text(model, "%s.%s", path, key);
    json_t *ops = json_object_get(op, key);

    if (!ops) {
        model_invalid(model, "an op needs the body \"%s\"", key);
        return (model_ending_t){0};
    }
    record(model, body_path, NULL);
    model->ending = (model_ending_t){0};
    model->depth++;
    run_ops(model, op, key, ops, body_path);
    model->depth--;
    model_ending_t ending = model->ending;
    model->ending = (model_ending_t){0};
    return ending;
}

json_t *model_written(void *user, model_t *model, const json_t *owner, const char *key, json_t *ops, size_t index)
{
    (void)user;
    (void)model;
    (void)owner;
    (void)key;
    return json_array_get(ops, index);
}

void model_open(model_t *model, model_source_t *source, void *user)
{
    *model = (model_t){.source = source, .user = user, .records = must(json_array()), .events = must(json_array())};
    model->sentinel =
        (model_context_t){.name = "sentinel", .server = "unknown_server_from_sentinel_context", .home = "main"};
    model->thread = model_memory(model, sizeof *model->thread);
    *model->thread = (model_thread_t){.label = "main", .current = &model->sentinel};
}

void model_close(model_t *model)
{
    json_decref(model->records);
    json_decref(model->events);
    while (model->blocks_of_memory) {
        void **block = model->blocks_of_memory;
        model->blocks_of_memory = *block;
        free(block);
    }
}

bool model_run(model_t *model, json_t *ops)
{
    run_ops(model, NULL, NULL, ops, "");
    return !model->problem[0];
}
