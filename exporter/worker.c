/*
 * worker.c: what the thread `logctx-export` does: it fills the lanes from the queue and from collections, lets libcurl
 * work, and sleeps until the next thing is due or somebody wakes it. Everything here runs on that thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "exporter.h"
#include "metrics_self.h"

#include <logctx/log.h>

#include <inttypes.h>
#include <stdlib.h>

static int64_t now_ms(void)
{
    return (int64_t)(logctx__now_ns() / 1000000u);
}

void logctx__worker_wake(logctx_otlp_t *otlp)
{
    // Sequentially consistent, against the store in run(): whoever finds a wake-up pending has stored what it is for
    // before the thread looks again.
    if (!atomic_exchange(&otlp->wake_pending, true)) {
        logctx__http_wake(&otlp->http);
    }
}

uint64_t logctx__exporter_lost(logctx_otlp_t *otlp)
{
    struct logctx__queue_counts counts = {.taken = 0};
    if (otlp->queue != NULL) {
        logctx__queue_count(otlp->queue, &counts);
    }
    return logctx__books_lost(&otlp->books) + counts.dropped_full + counts.dropped_no_memory;
}

// Spans.

// A delay of 0 means "soon": the thread must not spin.
static int64_t batch_delay(const logctx_otlp_t *otlp)
{
    return otlp->options.schedule_delay_ms > 0 ? otlp->options.schedule_delay_ms : 1;
}

static void drop_span(logctx_otlp_t *otlp, logctx_drop_reason_t reason)
{
    logctx__books_drop(&otlp->books, LOGCTX__TRACES, reason, 1, 0);
    logctx__notice_dropped(&otlp->lanes[LOGCTX__TRACES].notice, reason, 1, NULL, NULL);
}

// Moves spans from the queue into the batch, as many as fit. Records go back to their threads some at a time.
static void fill_batch(logctx_otlp_t *otlp)
{
    logctx_record_t *done[32];
    size_t done_count = 0;
    logctx__span_batch_reset(&otlp->batch);
    while (otlp->batch.spans < (uint64_t)otlp->options.max_batch) {
        logctx_record_t *record = logctx__queue_front(otlp->queue);
        if (record == NULL) {
            break;
        }
        enum logctx__added added = logctx__span_batch_add(&otlp->batch, record);
        if (added == LOGCTX__BATCH_FULL) {
            break;
        }
        logctx__queue_pop(otlp->queue);
        done[done_count++] = record;
        if (done_count == sizeof done / sizeof done[0]) {
            logctx_record_unref_all(done, done_count);
            done_count = 0;
        }
        if (added == LOGCTX__SPAN_TOO_LARGE) {
            drop_span(otlp, LOGCTX_DROP_TOO_LARGE);
        } else if (added == LOGCTX__SPAN_NO_MEMORY) {
            drop_span(otlp, LOGCTX_DROP_NO_MEMORY);
        }
    }
    logctx_record_unref_all(done, done_count);
}

static void send_batch(logctx_otlp_t *otlp, int64_t now)
{
    fill_batch(otlp);
    logctx__queue_tidy(otlp->queue);
    otlp->next_batch_ms = now + batch_delay(otlp);
    uint64_t spans = otlp->batch.spans;
    if (spans == 0) {
        return;
    }
    size_t length = 0;
    const uint8_t *body = logctx__span_batch_finish(&otlp->batch, &length);
    logctx__books_take(&otlp->books, LOGCTX__TRACES, spans);
    if (body == NULL) {
        logctx__books_drop(&otlp->books, LOGCTX__TRACES, LOGCTX_DROP_NO_MEMORY, spans, spans);
        logctx__notice_dropped(&otlp->lanes[LOGCTX__TRACES].notice, LOGCTX_DROP_NO_MEMORY, spans, NULL, NULL);
        return;
    }
    logctx__lane_send(&otlp->lanes[LOGCTX__TRACES], body, length, spans, now);
}

// When the next batch is to be made; INT64_MAX while one is on its way.
static int64_t traces_due(logctx_otlp_t *otlp, int64_t now)
{
    const struct logctx__lane *lane = &otlp->lanes[LOGCTX__TRACES];
    if (otlp->queue == NULL || lane->state != LOGCTX__IDLE) {
        return INT64_MAX;
    }
    bool wanted = logctx__queue_is_ready(otlp->queue) ||
                  (otlp->round_runs && !otlp->round_traces_done && logctx__queue_has_marked(otlp->queue));
    int64_t due = wanted ? now : otlp->next_batch_ms;
    return due > lane->not_before_ms ? due : lane->not_before_ms;
}

// Metrics.

static void drop_collection(logctx_otlp_t *otlp, logctx_drop_reason_t reason, uint64_t points)
{
    logctx__books_drop(&otlp->books, LOGCTX__METRICS, reason, points, 0);
    logctx__notice_dropped(&otlp->lanes[LOGCTX__METRICS].notice, reason, points, NULL, NULL);
}

static void end_collection(logctx_otlp_t *otlp)
{
    logctx__metrics_free(&otlp->collection);
    otlp->collecting = false;
}

static void collect(logctx_otlp_t *otlp, int64_t now)
{
    uint64_t begin = logctx__now_ns();
    otlp->next_collection_ms = now + otlp->options.metric_interval_ms;
    otlp->round_wants_metrics = false;
    otlp->cursor = (struct logctx__metrics_cursor){.metric = 0};
    logctx__metrics_init(&otlp->collection, &otlp->series, otlp->options.exemplars);
    logctx_status_t status = logctx__metrics_add_core(&otlp->collection);
    logctx__metrics_add_process(&otlp->collection, otlp->process_start_unix_ns);
    logctx__metrics_add_self(&otlp->collection, &otlp->options, &otlp->books, otlp->queue, otlp->since_unix_ns);
    if (status == LOGCTX_OK) {
        status = logctx__metrics_add_app(&otlp->collection);
    }
    logctx__metrics_stamp(&otlp->collection);
    logctx__took_add(&otlp->books.collections, (double)(logctx__now_ns() - begin) / 1e9);
    otlp->collecting = true;
    if (status != LOGCTX_OK || otlp->collection.arena.failed) {
        drop_collection(otlp, LOGCTX_DROP_NO_MEMORY, logctx__metrics_points(&otlp->collection));
        end_collection(otlp);
    }
}

// The next request of the collection that is under way.
static void send_points(logctx_otlp_t *otlp, int64_t now)
{
    struct logctx__metrics_request request;
    enum logctx__packed packed = logctx__metrics_pack(&otlp->collection, otlp->resource.message,
                                                      (size_t)otlp->options.max_request_bytes, &otlp->cursor, &request);
    if (request.too_large != 0) {
        drop_collection(otlp, LOGCTX_DROP_TOO_LARGE, request.too_large);
    }
    if (packed == LOGCTX__PACK_NO_MEMORY) {
        drop_collection(otlp, LOGCTX_DROP_NO_MEMORY, request.points);
    }
    if (packed != LOGCTX__PACKED) {
        end_collection(otlp);
        return;
    }
    free(otlp->metrics_body);
    otlp->metrics_body = request.bytes;
    logctx__books_take(&otlp->books, LOGCTX__METRICS, request.points);
    logctx__lane_send(&otlp->lanes[LOGCTX__METRICS], request.bytes, request.length, request.points, now);
}

static int64_t metrics_due(logctx_otlp_t *otlp, int64_t now)
{
    const struct logctx__lane *lane = &otlp->lanes[LOGCTX__METRICS];
    if (otlp->options.signals[LOGCTX__METRICS].off || lane->state != LOGCTX__IDLE) {
        return INT64_MAX;
    }
    bool wanted = otlp->collecting || (otlp->round_runs && otlp->round_wants_metrics);
    int64_t due = wanted ? now : otlp->next_collection_ms;
    return due > lane->not_before_ms ? due : lane->not_before_ms;
}

static void feed_metrics(logctx_otlp_t *otlp, int64_t now)
{
    if (!otlp->collecting) {
        collect(otlp, now);
    }
    if (otlp->collecting) {
        send_points(otlp, now);
    }
}

// Rounds.

static void begin_round(logctx_otlp_t *otlp, int64_t now)
{
    if (otlp->round_runs || !logctx__round_begin(&otlp->rounds)) {
        return;
    }
    otlp->round_runs = true;
    otlp->round_traces_done = otlp->queue == NULL;
    otlp->round_metrics_done = otlp->options.signals[LOGCTX__METRICS].off;
    otlp->round_wants_metrics = !otlp->round_metrics_done;
    if (otlp->queue != NULL) {
        logctx__queue_mark(otlp->queue);
        logctx__lane_hurry(&otlp->lanes[LOGCTX__TRACES], now);
    }
    if (!otlp->round_metrics_done) {
        logctx__lane_hurry(&otlp->lanes[LOGCTX__METRICS], now);
    }
}

// Looked at whenever a lane may have become idle, and before it gets new work: else a busy one would never be seen
// idle.
static void end_round(logctx_otlp_t *otlp)
{
    if (!otlp->round_runs) {
        return;
    }
    if (!otlp->round_traces_done) {
        otlp->round_traces_done = otlp->lanes[LOGCTX__TRACES].state == LOGCTX__IDLE &&
                                  !logctx__queue_has_marked(otlp->queue);
    }
    if (!otlp->round_metrics_done) {
        otlp->round_metrics_done = otlp->lanes[LOGCTX__METRICS].state == LOGCTX__IDLE && !otlp->round_wants_metrics &&
                                   !otlp->collecting;
    }
    if (!otlp->round_traces_done || !otlp->round_metrics_done) {
        return;
    }
    uint64_t lost = logctx__exporter_lost(otlp);
    otlp->round_runs = false;
    logctx__round_finish(&otlp->rounds, lost == otlp->lost_before ? LOGCTX_OK : LOGCTX_E_IO);
    otlp->lost_before = lost;
}

// Callers that came while a round was running have a wake-up behind them: their round begins when that one ends.
static void serve_rounds(logctx_otlp_t *otlp)
{
    bool finished = true;
    while (finished) {
        begin_round(otlp, now_ms());
        bool ran = otlp->round_runs;
        end_round(otlp);
        finished = ran && !otlp->round_runs;
    }
}

// The loop.

static void watch_queue(logctx_otlp_t *otlp, bool accepted)
{
    if (otlp->queue != NULL) {
        struct logctx__queue_counts counts;
        logctx__queue_count(otlp->queue, &counts);
        logctx__notice_queue(&otlp->lanes[LOGCTX__TRACES].notice, counts.dropped_full, accepted);
    }
}

static void take_answers(logctx_otlp_t *otlp)
{
    struct logctx__answer answer;
    long connections = 0;
    struct logctx__request *request = NULL;
    logctx__http_perform(&otlp->http);
    while ((request = logctx__http_finished(&otlp->http, &answer, &connections)) != NULL) {
        int signal = request == &otlp->lanes[LOGCTX__TRACES].request ? LOGCTX__TRACES : LOGCTX__METRICS;
        logctx__books_connect(&otlp->books, connections > 0 ? (uint64_t)connections : 0);
        bool accepted = logctx__lane_answer(&otlp->lanes[signal], &answer, now_ms());
        if (signal == LOGCTX__TRACES) {
            otlp->next_batch_ms = now_ms() + batch_delay(otlp);
            watch_queue(otlp, accepted);
        }
    }
}

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_due(logctx_otlp_t *otlp, int64_t now)
{
    int64_t due = earliest(traces_due(otlp, now), metrics_due(otlp, now));
    for (int signal = 0; signal < LOGCTX__SIGNALS; signal++) {
        due = earliest(due, logctx__lane_due(&otlp->lanes[signal]));
    }
    return due;
}

static void turn(logctx_otlp_t *otlp)
{
    int64_t now = now_ms();
    serve_rounds(otlp);
    if (traces_due(otlp, now) <= now) {
        watch_queue(otlp, false);
        send_batch(otlp, now);
    }
    if (metrics_due(otlp, now) <= now) {
        feed_metrics(otlp, now);
    }
    for (int signal = 0; signal < LOGCTX__SIGNALS; signal++) {
        logctx__lane_tick(&otlp->lanes[signal], now);
    }
    take_answers(otlp);
    serve_rounds(otlp);
}

static void drop_rest(logctx_otlp_t *otlp)
{
    logctx__lane_abandon(&otlp->lanes[LOGCTX__TRACES]);
    logctx__lane_abandon(&otlp->lanes[LOGCTX__METRICS]);
    uint64_t spans = 0;
    for (logctx_record_t *record = NULL; otlp->queue != NULL; spans++) {
        record = logctx__queue_front(otlp->queue);
        if (record == NULL) {
            break;
        }
        logctx__queue_pop(otlp->queue);
        logctx_record_unref(record);
    }
    if (spans != 0) {
        logctx__books_drop(&otlp->books, LOGCTX__TRACES, LOGCTX_DROP_SHUTDOWN, spans, 0);
        logctx_log(LOGCTX_WARN, "%" PRIu64 " spans for %s were dropped: %s", spans,
                   otlp->options.signals[LOGCTX__TRACES].endpoint.shown, logctx__drop_sentence(LOGCTX_DROP_SHUTDOWN));
    }
    if (otlp->collecting) {
        end_collection(otlp);
    }
}

void logctx__worker_run(logctx_otlp_t *otlp)
{
    int64_t begin = now_ms();
    otlp->next_batch_ms = begin + batch_delay(otlp);
    otlp->next_collection_ms = begin + otlp->options.metric_interval_ms;
    while (!atomic_load(&otlp->stop)) {
        atomic_store(&otlp->wake_pending, false);
        turn(otlp);
        int64_t now = now_ms();
        int64_t due = next_due(otlp, now);
        if (due > now) {
            logctx__http_wait(&otlp->http, due == INT64_MAX ? INT64_MAX : due - now);
        }
    }
    drop_rest(otlp);
}
