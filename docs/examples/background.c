// SPDX-License-Identifier: Apache-2.0
// Work that goes on after its request: a context of its own, linked to the request that started it. One thread.
// This is the fix of the demo's /bug/restarted.
#include <logctx/logctx.h>
#include <stdio.h>

// While the request runs: its audit, which will run later, gets a root context of its own.
static logctx_t *new_audit(void)
{
    static unsigned long number;
    char name[32];
    snprintf(name, sizeof name, "audit-%lu", ++number);
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = name;
    opts.type = LOGCTX_TYPE_BACKGROUND;
    opts.server = logctx_server(logctx_current());
    logctx_t *audit = logctx_new(logctx_kind("audit"), &opts);
    logctx_span_context_t request = logctx_get_span_context(logctx_current());
    logctx_add_link(audit, &request, NULL, NULL, 0); // linked, not parented: it does not belong to the request's time
    return audit;
}

// In the timer's callback, after the request has ended. The context was made in the request's and is run from
// the loop, so it is made current by hand: logctx_enter() would expect to be called in the request's context.
static void on_timer(logctx_t *audit)
{
    logctx_set_current(audit);
    logctx_log(LOGCTX_INFO, "audited");
    logctx_set_current(logctx_sentinel());
    logctx_finish(audit);
    logctx_unref(audit);
}

int main(void)
{
    logctx_t *request = logctx_new(logctx_kind("POST /rooms"), NULL);
    logctx_enter(request);
    logctx_t *audit = new_audit();
    logctx_exit(request);
    logctx_unref(request);
    on_timer(audit);
    for (logctx_error_kind_t kind = 0; kind < LOGCTX_ERROR_COUNT; kind++)
        if (logctx_error_count(kind) > 0)
            return 1;
    return 0;
}
