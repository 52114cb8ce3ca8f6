/*
 * options.h: the exporter's settings as they result from code, environment and defaults. One table says which
 * variable fills which field; a signal's own variable goes before the general one, and code before both.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_OPTIONS_H
#define LOGCTX_EXPORTER_OPTIONS_H

#include "arena.h"
#include "endpoint.h"

#include <logctx/otlp.h>
#include <logctx/runtime.h>

enum logctx__signal { LOGCTX__TRACES, LOGCTX__METRICS, LOGCTX__SIGNALS };

/*
 * Numbers. X(field, "variable" or NULL, TYPE, lowest, highest, default); the field has that name in logctx_otlp_opts_t
 * too. Types as in OpenTelemetry's configuration/common.md. max_queue 0: bounded by bytes alone.
 */
#define LOGCTX__NUMBERS(X)                                                                                             \
    X(schedule_delay_ms, "OTEL_BSP_SCHEDULE_DELAY", DURATION, 0, INT32_MAX, 5000)                                      \
    X(max_batch, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", INTEGER, 1, 1 << 20, 512)                                           \
    X(max_queue, "OTEL_BSP_MAX_QUEUE_SIZE", INTEGER, 1, 1 << 23, 0)                                                    \
    X(metric_interval_ms, "OTEL_METRIC_EXPORT_INTERVAL", DURATION, 1, INT32_MAX, 60000)                                \
    X(max_queue_bytes, NULL, INTEGER, 4096, (int64_t)1 << 36, 16 << 20)                                                \
    X(max_request_bytes, NULL, INTEGER, 1024, (int64_t)1 << 31, 64 << 20)                                              \
    X(max_response_bytes, NULL, INTEGER, 1, (int64_t)1 << 31, 4 << 20)                                                 \
    X(retry_initial_ms, NULL, DURATION, 1, INT32_MAX, 1000)                                                            \
    X(retry_max_ms, NULL, DURATION, 1, INT32_MAX, 30000)                                                               \
    X(retry_elapsed_ms, NULL, DURATION, 1, INT32_MAX, 300000)

// Limits of a span: its own variable goes before the general one. X(field of logctx_limits_t, "variable", "general"
// or NULL)
#define LOGCTX__LIMITS(X)                                                                                              \
    X(attributes, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT")                                     \
    X(attribute_value_length, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")           \
    X(events, "OTEL_SPAN_EVENT_COUNT_LIMIT", NULL)                                                                     \
    X(links, "OTEL_SPAN_LINK_COUNT_LIMIT", NULL)                                                                       \
    X(attributes_per_event, "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", NULL)                                                  \
    X(attributes_per_link, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", NULL)

/*
 * Variables that are read to say that they have no effect, unless their value is the one that holds anyway.
 * X("variable", "value that holds anyway" or NULL)
 */
#define LOGCTX__UNSUPPORTED(X)                                                                                         \
    X("OTEL_PROPAGATORS", "tracecontext,baggage")                                                                      \
    X("OTEL_TRACES_SAMPLER_ARG", NULL)                                                                                 \
    X("OTEL_LOG_LEVEL", "info")                                                                                        \
    X("OTEL_CONFIG_FILE", NULL)                                                                                        \
    X("OTEL_BSP_EXPORT_TIMEOUT", "30000")                                                                              \
    X("OTEL_METRIC_EXPORT_TIMEOUT", "30000")                                                                           \
    X("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative")                                               \
    X("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "explicit_bucket_histogram")                         \
    X("OTEL_EXPORTER_OTLP_CERTIFICATE", NULL)                                                                          \
    X("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", NULL)                                                                   \
    X("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", NULL)                                                                  \
    X("OTEL_EXPORTER_OTLP_CLIENT_KEY", NULL)                                                                           \
    X("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", NULL)                                                                    \
    X("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", NULL)                                                                   \
    X("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", NULL)                                                                   \
    X("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", NULL)                                                            \
    X("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE", NULL)

// What differs by signal.
struct logctx__signal_options {
    bool off;
    bool gzip;
    int64_t timeout_ms; // 0: none
    struct logctx__endpoint endpoint;
    const char **headers; // "Name: value", in the arena
    size_t header_count;
};

struct logctx__options {
    struct logctx__arena arena; // of the strings
    struct logctx__signal_options signals[LOGCTX__SIGNALS];
#define LOGCTX_X(field, variable, type, low, high, fallback) int64_t field;
    LOGCTX__NUMBERS(LOGCTX_X)
#undef LOGCTX_X
    bool disabled;        // OTEL_SDK_DISABLED
    bool exemplars;       // OTEL_METRICS_EXEMPLAR_FILTER is not always_off
    bool process_context; // LOGCTX_PROCESS_CONTEXT is not off
    bool has_sampler;     // OTEL_TRACES_SAMPLER names one that there is
    bool has_limits;      // at least one limit is set
    logctx_sampler_t sampler;
    logctx_limits_t limits;
};

// The environment, so that tests bring their own: the value of a variable, or NULL.
typedef const char *logctx__getenv_t(void *user, const char *name);

// One variable: its value, or NULL if it is unset or empty.
struct logctx__environment {
    logctx__getenv_t *get;
    void *user;
};

const char *logctx__environment_get(const struct logctx__environment *env, const char *name);
struct logctx__environment logctx__environment_process(void);

// LOGCTX_OK, LOGCTX_E_CONFIG (after a log line) or LOGCTX_E_NO_MEMORY. To be freed in each case. `opts` may be NULL.
logctx_status_t logctx__options_read(struct logctx__options *out, const logctx_otlp_opts_t *opts,
                                     const struct logctx__environment *env);
// A caller's struct as this version knows it; `from` may be NULL. False, after a log line, without a struct_size.
bool logctx__options_copy(logctx_otlp_opts_t *to, const logctx_otlp_opts_t *from);
void logctx__options_free(struct logctx__options *options);

// Gives the sampler and the limits that the environment asks for to the core.
void logctx__options_apply(const struct logctx__options *options);

#endif
