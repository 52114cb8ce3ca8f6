/*
 * test_deferred_reentry.c: deferreds that are used from within: a function, a canceller, or what frees a value adds to the
 * very deferred that runs, takes its result or cancels it. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <logctx/deferred.h>

static char order[64];

static void note(char what)
{
    size_t length = strlen(order);
    assert_true(length + 1 < sizeof order);
    order[length] = what;
    order[length + 1] = '\0';
}

static int setup(void **state)
{
    order[0] = '\0';
    return core_setup(state);
}

static int teardown(void **state)
{
    assert_int_equal(logctx_deferred_pending(), 0);
    return core_teardown(state);
}

#define reentry_test(name) logctx_unit_test_setup_teardown(name, setup, teardown)

static logctx_result_t note_user(void *user, logctx_result_t *result)
{
    note(*(const char *)user);
    if (result->error)
        note('!');
    return *result;
}

static logctx_result_t wait_for_user(void *user, logctx_result_t *result)
{
    (void)result;
    return logctx_wait_for(logctx_deferred_ref(user));
}

static void add(logctx_deferred_t *deferred, const char *what)
{
    assert_int_equal(logctx_deferred_add(deferred, note_user, note_user, (void *)(uintptr_t)what, NULL), LOGCTX_OK);
}

// ---- adding from what frees ----

static void add_on_release(void *user)
{
    note('r');
    add(user, "n");
}

struct waiting {
    logctx_deferred_t *d, *awaited;
};

static logctx_result_t wait_of(void *user, logctx_result_t *result)
{
    (void)result;
    return logctx_wait_for(logctx_deferred_ref(((struct waiting *)user)->awaited));
}

static void add_of(void *user)
{
    add_on_release(((struct waiting *)user)->d);
}

static void test_a_release_may_add_while_its_pair_begins_to_wait(void **state)
{
    (void)state;
    struct waiting waiting = {logctx_deferred_new(NULL, NULL, NULL), logctx_deferred_new(NULL, NULL, NULL)};
    logctx_deferred_add(waiting.d, wait_of, NULL, &waiting, add_of);
    add(waiting.d, "a");
    logctx_deferred_succeed(waiting.d, NULL, NULL);
    assert_string_equal(order, "r");
    logctx_deferred_fail(waiting.awaited, "late", NULL, NULL);
    assert_string_equal(order, "ra!n!");
    assert_string_equal(logctx_deferred_result(waiting.d)->error, "late");
    logctx_deferred_unref(waiting.d);
    logctx_deferred_unref(waiting.awaited);
    take_error(LOGCTX_ERROR_UNHANDLED_FAILURE);
}

static logctx_deferred_t *destroys_into;
static logctx_deferred_t *destroy_waits_for;

static void add_on_destroy(void *value)
{
    (void)value;
    note('d');
    logctx_deferred_add(destroys_into, wait_for_user, wait_for_user, destroy_waits_for, NULL);
}

static logctx_result_t fail_it(void *user, logctx_result_t *result)
{
    (void)user;
    (void)result;
    return logctx_failure("made", NULL, NULL);
}

// The value's end adds a pair that waits: what was added before it still runs before it, with the result of its turn.
static void test_a_value_that_is_freed_may_add(void **state)
{
    (void)state;
    int value = 1;
    destroys_into = logctx_deferred_new(NULL, NULL, NULL);
    destroy_waits_for = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_add(destroys_into, fail_it, NULL, NULL, NULL);
    add(destroys_into, "a");
    logctx_deferred_succeed(destroys_into, &value, add_on_destroy);
    assert_string_equal(order, "da!");
    assert_false(logctx_deferred_is_complete(destroys_into));
    add(destroys_into, "b");
    logctx_deferred_succeed(destroy_waits_for, NULL, NULL);
    assert_string_equal(order, "da!b");
    logctx_deferred_unref(destroys_into);
    logctx_deferred_unref(destroy_waits_for);
}

static void wait_on_release(void *user)
{
    struct waiting *waiting = user;
    note('r');
    logctx_deferred_add(waiting->d, wait_of, wait_of, waiting, NULL);
}

// A pair without a function for the result is released, too.
static void test_a_pair_that_is_passed_over_may_add_on_release(void **state)
{
    (void)state;
    struct waiting waiting = {logctx_deferred_new(NULL, NULL, NULL), logctx_deferred_new(NULL, NULL, NULL)};
    logctx_deferred_add(waiting.d, NULL, fail_it, &waiting, wait_on_release);
    add(waiting.d, "a");
    logctx_deferred_succeed(waiting.d, NULL, NULL);
    assert_string_equal(order, "ra");
    add(waiting.d, "b");
    assert_string_equal(order, "ra");
    logctx_deferred_succeed(waiting.awaited, NULL, NULL);
    assert_string_equal(order, "rab");
    logctx_deferred_unref(waiting.d);
    logctx_deferred_unref(waiting.awaited);
}

static void cancel_on_release(void *user)
{
    note('c');
    logctx_deferred_cancel(user);
}

static logctx_result_t wait_for_new(void *user, logctx_result_t *result)
{
    (void)result;
    return logctx_wait_for(logctx_deferred_new(NULL, user, cancel_on_release));
}

// It waits for one that nobody else keeps, and that cancels it when it goes.
static void test_one_that_is_cancelled_while_it_begins_to_wait_goes_on(void **state)
{
    (void)state;
    logctx_deferred_t *d = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_add(d, wait_for_new, NULL, d, NULL);
    add(d, "a");
    logctx_deferred_succeed(d, NULL, NULL);
    assert_string_equal(order, "ca!");
    assert_string_equal(logctx_deferred_result(d)->error, LOGCTX_CANCELLED);
    logctx_deferred_unref(d);
    take_error(LOGCTX_ERROR_UNHANDLED_FAILURE);
}

// ---- taking the result of one that runs ----

static int destroyed;

static void count_destroy(void *value)
{
    assert_non_null(value);
    destroyed++;
}

struct taker {
    logctx_deferred_t *runs, *takes;
    bool pass;
    const char *error;
};

static logctx_result_t take_while_it_runs(void *user, logctx_result_t *result)
{
    struct taker *taker = user;
    taker->takes = logctx_deferred_called(logctx_success(NULL, NULL));
    logctx_deferred_add(taker->takes, wait_for_user, NULL, taker->runs, NULL);
    assert_true(logctx_deferred_is_complete(taker->takes));
    taker->error = logctx_deferred_result(taker->takes)->error;
    assert_int_equal(destroyed, 0); // ours, until we return
    assert_non_null(result->value);
    return taker->pass ? *result : logctx_success(NULL, NULL);
}

static void take(bool pass, const char *error)
{
    int value = 1;
    destroyed = 0;
    struct taker taker = {.runs = logctx_deferred_new(NULL, NULL, NULL), .pass = pass};
    logctx_deferred_add(taker.runs, take_while_it_runs, take_while_it_runs, &taker, NULL);
    if (error)
        logctx_deferred_fail(taker.runs, error, &value, count_destroy);
    else
        logctx_deferred_succeed(taker.runs, &value, count_destroy);
    assert_int_equal(destroyed, pass ? 0 : 1);
    assert_true(taker.error == error);
    assert_ptr_equal(logctx_deferred_result(taker.runs)->value, pass ? &value : NULL);
    logctx_deferred_unref(taker.takes);
    if (error)
        take_error(LOGCTX_ERROR_UNHANDLED_FAILURE);
    assert_int_equal(destroyed, pass ? 0 : 1);
    logctx_deferred_unref(taker.runs);
    if (error && pass)
        take_error(LOGCTX_ERROR_UNHANDLED_FAILURE);
    assert_int_equal(destroyed, 1);
}

static void test_a_value_that_a_function_has_is_not_taken_by_who_waits(void **state)
{
    (void)state;
    take(false, NULL);
    take(true, NULL);
    take(false, "broken");
    take(true, "broken");
}

// The same for a gather, which the turn of its last member calls.
static void test_a_gather_may_return_its_last_member(void **state)
{
    (void)state;
    int value = 1;
    destroyed = 0;
    logctx_deferred_t *member = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_t *gather = logctx_gather(&member, 1, false);
    logctx_deferred_add(gather, wait_for_user, NULL, member, NULL);
    logctx_deferred_succeed(member, &value, count_destroy);
    assert_true(logctx_deferred_is_complete(gather));
    assert_null(logctx_deferred_result(gather)->value);
    assert_ptr_equal(logctx_deferred_result(member)->value, &value);
    logctx_deferred_unref(gather);
    assert_int_equal(destroyed, 0);
    logctx_deferred_unref(member);
    assert_int_equal(destroyed, 1);
}

// But what a function has returned is not lent any more, also while it is released.
static void take_on_release(void *user)
{
    struct taker *taker = user;
    taker->takes = logctx_deferred_called(logctx_success(NULL, NULL));
    logctx_deferred_add(taker->takes, wait_for_user, NULL, taker->runs, NULL);
}

static void test_a_release_may_take_the_value(void **state)
{
    (void)state;
    int value = 1;
    destroyed = 0;
    struct taker taker = {.runs = logctx_deferred_new(NULL, NULL, NULL)};
    logctx_deferred_add(taker.runs, NULL, NULL, &taker, take_on_release);
    logctx_deferred_succeed(taker.runs, &value, count_destroy);
    assert_ptr_equal(logctx_deferred_result(taker.takes)->value, &value);
    logctx_deferred_unref(taker.runs);
    assert_int_equal(destroyed, 0);
    logctx_deferred_unref(taker.takes);
    assert_int_equal(destroyed, 1);
}

// ---- cancelling from a canceller ----

static void cancel_again(void *user, logctx_deferred_t *deferred)
{
    note('c');
    if (strlen(order) < 8)
        logctx_deferred_cancel(deferred);
    if (user)
        logctx_deferred_succeed(deferred, NULL, NULL);
}

static void test_a_canceller_is_called_once_also_if_it_cancels(void **state)
{
    (void)state;
    logctx_deferred_t *d = logctx_deferred_new(cancel_again, NULL, NULL);
    add(d, "a");
    logctx_deferred_cancel(d);
    assert_string_equal(order, "ca!");
    logctx_deferred_unref(d);
    take_error(LOGCTX_ERROR_UNHANDLED_FAILURE);

    order[0] = '\0';
    d = logctx_deferred_new(cancel_again, order, NULL);
    add(d, "b");
    logctx_deferred_cancel(d);
    assert_string_equal(order, "cb");
    logctx_deferred_succeed(d, NULL, NULL);
    take_error(LOGCTX_ERROR_ALREADY_CALLED);
    logctx_deferred_unref(d);
}

// Wrong use, and safe: it fails instead of waiting in memory that is somebody else's by then.
static logctx_result_t wait_for_gone(void *user, logctx_result_t *result)
{
    (void)result;
    return logctx_wait_for(user);
}

static void test_a_function_that_returns_one_that_is_gone_fails(void **state)
{
    (void)state;
    logctx_deferred_t *d = logctx_deferred_called(logctx_success(NULL, NULL));
    logctx_deferred_t *gone = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_unref(gone);
    logctx_deferred_add(d, wait_for_gone, NULL, gone, NULL);
    take_error(LOGCTX_ERROR_INVALID_USE);
    assert_string_equal(logctx_deferred_result(d)->error, "_OTHER");
    logctx_deferred_unref(d);
    take_error(LOGCTX_ERROR_UNHANDLED_FAILURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reentry_test(test_a_release_may_add_while_its_pair_begins_to_wait),
        reentry_test(test_a_value_that_is_freed_may_add),
        reentry_test(test_a_pair_that_is_passed_over_may_add_on_release),
        reentry_test(test_one_that_is_cancelled_while_it_begins_to_wait_goes_on),
        reentry_test(test_a_function_that_returns_one_that_is_gone_fails),
        reentry_test(test_a_value_that_a_function_has_is_not_taken_by_who_waits),
        reentry_test(test_a_gather_may_return_its_last_member),
        reentry_test(test_a_release_may_take_the_value),
        reentry_test(test_a_canceller_is_called_once_also_if_it_cancels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
