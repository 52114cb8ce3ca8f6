// Samples about the life of a test: contexts that it starts and ends in or leaves behind, its own set-up and tear-down,
// clocks. One thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "samples.h"

logctx_t *request_at(const char *name, const logctx_site_t *site)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = name;
    return logctx_new_at(logctx_kind("GET /rooms/{id}"), &opts, site);
}

void finish_request(logctx_t *ctx)
{
    logctx_finish(ctx);
    logctx_unref(ctx);
}

void lose(const char *name)
{
    logctx_t *ctx = request(name);
    logctx_enter(ctx);
    logctx_set_current(logctx_sentinel());
    logctx_exit(ctx);
    logctx_unref(ctx);
}

void fine(void **state)
{
    (void)state;
    assert_true(logctx_is_sentinel(logctx_current()));
    assert_int_equal(logctx_unexpected_transition_errors(), 0);
    logctx_t *ctx = request("fine");
    logctx_enter(ctx);
    logctx_exit(ctx);
    logctx_unref(ctx);
}

// ---- the context ----

static logctx_t *kept; // finished by a later test

static void stays_in_a_context(void **state)
{
    (void)state;
    kept = request("GET-1");
    logctx_set_current(kept);
}

static void never_runs(void **state)
{
    (void)state;
    printf("it runs\n");
}

static void finish_kept(void **state)
{
    (void)state;
    finish_request(kept);
}

static const struct CMUnitTest starts_in_a_context[] = {
    cmocka_unit_test(stays_in_a_context),
    logctx_unit_test(never_runs),
    logctx_unit_test(fine),
    cmocka_unit_test(finish_kept),
};

static void ends_in_it(void **state)
{
    (void)state;
    logctx_t *ctx = request("GET-2");
    logctx_set_current(ctx);
    logctx_finish(ctx);
    logctx_unref(ctx);
}

static const struct CMUnitTest ends_in_a_context[] = {logctx_unit_test(ends_in_it), logctx_unit_test(fine)};
static const struct CMUnitTest ends_in_the_sentinel[] = {logctx_unit_test(fine), logctx_unit_test(fine)};

// ---- unfinished contexts ----

static void forgets_two(void **state)
{
    (void)state;
    request("GET-3");
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = "sweep-4";
    opts.type = LOGCTX_TYPE_BACKGROUND;
    logctx_new(logctx_kind("sweep"), &opts);
}

static void makes_one_before(void **state)
{
    (void)state;
    kept = request("older");
}

static const struct CMUnitTest unfinished[] = {
    cmocka_unit_test(makes_one_before),
    logctx_unit_test(forgets_two),
    logctx_unit_test(fine),
};
static const struct CMUnitTest unfinished_before[] = {
    cmocka_unit_test(makes_one_before),
    logctx_unit_test(fine),
    cmocka_unit_test(finish_kept),
};

// ---- deferreds ----

static logctx_deferred_t *waiting;

static void makes_a_deferred(void **state)
{
    (void)state;
    waiting = logctx_deferred_new(NULL, NULL, NULL);
}

static void calls_and_drops(void **state)
{
    makes_a_deferred(state);
    logctx_deferred_t *dropped = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_succeed(waiting, NULL, NULL);
    logctx_deferred_unref(waiting);
    logctx_deferred_unref(dropped);
}

static const struct CMUnitTest uncalled[] = {logctx_unit_test(makes_a_deferred), logctx_unit_test(fine)};
static const struct CMUnitTest called[] = {
    cmocka_unit_test(makes_a_deferred), // not the next one's
    logctx_unit_test(calls_and_drops),
};

// ---- a test that fails by itself ----

static int torn_down(void **state)
{
    printf("own tear-down, state %s, in %s\n", *state ? (const char *)*state : "none", logctx_name(logctx_current()));
    return 0;
}

static void fails_in_a_context(void **state)
{
    lose("GET-5");
    logctx_expect_transition_error(LOGCTX_ERROR_UTIME_BACKWARDS);
    logctx_set_current(request("GET-6"));
    *state = "half done";
    fail_msg("%s", "the test's own words");
}

static const struct CMUnitTest fails_by_itself[] = {
    logctx_unit_test_setup_teardown(fails_in_a_context, NULL, torn_down),
    logctx_unit_test(fine),
};

static void skips_in_a_context(void **state)
{
    (void)state;
    logctx_set_current(request("GET-7"));
    skip();
}

static const struct CMUnitTest skipped[] = {logctx_unit_test(skips_in_a_context), logctx_unit_test(fine)};

// ---- its own set-up and tear-down ----

static int set_up(void **state)
{
    printf("own set-up\n");
    if (!*state)
        *state = "set up";
    kept = request("GET-8");
    logctx_enter(kept);
    return 0;
}

static int exit_and_tear_down(void **state)
{
    logctx_exit(kept);
    logctx_unref(kept);
    return torn_down(state);
}

static void sees_its_state(void **state)
{
    printf("test, state %s\n", (const char *)*state);
    assert_ptr_equal(logctx_current(), kept);
}

static const struct CMUnitTest composed[] = {
    logctx_unit_test_setup_teardown(sees_its_state, set_up, exit_and_tear_down),
    logctx_unit_test_prestate_setup_teardown(sees_its_state, set_up, exit_and_tear_down, "given"),
    logctx_unit_test(fine),
};

static int fails_to_set_up(void **state)
{
    (void)state;
    logctx_set_current(request("GET-9"));
    return -1;
}

static int jumps_out_of_set_up(void **state)
{
    (void)state;
    logctx_set_current(request("GET-10"));
    fail_msg("%s", "no server");
    return 0;
}

static void finds_the_sentinel(void **state)
{
    (void)state;
    assert_true(logctx_is_sentinel(logctx_current()));
    assert_true(logctx_get_error_hook(NULL) == NULL);
}

static const struct CMUnitTest setup_fails[] = {
    logctx_unit_test_setup_teardown(never_runs, fails_to_set_up, torn_down),
    cmocka_unit_test(finds_the_sentinel),
    logctx_unit_test(fine),
    logctx_unit_test_setup_teardown(never_runs, jumps_out_of_set_up, torn_down),
    logctx_unit_test(fine),
};

static int loses_and_returns(void **state)
{
    (void)state;
    lose("GET-11");
    return 7;
}

static const struct CMUnitTest teardown_fails[] = {
    logctx_unit_test_setup_teardown(fine, NULL, loses_and_returns),
    logctx_unit_test(fine),
};

// ---- by hand ----

static void loses(void **state)
{
    (void)state;
    lose("GET-12");
}

static void ends_by_hand(void **state)
{
    (void)state;
    kept = request("GET-13");
    logctx_set_current(kept);
}

static const struct CMUnitTest by_hand[] = {
    cmocka_unit_test_setup_teardown(fine, logctx_test_setup, logctx_test_teardown),
};
static const struct CMUnitTest by_hand_fails[] = {
    cmocka_unit_test_setup_teardown(loses, logctx_test_setup, logctx_test_teardown),
    cmocka_unit_test_setup_teardown(ends_by_hand, logctx_test_setup, logctx_test_teardown),
    cmocka_unit_test(finish_kept),
    cmocka_unit_test_setup_teardown(fine, logctx_test_setup, logctx_test_teardown),
};
static const struct CMUnitTest teardown_alone[] = {
    cmocka_unit_test_setup_teardown(finish_kept, NULL, logctx_test_teardown),
};

// ---- clocks ----

static void moves_the_clock(void **state)
{
    (void)state;
    assert_string_equal(logctx_cpu_clock_name(), "fake");
    logctx_t *ctx = request("GET-14");
    logctx_enter(ctx);
    logctx_fake_cpu(5, 6);
    logctx_exit(ctx);
    logctx_usage_t own;
    logctx_get_usage(ctx, &own, NULL);
    assert_int_equal(own.cpu_ns, 11);
    logctx_unref(ctx);
}

static void has_the_real_clock(void **state)
{
    (void)state;
    assert_string_equal(logctx_get_clock()->name, "cpu");
}

static void takes_the_wall(void **state)
{
    (void)state;
    assert_int_equal(logctx_set_clock(logctx_clock("wall")), LOGCTX_OK);
}

static void has_the_wall(void **state)
{
    (void)state;
    assert_string_equal(logctx_cpu_clock_name(), "wall");
}

static const struct CMUnitTest clocks[] = {
    logctx_unit_test_fake_clock(moves_the_clock),
    logctx_unit_test(has_the_real_clock),
    cmocka_unit_test_setup_teardown(moves_the_clock, logctx_test_setup_fake_clock, logctx_test_teardown),
    cmocka_unit_test(takes_the_wall),
    logctx_unit_test(has_the_wall),
    cmocka_unit_test_setup_teardown(has_the_real_clock, logctx_test_setup_real_clock, logctx_test_teardown),
    logctx_unit_test_fake_clock_setup_teardown(moves_the_clock, NULL, torn_down),
    logctx_unit_test(has_the_wall),
};
static const struct CMUnitTest clock_in_use[] = {
    cmocka_unit_test(makes_one_before),
    logctx_unit_test_fake_clock(never_runs),
    cmocka_unit_test(finish_kept),
    logctx_unit_test_fake_clock(moves_the_clock),
};

const struct sample samples[] = {
    SAMPLE(starts_in_a_context),
    SAMPLE(ends_in_a_context),
    SAMPLE(ends_in_the_sentinel),
    SAMPLE(unfinished),
    SAMPLE(unfinished_before),
    SAMPLE(uncalled),
    SAMPLE(called),
    SAMPLE(fails_by_itself),
    SAMPLE(skipped),
    SAMPLE(composed),
    SAMPLE(setup_fails),
    SAMPLE(teardown_fails),
    SAMPLE(by_hand),
    SAMPLE(by_hand_fails),
    SAMPLE(teardown_alone),
    SAMPLE(clocks),
    SAMPLE(clock_in_use),
    {NULL, NULL, 0},
};
