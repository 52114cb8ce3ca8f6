/*
 * logctx/telemetry.h: the names that leave the process. The one table of metrics and span attributes: the exporter,
 * docs/telemetry.md, dashboards and alert rules name only what stands here, and tests hold them to it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TELEMETRY_H
#define LOGCTX_TELEMETRY_H

/* The instrumentation scope of everything below. */
#define LOGCTX_SCOPE_NAME "logctx"
#define LOGCTX_SCHEMA_URL "https://opentelemetry.io/schemas/1.44.0"

/* X(id, "name", instrument, "unit", "attributes", "description"); instrument: COUNTER UPDOWNCOUNTER GAUGE HISTOGRAM */
#define LOGCTX_METRICS(X)                                                                                              \
    X(CONTEXT_CREATED, "logctx.context.created", COUNTER, "{context}", "logctx.kind, logctx.type", "Contexts made.")   \
    X(CONTEXT_IN_FLIGHT, "logctx.context.in_flight", UPDOWNCOUNTER, "{context}", "logctx.kind, logctx.type",           \
      "Contexts made and not finished.")                                                                               \
    X(CONTEXT_OLDEST_AGE, "logctx.context.oldest.age", GAUGE, "s", "logctx.kind, logctx.type",                         \
      "Age of the oldest context in flight.")                                                                          \
    X(CONTEXT_DURATION, "logctx.context.duration", HISTOGRAM, "s", "logctx.kind, logctx.type, error.type",             \
      "From creation to finish; with error.type if the work failed.")                                                  \
    X(CONTEXT_RUNNING_TIME, "logctx.context.running.time", COUNTER, "s", "logctx.kind, logctx.type",                   \
      "Time that contexts were current.")                                                                              \
    X(CONTEXT_CPU_TIME, "logctx.context.cpu.time", COUNTER, "s", "logctx.kind, logctx.type, cpu.mode",                 \
      "CPU time charged to contexts; user and system are split by whole clock ticks.")                                 \
    X(CONTEXT_CPU_USAGE, "logctx.context.cpu.usage", HISTOGRAM, "s", "logctx.kind, logctx.type",                       \
      "CPU time of a whole context, counted when it finishes.")                                                        \
    X(CONTEXT_DB_TRANSACTIONS, "logctx.context.db.transactions", COUNTER, "{transaction}", "logctx.kind, logctx.type", \
      "Database transactions.")                                                                                        \
    X(CONTEXT_DB_TIME, "logctx.context.db.time", COUNTER, "s", "logctx.kind, logctx.type",                             \
      "Time in database transactions.")                                                                                \
    X(CONTEXT_DB_WAIT_TIME, "logctx.context.db.wait_time", COUNTER, "s", "logctx.kind, logctx.type",                   \
      "Time waiting for a database connection.")                                                                       \
    X(CONTEXT_DB_ROWS, "logctx.context.db.rows", COUNTER, "{row}", "logctx.kind, logctx.type",                         \
      "Rows fetched from databases.")                                                                                  \
    X(TRANSITION_ERRORS, "logctx.transition.errors", COUNTER, "{error}", "logctx.error.kind",                          \
      "Transition errors; every kind is there as 0 from the first export.")                                            \
    X(TRANSITION_ERRORS_BY_KIND, "logctx.transition.errors.by_kind", COUNTER, "{error}",                               \
      "logctx.error.kind, logctx.kind", "Transition errors by the kind of the context that is affected.")              \
    X(LOOP_CPU_TIME, "logctx.loop.cpu.time", COUNTER, "s", "logctx.loop.name",                                         \
      "CPU time of event loops around their poll; measured on one turn in 64 and scaled.")                             \
    X(LOOP_DELAY, "logctx.loop.delay", HISTOGRAM, "s", "logctx.loop.name",                                             \
      "How long what was ready waited for the loop: timers, and callbacks of which an adapter or logctx_loop_ran() "   \
      "tells.")                                                                                                        \
    X(UNATTRIBUTED_CPU_TIME, "logctx.unattributed.cpu.time", COUNTER, "s", "logctx.loop.name",                         \
      "CPU time of threads outside of contexts and loops: work that no context is charged for.")                       \
    X(PROCESS_CPU_TIME, "process.cpu.time", COUNTER, "s", "cpu.mode", "CPU time of the process.")                      \
    X(SDK_SPAN_STARTED, "otel.sdk.span.started", COUNTER, "{span}", "otel.span.sampling_result",                       \
      "Spans begun: contexts made, by what the sampler decided.")                                                      \
    X(SDK_SPAN_LIVE, "otel.sdk.span.live", UPDOWNCOUNTER, "{span}", "otel.span.sampling_result",                       \
      "Spans begun and not ended.")                                                                                    \
    X(SDK_QUEUE_SIZE, "otel.sdk.processor.span.queue.size", UPDOWNCOUNTER, "{span}",                                   \
      "otel.component.name, otel.component.type", "Spans that wait for the exporter.")                                 \
    X(SDK_QUEUE_CAPACITY, "otel.sdk.processor.span.queue.capacity", UPDOWNCOUNTER, "{span}",                           \
      "otel.component.name, otel.component.type", "How many spans can wait, if bounded by number.")                    \
    X(SDK_PROCESSED, "otel.sdk.processor.span.processed", COUNTER, "{span}",                                           \
      "otel.component.name, otel.component.type, error.type",                                                          \
      "Spans taken from the queue for export, or dropped before with error.type saying why.")                          \
    X(SDK_EXPORTER_INFLIGHT, "otel.sdk.exporter.span.inflight", UPDOWNCOUNTER, "{span}",                               \
      "otel.component.name, otel.component.type, server.address, server.port",                                         \
      "Spans sent and not answered, or waiting for a retry.")                                                          \
    X(SDK_EXPORTED, "otel.sdk.exporter.span.exported", COUNTER, "{span}",                                              \
      "otel.component.name, otel.component.type, server.address, server.port, error.type",                             \
      "Spans whose export ended; with error.type if it failed.")                                                       \
    X(SDK_POINTS_INFLIGHT, "otel.sdk.exporter.metric_data_point.inflight", UPDOWNCOUNTER, "{data_point}",              \
      "otel.component.name, otel.component.type, server.address, server.port",                                         \
      "Metric points sent and not answered, or waiting for a retry.")                                                  \
    X(SDK_POINTS_EXPORTED, "otel.sdk.exporter.metric_data_point.exported", COUNTER, "{data_point}",                    \
      "otel.component.name, otel.component.type, server.address, server.port, error.type",                             \
      "Metric points whose export ended; with error.type if it failed.")                                               \
    X(SDK_COLLECTION_DURATION, "otel.sdk.metric_reader.collection.duration", HISTOGRAM, "s",                           \
      "otel.component.name, otel.component.type", "How long collecting the metrics took.")                             \
    X(SDK_OPERATION_DURATION, "otel.sdk.exporter.operation.duration", HISTOGRAM, "s",                                  \
      "otel.component.name, otel.component.type, server.address, server.port, error.type, "                            \
      "http.response.status_code",                                                                                     \
      "How long exports took, with their retries.")

/* X(id, "key", type, "description") */
#define LOGCTX_SPAN_ATTRIBUTES(X)                                                                                      \
    X(NAME, "logctx.name", STRING, "This context's own name, such as GET-4711.")                                       \
    X(TYPE, "logctx.type", STRING, "Why it exists: request, background, nested, thread, callback.")                    \
    X(SERVER, "logctx.server", STRING, "Which of several servers in the process the work belongs to.")                 \
    X(CPU_TIME, "logctx.cpu.time", DOUBLE, "CPU seconds charged to the context itself.")                               \
    X(CPU_TIME_USER, "logctx.cpu.time.user", DOUBLE, "The user part; from 20 ms of CPU up.")                           \
    X(CPU_TIME_SYSTEM, "logctx.cpu.time.system", DOUBLE, "The system part; from 20 ms of CPU up.")                     \
    X(DB_TRANSACTIONS, "logctx.db.transactions", INT, "Database transactions.")                                        \
    X(DB_TIME, "logctx.db.time", DOUBLE, "Seconds in database transactions.")                                          \
    X(DB_WAIT_TIME, "logctx.db.wait_time", DOUBLE, "Seconds waiting for a database connection.")                       \
    X(DB_ROWS, "logctx.db.rows", INT, "Rows fetched.")                                                                 \
    X(TOTAL_CPU_TIME, "logctx.total.cpu.time", DOUBLE, "With children: CPU seconds.")                                  \
    X(TOTAL_DB_TRANSACTIONS, "logctx.total.db.transactions", INT, "With children: transactions.")                      \
    X(TOTAL_DB_TIME, "logctx.total.db.time", DOUBLE, "With children: seconds in transactions.")                        \
    X(TOTAL_DB_WAIT_TIME, "logctx.total.db.wait_time", DOUBLE, "With children: seconds waiting.")                      \
    X(TOTAL_DB_ROWS, "logctx.total.db.rows", INT, "With children: rows fetched.")                                      \
    X(SWITCHES, "logctx.switches", INT, "How often the context was made current.")                                     \
    X(RUNNING_TIME, "logctx.running.time", DOUBLE, "Seconds that it was current.")                                     \
    X(ERRORS, "logctx.errors", INT, "Transition errors that concern it; left out if none.")                            \
    X(SEGMENTS, "logctx.segments", STRING,                                                                             \
      "How the life went: offset_us+length_us:state, state run, pool (waiting for a connection) or txn; "              \
      "from 1 ms of life up and for any with an error.")                                                               \
    X(THREAD_ID, "thread.id", INT, "The kernel's id of the home thread.")

/* The event of a transition error, or the name of its zero-length span; and its attributes. X(id, "key", type, "description") */
#define LOGCTX_TRANSITION_EVENT "logctx.transition_error"
#define LOGCTX_EVENT_ATTRIBUTES(X)                                                                                     \
    X(KIND, "logctx.error.kind", STRING, "The kind of the error.")                                                     \
    X(MESSAGE, "logctx.error.message", STRING, "Its sentence.")                                                        \
    X(EXPECTED, "logctx.error.expected", STRING, "The context that should have been current.")                         \
    X(FOUND, "logctx.error.found", STRING, "The context that was.")                                                    \
    X(FOUND_BY, "logctx.error.found_by", STRING, "file:line (function) that noticed.")                                 \
    X(SET_BY, "logctx.error.set_by", STRING,                                                                           \
      "file:line (function) that made current what was found, or called the deferred.")                                \
    X(RECENT, "logctx.error.recent", STRING_ARRAY, "The thread's last switches, newest first.")                        \
    X(STACK, "code.stacktrace", STRING, "The stack; at most once a second for each place.")                            \
    X(AFFECTED, "logctx.name", STRING, "On a span of its own: the context that is affected.")

#endif
