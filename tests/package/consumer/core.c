// A program of somebody else that knows nothing but the installed headers: it makes a context, and checks what comes back.
// SPDX-License-Identifier: Apache-2.0
#include <logctx/logctx.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = "GET-1";
    logctx_t *ctx = logctx_new(logctx_kind("GET /"), &opts);
    logctx_enter(ctx);
    bool current = logctx_current() == ctx && strcmp(logctx_name(ctx), "GET-1") == 0;
    logctx_exit(ctx);
    bool finished = logctx_is_finished(ctx) && logctx_is_sentinel(logctx_current());
    logctx_unref(ctx);
    if (!current || !finished || strcmp(logctx_version(), LOGCTX_VERSION) != 0) {
        fprintf(stderr, "The installed library does not do what its headers say.\n");
        return 1;
    }
    printf("logctx %s\n", logctx_version());
    return 0;
}
