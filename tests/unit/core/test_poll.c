/*
 * test_poll.c: the event loop: what leaks into it is found, and what runs outside of contexts is accounted for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "collected.h"

#include "spans.h"

#include <logctx/deferred.h>

// ---- leaks ----

static void test_a_clean_turn(void **state)
{
    (void)state;
    logctx_poll_end(); // before any begin: nothing
    unsigned long long readings = fake.readings;
    for (int turn = 0; turn < 128; turn++) {
        logctx_poll_begin();
        assert_current(logctx_sentinel());
        logctx_poll_end();
        logctx_poll_end();
    }
    assert_in_range(fake.readings - readings, 4, 8); // one turn in 64 is measured
}

static void test_leaked_to_loop(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "GET-1");
    logctx_set_current(ctx);
    int set_by = __LINE__ - 1;
    run_user(MS);
    logctx_poll_begin();
    int found_by = __LINE__ - 1;
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_current(logctx_sentinel());
    assert_string_equal(error->message, "Logging context GET-1 leaked to the event loop");
    assert_string_equal(error->found, "GET-1");
    assert_string_equal(error->expected, "sentinel");
    assert_string_equal(error->affected, "GET-1");
    assert_at(error->found_by, found_by);
    assert_at(error->set_by, set_by);
    logctx_poll_end();
    assert_int_equal(own_of(ctx).cpu_ns, MS);
    assert_false(logctx_is_finished(ctx));
    end(ctx);
    assert_int_equal(count_events(record_of("GET-1"), LOGCTX_TRANSITION_EVENT), 1);
}

static void test_a_check_between_polls(void **state)
{
    (void)state;
    logctx_loop_check();
    unsigned long long readings = fake.readings;
    logctx_loop_check();
    assert_int_equal(fake.readings, readings);
    logctx_t *ctx = make("k", "GET-1");
    logctx_set_current(ctx);
    int set_by = __LINE__ - 1;
    logctx_loop_check();
    int found_by = __LINE__ - 1;
    assert_current(logctx_sentinel());
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    assert_at(error->set_by, set_by);
    assert_at(error->found_by, found_by);
    logctx_poll_end(); // no poll has begun by it
    logctx_set_current(ctx);
    (logctx_loop_check)();
    take_error(LOGCTX_ERROR_LEAKED_TO_LOOP);
    end(ctx);
}

static void switch_away(void *user)
{
    (void)user;
    logctx_set_current(logctx_sentinel());
}

// What was only put back is blamed on who had made it current.
static void test_a_leak_before_a_block(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "GET-1");
    logctx_set_current(ctx);
    int set_by = __LINE__ - 1;
    logctx_preserve_t block = logctx_preserve_enter(logctx_sentinel());
    logctx_preserve_exit(&block);
    logctx_deferred_unref(logctx_deferred_new(NULL, NULL, switch_away));
    logctx_poll_begin();
    assert_at(take_error(LOGCTX_ERROR_LEAKED_TO_LOOP)->set_by, set_by);
    logctx_poll_end();
    end(ctx);
}

static void test_a_leaked_context_that_nobody_holds(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "nobody's");
    logctx_set_current(ctx);
    logctx_unref(ctx);
    (logctx_poll_begin)();
    assert_string_equal(take_error(LOGCTX_ERROR_LEAKED_TO_LOOP)->affected, "nobody's");
    assert_int_equal(books().live, 0);
    logctx_poll_end();
}

static void in_hook(const logctx_error_t *error, void *user)
{
    (void)error;
    (void)user;
    logctx_poll_begin();
    logctx_poll_end();
}

static void test_polling_inside_a_hook(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    logctx_set_current(ctx);
    logctx_test_chain_hook(in_hook, NULL);
    logctx_set_current(NULL);
    logctx_test_chain_hook(NULL, NULL);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_expect_transition_error_count(LOGCTX_ERROR_LEAKED_TO_LOOP, 1); // the one inside
    end(ctx);
}

// ---- time outside of contexts ----

struct sums {
    int64_t contexts, loop, unattributed;
};

static struct sums sums_of(const char *loop_name)
{
    collect(NULL, NULL);
    const logctx_loop_sums_t *loop = collected_loop(loop_name);
    assert_non_null(loop);
    return (struct sums){collected_sum().usage.cpu_ns, loop->loop_cpu_ns, loop->unattributed_cpu_ns};
}

static int64_t thread_clock(void)
{
    return fake.user + fake.system;
}

// On every turn, measured or not: contexts + loop + unattributed is the thread's clock.
static void test_the_sum_is_the_thread_clock(void **state)
{
    (void)state;
    collect(NULL, NULL);
    int64_t contexts_before = collected_sum().usage.cpu_ns;
    logctx_set_loop_name("exact");
    int64_t start = thread_clock();
    for (int turn = 1; turn <= 200; turn++) {
        logctx_poll_begin();
        run_system(70 * 1000);
        logctx_poll_end();
        run_user(30 * 1000); // nobody's
        logctx_t *ctx = make("turning", "t");
        logctx_set_current(ctx);
        run_user(500 * 1000);
        end(ctx);
        struct sums sums = sums_of("exact");
        assert_int_equal(sums.loop, turn * 70 * 1000);
        assert_int_equal(sums.unattributed, turn * 30 * 1000);
        assert_int_equal(sums.contexts - contexts_before + sums.loop + sums.unattributed, thread_clock() - start);
    }
}

// A loop may call back before its poll has ended: what contexts use there is theirs.
static void test_contexts_inside_the_poll(void **state)
{
    (void)state;
    logctx_set_loop_name("calling back");
    for (int turn = 1; turn <= 70; turn++) {
        logctx_poll_begin();
        run_system(70 * 1000);
        logctx_t *ctx = make("called back", "c");
        logctx_set_current(ctx);
        run_user(500 * 1000);
        end(ctx);
        logctx_poll_end();
        struct sums sums = sums_of("calling back");
        assert_int_equal(sums.loop, turn * 70 * 1000);
        assert_int_equal(sums.unattributed, 0);
        assert_int_equal(collected("called back", "request")->usage.cpu_ns, turn * 500 * 1000);
    }
}

static void test_renamed_inside_the_poll(void **state)
{
    (void)state;
    logctx_set_loop_name("first");
    logctx_t *ctx = make("before", "c");
    logctx_set_current(ctx);
    run_user(SECOND);
    end(ctx);
    for (int turn = 0; turn < 64; turn++) {
        logctx_poll_begin();
        logctx_set_loop_name("renamed");
        run_user(1000);
        logctx_poll_end();
    }
    struct sums sums = sums_of("renamed");
    assert_true(sums.loop + sums.unattributed <= 64 * 1000);
}

static void test_renamed_inside_of_a_context(void **state)
{
    (void)state;
    logctx_set_loop_name("early");
    logctx_t *ctx = make("starting up", "c");
    logctx_set_current(ctx);
    run_user(5 * MS);
    logctx_set_loop_name("late");
    run_user(3 * MS);
    end(ctx);
    run_user(MS);
    assert_int_equal(sums_of("early").unattributed, 0);
    assert_int_equal(sums_of("late").unattributed, MS);
    assert_int_equal(collected("starting up", "request")->usage.cpu_ns, 8 * MS);
}

static void test_a_collection_inside_of_a_context(void **state)
{
    (void)state;
    logctx_set_loop_name("inside");
    logctx_t *ctx = make("inside", "c");
    run_user(MS);
    logctx_set_current(ctx);
    run_user(5 * MS);
    assert_int_equal(sums_of("inside").unattributed, MS); // what runs in the context is not nobody's
    end(ctx);
    assert_int_equal(sums_of("inside").unattributed, MS);
    assert_int_equal(collected("inside", "request")->usage.cpu_ns, 5 * MS);
}

static void test_sums_never_go_down(void **state)
{
    (void)state;
    logctx_set_loop_name("uneven");
    struct sums last = {0};
    int64_t cost = 0;
    for (int turn = 0; turn < 300; turn++) {
        logctx_poll_begin();
        run_user(cost = (cost * 31 + 7919) % 100000);
        logctx_poll_end();
        struct sums sums = sums_of("uneven");
        assert_true(sums.loop >= last.loop && sums.unattributed >= last.unattributed);
        last = sums;
    }
}

static void test_names(void **state)
{
    (void)state;
    logctx_set_loop_name(NULL);
    char name[100];
    memset(name, 'l', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    logctx_set_loop_name(name);
    run_user(MS);
    collect(NULL, NULL);
    assert_null(collected_loop(name));
    name[63] = '\0';
    assert_non_null(collected_loop(name));
    assert_int_equal(collected_loop(name)->unattributed_cpu_ns, MS);
    logctx_set_loop_name("");
    run_user(MS);
    collect(NULL, NULL);
    assert_non_null(collected_loop("loop"));
    assert_int_equal(collected_loop(name)->unattributed_cpu_ns, MS); // stays where it was
}

static void test_no_reading_in_the_poll(void **state)
{
    (void)state;
    logctx_set_loop_name("blind");
    fake.broken = true;
    for (int i = 0; i < 70; i++) {
        logctx_poll_begin();
        logctx_poll_end();
    }
    fake.broken = false;
    assert_int_equal(sums_of("blind").loop, 0);
}

static void test_many_loop_names_share_the_last_row(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof name, "loop number %d", i);
        logctx_set_loop_name(name);
        run_user(1000);
    }
    collect(NULL, NULL);
    assert_non_null(collected_loop("loop number 3"));
    assert_null(collected_loop("loop number 199"));
    assert_non_null(collected_loop("_other"));
    assert_true(collected_loop("_other")->unattributed_cpu_ns > 100 * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_a_clean_turn),
        core_test(test_leaked_to_loop),
        core_test(test_a_leak_before_a_block),
        core_test(test_a_check_between_polls),
        core_test(test_a_leaked_context_that_nobody_holds),
        core_test(test_polling_inside_a_hook),
        core_test(test_the_sum_is_the_thread_clock),
        core_test(test_contexts_inside_the_poll),
        core_test(test_renamed_inside_the_poll),
        core_test(test_renamed_inside_of_a_context),
        core_test(test_a_collection_inside_of_a_context),
        core_test(test_sums_never_go_down),
        core_test(test_names),
        core_test(test_no_reading_in_the_poll),
        core_test(test_many_loop_names_share_the_last_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
