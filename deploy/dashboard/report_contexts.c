// SPDX-License-Identifier: Apache-2.0
// The two tables of contexts by kind: how long they took, and what they cost. Figures are own usage, of the finished
// contexts in the store. The printing thread owns everything.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <logctx/telemetry.h>

#include "display.h"
#include "report.h"
#include "table.h"

enum { KINDS_MAX = 1000, KINDS_SHOWN = 40 };

#define SPLIT_MIN_S 0.02

enum sum { SUM_DURATION, SUM_CPU, SUM_TRANSACTIONS, SUM_DB_TIME, SUM_WAIT, SUM_ROWS, SUMS };

struct kind {
    char *name;
    char *type;
    double count;
    double failed;
    double sums[SUMS];
    double p50, p95, longest;
    double user_share; // of the CPU time; NaN if it is not known
};

struct kinds {
    struct kind *items;
    size_t count;
    size_t left_out;
    struct kind all;
};

// The durations of the kind at hand, in ascending order.
struct durations {
    double *values;
    size_t count;
    size_t capacity;
};

static void add_duration(struct durations *durations, double seconds)
{
    if (durations->count == durations->capacity) {
        size_t capacity = durations->capacity > 0 ? 2 * durations->capacity : 1024;
        double *values = realloc(durations->values, capacity * sizeof *values);
        if (values == NULL)
            return;
        durations->values = values;
        durations->capacity = capacity;
    }
    durations->values[durations->count++] = seconds;
}

// The smallest value that so large a share of all does not exceed.
static double percentile(const struct durations *durations, double share)
{
    if (durations->count == 0)
        return NAN;
    size_t rank = (size_t)ceil(share * (double)durations->count);
    return durations->values[rank > 0 ? rank - 1 : 0];
}

static void close_kind(struct kinds *kinds, struct durations *durations)
{
    if (kinds->count == 0 || durations->count == 0)
        return;
    struct kind *kind = &kinds->items[kinds->count - 1];
    kind->p50 = percentile(durations, 0.5);
    kind->p95 = percentile(durations, 0.95);
    kind->longest = percentile(durations, 1);
    durations->count = 0;
}

static struct kind *open_kind(struct kinds *kinds, const char *name, const char *type)
{
    if (kinds->count == KINDS_MAX) {
        kinds->left_out++;
        return NULL;
    }
    struct kind *kind = &kinds->items[kinds->count++];
    *kind = (struct kind){.name = strdup(name), .type = strdup(type), .user_share = NAN};
    return kind;
}

static void add_row(struct kind *kind, sqlite3_stmt *statement)
{
    kind->count++;
    kind->failed += sqlite3_column_int(statement, 2) == 2;
    for (int i = 0; i < SUMS; i++) {
        double value = report_real(statement, 3 + i);
        kind->sums[i] += isnan(value) ? 0 : value;
    }
}

static void read_spans(struct report *report, struct kinds *kinds)
{
    static const char sql[] =
        "SELECT CASE name WHEN '' THEN '(no name)' ELSE name END AS name, coalesce(type, CASE kind WHEN 2 THEN "
        "'(server)' WHEN 3 THEN '(client)' "
        "WHEN 4 THEN '(producer)' WHEN 5 THEN '(consumer)' ELSE '(internal)' END) AS type, status, "
        "max(end - start, 0) / 1e9 AS duration, cpu, db_transactions, db_time, db_wait, db_rows "
        "FROM span WHERE span.name <> '" LOGCTX_TRANSITION_EVENT "' ORDER BY name, type, duration";
    struct durations durations = {0};
    struct kind *kind = NULL;
    char *name = NULL;
    char *type = NULL;
    sqlite3_stmt *statement = report_query(report, sql);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        const char *next_name = report_text(statement, 0);
        const char *next_type = report_text(statement, 1);
        if (name == NULL || strcmp(name, next_name) != 0 || strcmp(type, next_type) != 0) {
            close_kind(kinds, &durations);
            kind = open_kind(kinds, next_name, next_type);
            free(name);
            free(type);
            name = strdup(next_name);
            type = strdup(next_type);
        }
        if (name == NULL || type == NULL)
            break;
        if (kind != NULL) {
            add_row(kind, statement);
            add_duration(&durations, report_real(statement, 3));
        }
        add_row(&kinds->all, statement);
    }
    close_kind(kinds, &durations);
    free(name);
    free(type);
    free(durations.values);
    report_finish(report, statement);
}

// The kernel tells user from system time by whole ticks, so that the split of one context is noise. The metrics sum it
// up by kind: their ratio splits the exact total, once that is worth some ticks.
static void read_user_shares(struct report *report, struct kinds *kinds)
{
    sqlite3_stmt *statement =
        report_query(report, "SELECT sum(value) FILTER (WHERE cpu_mode = 'user') / sum(value) FROM total "
                             "WHERE name = 'logctx.context.cpu.time' AND context_kind = ? AND context_type = ? "
                             "HAVING sum(value) > 0");
    double user = 0;
    double split = 0;
    for (size_t i = 0; i < kinds->count && statement != NULL; i++) {
        struct kind *kind = &kinds->items[i];
        sqlite3_bind_text(statement, 1, kind->name, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 2, kind->type, -1, SQLITE_STATIC);
        if (sqlite3_step(statement) == SQLITE_ROW)
            kind->user_share = report_real(statement, 0);
        sqlite3_reset(statement);
        if (!isnan(kind->user_share)) {
            user += kind->user_share * kind->sums[SUM_CPU];
            split += kind->sums[SUM_CPU];
        }
        if (kind->sums[SUM_CPU] < SPLIT_MIN_S)
            kind->user_share = NAN;
    }
    kinds->all.user_share = split >= SPLIT_MIN_S ? user / split : NAN;
    report_finish(report, statement);
}

static int by_count(const void *a, const void *b)
{
    const struct kind *x = a;
    const struct kind *y = b;
    return (x->count < y->count) - (x->count > y->count);
}

// Requests with their nested parts and threads first, what runs by itself last.
static int by_name(const void *a, const void *b)
{
    const struct kind *x = a;
    const struct kind *y = b;
    int x_last = strcmp(x->type, "background") == 0;
    int y_last = strcmp(y->type, "background") == 0;
    if (x_last != y_last)
        return x_last - y_last;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : strcmp(x->type, y->type);
}

static double largest(const struct kinds *kinds, enum sum sum, bool each)
{
    double most = 0;
    for (size_t i = 0; i < kinds->count; i++) {
        double value = kinds->items[i].sums[sum] / (each ? kinds->items[i].count : 1);
        most = value > most ? value : most;
    }
    return each ? most : kinds->all.sums[sum];
}

static void time_cell(struct table *table, double seconds, struct display_unit unit)
{
    table_number(table, seconds * unit.factor, unit.decimals);
}

static void print_durations(struct report *report, const struct kinds *kinds)
{
    double longest = 0;
    for (size_t i = 0; i < kinds->count; i++)
        longest = kinds->items[i].longest > longest ? kinds->items[i].longest : longest;
    struct display_unit unit = display_unit_for(longest);
    const struct column columns[] = {
        {.title = "kind", .left = true},
        {.title = "type", .left = true, .spare = 1},
        {.title = "finished"},
        {.title = "failed"},
        {.group = "duration", .title = "mean", .unit = unit.name},
        {.title = "p50", .unit = unit.name},
        {.title = "p95", .unit = unit.name},
        {.title = "max", .unit = unit.name},
    };
    struct table table;
    table_begin(&table, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < kinds->count; i++) {
        const struct kind *kind = &kinds->items[i];
        table_cell(&table, kind->name);
        table_cell(&table, kind->type);
        table_number(&table, kind->count, 0);
        table_number(&table, kind->failed, 0);
        time_cell(&table, kind->sums[SUM_DURATION] / kind->count, unit);
        time_cell(&table, kind->p50, unit);
        time_cell(&table, kind->p95, unit);
        time_cell(&table, kind->longest, unit);
    }
    table_end(&table, report->out, report->width, report->dim, report->plain);
}

static void cost_row(struct table *table, const struct kind *kind, const struct display_unit units[4])
{
    double cpu = kind->sums[SUM_CPU];
    table_cell(table, kind->name);
    table_cell(table, kind->type);
    time_cell(table, cpu, units[0]);
    time_cell(table, cpu * kind->user_share, units[0]);
    time_cell(table, cpu * (1 - kind->user_share), units[0]);
    time_cell(table, cpu / kind->count, units[1]);
    table_number(table, kind->sums[SUM_TRANSACTIONS], 0);
    time_cell(table, kind->sums[SUM_DB_TIME], units[2]);
    time_cell(table, kind->sums[SUM_WAIT], units[3]);
    table_number(table, kind->sums[SUM_ROWS], 0);
}

static void print_costs(struct report *report, const struct kinds *kinds)
{
    const struct display_unit units[4] = {
        display_unit_for(largest(kinds, SUM_CPU, false)), display_unit_for(largest(kinds, SUM_CPU, true)),
        display_unit_for(largest(kinds, SUM_DB_TIME, false)), display_unit_for(largest(kinds, SUM_WAIT, false))};
    const struct column columns[] = {
        {.title = "kind", .left = true},
        {.title = "type", .left = true, .spare = 1},
        {.group = "CPU", .title = "total", .unit = units[0].name},
        {.title = "user", .unit = units[0].name, .spare = 3},
        {.title = "system", .unit = units[0].name, .spare = 3},
        {.title = "each", .unit = units[1].name},
        {.group = "database", .title = "txns"},
        {.title = "time", .unit = units[2].name},
        {.title = "wait", .unit = units[3].name},
        {.title = "rows", .spare = 2},
    };
    struct table table;
    table_begin(&table, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < kinds->count; i++)
        cost_row(&table, &kinds->items[i], units);
    struct kind all = kinds->all;
    all.name = "all of them";
    all.type = "";
    if (kinds->count > 1)
        cost_row(&table, &all, units);
    table_end(&table, report->out, report->width, report->dim, report->plain);
}

static void print_tables(struct report *report, struct kinds *kinds)
{
    char remark[128] = "";
    size_t found = kinds->count + kinds->left_out;
    qsort(kinds->items, kinds->count, sizeof *kinds->items, by_count);
    size_t kept = kinds->count;
    kinds->count = kept < KINDS_SHOWN ? kept : KINDS_SHOWN;
    if (found > kinds->count)
        snprintf(remark, sizeof remark, "the %zu most frequent of %s%zu kinds", kinds->count,
                 kinds->left_out > 0 ? "at least " : "", found);
    qsort(kinds->items, kinds->count, sizeof *kinds->items, by_name);
    report_title(report, "CONTEXTS", remark);
    print_durations(report, kinds);
    report_title(report, "WHAT THEY COST", "of their own, without their children");
    print_costs(report, kinds);
    kinds->count = kept;
}

void report_contexts(struct report *report)
{
    struct kinds kinds = {.items = calloc(KINDS_MAX, sizeof *kinds.items)};
    if (kinds.items == NULL) {
        snprintf(report->failed, sizeof report->failed, "no memory");
        return;
    }
    read_spans(report, &kinds);
    read_user_shares(report, &kinds);
    if (kinds.count > 0)
        print_tables(report, &kinds);
    for (size_t i = 0; i < kinds.count; i++) {
        free(kinds.items[i].name);
        free(kinds.items[i].type);
    }
    free(kinds.items);
}
