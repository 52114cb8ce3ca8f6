// HTTP clients: what becomes of a request, in the context that sent it. A callback for each request and for each connection
// that has some, of their loop's thread. Requests fail and are cancelled from the host's own code, too.
//
// SPDX-License-Identifier: Apache-2.0
#include "callback.h"

// The last that is heard of a request: a NULL request means that it failed.
static void done(struct evhttp_request *request, void *arg)
{
    struct callback *callback = arg;
    logctx__libevent_called(callback->loop, 0);
    void (*fn)(struct evhttp_request *, void *) = callback->fn.request.done;
    void *own = callback->arg;
    logctx_resumed_t resumed = logctx_resume(&callback->capture);
    logctx__libevent_callback_free(callback);
    if (fn)
        fn(request, own);
    logctx_resume_end(&resumed);
}

static void chunked(struct evhttp_request *request, void *arg)
{
    struct callback *callback = arg;
    logctx__libevent_called(callback->loop, 0);
    logctx_resumed_t resumed = logctx_resume(&callback->capture);
    callback->fn.request.chunked(request, callback->arg);
    logctx_resume_end(&resumed);
}

static int header(struct evhttp_request *request, void *arg)
{
    struct callback *callback = arg;
    logctx__libevent_called(callback->loop, 0);
    logctx_resumed_t resumed = logctx_resume(&callback->capture);
    int result = callback->fn.request.header(request, callback->arg);
    logctx_resume_end(&resumed);
    return result;
}

// libevent has taken the request off its connection, which the host may free in this, and calls `done` next.
static void failed(enum evhttp_request_error error, void *arg)
{
    struct callback *callback = arg;
    logctx__libevent_called(callback->loop, 0);
    logctx__libevent_request_unlink(callback);
    logctx_resumed_t resumed = resume(&callback->capture, error == EVREQ_HTTP_REQUEST_CANCEL);
    callback->fn.request.error(error, callback->arg);
    logctx_resume_end(&resumed);
}

struct evhttp_request *logctx_evhttp_request_new_at(void (*fn)(struct evhttp_request *, void *), void *arg,
                                                    const logctx_site_t *site)
{
    struct callback *callback = logctx__libevent_callback_new(FOR_REQUEST, NULL, arg);
    if (!callback)
        return evhttp_request_new(fn, arg);
    callback->fn.request.done = fn;
    logctx_capture_init(&callback->capture, site);
    struct evhttp_request *request = evhttp_request_new(done, callback);
    if (request)
        logctx__libevent_callback_enter(callback, request);
    else
        logctx__libevent_callback_free(callback);
    return request;
}

struct evhttp_request *(logctx_evhttp_request_new)(void (*fn)(struct evhttp_request *, void *), void *arg)
{
    return logctx_evhttp_request_new_at(fn, arg, CALLER);
}

// NULL, and reported, if the request was not made here.
static struct callback *callback_of(struct evhttp_request *request, const logctx_site_t *site)
{
    struct callback *callback = request ? logctx__libevent_callback_find(request, FOR_REQUEST) : NULL;
    if (!callback)
        logctx_report_misuse(
            "a request is NULL, or was made by libevent's own function: its callbacks run in the sentinel; "
            "make it with logctx_evhttp_request_new()",
            site);
    return callback;
}

void logctx_evhttp_request_set_chunked_cb(struct evhttp_request *request, void (*fn)(struct evhttp_request *, void *))
{
    struct callback *callback = callback_of(request, CALLER);
    if (callback)
        callback->fn.request.chunked = fn;
    if (request)
        evhttp_request_set_chunked_cb(request, callback && fn ? chunked : fn);
}

void logctx_evhttp_request_set_header_cb(struct evhttp_request *request, int (*fn)(struct evhttp_request *, void *))
{
    struct callback *callback = callback_of(request, CALLER);
    if (callback)
        callback->fn.request.header = fn;
    if (request)
        evhttp_request_set_header_cb(request, callback && fn ? header : fn);
}

void logctx_evhttp_request_set_error_cb(struct evhttp_request *request, void (*fn)(enum evhttp_request_error, void *))
{
    struct callback *callback = callback_of(request, CALLER);
    if (callback)
        callback->fn.request.error = fn;
    if (request)
        evhttp_request_set_error_cb(request, callback && fn ? failed : fn);
}

// That of a connection; made if there is none. NULL without memory.
static struct callback *connection_of(struct evhttp_connection *connection)
{
    struct callback *callback = logctx__libevent_callback_find(connection, FOR_CONNECTION);
    struct logctx_libevent *loop = logctx__libevent_of_base(evhttp_connection_get_base(connection));
    if (callback) {
        callback->loop = loop; // it may be that of an older connection with this address
        return callback;
    }
    callback = logctx__libevent_callback_new(FOR_CONNECTION, loop, NULL);
    if (callback)
        logctx__libevent_callback_enter(callback, connection);
    return callback;
}

static void add_to(struct callback *connection, struct callback *request)
{
    if (!connection || request->more.request.connection)
        return;
    request->loop = connection->loop;
    request->more.request.connection = connection;
    request->more.request.previous = NULL;
    request->more.request.next = connection->more.connection.first;
    if (request->more.request.next)
        request->more.request.next->more.request.previous = request;
    connection->more.connection.first = request;
}

int logctx_evhttp_make_request_at(struct evhttp_connection *connection, struct evhttp_request *request,
                                  enum evhttp_cmd_type type, const char *uri, const logctx_site_t *site)
{
    if (!connection || !request || !uri) {
        logctx_report_misuse("logctx_evhttp_make_request() got a NULL connection, request or path, and sends nothing",
                             site);
        return -1;
    }
    struct callback *callback = callback_of(request, site);
    if (callback) {
        logctx__libevent_recapture(&callback->capture, site);
        add_to(connection_of(connection), callback);
    }
    int result = evhttp_make_request(connection, request, type, uri);
    // It may have failed and called back already: then there is no such callback any more.
    if (result != 0 && callback && logctx__libevent_callback_find(request, FOR_REQUEST) == callback)
        logctx_capture_clear(&callback->capture);
    return result;
}

int(logctx_evhttp_make_request)(struct evhttp_connection *connection, struct evhttp_request *request,
                                enum evhttp_cmd_type type, const char *uri)
{
    return logctx_evhttp_make_request_at(connection, request, type, uri, CALLER);
}

// The error callback may run in this, and send the next one.
void logctx_evhttp_cancel_request(struct evhttp_request *request)
{
    if (!request) {
        logctx_report_misuse("logctx_evhttp_cancel_request() got NULL", CALLER);
        return;
    }
    struct callback *callback = logctx__libevent_callback_find(request, FOR_REQUEST);
    logctx__libevent_callback_leave(callback);
    evhttp_cancel_request(request);
    logctx__libevent_callback_free(callback);
}

// One that is over has no callback any more.
void logctx_evhttp_request_free(struct evhttp_request *request)
{
    if (!request) {
        logctx_report_misuse("logctx_evhttp_request_free() got NULL; evhttp_request_new() returns it without memory",
                             CALLER);
        return;
    }
    struct callback *callback = logctx__libevent_callback_find(request, FOR_REQUEST);
    logctx__libevent_callback_leave(callback);
    evhttp_request_free(request);
    logctx__libevent_callback_free(callback);
}

static void closed(struct evhttp_connection *connection, void *arg)
{
    struct callback *callback = arg;
    logctx__libevent_called(callback->loop, 0);
    void (*fn)(struct evhttp_connection *, void *) = callback->fn.closed;
    void *own = callback->arg;
    logctx_resumed_t resumed = resume(&callback->capture, true);
    logctx_capture_clear(&callback->capture);
    fn(connection, own);
    logctx_resume_end(&resumed);
}

void logctx_evhttp_connection_set_closecb_at(struct evhttp_connection *connection,
                                             void (*fn)(struct evhttp_connection *, void *), void *arg,
                                             const logctx_site_t *site)
{
    if (!connection) {
        logctx_report_misuse("logctx_evhttp_connection_set_closecb() got a NULL connection", site);
        return;
    }
    struct callback *callback = fn ? connection_of(connection)
                                   : logctx__libevent_callback_find(connection, FOR_CONNECTION);
    if (!callback || !fn) {
        evhttp_connection_set_closecb(connection, fn, arg);
        if (callback)
            logctx_capture_clear(&callback->capture);
        return;
    }
    callback->fn.closed = fn;
    callback->arg = arg;
    logctx__libevent_recapture(&callback->capture, site);
    evhttp_connection_set_closecb(connection, closed, callback);
}

void(logctx_evhttp_connection_set_closecb)(struct evhttp_connection *connection,
                                           void (*fn)(struct evhttp_connection *, void *), void *arg)
{
    logctx_evhttp_connection_set_closecb_at(connection, fn, arg, CALLER);
}

void logctx_evhttp_connection_free(struct evhttp_connection *connection)
{
    if (!connection) {
        logctx_report_misuse(
            "logctx_evhttp_connection_free() got NULL; evhttp_connection_base_new() returns it without memory", CALLER);
        return;
    }
    struct callback *callback = logctx__libevent_callback_find(connection, FOR_CONNECTION);
    logctx__libevent_callback_leave(callback);
    evhttp_connection_free(connection);
    while (callback && callback->more.connection.first)
        logctx__libevent_callback_free(callback->more.connection.first);
    logctx__libevent_callback_free(callback);
}
