/*
 * test_context.c: the life of a context: made, entered, left, finished, counted; names. Wrong use: test_misuse.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "spans.h"

// ---- making ----

static void test_new_is_not_current(void **state)
{
    (void)state;
    logctx_t *ctx = make("GET /", "GET-1");
    assert_current(logctx_sentinel());
    assert_false(logctx_is_sentinel(ctx));
    assert_false(logctx_is_finished(ctx));
    assert_string_equal(logctx_name(ctx), "GET-1");
    assert_string_equal(logctx_server(ctx), "default");
    assert_string_equal(logctx_kind_name(logctx_kind_of(ctx)), "GET /");
    assert_int_equal(logctx_type(ctx), LOGCTX_TYPE_REQUEST);
    assert_int_equal(books().live, 1);
    end(ctx);
}

static void test_defaults(void **state)
{
    (void)state;
    logctx_kind_t *kind = logctx_kind("numbered");
    logctx_t *one = logctx_new(kind, NULL);
    logctx_opts_t nothing = {0};
    logctx_t *two = logctx_new(kind, &nothing);
    assert_string_equal(logctx_name(one), "numbered-1");
    assert_string_equal(logctx_name(two), "numbered-2");
    end(one);
    end(two);
    assert_int_equal(span_of("numbered-1")->span_kind, LOGCTX_SPAN_SERVER);
}

static void test_types(void **state)
{
    (void)state;
    static const struct {
        logctx_type_t type;
        logctx_span_kind_t asked, want;
        const char *name;
    } rows[] = {
        {LOGCTX_TYPE_REQUEST, LOGCTX_SPAN_DEFAULT, LOGCTX_SPAN_SERVER, "request"},
        {LOGCTX_TYPE_BACKGROUND, LOGCTX_SPAN_DEFAULT, LOGCTX_SPAN_INTERNAL, "background"},
        {LOGCTX_TYPE_NESTED, LOGCTX_SPAN_CLIENT, LOGCTX_SPAN_CLIENT, "nested"},
        {LOGCTX_TYPE_THREAD, LOGCTX_SPAN_PRODUCER, LOGCTX_SPAN_PRODUCER, "thread"},
        {LOGCTX_TYPE_CALLBACK, LOGCTX_SPAN_CONSUMER, LOGCTX_SPAN_CONSUMER, "callback"},
        {LOGCTX_TYPE_REQUEST, LOGCTX_SPAN_INTERNAL, LOGCTX_SPAN_INTERNAL, "request"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        logctx_opts_t opts = LOGCTX_OPTS_INIT;
        opts.name = "typed";
        opts.type = rows[i].type;
        opts.span_kind = rows[i].asked;
        logctx_t *ctx = logctx_new(logctx_kind("types"), &opts);
        assert_int_equal(logctx_type(ctx), rows[i].type);
        assert_string_equal(logctx_type_name(rows[i].type), rows[i].name);
        end(ctx);
        assert_int_equal(span_of("typed")->span_kind, rows[i].want);
        assert_int_equal(span_of("typed")->type, rows[i].type);
        assert_string_equal(text_attr(record_of("typed"), "logctx.type"), rows[i].name);
    }
}

static void test_bad_enums_become_a_request(void **state)
{
    (void)state;
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    int wrong = 77;
    memcpy(&opts.type, &wrong, sizeof wrong);
    logctx_t *ctx = logctx_new(logctx_kind("k"), &opts);
    take_error(LOGCTX_ERROR_INVALID_USE);
    assert_int_equal(logctx_type(ctx), LOGCTX_TYPE_REQUEST);
    end(ctx);
}

static void test_older_and_newer_callers(void **state)
{
    (void)state;
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = "old";
    opts.server = "not read";
    opts.struct_size = offsetof(logctx_opts_t, server);
    logctx_t *ctx = logctx_new(logctx_kind("k"), &opts);
    assert_string_equal(logctx_name(ctx), "old");
    assert_string_equal(logctx_server(ctx), "default");
    end(ctx);

    struct {
        logctx_opts_t opts;
        char more[64];
    } newer = {.opts = LOGCTX_OPTS_INIT};
    memset(newer.more, 0xff, sizeof newer.more);
    newer.opts.name = "new";
    newer.opts.struct_size = sizeof newer;
    ctx = logctx_new(logctx_kind("k"), &newer.opts);
    assert_string_equal(logctx_name(ctx), "new");
    end(ctx);
}

// ---- names ----

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *given, *want;
    } rows[] = {
        {"", ""},
        {"%s%n%d", "%s%n%d"},
        {"a\xff"
         "b",
         "a\xef\xbf\xbd"
         "b"},
        {"\xc3", "\xef\xbf\xbd"},
        {"exactly thirty-nine bytes are inline...", "exactly thirty-nine bytes are inline..."},
        {"exactly forty bytes have to be allocated", "exactly forty bytes have to be allocated"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        logctx_t *ctx = make("names", rows[i].given);
        assert_string_equal(logctx_name(ctx), rows[i].want);
        end(ctx);
        assert_string_equal(text_attr(record_of(rows[i].want), "logctx.name"), rows[i].want);
    }
}

static void test_long_names_are_cut_on_a_character(void **state)
{
    (void)state;
    char name[10001];
    memset(name, 'x', sizeof name - 1);
    name[10000] = '\0';
    name[4095] = '\xc3';
    name[4096] = '\xa4'; // the character would end behind the 4096th byte
    logctx_t *ctx = make("names", name);
    assert_int_equal(strlen(logctx_name(ctx)), 4095);
    end(ctx);
    assert_int_equal(strlen(logctx_record_span(record_of_kind("names"))->instance), 4095);
}

static void test_current_name_in_a_signal_handler(void **state)
{
    (void)state;
    char room[8] = "???????";
    assert_int_equal(logctx_current_name(NULL, 8), 0);
    assert_int_equal(logctx_current_name(room, 0), 0);
    assert_int_equal(room[0], '?');
    assert_int_equal(logctx_current_name(room, 1), 0);
    assert_string_equal(room, "");
    assert_int_equal(logctx_current_name(room, sizeof room), 7);
    assert_string_equal(room, "sentine");
}

// ---- enter, exit, finish ----

static void test_enter_and_exit(void **state)
{
    (void)state;
    logctx_t *outer = make("outer", "outer"), *inner;
    logctx_enter(outer);
    assert_current(outer);
    inner = make("inner", "inner");
    logctx_enter(inner);
    assert_current(inner);
    logctx_exit(inner);
    assert_current(outer);
    assert_true(logctx_is_finished(inner));
    assert_false(logctx_is_finished(outer));
    logctx_exit(outer);
    assert_current(logctx_sentinel());
    logctx_unref(inner);
    logctx_unref(outer);
    assert_int_equal(logctx_recorder_count(recorder), 2);
}

static void test_set_current_returns_what_was(void **state)
{
    (void)state;
    logctx_t *a = make("a", "a"), *b = make("b", "b");
    assert_ptr_equal(logctx_set_current(a), logctx_sentinel());
    assert_ptr_equal(logctx_set_current(b), a);
    unsigned long long readings = fake.readings;
    assert_ptr_equal(logctx_set_current(b), b);
    assert_int_equal(fake.readings, readings); // the same context: nothing happens at all
    assert_ptr_equal(logctx_set_current(logctx_sentinel()), b);
    assert_int_equal(fake.readings, readings + 1);
    end(a);
    end(b);
}

static void test_finish_twice(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "once");
    logctx_finish(ctx);
    pass(SECOND);
    logctx_finish(ctx);
    assert_int_equal(logctx_recorder_count(recorder), 1);
    assert_true(span_of("once")->end_unix_ns == UNIX_START);
    logctx_unref(ctx);
}

static void test_exit_twice(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "twice");
    logctx_enter(ctx);
    logctx_exit(ctx);
    logctx_exit(ctx); // the sentinel is found instead of it
    take_error(LOGCTX_ERROR_CONTEXT_LOST);
    assert_current(logctx_sentinel());
    logctx_unref(ctx);
}

static void test_exit_of_one_never_entered(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "never"), *other = make("k", "other");
    logctx_exit(ctx);
    take_error(LOGCTX_ERROR_CONTEXT_LOST);
    assert_true(logctx_is_finished(ctx));
    logctx_t *again = make("k", "again");
    logctx_set_current(other);
    logctx_exit(again);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_UNEXPECTED_CONTEXT);
    assert_string_equal(error->expected, "again");
    assert_string_equal(error->found, "other");
    assert_current(logctx_sentinel());
    end(other);
    logctx_unref(ctx);
    logctx_unref(again);
}

static void test_scopes(void **state)
{
    (void)state;
    logctx_t *seen;
    {
        LOGCTX_SCOPE(make("scope", "scoped"));
        seen = logctx_current();
        assert_string_equal(logctx_name(seen), "scoped");
        {
            LOGCTX_PRESERVE(logctx_sentinel());
            assert_current(logctx_sentinel());
        }
        assert_current(seen);
    }
    assert_current(logctx_sentinel());
    assert_int_equal(logctx_recorder_count(recorder), 1);
}

static int leave_early(int how)
{
    for (int i = 0; i < 3; i++) {
        LOGCTX_SCOPE(make("scope", "left early"));
        LOGCTX_PRESERVE(logctx_sentinel());
        if (how == 0)
            return i;
        if (how == 1)
            break;
        if (how == 2)
            continue;
        goto out;
    }
out:
    return -1;
}

static void test_scopes_are_left_however(void **state)
{
    (void)state;
    static const size_t ended[] = {1, 1, 3, 1};
    for (int how = 0; how < 4; how++) {
        logctx_recorder_clear(recorder);
        leave_early(how);
        assert_current(logctx_sentinel());
        assert_int_equal(logctx_recorder_count(recorder), ended[how]);
        assert_int_equal(books().live, 0);
    }
}

// ---- references ----

static void test_last_unref_finishes(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "forgotten");
    assert_ptr_equal(logctx_ref(ctx), ctx);
    logctx_unref(ctx);
    assert_int_equal(logctx_recorder_count(recorder), 0);
    logctx_unref(ctx);
    assert_int_equal(logctx_recorder_count(recorder), 1);
    assert_int_equal(books().live, 0);
}

// The header: "finished now (at the end of its current slice if it is current here)".
static void test_last_unref_while_current_finishes_at_the_end_of_the_slice(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "running");
    logctx_set_current(ctx);
    run_user(3 * MS);
    logctx_unref(ctx);
    assert_current(ctx);
    assert_string_equal(logctx_name(logctx_current()), "running");
    run_user(4 * MS);
    logctx_set_current(logctx_sentinel());
    assert_int_equal(logctx_recorder_count(recorder), 1);
    assert_true(span_of("running")->own.cpu_ns == 7 * MS);
    assert_int_equal(books().live, 0);
}

static void test_last_unref_then_a_new_reference_while_current(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "kept");
    logctx_set_current(ctx);
    logctx_unref(ctx);
    logctx_ref(logctx_current());
    logctx_set_current(logctx_sentinel());
    assert_int_equal(logctx_recorder_count(recorder), 0);
    assert_false(logctx_is_finished(ctx));
    end(ctx);
    assert_int_equal(logctx_recorder_count(recorder), 1);
}

static void test_finished_and_unreferenced_while_current(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "leaving");
    logctx_set_current(ctx);
    logctx_finish(ctx);
    logctx_unref(ctx);
    assert_string_equal(logctx_name(logctx_current()), "leaving");
    run_user(MS);
    assert_ptr_equal(logctx_set_current(logctx_sentinel()), ctx);
}

static void test_parent_is_finished_when_its_last_child_is_freed(void **state)
{
    (void)state;
    logctx_t *parent = make("k", "parent"), *child = make_child(parent, "child");
    logctx_unref(parent); // the child still holds it
    assert_int_equal(logctx_recorder_count(recorder), 0);
    logctx_finish(child);
    logctx_unref(child);
    assert_int_equal(logctx_recorder_count(recorder), 2);
    assert_int_equal(books().live, 0);
}

static void test_previous_is_held_until_the_finish(void **state)
{
    (void)state;
    logctx_t *first = make("k", "first");
    logctx_set_current(first);
    logctx_t *second = make("k", "second");
    logctx_set_current(logctx_sentinel());
    logctx_finish(first);
    logctx_unref(first);
    logctx_enter(second); // its previous, which is finished, is still known by name
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_PREVIOUS_CONTEXT_MISMATCH);
    assert_string_equal(error->expected, "first");
    assert_string_equal(error->found, "sentinel");
    logctx_exit(second);
    take_error(LOGCTX_ERROR_RESTARTED_FINISHED);
    assert_current(first);
    logctx_set_current(logctx_sentinel());
    logctx_exit(second); // now it is gone, and the sentinel stands for it
    take_error(LOGCTX_ERROR_CONTEXT_LOST);
    assert_current(logctx_sentinel());
    logctx_unref(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_new_is_not_current),
        core_test(test_defaults),
        core_test(test_types),
        core_test(test_bad_enums_become_a_request),
        core_test(test_older_and_newer_callers),
        core_test(test_names),
        core_test(test_long_names_are_cut_on_a_character),
        core_test(test_current_name_in_a_signal_handler),
        core_test(test_enter_and_exit),
        core_test(test_set_current_returns_what_was),
        core_test(test_finish_twice),
        core_test(test_exit_twice),
        core_test(test_exit_of_one_never_entered),
        core_test(test_scopes),
        core_test(test_scopes_are_left_however),
        core_test(test_last_unref_finishes),
        core_test(test_last_unref_while_current_finishes_at_the_end_of_the_slice),
        core_test(test_last_unref_then_a_new_reference_while_current),
        core_test(test_finished_and_unreferenced_while_current),
        core_test(test_parent_is_finished_when_its_last_child_is_freed),
        core_test(test_previous_is_held_until_the_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
