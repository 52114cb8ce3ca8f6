// SPDX-License-Identifier: Apache-2.0
// Parameters of views: what is taken, and what is refused with a sentence. One thread.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "params.h"
#include "view.h"

static struct params params;
static char why[256];

static bool read_query(const char *query)
{
    params_free(&params);
    why[0] = '\0';
    bool good = params_read(&params, query, view_contexts_rules, why, sizeof why);
    assert_true(good == (why[0] == '\0'));
    assert_true(good || params.count == 0);
    return good;
}

static void refused(const char *query, const char *words)
{
    if (read_query(query))
        fail_msg("\"%s\" was taken", query);
    if (strstr(why, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why, words);
}

static void test_good(void **state)
{
    (void)state;
    assert_true(read_query(NULL));
    assert_true(read_query(""));
    assert_true(read_query("&&"));
    assert_int_equal(params.count, 0);
    assert_true(
        read_query("service=a%20b+c&window=60&to=1764061200.25&kind=GET%20%2Fx&kind=%C3%A9&limit=1000&failed=1"));
    assert_string_equal(params_text(&params, "service"), "a b c");
    assert_true(params_number(&params, "window", 0) == 60);
    assert_true(params_number(&params, "to", 0) == 1764061200.25);
    assert_true(params_number(&params, "offset", 7) == 7);
    const struct param *kind = params_next(&params, "kind", params.items);
    assert_string_equal(kind->text, "GET /x");
    kind = params_next(&params, "kind", kind + 1);
    assert_string_equal(kind->text, "\xc3\xa9");
    assert_null(params_next(&params, "kind", kind + 1));
    assert_null(params_text(&params, "instance"));
    // What stands behind the first equals sign belongs to the value.
    assert_true(read_query("attribute=http.route=/a=b"));
    assert_string_equal(params_text(&params, "attribute"), "http.route=/a=b");
}

static void test_bad(void **state)
{
    (void)state;
    refused("nonsense=1", "\"nonsense\"");
    refused("=1", "\"\"");
    refused("service", "service");
    refused("service=", "service");
    refused("service=%", "percent");
    refused("service=%4", "percent");
    refused("service=%zz", "percent");
    refused("service=a%00b", "percent");
    refused("serv%00ice=a", "percent");
    refused("service=%ff", "UTF-8");
    refused("service=%c0%80", "UTF-8");
    refused("service=a&service=b", "once");
    refused("window=59", "60 to 86400");
    refused("window=86401", "60 to 86400");
    refused("window=60.5", "whole");
    refused("window=-60", "window");
    refused("window=6e2", "window");
    refused("window=+60", "window");
    refused("window=0x3c", "window");
    refused("to=nan", "to");
    refused("to=1.2.3", "to");
    refused("to=99999999999999999999999999", "to");
    refused("limit=0", "1 to 1000");
    refused("limit=1001", "1 to 1000");
    refused("sort=price", "duration");
    refused("sort=end start", "duration");
    refused("failed=2", "failed");
    refused("format=xml", "json");
}

static void test_bounds(void **state)
{
    (void)state;
    char text[PARAMS_QUERY_MAX + 64];
    strcpy(text, "q=");
    memset(text + 2, 'x', PARAM_TEXT_MAX);
    text[2 + PARAM_TEXT_MAX] = '\0';
    assert_true(read_query(text));
    strcat(text, "x");
    refused(text, "1024");
    text[0] = '\0';
    for (int i = 0; i < PARAMS_MAX; i++)
        strcat(text, "kind=a&");
    assert_true(read_query(text));
    assert_int_equal(params.count, PARAMS_MAX);
    strcat(text, "kind=a");
    refused(text, "64");
    memset(text, '&', sizeof text);
    text[PARAMS_QUERY_MAX] = '\0';
    assert_true(read_query(text));
    text[PARAMS_QUERY_MAX] = '&';
    text[PARAMS_QUERY_MAX + 1] = '\0';
    refused(text, "16384");
}

static int end(void **state)
{
    (void)state;
    params_free(&params);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
