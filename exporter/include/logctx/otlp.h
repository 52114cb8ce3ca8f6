/*
 * logctx/otlp.h: sends ended contexts as spans, and their sums as metrics, to an OTLP/HTTP endpoint.
 *
 * One thread (`logctx-export`) does everything: it takes sealed spans from a ring of each application thread, encodes,
 * compresses, sends and retries. It blocks no application thread; memory is bounded; what is dropped is counted by
 * reason, and said once per change of state through the host's logger.
 *
 * Unless a function says otherwise it may be called on any thread and leaves the current context as it was.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_OTLP_H
#define LOGCTX_OTLP_H

#include <logctx/collect.h>
#include <logctx/trace.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct logctx_otlp logctx_otlp_t;

typedef enum logctx_compression {
    LOGCTX_COMPRESSION_DEFAULT = 0, /* gzip */
    LOGCTX_COMPRESSION_NONE = 1,
    LOGCTX_COMPRESSION_GZIP = 2
} logctx_compression_t;

/*
 * Settings. A field that is NULL or 0 takes the environment variable beside it (the signal's own before the general
 * one), and without one its default. What is set here wins. A wrong value in the environment is reported by a log line
 * and ignored; a wrong value here makes logctx_otlp_start() fail with LOGCTX_E_CONFIG and a log line.
 */
typedef struct logctx_otlp_opts {
    size_t struct_size;

    const char *service_name;      /* OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES; unknown_service:<executable> */
    const char *service_version;   /* OTEL_RESOURCE_ATTRIBUTES */
    const logctx_attr_t *resource; /* more resource attributes; win over the environment's */
    size_t resource_count;

    const char *endpoint;             /* base URL; OTEL_EXPORTER_OTLP_ENDPOINT; http://localhost:4318 */
    const char *traces_endpoint;      /* full URL; OTEL_EXPORTER_OTLP_TRACES_ENDPOINT; <endpoint>/v1/traces */
    const char *metrics_endpoint;     /* full URL; OTEL_EXPORTER_OTLP_METRICS_ENDPOINT; <endpoint>/v1/metrics */
    const char *headers;              /* "k=v,k=v", percent-encoded; OTEL_EXPORTER_OTLP_[TRACES_|METRICS_]HEADERS */
    logctx_compression_t compression; /* OTEL_EXPORTER_OTLP_[..]COMPRESSION; gzip */
    int64_t timeout_ms; /* one request with its answer; OTEL_EXPORTER_OTLP_[..]TIMEOUT (0: none); 10,000 */

    int64_t schedule_delay_ms;  /* between span batches; OTEL_BSP_SCHEDULE_DELAY; 5,000 */
    uint32_t max_batch;         /* spans in a request; OTEL_BSP_MAX_EXPORT_BATCH_SIZE; 512 */
    uint32_t max_queue;         /* spans waiting; OTEL_BSP_MAX_QUEUE_SIZE; bounded by bytes alone */
    size_t max_queue_bytes;     /* bytes of spans waiting; 16 MiB */
    int64_t metric_interval_ms; /* OTEL_METRIC_EXPORT_INTERVAL; 60,000 */
    size_t max_request_bytes;   /* uncompressed; 64 MiB; larger ones are split, or dropped and counted */
    size_t max_response_bytes;  /* 4 MiB */
    int64_t retry_initial_ms;   /* first wait before a retry; 1,000; grows 1.5 times, with jitter of half */
    int64_t retry_max_ms;       /* longest wait; 30,000 */
    int64_t retry_elapsed_ms;   /* give a batch up after so long; 300,000; also the longest Retry-After that is kept */
    bool traces_off;            /* OTEL_TRACES_EXPORTER=none */
    bool metrics_off;           /* OTEL_METRICS_EXPORTER=none */
} logctx_otlp_opts_t;

/*
 * Start exporting what the library measures and what the application does (logctx/metrics.h): adds a sink and starts the thread (all signals blocked in it). OTEL_SDK_DISABLED=true makes this
 * succeed and export nothing. At most one exporter in a process. OTEL_TRACES_SAMPLER and the variables of span
 * limits are given to the core here, if they are set: call logctx_set_sampler() and logctx_set_limits() afterwards
 * to win. Returns it in *out. Errors: LOGCTX_E_CONFIG, LOGCTX_E_NO_MEMORY, LOGCTX_E_STATE if one is running.
 *
 * In a child of fork() the handle goes on: at the first context that ends there, or the first flush, it gets a thread,
 * connections and a `service.instance.id` of its own (also if one was given, which is the parent's), and its books begin
 * at 0. What the parent had queued the parent sends, and only the parent; its connections are closed in the child by their
 * descriptors. A child that ends no context makes nothing. A child may start an exporter of its own instead, before its
 * first context ends: then the inherited handle does nothing there.
 */
LOGCTX_API logctx_status_t logctx_otlp_start(const logctx_otlp_opts_t *opts, logctx_otlp_t **out);

/*
 * Send everything that ended before the call, and one collection of metrics, and wait for the answers, at most
 * `deadline_ms`. Blocks the caller. Returns LOGCTX_OK when all was accepted, LOGCTX_E_TIMEOUT at the deadline (the
 * rest stays queued and goes on being sent), LOGCTX_E_IO when something was dropped or refused since the last flush,
 * LOGCTX_E_STATE on the exporter's own thread, and in a child of fork() that has an exporter of its own or no thread to
 * be had for this one. A batch that waits for its next attempt is
 * tried at once, unless the endpoint has asked to wait.
 */
LOGCTX_API logctx_status_t logctx_otlp_flush(logctx_otlp_t *otlp, int64_t deadline_ms);

/*
 * Report contexts that are still unfinished, flush, stop the thread, free everything. Takes at most `deadline_ms`, also
 * when the endpoint or the name server hangs: then what is left is counted as dropped{reason=shutdown} and the thread
 * cleans up behind itself when it can. NULL is accepted. The handle is gone afterwards. Not from a sink or hook.
 * In a child of fork() it ends the child's part, without waiting if no context has ended there; the parent's goes on.
 * Returns as logctx_otlp_flush(). LOGCTX_E_STATE: wrong place, and nothing was done.
 */
LOGCTX_API logctx_status_t logctx_otlp_shutdown(logctx_otlp_t *otlp, int64_t deadline_ms);

/* Why spans were dropped. X(ID, "error.type", sentence) */
#define LOGCTX_DROP_REASONS(X)                                                                                         \
    X(QUEUE_FULL, "queue_full", "the queue was full: the endpoint is too slow or away")                                \
    X(REJECTED_BY_STATUS, "http_error", "the endpoint refused the request for good")                                   \
    X(RETRY_EXHAUSTED, "retry_exhausted", "retrying was given up")                                                     \
    X(TOO_LARGE, "too_large", "a request or a response was over its size limit")                                       \
    X(BAD_RESPONSE, "bad_response", "the endpoint's answer could not be read")                                         \
    X(NO_MEMORY, "no_memory", "no memory for a batch")                                                                 \
    X(SHUTDOWN, "already_shutdown", "the program ended before it could be sent")

typedef enum logctx_drop_reason {
#define LOGCTX_X(id, text, sentence) LOGCTX_DROP_##id,
    LOGCTX_DROP_REASONS(LOGCTX_X)
#undef LOGCTX_X
        LOGCTX_DROP_COUNT
} logctx_drop_reason_t;

/*
 * The exporter's side of the books. Every span that a sink was given is in exactly one place:
 * taken = exported + rejected + queued + in_flight + spooled + sum(dropped).
 */
typedef struct logctx_otlp_books {
    size_t struct_size; /* set by the caller: sizeof(logctx_otlp_books_t) */
    uint64_t taken;     /* spans handed over by the core, zero-length error spans among them */
    uint64_t exported;  /* accepted by the endpoint */
    uint64_t rejected;  /* refused in a partial success */
    uint64_t queued;
    uint64_t in_flight;
    uint64_t spooled; /* on disk: 0 in this version */
    uint64_t dropped[LOGCTX_DROP_COUNT];
    uint64_t requests; /* sent, retries included */
    uint64_t retries;
    uint64_t points_exported; /* metric data points accepted */
    uint64_t points_rejected;
    uint64_t points_dropped;
    uint64_t connections; /* TCP connections opened */
} logctx_otlp_books_t;

LOGCTX_API void logctx_otlp_get_books(logctx_otlp_t *otlp, logctx_otlp_books_t *books);

/*
 * The second sink: OTLP/JSON lines (OpenTelemetry file exporter): one file with spans (TracesData), one with metrics
 * (MetricsData), either may be NULL. Files are made with mode 0600 and appended to.
 */
typedef struct logctx_otlp_file logctx_otlp_file_t;

typedef struct logctx_otlp_file_opts {
    size_t struct_size;
    const char *traces_path;
    const char *metrics_path;
    const char *service_name; /* as in logctx_otlp_opts_t */
    const char *service_version;
    const logctx_attr_t *resource;
    size_t resource_count;
    size_t max_queue_bytes; /* 16 MiB */
} logctx_otlp_file_opts_t;

/*
 * Open the files and add a sink; a thread of its own (`logctx-file`) writes, metrics once a minute. Errors: LOGCTX_E_IO
 * and a log line that names the path, LOGCTX_E_INVALID, LOGCTX_E_NO_MEMORY.
 * logctx_otlp_file_flush() writes all that ended before and one collection of metrics, and returns LOGCTX_E_IO if
 * something was lost since the last one; close flushes and ends it. Both wait for the disk. In a child of fork() the handle
 * is inert, for two processes must not write one file: both return LOGCTX_E_STATE at once.
 */
LOGCTX_API logctx_status_t logctx_otlp_file_open(const logctx_otlp_file_opts_t *opts, logctx_otlp_file_t **out);
LOGCTX_API logctx_status_t logctx_otlp_file_flush(logctx_otlp_file_t *file);
LOGCTX_API logctx_status_t logctx_otlp_file_close(logctx_otlp_file_t *file);

#ifdef __cplusplus
}
#endif
#endif
