/*
 * logctx/libevent.h: contexts for programs on libevent 2.1. Link logctx::libevent (pkg-config: logctx-libevent).
 *
 * Attach the event base, run it with logctx_event_base_dispatch(), and call libevent's functions by the names below: each
 * has libevent's own name with `logctx_` before it, and the same parameters. Its callback runs in the context that was
 * current when it was *armed* (where the callback was asked for), and the loop gets the sentinel back. What a function
 * does not say here is as libevent's documentation says. docs/adapters/libevent.md has a table of all callbacks.
 *
 * Thread: that of the loop, unless a function says otherwise: the thread that attached the base, or, once callbacks run,
 * the one that they run on. Before the loop runs on another thread, set it up on the thread that attached it.
 * Current: unchanged. Owner: libevent's rules. Objects that were given a callback here are freed by the functions here, or
 * the memory of the callback, and its reference to the context, are kept until the base is freed.
 * Arguments: the callback gets its own. libevent keeps one of ours instead: event_get_callback(),
 * event_get_callback_arg(), bufferevent_getcb() and what shares an argument with a wrapped callback show that one.
 * Late callbacks: one whose context has finished is reported as restarted_finished, but for those that only tell that
 * something is over: all of a bufferevent was written, its connection has ended (BEV_EVENT_EOF, BEV_EVENT_ERROR) or an HTTP
 * connection has closed, a look-up or an HTTP request was cancelled. These run in the sentinel then, and nothing is reported.
 * Errors: wrong use (NULL, a base that is not attached, another thread) is reported as invalid_use; the call is passed on
 * to libevent's plain function if that is safe, and the callback runs in the sentinel.
 * Budget: one malloc where libevent itself makes one (new, setcb, once, request), none when an event is armed again; for a
 * callback one switch there and one back, and one reading of the monotonic clock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_LIBEVENT_H
#define LOGCTX_LIBEVENT_H

#include <event2/bufferevent.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <logctx/timers.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the loop ---- */

/* An attached event base. */
typedef struct logctx_libevent logctx_libevent_t;

/*
 * Attach a base. `name` is its loop's name in the metrics (`logctx.loop.name`); copied. Errors found by the loop name this
 * call as the place that noticed.
 * Owner: until logctx_libevent_detach() or logctx_event_base_free(). Errors: NULL without memory, and for a NULL base, which
 * is reported; a base that is attached already is reported and returned as it is.
 */
LOGCTX_API logctx_libevent_t *logctx_libevent_attach(struct event_base *base, const char *name);
LOGCTX_API logctx_libevent_t *logctx_libevent_attach_at(struct event_base *base, const char *name,
                                                        const logctx_site_t *site);

/*
 * Give the base up: captured contexts are released, callbacks that are armed run in the sentinel from now on. Before the
 * base is freed, or use logctx_event_base_free(). NULL is fine.
 */
LOGCTX_API void logctx_libevent_detach(logctx_libevent_t *attached);

/*
 * Sleep, call later and looping calls on this loop, for the functions of logctx/timers.h. Owner: the attached base's; its
 * end stops the timers that are pending, whose functions are not called then; what was started with them may still be
 * called, cancelled or freed. Errors: NULL for NULL, which is reported.
 */
LOGCTX_API const logctx_timers_t *logctx_libevent_timers(const logctx_libevent_t *attached);

/* event_base_free() and detach in one, and all that was armed on the base and never ran is released. */
LOGCTX_API void logctx_event_base_free(struct event_base *base);

/*
 * event_base_loop() and event_base_dispatch(), one turn at a time: before each poll the sentinel must be current
 * (leaked_to_loop, with the line that made the context current), and what the poll costs is the loop's. Flags, return
 * values, loopexit, loopcontinue, and event_base_got_exit() and event_base_got_break() are as libevent's.
 * One thing differs: between two turns libevent does not run, and forgets an event_base_loopbreak() of another thread that
 * comes right then. Use logctx_event_base_loopbreak() there.
 * Current: the sentinel, also on return; another context that is current when it is called is reported as leaked, so a loop
 * that runs within a context has a preserve block around it.
 */
LOGCTX_API int logctx_event_base_loop(struct event_base *base, int flags);
LOGCTX_API int logctx_event_base_loop_at(struct event_base *base, int flags, const logctx_site_t *site);
LOGCTX_API int logctx_event_base_dispatch(struct event_base *base);
LOGCTX_API int logctx_event_base_dispatch_at(struct event_base *base, const logctx_site_t *site);

/*
 * event_base_loopbreak() from any thread. On another thread than the loop's (which needs evthread_use_pthreads()) the loop
 * ends when it has run the callbacks of the highest priority that were ready before. Not for signal handlers.
 */
LOGCTX_API int logctx_event_base_loopbreak(struct event_base *base);

/* ---- events: I/O, timers, signals ---- */

/*
 * The callback runs in the context that was current at the last logctx_event_add(); for an event that is not added, at
 * logctx_event_active(). An event without EV_PERSIST releases its context when the callback begins, one with it when it is
 * deleted, freed, or added again.
 * Arming with tv again counts anew for `logctx.loop.delay`. Thread: logctx_event_del(), logctx_event_free() and
 * logctx_event_active() also on others, if libevent has locks; an event that another thread adds is reported and runs in
 * the context that it had.
 */
LOGCTX_API struct event *logctx_event_new(struct event_base *base, evutil_socket_t fd, short events,
                                          event_callback_fn callback, void *arg);
LOGCTX_API struct event *logctx_event_new_at(struct event_base *base, evutil_socket_t fd, short events,
                                             event_callback_fn callback, void *arg, const logctx_site_t *site);

/*
 * For an event in memory of yours: call logctx_event_debug_unassign(), which deletes it too, before that memory is used for
 * something else. Assigning it again without that is fine.
 */
LOGCTX_API int logctx_event_assign(struct event *event, struct event_base *base, evutil_socket_t fd, short events,
                                   event_callback_fn callback, void *arg);
LOGCTX_API int logctx_event_assign_at(struct event *event, struct event_base *base, evutil_socket_t fd, short events,
                                      event_callback_fn callback, void *arg, const logctx_site_t *site);
LOGCTX_API void logctx_event_debug_unassign(struct event *event);

LOGCTX_API int logctx_event_add(struct event *event, const struct timeval *timeout);
LOGCTX_API int logctx_event_add_at(struct event *event, const struct timeval *timeout, const logctx_site_t *site);
LOGCTX_API void logctx_event_active(struct event *event, int res, short ncalls);
LOGCTX_API void logctx_event_active_at(struct event *event, int res, short ncalls, const logctx_site_t *site);
LOGCTX_API int logctx_event_del(struct event *event);
LOGCTX_API void logctx_event_free(struct event *event);

/* The callback and the argument that the event was made with, also if it was made by libevent's own function. */
LOGCTX_API event_callback_fn logctx_event_get_callback(const struct event *event);
LOGCTX_API void *logctx_event_get_callback_arg(const struct event *event);

/* The context is released when the callback begins. */
LOGCTX_API int logctx_event_base_once(struct event_base *base, evutil_socket_t fd, short events,
                                      event_callback_fn callback, void *arg, const struct timeval *timeout);
LOGCTX_API int logctx_event_base_once_at(struct event_base *base, evutil_socket_t fd, short events,
                                         event_callback_fn callback, void *arg, const struct timeval *timeout,
                                         const logctx_site_t *site);

/* ---- bufferevents ---- */

/*
 * The callbacks run in the context that was current here, until the next call or the end of the bufferevent. All NULL:
 * nothing is captured any more. bufferevent_socket_connect() and all others are libevent's plain ones.
 */
LOGCTX_API void logctx_bufferevent_setcb(struct bufferevent *bufferevent, bufferevent_data_cb readcb,
                                         bufferevent_data_cb writecb, bufferevent_event_cb eventcb, void *arg);
LOGCTX_API void logctx_bufferevent_setcb_at(struct bufferevent *bufferevent, bufferevent_data_cb readcb,
                                            bufferevent_data_cb writecb, bufferevent_event_cb eventcb, void *arg,
                                            const logctx_site_t *site);
LOGCTX_API void logctx_bufferevent_getcb(struct bufferevent *bufferevent, bufferevent_data_cb *readcb,
                                         bufferevent_data_cb *writecb, bufferevent_event_cb *eventcb, void **arg);
LOGCTX_API void logctx_bufferevent_free(struct bufferevent *bufferevent);

/* ---- listeners ---- */

/*
 * The callback runs in the context that was current at _new, _new_bind or _set_cb, the error callback in that at
 * _set_error_cb. Both have one argument, as in libevent: set both here, or none.
 */
LOGCTX_API struct evconnlistener *logctx_evconnlistener_new(struct event_base *base, evconnlistener_cb callback,
                                                            void *arg, unsigned flags, int backlog, evutil_socket_t fd);
LOGCTX_API struct evconnlistener *logctx_evconnlistener_new_at(struct event_base *base, evconnlistener_cb callback,
                                                               void *arg, unsigned flags, int backlog,
                                                               evutil_socket_t fd, const logctx_site_t *site);
LOGCTX_API struct evconnlistener *logctx_evconnlistener_new_bind(struct event_base *base, evconnlistener_cb callback,
                                                                 void *arg, unsigned flags, int backlog,
                                                                 const struct sockaddr *address, int length);
LOGCTX_API struct evconnlistener *logctx_evconnlistener_new_bind_at(struct event_base *base, evconnlistener_cb callback,
                                                                    void *arg, unsigned flags, int backlog,
                                                                    const struct sockaddr *address, int length,
                                                                    const logctx_site_t *site);
LOGCTX_API void logctx_evconnlistener_set_cb(struct evconnlistener *listener, evconnlistener_cb callback, void *arg);
LOGCTX_API void logctx_evconnlistener_set_cb_at(struct evconnlistener *listener, evconnlistener_cb callback, void *arg,
                                                const logctx_site_t *site);
LOGCTX_API void logctx_evconnlistener_set_error_cb(struct evconnlistener *listener, evconnlistener_errorcb callback);
LOGCTX_API void logctx_evconnlistener_set_error_cb_at(struct evconnlistener *listener, evconnlistener_errorcb callback,
                                                      const logctx_site_t *site);
LOGCTX_API void logctx_evconnlistener_free(struct evconnlistener *listener);

/* ---- names ---- */

/*
 * The callback runs in the context that was current here, also if it is called before this returns. The context is
 * released when it begins; end the resolver with evdns_base_free(base, 1), which calls back for what is pending.
 */
LOGCTX_API struct evdns_getaddrinfo_request *logctx_evdns_getaddrinfo(struct evdns_base *dns, const char *nodename,
                                                                      const char *servname,
                                                                      const struct evutil_addrinfo *hints,
                                                                      evdns_getaddrinfo_cb callback, void *arg);
LOGCTX_API struct evdns_getaddrinfo_request *logctx_evdns_getaddrinfo_at(struct evdns_base *dns, const char *nodename,
                                                                         const char *servname,
                                                                         const struct evutil_addrinfo *hints,
                                                                         evdns_getaddrinfo_cb callback, void *arg,
                                                                         const logctx_site_t *site);

/* ---- HTTP servers ---- */

/*
 * The callbacks run in the sentinel, whatever is current here: each request makes a context of its own. One that it leaves
 * current is reported as leaked_to_loop at once. Free the server with logctx_evhttp_free().
 */
LOGCTX_API int logctx_evhttp_set_cb(struct evhttp *http, const char *path,
                                    void (*callback)(struct evhttp_request *, void *), void *arg);
LOGCTX_API int logctx_evhttp_set_cb_at(struct evhttp *http, const char *path,
                                       void (*callback)(struct evhttp_request *, void *), void *arg,
                                       const logctx_site_t *site);
LOGCTX_API int logctx_evhttp_del_cb(struct evhttp *http, const char *path);
LOGCTX_API void logctx_evhttp_set_gencb(struct evhttp *http, void (*callback)(struct evhttp_request *, void *),
                                        void *arg);
LOGCTX_API void logctx_evhttp_set_gencb_at(struct evhttp *http, void (*callback)(struct evhttp_request *, void *),
                                           void *arg, const logctx_site_t *site);
LOGCTX_API void logctx_evhttp_free(struct evhttp *http);

/* ---- HTTP clients ---- */

/*
 * The completion callback runs in the context that was current at logctx_evhttp_make_request(), or here if the request is
 * sent by libevent's plain function; it is released when the callback begins. The three other callbacks share its argument,
 * so that they have to be set here too; they run in the same context.
 */
LOGCTX_API struct evhttp_request *logctx_evhttp_request_new(void (*callback)(struct evhttp_request *, void *),
                                                            void *arg);
LOGCTX_API struct evhttp_request *logctx_evhttp_request_new_at(void (*callback)(struct evhttp_request *, void *),
                                                               void *arg, const logctx_site_t *site);
LOGCTX_API void logctx_evhttp_request_set_chunked_cb(struct evhttp_request *request,
                                                     void (*callback)(struct evhttp_request *, void *));
LOGCTX_API void logctx_evhttp_request_set_header_cb(struct evhttp_request *request,
                                                    int (*callback)(struct evhttp_request *, void *));
LOGCTX_API void logctx_evhttp_request_set_error_cb(struct evhttp_request *request,
                                                   void (*callback)(enum evhttp_request_error, void *));
LOGCTX_API int logctx_evhttp_make_request(struct evhttp_connection *connection, struct evhttp_request *request,
                                          enum evhttp_cmd_type type, const char *uri);
LOGCTX_API int logctx_evhttp_make_request_at(struct evhttp_connection *connection, struct evhttp_request *request,
                                             enum evhttp_cmd_type type, const char *uri, const logctx_site_t *site);
LOGCTX_API void logctx_evhttp_cancel_request(struct evhttp_request *request);
LOGCTX_API void logctx_evhttp_request_free(struct evhttp_request *request);

/*
 * The callback runs in the context that was current here, and releases it when it begins: a connection that closes a second
 * time calls it in the sentinel, unless it was set again. For a client's connection and a server's.
 */
LOGCTX_API void logctx_evhttp_connection_set_closecb(struct evhttp_connection *connection,
                                                     void (*callback)(struct evhttp_connection *, void *), void *arg);
LOGCTX_API void logctx_evhttp_connection_set_closecb_at(struct evhttp_connection *connection,
                                                        void (*callback)(struct evhttp_connection *, void *), void *arg,
                                                        const logctx_site_t *site);

/* With the requests that are pending on it, whose callbacks libevent does not call then. */
LOGCTX_API void logctx_evhttp_connection_free(struct evhttp_connection *connection);

#define logctx_libevent_attach(base, name) logctx_libevent_attach_at((base), (name), LOGCTX_HERE)
#define logctx_event_base_loop(base, flags) logctx_event_base_loop_at((base), (flags), LOGCTX_HERE)
#define logctx_event_base_dispatch(base) logctx_event_base_dispatch_at((base), LOGCTX_HERE)
#define logctx_event_new(base, fd, events, callback, arg)                                                              \
    logctx_event_new_at((base), (fd), (events), (callback), (arg), LOGCTX_HERE)
#define logctx_event_assign(event, base, fd, events, callback, arg)                                                    \
    logctx_event_assign_at((event), (base), (fd), (events), (callback), (arg), LOGCTX_HERE)
/* The timeout is what is left of the arguments: it may be a compound literal, with commas in it. */
#define logctx_event_add(event, ...) logctx_event_add_at((event), (__VA_ARGS__), LOGCTX_HERE)
#define logctx_event_active(event, res, ncalls) logctx_event_active_at((event), (res), (ncalls), LOGCTX_HERE)
#define logctx_event_base_once(base, fd, events, callback, arg, ...)                                                   \
    logctx_event_base_once_at((base), (fd), (events), (callback), (arg), (__VA_ARGS__), LOGCTX_HERE)
#define logctx_bufferevent_setcb(bufferevent, readcb, writecb, eventcb, arg)                                           \
    logctx_bufferevent_setcb_at((bufferevent), (readcb), (writecb), (eventcb), (arg), LOGCTX_HERE)
#define logctx_evconnlistener_new(base, callback, arg, flags, backlog, fd)                                             \
    logctx_evconnlistener_new_at((base), (callback), (arg), (flags), (backlog), (fd), LOGCTX_HERE)
#define logctx_evconnlistener_new_bind(base, callback, arg, flags, backlog, address, length)                           \
    logctx_evconnlistener_new_bind_at((base), (callback), (arg), (flags), (backlog), (address), (length), LOGCTX_HERE)
#define logctx_evconnlistener_set_cb(listener, callback, arg)                                                          \
    logctx_evconnlistener_set_cb_at((listener), (callback), (arg), LOGCTX_HERE)
#define logctx_evconnlistener_set_error_cb(listener, callback)                                                         \
    logctx_evconnlistener_set_error_cb_at((listener), (callback), LOGCTX_HERE)
#define logctx_evdns_getaddrinfo(dns, nodename, servname, hints, callback, arg)                                        \
    logctx_evdns_getaddrinfo_at((dns), (nodename), (servname), (hints), (callback), (arg), LOGCTX_HERE)
#define logctx_evhttp_set_cb(http, path, callback, arg)                                                                \
    logctx_evhttp_set_cb_at((http), (path), (callback), (arg), LOGCTX_HERE)
#define logctx_evhttp_set_gencb(http, callback, arg) logctx_evhttp_set_gencb_at((http), (callback), (arg), LOGCTX_HERE)
#define logctx_evhttp_request_new(callback, arg) logctx_evhttp_request_new_at((callback), (arg), LOGCTX_HERE)
#define logctx_evhttp_make_request(connection, request, type, uri)                                                     \
    logctx_evhttp_make_request_at((connection), (request), (type), (uri), LOGCTX_HERE)
#define logctx_evhttp_connection_set_closecb(connection, callback, arg)                                                \
    logctx_evhttp_connection_set_closecb_at((connection), (callback), (arg), LOGCTX_HERE)

/* libevent's names for timers and signals. */
#define logctx_evtimer_new(base, callback, arg) logctx_event_new((base), -1, 0, (callback), (arg))
#define logctx_evtimer_assign(event, base, callback, arg) logctx_event_assign((event), (base), -1, 0, (callback), (arg))
#define logctx_evtimer_add(event, ...) logctx_event_add((event), __VA_ARGS__)
#define logctx_evtimer_del(event) logctx_event_del(event)
#define logctx_evsignal_new(base, number, callback, arg)                                                               \
    logctx_event_new((base), (number), EV_SIGNAL | EV_PERSIST, (callback), (arg))
#define logctx_evsignal_assign(event, base, number, callback, arg)                                                     \
    logctx_event_assign((event), (base), (number), EV_SIGNAL | EV_PERSIST, (callback), (arg))
#define logctx_evsignal_add(event, ...) logctx_event_add((event), __VA_ARGS__)
#define logctx_evsignal_del(event) logctx_event_del(event)

#ifdef __cplusplus
}
#endif
#endif
