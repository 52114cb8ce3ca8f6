// Bufferevents: their three functions in the context that set them. One callback for each bufferevent, of its loop's thread.
// They may also be called by the host's own code (bufferevent_trigger(), a filter's write), so what is current is no leak.
//
// SPDX-License-Identifier: Apache-2.0
#include "callback.h"

static void readable(struct bufferevent *bufferevent, void *arg)
{
    struct callback *callback = arg;
    logctx__libevent_called(callback->loop, 0);
    bufferevent_data_cb fn = callback->fn.buffer.read;
    void *own = callback->arg;
    logctx_resumed_t resumed = logctx_resume(&callback->capture);
    fn(bufferevent, own);
    logctx_resume_end(&resumed);
}

// What was written is over.
static void writable(struct bufferevent *bufferevent, void *arg)
{
    struct callback *callback = arg;
    logctx__libevent_called(callback->loop, 0);
    bufferevent_data_cb fn = callback->fn.buffer.write;
    void *own = callback->arg;
    logctx_resumed_t resumed = resume(&callback->capture, true);
    fn(bufferevent, own);
    logctx_resume_end(&resumed);
}

static void happened(struct bufferevent *bufferevent, short what, void *arg)
{
    struct callback *callback = arg;
    logctx__libevent_called(callback->loop, 0);
    bufferevent_event_cb fn = callback->fn.buffer.event;
    void *own = callback->arg;
    logctx_resumed_t resumed = resume(&callback->capture, what & (BEV_EVENT_EOF | BEV_EVENT_ERROR));
    fn(bufferevent, what, own);
    logctx_resume_end(&resumed);
}

static struct callback *new_for(struct bufferevent *bufferevent, const logctx_site_t *site)
{
    struct logctx_libevent *loop = logctx__libevent_usable(bufferevent_get_base(bufferevent), site);
    struct callback *callback = loop ? logctx__libevent_callback_new(FOR_BUFFEREVENT, loop, NULL) : NULL;
    if (callback)
        logctx__libevent_callback_enter(callback, bufferevent);
    return callback;
}

void logctx_bufferevent_setcb_at(struct bufferevent *bufferevent, bufferevent_data_cb readcb,
                                 bufferevent_data_cb writecb, bufferevent_event_cb eventcb, void *arg,
                                 const logctx_site_t *site)
{
    if (!bufferevent) {
        logctx_report_misuse("logctx_bufferevent_setcb() got NULL; bufferevent_socket_new() returns it without memory",
                             site);
        return;
    }
    struct callback *callback = logctx__libevent_callback_find(bufferevent, FOR_BUFFEREVENT);
    bool any = readcb || writecb || eventcb;
    bool usable = callback && callback->loop && logctx__libevent_is_here(callback->loop);
    if (!any || !(usable || (callback = new_for(bufferevent, site)))) {
        bufferevent_setcb(bufferevent, readcb, writecb, eventcb, arg);
        if (!any)
            logctx__libevent_callback_free(callback);
        return;
    }
    callback->arg = arg;
    callback->fn.buffer.read = readcb;
    callback->fn.buffer.write = writecb;
    callback->fn.buffer.event = eventcb;
    logctx__libevent_recapture(&callback->capture, site);
    bufferevent_setcb(bufferevent, readcb ? readable : NULL, writecb ? writable : NULL, eventcb ? happened : NULL,
                      callback);
}

void(logctx_bufferevent_setcb)(struct bufferevent *bufferevent, bufferevent_data_cb readcb, bufferevent_data_cb writecb,
                               bufferevent_event_cb eventcb, void *arg)
{
    logctx_bufferevent_setcb_at(bufferevent, readcb, writecb, eventcb, arg, CALLER);
}

void logctx_bufferevent_getcb(struct bufferevent *bufferevent, bufferevent_data_cb *readcb,
                              bufferevent_data_cb *writecb, bufferevent_event_cb *eventcb, void **arg)
{
    if (!bufferevent) {
        logctx_report_misuse("logctx_bufferevent_getcb() got NULL; pass a bufferevent", CALLER);
        return;
    }
    bufferevent_data_cb reads, writes;
    bufferevent_event_cb happens;
    void *set;
    bufferevent_getcb(bufferevent, &reads, &writes, &happens, &set);
    // libevent's own function may have set what is there.
    bool ours = reads == readable || writes == writable || happens == happened;
    const struct callback *callback = ours ? set : NULL;
    if (readcb)
        *readcb = callback ? callback->fn.buffer.read : reads;
    if (writecb)
        *writecb = callback ? callback->fn.buffer.write : writes;
    if (eventcb)
        *eventcb = callback ? callback->fn.buffer.event : happens;
    if (arg)
        *arg = callback ? callback->arg : set;
}

// libevent takes the functions off at once, also if something that it has deferred keeps the bufferevent for a while.
void logctx_bufferevent_free(struct bufferevent *bufferevent)
{
    if (!bufferevent) {
        logctx_report_misuse("logctx_bufferevent_free() got NULL; bufferevent_socket_new() returns it without memory",
                             CALLER);
        return;
    }
    struct callback *callback = logctx__libevent_callback_find(bufferevent, FOR_BUFFEREVENT);
    logctx__libevent_callback_leave(callback);
    bufferevent_free(bufferevent);
    logctx__libevent_callback_free(callback);
}
