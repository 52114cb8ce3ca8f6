// SPDX-License-Identifier: Apache-2.0
// The ops that charge contexts and read what they cost (section 4.6 of the format). CPU time itself is in
// ops_thread.c. Each runs on whatever thread of the scenario walks.

#include <logctx/logctx.h>

#include "ops.h"

// The format rounds to the millisecond, to the nearest.
static json_int_t to_ms(int64_t ns)
{
    return (ns + (ns < 0 ? -500000 : 500000)) / 1000000;
}

bool op_db_txn(run_t *run, const step_t *step, json_t **result)
{
    int64_t ns;

    (void)result;
    if (!run_ms(run, step, "ms", &ns)) {
        return false;
    }
    // A refusal is an event of the trace.
    (void)logctx_db_transaction(ns);
    return true;
}

bool op_db_sched(run_t *run, const step_t *step, json_t **result)
{
    int64_t ns;

    (void)result;
    if (!run_ms(run, step, "ms", &ns)) {
        return false;
    }
    // A refusal is an event of the trace.
    (void)logctx_db_waited(ns);
    return true;
}

bool op_event_fetch(run_t *run, const step_t *step, json_t **result)
{
    int64_t rows;

    (void)result;
    if (!run_integer(run, step, "n", &rows)) {
        return false;
    }
    logctx_db_fetched(rows);
    return true;
}

bool op_add_cputime(run_t *run, const step_t *step, json_t **result)
{
    logctx_t *ctx;
    int64_t user_ns;
    int64_t system_ns;

    (void)result;
    if (!run_context(run, step, "id", &ctx) || !run_ms(run, step, "user_ms", &user_ns) ||
        !run_ms(run, step, "sys_ms", &system_ns)) {
        return false;
    }
    logctx_charge_cpu(ctx, user_ns, system_ns);
    return true;
}

bool op_usage(run_t *run, const step_t *step, json_t **result)
{
    logctx_t *ctx;
    logctx_usage_t total;

    if (!run_context(run, step, "id", &ctx)) {
        return false;
    }
    logctx_get_usage(ctx, NULL, &total);
    *result = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "utime", to_ms(total.cpu_user_ns), "stime",
                        to_ms(total.cpu_system_ns), "txn_count", (json_int_t)total.db_transactions, "txn_ms",
                        to_ms(total.db_ns), "sched_ms", to_ms(total.db_wait_ns), "evt", (json_int_t)total.db_rows);
    return true;
}
