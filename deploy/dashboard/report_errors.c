// SPDX-License-Identifier: Apache-2.0
// Transition errors, grouped by kind and by the two places, the newest of each group in full.
// The printing thread owns everything.

#include <stdlib.h>
#include <string.h>

#include <logctx/error.h>

#include "display.h"
#include "flight.h"
#include "report.h"
#include "table.h"

enum { GROUPS_SHOWN = 20, SWITCHES_SHOWN = 8, TEXT_INDENT = 4, LABEL_WIDTH = 12 };

// One group, with its newest error as the example.
enum group_column {
    GROUP_COUNT,
    GROUP_KIND,
    GROUP_NEWEST,
    GROUP_TIME,
    GROUP_MESSAGE,
    GROUP_EXPECTED,
    GROUP_FOUND,
    GROUP_FOUND_BY,
    GROUP_SET_BY,
    GROUP_CONTEXT_KIND,
    GROUP_CONTEXT_KINDS,
    GROUP_AFFECTED,
};

// SQLite gives the other columns of the row that has the maximum.
static const char groups_sql[] =
    "SELECT count(*), kind, max(id), time, message, expected, found, found_by, set_by, context_kind, "
    "count(DISTINCT context_kind), affected FROM slip GROUP BY kind, found_by, set_by "
    "ORDER BY count(*) DESC, kind, found_by, set_by LIMIT 20";

static const char *help_of(const char *kind)
{
    static const struct {
        const char *name;
        const char *help;
    } helps[] = {
#define DASHBOARD_X(id, name, class, origin, severity, sentence, help) {name, help},
        LOGCTX_ERRORS(DASHBOARD_X)
#undef DASHBOARD_X
    };
    for (size_t i = 0; i < sizeof helps / sizeof helps[0]; i++)
        if (strcmp(helps[i].name, kind) == 0)
            return helps[i].help;
    return NULL;
}

static void print_text(struct report *report, const char *text)
{
    char fit[DISPLAY_SIZE];
    if (text == NULL || *text == '\0')
        return;
    display_fit(text, report->width - TEXT_INDENT, fit);
    fprintf(report->out, "%*s%s\n", TEXT_INDENT, "", fit);
}

static void print_label(struct report *report, const char *label, const char *text)
{
    char fit[DISPLAY_SIZE];
    if (text == NULL || *text == '\0')
        return;
    display_fit(text, report->width - TEXT_INDENT - LABEL_WIDTH, fit);
    fprintf(report->out, "%*s%s%-*s%s%s\n", TEXT_INDENT, "", report->dim, LABEL_WIDTH, label, report->plain, fit);
}

// Adds a row; true if one of its contexts is gone so long that its name is.
static bool add_switch(struct table *table, const char *text)
{
    bool nameless = false;
    char *copy = strdup(text);
    struct flight_switch entry = {0};
    if (copy != NULL && flight_read(copy, &entry)) {
        table_cell(table, entry.from);
        table_cell(table, "\xE2\x86\x92");
        table_cell(table, entry.to);
        table_cell(table, entry.where);
        table_cell(table, entry.ago);
        nameless = strcmp(entry.from, "?") == 0 || strcmp(entry.to, "?") == 0;
    } else {
        table_cell(table, text);
        for (int i = 0; i < 4; i++)
            table_cell(table, "");
    }
    free(copy);
    return nameless;
}

static bool print_switches(struct report *report, int64_t id)
{
    static const struct column columns[] = {
        {.title = "last switches", .left = true},
        {.title = "", .left = true},
        {.title = "", .left = true},
        {.title = "by", .left = true},
        {.title = "ms before"},
    };
    struct table table;
    table_begin(&table, columns, sizeof columns / sizeof columns[0]);
    table.indent = TEXT_INDENT;
    sqlite3_stmt *statement = report_query(
        report, "SELECT json_extract(entry.value, '$.stringValue') FROM transition_error AS e, "
                "json_each(CASE WHEN json_valid(e.recent) THEN e.recent END, '$.values') AS entry WHERE e.id = ?");
    sqlite3_bind_int64(statement, 1, id);
    int count = 0;
    bool nameless = false;
    while (sqlite3_step(statement) == SQLITE_ROW) {
        const char *text = report_text(statement, 0);
        if (count++ < SWITCHES_SHOWN)
            nameless = add_switch(&table, text != NULL ? text : "") || nameless;
    }
    report_finish(report, statement);
    if (count > 0)
        table_end(&table, report->out, report->width, report->dim, report->plain);
    if (count > SWITCHES_SHOWN)
        fprintf(report->out, "%*s%sand %d older ones%s\n", TEXT_INDENT, "", report->dim, count - SWITCHES_SHOWN,
                report->plain);
    return nameless;
}

static void print_group_head(struct report *report, sqlite3_stmt *group)
{
    char kind[DISPLAY_SIZE];
    char context[DISPLAY_SIZE];
    char rest[2 * DISPLAY_SIZE];
    char fit[DISPLAY_SIZE];
    char count[64];
    char time[64];
    char others[64] = "";
    const char *context_kind = report_text(group, GROUP_CONTEXT_KIND);
    int other_kinds = sqlite3_column_int(group, GROUP_CONTEXT_KINDS) - 1;
    display_fit(report_text(group, GROUP_KIND), 40, kind);
    display_fit(context_kind, 40, context);
    if (kind[0] == '\0')
        strcpy(kind, "(no kind)");
    if (context[0] == '\0')
        strcpy(context, "(no name)");
    display_number(report_real(group, GROUP_COUNT), 0, count, sizeof count);
    display_time(sqlite3_column_int64(group, GROUP_TIME), false, true, time, sizeof time);
    if (other_kinds > 0)
        snprintf(others, sizeof others, " and %d other kind%s", other_kinds, other_kinds == 1 ? "" : "s");
    snprintf(rest, sizeof rest, "%s time%s, last at %s%s%s%s", count, strcmp(count, "1") == 0 ? "" : "s", time,
             context_kind != NULL ? ", in " : "", context, others);
    display_fit(rest, report->width - 4 - display_columns(kind), fit);
    fprintf(report->out, "\n  %s%s%s  %s\n", report->red, kind, report->plain, fit);
}

static bool print_group(struct report *report, sqlite3_stmt *group)
{
    const char *kind = report_text(group, GROUP_KIND);
    const char *help = help_of(kind);
    char anchor[128] = "";
    print_group_head(report, group);
    print_text(report, report_text(group, GROUP_MESSAGE));
    if (help != NULL) {
        print_text(report, help);
        snprintf(anchor, sizeof anchor, "docs/guide.md#%s", kind);
    }
    print_label(report, "expected", report_text(group, GROUP_EXPECTED));
    print_label(report, "found", report_text(group, GROUP_FOUND));
    print_label(report, "found by", report_text(group, GROUP_FOUND_BY));
    print_label(report, "set by", report_text(group, GROUP_SET_BY));
    print_label(report, "read", anchor);
    return print_switches(report, sqlite3_column_int64(group, GROUP_NEWEST));
}

// The counters count every error, also of contexts that were never sent.
static void counted(struct report *report, char *out, size_t out_size)
{
    double stored = report_number(report, "SELECT count(*) FROM slip");
    double sum = report_number(report, "SELECT sum(value) FROM total WHERE name = 'logctx.transition.errors'");
    char number[64];
    out[0] = '\0';
    if (!(sum > 0) && !(stored > 0))
        return;
    display_number(stored, 0, number, sizeof number);
    int length = snprintf(out, out_size, "%s in the spans", number);
    if (sum >= 0 && length > 0) {
        display_number(sum, 0, number, sizeof number);
        snprintf(out + length, out_size - (size_t)length, ", %s by the counters", number);
    }
}

void report_errors(struct report *report)
{
    char remark[192];
    counted(report, remark, sizeof remark);
    report_title(report, "TRANSITION ERRORS", remark);
    if (remark[0] == '\0')
        fprintf(report->out, "  none\n");
    bool nameless = false;
    sqlite3_stmt *group = report_query(report, groups_sql);
    while (sqlite3_step(group) == SQLITE_ROW)
        nameless = print_group(report, group) || nameless;
    report_finish(report, group);
    double groups =
        report_number(report, "SELECT count(*) FROM (SELECT 1 FROM transition_error GROUP BY kind, found_by, set_by)");
    if (groups > GROUPS_SHOWN)
        fprintf(report->out, "\n  %.0f more places are not shown\n", groups - GROUPS_SHOWN);
    if (nameless)
        fprintf(report->out, "\n  %s?  a context that has ended and whose memory is used again%s\n", report->dim,
                report->plain);
}
