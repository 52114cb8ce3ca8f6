/*
 * callback.h: internal. What libevent gets for a function and an argument of the host's: ours, and one of these, which
 * remembers the host's and the context that asked. And the attached bases.
 *
 * Thread: a callback belongs to the thread that its loop runs on, but for its place in the table, which has the one lock of
 * this library; nothing of the host's runs under it. Owner: the table holds every callback until it is freed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_LIBEVENT_CALLBACK_H
#define LOGCTX_LIBEVENT_CALLBACK_H

#include <event2/event_struct.h>
#include <logctx/adapter.h>
#include <logctx/bind.h>
#include <logctx/libevent.h>
#include <logctx/loop.h>
#include <logctx/timers.h>
#include <pthread.h>
#include <stdatomic.h>

#define LOGCTX_INTERNAL __attribute__((visibility("hidden")))
#define CALLER logctx_site_of_caller(__builtin_return_address(0))
#define unlikely(x) __builtin_expect(!!(x), 0)

struct logctx_libevent {
    struct event_base *base;
    const logctx_site_t *site;
    struct event breaker;      /* ends the loop when it is made active */
    _Atomic(pthread_t) thread; /* on which the callbacks run; before any did, the one that attached */
    bool running;              /* in logctx_event_base_loop() */
    bool detached;             /* freed when it does not run, and all of its timers were stopped */
    char name[64];
    logctx_timers_t timers;
    struct timer *first_timer;
    struct logctx_libevent *next; /* under the lock */
};

/* What a callback is found by, beside libevent's object. */
enum purpose { FOR_EVENT, FOR_ONCE, FOR_BUFFEREVENT, FOR_LISTENER, FOR_NAME, FOR_PATH, FOR_REQUEST, FOR_CONNECTION };

struct callback {
    const void *handle; /* libevent's object; NULL: not in the table */
    enum purpose purpose;
    struct logctx_libevent *loop; /* NULL: not known, or detached */
    struct callback *next;        /* in its bucket */
    void *arg;
    logctx_capture_t capture;
    logctx_capture_t error_capture; /* of a listener's second function */
    union {
        event_callback_fn event;
        struct {
            bufferevent_data_cb read, write;
            bufferevent_event_cb event;
        } buffer;
        struct {
            evconnlistener_cb accept;
            evconnlistener_errorcb error;
        } listener;
        evdns_getaddrinfo_cb name;
        struct {
            void (*handle)(struct evhttp_request *, void *);
            char *path; /* NULL: the general one */
        } serve;
        struct {
            void (*done)(struct evhttp_request *, void *);
            void (*chunked)(struct evhttp_request *, void *);
            int (*header)(struct evhttp_request *, void *);
            void (*error)(enum evhttp_request_error, void *);
        } request;
        void (*closed)(struct evhttp_connection *, void *);
    } fn;
    union {
        struct {
            struct event *event; /* NULL: libevent's own, of event_base_once() */
            uint64_t due_ns, interval_ns;
            short events;
            bool by_hand; /* activated, not added */
        } event;
        /* A connection and the requests that are pending on it. */
        struct {
            struct callback *first;
        } connection;
        struct {
            struct callback *connection, *next, *previous;
        } request;
    } more;
};

/* callback.c: not in the table yet; NULL without memory. */
LOGCTX_INTERNAL struct callback *logctx__libevent_callback_new(enum purpose purpose, struct logctx_libevent *loop,
                                                               void *arg);
/* Puts it into the table. What was there for that object and purpose belongs to one that is gone, and is freed. */
LOGCTX_INTERNAL void logctx__libevent_callback_enter(struct callback *callback, const void *handle);
LOGCTX_INTERNAL struct callback *logctx__libevent_callback_find(const void *handle, enum purpose purpose);
LOGCTX_INTERNAL struct callback *logctx__libevent_callback_find_path(const void *handle, const char *path);
/* Out of the table, before libevent frees the object: from then on its address may be that of another one. NULL is fine. */
LOGCTX_INTERNAL void logctx__libevent_callback_leave(struct callback *callback);
/* Out of the table, its contexts released, freed. NULL is fine. */
LOGCTX_INTERNAL void logctx__libevent_callback_free(struct callback *callback);
/* All of libevent's object and a purpose. */
LOGCTX_INTERNAL void logctx__libevent_callbacks_free_of(const void *handle, enum purpose purpose);
/* Of all of a loop: freed, or without context and loop. */
LOGCTX_INTERNAL void logctx__libevent_callbacks_free(struct logctx_libevent *loop);
LOGCTX_INTERNAL void logctx__libevent_callbacks_release(struct logctx_libevent *loop);
/* For bases and callbacks. */
LOGCTX_INTERNAL void logctx__libevent_lock(void);
LOGCTX_INTERNAL void logctx__libevent_unlock(void);

/* The request is no longer one of its connection. */
LOGCTX_INTERNAL void logctx__libevent_request_unlink(struct callback *request);

/* Replace what a capture holds by what is current. */
LOGCTX_INTERNAL void logctx__libevent_recapture(logctx_capture_t *capture, const logctx_site_t *site);

/* loop.c: NULL if it is not attached. */
LOGCTX_INTERNAL struct logctx_libevent *logctx__libevent_of_base(const struct event_base *base);
/* Frees a detached one that nobody uses any more. */
LOGCTX_INTERNAL void logctx__libevent_free_unused(struct logctx_libevent *loop);
/* Whether the calling thread may touch the callbacks of the loop. */
LOGCTX_INTERNAL bool logctx__libevent_is_here(const struct logctx_libevent *loop);
/* A callback begins that may also be called by the host's own code: the poll is over, and how late is it? */
LOGCTX_INTERNAL void logctx__libevent_called(struct logctx_libevent *loop, uint64_t due_ns);
/* A callback begins that only the loop calls: what is current is the sentinel, or leaked. `site` if loop is NULL. */
LOGCTX_INTERNAL void logctx__libevent_called_by_loop(struct logctx_libevent *loop, uint64_t due_ns,
                                                     const logctx_site_t *site);
/* A timer of logctx/timers.h, which counts itself how late it is. */
LOGCTX_INTERNAL void logctx__libevent_timer_called(struct logctx_libevent *loop);
/* The loop of a base that a call may capture for; NULL is reported: not attached, or another thread's. */
LOGCTX_INTERNAL struct logctx_libevent *logctx__libevent_usable(const struct event_base *base,
                                                                const logctx_site_t *site);

/* Resume a callback's context; that a thing is `over` may come after its end, and then runs in the sentinel. */
static inline logctx_resumed_t resume(const logctx_capture_t *capture, bool over)
{
    return over ? logctx_resume_unless_finished(capture) : logctx_resume(capture);
}

/* timers.c */
LOGCTX_INTERNAL void logctx__libevent_timers_init(struct logctx_libevent *loop);
LOGCTX_INTERNAL void logctx__libevent_timers_end(struct logctx_libevent *loop);

#endif
