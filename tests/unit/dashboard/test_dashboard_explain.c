// SPDX-License-Identifier: Apache-2.0
// What is said about the kinds of errors: something about each, in the form that the page and the documentation need.
// One thread.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "explain.h"

// So much of an example fits beside the text.
enum { EXAMPLE_COLUMNS = 84, EXAMPLE_LINES = 14 };

static const char *const names[LOGCTX_ERROR_COUNT] = {
#define DASHBOARD_X(id, name, cls, origin, severity, sentence, help) [LOGCTX_ERROR_##id] = name,
    LOGCTX_ERRORS(DASHBOARD_X)
#undef DASHBOARD_X
};

static const int rows[] = {
#define DASHBOARD_X(id, blame, means, cause, fix, example) LOGCTX_ERROR_##id,
    EXPLANATIONS(DASHBOARD_X)
#undef DASHBOARD_X
};

static void test_every_kind_is_explained_in_order(void **state)
{
    (void)state;
    assert_int_equal(sizeof rows / sizeof rows[0], LOGCTX_ERROR_COUNT);
    for (int i = 0; i < LOGCTX_ERROR_COUNT; i++) {
        assert_int_equal(rows[i], i);
        if (explain(names[i]) == NULL)
            fail_msg("%s is not explained", names[i]);
    }
    assert_null(explain("never_heard_of"));
    assert_null(explain(""));
}

static void expect_sentences(const char *kind, const char *text)
{
    size_t length = strlen(text);
    if (length < 30 || text[length - 1] != '.' || strstr(text, "  ") != NULL)
        fail_msg("%s: \"%s\" is no sentence", kind, text);
}

static void test_explanations_are_sentences(void **state)
{
    (void)state;
    for (int i = 0; i < LOGCTX_ERROR_COUNT; i++) {
        const struct explanation *explanation = explain(names[i]);
        expect_sentences(names[i], explanation->means);
        expect_sentences(names[i], explanation->cause);
        expect_sentences(names[i], explanation->fix);
    }
}

static void expect_example(const char *kind, const char *example)
{
    int lines = 0;
    int changes = 0;
    for (const char *line = example; *line != '\0'; lines++) {
        size_t length = strcspn(line, "\n");
        if (strchr(" -+", *line) == NULL)
            fail_msg("%s: the line \"%.*s\" has no mark", kind, (int)length, line);
        changes += *line == '+' || *line == '-';
        if (length > EXAMPLE_COLUMNS || line[length] != '\n')
            fail_msg("%s: the line \"%.*s\" is too long, or does not end", kind, (int)length, line);
        line += length + 1;
    }
    if (changes == 0 || lines > EXAMPLE_LINES)
        fail_msg("%s: the example has %d lines, and %d that differ", kind, lines, changes);
}

static void test_examples_have_a_before_and_an_after(void **state)
{
    (void)state;
    for (int i = 0; i < LOGCTX_ERROR_COUNT; i++)
        expect_example(names[i], explain(names[i])->example);
}

static void test_anchors(void **state)
{
    (void)state;
    assert_string_equal(explain_anchor("context_lost"), "docs/guide.md#context_lost");
    assert_string_equal(explain_anchor("<script>"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_is_explained_in_order),
        cmocka_unit_test(test_explanations_are_sentences),
        cmocka_unit_test(test_examples_have_a_before_and_an_after),
        cmocka_unit_test(test_anchors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
