// SPDX-License-Identifier: Apache-2.0
// The shortest wrong code for each kind of error of deferreds and background processes, and its mend; the guide quotes them.
// `main` checks that each makes its error and no other, and a mend none. One thread.
#include "errors.h"

static int answer;

// Looks into the cache, and asks the database if it has to.
static logctx_result_t look_up(void *cached)
{
    logctx_deferred_t *found = cached ? logctx_deferred_called(logctx_success(cached, NULL))
                                      : logctx_deferred_new(NULL, NULL, NULL);
    logctx_set_current(logctx_sentinel()); // wrong: also if nothing is pending
    return logctx_wait_for(found);
}

static logctx_result_t look_up_mended(void *cached)
{
    logctx_deferred_t *found = cached ? logctx_deferred_called(logctx_success(cached, NULL))
                                      : logctx_deferred_new(NULL, NULL, NULL);
    return logctx_wait_for(logctx_make_yieldable(found)); // sets the sentinel only if it is not there yet
}

static void in_a_request(logctx_work_t *work)
{
    logctx_t *request = new_request();
    logctx_enter(request);
    logctx_deferred_unref(logctx_run_in_background(work, &answer));
    logctx_set_current(request);
    logctx_exit(request);
    logctx_unref(request);
}

static void background_maintained_violation(void)
{
    in_a_request(look_up);
}

static void background_maintained_mended(void)
{
    in_a_request(look_up_mended);
}

// ---- background processes ----

static logctx_bound_t *timer; // what the loop is to call
static logctx_deferred_t *pruned;

static void on_timer(void *done)
{
    logctx_deferred_call_here(done, logctx_success(NULL, NULL)); // bare: the bound callback puts back what it found
}

static logctx_result_t prune(void *user)
{
    (void)user;
    timer = logctx_bind(on_timer, pruned);
    return logctx_success(NULL, NULL); // wrong: the process ends, and its timer is still to come
}

static logctx_result_t prune_mended(void *user)
{
    (void)user;
    timer = logctx_bind(on_timer, pruned);
    return logctx_wait_for(logctx_make_yieldable(logctx_deferred_ref(pruned))); // it ends when this is called
}

static void run_process(logctx_work_t *work)
{
    pruned = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_unref(logctx_run_as_background_process("prune_rooms", work, NULL));
    logctx_bound_call_once(timer);
    logctx_deferred_unref(pruned);
}

static void bgproc_reentered(void)
{
    run_process(prune);
}

static void bgproc_reentered_mended(void)
{
    run_process(prune_mended);
}

static logctx_t *new_process(void)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.type = LOGCTX_TYPE_BACKGROUND;
    return logctx_new(logctx_kind("prune_rooms"), &opts);
}

static void bgproc_exited(void)
{
    bool failed = true;
    logctx_t *process = new_process();
    logctx_enter(process);
    if (failed)
        logctx_finish(process);
    logctx_exit(process); // wrong: it has ended on one of the paths that lead here
    logctx_unref(process);
}

static void bgproc_exited_mended(void)
{
    bool failed = true;
    LOGCTX_SCOPE(new_process()); // ends it at one place, however the block is left
    if (failed)
        logctx_set_failed(logctx_current(), "locked", NULL);
}

static logctx_result_t vacuum(void *user)
{
    (void)user;
    return logctx_failure("locked", NULL, NULL); // wrong: nobody waits for the result of a process
}

static logctx_result_t vacuum_mended(void *user)
{
    (void)user;
    logctx_set_failed(logctx_current(), "locked", NULL); // the span and the metrics say it
    logctx_log(LOGCTX_WARN, "The database is locked, it will be tried again tomorrow.");
    return logctx_success(NULL, NULL);
}

static void bgproc_exception(void)
{
    logctx_deferred_unref(logctx_run_as_background_process("vacuum", vacuum, NULL));
}

static void bgproc_exception_mended(void)
{
    logctx_deferred_unref(logctx_run_as_background_process("vacuum", vacuum_mended, NULL));
}

// ---- deferreds ----

static logctx_result_t take_note(void *user, logctx_result_t *result)
{
    (void)user;
    logctx_log(LOGCTX_INFO, "No answer: %s.", result->error);
    return logctx_success(NULL, NULL); // handled
}

static logctx_deferred_t *new_query(void)
{
    logctx_deferred_t *query = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_add(query, NULL, take_note, NULL, NULL);
    return query;
}

static void already_called(void)
{
    logctx_deferred_t *query = new_query();
    logctx_deferred_fail(query, "timeout", NULL, NULL); // a timer has come first
    logctx_deferred_succeed(query, &answer, NULL);      // wrong: the answer, which comes all the same
    logctx_deferred_unref(query);
}

static void already_called_mended(void)
{
    logctx_deferred_t *query = new_query();
    logctx_deferred_cancel(query);                 // what a timer of logctx_deferred_set_timeout() does
    logctx_deferred_succeed(query, &answer, NULL); // expected now, and ignored
    logctx_deferred_unref(query);
}

static void unhandled_failure(void)
{
    logctx_deferred_t *query = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_fail(query, "refused", NULL, NULL);
    logctx_deferred_unref(query); // wrong: the last reference, and no errback has taken the failure
}

static void unhandled_failure_mended(void)
{
    logctx_deferred_t *query = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_add(query, NULL, take_note, NULL, NULL);
    logctx_deferred_fail(query, "refused", NULL, NULL);
    logctx_deferred_unref(query);
}

int main(void)
{
    static int standard_error = 2;
    logctx_set_logger(logctx_log_to_fd, &standard_error);
    const struct mistake mistakes[] = {
        {background_maintained_violation, background_maintained_mended, ONE(BACKGROUND_MAINTAINED_VIOLATION)},
        {bgproc_exited, bgproc_exited_mended, ONE(BGPROC_EXITED)},
        {bgproc_exception, bgproc_exception_mended, ONE(BGPROC_EXCEPTION)},
        {already_called, already_called_mended, ONE(ALREADY_CALLED)},
        {unhandled_failure, unhandled_failure_mended, ONE(UNHANDLED_FAILURE)},
    };
    bool good = true;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++)
        good = is_as_said(&mistakes[i]) && good;
    uint64_t before = all_errors();
    bgproc_reentered(); // each such switch is also one to a finished context
    good = good && logctx_error_count(LOGCTX_ERROR_BGPROC_REENTERED) == 1 &&
           logctx_error_count(LOGCTX_ERROR_RESTARTED_FINISHED) == 1 && all_errors() == before + 2;
    bgproc_reentered_mended();
    return good && all_errors() == before + 2 && logctx_deferred_pending() == 0 ? 0 : 1;
}
