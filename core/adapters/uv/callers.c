// The functions behind the macros of logctx/uv.h, for callers that have none: they record who called. The same threads.
//
// SPDX-License-Identifier: Apache-2.0
#include "attached.h"

#define CALLER logctx_site_of_caller(__builtin_return_address(0))

logctx_uv_t *(logctx_uv_attach)(uv_loop_t *loop, const char *name)
{
    return logctx_uv_attach_at(loop, name, CALLER);
}

int(logctx_uv_timer_start)(uv_timer_t *handle, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
    return logctx_uv_timer_start_at(handle, cb, timeout, repeat, CALLER);
}

int(logctx_uv_timer_again)(uv_timer_t *handle)
{
    return logctx_uv_timer_again_at(handle, CALLER);
}

int(logctx_uv_idle_start)(uv_idle_t *handle, uv_idle_cb cb)
{
    return logctx_uv_idle_start_at(handle, cb, CALLER);
}

int(logctx_uv_prepare_start)(uv_prepare_t *handle, uv_prepare_cb cb)
{
    return logctx_uv_prepare_start_at(handle, cb, CALLER);
}

int(logctx_uv_check_start)(uv_check_t *handle, uv_check_cb cb)
{
    return logctx_uv_check_start_at(handle, cb, CALLER);
}

int(logctx_uv_async_init)(uv_loop_t *loop, uv_async_t *handle, uv_async_cb cb)
{
    return logctx_uv_async_init_at(loop, handle, cb, CALLER);
}

int(logctx_uv_signal_start)(uv_signal_t *handle, uv_signal_cb cb, int number)
{
    return logctx_uv_signal_start_at(handle, cb, number, CALLER);
}

int(logctx_uv_signal_start_oneshot)(uv_signal_t *handle, uv_signal_cb cb, int number)
{
    return logctx_uv_signal_start_oneshot_at(handle, cb, number, CALLER);
}

int(logctx_uv_poll_start)(uv_poll_t *handle, int events, uv_poll_cb cb)
{
    return logctx_uv_poll_start_at(handle, events, cb, CALLER);
}

int(logctx_uv_spawn)(uv_loop_t *loop, uv_process_t *handle, const uv_process_options_t *options)
{
    return logctx_uv_spawn_at(loop, handle, options, CALLER);
}

int(logctx_uv_fs_event_start)(uv_fs_event_t *handle, uv_fs_event_cb cb, const char *path, unsigned int flags)
{
    return logctx_uv_fs_event_start_at(handle, cb, path, flags, CALLER);
}

int(logctx_uv_fs_poll_start)(uv_fs_poll_t *handle, uv_fs_poll_cb cb, const char *path, unsigned int interval)
{
    return logctx_uv_fs_poll_start_at(handle, cb, path, interval, CALLER);
}

void(logctx_uv_close)(uv_handle_t *handle, uv_close_cb cb)
{
    logctx_uv_close_at(handle, cb, CALLER);
}

int(logctx_uv_tcp_close_reset)(uv_tcp_t *handle, uv_close_cb cb)
{
    return logctx_uv_tcp_close_reset_at(handle, cb, CALLER);
}

int(logctx_uv_listen)(uv_stream_t *stream, int backlog, uv_connection_cb cb)
{
    return logctx_uv_listen_at(stream, backlog, cb, CALLER);
}

int(logctx_uv_read_start)(uv_stream_t *stream, uv_alloc_cb alloc_cb, uv_read_cb read_cb)
{
    return logctx_uv_read_start_at(stream, alloc_cb, read_cb, CALLER);
}

int(logctx_uv_write)(uv_write_t *req, uv_stream_t *stream, const uv_buf_t bufs[], unsigned int nbufs, uv_write_cb cb)
{
    return logctx_uv_write_at(req, stream, bufs, nbufs, cb, CALLER);
}

int(logctx_uv_write2)(uv_write_t *req, uv_stream_t *stream, const uv_buf_t bufs[], unsigned int nbufs,
                      uv_stream_t *send_handle, uv_write_cb cb)
{
    return logctx_uv_write2_at(req, stream, bufs, nbufs, send_handle, cb, CALLER);
}

int(logctx_uv_shutdown)(uv_shutdown_t *req, uv_stream_t *stream, uv_shutdown_cb cb)
{
    return logctx_uv_shutdown_at(req, stream, cb, CALLER);
}

int(logctx_uv_tcp_connect)(uv_connect_t *req, uv_tcp_t *handle, const struct sockaddr *addr, uv_connect_cb cb)
{
    return logctx_uv_tcp_connect_at(req, handle, addr, cb, CALLER);
}

void(logctx_uv_pipe_connect)(uv_connect_t *req, uv_pipe_t *handle, const char *name, uv_connect_cb cb)
{
    logctx_uv_pipe_connect_at(req, handle, name, cb, CALLER);
}

int(logctx_uv_udp_send)(uv_udp_send_t *req, uv_udp_t *handle, const uv_buf_t bufs[], unsigned int nbufs,
                        const struct sockaddr *addr, uv_udp_send_cb cb)
{
    return logctx_uv_udp_send_at(req, handle, bufs, nbufs, addr, cb, CALLER);
}

int(logctx_uv_udp_recv_start)(uv_udp_t *handle, uv_alloc_cb alloc_cb, uv_udp_recv_cb recv_cb)
{
    return logctx_uv_udp_recv_start_at(handle, alloc_cb, recv_cb, CALLER);
}

int(logctx_uv_queue_work)(uv_loop_t *loop, uv_work_t *req, uv_work_cb work_cb, uv_after_work_cb after_work_cb)
{
    return logctx_uv_queue_work_at(loop, req, work_cb, after_work_cb, CALLER);
}

int(logctx_uv_getaddrinfo)(uv_loop_t *loop, uv_getaddrinfo_t *req, uv_getaddrinfo_cb cb, const char *node,
                           const char *service, const struct addrinfo *hints)
{
    return logctx_uv_getaddrinfo_at(loop, req, cb, node, service, hints, CALLER);
}

int(logctx_uv_getnameinfo)(uv_loop_t *loop, uv_getnameinfo_t *req, uv_getnameinfo_cb cb, const struct sockaddr *addr,
                           int flags)
{
    return logctx_uv_getnameinfo_at(loop, req, cb, addr, flags, CALLER);
}

int(logctx_uv_random)(uv_loop_t *loop, uv_random_t *req, void *buf, size_t length, unsigned int flags, uv_random_cb cb)
{
    return logctx_uv_random_at(loop, req, buf, length, flags, cb, CALLER);
}
