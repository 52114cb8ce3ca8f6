// SPDX-License-Identifier: Apache-2.0
// Records and events of one scenario, made from what the library says of itself: the current context's name
// after each step, and its error hook. Whatever thread of the scenario runs owns the trace; thread creation
// and join order them.

#include "trace.h"

#include <stdlib.h>

#include <logctx/logctx.h>

#include "json_write.h"

// A trace that lost a record would be compared wrongly, so that there is nothing to go on with.
static json_t *must(json_t *value)
{
    if (!value) {
        fputs("logctx-conformance: out of memory\n", stderr);
        exit(2);
    }
    return value;
}

static void put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, must(value)) != 0) {
        must(NULL);
    }
}

static void append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, must(value)) != 0) {
        must(NULL);
    }
}

json_t *trace_text(const char *text)
{
    // NULL is no answer that the library may give; shown as JSON's null it differs from every expectation.
    return must(text ? json_string_nocheck(text) : json_null());
}

void trace_open(trace_t *trace)
{
    *trace = (trace_t){.records = must(json_array()), .events = must(json_array())};
}

void trace_close(trace_t *trace)
{
    json_decref(trace->records);
    json_decref(trace->events);
    *trace = (trace_t){0};
}

static void on_error(const logctx_error_t *error, void *user)
{
    trace_t *trace = user;
    const logctx_error_info_t *info = logctx_error_info(error->kind);

    // The reference cannot see the others, so that no recording has them; but a scenario is no wrong use.
    if (info->origin != LOGCTX_ERROR_ORIGIN_REFERENCE && error->kind != LOGCTX_ERROR_INVALID_USE) {
        return;
    }
    json_t *event = must(json_object());
    put(event, "kind", trace_text(info->name));
    put(event, "message", trace_text(error->message));
    put(event, "in", trace_text(logctx_name(logctx_current())));
    append(trace->events, event);
}

void trace_listen(trace_t *trace)
{
    logctx_set_error_hook(trace ? on_error : NULL, trace);
}

void trace_record(trace_t *trace, const char *path, json_t *result)
{
    json_t *record = must(json_object());

    put(record, "at", trace_text(path));
    put(record, "cur", trace_text(logctx_name(logctx_current())));
    if (json_array_size(trace->events) > 0) {
        put(record, "ev", trace->events);
        trace->events = must(json_array());
    }
    if (result) {
        put(record, "r", result);
    }
    append(trace->records, record);
}

static void print_side(FILE *out, const char *side, const json_t *record)
{
    fprintf(out, "  %s: ", side);
    if (record) {
        json_write(out, record);
    } else {
        fputs("(no record: the trace ends before it)", out);
    }
    putc('\n', out);
}

bool trace_compare(const trace_t *trace, const json_t *expect, const char *id, FILE *out)
{
    if (json_equal(expect, trace->records)) {
        return true;
    }

    size_t at = 0;
    const json_t *expected = json_array_get(expect, at);
    const json_t *got = json_array_get(trace->records, at);
    while (expected && got && json_equal(expected, got)) {
        at++;
        expected = json_array_get(expect, at);
        got = json_array_get(trace->records, at);
    }
    fprintf(out, "%s: record %zu differs\n", id, at);
    print_side(out, "expected", expected);
    print_side(out, "got     ", got);
    return false;
}

void trace_print(const trace_t *trace, const char *id, FILE *out)
{
    json_t *name = trace_text(id);

    fputs("{\"id\":", out);
    json_write(out, name);
    fputs(",\"expect\":", out);
    json_write(out, trace->records);
    fputs("}\n", out);
    json_decref(name);
}
