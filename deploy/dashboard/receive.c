// SPDX-License-Identifier: Apache-2.0
// Decodes a body within its memory limit and hands the message to ingestion. No state of its own.

#include "receive.h"

#include <stdio.h>

#include "ingest.h"
#include "otlp_decode.h"
#include "otlp_json_read.h"

static ProtobufCMessage *decode(enum signal_kind signal, enum encoding encoding, const uint8_t *bytes, size_t length,
                                struct logctx__budget *budget, struct outcome *outcome)
{
    const ProtobufCMessageDescriptor *type =
        signal == SIGNAL_TRACES
            ? &opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor
            : &opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor;
    char why[SENTENCE_SIZE - 96] = "";
    ProtobufCMessage *message =
        encoding == ENCODING_JSON
            ? logctx__otlp_json_read(type, (const char *)bytes, length, &budget->allocator, why, sizeof why)
            : logctx__otlp_decode(type, bytes, length, &budget->allocator, why, sizeof why);
    if (message != NULL)
        return message;
    outcome->status = budget->exceeded ? 413 : 400;
    snprintf(outcome->sentence, sizeof outcome->sentence, "%s",
             budget->exceeded ? "The request holds more objects than this server has memory for; send smaller batches."
                              : why);
    return NULL;
}

static void report(const struct ingested *ingested, enum signal_kind signal, struct outcome *outcome)
{
    *outcome = (struct outcome){.status = 200, .rejected = ingested->rejected};
    const char *what = signal == SIGNAL_TRACES ? "span" : "point";
    if (ingested->rejected > 0)
        snprintf(outcome->sentence, sizeof outcome->sentence, "%lld %s%s refused; the first: %s.",
                 (long long)ingested->rejected, what, ingested->rejected == 1 ? " was" : "s were", ingested->first);
}

bool receive(struct store *store, enum signal_kind signal, enum encoding encoding, const uint8_t *bytes, size_t length,
             size_t memory_limit, struct outcome *outcome)
{
    struct logctx__budget budget;
    logctx__budget_init(&budget, memory_limit);
    *outcome = (struct outcome){0};
    ProtobufCMessage *message = decode(signal, encoding, bytes, length, &budget, outcome);
    if (message == NULL)
        return true;
    struct ingested ingested;
    bool stored = signal == SIGNAL_TRACES ? ingest_traces(store, (const trace_request_t *)message, &ingested)
                                          : ingest_metrics(store, (const metrics_request_t *)message, &ingested);
    protobuf_c_message_free_unpacked(message, &budget.allocator);
    if (stored)
        report(&ingested, signal, outcome);
    return stored;
}

void receive_store_failed(const struct store *store, struct outcome *outcome)
{
    bool again = !store_refused_rows(store);
    *outcome = (struct outcome){.status = again ? 503 : 500, .retry_after = again ? 5 : 0};
    snprintf(outcome->sentence, sizeof outcome->sentence, "The store could not take the request (%s); %s.",
             store_why(store), again ? "nothing of it was kept, send it again" : "it would refuse it again, too");
}
