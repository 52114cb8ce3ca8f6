/*
 * logctx/testing.h: cmocka tests that fail when the code under test loses, leaks or forgets a context. Link
 * logctx::testing (pkg-config: logctx-testing), which brings cmocka. Include cmocka.h, and what it asks for, as well.
 *
 *     const struct CMUnitTest tests[] = {
 *         logctx_unit_test(test_a_room),
 *         logctx_unit_test_setup_teardown(test_a_server, start_server, stop_server),
 *     };
 *     return cmocka_run_group_tests(tests, NULL, NULL);
 *
 * Such a test fails, with a sentence that says what and where, if
 *   - it starts or ends in another context than the sentinel (which is put back, for the next test),
 *   - a transition error of any kind was reported, on any thread, that it does not expect, allow or take,
 *   - an error that it expects did not come,
 *   - a context that was made since its set-up is unfinished,
 *   - there are more deferreds that were not called, and not freed either, than at its set-up.
 * All of this is judged after the test's own tear-down. A test that fails by an assertion of its own is not judged: it
 * was left in the middle, and says one thing. The transition errors that came before are shown with it, since they are
 * often the reason. The same goes for a test that is skipped.
 *
 * One test runs at a time in a process. Errors may come on every thread. Thread, unless a function says otherwise: the
 * one that runs the tests, between set-up and tear-down. Current: unchanged. Owner: what is returned is borrowed, until
 * the next test's set-up. A function that "fails the test" does it as cmocka's assertions do, by a jump.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTING_H
#define LOGCTX_TESTING_H

#include <logctx/error.h>
#include <logctx/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- tests ---- */

/* cmocka's CMUnitTestFunction and CMFixtureFunction. */
typedef void logctx_test_function_t(void **state);
typedef int logctx_test_fixture_t(void **state);

/* What the macros below make of a test; private. */
typedef struct logctx_test {
    logctx_test_function_t *function;
    logctx_test_fixture_t *setup;
    logctx_test_fixture_t *teardown;
    void *initial_state;
    const char *clock; /* NULL: the one in use */
    const char *file;
    int line;
} logctx_test_t;

LOGCTX_API int logctx_test_before(void **state);
LOGCTX_API void logctx_test_run(void **state);
LOGCTX_API int logctx_test_after(void **state);

#define LOGCTX_UNIT_TEST(fn, setup_fn, teardown_fn, state, clock_name)                                                 \
    {                                                                                                                  \
#fn, logctx_test_run, logctx_test_before, logctx_test_after,                                                   \
            (&(logctx_test_t){fn, setup_fn, teardown_fn, state, clock_name, __FILE__, __LINE__})                       \
    }

/*
 * Entries of an array of struct CMUnitTest, at file scope or on the stack of whoever runs it (not a static one inside a
 * function); in C. `setup` and `teardown` are the test's own, or NULL: set-up runs after the library's, tear-down before
 * it looks. They get a state that begins as NULL, or as `state`; the state of a group does not reach them.
 */
#define logctx_unit_test(fn) LOGCTX_UNIT_TEST(fn, NULL, NULL, NULL, NULL)
#define logctx_unit_test_setup_teardown(fn, setup, teardown) LOGCTX_UNIT_TEST(fn, setup, teardown, NULL, NULL)
#define logctx_unit_test_prestate_setup_teardown(fn, setup, teardown, state)                                           \
    LOGCTX_UNIT_TEST(fn, setup, teardown, state, NULL)
/* The same with the clock logctx_clock("fake"), which the test moves by logctx_fake_cpu() and logctx_fake_time(). */
#define logctx_unit_test_fake_clock(fn) LOGCTX_UNIT_TEST(fn, NULL, NULL, NULL, "fake")
#define logctx_unit_test_fake_clock_setup_teardown(fn, setup, teardown)                                                \
    LOGCTX_UNIT_TEST(fn, setup, teardown, NULL, "fake")

/*
 * The same by hand, for cmocka_unit_test_setup_teardown(), for a set-up of your own that calls one of these first and a
 * tear-down that calls the other last, or for other test runners, whose process they may also use alone: they return 0,
 * or -1 after a sentence. What they cannot know is whether the test has failed already; if so, what it left behind is
 * reported as well. `state` is not touched and may be NULL.
 *
 * Set-up leaves the clock as it is, or installs the fake or the process's default one; the tear-down puts back the clock
 * that was there. Neither can be done while contexts are in flight, which the sentence then says.
 */
LOGCTX_API int logctx_test_setup(void **state);
LOGCTX_API int logctx_test_setup_fake_clock(void **state);
LOGCTX_API int logctx_test_setup_real_clock(void **state);
LOGCTX_API int logctx_test_teardown(void **state);

/* ---- transition errors ---- */

/* One error, as the hook got it: copies, cut to fit. */
typedef struct logctx_test_error {
    bool came; /* false: it is expected and has not come; then all below is 0 or "", but for `kind` */
    logctx_error_kind_t kind;
    char message[512];                /* the sentence with the names in it */
    char expected[128];               /* name of the context that should have been there, or "" */
    char found[128];                  /* name of the one that was, or "" */
    char found_by[192];               /* file:line that noticed */
    char set_by[192];                 /* file:line that made current what was found, or "" */
    char affected[128];               /* name of the context whose span has the error */
    char current[128];                /* name of the context in which it was reported */
    const logctx_t *affected_address; /* to be compared; not to be followed */
    size_t recent_count;
    logctx_switch_t recent[LOGCTX_RECENT_MAX]; /* the last switches of its thread, newest first */
    char stack[1024];
} logctx_test_error_t;

/*
 * Expect one error of that kind: the oldest that has come and is not expected yet, or else the next one; so it may be
 * called before the code under test or after it. Kinds may come in any order; errors of one kind belong to its
 * expectations in their order. Each call expects one more. At the end of the test each expectation must have its error.
 * Returns what will be filled in when the error comes; look at it when the code that raises it is through, and ask
 * `came`. Fails the test at its 257th error that is looked at, or outside of a test.
 */
#define logctx_expect_transition_error(kind) logctx_expect_transition_error_at((kind), LOGCTX_HERE)
LOGCTX_API const logctx_test_error_t *logctx_expect_transition_error_at(logctx_error_kind_t kind,
                                                                        const logctx_site_t *site);

/* Expect `count` more errors of that kind, without looking at them. */
#define logctx_expect_transition_error_count(kind, count)                                                              \
    logctx_expect_transition_error_count_at((kind), (count), LOGCTX_HERE)
LOGCTX_API void logctx_expect_transition_error_count_at(logctx_error_kind_t kind, size_t count,
                                                        const logctx_site_t *site);

/* Allow any number of errors of that kind, also none, in this test. Those that are expected besides must come. */
#define logctx_allow_transition_errors(kind) logctx_allow_transition_errors_at((kind), LOGCTX_HERE)
LOGCTX_API void logctx_allow_transition_errors_at(logctx_error_kind_t kind, const logctx_site_t *site);

/*
 * For tests in which the order matters: the oldest error that has come and is neither expected, allowed nor taken. Fails
 * the test if there is none, or if it is of another kind.
 */
#define logctx_take_transition_error(kind) logctx_take_transition_error_at((kind), LOGCTX_HERE)
LOGCTX_API const logctx_test_error_t *logctx_take_transition_error_at(logctx_error_kind_t kind,
                                                                      const logctx_site_t *site);

/* How many errors have come that are neither expected, allowed nor taken: those that would fail the test. Any thread. */
LOGCTX_API size_t logctx_unexpected_transition_errors(void);

/*
 * The library's set-up installs an error hook. The hook that was there before is called after it, with every error, and
 * is put back by the tear-down. This calls another one instead, until the tear-down; NULL: none.
 *
 * Code under test may install a hook of its own while the test runs, which then gets the errors. They still fail a test
 * that does not expect or allow them, by the library's counters; but nothing is known about them besides their number.
 */
LOGCTX_API void logctx_test_chain_hook(logctx_error_hook_t *hook, void *user);

#ifdef __cplusplus
}
#endif
#endif
