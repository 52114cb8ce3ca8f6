// A function of the host's that forks while the library calls it: the child goes on with what its parent began, and is a child
// like any other. Children judge by their exit status; a line of theirs says what was wrong.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <logctx/deferred.h>
#include <logctx/process.h>
#include <logctx/testing.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// In a child: cmocka's assertions would go on with the parent's tests there.
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: in the child: %s\n", __FILE__, __LINE__, #condition);                              \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

static uint64_t all_errors(void)
{
    uint64_t sum = 0;
    for (int kind = 0; kind < LOGCTX_ERROR_COUNT; kind++)
        sum += logctx_error_count((logctx_error_kind_t)kind);
    return sum;
}

static logctx_t *make(const char *name)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = name;
    return logctx_new(logctx_kind("forked"), &opts);
}

static void end(logctx_t *ctx)
{
    logctx_finish(ctx);
    logctx_unref(ctx);
}

static void assert_child_is_well(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

// A hook that forks inside a switch: the child goes on with the switch that its parent began.

static pid_t forked_in_hook = -1;

static void fork_once(const logctx_error_t *error, void *user)
{
    (void)error;
    (void)user;
    if (forked_in_hook < 0)
        forked_in_hook = fork();
}

static int go_on(void)
{
    logctx_set_current(logctx_sentinel());
    logctx_t *own = make("own");
    logctx_enter(own);
    logctx_exit(own);
    logctx_unref(own);
    logctx_books_t books;
    logctx_get_books(&books);
    CHECK(all_errors() == 0 && books.created == 1 && books.ended == 1);
    return 0;
}

static void test_fork_in_a_hook(void **state)
{
    (void)state;
    logctx_t *ctx = make("finished");
    logctx_finish(ctx);
    logctx_set_error_hook(fork_once, NULL);
    logctx_set_current(ctx); // restarted_finished
    if (forked_in_hook == 0)
        _exit(go_on());
    logctx_set_error_hook(NULL, NULL);
    assert_child_is_well(forked_in_hook);
    assert_ptr_equal(logctx_current(), ctx);
    logctx_set_current(logctx_sentinel());
    logctx_unref(ctx);
}

// The same while the context that is left is being stopped: the child does not get the one that its parent switches to.

static void *make_elsewhere(void *out)
{
    *(logctx_t **)out = make("elsewhere");
    return NULL;
}

static int stay_in_the_sentinel(void)
{
    CHECK(logctx_is_sentinel(logctx_current()));
    return go_on();
}

static void test_fork_in_a_hook_before_the_switch(void **state)
{
    (void)state;
    pthread_t thread;
    logctx_t *elsewhere, *to = make("to");
    assert_int_equal(pthread_create(&thread, NULL, make_elsewhere, &elsewhere), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    logctx_set_error_hook(NULL, NULL);
    logctx_set_current(elsewhere); // started_on_different_thread
    forked_in_hook = -1;
    logctx_set_error_hook(fork_once, NULL);
    logctx_set_current(to); // stopped_on_different_thread
    if (forked_in_hook == 0)
        _exit(stay_in_the_sentinel());
    logctx_set_error_hook(NULL, NULL);
    assert_child_is_well(forked_in_hook);
    assert_ptr_equal(logctx_current(), to);
    logctx_set_current(logctx_sentinel());
    end(to);
    end(elsewhere);
}

// What the library has called forks, and puts back in the child what the parent had: there that is the sentinel.

static void fork_on_release(void *user)
{
    *(pid_t *)user = fork();
}

static void test_fork_in_a_release(void **state)
{
    (void)state;
    pid_t pid = -1;
    logctx_t *ctx = make("releases");
    logctx_enter(ctx);
    logctx_deferred_unref(logctx_deferred_new(NULL, &pid, fork_on_release));
    if (pid == 0)
        _exit(stay_in_the_sentinel());
    assert_child_is_well(pid);
    assert_ptr_equal(logctx_current(), ctx); // the twin: here it is put back
    logctx_exit(ctx);
    logctx_unref(ctx);
}

static void fork_at_the_end(void *user, logctx_t *process)
{
    (void)process;
    fork_on_release(user);
}

static void test_fork_in_an_observer(void **state)
{
    (void)state;
    pid_t pid = -1;
    static logctx_process_observer_t observer = {.struct_size = sizeof observer, .ended = fork_at_the_end};
    observer.user = &pid;
    logctx_set_process_observer(&observer);
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.type = LOGCTX_TYPE_BACKGROUND;
    logctx_t *process = logctx_new(logctx_kind("forks"), &opts);
    logctx_enter(process);
    logctx_finish(process);
    if (pid == 0)
        _exit(stay_in_the_sentinel());
    logctx_set_process_observer(NULL);
    assert_child_is_well(pid);
    assert_ptr_equal(logctx_current(), process);
    logctx_set_current(logctx_sentinel());
    logctx_unref(process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fork_in_a_hook), // has errors on purpose
        cmocka_unit_test(test_fork_in_a_hook_before_the_switch),
        cmocka_unit_test(test_fork_in_a_release),
        cmocka_unit_test(test_fork_in_an_observer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
