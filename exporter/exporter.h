/*
 * exporter.h: the exporter as its files share it: the handle that the application holds and the thread works for.
 *
 * Who owns what: the application's threads use `queue` (push), `books` (under its lock), `rounds`, and the atomics; all
 * other fields are written before the thread starts and are the thread's until it ends. The handle is freed with its
 * last reference: the application's or the thread's, for a thread that hangs is left to itself.
 *
 * In a child of fork the handle is inert until its first context ends; then everything from `anew` on is made again
 * (inherit.c).
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
    _Atomic uint32_t generation; // of fork: another one than the process's: inert. Release, when all else is made
    bool started;                // there is a thread; false if the export is switched off
    struct logctx__options options;
    logctx_sink_t sink;
    _Atomic bool telltale;            // the sink was added by a child, to be told of the first context that ends
    _Atomic uint64_t lost_generation; // generation + 1 of a child in which it could not be made again
    _Atomic uint64_t lost;            // spans that were dropped there for that
    struct logctx_otlp *left_behind;  // older memory of parents, never used again

    struct {
        bool by_thread; // the thread makes the sender itself
    } anew;
    pthread_t thread;
    _Atomic bool stop;         // set once; relaxed, the wake-up behind it orders
    _Atomic bool wake_pending; // a wake-up is on its way: others may be saved
    struct logctx__resource resource;
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
    logctx__metrics_t collection;
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

// Parts of a start, for inherit.c.
bool logctx__exporter_make_queue(logctx_otlp_t *otlp);
bool logctx__exporter_start_thread(logctx_otlp_t *otlp);
// Whether the one exporter of the parent was this one, and this process has none yet: then it is this process's.
bool logctx__exporter_claim_inherited(const logctx_otlp_t *otlp);
void logctx__exporter_disclaim(void);

// inherit.c: in a child of fork. Whether the handle is the parent's still; make it this process's; whether that failed.
bool logctx__inherit_is_inert(const logctx_otlp_t *otlp);
bool logctx__inherit_again(logctx_otlp_t *otlp);
bool logctx__inherit_has_failed(const logctx_otlp_t *otlp);
// The handle ends without having been made again.
void logctx__inherit_leave(logctx_otlp_t *otlp);
// An exporter without a sink begins, and ends.
void logctx__inherit_watch(logctx_otlp_t *otlp);
void logctx__inherit_forget(logctx_otlp_t *otlp);

// Sends until `stop` is set, then drops what is left. Frees what only the thread uses.
void logctx__worker_run(logctx_otlp_t *otlp);
// Any thread: something is to be done before the next time is due.
void logctx__worker_wake(logctx_otlp_t *otlp);
// Everything that was lost so far, on the way to the queue or behind it.
uint64_t logctx__exporter_lost(logctx_otlp_t *otlp);

#endif
