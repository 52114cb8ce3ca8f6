// Names, addresses and random bytes, which libuv's pool fetches. On the loop's thread; without a callback, on any.
//
// SPDX-License-Identifier: Apache-2.0
#include "attached.h"

#define FN(cb) ((any_fn_t *)(cb))

static void on_addrinfo(uv_getaddrinfo_t *req, int status, struct addrinfo *result)
{
    struct call call;
    unsigned flags = CALL_READY | CALL_ONCE | over_if(status == UV_EAI_CANCELED);
    if (!logctx__uv_begin(&call, req->loop, req, SLOT_ADDRINFO, flags))
        return;
    ((uv_getaddrinfo_cb)call.fn)(req, status, result);
    logctx__uv_end(&call);
}

int logctx_uv_getaddrinfo_at(uv_loop_t *loop, uv_getaddrinfo_t *req, uv_getaddrinfo_cb cb, const char *node,
                             const char *service, const struct addrinfo *hints, const logctx_site_t *site)
{
    if (!logctx__uv_given(req, cb ? (const void *)loop : req, "logctx_uv_getaddrinfo()", site))
        return UV_EINVAL;
    logctx_uv_t *to = cb ? logctx__uv_ready(loop, "logctx_uv_getaddrinfo()", site) : NULL;
    int result = uv_getaddrinfo(loop, req, to ? on_addrinfo : cb, node, service, hints);
    return kept(to, result, req, SLOT_ADDRINFO, FN(cb), NULL, site);
}

static void on_nameinfo(uv_getnameinfo_t *req, int status, const char *host, const char *service)
{
    struct call call;
    unsigned flags = CALL_READY | CALL_ONCE | over_if(status == UV_EAI_CANCELED);
    if (!logctx__uv_begin(&call, req->loop, req, SLOT_NAMEINFO, flags))
        return;
    ((uv_getnameinfo_cb)call.fn)(req, status, host, service);
    logctx__uv_end(&call);
}

int logctx_uv_getnameinfo_at(uv_loop_t *loop, uv_getnameinfo_t *req, uv_getnameinfo_cb cb, const struct sockaddr *addr,
                             int flags, const logctx_site_t *site)
{
    if (!logctx__uv_given(req, cb ? (const void *)loop : req, "logctx_uv_getnameinfo()", site))
        return UV_EINVAL;
    logctx_uv_t *to = cb ? logctx__uv_ready(loop, "logctx_uv_getnameinfo()", site) : NULL;
    int result = uv_getnameinfo(loop, req, to ? on_nameinfo : cb, addr, flags);
    return kept(to, result, req, SLOT_NAMEINFO, FN(cb), NULL, site);
}

static void on_random(uv_random_t *req, int status, void *buf, size_t length)
{
    struct call call;
    unsigned flags = CALL_READY | CALL_ONCE | over_if(status == UV_ECANCELED);
    if (!logctx__uv_begin(&call, req->loop, req, SLOT_RANDOM, flags))
        return;
    ((uv_random_cb)call.fn)(req, status, buf, length);
    logctx__uv_end(&call);
}

// Without a callback the request may be NULL as well.
int logctx_uv_random_at(uv_loop_t *loop, uv_random_t *req, void *buf, size_t length, unsigned int flags,
                        uv_random_cb cb, const logctx_site_t *site)
{
    if (!cb)
        return uv_random(loop, req, buf, length, flags, NULL);
    if (!logctx__uv_given(req, loop, "logctx_uv_random()", site))
        return UV_EINVAL;
    logctx_uv_t *to = logctx__uv_ready(loop, "logctx_uv_random()", site);
    int result = uv_random(loop, req, buf, length, flags, to ? on_random : cb);
    return kept(to, result, req, SLOT_RANDOM, FN(cb), NULL, site);
}
