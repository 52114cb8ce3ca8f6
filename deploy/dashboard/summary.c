// SPDX-License-Identifier: Apache-2.0
// Opens the store for reading, prepares what the sections ask, and prints them one after another.

#include "summary.h"

#include <math.h>
#include <string.h>

#include <logctx/telemetry.h>

#include "display.h"
#include "report.h"
#include "store_read.h"
#include "table.h"

// `total` has one row for each series: what it amounts to now. Cumulative sums start again with the process that sends
// them, so that the last values of all starts add up; deltas are what they say; of everything else the last counts.
// `slip` has the transition errors with the kind of the context concerned, which for late ones is the parent's.
static const char preparations[] =
    "CREATE TEMP TABLE total AS SELECT s.id, s.resource, s.name, s.context_kind, s.context_type, s.cpu_mode, "
    "  s.error_kind, s.error_type, s.sampling, s.loop, CASE"
    "  WHEN s.form = 2 AND s.temporality = 1 THEN (SELECT sum(value) FROM point WHERE series = s.id)"
    "  WHEN s.form = 2 AND s.monotonic THEN (SELECT sum(value) FROM"
    "    (SELECT value, max(time) FROM point WHERE series = s.id GROUP BY start))"
    "  ELSE (SELECT value FROM point WHERE series = s.id ORDER BY time DESC LIMIT 1) END AS value, "
    "  (SELECT max(time) FROM point WHERE series = s.id) AS time "
    "FROM series AS s WHERE s.name GLOB 'logctx.*' OR s.name GLOB 'otel.sdk.*' OR s.name = 'process.cpu.time';"
    "CREATE TEMP VIEW slip AS SELECT e.*, CASE WHEN e.late THEN"
    "    (SELECT p.name FROM span AS p WHERE p.trace_id = s.trace_id AND p.span_id = s.parent_id)"
    "  ELSE s.name END AS context_kind "
    "FROM transition_error AS e JOIN span AS s ON s.id = e.span;";

static void note_failure(struct report *report)
{
    if (report->failed[0] == '\0')
        snprintf(report->failed, sizeof report->failed, "%s", sqlite3_errmsg(report->db));
}

sqlite3_stmt *report_query(struct report *report, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(report->db, sql, -1, &statement, NULL) != SQLITE_OK)
        note_failure(report);
    return statement;
}

void report_finish(struct report *report, sqlite3_stmt *statement)
{
    if (sqlite3_finalize(statement) != SQLITE_OK)
        note_failure(report);
}

double report_real(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL ? NAN : sqlite3_column_double(statement, column);
}

const char *report_text(sqlite3_stmt *statement, int column)
{
    return (const char *)sqlite3_column_text(statement, column);
}

double report_number(struct report *report, const char *sql)
{
    sqlite3_stmt *statement = report_query(report, sql);
    double number = sqlite3_step(statement) == SQLITE_ROW ? report_real(statement, 0) : NAN;
    report_finish(report, statement);
    return number;
}

void report_title(struct report *report, const char *title, const char *remark)
{
    fprintf(report->out, "\n%s%s%s", report->bold, title, report->plain);
    if (*remark != '\0')
        fprintf(report->out, "  %s%s%s", report->dim, remark, report->plain);
    fputc('\n', report->out);
}

static void print_range(struct report *report)
{
    char from[64];
    char to[64];
    sqlite3_stmt *statement = report_query(report, "SELECT min(start) FILTER (WHERE start > 0), max(end) FROM span");
    if (sqlite3_step(statement) != SQLITE_ROW || sqlite3_column_type(statement, 0) == SQLITE_NULL) {
        fprintf(report->out, "  no spans have arrived yet");
    } else {
        int64_t start = sqlite3_column_int64(statement, 0);
        int64_t end = sqlite3_column_int64(statement, 1);
        int64_t day = INT64_C(86400000000000);
        display_time(start, true, false, from, sizeof from);
        display_time(end, start / day != end / day, false, to, sizeof to);
        fprintf(report->out, "  %s to %s UTC", from, to);
    }
    report_finish(report, statement);
}

static void print_head(struct report *report, const char *path)
{
    char file[DISPLAY_SIZE];
    fprintf(report->out, "%slogctx-dashboard%s", report->bold, report->plain);
    print_range(report);
    display_fit(path, report->width, file);
    fprintf(report->out, "\n%s%s%s\n", report->dim, file, report->plain);
}

void report_services(struct report *report)
{
    static const struct column columns[] = {
        {.title = "service", .left = true},
        {.title = "version", .left = true, .spare = 2},
        {.title = "instance", .left = true, .spare = 4},
        {.title = "host", .left = true, .spare = 3},
        {.title = "pid", .spare = 1},
        {.title = "spans"},
        {.title = "series", .spare = 5},
    };
    struct table table;
    table_begin(&table, columns, sizeof columns / sizeof columns[0]);
    sqlite3_stmt *statement =
        report_query(report, "WITH sent AS (SELECT resource, count(*) AS spans FROM span GROUP BY resource) "
                             "SELECT service, version, instance, host, pid, coalesce(spans, 0), "
                             "(SELECT count(*) FROM series WHERE resource = r.id) FROM resource AS r "
                             "LEFT JOIN sent ON sent.resource = r.id ORDER BY r.id DESC LIMIT 12");
    while (sqlite3_step(statement) == SQLITE_ROW) {
        char pid[32] = "";
        if (sqlite3_column_type(statement, 4) != SQLITE_NULL)
            snprintf(pid, sizeof pid, "%lld", (long long)sqlite3_column_int64(statement, 4));
        for (int i = 0; i < 4; i++)
            table_cell(&table, report_text(statement, i));
        table_cell(&table, pid);
        table_number(&table, report_real(statement, 5), 0);
        table_number(&table, report_real(statement, 6), 0);
    }
    report_finish(report, statement);
    char remark[96] = "";
    double resources = report_number(report, "SELECT count(*) FROM resource");
    if (resources > 12)
        snprintf(remark, sizeof remark, "the newest 12 of %.0f instances", resources);
    report_title(report, "SERVICES", remark);
    table_end(&table, report->out, report->width, report->dim, report->plain);
}

static bool print_sections(struct report *report, const char *path, char *why, size_t why_size)
{
    // One transaction: all sections speak of the same moment.
    if (sqlite3_exec(report->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(report->db, preparations, NULL, NULL, NULL) != SQLITE_OK) {
        snprintf(why, why_size, "%s.", sqlite3_errmsg(report->db));
        return false;
    }
    print_head(report, path);
    if (report_number(report, "SELECT count(*) FROM resource") > 0) {
        report_services(report);
        report_contexts(report);
        report_process(report);
        report_errors(report);
    }
    report_books(report);
    report_alerts(report);
    sqlite3_exec(report->db, "ROLLBACK", NULL, NULL, NULL);
    if (report->failed[0] == '\0')
        return true;
    snprintf(why, why_size, "it could not be read to the end (%s); the summary above is incomplete.", report->failed);
    return false;
}

bool summary_print(const char *path, const struct summary_options *options, FILE *out, char *why, size_t why_size)
{
    char reason[256] = "";
    struct report report = {.out = out, .width = options->width, .bold = "", .red = "", .dim = "", .plain = ""};
    if (options->color) {
        report.bold = "\x1b[1m";
        report.red = "\x1b[1;31m";
        report.dim = "\x1b[2m";
        report.plain = "\x1b[0m";
    }
    display_begin();
    bool good = store_read_open(&report.db, path, reason, sizeof reason) &&
                print_sections(&report, path, reason, sizeof reason);
    display_end();
    sqlite3_close(report.db);
    if (!good)
        snprintf(why, why_size, "The store %.200s cannot be summarised: %s", path, reason);
    return good;
}
