// A test program of somebody else: a cmocka test under logctx/testing.h. With the word `lose` it loses its context, and has
// to fail.
// SPDX-License-Identifier: Apache-2.0
#include <logctx/logctx.h>
#include <logctx/testing.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool lose;

static void test_a_request(void **state)
{
    (void)state;
    logctx_t *ctx = logctx_new(logctx_kind("GET /"), NULL);
    logctx_enter(ctx);
    logctx_fake_cpu(1000, 0);
    if (lose)
        logctx_set_current(logctx_sentinel());
    logctx_exit(ctx);
    logctx_unref(ctx);
}

int main(int count, char **words)
{
    (void)words;
    lose = count > 1;
    const struct CMUnitTest tests[] = {logctx_unit_test_fake_clock(test_a_request)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
