/*
 * logctx/uv.h: contexts on libuv's loop. Link logctx::uv (pkg-config: logctx-uv).
 *
 * Attach once, as soon as the loop is made; then call the functions below instead of libuv's. They have libuv's names with
 * `logctx_` before, its parameters and its results. Each keeps the context that is current when it is called, and its
 * callback runs in that context; afterwards what was current before is back. Handles and requests stay plain uv_timer_t,
 * uv_write_t and so on, and their `data` stays yours. Functions without a callback are libuv's own: there is nothing to keep.
 *
 * Unless it says otherwise, for each function:
 *   Thread: that of the loop, which is the one that attached it. Current: unchanged; in the callback the context that
 *   was current at the call. Errors: libuv's. Misuse (reported as invalid_use): NULL, for which UV_EINVAL is returned, and a
 *   loop that this thread has not attached, for which libuv's own function does it all, without contexts.
 *   Owner: what is armed holds a reference to its context. One-shot requests give it back just before the callback, which
 *   may free the request; handles when they are stopped, started anew, closed by logctx_uv_close(), or detached.
 *   Without memory the callback is armed all the same, but runs in the sentinel.
 *   Late callbacks: one whose context has finished is reported as restarted_finished, but for those that only tell that
 *   something is over: of writes, shutdowns, sent datagrams and closes, and whatever was cancelled (UV_ECANCELED,
 *   UV_EAI_CANCELED). These run in the sentinel then, and nothing is reported: they free memory.
 *
 * Budget of a callback: one look-up, one switch there and one back (none if the context is current already), one reading of
 * the monotonic clock for the loop's delay; no allocation, no lock. Of a call here: one look-up, and no allocation in
 * steady state: what is kept lies in one table for each loop, which grows and shrinks by halves.
 *
 * docs/adapters/uv.md has every function in a table, what libuv's plain functions do beside them, and what is not wrapped.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_UV_H
#define LOGCTX_UV_H

#include <logctx/timers.h>
#include <logctx/uv_fs.h>
#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the loop ---- */

/* A loop that is attached: what is kept for its handles and requests. */
typedef struct logctx_uv logctx_uv_t;

/*
 * Attach a loop: its poll runs in the sentinel between logctx_poll_begin() and logctx_poll_end(), and what is armed with
 * the functions below keeps its context. `name` is that of the loop in the metrics (`logctx.loop.name`); copied; NULL for
 * the default. Adds a prepare and a check handle to the loop, which do not keep it alive.
 * Call it before any prepare handle is started: libuv runs these latest first, so ours is then the last before the poll.
 * Thread: the one that will run the loop. Owner: the caller, until logctx_uv_detach(). Errors: NULL without memory, for NULL
 * or for a loop that is attached, which are reported.
 */
LOGCTX_API logctx_uv_t *logctx_uv_attach(uv_loop_t *loop, const char *name);
LOGCTX_API logctx_uv_t *logctx_uv_attach_at(uv_loop_t *loop, const char *name, const logctx_site_t *site);

/*
 * Detach the loop: gives back every context that is still kept, and closes the two handles of ours. What is still armed goes
 * on without contexts. NULL is fine.
 * Run the loop once more before uv_loop_close(), which else fails with UV_EBUSY as with any handle that is closing. Then
 * `attached` is gone, or with the last callback that was armed, if that is later.
 * Thread: the one that attached it; another one is reported and nothing is done.
 */
LOGCTX_API void logctx_uv_detach(logctx_uv_t *attached);

/*
 * The loop's timers for the core: logctx_sleep(), logctx_call_later(), logctx_looping_call() and timeouts. What is due keeps
 * the loop alive, as an active timer does.
 * Owner: `attached`. What is due at the detach still comes; nothing new is started, and a looping call ends then, which is
 * reported. Errors: NULL for NULL, which is reported.
 */
LOGCTX_API const logctx_timers_t *logctx_uv_timers(logctx_uv_t *attached);

/* ---- handles ---- */

/*
 * Timers. A timer that repeats has the context of its last start or again. Each call counts in `logctx.loop.delay`, from the
 * time when it was due.
 * uv_timer_again() recalls the callback that was started here, and keeps the context that is current then.
 */
LOGCTX_API int logctx_uv_timer_start(uv_timer_t *handle, uv_timer_cb cb, uint64_t timeout, uint64_t repeat);
LOGCTX_API int logctx_uv_timer_start_at(uv_timer_t *handle, uv_timer_cb cb, uint64_t timeout, uint64_t repeat,
                                        const logctx_site_t *site);
LOGCTX_API int logctx_uv_timer_again(uv_timer_t *handle);
LOGCTX_API int logctx_uv_timer_again_at(uv_timer_t *handle, const logctx_site_t *site);
LOGCTX_API int logctx_uv_timer_stop(uv_timer_t *handle);

/* Once a turn. As in libuv, starting one that is active does nothing: it keeps its callback and its context. */
LOGCTX_API int logctx_uv_idle_start(uv_idle_t *handle, uv_idle_cb cb);
LOGCTX_API int logctx_uv_idle_start_at(uv_idle_t *handle, uv_idle_cb cb, const logctx_site_t *site);
LOGCTX_API int logctx_uv_idle_stop(uv_idle_t *handle);
LOGCTX_API int logctx_uv_prepare_start(uv_prepare_t *handle, uv_prepare_cb cb);
LOGCTX_API int logctx_uv_prepare_start_at(uv_prepare_t *handle, uv_prepare_cb cb, const logctx_site_t *site);
LOGCTX_API int logctx_uv_prepare_stop(uv_prepare_t *handle);
LOGCTX_API int logctx_uv_check_start(uv_check_t *handle, uv_check_cb cb);
LOGCTX_API int logctx_uv_check_start_at(uv_check_t *handle, uv_check_cb cb, const logctx_site_t *site);
LOGCTX_API int logctx_uv_check_stop(uv_check_t *handle);

/* The callback runs in the context that initialised the handle, whoever sends. uv_async_send() stays libuv's. */
LOGCTX_API int logctx_uv_async_init(uv_loop_t *loop, uv_async_t *handle, uv_async_cb cb);
LOGCTX_API int logctx_uv_async_init_at(uv_loop_t *loop, uv_async_t *handle, uv_async_cb cb, const logctx_site_t *site);

/* Signals. */
LOGCTX_API int logctx_uv_signal_start(uv_signal_t *handle, uv_signal_cb cb, int number);
LOGCTX_API int logctx_uv_signal_start_at(uv_signal_t *handle, uv_signal_cb cb, int number, const logctx_site_t *site);
LOGCTX_API int logctx_uv_signal_start_oneshot(uv_signal_t *handle, uv_signal_cb cb, int number);
LOGCTX_API int logctx_uv_signal_start_oneshot_at(uv_signal_t *handle, uv_signal_cb cb, int number,
                                                 const logctx_site_t *site);
LOGCTX_API int logctx_uv_signal_stop(uv_signal_t *handle);

/* Readiness of descriptors. */
LOGCTX_API int logctx_uv_poll_start(uv_poll_t *handle, int events, uv_poll_cb cb);
LOGCTX_API int logctx_uv_poll_start_at(uv_poll_t *handle, int events, uv_poll_cb cb, const logctx_site_t *site);
LOGCTX_API int logctx_uv_poll_stop(uv_poll_t *handle);

/* A child process: `exit_cb` of the options. The options are libuv's, and not changed. */
LOGCTX_API int logctx_uv_spawn(uv_loop_t *loop, uv_process_t *handle, const uv_process_options_t *options);
LOGCTX_API int logctx_uv_spawn_at(uv_loop_t *loop, uv_process_t *handle, const uv_process_options_t *options,
                                  const logctx_site_t *site);

/* Files that change. */
LOGCTX_API int logctx_uv_fs_event_start(uv_fs_event_t *handle, uv_fs_event_cb cb, const char *path, unsigned int flags);
LOGCTX_API int logctx_uv_fs_event_start_at(uv_fs_event_t *handle, uv_fs_event_cb cb, const char *path,
                                           unsigned int flags, const logctx_site_t *site);
LOGCTX_API int logctx_uv_fs_event_stop(uv_fs_event_t *handle);
LOGCTX_API int logctx_uv_fs_poll_start(uv_fs_poll_t *handle, uv_fs_poll_cb cb, const char *path, unsigned int interval);
LOGCTX_API int logctx_uv_fs_poll_start_at(uv_fs_poll_t *handle, uv_fs_poll_cb cb, const char *path,
                                          unsigned int interval, const logctx_site_t *site);
LOGCTX_API int logctx_uv_fs_poll_stop(uv_fs_poll_t *handle);

/*
 * Close a handle of any type. What is armed on it is given back now; requests that are pending on it are called back in
 * their own contexts with UV_ECANCELED; `cb` runs in the context that closes, and may be NULL.
 * Misuse: a handle that is closing is left alone (libuv would abort the program).
 */
LOGCTX_API void logctx_uv_close(uv_handle_t *handle, uv_close_cb cb);
LOGCTX_API void logctx_uv_close_at(uv_handle_t *handle, uv_close_cb cb, const logctx_site_t *site);
LOGCTX_API int logctx_uv_tcp_close_reset(uv_tcp_t *handle, uv_close_cb cb);
LOGCTX_API int logctx_uv_tcp_close_reset_at(uv_tcp_t *handle, uv_close_cb cb, const logctx_site_t *site);

/* ---- streams ---- */

/* Listening: each connection is announced in the context that listens. uv_accept() stays libuv's. */
LOGCTX_API int logctx_uv_listen(uv_stream_t *stream, int backlog, uv_connection_cb cb);
LOGCTX_API int logctx_uv_listen_at(uv_stream_t *stream, int backlog, uv_connection_cb cb, const logctx_site_t *site);

/* Reading: both callbacks run in the context that starts it. */
LOGCTX_API int logctx_uv_read_start(uv_stream_t *stream, uv_alloc_cb alloc_cb, uv_read_cb read_cb);
LOGCTX_API int logctx_uv_read_start_at(uv_stream_t *stream, uv_alloc_cb alloc_cb, uv_read_cb read_cb,
                                       const logctx_site_t *site);
LOGCTX_API int logctx_uv_read_stop(uv_stream_t *stream);

/* Writing. Without a callback there is nothing to keep. uv_try_write() stays libuv's. */
LOGCTX_API int logctx_uv_write(uv_write_t *req, uv_stream_t *stream, const uv_buf_t bufs[], unsigned int nbufs,
                               uv_write_cb cb);
LOGCTX_API int logctx_uv_write_at(uv_write_t *req, uv_stream_t *stream, const uv_buf_t bufs[], unsigned int nbufs,
                                  uv_write_cb cb, const logctx_site_t *site);
LOGCTX_API int logctx_uv_write2(uv_write_t *req, uv_stream_t *stream, const uv_buf_t bufs[], unsigned int nbufs,
                                uv_stream_t *send_handle, uv_write_cb cb);
LOGCTX_API int logctx_uv_write2_at(uv_write_t *req, uv_stream_t *stream, const uv_buf_t bufs[], unsigned int nbufs,
                                   uv_stream_t *send_handle, uv_write_cb cb, const logctx_site_t *site);
LOGCTX_API int logctx_uv_shutdown(uv_shutdown_t *req, uv_stream_t *stream, uv_shutdown_cb cb);
LOGCTX_API int logctx_uv_shutdown_at(uv_shutdown_t *req, uv_stream_t *stream, uv_shutdown_cb cb,
                                     const logctx_site_t *site);

/* Connecting. */
LOGCTX_API int logctx_uv_tcp_connect(uv_connect_t *req, uv_tcp_t *handle, const struct sockaddr *addr,
                                     uv_connect_cb cb);
LOGCTX_API int logctx_uv_tcp_connect_at(uv_connect_t *req, uv_tcp_t *handle, const struct sockaddr *addr,
                                        uv_connect_cb cb, const logctx_site_t *site);
LOGCTX_API void logctx_uv_pipe_connect(uv_connect_t *req, uv_pipe_t *handle, const char *name, uv_connect_cb cb);
LOGCTX_API void logctx_uv_pipe_connect_at(uv_connect_t *req, uv_pipe_t *handle, const char *name, uv_connect_cb cb,
                                          const logctx_site_t *site);

/* ---- datagrams ---- */

/* Sending. uv_udp_try_send() stays libuv's. */
LOGCTX_API int logctx_uv_udp_send(uv_udp_send_t *req, uv_udp_t *handle, const uv_buf_t bufs[], unsigned int nbufs,
                                  const struct sockaddr *addr, uv_udp_send_cb cb);
LOGCTX_API int logctx_uv_udp_send_at(uv_udp_send_t *req, uv_udp_t *handle, const uv_buf_t bufs[], unsigned int nbufs,
                                     const struct sockaddr *addr, uv_udp_send_cb cb, const logctx_site_t *site);

/* Receiving: both callbacks run in the context that starts it. */
LOGCTX_API int logctx_uv_udp_recv_start(uv_udp_t *handle, uv_alloc_cb alloc_cb, uv_udp_recv_cb recv_cb);
LOGCTX_API int logctx_uv_udp_recv_start_at(uv_udp_t *handle, uv_alloc_cb alloc_cb, uv_udp_recv_cb recv_cb,
                                           const logctx_site_t *site);
LOGCTX_API int logctx_uv_udp_recv_stop(uv_udp_t *handle);

/* ---- work on other threads ---- */

/*
 * Work for the thread pool. `work_cb` runs on a thread of the pool in a child of the current context: made there by
 * logctx_new_on_thread(), of type thread, finished when work_cb returns. `after_work_cb` (or NULL) runs on the loop in the
 * current context itself; work that was cancelled has no child, and after_work_cb gets UV_ECANCELED.
 * Errors: threadpool_from_sentinel, outlived_parent, and those of logctx_exit() for what work_cb leaves behind; all name the
 * place of this call.
 * Budget: three times a process-wide lock, held for a look-up, never while a callback runs.
 */
LOGCTX_API int logctx_uv_queue_work(uv_loop_t *loop, uv_work_t *req, uv_work_cb work_cb,
                                    uv_after_work_cb after_work_cb);
LOGCTX_API int logctx_uv_queue_work_at(uv_loop_t *loop, uv_work_t *req, uv_work_cb work_cb,
                                       uv_after_work_cb after_work_cb, const logctx_site_t *site);

/* uv_cancel(), which does just as well: the request's callback comes in its own context. */
LOGCTX_API int logctx_uv_cancel(uv_req_t *req);

/* Names, addresses and random bytes. Without a callback these are libuv's own, which block; the loop may then be NULL. */
LOGCTX_API int logctx_uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *req, uv_getaddrinfo_cb cb, const char *node,
                                     const char *service, const struct addrinfo *hints);
LOGCTX_API int logctx_uv_getaddrinfo_at(uv_loop_t *loop, uv_getaddrinfo_t *req, uv_getaddrinfo_cb cb, const char *node,
                                        const char *service, const struct addrinfo *hints, const logctx_site_t *site);
LOGCTX_API int logctx_uv_getnameinfo(uv_loop_t *loop, uv_getnameinfo_t *req, uv_getnameinfo_cb cb,
                                     const struct sockaddr *addr, int flags);
LOGCTX_API int logctx_uv_getnameinfo_at(uv_loop_t *loop, uv_getnameinfo_t *req, uv_getnameinfo_cb cb,
                                        const struct sockaddr *addr, int flags, const logctx_site_t *site);
LOGCTX_API int logctx_uv_random(uv_loop_t *loop, uv_random_t *req, void *buf, size_t length, unsigned int flags,
                                uv_random_cb cb);
LOGCTX_API int logctx_uv_random_at(uv_loop_t *loop, uv_random_t *req, void *buf, size_t length, unsigned int flags,
                                   uv_random_cb cb, const logctx_site_t *site);

/* The forms that know their place in the source. */
#define logctx_uv_attach(...) logctx_uv_attach_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_timer_start(...) logctx_uv_timer_start_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_timer_again(...) logctx_uv_timer_again_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_idle_start(...) logctx_uv_idle_start_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_prepare_start(...) logctx_uv_prepare_start_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_check_start(...) logctx_uv_check_start_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_async_init(...) logctx_uv_async_init_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_signal_start(...) logctx_uv_signal_start_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_signal_start_oneshot(...) logctx_uv_signal_start_oneshot_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_poll_start(...) logctx_uv_poll_start_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_spawn(...) logctx_uv_spawn_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_event_start(...) logctx_uv_fs_event_start_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_poll_start(...) logctx_uv_fs_poll_start_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_close(...) logctx_uv_close_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_tcp_close_reset(...) logctx_uv_tcp_close_reset_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_listen(...) logctx_uv_listen_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_read_start(...) logctx_uv_read_start_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_write(...) logctx_uv_write_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_write2(...) logctx_uv_write2_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_shutdown(...) logctx_uv_shutdown_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_tcp_connect(...) logctx_uv_tcp_connect_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_pipe_connect(...) logctx_uv_pipe_connect_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_udp_send(...) logctx_uv_udp_send_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_udp_recv_start(...) logctx_uv_udp_recv_start_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_queue_work(...) logctx_uv_queue_work_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_getaddrinfo(...) logctx_uv_getaddrinfo_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_getnameinfo(...) logctx_uv_getnameinfo_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_random(...) logctx_uv_random_at(__VA_ARGS__, LOGCTX_HERE)

#ifdef __cplusplus
}
#endif
#endif
