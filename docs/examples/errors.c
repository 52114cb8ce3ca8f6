// SPDX-License-Identifier: Apache-2.0
// The shortest wrong code for each kind of error that plain code can make, and mends of some; the guide quotes them. `main`
// checks that each makes its error and no other, and a mend none. One thread, and one more for those that need it.
#include "errors.h"
#include <pthread.h>

static void context_lost(void)
{
    LOGCTX_SCOPE(new_request());
    logctx_set_current(logctx_sentinel()); // wrong: this block's context is current until its end
}

static void unexpected_context(void)
{
    logctx_t *other = new_request();
    {
        LOGCTX_SCOPE(new_request());
        logctx_set_current(other); // wrong: nothing puts the block's context back
    }
    logctx_finish(other);
    logctx_unref(other);
}

static void previous_context_mismatch(void)
{
    logctx_t *request = new_request(); // made in the sentinel
    LOGCTX_SCOPE(new_request());
    logctx_enter(request); // wrong: entered in another context
    logctx_set_current(logctx_sentinel());
    logctx_exit(request);
    logctx_unref(request);
}

static void restarted_finished(void)
{
    logctx_t *request = new_request();
    logctx_enter(request);
    logctx_exit(request);
    logctx_set_current(request); // wrong: its work is over
    logctx_set_current(logctx_sentinel());
    logctx_unref(request);
}

static void *visit(void *request)
{
    logctx_set_current(request); // wrong: it belongs to another thread
    logctx_set_current(logctx_sentinel());
    return NULL;
}

static void wrong_thread(void)
{
    logctx_t *request = new_request();
    pthread_t thread;
    logctx_enter(request);
    if (pthread_create(&thread, NULL, visit, request) == 0)
        pthread_join(thread, NULL);
    logctx_exit(request); // the visitor has wiped its start: stop_without_start
    logctx_unref(request);
}

static void nested_from_sentinel(void)
{
    LOGCTX_SCOPE(logctx_new_nested("render")); // wrong: there is nothing current that it could be a part of
}

// What the worker thread does with a job: `caller` is whom it works for.
static void *job(void *caller)
{
    LOGCTX_SCOPE(logctx_new_on_thread(caller));
    return NULL;
}

static void threadpool_from_sentinel(void)
{
    logctx_t *caller = logctx_current(); // wrong, here in the sentinel: the job does not know whom it works for
    pthread_t thread;
    if (pthread_create(&thread, NULL, job, caller) == 0)
        pthread_join(thread, NULL);
}

static void threadpool_from_sentinel_mended(void)
{
    logctx_t *request = new_request();
    logctx_enter(request);
    logctx_t *caller = logctx_ref(logctx_current()); // in the request: the job has a reference of its own
    logctx_set_current(logctx_sentinel());
    pthread_t thread;
    if (pthread_create(&thread, NULL, job, caller) == 0)
        pthread_join(thread, NULL);
    logctx_unref(caller);
    logctx_set_current(request);
    logctx_exit(request);
    logctx_unref(request);
}

static void negative_duration(void)
{
    LOGCTX_SCOPE(new_request());
    logctx_db_transaction(-1); // wrong: clocks were subtracted the wrong way round, or set back
}

static void leaked_to_loop(void)
{
    logctx_t *request = new_request();
    logctx_enter(request);
    logctx_poll_begin(); // wrong: back in the loop, and the request is still current
    logctx_poll_end();
    logctx_set_current(request);
    logctx_exit(request);
    logctx_unref(request);
}

static void leaked_to_loop_mended(void)
{
    logctx_t *request = new_request();
    logctx_enter(request);
    logctx_set_current(logctx_sentinel()); // the last line of a callback, on all its ways out
    logctx_poll_begin();
    logctx_poll_end();
    logctx_set_current(request);
    logctx_exit(request);
    logctx_unref(request);
}

static void unfinished_at_exit(void)
{
    logctx_t *request = new_request();
    logctx_check_unfinished(); // what the exporter's shutdown does: nobody has finished the request
    logctx_finish(request);
    logctx_unref(request);
}

static void outlived_parent(void)
{
    logctx_t *request = new_request();
    logctx_enter(request);
    logctx_t *child = logctx_new_nested("render");
    logctx_exit(request);
    logctx_finish(child); // wrong: its request has ended before
    logctx_unref(child);
    logctx_unref(request);
}

static void outlived_parent_mended(void)
{
    logctx_t *request = new_request();
    logctx_enter(request);
    logctx_t *child = logctx_new_nested("render");
    logctx_finish(child); // first the part, then the whole
    logctx_unref(child);
    logctx_exit(request);
    logctx_unref(request);
}

static void *leave_in_context(void *unused)
{
    (void)unused;
    logctx_t *request = new_request();
    logctx_enter(request);
    return request; // wrong: the thread ends, and the request is still current on it
}

static void thread_exit_with_context(void)
{
    pthread_t thread;
    void *request = NULL;
    if (pthread_create(&thread, NULL, leave_in_context, NULL) == 0)
        pthread_join(thread, &request);
    logctx_finish(request);
    logctx_unref(request);
}

static void invalid_use(void)
{
    logctx_set_current(NULL); // wrong: use logctx_sentinel()
}

int main(void)
{
    static int standard_error = 2;
    logctx_set_logger(logctx_log_to_fd, &standard_error);
    const struct mistake mistakes[] = {
        {context_lost, NULL, ONE(CONTEXT_LOST)},
        {unexpected_context, NULL, ONE(UNEXPECTED_CONTEXT)},
        {restarted_finished, NULL, ONE(RESTARTED_FINISHED)},
        {wrong_thread, NULL, LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD, LOGCTX_ERROR_STOP_WITHOUT_START},
        {nested_from_sentinel, NULL, ONE(NESTED_FROM_SENTINEL)},
        {threadpool_from_sentinel, threadpool_from_sentinel_mended, ONE(THREADPOOL_FROM_SENTINEL)},
        {negative_duration, NULL, ONE(NEGATIVE_DURATION)},
        {leaked_to_loop, leaked_to_loop_mended, ONE(LEAKED_TO_LOOP)},
        {unfinished_at_exit, NULL, ONE(UNFINISHED_AT_EXIT)},
        {outlived_parent, outlived_parent_mended, ONE(OUTLIVED_PARENT)},
        {thread_exit_with_context, NULL, ONE(THREAD_EXIT_WITH_CONTEXT)},
        {invalid_use, NULL, ONE(INVALID_USE)},
    };
    bool good = true;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++)
        good = is_as_said(&mistakes[i]) && good;
    previous_context_mismatch(); // and, as things are left in a mess, more than that one
    return good && logctx_error_count(LOGCTX_ERROR_PREVIOUS_CONTEXT_MISMATCH) == 1 ? 0 : 1;
}
