/*
 * test_bind.c: callbacks run in the context that asked for them, and what they leave behind is put back and told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <logctx/bind.h>
#include <logctx/loop.h>
#include <pthread.h>

#include "collected.h"

struct seen {
    int calls;
    logctx_t *current;
    logctx_t *leave; // make this one current before returning
    logctx_bound_t *free_me;
    int line;
};

static void callback(void *user)
{
    struct seen *seen = user;
    seen->calls++;
    seen->current = logctx_current();
    if (seen->free_me)
        logctx_bound_free(seen->free_me);
    if (seen->leave) {
        logctx_set_current(seen->leave);
        seen->line = __LINE__ - 1;
    }
    run_user(MS);
}

// A function of the host's that knows nothing of contexts: takes any callback with its argument.
static void foreign(void (*fn)(void *), void *arg)
{
    fn(arg);
}

static void test_many_calls_in_the_context(void **state)
{
    (void)state;
    struct seen seen = {0};
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    logctx_bound_t *bound = logctx_bind(callback, &seen);
    assert_current(ctx);
    logctx_set_current(logctx_sentinel());
    for (int i = 0; i < 3; i++) {
        foreign(logctx_bound_call, bound);
        assert_ptr_equal(seen.current, ctx);
        assert_current(logctx_sentinel());
    }
    assert_int_equal(seen.calls, 3);
    assert_int_equal(own_of(ctx).cpu_ns, 3 * MS);
    logctx_bound_free(bound);
    logctx_bound_free(NULL);
    end(ctx);
}

static void test_one_call(void **state)
{
    (void)state;
    struct seen seen = {0};
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    logctx_bound_t *bound = (logctx_bind)(callback, &seen);
    logctx_set_current(logctx_sentinel());
    foreign(logctx_bound_call_once, bound);
    assert_ptr_equal(seen.current, ctx);
    assert_current(logctx_sentinel());
    logctx_bound_call(bound); // freed: refused, and said
    assert_non_null(strstr(take_error(LOGCTX_ERROR_INVALID_USE)->message, "was freed"));
    assert_int_equal(seen.calls, 1);
    end(ctx);
}

static void test_freed_by_its_own_call(void **state)
{
    (void)state;
    struct seen seen = {0};
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    logctx_bound_t *bound = logctx_bind(callback, &seen);
    seen.free_me = bound;
    logctx_unref(ctx); // the bound callback holds it now
    logctx_set_current(logctx_sentinel());
    logctx_bound_call(bound);
    assert_current(logctx_sentinel());
    assert_non_null(logctx_recorder_find(recorder, "k")); // the last reference finished it
}

static void test_called_from_another_context(void **state)
{
    (void)state;
    struct seen seen = {0};
    logctx_t *a = make("k", "A"), *b = make("k", "B");
    logctx_set_current(a);
    logctx_bound_t *bound = logctx_bind(callback, &seen);
    logctx_set_current(b);
    logctx_bound_call(bound);
    assert_ptr_equal(seen.current, a);
    assert_current(b);
    logctx_bound_free(bound);
    end(a);
    end(b);
}

static void test_bound_in_the_sentinel(void **state)
{
    (void)state;
    struct seen seen = {0};
    logctx_bound_t *bound = logctx_bind(callback, &seen);
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    logctx_bound_call(bound);
    assert_ptr_equal(seen.current, logctx_sentinel());
    assert_current(ctx);
    logctx_bound_free(bound);
    end(ctx);
}

static void test_may_leave_the_sentinel(void **state)
{
    (void)state;
    struct seen seen = {.leave = logctx_sentinel()};
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    logctx_bound_t *bound = logctx_bind(callback, &seen);
    logctx_set_current(logctx_sentinel());
    logctx_bound_call(bound);
    assert_current(logctx_sentinel());
    assert_int_equal(own_of(ctx).cpu_ns, 0); // it ran on in the sentinel
    logctx_bound_free(bound);
    end(ctx);
}

static void test_leaks_to_the_loop(void **state)
{
    (void)state;
    logctx_t *a = make("k", "A"), *b = make("k", "B");
    struct seen seen = {.leave = b};
    logctx_set_current(a);
    logctx_bound_t *bound = logctx_bind(callback, &seen);
    int bound_at = __LINE__ - 1;
    logctx_set_current(logctx_sentinel());
    logctx_bound_call(bound);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_string_equal(error->message, "Logging context B leaked to the event loop");
    assert_string_equal(error->affected, "B");
    assert_at(error->set_by, seen.line);
    assert_at(error->found_by, bound_at);
    assert_current(logctx_sentinel());
    logctx_bound_free(bound);
    end(a);
    end(b);
}

static void test_leaves_another_to_its_caller(void **state)
{
    (void)state;
    logctx_t *a = make("k", "A"), *b = make("k", "B"), *c = make("k", "C");
    struct seen seen = {.leave = b};
    logctx_set_current(a);
    logctx_bound_t *bound = logctx_bind(callback, &seen);
    logctx_set_current(c);
    logctx_bound_call(bound);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_UNEXPECTED_CONTEXT);
    assert_string_equal(error->message, "Expected logging context A but found B");
    assert_at(error->set_by, seen.line);
    assert_current(c);
    logctx_bound_free(bound);
    end(a);
    end(b);
    end(c);
}

static void end_two(void *user)
{
    logctx_t **both = user;
    for (int i = 0; i < 2 && both[i]; i++) {
        logctx_exit(both[i]);
        logctx_unref(both[i]);
    }
}

// A request is made in the context of its connection, or a part in that of a request. Its end puts that one back.
static void test_ends_what_was_made_in_another(void **state)
{
    (void)state;
    logctx_t *connection = make("k", "C"), *both[2] = {NULL};
    for (int depth = 1; depth <= 2; depth++) {
        logctx_set_current(connection);
        logctx_t *request = make("k", "R");
        logctx_enter(request);
        both[0] = both[depth - 1] = request;
        if (depth == 2)
            logctx_enter(both[0] = logctx_new_nested("part"));
        logctx_bound_t *bound = logctx_bind(end_two, both);
        logctx_set_current(logctx_sentinel());
        logctx_bound_call_once(bound);
        assert_current(logctx_sentinel());
        assert_false(logctx_is_finished(connection));
    }
    // But not if it has not ended, and not another one.
    logctx_t *other = make("k", "O");
    for (int ends = 0; ends < 2; ends++) {
        struct seen seen = {.leave = ends ? other : connection};
        logctx_set_current(connection);
        logctx_t *request = make("k", "R");
        logctx_enter(request);
        logctx_bound_t *bound = logctx_bind(callback, &seen);
        logctx_set_current(logctx_sentinel());
        if (ends)
            logctx_finish(request);
        logctx_bound_call(bound);
        if (ends)
            take_error(LOGCTX_ERROR_RESTARTED_FINISHED);
        assert_at(take_error(LOGCTX_ERROR_LEAKED_TO_LOOP)->set_by, seen.line);
        assert_current(logctx_sentinel());
        logctx_bound_free(bound);
        end(request);
    }
    end(other);
    end(connection);
}

static void test_outlives_its_context(void **state)
{
    (void)state;
    struct seen seen = {0};
    logctx_t *ctx = make("k", "A");
    logctx_set_current(ctx);
    logctx_bound_t *bound = logctx_bind(callback, &seen);
    int bound_at = __LINE__ - 1;
    end(ctx);
    logctx_bound_call(bound);
    assert_at(take_error(LOGCTX_ERROR_RESTARTED_FINISHED)->found_by, bound_at);
    assert_current(logctx_sentinel());
    logctx_bound_free(bound);
}

// A callback that only tells that something is over is not to be reported for coming late, but for all else.
static void test_tells_that_something_is_over(void **state)
{
    (void)state;
    logctx_t *a = make("k", "A"), *b = make("k", "B");
    logctx_capture_t capture;
    logctx_set_current(a);
    logctx_capture_init(&capture, LOGCTX_HERE);
    logctx_set_current(logctx_sentinel());

    logctx_resumed_t resumed = logctx_resume_unless_finished(&capture);
    assert_current(a); // in time
    logctx_resume_end(&resumed);
    assert_current(logctx_sentinel());
    end(a);

    logctx_set_current(b);
    resumed = logctx_resume_unless_finished(&capture);
    assert_current(logctx_sentinel()); // late
    logctx_capture_clear(&capture);
    logctx_resume_end(&resumed);
    assert_current(b);
    logctx_set_current(logctx_sentinel());

    logctx_set_current(b);
    logctx_capture_init(&capture, LOGCTX_HERE);
    int captured_at = __LINE__ - 1;
    end(b);
    logctx_t *c = make("k", "C");
    resumed = logctx_resume_unless_finished(&capture);
    logctx_set_current(c);
    int leaked_at = __LINE__ - 1;
    logctx_resume_end(&resumed);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_at(error->set_by, leaked_at);
    assert_at(error->found_by, captured_at);
    logctx_capture_clear(&capture);
    end(c);
    resumed = logctx_resume_unless_finished(&capture); // an empty one, and none at all, are the sentinel's
    logctx_resume_end(&resumed);
    resumed = logctx_resume_unless_finished(NULL);
    logctx_resume_end(&resumed);
}

static void test_capture_may_go_during_the_call(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "A");
    logctx_capture_t capture;
    logctx_set_current(ctx);
    logctx_capture_init(&capture, LOGCTX_HERE);
    logctx_set_current(logctx_sentinel());
    logctx_resumed_t resumed = logctx_resume(&capture);
    logctx_capture_clear(&capture);
    logctx_capture_clear(&capture);
    assert_current(ctx);
    logctx_exit(ctx);
    logctx_unref(ctx);
    assert_current(logctx_sentinel());
    logctx_resume_end(&resumed);
    assert_current(logctx_sentinel());
    resumed = logctx_resume(&capture); // an empty one is the sentinel's
    logctx_resume_end(&resumed);
}

static void test_who_is_to_blame_stays(void **state)
{
    (void)state;
    struct seen seen = {0};
    logctx_t *a = make("k", "A"), *b = make("k", "B");
    logctx_set_current(a);
    logctx_bound_t *bound = logctx_bind(callback, &seen);
    logctx_set_current(logctx_sentinel());
    logctx_set_current(b); // a callback that leaks
    int leaked_at = __LINE__ - 1;
    logctx_bound_call(bound); // one that does not
    logctx_poll_begin();
    logctx_poll_end();
    assert_at(take_error(LOGCTX_ERROR_LEAKED_TO_LOOP)->set_by, leaked_at);
    logctx_bound_free(bound);
    end(a);
    end(b);
}

static void test_misuse(void **state)
{
    (void)state;
    logctx_resumed_t resumed = logctx_resume(NULL);
    logctx_resume_end(&resumed);
    logctx_resume_end(&resumed);
    logctx_resume_end(NULL);
    logctx_bound_call(NULL);
    logctx_bound_call_once(NULL);
    logctx_capture_init(NULL, NULL);
    logctx_capture_clear(NULL);
    assert_null(logctx_bind(NULL, NULL));
    take_errors(LOGCTX_ERROR_INVALID_USE, 6);
}

// ---- for adapters ----

struct worker {
    logctx_t *request, *task, *part;
};

static void *make_workers_contexts(void *argument)
{
    struct worker *worker = argument;
    assert_null(logctx_at_home(worker->request));
    worker->task = logctx_new_on_thread(worker->request);
    worker->part = make_child(worker->task, "part");
    assert_ptr_equal(logctx_at_home(worker->part), worker->part);
    return NULL;
}

static void test_at_home(void **state)
{
    (void)state;
    struct worker worker = {.request = make("k", "A")};
    assert_ptr_equal(logctx_at_home(worker.request), worker.request);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, make_workers_contexts, &worker), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ptr_equal(logctx_at_home(worker.part), worker.request);
    assert_ptr_equal(logctx_at_home(NULL), logctx_sentinel());
    assert_ptr_equal(logctx_at_home(logctx_sentinel()), logctx_sentinel());
    end(worker.part);
    end(worker.task);
    end(worker.request);
}

// ---- how late the loop is ----

static const logctx_histogram_t *delay_of(const char *name)
{
    collect("", "");
    const logctx_loop_sums_t *loop = collected_loop(name);
    assert_non_null(loop);
    return &loop->delay;
}

static void test_delay(void **state)
{
    (void)state;
    logctx_set_loop_name("late");
    logctx_loop_ran(0); // not in a turn: nothing to count from
    logctx_poll_begin();
    logctx_poll_end();
    pass(3 * MS);
    logctx_loop_ran(0);
    logctx_loop_ran(logctx_now_ns() - 40 * (uint64_t)MS); // a timer, due before the poll
    logctx_loop_ran(logctx_now_ns() + 5);                 // early: no delay
    logctx_poll_begin();
    logctx_loop_ran(0); // between begin and end what is ready is not known
    logctx_poll_end();
    const logctx_histogram_t *delay = delay_of("late");
    assert_int_equal(delay->count, 3);
    assert_near(delay->sum, 0.043);
    assert_near(delay->min, 0.0);
    assert_near(delay->max, 0.040);
    assert_int_equal(delay->buckets[0], 1);
    logctx_set_loop_name("none"); // what was counted stays with its name
    assert_int_equal(delay_of("late")->count, 3);
}

// A loop that calls back while it goes through what the poll found: ready is what the poll found when it returned.
static void test_delay_inside_the_poll(void **state)
{
    (void)state;
    logctx_set_loop_name("calls back inside");
    logctx_poll_begin();
    logctx_loop_ran(0); // not known yet
    pass(100 * MS);
    logctx_poll_woke();
    logctx_loop_ran(0);
    pass(2 * MS);
    logctx_poll_woke(); // of the same turn
    logctx_loop_ran(0);
    logctx_poll_end();
    pass(5 * MS);
    logctx_loop_ran(0);
    const logctx_histogram_t *delay = delay_of("calls back inside");
    assert_int_equal(delay->count, 3);
    assert_near(delay->sum, 0.009);
    assert_near(delay->max, 0.007);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_many_calls_in_the_context),
        core_test(test_one_call),
        core_test(test_freed_by_its_own_call),
        core_test(test_called_from_another_context),
        core_test(test_bound_in_the_sentinel),
        core_test(test_may_leave_the_sentinel),
        core_test(test_leaks_to_the_loop),
        core_test(test_leaves_another_to_its_caller),
        core_test(test_ends_what_was_made_in_another),
        core_test(test_outlives_its_context),
        core_test(test_tells_that_something_is_over),
        core_test(test_capture_may_go_during_the_call),
        core_test(test_who_is_to_blame_stays),
        core_test(test_misuse),
        core_test(test_at_home),
        core_test(test_delay),
        core_test(test_delay_inside_the_poll),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
