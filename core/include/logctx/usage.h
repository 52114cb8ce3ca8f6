/*
 * logctx/usage.h: what contexts cost: CPU time, database time, and who is in flight.
 *
 * A context's *own* usage is what ran in it; its *total* has its children's in it. A running slice reaches the own
 * usage when the context is stopped; readers on its home thread see it earlier.
 *
 * Unless it says otherwise, a function here may be called on any thread, leaves the current context as it was, and takes
 * over nothing that it is given; what it returns is borrowed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_USAGE_H
#define LOGCTX_USAGE_H

#include <logctx/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Nanoseconds and counts. cpu_ns is exact under the `cpu` clock; the kernel tells user and system time only by whole
 * ticks, so for one context of less than about 20 ms their ratio is an estimate. They always add up to cpu_ns.
 */
typedef struct logctx_usage {
    int64_t cpu_ns;
    int64_t cpu_user_ns;
    int64_t cpu_system_ns;
    int64_t running_ns;      /* time being current */
    int64_t db_transactions; /* how many */
    int64_t db_ns;           /* time in them */
    int64_t db_wait_ns;      /* time waiting for a connection */
    int64_t db_rows;         /* rows fetched */
} logctx_usage_t;

/*
 * The usage of ctx: `own` and `total` (either may be NULL). The running slice is in them if ctx is current on this, its
 * home thread; a running child's slice is not in its parent's total until the child is stopped. Works on finished
 * contexts too. Errors: utime_backwards, stime_backwards, as on a switch. All zero for the sentinel.
 * In a child of fork(), for a context of the parent: own usage, as it was when the child first asked for the context.
 * Cost: walks the unfinished descendants under the lock of the context's tree.
 */
LOGCTX_API void logctx_get_usage(logctx_t *ctx, logctx_usage_t *own, logctx_usage_t *total);

/*
 * Charge CPU time that was measured elsewhere (a child process, a library's own thread) to ctx. Negative values
 * correct an earlier charge; metrics never take them.
 */
LOGCTX_API void logctx_charge_cpu(logctx_t *ctx, int64_t user_ns, int64_t system_ns);

/* A database transaction under way; its fields are private. May be kept on the heap across callbacks. */
typedef struct logctx_db {
    logctx_t *ctx;
    uint64_t began_ns;
} logctx_db_t;

/*
 * A transaction begins, on behalf of the current context. Ends in logctx_db_end(), in whatever context or callback
 * that happens, on the same thread or another; the context that began it is charged, and kept alive until then.
 */
LOGCTX_API void logctx_db_begin(logctx_db_t *db);
LOGCTX_API void logctx_db_end(logctx_db_t *db);

/*
 * The same for code that has measured by itself: one transaction of that duration, time waited for a connection, rows
 * fetched; charged to the current context, nothing if that is the sentinel.
 * Errors: LOGCTX_E_NEGATIVE, reported as negative_duration, and nothing is charged.
 */
LOGCTX_API logctx_status_t logctx_db_transaction(int64_t duration_ns);
LOGCTX_API logctx_status_t logctx_db_transaction_at(int64_t duration_ns, const logctx_site_t *site);
LOGCTX_API logctx_status_t logctx_db_waited(int64_t duration_ns);
LOGCTX_API logctx_status_t logctx_db_waited_at(int64_t duration_ns, const logctx_site_t *site);
#define logctx_db_transaction(duration_ns) logctx_db_transaction_at((duration_ns), LOGCTX_HERE)
#define logctx_db_waited(duration_ns) logctx_db_waited_at((duration_ns), LOGCTX_HERE)
LOGCTX_API void logctx_db_fetched(int64_t rows);

/* What a context in flight is doing. */
typedef enum logctx_state {
    LOGCTX_STATE_IDLE = 0,    /* waiting for something the library does not know */
    LOGCTX_STATE_RUNNING = 1, /* current on a thread */
    LOGCTX_STATE_TXN = 2      /* in a database transaction and not running */
} logctx_state_t;

/* One context in flight, as logctx_snapshot() saw it; strings are copies, cut to fit. */
typedef struct logctx_snapshot {
    char name[64];
    char kind[64];
    char server[64];
    logctx_type_t type;
    logctx_state_t state;
    uint64_t age_ns;
    uint64_t thread_id;
    uint8_t trace_id[16];
    uint8_t span_id[8];
    logctx_usage_t own; /* without the running slice */
    char where[128];    /* file:line that made it current last, or that created it */
} logctx_snapshot_t;

/*
 * The contexts in flight, of all threads: fills at most `capacity` entries, thread by thread and kind by kind, the
 * oldest of each first, and returns how many there are, which may be more. Any thread. Holds each thread's list lock while it copies that thread's part.
 */
LOGCTX_API size_t logctx_get_snapshot(logctx_snapshot_t *entries, size_t capacity);

#ifdef __cplusplus
}
#endif
#endif
