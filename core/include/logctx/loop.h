/*
 * logctx/loop.h: what an event loop tells the library: when it polls, and how late it ran what was ready. The adapters
 * (logctx/uv.h, logctx/libevent.h, logctx/glib.h) do it for theirs; a loop of your own calls these.
 *
 * Thread: that of the loop. What is said here is of the calling thread's loop alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_LOOP_H
#define LOGCTX_LOOP_H

#include <logctx/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The event loop is about to poll. The sentinel must be current: if it is not, leaked_to_loop is reported with the
 * place that made the context current, and the sentinel is put back. Call it last before the poll (libuv: in
 * uv_prepare), and logctx_poll_end() first after it (uv_check); what callbacks that run in between, as libuv's streams do,
 * use in contexts is charged to those. Current: the sentinel. Errors: leaked_to_loop.
 * Budget: one comparison and a look at the coarse clock, without a system call; on one turn in 64 a reading of the CPU clock.
 */
LOGCTX_API void logctx_poll_begin(void);
LOGCTX_API void logctx_poll_begin_at(const logctx_site_t *site);

/*
 * The poll has returned, but the loop is not done with it: for loops that call back while they go through what they found,
 * as libuv does. What it found is ready from now on; logctx_poll_end() still comes. The first call of a turn counts.
 * Current: unchanged. Without a begin it does nothing. Budget: as logctx_poll_end(); none for the calls after the first.
 */
LOGCTX_API void logctx_poll_woke(void);

/*
 * The poll has ended; what it found is ready from now on, or since logctx_poll_woke(). Current: unchanged. Without a begin
 * it does nothing.
 * Budget: a look at the coarse clock; one reading of the monotonic clock once logctx_loop_ran() has been used.
 */
LOGCTX_API void logctx_poll_end(void);

/*
 * Between two polls: a loop is about to call back, or has come back from it. The sentinel must be current, else
 * leaked_to_loop is reported as by logctx_poll_begin(). For loops that say nothing before they poll, at each of the
 * callbacks that are known. Current: the sentinel. Errors: leaked_to_loop. Budget: one comparison.
 */
LOGCTX_API void logctx_loop_check(void);
LOGCTX_API void logctx_loop_check_at(const logctx_site_t *site);

/* Name this thread's loop for the metrics (`logctx.loop.name`); "loop" by default. Copied, cut at 63 bytes. */
LOGCTX_API void logctx_set_loop_name(const char *name);

/* The library's monotonic clock, in nanoseconds: what `ready_ns` below is measured by. Any thread. */
LOGCTX_API uint64_t logctx_now_ns(void);

/*
 * Work that was ready at `ready_ns` begins to run now: the difference goes to the metric `logctx.loop.delay`. 0: it has
 * been ready since the poll ended (nothing is counted outside of a turn). A timer passes the time it was due.
 * Current: unchanged. Budget: one reading of the monotonic clock, no lock, no allocation.
 */
LOGCTX_API void logctx_loop_ran(uint64_t ready_ns);

#define logctx_poll_begin() logctx_poll_begin_at(LOGCTX_HERE)
#define logctx_loop_check() logctx_loop_check_at(LOGCTX_HERE)

#ifdef __cplusplus
}
#endif
#endif
