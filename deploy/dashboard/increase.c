// SPDX-License-Identifier: Apache-2.0
// Increases of counters. The reading thread owns everything.

#include "increase.h"

#include <math.h>
#include <stddef.h>

struct point {
    int64_t time;
    int64_t start;
    double value;
};

// Before this nobody sent OTLP: the sender does not say when its counter began.
#define PLAUSIBLE_START INT64_C(946684800000000000)

bool increase_init(struct increase *increase, sqlite3 *db)
{
    static const char newest[] = "SELECT time, start, coalesce(value, count) FROM point WHERE series = ? AND time <= ? "
                                 "AND coalesce(value, count) IS NOT NULL ORDER BY time DESC LIMIT 1";
    static const char oldest[] = "SELECT time, start, coalesce(value, count) FROM point WHERE series = ? AND time > ? "
                                 "AND coalesce(value, count) IS NOT NULL ORDER BY time LIMIT 1";
    static const char between[] = "SELECT time, start, coalesce(value, count) FROM point WHERE series = ? AND time > ? "
                                  "AND time <= ? AND coalesce(value, count) IS NOT NULL ORDER BY time";
    static const char first[] = "SELECT min((SELECT min(time) FROM point WHERE series = series.id)) FROM series "
                                "WHERE resource = ?";
    *increase = (struct increase){.failed = false};
    increase->failed = sqlite3_prepare_v2(db, newest, -1, &increase->newest, NULL) != SQLITE_OK ||
                       sqlite3_prepare_v2(db, oldest, -1, &increase->oldest, NULL) != SQLITE_OK ||
                       sqlite3_prepare_v2(db, between, -1, &increase->between, NULL) != SQLITE_OK ||
                       sqlite3_prepare_v2(db, first, -1, &increase->first, NULL) != SQLITE_OK;
    return !increase->failed;
}

bool increase_clear(struct increase *increase)
{
    sqlite3_finalize(increase->newest);
    sqlite3_finalize(increase->oldest);
    sqlite3_finalize(increase->between);
    sqlite3_finalize(increase->first);
    return !increase->failed;
}

static void end(struct increase *increase, sqlite3_stmt *row)
{
    if (sqlite3_reset(row) != SQLITE_OK)
        increase->failed = true;
}

static struct point point_of(sqlite3_stmt *row)
{
    return (struct point){sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1), sqlite3_column_double(row, 2)};
}

// The point of one of the two queries that give one at a moment.
static bool find(struct increase *increase, sqlite3_stmt *row, int64_t series, int64_t moment, struct point *point)
{
    sqlite3_bind_int64(row, 1, series);
    sqlite3_bind_int64(row, 2, moment);
    bool found = sqlite3_step(row) == SQLITE_ROW;
    if (found)
        *point = point_of(row);
    end(increase, row);
    return found;
}

// The process is asked for once, and not for each of its many series.
static bool had_reported(struct increase *increase, int64_t resource, int64_t until)
{
    for (size_t i = 0; i < INCREASE_RESOURCES; i++)
        if (increase->known[i].resource == resource)
            return increase->known[i].time <= until;
    sqlite3_stmt *row = increase->first;
    sqlite3_bind_int64(row, 1, resource);
    bool found = sqlite3_step(row) == SQLITE_ROW && sqlite3_column_type(row, 0) != SQLITE_NULL;
    int64_t time = found ? sqlite3_column_int64(row, 0) : INT64_MAX;
    end(increase, row);
    increase->known[increase->next].resource = resource;
    increase->known[increase->next].time = time;
    increase->next = (increase->next + 1) % INCREASE_RESOURCES;
    return time <= until;
}

static bool continues(const struct point *before, const struct point *point)
{
    return before->start == point->start && before->value <= point->value;
}

// Point by point. `before` NULL: there is none, and `whole` says whether the first value counts.
static double add_up(struct increase *increase, const struct counter_series *series, const struct point *before,
                     bool whole, int64_t from, int64_t to)
{
    sqlite3_stmt *row = increase->between;
    struct point last = before != NULL ? *before : (struct point){0};
    bool has_last = before != NULL;
    double sum = 0;
    sqlite3_bind_int64(row, 1, series->id);
    sqlite3_bind_int64(row, 2, from);
    sqlite3_bind_int64(row, 3, to);
    while (sqlite3_step(row) == SQLITE_ROW) {
        struct point point = point_of(row);
        if (has_last)
            sum += series->delta ? point.value : continues(&last, &point) ? point.value - last.value : point.value;
        else if (series->delta || whole || point.start >= from)
            sum += point.value;
        last = point;
        has_last = true;
    }
    end(increase, row);
    return sum;
}

// The usual case needs no more than two ends: a cumulative sum that says when it began, and did not begin anew.
static bool is_simple(const struct counter_series *series, const struct point *first, const struct point *last)
{
    return !series->delta && continues(first, last) && last->start > PLAUSIBLE_START;
}

double increase_of(struct increase *increase, const struct counter_series *series, int64_t from, int64_t to)
{
    struct point before, first, last;
    if (!find(increase, increase->newest, series->id, to, &last) || last.time <= from)
        return NAN;
    if (find(increase, increase->newest, series->id, from, &before))
        return is_simple(series, &before, &last) ? last.value - before.value
                                                 : add_up(increase, series, &before, false, from, to);
    bool whole = series->whole || had_reported(increase, series->resource, from);
    if (find(increase, increase->oldest, series->id, from, &first) && is_simple(series, &first, &last))
        return last.value - (whole || first.start >= from ? 0 : first.value);
    return add_up(increase, series, NULL, whole, from, to);
}
