// SPDX-License-Identifier: Apache-2.0
// GET /contexts: how long contexts took, by kind, and a list of those that were asked for. The reading thread owns
// everything.

#include <stdlib.h>
#include <string.h>

#include "attribute_text.h"
#include "put.h"
#include "search.h"
#include "segments.h"
#include "view.h"

enum { KINDS_SHOWN = 500, LIMIT = 200, LIMIT_MAX = 1000 };

#define SECONDS_MAX 1e9

const struct param_rule view_contexts_rules[] = {
    {.name = "q", .form = PARAM_TEXT},
    {.name = "kind", .form = PARAM_TEXT, .repeats = true},
    {.name = "not_kind", .form = PARAM_TEXT, .repeats = true},
    {.name = "type", .form = PARAM_TEXT, .repeats = true},
    {.name = "attribute", .form = PARAM_TEXT, .repeats = true},
    {.name = "error_kind", .form = PARAM_TEXT},
    {.name = "failed", .form = PARAM_CHOICE, .choices = "1"},
    {.name = "slipped", .form = PARAM_CHOICE, .choices = "1"},
    {.name = "min_duration", .form = PARAM_NUMBER, .most = SECONDS_MAX},
    {.name = "max_duration", .form = PARAM_NUMBER, .most = SECONDS_MAX},
    {.name = "min_cpu", .form = PARAM_NUMBER, .most = SECONDS_MAX},
    {.name = "max_cpu", .form = PARAM_NUMBER, .most = SECONDS_MAX},
    {.name = "min_wait", .form = PARAM_NUMBER, .most = SECONDS_MAX},
    {.name = "sort",
     .form = PARAM_CHOICE,
     .choices = "end start name kind duration cpu running db_time db_wait db_transactions errors"},
    {.name = "order", .form = PARAM_CHOICE, .choices = "desc asc"},
    {.name = "limit", .form = PARAM_WHOLE, .least = 1, .most = LIMIT_MAX},
    {.name = "offset", .form = PARAM_WHOLE, .most = 1e9},
    {.name = "upto", .form = PARAM_WHOLE, .most = 9e15},
    {.name = NULL},
};

// How many of the kind are in flight, by the newest metrics; negative: nothing is known.
static double in_flight(struct view_call *call, sqlite3_stmt *statement, const struct kind *kind)
{
    sqlite3_reset(statement);
    view_bind(statement, ":since", call->to - 300 * INT64_C(1000000000));
    sqlite3_bind_text(statement, sqlite3_bind_parameter_index(statement, ":kind"), kind->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, sqlite3_bind_parameter_index(statement, ":type"), kind->type, -1, SQLITE_STATIC);
    return sqlite3_step(statement) == SQLITE_ROW ? view_real_of(statement, 0) : NAN;
}

static void put_kind(json_t *row, const struct kind *kind, double seconds, double live)
{
    double count = (double)kind->count;
    put_text(row, "kind", kind->name);
    put_text(row, "type", kind->type);
    json_object_set_new(row, "in_flight", isnan(live) ? json_null() : json_integer((json_int_t)live));
    put_whole(row, "count", kind->count);
    put_real(row, "rate", count / seconds);
    json_t *buckets = put_list(row, "buckets");
    for (size_t i = 0; i <= KIND_BOUNDS; i++)
        json_array_append_new(buckets, json_integer(kind->buckets[i]));
    put_real(row, "p50", kind->p50);
    put_real(row, "p99", kind->p99);
    put_real(row, "max", kind->max);
    put_real(row, "cpu_rate", kind->cpu / seconds);
    put_real(row, "cpu_each", kind->cpu / count);
    put_real(row, "db_each", kind->db / count);
    put_real(row, "wait_each", kind->wait / count);
    put_whole(row, "failed", kind->failed);
    put_whole(row, "errors", kind->errors);
}

static int by_count(const void *a, const void *b)
{
    const struct kind *x = a;
    const struct kind *y = b;
    return (x->count < y->count) - (x->count > y->count);
}

// Rates count the time of which the store still has contexts, if that is less than the window.
static double covered_seconds(struct view_call *call, const struct search *search)
{
    int64_t from = call->from;
    if (!search->complete)
        from = search->oldest_end;
    int64_t oldest = view_number(call, "SELECT min(end) FROM span");
    from = oldest > from && oldest < call->to ? oldest : from;
    int64_t to = call->to < call->now ? call->to : call->now;
    return to - from > 1000000000 ? (double)(to - from) / 1e9 : 1;
}

static void put_kinds(struct view_call *call, struct search *search)
{
    json_t *bounds = put_list(call->out, "bounds");
    for (size_t i = 0; i < KIND_BOUNDS; i++)
        json_array_append_new(bounds, json_real(kind_bounds[i]));
    json_t *kinds = put_list(call->out, "kinds");
    double seconds = covered_seconds(call, search);
    sqlite3_stmt *statement =
        view_query(call, "SELECT sum((SELECT value FROM point WHERE series = s.id AND time > :since AND time <= :to "
                         "ORDER BY time DESC LIMIT 1)) FROM series AS s WHERE name = 'logctx.context.in_flight' "
                         "AND context_kind = :kind AND context_type IS :type AND " VIEW_OF_SERVICE);
    qsort(search->kinds.items, search->kinds.count, sizeof *search->kinds.items, by_count);
    for (size_t i = 0; i < search->kinds.count && i < KINDS_SHOWN; i++)
        put_kind(put_row(kinds), &search->kinds.items[i], seconds, in_flight(call, statement, &search->kinds.items[i]));
    view_finish(call, statement);
    put_whole(call->out, "kinds_total", (int64_t)search->kinds.count);
}

enum column {
    COLUMN_TRACE_ID,
    COLUMN_SPAN_ID,
    COLUMN_START,
    COLUMN_END,
    COLUMN_CONTEXT,
    COLUMN_NAME,
    COLUMN_TYPE,
    COLUMN_INSTANCE,
    COLUMN_STATUS,
    COLUMN_MESSAGE,
    COLUMN_ERRORS,
    COLUMN_ATTRIBUTES,
    COLUMN_CPU,
    COLUMN_CPU_USER,
    COLUMN_CPU_SYSTEM,
    COLUMN_RUNNING,
    COLUMN_TRANSACTIONS,
    COLUMN_DB_TIME,
    COLUMN_DB_WAIT,
    COLUMN_DB_ROWS,
};

static void put_usage(json_t *row, sqlite3_stmt *statement)
{
    json_t *usage = put_object(row, "usage");
    put_real(usage, "cpu", view_real_of(statement, COLUMN_CPU));
    put_real(usage, "cpu_user", view_real_of(statement, COLUMN_CPU_USER));
    put_real(usage, "cpu_system", view_real_of(statement, COLUMN_CPU_SYSTEM));
    put_real(usage, "running", view_real_of(statement, COLUMN_RUNNING));
    put_real(usage, "db_transactions", view_real_of(statement, COLUMN_TRANSACTIONS));
    put_real(usage, "db_time", view_real_of(statement, COLUMN_DB_TIME));
    put_real(usage, "db_wait", view_real_of(statement, COLUMN_DB_WAIT));
    put_real(usage, "db_rows", view_real_of(statement, COLUMN_DB_ROWS));
}

static void put_hex(json_t *row, const char *key, sqlite3_stmt *statement, int column)
{
    static const char digits[] = "0123456789abcdef";
    char text[33] = "";
    const uint8_t *bytes = sqlite3_column_blob(statement, column);
    int length = sqlite3_column_bytes(statement, column);
    for (int i = 0; bytes != NULL && i < length && i < 16; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
        text[2 * i + 2] = '\0';
    }
    put_text(row, key, text);
}

// Where a life went; null: it does not say, or not in a form that can be read.
static void put_split(json_t *row, const char *text, int64_t life)
{
    struct segments segments;
    const char *why;
    if (text == NULL || !segments_read(text, &segments, &why)) {
        put_null(row, "split");
        return;
    }
    int64_t life_us = life > 0 ? life / 1000 : 0;
    segments_flatten(&segments, life_us);
    struct split split = segments_split(&segments, life_us);
    json_t *object = put_object(row, "split");
    for (int state = 0; state < SEGMENT_STATES; state++)
        put_real(object, segment_state_names[state], split.states[state]);
    put_real(object, "idle", split.idle);
}

// What stands in attributes alone.
static void put_life(json_t *row, sqlite3_stmt *statement, int64_t life)
{
    const char *text = view_text_of(statement, COLUMN_ATTRIBUTES);
    json_t *attributes = text != NULL ? json_loads(text, 0, NULL) : NULL;
    char *thread = attribute_print(attributes, "thread.id");
    char *segments = attribute_print(attributes, "logctx.segments");
    put_text(row, "thread", thread);
    put_split(row, segments, life);
    // How long it was ready before it ran, nothing tells of a single context.
    put_null(row, "delay");
    free(segments);
    free(thread);
    json_decref(attributes);
}

static void put_context(json_t *row, int64_t id, const struct search *search, sqlite3_stmt *statement)
{
    int64_t start = sqlite3_column_int64(statement, COLUMN_START);
    int64_t end = sqlite3_column_int64(statement, COLUMN_END);
    int64_t errors = sqlite3_column_int64(statement, COLUMN_ERRORS);
    const struct slip *slip = search_slip(search, id);
    put_whole(row, "id", id);
    put_hex(row, "trace_id", statement, COLUMN_TRACE_ID);
    put_hex(row, "span_id", statement, COLUMN_SPAN_ID);
    put_time(row, "start", start);
    put_time(row, "end", end);
    const char *name = view_text_of(statement, COLUMN_CONTEXT);
    put_text(row, "name", name != NULL ? name : view_text_of(statement, COLUMN_NAME));
    put_text(row, "kind", view_text_of(statement, COLUMN_NAME));
    put_text(row, "type", view_text_of(statement, COLUMN_TYPE));
    put_text(row, "instance", view_text_of(statement, COLUMN_INSTANCE));
    put_real(row, "duration", end > start ? (double)(end - start) / 1e9 : 0);
    put_usage(row, statement);
    put_whole(row, "errors", slip != NULL && slip->count > errors ? slip->count : errors);
    put_text(row, "error", slip != NULL ? search->error_kinds[slip->kind].name : NULL);
    put_bool(row, "failed", sqlite3_column_int(statement, COLUMN_STATUS) == 2);
    put_text(row, "status_message", view_text_of(statement, COLUMN_MESSAGE));
    put_life(row, statement, end - start);
}

static void put_rows(struct view_call *call, const struct search *search)
{
    size_t offset = (size_t)params_number(call->params, "offset", 0);
    size_t limit = (size_t)params_number(call->params, "limit", LIMIT);
    int64_t shown = 0;
    json_t *rows = put_list(call->out, "rows");
    sqlite3_stmt *statement = view_query(
        call, "SELECT trace_id, span_id, start, end, context, name, type, instance, status, status_message, errors, "
              "span.attributes, cpu, cpu_user, cpu_system, running, db_transactions, db_time, db_wait, db_rows "
              "FROM span LEFT JOIN resource ON resource.id = span.resource WHERE span.id = ?");
    for (size_t i = offset; i < search->match_count && i < offset + limit && statement != NULL; i++) {
        sqlite3_bind_int64(statement, 1, search->matches[i].id);
        if (sqlite3_step(statement) == SQLITE_ROW) {
            put_context(put_row(rows), search->matches[i].id, search, statement);
            shown++;
        }
        sqlite3_reset(statement);
    }
    view_finish(call, statement);
    put_whole(call->out, "shown", shown);
    put_whole(call->out, "matched", (int64_t)search->match_count);
    put_whole(call->out, "searched", search->searched);
    put_whole(call->out, "total", search->total);
    put_whole(call->out, "newest", search->newest);
}

static void put_tallies(json_t *out, const char *key, const char *name, const struct tally *tallies, size_t count)
{
    json_t *list = put_list(out, key);
    for (size_t i = 0; i < count; i++) {
        if (tallies[i].count == 0)
            continue;
        json_t *row = put_row(list);
        put_text(row, name, tallies[i].name);
        put_whole(row, "count", tallies[i].count);
    }
}

void view_contexts(struct view_call *call)
{
    struct search search;
    search_run(&search, call);
    if (call->outcome.status == 200) {
        put_rows(call, &search);
        put_tallies(call->out, "types", "type", search.types, search.type_count);
        put_tallies(call->out, "error_kinds", "kind", search.error_kinds, search.error_kind_count);
        // Last, as it brings them into another order.
        put_kinds(call, &search);
    }
    search_free(&search);
}
