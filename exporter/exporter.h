/*
 * exporter.h: the exporter as its files share it: the handle that the application holds and the thread works for.
 *
 * Who owns what: the application's threads use `queue` (push), `books` (under its lock), `rounds`, and the atomics; all
 * other fields are written before the thread starts and are the thread's until it ends. The handle is freed with its
 * last reference: the application's or the thread's, for a thread that hangs is left to itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_EXPORTER_H
#define LOGCTX_EXPORTER_EXPORTER_H

#include "books.h"
#include "encode_span.h"
#include "http.h"
#include "lane.h"
#include "metrics.h"
#include "options.h"
#include "resource.h"
#include "ring.h"
#include "round.h"

#include <logctx/otlp.h>

#include <pthread.h>
#include <stdatomic.h>

struct logctx_otlp {
    _Atomic unsigned references;
    uint32_t generation; // of fork: in a child the handle is inert
    bool started;        // there is a thread; false if the export is switched off
    pthread_t thread;
    _Atomic bool stop;         // set once; relaxed, the wake-up behind it orders
    _Atomic bool wake_pending; // a wake-up is on its way: others may be saved

    struct logctx__options options;
    struct logctx__resource resource;
    logctx_sink_t sink;
    struct logctx__queue *queue; // NULL: no spans
    struct logctx__books books;
    struct logctx__rounds rounds;
    struct logctx__http http;

    // The thread's.
    struct logctx__lane lanes[LOGCTX__SIGNALS];
    struct logctx__span_batch batch;
    struct logctx__series_memory series;
    uint64_t since_unix_ns;         // when it began to count
    uint64_t process_start_unix_ns; // for process.cpu.time
    int64_t next_batch_ms;
    int64_t next_collection_ms;
    logctx_otlp_metrics_t collection;
    bool collecting; // there is a collection, of which not all is sent
    struct logctx__metrics_cursor cursor;
    uint8_t *metrics_body; // in the metrics lane

    // The round under way.
    bool round_runs;
    bool round_traces_done;
    bool round_metrics_done;
    bool round_wants_metrics;
    uint64_t lost_before; // at the end of the last round
};

// Sends until `stop` is set, then drops what is left. Frees what only the thread uses.
void logctx__worker_run(logctx_otlp_t *otlp);
// Any thread: something is to be done before the next time is due.
void logctx__worker_wake(logctx_otlp_t *otlp);
// Everything that was lost so far, on the way to the queue or behind it.
uint64_t logctx__exporter_lost(logctx_otlp_t *otlp);

#endif
