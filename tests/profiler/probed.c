// For the probes: one context that is entered and left, one that is lost; or nothing.
//
// SPDX-License-Identifier: Apache-2.0
#include <logctx/logctx.h>
#include <string.h>

static logctx_t *make(const char *name)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = name;
    return logctx_new(logctx_kind("GET /probed"), &opts);
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "work") != 0)
        return 0;
    logctx_t *good = make("GET-1"), *lost = make("GET-2");
    logctx_enter(good);
    logctx_exit(good);
    logctx_unref(good);
    logctx_enter(lost);
    logctx_set_current(logctx_sentinel());
    logctx_exit(lost);
    logctx_unref(lost);
    return 0;
}
