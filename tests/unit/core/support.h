/*
 * support.h: what the tests of the core share: a fake clock with settings that logctx_clock("fake") has not, a recorder,
 * short forms. One test at a time; everything belongs to the thread that runs it.
 *
 * Every test is one of logctx/testing.h, and runs between core_setup() and core_teardown(). It fails if an error was
 * reported that it did not take, or if a context is still in flight: so each test also says that nothing else went wrong.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_CORE_SUPPORT_H
#define LOGCTX_TESTS_CORE_SUPPORT_H

#include <logctx/collect.h>
#include <logctx/log.h>
#include <logctx/logctx.h>
#include <logctx/recorder.h>
#include <logctx/runtime.h>
#include <logctx/telemetry.h>
#include <logctx/testing.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reported.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)
#define UNIX_START UINT64_C(1700000000000000000)

/* The clock of the process: one for all threads, but for `thread_id`, which is each thread's own (0: its real one). */
struct fake_clock {
    _Atomic int64_t user, system;
    _Atomic uint64_t monotonic, unix_ns;
    atomic_bool broken; /* no reading */
    atomic_ullong readings;
};
extern struct fake_clock fake;
extern _Thread_local uint64_t fake_thread_id;

/* One with exact parts (user and system count), one without (total is their sum, parts are what `ticks` says). */
extern const logctx_clock_t fake_exact, fake_ticking;
extern _Atomic int64_t fake_user_ticks, fake_system_ticks;

void run_user(int64_t ns); /* CPU time, and as much of the other clocks */
void run_system(int64_t ns);
void pass(int64_t ns); /* wall time only */

/* The recorder of the running test. */
extern logctx_recorder_t *recorder;

int core_setup(void **state);
int core_setup_ticking(void **state);
int core_setup_real(void **state); /* the default clock */
int core_teardown(void **state);
/* The same inside a test that uses the clock's settings itself. */
void start_with_clock(const logctx_clock_t *clock);

#define core_test(name) logctx_unit_test_setup_teardown(name, core_setup, core_teardown)
#define core_test_ticking(name) logctx_unit_test_setup_teardown(name, core_setup_ticking, core_teardown)
#define core_test_real(name) logctx_unit_test_setup_teardown(name, core_setup_real, core_teardown)

/* Short forms. */
logctx_t *make(const char *kind, const char *name); /* a request with one reference */
logctx_t *make_child(logctx_t *parent, const char *name);
void end(logctx_t *ctx); /* finish and give the reference back, the sentinel current */
logctx_usage_t own_of(logctx_t *ctx);
logctx_usage_t total_of(logctx_t *ctx);
logctx_books_t books(void);
#define assert_near(a, b) assert_true((a) - (b) < 1e-9 && (b) - (a) < 1e-9)
#define assert_current(ctx) assert_ptr_equal(logctx_current(), ctx)

#endif
