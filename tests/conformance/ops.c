// SPDX-License-Identifier: Apache-2.0
// The table of all ops that the format knows. An op without a handler is one that the library has no part for
// yet. Constant.

#include "ops.h"

#include <string.h>

static const op_row_t rows[] = {
    {"new", op_new},
    {"nested", op_nested},
    {"enter", op_enter},
    {"exit", op_exit},
    {"set_current", op_set_current},
    {"current", op_current},
    {"ctx_state", op_ctx_state},
    {"log", op_log},
    {"preserve_enter", op_preserve_enter},
    {"preserve_exit", op_preserve_exit},

    {"db_txn", op_db_txn},
    {"db_sched", op_db_sched},
    {"event_fetch", op_event_fetch},
    {"add_cputime", op_add_cputime},
    {"usage", op_usage},

    {"cpu", op_cpu},
    {"cpu_tick", op_cpu_tick},
    {"no_rusage", op_no_rusage},
    {"on_thread", op_on_thread},
    {"defer_to_thread", NULL},
    {"deliver", NULL},

    {"d_new", NULL},
    {"d_add", NULL},
    {"d_callback", NULL},
    {"d_errback", NULL},
    {"d_cancel", NULL},
    {"d_pause", NULL},
    {"d_unpause", NULL},
    {"d_state", NULL},
    {"d_return", NULL},
    {"d_fail", NULL},
    {"d_pass", NULL},
    {"gather", NULL},
    {"make_yieldable", NULL},
    {"run_in_background", NULL},

    {"bg_new", NULL},
    {"bg_process", NULL},
    {"bg_scrape", NULL},
    {"bg_metrics", NULL},
};

const op_row_t *ops_find(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}
