/*
 * test_misuse.c: wrong use that must be safe: NULL, the sentinel, handles that were given back; and callers without macros.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "spans.h"

#include <logctx/adapter.h>

// ---- wrong use ----

static void test_null(void **state)
{
    (void)state;
    logctx_t *ctx = logctx_new(NULL, NULL);
    take_error(LOGCTX_ERROR_INVALID_USE);
    assert_string_equal(logctx_kind_name(logctx_kind_of(ctx)), "_other");
    end(ctx);
    assert_null(logctx_ref(NULL));
    logctx_unref(NULL);
    assert_ptr_equal(logctx_set_current(NULL), logctx_sentinel());
    logctx_enter(NULL);
    logctx_exit(NULL);
    logctx_finish(NULL);
    take_errors(LOGCTX_ERROR_INVALID_USE, 4);
    logctx_preserve_t block = logctx_preserve_enter(NULL);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_preserve_exit(&block);
    logctx_preserve_exit(NULL);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_preserve_t never = {0};
    logctx_preserve_exit(&never);
    take_error(LOGCTX_ERROR_INVALID_USE);
    ctx = logctx_new_nested(NULL);
    take_error(LOGCTX_ERROR_INVALID_USE);
    take_error(LOGCTX_ERROR_NESTED_FROM_SENTINEL);
    end(ctx);
    ctx = logctx_new_on_thread(NULL);
    take_error(LOGCTX_ERROR_INVALID_USE);
    take_error(LOGCTX_ERROR_THREADPOOL_FROM_SENTINEL);
    end(ctx);
    assert_string_equal(logctx_name(NULL), "sentinel");
    assert_string_equal(logctx_server(NULL), "unknown_server_from_sentinel_context");
    assert_string_equal(logctx_kind_name(NULL), "_other");
    assert_string_equal(logctx_kind_name(logctx_kind_of(NULL)), "_other");
    assert_false(logctx_is_finished(NULL));
    assert_false(logctx_is_sentinel(NULL));
    assert_false(logctx_is_recording(NULL));
    logctx_scope_end(NULL);
}

static void test_the_sentinel_is_safe(void **state)
{
    (void)state;
    logctx_t *root = logctx_sentinel();
    assert_ptr_equal(logctx_ref(root), root);
    for (int i = 0; i < 10; i++)
        logctx_unref(root);
    logctx_enter(root);
    logctx_exit(root);
    logctx_finish(root);
    assert_false(logctx_is_finished(root));
    assert_string_equal(logctx_name(root), "sentinel");
    assert_string_equal(logctx_server(root), "unknown_server_from_sentinel_context");
    assert_int_equal(logctx_set_string(root, "k", "v"), LOGCTX_OK);
    assert_int_equal(logctx_set_failed(root, "x", "y"), LOGCTX_OK);
    logctx_charge_cpu(root, 5, 5);
    logctx_db_t db;
    logctx_db_begin(&db);
    logctx_db_end(&db);
    assert_int_equal(own_of(root).cpu_ns, 0);
    assert_int_equal(total_of(root).db_transactions, 0);
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.parent = root;
    opts.name = "orphan";
    logctx_t *ctx = logctx_new(logctx_kind("k"), &opts);
    end(ctx);
    assert_false(span_of("orphan")->has_parent);
}

// A handle that was given back: its memory is still a context's, so that it is found out and never followed.
static void test_stale_handles(void **state)
{
    (void)state;
    char name[200];
    memset(name, 'n', sizeof name - 1); // allocated, so that a sanitizer sees who looks at it
    name[sizeof name - 1] = '\0';
    logctx_t *ctx = make("k", name), *parent = make("k", "above");
    logctx_t *child = make_child(ctx, "below");
    end(child);
    end(ctx);
    assert_ptr_equal(logctx_ref(ctx), logctx_sentinel());
    logctx_unref(ctx);
    assert_ptr_equal(logctx_set_current(ctx), logctx_sentinel());
    take_errors(LOGCTX_ERROR_INVALID_USE, 3);

    logctx_set_current(parent);
    logctx_set_current(ctx);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_INVALID_USE);
    assert_at(error->found_by, __LINE__ - 2);
    assert_current(logctx_sentinel());
    end(parent);
}

static void test_stale_handles_in_every_other_call(void **state)
{
    (void)state;
    char name[200];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = name;
    opts.server = name;
    logctx_t *ctx = logctx_new(logctx_kind("k"), &opts);
    logctx_t *child = make_child(ctx, "below");
    end(child);
    end(ctx);
    size_t records = logctx_recorder_count(recorder);

    logctx_enter(ctx);
    take_error(LOGCTX_ERROR_INVALID_USE);
    assert_current(logctx_sentinel());
    logctx_exit(ctx);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_finish(ctx);
    logctx_preserve_t block = logctx_preserve_enter(ctx);
    assert_current(logctx_sentinel());
    logctx_preserve_exit(&block);
    while (logctx_unexpected_transition_errors() > 0)
        take_error(LOGCTX_ERROR_INVALID_USE);
    child = make_child(ctx, "of nobody");
    take_error(LOGCTX_ERROR_INVALID_USE);
    end(child);
    assert_false(span_of("of nobody")->has_parent);
    child = logctx_new_on_thread(ctx);
    take_error(LOGCTX_ERROR_INVALID_USE);
    take_error(LOGCTX_ERROR_THREADPOOL_FROM_SENTINEL);
    end(child);
    assert_int_equal(logctx_recorder_count(recorder), records + 2);
}

static void test_plain_functions_work_without_macros(void **state)
{
    (void)state;
    logctx_t *ctx = (logctx_new)(logctx_kind("plain"), NULL);
    (logctx_enter)(ctx);
    logctx_t *nested = (logctx_new_nested)("part");
    assert_string_equal(logctx_kind_name(logctx_kind_of(nested)), "plain-part");
    logctx_preserve_t block = (logctx_preserve_enter)(nested);
    assert_ptr_equal((logctx_set_current)(nested), nested);
    (logctx_preserve_exit)(&block);
    (logctx_finish)(nested);
    (logctx_exit)(ctx);
    logctx_unref(nested);
    logctx_unref(ctx);
}

// What the adapters report their own misuse with.
static void test_misuse_of_an_adapter(void **state)
{
    (void)state;
    const logctx_site_t *here = LOGCTX_HERE;
    logctx_report_misuse("do it otherwise", here);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_INVALID_USE);
    assert_string_equal(error->message, "Wrong use of logctx: do it otherwise");
    assert_at(error->found_by, here->line);
    logctx_report_misuse(NULL, logctx_site_of_caller(__builtin_return_address(0)));
    assert_string_not_equal(take_error(LOGCTX_ERROR_INVALID_USE)->found_by, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_null),
        core_test(test_the_sentinel_is_safe),
        core_test(test_stale_handles),
        core_test(test_stale_handles_in_every_other_call),
        core_test(test_plain_functions_work_without_macros),
        core_test(test_misuse_of_an_adapter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
