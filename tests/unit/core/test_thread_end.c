/*
 * test_thread_end.c: how threads end, and that nothing of them is left. Threads one after the other, but where it is
 * said; the counters of the states are the core's own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "alloc.h"
#include "spans.h"
#include "types.h"

#include <logctx/deferred.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

static void on_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, body, argument), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static size_t states(void)
{
    size_t count = 0;
    for (struct thread *thread = logctx__threads(); thread; thread = thread->next)
        count++;
    return count;
}

static size_t states_in_use(void)
{
    size_t count = 0;
    for (struct thread *thread = logctx__threads(); thread; thread = thread->next)
        count += logctx__has_thread(thread);
    return count;
}

// ---- with a context that is current ----

// Another thread's, so that the reference that it has for being current is all that keeps it.
static void *end_in_a_pinned_one(void *ctx)
{
    logctx_set_current(ctx);
    logctx_finish(ctx);
    logctx_unref(ctx);
    return NULL;
}

static void test_in_a_pinned_context(void **state)
{
    (void)state;
    on_thread(end_in_a_pinned_one, make("k", "pinned"));
    take_error(LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD);
    assert_string_equal(take_error(LOGCTX_ERROR_THREAD_EXIT_WITH_CONTEXT)->found, "pinned");
    end(make("k", "the next one adopts what others finished"));
}

static void *end_in_a_block(void *target)
{
    logctx_preserve_t block = logctx_preserve_enter(target);
    if (block.target)
        pthread_exit(NULL);
    return NULL;
}

static void test_in_a_preserve_block(void **state)
{
    (void)state;
    // The block is lost with its references: its target can still be finished, and its memory stays.
    logctx_t *target = make("k", "target");
    on_thread(end_in_a_block, target);
    take_error(LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD);
    assert_string_equal(take_error(LOGCTX_ERROR_THREAD_EXIT_WITH_CONTEXT)->found, "target");
    end(target);
    on_thread(end_in_a_block, logctx_sentinel());
}

// ---- in a release function ----

static int released;

static void count_release(void *user)
{
    (void)user;
    released++;
}

static void exit_on_release(void *user)
{
    logctx_deferred_unref(user); // in line, behind the one that is being freed
    pthread_exit(NULL);
}

static void *end_in_a_release(void *unused)
{
    (void)unused;
    logctx_deferred_t *next = logctx_deferred_new(NULL, NULL, count_release);
    logctx_deferred_unref(logctx_deferred_new(NULL, next, exit_on_release));
    return NULL;
}

static void *release_one(void *unused)
{
    (void)unused;
    logctx_deferred_unref(logctx_deferred_new(NULL, NULL, count_release));
    return NULL;
}

static void test_in_a_release_function(void **state)
{
    (void)state;
    released = 0;
    on_thread(end_in_a_release, NULL);
    assert_int_equal(released, 1);
    on_thread(release_one, NULL); // with the state that the first one left
    assert_int_equal(released, 2);
}

static sem_t there;

static _Noreturn void *wait_for_ever(void *ctx)
{
    if (ctx) {
        assert_int_equal(logctx_hand_over(ctx), LOGCTX_OK);
        logctx_set_current(ctx);
    }
    sem_post(&there);
    for (;;)
        pause();
}

static void cancel_one(logctx_t *ctx)
{
    pthread_t thread;
    void *result;
    sem_init(&there, 0, 0);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_ever, ctx), 0);
    while (sem_wait(&there) != 0)
        ;
    assert_int_equal(pthread_cancel(thread), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, PTHREAD_CANCELED);
    sem_destroy(&there);
}

static void test_cancelled(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "cancelled");
    cancel_one(ctx);
    assert_string_equal(take_error(LOGCTX_ERROR_THREAD_EXIT_WITH_CONTEXT)->found, "cancelled");
    end(ctx);
    cancel_one(NULL);
}

// Making a context is no point of cancellation: a thread that was cancelled before goes on to the next one.
static void *make_while_cancelled(void *made)
{
    pthread_cancel(pthread_self());
    *(logctx_t **)made = make("k", "whole");
    pthread_testcancel();
    return NULL;
}

static void test_cancelled_while_it_makes_one(void **state)
{
    (void)state;
    logctx_t *made = NULL;
    on_thread(make_while_cancelled, &made);
    assert_non_null(made);
    end(made);
}

// ---- inside the host's own functions ----

static _Thread_local bool ends_in_hook;

static void end_here(const logctx_error_t *error, void *user)
{
    (void)error;
    (void)user;
    if (!ends_in_hook)
        return;
    ends_in_hook = false;
    pthread_exit(NULL);
}

static void *end_in_the_hook(void *ctx)
{
    ends_in_hook = true;
    logctx_set_current(ctx); // reported, in the midst of the switch
    return NULL;
}

static void test_in_an_error_hook(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "visited");
    logctx_test_chain_hook(end_here, NULL);
    on_thread(end_in_the_hook, ctx);
    logctx_test_chain_hook(NULL, NULL);
    take_error(LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD);
    take_error(LOGCTX_ERROR_THREAD_EXIT_WITH_CONTEXT);
    for (struct thread *thread = logctx__threads(); thread; thread = thread->next)
        assert_int_equal(READ_RELAXED(thread->slice_sequence) % 2, 0); // collections find no switch under way
    end(ctx);
}

static void *only_look(void *unused)
{
    (void)unused;
    return (void *)logctx_name(logctx_current());
}

static void test_only_looked(void **state)
{
    (void)state;
    size_t before = states(), in_use = states_in_use();
    on_thread(only_look, NULL);
    assert_int_equal(states(), before);
    assert_int_equal(states_in_use(), in_use);
}

// ---- destructors of the host ----

#if defined(__has_feature)
#define THREAD_SANITIZER __has_feature(thread_sanitizer)
#elif defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#else
#define THREAD_SANITIZER 0
#endif

// More than any C library makes; but the thread sanitizer's runtime has left the thread before the last one.
enum { ROUNDS = THREAD_SANITIZER ? 2 : 6 };

struct late {
    pthread_key_t key;
    int rounds;
};
static _Thread_local struct late late;
static pthread_key_t early_key, late_key;

// Uses the library in each round of the destructors.
static void use_again(void *value)
{
    logctx_t *ctx = make("late", "in a destructor, with a name of more than forty bytes");
    logctx_enter(ctx);
    logctx_exit(ctx);
    logctx_unref(ctx);
    if (++late.rounds < ROUNDS)
        pthread_setspecific(late.key, value);
}

static void *use_in_destructors(void *key)
{
    late.key = *(pthread_key_t *)key;
    pthread_setspecific(late.key, key);
    return NULL;
}

// States that are lost in the last round are found again.
static void test_used_in_every_round_of_destructors(void **state)
{
    (void)state;
    logctx_recorder_free(recorder);
    recorder = NULL;
    end(make("late", "the library's key is there, between the two"));
    assert_int_equal(pthread_key_create(&late_key, use_again), 0);
    pthread_key_t *const keys[] = {&early_key, &late_key};
    for (size_t k = 0; k < COUNT(keys); k++) {
        size_t before = states();
        for (int i = 0; i < 500; i++)
            on_thread(use_in_destructors, keys[k]);
        assert_in_range(states(), before, before + 40);
    }
    pthread_key_delete(late_key);
}

// ---- many ----

static void *make_some(void *out)
{
    logctx_t **made = out;
    made[0] = make("many", "a name of more than forty bytes, which is allocated for it");
    made[1] = make_child(made[0], "another name of more than forty bytes, which is allocated");
    logctx_enter(made[0]);
    logctx_set_current(logctx_sentinel());
    return NULL;
}

// Contexts of threads that ended, finished and given back by another one, or by nobody but the last reference.
static void test_contexts_that_outlive_their_threads(void **state)
{
    (void)state;
    logctx_recorder_free(recorder);
    recorder = NULL;
    long blocks = 0;
    size_t known = 0;
    for (int i = 0; i < 10000; i++) {
        logctx_t *made[2];
        on_thread(make_some, made);
        logctx_unref(made[1]);
        logctx_finish(made[0]);
        logctx_unref(made[0]);
        if (i == 9) {
            blocks = alloc_blocks;
            known = states();
        }
    }
    assert_int_equal(alloc_blocks, blocks);
    assert_int_equal(states(), known);
    // The memory is back while the thread's state waits for another thread.
    logctx_t *made[2];
    on_thread(make_some, made);
    logctx_finish(made[1]);
    logctx_finish(made[0]);
    for (struct thread *thread = logctx__threads(); thread; thread = thread->next)
        assert_null(atomic_load(&thread->finished_elsewhere));
    logctx_unref(made[0]);
    logctx_unref(made[1]);
}

enum { AT_ONCE = 200 };
static pthread_barrier_t barrier;

static void *meet(void *unused)
{
    end(make("k", "at once"));
    pthread_barrier_wait(&barrier);
    return unused;
}

static void meet_all(unsigned count)
{
    static pthread_t threads[AT_ONCE];
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    pthread_barrier_init(&barrier, NULL, count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], &attr, meet, NULL), 0);
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    pthread_attr_destroy(&attr);
}

// As many states as there were threads at once, and the one left last is taken first.
static void test_states_are_used_again(void **state)
{
    (void)state;
    meet_all(AT_ONCE);
    size_t most = states();
    for (unsigned i = 0; i < 20; i++)
        meet_all(AT_ONCE - i);
    assert_int_equal(states(), most);
    assert_int_equal(states_in_use(), 1); // the test's own
}

int main(void)
{
    // Its destructor runs before the library's in each round, since keys are served in the order of their making.
    if (pthread_key_create(&early_key, use_again) != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        core_test(test_only_looked),
        core_test(test_used_in_every_round_of_destructors),
        core_test(test_in_a_pinned_context),
        core_test(test_in_a_preserve_block),
        core_test(test_in_a_release_function),
        core_test(test_cancelled),
        core_test(test_cancelled_while_it_makes_one),
        core_test(test_in_an_error_hook),
        core_test(test_states_are_used_again),
        core_test(test_contexts_that_outlive_their_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
