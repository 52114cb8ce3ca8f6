// SPDX-License-Identifier: Apache-2.0
// A part of a request with a span of its own. One thread.
#include <logctx/logctx.h>
#include <string.h>

static bool render(void)
{
    LOGCTX_SCOPE(logctx_new_nested("render"));
    return strcmp(logctx_name(logctx_current()), "GET-4711-render") == 0 &&
           strcmp(logctx_kind_name(logctx_kind_of(logctx_current())), "GET /rooms/{id}-render") == 0;
}

int main(void)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = "GET-4711";
    LOGCTX_SCOPE(logctx_new(logctx_kind("GET /rooms/{id}"), &opts));
    return render() ? 0 : 1;
}
