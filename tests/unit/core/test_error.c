/*
 * test_error.c: where an error goes: the event on the span, a span of its own after the seal, counters, the hook.
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

// ---- the table ----

static void test_the_table(void **state)
{
    (void)state;
    for (int kind = 0; kind < LOGCTX_ERROR_COUNT; kind++) {
        const logctx_error_info_t *info = logctx_error_info((logctx_error_kind_t)kind);
        assert_true(strlen(info->name) > 0 && strlen(info->sentence) > 0 && strlen(info->help) > 20);
        assert_true(info->severity == 13 || info->severity == 17);
        assert_string_equal(strchr(info->anchor, '#') + 1, info->name);
        for (int other = 0; other < kind; other++)
            assert_string_not_equal(info->name, logctx_error_info((logctx_error_kind_t)other)->name);
    }
    assert_string_equal(logctx_error_info(LOGCTX_ERROR_COUNT)->name, "invalid_use");
    assert_string_equal(logctx_error_info(LOGCTX_ERROR_CONTEXT_LOST)->sentence, "Expected logging context %A was lost");
    assert_int_equal(logctx_error_count(LOGCTX_ERROR_COUNT), 0);
}

// ---- the event on the span ----

static void test_event_on_the_span(void **state)
{
    (void)state;
    logctx_t *ctx = make("lost", "GET-1");
    logctx_enter(ctx);
    pass(MS);
    logctx_set_current(logctx_sentinel());
    int set_by = __LINE__ - 1;
    pass(2 * MS);
    logctx_exit(ctx);
    int found_by = __LINE__ - 1;
    take_error(LOGCTX_ERROR_CONTEXT_LOST);
    logctx_unref(ctx);

    const logctx_record_t *record = record_of("GET-1");
    assert_int_equal(count_events(record, NULL), 1);
    logctx_event_t event;
    assert_true(find_event(record, LOGCTX_TRANSITION_EVENT, 0, &event));
    assert_true(event.unix_ns == UNIX_START + 3 * (uint64_t)MS);
    assert_int_equal(event.dropped_attributes, 0);
    assert_string_equal(event_text(&event, "logctx.error.kind"), "context_lost");
    assert_string_equal(event_text(&event, "logctx.error.message"), "Expected logging context GET-1 was lost");
    assert_string_equal(event_text(&event, "logctx.error.expected"), "GET-1");
    assert_string_equal(event_text(&event, "logctx.error.found"), "sentinel");
    assert_in(event_text(&event, "logctx.error.found_by"), found_by);
    assert_in(event_text(&event, "logctx.error.set_by"), set_by);
    assert_non_null(event_text(&event, "code.stacktrace"));
    assert_null(event_text(&event, "logctx.name"));
    logctx_attr_t recent;
    assert_true(event_attr(&event, "logctx.error.recent", &recent));
    assert_int_equal(recent.value.type, LOGCTX_VALUE_ARRAY);

    assert_int_equal(int_attr(record, "logctx.errors"), 1);
    assert_true(has_attr(record, "logctx.segments"));
    assert_int_equal(logctx_record_span(record)->status, LOGCTX_STATUS_UNSET); // the slip is the program's
}

static void test_one_event_for_each_error(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "often");
    for (int i = 0; i < 3; i++) {
        logctx_preserve_t block = logctx_preserve_enter(ctx);
        logctx_set_current(logctx_sentinel());
        logctx_preserve_exit(&block);
    }
    take_errors(LOGCTX_ERROR_CONTEXT_LOST, 3);
    end(ctx);
    assert_int_equal(count_events(record_of("often"), LOGCTX_TRANSITION_EVENT), 3);
    assert_int_equal(int_attr(record_of("often"), "logctx.errors"), 3);
}

// An error that comes again and again fills neither the memory nor the application's share of events.
static void test_events_of_errors_are_bounded(void **state)
{
    (void)state;
    logctx_expect_transition_error_count(LOGCTX_ERROR_CONTEXT_LOST, 1000);
    logctx_t *ctx = make("k", "forever");
    for (int i = 0; i < 1000; i++) {
        logctx_preserve_t block = logctx_preserve_enter(ctx);
        logctx_set_current(logctx_sentinel());
        logctx_preserve_exit(&block);
    }
    assert_int_equal(logctx_add_event(ctx, "the application's", NULL, 0), LOGCTX_OK);
    end(ctx);
    const logctx_record_t *record = record_of("forever");
    assert_int_equal(int_attr(record, "logctx.errors"), 1000);
    assert_int_equal(count_events(record, LOGCTX_TRANSITION_EVENT), 128);
    assert_int_equal(count_events(record, "the application's"), 1);
    assert_int_equal(logctx_record_span(record)->dropped_events, 1000 - 128);
}

// ---- after the seal ----

static void test_a_span_of_its_own_after_the_seal(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "GET-2");
    logctx_finish(ctx);
    pass(SECOND);
    logctx_set_current(ctx);
    int found_by = __LINE__ - 1;
    take_error(LOGCTX_ERROR_RESTARTED_FINISHED);
    logctx_set_current(logctx_sentinel());
    logctx_unref(ctx);
    const logctx_record_t *record = record_of_kind(LOGCTX_TRANSITION_EVENT);
    const logctx_span_t *span = logctx_record_span(record), *sealed = span_of("GET-2");
    assert_true(span->is_error_span);
    assert_false(sealed->is_error_span);
    assert_memory_equal(span->trace_id, sealed->trace_id, 16);
    assert_memory_equal(span->parent_span_id, sealed->span_id, 8);
    assert_memory_not_equal(span->span_id, sealed->span_id, 8);
    assert_true(span->has_parent);
    assert_true(span->start_unix_ns == UNIX_START + (uint64_t)SECOND && span->end_unix_ns == span->start_unix_ns);
    assert_int_equal(span->flags, 0x103);
    assert_int_equal(span->span_kind, LOGCTX_SPAN_INTERNAL);
    assert_string_equal(span->instance, "GET-2");
    assert_string_equal(text_attr(record, "logctx.name"), "GET-2");
    assert_string_equal(text_attr(record, "logctx.error.kind"), "restarted_finished");
    assert_in(text_attr(record, "logctx.error.found_by"), found_by);
    assert_int_equal(count_key(record, "logctx.error.kind"), 1);
    assert_int_equal(count_events(record_of("GET-2"), NULL), 0);
    assert_int_equal(logctx_recorder_count(recorder), 2);
}

static void test_error_spans_are_beside_the_books(void **state)
{
    (void)state;
    logctx_books_t before = books();
    logctx_t *ctx = make("k", "x");
    logctx_finish(ctx);
    logctx_set_current(ctx);
    logctx_set_current(logctx_sentinel());
    take_error(LOGCTX_ERROR_RESTARTED_FINISHED);
    logctx_unref(ctx);
    logctx_books_t after = books();
    assert_int_equal(after.error_spans - before.error_spans, 1);
    assert_int_equal(after.handed_over - before.handed_over, 1);
    assert_int_equal(after.ended - before.ended, 1);
}

static void test_unsampled_with_an_error_is_exported(void **state)
{
    (void)state;
    logctx_set_sampler(LOGCTX_SAMPLER_ALWAYS_OFF);
    logctx_books_t before = books();
    logctx_t *quiet = make("k", "quiet");
    logctx_enter(quiet);
    logctx_exit(quiet);
    logctx_unref(quiet);
    assert_int_equal(logctx_recorder_count(recorder), 0);
    logctx_t *ctx = make("k", "loud");
    lose(ctx);
    take_error(LOGCTX_ERROR_CONTEXT_LOST);
    logctx_unref(ctx);
    assert_int_equal(logctx_recorder_count(recorder), 1);
    assert_int_equal(span_of("loud")->flags & LOGCTX_FLAG_SAMPLED, 0);
    assert_int_equal(books().unsampled - before.unsampled, 1);
    assert_int_equal(books().handed_over - before.handed_over, 1);
}

// ---- the flight recorder ----

static void test_recent_switches(void **state)
{
    (void)state;
    logctx_t *a = make("k", "a"), *b = make("k", "b"), *gone = make("k", "gone");
    logctx_set_current(gone);
    logctx_set_current(a);
    logctx_finish(gone);
    logctx_unref(gone);
    logctx_t *again = make("k", "again"); // may use the same memory
    pass(2 * MS);
    logctx_set_current(b);
    int b_line = __LINE__ - 1;
    pass(3 * MS);
    logctx_exit(a);
    int exit_line = __LINE__ - 1;
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_UNEXPECTED_CONTEXT);
    assert_int_equal(error->recent_count, 4);
    assert_string_equal(error->recent[0].from, "b"); // the exit's own switch is the newest
    assert_string_equal(error->recent[0].to, "sentinel");
    assert_at(error->recent[0].where, exit_line);
    assert_true(error->recent[0].ago_ns == 0);
    assert_string_equal(error->recent[1].from, "a");
    assert_string_equal(error->recent[1].to, "b");
    assert_at(error->recent[1].where, b_line);
    assert_true(error->recent[1].ago_ns == (uint64_t)(3 * MS));
    assert_string_equal(error->recent[2].from, "gone");
    assert_string_equal(error->recent[2].to, "a");
    assert_true(error->recent[2].ago_ns == (uint64_t)(5 * MS));
    assert_string_equal(error->recent[3].to, "gone");
    logctx_unref(a);
    end(b);
    end(again);
}

// A name is remembered for as long as the recorder goes back, and not for longer.
static void test_names_of_what_has_ended(void **state)
{
    (void)state;
    for (int others = 31; others <= 32; others++) {
        logctx_t *a = make("k", "a"), *gone = make("k", "a name that is longer than what is remembered of it");
        logctx_set_current(gone);
        logctx_set_current(a);
        end(gone);
        for (int i = 0; i < others; i++)
            end(make("k", "another"));
        logctx_set_current(logctx_sentinel());
        logctx_exit(a);
        const logctx_test_error_t *error = take_error(LOGCTX_ERROR_CONTEXT_LOST);
        assert_string_equal(error->recent[1].from, others < 32 ? "a name that is longer than what" : "?");
        assert_string_equal(error->recent[1].to, "a");
        logctx_unref(a);
    }
}

static void test_recent_shows_at_most_sixteen(void **state)
{
    (void)state;
    logctx_t *a = make("k", "a long name that does not fit into the forty-seven bytes of the recorder");
    for (int i = 0; i < 100; i++) {
        logctx_set_current(a);
        logctx_set_current(logctx_sentinel());
    }
    logctx_exit(a);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_CONTEXT_LOST);
    assert_int_equal(error->recent_count, LOGCTX_RECENT_MAX);
    assert_int_equal(strlen(error->recent[0].from), 47);
    logctx_unref(a);
}

// ---- counters ----

static uint64_t series_errors;
static const char *series_wanted;

static void see_series(void *user, const logctx_series_t *series)
{
    if (strcmp(series->kind, series_wanted) == 0)
        series_errors += series->errors[*(logctx_error_kind_t *)user];
}

static void see_loop(void *user, const logctx_loop_sums_t *loop)
{
    (void)user;
    (void)loop;
}

static uint64_t errors_of(const char *kind_name, logctx_error_kind_t kind)
{
    series_errors = 0;
    series_wanted = kind_name;
    logctx_collector_t collector = {see_series, see_loop, &kind};
    assert_int_equal(logctx_collect(&collector), LOGCTX_OK);
    return series_errors;
}

static void test_counters(void **state)
{
    (void)state;
    uint64_t all = logctx_error_count(LOGCTX_ERROR_CONTEXT_LOST), other = logctx_error_count(LOGCTX_ERROR_INVALID_USE);
    logctx_t *ctx = make("counted", "c");
    lose(ctx);
    logctx_unref(ctx);
    lose_at_one_place("d");
    take_errors(LOGCTX_ERROR_CONTEXT_LOST, 2);
    assert_int_equal(logctx_error_count(LOGCTX_ERROR_CONTEXT_LOST) - all, 2);
    assert_int_equal(logctx_error_count(LOGCTX_ERROR_INVALID_USE) - other, 0);
    assert_int_equal(errors_of("counted", LOGCTX_ERROR_CONTEXT_LOST), 1);
    assert_int_equal(errors_of("counted", LOGCTX_ERROR_UNEXPECTED_CONTEXT), 0);
}

// ---- the hook ----

static void switch_in_the_hook(const logctx_error_t *error, void *user)
{
    (void)user;
    logctx_t *before = logctx_current();
    logctx_set_current(error->affected);
    logctx_enter(error->affected);
    logctx_preserve_t block = logctx_preserve_enter(logctx_sentinel());
    logctx_preserve_exit(&block);
    assert_ptr_equal(logctx_current(), before);
}

static void test_the_hook_cannot_switch(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    uint64_t refused = logctx_refused_switches();
    logctx_test_chain_hook(switch_in_the_hook, NULL);
    lose(ctx);
    take_error(LOGCTX_ERROR_CONTEXT_LOST);
    logctx_test_chain_hook(NULL, NULL);
    assert_int_equal(logctx_refused_switches() - refused, 2);
    assert_current(logctx_sentinel());
    logctx_set_current(make("k", "works again"));
    end(logctx_current());
    logctx_unref(ctx);
}

static void misuse_in_the_hook(const logctx_error_t *error, void *user)
{
    (void)user;
    assert_int_equal(error->struct_size, sizeof *error);
    logctx_set_current(NULL);
    logctx_set_string(NULL, "a", "b");
}

static void test_errors_inside_the_hook_are_counted_only(void **state)
{
    (void)state;
    uint64_t before = logctx_error_count(LOGCTX_ERROR_INVALID_USE);
    logctx_test_chain_hook(misuse_in_the_hook, NULL);
    lose_at_one_place("c");
    logctx_test_chain_hook(NULL, NULL);
    take_error(LOGCTX_ERROR_CONTEXT_LOST);
    assert_int_equal(logctx_error_count(LOGCTX_ERROR_INVALID_USE) - before, 2);
    logctx_expect_transition_error_count(LOGCTX_ERROR_INVALID_USE, 2);
}

static void finish_in_the_hook(const logctx_error_t *error, void *user)
{
    (void)user;
    logctx_finish(error->affected);
    logctx_set_string(error->affected, "late", "x");
}

static void test_the_hook_may_finish_the_affected_context(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    logctx_test_chain_hook(finish_in_the_hook, NULL);
    logctx_preserve_t block = logctx_preserve_enter(ctx);
    logctx_set_current(logctx_sentinel());
    logctx_preserve_exit(&block);
    logctx_test_chain_hook(NULL, NULL);
    take_error(LOGCTX_ERROR_CONTEXT_LOST);
    logctx_unref(ctx);
    assert_int_equal(logctx_recorder_count(recorder), 2); // its span, and the error's
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_the_table),
        core_test(test_event_on_the_span),
        core_test(test_one_event_for_each_error),
        core_test(test_events_of_errors_are_bounded),
        core_test(test_a_span_of_its_own_after_the_seal),
        core_test(test_error_spans_are_beside_the_books),
        core_test(test_unsampled_with_an_error_is_exported),
        core_test(test_recent_switches),
        core_test(test_names_of_what_has_ended),
        core_test(test_recent_shows_at_most_sixteen),
        core_test(test_counters),
        core_test(test_the_hook_cannot_switch),
        core_test(test_errors_inside_the_hook_are_counted_only),
        core_test(test_the_hook_may_finish_the_affected_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
