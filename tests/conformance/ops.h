// SPDX-License-Identifier: Apache-2.0
// The ops of the format, some of our own, and who carries them out. Constant.

#ifndef CONFORMANCE_OPS_H
#define CONFORMANCE_OPS_H

#include "run.h"

typedef struct op_row {
    const char *name;
    op_handler_t *handler;
} op_row_t;

/* The row of an op; NULL if the format knows no such op. */
const op_row_t *ops_find(const char *name);

/* ops_context.c */
op_handler_t op_new, op_nested, op_enter, op_exit, op_set_current, op_current, op_ctx_state, op_log;
op_handler_t op_preserve_enter, op_preserve_exit;

/* ops_usage.c */
op_handler_t op_db_txn, op_db_sched, op_event_fetch, op_add_cputime, op_usage;

/* ops_thread.c */
op_handler_t op_cpu, op_cpu_tick, op_no_rusage, op_on_thread, op_defer_to_thread, op_deliver;

/* ops_deferred.c */
op_handler_t op_d_new, op_d_add, op_d_callback, op_d_errback, op_d_cancel, op_d_pause, op_d_unpause, op_d_state;
op_handler_t op_d_return, op_d_fail, op_d_pass, op_gather, op_make_yieldable, op_run_in_background;

/* The deferred that `d` names. */
bool run_deferred(run_t *run, const step_t *step, logctx_deferred_t **out);
/* Takes the reference; a deferred of the scenario's own under the name `d`. `result` (or NULL) says if it is complete. */
bool run_keep_deferred(run_t *run, const step_t *step, logctx_deferred_t *deferred, json_t **result);
/* How the body that has just run ended, which is forgotten; `passed` (or NULL) is what d_pass returns. */
logctx_result_t run_ending(run_t *run, logctx_result_t *passed);
/* The result of an op that calls a deferred: `error` NULL is success; a new value if the op has "value". */
logctx_result_t run_result(const step_t *step, const char *error);

/* ops_process.c */
op_handler_t op_bg_new, op_bg_process, op_bg_scrape, op_bg_metrics;

/* ops_own.c */
op_handler_t op_bind, op_bound_call, op_bound_free, op_capture, op_capture_clear, op_resume, op_finish, op_ctx_drop;
op_handler_t op_hand_over;
op_handler_t op_d_drop, op_d_called, op_succeed, op_fail, op_cancel, op_d_look, op_values, op_d_value, op_d_take;

#endif
