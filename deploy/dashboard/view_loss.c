// SPDX-License-Identifier: Apache-2.0
// GET /losses/GROUP: one kind of error at one place, explained, with its newest error in full. The reading thread owns
// everything.

#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "loss_group.h"
#include "losses.h"
#include "put.h"
#include "recorder.h"
#include "view_json.h"

// The example's columns.
enum example_column {
    EXAMPLE_ID,
    EXAMPLE_TIME,
    EXAMPLE_LATE,
    EXAMPLE_MESSAGE,
    EXAMPLE_EXPECTED,
    EXAMPLE_FOUND,
    EXAMPLE_RECENT,
    EXAMPLE_STACK,
    EXAMPLE_AFFECTED,
    EXAMPLE_INSTANCE,
    EXAMPLE_TRACE_ID,
    EXAMPLE_SPAN_ID,
    EXAMPLE_CONTEXT,
    EXAMPLE_CONTEXT_KIND,
    EXAMPLE_ATTRIBUTES,
};

// The newest of the window, or else of all; if it can be, one that brought its recorder. The context of a late error is
// its parent, whose row may not be there.
static const char example_sql[] =
    "SELECT e.id, e.time, e.late, e.message, e.expected, e.found, e.recent, e.stack, e.affected, r.instance, "
    "s.trace_id, CASE WHEN e.late THEN s.parent_id ELSE s.span_id END, CASE WHEN e.late THEN p.context ELSE s.context "
    "END, CASE WHEN e.late THEN p.name ELSE s.name END, CASE WHEN e.late THEN p.attributes ELSE s.attributes END "
    "FROM transition_error AS e JOIN span AS s ON s.id = e.span JOIN resource AS r ON r.id = s.resource "
    "LEFT JOIN span AS p ON e.late AND p.trace_id = s.trace_id AND p.span_id = s.parent_id WHERE e.id = ?1";
static const char newest_sql[] = "SELECT e.id " LOSSES_FROM " AND " LOSSES_OF_GROUP " ORDER BY (" LOSSES_IN_WINDOW
                                 ") DESC, e.recent IS NOT NULL DESC, e.time DESC, "
                                 "e.id DESC LIMIT 1";

static void put_explanation(json_t *out, const char *kind)
{
    const struct explanation *explanation = explain(kind);
    if (explanation == NULL) {
        put_null(out, "explanation");
        return;
    }
    json_t *value = put_object(out, "explanation");
    put_text(value, "means", explanation->means);
    put_text(value, "cause", explanation->cause);
    put_text(value, "fix", explanation->fix);
    put_text(value, "anchor", explain_anchor(kind));
    json_t *example = put_list(value, "example");
    for (const char *line = explanation->example; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        json_t *row = put_row(example);
        json_object_set_new(row, "mark", json_stringn(line, 1));
        json_object_set_new(row, "text", json_stringn(line + 1, length - 1));
        line += length + 1;
    }
}

static void put_context(json_t *out, sqlite3_stmt *row)
{
    char thread[32] = "";
    const char *attributes_text = view_text_of(row, EXAMPLE_ATTRIBUTES);
    const char *context = view_text_of(row, EXAMPLE_CONTEXT);
    json_t *attributes = attributes_text != NULL ? json_loads(attributes_text, 0, NULL) : NULL;
    double number = view_attribute_number(attributes, "thread.id");
    if (number >= 0 && number < 1e15)
        snprintf(thread, sizeof thread, "%.0f", number);
    json_decref(attributes);
    put_text(out, "thread", thread[0] != '\0' ? thread : NULL);
    put_text(out, "instance", view_text_of(row, EXAMPLE_INSTANCE));
    json_object_set_new(out, "trace_id", view_column_hex(row, EXAMPLE_TRACE_ID));
    json_object_set_new(out, "span_id", view_column_hex(row, EXAMPLE_SPAN_ID));
    put_text(out, "context", context != NULL ? context : view_text_of(row, EXAMPLE_AFFECTED));
    put_text(out, "context_kind", view_text_of(row, EXAMPLE_CONTEXT_KIND));
    put_text(out, "affected", view_text_of(row, EXAMPLE_AFFECTED));
    put_text(out, "stack", view_text_of(row, EXAMPLE_STACK));
}

static void put_recorder(json_t *out, const struct losses_group *group, sqlite3_stmt *row)
{
    struct recorded_error error = {
        .kind = group->kind,
        .expected = view_text_of(row, EXAMPLE_EXPECTED),
        .found = view_text_of(row, EXAMPLE_FOUND),
        .found_by = group->found_by,
        .set_by = group->set_by,
        .recent = view_text_of(row, EXAMPLE_RECENT),
    };
    struct recorder recorder;
    recorder_read(&recorder, &error);
    json_object_set_new(out, "expected_since", recorder_since(&recorder, error.expected, recorder.guilty));
    json_object_set_new(out, "found_since", recorder_since(&recorder, error.found, recorder.guilty));
    json_object_set_new(out, "switches", recorder_switches(&recorder));
    if (recorder.guilty >= 0)
        put_whole(out, "guilty", (int64_t)recorder.count - 1 - recorder.guilty);
    else
        put_null(out, "guilty");
    recorder_clear(&recorder);
}

static int64_t newest_of(struct view_call *call, const struct losses_group *group)
{
    sqlite3_stmt *row = losses_query(call, group, newest_sql);
    int64_t id = sqlite3_step(row) == SQLITE_ROW ? sqlite3_column_int64(row, 0) : -1;
    view_finish(call, row);
    return id;
}

static void put_example(struct view_call *call, const struct losses_group *group)
{
    int64_t id = newest_of(call, group);
    sqlite3_stmt *row = view_query(call, example_sql);
    sqlite3_bind_int64(row, 1, id);
    if (sqlite3_step(row) == SQLITE_ROW) {
        put_text(call->out, "title", view_text_of(row, EXAMPLE_MESSAGE));
        json_t *example = put_object(call->out, "example");
        put_whole(example, "id", id);
        put_time(example, "time", sqlite3_column_int64(row, EXAMPLE_TIME));
        put_bool(example, "late", sqlite3_column_int(row, EXAMPLE_LATE) != 0);
        put_text(example, "message", view_text_of(row, EXAMPLE_MESSAGE));
        put_text(example, "expected", view_text_of(row, EXAMPLE_EXPECTED));
        put_text(example, "found", view_text_of(row, EXAMPLE_FOUND));
        json_object_set_new(example, "found_by", view_site(group->found_by));
        json_object_set_new(example, "set_by", view_site(group->set_by));
        put_context(example, row);
        put_recorder(example, group, row);
    }
    view_finish(call, row);
}

// Ids are hashes, so that a group is found by looking at all there are.
static bool find_group(struct view_call *call, struct losses_group *group)
{
    bool found = false;
    sqlite3_stmt *row = view_query(call, "SELECT DISTINCT e.kind, e.found_by, e.set_by, 0, 0, 0 FROM transition_error "
                                         "AS e");
    while (!found && sqlite3_step(row) == SQLITE_ROW) {
        char id[LOSS_GROUP_SIZE];
        loss_group(view_text_of(row, 0), view_text_of(row, 1), view_text_of(row, 2), id);
        found = strcmp(id, call->rest) == 0;
        if (found)
            *group = losses_group_of(row);
    }
    sqlite3_finalize(row);
    return found;
}

static void count_group(struct view_call *call, struct losses_group *group)
{
    sqlite3_stmt *row = losses_query(
        call, group,
        "SELECT count(*) FILTER (WHERE " LOSSES_IN_WINDOW "), count(*) FILTER (WHERE e.time > "
        ":minute AND e.time <= :to), max(e.time) " LOSSES_FROM " AND " LOSSES_OF_GROUP " AND e.time <= :to");
    if (sqlite3_step(row) == SQLITE_ROW) {
        group->count = sqlite3_column_int64(row, 0);
        group->last_minute = sqlite3_column_int64(row, 1);
        group->last = sqlite3_column_int64(row, 2);
    }
    view_finish(call, row);
}

void view_loss(struct view_call *call)
{
    struct losses_group group = {.kind = NULL};
    if (strlen(call->rest) != LOSS_GROUP_SIZE - 1 || strspn(call->rest, "0123456789abcdef") != LOSS_GROUP_SIZE - 1) {
        view_refuse(call, 400, "A group's id has 16 digits, 0 to 9 and a to f; /losses lists them.");
        return;
    }
    if (!find_group(call, &group)) {
        view_refuse(call, 404, "No transition error of group %s is here: there was none, or it was dropped since.",
                    call->rest);
        return;
    }
    struct losses_bars bars = losses_bars(call);
    count_group(call, &group);
    losses_put_times(&bars, call->out);
    losses_put_group(call, &group, call->out);
    put_explanation(call->out, group.kind);
    put_null(call->out, "title");
    put_null(call->out, "example");
    put_example(call, &group);
    losses_group_free(&group);
}
