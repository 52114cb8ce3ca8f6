// Fork with the table: nothing is copied, nobody waits, and what a child knows of its parent's contexts is right or nothing,
// whatever the parent does with their memory meanwhile.
//
// SPDX-License-Identifier: Apache-2.0
#include "table_map.h"

#include "forked.h"

#include <logctx/bind.h>
#include <logctx/testing.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
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

static bool slow(void)
{
    return getenv("LOGCTX_SLOW") != NULL;
}

// ---- contexts in flight at the fork ----

enum { INHERITED = 300, NAME_SIZE = 400 };
static const char UNKNOWN[] = "a context of the parent process";

static struct {
    logctx_t *ctx;
    char name[NAME_SIZE];
    logctx_span_context_t identity;
} in_flight[INHERITED];

// Names that lie in the context, in a block of the thread's, and in memory of their own.
static void make_in_flight(int round)
{
    static const int fill[] = {0, 100, 300};
    for (int i = 0; i < INHERITED; i++) {
        snprintf(in_flight[i].name, NAME_SIZE, "%d of %d%0*d", i, round, fill[i % 3], 0);
        logctx_opts_t opts = LOGCTX_OPTS_INIT;
        opts.name = in_flight[i].name;
        opts.server = i % 2 ? "a server" : NULL;
        opts.traceparent = i % 4 ? NULL : "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        opts.tracestate = i % 4 ? NULL : "vendor=value";
        in_flight[i].ctx = logctx_new(logctx_kind("in flight"), &opts);
        in_flight[i].identity = logctx_get_span_context(in_flight[i].ctx);
    }
}

static void end_in_flight(void)
{
    for (int i = 0; i < INHERITED; i++)
        end(in_flight[i].ctx);
}

// Of a context that its parent has just freed the name may be cut.
static bool is_name(const char *name, const char *whole)
{
    size_t length = strlen(name);
    return strcmp(name, whole) == 0 || (length == LOGCTX_NAME_INLINE - 1 && strncmp(name, whole, length) == 0);
}

static int use_everything(logctx_t *ctx)
{
    char traceparent[LOGCTX_TRACEPARENT_SIZE], tracestate[LOGCTX_TRACESTATE_SIZE];
    logctx_usage_t own, total;
    use(ctx);
    CHECK(strlen(logctx_server(ctx)) > 0 && logctx_kind_name(logctx_kind_of(ctx)));
    CHECK(logctx_type_name(logctx_type(ctx)) && !logctx_is_recording(ctx) && !logctx_is_sentinel(ctx));
    logctx_is_finished(ctx);
    logctx_inject(ctx, traceparent, tracestate, sizeof tracestate);
    logctx_get_usage(ctx, &own, &total);
    CHECK(own.cpu_ns == total.cpu_ns && logctx_at_home(ctx) == NULL);
    logctx_capture_t capture = {logctx_ref(ctx), NULL};
    logctx_resumed_t resumed = logctx_resume(&capture);
    CHECK(logctx_is_sentinel(logctx_current()));
    logctx_resume_end(&resumed);
    logctx_capture_clear(&capture);
    end(logctx_new_on_thread(ctx));
    return 0;
}

static int is_right_or_nothing(int i, int *known)
{
    logctx_t *ctx = in_flight[i].ctx;
    const char *name = logctx_name(ctx);
    logctx_span_context_t there = logctx_get_span_context(ctx), none;
    memset(&none, 0, sizeof none);
    if (strcmp(name, UNKNOWN) == 0) {
        CHECK(memcmp(&there, &none, sizeof none) == 0 && logctx_is_finished(ctx));
        return 0;
    }
    ++*known;
    CHECK(is_name(name, in_flight[i].name));
    CHECK(memcmp(&there, &in_flight[i].identity, sizeof there) == 0);
    CHECK(strcmp(logctx_kind_name(logctx_kind_of(ctx)), "in flight") == 0);
    logctx_t *own = make("own", ctx);
    logctx_span_context_t here = logctx_get_span_context(own);
    CHECK(memcmp(here.trace_id, there.trace_id, sizeof here.trace_id) == 0);
    end(own);
    CHECK(logctx_name(ctx) == name && is_name(name, in_flight[i].name));
    return 0;
}

static int look_at_all(int at_least)
{
    int known = 0;
    for (int i = INHERITED - 1; i >= 0; i--)
        if (is_right_or_nothing(i, &known) || use_everything(in_flight[i].ctx))
            return 1;
    CHECK(known >= at_least);
    CHECK(all_errors() == 0 && balanced());
    return 0;
}

static int look_at_all_quietly(void)
{
    return look_at_all(INHERITED);
}

static void test_all_are_known_while_the_parent_waits(void **state)
{
    (void)state;
    make_in_flight(0);
    assert_int_equal(run_child(look_at_all_quietly), 0);
    end_in_flight();
}

// ---- the parent ends them ----

static int to_child[2], to_parent[2];

static int wait_for_parent(void)
{
    char go;
    CHECK(write(to_parent[1], "", 1) == 1 && read(to_child[0], &go, 1) == 1);
    return 0;
}

static int know_what_was_ended(void)
{
    return wait_for_parent() || look_at_all(INHERITED);
}

static int know_nothing(void)
{
    if (wait_for_parent())
        return 1;
    if (__lsan_register_root_region)
        return look_at_all(INHERITED); // where a leak checker runs the child has a copy
    if (look_at_all(0))
        return 1;
    for (int i = 0; i < INHERITED; i++)
        CHECK(strcmp(logctx_name(in_flight[i].ctx), UNKNOWN) == 0);
    logctx_t *own = make("own", in_flight[1].ctx);
    CHECK(own && !logctx_is_sentinel(own)); // a trace of its own
    end(own);
    return 0;
}

// Ends as another program: what only a context pointed to that the parent has ended is lost in the child, which valgrind would
// find at its exit.
static int leave(int wrong)
{
    if (!wrong)
        execlp("true", "true", (char *)NULL);
    return 1;
}

static int run_beside(int (*body)(void), void (*parent)(void))
{
    int status = 0;
    char forked;
    assert_int_equal(pipe(to_child), 0);
    assert_int_equal(pipe(to_parent), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(HANGS_AFTER_S);
        _exit(leave(body()));
    }
    assert_int_equal(read(to_parent[0], &forked, 1), 1);
    parent();
    assert_int_equal(write(to_child[1], "", 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    for (int i = 0; i < 2; i++) {
        close(to_child[i]);
        close(to_parent[i]);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static logctx_t *others[LOGCTX_RESTING];

static void end_some_and_make_others(void)
{
    for (int i = 0; i < LOGCTX_RESTING; i++)
        end(in_flight[i].ctx);
    for (int i = 0; i < LOGCTX_RESTING; i++)
        others[i] = make("in no memory of theirs", NULL);
}

static void replace_all(void)
{
    end_in_flight();
    make_in_flight(3);
    end_in_flight();
    make_in_flight(4);
}

static void test_what_the_parent_has_just_ended_is_known(void **state)
{
    (void)state;
    make_in_flight(1);
    assert_int_equal(run_beside(know_what_was_ended, end_some_and_make_others), 0);
    for (int i = 0; i < LOGCTX_RESTING; i++)
        end(others[i]);
    for (int i = LOGCTX_RESTING; i < INHERITED; i++)
        end(in_flight[i].ctx);
}

static void test_nothing_is_known_of_memory_in_another_use(void **state)
{
    (void)state;
    make_in_flight(1);
    assert_int_equal(run_beside(know_nothing, replace_all), 0);
    end_in_flight();
}

// ---- a storm ----

static atomic_bool stop;

// Chunks of the table, one after the other; in no memory but the table's.
static void *make_chunks(void *unused)
{
    enum { LIVE = 2000 };
    static logctx_t *live[LIVE];
    (void)unused;
    while (!atomic_load(&stop)) {
        for (int i = 0; i < LIVE; i++)
            live[i] = make("chunk", NULL);
        for (int i = 0; i < LIVE; i++)
            end(live[i]);
    }
    return NULL;
}

// The allocators of the sanitizers do not survive a fork while they are in use, and a kind allocates.
static void *make_kinds(void *unused)
{
    (void)unused;
    for (int i = 0; !SANITIZER && !atomic_load(&stop); i++) {
        char name[32];
        snprintf(name, sizeof name, "kind %d", i % 1500);
        logctx_opts_t opts = LOGCTX_OPTS_INIT;
        end(logctx_new(logctx_kind(name), &opts));
    }
    return NULL;
}

static void test_a_storm_of_forks(void **state)
{
    (void)state;
    pthread_t threads[2];
    int rounds = slow() ? 3 : 30, wrong = 0;
    make_in_flight(0); // what the allocators need
    end_in_flight();
    end(make("chunk", NULL));
    atomic_store(&stop, false);
    assert_int_equal(pthread_create(&threads[0], NULL, make_chunks, NULL), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, make_kinds, NULL), 0);
    for (int round = 1; round <= rounds; round++) {
        int status = 0;
        make_in_flight(round);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            alarm(HANGS_AFTER_S);
            _exit(leave(look_at_all(0)));
        }
        do {
            end_in_flight();
            make_in_flight(-round);
        } while (waitpid(pid, &status, WNOHANG) == 0);
        wrong += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
        end_in_flight();
    }
    atomic_store(&stop, true);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_int_equal(wrong, 0);
}

// ---- what it costs ----

static int take_the_locks(void)
{
    end(make("own", NULL));
    CHECK(strcmp(logctx_kind_name(logctx_kind("made in the child")), "made in the child") == 0);
    return 0;
}

// Whoever forks waits for nobody: with a lock in its handlers it would wait for itself here.
static void test_fork_takes_no_lock(void **state)
{
    (void)state;
    logctx_t *ctx = make("there is a table", NULL);
    logctx__lock(&logctx__table.lock);
    assert_int_equal(run_child(take_the_locks), 0);
    assert_int_equal(READ_RELAXED(logctx__table.lock), logctx__generation()); // and nobody has freed it
    logctx__unlock(&logctx__table.lock);
    end(ctx);
}

// Kilobytes of the table of which this process has a copy of its own.
static long copied(void)
{
    char line[256];
    unsigned long begin, end, size;
    unsigned long base = (unsigned long)READ_RELAXED(logctx__table.base);
    long sum = 0;
    bool inside = false;
    FILE *maps = fopen("/proc/self/smaps", "re");
    if (!maps)
        return -1;
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
            inside = begin >= base && begin < base + READ_RELAXED(logctx__table.used);
        else if (inside && sscanf(line, "Anonymous: %lu", &size) == 1)
            sum += (long)size;
    }
    fclose(maps);
    return sum;
}

enum { MANY = 20000 };

static int look_at_copies(void)
{
    long least = (long)MANY * (long)sizeof(struct logctx) / 1024;
    long before = copied();
    CHECK(before >= 0 && before < least / 10);
    volatile char *table = READ_RELAXED(logctx__table.base);
    for (size_t at = 0; at < READ_RELAXED(logctx__table.used); at += LOGCTX_TABLE_PAGE)
        table[at] = table[at];
    CHECK(copied() >= least); // the twin
    return 0;
}

static void test_nothing_is_copied(void **state)
{
    (void)state;
    static logctx_t *many[MANY];
    if (SANITIZER)
        skip(); // a leak checker looks at all of the child's memory
    for (int i = 0; i < MANY; i++)
        many[i] = make("one of many", NULL);
    assert_int_equal(run_child(look_at_copies), 0);
    for (int i = 0; i < MANY; i++)
        end(many[i]);
}

// ---- a host that has closed the descriptor ----

static int fork_without_the_file(void)
{
    end(make("a table of this process", NULL));
    make_in_flight(7);
    CHECK(close(logctx__table.file.fd) == 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(look_at_all_quietly());
    int status = 1;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    end_in_flight();
    return 0;
}

static void test_without_the_file(void **state)
{
    (void)state;
    assert_int_equal(run_child(fork_without_the_file), 0);
}

// ---- generations ----

static int fork_twice(void)
{
    pid_t pid = fork(); // without having used the library
    if (pid == 0)
        _exit(look_at_all_quietly());
    int status = 1;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return look_at_all_quietly();
}

static int fork_own(void)
{
    if (look_at_all_quietly())
        return 1;
    make_in_flight(8);
    pid_t pid = fork();
    if (pid == 0)
        _exit(fork_twice());
    int status = 1;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    end_in_flight();
    return 0;
}

static void test_children_of_children(void **state)
{
    (void)state;
    make_in_flight(5);
    assert_int_equal(run_child(fork_twice), 0);
    assert_int_equal(run_child(fork_own), 0);
    end_in_flight();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        logctx_unit_test(test_all_are_known_while_the_parent_waits),
        logctx_unit_test(test_what_the_parent_has_just_ended_is_known),
        logctx_unit_test(test_nothing_is_known_of_memory_in_another_use),
        logctx_unit_test(test_fork_takes_no_lock),
        logctx_unit_test(test_nothing_is_copied),
        logctx_unit_test(test_without_the_file),
        logctx_unit_test(test_children_of_children),
        logctx_unit_test(test_a_storm_of_forks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
