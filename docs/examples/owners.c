// SPDX-License-Identifier: Apache-2.0
// Who frees what: the values of results, what functions are given, deferreds that nobody completes. One thread.
#include "check.h"

static int destroyed, released;

static void destroy(void *value)
{
    (void)value;
    destroyed++;
}

static void release(void *user)
{
    (void)user;
    released++;
}

static logctx_result_t pass_on(void *user, logctx_result_t *result)
{
    (void)user;
    return *result; // the value stays the deferred's
}

static logctx_result_t use_up(void *user, logctx_result_t *result)
{
    (void)user;
    (void)result;
    return logctx_success(NULL, NULL); // another result: the value is freed after the return
}

static void *kept;

static logctx_result_t keep(void *user, logctx_result_t *result)
{
    (void)user;
    kept = result->value;
    result->destroy = NULL; // it is ours now
    return logctx_success(NULL, NULL);
}

// What has been freed after `added` has run, and after the deferred is gone.
static void one_value(logctx_callback_t *added, int after_call, int after_unref)
{
    static int value;
    destroyed = released = 0;
    logctx_deferred_t *deferred = logctx_deferred_new(NULL, NULL, release);
    logctx_deferred_add(deferred, added, NULL, NULL, release);
    CHECK(released == 0);
    logctx_deferred_succeed(deferred, &value, destroy);
    CHECK(destroyed == after_call);
    CHECK(released == 1); // the function's `user`; the deferred's own with its last reference
    logctx_deferred_unref(deferred);
    CHECK(destroyed == after_unref && released == 2);
}

static void values(void)
{
    one_value(NULL, 0, 1); // a pair without a callback passes success on
    one_value(pass_on, 0, 1);
    one_value(use_up, 1, 1);
    one_value(keep, 0, 0);
    CHECK(kept != NULL);
}

// ---- both ends dropped ----

static logctx_result_t must_not_run(void *user, logctx_result_t *result)
{
    (void)user;
    CHECK(false); // nobody calls this
    return *result;
}

// The producer gives its work up without a result, the consumer has left: what waits is released and never run.
static void orphan(void)
{
    destroyed = released = 0;
    logctx_t *request = begin("GET-1");
    logctx_deferred_t *query = logctx_deferred_new(NULL, NULL, release);
    logctx_deferred_t *consumers = logctx_make_yieldable(logctx_deferred_ref(query));
    logctx_deferred_add(consumers, must_not_run, must_not_run, NULL, release);
    logctx_deferred_unref(consumers);
    CHECK(logctx_deferred_pending() == 1);
    logctx_set_current(request);
    logctx_deferred_unref(query); // the last one
    CHECK(released == 2 && logctx_deferred_pending() == 0);
    CHECK(logctx_current() == request); // no context of others is left behind
    end(request);
    CHECK(all_errors() == 0);
}

// A failure that no errback has taken is told of when the deferred is freed.
static void unseen_failure(void)
{
    static int details;
    destroyed = 0;
    logctx_deferred_t *query = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_fail(query, "refused", &details, destroy);
    CHECK(all_errors() == 0); // somebody may add an errback yet
    logctx_deferred_unref(query);
    CHECK(destroyed == 1 && logctx_error_count(LOGCTX_ERROR_UNHANDLED_FAILURE) == 1 && all_errors() == 1);
}

static logctx_result_t wait_for_user(void *user, logctx_result_t *result)
{
    (void)result;
    return logctx_wait_for(logctx_deferred_ref(user));
}

// One waits for another, and is dropped by its consumer: it goes when the other one does.
static void orphaned_chain(void)
{
    released = 0;
    logctx_deferred_t *inner = logctx_deferred_new(NULL, NULL, release);
    logctx_deferred_t *outer = logctx_deferred_new(NULL, NULL, release);
    logctx_deferred_add(outer, wait_for_user, NULL, inner, NULL);
    logctx_deferred_succeed(outer, NULL, NULL);
    logctx_deferred_unref(outer);
    CHECK(released == 0); // the inner one keeps it
    logctx_deferred_unref(inner);
    CHECK(released == 2);
}

// The consumer of a gather has left: the gather goes with its members.
static void orphaned_gather(void)
{
    released = 0;
    logctx_deferred_t *member = logctx_deferred_new(NULL, NULL, release);
    logctx_deferred_t *all = logctx_gather(&member, 1, false);
    logctx_deferred_add(all, must_not_run, must_not_run, NULL, release);
    logctx_deferred_unref(all);
    CHECK(released == 0); // the member keeps it
    logctx_deferred_unref(member);
    CHECK(released == 2 && logctx_deferred_pending() == 0);
}

int main(void)
{
    values();
    orphan();
    unseen_failure();
    orphaned_chain();
    orphaned_gather();
    CHECK(all_errors() == 1);
    return failures > 0;
}
