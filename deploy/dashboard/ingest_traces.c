// SPDX-License-Identifier: Apache-2.0
// Spans, their events and links, and the transition errors among them. No state of its own.

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <logctx/telemetry.h>

#include "ingest.h"
#include "otlp_json.h"

typedef Opentelemetry__Proto__Trace__V1__Span span_t;
typedef Opentelemetry__Proto__Trace__V1__Span__Event event_t;
typedef Opentelemetry__Proto__Trace__V1__Span__Link link_t;

enum span_attribute {
#define DASHBOARD_X(id, key, type, description) SPAN_##id,
    LOGCTX_SPAN_ATTRIBUTES(DASHBOARD_X)
#undef DASHBOARD_X
        SPAN_ATTRIBUTE_COUNT
};
static const char *const span_keys[SPAN_ATTRIBUTE_COUNT] = {
#define DASHBOARD_X(id, key, type, description) [SPAN_##id] = key,
    LOGCTX_SPAN_ATTRIBUTES(DASHBOARD_X)
#undef DASHBOARD_X
};

enum error_attribute {
#define DASHBOARD_X(id, key, type, description) ERROR_##id,
    LOGCTX_EVENT_ATTRIBUTES(DASHBOARD_X)
#undef DASHBOARD_X
        ERROR_ATTRIBUTE_COUNT
};
static const char *const error_keys[ERROR_ATTRIBUTE_COUNT] = {
#define DASHBOARD_X(id, key, type, description) [ERROR_##id] = key,
    LOGCTX_EVENT_ATTRIBUTES(DASHBOARD_X)
#undef DASHBOARD_X
};

static const enum span_attribute figure_attributes[FIGURE_COUNT] = {
    [FIGURE_CPU] = SPAN_CPU_TIME,
    [FIGURE_CPU_USER] = SPAN_CPU_TIME_USER,
    [FIGURE_CPU_SYSTEM] = SPAN_CPU_TIME_SYSTEM,
    [FIGURE_DB_TRANSACTIONS] = SPAN_DB_TRANSACTIONS,
    [FIGURE_DB_TIME] = SPAN_DB_TIME,
    [FIGURE_DB_WAIT] = SPAN_DB_WAIT_TIME,
    [FIGURE_DB_ROWS] = SPAN_DB_ROWS,
    [FIGURE_RUNNING] = SPAN_RUNNING_TIME,
    [FIGURE_ERRORS] = SPAN_ERRORS,
};

int64_t ingest_time(uint64_t unix_nano)
{
    return unix_nano < INT64_MAX ? (int64_t)unix_nano : INT64_MAX;
}

void ingest_reject(struct ingested *ingested, const char *format, ...)
{
    if (ingested->rejected++ > 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ingested->first, sizeof ingested->first, format, arguments);
    va_end(arguments);
}

int64_t ingest_resource(struct store *store, const Opentelemetry__Proto__Resource__V1__Resource *resource)
{
    struct attributes attributes = {0};
    if (resource != NULL)
        attributes = (struct attributes){resource->attributes, resource->n_attributes};
    struct resource_row row = {
        .attributes = attributes_json(attributes, store_scratch(store)),
        .service = attributes_string(attributes, "service.name"),
        .version = attributes_string(attributes, "service.version"),
        .instance = attributes_string(attributes, "service.instance.id"),
        .host = attributes_string(attributes, "host.name"),
        .pid = value_number(attributes_find(attributes, "process.pid")),
    };
    return store_resource(store, &row);
}

static bool is_zero(const ProtobufCBinaryData *id)
{
    for (size_t i = 0; i < id->len; i++)
        if (id->data[i] != 0)
            return false;
    return true;
}

static bool check_id(struct ingested *ingested, const ProtobufCBinaryData *id, size_t length, const char *what)
{
    if (id->len != length)
        ingest_reject(ingested, "its %s has %zu bytes instead of %zu", what, id->len, length);
    else if (is_zero(id))
        ingest_reject(ingested, "its %s is all zeros", what);
    else
        return true;
    return false;
}

static bool check_ids(struct ingested *ingested, const span_t *span)
{
    if (!check_id(ingested, &span->trace_id, 16, "trace id") || !check_id(ingested, &span->span_id, 8, "span id"))
        return false;
    if (span->parent_span_id.len == 0 || span->parent_span_id.len == 8)
        return true;
    ingest_reject(ingested, "its parent's span id has %zu bytes instead of 8", span->parent_span_id.len);
    return false;
}

static bool add_error(struct store *store, struct attributes attributes, struct error_row *row)
{
    const char *texts[ERROR_ATTRIBUTE_COUNT];
    for (int i = 0; i < ERROR_ATTRIBUTE_COUNT; i++)
        texts[i] = attributes_string(attributes, error_keys[i]);
    struct logctx__text *scratch = store_scratch(store);
    scratch->limit = ATTRIBUTES_LIMIT;
    logctx__text_reset(scratch, 0);
    const any_value_t *recent = attributes_find(attributes, error_keys[ERROR_RECENT]);
    if (recent != NULL && recent->value_case == OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_ARRAY_VALUE &&
        recent->array_value != NULL && logctx__otlp_json_print(&recent->array_value->base, scratch))
        row->recent = scratch->bytes;
    row->kind = texts[ERROR_KIND];
    row->message = texts[ERROR_MESSAGE];
    row->expected = texts[ERROR_EXPECTED];
    row->found = texts[ERROR_FOUND];
    row->found_by = texts[ERROR_FOUND_BY];
    row->set_by = texts[ERROR_SET_BY];
    row->stack = texts[ERROR_STACK];
    row->affected = texts[ERROR_AFFECTED];
    return store_error(store, row);
}

static bool add_event(struct store *store, int64_t span, const event_t *event)
{
    struct attributes attributes = {event->attributes, event->n_attributes};
    int64_t time = ingest_time(event->time_unix_nano);
    if (strcmp(event->name, LOGCTX_TRANSITION_EVENT) == 0)
        return add_error(store, attributes, &(struct error_row){.span = span, .time = time});
    struct event_row row = {.span = span,
                            .time = time,
                            .name = event->name,
                            .attributes = attributes_json(attributes, store_scratch(store))};
    return store_event(store, &row);
}

// A link without ids leads nowhere; the span is good without it.
static bool add_link(struct store *store, int64_t span, const link_t *link)
{
    if (link->trace_id.len != 16 || link->span_id.len != 8)
        return true;
    struct attributes attributes = {link->attributes, link->n_attributes};
    struct link_row row = {.span = span,
                           .trace_id = link->trace_id.data,
                           .span_id = link->span_id.data,
                           .attributes = attributes_json(attributes, store_scratch(store))};
    return store_link(store, &row);
}

static bool add_parts(struct store *store, int64_t id, const span_t *span, bool is_error)
{
    struct attributes attributes = {span->attributes, span->n_attributes};
    struct error_row error = {.span = id, .time = ingest_time(span->start_time_unix_nano), .late = true};
    if (is_error && !add_error(store, attributes, &error))
        return false;
    for (size_t i = 0; i < span->n_events; i++)
        if (!add_event(store, id, span->events[i]))
            return false;
    for (size_t i = 0; i < span->n_links; i++)
        if (!add_link(store, id, span->links[i]))
            return false;
    return true;
}

static void read_attributes(struct attributes attributes, const any_value_t *values[SPAN_ATTRIBUTE_COUNT])
{
    for (size_t i = 0; i < attributes.count; i++)
        for (int j = 0; j < SPAN_ATTRIBUTE_COUNT; j++)
            if (strcmp(attributes.items[i]->key, span_keys[j]) == 0)
                values[j] = attributes.items[i]->value;
}

static bool add_span(struct store *store, int64_t resource, const char *scope, const span_t *span)
{
    struct attributes attributes = {span->attributes, span->n_attributes};
    const any_value_t *values[SPAN_ATTRIBUTE_COUNT] = {NULL};
    read_attributes(attributes, values);
    bool is_error = strcmp(span->name, LOGCTX_TRANSITION_EVENT) == 0;
    struct span_row row = {
        .resource = resource,
        .trace_id = span->trace_id.data,
        .span_id = span->span_id.data,
        .parent_id = is_zero(&span->parent_span_id) ? NULL : span->parent_span_id.data,
        .scope = scope,
        .name = span->name,
        .kind = (int)span->kind,
        .start = ingest_time(span->start_time_unix_nano),
        .end = ingest_time(span->end_time_unix_nano),
        .status = span->status != NULL ? (int)span->status->code : 0,
        .status_message = span->status != NULL ? span->status->message : NULL,
        .context = value_string(values[SPAN_NAME]),
        .type = value_string(values[SPAN_TYPE]),
        .server = value_string(values[SPAN_SERVER]),
        .attributes = attributes_json(attributes, store_scratch(store)),
        .is_context = !is_error && scope != NULL && strcmp(scope, LOGCTX_SCOPE_NAME) == 0,
    };
    for (int i = 0; i < FIGURE_COUNT; i++)
        row.figures[i] = value_number(values[figure_attributes[i]]);
    int64_t id = 0;
    enum store_added added = store_span(store, &row, &id);
    return added == STORE_DUPLICATE || (added == STORE_ADDED && add_parts(store, id, span, is_error));
}

static bool add_scope(struct store *store, int64_t resource, const Opentelemetry__Proto__Trace__V1__ScopeSpans *spans,
                      struct ingested *ingested)
{
    const char *scope = spans->scope != NULL ? spans->scope->name : NULL;
    for (size_t i = 0; i < spans->n_spans; i++)
        if (check_ids(ingested, spans->spans[i]) && !add_span(store, resource, scope, spans->spans[i]))
            return false;
    return true;
}

bool ingest_traces(struct store *store, const trace_request_t *request, struct ingested *ingested)
{
    *ingested = (struct ingested){0};
    for (size_t i = 0; i < request->n_resource_spans; i++) {
        const Opentelemetry__Proto__Trace__V1__ResourceSpans *spans = request->resource_spans[i];
        if (spans->n_scope_spans == 0)
            continue;
        int64_t resource = ingest_resource(store, spans->resource);
        if (resource < 0)
            return false;
        for (size_t j = 0; j < spans->n_scope_spans; j++)
            if (!add_scope(store, resource, spans->scope_spans[j], ingested))
                return false;
    }
    store_count(store, STORE_SPANS_REFUSED, ingested->rejected);
    return true;
}
