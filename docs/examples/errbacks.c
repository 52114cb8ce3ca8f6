// SPDX-License-Identifier: Apache-2.0
// Failures and cancelling: who runs, who is told to stop, and what becomes of a result that comes late. One thread.
#include "check.h"
#include <stdlib.h>

static const char *trace; // what ran last

static logctx_result_t on_value(void *user, logctx_result_t *result)
{
    trace = user;
    return *result; // goes on with the same result
}

// An errback that can do without: what it returns is success, so what is added after it gets that.
static logctx_result_t use_default(void *user, logctx_result_t *result)
{
    CHECK(strcmp(result->error, "refused") == 0);
    return logctx_success(user, NULL);
}

static void failure_goes_to_the_next_errback(void)
{
    static int defaults = 7;
    logctx_deferred_t *settings = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_add(settings, on_value, NULL, "skipped", NULL); // it has no errback: passes a failure on
    logctx_deferred_add(settings, NULL, use_default, &defaults, NULL);
    logctx_deferred_add(settings, on_value, NULL, "used", NULL);
    logctx_deferred_fail(settings, "refused", NULL, NULL);
    CHECK(strcmp(trace, "used") == 0);
    CHECK(logctx_deferred_result(settings)->value == &defaults && !logctx_deferred_result(settings)->error);
    logctx_deferred_unref(settings);
}

// ---- cancelling ----

static int stopped;

// The producer's canceller: stops the work. It need not call the deferred: that fails with "cancelled" afterwards.
static void stop_query(void *user, logctx_deferred_t *query)
{
    (void)user;
    (void)query;
    stopped++;
}

static logctx_result_t was_cancelled(void *user, logctx_result_t *result)
{
    CHECK(strcmp(result->error, LOGCTX_CANCELLED) == 0);
    CHECK(in("GET-1")); // a consumer's errback runs in the consumer's context, whoever cancels
    end(user);
    return logctx_success(NULL, NULL);
}

static void a_client_has_left(void)
{
    logctx_t *request = begin("GET-1");
    logctx_deferred_t *query = logctx_make_yieldable(logctx_deferred_new(stop_query, NULL, NULL));
    logctx_deferred_add(query, NULL, was_cancelled, request, NULL);

    logctx_t *other = begin("GET-2");
    logctx_deferred_cancel(query); // in a preserve block, as logctx_deferred_succeed()
    CHECK(stopped == 1 && logctx_current() == other && logctx_is_finished(request));
    logctx_deferred_cancel(query); // it has its result: nothing happens
    CHECK(stopped == 1);
    end(other);
    logctx_deferred_unref(query);
}

static logctx_result_t take_note(void *user, logctx_result_t *result)
{
    *(const char **)user = result->error;
    return logctx_success(NULL, NULL); // handled
}

// Without a canceller nobody can be told to stop, and the answer still comes: it is ignored, once, and freed.
static void late_result(void)
{
    const char *error = NULL;
    logctx_deferred_t *query = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_add(query, NULL, take_note, &error, NULL);
    logctx_deferred_cancel(query);
    CHECK(strcmp(error, LOGCTX_CANCELLED) == 0);
    logctx_deferred_succeed(query, strdup("too late"), free);
    CHECK(logctx_error_count(LOGCTX_ERROR_ALREADY_CALLED) == 0);
    logctx_deferred_succeed(query, strdup("and again"), free); // freed as well, but this is a mistake
    CHECK(logctx_error_count(LOGCTX_ERROR_ALREADY_CALLED) == 1);
    logctx_deferred_unref(query);
}

static void late_all_the_same(void)
{
    const char *error = NULL;
    logctx_deferred_t *query = logctx_deferred_new(stop_query, NULL, NULL);
    logctx_deferred_add(query, NULL, take_note, &error, NULL);
    logctx_deferred_cancel(query);
    logctx_deferred_succeed(query, NULL, NULL); // stop_query() should have seen to it that this does not come
    CHECK(logctx_error_count(LOGCTX_ERROR_ALREADY_CALLED) == 2);
    logctx_deferred_unref(query);
}

// ---- through what waits ----

static logctx_result_t ask(void *user, logctx_result_t *result)
{
    (void)result;
    return logctx_wait_for(logctx_deferred_ref(user)); // this deferred waits for that one
}

static void through_a_chain(void)
{
    const char *error = NULL;
    stopped = 0;
    logctx_deferred_t *query = logctx_deferred_new(stop_query, NULL, NULL);
    logctx_deferred_t *login = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_add(login, ask, NULL, query, NULL);
    logctx_deferred_add(login, NULL, take_note, &error, NULL);
    logctx_deferred_succeed(login, NULL, NULL); // ask() runs: login is called, and waits for the query
    CHECK(logctx_deferred_is_called(login) && !logctx_deferred_is_complete(login));
    logctx_deferred_cancel(login);
    CHECK(stopped == 1 && strcmp(error, LOGCTX_CANCELLED) == 0);
    logctx_deferred_unref(login);
    logctx_deferred_unref(query);
}

static void through_a_gather(void)
{
    const char *error = NULL;
    stopped = 0;
    logctx_deferred_t *queries[2];
    for (int i = 0; i < 2; i++)
        queries[i] = logctx_deferred_new(stop_query, NULL, NULL);
    logctx_deferred_t *all = logctx_gather(queries, 2, true); // true: the members' failures count as handled
    logctx_deferred_add(all, NULL, take_note, &error, NULL);
    logctx_deferred_cancel(all);
    CHECK(stopped == 2 && strcmp(error, LOGCTX_FIRST_ERROR) == 0);
    logctx_deferred_unref(all);
    for (int i = 0; i < 2; i++)
        logctx_deferred_unref(queries[i]);
}

int main(void)
{
    failure_goes_to_the_next_errback();
    a_client_has_left();
    late_result();
    late_all_the_same();
    through_a_chain();
    through_a_gather();
    CHECK(all_errors() == 2 && logctx_deferred_pending() == 0);
    return failures > 0;
}
