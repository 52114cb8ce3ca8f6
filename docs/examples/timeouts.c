// SPDX-License-Identifier: Apache-2.0
// Time: sleep, timeouts, calls that are due later, looping calls. One thread, and the loop of loop.h.
#include "check.h"
#include "loop.h"
#include <logctx/recorder.h>

static logctx_result_t retry(void *user, logctx_result_t *result)
{
    CHECK(in("GET-1")); // the sleep has put it back
    end(user);
    return *result;
}

static void wait_a_little(void)
{
    logctx_t *request = begin("GET-1");
    logctx_deferred_t *slept = logctx_sleep(&timers, 100); // the sentinel is current now
    logctx_deferred_add(slept, retry, NULL, request, NULL);
    logctx_deferred_unref(slept);
}

// ---- a timeout ----

static bool stopped;

static void stop_query(void *user, logctx_deferred_t *query)
{
    (void)user;
    (void)query;
    stopped = true;
}

static logctx_result_t give_up(void *user, logctx_result_t *result)
{
    CHECK(in("GET-2") && strcmp(result->error, LOGCTX_TIMEOUT) == 0);
    logctx_set_failed(user, result->error, NULL); // the span says error.type = timeout
    end(user);
    return logctx_success(NULL, NULL);
}

static void ask_with_timeout(void)
{
    logctx_t *request = begin("GET-2");
    logctx_deferred_t *query = logctx_deferred_new(stop_query, NULL, NULL);
    logctx_deferred_set_timeout(query, &timers, 250); // before what is to see it
    logctx_make_yieldable(query);
    logctx_deferred_add(query, NULL, give_up, request, NULL);
    run_loop(); // no answer comes
    CHECK(stopped && logctx_current() == logctx_sentinel());
    logctx_deferred_unref(query);
}

static void answered_in_time(void)
{
    logctx_deferred_t *query = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_set_timeout(query, &timers, 250);
    logctx_deferred_succeed(query, NULL, NULL);
    CHECK(first_timer == NULL); // the timer is stopped with the result
    logctx_deferred_unref(query);
}

// ---- calls of the loop, with contexts of their own ----

static logctx_result_t send_mail(void *user)
{
    CHECK(logctx_type(logctx_current()) == LOGCTX_TYPE_CALLBACK);
    CHECK(strcmp(logctx_kind_name(logctx_kind_of(logctx_current())), "send_mail") == 0);
    CHECK(*(int *)user == 1);
    return logctx_success(NULL, NULL); // the context ends with the work
}

static void later(void)
{
    static int mails = 1;
    logctx_call_t *call = logctx_call_later(&timers, 1000, "send_mail", send_mail, &mails, NULL);
    logctx_call_unref(call); // it is called all the same; logctx_call_cancel() would stop it
}

struct pruning {
    int rounds;
    logctx_call_t *call;
};

static logctx_result_t prune(void *user)
{
    struct pruning *pruning = user;
    if (++pruning->rounds == 3)
        logctx_call_cancel(pruning->call); // no further one; this one goes on
    if (pruning->rounds == 2)
        return logctx_failure("locked", NULL, NULL);   // unhandled_failure; the next round comes all the same
    return logctx_wait_for(logctx_sleep(&timers, 25)); // it takes longer than the period
}

static void again_and_again(void)
{
    struct pruning pruning = {0};
    uint64_t began = logctx_now_ns();
    pruning.call = logctx_looping_call(&timers, 10, "prune_rooms", prune, &pruning, NULL);
    run_loop();
    CHECK(pruning.rounds == 3);
    // Due at 10 ms, ends at 35; due at 40, fails; due at 50, ends at 75: at multiples of 10, and never two at a time.
    CHECK(logctx_now_ns() - began == 75 * UINT64_C(1000000));
    CHECK(logctx_error_count(LOGCTX_ERROR_UNHANDLED_FAILURE) == 1);
}

int main(void)
{
    logctx_set_clock(logctx_clock("fake"));
    logctx_recorder_t *spans = logctx_recorder_new(100);
    wait_a_little();
    run_loop();
    ask_with_timeout();
    answered_in_time();
    later();
    run_loop();
    CHECK(logctx_recorder_find(spans, "send_mail"));
    again_and_again();
    CHECK(logctx_recorder_find(spans, "prune_rooms"));
    CHECK(logctx_recorder_count(spans) == 2 + 1 + 3); // requests, the mail, and one for each round
    logctx_recorder_free(spans);
    CHECK(all_errors() == 1 && logctx_deferred_pending() == 0);
    return failures > 0;
}
