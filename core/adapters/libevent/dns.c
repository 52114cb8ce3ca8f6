// Names: the answer of a resolver in the context that asked. The request may be over before it has begun (a numeric address),
// so that the host's own code is what calls back. libevent does not say which base a resolver has: the callback has no loop.
//
// SPDX-License-Identifier: Apache-2.0
#include "callback.h"

static void answered(int result, struct evutil_addrinfo *found, void *arg)
{
    struct callback *callback = arg;
    logctx__libevent_called(NULL, 0);
    evdns_getaddrinfo_cb fn = callback->fn.name;
    void *own = callback->arg;
    logctx_resumed_t resumed = resume(&callback->capture, result == EVUTIL_EAI_CANCEL);
    logctx__libevent_callback_free(callback);
    fn(result, found, own);
    logctx_resume_end(&resumed);
}

struct evdns_getaddrinfo_request *logctx_evdns_getaddrinfo_at(struct evdns_base *dns, const char *nodename,
                                                              const char *servname, const struct evutil_addrinfo *hints,
                                                              evdns_getaddrinfo_cb fn, void *arg,
                                                              const logctx_site_t *site)
{
    if (!dns || !fn) {
        logctx_report_misuse("logctx_evdns_getaddrinfo() got a NULL resolver or callback, and asks nobody", site);
        return NULL;
    }
    struct callback *callback = logctx__libevent_callback_new(FOR_NAME, NULL, arg);
    if (!callback)
        return evdns_getaddrinfo(dns, nodename, servname, hints, fn, arg);
    callback->fn.name = fn;
    logctx_capture_init(&callback->capture, site);
    logctx__libevent_callback_enter(callback, callback);
    return evdns_getaddrinfo(dns, nodename, servname, hints, answered, callback);
}

struct evdns_getaddrinfo_request *(logctx_evdns_getaddrinfo)(struct evdns_base *dns, const char *nodename,
                                                             const char *servname, const struct evutil_addrinfo *hints,
                                                             evdns_getaddrinfo_cb fn, void *arg)
{
    return logctx_evdns_getaddrinfo_at(dns, nodename, servname, hints, fn, arg, CALLER);
}
