// SPDX-License-Identifier: Apache-2.0
// Queries over transition errors, and a group of them as JSON. The reading thread owns everything.

#include "losses.h"

#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "loss_group.h"
#include "put.h"
#include "view_json.h"

#define SECOND INT64_C(1000000000)

// The step that gives no more than 40 bars, and of those that do the shortest.
struct losses_bars losses_bars(const struct view_call *call)
{
    static const int64_t steps[] = {2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600};
    struct losses_bars bars = {.step = steps[0]};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        bars.step = steps[i];
        if ((call->to - call->from) / SECOND / bars.step <= 40)
            break;
    }
    int64_t step = bars.step * SECOND;
    int64_t before = call->from / step;
    int64_t last = (call->to + step - 1) / step;
    bars.first = (before + 1) * bars.step;
    bars.count = last > before ? (size_t)(last - before) : 0;
    bars.count = bars.count < LOSSES_BARS_MAX ? bars.count : LOSSES_BARS_MAX;
    return bars;
}

void losses_put_times(const struct losses_bars *bars, json_t *out)
{
    json_t *times = put_list(out, "times");
    for (size_t i = 0; i < bars->count; i++)
        json_array_append_new(times, json_integer(bars->first + (int64_t)i * bars->step));
}

static char *copy(sqlite3_stmt *row, int column)
{
    const char *text = view_text_of(row, column);
    return text != NULL ? strdup(text) : NULL;
}

struct losses_group losses_group_of(sqlite3_stmt *row)
{
    return (struct losses_group){
        .kind = copy(row, 0),
        .found_by = copy(row, 1),
        .set_by = copy(row, 2),
        .count = sqlite3_column_int64(row, 3),
        .last_minute = sqlite3_column_int64(row, 4),
        .last = sqlite3_column_int64(row, 5),
    };
}

void losses_group_free(struct losses_group *group)
{
    free(group->kind);
    free(group->found_by);
    free(group->set_by);
}

static void bind_text(sqlite3_stmt *statement, const char *name, const char *text)
{
    int index = sqlite3_bind_parameter_index(statement, name);
    if (index > 0)
        sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

sqlite3_stmt *losses_query(struct view_call *call, const struct losses_group *group, const char *sql)
{
    sqlite3_stmt *statement = view_query(call, sql);
    if (statement == NULL)
        return NULL;
    int minute = sqlite3_bind_parameter_index(statement, ":minute");
    if (minute > 0)
        sqlite3_bind_int64(statement, minute, call->to - 60 * SECOND);
    if (group != NULL) {
        bind_text(statement, ":kind", group->kind);
        bind_text(statement, ":found_by", group->found_by);
        bind_text(statement, ":set_by", group->set_by);
    }
    return statement;
}

static void put_counts(struct view_call *call, const struct losses_group *group, json_t *out)
{
    struct losses_bars bars = losses_bars(call);
    int64_t counts[LOSSES_BARS_MAX] = {0};
    sqlite3_stmt *row = losses_query(call, group,
                                     "SELECT (e.time - 1) / :step AS bar, count(*) " LOSSES_FROM " AND " LOSSES_OF_GROUP
                                     " AND " LOSSES_IN_WINDOW " GROUP BY bar");
    if (row != NULL)
        sqlite3_bind_int64(row, sqlite3_bind_parameter_index(row, ":step"), bars.step * SECOND);
    while (sqlite3_step(row) == SQLITE_ROW) {
        int64_t bar = sqlite3_column_int64(row, 0) - (bars.first / bars.step - 1);
        if (bar >= 0 && bar < (int64_t)bars.count)
            counts[bar] = sqlite3_column_int64(row, 1);
    }
    view_finish(call, row);
    json_t *list = put_list(out, "counts");
    for (size_t i = 0; i < bars.count; i++)
        json_array_append_new(list, json_integer(counts[i]));
}

static void put_kinds(struct view_call *call, const struct losses_group *group, json_t *out)
{
    int64_t total = 0;
    json_t *list = put_list(out, "kinds");
    sqlite3_stmt *row = losses_query(call, group,
                                     "SELECT " LOSSES_CONTEXT_KIND " AS context_kind, count(*) AS count " LOSSES_FROM
                                     " AND " LOSSES_OF_GROUP " AND " LOSSES_IN_WINDOW
                                     " GROUP BY context_kind ORDER BY count DESC, 1");
    while (sqlite3_step(row) == SQLITE_ROW) {
        if (total++ >= LOSSES_KINDS_MAX)
            continue;
        json_t *kind = put_row(list);
        put_text(kind, "kind", view_text_of(row, 0));
        put_whole(kind, "count", sqlite3_column_int64(row, 1));
    }
    view_finish(call, row);
    put_whole(out, "kinds_total", total);
}

static void put_first(struct view_call *call, const struct losses_group *group, json_t *out)
{
    sqlite3_stmt *row =
        losses_query(call, group, "SELECT e.time " LOSSES_FROM " AND " LOSSES_OF_GROUP " ORDER BY e.time LIMIT 1");
    put_time(out, "first", sqlite3_step(row) == SQLITE_ROW ? sqlite3_column_int64(row, 0) : 0);
    view_finish(call, row);
}

// Where the cause most likely is: for most kinds it is who made current what was found.
static const char *likely_site(const struct losses_group *group)
{
    const struct explanation *explanation = explain(group->kind);
    bool earlier = explanation == NULL || explanation->blame == BLAME_SETTER || explanation->blame == BLAME_EARLIER;
    const char *likely = earlier ? group->set_by : group->found_by;
    const char *other = earlier ? group->found_by : group->set_by;
    return likely != NULL && *likely != '\0' ? likely : other;
}

void losses_put_group(struct view_call *call, const struct losses_group *group, json_t *out)
{
    char id[LOSS_GROUP_SIZE];
    loss_group(group->kind, group->found_by, group->set_by, id);
    put_text(out, "group", id);
    put_text(out, "kind", group->kind);
    json_object_set_new(out, "site", view_site(likely_site(group)));
    json_object_set_new(out, "set_by", view_site(group->set_by));
    json_object_set_new(out, "found_by", view_site(group->found_by));
    put_whole(out, "count", group->count);
    put_whole(out, "last_minute", group->last_minute);
    put_first(call, group, out);
    put_time(out, "last", group->last);
    put_counts(call, group, out);
    put_kinds(call, group, out);
}
