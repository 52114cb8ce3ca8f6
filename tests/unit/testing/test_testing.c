// logctx::testing: each of its checks fails a sample with the right words, and its twin passes. With a name as its argument
// the program runs that sample instead; the tests start it so, and read what it prints.
//
// SPDX-License-Identifier: Apache-2.0
#include "samples.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char output[1 << 17];

// How many tests of the sample failed; what it printed is in `output`.
static int run(const char *sample)
{
    int ends[2], status;
    fflush(NULL);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        unsetenv("CMOCKA_MESSAGE_OUTPUT");
        execl("/proc/self/exe", "sample", sample, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], output + length, sizeof output - 1 - length)) > 0)
        length += (size_t)got;
    output[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static size_t occurrences(const char *words)
{
    size_t count = 0;
    for (const char *at = output; (at = strstr(at, words)) != NULL; at += strlen(words))
        count++;
    return count;
}

static void says(const char *words)
{
    if (occurrences(words) == 0)
        fail_msg("it does not say: %s", words);
}

static void does_not_say(const char *words)
{
    if (occurrences(words) > 0)
        fail_msg("it says: %s", words);
}

static void passes(const char *sample)
{
    int failed = run(sample);
    if (failed != 0)
        print_error("%.2000s\n", output);
    assert_int_equal(failed, 0);
    says("  PASSED  ");
    does_not_say("Test ending");
    does_not_say("  ERROR   ");
}

// That many of its tests fail, and each once: the others after them are not spoilt.
static void fails(const char *sample, int count)
{
    int failed = run(sample);
    if (failed != count)
        print_error("%.2000s\n", output);
    assert_int_equal(failed, count);
}

// ---- contexts ----

static void test_starts_in_the_sentinel(void **state)
{
    (void)state;
    fails("starts_in_a_context", 1);
    says("Test starting with non-sentinel logging context GET-1\n");
    does_not_say("it runs");
}

static void test_ends_in_the_sentinel(void **state)
{
    (void)state;
    passes("ends_in_the_sentinel");
    fails("ends_in_a_context", 1);
    says("Test ending with non-sentinel logging context GET-2\n");
    assert_int_equal(occurrences("non-sentinel"), 1);
    does_not_say("did not finish");
    says("samples.c:"); // where the test stands in its group
}

static void test_leaves_nothing_unfinished(void **state)
{
    (void)state;
    passes("unfinished_before");
    fails("unfinished", 1);
    says("Contexts that the test made and did not finish: 2\n");
    says("GET-3 (request of kind GET /rooms/{id}), last seen at ");
    says("sweep-4 (background of kind sweep), last seen at ");
    says("samples.c:");
    does_not_say("older");
}

static void test_leaves_no_deferred(void **state)
{
    (void)state;
    passes("called");
    fails("uncalled", 1);
    says("Deferreds that the test made and did not call: 1;");
}

// ---- a test's own failure, set-up and tear-down ----

static void test_a_failure_of_its_own_is_said_once(void **state)
{
    (void)state;
    fails("fails_by_itself", 1);
    assert_int_equal(occurrences("the test's own words"), 1);
    says("own tear-down, state half done, in sentinel\n");
    says("Before it failed, transition errors came that it did not expect: 1\n");
    says("  context_lost: Expected logging context GET-5 was lost\n");
    does_not_say("Test ending");
    does_not_say("did not finish");
    does_not_say("did not come");
    does_not_say("teardown failed");
}

static void test_a_skipped_test_is_not_judged(void **state)
{
    (void)state;
    assert_int_equal(run("skipped"), 0);
    says("  SKIPPED ");
    does_not_say("Test ending");
    does_not_say("did not finish");
}

static void test_own_setup_and_teardown(void **state)
{
    (void)state;
    passes("composed");
    says("own set-up\n");
    says("test, state set up\n");
    says("own tear-down, state set up, in sentinel\n");
    says("test, state given\n");
    says("own tear-down, state given, in sentinel\n");
    fails("setup_fails", 2);
    says("no server");
    does_not_say("it runs");
    does_not_say("own tear-down");
    does_not_say("Test starting");
    fails("teardown_fails", 1);
    says("The tear-down of the test returned 7\n");
    says("Expected logging context GET-11 was lost\n");
}

static void test_by_hand(void **state)
{
    (void)state;
    passes("by_hand");
    fails("by_hand_fails", 2);
    says("Expected logging context GET-12 was lost\n");
    says("Test ending with non-sentinel logging context GET-13\n");
    says("  GET-13 (request");
    fails("teardown_alone", 1);
    says("logctx_test_teardown() was called without logctx_test_setup()\n");
}

static void test_clocks(void **state)
{
    (void)state;
    passes("clocks");
    fails("clock_in_use", 1);
    says("Test starting with contexts in flight, so that its clock cannot be installed\n");
    says("  older (request");
    does_not_say("it runs");
}

// ---- errors ----

static void test_unexpected_errors(void **state)
{
    (void)state;
    fails("unexpected", 1);
    says("Transition errors that the test did not expect: 1\n");
    says("  context_lost: Expected logging context GET-1 was lost\n    noticed at ");
    says(", set by ");
    says("    GET-1 -> sentinel at ");
    says(" ms before\n");
    says("    see docs/guide.md#context_lost\n");
    fails("unexpected_misuse", 1);
    says("  invalid_use: Wrong use of logctx: ");
    fails("unexpected_many", 1);
    says("Transition errors that the test did not expect: 300\n");
    says("  and 284 more\n");
    fails("unexpected_on_threads", 1);
    says("Transition errors that the test did not expect: 4\n");
    assert_int_equal(occurrences("Expected logging context GET-3 was lost\n"), 4);
}

static void test_expected_errors(void **state)
{
    (void)state;
    passes("expected");
    fails("in_vain", 1);
    assert_int_equal(occurrences("The transition error context_lost, expected at "), 1);
    says("samples_errors.c:");
    says(", did not come\n");
    fails("too_many", 1);
    says(", did not come often enough: 3 times too few\n");
    fails("too_few", 1);
    says("Expected logging context GET-13 was lost\n");
    does_not_say("GET-12 was lost");
    fails("another_kind", 1);
    says("Expected logging context GET-14 was lost\n");
}

static void test_taken_errors(void **state)
{
    (void)state;
    fails("nothing_to_take", 1);
    says("expected the error context_lost, and there was none\n");
    fails("another_to_take", 1);
    says("expected the error context_lost, got nested_from_sentinel: ");
    fails("no_such_kind", 1);
    says("is no kind of error");
    fails("outside_of_a_test", 1);
    says("was called outside of a test");
}

static void test_other_hooks(void **state)
{
    (void)state;
    passes("chained");
    passes("put_back");
    passes("expected_behind_a_hook");
    fails("behind_a_hook", 1);
    says("context_lost that the test did not expect, counted 2 times, but not by its hook");
    fails("out_of_a_hook", 2);
    says("Test starting inside an error hook, a logger or a sink");
}

static int run_sample(const struct sample *list, const char *name)
{
    for (; list->name; list++)
        if (strcmp(list->name, name) == 0)
            return _cmocka_run_group_tests(name, list->tests, list->count, NULL, NULL);
    return -1;
}

int main(int count, char **words)
{
    if (count == 2) {
        int failed = run_sample(samples, words[1]);
        return failed >= 0 ? failed : run_sample(samples_errors, words[1]);
    }
    const struct CMUnitTest tests[] = {
        logctx_unit_test(test_starts_in_the_sentinel),
        logctx_unit_test(test_ends_in_the_sentinel),
        logctx_unit_test(test_leaves_nothing_unfinished),
        logctx_unit_test(test_leaves_no_deferred),
        logctx_unit_test(test_a_failure_of_its_own_is_said_once),
        logctx_unit_test(test_a_skipped_test_is_not_judged),
        logctx_unit_test(test_own_setup_and_teardown),
        logctx_unit_test(test_by_hand),
        logctx_unit_test(test_clocks),
        logctx_unit_test(test_unexpected_errors),
        logctx_unit_test(test_expected_errors),
        logctx_unit_test(test_taken_errors),
        logctx_unit_test(test_other_hooks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
