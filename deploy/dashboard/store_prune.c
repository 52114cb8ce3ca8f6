// SPDX-License-Identifier: Apache-2.0
// Forgets the oldest rows when the store is at its limits. Bounded work in each transaction: somewhat more than what
// came in, so that the store catches up without making a sender wait. Owned by the thread that writes.

#include "store_internal.h"

#include "schema.h"

enum {
    STEP = 2000, // rows in one transaction, beyond twice what it added
    SERIES_MAX = 100000,
    SERIES_STEP = SERIES_MAX / 10,
    RESOURCES_MAX = 10000,
};

// One statement with one number in it.
static sqlite3_stmt *prepare(struct store *store, const char *sql, int64_t number)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK)
        store__failed(store);
    else
        sqlite3_bind_int64(statement, 1, number);
    return statement;
}

static bool run(struct store *store, const char *sql, int64_t number)
{
    sqlite3_stmt *statement = prepare(store, sql, number);
    bool done = statement != NULL && store__run(store, statement);
    sqlite3_finalize(statement);
    return done;
}

static int64_t ask(struct store *store, const char *sql, int64_t number)
{
    sqlite3_stmt *statement = prepare(store, sql, number);
    int64_t answer = statement != NULL && sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0)
                                                                                : 0;
    sqlite3_finalize(statement);
    return answer;
}

// Rows go in the order of their ids, so that one bound tells for all four tables.
static bool drop_spans_to(struct store *store, int64_t bound)
{
    int64_t contexts = ask(store,
                           "SELECT count(*) FROM span WHERE id <= ? AND scope = 'logctx' "
                           "AND name <> 'logctx.transition_error'",
                           bound);
    if (!run(store, "DELETE FROM event WHERE span <= ?", bound) ||
        !run(store, "DELETE FROM link WHERE span <= ?", bound) ||
        !run(store, "DELETE FROM transition_error WHERE span <= ?", bound) ||
        !run(store, "DELETE FROM span WHERE id <= ?", bound))
        return false;
    int64_t gone = sqlite3_changes64(store->db);
    store->spans -= gone;
    store_count(store, STORE_SPANS_PRUNED, gone);
    store_count(store, STORE_CONTEXTS_PRUNED, contexts);
    return true;
}

static bool drop_spans(struct store *store, int64_t amount)
{
    return drop_spans_to(store, ask(store, "SELECT max(id) FROM (SELECT id FROM span ORDER BY id LIMIT ?)", amount));
}

// The newest point of a series stays: a sum that no longer changes is still a sum.
static bool drop_points(struct store *store, int64_t amount)
{
    if (!run(store,
             "DELETE FROM point WHERE id IN (SELECT id FROM point AS old WHERE EXISTS (SELECT 1 FROM point AS "
             "new WHERE new.series = old.series AND new.time > old.time) ORDER BY id LIMIT ?)",
             amount))
        return false;
    int64_t gone = sqlite3_changes64(store->db);
    store->points -= gone;
    store_count(store, STORE_POINTS_PRUNED, gone);
    return true;
}

// The series that have been silent for longest, with their points.
static bool drop_series(struct store *store)
{
    static const char list[] = "CREATE TEMP TABLE silent AS SELECT series AS id FROM point GROUP BY series "
                               "ORDER BY max(id) LIMIT ?";
    if (!run(store, list, SERIES_STEP) || !run(store, "DELETE FROM point WHERE series IN (SELECT id FROM silent)", 0))
        return false;
    int64_t gone = sqlite3_changes64(store->db);
    store->points -= gone;
    store_count(store, STORE_POINTS_PRUNED, gone);
    if (!run(store, "DELETE FROM series WHERE id IN (SELECT id FROM silent)", 0))
        return false;
    store->series -= sqlite3_changes64(store->db);
    return run(store, "DROP TABLE silent", 0);
}

static bool drop_resources(struct store *store)
{
    if (!run(store,
             "DELETE FROM resource WHERE id NOT IN (SELECT resource FROM span) "
             "AND id NOT IN (SELECT resource FROM series)",
             0))
        return false;
    store->resources -= sqlite3_changes64(store->db);
    return true;
}

static bool is_too_large(struct store *store)
{
    int64_t pages = schema_number(store->db, "PRAGMA page_count") - schema_number(store->db, "PRAGMA freelist_count");
    return store->limits.bytes > 0 && pages * schema_number(store->db, "PRAGMA page_size") > store->limits.bytes;
}

// An eighth of the rows at a time, as nobody knows how much room they give back: a small store is not emptied at once.
static bool prune_by_size(struct store *store, int64_t step)
{
    bool dropped = true;
    bool any = false;
    while (dropped && step > 0 && is_too_large(store)) {
        int64_t rows = store->spans >= store->points - store->series ? store->spans : store->points;
        int64_t part = rows / 8 + 100 < step ? rows / 8 + 100 : step;
        step -= part;
        any = true;
        if (store->spans > 0 && store->spans >= store->points - store->series)
            dropped = drop_spans(store, part);
        else if (store->points > store->series)
            dropped = drop_points(store, part);
        else if (store->series > 0)
            return drop_series(store) && drop_resources(store);
    }
    return dropped && (!any || drop_resources(store));
}

// The rows up to that id, a step of them at most. `*done`: none of them is left.
static bool drop_old_spans(struct store *store, int64_t bound, int64_t step, bool *done)
{
    int64_t last = ask(store, "SELECT max(id) FROM (SELECT id FROM span ORDER BY id LIMIT ?)", step);
    *done = last >= bound || last == 0;
    bound = *done ? bound : last;
    return ask(store, "SELECT EXISTS (SELECT 1 FROM span WHERE id <= ?)", bound) == 0 || drop_spans_to(store, bound);
}

// Here the newest point of a series goes, too: nobody has sent another for as long as points are kept.
static bool drop_old_points(struct store *store, int64_t bound, int64_t step, bool *done)
{
    int64_t last = ask(store, "SELECT max(id) FROM (SELECT id FROM point ORDER BY id LIMIT ?)", step);
    *done = last >= bound || last == 0;
    bound = *done ? bound : last;
    if (!run(store,
             "DELETE FROM series WHERE id IN (SELECT series FROM point WHERE id <= ?1) AND NOT EXISTS "
             "(SELECT 1 FROM point WHERE series = series.id AND point.id > ?1)",
             bound))
        return false;
    store->series -= sqlite3_changes64(store->db);
    if (!run(store, "DELETE FROM point WHERE id <= ?", bound))
        return false;
    int64_t gone = sqlite3_changes64(store->db);
    store->points -= gone;
    store_count(store, STORE_POINTS_PRUNED, gone);
    return true;
}

// By when it arrived here: what a sender says of times may be wrong.
static bool prune_by_age(struct store *store, int64_t step)
{
    enum { KEEP_S = 400 * 86400 };
    int64_t age_s = store->limits.age_s;
    int64_t before = store->clock() - (age_s > 0 ? age_s : KEEP_S) * INT64_C(1000000000);
    int64_t time = ask(store, "SELECT max(time) FROM arrival WHERE time <= ?", before);
    if (time == 0)
        return true;
    bool spans_done = false;
    bool points_done = false;
    if (!run(store, "DELETE FROM arrival WHERE time < ?", time))
        return false;
    if (age_s == 0)
        return true;
    int64_t last_span = ask(store, "SELECT span FROM arrival WHERE time = ?", time);
    int64_t last_point = ask(store, "SELECT point FROM arrival WHERE time = ?", time);
    if (!drop_old_spans(store, last_span, step, &spans_done) || !drop_old_points(store, last_point, step, &points_done))
        return false;
    // Who sent nothing since then has no row left.
    if (spans_done && points_done && !run(store, "DELETE FROM resource WHERE last <= ?", time))
        return false;
    store->resources -= spans_done && points_done ? sqlite3_changes64(store->db) : 0;
    return true;
}

static int64_t excess(int64_t rows, int64_t limit, int64_t step)
{
    int64_t over = limit > 0 && rows > limit ? rows - limit : 0;
    return over < step ? over : step;
}

bool store__prune(struct store *store)
{
    int64_t step = STEP + 2 * (store->counts[STORE_SPANS] + store->counts[STORE_POINTS]);
    int64_t spans = excess(store->spans, store->limits.spans, step);
    int64_t points = excess(store->points, store->limits.points, step);
    if (spans > 0 && !drop_spans(store, spans))
        return false;
    // The points that stay, one for each series, are never an excess.
    if (points > 0 && store->points > store->series && !drop_points(store, points))
        return false;
    if (store->series > SERIES_MAX && !drop_series(store))
        return false;
    if (store->resources > RESOURCES_MAX && !drop_resources(store))
        return false;
    return prune_by_age(store, step) && prune_by_size(store, step);
}
