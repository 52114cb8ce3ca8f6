// The clock for tests: time that moves only when it is told to. CPU time belongs to the calling thread; the rest to all.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

static _Thread_local struct {
    int64_t user, system;
} cpu __attribute__((tls_model("initial-exec")));
static _Atomic int64_t elapsed;

// Not 0, which means "not given" in some places: 2023-11-14T22:13:20Z.
static const uint64_t START_UNIX_NS = UINT64_C(1700000000000000000), START_MONOTONIC_NS = UINT64_C(3600000000000);

static bool read_cpu(void *user, logctx_cpu_reading_t *out)
{
    (void)user;
    *out = (logctx_cpu_reading_t){.total_ns = cpu.user + cpu.system, .user_ns = cpu.user, .system_ns = cpu.system};
    return true;
}

static uint64_t monotonic_ns(void *user)
{
    (void)user;
    return START_MONOTONIC_NS + (uint64_t)READ_RELAXED(elapsed);
}

static uint64_t unix_ns(void *user)
{
    (void)user;
    return START_UNIX_NS + (uint64_t)READ_RELAXED(elapsed);
}

const logctx_clock_t logctx__fake_clock = {"fake", true, read_cpu, monotonic_ns, unix_ns, NULL, NULL};

void logctx_fake_cpu(int64_t user_ns, int64_t system_ns)
{
    cpu.user += user_ns;
    cpu.system += system_ns;
}

void logctx_fake_time(int64_t ns)
{
    atomic_fetch_add_explicit(&elapsed, ns, memory_order_relaxed);
}
