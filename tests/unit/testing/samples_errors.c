// Samples about transition errors: expected, allowed, taken, and none of these; on other threads; with other hooks.
//
// SPDX-License-Identifier: Apache-2.0
#include "samples.h"

#include <pthread.h>

static void start_nested(void)
{
    finish_request(logctx_new_nested("part"));
}

// ---- unexpected ----

static void loses_one(void **state)
{
    (void)state;
    lose("GET-1");
}

static void misuses(void **state)
{
    (void)state;
    logctx_set_current(NULL);
}

static void loses_many(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++)
        lose("GET-2");
}

static void *lose_there(void *argument)
{
    lose("GET-3");
    return argument;
}

static void lose_on_threads(void)
{
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, lose_there, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static void loses_on_threads(void **state)
{
    (void)state;
    lose_on_threads();
}

static const struct CMUnitTest unexpected[] = {logctx_unit_test(loses_one), logctx_unit_test(fine)};
static const struct CMUnitTest unexpected_misuse[] = {logctx_unit_test(misuses), logctx_unit_test(fine)};
static const struct CMUnitTest unexpected_many[] = {logctx_unit_test(loses_many), logctx_unit_test(fine)};
static const struct CMUnitTest unexpected_on_threads[] = {logctx_unit_test(loses_on_threads), logctx_unit_test(fine)};

// ---- expected ----

static void expects_in_any_order(void **state)
{
    (void)state;
    const logctx_test_error_t *nested = logctx_expect_transition_error(LOGCTX_ERROR_NESTED_FROM_SENTINEL);
    const logctx_test_error_t *first = logctx_expect_transition_error(LOGCTX_ERROR_CONTEXT_LOST);
    assert_false(first->came);
    assert_string_equal(first->message, "");
    lose("GET-4");
    assert_true(first->came);
    assert_false(nested->came);
    start_nested();
    lose("GET-5");
    const logctx_test_error_t *second = logctx_expect_transition_error(LOGCTX_ERROR_CONTEXT_LOST); // after it came
    assert_true(nested->came && second->came);
    assert_int_equal(first->kind, LOGCTX_ERROR_CONTEXT_LOST);
    assert_string_equal(first->message, "Expected logging context GET-4 was lost");
    assert_string_equal(first->expected, "GET-4");
    assert_non_null(strstr(first->found_by, "samples.c:"));
    assert_non_null(strstr(first->set_by, "samples.c:"));
    assert_string_equal(first->affected, "GET-4");
    assert_string_equal(first->current, "sentinel");
    assert_string_equal(first->recent[0].to, "sentinel");
    assert_string_equal(second->expected, "GET-5");
    assert_int_equal(logctx_unexpected_transition_errors(), 0);
}

static void expects_a_number(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        lose("GET-6");
    logctx_expect_transition_error_count(LOGCTX_ERROR_CONTEXT_LOST, 300 + 4);
    for (int i = 5; i < 300; i++)
        lose("GET-6");
    lose_on_threads();
}

static void expects_a_number_late(void **state)
{
    loses_many(state);
    logctx_expect_transition_error_count(LOGCTX_ERROR_CONTEXT_LOST, 300);
    assert_int_equal(logctx_unexpected_transition_errors(), 0);
}

static void allows(void **state)
{
    (void)state;
    lose("GET-7");
    logctx_allow_transition_errors(LOGCTX_ERROR_CONTEXT_LOST);
    logctx_allow_transition_errors(LOGCTX_ERROR_UTIME_BACKWARDS);
    lose("GET-7");
    const logctx_test_error_t *one = logctx_expect_transition_error(LOGCTX_ERROR_CONTEXT_LOST);
    lose("GET-8");
    assert_string_equal(one->expected, "GET-8");
}

static void takes(void **state)
{
    (void)state;
    lose("GET-9");
    start_nested();
    assert_int_equal(logctx_unexpected_transition_errors(), 2);
    assert_string_equal(logctx_take_transition_error(LOGCTX_ERROR_CONTEXT_LOST)->expected, "GET-9");
    logctx_take_transition_error(LOGCTX_ERROR_NESTED_FROM_SENTINEL);
    assert_int_equal(logctx_unexpected_transition_errors(), 0);
}

static const struct CMUnitTest expected[] = {
    logctx_unit_test(expects_in_any_order),
    logctx_unit_test(expects_a_number),
    logctx_unit_test(expects_a_number_late),
    logctx_unit_test(allows),
    logctx_unit_test(takes),
    logctx_unit_test(fine),
};

static void expects_in_vain(void **state)
{
    (void)state;
    logctx_expect_transition_error(LOGCTX_ERROR_CONTEXT_LOST);
    logctx_expect_transition_error(LOGCTX_ERROR_CONTEXT_LOST);
    lose("GET-10");
}

static void expects_too_many(void **state)
{
    (void)state;
    logctx_expect_transition_error_count(LOGCTX_ERROR_CONTEXT_LOST, 5);
    lose("GET-11");
    lose("GET-11");
}

static void expects_too_few(void **state)
{
    (void)state;
    logctx_expect_transition_error_count(LOGCTX_ERROR_CONTEXT_LOST, 1);
    lose("GET-12");
    lose("GET-13");
}

static void allows_another_kind(void **state)
{
    (void)state;
    logctx_allow_transition_errors(LOGCTX_ERROR_UTIME_BACKWARDS);
    lose("GET-14");
}

static const struct CMUnitTest in_vain[] = {logctx_unit_test(expects_in_vain), logctx_unit_test(fine)};
static const struct CMUnitTest too_many[] = {logctx_unit_test(expects_too_many), logctx_unit_test(fine)};
static const struct CMUnitTest too_few[] = {logctx_unit_test(expects_too_few), logctx_unit_test(fine)};
static const struct CMUnitTest another_kind[] = {logctx_unit_test(allows_another_kind), logctx_unit_test(fine)};

static void takes_of_nothing(void **state)
{
    (void)state;
    logctx_take_transition_error(LOGCTX_ERROR_CONTEXT_LOST);
}

static void takes_the_wrong_one(void **state)
{
    (void)state;
    start_nested();
    lose("GET-15");
    logctx_take_transition_error(LOGCTX_ERROR_CONTEXT_LOST);
}

static void expects_nonsense(void **state)
{
    (void)state;
    logctx_expect_transition_error(LOGCTX_ERROR_COUNT);
}

static const struct CMUnitTest nothing_to_take[] = {logctx_unit_test(takes_of_nothing)};
static const struct CMUnitTest another_to_take[] = {logctx_unit_test(takes_the_wrong_one)};
static const struct CMUnitTest no_such_kind[] = {logctx_unit_test(expects_nonsense)};
static const struct CMUnitTest outside_of_a_test[] = {cmocka_unit_test(takes_of_nothing)};

// ---- other hooks ----

static int heard;

static void hear(const logctx_error_t *error, void *user)
{
    (void)error;
    *(int *)user += 1;
}

static void installs_a_hook(void **state)
{
    (void)state;
    logctx_set_error_hook(hear, &heard);
}

static void loses_and_is_heard(void **state)
{
    (void)state;
    heard = 0;
    logctx_expect_transition_error_count(LOGCTX_ERROR_CONTEXT_LOST, 3);
    lose("GET-16");
    assert_int_equal(heard, 1);
    int other = 0;
    logctx_test_chain_hook(hear, &other);
    lose("GET-16");
    logctx_test_chain_hook(NULL, NULL);
    lose("GET-16");
    assert_int_equal(heard, 1);
    assert_int_equal(other, 1);
}

static void has_the_hook_again(void **state)
{
    (void)state;
    void *user;
    assert_true(logctx_get_error_hook(&user) == hear);
    assert_ptr_equal(user, &heard);
    assert_true(logctx_get_error_hook(NULL) == hear);
}

static const struct CMUnitTest chained[] = {
    cmocka_unit_test(installs_a_hook),
    logctx_unit_test(loses_and_is_heard),
    cmocka_unit_test(has_the_hook_again),
};

static logctx_error_hook_t *saved;

static void saves_the_hook(void **state)
{
    (void)state;
    saved = logctx_get_error_hook(NULL);
}

static void puts_it_back(void **state)
{
    (void)state;
    logctx_set_error_hook(saved, NULL);
}

static const struct CMUnitTest put_back[] = {
    logctx_unit_test(saves_the_hook),
    cmocka_unit_test(puts_it_back),
    logctx_unit_test(takes),
};

static void loses_behind_another_hook(void **state)
{
    (void)state;
    logctx_set_error_hook(NULL, NULL);
    lose("GET-17");
    lose("GET-18");
}

static void expects_behind_another_hook(void **state)
{
    logctx_expect_transition_error_count(LOGCTX_ERROR_CONTEXT_LOST, 1);
    logctx_expect_transition_error(LOGCTX_ERROR_CONTEXT_LOST);
    loses_behind_another_hook(state);
}

static void allows_behind_another_hook(void **state)
{
    logctx_allow_transition_errors(LOGCTX_ERROR_CONTEXT_LOST);
    loses_behind_another_hook(state);
}

static const struct CMUnitTest behind_a_hook[] = {logctx_unit_test(loses_behind_another_hook), logctx_unit_test(fine)};
static const struct CMUnitTest expected_behind_a_hook[] = {
    logctx_unit_test(expects_behind_another_hook),
    logctx_unit_test(allows_behind_another_hook),
    logctx_unit_test(fine),
};

static void assert_in_the_hook(const logctx_error_t *error, void *user)
{
    (void)user;
    assert_string_equal(error->message, "something else");
}

static void jumps_out_of_a_hook(void **state)
{
    (void)state;
    logctx_test_chain_hook(assert_in_the_hook, NULL);
    lose("GET-19");
}

static const struct CMUnitTest out_of_a_hook[] = {logctx_unit_test(jumps_out_of_a_hook), logctx_unit_test(fine)};

const struct sample samples_errors[] = {
    SAMPLE(unexpected),
    SAMPLE(unexpected_misuse),
    SAMPLE(unexpected_many),
    SAMPLE(unexpected_on_threads),
    SAMPLE(expected),
    SAMPLE(in_vain),
    SAMPLE(too_many),
    SAMPLE(too_few),
    SAMPLE(another_kind),
    SAMPLE(nothing_to_take),
    SAMPLE(another_to_take),
    SAMPLE(no_such_kind),
    SAMPLE(outside_of_a_test),
    SAMPLE(chained),
    SAMPLE(put_back),
    SAMPLE(behind_a_hook),
    SAMPLE(expected_behind_a_hook),
    SAMPLE(out_of_a_hook),
    {NULL, NULL, 0},
};
