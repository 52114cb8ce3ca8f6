#!/usr/bin/env python3
# The three dashboards: what each shows, in the order in which a person on call asks. parts.py knows how Grafana wants it
# written. The results stand in dashboards/ and are what is installed; a test fails when they are not what this makes.
# SPDX-License-Identifier: Apache-2.0
"""usage: generate.py [--check]

Writes dashboards/*.json; with --check, says which of them are not current, and fails.
"""

import json
import sys
from pathlib import Path

from parts import (DATABASE, HALF, LOST, QUIET, RUN, THIRD, WAIT, Dashboard, colored, count, heatmap, matched, query, series,
                   stat, steps, table, timeline, to_dashboard, to_kind, traces, with_links)

FOLDER = Path(__file__).resolve().parent / "dashboards"
SHARE_LIMIT = 0.1  # unattributed CPU; the alert's threshold as well, and a test says so

# Wrong use of the library's functions: counted with the errors, but nothing is lost by it.
MISUSE = "bgproc_exception|negative_duration|already_called|unhandled_failure|invalid_use"
# The three ways in which a switch goes wrong; each error but wrong use is in one of them. The sets are those of the alerts.
LOST_OR_MIXED_UP = ("context_lost|unexpected_context|previous_context_mismatch|background_maintained_violation|leaked_to_loop|"
                    "nested_from_sentinel|threadpool_from_sentinel|unfinished_at_exit|outlived_parent|"
                    "thread_exit_with_context|utime_backwards|stime_backwards")
RUN_AFTER_END = "restarted_finished|restarted_active|bgproc_reentered|bgproc_exited"
WRONG_THREAD = "started_on_different_thread|stopped_on_different_thread|stop_without_start"
MATCH = 'job=~"$job", instance=~"$instance"'
OF_KIND = MATCH + ', logctx_kind=~"$kind"'
LOSS = MATCH + ', logctx_error_kind!~"%s"' % MISUSE
BY_KIND = "{{logctx_kind}}"

OVERVIEW, LOSSES, EXPORTER = "logctx-overview", "logctx-losses", "logctx-exporter"
TO_LOSSES, TO_EXPORTER = to_dashboard(LOSSES, "What is lost"), to_dashboard(EXPORTER, "How the exporter does")
TO_OVERVIEW = to_dashboard(OVERVIEW, "All contexts")
OF_ROW = to_kind(OVERVIEW, "This kind alone", "${__data.fields.Kind:percentencode}")
OF_LOST = to_kind(OVERVIEW, "This kind of context", "${__data.fields.Context:percentencode}")
OF_SERIES = to_kind(OVERVIEW, "This kind of context", "${__field.labels.logctx_kind:percentencode}")


def rate(metric, match=OF_KIND, by=""):
    """A counter's sum per second, over all series or by some labels."""
    return "sum%s(rate(%s{%s}[$__rate_interval]))" % (" by (%s) " % by if by else "", metric, match)


def increase(metric, match=OF_KIND, by=""):
    """By how much a counter grew in the range of the dashboard."""
    return "sum%s(increase(%s{%s}[$__range]))" % (" by (%s) " % by if by else "", metric, match)


def grown(metric, match, by="", window="$__range"):
    """The same for series that are born with their first error, which increase() alone would not count: one that was not
    there when the window began counts with its whole value."""
    series_ = "%s{%s}" % (metric, match)
    return "sum%s((%s unless %s offset %s) or increase(%s[%s]))" % (" by (%s) " % by if by else "", series_, series_, window,
                                                                   series_, window)


def per_minute(metric, match, by):
    """grown() over the window that rate() has, in a minute."""
    return "60000 / $__rate_interval_ms * " + grown(metric, match, by, "$__rate_interval")


def most(expr, number=10):
    return "topk(%d, %s)" % (number, expr)


def quantile(q, metric, match=OF_KIND, by=""):
    return "histogram_quantile(%s, %s)" % (q, rate(metric + "_bucket", match, "le" + (", " + by if by else "")))


def or_zero(expr):
    """Nothing counted yet is 0: for sums without labels, in a fraction whose other part is there when data is."""
    return "(%s or vector(0))" % expr


UNATTRIBUTED = rate("logctx_unattributed_cpu_time_seconds_total", MATCH)
LOOPS = rate("logctx_loop_cpu_time_seconds_total", MATCH)
CONTEXTS = rate("logctx_context_cpu_time_seconds_total", MATCH)
UNATTRIBUTED_SHARE = "%s / (%s + %s + %s)" % (UNATTRIBUTED, CONTEXTS, LOOPS, UNATTRIBUTED)


def errors_stat(link):
    return count("Transition errors", "Switches in the range of this page that show that code lost, leaked, restarted or "
                 "misplaced a context. What ran wrongly is charged to nobody, or to somebody else. Wrong use of the library "
                 "is not among them.", increase("logctx_transition_errors_total", LOSS), steps((0.5, LOST)), link=link)


def share_stat(link):
    return stat("Unattributed CPU", "Share of the threads' CPU time that no context and no loop is charged for. It finds the "
                "losses that nobody detects. Red from the alert's threshold.", "percentunit", UNATTRIBUTED_SHARE,
                steps((SHARE_LIMIT, LOST)), decimals=1, link=link)


def overview():
    page = Dashboard(OVERVIEW, "logctx / Overview", "What the program works at, what that costs, and whether any of it is "
                     "lost. Kinds are what contexts have in common: a route, a job.", tempo=True, kinds=True)
    page.row("Is it well?", *_health())
    page.row("Alerts", _alerts())
    page.row("The work", *_work())
    page.row("CPU", *_cpu())
    page.row("Database", *_database())
    page.row("In flight, and the loop", *_in_flight())
    page.row("Kind by kind", _kinds())
    page.row("Slow and failed traces (needs Tempo)", traces(
        "Slowest traces of the range", "Contexts of a second and more, or that failed, from Tempo. A row leads to the trace; "
        "logctx.segments there says when the context ran, waited or was in a transaction.",
        '{ resource.service.instance.id =~ "${instance:pipe}" && span.logctx.type != nil && '
        "(duration > 1s || status = error) }"), collapsed=True)
    return page


def _health():
    failed = or_zero(rate("logctx_context_duration_seconds_count", OF_KIND + ', error_type!=""'))
    return (
        errors_stat(TO_LOSSES),
        share_stat(TO_LOSSES),
        stat("In flight", "Contexts that were made and are not finished.", "none",
             "sum(logctx_context_in_flight{%s})" % OF_KIND, decimals=0),
        stat("Oldest in flight", "Age of the oldest context that is not finished. One that grows with the clock is stuck, or "
             "was forgotten.", "s", "max(logctx_context_oldest_age_seconds{%s})" % OF_KIND),
        stat("Contexts", "Contexts finished per second, of all kinds and types.", "cps",
             rate("logctx_context_duration_seconds_count")),
        stat("Failed", "Share of the finished contexts whose work failed.", "percentunit",
             "%s / %s" % (failed, rate("logctx_context_duration_seconds_count")), decimals=2),
        stat("Wait for a connection", "Mean time that a transaction waited for a database connection. Where it rises before "
             "everything else, the pool is too small, or somebody keeps its connections.", "s",
             "%s / %s" % (rate("logctx_context_db_wait_time_seconds_total"),
                          rate("logctx_context_db_transactions_total"))),
        stat("Loop delay, p99", "How long what was ready waited for the event loop. A loop that is late has run something "
             "for too long.", "s", quantile(0.99, "logctx_loop_delay_seconds", MATCH)),
    )


def _alerts():
    ours = 'ALERTS{alertname=~"Logctx.+", alertstate="%s", job=~"$job", instance=~"$instance|"}'
    return timeline(
        "Alerts", "The rules of deploy/prometheus, a lane for each that was pending or firing; there is none in health. What to "
        "do about each is in docs/runbook.md.",
        "max by (alertname, severity) (%s or 0 * %s)" % (ours % "firing", ours % "pending"), "{{alertname}}, {{severity}}",
        [{"type": "value", "options": {"1": {"text": "firing", "color": LOST, "index": 0},
                                       "0": {"text": "pending", "color": WAIT, "index": 1}}}])


def _work():
    finished = "logctx_context_duration_seconds_count"
    duration = "logctx_context_duration_seconds"
    return (
        series("Finished contexts by kind", "Per second, the ten kinds with most.", "cps",
               [query(most(rate(finished, by="logctx_kind")), BY_KIND)], THIRD),
        series("Duration", "From creation to finish, of the chosen kinds. The dots are exemplars: single contexts, each a "
               "link to its trace.", "s",
               [query(quantile(q, duration), name, exemplars=q == 0.99)
                for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))], THIRD),
        series("Failures by kind", "Contexts per minute that failed, by their error.type.", "cpm",
               [query(most(per_minute(finished, OF_KIND + ', error_type!=""', "logctx_kind, error_type")),
                      BY_KIND + " {{error_type}}")], THIRD),
        series("Duration by kind, p99", "The ten slowest kinds.", "s",
               [query(most(quantile(0.99, duration, by="logctx_kind")), BY_KIND)]),
        heatmap("Durations", "How many contexts took how long; dots are exemplars.", "s",
                rate(duration + "_bucket", by="le")),
    )


def _cpu():
    cpu, running = "logctx_context_cpu_time_seconds_total", "logctx_context_running_time_seconds_total"
    return (
        series("Where the CPU time went", "CPU seconds per second of the threads that have contexts: charged to contexts, to "
               "the event loops themselves, or to nobody.", "percentunit",
               [query(CONTEXTS, "contexts"), query(LOOPS, "loops"), query(UNATTRIBUTED, "unattributed")], THIRD,
               stacked=True, overrides=colored(contexts=RUN, loops=QUIET, unattributed=LOST)),
        series("CPU by kind", "CPU seconds per second, the ten kinds with most.", "percentunit",
               [query(most(rate(cpu, by="logctx_kind")), BY_KIND)], THIRD, stacked=True),
        series("CPU of the contexts, user and system", "CPU seconds per second. Split by whole clock ticks, so right for "
               "sums, not for single contexts.", "percentunit",
               [query(rate(cpu, by="cpu_mode"), "{{cpu_mode}}")], THIRD, stacked=True),
        series("CPU of a context by kind, p95", "CPU time of a whole context, the ten most expensive kinds; dots are "
               "exemplars.", "s",
               [query(most(quantile(0.95, "logctx_context_cpu_usage_seconds", by="logctx_kind")), BY_KIND, exemplars=True)]),
        series("Current and computing", "Time that contexts were current, and the CPU time in it, per second. Where they "
               "part, contexts are current while the thread blocks or waits for a processor.", "percentunit",
               [query(rate(running), "current"), query(rate(cpu), "on the CPU")],
               overrides=colored(current=QUIET, on_the_CPU=RUN)),
    )


def _database():
    time, wait = "logctx_context_db_time_seconds_total", "logctx_context_db_wait_time_seconds_total"
    return (
        series("Connections in use by kind", "Seconds in transactions per second, which is the mean number of connections "
               "in use; the ten kinds with most.", "none", [query(most(rate(time, by="logctx_kind")), BY_KIND)], THIRD,
               stacked=True),
        series("In transactions and waiting", "Mean number of contexts in a transaction, and waiting for a connection.",
               "none", [query(rate(time), "in a transaction"), query(rate(wait), "waiting for a connection")], THIRD,
               overrides=colored(in_a_transaction=DATABASE, waiting_for_a_connection=WAIT)),
        series("Transactions and rows", "Database transactions, and rows fetched, per second.", "cps",
               [query(rate("logctx_context_db_transactions_total"), "transactions"),
                query(rate("logctx_context_db_rows_total"), "rows fetched")], THIRD),
    )


def _in_flight():
    return (
        series("In flight by kind", "Contexts that were made and are not finished, the ten kinds with most.", "none",
               [query(most("sum by (logctx_kind) (logctx_context_in_flight{%s})" % OF_KIND), BY_KIND)], THIRD),
        series("Oldest by kind", "Age of the oldest context in flight, the ten oldest kinds.", "s",
               [query(most("max by (logctx_kind) (logctx_context_oldest_age_seconds{%s})" % OF_KIND), BY_KIND)], THIRD),
        series("Loop delay", "How long what was ready waited for the event loop.", "s",
               [query(quantile(q, "logctx_loop_delay_seconds", MATCH, "logctx_loop_name"), "{{logctx_loop_name}} " + name)
                for q, name in ((0.5, "p50"), (0.99, "p99"))], THIRD),
    )


def _kinds():
    wall, cpu = "logctx_context_duration_seconds", "logctx_context_cpu_time_seconds_total"
    finished = increase(wall + "_count", by="logctx_kind, logctx_type")

    def each(metric):
        return "%s / %s" % (increase(metric, by="logctx_kind, logctx_type"), finished)

    return with_links(table(
        "Kinds", "Every kind and type in the range of this page: how many finished, and what one costs in the mean. CPU and "
        "database are a context's own, without its children.", "none",
        [("CPU", "s", increase(cpu, by="logctx_kind, logctx_type")), ("Finished", "none", finished),
         ("Wall, each", "s", each(wall + "_sum")), ("CPU, each", "s", each(cpu)),
         ("Transactions, each", "none", each("logctx_context_db_transactions_total")),
         ("Database, each", "s", each("logctx_context_db_time_seconds_total")),
         ("Wait, each", "s", each("logctx_context_db_wait_time_seconds_total")),
         ("Rows, each", "none", each("logctx_context_db_rows_total"))],
        (("logctx_kind", "Kind"), ("logctx_type", "Type")),
        overrides=[matched("Finished", decimals=0)]), OF_ROW)


def losses():
    page = Dashboard(LOSSES, "logctx / Losses", "Which contexts the program loses, where, and what that costs. Begin with the "
                     "kind of the error; the guide explains each.", tempo=True)
    page.row("How bad is it?", *_how_bad())
    page.row("What is lost, and whose", *_what())
    page.row("What it costs", *_costs())
    page.row("What leaks", *_leaks())
    page.row("Examples (needs Tempo)", traces(
        "Traces with transition errors", "From Tempo. The span has an event, or a child of no length, named "
        "logctx.transition_error, with both call sites and the last switches of the thread.",
        '{ resource.service.instance.id =~ "${instance:pipe}" && '
        '(span.logctx.errors > 0 || name = "logctx.transition_error") }'), collapsed=True)
    return page


def _how_bad():
    errors, created = "logctx_transition_errors_total", "logctx_context_created_total"

    def of(kinds):
        return increase(errors, MATCH + ', logctx_error_kind=~"%s"' % kinds)

    red = steps((0.5, LOST))
    return (
        errors_stat(None),
        count("Per thousand contexts", "Transition errors of the range for every thousand contexts made in it.", "1000 * %s / %s"
              % (increase(errors, LOSS), increase(created, MATCH)), steps((1, LOST)), decimals=2),
        count("Lost or mixed up", "Contexts that were lost, covered by another one, left current or never ended: CPU and "
              "database time went to nobody, or to another context.", of(LOST_OR_MIXED_UP), red),
        count("Run after their end", "Work that went on in a context that was over. It is in no span, and may use what the "
              "request has freed.", of(RUN_AFTER_END), red),
        count("On a wrong thread", "Contexts started or stopped on another thread than their own. Two threads with one "
              "context are a data race.", of(WRONG_THREAD), red),
        share_stat(TO_OVERVIEW),
        count("Different kinds", "How many different kinds of errors there were.",
              "count(sum by (logctx_error_kind) (increase(%s{%s}[$__range])) > 0) or vector(0)" % (errors, LOSS), red),
        count("Wrong use", "Calls that the library refused or that threw: not counted as losses.",
              of(MISUSE), red),
    )


def _what():
    errors, by_kind = "logctx_transition_errors_total", "logctx_transition_errors_by_kind_total"
    return (
        series("Errors per minute by kind", "Every kind is there from the first export on, at 0 while it does not happen.",
               "cpm", [query("60 * " + rate(errors, LOSS, "logctx_error_kind"), "{{logctx_error_kind}}")], THIRD,
               stacked=True, bars=True),
        with_links(series(
            "Errors per minute by the context's kind", "Whose contexts they are: the kinds that are affected, which is where to "
            "look first.", "cpm", [query(most(per_minute(by_kind, LOSS, "logctx_kind")), BY_KIND)], THIRD, stacked=True,
            bars=True), OF_SERIES),
        series("Errors per minute by process", "One process of many points to its machine, or to its version; all of them, to "
               "the code.", "cpm", [query("60 * " + rate(errors, LOSS, "instance"), "{{instance}}")], THIRD, stacked=True,
               bars=True),
        table("Kinds of errors", "Of the range. The guide has a section for each, with the usual causes and the fix.", "none",
              [("Errors", "none", increase(errors, MATCH, "logctx_error_kind") + " > 0")],
              (("logctx_error_kind", "Kind of error"),), width=HALF, overrides=[matched("Errors", decimals=0)]),
        with_links(table(
            "By the kind of the context", "The same errors of the range by whose contexts they concern.", "none",
            [("Errors", "none", grown(by_kind, MATCH, "logctx_error_kind, logctx_kind") + " > 0")],
            (("logctx_error_kind", "Error"), ("logctx_kind", "Context")), width=HALF,
            overrides=[matched("Errors", decimals=0)]), OF_LOST),
    )


def _costs():
    unattributed, loops = "logctx_unattributed_cpu_time_seconds_total", "logctx_loop_cpu_time_seconds_total"
    by = "instance"
    return (
        series("Unattributed share by process", "Of the threads' CPU time, what no context and no loop is charged for. The "
               "dashed line is the alert's threshold.", "percentunit",
               [query("%s / (%s + %s + %s)" % (rate(unattributed, MATCH, by),
                                               rate("logctx_context_cpu_time_seconds_total", MATCH, by),
                                               rate(loops, MATCH, by), rate(unattributed, MATCH, by)), "{{instance}}")],
               THIRD, limit=SHARE_LIMIT),
        series("Unattributed CPU by loop", "CPU seconds per second. Threads without an event loop are under the name that "
               "they have, or none.", "percentunit",
               [query(rate(unattributed, MATCH, "logctx_loop_name"), "{{logctx_loop_name}}")], THIRD, stacked=True),
        series("Losses and waits", "Errors per minute beside the contexts that wait for a connection: code that loses "
               "contexts only when it has to wait shows here as two lines that rise together.", "cpm",
               [query("60 * " + rate("logctx_transition_errors_total", LOSS), "errors"),
                query(rate("logctx_context_db_wait_time_seconds_total", MATCH), "waiting for a connection")], THIRD,
               overrides=colored(errors=LOST) + [matched("waiting for a connection", unit="none", custom__axisPlacement="right",
                                                         color={"mode": "fixed", "fixedColor": WAIT})]),
    )


def _leaks():
    created, finished = "logctx_context_created_total", "logctx_context_duration_seconds_count"
    growth = "%s - %s" % (rate(created, MATCH, "logctx_kind"), rate(finished, MATCH, "logctx_kind"))
    return (
        series("In flight by kind", "A kind that only ever grows leaks contexts: they are made and never finished.", "none",
               [query(most("sum by (logctx_kind) (logctx_context_in_flight{%s})" % MATCH), BY_KIND)], THIRD),
        series("Made and not finished", "Contexts made per second less those finished, by kind. Around 0 in health; "
               "steadily above it is a leak.", "cps", [query(most(growth), BY_KIND)], THIRD,
               signed=True),
        series("Oldest by kind", "Age of the oldest context in flight. A line as steep as the clock is one context that does "
               "not end.", "s",
               [query(most("max by (logctx_kind) (logctx_context_oldest_age_seconds{%s})" % MATCH), BY_KIND)], THIRD),
    )


def exporter():
    page = Dashboard(EXPORTER, "logctx / Exporter health", "Whether what the other two pages show is all there is: how spans "
                     "and metrics get from the processes to their endpoint.")
    page.row("Does it arrive?", *_arrival())
    page.row("Spans", *_spans())
    page.row("Requests to the endpoint", *_requests())
    page.row("Metrics", *_metrics())
    page.row("Processes", table(
        "Who sends", "What the processes say of themselves: the resource of their telemetry.", "none",
        [("Up", "none", "max by (job, instance, host_name, process_pid, service_version, telemetry_sdk_version) "
          "(target_info{%s})" % MATCH)],
        (("job", "Job"), ("instance", "Instance"), ("host_name", "Host"), ("process_pid", "Process"),
         ("service_version", "Version"), ("telemetry_sdk_version", "logctx")), sort="Job"))
    return page


EXPORTED, PROCESSED = "otel_sdk_exporter_span_exported_total", "otel_sdk_processor_span_processed_total"
POINTS, OPERATION = "otel_sdk_exporter_metric_data_point_exported_total", "otel_sdk_exporter_operation_duration_seconds"
FAILED = MATCH + ', error_type!=""'


def _arrival():
    red = steps((0.5, LOST))
    dropped = "%s + %s" % (or_zero(grown(PROCESSED, FAILED)), or_zero(grown(EXPORTED, FAILED)))
    return (
        count("Spans lost", "Spans of the range that were dropped before they were queued, or whose export failed for good.",
              dropped, red),
        stat("Delivered", "Share of the spans whose export ended well.", "percentunit",
             "%s / %s" % (rate(EXPORTED, MATCH + ', error_type=""'), rate(EXPORTED, MATCH)), decimals=2),
        stat("Waiting", "Spans in the queues.", "none", "sum(otel_sdk_processor_span_queue_size{%s})" % MATCH, decimals=0),
        stat("On the way", "Spans that were sent and are not answered, or wait for a retry.", "none",
             "sum(otel_sdk_exporter_span_inflight{%s})" % MATCH, decimals=0),
        count("Failed requests", "Exports of the range that failed after their retries.",
              or_zero(grown(OPERATION + "_count", FAILED)), red),
        stat("Time of an export", "Mean, with its retries.", "s",
             "%s / %s" % (rate(OPERATION + "_sum", MATCH), rate(OPERATION + "_count", MATCH))),
        stat("Metric points", "Points exported per second.", "cps", rate(POINTS, MATCH + ', error_type=""')),
        count("Processes", "Processes that have sent metrics lately.", "count(target_info{%s})" % MATCH, link=TO_OVERVIEW),
    )


def _spans():
    return (
        series("Begun, queued, delivered", "Spans per second at the three places that they pass. What is between two lines is "
               "not sampled, waits, or is lost.", "cps",
               [query(rate("otel_sdk_span_started_total", MATCH), "begun"),
                query(rate(PROCESSED, MATCH + ', error_type=""'), "taken from the queue"),
                query(rate(EXPORTED, MATCH + ', error_type=""'), "delivered")], THIRD),
        series("Lost by reason", "Spans per minute that were dropped, before they were queued or after the last attempt.", "cpm",
               [query(per_minute(PROCESSED, FAILED, "error_type"), "{{error_type}}, not queued"),
                query(per_minute(EXPORTED, FAILED, "error_type"), "{{error_type}}, not delivered")], THIRD, stacked=True,
               bars=True),
        series("Sampling", "Spans begun per second, by what the sampler decided.", "cps",
               [query(rate("otel_sdk_span_started_total", MATCH, "otel_span_sampling_result"),
                      "{{otel_span_sampling_result}}")], THIRD, stacked=True),
        series("Queue", "Spans that wait, and how many can where the bound is a number of spans (OTEL_BSP_MAX_QUEUE_SIZE); "
               "without it the bound is in bytes and there is no second line.", "none",
               [query("max by (instance) (otel_sdk_processor_span_queue_size{%s})" % MATCH, "{{instance}} waiting"),
                query("max by (instance) (otel_sdk_processor_span_queue_capacity{%s})" % MATCH, "{{instance}} room")], HALF),
        series("Live and on the way", "Spans begun and not ended; spans sent and not answered.", "none",
               [query("sum(otel_sdk_span_live{%s})" % MATCH, "live"),
                query("sum(otel_sdk_exporter_span_inflight{%s})" % MATCH, "on the way")], HALF),
    )


def _requests():
    mean = "%s / %s" % (rate(OPERATION + "_sum", MATCH, "otel_component_type"),
                        rate(OPERATION + "_count", MATCH, "otel_component_type"))
    return (
        series("Requests by answer", "Exports per minute, by the HTTP status of their last attempt; none where nobody "
               "answered.", "cpm",
               [query("60 * " + rate(OPERATION + "_count", MATCH, "otel_component_type, http_response_status_code"),
                      "{{otel_component_type}} {{http_response_status_code}}")], THIRD),
        series("Time of an export by signal", "Mean, with its retries.", "s", [query(mean, "{{otel_component_type}}")], THIRD),
        series("Failed requests by reason", "Exports per minute that failed after their retries, by reason.", "cpm",
               [query(per_minute(OPERATION + "_count", FAILED, "otel_component_type, error_type"),
                      "{{otel_component_type}} {{error_type}}")], THIRD, stacked=True, bars=True),
    )


def _metrics():
    collection = "otel_sdk_metric_reader_collection_duration_seconds"
    return (
        series("Metric points and where they are", "Per second, delivered and on the way.", "cps",
               [query(rate(POINTS, MATCH + ', error_type=""'), "delivered"),
                query(rate(POINTS, FAILED, "error_type"), "failed: {{error_type}}"),
                query("sum(otel_sdk_exporter_metric_data_point_inflight{%s})" % MATCH, "on the way")], THIRD,
               overrides=[matched("on the way", unit="none")]),
        series("Time of a collection", "Mean time that collecting the metrics took, on the exporter's thread.", "s",
               [query("%s / %s" % (rate(collection + "_sum", MATCH), rate(collection + "_count", MATCH)), "mean")], THIRD),
        series("CPU of the processes", "CPU seconds per second of whole processes, with threads that have no contexts.",
               "percentunit", [query(rate("process_cpu_time_seconds_total", MATCH, "cpu_mode"), "{{cpu_mode}}")], THIRD,
               stacked=True),
    )


def texts():
    """The name of each file and its text."""
    for page in (overview(), losses(), exporter()):
        yield page.uid + ".json", json.dumps(page.model(), indent=2, ensure_ascii=False) + "\n"


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    made, stale = dict(texts()), 0
    for name, text in made.items():
        path = FOLDER / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if sys.argv[1:]:
            stale += 1
            print("deploy/grafana/dashboards/%s is not current; run deploy/grafana/generate.py" % name)
        else:
            path.write_text(text, encoding="utf-8")
            print("wrote %s" % path)
    for path in sorted(FOLDER.glob("*.json")):
        if path.name not in made:
            stale += 1
            print("deploy/grafana/dashboards/%s is made by nobody" % path.name)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
