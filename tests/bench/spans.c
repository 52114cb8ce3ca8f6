// The span that rows are about: 8 attributes, four strings, two whole numbers and two others, and an event if it is wanted.
//
// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#include <logctx/logctx.h>
#include <logctx/trace.h>

void bench_span(logctx_kind_t *kind, bool event)
{
    const logctx_attr_t reason = logctx_attr_string("reason", "cache miss");
    logctx_t *ctx = logctx_new(kind, NULL);
    logctx_enter(ctx);
    logctx_set_string(ctx, "http.request.method", "GET");
    logctx_set_string(ctx, "http.route", "/rooms/{id}/messages");
    logctx_set_string(ctx, "url.scheme", "https");
    logctx_set_string(ctx, "user_agent.original", "bench/1.0 (a test)");
    logctx_set_int(ctx, "http.response.status_code", 200);
    logctx_set_int(ctx, "http.response.body.size", 123456);
    logctx_set_double(ctx, "app.score", 0.73);
    logctx_set_double(ctx, "app.ratio", 12.5);
    if (event)
        logctx_add_event(ctx, "looked up", &reason, 1);
    logctx_exit(ctx);
    logctx_unref(ctx);
}
