/*
 * model_span.h: what a span has to say after what was set on it, by the documentation of logctx/trace.h and
 * logctx/runtime.h: which attributes stay, which are counted as dropped. As a protobuf-c message. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_MODEL_SPAN_H
#define LOGCTX_TESTS_MODEL_SPAN_H

#include "any_span.h"

#include <logctx/runtime.h>
#include <logctx/usage.h>

typedef Opentelemetry__Proto__Trace__V1__Span otlp_span_t;
typedef Opentelemetry__Proto__Trace__V1__Span__Event otlp_event_t;
typedef Opentelemetry__Proto__Trace__V1__Span__Link otlp_link_t;
typedef Opentelemetry__Proto__Trace__V1__Status otlp_status_t;

// One stretch of a life, in nanoseconds since its begin.
struct model_stretch {
    const char *state;
    uint64_t from;
    uint64_t to;
};

enum { MODEL_PARTS = 192, MODEL_STRETCHES = 14 };

struct model_span {
    struct any *any;
    const logctx_limits_t *limits;
    otlp_span_t message;
    otlp_status_t status;
    otlp_pair_t *attributes[MODEL_PARTS];
    otlp_event_t *events[MODEL_PARTS];
    otlp_link_t *links[MODEL_PARTS];
    size_t bytes; // of the attributes, events and links that are there, encoded
    struct model_stretch stretches[MODEL_STRETCHES];
    size_t stretch_count;
    logctx_usage_t own;
    logctx_usage_t total;
    unsigned switches;
    bool has_children;
};

void model_span_init(struct model_span *span, struct any *any, const logctx_limits_t *limits);

// Each returns what the library has to return.
logctx_status_t model_span_set(struct model_span *span, const struct any_attr *attr);
logctx_status_t model_span_event(struct model_span *span, uint64_t unix_ns, const struct any_text *name,
                                 const struct any_attr *attrs, size_t count);
logctx_status_t model_span_link(struct model_span *span, const logctx_span_context_t *to,
                                const struct any_text *tracestate, const struct any_attr *attrs, size_t count);
// `message` may be NULL.
void model_span_status(struct model_span *span, logctx_status_code_t code, const struct any_text *message);
void model_span_stretch(struct model_span *span, const char *state, uint64_t from, uint64_t to);

// What only the library sets. In the order in which it does.
struct model_identity {
    const char *name;
    const char *type;
    const char *server;
    int64_t thread_id;
};
void model_span_seal(struct model_span *span, const struct model_identity *identity);

#endif
