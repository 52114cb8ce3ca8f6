// File operations, one function of each from the table in logctx/uv_fs.h. On the loop's thread; without a callback, on any.
//
// SPDX-License-Identifier: Apache-2.0
#include "attached.h"

static void on_fs(uv_fs_t *req)
{
    struct call call;
    unsigned flags = CALL_READY | CALL_ONCE | over_if(req->result == UV_ECANCELED);
    if (!logctx__uv_begin(&call, req->loop, req, SLOT_FS, flags))
        return;
    ((uv_fs_cb)call.fn)(req);
    logctx__uv_end(&call);
}

static logctx_uv_t *ready(const uv_loop_t *loop, const uv_fs_t *req, uv_fs_cb cb, const char *function,
                          const logctx_site_t *site)
{
    return cb && loop && req ? logctx__uv_ready(loop, function, site) : NULL;
}

#define LOGCTX_UV_X(name, params, args)                                                                                \
    int logctx_uv_fs_##name##_at(uv_loop_t *loop, uv_fs_t *req, LOGCTX_UV_UNPAREN params, uv_fs_cb cb,                 \
                                 const logctx_site_t *site)                                                            \
    {                                                                                                                  \
        if (!logctx__uv_given(req, cb ? (const void *)loop : req, "logctx_uv_fs_" #name "()", site))                   \
            return UV_EINVAL;                                                                                          \
        logctx_uv_t *to = ready(loop, req, cb, "logctx_uv_fs_" #name "()", site);                                      \
        int result = uv_fs_##name(loop, req, LOGCTX_UV_UNPAREN args, to ? on_fs : cb);                                 \
        return kept(to, result, req, SLOT_FS, (any_fn_t *)cb, NULL, site);                                             \
    }                                                                                                                  \
    int(logctx_uv_fs_##name)(uv_loop_t * loop, uv_fs_t * req, LOGCTX_UV_UNPAREN params, uv_fs_cb cb)                   \
    {                                                                                                                  \
        const logctx_site_t *site = logctx_site_of_caller(__builtin_return_address(0));                                \
        return logctx_uv_fs_##name##_at(loop, req, LOGCTX_UV_UNPAREN args, cb, site);                                  \
    }
LOGCTX_UV_FS(LOGCTX_UV_X)
