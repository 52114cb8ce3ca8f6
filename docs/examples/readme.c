// SPDX-License-Identifier: Apache-2.0
// One request of a server that waits for its database; README.md shows this text. One thread.
#include <logctx/logctx.h>
#include <logctx/otlp.h>

static logctx_t *request; // a real server keeps these two with the connection
static logctx_db_t query;

static void on_request(const char *traceparent) // the loop calls it: a request has come
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.traceparent = traceparent; // the caller's trace goes on here
    request = logctx_new(logctx_kind("GET /rooms/{id}"), &opts);
    logctx_enter(request);                 // from here on CPU time is this request's
    logctx_db_begin(&query);               // the query is on its way ...
    logctx_set_current(logctx_sentinel()); // ... and we return to the loop with work pending
}

static void on_rows(int rows) // the loop calls it: the database has answered
{
    logctx_set_current(request); // whoever completes the work puts the context back
    logctx_db_end(&query);
    logctx_db_fetched(rows);
    logctx_set_int(request, "http.response.status_code", 200);
    logctx_log(LOGCTX_INFO, "found %d rows", rows);
    logctx_exit(request); // its span is sealed, and sent by another thread
    logctx_unref(request);
}

int main(void)
{
    static int standard_error = 2;
    logctx_set_logger(logctx_log_to_fd, &standard_error);
    logctx_otlp_t *otlp = NULL;
    logctx_otlp_opts_t opts = {.struct_size = sizeof opts, .service_name = "rooms"};
    if (logctx_otlp_start(&opts, &otlp) != LOGCTX_OK)
        return 1;
    on_request("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    logctx_poll_begin(); // the loop waits here; any context but the sentinel would be a leak, and reported
    logctx_poll_end();
    on_rows(3);
    return logctx_otlp_shutdown(otlp, 5000) == LOGCTX_OK ? 0 : 1;
}
