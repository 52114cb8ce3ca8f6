// SPDX-License-Identifier: Apache-2.0
// The table of all ops that the format knows. Constant.

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
    {"defer_to_thread", op_defer_to_thread},
    {"deliver", op_deliver},

    {"d_new", op_d_new},
    {"d_add", op_d_add},
    {"d_callback", op_d_callback},
    {"d_errback", op_d_errback},
    {"d_cancel", op_d_cancel},
    {"d_pause", op_d_pause},
    {"d_unpause", op_d_unpause},
    {"d_state", op_d_state},
    {"d_return", op_d_return},
    {"d_fail", op_d_fail},
    {"d_pass", op_d_pass},
    {"gather", op_gather},
    {"make_yieldable", op_make_yieldable},
    {"run_in_background", op_run_in_background},

    {"bg_new", op_bg_new},
    {"bg_process", op_bg_process},
    {"bg_scrape", op_bg_scrape},
    {"bg_metrics", op_bg_metrics},

    // Not of the format.
    {"bind", op_bind},
    {"bound_call", op_bound_call},
    {"bound_free", op_bound_free},
    {"capture", op_capture},
    {"capture_clear", op_capture_clear},
    {"resume", op_resume},
    {"finish", op_finish},
    {"ctx_drop", op_ctx_drop},
    {"hand_over", op_hand_over},
    {"d_drop", op_d_drop},
    {"d_called", op_d_called},
    {"succeed", op_succeed},
    {"fail", op_fail},
    {"cancel", op_cancel},
    {"d_look", op_d_look},
    {"values", op_values},
    {"d_value", op_d_value},
    {"d_take", op_d_take},
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
