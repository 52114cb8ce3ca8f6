// SPDX-License-Identifier: Apache-2.0
// The ops of the format and who carries them out. The one place where a later version adds a handler.
// Constant.

#ifndef CONFORMANCE_OPS_H
#define CONFORMANCE_OPS_H

#include "run.h"

typedef struct op_row {
    const char *name;
    op_handler_t *handler; // NULL: not carried out by this version; scenarios that need it are skipped
} op_row_t;

/* The row of an op; NULL if the format knows no such op. */
const op_row_t *ops_find(const char *name);

/* ops_context.c */
op_handler_t op_new, op_nested, op_enter, op_exit, op_set_current, op_current, op_ctx_state, op_log;
op_handler_t op_preserve_enter, op_preserve_exit;

/* ops_usage.c */
op_handler_t op_db_txn, op_db_sched, op_event_fetch, op_add_cputime, op_usage;

/* ops_thread.c */
op_handler_t op_cpu, op_cpu_tick, op_no_rusage, op_on_thread;

#endif
