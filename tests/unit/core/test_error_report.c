/*
 * test_error_report.c: how often an error is told: stacks once a second for each place, lines for the host's logger; how
 * places look; what is said at the end of a program.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "spans.h"

static int lose(logctx_t *ctx)
{
    logctx_enter(ctx);
    logctx_set_current(logctx_sentinel());
    logctx_exit(ctx);
    return __LINE__ - 1;
}

// The line of the exit, which is the same each time.
static int lose_at_one_place(const char *name)
{
    logctx_t *ctx = make("lost", name);
    int line = lose(ctx);
    logctx_unref(ctx);
    return line;
}

// ---- stacks and places ----

static void test_stack_once_a_second_for_each_place(void **state)
{
    (void)state;
    lose_at_one_place("1");
    assert_string_not_equal(take_error(LOGCTX_ERROR_CONTEXT_LOST)->stack, "");
    pass(SECOND - 1);
    lose_at_one_place("2");
    assert_string_equal(take_error(LOGCTX_ERROR_CONTEXT_LOST)->stack, "");
    logctx_t *elsewhere = make("k", "3");
    logctx_exit(elsewhere);
    assert_string_not_equal(take_error(LOGCTX_ERROR_CONTEXT_LOST)->stack, "");
    logctx_unref(elsewhere);
    pass(1);
    lose_at_one_place("4");
    assert_string_not_equal(take_error(LOGCTX_ERROR_CONTEXT_LOST)->stack, "");
}

static void test_plain_functions_give_an_address(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    (logctx_enter)(ctx);
    (logctx_set_current)(logctx_sentinel());
    (logctx_exit)(ctx);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_CONTEXT_LOST);
    assert_non_null(strstr(error->found_by, "+0x"));
    assert_non_null(strstr(error->set_by, "+0x"));
    assert_string_not_equal(error->found_by, error->set_by);
    assert_non_null(strstr(error->recent[0].where, "+0x"));
    logctx_unref(ctx);
}

static void test_long_paths_keep_their_end(void **state)
{
    (void)state;
    static char path[400];
    memset(path, 'p', sizeof path - 1);
    memcpy(path + sizeof path - 8, "/last.c", 7);
    static logctx_site_t site = {path, 4711, "f"};
    logctx_t *ctx = make("k", "c");
    logctx_exit_at(ctx, &site);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_CONTEXT_LOST);
    assert_non_null(strstr(error->found_by, "/last.c:4711"));
    logctx_set_current(ctx);
    take_error(LOGCTX_ERROR_RESTARTED_FINISHED);
    logctx_set_current_at(logctx_sentinel(), &site);
    logctx_exit(ctx);
    error = take_error(LOGCTX_ERROR_CONTEXT_LOST);
    assert_non_null(strstr(error->set_by, "/last.c:4711"));
    assert_non_null(strstr(error->recent[0].where, "/last.c:4711"));
    assert_int_equal(strlen(error->recent[0].where), 95);
    logctx_unref(ctx);
}

// ---- lines for the host's logger ----

static struct {
    size_t count;
    char text[2048];
    int severity;
} lines;

static void keep_line(const logctx_log_line_t *line, void *user)
{
    assert_ptr_equal(user, &lines);
    lines.count++;
    lines.severity = (int)line->severity;
    snprintf(lines.text, sizeof lines.text, "%s", line->message);
    logctx_t *before = logctx_current();
    logctx_set_current(NULL); // counted, refused, and not said again
    assert_ptr_equal(logctx_current(), before);
}

static int lose_for_the_log(const char *name)
{
    logctx_t *ctx = make("lost", name);
    logctx_exit(ctx);
    int line = __LINE__ - 1;
    logctx_unref(ctx);
    return line;
}

static void test_lines_are_rate_limited(void **state)
{
    (void)state;
    memset(&lines, 0, sizeof lines);
    logctx_set_logger(keep_line, &lines);
    int line = lose_for_the_log("GET-7");
    assert_int_equal(lines.count, 1);
    assert_int_equal(lines.severity, 13);
    assert_non_null(strstr(lines.text, "Expected logging context GET-7 was lost"));
    assert_non_null(strstr(lines.text, "docs/guide.md#context_lost"));
    char where[64];
    snprintf(where, sizeof where, "test_error_report.c:%d", line);
    assert_non_null(strstr(lines.text, where));
    assert_null(strstr(lines.text, "more like it"));
    for (int i = 0; i < 5; i++)
        lose_for_the_log("GET-8");
    assert_int_equal(lines.count, 1);
    pass(10 * SECOND);
    lose_for_the_log("GET-9");
    assert_int_equal(lines.count, 2);
    assert_non_null(strstr(lines.text, "5 more like it"));
    take_errors(LOGCTX_ERROR_CONTEXT_LOST, 7);
    logctx_expect_transition_error_count(LOGCTX_ERROR_INVALID_USE, 2); // the logger's own, one for each line
}

static void test_long_names_in_a_message(void **state)
{
    (void)state;
    char name[4000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    logctx_t *ctx = make("k", name), *other = make("k", name);
    logctx_set_current(other);
    logctx_exit(ctx);
    take_error(LOGCTX_ERROR_UNEXPECTED_CONTEXT);
    logctx_unref(ctx);
    end(other);
    logctx_event_t event;
    assert_true(find_event(record_of(name), NULL, 0, &event) ||
                find_event(logctx_recorder_at(recorder, 0), NULL, 0, &event));
    assert_true(strlen(event_text(&event, "logctx.error.message")) > 7999);
}

// ---- at the end of a program ----

static void test_unfinished_at_exit(void **state)
{
    (void)state;
    logctx_t *a = make("k", "forgotten"), *b = make("k", "other");
    logctx_t *c = make("k", "c");
    logctx_check_unfinished();
    for (int i = 0; i < 3; i++) {
        const logctx_test_error_t *error = take_error(LOGCTX_ERROR_UNFINISHED_AT_EXIT);
        assert_non_null(strstr(error->message, " was still unfinished at exit"));
        assert_non_null(strstr(error->set_by, "support.c:")); // where it was made
    }
    assert_int_equal(logctx_recorder_count(recorder), 3);
    assert_true(logctx_record_span(logctx_recorder_at(recorder, 0))->is_error_span);
    end(a);
    end(b);
    end(c);
    logctx_check_unfinished();
    assert_int_equal(logctx_unexpected_transition_errors(), 0);
}

static void test_unfinished_beyond_sixty_four_are_counted(void **state)
{
    (void)state;
    logctx_t *all[70];
    logctx_expect_transition_error_count(LOGCTX_ERROR_UNFINISHED_AT_EXIT, 70);
    uint64_t before = logctx_error_count(LOGCTX_ERROR_UNFINISHED_AT_EXIT);
    for (size_t i = 0; i < COUNT(all); i++)
        all[i] = make("k", "many");
    logctx_check_unfinished();
    assert_int_equal(logctx_unexpected_transition_errors(), 0);
    assert_int_equal(logctx_error_count(LOGCTX_ERROR_UNFINISHED_AT_EXIT) - before, 70);
    for (size_t i = 0; i < COUNT(all); i++)
        end(all[i]);
}

static void test_outlived_parent(void **state)
{
    (void)state;
    logctx_t *parent = make("k", "parent"), *child = make_child(parent, "child");
    end(parent);
    logctx_finish(child);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_OUTLIVED_PARENT);
    assert_at(error->found_by, __LINE__ - 2);
    assert_string_equal(error->message, "Logging context child outlived its parent parent");
    assert_string_equal(error->affected, "child");
    logctx_unref(child);
    assert_int_equal(count_events(record_of("child"), LOGCTX_TRANSITION_EVENT), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_stack_once_a_second_for_each_place),
        core_test(test_plain_functions_give_an_address),
        core_test(test_long_paths_keep_their_end),
        core_test(test_lines_are_rate_limited),
        core_test(test_long_names_in_a_message),
        core_test(test_unfinished_at_exit),
        core_test(test_unfinished_beyond_sixty_four_are_counted),
        core_test(test_outlived_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
