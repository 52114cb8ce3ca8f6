// HTTP servers: requests come from outside, so their handlers begin in the sentinel and make contexts of their own. A callback
// for each path of a server; libevent does not say which base a server has.
//
// SPDX-License-Identifier: Apache-2.0
#include "callback.h"

#include <stdlib.h>
#include <string.h>

// The capture is empty: the sentinel is resumed, and what is left current afterwards leaked.
static void requested(struct evhttp_request *request, void *arg)
{
    struct callback *callback = arg;
    logctx__libevent_called_by_loop(NULL, 0, callback->capture.site);
    void (*fn)(struct evhttp_request *, void *) = callback->fn.serve.handle;
    void *own = callback->arg;
    logctx_resumed_t resumed = logctx_resume(&callback->capture);
    fn(request, own);
    logctx_resume_end(&resumed);
}

static struct callback *make(void (*fn)(struct evhttp_request *, void *), const char *path, void *arg,
                             const logctx_site_t *site)
{
    struct callback *callback = logctx__libevent_callback_new(FOR_PATH, NULL, arg);
    if (!callback)
        return NULL;
    callback->capture.site = site;
    callback->fn.serve.handle = fn;
    callback->fn.serve.path = path ? strdup(path) : NULL;
    if (!path || callback->fn.serve.path)
        return callback;
    logctx__libevent_callback_free(callback);
    return NULL;
}

int logctx_evhttp_set_cb_at(struct evhttp *http, const char *path, void (*fn)(struct evhttp_request *, void *),
                            void *arg, const logctx_site_t *site)
{
    if (!http || !path || !fn) {
        logctx_report_misuse("logctx_evhttp_set_cb() got a NULL server, path or callback, and sets nothing", site);
        return -2;
    }
    struct callback *callback = make(fn, path, arg, site);
    if (!callback)
        return -2;
    int result = evhttp_set_cb(http, path, requested, callback);
    if (result == 0)
        logctx__libevent_callback_enter(callback, http);
    else
        logctx__libevent_callback_free(callback);
    return result;
}

int(logctx_evhttp_set_cb)(struct evhttp *http, const char *path, void (*fn)(struct evhttp_request *, void *), void *arg)
{
    return logctx_evhttp_set_cb_at(http, path, fn, arg, CALLER);
}

int logctx_evhttp_del_cb(struct evhttp *http, const char *path)
{
    if (!http || !path) {
        logctx_report_misuse("logctx_evhttp_del_cb() got a NULL server or path", CALLER);
        return -1;
    }
    int result = evhttp_del_cb(http, path);
    if (result == 0)
        logctx__libevent_callback_free(logctx__libevent_callback_find_path(http, path));
    return result;
}

void logctx_evhttp_set_gencb_at(struct evhttp *http, void (*fn)(struct evhttp_request *, void *), void *arg,
                                const logctx_site_t *site)
{
    if (!http) {
        logctx_report_misuse("logctx_evhttp_set_gencb() got a NULL server; evhttp_new() returns it without memory",
                             site);
        return;
    }
    struct callback *callback = fn ? make(fn, NULL, arg, site) : NULL;
    if (callback) {
        evhttp_set_gencb(http, requested, callback);
        logctx__libevent_callback_enter(callback, http); // instead of the one before
    } else {
        evhttp_set_gencb(http, fn, arg);
        logctx__libevent_callback_free(logctx__libevent_callback_find_path(http, NULL));
    }
}

void(logctx_evhttp_set_gencb)(struct evhttp *http, void (*fn)(struct evhttp_request *, void *), void *arg)
{
    logctx_evhttp_set_gencb_at(http, fn, arg, CALLER);
}

void logctx_evhttp_free(struct evhttp *http)
{
    if (!http) {
        logctx_report_misuse("logctx_evhttp_free() got NULL; evhttp_new() returns it without memory", CALLER);
        return;
    }
    // No request is handled by the end of a server; from there on its address may be that of another one.
    logctx__libevent_callbacks_free_of(http, FOR_PATH);
    evhttp_free(http);
}
