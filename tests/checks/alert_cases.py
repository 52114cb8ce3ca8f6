# What each alert is tried on: the series that a program sends, minute by minute, when it is ill by a little more than the
# limit, and when it is not. alert_rules.py makes promtool's tests of it. Nothing is read from the table of alerts: figures,
# labels and words stand here once more, as an operator expects them.
# SPDX-License-Identifier: Apache-2.0
"""Cases for the alerts: series, when they fire, what they then say."""

import json
from typing import NamedTuple

PROCESS = {"job": "demo", "instance": "i-1"}
KIND = {"logctx_kind": "GET /rooms", "logctx_type": "request"}
NEVER = 10**6



def series(name, labels=None):
    """A series of the process, as promtool reads it."""
    return "%s{%s}" % (name, ", ".join("%s=%s" % (key, json.dumps(value)) for key, value in (PROCESS | (labels or {})).items()))


def errors(kind):
    return series("logctx_transition_errors_total", {"logctx_error_kind": kind})


def age(labels):
    return series("logctx_context_oldest_age_seconds", labels)


def collections(labels=None):
    return series("otel_sdk_metric_reader_collection_duration_seconds_count", labels)


CREATED = series("logctx_context_created_total", KIND)
IN_FLIGHT = series("logctx_context_in_flight", KIND)
CPU = series("logctx_context_cpu_time_seconds_total", KIND | {"cpu_mode": "user"})
LOOP_CPU = series("logctx_loop_cpu_time_seconds_total", {"logctx_loop_name": "loop 1"})
OTHER_CPU = series("logctx_unattributed_cpu_time_seconds_total", {"logctx_loop_name": "loop 1"})
WAIT = series("logctx_context_db_wait_time_seconds_total", KIND)
IN_DB = series("logctx_context_db_time_seconds_total", KIND)
TRANSACTIONS = series("logctx_context_db_transactions_total", KIND)
SPANS = {"otel_component_type": "otlp_http_span_exporter"}
QUEUE_FULL = series("otel_sdk_processor_span_processed_total",
                    {"otel_component_type": "batching_span_processor", "error_type": "queue_full"})
REFUSED = series("otel_sdk_exporter_span_exported_total", SPANS | {"error_type": "rejected"})
EXPORTED = series("otel_sdk_exporter_span_exported_total", SPANS)
OPERATIONS = series("otel_sdk_exporter_operation_duration_seconds_count", SPANS | {"http_response_status_code": "200"})
FAILED = series("otel_sdk_exporter_operation_duration_seconds_count", SPANS | {"error_type": "503"})
SUCCESSOR = {collections({"instance": "i-2"}): lambda minute: 1 if minute > 30 else None}


class Course(NamedTuple):
    """What the series do: by series, a function of the minute: a counter's increase in it, or a gauge's value; None is no
    sample yet. A counter begins at 0; one that is born later begins with its first increase."""

    counters: dict
    gauges: dict = {}


class Case(NamedTuple):
    name: str  # of the alert
    severity: str
    course: object  # (level, begin, end): a Course that is at `level` in those minutes, and well otherwise
    ill: float  # a level a little above the limit
    well: float  # and one a little below
    begin: int  # the minute from which on it is ill
    fires: int  # the minute at which it has fired at the latest, and says:
    summary: str
    description: str
    clears: int  # how many minutes after the end it does not fire any more
    labels: dict = PROCESS  # those besides alertname and severity
    quiet: dict = {}  # what else must not make it fire: name: Course
    also: dict = {}  # what else does: name: (Course, minute)


def during(level, begin, end, otherwise=0):
    return lambda minute: level if begin < minute <= end else otherwise


def steady(value):
    return lambda _minute: value


def once(at, count=1):
    return lambda minute: count if minute == at else 0


def born(at, count):
    """No series before the minute `at`; then it is there with `count`."""
    return lambda minute: None if minute < at else count if minute == at else 0


def lost(level, begin, end, kind="context_lost", created=10000):
    return Course({CREATED: steady(created), errors(kind): during(level, begin, end)})


def counted(kind):
    """A course with one error of the kind, at the minute `begin`."""
    return lambda level, begin, _end: Course({errors(kind): once(begin + 1, level)})


def leaking(level, begin, end):
    def in_flight(minute):
        return 40 + level * max(0, min(minute, end) - begin)
    return Course({CREATED: steady(100)}, {IN_FLIGHT: in_flight})


def busier(factor):
    """Traffic that grows at minute 60, and what is in flight with it."""
    return Course({CREATED: during(100 * factor, 60, NEVER, 100)}, {IN_FLIGHT: during(200 * factor, 60, NEVER, 200)})


def old(level, begin, end, labels=KIND):
    return Course({}, {age(labels): during(level, begin, end, 2)})


def unattributed(level, begin, end, cpu=54):
    """Of a minute's CPU seconds, beside those of a loop."""
    return Course({CPU: steady(cpu), LOOP_CPU: steady(6), OTHER_CPU: during(level, begin, end)})


def waiting(level, begin, end, transactions=600):
    """`level` of each minute's hundred seconds on the database are spent waiting."""
    wait = during(level, begin, end)
    return Course({WAIT: wait, IN_DB: lambda minute: 100 - wait(minute), TRANSACTIONS: steady(transactions)})


def dropping(level, begin, end, lost_by=QUEUE_FULL, spans=1000):
    gone = during(level, begin, end)
    return Course({lost_by: gone, EXPORTED: lambda minute: spans - gone(minute)})


def failing(level, begin, end, exports=100):
    bad = during(level, begin, end)
    return Course({FAILED: bad, OPERATIONS: lambda minute: exports - bad(minute)})


def silent(level, begin, end, others=None):
    """The Collector goes on showing the last values; `level` is how many collections come in a minute."""
    return Course({collections(): during(level, begin, end, 1), errors("context_lost"): steady(0)} | (others or {}))


def until(end):
    return lambda minute: 1 if minute < end else None


def one_kind(name, severity, kinds, summary, words, advice):
    """The alerts on errors that there should be none of."""
    first = kinds[0]
    return Case(
        name, severity, counted(first), ill=1, well=0, begin=40, fires=41, clears=16, summary=summary,
        description="demo, i-1: 1 %s over 15 min; there should be none. %s" % (words, advice),
        quiet={"other kinds": counted("context_lost")(5, 40, 41), "wrong use": counted("invalid_use")(5, 40, 41)},
        also={"before the first export": (Course({errors(first): born(10, 1)}), 11)}
        | {kind: (counted(kind)(1, 40, 41), 41) for kind in kinds[1:]})


BURST = "The pool of connections is dry: requests wait more than they work."
OFTEN = "The pool of connections is often too small for what is asked of it."
POOL = "Work waits for database connections."
STUCK = ("It waits for something that does not come, or its end was forgotten. Background processes may be as old as they "
         "like.")
HOLES = "Traces have holes. The metrics are complete: they do not go through the queue."

CASES = [
    Case("LogctxContextLost", "warning", lost, ill=110, well=9, begin=60, fires=72, clears=6,
         summary="Contexts are lost or mixed up.",
         description="demo, i-1: 1.1% of all contexts over 5 min; the limit is 0.1%. CPU and database time is charged to the "
                     "wrong work or to none. The losses name the lines of code.",
         quiet={"a few minutes": lost(100, 60, 65), "next to no traffic": lost(1, 0, NEVER, created=1),
                "errors of another alert": lost(110, 60, NEVER, "restarted_finished")},
         also={"leaks": (lost(110, 60, NEVER, "leaked_to_loop"), 72)}),
    Case("LogctxLossBurst", "critical", lost, ill=61, well=59, begin=10, fires=20, clears=6,
         summary="A path of the code loses contexts all the time.",
         description="demo, i-1: 61 losses per minute over 5 min; the limit is 60. Figures of the kinds concerned cannot be "
                     "trusted from here on. Look at what was deployed last.",
         quiet={"three minutes": lost(70, 10, 13), "errors of another alert": lost(90, 10, NEVER, "restarted_finished")}),
    one_kind("LogctxContextRestarted", "warning", ["restarted_finished", "restarted_active"],
             "Code runs in contexts that have finished.", "restarts",
             "A timer or a callback outlives its request, and may use what the request has freed."),
    one_kind("LogctxWrongThread", "critical",
             ["started_on_different_thread", "stopped_on_different_thread", "stop_without_start"],
             "Contexts are used on threads that they do not belong to.", "switches on a wrong thread",
             "What a request owns is probably touched by two threads at once: a data race in the program."),
    one_kind("LogctxBackgroundReentered", "warning", ["bgproc_reentered", "bgproc_exited"],
             "Background processes go on after their end.", "times",
             "Part of a background process runs after it was counted as ended; its cost is missing from its figures."),
    Case("LogctxContextsLeaking", "warning", leaking, ill=3, well=2, begin=40, fires=90, clears=30,
         summary="Contexts are made and never finished.",
         description="demo, i-1: 75 more in flight than 30 min ago; the limit is 50, and traffic does not explain it. Each "
                     "holds memory until the bound on live contexts, beyond which spans are dropped.",
         quiet={"twice the traffic": busier(2)}),
    Case("LogctxContextStuck", "warning", old, ill=901, well=899, begin=10, fires=17, clears=6,
         summary="A context does not come to an end.",
         description="demo, i-1: The oldest GET /rooms is 15m 1s old; the limit is 15 min. " + STUCK,
         labels=PROCESS | {"logctx_kind": "GET /rooms"},
         quiet={"a background process": old(90000, 0, NEVER, KIND | {"logctx_type": "background"})}),
    Case("LogctxUnattributedCpuHigh", "warning", unattributed, ill=8, well=6, begin=30, fires=76, clears=6,
         summary="CPU time is used that no context is charged for.",
         description="demo, i-1: 11.76% of the CPU time over 5 min; the limit is 10%. Callbacks run without their context, in "
                     "places where no error shows it.",
         quiet={"ten minutes": unattributed(8, 30, 40),
                "a fifth of a core": unattributed(2, 0, NEVER, cpu=4),
                "an idle program": Course({CPU: steady(0.1), LOOP_CPU: steady(0.1), OTHER_CPU: steady(0.1)})},
         also={"a program without a loop": (Course({CPU: steady(50), OTHER_CPU: steady(10)}), 30)}),
    Case("LogctxPoolWaitHigh", "critical", waiting, ill=73, well=71, begin=0, fires=12, clears=6, summary=POOL,
         description="demo, i-1: 73% of the database time over 5 min is waiting for a connection; the limit is 72%. " + BURST,
         quiet={"twenty minutes": waiting(90, 60, 80), "next to no work": waiting(90, 0, NEVER, transactions=5)}),
    Case("LogctxPoolWaitHigh", "warning", waiting, ill=31, well=29, begin=0, fires=60, clears=31, summary=POOL,
         description="demo, i-1: 31% of the database time over 30 min is waiting for a connection; the limit is 30%. " + OFTEN,
         quiet={"twenty minutes": waiting(80, 90, 110), "next to no work": waiting(60, 0, NEVER, transactions=1)}),
    Case("LogctxExporterDropping", "warning", dropping, ill=11, well=9, begin=0, fires=20, clears=6,
         summary="Spans are lost on their way out.",
         description="demo, i-1: 1.1% of the spans over 5 min were dropped or refused; the limit is 1%. " + HOLES,
         quiet={"next to no spans": dropping(1, 0, NEVER, spans=5)},
         also={"the endpoint refuses": (dropping(11, 0, NEVER, REFUSED), 20),
               "all at once": (Course({QUEUE_FULL: born(30, 5000), EXPORTED: steady(1000)}), 31)}),
    Case("LogctxExporterFailing", "warning", failing, ill=11, well=9, begin=0, fires=20, clears=6,
         summary="Exports fail, with all their retries.",
         description="demo, i-1: 11% of the exports over 5 min failed; the limit is 10%. What is exported waits in memory "
                     "until there is no more room, and is dropped then.",
         quiet={"three exports": Course({FAILED: during(1, 5, 6), OPERATIONS: during(1, 5, 7)})}),
    Case("LogctxTelemetryAbsent", "critical", silent, ill=0, well=1, begin=30, fires=46, clears=3,
         summary="No metrics come any more.",
         description="demo: Nothing has come for 10 min. The service is down or cannot reach the collector; no other alert "
                     "can fire.",
         labels={"job": "demo"},
         quiet={"five minutes": silent(0, 30, 35), "another process takes over": silent(0, 30, NEVER, SUCCESSOR)},
         also={"the series end": (Course({each: until(30) for each in (collections(), errors("context_lost"))}), 46),
               "nothing ever came": (Course({}, {series("up"): steady(1)}), 6)}),
]
