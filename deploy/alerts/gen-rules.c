/*
 * gen-rules.c: prints the Prometheus rules of the table of alerts: `gen_rules records` the recording rules, `gen_rules
 * alerts` the alerts. With --divide N all windows and holds are N times as short (a test does not wait for hours), with
 * --runbook PREFIX the links to the runbook begin with that. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "alerts.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAY = 86400, RECORDS_MAX = 64, NAME_MAX_LENGTH = 128 };

// What a template's {names} stand for.
struct filling {
    const struct alert *alert;
    int window; // of a recording rule
    int divide;
    const char *runbook;
};

/*
 * What is recorded for an alert of a signal: for each of its windows, if the name has one. The series of errors are born as
 * 0 with the process; those with an error.type are born with their first error, whose count increase() cannot see: one that
 * was not there before the window counts whole. A scrape missed just there must not make an old series look new, so that a
 * day is looked at.
 */
struct record {
    enum alert_signal signal;
    const char *name;
    const char *expression;
};

#define BORN_OR_GROWN(series)                                                                                          \
    "  increase(" series "[{window}]) > 0\n"                                                                           \
    "  or\n"                                                                                                           \
    "  (" series " unless last_over_time(" series "[{day}] offset {window}))\n"

#define PROCESSED "otel_sdk_processor_span_processed_total"
#define EXPORTED "otel_sdk_exporter_span_exported_total"
#define OPERATIONS "otel_sdk_exporter_operation_duration_seconds_count"
#define CPU "logctx_context_cpu_time_seconds_total"
#define LOOP_CPU "logctx_loop_cpu_time_seconds_total"
#define OTHER_CPU "logctx_unattributed_cpu_time_seconds_total"
#define WAIT "logctx_context_db_wait_time_seconds_total"
#define IN_DB "logctx_context_db_time_seconds_total"
#define COLLECTIONS "otel_sdk_metric_reader_collection_duration_seconds_count"

static const struct record records[] = {
    {ALERT_LOSS_RATIO, "job_instance:logctx_losses_per_context:ratio_rate{window}",
     "sum by (job, instance) (rate(logctx_transition_errors_total{logctx_error_kind=~\"{kinds}\"}[{window}]))\n"
     "/\n"
     "sum by (job, instance) (rate(logctx_context_created_total[{window}]))\n"},
    {ALERT_GROWTH, "job_instance:logctx_context_in_flight:sum", "sum by (job, instance) (logctx_context_in_flight)\n"},
    // A program without a loop has no CPU time of loops.
    {ALERT_CPU_SHARE, "job_instance:logctx_cpu:rate{window}",
     "sum by (job, instance) (rate(" CPU "[{window}]))\n"
     "+ sum by (job, instance) (rate(" OTHER_CPU "[{window}]))\n"
     "+ (sum by (job, instance) (rate(" LOOP_CPU "[{window}])) or 0 * sum by (job, instance) (rate(" OTHER_CPU
     "[{window}])))\n"},
    {ALERT_CPU_SHARE, "job_instance:logctx_unattributed_cpu:ratio_rate{window}",
     "sum by (job, instance) (rate(" OTHER_CPU "[{window}]))\n"
     "/\n"
     "job_instance:logctx_cpu:rate{window}\n"},
    {ALERT_WAIT_SHARE, "job_instance:logctx_db_wait:ratio_rate{window}",
     "sum by (job, instance) (rate(" WAIT "[{window}]))\n"
     "/\n"
     "(sum by (job, instance) (rate(" WAIT "[{window}])) + sum by (job, instance) (rate(" IN_DB "[{window}])))\n"},
    {ALERT_DROP_SHARE, "job_instance:logctx_spans_lost:increase{window}",
     "sum by (job, instance) (\n" BORN_OR_GROWN(PROCESSED "{error_type!=\"\"}") "  or\n" BORN_OR_GROWN(
         EXPORTED "{error_type!=\"\"}") ")\n"
                                        "or\n"
                                        "0 * sum by (job, instance) (increase(" EXPORTED
                                        "{error_type=\"\"}[{window}]))\n"},
    {ALERT_DROP_SHARE, "job_instance:logctx_spans_ended:increase{window}",
     "job_instance:logctx_spans_lost:increase{window}\n"
     "+ sum by (job, instance) (increase(" EXPORTED "{error_type=\"\"}[{window}]))\n"},
    {ALERT_FAILURE_SHARE, "job_instance:logctx_exports_failed:increase{window}",
     "sum by (job, instance) (\n" BORN_OR_GROWN(OPERATIONS "{error_type!=\"\"}") ")\n"
                                                                                 "or\n"
                                                                                 "0 * sum by (job, instance) "
                                                                                 "(increase(" OPERATIONS
                                                                                 "[{window}]))\n"},
    {ALERT_FAILURE_SHARE, "job_instance:logctx_exports:increase{window}",
     "sum by (job, instance) (\n" BORN_OR_GROWN(OPERATIONS) ")\n"
                                                            "or\n"
                                                            "0 * sum by (job, instance) (increase(" OPERATIONS
                                                            "[{window}]))\n"},
};

// The value that an annotation shows is that of the first operand of `and`: the short window's.
static const char *const conditions[] = {
    [ALERT_LOSS_RATIO] = "job_instance:logctx_losses_per_context:ratio_rate{lately} > {limit}\n"
                         "and\n"
                         "job_instance:logctx_losses_per_context:ratio_rate{over} > {limit}\n"
                         "and\n"
                         "sum by (job, instance) (increase(logctx_context_created_total[{over}])) >= {guard}\n",
    [ALERT_LOSS_RATE] = "60 * sum by (job, instance) (\n"
                        "  rate(logctx_transition_errors_total{logctx_error_kind=~\"{kinds}\"}[{lately}])\n"
                        ") > {limit}\n",
    // Errors of the time before the first export are in its value: the series is born with them.
    [ALERT_LOSS_COUNT] = "sum by (job, instance) (\n"
                         "  increase(logctx_transition_errors_total{logctx_error_kind=~\"{kinds}\"}[{over}]) > 0\n"
                         "  or\n"
                         "  (\n"
                         "    logctx_transition_errors_total{logctx_error_kind=~\"{kinds}\"}\n"
                         "    unless\n"
                         "    last_over_time(logctx_transition_errors_total{logctx_error_kind=~\"{kinds}\"}[{day}] "
                         "offset {over})\n"
                         "  )\n"
                         ") > {limit}\n",
    // What traffic explains is no leak.
    [ALERT_GROWTH] = "min_over_time(job_instance:logctx_context_in_flight:sum[{lately}])\n"
                     "- max_over_time(job_instance:logctx_context_in_flight:sum[{lately}] offset {over})\n"
                     "> {limit}\n"
                     "and\n"
                     "sum by (job, instance) (increase(logctx_context_created_total[{lately}]))\n"
                     "<= {guard} * sum by (job, instance) (increase(logctx_context_created_total[{lately}] offset "
                     "{over}))\n",
    // A scrape that is missed must not end the alert, hence the greatest of a window.
    [ALERT_AGE] = "max by (job, instance, logctx_kind) (\n"
                  "  max_over_time(logctx_context_oldest_age_seconds{logctx_type!=\"background\"}[{lately}])\n"
                  ") > {limit}\n",
    [ALERT_CPU_SHARE] = "job_instance:logctx_unattributed_cpu:ratio_rate{lately} > {limit}\n"
                        "and\n"
                        "job_instance:logctx_unattributed_cpu:ratio_rate{over} > {limit}\n"
                        "and\n"
                        "{over_seconds} * job_instance:logctx_cpu:rate{over} >= {guard}\n",
    [ALERT_WAIT_SHARE] = "job_instance:logctx_db_wait:ratio_rate{lately} > {limit}\n"
                         "and\n"
                         "job_instance:logctx_db_wait:ratio_rate{over} > {limit}\n"
                         "and\n"
                         "sum by (job, instance) (increase(logctx_context_db_transactions_total[{over}])) >= {guard}\n",
    [ALERT_DROP_SHARE] = "job_instance:logctx_spans_lost:increase{lately}\n"
                         "/ job_instance:logctx_spans_ended:increase{lately} > {limit}\n"
                         "and\n"
                         "job_instance:logctx_spans_lost:increase{over}\n"
                         "/ job_instance:logctx_spans_ended:increase{over} > {limit}\n"
                         "and\n"
                         "job_instance:logctx_spans_ended:increase{over} >= {guard}\n",
    [ALERT_FAILURE_SHARE] = "job_instance:logctx_exports_failed:increase{lately}\n"
                            "/ job_instance:logctx_exports:increase{lately} > {limit}\n"
                            "and\n"
                            "job_instance:logctx_exports_failed:increase{over}\n"
                            "/ job_instance:logctx_exports:increase{over} > {limit}\n"
                            "and\n"
                            "job_instance:logctx_exports:increase{over} >= {guard}\n",
    /*
     * A Collector shows the last values of a process for a while after its end, so that being there is not enough: the
     * count of collections has to grow. By service, as each start is a new instance. The last line is for a server that
     * has never seen anything.
     */
    [ALERT_SILENCE] = "(\n"
                      "  group by (job) (present_over_time(logctx_transition_errors_total{logctx_error_kind="
                      "\"context_lost\"}[{over}]))\n"
                      "  unless\n"
                      "  sum by (job) (increase(" COLLECTIONS "[{lately}])) > 0\n"
                      ")\n"
                      "or\n"
                      "absent_over_time(logctx_transition_errors_total[{over}])\n",
};

static const char *const error_kinds[] = {
#define LOGCTX_X(id, name, cls, origin, severity, sentence, help) name,
    LOGCTX_ERRORS(LOGCTX_X)
#undef LOGCTX_X
};

// As Prometheus writes a duration: 5m, 1h, 1m30s.
static void put_duration(FILE *out, int seconds)
{
    static const struct {
        int seconds;
        const char *unit;
    } parts[] = {{DAY, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (seconds / parts[i].seconds)
            fprintf(out, "%d%s", seconds / parts[i].seconds, parts[i].unit);
        seconds %= parts[i].seconds;
    }
}

// For people: "5 min", "1 h", "15 s".
static void put_time(FILE *out, int seconds)
{
    if (seconds % 3600 == 0)
        fprintf(out, "%d h", seconds / 3600);
    else if (seconds % 60 == 0)
        fprintf(out, "%d min", seconds / 60);
    else
        fprintf(out, "%d s", seconds);
}

static void put_kinds(FILE *out, uint32_t kinds)
{
    const char *between = "";
    for (int kind = 0; kind < LOGCTX_ERROR_COUNT; kind++) {
        if (((kinds >> kind) & 1) == 0)
            continue;
        fprintf(out, "%s%s", between, error_kinds[kind]);
        between = "|";
    }
}

// One {name} of an expression; false if it is none, as the braces of a selector are not.
static bool put_in_expression(FILE *out, const char *name, size_t length, const struct filling *with)
{
#define IS(text) (length == sizeof(text) - 1 && memcmp(name, text, length) == 0)
    if (IS("window"))
        put_duration(out, with->window);
    else if (IS("over"))
        put_duration(out, with->alert->over / with->divide);
    else if (IS("over_seconds"))
        fprintf(out, "%d", with->alert->over / with->divide);
    else if (IS("lately"))
        put_duration(out, with->alert->lately / with->divide);
    else if (IS("day"))
        put_duration(out, DAY);
    else if (IS("limit"))
        fprintf(out, "%g", with->alert->limit);
    else if (IS("guard"))
        fprintf(out, "%g", with->alert->guard);
    else if (IS("kinds"))
        put_kinds(out, with->alert->kinds);
    else
        return false;
    return true;
}

// One {name} of a sentence, for Alertmanager's templates.
static bool put_in_sentence(FILE *out, const char *name, size_t length, const struct filling *with)
{
    const struct alert *alert = with->alert;
    bool ratio = strcmp(alert->unit, "ratio") == 0;
    bool time = strcmp(alert->unit, "s") == 0;
    if (IS("value"))
        fputs(ratio  ? "{{ $value | humanizePercentage }}"
              : time ? "{{ $value | humanizeDuration }}"
                     : "{{ $value | printf \"%.0f\" }}",
              out);
    else if (IS("limit") && ratio)
        fprintf(out, "%g%%", 100 * alert->limit);
    else if (IS("limit") && time)
        put_time(out, (int)alert->limit);
    else if (IS("limit"))
        fprintf(out, "%g", alert->limit);
    else if (IS("over"))
        put_time(out, alert->over / with->divide);
    else if (IS("lately"))
        put_time(out, alert->lately / with->divide);
    else if (IS("kind"))
        fputs("{{ $labels.logctx_kind }}", out);
    else
        return false;
    return true;
#undef IS
}

typedef bool put_fn(FILE *out, const char *name, size_t length, const struct filling *with);

// The template with its {names} filled in; after each line but the last the next one is indented.
static void fill_in(FILE *out, const char *template, int indent, put_fn *put, const struct filling *with)
{
    for (const char *at = template; *at; at++) {
        size_t length = *at == '{' ? strcspn(at + 1, "{}") : 0;
        if (*at == '{' && at[1 + length] == '}' && put(out, at + 1, length, with)) {
            at += length + 1;
            continue;
        }
        fputc(*at, out);
        if (*at == '\n' && at[1])
            fprintf(out, "%*s", indent, "");
    }
}

static void print_head(const char *what)
{
    printf("# %s. Made by deploy/alerts/gen-rules.c from the table in alerts.h: change\n"
           "# that, and run tests/docs/update.sh.\n"
           "# SPDX-License-Identifier: Apache-2.0\n"
           "groups:\n",
           what);
}

// Each record once, whichever alerts need it.
static void print_record(const struct record *record, const struct filling *with)
{
    static char printed[RECORDS_MAX][NAME_MAX_LENGTH];
    static int count;
    char name[NAME_MAX_LENGTH] = "";
    FILE *out = fmemopen(name, sizeof name, "w");
    if (!out || count == RECORDS_MAX)
        exit(1);
    fill_in(out, record->name, 0, put_in_expression, with);
    fclose(out);
    for (int i = 0; i < count; i++)
        if (strcmp(printed[i], name) == 0)
            return;
    memcpy(printed[count++], name, sizeof name);
    printf("      - record: %s\n        expr: |\n          ", name);
    fill_in(stdout, record->expression, 10, put_in_expression, with);
}

static void print_records(const struct filling *options)
{
    print_head("Recording rules: what the alerts compare, by process");
    puts("  - name: logctx.rules\n    rules:");
    for (size_t r = 0; r < sizeof records / sizeof records[0]; r++) {
        for (int i = 0; i < ALERT_COUNT; i++) {
            const struct alert *alert = &alert_table[i];
            struct filling with = *options;
            with.alert = alert;
            if (alert->signal != records[r].signal)
                continue;
            // Next to each other what is of one window would be easier to read; a record has to follow what it reads.
            with.window = alert->lately / with.divide;
            print_record(&records[r], &with);
            with.window = alert->over / with.divide;
            print_record(&records[r], &with);
        }
    }
}

static void print_alert(const struct filling *with)
{
    static const char *const who[] = {
        [ALERT_BY_INSTANCE] = "{{ $labels.job }}, {{ $labels.instance }}",
        [ALERT_BY_KIND] = "{{ $labels.job }}, {{ $labels.instance }}",
        [ALERT_BY_SERVICE] = "{{ if $labels.job }}{{ $labels.job }}{{ else }}Any service{{ end }}",
    };
    const struct alert *alert = with->alert;
    printf("      - alert: %s\n        expr: |\n          ", alert->name);
    fill_in(stdout, conditions[alert->signal], 10, put_in_expression, with);
    if (alert->hold) {
        fputs("        for: ", stdout);
        put_duration(stdout, alert->hold / with->divide);
        putchar('\n');
    }
    printf("        labels:\n          severity: %s\n", alert->severity == ALERT_CRITICAL ? "critical" : "warning");
    printf("        annotations:\n          summary: %s\n          description: >-\n            %s: ", alert->summary,
           who[alert->by]);
    fill_in(stdout, alert->sentence, 0, put_in_sentence, with);
    printf("\n            %s\n          runbook_url: %s%s\n", alert->description, with->runbook, alert->anchor);
}

static void print_alerts(const struct filling *options)
{
    const char *group = "";
    print_head("Alerts");
    for (int i = 0; i < ALERT_COUNT; i++) {
        struct filling with = *options;
        with.alert = &alert_table[i];
        if (strcmp(group, with.alert->group) != 0) // the rows of a group stand together: a test
            printf("  - name: logctx.%s\n    rules:\n", with.alert->group);
        group = with.alert->group;
        print_alert(&with);
    }
}

static int usage(void)
{
    fputs("usage: gen_rules records|alerts [--divide N] [--runbook PREFIX]\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct filling options = {.divide = 1, .runbook = "https://logctx.example/docs/runbook.md#"};
    if (argc < 2)
        return usage();
    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--divide") == 0)
            options.divide = (int)strtol(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--runbook") == 0)
            options.runbook = argv[i + 1];
        else
            return usage();
    }
    if (argc % 2 || options.divide < 1 || options.divide > 60)
        return usage();
    if (strcmp(argv[1], "records") == 0)
        print_records(&options);
    else if (strcmp(argv[1], "alerts") == 0)
        print_alerts(&options);
    else
        return usage();
    return fflush(stdout) != 0;
}
