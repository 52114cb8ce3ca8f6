// The set-up and the tear-down of a test. Both belong to the thread that runs the tests.
//
// SPDX-License-Identifier: Apache-2.0
#include <logctx/testing.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int in_sentinel(const char *when)
{
    logctx_t *current = logctx_current();
    if (logctx_is_sentinel(current))
        return 0;
    print_error("Test %s with non-sentinel logging context %s\n", when, logctx_name(current));
    logctx_set_current(logctx_sentinel());
    return -1;
}

int logctx_test_setup(void **state)
{
    (void)state;
    return in_sentinel("starting");
}

int logctx_test_teardown(void **state)
{
    (void)state;
    return in_sentinel("ending");
}
