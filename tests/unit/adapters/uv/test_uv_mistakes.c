/*
 * test_uv_mistakes.c: programs on libuv with one mistake in each: it is found once, as what it is, with the line that made
 * it and the line that noticed; and the same program without the mistake says nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "uv_support.h"

static uv_timer_t timer;
static logctx_t *request, *another;
static bool mistaken;
static int armed_at, made_at;

// The mistake is found, once: these lines, this kind. Or, without it, nothing is.
static void assert_found(logctx_error_kind_t kind, int set_by, int found_by)
{
    if (!mistaken)
        return;
    const logctx_test_error_t *error = take_error(kind);
    assert_at(error->set_by, set_by);
    assert_at(error->found_by, found_by);
}

static void begin(bool mistake)
{
    mistaken = mistake;
    uv_timer_init(&loop, &timer);
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = "another";
    another = logctx_new(logctx_kind("GET /"), &opts);
    opts.name = "request";
    request = logctx_new(logctx_kind("GET /"), &opts);
}

static void end(void)
{
    run();
    if (!uv_is_closing((uv_handle_t *)&timer))
        uv_close((uv_handle_t *)&timer, NULL);
    run();
    logctx_finish(request);
    logctx_unref(request);
    logctx_finish(another);
    logctx_unref(another);
}

static void both(void (*program)(bool mistake))
{
    program(true);
    assert_int_equal(logctx_unexpected_transition_errors(), 0);
    program(false);
    assert_int_equal(logctx_unexpected_transition_errors(), 0);
}

// ---- a callback returns with another context than its own ----

static void leave_another(uv_timer_t *handle)
{
    (void)handle;
    if (mistaken)
        logctx_set_current(another);
    made_at = __LINE__ - 1;
}

static void leaks(bool mistake)
{
    begin(mistake);
    logctx_set_current(request);
    logctx_uv_timer_start(&timer, leave_another, 0, 0);
    armed_at = __LINE__ - 1;
    logctx_set_current(logctx_sentinel());
    end();
    assert_found(LOGCTX_ERROR_LEAKED_TO_LOOP, made_at, armed_at);
}

static void test_callback_leaves_another_context(void **state)
{
    (void)state;
    both(leaks);
}

// ---- the same, armed by libuv's own function ----

static void plain_leaks(bool mistake)
{
    begin(mistake);
    uv_timer_start(&timer, leave_another, 0, 0);
    end();
    if (mistake) {
        const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
        assert_at(error->set_by, made_at);
        assert_at_(error->found_by, "uv_support.c", attached_at);
    }
}

static void test_unwrapped_callback_leaves_a_context(void **state)
{
    (void)state;
    both(plain_leaks);
}

// ---- a callback loses its context inside a block ----

static void lose(uv_timer_t *handle)
{
    (void)handle;
    logctx_t *nested = logctx_new_nested("part");
    logctx_enter(nested);
    if (mistaken)
        logctx_set_current(logctx_sentinel());
    made_at = __LINE__ - 1;
    logctx_exit(nested);
    armed_at = __LINE__ - 1;
    logctx_unref(nested);
}

static void loses(bool mistake)
{
    begin(mistake);
    logctx_set_current(request);
    logctx_uv_timer_start(&timer, lose, 0, 0);
    logctx_set_current(logctx_sentinel());
    end();
    assert_found(LOGCTX_ERROR_CONTEXT_LOST, made_at, armed_at);
}

static void test_callback_loses_its_context(void **state)
{
    (void)state;
    both(loses);
}

// ---- a callback goes on in nobody's name: armed in the sentinel ----

static void make_and_leave(uv_timer_t *handle)
{
    (void)handle;
    logctx_set_current(request);
    made_at = __LINE__ - 1;
    if (!mistaken)
        logctx_set_current(logctx_sentinel());
}

static void armed_in_the_sentinel(bool mistake)
{
    begin(mistake);
    logctx_uv_timer_start(&timer, make_and_leave, 0, 0);
    armed_at = __LINE__ - 1;
    end();
    assert_found(LOGCTX_ERROR_LEAKED_TO_LOOP, made_at, armed_at);
}

static void test_callback_of_the_sentinel_leaves_a_context(void **state)
{
    (void)state;
    both(armed_in_the_sentinel);
}

// ---- a timer outlives its request ----

static void on_late_timer(uv_timer_t *handle)
{
    (void)handle;
}

static void outlives(bool mistake)
{
    begin(mistake);
    logctx_set_current(request);
    int ran_at = __LINE__ - 1;
    logctx_uv_timer_start(&timer, on_late_timer, 0, 0);
    armed_at = __LINE__ - 1;
    logctx_set_current(logctx_sentinel());
    if (mistake)
        logctx_finish(request);
    end();
    assert_found(LOGCTX_ERROR_RESTARTED_FINISHED, ran_at, armed_at);
}

static void test_timer_outlives_its_request(void **state)
{
    (void)state;
    both(outlives);
}

// ---- a handle is closed in its request, which ends before the callback; the callback ends it again ----

static void on_late_close(uv_handle_t *handle)
{
    (void)handle;
    if (mistaken)
        logctx_exit(request);
    made_at = __LINE__ - 1;
}

static void closes(bool mistake)
{
    begin(mistake);
    logctx_set_current(request);
    logctx_uv_close((uv_handle_t *)&timer, on_late_close);
    logctx_set_current(logctx_sentinel());
    armed_at = __LINE__ - 1;
    logctx_finish(request);
    end();
    assert_found(LOGCTX_ERROR_CONTEXT_LOST, armed_at, made_at);
}

static void does_more(uv_handle_t *handle)
{
    (void)handle;
    logctx_t *part = mistaken ? logctx_new_nested("flush") : NULL;
    made_at = __LINE__ - 1;
    logctx_unref(part);
}

static void works_on(bool mistake)
{
    begin(mistake);
    logctx_set_current(request);
    logctx_uv_close((uv_handle_t *)&timer, does_more);
    logctx_set_current(logctx_sentinel());
    logctx_finish(request);
    end();
    if (mistake)
        assert_at(take_error(LOGCTX_ERROR_NESTED_FROM_SENTINEL)->found_by, made_at);
}

static void test_work_goes_on_in_a_close(void **state)
{
    (void)state;
    both(works_on);
}

static void test_handle_is_closed_with_its_context(void **state)
{
    (void)state;
    both(closes);
}

// ---- work on a thread in the request's own context ----

static uv_work_t work;
static uv_sem_t go; // the loop's thread has left the request

static void use_the_request(uv_work_t *req)
{
    (void)req;
    uv_sem_wait(&go);
    if (!mistaken)
        return;
    logctx_t *child = logctx_set_current(request);
    made_at = __LINE__ - 1;
    logctx_set_current(child);
    armed_at = __LINE__ - 1;
}

static void after(uv_work_t *req, int status)
{
    (void)req;
    (void)status;
}

static void works(bool mistake)
{
    uv_sem_init(&go, 0);
    begin(mistake);
    logctx_set_current(request);
    int ran_at = __LINE__ - 1;
    logctx_uv_queue_work(&loop, &work, use_the_request, after);
    logctx_set_current(logctx_sentinel());
    uv_sem_post(&go);
    end();
    uv_sem_destroy(&go);
    if (!mistake)
        return;
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD);
    assert_at(error->found_by, made_at);
    assert_at(error->set_by, ran_at);
    error = take_error(LOGCTX_ERROR_STOPPED_ON_DIFFERENT_THREAD);
    assert_at(error->found_by, armed_at);
    assert_at(error->set_by, made_at);
}

static void test_work_in_the_wrong_context(void **state)
{
    (void)state;
    both(works);
}

// ---- work that leaves its context ----

static void forget(uv_work_t *req)
{
    (void)req;
    if (mistaken)
        logctx_set_current(logctx_sentinel());
    made_at = __LINE__ - 1;
}

static void work_loses(bool mistake)
{
    begin(mistake);
    logctx_set_current(request);
    logctx_uv_queue_work(&loop, &work, forget, after);
    armed_at = __LINE__ - 1;
    logctx_set_current(logctx_sentinel());
    end();
    assert_found(LOGCTX_ERROR_CONTEXT_LOST, made_at, armed_at);
}

static void test_work_loses_its_context(void **state)
{
    (void)state;
    both(work_loses);
}

// ---- work that nobody asked for ----

static void nothing(uv_work_t *req)
{
    (void)req;
}

static void work_of_nobody(bool mistake)
{
    begin(mistake);
    if (!mistake)
        logctx_set_current(request);
    logctx_uv_queue_work(&loop, &work, nothing, after);
    armed_at = __LINE__ - 1;
    logctx_set_current(logctx_sentinel());
    end();
    if (mistake)
        assert_at(take_error(LOGCTX_ERROR_THREADPOOL_FROM_SENTINEL)->found_by, armed_at);
}

static void test_work_from_the_sentinel(void **state)
{
    (void)state;
    both(work_of_nobody);
}

// ---- work that is still under way when its request ends ----

static void wait_to_go(uv_work_t *req)
{
    (void)req;
    uv_sem_wait(&go);
}

static void work_outlives(bool mistake)
{
    uv_sem_init(&go, 0);
    begin(mistake);
    logctx_set_current(request);
    int ran_at = __LINE__ - 1;
    logctx_uv_queue_work(&loop, &work, wait_to_go, after);
    armed_at = __LINE__ - 1;
    logctx_set_current(logctx_sentinel());
    if (mistake)
        logctx_finish(request);
    uv_sem_post(&go);
    end();
    uv_sem_destroy(&go);
    assert_found(LOGCTX_ERROR_OUTLIVED_PARENT, armed_at, armed_at);
    assert_found(LOGCTX_ERROR_RESTARTED_FINISHED, ran_at, armed_at);
}

static void test_work_outlives_its_request(void **state)
{
    (void)state;
    both(work_outlives);
}

// ---- the loop is run in a context ----

static void runs_in_a_context(bool mistake)
{
    begin(mistake);
    logctx_uv_timer_start(&timer, on_late_timer, 0, 0);
    if (mistake)
        logctx_set_current(request);
    made_at = __LINE__ - 1;
    uv_run(&loop, UV_RUN_DEFAULT);
    if (mistake) {
        const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
        assert_at(error->set_by, made_at);
        assert_at_(error->found_by, "uv_support.c", attached_at);
    }
    end();
}

static void test_loop_is_run_in_a_context(void **state)
{
    (void)state;
    both(runs_in_a_context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        uv_test(test_callback_leaves_another_context), uv_test(test_unwrapped_callback_leaves_a_context),
        uv_test(test_callback_loses_its_context),      uv_test(test_callback_of_the_sentinel_leaves_a_context),
        uv_test(test_timer_outlives_its_request),      uv_test(test_handle_is_closed_with_its_context),
        uv_test(test_work_in_the_wrong_context),       uv_test(test_work_loses_its_context),
        uv_test(test_work_from_the_sentinel),          uv_test(test_work_outlives_its_request),
        uv_test(test_loop_is_run_in_a_context),        uv_test(test_work_goes_on_in_a_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
