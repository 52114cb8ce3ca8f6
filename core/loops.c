// Loops: CPU time outside of contexts, by the name of the thread's loop: what the loop itself used, and what nobody is
// charged for. Threads end and are renamed, so what they had by then is moved to the row of its name.
//
// SPDX-License-Identifier: Apache-2.0
#include "loops.h"

#include <stdio.h>
#include <string.h>

// Under `lock`, which is taken inside a thread's lock and never the other way round.
static struct {
    atomic_flag lock;
    size_t count;
    struct loop_row rows[LOOP_ROWS];
} table = {.lock = ATOMIC_FLAG_INIT};

static struct loop_row *row_of(const char *name)
{
    for (size_t i = 0; i < table.count; i++)
        if (strcmp(table.rows[i].name, name) == 0)
            return &table.rows[i];
    // The last row is for all names beyond the bound.
    if (table.count == LOOP_ROWS)
        return &table.rows[LOOP_ROWS - 1];
    struct loop_row *row = &table.rows[table.count++];
    snprintf(row->name, sizeof row->name, "%s", table.count == LOOP_ROWS ? "_other" : name);
    row->since_unix = logctx__unix();
    return row;
}

// What the thread used outside of contexts since its sums were retired. `running`: of the context that runs now.
static bool outside(const struct thread *thread, int64_t running, int64_t *loop, int64_t *unattributed)
{
    int64_t now;
    *loop = READ_RELAXED(thread->loop_cpu);
    *unattributed = 0;
    if (!logctx__read_cpu_of(thread, &now))
        return false;
    *unattributed = now - thread->cpu_base - READ_RELAXED(thread->attributed_cpu) - running - *loop;
    return true;
}

void logctx__loop_retire(struct thread *thread, const char *new_name)
{
    int64_t loop, unattributed, now;
    logctx__lock(&thread->lock);
    outside(thread, 0, &loop, &unattributed);
    logctx__lock(&table.lock);
    struct loop_row *row = row_of(thread->loop_name);
    row->retired_loop += loop;
    row->retired_unattributed += unattributed;
    logctx__unlock(&table.lock);
    thread->cpu_base = logctx__read_cpu_of(thread, &now) ? now : 0;
    atomic_store_explicit(&thread->attributed_cpu, 0, memory_order_relaxed);
    atomic_store_explicit(&thread->loop_cpu, 0, memory_order_relaxed);
    snprintf(thread->loop_name, sizeof thread->loop_name, "%s", new_name);
    logctx__unlock(&thread->lock);
}

void logctx__loops_begin(void)
{
    logctx__lock(&table.lock);
    for (size_t i = 0; i < table.count; i++) {
        table.rows[i].loop = table.rows[i].retired_loop;
        table.rows[i].unattributed = table.rows[i].retired_unattributed;
    }
    logctx__unlock(&table.lock);
}

void logctx__loops_add(struct thread *thread, int64_t running)
{
    int64_t loop, unattributed;
    logctx__lock(&thread->lock);
    outside(thread, running, &loop, &unattributed);
    logctx__lock(&table.lock);
    struct loop_row *row = row_of(thread->loop_name);
    row->loop += loop;
    row->unattributed += unattributed;
    logctx__unlock(&table.lock);
    logctx__unlock(&thread->lock);
}

size_t logctx__loops_end(struct loop_row *rows)
{
    logctx__lock(&table.lock);
    for (size_t i = 0; i < table.count; i++) {
        struct loop_row *row = &table.rows[i];
        if (row->loop > row->emitted_loop)
            row->emitted_loop = row->loop;
        if (row->unattributed > row->emitted_unattributed)
            row->emitted_unattributed = row->unattributed;
    }
    size_t count = table.count;
    memcpy(rows, table.rows, count * sizeof *rows);
    logctx__unlock(&table.lock);
    return count;
}
