// SPDX-License-Identifier: Apache-2.0
// The shortest wrong code for each kind of error that plain code can make; the guide quotes it. `main` checks
// that each makes its error and no other. One thread, and one more for those that need it.
#include <logctx/logctx.h>
#include <pthread.h>
#include <stdio.h>

static logctx_t *new_request(void)
{
    return logctx_new(logctx_kind("GET /rooms/{id}"), NULL);
}

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

static void threadpool_from_sentinel(void)
{
    LOGCTX_SCOPE(logctx_new_on_thread(logctx_sentinel())); // wrong: the job does not know whom it works for
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

static uint64_t all_errors(void)
{
    uint64_t sum = 0;
    for (logctx_error_kind_t kind = 0; kind < LOGCTX_ERROR_COUNT; kind++)
        sum += logctx_error_count(kind);
    return sum;
}

// Whether `provoke` makes one error of each kind from `first` to `last`, and nothing else.
static bool makes(void (*provoke)(void), logctx_error_kind_t first, logctx_error_kind_t last)
{
    uint64_t before = all_errors(), wanted = 0;
    provoke();
    for (logctx_error_kind_t kind = first; kind <= last; kind++)
        wanted += logctx_error_count(kind) == 1;
    bool right = wanted == (uint64_t)(last - first + 1) && all_errors() == before + wanted;
    if (!right)
        fprintf(stderr, "not as expected: %s\n", logctx_error_info(first)->name);
    return right && logctx_current() == logctx_sentinel();
}

int main(void)
{
    static int standard_error = 2;
    logctx_set_logger(logctx_log_to_fd, &standard_error);
    const struct {
        void (*provoke)(void);
        logctx_error_kind_t first, last;
    } cases[] = {
        {context_lost, LOGCTX_ERROR_CONTEXT_LOST, LOGCTX_ERROR_CONTEXT_LOST},
        {unexpected_context, LOGCTX_ERROR_UNEXPECTED_CONTEXT, LOGCTX_ERROR_UNEXPECTED_CONTEXT},
        {restarted_finished, LOGCTX_ERROR_RESTARTED_FINISHED, LOGCTX_ERROR_RESTARTED_FINISHED},
        {wrong_thread, LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD, LOGCTX_ERROR_STOP_WITHOUT_START},
        {nested_from_sentinel, LOGCTX_ERROR_NESTED_FROM_SENTINEL, LOGCTX_ERROR_NESTED_FROM_SENTINEL},
        {threadpool_from_sentinel, LOGCTX_ERROR_THREADPOOL_FROM_SENTINEL, LOGCTX_ERROR_THREADPOOL_FROM_SENTINEL},
        {negative_duration, LOGCTX_ERROR_NEGATIVE_DURATION, LOGCTX_ERROR_NEGATIVE_DURATION},
        {leaked_to_loop, LOGCTX_ERROR_LEAKED_TO_LOOP, LOGCTX_ERROR_LEAKED_TO_LOOP},
        {unfinished_at_exit, LOGCTX_ERROR_UNFINISHED_AT_EXIT, LOGCTX_ERROR_UNFINISHED_AT_EXIT},
        {outlived_parent, LOGCTX_ERROR_OUTLIVED_PARENT, LOGCTX_ERROR_OUTLIVED_PARENT},
        {thread_exit_with_context, LOGCTX_ERROR_THREAD_EXIT_WITH_CONTEXT, LOGCTX_ERROR_THREAD_EXIT_WITH_CONTEXT},
        {invalid_use, LOGCTX_ERROR_INVALID_USE, LOGCTX_ERROR_INVALID_USE},
    };
    bool good = true;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        good = makes(cases[i].provoke, cases[i].first, cases[i].last) && good;
    previous_context_mismatch(); // and, as things are left in a mess, more than that one
    return good && logctx_error_count(LOGCTX_ERROR_PREVIOUS_CONTEXT_MISMATCH) == 1 ? 0 : 1;
}
