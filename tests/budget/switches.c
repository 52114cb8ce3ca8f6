// Switches between two contexts with the clock that programs have, for strace to count what they ask the kernel.
//     switches TIMES [CLOCK]
//
// SPDX-License-Identifier: Apache-2.0
#include <logctx/logctx.h>
#include <logctx/runtime.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    long times = argc > 1 ? atol(argv[1]) : 0;
    if (argc > 2 && logctx_set_clock(logctx_clock(argv[2])) != LOGCTX_OK)
        return 2;
    logctx_kind_t *kind = logctx_kind("switched");
    logctx_t *two[] = {logctx_new(kind, NULL), logctx_new(kind, NULL)};
    for (long i = 0; i < times; i++)
        logctx_set_current(two[i & 1]);
    logctx_set_current(logctx_sentinel());
    for (int i = 0; i < 2; i++) {
        logctx_finish(two[i]);
        logctx_unref(two[i]);
    }
    puts(logctx_cpu_clock_name());
    return 0;
}
