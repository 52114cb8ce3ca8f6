/*
 * exporting.c: the start, the books and the requests of an exporter under test.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "exporting.h"

#include "messages.h"

logctx_otlp_opts_t traces_only(struct server *server)
{
    return (logctx_otlp_opts_t){.struct_size = sizeof(logctx_otlp_opts_t),
                                .service_name = "test",
                                .endpoint = server_url(server),
                                .metrics_off = true,
                                .retry_initial_ms = 1,
                                .retry_max_ms = 5};
}

logctx_otlp_t *start(const logctx_otlp_opts_t *opts)
{
    logctx_otlp_t *otlp = NULL;
    assert_int_equal(logctx_otlp_start(opts, &otlp), LOGCTX_OK);
    assert_non_null(otlp);
    return otlp;
}

logctx_otlp_books_t books_of(logctx_otlp_t *otlp)
{
    logctx_otlp_books_t books = {.struct_size = sizeof books};
    logctx_otlp_get_books(otlp, &books);
    return books;
}

uint64_t dropped(const logctx_otlp_books_t *books)
{
    uint64_t sum = 0;
    for (int i = 0; i < LOGCTX_DROP_COUNT; i++) {
        sum += books->dropped[i];
    }
    return sum;
}

void assert_balanced(logctx_otlp_t *otlp)
{
    logctx_otlp_books_t b = books_of(otlp);
    assert_int_equal(b.taken, b.exported + b.rejected + b.queued + b.in_flight + b.spooled + dropped(&b));
}

uint64_t spans_in(const struct server_request *request)
{
    Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest *message =
        opentelemetry__proto__collector__trace__v1__export_trace_service_request__unpack(NULL, request->length,
                                                                                         request->body);
    assert_non_null(message);
    assert_int_equal(message->n_resource_spans, 1);
    assert_int_equal(message->resource_spans[0]->n_scope_spans, 1);
    uint64_t spans = message->resource_spans[0]->scope_spans[0]->n_spans;
    opentelemetry__proto__collector__trace__v1__export_trace_service_request__free_unpacked(message, NULL);
    return spans;
}

void answer_ok(void *user, int index, const struct server_request *request, struct server_reply *reply)
{
    (void)user;
    (void)index;
    (void)request;
    (void)reply;
}
