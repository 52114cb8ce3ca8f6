/*
 * metrics_self.c: process.cpu.time and otel.sdk.* as points. Runs on the exporter's thread; reads the books under their
 * lock, once for each signal, so that the numbers of one collection belong together.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "metrics_self.h"

#include <string.h>
#include <sys/resource.h>

static double to_seconds(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

void logctx__metrics_add_process(logctx__metrics_t *metrics, uint64_t start_unix_ns)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return;
    }
    struct logctx__labels user = {.count = 0};
    struct logctx__labels system = {.count = 0};
    logctx__label(metrics, &user, "cpu.mode", "user");
    logctx__label(metrics, &system, "cpu.mode", "system");
    logctx__point_double(metrics, LOGCTX__METRIC_PROCESS_CPU_TIME, &user, start_unix_ns, to_seconds(&usage.ru_utime));
    logctx__point_double(metrics, LOGCTX__METRIC_PROCESS_CPU_TIME, &system, start_unix_ns, to_seconds(&usage.ru_stime));
}

struct self {
    logctx__metrics_t *metrics;
    const struct logctx__options *options;
    struct logctx__books *books;
    uint64_t since;
};

static struct logctx__labels component(struct self *self, const char *name, const char *type)
{
    struct logctx__labels labels = {.count = 0};
    logctx__label(self->metrics, &labels, "otel.component.name", name);
    logctx__label(self->metrics, &labels, "otel.component.type", type);
    return labels;
}

static struct logctx__labels exporter_labels(struct self *self, enum logctx__signal signal)
{
    const struct logctx__endpoint *endpoint = &self->options->signals[signal].endpoint;
    struct logctx__labels labels = signal == LOGCTX__TRACES
                                       ? component(self, "otlp_http_span_exporter/0", "otlp_http_span_exporter")
                                       : component(self, "otlp_http_metric_exporter/0", "otlp_http_metric_exporter");
    logctx__label(self->metrics, &labels, "server.address", endpoint->host);
    logctx__label_int(self->metrics, &labels, "server.port", endpoint->port);
    return labels;
}

static void add_failed(struct self *self, enum logctx__metric_id id, struct logctx__labels labels,
                       const char *error_type, uint64_t value)
{
    if (value != 0) {
        logctx__label(self->metrics, &labels, "error.type", error_type);
        logctx__point_int(self->metrics, id, &labels, self->since, value);
    }
}

// Spans of the core: contexts, and the zero-length spans of their errors.
static void add_spans(struct self *self)
{
    logctx_books_t core = {.created = 0};
    logctx_get_books(&core);
    struct logctx__labels sampled = {.count = 0};
    struct logctx__labels dropped = {.count = 0};
    logctx__label(self->metrics, &sampled, "otel.span.sampling_result", "RECORD_AND_SAMPLE");
    logctx__label(self->metrics, &dropped, "otel.span.sampling_result", "DROP");
    uint64_t since = logctx_start_unix_ns();
    logctx__point_int(self->metrics, LOGCTX__METRIC_SDK_SPAN_STARTED, &sampled, since,
                      core.created_sampled + core.error_spans);
    logctx__point_int(self->metrics, LOGCTX__METRIC_SDK_SPAN_STARTED, &dropped, since,
                      core.created - core.created_sampled);
    logctx__point_int(self->metrics, LOGCTX__METRIC_SDK_SPAN_LIVE, &sampled, since, core.live_sampled);
    // Dropped before there was a record to queue.
    struct logctx__labels labels = component(self, "batching_span_processor/0", "batching_span_processor");
    add_failed(self, LOGCTX__METRIC_SDK_PROCESSED, labels, "live_limit", core.dropped_live_limit);
    add_failed(self, LOGCTX__METRIC_SDK_PROCESSED, labels, "no_memory_for_record", core.dropped_no_memory);
    add_failed(self, LOGCTX__METRIC_SDK_PROCESSED, labels, "no_memory_for_context", core.refused_no_memory);
}

static void add_queue(struct self *self, struct logctx__queue *queue)
{
    struct logctx__queue_counts counts;
    struct logctx__labels labels = component(self, "batching_span_processor/0", "batching_span_processor");
    logctx__queue_count(queue, &counts);
    uint64_t gone = counts.waiting + counts.dropped_full + counts.dropped_no_memory;
    uint64_t processed = counts.taken > gone ? counts.taken - gone : 0;
    logctx__point_int(self->metrics, LOGCTX__METRIC_SDK_QUEUE_SIZE, &labels, self->since, counts.waiting);
    if (self->options->max_queue != 0) {
        logctx__point_int(self->metrics, LOGCTX__METRIC_SDK_QUEUE_CAPACITY, &labels, self->since,
                          (uint64_t)self->options->max_queue);
    }
    logctx__point_int(self->metrics, LOGCTX__METRIC_SDK_PROCESSED, &labels, self->since, processed);
    add_failed(self, LOGCTX__METRIC_SDK_PROCESSED, labels, logctx__drop_name(LOGCTX_DROP_QUEUE_FULL),
               counts.dropped_full);
    add_failed(self, LOGCTX__METRIC_SDK_PROCESSED, labels, logctx__drop_name(LOGCTX_DROP_NO_MEMORY),
               counts.dropped_no_memory);
}

static void add_exporter(struct self *self, enum logctx__signal signal)
{
    bool traces = signal == LOGCTX__TRACES;
    enum logctx__metric_id inflight = traces ? LOGCTX__METRIC_SDK_EXPORTER_INFLIGHT
                                             : LOGCTX__METRIC_SDK_POINTS_INFLIGHT;
    enum logctx__metric_id exported = traces ? LOGCTX__METRIC_SDK_EXPORTED : LOGCTX__METRIC_SDK_POINTS_EXPORTED;
    struct logctx__tally tally = logctx__books_tally(self->books, signal);
    struct logctx__labels labels = exporter_labels(self, signal);
    logctx__point_int(self->metrics, inflight, &labels, self->since, tally.in_flight);
    logctx__point_int(self->metrics, exported, &labels, self->since, tally.exported);
    add_failed(self, exported, labels, "rejected", tally.rejected);
    for (int reason = 0; reason < LOGCTX_DROP_COUNT; reason++) {
        add_failed(self, exported, labels, logctx__drop_name((logctx_drop_reason_t)reason), tally.dropped[reason]);
    }
}

static void add_operations(struct self *self, enum logctx__signal signal)
{
    for (size_t i = 0; i < self->books->took_count[signal]; i++) {
        const struct logctx__took *took = &self->books->took[signal][i];
        struct logctx__labels labels = exporter_labels(self, signal);
        if (took->error_type[0] != '\0') {
            logctx__label(self->metrics, &labels, "error.type", took->error_type);
        }
        if (took->status != 0) {
            logctx__label_int(self->metrics, &labels, "http.response.status_code", took->status);
        }
        logctx__point_summary(self->metrics, LOGCTX__METRIC_SDK_OPERATION_DURATION, &labels, self->since, took->count,
                              took->sum, took->min, took->max);
    }
}

static void add_collections(struct self *self)
{
    const struct logctx__took *took = &self->books->collections;
    if (took->count == 0) {
        return;
    }
    struct logctx__labels labels = component(self, "periodic_metric_reader/0", "periodic_metric_reader");
    logctx__point_summary(self->metrics, LOGCTX__METRIC_SDK_COLLECTION_DURATION, &labels, self->since, took->count,
                          took->sum, took->min, took->max);
}

void logctx__metrics_add_self(logctx__metrics_t *metrics, const struct logctx__options *options,
                              struct logctx__books *books, struct logctx__queue *queue, uint64_t since)
{
    struct self self = {.metrics = metrics, .options = options, .books = books, .since = since};
    add_spans(&self);
    if (queue != NULL) {
        add_queue(&self, queue);
        add_exporter(&self, LOGCTX__TRACES);
        add_operations(&self, LOGCTX__TRACES);
    }
    add_exporter(&self, LOGCTX__METRICS);
    add_operations(&self, LOGCTX__METRICS);
    add_collections(&self);
}
