/*
 * support.c: the fake clock and the set-up of support.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

struct fake_clock fake;
_Thread_local uint64_t fake_thread_id;
_Atomic int64_t fake_user_ticks, fake_system_ticks;
logctx_recorder_t *recorder;

static bool read_exact(void *user, logctx_cpu_reading_t *out)
{
    (void)user;
    fake.readings++;
    if (fake.broken)
        return false;
    out->user_ns = fake.user;
    out->system_ns = fake.system;
    out->total_ns = out->user_ns + out->system_ns;
    return true;
}

static bool read_ticking(void *user, logctx_cpu_reading_t *out)
{
    if (!read_exact(user, out))
        return false;
    out->user_ns = fake_user_ticks;
    out->system_ns = fake_system_ticks;
    return true;
}

static uint64_t fake_monotonic(void *user)
{
    (void)user;
    return fake.monotonic;
}

static uint64_t fake_unix(void *user)
{
    (void)user;
    return fake.unix_ns;
}

static uint64_t fake_thread(void *user)
{
    (void)user;
    return fake_thread_id;
}

const logctx_clock_t fake_exact = {"fake", true, read_exact, fake_monotonic, fake_unix, fake_thread, NULL};
const logctx_clock_t fake_ticking = {"ticking", false, read_ticking, fake_monotonic, fake_unix, fake_thread, NULL};

void pass(int64_t ns)
{
    fake.monotonic += (uint64_t)ns;
    fake.unix_ns += (uint64_t)ns;
}

void run_user(int64_t ns)
{
    fake.user += ns;
    pass(ns);
}

void run_system(int64_t ns)
{
    fake.system += ns;
    pass(ns);
}

void start_with_clock(const logctx_clock_t *clock)
{
    fake.user = fake.system = 0;
    fake_user_ticks = fake_system_ticks = 0;
    // Later for each test, so that rates of errors start anew.
    static uint64_t hours;
    fake.monotonic = ++hours * 3600 * (uint64_t)SECOND;
    fake.unix_ns = UNIX_START;
    fake.broken = false;
    fake_thread_id = 0;
    assert_int_equal(logctx_set_clock(clock), LOGCTX_OK);
}

static int begin(const logctx_clock_t *clock)
{
    static const logctx_limits_t limits = {sizeof limits, 128, 128, 128, 128, 128, UINT32_MAX, 1u << 20, 1000000};
    start_with_clock(clock);
    logctx_set_logger(NULL, NULL);
    logctx_set_sampler(LOGCTX_SAMPLER_PARENTBASED_ALWAYS_ON);
    logctx_set_default_server(NULL);
    logctx_set_random(NULL, NULL);
    assert_int_equal(logctx_set_limits(&limits), LOGCTX_OK);
    recorder = logctx_recorder_new(4096);
    assert_non_null(recorder);
    return 0;
}

int core_setup(void **state)
{
    (void)state;
    return begin(&fake_exact);
}

int core_setup_ticking(void **state)
{
    (void)state;
    return begin(&fake_ticking);
}

int core_setup_real(void **state)
{
    (void)state;
    return begin(NULL);
}

int core_teardown(void **state)
{
    (void)state;
    logctx_recorder_free(recorder);
    recorder = NULL;
    logctx_books_t at_end = books();
    assert_int_equal(at_end.created, at_end.live + at_end.ended);
    assert_int_equal(at_end.ended, at_end.handed_over + at_end.unsampled + at_end.no_sink + at_end.dropped_live_limit +
                                       at_end.dropped_no_memory);
    logctx_set_logger(NULL, NULL);
    logctx_set_random(NULL, NULL);
    if (at_end.live == 0) // else that is what the test fails of, next
        assert_int_equal(logctx_set_clock(NULL), LOGCTX_OK);
    return 0;
}

logctx_t *make(const char *kind, const char *name)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = name;
    return logctx_new(logctx_kind(kind), &opts);
}

logctx_t *make_child(logctx_t *parent, const char *name)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = name;
    opts.parent = parent;
    opts.type = LOGCTX_TYPE_NESTED;
    return logctx_new(logctx_kind("child"), &opts);
}

void end(logctx_t *ctx)
{
    logctx_set_current(logctx_sentinel());
    logctx_finish(ctx);
    logctx_unref(ctx);
}

logctx_usage_t own_of(logctx_t *ctx)
{
    logctx_usage_t own;
    logctx_get_usage(ctx, &own, NULL);
    return own;
}

logctx_usage_t total_of(logctx_t *ctx)
{
    logctx_usage_t total;
    logctx_get_usage(ctx, NULL, &total);
    return total;
}

logctx_books_t books(void)
{
    logctx_books_t now;
    logctx_get_books(&now);
    return now;
}
