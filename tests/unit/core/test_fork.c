// A child of fork: ids of its own, and no waiting for threads that it does not have. The child judges by its exit status.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <logctx/testing.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int run_child(int (*body)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(body());
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static logctx_span_context_t next_identity(void)
{
    logctx_t *ctx = logctx_new(logctx_kind("forked"), NULL);
    logctx_span_context_t identity = logctx_get_span_context(ctx);
    logctx_unref(ctx);
    return identity;
}

static int to_parent[2];

static int tell_identity(void)
{
    logctx_span_context_t identity = next_identity();
    return write(to_parent[1], &identity, sizeof identity) == (ssize_t)sizeof identity ? 0 : 1;
}

static void test_ids_differ(void **state)
{
    (void)state;
    next_identity(); // seeds the generator of this thread
    assert_int_equal(pipe(to_parent), 0);
    logctx_span_context_t identities[3];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(run_child(tell_identity), 0);
        assert_int_equal(read(to_parent[0], &identities[i], sizeof identities[i]), sizeof identities[i]);
    }
    identities[2] = next_identity();
    for (int i = 0; i < 3; i++)
        assert_memory_not_equal(identities[i].trace_id, identities[(i + 1) % 3].trace_id, 16);
    close(to_parent[0]);
    close(to_parent[1]);
}

static lock_t held;

static int take_the_lock(void)
{
    logctx__lock(&held);
    logctx__unlock(&held);
    return 0;
}

// The holder stays behind in the parent. Without the generation the child would spin until the test is killed.
static void test_inherited_lock_is_free(void **state)
{
    (void)state;
    logctx__lock(&held);
    assert_int_equal(run_child(take_the_lock), 0);
    assert_int_equal(READ_RELAXED(held), logctx__generation()); // in the parent it is held as before
    logctx__unlock(&held);
}

static pthread_barrier_t inside, leave;

static void stay(void *user, logctx_record_t *record)
{
    (void)user;
    pthread_barrier_wait(&inside);
    pthread_barrier_wait(&leave);
    logctx_record_unref(record);
}

static const logctx_sink_t sink = {sizeof sink, stay, NULL};

static void *end_a_context(void *user)
{
    logctx_unref(logctx_new(logctx_kind("slow"), NULL));
    return user;
}

static int remove_the_sink(void)
{
    return logctx_sink_remove(&sink) == LOGCTX_OK ? 0 : 1;
}

static void test_sink_of_a_thread_that_is_not_there(void **state)
{
    (void)state;
    pthread_t thread;
    pthread_barrier_init(&inside, NULL, 2);
    pthread_barrier_init(&leave, NULL, 2);
    assert_int_equal(logctx_sink_add(&sink), LOGCTX_OK);
    assert_int_equal(pthread_create(&thread, NULL, end_a_context, NULL), 0);
    pthread_barrier_wait(&inside);
    assert_int_equal(run_child(remove_the_sink), 0);
    pthread_barrier_wait(&leave);
    pthread_join(thread, NULL);
    assert_int_equal(logctx_sink_remove(&sink), LOGCTX_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        logctx_unit_test(test_ids_differ),
        logctx_unit_test(test_inherited_lock_is_free),
        logctx_unit_test(test_sink_of_a_thread_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
