// Listeners: each of the two functions in the context that set it. A callback for each listener, of its loop's thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "callback.h"

static void accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int length,
                     void *arg)
{
    struct callback *callback = arg;
    logctx__libevent_called_by_loop(callback->loop, 0, callback->capture.site);
    evconnlistener_cb fn = callback->fn.listener.accept;
    void *own = callback->arg;
    logctx_resumed_t resumed = logctx_resume(&callback->capture);
    fn(listener, fd, address, length, own);
    logctx_resume_end(&resumed);
}

static void failed(struct evconnlistener *listener, void *arg)
{
    struct callback *callback = arg;
    logctx__libevent_called_by_loop(callback->loop, 0, callback->error_capture.site);
    evconnlistener_errorcb fn = callback->fn.listener.error;
    void *own = callback->arg;
    logctx_resumed_t resumed = logctx_resume(&callback->error_capture);
    fn(listener, own);
    logctx_resume_end(&resumed);
}

static struct callback *make(struct event_base *base, evconnlistener_cb fn, void *arg, const logctx_site_t *site)
{
    struct logctx_libevent *loop = logctx__libevent_usable(base, site);
    struct callback *callback = loop ? logctx__libevent_callback_new(FOR_LISTENER, loop, arg) : NULL;
    if (!callback)
        return NULL;
    callback->fn.listener.accept = fn;
    if (fn)
        logctx_capture_init(&callback->capture, site);
    return callback;
}

static struct evconnlistener *made(struct evconnlistener *listener, struct callback *callback)
{
    if (listener && callback)
        logctx__libevent_callback_enter(callback, listener);
    else
        logctx__libevent_callback_free(callback);
    return listener;
}

struct evconnlistener *logctx_evconnlistener_new_at(struct event_base *base, evconnlistener_cb fn, void *arg,
                                                    unsigned flags, int backlog, evutil_socket_t fd,
                                                    const logctx_site_t *site)
{
    struct callback *callback = make(base, fn, arg, site);
    if (!base)
        return NULL;
    if (!callback)
        return evconnlistener_new(base, fn, arg, flags, backlog, fd);
    return made(evconnlistener_new(base, fn ? accepted : NULL, callback, flags, backlog, fd), callback);
}

struct evconnlistener *(logctx_evconnlistener_new)(struct event_base *base, evconnlistener_cb fn, void *arg,
                                                   unsigned flags, int backlog, evutil_socket_t fd)
{
    return logctx_evconnlistener_new_at(base, fn, arg, flags, backlog, fd, CALLER);
}

struct evconnlistener *logctx_evconnlistener_new_bind_at(struct event_base *base, evconnlistener_cb fn, void *arg,
                                                         unsigned flags, int backlog, const struct sockaddr *address,
                                                         int length, const logctx_site_t *site)
{
    struct callback *callback = make(base, fn, arg, site);
    if (!base)
        return NULL;
    if (!callback)
        return evconnlistener_new_bind(base, fn, arg, flags, backlog, address, length);
    return made(evconnlistener_new_bind(base, fn ? accepted : NULL, callback, flags, backlog, address, length),
                callback);
}

struct evconnlistener *(logctx_evconnlistener_new_bind)(struct event_base *base, evconnlistener_cb fn, void *arg,
                                                        unsigned flags, int backlog, const struct sockaddr *address,
                                                        int length)
{
    return logctx_evconnlistener_new_bind_at(base, fn, arg, flags, backlog, address, length, CALLER);
}

// NULL, and reported, if the listener is not ours or not this thread's.
static struct callback *settable(struct evconnlistener *listener, const logctx_site_t *site)
{
    struct callback *callback = listener ? logctx__libevent_callback_find(listener, FOR_LISTENER) : NULL;
    if (!callback) {
        logctx_report_misuse(
            "a callback was set on a listener that is NULL, or that libevent's own function made: it runs in "
            "the sentinel; make it with logctx_evconnlistener_new() or logctx_evconnlistener_new_bind()",
            site);
        return NULL;
    }
    struct logctx_libevent *loop = logctx__libevent_usable(evconnlistener_get_base(listener), site);
    if (loop)
        callback->loop = loop;
    return loop ? callback : NULL;
}

void logctx_evconnlistener_set_cb_at(struct evconnlistener *listener, evconnlistener_cb fn, void *arg,
                                     const logctx_site_t *site)
{
    struct callback *callback = settable(listener, site);
    if (!callback) {
        if (listener)
            evconnlistener_set_cb(listener, fn, arg);
        return;
    }
    callback->fn.listener.accept = fn;
    callback->arg = arg;
    if (fn)
        logctx__libevent_recapture(&callback->capture, site);
    else
        logctx_capture_clear(&callback->capture);
    evconnlistener_set_cb(listener, fn ? accepted : NULL, callback);
}

void(logctx_evconnlistener_set_cb)(struct evconnlistener *listener, evconnlistener_cb fn, void *arg)
{
    logctx_evconnlistener_set_cb_at(listener, fn, arg, CALLER);
}

void logctx_evconnlistener_set_error_cb_at(struct evconnlistener *listener, evconnlistener_errorcb fn,
                                           const logctx_site_t *site)
{
    struct callback *callback = settable(listener, site);
    if (!callback) {
        if (listener)
            evconnlistener_set_error_cb(listener, fn);
        return;
    }
    callback->fn.listener.error = fn;
    if (fn)
        logctx__libevent_recapture(&callback->error_capture, site);
    else
        logctx_capture_clear(&callback->error_capture);
    evconnlistener_set_error_cb(listener, fn ? failed : NULL);
}

void(logctx_evconnlistener_set_error_cb)(struct evconnlistener *listener, evconnlistener_errorcb fn)
{
    logctx_evconnlistener_set_error_cb_at(listener, fn, CALLER);
}

void logctx_evconnlistener_free(struct evconnlistener *listener)
{
    if (!listener) {
        logctx_report_misuse(
            "logctx_evconnlistener_free() got NULL; evconnlistener_new_bind() returns it if it cannot bind", CALLER);
        return;
    }
    struct callback *callback = logctx__libevent_callback_find(listener, FOR_LISTENER);
    logctx__libevent_callback_leave(callback);
    evconnlistener_free(listener);
    logctx__libevent_callback_free(callback);
}
