// SPDX-License-Identifier: Apache-2.0
// Fire and forget: in the background of a request, which pays, and as a process of its own. One thread.
#include "check.h"
#include "loop.h"
#include <logctx/recorder.h>

static logctx_result_t deliver(void *user, logctx_result_t *result)
{
    logctx_db_fetched(1); // stands for the rest of the work: charged to who is current
    snprintf(user, 32, "%s", logctx_name(logctx_current()));
    return *result;
}

// Work that keeps the rules: begins in the current context, waits 50 ms, and goes on in that context.
static logctx_result_t notify(void *user)
{
    logctx_deferred_t *slept = logctx_sleep(&timers, 50);
    logctx_deferred_add(slept, deliver, NULL, user, NULL);
    return logctx_wait_for(slept);
}

static int64_t rows_of(logctx_t *ctx)
{
    logctx_usage_t own;
    logctx_get_usage(ctx, &own, NULL);
    return own.db_rows;
}

// The request goes on for longer than the work: it pays, and that is right.
static void in_the_background(void)
{
    char ran_in[32] = "";
    logctx_t *request = begin("GET-1");
    logctx_deferred_unref(logctx_run_in_background(notify, ran_in)); // to forget it, give the reference back
    CHECK(logctx_current() == request);                              // unchanged: go on
    logctx_set_current(logctx_sentinel());
    run_loop();
    CHECK(strcmp(ran_in, "GET-1") == 0 && rows_of(request) == 1);
    logctx_set_current(request);
    end(request);
    CHECK(all_errors() == 0);
}

// The request is answered first: its context has ended when the work goes on.
static void answered_before(void)
{
    char ran_in[32] = "";
    logctx_t *request = begin("GET-2");
    logctx_deferred_unref(logctx_run_in_background(notify, ran_in));
    logctx_exit(request); // wrong: the work is still under way
    run_loop();
    CHECK(logctx_error_count(LOGCTX_ERROR_RESTARTED_FINISHED) == 1 && all_errors() == 1);
    CHECK(rows_of(request) == 1); // in its usage and in the metrics, but not in its span, which is sealed
    logctx_unref(request);
}

// The request starts a process and ends first. What the process uses, such as `ran_in`, has to outlive the request.
static void as_a_process(void)
{
    static char ran_in[32];
    uint64_t errors_before = all_errors();
    logctx_t *request = begin("GET-3");
    logctx_deferred_unref(logctx_run_as_background_process("notify", notify, ran_in));
    CHECK(logctx_current() == request);
    logctx_exit(request);
    run_loop();
    CHECK(strcmp(ran_in, "notify-1") == 0 && rows_of(request) == 0);
    CHECK(all_errors() == errors_before);
    logctx_unref(request);
}

// Work that is done at once, and has set the sentinel all the same.
static logctx_result_t careless(void *user)
{
    (void)user;
    logctx_set_current(logctx_sentinel()); // wrong: nothing is pending
    return logctx_success(NULL, NULL);
}

static void done_at_once(void)
{
    logctx_t *request = begin("GET-4");
    logctx_deferred_unref(logctx_run_in_background(careless, NULL));
    CHECK(logctx_error_count(LOGCTX_ERROR_BACKGROUND_MAINTAINED_VIOLATION) == 1);
    CHECK(logctx_current() == logctx_sentinel()); // the request has lost its context
    logctx_set_current(request);
    logctx_deferred_unref(logctx_run_as_background_process("careless", careless, NULL));
    CHECK(logctx_error_count(LOGCTX_ERROR_CONTEXT_LOST) == 1);
    CHECK(logctx_current() == request); // the process has, and not the request
    end(request);
}

int main(void)
{
    static int standard_error = 2;
    logctx_set_logger(logctx_log_to_fd, &standard_error);
    logctx_set_clock(logctx_clock("fake"));
    logctx_recorder_t *spans = logctx_recorder_new(100);
    in_the_background();
    answered_before();
    as_a_process();
    done_at_once();
    CHECK(logctx_record_span(logctx_recorder_find(spans, "notify"))->own.db_rows == 1); // a span of its own
    logctx_recorder_free(spans);
    return failures > 0;
}
