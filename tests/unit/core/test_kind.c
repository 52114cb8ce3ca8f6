/*
 * test_kind.c: kinds: interned, bounded in number and length, nested ones by suffix. Kinds are for ever, so the last test
 * fills the table.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <pthread.h>

static logctx_kind_t *nested_kind(logctx_t *above, const char *suffix)
{
    LOGCTX_PRESERVE(above);
    logctx_t *ctx = logctx_new_nested(suffix);
    logctx_kind_t *kind = logctx_kind_of(ctx);
    logctx_finish(ctx);
    logctx_unref(ctx);
    return kind;
}

static void test_interned(void **state)
{
    (void)state;
    char name[] = "GET /rooms/{id}";
    logctx_kind_t *kind = logctx_kind(name);
    assert_string_equal(logctx_kind_name(kind), "GET /rooms/{id}");
    memset(name, 'x', 3);
    assert_string_equal(logctx_kind_name(kind), "GET /rooms/{id}");
    assert_ptr_equal(logctx_kind("GET /rooms/{id}"), kind);
    assert_ptr_not_equal(logctx_kind(name), kind);
    assert_ptr_not_equal(logctx_kind("get /rooms/{id}"), kind);
}

static void test_other(void **state)
{
    (void)state;
    logctx_kind_t *other = logctx_kind(NULL);
    assert_string_equal(logctx_kind_name(other), "_other");
    assert_ptr_equal(logctx_kind(""), other);
    assert_ptr_equal(logctx_kind("_other"), other); // or there would be two series of that name
    char name[257];
    memset(name, 'k', sizeof name - 1);
    name[256] = '\0';
    assert_ptr_equal(logctx_kind(name), other);
    name[255] = '\0';
    assert_int_equal(strlen(logctx_kind_name(logctx_kind(name))), 255);
    memset(name, '\xff', 86); // 86 of them become 258 bytes
    name[86] = '\0';
    assert_ptr_equal(logctx_kind(name), other);
    name[85] = '\0';
    assert_int_equal(strlen(logctx_kind_name(logctx_kind(name))), 255);
}

static void test_bad_text_is_interned_repaired(void **state)
{
    (void)state;
    logctx_kind_t *kind = logctx_kind("bad \xff");
    assert_string_equal(logctx_kind_name(kind), "bad \xef\xbf\xbd");
    assert_ptr_equal(logctx_kind("bad \xfe"), kind);
    assert_ptr_equal(logctx_kind("bad \xef\xbf\xbd"), kind);
    assert_string_equal(logctx_kind_name(logctx_kind("%s%n")), "%s%n");
}

static void test_nested_kinds(void **state)
{
    (void)state;
    logctx_t *a = make("a", "a"), *ab = make("a-b", "ab"), *none = make(NULL, "none");
    assert_ptr_equal(nested_kind(a, "x"), logctx_kind("a-x"));
    assert_ptr_equal(nested_kind(a, "x"), logctx_kind("a-x"));
    char suffix[] = "x";
    assert_ptr_equal(nested_kind(a, suffix), logctx_kind("a-x"));
    // One name by two ways is one kind.
    assert_ptr_equal(nested_kind(ab, "c"), logctx_kind("a-b-c"));
    assert_ptr_equal(nested_kind(a, "b-c"), logctx_kind("a-b-c"));
    assert_ptr_equal(nested_kind(a, "b-c"), nested_kind(ab, "c"));
    assert_string_equal(logctx_kind_name(nested_kind(a, "")), "a-");
    assert_string_equal(logctx_kind_name(nested_kind(none, "x")), "_other");
    char longer[300];
    memset(longer, 's', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_string_equal(logctx_kind_name(nested_kind(a, longer)), "_other");
    end(a);
    end(ab);
    end(none);
}

static void *intern(void *argument)
{
    logctx_kind_t **found = argument;
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof name, "at once %d", i);
        found[i] = logctx_kind(name);
        logctx_t *ctx = logctx_new(found[i], NULL);
        logctx_set_current(ctx);
        logctx_t *nested = logctx_new_nested("n");
        found[200 + i] = logctx_kind_of(nested);
        end(nested);
        end(ctx);
    }
    return NULL;
}

static void test_on_four_threads(void **state)
{
    (void)state;
    static logctx_kind_t *found[4][400];
    pthread_t threads[4];
    logctx_recorder_free(recorder);
    recorder = NULL;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, intern, found[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 1; i < 4; i++)
        assert_memory_equal(found[i], found[0], sizeof found[0]);
}

static void test_at_most_two_thousand(void **state)
{
    (void)state;
    logctx_kind_t *before = logctx_kind("there before");
    int made = 0;
    for (int i = 0; i < 3000; i++) {
        char name[32];
        snprintf(name, sizeof name, "number %d", i);
        made += logctx_kind(name) != logctx_kind(NULL);
    }
    assert_in_range(made, 1000, 1999);
    assert_ptr_equal(logctx_kind("there before"), before);
    assert_string_equal(logctx_kind_name(logctx_kind("too late")), "_other");
    logctx_t *ctx = make("too late", NULL);
    assert_int_equal(strncmp(logctx_name(ctx), "_other-", 7), 0);
    assert_string_equal(logctx_kind_name(nested_kind(ctx, "x")), "_other");
    end(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_interned),     core_test(test_other),           core_test(test_bad_text_is_interned_repaired),
        core_test(test_nested_kinds), core_test(test_on_four_threads), core_test(test_at_most_two_thousand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
