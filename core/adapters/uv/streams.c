// Streams and datagrams: listening, connecting, reading, writing. On the loop's thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "attached.h"

#define FN(cb) ((any_fn_t *)(cb))

// ---- listening and reading ----

static void on_connection(uv_stream_t *stream, int status)
{
    struct call call;
    if (!logctx__uv_begin(&call, stream->loop, stream, SLOT_CONNECTION, CALL_READY))
        return;
    ((uv_connection_cb)call.fn)(stream, status);
    logctx__uv_end(&call);
}

int logctx_uv_listen_at(uv_stream_t *stream, int backlog, uv_connection_cb cb, const logctx_site_t *site)
{
    if (!logctx__uv_given(stream, stream, "logctx_uv_listen()", site))
        return UV_EINVAL;
    logctx_uv_t *to = cb ? logctx__uv_ready(stream->loop, "logctx_uv_listen()", site) : NULL;
    return kept(to, uv_listen(stream, backlog, to ? on_connection : cb), stream, SLOT_CONNECTION, FN(cb), NULL, site);
}

// Without a buffer libuv tells the reader UV_ENOBUFS.
static void allocate(uv_handle_t *handle, enum slot slot, size_t size, uv_buf_t *buffer)
{
    struct call call;
    *buffer = uv_buf_init(NULL, 0);
    if (!logctx__uv_begin(&call, handle->loop, handle, slot, 0))
        return;
    ((uv_alloc_cb)call.second)(handle, size, buffer);
    logctx__uv_end(&call);
}

static void allocate_to_read(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    allocate(handle, SLOT_READ, size, buffer);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct call call;
    if (!logctx__uv_begin(&call, stream->loop, stream, SLOT_READ, CALL_READY))
        return;
    ((uv_read_cb)call.fn)(stream, count, buffer);
    logctx__uv_end(&call);
}

int logctx_uv_read_start_at(uv_stream_t *stream, uv_alloc_cb alloc_cb, uv_read_cb read_cb, const logctx_site_t *site)
{
    if (!logctx__uv_given(stream, stream, "logctx_uv_read_start()", site))
        return UV_EINVAL;
    logctx_uv_t *to = alloc_cb && read_cb ? logctx__uv_ready(stream->loop, "logctx_uv_read_start()", site) : NULL;
    int result = uv_read_start(stream, to ? allocate_to_read : alloc_cb, to ? on_read : read_cb);
    return kept(to, result, stream, SLOT_READ, FN(read_cb), FN(alloc_cb), site);
}

int logctx_uv_read_stop(uv_stream_t *stream)
{
    if (!logctx__uv_given(stream, stream, "logctx_uv_read_stop()", NULL))
        return UV_EINVAL;
    int result = uv_read_stop(stream);
    logctx__uv_drop(stream->loop, stream, SLOT_READ);
    return result;
}

// ---- writing ----

static void on_write(uv_write_t *req, int status)
{
    struct call call;
    if (!logctx__uv_begin(&call, req->handle->loop, req, SLOT_WRITE, CALL_READY | CALL_ONCE | CALL_OVER))
        return;
    ((uv_write_cb)call.fn)(req, status);
    logctx__uv_end(&call);
}

int logctx_uv_write_at(uv_write_t *req, uv_stream_t *stream, const uv_buf_t bufs[], unsigned int nbufs, uv_write_cb cb,
                       const logctx_site_t *site)
{
    if (!logctx__uv_given(req, stream, "logctx_uv_write()", site))
        return UV_EINVAL;
    logctx_uv_t *to = cb ? logctx__uv_ready(stream->loop, "logctx_uv_write()", site) : NULL;
    return kept(to, uv_write(req, stream, bufs, nbufs, to ? on_write : cb), req, SLOT_WRITE, FN(cb), NULL, site);
}

int logctx_uv_write2_at(uv_write_t *req, uv_stream_t *stream, const uv_buf_t bufs[], unsigned int nbufs,
                        uv_stream_t *send_handle, uv_write_cb cb, const logctx_site_t *site)
{
    if (!logctx__uv_given(req, stream, "logctx_uv_write2()", site))
        return UV_EINVAL;
    logctx_uv_t *to = cb ? logctx__uv_ready(stream->loop, "logctx_uv_write2()", site) : NULL;
    int result = uv_write2(req, stream, bufs, nbufs, send_handle, to ? on_write : cb);
    return kept(to, result, req, SLOT_WRITE, FN(cb), NULL, site);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    struct call call;
    if (!logctx__uv_begin(&call, req->handle->loop, req, SLOT_SHUTDOWN, CALL_READY | CALL_ONCE | CALL_OVER))
        return;
    ((uv_shutdown_cb)call.fn)(req, status);
    logctx__uv_end(&call);
}

int logctx_uv_shutdown_at(uv_shutdown_t *req, uv_stream_t *stream, uv_shutdown_cb cb, const logctx_site_t *site)
{
    if (!logctx__uv_given(req, stream, "logctx_uv_shutdown()", site))
        return UV_EINVAL;
    logctx_uv_t *to = cb ? logctx__uv_ready(stream->loop, "logctx_uv_shutdown()", site) : NULL;
    return kept(to, uv_shutdown(req, stream, to ? on_shutdown : cb), req, SLOT_SHUTDOWN, FN(cb), NULL, site);
}

// ---- connecting ----

static void on_connect(uv_connect_t *req, int status)
{
    struct call call;
    unsigned flags = CALL_READY | CALL_ONCE | over_if(status == UV_ECANCELED);
    if (!logctx__uv_begin(&call, req->handle->loop, req, SLOT_CONNECT, flags))
        return;
    ((uv_connect_cb)call.fn)(req, status);
    logctx__uv_end(&call);
}

int logctx_uv_tcp_connect_at(uv_connect_t *req, uv_tcp_t *handle, const struct sockaddr *addr, uv_connect_cb cb,
                             const logctx_site_t *site)
{
    if (!logctx__uv_given(req, handle, "logctx_uv_tcp_connect()", site))
        return UV_EINVAL;
    logctx_uv_t *to = cb ? logctx__uv_ready(handle->loop, "logctx_uv_tcp_connect()", site) : NULL;
    return kept(to, uv_tcp_connect(req, handle, addr, to ? on_connect : cb), req, SLOT_CONNECT, FN(cb), NULL, site);
}

// An error comes by the callback too.
void logctx_uv_pipe_connect_at(uv_connect_t *req, uv_pipe_t *handle, const char *name, uv_connect_cb cb,
                               const logctx_site_t *site)
{
    if (!logctx__uv_given(req, handle, "logctx_uv_pipe_connect()", site))
        return;
    logctx_uv_t *to = cb ? logctx__uv_ready(handle->loop, "logctx_uv_pipe_connect()", site) : NULL;
    uv_pipe_connect(req, handle, name, to ? on_connect : cb);
    kept(to, 0, req, SLOT_CONNECT, FN(cb), NULL, site);
}

// ---- datagrams ----

static void on_send(uv_udp_send_t *req, int status)
{
    struct call call;
    if (!logctx__uv_begin(&call, req->handle->loop, req, SLOT_SEND, CALL_READY | CALL_ONCE | CALL_OVER))
        return;
    ((uv_udp_send_cb)call.fn)(req, status);
    logctx__uv_end(&call);
}

int logctx_uv_udp_send_at(uv_udp_send_t *req, uv_udp_t *handle, const uv_buf_t bufs[], unsigned int nbufs,
                          const struct sockaddr *addr, uv_udp_send_cb cb, const logctx_site_t *site)
{
    if (!logctx__uv_given(req, handle, "logctx_uv_udp_send()", site))
        return UV_EINVAL;
    logctx_uv_t *to = cb ? logctx__uv_ready(handle->loop, "logctx_uv_udp_send()", site) : NULL;
    return kept(to, uv_udp_send(req, handle, bufs, nbufs, addr, to ? on_send : cb), req, SLOT_SEND, FN(cb), NULL, site);
}

static void allocate_to_receive(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    allocate(handle, SLOT_RECV, size, buffer);
}

static void on_recv(uv_udp_t *handle, ssize_t count, const uv_buf_t *buffer, const struct sockaddr *addr,
                    unsigned int flags)
{
    struct call call;
    if (!logctx__uv_begin(&call, handle->loop, handle, SLOT_RECV, CALL_READY))
        return;
    ((uv_udp_recv_cb)call.fn)(handle, count, buffer, addr, flags);
    logctx__uv_end(&call);
}

int logctx_uv_udp_recv_start_at(uv_udp_t *handle, uv_alloc_cb alloc_cb, uv_udp_recv_cb recv_cb,
                                const logctx_site_t *site)
{
    if (!logctx__uv_given(handle, handle, "logctx_uv_udp_recv_start()", site))
        return UV_EINVAL;
    logctx_uv_t *to = alloc_cb && recv_cb ? logctx__uv_ready(handle->loop, "logctx_uv_udp_recv_start()", site) : NULL;
    int result = uv_udp_recv_start(handle, to ? allocate_to_receive : alloc_cb, to ? on_recv : recv_cb);
    return kept(to, result, handle, SLOT_RECV, FN(recv_cb), FN(alloc_cb), site);
}

int logctx_uv_udp_recv_stop(uv_udp_t *handle)
{
    if (!logctx__uv_given(handle, handle, "logctx_uv_udp_recv_stop()", NULL))
        return UV_EINVAL;
    int result = uv_udp_recv_stop(handle);
    logctx__uv_drop(handle->loop, handle, SLOT_RECV);
    return result;
}
