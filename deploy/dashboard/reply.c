// SPDX-License-Identifier: Apache-2.0
// Builds the answers of the receiver. No state; any thread.

#include "reply.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clean.h"
#include "google/rpc/status.pb-c.h"
#include "opentelemetry/proto/collector/metrics/v1/metrics_service.pb-c.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "otlp_json.h"

// Six bytes of JSON for each byte of a sentence, and the frame.
enum { REPLY_LIMIT = 6 * SENTENCE_SIZE + 256 };

static void pack_protobuf(struct reply *reply, const ProtobufCMessage *message)
{
    size_t length = protobuf_c_message_get_packed_size(message);
    reply->bytes = length > 0 ? malloc(length) : NULL;
    if (reply->bytes != NULL)
        reply->length = protobuf_c_message_pack(message, (uint8_t *)reply->bytes);
}

static void pack_json(struct reply *reply, const ProtobufCMessage *message)
{
    struct logctx__text text;
    logctx__text_init(&text, REPLY_LIMIT);
    if (logctx__otlp_json_print(message, &text)) {
        reply->bytes = text.bytes;
        reply->length = text.length;
    } else {
        logctx__text_free(&text);
    }
}

static void pack_text(struct reply *reply, const char *sentence)
{
    size_t length = strlen(sentence);
    reply->bytes = malloc(length + 1);
    if (reply->bytes == NULL)
        return;
    memcpy(reply->bytes, sentence, length);
    reply->bytes[length] = '\n';
    reply->length = length + 1;
}

static void pack(struct reply *reply, enum encoding encoding, const ProtobufCMessage *message, const char *sentence)
{
    static const char *const types[] = {
        [ENCODING_PROTOBUF] = "application/x-protobuf",
        [ENCODING_JSON] = "application/json",
        [ENCODING_UNKNOWN] = "text/plain; charset=utf-8",
    };
    reply->content_type = types[encoding];
    if (encoding == ENCODING_PROTOBUF)
        pack_protobuf(reply, message);
    else if (encoding == ENCODING_JSON)
        pack_json(reply, message);
    else
        pack_text(reply, sentence);
}

// OTLP gives the code of an error no meaning; these are what gRPC would call them.
static int32_t rpc_code(unsigned status)
{
    switch (status) {
    case 400:
    case 413:
    case 415:
        return 3;
    case 403:
        return 7;
    case 404:
    case 405:
        return 12;
    case 429:
        return 8;
    case 503:
        return 14;
    default:
        return 13;
    }
}

static void pack_error(struct reply *reply, const struct outcome *outcome, enum encoding encoding)
{
    Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
    status.code = rpc_code(outcome->status);
    status.message = (char *)outcome->sentence;
    pack(reply, encoding, &status.base, outcome->sentence);
}

static void pack_traces(struct reply *reply, const struct outcome *outcome, enum encoding encoding)
{
    Opentelemetry__Proto__Collector__Trace__V1__ExportTracePartialSuccess partial =
        OPENTELEMETRY__PROTO__COLLECTOR__TRACE__V1__EXPORT_TRACE_PARTIAL_SUCCESS__INIT;
    Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceResponse response =
        OPENTELEMETRY__PROTO__COLLECTOR__TRACE__V1__EXPORT_TRACE_SERVICE_RESPONSE__INIT;
    partial.rejected_spans = outcome->rejected;
    partial.error_message = (char *)outcome->sentence;
    if (outcome->rejected > 0 || outcome->sentence[0] != '\0')
        response.partial_success = &partial;
    pack(reply, encoding, &response.base, outcome->sentence);
}

static void pack_metrics(struct reply *reply, const struct outcome *outcome, enum encoding encoding)
{
    Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsPartialSuccess partial =
        OPENTELEMETRY__PROTO__COLLECTOR__METRICS__V1__EXPORT_METRICS_PARTIAL_SUCCESS__INIT;
    Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceResponse response =
        OPENTELEMETRY__PROTO__COLLECTOR__METRICS__V1__EXPORT_METRICS_SERVICE_RESPONSE__INIT;
    partial.rejected_data_points = outcome->rejected;
    partial.error_message = (char *)outcome->sentence;
    if (outcome->rejected > 0 || outcome->sentence[0] != '\0')
        response.partial_success = &partial;
    pack(reply, encoding, &response.base, outcome->sentence);
}

struct reply reply_make(const struct outcome *outcome, enum signal_kind signal, enum encoding encoding)
{
    struct reply reply = {.status = outcome->status, .retry_after = outcome->retry_after};
    struct outcome mended = *outcome;
    // Sentences quote what was sent, and a string of protobuf has to be valid UTF-8.
    char *sentence = clean_text(outcome->sentence, sizeof mended.sentence - 4);
    if (sentence != NULL)
        snprintf(mended.sentence, sizeof mended.sentence, "%s", sentence);
    free(sentence);
    if (outcome->status != 200)
        pack_error(&reply, &mended, encoding);
    else if (signal == SIGNAL_TRACES)
        pack_traces(&reply, &mended, encoding);
    else
        pack_metrics(&reply, &mended, encoding);
    return reply;
}

static bool is_type(const char *header, const char *type)
{
    size_t length = strlen(type);
    return strncasecmp(header, type, length) == 0 && strchr("; \t", header[length]) != NULL;
}

enum encoding reply_encoding(const char *content_type)
{
    if (content_type == NULL)
        return ENCODING_UNKNOWN;
    content_type += strspn(content_type, " \t");
    if (is_type(content_type, "application/x-protobuf"))
        return ENCODING_PROTOBUF;
    if (is_type(content_type, "application/json"))
        return ENCODING_JSON;
    return ENCODING_UNKNOWN;
}
