/*
 * test_thread.c: threads one after the other: a context's home, work for others, threads that end, ids used again. What
 * happens at the same time is in test_load.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "alloc.h"
#include "spans.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static void on_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, body, argument), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

// ---- another thread's context ----

static int start_line, stop_line;

static void *run_foreign(void *argument)
{
    logctx_set_current(argument);
    start_line = __LINE__ - 1;
    run_user(MS);
    logctx_set_current(logctx_sentinel());
    stop_line = __LINE__ - 1;
    return NULL;
}

static void test_on_a_different_thread(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "main's");
    on_thread(run_foreign, ctx);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD);
    assert_string_equal(error->message, "Started logcontext main's on different thread");
    assert_at(error->found_by, start_line);
    assert_string_equal(error->current, "main's");
    error = take_error(LOGCTX_ERROR_STOPPED_ON_DIFFERENT_THREAD);
    assert_string_equal(error->message, "Stopped logcontext main's on different thread");
    assert_at(error->found_by, stop_line);
    assert_at(error->set_by, start_line);
    assert_int_equal(own_of(ctx).cpu_ns, 0); // charged to nobody
    end(ctx);
    assert_int_equal(int_attr(record_of("main's"), "logctx.switches"), 0);
    assert_int_equal(int_attr(record_of("main's"), "logctx.errors"), 2);
}

static void test_a_foreign_stop_wipes_the_start(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    logctx_set_current(ctx);
    run_user(MS);
    on_thread(run_foreign, ctx);
    take_error(LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD);
    take_error(LOGCTX_ERROR_STOPPED_ON_DIFFERENT_THREAD);
    logctx_set_current(logctx_sentinel());
    assert_at(take_error(LOGCTX_ERROR_STOP_WITHOUT_START)->set_by, start_line); // on that thread
    assert_int_equal(own_of(ctx).cpu_ns, 0);                                    // the slice is lost
    end(ctx);
}

// A finished context on a foreign thread is not reported as finished.
static void test_a_finished_one_on_a_different_thread(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    logctx_finish(ctx);
    on_thread(run_foreign, ctx);
    take_error(LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD);
    take_error(LOGCTX_ERROR_STOPPED_ON_DIFFERENT_THREAD);
    logctx_unref(ctx);
}

static void *read_usage(void *argument)
{
    assert_int_equal(own_of(argument).cpu_ns, 0); // the running slice is invisible here
    return NULL;
}

static void test_usage_from_another_thread(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    logctx_set_current(ctx);
    run_user(MS);
    on_thread(read_usage, ctx);
    assert_int_equal(own_of(ctx).cpu_ns, MS);
    end(ctx);
}

// ---- work for another context ----

static void *work_for(void *caller)
{
    logctx_t *ctx = logctx_new_on_thread(caller);
    logctx_unref(caller);
    assert_string_equal(logctx_name(ctx), "caller");
    assert_int_equal(logctx_type(ctx), LOGCTX_TYPE_THREAD);
    assert_string_equal(logctx_kind_name(logctx_kind_of(ctx)), "served");
    logctx_enter(ctx);
    run_user(3 * MS);
    logctx_db_transaction(MS);
    logctx_set_string(ctx, "where", "worker");
    logctx_set_string(logctx_current(), "tid", "x");
    logctx_exit(ctx);
    logctx_unref(ctx);
    return NULL;
}

static void test_work_on_a_thread(void **state)
{
    (void)state;
    logctx_t *caller = make("served", "caller");
    on_thread(work_for, logctx_ref(caller));
    assert_int_equal(own_of(caller).cpu_ns, 0);
    assert_int_equal(total_of(caller).cpu_ns, 3 * MS);
    assert_int_equal(total_of(caller).db_transactions, 1);
    logctx_span_context_t ids = logctx_get_span_context(caller);
    end(caller);
    const logctx_record_t *child = logctx_recorder_at(recorder, 0), *parent = logctx_recorder_at(recorder, 1);
    assert_memory_equal(logctx_record_span(child)->parent_span_id, ids.span_id, 8);
    assert_string_equal(text_attr(child, "where"), "worker");
    assert_int_equal(int_attr(parent, "thread.id"), syscall(SYS_gettid));
    assert_int_not_equal(int_attr(child, "thread.id"), syscall(SYS_gettid));
    assert_int_equal(logctx_record_span(parent)->total.cpu_ns, 3 * MS);
}

// The caller's request may be over by then: the reference keeps it.
static void test_work_for_a_caller_that_has_ended(void **state)
{
    (void)state;
    logctx_t *caller = make("served", "caller");
    logctx_ref(caller);
    end(caller);
    on_thread(work_for, caller);
    take_error(LOGCTX_ERROR_OUTLIVED_PARENT);
}

// ---- finishing and giving back elsewhere ----

static void *finish_it(void *argument)
{
    logctx_set_string(argument, "by", "another thread");
    logctx_add_event(argument, "e", NULL, 0);
    logctx_finish(argument);
    return NULL;
}

static void *unref_it(void *argument)
{
    logctx_unref(argument);
    return NULL;
}

static void test_foreign_finish(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "idle"), *running = make("k", "running");
    on_thread(finish_it, ctx);
    assert_true(logctx_is_finished(ctx));
    assert_string_equal(text_attr(record_of("idle"), "by"), "another thread");
    logctx_unref(ctx);
    logctx_set_current(running);
    run_user(MS);
    on_thread(finish_it, running);
    logctx_unref(running);
    assert_string_equal(logctx_name(logctx_current()), "running"); // it stays there while it is current
    run_user(MS);
    logctx_set_current(logctx_sentinel());
    assert_int_equal(books().live, 0);
    end(make("k", "the next one adopts what others finished"));
}

static void test_foreign_last_unref(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "given away");
    on_thread(unref_it, ctx);
    assert_int_equal(logctx_recorder_count(recorder), 1);
    logctx_t *finished = make("k", "finished");
    logctx_finish(finished);
    on_thread(unref_it, finished);
    end(make("k", "next"));
    assert_int_equal(logctx_recorder_count(recorder), 3);
}

// ---- threads that end ----

static int left_line;

static void *leave_current(void *argument)
{
    fake_thread_id = argument ? *(const uint64_t *)argument : 0;
    logctx_t *ctx = make("k", "left");
    logctx_set_current(ctx);
    left_line = __LINE__ - 1;
    logctx_unref(logctx_ref(ctx));
    run_user(MS);
    return ctx;
}

static void test_thread_exit_with_context(void **state)
{
    (void)state;
    pthread_t thread;
    void *left;
    assert_int_equal(pthread_create(&thread, NULL, leave_current, NULL), 0);
    pthread_join(thread, &left);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_THREAD_EXIT_WITH_CONTEXT);
    assert_string_equal(error->message, "A thread ended with logging context left still current");
    assert_string_equal(error->affected, "left");
    assert_at(error->set_by, left_line);
    assert_int_equal(own_of(left).cpu_ns, 0); // charged to nobody
    end(left);
    assert_int_equal(count_events(record_of("left"), LOGCTX_TRANSITION_EVENT), 1);
}

static void *leave_the_last_reference(void *argument)
{
    (void)argument;
    logctx_t *ctx = make("k", "nobody's");
    logctx_set_current(ctx);
    logctx_unref(ctx);
    return NULL;
}

static void test_thread_exit_with_a_context_that_nobody_holds(void **state)
{
    (void)state;
    on_thread(leave_the_last_reference, NULL);
    take_error(LOGCTX_ERROR_THREAD_EXIT_WITH_CONTEXT);
    assert_int_equal(books().live, 0);
    span_of("nobody's");
}

struct again {
    uint64_t id;
    logctx_t *ctx;
};

static void *start_again(void *argument)
{
    struct again *again = argument;
    fake_thread_id = again->id;
    logctx_set_current(again->ctx);
    run_user(4 * MS);
    logctx_set_current(logctx_sentinel());
    return NULL;
}

// A dead thread's id comes again, and with it a context that it left running: the old reading stays.
static void test_thread_ids_used_again(void **state)
{
    (void)state;
    static const uint64_t id = 71;
    pthread_t thread;
    void *left;
    assert_int_equal(pthread_create(&thread, NULL, leave_current, (void *)(uintptr_t)&id), 0);
    pthread_join(thread, &left);
    take_error(LOGCTX_ERROR_THREAD_EXIT_WITH_CONTEXT);
    run_user(2 * MS);
    struct again again = {72, left};
    on_thread(start_again, &again);
    take_error(LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD);
    take_error(LOGCTX_ERROR_STOPPED_ON_DIFFERENT_THREAD);
    end(left);

    assert_int_equal(pthread_create(&thread, NULL, leave_current, (void *)(uintptr_t)&id), 0);
    pthread_join(thread, &left);
    take_error(LOGCTX_ERROR_THREAD_EXIT_WITH_CONTEXT);
    run_user(2 * MS);
    again = (struct again){71, left};
    on_thread(start_again, &again);
    assert_string_equal(take_error(LOGCTX_ERROR_RESTARTED_ACTIVE)->message,
                        "Re-starting already-active log context left");
    assert_int_equal(own_of(left).cpu_ns, 7 * MS);
    end(left);
}

// ---- many threads, one after the other ----

static void *short_life(void *argument)
{
    (void)argument;
    logctx_t *ctx = make("short", "a name of more than forty bytes, which is allocated for it");
    logctx_enter(ctx);
    logctx_exit(ctx);
    logctx_unref(ctx);
    return NULL;
}

static void test_ten_thousand_threads_leave_nothing(void **state)
{
    (void)state;
    logctx_recorder_free(recorder);
    recorder = NULL;
    for (int i = 0; i < 3; i++)
        on_thread(short_life, NULL);
    long blocks = alloc_blocks;
    for (int i = 0; i < 10000; i++)
        on_thread(short_life, NULL);
    assert_int_equal(alloc_blocks, blocks);
}

// ---- after the end of the library's state of a thread ----

static pthread_key_t late_key;

static void use_late(void *value)
{
    (void)value;
    logctx_t *ctx = make("late", "in a destructor");
    logctx_enter(ctx);
    logctx_exit(ctx);
    logctx_unref(ctx);
}

static void *set_late(void *argument)
{
    pthread_setspecific(late_key, argument);
    logctx_unref(make("late", "before"));
    return NULL;
}

static void test_used_in_a_destructor(void **state)
{
    (void)state;
    assert_int_equal(pthread_key_create(&late_key, use_late), 0); // runs after the library's own
    on_thread(set_late, &late_key);
    span_of("before");
    span_of("in a destructor");
    pthread_key_delete(late_key);
    on_thread(short_life, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_on_a_different_thread),
        core_test(test_a_foreign_stop_wipes_the_start),
        core_test(test_a_finished_one_on_a_different_thread),
        core_test(test_usage_from_another_thread),
        core_test(test_work_on_a_thread),
        core_test(test_work_for_a_caller_that_has_ended),
        core_test(test_foreign_finish),
        core_test(test_foreign_last_unref),
        core_test(test_thread_exit_with_context),
        core_test(test_thread_exit_with_a_context_that_nobody_holds),
        core_test(test_thread_ids_used_again),
        core_test(test_ten_thousand_threads_leave_nothing),
        core_test(test_used_in_a_destructor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
