// SPDX-License-Identifier: Apache-2.0
// Background processes as the reference counts them. A process is known from when its context first runs
// until the scenario ends; the driver's references to their contexts are given back then.

#include "processes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <logctx/logctx.h>

enum { ROWS_MAX = 256, PROCESSES_MAX = 1024 };

typedef struct process {
    logctx_t *ctx;
    logctx_usage_t reported; // the figures at its last report
} process_t;

static process_row_t rows[ROWS_MAX];
static size_t row_count;
static process_t processes[PROCESSES_MAX];
static size_t process_count;
static process_t *active[PROCESSES_MAX]; // in the order in which they were added
static size_t active_count;

static void too_many(const char *what)
{
    fprintf(stderr, "logctx-conformance: a scenario has more %s than this driver has room for.\n", what);
    exit(2);
}

process_row_t *processes_row(const char *desc)
{
    const char *name = logctx_kind_name(logctx_kind(desc));

    for (size_t i = 0; i < row_count; i++) {
        if (rows[i].desc == name) {
            return &rows[i];
        }
    }
    if (row_count == ROWS_MAX) {
        too_many("descriptions of processes");
    }
    rows[row_count] = (process_row_t){.desc = name};
    return &rows[row_count++];
}

static process_t *find(logctx_t *ctx)
{
    for (size_t i = 0; i < process_count; i++) {
        if (processes[i].ctx == ctx) {
            return &processes[i];
        }
    }
    if (process_count == PROCESSES_MAX) {
        too_many("processes");
    }
    processes[process_count] = (process_t){.ctx = logctx_ref(ctx)};
    return &processes[process_count++];
}

static int64_t not_less(int64_t now, int64_t before)
{
    return now > before ? now - before : 0;
}

static void report(process_t *process)
{
    logctx_usage_t now;
    process_row_t *row = processes_row(logctx_kind_name(logctx_kind_of(process->ctx)));

    logctx_get_usage(process->ctx, NULL, &now);
    row->sum.cpu_user_ns += not_less(now.cpu_user_ns, process->reported.cpu_user_ns);
    row->sum.cpu_system_ns += not_less(now.cpu_system_ns, process->reported.cpu_system_ns);
    row->sum.db_transactions += now.db_transactions - process->reported.db_transactions;
    row->sum.db_ns += now.db_ns - process->reported.db_ns;
    row->sum.db_wait_ns += now.db_wait_ns - process->reported.db_wait_ns;
    process->reported = now;
}

static void on_resumed(void *user, logctx_t *ctx)
{
    process_t *process = find(ctx);

    (void)user;
    for (size_t i = 0; i < active_count; i++) {
        if (active[i] == process) {
            return;
        }
    }
    active[active_count++] = process;
}

static void on_ended(void *user, logctx_t *ctx)
{
    process_t *process = find(ctx);
    size_t kept = 0;

    (void)user;
    for (size_t i = 0; i < active_count; i++) {
        if (active[i] != process) {
            active[kept++] = active[i];
        }
    }
    active_count = kept;
    report(process);
}

void processes_install(void)
{
    static const logctx_process_observer_t observer = {sizeof observer, on_resumed, on_ended, NULL};

    logctx_set_process_observer(&observer);
}

void processes_scrape(void)
{
    process_t *taken[PROCESSES_MAX];
    size_t count = active_count;

    memcpy(taken, active, count * sizeof *taken);
    active_count = 0;
    for (size_t i = 0; i < count; i++) {
        report(taken[i]);
    }
}

void processes_reset(void)
{
    logctx_set_process_observer(NULL);
    for (size_t i = 0; i < process_count; i++) {
        logctx_unref(processes[i].ctx);
    }
    row_count = process_count = active_count = 0;
}
