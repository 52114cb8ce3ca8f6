// Handles: timers, what runs once a turn, async, signals, descriptors, processes, files that change, and closing. On the
// loop's thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "attached.h"

#define FN(cb) ((any_fn_t *)(cb))

// ---- timers ----

static uint64_t due_in(uint64_t ms)
{
    return ms > UINT64_MAX / 2000000 ? UINT64_MAX : logctx_now_ns() + ms * 1000000;
}

// libuv has stopped a timer that does not repeat, and started one that does, before it calls back. The entry stays without
// its context, since uv_timer_again() may call for it once more.
static void on_timer(uv_timer_t *handle)
{
    struct call call;
    logctx_uv_t *attached = mine(handle->loop);
    struct entry *entry = attached ? logctx__uv_table_find(&attached->kept, handle, SLOT_TIMER) : NULL;
    if (unlikely(!entry)) {
        if (!logctx__uv_begin_elsewhere(&call, handle->loop, handle, SLOT_TIMER))
            return;
    } else {
        logctx_loop_ran(entry->due_ns);
        logctx__uv_resume(&call, attached, entry, 0);
        if (uv_is_active((uv_handle_t *)handle))
            entry->due_ns = due_in(uv_timer_get_repeat(handle));
        else
            logctx_capture_clear(&entry->capture);
    }
    ((uv_timer_cb)call.fn)(handle);
    logctx__uv_end(&call);
}

int logctx_uv_timer_start_at(uv_timer_t *handle, uv_timer_cb cb, uint64_t timeout, uint64_t repeat,
                             const logctx_site_t *site)
{
    if (!logctx__uv_given(handle, handle, "logctx_uv_timer_start()", site))
        return UV_EINVAL;
    logctx_uv_t *to = cb ? logctx__uv_ready(handle->loop, "logctx_uv_timer_start()", site) : NULL;
    int result = uv_timer_start(handle, to ? on_timer : cb, timeout, repeat);
    if (to && result == 0)
        logctx__uv_keep(to, handle, SLOT_TIMER, FN(cb), NULL, site)->due_ns = due_in(timeout);
    return result;
}

// A timer that libuv's own function has started is not ours.
int logctx_uv_timer_again_at(uv_timer_t *handle, const logctx_site_t *site)
{
    if (!logctx__uv_given(handle, handle, "logctx_uv_timer_again()", site))
        return UV_EINVAL;
    uint64_t repeat = uv_timer_get_repeat(handle);
    logctx_uv_t *to = repeat ? logctx__uv_ready(handle->loop, "logctx_uv_timer_again()", site) : NULL;
    int result = uv_timer_again(handle);
    struct entry *entry = to && result == 0 ? logctx__uv_table_find(&to->kept, handle, SLOT_TIMER) : NULL;
    if (entry)
        logctx__uv_keep(to, handle, SLOT_TIMER, entry->fn, NULL, site)->due_ns = due_in(repeat);
    return result;
}

int logctx_uv_timer_stop(uv_timer_t *handle)
{
    if (!logctx__uv_given(handle, handle, "logctx_uv_timer_stop()", NULL))
        return UV_EINVAL;
    int result = uv_timer_stop(handle);
    logctx_uv_t *attached = mine(handle->loop);
    struct entry *entry = attached ? logctx__uv_table_find(&attached->kept, handle, SLOT_TIMER) : NULL;
    if (entry)
        logctx_capture_clear(&entry->capture);
    return result;
}

// ---- once a turn ----

// libuv ignores the start of one that is active, whatever the callback.
#define ONCE_A_TURN(name, slot)                                                                                        \
    static void on_##name(uv_##name##_t *handle)                                                                       \
    {                                                                                                                  \
        struct call call;                                                                                              \
        if (!logctx__uv_begin(&call, handle->loop, handle, slot, 0))                                                   \
            return;                                                                                                    \
        ((uv_##name##_cb)call.fn)(handle);                                                                             \
        logctx__uv_end(&call);                                                                                         \
    }                                                                                                                  \
                                                                                                                       \
    int logctx_uv_##name##_start_at(uv_##name##_t *handle, uv_##name##_cb cb, const logctx_site_t *site)               \
    {                                                                                                                  \
        if (!logctx__uv_given(handle, handle, "logctx_uv_" #name "_start()", site))                                    \
            return UV_EINVAL;                                                                                          \
        if (!cb || uv_is_active((uv_handle_t *)handle))                                                                \
            return uv_##name##_start(handle, cb);                                                                      \
        logctx_uv_t *to = logctx__uv_ready(handle->loop, "logctx_uv_" #name "_start()", site);                         \
        return kept(to, uv_##name##_start(handle, to ? on_##name : cb), handle, slot, FN(cb), NULL, site);             \
    }

ONCE_A_TURN(idle, SLOT_IDLE)
ONCE_A_TURN(prepare, SLOT_PREPARE)
ONCE_A_TURN(check, SLOT_CHECK)

// The end of each: libuv's own stop, and nothing is kept.
#define STOP(name, slot)                                                                                               \
    int logctx_uv_##name##_stop(uv_##name##_t *handle)                                                                 \
    {                                                                                                                  \
        if (!logctx__uv_given(handle, handle, "logctx_uv_" #name "_stop()", NULL))                                     \
            return UV_EINVAL;                                                                                          \
        int result = uv_##name##_stop(handle);                                                                         \
        logctx__uv_drop(handle->loop, handle, slot);                                                                   \
        return result;                                                                                                 \
    }

STOP(idle, SLOT_IDLE)
STOP(prepare, SLOT_PREPARE)
STOP(check, SLOT_CHECK)
STOP(signal, SLOT_SIGNAL)
STOP(poll, SLOT_POLL)
STOP(fs_event, SLOT_FS_EVENT)
STOP(fs_poll, SLOT_FS_POLL)

// ---- async ----

static void on_async(uv_async_t *handle)
{
    struct call call;
    if (!logctx__uv_begin(&call, handle->loop, handle, SLOT_ASYNC, CALL_READY))
        return;
    ((uv_async_cb)call.fn)(handle);
    logctx__uv_end(&call);
}

int logctx_uv_async_init_at(uv_loop_t *loop, uv_async_t *handle, uv_async_cb cb, const logctx_site_t *site)
{
    if (!logctx__uv_given(loop, handle, "logctx_uv_async_init()", site))
        return UV_EINVAL;
    logctx_uv_t *to = cb ? logctx__uv_ready(loop, "logctx_uv_async_init()", site) : NULL;
    return kept(to, uv_async_init(loop, handle, to ? on_async : cb), handle, SLOT_ASYNC, FN(cb), NULL, site);
}

// ---- signals ----

static void on_signal(uv_signal_t *handle, int number)
{
    struct call call;
    if (!logctx__uv_begin(&call, handle->loop, handle, SLOT_SIGNAL, CALL_READY))
        return;
    ((uv_signal_cb)call.fn)(handle, number);
    logctx__uv_end(&call);
}

static void on_signal_once(uv_signal_t *handle, int number)
{
    struct call call;
    if (!logctx__uv_begin(&call, handle->loop, handle, SLOT_SIGNAL, CALL_READY | CALL_ONCE))
        return;
    ((uv_signal_cb)call.fn)(handle, number);
    logctx__uv_end(&call);
}

int logctx_uv_signal_start_at(uv_signal_t *handle, uv_signal_cb cb, int number, const logctx_site_t *site)
{
    if (!logctx__uv_given(handle, handle, "logctx_uv_signal_start()", site))
        return UV_EINVAL;
    logctx_uv_t *to = cb ? logctx__uv_ready(handle->loop, "logctx_uv_signal_start()", site) : NULL;
    return kept(to, uv_signal_start(handle, to ? on_signal : cb, number), handle, SLOT_SIGNAL, FN(cb), NULL, site);
}

int logctx_uv_signal_start_oneshot_at(uv_signal_t *handle, uv_signal_cb cb, int number, const logctx_site_t *site)
{
    if (!logctx__uv_given(handle, handle, "logctx_uv_signal_start_oneshot()", site))
        return UV_EINVAL;
    logctx_uv_t *to = cb ? logctx__uv_ready(handle->loop, "logctx_uv_signal_start_oneshot()", site) : NULL;
    return kept(to, uv_signal_start_oneshot(handle, to ? on_signal_once : cb, number), handle, SLOT_SIGNAL, FN(cb),
                NULL, site);
}

// ---- descriptors ----

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct call call;
    if (!logctx__uv_begin(&call, handle->loop, handle, SLOT_POLL, CALL_READY))
        return;
    ((uv_poll_cb)call.fn)(handle, status, events);
    logctx__uv_end(&call);
}

// No events: libuv stops the handle.
int logctx_uv_poll_start_at(uv_poll_t *handle, int events, uv_poll_cb cb, const logctx_site_t *site)
{
    if (!logctx__uv_given(handle, handle, "logctx_uv_poll_start()", site))
        return UV_EINVAL;
    if (!events)
        logctx__uv_drop(handle->loop, handle, SLOT_POLL);
    logctx_uv_t *to = cb && events ? logctx__uv_ready(handle->loop, "logctx_uv_poll_start()", site) : NULL;
    return kept(to, uv_poll_start(handle, events, to ? on_poll : cb), handle, SLOT_POLL, FN(cb), NULL, site);
}

// ---- processes ----

static void on_exit_of(uv_process_t *handle, int64_t status, int number)
{
    struct call call;
    if (!logctx__uv_begin(&call, handle->loop, handle, SLOT_EXIT, CALL_READY | CALL_ONCE))
        return;
    ((uv_exit_cb)call.fn)(handle, status, number);
    logctx__uv_end(&call);
}

int logctx_uv_spawn_at(uv_loop_t *loop, uv_process_t *handle, const uv_process_options_t *options,
                       const logctx_site_t *site)
{
    if (!logctx__uv_given(loop, handle, "logctx_uv_spawn()", site) ||
        !logctx__uv_given(options, options, "logctx_uv_spawn()", site))
        return UV_EINVAL;
    uv_process_options_t ours = *options;
    logctx_uv_t *to = options->exit_cb ? logctx__uv_ready(loop, "logctx_uv_spawn()", site) : NULL;
    if (to)
        ours.exit_cb = on_exit_of;
    return kept(to, uv_spawn(loop, handle, &ours), handle, SLOT_EXIT, FN(options->exit_cb), NULL, site);
}

// ---- files that change ----

static void on_fs_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
    struct call call;
    if (!logctx__uv_begin(&call, handle->loop, handle, SLOT_FS_EVENT, CALL_READY))
        return;
    ((uv_fs_event_cb)call.fn)(handle, name, events, status);
    logctx__uv_end(&call);
}

int logctx_uv_fs_event_start_at(uv_fs_event_t *handle, uv_fs_event_cb cb, const char *path, unsigned int flags,
                                const logctx_site_t *site)
{
    if (!logctx__uv_given(handle, handle, "logctx_uv_fs_event_start()", site))
        return UV_EINVAL;
    logctx_uv_t *to = cb ? logctx__uv_ready(handle->loop, "logctx_uv_fs_event_start()", site) : NULL;
    return kept(to, uv_fs_event_start(handle, to ? on_fs_event : cb, path, flags), handle, SLOT_FS_EVENT, FN(cb), NULL,
                site);
}

static void on_fs_poll(uv_fs_poll_t *handle, int status, const uv_stat_t *before, const uv_stat_t *now)
{
    struct call call;
    if (!logctx__uv_begin(&call, handle->loop, handle, SLOT_FS_POLL, CALL_READY))
        return;
    ((uv_fs_poll_cb)call.fn)(handle, status, before, now);
    logctx__uv_end(&call);
}

// As with those once a turn: the start of one that is active is ignored.
int logctx_uv_fs_poll_start_at(uv_fs_poll_t *handle, uv_fs_poll_cb cb, const char *path, unsigned int interval,
                               const logctx_site_t *site)
{
    if (!logctx__uv_given(handle, handle, "logctx_uv_fs_poll_start()", site))
        return UV_EINVAL;
    if (!cb || uv_is_active((uv_handle_t *)handle))
        return uv_fs_poll_start(handle, cb, path, interval);
    logctx_uv_t *to = logctx__uv_ready(handle->loop, "logctx_uv_fs_poll_start()", site);
    return kept(to, uv_fs_poll_start(handle, to ? on_fs_poll : cb, path, interval), handle, SLOT_FS_POLL, FN(cb), NULL,
                site);
}

// ---- closing ----

static void on_close(uv_handle_t *handle)
{
    struct call call;
    if (!logctx__uv_begin(&call, handle->loop, handle, SLOT_CLOSE, CALL_ONCE | CALL_OVER))
        return;
    ((uv_close_cb)call.fn)(handle);
    logctx__uv_end(&call);
}

// After a detach there is nothing wrong with closing what is left.
static logctx_uv_t *ready_to_close(const uv_handle_t *handle, uv_close_cb cb, const char *function,
                                   const logctx_site_t *site)
{
    const logctx_uv_t *attached = mine(handle->loop);
    return cb && attached && !attached->detached ? logctx__uv_ready(handle->loop, function, site) : NULL;
}

void logctx_uv_close_at(uv_handle_t *handle, uv_close_cb cb, const logctx_site_t *site)
{
    if (!logctx__uv_given(handle, handle, "logctx_uv_close()", site))
        return;
    if (uv_is_closing(handle)) {
        logctx_report_misuse("logctx_uv_close() got a handle that is closing; close it once", site);
        return;
    }
    logctx_uv_t *to = ready_to_close(handle, cb, "logctx_uv_close()", site);
    logctx__uv_drop_handle(handle);
    uv_close(handle, to ? on_close : cb);
    if (to)
        logctx__uv_keep(to, handle, SLOT_CLOSE, FN(cb), NULL, site);
}

int logctx_uv_tcp_close_reset_at(uv_tcp_t *tcp, uv_close_cb cb, const logctx_site_t *site)
{
    uv_handle_t *handle = (uv_handle_t *)tcp;
    if (!logctx__uv_given(handle, handle, "logctx_uv_tcp_close_reset()", site))
        return UV_EINVAL;
    if (uv_is_closing(handle)) {
        logctx_report_misuse("logctx_uv_tcp_close_reset() got a handle that is closing; close it once", site);
        return UV_EINVAL;
    }
    logctx_uv_t *to = ready_to_close(handle, cb, "logctx_uv_tcp_close_reset()", site);
    int result = uv_tcp_close_reset(tcp, to ? on_close : cb);
    if (result == 0)
        logctx__uv_drop_handle(handle);
    return kept(to, result, handle, SLOT_CLOSE, FN(cb), NULL, site);
}
