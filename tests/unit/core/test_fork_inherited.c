// What a child of fork inherits is inert: contexts, blocks that were begun, work that was pending.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include "forked.h"

#include <logctx/bind.h>
#include <logctx/deferred.h>
#include <logctx/recorder.h>
#include <logctx/testing.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// Inherited contexts.

static int use_inherited(void)
{
    logctx_t *const all[] = {inherited.parent, inherited.running, inherited.finished, inherited.other};
    size_t spans = logctx_recorder_count(inherited.recorder);
    CHECK(logctx_is_sentinel(logctx_current()));
    CHECK(strcmp(logctx_name(inherited.running), "a name that is too long to stand in the context itself") == 0);
    for (size_t i = 0; i < 4; i++) {
        logctx_usage_t before, after;
        logctx_get_usage(all[i], NULL, &before);
        CHECK(!logctx_is_recording(all[i]));
        use(all[i]);
        CHECK(logctx_is_sentinel(logctx_current()));
        logctx_get_usage(all[i], NULL, &after);
        CHECK(memcmp(&before, &after, sizeof before) == 0);
    }
    logctx_unref(inherited.running);
    logctx_unref(inherited.other);
    logctx_unref(inherited.parent);
    logctx_unref(inherited.finished);
    CHECK(strcmp(logctx_name(inherited.parent), "parent") == 0); // never freed, so that nothing can go wrong with it
    CHECK(logctx_recorder_count(inherited.recorder) == spans);
    CHECK(all_errors() == 0);
    CHECK(books().created == 0 && books().live == 0 && books().ended == 0);
    logctx_check_unfinished();
    CHECK(all_errors() == 0 && logctx_get_snapshot(NULL, 0) == 0);
    return 0;
}

static void test_inherited_are_inert(void **state)
{
    (void)state;
    make_inherited();
    uint64_t errors = all_errors();
    assert_int_equal(run_child(use_inherited), 0);
    assert_ptr_equal(logctx_current(), inherited.running); // the parent noticed nothing
    assert_int_equal(all_errors(), errors);
    logctx_set_current(logctx_sentinel());
    drop_inherited();
    assert_int_equal(all_errors(), errors);
    assert_true(balanced());
}

// The twin: in the process that made it, the same calls are counted, charged, recorded and reported.
static void test_own_are_not_inert(void **state)
{
    (void)state;
    make_inherited();
    uint64_t errors = all_errors();
    size_t spans = logctx_recorder_count(inherited.recorder);
    logctx_set_current(logctx_sentinel());
    assert_true(logctx_is_recording(inherited.other));
    use(inherited.other);
    logctx_usage_t usage;
    logctx_get_usage(inherited.other, &usage, NULL);
    assert_true(usage.cpu_ns >= 2000 && usage.db_transactions == 1);
    assert_true(all_errors() > errors);
    assert_true(logctx_recorder_count(inherited.recorder) > spans);
    logctx_check_unfinished();
    assert_true(logctx_error_count(LOGCTX_ERROR_UNFINISHED_AT_EXIT) > 0);
    drop_inherited();
}

// Blocks that were begun in the parent end in the child.

static int leave_blocks(void)
{
    return logctx_is_sentinel(logctx_current()) && all_errors() == 0 ? 0 : 1;
}

static int fork_in_blocks(void)
{
    LOGCTX_SCOPE(make("scope", NULL));
    LOGCTX_PRESERVE(logctx_sentinel());
    LOGCTX_SCOPE(make("scope in the sentinel", NULL));
    return fork();
}

static void test_blocks_end_in_the_child(void **state)
{
    (void)state;
    uint64_t errors = all_errors();
    pid_t pid = fork_in_blocks();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(leave_blocks());
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(all_errors(), errors);
}

static int keep_own_current(void)
{
    logctx_t *own = make("own", NULL);
    logctx_enter(own);
    logctx_enter(inherited.other);
    CHECK(logctx_current() == own);
    logctx_exit(inherited.other);
    CHECK(logctx_current() == own);
    logctx_preserve_t block = logctx_preserve_enter(inherited.other);
    CHECK(logctx_is_sentinel(logctx_current()));
    logctx_preserve_exit(&block);
    CHECK(logctx_current() == own);
    logctx_exit(own);
    logctx_unref(own);
    CHECK(all_errors() == 0 && balanced() && books().ended == 1);
    return 0;
}

// An inherited parent: its trace goes on as if it were in another process, which it is. Nothing is charged to it.
static int continue_trace(void)
{
    logctx_t *own = make("own", inherited.parent);
    logctx_span_context_t there = logctx_get_span_context(inherited.parent), here = logctx_get_span_context(own);
    logctx_usage_t before, after;
    logctx_get_usage(inherited.parent, NULL, &before);
    logctx_charge_cpu(own, 5000, 0);
    end(own);
    logctx_t *on_thread = logctx_new_on_thread(inherited.running);
    CHECK(strcmp(logctx_name(on_thread), logctx_name(inherited.running)) == 0);
    end(on_thread);
    logctx_get_usage(inherited.parent, NULL, &after);
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    size_t last = logctx_recorder_count(inherited.recorder) - 2;
    const logctx_span_t *span = logctx_record_span(logctx_recorder_at(inherited.recorder, last));
    CHECK(memcmp(there.trace_id, here.trace_id, sizeof there.trace_id) == 0);
    CHECK(memcmp(span->parent_span_id, there.span_id, sizeof there.span_id) == 0);
    CHECK(span->flags & 0x200); // SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
    CHECK(all_errors() == 0 && balanced());
    return 0;
}

static void test_own_beside_inherited(void **state)
{
    (void)state;
    make_inherited();
    assert_int_equal(run_child(keep_own_current), 0);
    assert_int_equal(run_child(continue_trace), 0);
    drop_inherited();
}

// Work that was pending at the fork, called in the child: in the sentinel, for its context is the parent's.

static logctx_deferred_t *pending;
static logctx_bound_t *bound;
static int calls;

static logctx_result_t on_success(void *user, logctx_result_t *result)
{
    (void)user;
    calls += logctx_is_sentinel(logctx_current());
    logctx_set_current(logctx_sentinel());
    return *result;
}

static void on_call(void *user)
{
    (void)user;
    calls += logctx_is_sentinel(logctx_current());
}

static int complete_inherited(void)
{
    CHECK(logctx_deferred_pending() == 0);
    logctx_deferred_succeed(pending, NULL, NULL);
    logctx_bound_call_once(bound);
    CHECK(calls == 2 && logctx_is_sentinel(logctx_current()));
    logctx_deferred_t *own = logctx_deferred_new(NULL, NULL, NULL);
    CHECK(logctx_deferred_pending() == 1);
    logctx_deferred_succeed(own, NULL, NULL);
    logctx_deferred_unref(own);
    logctx_deferred_unref(pending);
    CHECK(logctx_deferred_pending() == 0 && all_errors() == 0 && balanced());
    return 0;
}

static void test_pending_work(void **state)
{
    (void)state;
    logctx_t *ctx = make("asks", NULL);
    logctx_enter(ctx);
    bound = logctx_bind(on_call, NULL);
    pending = logctx_make_yieldable(logctx_deferred_new(NULL, NULL, NULL));
    logctx_set_current(logctx_sentinel());
    logctx_deferred_add(pending, on_success, NULL, NULL, NULL);
    assert_int_equal(run_child(complete_inherited), 0);
    calls = 0;
    logctx_bound_call_once(bound);
    logctx_deferred_succeed(pending, NULL, NULL);
    assert_int_equal(calls, 0); // the twin: here they run in the context
    logctx_deferred_unref(pending);
    end(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        logctx_unit_test(test_inherited_are_inert),
        cmocka_unit_test(test_own_are_not_inert), // has errors on purpose
        logctx_unit_test(test_blocks_end_in_the_child),
        logctx_unit_test(test_own_beside_inherited),
        logctx_unit_test(test_pending_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
