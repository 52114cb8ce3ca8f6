// SPDX-License-Identifier: Apache-2.0
// One context of a trace as JSON. The reading thread owns everything.

#include "trace_context.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <logctx/telemetry.h>

#include "loss_group.h"
#include "recorder.h"
#include "segments.h"
#include "view_json.h"

// The columns of usage, in the order in which they stand in the queries.
enum figure { CPU, CPU_USER, CPU_SYSTEM, RUNNING, DB_TRANSACTIONS, DB_TIME, DB_WAIT, DB_ROWS, FIGURES };
#define FIGURE_COLUMNS "cpu, cpu_user, cpu_system, running, db_transactions, db_time, db_wait, db_rows"
static const char *const figure_names[FIGURES] = {"cpu",     "cpu_user", "cpu_system", "running", "db_transactions",
                                                  "db_time", "db_wait",  "db_rows"};

enum { LATE_MAX = 5000 };

// Sums over a context and those below it in its process; what is not known counts as 0.
struct used {
    double figures[FIGURES];
};

struct late {
    uint8_t trace_id[16];
    uint8_t parent_id[8];
    int64_t error;
};

static const char *const statement_texts[CONTEXT_STATEMENTS] = {
    [CONTEXT_SPAN] = "SELECT " FIGURE_COLUMNS ", name, kind, scope, status, status_message, context, type, server, "
                     "span.attributes, service, instance FROM span LEFT JOIN resource ON resource.id = span.resource "
                     "WHERE span.id = ?",
    [CONTEXT_USED] = "SELECT " FIGURE_COLUMNS " FROM span WHERE id = ?",
    [CONTEXT_EVENTS] = "SELECT time, name, attributes FROM event WHERE span = ? ORDER BY time, rowid",
    [CONTEXT_LINKS] = "SELECT trace_id, span_id, attributes, EXISTS (SELECT 1 FROM span WHERE span.trace_id = "
                      "link.trace_id AND span.span_id = link.span_id) FROM link WHERE span = ? ORDER BY rowid",
    [CONTEXT_ERRORS] = "SELECT id FROM transition_error WHERE span = ? ORDER BY time, id",
    [CONTEXT_ERROR] = "SELECT id, late, time, kind, message, expected, found, found_by, set_by, recent FROM "
                      "transition_error WHERE id = ?",
    [CONTEXT_LATE] = "SELECT span.parent_id, e.id FROM span JOIN transition_error AS e ON e.span = span.id "
                     "WHERE span.trace_id = ? AND e.late AND span.parent_id IS NOT NULL ORDER BY e.time, e.id LIMIT ?",
};

enum span_column {
    SPAN_NAME = FIGURES,
    SPAN_KIND,
    SPAN_SCOPE,
    SPAN_STATUS,
    SPAN_STATUS_MESSAGE,
    SPAN_CONTEXT,
    SPAN_TYPE,
    SPAN_SERVER,
    SPAN_ATTRIBUTES,
    SPAN_SERVICE,
    SPAN_INSTANCE,
};

// Reset, and with the row's id bound.
static sqlite3_stmt *ask(struct context_reader *reader, enum context_statement which, int64_t id)
{
    sqlite3_stmt *row = reader->statements[which];
    sqlite3_bind_int64(row, 1, id);
    return row;
}

static void done(struct context_reader *reader, sqlite3_stmt *row)
{
    if (sqlite3_reset(row) != SQLITE_OK)
        reader->failed = true;
}

static double real(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL ? NAN : sqlite3_column_double(row, column);
}

static const char *text(sqlite3_stmt *row, int column)
{
    return (const char *)sqlite3_column_text(row, column);
}

// Children come after their parents in the order, so that one pass from its end adds everything up.
static void read_used(struct context_reader *reader)
{
    const struct tree *tree = reader->tree;
    for (size_t i = tree->count; i > 0; i--) {
        int index = tree->order[i - 1];
        const struct node *node = &tree->nodes[index];
        struct used *used = &reader->used[index];
        sqlite3_stmt *row = ask(reader, CONTEXT_USED, node->id);
        if (sqlite3_step(row) == SQLITE_ROW)
            for (int f = 0; f < FIGURES; f++)
                used->figures[f] += sqlite3_column_double(row, f);
        done(reader, row);
        if (node->parent >= 0 && tree->nodes[node->parent].resource == node->resource)
            for (int f = 0; f < FIGURES; f++)
                reader->used[node->parent].figures[f] += used->figures[f];
    }
}

static void read_late(struct context_reader *reader, const uint8_t trace_id[16])
{
    sqlite3_stmt *row = reader->statements[CONTEXT_LATE];
    for (size_t i = 0; i < reader->late_count; i++)
        if (memcmp(reader->late[i].trace_id, trace_id, 16) == 0)
            return;
    sqlite3_bind_blob(row, 1, trace_id, 16, SQLITE_TRANSIENT);
    sqlite3_bind_int(row, 2, LATE_MAX);
    while (sqlite3_step(row) == SQLITE_ROW && reader->late_count < LATE_MAX) {
        if (sqlite3_column_bytes(row, 0) != 8)
            continue;
        struct late *late = &reader->late[reader->late_count++];
        memcpy(late->trace_id, trace_id, 16);
        memcpy(late->parent_id, sqlite3_column_blob(row, 0), 8);
        late->error = sqlite3_column_int64(row, 1);
    }
    done(reader, row);
}

bool context_reader_init(struct context_reader *reader, sqlite3 *db, const struct tree *tree, int64_t start)
{
    *reader = (struct context_reader){.tree = tree,
                                      .start = start,
                                      .used = calloc(tree->count + 1, sizeof *reader->used),
                                      .late = calloc(LATE_MAX, sizeof *reader->late)};
    reader->failed = reader->used == NULL || reader->late == NULL;
    for (int i = 0; i < CONTEXT_STATEMENTS; i++)
        if (sqlite3_prepare_v2(db, statement_texts[i], -1, &reader->statements[i], NULL) != SQLITE_OK)
            reader->failed = true;
    if (reader->failed)
        return false;
    read_used(reader);
    for (size_t i = 0; i < tree->count; i++)
        if (i == 0 || tree->nodes[i].link != LINK_NONE)
            read_late(reader, tree->nodes[i].trace_id);
    return !reader->failed;
}

bool context_reader_clear(struct context_reader *reader)
{
    for (int i = 0; i < CONTEXT_STATEMENTS; i++)
        sqlite3_finalize(reader->statements[i]);
    free(reader->used);
    free(reader->late);
    return !reader->failed;
}

static json_t *usage(const double figures[FIGURES])
{
    json_t *value = json_object();
    for (int i = 0; i < FIGURES; i++) {
        bool whole = i == DB_TRANSACTIONS || i == DB_ROWS;
        json_object_set_new(value, figure_names[i],
                            whole && isfinite(figures[i]) ? json_integer((json_int_t)figures[i])
                                                          : put_new_real(figures[i]));
    }
    return value;
}

// The span says what it used with its children. It does not say the parts, nor how long they ran: those are known if
// the children have been received; and the ratio of the parts that are known (of 20 ms and more) splits the exact sum.
static json_t *with_children(const struct context_reader *reader, int node, const double own[FIGURES],
                             const json_t *attributes)
{
    static const struct {
        enum figure figure;
        const char *key;
    } totals[] = {{CPU, "logctx.total.cpu.time"},
                  {DB_TRANSACTIONS, "logctx.total.db.transactions"},
                  {DB_TIME, "logctx.total.db.time"},
                  {DB_WAIT, "logctx.total.db.wait_time"},
                  {DB_ROWS, "logctx.total.db.rows"}};
    double all[FIGURES];
    memcpy(all, own, sizeof all);
    double cpu = view_attribute_number(attributes, totals[0].key);
    if (isnan(cpu))
        return usage(own);
    for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++)
        all[totals[i].figure] = view_attribute_number(attributes, totals[i].key);
    const double *received = reader->used[node].figures;
    double parts = received[CPU_USER] + received[CPU_SYSTEM];
    bool complete = received[CPU] >= 0.98 * cpu;
    all[RUNNING] = complete ? received[RUNNING] : NAN;
    all[CPU_USER] = parts > 0.8 * cpu ? cpu * received[CPU_USER] / parts : NAN;
    all[CPU_SYSTEM] = parts > 0.8 * cpu ? cpu * received[CPU_SYSTEM] / parts : NAN;
    return usage(all);
}

// What stands in members of its own is not repeated among the attributes.
static bool has_member(const char *key)
{
    static const char *const keys[] = {
#define DASHBOARD_X(id, key, type, description) key,
        LOGCTX_SPAN_ATTRIBUTES(DASHBOARD_X)
#undef DASHBOARD_X
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

static json_t *segment_list(const struct segments *segments)
{
    json_t *list = json_array();
    for (size_t i = 0; i < segments->count; i++) {
        const struct segment *segment = &segments->items[i];
        json_t *value = json_object();
        json_object_set_new(value, "offset", view_duration(segment->offset_us * 1000));
        json_object_set_new(value, "length", view_duration(segment->length_us * 1000));
        put_text(value, "state", segment_state_names[segment->state]);
        json_array_append_new(list, value);
    }
    return list;
}

static void put_segments(json_t *context, const json_t *attributes, bool is_context, int64_t life)
{
    char note[200] = "";
    struct segments segments = {.count = 0};
    const char *why;
    const char *from = view_attribute_text(attributes, "logctx.segments");
    if (from != NULL && segments_read(from, &segments, &why))
        segments_flatten(&segments, (life + 999) / 1000);
    else if (from != NULL)
        snprintf(note, sizeof note, "logctx.segments is ignored, since it is not well formed: %s.", why);
    else if (!is_context)
        snprintf(note, sizeof note, "This span is no context of logctx: how its life went is not known.");
    else if (life < 1000000)
        snprintf(note, sizeof note, "How a life went is recorded from 1 ms on, and for contexts with an error.");
    else
        snprintf(note, sizeof note, "The sender did not record how this life went.");
    json_object_set_new(context, "segments", note[0] == '\0' ? segment_list(&segments) : json_null());
    put_text(context, "segments_note", note[0] != '\0' ? note : NULL);
}

static json_t *offset(const struct context_reader *reader, int64_t time)
{
    return view_duration(time - reader->start);
}

static json_t *event(const struct context_reader *reader, sqlite3_stmt *row)
{
    json_t *value = json_object();
    json_t *attributes = json_loads(text(row, 2), 0, NULL);
    size_t total;
    json_object_set_new(value, "offset", offset(reader, sqlite3_column_int64(row, 0)));
    json_object_set_new(value, "name", view_column_text(row, 1));
    json_object_set_new(value, "attributes", view_attributes(attributes, NULL, CONTEXT_ATTRIBUTES_MAX, &total));
    json_object_set_new(value, "attributes_total", json_integer((json_int_t)total));
    json_decref(attributes);
    return value;
}

static json_t *link_to(const struct context_reader *reader, sqlite3_stmt *row)
{
    json_t *value = json_object();
    json_t *attributes = json_loads(text(row, 2), 0, NULL);
    size_t total;
    (void)reader;
    json_object_set_new(value, "trace_id", view_column_hex(row, 0));
    json_object_set_new(value, "span_id", view_column_hex(row, 1));
    json_object_set_new(value, "received", json_boolean(sqlite3_column_int(row, 3)));
    json_object_set_new(value, "attributes", view_attributes(attributes, NULL, CONTEXT_ATTRIBUTES_MAX, &total));
    json_object_set_new(value, "attributes_total", json_integer((json_int_t)total));
    json_decref(attributes);
    return value;
}

static void put_parts(struct context_reader *reader, json_t *context, const char *key, enum context_statement which,
                      int64_t id, size_t limit, json_t *(*make)(const struct context_reader *, sqlite3_stmt *))
{
    char total_key[32];
    size_t total = 0;
    json_t *list = json_array();
    sqlite3_stmt *row = ask(reader, which, id);
    while (sqlite3_step(row) == SQLITE_ROW)
        if (total++ < limit)
            json_array_append_new(list, make(reader, row));
    done(reader, row);
    snprintf(total_key, sizeof total_key, "%s_total", key);
    json_object_set_new(context, key, list);
    json_object_set_new(context, total_key, json_integer((json_int_t)total));
}

static json_t *error(struct context_reader *reader, int64_t id)
{
    json_t *value = json_object();
    sqlite3_stmt *row = ask(reader, CONTEXT_ERROR, id);
    if (sqlite3_step(row) == SQLITE_ROW) {
        char group[LOSS_GROUP_SIZE];
        struct recorded_error recorded = {text(row, 3), text(row, 5), text(row, 6),
                                          text(row, 7), text(row, 8), text(row, 9)};
        struct recorder recorder;
        recorder_read(&recorder, &recorded);
        loss_group(recorded.kind, recorded.found_by, recorded.set_by, group);
        int64_t time = sqlite3_column_int64(row, 2);
        put_whole(value, "id", sqlite3_column_int64(row, 0));
        put_text(value, "group", group);
        json_object_set_new(value, "offset", offset(reader, time));
        json_object_set_new(value, "since",
                            recorder.guilty < 0 ? json_null()
                                                : put_new_real((double)(time - reader->start) / 1e9 -
                                                               recorder.entries[recorder.guilty].ago_s));
        json_object_set_new(value, "kind", view_column_text(row, 3));
        json_object_set_new(value, "message", view_column_text(row, 4));
        json_object_set_new(value, "late", json_boolean(sqlite3_column_int(row, 1)));
        json_object_set_new(value, "found_by", view_site(recorded.found_by));
        json_object_set_new(value, "set_by", view_site(recorded.set_by));
        recorder_clear(&recorder);
    }
    done(reader, row);
    return value;
}

static void put_errors(struct context_reader *reader, json_t *context, const struct node *node)
{
    json_t *list = json_array();
    size_t total = 0;
    sqlite3_stmt *row = ask(reader, CONTEXT_ERRORS, node->id);
    while (sqlite3_step(row) == SQLITE_ROW)
        if (total++ < CONTEXT_ERRORS_MAX)
            json_array_append_new(list, error(reader, sqlite3_column_int64(row, 0)));
    done(reader, row);
    for (size_t i = 0; i < reader->late_count; i++) {
        const struct late *late = &reader->late[i];
        if (memcmp(late->parent_id, node->span_id, 8) == 0 && memcmp(late->trace_id, node->trace_id, 16) == 0)
            if (total++ < CONTEXT_ERRORS_MAX)
                json_array_append_new(list, error(reader, late->error));
    }
    json_object_set_new(context, "errors", list);
    json_object_set_new(context, "errors_total", json_integer((json_int_t)total));
}

static json_t *hex(const uint8_t *id, size_t length)
{
    char text[33];
    view_hex(id, length, text);
    return put_new_text(text);
}

static void put_place(json_t *context, const struct node *node)
{
    static const char *const parents[] = {
        [PARENT_NONE] = "none", [PARENT_RECEIVED] = "received", [PARENT_MISSING] = "missing"};
    json_t *linked = json_null();
    json_object_set_new(context, "span_id", hex(node->span_id, 8));
    json_object_set_new(context, "parent_span_id",
                        node->parent_is == PARENT_NONE ? json_null() : hex(node->parent_id, 8));
    put_text(context, "parent", parents[node->parent_is]);
    json_object_set_new(context, "depth", json_integer(node->depth));
    json_object_set_new(context, "trace_id", hex(node->trace_id, 16));
    if (node->link != LINK_NONE) {
        linked = json_object();
        json_object_set_new(linked, "from", hex(node->linked_to, 8));
        put_text(linked, "direction", node->link == LINK_OUT ? "out" : "in");
    }
    json_object_set_new(context, "linked", linked);
}

static void put_names(json_t *context, sqlite3_stmt *row, const json_t *attributes, bool is_context)
{
    static const char *const kinds[] = {"unspecified", "internal", "server", "client", "producer", "consumer"};
    static const char *const statuses[] = {"unset", "ok", "error"};
    char thread[32] = "";
    int kind = sqlite3_column_int(row, SPAN_KIND);
    int status = sqlite3_column_int(row, SPAN_STATUS);
    double number = view_attribute_number(attributes, "thread.id");
    if (number >= 0 && number < 1e15)
        snprintf(thread, sizeof thread, "%.0f", number);
    bool named = text(row, SPAN_CONTEXT) != NULL;
    json_object_set_new(context, "is_context", json_boolean(is_context));
    json_object_set_new(context, "name", view_column_text(row, named ? SPAN_CONTEXT : SPAN_NAME));
    json_object_set_new(context, "kind", view_column_text(row, SPAN_NAME));
    json_object_set_new(context, "type", view_column_text(row, SPAN_TYPE));
    json_object_set_new(context, "server", view_column_text(row, SPAN_SERVER));
    json_object_set_new(context, "service", view_column_text(row, SPAN_SERVICE));
    json_object_set_new(context, "instance", view_column_text(row, SPAN_INSTANCE));
    put_text(context, "thread", thread[0] != '\0' ? thread : NULL);
    put_text(context, "span_kind", kind >= 0 && kind <= 5 ? kinds[kind] : kinds[0]);
    put_text(context, "status", status >= 0 && status <= 2 ? statuses[status] : statuses[0]);
    json_object_set_new(context, "status_message", view_column_text(row, SPAN_STATUS_MESSAGE));
}

static void put_usage(const struct context_reader *reader, json_t *context, int node, sqlite3_stmt *row,
                      const json_t *attributes)
{
    double own[FIGURES];
    double switches = view_attribute_number(attributes, "logctx.switches");
    for (int i = 0; i < FIGURES; i++)
        own[i] = real(row, i);
    json_object_set_new(context, "own", usage(own));
    json_object_set_new(context, "with_children", with_children(reader, node, own, attributes));
    json_object_set_new(context, "switches",
                        switches >= 0 && switches < 1e15 ? json_integer((json_int_t)switches) : json_null());
    json_object_set_new(context, "delay", json_null()); // a span does not say it
}

json_t *context_read(struct context_reader *reader, int index)
{
    const struct node *node = &reader->tree->nodes[index];
    json_t *context = json_object();
    sqlite3_stmt *row = ask(reader, CONTEXT_SPAN, node->id);
    put_place(context, node);
    json_object_set_new(context, "offset", offset(reader, node->start));
    json_object_set_new(context, "duration", view_duration(node->end - node->start));
    if (sqlite3_step(row) == SQLITE_ROW) {
        json_t *attributes = json_loads(text(row, SPAN_ATTRIBUTES), 0, NULL);
        const char *scope = text(row, SPAN_SCOPE);
        bool is_context = scope != NULL && strcmp(scope, LOGCTX_SCOPE_NAME) == 0 &&
                          strcmp(text(row, SPAN_NAME), LOGCTX_TRANSITION_EVENT) != 0;
        size_t total;
        put_names(context, row, attributes, is_context);
        put_usage(reader, context, index, row, attributes);
        put_segments(context, attributes, is_context, node->end - node->start);
        json_object_set_new(context, "attributes",
                            view_attributes(attributes, has_member, CONTEXT_ATTRIBUTES_MAX, &total));
        json_object_set_new(context, "attributes_total", json_integer((json_int_t)total));
        json_decref(attributes);
    }
    done(reader, row);
    put_parts(reader, context, "events", CONTEXT_EVENTS, node->id, CONTEXT_EVENTS_MAX, event);
    put_parts(reader, context, "links", CONTEXT_LINKS, node->id, CONTEXT_LINKS_MAX, link_to);
    put_errors(reader, context, node);
    return context;
}
