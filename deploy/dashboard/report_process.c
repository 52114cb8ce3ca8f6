// SPDX-License-Identifier: Apache-2.0
// What the metrics say: contexts in flight, where the CPU time of the process went, what the exporter lost; and whether
// the spans that came add up to what the metrics say has ended. The printing thread owns everything.

#include <math.h>
#include <string.h>

#include "display.h"
#include "report.h"
#include "store.h"
#include "table.h"

// An instance that has not reported for so long before the newest one counts as gone, and what it had in flight, too.
#define RECENT "time > (SELECT max(time) FROM total) - 300000000000"

static void print_in_flight(struct report *report)
{
    struct display_unit unit = display_unit_for(
        report_number(report, "SELECT max(value) FROM total WHERE name = 'logctx.context.oldest.age' AND " RECENT));
    const struct column columns[] = {
        {.title = "kind", .left = true},
        {.title = "type", .left = true},
        {.title = "in flight"},
        {.title = "oldest", .unit = unit.name},
    };
    struct table table;
    table_begin(&table, columns, sizeof columns / sizeof columns[0]);
    sqlite3_stmt *statement = report_query(
        report, "SELECT context_kind, context_type, sum(value) AS live, (SELECT max(value) FROM total AS age WHERE "
                "age.name = 'logctx.context.oldest.age' AND age.context_kind = t.context_kind AND "
                "age.context_type = t.context_type AND age." RECENT ") FROM total AS t WHERE name = "
                "'logctx.context.in_flight' AND value > 0 AND " RECENT " GROUP BY context_kind, context_type "
                "ORDER BY live DESC, context_kind, context_type LIMIT 20");
    while (sqlite3_step(statement) == SQLITE_ROW) {
        table_cell(&table, report_text(statement, 0));
        table_cell(&table, report_text(statement, 1));
        table_number(&table, report_real(statement, 2), 0);
        table_number(&table, report_real(statement, 3) * unit.factor, unit.decimals);
    }
    report_finish(report, statement);
    if (table.cell_count == 0)
        fprintf(report->out, "  nothing\n");
    else
        table_end(&table, report->out, report->width, report->dim, report->plain);
}

static void report_in_flight(struct report *report)
{
    char when[64];
    char remark[128];
    double time = report_number(report, "SELECT max(time) / 1000000000 FROM total");
    display_time((int64_t)time * 1000000000, true, false, when, sizeof when);
    snprintf(remark, sizeof remark, "at the last report of metrics, %s UTC", when);
    report_title(report, "IN FLIGHT", remark);
    print_in_flight(report);
}

static double total(struct report *report, const char *name)
{
    sqlite3_stmt *statement = report_query(report, "SELECT sum(value) FROM total WHERE name = ?");
    double sum = NAN;
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    if (sqlite3_step(statement) == SQLITE_ROW)
        sum = report_real(statement, 0);
    report_finish(report, statement);
    return sum;
}

struct share {
    const char *what;
    double seconds;
    const char *remark;
};

static void print_shares(struct report *report, const struct share *shares, size_t count, double whole,
                         struct display_unit unit)
{
    const struct column columns[] = {
        {.title = "", .left = true},
        {.title = "CPU time", .unit = unit.name},
        {.title = "share", .unit = "%"},
        {.title = "", .left = true},
    };
    struct table table;
    table_begin(&table, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < count; i++) {
        if (isnan(shares[i].seconds))
            continue;
        table_cell(&table, shares[i].what);
        table_number(&table, shares[i].seconds * unit.factor, unit.decimals);
        table_number(&table, whole > 0 ? 100 * shares[i].seconds / whole : NAN, 1);
        table_cell(&table, shares[i].remark);
    }
    table_end(&table, report->out, report->width, report->dim, report->plain);
}

static double zero_if_unknown(double value)
{
    return isnan(value) ? 0 : value;
}

static void report_cpu(struct report *report)
{
    double contexts = total(report, "logctx.context.cpu.time");
    double loop = total(report, "logctx.loop.cpu.time");
    double unattributed = total(report, "logctx.unattributed.cpu.time");
    double process = total(report, "process.cpu.time");
    double known = zero_if_unknown(contexts) + zero_if_unknown(loop) + zero_if_unknown(unattributed);
    double whole = isnan(process) ? known : process;
    const struct share shares[] = {
        {"contexts", contexts, ""},
        {"event loops", loop, "an estimate: one turn in 64 is measured"},
        {"unattributed", unattributed, "on threads with contexts, outside of them and of loops"},
        {"other threads", process > known ? process - known : NAN, "the exporter, and threads without contexts"},
        {"the process", process, ""},
    };
    report_title(report, "WHERE THE CPU TIME WENT", "");
    print_shares(report, shares, sizeof shares / sizeof shares[0], whole, display_unit_for(whole));
}

void report_process(struct report *report)
{
    if (!(report_number(report, "SELECT count(*) FROM total") > 0)) {
        report_title(report, "METRICS", "");
        fprintf(report->out, "  none have arrived yet; a program sends them every 60 s and when it ends\n");
        return;
    }
    report_in_flight(report);
    report_cpu(report);
}

static double counter(struct report *report, enum store_counter which)
{
    sqlite3_stmt *statement = report_query(report, "SELECT value FROM counter WHERE name = ?");
    sqlite3_bind_text(statement, 1, store_counter_names[which], -1, SQLITE_STATIC);
    double value = sqlite3_step(statement) == SQLITE_ROW ? report_real(statement, 0) : 0;
    report_finish(report, statement);
    return value;
}

static void print_entry(struct report *report, const char *what, double number, bool alarm, const char *remark)
{
    enum { NUMBER_END = 46 };
    char text[64];
    char fit[DISPLAY_SIZE];
    display_number(number, 0, text, sizeof text);
    display_fit(remark, report->width - NUMBER_END - 2, fit);
    fprintf(report->out, "  %-30s %s%13s%s%s%s\n", what, alarm ? report->red : "", text, alarm ? report->plain : "",
            *fit != '\0' ? "  " : "", fit);
}

// Each line that is not always there says something that is not as it should be.
static void print_losses(struct report *report)
{
    static const struct {
        const char *what;
        const char *sql;
        const char *remark;
    } losses[] = {
        {"not sampled", "SELECT sum(value) FROM total WHERE name = 'otel.sdk.span.started' AND sampling = 'DROP'",
         "in the metrics, but not sent as spans"},
        {"dropped by the sender",
         "SELECT sum(value) FROM total WHERE name = 'otel.sdk.processor.span.processed' AND error_type IS NOT NULL",
         "its queue was full"},
        {"failed to be sent",
         "SELECT sum(value) FROM total WHERE name = 'otel.sdk.exporter.span.exported' AND error_type IS NOT NULL",
         "the endpoint refused them, or could not be reached for long"},
    };
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
        double number = report_number(report, losses[i].sql);
        if (number > 0)
            print_entry(report, losses[i].what, number, i > 0, losses[i].remark);
    }
    static const enum store_counter counters[] = {STORE_SPANS_REFUSED, STORE_POINTS_REFUSED, STORE_DUPLICATES,
                                                  STORE_SPANS_PRUNED, STORE_POINTS_PRUNED};
    static const char *const remarks[] = {"not valid OTLP", "not valid OTLP", "resent by the sender, kept once",
                                          "the store is at its limit, and forgets the oldest",
                                          "the store is at its limit, and forgets the oldest"};
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        double number = counter(report, counters[i]);
        if (number > 0)
            print_entry(report, store_counter_names[counters[i]], number, i < 2, remarks[i]);
    }
}

void report_books(struct report *report)
{
    double spans = counter(report, STORE_SPANS);
    double received = counter(report, STORE_CONTEXTS);
    double created = report_number(report, "SELECT sum(value) FROM total WHERE name = 'logctx.context.created'");
    double live = report_number(report, "SELECT sum(value) FROM total WHERE name = 'logctx.context.in_flight'");
    double ended = created - zero_if_unknown(live);
    report_title(report, "BOOKS", "");
    print_entry(report, "contexts received as spans", received, false, "");
    if (!isnan(ended)) {
        char remark[128] = "the two agree";
        char difference[64];
        display_number(fabs(ended - received), 0, difference, sizeof difference);
        if (ended > received)
            snprintf(remark, sizeof remark, "%s more: not sampled, lost, or on their way", difference);
        else if (ended < received)
            snprintf(remark, sizeof remark, "%s fewer: since the last report of metrics", difference);
        print_entry(report, "contexts ended, by the metrics", ended, false, remark);
    }
    if (spans > received)
        print_entry(report, "other spans received", spans - received, false,
                    "late transition errors, and spans of other libraries");
    print_losses(report);
}
