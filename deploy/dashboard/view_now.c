// SPDX-License-Identifier: Apache-2.0
// GET /now: the six figures over the window, from the metrics; what is in flight; which alerts there are. The reading
// thread owns everything.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <alerts.h>

#include "history.h"
#include "in_flight.h"
#include "put.h"
#include "view.h"
#include "view_alerts.h"

enum { KINDS_SHOWN = 5, WAITS_MAX = 20000 };

typedef double values_t[HISTORY_STEPS_MAX];

// The last step that has a value, or the first; NaN: none has.
static double last_of(const struct history *history, const double *values)
{
    for (size_t s = history->count; s-- > 0;)
        if (!isnan(values[s]))
            return values[s];
    return NAN;
}

static double first_of(const struct history *history, const double *values)
{
    for (size_t s = 0; s < history->count; s++)
        if (!isnan(values[s]))
            return values[s];
    return NAN;
}

static void put_values(const struct history *history, json_t *object, const double *values)
{
    json_t *list = put_list(object, "values");
    for (size_t s = history->shown_from; s < history->count; s++)
        json_array_append_new(list, put_new_real(values[s]));
}

static void put_tile(const struct history *history, json_t *tile, const double *values)
{
    put_real(tile, "now", last_of(history, values));
    put_real(tile, "before", first_of(history, values));
    put_values(history, tile, values);
}

static void put_contexts(struct view_call *call, const struct history *history, json_t *tiles)
{
    static const char *const names[] = {"request", "background", "nested", "thread", "callback"};
    values_t values;
    json_t *tile = put_object(tiles, "contexts");
    history_rates(history, HISTORY_CREATED, NULL, NULL, values);
    put_real(call->out, "rate", last_of(history, values));
    put_tile(history, tile, values);
    json_t *types = put_list(tile, "types");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        history_rates(history, HISTORY_CREATED, history_of_type, names[i], values);
        double now = last_of(history, values);
        if (!(now > 0))
            continue;
        json_t *row = put_row(types);
        put_text(row, "type", names[i]);
        put_real(row, "now", now);
    }
}

// A kind and how much of a metric it had in the window.
struct share {
    const char *kind;
    double total;
};

static int by_kind(const void *a, const void *b)
{
    const struct share *x = a;
    const struct share *y = b;
    return strcmp(x->kind, y->kind);
}

static int by_total(const void *a, const void *b)
{
    const struct share *x = a;
    const struct share *y = b;
    return x->total != y->total ? (x->total < y->total) - (x->total > y->total) : strcmp(x->kind, y->kind);
}

// The kinds of a metric, the largest first; from malloc.
static struct share *read_shares(const struct history *history, enum history_metric metric, size_t *count)
{
    struct share *shares = calloc(history->series_count + 1, sizeof *shares);
    size_t found = 0;
    for (size_t i = 0; shares != NULL && i < history->series_count; i++) {
        const struct history_series *series = &history->series[i];
        if (series->metric == metric && series->kind != NULL)
            shares[found++] = (struct share){series->kind, history_total(history, series)};
    }
    *count = 0;
    if (shares == NULL)
        return NULL;
    qsort(shares, found, sizeof *shares, by_kind);
    for (size_t i = 0; i < found; i++) {
        if (*count > 0 && strcmp(shares[*count - 1].kind, shares[i].kind) == 0)
            shares[*count - 1].total += shares[i].total;
        else
            shares[(*count)++] = shares[i];
    }
    qsort(shares, *count, sizeof *shares, by_total);
    return shares;
}

static void put_cpu(const struct history *history, json_t *tiles)
{
    values_t values;
    values_t rest;
    size_t count;
    json_t *tile = put_object(tiles, "cpu");
    history_rates(history, HISTORY_CPU, NULL, NULL, rest);
    put_tile(history, tile, rest);
    json_t *kinds = put_list(tile, "kinds");
    struct share *shares = read_shares(history, HISTORY_CPU, &count);
    size_t shown = count < KINDS_SHOWN ? count : KINDS_SHOWN;
    for (size_t i = 0; i < shown; i++) {
        history_rates(history, HISTORY_CPU, history_of_kind, shares[i].kind, values);
        json_t *row = put_row(kinds);
        put_text(row, "kind", shares[i].kind);
        put_real(row, "now", last_of(history, values));
        put_values(history, row, values);
        for (size_t s = 0; s < history->count; s++)
            rest[s] = rest[s] > values[s] ? rest[s] - values[s] : isnan(rest[s]) ? NAN : 0;
    }
    json_t *others = put_object(tile, "others");
    put_whole(others, "kinds", (int64_t)(count - shown));
    put_real(others, "now", last_of(history, rest));
    put_values(history, others, rest);
    free(shares);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

// Of the contexts that used the database and ended in the last minute: 99 of 100 waited no longer. The metrics have no
// distribution of it.
static double p99_wait(struct view_call *call)
{
    double *waits = calloc(WAITS_MAX, sizeof *waits);
    size_t count = 0;
    sqlite3_stmt *statement = view_query(
        call, "SELECT db_wait FROM span INDEXED BY span_end WHERE end > max(:from, :to - 60000000000) AND end <= :to "
              "AND " VIEW_OF_SERVICE " AND " VIEW_IS_CONTEXT " AND db_transactions > 0 AND db_wait IS NOT NULL "
              "ORDER BY end DESC");
    while (waits != NULL && count < WAITS_MAX && sqlite3_step(statement) == SQLITE_ROW)
        waits[count++] = sqlite3_column_double(statement, 0);
    view_finish(call, statement);
    if (count > 0)
        qsort(waits, count, sizeof *waits, by_value);
    double value = count > 0 ? waits[(count * 99 + 99) / 100 - 1] : NAN;
    free(waits);
    return value;
}

static void put_database(struct view_call *call, const struct history *history, json_t *tiles)
{
    values_t values;
    json_t *tile = put_object(tiles, "database");
    history_rates(history, HISTORY_DB_TIME, NULL, NULL, values);
    put_tile(history, tile, values);
    json_t *wait = put_object(tile, "wait");
    history_rates(history, HISTORY_DB_WAIT, NULL, NULL, values);
    put_real(wait, "now", last_of(history, values));
    put_values(history, wait, values);
    history_rates(history, HISTORY_DB_TRANSACTIONS, NULL, NULL, values);
    put_real(tile, "transactions", last_of(history, values));
    put_real(tile, "p99_wait", p99_wait(call));
}

static void put_in_flight(const struct history *history, json_t *tiles, struct in_flight *in_flight)
{
    values_t values;
    json_t *tile = put_object(tiles, "in_flight");
    history_levels(history, HISTORY_IN_FLIGHT, false, values);
    put_tile(history, tile, values);
    if (in_flight->from_table)
        put_real(tile, "now", in_flight->total);
    put_real(tile, "oldest", in_flight->oldest);
    if (in_flight->states != NULL)
        json_object_set_new(tile, "states", in_flight->states);
    else
        put_null(tile, "states");
    in_flight->states = NULL;
}

// When the first error of the window was: its own time if a span told of it, else the step of the export.
static double first_error(struct view_call *call, const struct history *history, const double *values)
{
    int64_t time = view_number(call, "SELECT min(time) FROM transition_error WHERE time > :from AND time <= :to "
                                     "AND " VIEW_OF_SERVICE);
    if (time > 0)
        return (double)time / 1e9;
    for (size_t s = 0; s < history->count; s++)
        if (values[s] > 0)
            return (double)history->ends[s] / 1e9;
    return NAN;
}

static void put_errors(struct view_call *call, const struct history *history, json_t *tiles)
{
    values_t values;
    size_t count;
    double minute = 60e9 / (double)history->step;
    json_t *tile = put_object(tiles, "errors");
    history_counts(history, HISTORY_ERRORS, NULL, NULL, values);
    put_real(tile, "now", last_of(history, values) * minute);
    put_real(tile, "before", first_of(history, values) * minute);
    put_values(history, tile, values);
    put_real(tile, "first", first_error(call, history, values));
    json_t *kinds = put_list(tile, "kinds");
    struct share *shares = read_shares(history, HISTORY_ERRORS, &count);
    size_t shown = 0;
    double rest = 0;
    for (size_t i = 0; i < count; i++) {
        if (i >= KINDS_SHOWN || !(shares[i].total > 0)) {
            rest += shares[i].total;
            continue;
        }
        json_t *row = put_row(kinds);
        put_text(row, "kind", shares[i].kind);
        put_whole(row, "count", (int64_t)shares[i].total);
        shown++;
    }
    json_t *others = put_object(tile, "others");
    put_whole(others, "kinds", (int64_t)(count - shown));
    put_whole(others, "count", (int64_t)rest);
    free(shares);
}

static void put_unattributed(const struct history *history, json_t *tiles)
{
    values_t contexts;
    values_t loops;
    values_t lost;
    values_t share;
    size_t count;
    json_t *tile = put_object(tiles, "unattributed");
    history_rates(history, HISTORY_CPU, NULL, NULL, contexts);
    history_rates(history, HISTORY_LOOP_CPU, NULL, NULL, loops);
    history_rates(history, HISTORY_UNATTRIBUTED, NULL, NULL, lost);
    for (size_t s = 0; s < history->count; s++) {
        contexts[s] += loops[s] + lost[s];
        share[s] = contexts[s] > 0 ? lost[s] / contexts[s] : NAN;
    }
    put_tile(history, tile, share);
    put_real(tile, "limit", alert_table[ALERT_UNATTRIBUTED_CPU].limit);
    put_real(tile, "cpu", last_of(history, lost));
    json_t *list = put_list(tile, "loops");
    struct share *shares = read_shares(history, HISTORY_UNATTRIBUTED, &count);
    for (size_t i = 0; i < count && i < KINDS_SHOWN; i++) {
        history_rates(history, HISTORY_UNATTRIBUTED, history_of_kind, shares[i].kind, lost);
        for (size_t s = 0; s < history->count; s++)
            lost[s] = contexts[s] > 0 ? lost[s] / contexts[s] : NAN;
        json_t *row = put_row(list);
        put_text(row, "loop", shares[i].kind);
        put_real(row, "now", last_of(history, lost));
    }
    free(shares);
}

// Half of the time that is left is enough for them, or they are not known: the rest of the answer is good without.
static void put_alerts(struct view_call *call)
{
    struct alert_board *board = malloc(sizeof *board);
    json_t *alerts = put_object(call->out, "alerts");
    struct outcome outcome = call->outcome;
    int64_t deadline = call->deadline;
    call->deadline -= (int64_t)(view_time_left(call) * 0.5e9);
    if (board != NULL && alert_board_of(call, board)) {
        alerts_put_active(alerts, board);
    } else {
        call->outcome = outcome;
        put_null(alerts, "evaluated");
        put_whole(alerts, "quiet", 0);
        put_list(alerts, "rules");
    }
    call->deadline = deadline;
    free(board);
}

void view_now(struct view_call *call)
{
    struct history history;
    struct in_flight in_flight;
    if (!history_read(&history, call)) {
        history_free(&history);
        return;
    }
    put_whole(call->out, "step", history.step / 1000000000);
    json_t *times = put_list(call->out, "times");
    if (call->tail > 0 && call->tail < history.count)
        history.shown_from = history.count - call->tail;
    for (size_t s = history.shown_from; s < history.count; s++)
        json_array_append_new(times, json_integer(history.ends[s] / 1000000000));
    json_t *tiles = put_object(call->out, "tiles");
    put_contexts(call, &history, tiles);
    put_cpu(&history, tiles);
    put_database(call, &history, tiles);
    in_flight_put(call, &in_flight);
    put_in_flight(&history, tiles, &in_flight);
    put_errors(call, &history, tiles);
    put_unattributed(&history, tiles);
    history_free(&history);
    put_alerts(call);
}
