// SPDX-License-Identifier: Apache-2.0
// W3C trace context: the caller's headers in, ours out. One thread.
#include <logctx/logctx.h>
#include <stdio.h>
#include <string.h>

static const char caller[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

static logctx_t *incoming(const char *traceparent, const char *tracestate)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.traceparent = traceparent; // NULL or not valid: a new trace begins
    opts.tracestate = tracestate;   // several header lines are joined by commas before
    return logctx_new(logctx_kind("GET /rooms/{id}"), &opts);
}

static void outgoing(char *headers, size_t size)
{
    char traceparent[LOGCTX_TRACEPARENT_SIZE], tracestate[512];
    headers[0] = '\0';
    if (logctx_inject(logctx_current(), traceparent, tracestate, sizeof tracestate))
        snprintf(headers, size, "traceparent: %s\r\ntracestate: %s\r\n", traceparent, tracestate);
}

int main(void)
{
    char headers[640];
    LOGCTX_SCOPE(incoming(caller, "vendor=1"));
    outgoing(headers, sizeof headers);
    bool same_trace = strstr(headers, "4bf92f3577b34da6a3ce929d0e0e4736") != NULL;
    bool own_span = strstr(headers, "00f067aa0ba902b7") == NULL;
    return same_trace && own_span && strstr(headers, "vendor=1") ? 0 : 1;
}
