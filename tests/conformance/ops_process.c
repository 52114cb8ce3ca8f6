// SPDX-License-Identifier: Apache-2.0
// The ops of background processes (section 4.9 of the format).

#include <stdio.h>

#include <logctx/logctx.h>

#include "ops.h"
#include "processes.h"

static const char DEFAULT_SERVER[] = "test_server";

bool op_bg_new(run_t *run, const step_t *step, json_t **result)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    const char *name;
    const char *id;
    int64_t instance;
    char full[256];

    (void)result;
    if (!run_string(run, step, "name", &name) || !run_integer(run, step, "instance", &instance) ||
        !run_string(run, step, "id", &id)) {
        return false;
    }
    snprintf(full, sizeof full, "%s-%lld", name, (long long)instance);
    opts.name = full;
    opts.server = DEFAULT_SERVER;
    opts.type = LOGCTX_TYPE_BACKGROUND;
    return world_add_context(&run->world, id, logctx_new(logctx_kind(name), &opts)) ||
           run_invalid(run, step, "there is a context \"%s\" already.", id);
}

// The body of a process: its context gets its id before anything of it runs.
typedef struct body {
    run_t *run;
    const step_t *step;
} body_t;

static logctx_result_t run_process(void *user)
{
    const body_t *body = user;
    const char *id = json_string_value(json_object_get(body->step->op, "ctx"));

    if (id && !world_add_context(&body->run->world, id, logctx_ref(logctx_current()))) {
        run_invalid(body->run, body->step, "there is a context \"%s\" already.", id);
    }
    run_body(body->run, body->step, "ops");
    return run_ending(body->run, NULL);
}

static logctx_result_t one_less(void *user, logctx_result_t *result)
{
    processes_row(user)->in_flight--;
    return *result;
}

bool op_bg_process(run_t *run, const step_t *step, json_t **result)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    body_t body = {.run = run, .step = step};
    const char *desc;
    char name[256];

    if (!run_string(run, step, "desc", &desc)) {
        return false;
    }
    process_row_t *row = processes_row(desc);
    snprintf(name, sizeof name, "%s-%lld", desc, (long long)row->started);
    row->started++;
    row->in_flight++;
    opts.name = name;
    opts.server = DEFAULT_SERVER;
    logctx_deferred_t *ended = logctx_run_as_background_process_at(desc, &opts, run_process, &body, LOGCTX_HERE);
    logctx_deferred_add(ended, one_less, one_less, (void *)(uintptr_t)desc, NULL);
    return run_keep_deferred(run, step, ended, result);
}

bool op_bg_scrape(run_t *run, const step_t *step, json_t **result)
{
    (void)run;
    (void)step;
    (void)result;
    processes_scrape();
    return true;
}

static json_int_t to_ms(int64_t ns)
{
    return (ns + (ns < 0 ? -500000 : 500000)) / 1000000;
}

bool op_bg_metrics(run_t *run, const step_t *step, json_t **result)
{
    const char *name;

    if (!run_string(run, step, "name", &name)) {
        return false;
    }
    const process_row_t *row = processes_row(name);
    *result = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "started", (json_int_t)row->started, "in_flight",
                        (json_int_t)row->in_flight, "utime", to_ms(row->sum.cpu_user_ns), "stime",
                        to_ms(row->sum.cpu_system_ns), "txn_count", (json_int_t)row->sum.db_transactions, "txn_ms",
                        to_ms(row->sum.db_ns), "sched_ms", to_ms(row->sum.db_wait_ns));
    return true;
}
