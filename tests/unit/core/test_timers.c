/*
 * test_timers.c: sleep, calls that are due later, looping calls and timeouts, on a loop of the test's own whose time is the
 * fake clock's. The adapters' tests run them on real loops.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "alloc.h"
#include "collected.h"
#include "spans.h"

#include <logctx/loop.h>
#include <logctx/timers.h>

// ---- a loop with nothing but timers ----

struct timer {
    uint64_t due_ns;
    void (*fn)(void *arg);
    void *arg;
    bool set;
};
static struct timer timers[8];
static bool refuse;

static void *start(void *user, uint64_t delay_ns, void (*fn)(void *arg), void *arg)
{
    assert_ptr_equal(user, timers);
    struct timer *timer = timers;
    while (timer->set)
        timer++;
    assert_true(timer < timers + COUNT(timers));
    if (refuse)
        return NULL;
    *timer = (struct timer){logctx_now_ns() + delay_ns, fn, arg, true};
    return timer;
}

static void stop(void *user, void *timer)
{
    assert_ptr_equal(user, timers);
    assert_true(((struct timer *)timer)->set);
    ((struct timer *)timer)->set = false;
}

static const logctx_timers_t loop = {sizeof loop, start, stop, timers};

static size_t armed(void)
{
    size_t count = 0;
    for (size_t i = 0; i < COUNT(timers); i++)
        count += timers[i].set;
    return count;
}

// One turn after that much time: what is due is called, in the sentinel, `late` after it was due.
static void turn(int64_t ns)
{
    logctx_poll_begin();
    pass(ns);
    logctx_poll_end();
    for (size_t i = 0; i < COUNT(timers); i++)
        if (timers[i].set && timers[i].due_ns <= logctx_now_ns()) {
            timers[i].set = false;
            timers[i].fn(timers[i].arg);
            assert_current(logctx_sentinel());
        }
}

static int calls, released;
static logctx_t *seen;
static logctx_deferred_t *pending;

static int setup(void **state)
{
    memset(timers, 0, sizeof timers);
    refuse = false;
    calls = released = 0;
    return core_setup(state);
}

static int teardown(void **state)
{
    assert_int_equal(armed(), 0);
    return core_teardown(state);
}

#define timer_test(name) logctx_unit_test_setup_teardown(name, setup, teardown)

static void release(void *user)
{
    (void)user;
    released++;
}

static logctx_result_t work(void *user)
{
    calls++;
    seen = logctx_current();
    run_user(MS);
    return user ? logctx_failure(user, NULL, NULL) : logctx_success(NULL, NULL);
}

static logctx_result_t work_that_waits(void *user)
{
    (void)user;
    calls++;
    pending = logctx_make_yieldable(logctx_deferred_new(NULL, NULL, NULL));
    return logctx_wait_for(logctx_deferred_ref(pending));
}

static logctx_result_t end_context(void *user, logctx_result_t *result)
{
    calls++;
    assert_current(user);
    logctx_exit(user);
    logctx_unref(user);
    return *result;
}

static logctx_result_t note_error(void *user, logctx_result_t *result)
{
    *(const char **)user = result->error ? result->error : "ok";
    return logctx_success(NULL, NULL);
}

// ---- without memory ----

// Nothing is left in the pool of pairs; what was added is in `full`.
static logctx_deferred_t *exhaust(void)
{
    logctx_deferred_t *full = logctx_deferred_new(NULL, NULL, NULL);
    alloc_fail(1, true);
    while (logctx_deferred_add(full, NULL, NULL, NULL, NULL) == LOGCTX_OK)
        ;
    return full;
}

// Work that could not be waited for is not begun, and `user` is released when nobody can use it any more.
static void test_a_call_without_memory(void **state)
{
    (void)state;
    logctx_call_t *once = logctx_call_later(&loop, 10, "test_no_memory", work_that_waits, NULL, release);
    logctx_call_t *again = logctx_looping_call(&loop, 10, "test_no_memory", work_that_waits, NULL, release);
    end(make("k", "so that there is memory for a context"));
    logctx_deferred_t *full = exhaust();
    turn(10 * MS);
    take_errors(LOGCTX_ERROR_UNHANDLED_FAILURE, 2);
    assert_int_equal(calls, 0);
    logctx_call_unref(once);
    assert_int_equal(released, 1);
    alloc_fail(0, false);
    logctx_deferred_unref(full);
    turn(10 * MS); // the looping call has another try
    assert_int_equal(calls, 1);
    logctx_call_cancel(again);
    assert_int_equal(released, 1);
    logctx_deferred_succeed(pending, NULL, NULL);
    assert_int_equal(released, 2);
    logctx_deferred_unref(pending);
}

// ---- sleep ----

static void test_sleep(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "A");
    logctx_enter(ctx);
    logctx_deferred_t *d = logctx_sleep(&loop, 10);
    assert_current(logctx_sentinel());
    logctx_deferred_add(d, end_context, NULL, ctx, NULL);
    logctx_deferred_unref(d);
    turn(9 * MS);
    assert_int_equal(calls, 0);
    turn(MS);
    assert_int_equal(calls, 1);
}

static void test_sleep_is_cancelled(void **state)
{
    (void)state;
    const char *error = NULL;
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    logctx_deferred_t *d = (logctx_sleep)(&loop, 10);
    logctx_deferred_add(d, end_context, end_context, ctx, NULL);
    logctx_deferred_add(d, NULL, note_error, &error, NULL);
    assert_int_equal(armed(), 1);
    logctx_deferred_cancel(d);
    assert_int_equal(armed(), 0);
    assert_string_equal(error, LOGCTX_CANCELLED);
    logctx_deferred_unref(d);
    assert_int_equal(books().live, 0);
}

static void test_sleep_that_is_forgotten(void **state)
{
    (void)state;
    logctx_deferred_unref(logctx_sleep(&loop, 1));
    assert_int_equal(logctx_deferred_pending(), 1);
    turn(MS);
    assert_int_equal(logctx_deferred_pending(), 0);
}

static void test_no_timers(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    assert_null(logctx_sleep(NULL, 1));
    assert_null(logctx_call_later(NULL, 1, "test_call", work, NULL, release));
    assert_null(logctx_call_later(&loop, 1, "test_call", NULL, NULL, release));
    assert_int_equal(released, 2);
    logctx_deferred_t *d = logctx_deferred_new(NULL, NULL, NULL);
    assert_int_equal(logctx_deferred_set_timeout(d, NULL, 1), LOGCTX_E_INVALID);
    take_errors(LOGCTX_ERROR_INVALID_USE, 4);
    assert_int_equal(logctx_deferred_set_timeout(NULL, &loop, 1), LOGCTX_E_INVALID);
    refuse = true;
    assert_null(logctx_sleep(&loop, 1));
    assert_null(logctx_looping_call(&loop, 1, "test_call", work, NULL, release));
    assert_int_equal(released, 3);
    assert_int_equal(logctx_deferred_set_timeout(d, &loop, 1), LOGCTX_E_NO_MEMORY);
    assert_current(ctx);
    logctx_deferred_unref(d);
    end(ctx);
}

// ---- calls ----

static void test_call_later(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    logctx_call_t *call = logctx_call_later(&loop, 5, "test_expire", work, NULL, release);
    assert_current(ctx);
    logctx_call_unref(call);
    logctx_set_current(logctx_sentinel());
    turn(4 * MS);
    assert_int_equal(calls, 0);
    turn(MS);
    assert_int_equal(calls, 1);
    assert_int_equal(released, 1);
    assert_ptr_not_equal(seen, ctx);
    const logctx_span_t *span = span_of("test_expire-1");
    assert_int_equal(span->type, LOGCTX_TYPE_CALLBACK);
    assert_int_equal(span->own.cpu_ns, MS);
    assert_false(span->has_parent);
    assert_int_equal(collect("test_expire", "callback")->ended, 1);
    end(ctx);
}

static void test_call_later_is_cancelled(void **state)
{
    (void)state;
    logctx_call_t *call = logctx_call_later(&loop, 5, "test_expire", work, NULL, release);
    logctx_call_cancel(call);
    assert_int_equal(released, 1);
    turn(5 * MS);
    assert_int_equal(calls, 0);
    call = logctx_call_later(&loop, 5, "test_expire", work, NULL, release);
    turn(5 * MS);
    logctx_call_cancel(call); // over already
    assert_int_equal(calls, 1);
    assert_int_equal(released, 2);
    logctx_call_cancel(NULL);
    logctx_call_unref(NULL);
}

static void test_a_call_that_waits(void **state)
{
    (void)state;
    logctx_call_unref(logctx_call_later(&loop, 1, "test_slow", work_that_waits, NULL, release));
    turn(MS);
    assert_int_equal(collect("test_slow", "callback")->in_flight, 1);
    assert_int_equal(released, 0);
    logctx_deferred_succeed(pending, NULL, NULL);
    logctx_deferred_unref(pending);
    assert_int_equal(released, 1);
    assert_int_equal(books().live, 0);
}

static void test_a_call_that_fails(void **state)
{
    (void)state;
    logctx_call_unref(logctx_call_later(&loop, 1, "test_bad", work, (void *)(uintptr_t) "broken", NULL));
    int asked_at = __LINE__ - 1;
    turn(MS);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_UNHANDLED_FAILURE);
    assert_string_equal(error->message, "Unhandled failure in a deferred: broken");
    assert_at(error->found_by, asked_at);
    assert_string_equal(text_attr(record_of("test_bad-1"), "error.type"), "broken");
}

static void test_looping_call(void **state)
{
    (void)state;
    logctx_call_t *call = logctx_looping_call(&loop, 10, "test_loop", work, NULL, release);
    assert_int_equal(calls, 0);
    turn(10 * MS); // and the work takes one
    assert_int_equal(calls, 1);
    turn(9 * MS); // on the multiple, not 10 after it
    assert_int_equal(calls, 2);
    turn(30 * MS); // late: the ones it missed are left out
    assert_int_equal(calls, 3);
    assert_int_equal(armed(), 1);
    turn(8 * MS);
    assert_int_equal(calls, 4);
    logctx_call_cancel(call);
    assert_int_equal(released, 1);
    assert_int_equal(collect("test_loop", "callback")->ended, 4); // one context each time
}

static void test_looping_call_now(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    logctx_call_t *call = logctx_looping_call_now(&loop, 10, "test_loop_now", work, NULL, release);
    assert_int_equal(calls, 1);
    assert_ptr_not_equal(seen, ctx);
    assert_current(ctx);
    logctx_set_current(logctx_sentinel());
    turn(9 * MS);
    assert_int_equal(calls, 2);
    logctx_call_cancel(call);
    end(ctx);
}

static void test_a_looping_call_waits_for_its_work(void **state)
{
    (void)state;
    logctx_call_t *call = logctx_looping_call(&loop, 10, "test_loop_slow", work_that_waits, NULL, release);
    turn(10 * MS);
    turn(50 * MS);
    assert_int_equal(calls, 1);
    assert_int_equal(armed(), 0);
    logctx_deferred_succeed(pending, NULL, NULL);
    logctx_deferred_unref(pending);
    turn(10 * MS);
    assert_int_equal(calls, 2);
    logctx_call_cancel(call); // under way: it ends, and is the last
    assert_int_equal(released, 0);
    logctx_deferred_succeed(pending, NULL, NULL);
    logctx_deferred_unref(pending);
    assert_int_equal(released, 1);
}

// A loop that counts in whole milliseconds may call a fraction too early.
static void test_an_early_loop_does_not_call_twice(void **state)
{
    (void)state;
    logctx_call_t *call = logctx_looping_call(&loop, 10, "test_early", work, NULL, NULL);
    timers[0].due_ns -= MS / 2;
    turn(10 * MS - MS / 2);
    assert_int_equal(calls, 1);
    turn(MS);
    assert_int_equal(calls, 1);
    logctx_call_cancel(call);
}

static void test_delay_of_timers(void **state)
{
    (void)state;
    logctx_set_loop_name("timers");
    logctx_call_unref(logctx_call_later(&loop, 10, "test_late", work, NULL, NULL));
    turn(30 * MS);
    collect("", "");
    assert_near(collected_loop("timers")->delay.sum, 0.020);
    logctx_set_loop_name("none");
}

// ---- timeouts ----

static void test_timeout(void **state)
{
    (void)state;
    const char *error = NULL;
    logctx_deferred_t *d = logctx_deferred_new(NULL, NULL, NULL);
    assert_int_equal(logctx_deferred_set_timeout(d, &loop, 10), LOGCTX_OK);
    logctx_deferred_add(d, note_error, note_error, &error, NULL);
    turn(10 * MS);
    assert_string_equal(error, LOGCTX_TIMEOUT);
    logctx_deferred_succeed(d, NULL, NULL); // too late, and known to be
    logctx_deferred_unref(d);
}

static void test_a_result_ends_the_timeout(void **state)
{
    (void)state;
    const char *error = NULL;
    logctx_deferred_t *d = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_set_timeout(d, &loop, 10);
    logctx_deferred_add(d, note_error, note_error, &error, NULL);
    logctx_deferred_succeed(d, NULL, NULL);
    assert_string_equal(error, "ok");
    assert_int_equal(armed(), 0);
    assert_int_equal(logctx_deferred_set_timeout(d, &loop, 10), LOGCTX_OK); // nothing to wait for
    assert_int_equal(armed(), 0);
    logctx_deferred_unref(d);
    d = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_set_timeout(d, &loop, 10);
    logctx_deferred_add(d, note_error, note_error, &error, NULL);
    logctx_deferred_cancel(d); // by somebody else
    assert_string_equal(error, LOGCTX_CANCELLED);
    logctx_deferred_unref(d);
    d = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_set_timeout(d, &loop, 10);
    logctx_deferred_unref(d); // dropped
    assert_int_equal(armed(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        timer_test(test_a_call_without_memory), // while the pools are small
        timer_test(test_sleep),
        timer_test(test_sleep_is_cancelled),
        timer_test(test_sleep_that_is_forgotten),
        timer_test(test_no_timers),
        timer_test(test_call_later),
        timer_test(test_call_later_is_cancelled),
        timer_test(test_a_call_that_waits),
        timer_test(test_a_call_that_fails),
        timer_test(test_looping_call),
        timer_test(test_looping_call_now),
        timer_test(test_a_looping_call_waits_for_its_work),
        timer_test(test_an_early_loop_does_not_call_twice),
        timer_test(test_delay_of_timers),
        timer_test(test_timeout),
        timer_test(test_a_result_ends_the_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
