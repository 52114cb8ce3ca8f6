/*
 * test_segment.c: how a context's life went: segments from switches and database work, merged, for hours, as text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "spans.h"

static const int64_t US = 1000;

static void run_for(logctx_t *ctx, int64_t ns)
{
    LOGCTX_PRESERVE(ctx);
    run_user(ns);
}

static const char *segments_of(const char *name)
{
    return text_attr(record_of(name), "logctx.segments");
}

static void test_text(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    pass(100 * US);
    run_for(ctx, 250 * US);
    pass(1000 * US);
    logctx_set_current(ctx);
    run_user(50 * US);
    pass(600 * US);
    logctx_db_waited(200 * US);
    logctx_db_transaction(400 * US);
    logctx_set_current(logctx_sentinel());
    end(ctx);
    // The database's are noted at their ends, and shown by their beginnings.
    assert_string_equal(segments_of("c"), "100+250:run 1350+650:run 1600+400:txn 1800+200:pool");
}

static void test_from_a_millisecond_up(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "short");
    run_for(ctx, MS - 1);
    end(ctx);
    assert_false(has_attr(record_of("short"), "logctx.segments"));
    ctx = make("k", "long");
    run_for(ctx, MS);
    end(ctx);
    assert_string_equal(segments_of("long"), "0+1000:run");
    ctx = make("k", "never ran");
    pass(5 * MS);
    end(ctx);
    assert_false(has_attr(record_of("never ran"), "logctx.segments"));
    ctx = make("k", "erred");
    run_for(ctx, 10 * US);
    logctx_exit(ctx);
    take_error(LOGCTX_ERROR_CONTEXT_LOST);
    logctx_unref(ctx);
    assert_string_equal(segments_of("erred"), "0+10:run");
}

static void test_touching_ones_are_one(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    for (int i = 0; i < 100; i++)
        run_for(ctx, 100 * US);
    end(ctx);
    assert_string_equal(segments_of("c"), "0+10000:run");
}

static size_t count_segments(const char *text)
{
    size_t count = 1;
    for (; *text; text++)
        count += *text == ' ';
    return count;
}

static void test_bounded(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    for (int i = 0; i < 1000; i++) {
        run_for(ctx, 10 * US);
        pass(90 * US);
    }
    end(ctx);
    char text[4096];
    snprintf(text, sizeof text, "%s", segments_of("c"));
    assert_in_range(count_segments(text), 4, 32);
    // In order, apart, and within the life.
    unsigned long long at = 0, offset, length;
    char state_name[8];
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
        assert_int_equal(sscanf(word, "%llu+%llu:%7s", &offset, &length, state_name), 3);
        assert_string_equal(state_name, "run");
        assert_true(offset >= at && offset + length <= 100000);
        at = offset + length;
    }
}

static void test_longer_than_a_transaction_can_be(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    pass(2 * MS);
    logctx_set_current(ctx);
    assert_int_equal(logctx_db_transaction(INT64_MAX / 4), LOGCTX_OK); // longer than the machine is up
    run_user(MS);
    logctx_set_current(logctx_sentinel());
    end(ctx);
    assert_string_equal(segments_of("c"), "0+2000:txn 2000+1000:run");
}

static void test_hours(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    run_for(ctx, 60 * SECOND);
    for (int i = 0; i < 9; i++) {
        pass(3600 * SECOND);
        run_for(ctx, 60 * SECOND);
    }
    end(ctx);
    const char *text = segments_of("c");
    assert_int_equal(count_segments(text), 10);
    unsigned long long offset, length;
    const char *last = strrchr(text, ' ') + 1;
    assert_int_equal(sscanf(last, "%llu+%llu:run", &offset, &length), 2);
    assert_in_range(offset, 9 * 3660 * 1000000ull - 16, 9 * 3660 * 1000000ull);
    assert_in_range(length, 60 * 1000000ull - 16, 60 * 1000000ull);
    assert_int_equal(strncmp(text, "0+60000000:run ", 15), 0);
}

static void test_an_earlier_start(void **state)
{
    (void)state;
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = "accepted earlier";
    opts.start_unix_ns = UNIX_START - (uint64_t)(7 * MS);
    logctx_t *ctx = logctx_new(logctx_kind("k"), &opts);
    run_for(ctx, MS);
    end(ctx);
    assert_string_equal(segments_of("accepted earlier"), "7000+1000:run");
    assert_true(span_of("accepted earlier")->start_unix_ns == UNIX_START - (uint64_t)(7 * MS));
    assert_true(span_of("accepted earlier")->end_unix_ns == UNIX_START + (uint64_t)MS);
    opts.start_unix_ns = UNIX_START + (uint64_t)SECOND * 60; // in the future: now is taken
    opts.name = "later";
    end(logctx_new(logctx_kind("k"), &opts));
    assert_true(span_of("later")->start_unix_ns == UNIX_START + (uint64_t)MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_text),
        core_test(test_from_a_millisecond_up),
        core_test(test_touching_ones_are_one),
        core_test(test_bounded),
        core_test(test_longer_than_a_transaction_can_be),
        core_test(test_hours),
        core_test(test_an_earlier_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
