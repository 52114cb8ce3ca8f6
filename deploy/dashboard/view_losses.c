// SPDX-License-Identifier: Apache-2.0
// GET /losses: the groups of transition errors, and which kinds there were none of. The reading thread owns everything.

#include <stdlib.h>
#include <string.h>

#include <logctx/error.h>

#include "increase.h"
#include "losses.h"
#include "put.h"

#define SECOND INT64_C(1000000000)

// Metrics come up to a minute after the spans that tell of the same error, and sometimes two.
#define LATENESS (120 * SECOND)

struct seen {
    const char *name;
    int64_t spans;  /* of the window, and somewhat before it */
    double counted; /* by the metrics, in the window; NaN if they say nothing */
};

static void put_totals(struct view_call *call)
{
    sqlite3_stmt *row = losses_query(
        call, NULL, "SELECT count(*), " LOSSES_LAST_MINUTE ", min(e.time) " LOSSES_FROM " AND " LOSSES_IN_WINDOW);
    if (sqlite3_step(row) == SQLITE_ROW) {
        put_whole(call->out, "total", sqlite3_column_int64(row, 0));
        put_whole(call->out, "last_minute", sqlite3_column_int64(row, 1));
        put_time(call->out, "first", sqlite3_column_int64(row, 2));
    }
    view_finish(call, row);
}

static void put_groups(struct view_call *call)
{
    struct losses_group *groups = calloc(LOSSES_GROUPS_MAX, sizeof *groups);
    size_t count = 0;
    int64_t places = 0;
    sqlite3_stmt *row = losses_query(call, NULL,
                                     "SELECT e.kind, e.found_by, e.set_by, count(*) AS count, " LOSSES_LAST_MINUTE
                                     ", max(e.time) " LOSSES_FROM " AND " LOSSES_IN_WINDOW
                                     " GROUP BY e.kind, e.found_by, e.set_by ORDER BY count DESC, e.kind, 6 DESC");
    // The rest is only counted.
    for (; sqlite3_step(row) == SQLITE_ROW; places++)
        if (groups != NULL && count < LOSSES_GROUPS_MAX)
            groups[count++] = losses_group_of(row);
    view_finish(call, row);
    put_whole(call->out, "places", places);
    put_whole(call->out, "shown", (int64_t)count);
    json_t *list = put_list(call->out, "groups");
    for (size_t i = 0; i < count; i++) {
        if (call->outcome.status == 200)
            losses_put_group(call, &groups[i], put_row(list));
        losses_group_free(&groups[i]);
    }
    free(groups);
}

static void count_spans(struct view_call *call, struct seen seen[LOGCTX_ERROR_COUNT])
{
    sqlite3_stmt *row = view_query(call, "SELECT e.kind, count(*) " LOSSES_FROM
                                         " AND e.time > :from - :lateness AND e.time <= :to GROUP BY e.kind");
    if (row != NULL)
        sqlite3_bind_int64(row, sqlite3_bind_parameter_index(row, ":lateness"), LATENESS);
    while (sqlite3_step(row) == SQLITE_ROW)
        for (int i = 0; i < LOGCTX_ERROR_COUNT; i++)
            if (strcmp(seen[i].name, view_text_of(row, 0)) == 0)
                seen[i].spans = sqlite3_column_int64(row, 1);
    view_finish(call, row);
}

static void count_metrics(struct view_call *call, struct seen seen[LOGCTX_ERROR_COUNT])
{
    struct increase increase;
    bool good = increase_init(&increase, call->db);
    sqlite3_stmt *row = view_query(call, "SELECT id, resource, temporality = 1, error_kind FROM series WHERE name = "
                                         "'logctx.transition.errors' AND error_kind IS NOT NULL AND " VIEW_OF_SERVICE);
    while (good && sqlite3_step(row) == SQLITE_ROW) {
        struct counter_series series = {sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1),
                                        sqlite3_column_int(row, 2) != 0, false};
        const char *kind = view_text_of(row, 3);
        double counted = increase_of(&increase, &series, call->from, call->to);
        for (int i = 0; i < LOGCTX_ERROR_COUNT && !isnan(counted); i++)
            if (strcmp(seen[i].name, kind) == 0)
                seen[i].counted = isnan(seen[i].counted) ? counted : seen[i].counted + counted;
    }
    view_finish(call, row);
    if (!increase_clear(&increase))
        view_failed(call);
}

static void put_kinds_without(struct view_call *call)
{
    struct seen seen[LOGCTX_ERROR_COUNT] = {
#define DASHBOARD_X(id, name, cls, origin, severity, sentence, help) [LOGCTX_ERROR_##id] = {name, 0, NAN},
        LOGCTX_ERRORS(DASHBOARD_X)
#undef DASHBOARD_X
    };
    count_spans(call, seen);
    count_metrics(call, seen);
    json_t *silent = put_list(call->out, "silent");
    json_t *unseen = put_list(call->out, "unseen");
    for (int i = 0; i < LOGCTX_ERROR_COUNT; i++) {
        if (seen[i].spans > 0)
            continue;
        if (seen[i].counted >= 0.5) {
            json_t *kind = put_row(unseen);
            put_text(kind, "kind", seen[i].name);
            put_whole(kind, "count", (int64_t)(seen[i].counted + 0.5));
        } else {
            json_array_append_new(silent, json_string(seen[i].name));
        }
    }
}

void view_losses(struct view_call *call)
{
    struct losses_bars bars = losses_bars(call);
    losses_put_times(&bars, call->out);
    put_totals(call);
    put_groups(call);
    put_kinds_without(call);
}
