/*
 * losses.h: what both views of transition errors ask the store. Owned by the reading thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_LOSSES_H
#define DASHBOARD_LOSSES_H

#include <stddef.h>
#include <stdint.h>

#include "view.h"

/* Groups that are listed, kinds of contexts of one, and bars of a spark line. */
enum { LOSSES_GROUPS_MAX = 100, LOSSES_KINDS_MAX = 8, LOSSES_BARS_MAX = 60 };

/* The bars of a window; they stick to the clock, so that a bar stays what it is. */
struct losses_bars {
    int64_t step;  /* seconds of one */
    int64_t first; /* the end of the first one, Unix seconds */
    size_t count;
};
struct losses_bars losses_bars(const struct view_call *call);
void losses_put_times(const struct losses_bars *bars, json_t *out);

/* The parts of a query over the errors of the service that is asked for; :minute is bound by losses_query. */
#define LOSSES_FROM "FROM transition_error AS e WHERE e." VIEW_OF_SERVICE
#define LOSSES_IN_WINDOW "e.time > :from AND e.time <= :to"
#define LOSSES_LAST_MINUTE "count(*) FILTER (WHERE e.time > :minute)"
#define LOSSES_CONTEXT_KIND                                                                                            \
    "(SELECT CASE WHEN e.late THEN (SELECT p.name FROM span AS p WHERE p.trace_id = s.trace_id AND p.span_id = "       \
    "s.parent_id) ELSE s.name END FROM span AS s WHERE s.id = e.span)"

/* A group: a kind and its two places, which may be NULL. The texts are owned. */
struct losses_group {
    char *kind;
    char *found_by;
    char *set_by;
    int64_t count; /* in the window, and of that in its last minute */
    int64_t last_minute;
    int64_t last; /* ns since 1970; 0: none in the window */
};

/* From the columns kind, found_by, set_by, count, last minute, last; to be freed. */
struct losses_group losses_group_of(sqlite3_stmt *row);
void losses_group_free(struct losses_group *group);

/* A query with :minute, and, if `group` is not NULL, :kind, :found_by and :set_by, which LOSSES_OF_GROUP asks for. */
sqlite3_stmt *losses_query(struct view_call *call, const struct losses_group *group, const char *sql);
#define LOSSES_OF_GROUP "e.kind = :kind AND e.found_by IS :found_by AND e.set_by IS :set_by"

/* The members of a group that both views show. */
void losses_put_group(struct view_call *call, const struct losses_group *group, json_t *out);

#endif
