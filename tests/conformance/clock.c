// SPDX-License-Identifier: Apache-2.0
// The fake clock: CPU time by thread, identity by label; wall time is a counter, so that no run depends on
// the machine. Labels and the `broken` mark are written by whatever thread of the scenario runs; creation and
// join order them.

#include "clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <logctx/logctx.h>

enum { WALL_STEP_NS = 1000 };
static const uint64_t WALL_START_UNIX_NS = UINT64_C(1700000000000000000);

static _Thread_local clock_thread_t *here;
static clock_thread_t first;
static bool broken;
static atomic_uint_fast64_t wall_ns;

// A label's id is its place in the list, from 1, since 0 is no thread. It stays the same for the whole
// process.
static char **labels;
static size_t label_count;

static uint64_t label_id(const char *label)
{
    for (size_t i = 0; i < label_count; i++) {
        if (strcmp(labels[i], label) == 0) {
            return i + 1;
        }
    }
    char **longer = reallocarray(labels, label_count + 1, sizeof *labels);
    char *copy = strdup(label);
    if (!longer || !copy) {
        fputs("logctx-conformance: out of memory\n", stderr);
        exit(2);
    }
    labels = longer;
    labels[label_count++] = copy;
    return label_count;
}

static bool read_cpu(void *user, logctx_cpu_reading_t *out)
{
    (void)user;
    if (broken || !here) {
        return false;
    }
    *out = (logctx_cpu_reading_t){
        .total_ns = here->user_ns + here->system_ns,
        .user_ns = here->user_ns,
        .system_ns = here->system_ns,
    };
    clock_advance(here->tick_user_ns, here->tick_system_ns);
    return true;
}

static uint64_t monotonic_ns(void *user)
{
    (void)user;
    return atomic_fetch_add(&wall_ns, WALL_STEP_NS) + WALL_STEP_NS;
}

static uint64_t unix_ns(void *user)
{
    return WALL_START_UNIX_NS + monotonic_ns(user);
}

static uint64_t thread_id(void *user)
{
    (void)user;
    return here ? here->id : 0;
}

bool clock_install(void)
{
    static const logctx_clock_t fake = {
        .name = "conformance",
        .exact_parts = true,
        .read_cpu = read_cpu,
        .monotonic_ns = monotonic_ns,
        .unix_ns = unix_ns,
        .thread_id = thread_id,
    };

    clock_thread_init(&first, "main");
    clock_attach(&first);
    return logctx_set_clock(&fake) == LOGCTX_OK;
}

void clock_reset(void)
{
    broken = false;
    *here = (clock_thread_t){.id = here->id};
}

void clock_thread_init(clock_thread_t *thread, const char *label)
{
    *thread = (clock_thread_t){.id = label_id(label)};
}

void clock_attach(clock_thread_t *thread)
{
    here = thread;
}

bool clock_advance(int64_t user_ns, int64_t system_ns)
{
    int64_t user;
    int64_t system;
    int64_t total;

    if (__builtin_add_overflow(here->user_ns, user_ns, &user) ||
        __builtin_add_overflow(here->system_ns, system_ns, &system) || user < 0 || system < 0 ||
        __builtin_add_overflow(user, system, &total)) {
        return false;
    }
    here->user_ns = user;
    here->system_ns = system;
    return true;
}

void clock_tick(int64_t user_ns, int64_t system_ns)
{
    here->tick_user_ns = user_ns;
    here->tick_system_ns = system_ns;
}

void clock_break(void)
{
    broken = true;
}

void clock_close(void)
{
    for (size_t i = 0; i < label_count; i++) {
        free(labels[i]);
    }
    free(labels);
    labels = NULL;
    label_count = 0;
}
