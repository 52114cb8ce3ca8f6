/*
 * alerts.h: the one table of alerts. deploy/prometheus is generated from it, logctx-dashboard evaluates it on what its store
 * holds, and docs/runbook.md has a section for each. Constant data; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_ALERTS_H
#define LOGCTX_ALERTS_H

#include <logctx/error.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What an alert measures, and when its condition holds. `limit`, `guard`, `over` (a long window) and `lately` (a short one)
 * are columns of the table. An increase is that of a cumulative counter: a reset by a restart counts from 0, and a scrape
 * that was missed changes nothing. All sums are for each group of `by`.
 *
 *   LOSS_RATIO      increase of transition errors of `kinds` / increase of contexts created. Above `limit` over `over` (it
 *                   matters) and over `lately` (it goes on), and at least `guard` contexts created over `over`.
 *   LOSS_RATE       errors of `kinds` per minute over `lately` above `limit`.
 *   LOSS_COUNT      increase of errors of `kinds` over `over` above `limit`. A series that was not there when the window began
 *                   counts with its whole value: what went wrong before the first export is in it.
 *   GROWTH          the least number of contexts in flight over `lately`, less the greatest over a window as long that ended
 *                   `over` ago, is above `limit`; and no more than `guard` times as many contexts were created over `lately`
 *                   as over that window: what traffic explains is no leak.
 *   AGE             the greatest age of the oldest context in flight, of all types but background, over `lately` above `limit`.
 *   CPU_SHARE       unattributed CPU / (CPU of contexts + of loops + unattributed), above `limit` over `over` and over
 *                   `lately`, and at least `guard` CPU seconds in all over `over`.
 *   WAIT_SHARE      time waiting for a connection / (that + time in transactions), above `limit` over `over` and over
 *                   `lately`, and at least `guard` transactions over `over`.
 *   DROP_SHARE      spans that were lost (otel.sdk.processor.span.processed and otel.sdk.exporter.span.exported with
 *                   error.type) / (those + spans exported without), above `limit` over `over` and over `lately`, and at least
 *                   `guard` spans over `over`. These series are born with their first error: one that was not there when the
 *                   window began counts with its whole value.
 *   FAILURE_SHARE   exports that failed (otel.sdk.exporter.operation.duration with error.type) / all, the same way.
 *   SILENCE         metrics came over `over`, and no collection of them is new (the count of
 *                   otel.sdk.metric_reader.collection.duration grew) over `lately`; or nothing came at all over `over`.
 */
enum alert_signal {
    ALERT_LOSS_RATIO,
    ALERT_LOSS_RATE,
    ALERT_LOSS_COUNT,
    ALERT_GROWTH,
    ALERT_AGE,
    ALERT_CPU_SHARE,
    ALERT_WAIT_SHARE,
    ALERT_DROP_SHARE,
    ALERT_FAILURE_SHARE,
    ALERT_SILENCE,
};

enum alert_severity { ALERT_WARNING, ALERT_CRITICAL }; /* a ticket; a page now */

/* A process; a kind of contexts in a process; a service, whatever processes it has now. */
enum alert_by { ALERT_BY_INSTANCE, ALERT_BY_KIND, ALERT_BY_SERVICE };

/* Sets of kinds of errors. Each kind of the class `transition` is in one of them, and none of the class `misuse` (a test). */
#define ALERT_BIT(id) (UINT32_C(1) << LOGCTX_ERROR_##id)
#define ALERT_LOST                                                                                                     \
    (ALERT_BIT(CONTEXT_LOST) | ALERT_BIT(UNEXPECTED_CONTEXT) | ALERT_BIT(PREVIOUS_CONTEXT_MISMATCH) |                  \
     ALERT_BIT(BACKGROUND_MAINTAINED_VIOLATION) | ALERT_BIT(LEAKED_TO_LOOP) | ALERT_BIT(NESTED_FROM_SENTINEL) |        \
     ALERT_BIT(THREADPOOL_FROM_SENTINEL) | ALERT_BIT(UNFINISHED_AT_EXIT) | ALERT_BIT(OUTLIVED_PARENT) |                \
     ALERT_BIT(THREAD_EXIT_WITH_CONTEXT) | ALERT_BIT(UTIME_BACKWARDS) | ALERT_BIT(STIME_BACKWARDS))
#define ALERT_RESTARTED (ALERT_BIT(RESTARTED_FINISHED) | ALERT_BIT(RESTARTED_ACTIVE))
#define ALERT_MISPLACED                                                                                                \
    (ALERT_BIT(STARTED_ON_DIFFERENT_THREAD) | ALERT_BIT(STOPPED_ON_DIFFERENT_THREAD) | ALERT_BIT(STOP_WITHOUT_START))
#define ALERT_REENTERED (ALERT_BIT(BGPROC_REENTERED) | ALERT_BIT(BGPROC_EXITED))

/* Of the seconds that contexts spend on the database, this share may be spent waiting for a connection. */
#define ALERT_POOL_WAIT_BUDGET 0.05

/*
 * CPU seconds in half an hour from which on their unattributed share means something: a quarter of a core. Measured on a
 * demo that is well: 0 to 0.012 of the CPU under requests that work (also with a connection each), 0.03 to 0.07 with a
 * timer in each seventh; but 0.34 under requests that only wait for a timer, and 0.13 idle, where the loop's own turns
 * outweigh the contexts. Those take 0.11 and 0.0003 cores.
 */
#define ALERT_CPU_SECONDS 450

#define ALERT_MINUTES(n) ((n)*60)
#define ALERT_HOURS(n) ((n)*3600)

/*
 * X(ID, "id", "name", severity, group, signal, kinds, by, limit, guard, over, lately, hold, "unit", "view", "title",
 *   "summary", "sentence", "description", "anchor")
 *
 *   name         in Prometheus; two rows may share it, with different severities
 *   over, lately seconds; 0 if the signal has no such window
 *   hold         seconds that the condition must hold before the alert fires (Prometheus calls it `for`)
 *   unit         of `limit` and of the value: ratio (a fraction of 1), errors/min, errors, contexts, s
 *   view         of the dashboard's page: where to look
 *   title        two or three words, for lists
 *   summary      one sentence, the same for all processes that are concerned
 *   sentence     says the value: {value}, {limit}, {over}, {lately}, and with ALERT_BY_KIND {kind}, are put in. The value
 *                is that over `lately`, if the signal has both windows; of SILENCE, the seconds since the last collection
 *                in the dashboard, and not known in Prometheus: its sentence does not say it
 *   description  what it means and what to do first
 *   anchor       the section in docs/runbook.md
 */
#define LOGCTX_ALERTS(X)                                                                                               \
    X(CONTEXT_LOST, "context_lost", "LogctxContextLost", ALERT_WARNING, "losses", ALERT_LOSS_RATIO, ALERT_LOST,        \
      ALERT_BY_INSTANCE, 0.001, 100, ALERT_HOURS(1), ALERT_MINUTES(5), ALERT_MINUTES(5), "ratio", "losses",            \
      "Contexts lost", "Contexts are lost or mixed up.",                                                               \
      "{value} of all contexts over {lately}; the limit is {limit}.",                                                  \
      "CPU and database time is charged to the wrong work or to none. The losses name the lines of code.",             \
      "logctxcontextlost")                                                                                             \
    X(LOSS_BURST, "loss_burst", "LogctxLossBurst", ALERT_CRITICAL, "losses", ALERT_LOSS_RATE, ALERT_LOST,              \
      ALERT_BY_INSTANCE, 60, 0, 0, ALERT_MINUTES(5), ALERT_MINUTES(5), "errors/min", "losses", "Loss burst",           \
      "A path of the code loses contexts all the time.",                                                               \
      "{value} losses per minute over {lately}; the limit is {limit}.",                                                \
      "Figures of the kinds concerned cannot be trusted from here on. Look at what was deployed last.",                \
      "logctxlossburst")                                                                                               \
    X(CONTEXT_RESTARTED, "context_restarted", "LogctxContextRestarted", ALERT_WARNING, "losses", ALERT_LOSS_COUNT,     \
      ALERT_RESTARTED, ALERT_BY_INSTANCE, 0, 0, ALERT_MINUTES(15), 0, 0, "errors", "losses", "Restarted after finish", \
      "Code runs in contexts that have finished.", "{value} restarts over {over}; there should be none.",              \
      "A timer or a callback outlives its request, and may use what the request has freed.", "logctxcontextrestarted") \
    X(WRONG_THREAD, "wrong_thread", "LogctxWrongThread", ALERT_CRITICAL, "losses", ALERT_LOSS_COUNT, ALERT_MISPLACED,  \
      ALERT_BY_INSTANCE, 0, 0, ALERT_MINUTES(15), 0, 0, "errors", "losses", "Wrong thread",                            \
      "Contexts are used on threads that they do not belong to.",                                                      \
      "{value} switches on a wrong thread over {over}; there should be none.",                                         \
      "What a request owns is probably touched by two threads at once: a data race in the program.",                   \
      "logctxwrongthread")                                                                                             \
    X(BACKGROUND_REENTERED, "background_reentered", "LogctxBackgroundReentered", ALERT_WARNING, "losses",              \
      ALERT_LOSS_COUNT, ALERT_REENTERED, ALERT_BY_INSTANCE, 0, 0, ALERT_MINUTES(15), 0, 0, "errors", "losses",         \
      "Background re-entered", "Background processes go on after their end.",                                          \
      "{value} times over {over}; there should be none.",                                                              \
      "Part of a background process runs after it was counted as ended; its cost is missing from its figures.",        \
      "logctxbackgroundreentered")                                                                                     \
    X(CONTEXTS_LEAKING, "contexts_leaking", "LogctxContextsLeaking", ALERT_WARNING, "contexts", ALERT_GROWTH, 0,       \
      ALERT_BY_INSTANCE, 50, 1.5, ALERT_MINUTES(30), ALERT_MINUTES(5), ALERT_MINUTES(15), "contexts", "contexts",      \
      "Contexts leaking", "Contexts are made and never finished.",                                                     \
      "{value} more in flight than {over} ago; the limit is {limit}, and traffic does not explain it.",                \
      "Each holds memory until the bound on live contexts, beyond which spans are dropped.", "logctxcontextsleaking")  \
    X(CONTEXT_STUCK, "context_stuck", "LogctxContextStuck", ALERT_WARNING, "contexts", ALERT_AGE, 0, ALERT_BY_KIND,    \
      900, 0, 0, ALERT_MINUTES(5), ALERT_MINUTES(5), "s", "now", "Context stuck",                                      \
      "A context does not come to an end.", "The oldest {kind} is {value} old; the limit is {limit}.",                 \
      "It waits for something that does not come, or its end was forgotten. Background processes may be as old as "    \
      "they like.",                                                                                                    \
      "logctxcontextstuck")                                                                                            \
    X(UNATTRIBUTED_CPU, "unattributed_cpu", "LogctxUnattributedCpuHigh", ALERT_WARNING, "resources", ALERT_CPU_SHARE,  \
      0, ALERT_BY_INSTANCE, 0.1, ALERT_CPU_SECONDS, ALERT_MINUTES(30), ALERT_MINUTES(5), ALERT_MINUTES(15), "ratio",   \
      "now", "Unattributed CPU", "CPU time is used that no context is charged for.",                                   \
      "{value} of the CPU time over {lately}; the limit is {limit}.",                                                  \
      "Callbacks run without their context, in places where no error shows it.", "logctxunattributedcpuhigh")          \
    X(POOL_WAIT_FAST, "pool_wait_fast", "LogctxPoolWaitHigh", ALERT_CRITICAL, "resources", ALERT_WAIT_SHARE, 0,        \
      ALERT_BY_INSTANCE, 14.4 * ALERT_POOL_WAIT_BUDGET, 500, ALERT_HOURS(1), ALERT_MINUTES(5), ALERT_MINUTES(2),       \
      "ratio", "now", "Pool wait, fast", "Work waits for database connections.",                                       \
      "{value} of the database time over {lately} is waiting for a connection; the limit is {limit}.",                 \
      "The pool of connections is dry: requests wait more than they work.", "logctxpoolwaithigh")                      \
    X(POOL_WAIT_SLOW, "pool_wait_slow", "LogctxPoolWaitHigh", ALERT_WARNING, "resources", ALERT_WAIT_SHARE, 0,         \
      ALERT_BY_INSTANCE, 6 * ALERT_POOL_WAIT_BUDGET, 500, ALERT_HOURS(6), ALERT_MINUTES(30), ALERT_MINUTES(15),        \
      "ratio", "now", "Pool wait, slow", "Work waits for database connections.",                                       \
      "{value} of the database time over {lately} is waiting for a connection; the limit is {limit}.",                 \
      "The pool of connections is often too small for what is asked of it.", "logctxpoolwaithigh")                     \
    X(EXPORTER_DROPPING, "exporter_dropping", "LogctxExporterDropping", ALERT_WARNING, "exporter", ALERT_DROP_SHARE,   \
      0, ALERT_BY_INSTANCE, 0.01, 100, ALERT_MINUTES(15), ALERT_MINUTES(5), 0, "ratio", "contexts",                    \
      "Exporter dropping", "Spans are lost on their way out.",                                                         \
      "{value} of the spans over {lately} were dropped or refused; the limit is {limit}.",                             \
      "Traces have holes. The metrics are complete: they do not go through the queue.", "logctxexporterdropping")      \
    X(EXPORTER_FAILING, "exporter_failing", "LogctxExporterFailing", ALERT_WARNING, "exporter", ALERT_FAILURE_SHARE,   \
      0, ALERT_BY_INSTANCE, 0.1, 5, ALERT_MINUTES(15), ALERT_MINUTES(5), ALERT_MINUTES(5), "ratio", "now",             \
      "Exporter failing", "Exports fail, with all their retries.",                                                     \
      "{value} of the exports over {lately} failed; the limit is {limit}.",                                            \
      "What is exported waits in memory until there is no more room, and is dropped then.", "logctxexporterfailing")   \
    X(TELEMETRY_ABSENT, "telemetry_absent", "LogctxTelemetryAbsent", ALERT_CRITICAL, "exporter", ALERT_SILENCE, 0,     \
      ALERT_BY_SERVICE, 0, 0, ALERT_HOURS(6), ALERT_MINUTES(10), ALERT_MINUTES(5), "s", "now", "Telemetry absent",     \
      "No metrics come any more.", "Nothing has come for {lately}.",                                                   \
      "The service is down or cannot reach the collector; no other alert can fire.", "logctxtelemetryabsent")

enum alert_id {
#define LOGCTX_X(id, ...) ALERT_##id,
    LOGCTX_ALERTS(LOGCTX_X)
#undef LOGCTX_X
        ALERT_COUNT
};

struct alert {
    const char *id;
    const char *name;
    enum alert_severity severity;
    const char *group; /* losses, contexts, resources, exporter */
    enum alert_signal signal;
    uint32_t kinds; /* ALERT_BIT() of each kind of errors that counts; 0 if the signal is not about errors */
    enum alert_by by;
    double limit;
    double guard;
    int over;
    int lately;
    int hold;
    const char *unit;
    const char *view;
    const char *title;
    const char *summary;
    const char *sentence;
    const char *description;
    const char *anchor;
};

extern const struct alert alert_table[ALERT_COUNT];

#endif
