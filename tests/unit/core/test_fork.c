// A child of fork: sums count from zero, ids and clocks are its own, and it waits for no thread that it does not have.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include "alloc.h"
#include "forked.h"

#include <logctx/bind.h>
#include <logctx/deferred.h>
#include <logctx/recorder.h>
#include <logctx/testing.h>

#include <pthread.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__has_feature)
#define SANITIZER (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER 1
#else
#define SANITIZER 0
#endif

// Ids.

static logctx_span_context_t next_identity(void)
{
    logctx_t *ctx = make("identity", NULL);
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

// Locks and threads that stay behind.

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
    logctx_unref(make("slow", NULL));
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

// Sums.

struct sums {
    uint64_t created, ended, in_flight, since;
    uint64_t series;
    int64_t cpu;
};

static void add_series(void *user, const logctx_series_t *series)
{
    struct sums *sums = user;
    sums->series++;
    sums->created += series->created;
    sums->ended += series->ended;
    sums->in_flight += series->in_flight;
    sums->cpu += series->usage.cpu_ns;
    if (sums->since == 0 || series->since_unix_ns < sums->since)
        sums->since = series->since_unix_ns;
}

static void add_loop(void *user, const logctx_loop_sums_t *loop)
{
    (void)user;
    (void)loop;
}

static struct sums sums_now(void)
{
    struct sums sums = {0};
    logctx_collector_t collector = {add_series, add_loop, &sums};
    logctx_collect(&collector);
    return sums;
}

static uint64_t forked_at, library_began;

static int count_from_zero(void)
{
    struct sums sums = sums_now();
    CHECK(sums.series == 0);
    CHECK(logctx_start_unix_ns() >= forked_at);
    end(make("one", NULL));
    logctx_t *two = make("two", NULL);
    logctx_charge_cpu(two, 1000, 0);
    sums = sums_now();
    CHECK(sums.series == 1 && sums.created == 2 && sums.ended == 1 && sums.in_flight == 1 && sums.cpu == 1000);
    CHECK(sums.since >= forked_at);
    CHECK(books().live == 1 && books().created_sampled == 2 && balanced());
    CHECK(logctx_get_snapshot(NULL, 0) == 1);
    end(two);
    CHECK(logctx_refused_switches() == 0 && all_errors() == 0);
    return 0;
}

static int count_in_grandchild(void)
{
    end(make("child's", NULL));
    pid_t pid = fork();
    if (pid == 0)
        _exit(count_from_zero());
    int status = 1;
    waitpid(pid, &status, 0);
    CHECK(status == 0 && books().created == 1);
    return 0;
}

static void test_sums_from_zero(void **state)
{
    (void)state;
    library_began = logctx_start_unix_ns();
    logctx_t *live = make("live", NULL);
    end(make("ended", NULL));
    struct sums before = sums_now();
    assert_true(before.series > 0 && before.created > 1 && before.in_flight >= 1);
    forked_at = logctx__unix();
    assert_int_equal(run_child(count_from_zero), 0);
    assert_int_equal(run_child(count_in_grandchild), 0);
    struct sums after = sums_now();
    assert_int_equal(after.created, before.created);
    assert_true(after.since == before.since && logctx_start_unix_ns() == library_began);
    end(live);
}

// Clocks.

static int64_t thread_cpu(void)
{
    struct timespec at;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

static void spin(int64_t ns)
{
    int64_t begin = thread_cpu();
    while (thread_cpu() - begin < ns)
        ;
}

// The kernel's clock of this thread began again: what is charged is of the child, and within the exactness of a slice. (Not
// to the nanosecond: the counter of the processor is steered by another clock than the kernel counts CPU time with.)
static int charge_own_time(void)
{
    const int64_t length = 1000000, inexact = length * 3 / 100;
    logctx_t *own = make("own", NULL);
    logctx_usage_t usage;
    logctx_enter(own);
    spin(length);
    logctx_set_current(logctx_sentinel());
    logctx_get_usage(own, &usage, NULL);
    end(own);
    CHECK(usage.cpu_ns >= length - inexact && usage.cpu_ns <= thread_cpu() + inexact);
    CHECK(usage.cpu_user_ns >= 0 && usage.cpu_system_ns >= 0);
    CHECK(all_errors() == 0);
    return 0;
}

static void test_clock_is_fresh(void **state)
{
    (void)state;
    logctx_t *running = make("running", NULL);
    logctx_enter(running);
    spin(50 * 1000000);
    assert_int_equal(run_child(charge_own_time), 0);
    logctx_exit(running);
    logctx_unref(running);
}

// A clock of the host's that keeps the parent's reading until it is asked the second time: the mistake to be seen.

static struct {
    logctx_cpu_reading_t last;
    int64_t base;
    unsigned uses;
} stale;

static bool read_stale(void *user, logctx_cpu_reading_t *out)
{
    (void)user;
    *out = stale.last;
    stale.base += 1000;
    if (++stale.uses % 2 == 0)
        stale.last = (logctx_cpu_reading_t){stale.base, stale.base, 0};
    return true;
}

static uint64_t no_time(void *user)
{
    (void)user;
    return 1000;
}

static const logctx_clock_t stale_clock = {"stale", true, read_stale, no_time, no_time, no_time, NULL};

static void switch_twice(logctx_t *ctx)
{
    logctx_set_current(ctx);
    logctx_set_current(logctx_sentinel());
}

static int run_with_stale_clock(void)
{
    stale.base = 0; // the kernel's clock begins again, and what was kept of the parent's is larger
    logctx_t *own = make("own", NULL);
    for (int i = 0; i < 8; i++)
        switch_twice(own);
    CHECK(logctx_error_count(LOGCTX_ERROR_UTIME_BACKWARDS) == 1);
    CHECK(all_errors() == 1);
    end(own);
    return 0;
}

static void test_stale_clock_is_noticed(void **state)
{
    (void)state;
    assert_int_equal(logctx_set_clock(&stale_clock), LOGCTX_OK);
    uint64_t errors = all_errors();
    stale.base = 1000000000;
    stale.last = (logctx_cpu_reading_t){stale.base, stale.base, 0};
    logctx_t *ctx = make("of the parent", NULL);
    for (int i = 0; i < 8; i++)
        switch_twice(ctx);
    logctx_set_current(ctx); // current at the fork: in the child it is inert, and no slice of it is ever ended
    stale.uses &= ~1u;
    assert_int_equal(run_child(run_with_stale_clock), 0);
    logctx_set_current(logctx_sentinel());
    assert_int_equal(all_errors(), errors);
    end(ctx);
    assert_int_equal(logctx_set_clock(NULL), LOGCTX_OK);
}

// Ten busy threads, of which any may hold any lock at the moment of a fork.

enum { BUSY = 10, FORKS = 50, WORKERS_FORK = 5, WARM = 1000 };
static atomic_bool stop;
static logctx_t *shared;
static pthread_barrier_t warm;

static void work_once(void)
{
    logctx_t *ctx = make("busy", shared);
    logctx_enter(ctx);
    logctx_set_string(ctx, "key", "a value that takes some time to copy");
    logctx_set_int(shared, "number", 1);
    logctx_t *nested = logctx_new_nested("part");
    logctx_enter(nested);
    logctx_charge_cpu(shared, 1, 1);
    logctx_exit(nested);
    logctx_unref(nested);
    logctx_exit(ctx);
    logctx_unref(ctx);
}

static int work_in_child(void)
{
    use(shared);
    for (int i = 0; i < 3; i++) {
        logctx_t *own = make("own", shared);
        logctx_enter(own);
        logctx_set_string(own, "key", "value");
        logctx_exit(own);
        logctx_unref(own);
    }
    struct sums sums = sums_now();
    CHECK(sums.created == 3 && sums.ended == 3 && balanced());
    CHECK(books().handed_over == 3 && all_errors() == 0);
    logctx_recorder_free(inherited.recorder);
    return 0;
}

// Ends as another program: what a vanished thread had in its hands at the fork is lost in the child, which a search for
// leaks at its exit would find.
static int work_and_leave(void)
{
    int wrong = work_in_child();
    if (!wrong)
        execlp("true", "true", (char *)NULL);
    return 1;
}

static void *be_busy(void *user)
{
    int *failed = user;
    // The allocators of the sanitizers do not survive a fork while they are in use: there they have all they need before.
    for (int i = 0; SANITIZER && i < WARM; i++)
        work_once();
    pthread_barrier_wait(&warm);
    for (int i = 0; i < WORKERS_FORK; i++) {
        work_once();
        pid_t pid = fork();
        if (pid == 0) {
            alarm(HANGS_AFTER_S);
            _exit(work_and_leave());
        }
        int status = 1;
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
            ++*failed;
    }
    while (!atomic_load(&stop))
        work_once();
    return NULL;
}

static void test_ten_busy_threads(void **state)
{
    (void)state;
    pthread_t threads[BUSY];
    int failed[BUSY] = {0};
    inherited.recorder = logctx_recorder_new(64); // soon full: then it counts
    shared = make("shared", NULL);
    pthread_barrier_init(&warm, NULL, BUSY + 1);
    for (int i = 0; i < BUSY; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, be_busy, &failed[i]), 0);
    pthread_barrier_wait(&warm);
    int wrong = 0;
    for (int i = 0; i < FORKS; i++)
        wrong += run_child(work_and_leave);
    atomic_store(&stop, true);
    for (int i = 0; i < BUSY; i++) {
        pthread_join(threads[i], NULL);
        wrong += failed[i];
    }
    assert_int_equal(wrong, 0);
    end(shared);
    logctx_recorder_free(inherited.recorder);
    assert_true(balanced());
}

// What a fork costs that is followed by exec.

static long allocations_at_fork;

static int count_allocations(void)
{
    CHECK(alloc_calls == allocations_at_fork);
    end(make("first", NULL));
    CHECK(alloc_calls > allocations_at_fork); // the twin: the first use makes what it needs
    return 0;
}

static void test_handler_allocates_nothing(void **state)
{
    (void)state;
    make_inherited();
    allocations_at_fork = alloc_calls;
    assert_int_equal(run_child(count_allocations), 0);
    drop_inherited();
}

extern char **environ;

static void test_spawned_programs(void **state)
{
    (void)state;
    char *const arguments[] = {(char[]){"true"}, NULL};
    make_inherited();
    logctx_books_t before = books();
    unsigned forks = READ_RELAXED(logctx__forks);
    for (int i = 0; i < 2; i++) {
        pid_t pid = -1;
        int status = 1;
        if (i == 0)
            assert_int_equal(posix_spawnp(&pid, "true", NULL, NULL, arguments, environ), 0);
        else if ((pid = vfork()) == 0) {
            execvp("true", arguments);
            _exit(127);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    assert_ptr_equal(logctx_current(), inherited.running);
    assert_int_equal(READ_RELAXED(logctx__forks), forks);
    logctx_books_t after = books();
    assert_memory_equal(&before, &after, sizeof before);
    drop_inherited();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        logctx_unit_test(test_ids_differ),
        logctx_unit_test(test_inherited_lock_is_free),
        logctx_unit_test(test_sink_of_a_thread_that_is_not_there),
        logctx_unit_test(test_sums_from_zero),
        logctx_unit_test(test_clock_is_fresh),
        logctx_unit_test(test_stale_clock_is_noticed),
        logctx_unit_test(test_ten_busy_threads),
        logctx_unit_test(test_handler_allocates_nothing),
        logctx_unit_test(test_spawned_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
