/*
 * test_deferred.c: deferreds beyond what the recorded scenarios can say: values and who frees them, what is dropped, how
 * long a chain may be, and what happens without memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "alloc.h"
#include "support.h"

#include <logctx/deferred.h>

static int destroyed, released;

static void destroy(void *value)
{
    assert_non_null(value);
    destroyed++;
}

static void release(void *user)
{
    (void)user;
    released++;
}

static int setup(void **state)
{
    destroyed = released = 0;
    return core_setup(state);
}

static int teardown(void **state)
{
    alloc_fail(0, false);
    assert_int_equal(logctx_deferred_pending(), 0);
    return core_teardown(state);
}

#define deferred_test(name) logctx_unit_test_setup_teardown(name, setup, teardown)

static logctx_result_t pass_on(void *user, logctx_result_t *result)
{
    (void)user;
    return *result;
}

static logctx_result_t drop_value(void *user, logctx_result_t *result)
{
    (void)user;
    (void)result;
    return logctx_success(NULL, NULL);
}

static logctx_result_t keep_value(void *user, logctx_result_t *result)
{
    *(void **)user = result->value;
    result->destroy = NULL;
    return logctx_success(NULL, NULL);
}

static logctx_result_t note(void *user, logctx_result_t *result)
{
    *(logctx_result_t *)user = *result;
    return *result;
}

static logctx_result_t wait_for_user(void *user, logctx_result_t *result)
{
    (void)result;
    return logctx_wait_for(logctx_deferred_ref(user));
}

static logctx_result_t make_fail(void *user, logctx_result_t *result)
{
    (void)result;
    return logctx_failure(user, NULL, NULL);
}

// ---- values ----

static void test_a_value_goes_from_function_to_function(void **state)
{
    (void)state;
    int value = 1;
    logctx_result_t first, second;
    logctx_deferred_t *d = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_add(d, note, NULL, &first, release);
    logctx_deferred_add(d, note, NULL, &second, release);
    logctx_deferred_succeed(d, &value, destroy);
    assert_ptr_equal(first.value, &value);
    assert_ptr_equal(second.value, &value);
    assert_int_equal(destroyed, 0);
    assert_int_equal(released, 2);
    assert_ptr_equal(logctx_deferred_result(d)->value, &value);
    logctx_deferred_unref(d);
    assert_int_equal(destroyed, 1);
}

static void test_a_value_that_nobody_passes_on_is_freed_once(void **state)
{
    (void)state;
    int value = 1;
    logctx_deferred_t *d = logctx_deferred_called(logctx_success(&value, destroy));
    logctx_deferred_add(d, drop_value, NULL, NULL, NULL);
    assert_int_equal(destroyed, 1);
    logctx_deferred_unref(d);
    assert_int_equal(destroyed, 1);
}

static void test_a_value_that_is_kept_is_not_freed(void **state)
{
    (void)state;
    int value = 1;
    void *kept = NULL;
    logctx_deferred_t *d = logctx_deferred_called(logctx_success(&value, destroy));
    logctx_deferred_add(d, keep_value, NULL, &kept, NULL);
    assert_ptr_equal(kept, &value);
    logctx_deferred_unref(d);
    assert_int_equal(destroyed, 0);
}

static void test_a_value_moves_along_a_chain(void **state)
{
    (void)state;
    int value = 1;
    logctx_result_t seen = {0};
    logctx_deferred_t *inner = logctx_deferred_new(NULL, NULL, NULL), *outer = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_add(outer, wait_for_user, NULL, inner, NULL);
    logctx_deferred_add(outer, note, note, &seen, NULL);
    logctx_deferred_succeed(outer, NULL, NULL);
    assert_true(logctx_deferred_is_called(outer));
    assert_false(logctx_deferred_is_complete(outer));
    assert_null(logctx_deferred_result(outer));
    logctx_deferred_fail(inner, "broken", &value, destroy);
    assert_string_equal(seen.error, "broken");
    assert_ptr_equal(seen.value, &value);
    assert_null(logctx_deferred_result(inner)->error); // it has handed the failure over
    logctx_deferred_unref(inner);
    assert_int_equal(destroyed, 0);
    logctx_deferred_unref(outer);
    assert_int_equal(destroyed, 1);
    assert_string_equal(take_error(LOGCTX_ERROR_UNHANDLED_FAILURE)->message, "Unhandled failure in a deferred: broken");
}

static void test_called_twice(void **state)
{
    (void)state;
    int value = 1;
    logctx_deferred_t *d = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_succeed(d, NULL, NULL);
    logctx_deferred_succeed(d, &value, destroy);
    assert_at(take_error(LOGCTX_ERROR_ALREADY_CALLED)->found_by, __LINE__ - 1);
    assert_int_equal(destroyed, 1);
    logctx_deferred_fail(d, "late", &value, destroy);
    take_error(LOGCTX_ERROR_ALREADY_CALLED);
    assert_int_equal(destroyed, 2);
    logctx_deferred_unref(d);
}

// ---- failures ----

static void test_a_failure_is_handled_or_told(void **state)
{
    (void)state;
    logctx_deferred_t *d = logctx_deferred_called(logctx_failure("handled", NULL, NULL));
    logctx_deferred_add(d, NULL, drop_value, NULL, NULL);
    logctx_deferred_unref(d);
    d = logctx_deferred_called(logctx_failure("told", NULL, NULL));
    logctx_deferred_add(d, drop_value, NULL, NULL, release); // no errback: it stays
    assert_int_equal(released, 1);
    logctx_deferred_unref(d);
    assert_string_equal(take_error(LOGCTX_ERROR_UNHANDLED_FAILURE)->message, "Unhandled failure in a deferred: told");
    d = logctx_deferred_called(logctx_success(NULL, NULL));
    logctx_deferred_add(d, make_fail, NULL, (void *)(uintptr_t) "made", NULL);
    logctx_deferred_unref(d);
    assert_string_equal(take_error(LOGCTX_ERROR_UNHANDLED_FAILURE)->message, "Unhandled failure in a deferred: made");
}

static void test_waiting_for_oneself(void **state)
{
    (void)state;
    logctx_deferred_t *a = logctx_deferred_new(NULL, NULL, NULL), *b = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_add(a, wait_for_user, NULL, b, NULL);
    logctx_deferred_add(b, wait_for_user, NULL, a, NULL);
    logctx_deferred_succeed(a, NULL, NULL);
    logctx_deferred_succeed(b, NULL, NULL); // would wait for a, which waits for it
    int called_at = __LINE__ - 1;
    const logctx_test_error_t *ring = take_error(LOGCTX_ERROR_INVALID_USE);
    assert_non_null(strstr(ring->message, "waits for it"));
    assert_at(ring->found_by, called_at);
    assert_true(logctx_deferred_is_complete(a));
    assert_string_equal(logctx_deferred_result(a)->error, "_OTHER");
    logctx_deferred_add(a, NULL, drop_value, NULL, NULL);
    logctx_deferred_unref(a);
    logctx_deferred_unref(b);
}

// ---- dropped by all ----

static void test_dropped_uncalled(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "A");
    logctx_deferred_t *d = logctx_deferred_new(NULL, NULL, release);
    logctx_deferred_add(d, pass_on, pass_on, NULL, release);
    logctx_set_current(ctx);
    logctx_make_yieldable(d);
    assert_current(logctx_sentinel());
    logctx_unref(ctx); // what waits has the last reference
    assert_int_equal(logctx_deferred_pending(), 1);
    logctx_deferred_unref(d);
    assert_int_equal(released, 2);
    assert_non_null(logctx_recorder_find(recorder, "k")); // and is gone, so the context has ended
}

static void leave_behind(void *user)
{
    logctx_set_current(user);
}

static void test_release_cannot_leave_a_context(void **state)
{
    (void)state;
    logctx_t *a = make("k", "A"), *b = make("k", "B");
    logctx_deferred_t *d = logctx_deferred_new(NULL, b, leave_behind);
    logctx_set_current(a);
    logctx_deferred_unref(d);
    assert_current(a);
    end(a);
    end(b);
}

static void test_both_ends_dropped(void **state)
{
    (void)state;
    logctx_deferred_t *inner = logctx_deferred_new(NULL, NULL, release);
    logctx_deferred_t *outer = logctx_deferred_new(NULL, NULL, release);
    logctx_deferred_add(outer, wait_for_user, NULL, inner, NULL);
    logctx_deferred_succeed(outer, NULL, NULL);
    logctx_deferred_unref(outer); // kept by inner, for which it waits
    assert_int_equal(released, 0);
    logctx_deferred_unref(inner);
    assert_int_equal(released, 2);
}

static void test_cancelling_an_orphan(void **state)
{
    (void)state;
    logctx_result_t seen = {0};
    logctx_deferred_t *inner = logctx_deferred_new(NULL, NULL, release), *outer = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_add(outer, wait_for_user, NULL, inner, NULL);
    logctx_deferred_succeed(outer, NULL, NULL);
    logctx_deferred_add(outer, NULL, note, &seen, NULL);
    logctx_deferred_add(outer, NULL, drop_value, NULL, NULL);
    logctx_deferred_unref(inner); // nobody can complete it now
    assert_int_equal(released, 1);
    logctx_deferred_cancel(outer);
    assert_string_equal(seen.error, LOGCTX_CANCELLED);
    logctx_deferred_unref(outer);
}

// ---- cancelling ----

static void answer_late(void *user, logctx_deferred_t *deferred)
{
    logctx_deferred_call_here(deferred, logctx_success(user, NULL));
}

static void test_a_canceller_may_answer(void **state)
{
    (void)state;
    int value = 1;
    logctx_deferred_t *d = logctx_deferred_new(answer_late, &value, NULL);
    logctx_deferred_cancel(d);
    assert_null(logctx_deferred_result(d)->error);
    assert_ptr_equal(logctx_deferred_result(d)->value, &value);
    logctx_deferred_cancel(d); // has its result
    logctx_deferred_unref(d);
}

static void test_one_late_result_is_ignored(void **state)
{
    (void)state;
    int value = 1;
    logctx_deferred_t *d = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_add(d, NULL, drop_value, NULL, NULL);
    logctx_deferred_cancel(d);
    logctx_deferred_succeed(d, &value, destroy);
    assert_int_equal(destroyed, 1);
    logctx_deferred_succeed(d, &value, destroy);
    take_error(LOGCTX_ERROR_ALREADY_CALLED);
    assert_int_equal(destroyed, 2);
    logctx_deferred_unref(d);
}

static logctx_result_t drop_reference(void *user, logctx_result_t *result)
{
    logctx_deferred_unref(user);
    return *result;
}

static void test_freed_while_it_runs(void **state)
{
    (void)state;
    logctx_deferred_t *d = logctx_deferred_new(NULL, NULL, release);
    logctx_deferred_add(d, drop_reference, NULL, d, NULL);
    logctx_deferred_add(d, pass_on, NULL, NULL, release);
    logctx_deferred_succeed(d, NULL, NULL);
    assert_int_equal(released, 2);
}

// ---- contexts ----

static logctx_result_t leave(void *user, logctx_result_t *result)
{
    logctx_set_current(user);
    return *result;
}

static void test_who_calls_has_the_same_context(void **state)
{
    (void)state;
    logctx_t *caller = make("k", "caller"), *other = make("k", "other");
    logctx_deferred_t *d = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_add(d, leave, leave, other, NULL);
    logctx_set_current(caller);
    logctx_deferred_succeed(d, NULL, NULL);
    int called_at = __LINE__ - 1;
    assert_current(caller);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_UNEXPECTED_CONTEXT);
    assert_string_equal(error->message, "Expected logging context sentinel but found other");
    assert_at(error->found_by, called_at);
    logctx_deferred_unref(d);

    d = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_add(d, NULL, leave, other, NULL);
    logctx_deferred_cancel(d);
    assert_at(take_error(LOGCTX_ERROR_UNEXPECTED_CONTEXT)->found_by, __LINE__ - 1);
    assert_current(caller);
    logctx_deferred_add(d, NULL, drop_value, NULL, NULL);
    logctx_deferred_unref(d);

    d = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_add(d, leave, NULL, other, NULL);
    logctx_deferred_call_here(d, logctx_success(NULL, NULL)); // the bare form leaves what it finds
    assert_current(other);
    logctx_deferred_unref(d);
    logctx_set_current(logctx_sentinel());
    end(caller);
    end(other);
}

// ---- length ----

enum { LONG = 200000 };

static void test_a_long_chain(void **state)
{
    (void)state;
    logctx_deferred_t *first = logctx_deferred_new(NULL, NULL, release), *last = first;
    for (int i = 0; i < LONG; i++) {
        logctx_deferred_t *next = logctx_deferred_new(NULL, NULL, release);
        logctx_deferred_add(next, wait_for_user, NULL, last, NULL);
        logctx_deferred_call_here(next, logctx_success(NULL, NULL));
        if (last != first)
            logctx_deferred_unref(last); // kept by the one that it waits for
        last = next;
    }
    logctx_result_t seen = {0};
    logctx_deferred_add(last, note, NULL, &seen, NULL);
    int value = 1;
    logctx_deferred_succeed(first, &value, destroy);
    assert_ptr_equal(seen.value, &value);
    logctx_deferred_unref(first);
    logctx_deferred_unref(last);
    assert_int_equal(destroyed, 1);
    assert_int_equal(released, LONG + 1);
}

static void test_a_long_chain_is_dropped_and_cancelled(void **state)
{
    (void)state;
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        released = 0;
        logctx_deferred_t *first = logctx_deferred_new(NULL, NULL, release), *last = first;
        for (int i = 0; i < LONG; i++) {
            logctx_deferred_t *next = logctx_deferred_new(NULL, NULL, release);
            logctx_deferred_add(next, wait_for_user, NULL, last, NULL);
            logctx_deferred_call_here(next, logctx_success(NULL, NULL));
            if (last != first)
                logctx_deferred_unref(last);
            last = next;
        }
        logctx_deferred_add(last, NULL, drop_value, NULL, NULL);
        if (cancelled)
            logctx_deferred_cancel(last);
        logctx_deferred_unref(last);
        logctx_deferred_unref(first);
        assert_int_equal(released, LONG + 1);
    }
}

static void test_gathers_of_gathers(void **state)
{
    (void)state;
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        released = 0;
        logctx_deferred_t *first = logctx_deferred_new(NULL, NULL, release), *last = first;
        for (int i = 0; i < LONG; i++) {
            logctx_deferred_t *next = logctx_gather(&last, 1, true);
            if (last != first)
                logctx_deferred_unref(last);
            last = next;
        }
        if (cancelled)
            logctx_deferred_cancel(last);
        else
            logctx_deferred_fail(first, "broken", NULL, NULL);
        assert_true(logctx_deferred_is_complete(last));
        assert_string_equal(logctx_deferred_result(last)->error, LOGCTX_FIRST_ERROR);
        logctx_deferred_add(last, NULL, drop_value, NULL, NULL);
        logctx_deferred_unref(last);
        logctx_deferred_unref(first);
        assert_int_equal(released, 1);
    }
}

static void release_next(void *user)
{
    logctx_deferred_unref(user);
}

static void test_release_functions_do_not_pile_up(void **state)
{
    (void)state;
    logctx_deferred_t *last = logctx_deferred_new(NULL, NULL, release);
    for (int i = 0; i < LONG; i++)
        last = logctx_deferred_new(NULL, last, release_next);
    logctx_deferred_unref(last);
    assert_int_equal(released, 1);
}

// ---- gathers ----

static void test_a_gather_and_its_members(void **state)
{
    (void)state;
    int value = 1;
    logctx_deferred_t *members[3];
    for (int i = 0; i < 3; i++)
        members[i] = logctx_deferred_new(NULL, NULL, release);
    logctx_deferred_t *gather = logctx_gather(members, 3, false);
    logctx_deferred_succeed(members[1], &value, destroy);
    logctx_deferred_succeed(members[0], NULL, NULL);
    assert_false(logctx_deferred_is_called(gather));
    logctx_deferred_succeed(members[2], NULL, NULL);
    assert_true(logctx_deferred_is_complete(gather));
    assert_ptr_equal(logctx_deferred_result(members[1])->value, &value); // each has its own still
    for (int i = 0; i < 3; i++)
        logctx_deferred_unref(members[i]);
    logctx_deferred_unref(gather);
    assert_int_equal(released, 3);
    assert_int_equal(destroyed, 1);
}

static void stop_it(void *user, logctx_deferred_t *deferred)
{
    (void)deferred;
    ++*(int *)user;
}

// The failure of the first one calls the gather, and the errback drops what it can; the others are cancelled all the same.
static void test_a_gather_is_cancelled_whole(void **state)
{
    (void)state;
    enum { MEMBERS = 4 };
    int stopped = 0;
    logctx_result_t seen = {0};
    logctx_deferred_t *members[MEMBERS];
    for (int i = 0; i < MEMBERS; i++)
        members[i] = logctx_deferred_new(stop_it, &stopped, NULL);
    logctx_deferred_t *inner = logctx_gather(members, MEMBERS - 1, true);
    logctx_deferred_t *outer = logctx_gather((logctx_deferred_t *[]){inner, members[MEMBERS - 1]}, 2, true);
    logctx_deferred_add(outer, note, note, &seen, NULL);
    logctx_deferred_unref(inner);
    logctx_deferred_unref(members[1]);
    members[1] = NULL; // nobody has it any more, and it is gone
    logctx_deferred_cancel(outer);
    assert_int_equal(stopped, MEMBERS - 1);
    assert_string_equal(seen.error, LOGCTX_FIRST_ERROR);
    logctx_deferred_add(outer, NULL, drop_value, NULL, NULL);
    logctx_deferred_unref(outer);
    for (int i = 0; i < MEMBERS; i++)
        logctx_deferred_unref(members[i]);
}

static void test_a_gather_whose_members_are_dropped(void **state)
{
    (void)state;
    logctx_deferred_t *members[2] = {logctx_deferred_new(NULL, NULL, release),
                                     logctx_deferred_new(NULL, NULL, release)};
    logctx_deferred_t *gather = logctx_gather(members, 2, true);
    logctx_deferred_succeed(members[0], NULL, NULL);
    logctx_deferred_unref(members[0]);
    assert_int_equal(released, 0); // the gather has it
    logctx_deferred_unref(members[1]);
    assert_int_equal(released, 1);
    logctx_deferred_cancel(gather); // who is left has its result
    assert_false(logctx_deferred_is_called(gather));
    logctx_deferred_unref(gather);
    assert_int_equal(released, 2);
    assert_true(logctx_deferred_is_complete(gather = logctx_gather(NULL, 0, false)));
    logctx_deferred_unref(gather);
    gather = logctx_gather(NULL, 1, false);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_deferred_unref(gather);
}

static void test_a_gather_dropped_before_its_members(void **state)
{
    (void)state;
    logctx_deferred_t *member = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_unref(logctx_gather(&member, 1, false));
    assert_int_equal(logctx_deferred_pending(), 2); // the member keeps it
    logctx_deferred_succeed(member, NULL, NULL);
    assert_int_equal(logctx_deferred_pending(), 0);
    logctx_deferred_unref(member);
}

// ---- without memory, and wrong ----

static void test_no_deferred(void **state)
{
    (void)state;
    int value = 1;
    logctx_result_t seen = {0};
    assert_true(logctx_deferred_is_complete(NULL));
    assert_string_equal(logctx_deferred_result(NULL)->error, LOGCTX_NO_MEMORY);
    assert_null(logctx_make_yieldable(NULL));
    assert_int_equal(logctx_deferred_add(NULL, NULL, note, &seen, release), LOGCTX_OK);
    assert_string_equal(seen.error, LOGCTX_NO_MEMORY);
    assert_int_equal(released, 1);
    logctx_deferred_succeed(NULL, &value, destroy);
    assert_int_equal(destroyed, 1);
    logctx_deferred_cancel(NULL);
    logctx_deferred_unref(NULL);
    logctx_deferred_t *none = NULL, *gather = logctx_gather(&none, 1, true);
    assert_string_equal(logctx_deferred_result(gather)->error, LOGCTX_FIRST_ERROR);
    logctx_deferred_add(gather, NULL, drop_value, NULL, NULL);
    logctx_deferred_unref(gather);
    logctx_deferred_t *waits = logctx_deferred_called(logctx_success(NULL, NULL));
    logctx_deferred_add(waits, wait_for_user, NULL, NULL, NULL);
    assert_string_equal(logctx_deferred_result(waits)->error, LOGCTX_NO_MEMORY);
    logctx_deferred_add(waits, NULL, drop_value, NULL, NULL);
    logctx_deferred_unref(waits);
}

static void test_used_after_the_last_reference(void **state)
{
    (void)state;
    logctx_deferred_t *d = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_unref(d);
    logctx_deferred_unref(d);
    assert_null(logctx_deferred_ref(d));
    logctx_deferred_succeed(d, NULL, NULL);
    take_errors(LOGCTX_ERROR_INVALID_USE, 3);
    logctx_deferred_unpause(NULL);
    d = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_unpause(d);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_deferred_unref(d);
}

// Until the pools are exhausted: then every call says so, and nothing is lost or freed twice.
static void test_without_memory(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    static logctx_deferred_t *made[MANY];
    int count = 1, refused = 0;
    made[0] = logctx_deferred_new(NULL, NULL, release);
    assert_int_equal(logctx_deferred_add(made[0], pass_on, pass_on, NULL, release), LOGCTX_OK);
    alloc_fail(1, true);
    for (int i = 0; i < MANY && refused < 3; i++) {
        logctx_deferred_t *d = logctx_deferred_new(NULL, NULL, release);
        if (d)
            made[count++] = d;
        refused += !d;
    }
    assert_int_equal(refused, 3);
    assert_int_equal(released, 3);
    assert_true(alloc_failed());
    int added = 1;
    while (logctx_deferred_add(made[0], pass_on, pass_on, NULL, release) == LOGCTX_OK)
        added++;
    assert_int_equal(released, 3); // what was refused is the caller's
    logctx_t *ctx = make("k", "A");
    bool has_context = !logctx_is_sentinel(ctx);
    logctx_set_current(ctx);
    logctx_make_yieldable(made[0]); // cannot put it back later, so it stays
    assert_current(ctx);
    logctx_set_current(logctx_sentinel());
    alloc_fail(0, false);
    if (has_context)
        end(ctx);
    for (int i = 0; i < count; i++)
        logctx_deferred_unref(made[i]);
    assert_int_equal(released, 3 + count + added);
}

static void test_no_allocation_in_steady_state(void **state)
{
    (void)state;
    long before = 0;
    for (int i = 0; i < 1000; i++) {
        if (i == 100)
            before = alloc_calls;
        logctx_deferred_t *d = logctx_deferred_new(NULL, NULL, NULL);
        logctx_deferred_add(d, pass_on, pass_on, NULL, NULL);
        logctx_deferred_add(d, pass_on, pass_on, NULL, NULL);
        logctx_deferred_succeed(d, NULL, NULL);
        logctx_deferred_unref(d);
    }
    assert_int_equal(alloc_calls, before);
}

// ---- places ----

static void assert_names(const char *place, int line)
{
    char wanted[16];
    snprintf(wanted, sizeof wanted, ".c:%d", line);
    assert_non_null(strstr(place, wanted));
}

static void test_who_called_first(void **state)
{
    (void)state;
    logctx_deferred_t *d = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_call_here(d, (logctx_result_t){NULL, NULL, NULL, NULL});
    int first = __LINE__ - 1;
    logctx_deferred_succeed(d, NULL, NULL);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_ALREADY_CALLED);
    assert_names(error->found_by, __LINE__ - 2);
    assert_names(error->set_by, first);
    (logctx_deferred_call_here)(d, logctx_success(NULL, NULL)); // without the macro: by the address of the call
    assert_true(*take_error(LOGCTX_ERROR_ALREADY_CALLED)->found_by != '\0');
    logctx_deferred_unref(d);
}

// What fails is the inner one, and the failure is found where it has gone to.
static void test_the_place_goes_with_the_failure(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        logctx_deferred_t *inner = logctx_deferred_new(NULL, NULL, NULL),
                          *outer = logctx_deferred_new(NULL, NULL, NULL);
        logctx_deferred_add(outer, wait_for_user, NULL, inner, NULL);
        if (late)
            logctx_deferred_succeed(outer, NULL, NULL);
        logctx_deferred_cancel_here(inner);
        int line = __LINE__ - 1;
        if (!late)
            logctx_deferred_succeed(outer, NULL, NULL);
        logctx_deferred_unref(inner);
        logctx_deferred_unref(outer);
        assert_names(take_error(LOGCTX_ERROR_UNHANDLED_FAILURE)->set_by, line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        deferred_test(test_without_memory), // while the pools are small
        deferred_test(test_a_value_goes_from_function_to_function),
        deferred_test(test_a_value_that_nobody_passes_on_is_freed_once),
        deferred_test(test_a_value_that_is_kept_is_not_freed),
        deferred_test(test_a_value_moves_along_a_chain),
        deferred_test(test_called_twice),
        deferred_test(test_a_failure_is_handled_or_told),
        deferred_test(test_waiting_for_oneself),
        deferred_test(test_dropped_uncalled),
        deferred_test(test_release_cannot_leave_a_context),
        deferred_test(test_both_ends_dropped),
        deferred_test(test_cancelling_an_orphan),
        deferred_test(test_a_canceller_may_answer),
        deferred_test(test_one_late_result_is_ignored),
        deferred_test(test_freed_while_it_runs),
        deferred_test(test_who_calls_has_the_same_context),
        deferred_test(test_a_long_chain),
        deferred_test(test_a_long_chain_is_dropped_and_cancelled),
        deferred_test(test_gathers_of_gathers),
        deferred_test(test_release_functions_do_not_pile_up),
        deferred_test(test_a_gather_and_its_members),
        deferred_test(test_a_gather_whose_members_are_dropped),
        deferred_test(test_a_gather_is_cancelled_whole),
        deferred_test(test_who_called_first),
        deferred_test(test_the_place_goes_with_the_failure),
        deferred_test(test_a_gather_dropped_before_its_members),
        deferred_test(test_no_deferred),
        deferred_test(test_used_after_the_last_reference),
        deferred_test(test_no_allocation_in_steady_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
