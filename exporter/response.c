/*
 * response.c: reads answers of strangers: everything in them is bounded, and text is made fit for a log line. No state.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "response.h"
#include "messages.h"
#include "retry.h"
#include "valid_utf8.h"

#include <google/rpc/status.pb-c.h>
#include <otlp_decode.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { DECODE_BUDGET = 16 << 20, SHOWN_TEXT = 200 };

static void say(struct logctx__verdict *verdict, const char *text, size_t length)
{
    char clean[SHOWN_TEXT * 3 + 1];
    size_t taken = length < SHOWN_TEXT ? length : SHOWN_TEXT;
    logctx__valid_utf8(clean, text, taken);
    for (char *c = clean; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F) {
            *c = ' ';
        }
    }
    logctx__cut_utf8(verdict->message, sizeof verdict->message, clean);
}

// Compares the media type, without its parameters and in any case.
static bool is_type(const char *content_type, const char *wanted)
{
    size_t length = strlen(wanted);
    if (content_type == NULL || strncasecmp(content_type, wanted, length) != 0) {
        return false;
    }
    return strchr(";, \t", content_type[length]) != NULL;
}

static bool is_protobuf(const char *content_type)
{
    return is_type(content_type, "application/x-protobuf") || is_type(content_type, "application/protobuf");
}

static ProtobufCMessage *decode(const ProtobufCMessageDescriptor *type, const struct logctx__answer *answer,
                                struct logctx__budget *budget)
{
    char why[160];
    logctx__budget_init(budget, DECODE_BUDGET);
    return logctx__otlp_decode(type, answer->body, answer->length, &budget->allocator, why, sizeof why);
}

static void refuse(struct logctx__verdict *verdict, logctx_drop_reason_t reason)
{
    verdict->outcome = LOGCTX__REFUSED;
    verdict->reason = reason;
}

static void take_partial(struct logctx__verdict *verdict, int64_t rejected, const char *message, uint64_t items)
{
    uint64_t count = rejected > 0 ? (uint64_t)rejected : 0;
    verdict->rejected = count < items ? count : items;
    say(verdict, message, strlen(message));
}

static bool read_partial(struct logctx__verdict *verdict, const struct logctx__answer *answer,
                         enum logctx__signal signal, uint64_t items)
{
    struct logctx__budget budget;
    const ProtobufCMessageDescriptor *type =
        signal == LOGCTX__TRACES
            ? &opentelemetry__proto__collector__trace__v1__export_trace_service_response__descriptor
            : &opentelemetry__proto__collector__metrics__v1__export_metrics_service_response__descriptor;
    ProtobufCMessage *message = decode(type, answer, &budget);
    if (message == NULL) {
        return false;
    }
    if (signal == LOGCTX__TRACES) {
        const Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceResponse *traces = (const void *)message;
        if (traces->partial_success != NULL) {
            take_partial(verdict, traces->partial_success->rejected_spans, traces->partial_success->error_message,
                         items);
        }
    } else {
        const Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceResponse *metrics =
            (const void *)message;
        if (metrics->partial_success != NULL) {
            take_partial(verdict, metrics->partial_success->rejected_data_points,
                         metrics->partial_success->error_message, items);
        }
    }
    protobuf_c_message_free_unpacked(message, &budget.allocator);
    return true;
}

static void judge_success(struct logctx__verdict *verdict, const struct logctx__answer *answer,
                          enum logctx__signal signal, uint64_t items)
{
    verdict->outcome = LOGCTX__ACCEPTED;
    if (answer->length == 0 || !is_protobuf(answer->content_type)) {
        // A body of another type cannot be a partial success: the answer has to be of the request's type.
        return;
    }
    if (!read_partial(verdict, answer, signal, items)) {
        refuse(verdict, LOGCTX_DROP_BAD_RESPONSE);
        const char text[] = "its success message is not well formed";
        say(verdict, text, sizeof text - 1);
    }
}

static bool is_retryable(long status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

// google.rpc.Status, or plain text as proxies and Prometheus send it; a page of HTML says nothing that fits a line.
static void read_failure(struct logctx__verdict *verdict, const struct logctx__answer *answer)
{
    if (answer->length == 0) {
        return;
    }
    if (is_protobuf(answer->content_type)) {
        struct logctx__budget budget;
        Google__Rpc__Status *status = (void *)decode(&google__rpc__status__descriptor, answer, &budget);
        if (status != NULL) {
            say(verdict, status->message, strlen(status->message));
            protobuf_c_message_free_unpacked(&status->base, &budget.allocator);
        }
    } else if (is_type(answer->content_type, "text/plain") || is_type(answer->content_type, "application/json")) {
        say(verdict, (const char *)answer->body, answer->length);
    }
}

static void judge_status(struct logctx__verdict *verdict, const struct logctx__answer *answer,
                         enum logctx__signal signal, uint64_t items, int64_t now_unix)
{
    if (answer->status >= 200 && answer->status < 300) {
        judge_success(verdict, answer, signal, items);
        return;
    }
    read_failure(verdict, answer);
    if (is_retryable(answer->status)) {
        verdict->outcome = LOGCTX__RETRY;
        if (answer->retry_after != NULL) {
            verdict->retry_after_ms = logctx__retry_after(answer->retry_after, now_unix);
        }
        return;
    }
    refuse(verdict, LOGCTX_DROP_REJECTED_BY_STATUS);
}

void logctx__response_judge(struct logctx__verdict *verdict, const struct logctx__answer *answer,
                            enum logctx__signal signal, uint64_t items, int64_t now_unix)
{
    *verdict = (struct logctx__verdict){.outcome = LOGCTX__RETRY, .retry_after_ms = -1};
    switch (answer->exchange) {
    case LOGCTX__ANSWERED:
        judge_status(verdict, answer, signal, items, now_unix);
        return;
    case LOGCTX__NO_ANSWER:
        // A refusal whose body is cut off is still a refusal; without a status, or with success, it is not known.
        if (answer->status >= 300) {
            const struct logctx__answer bare = {.exchange = LOGCTX__ANSWERED,
                                                .status = answer->status,
                                                .retry_after = answer->retry_after,
                                                .trouble = answer->trouble};
            judge_status(verdict, &bare, signal, items, now_unix);
            return;
        }
        break;
    case LOGCTX__OVERSIZE:
        refuse(verdict, LOGCTX_DROP_TOO_LARGE);
        break;
    case LOGCTX__UNREADABLE:
        refuse(verdict, LOGCTX_DROP_BAD_RESPONSE);
        break;
    }
    say(verdict, answer->trouble, strlen(answer->trouble));
}
