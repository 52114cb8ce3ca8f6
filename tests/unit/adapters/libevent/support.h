/*
 * support.h: what the tests of logctx::libevent share: a base that is attached, the fake clock, a recorder. One test at a time;
 * everything belongs to its thread.
 *
 * Every test is one of logctx/testing.h, and runs between setup() and teardown(): it fails if an error was reported that it
 * did not take, if a context is still in flight, or if the sentinel is not current.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_LIBEVENT_SUPPORT_H
#define LOGCTX_TESTS_LIBEVENT_SUPPORT_H

#include <event2/buffer.h>
#include <event2/event_struct.h>
#include <event2/thread.h>
#include <logctx/collect.h>
#include <logctx/libevent.h>
#include <logctx/logctx.h>
#include <logctx/loop.h>
#include <logctx/recorder.h>
#include <logctx/runtime.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/reported.h"

#define MS INT64_C(1000000)

extern struct event_base *base;
extern logctx_libevent_t *attached;
extern int attached_at; /* the line of support.c that errors found by the loop name */
extern logctx_recorder_t *recorder;

int setup(void **state);
int setup_threads(void **state); /* libevent has locks; from then on, for the process */
int teardown(void **state);
#define a_test(name) logctx_unit_test_fake_clock_setup_teardown(name, setup, teardown)
#define a_test_with_threads(name) logctx_unit_test_fake_clock_setup_teardown(name, setup_threads, teardown)

/* That it is the loop that noticed. */
void assert_by_the_loop(const char *text);

void pass(int64_t ns); /* on the fake clock */
logctx_t *make(const char *name);
void end(logctx_t *ctx); /* the caller's reference is given back, and it is finished; the sentinel current */
/* Gives the test's reference back: whoever still has one keeps it in flight. */
void drop(logctx_t *ctx);
uint64_t live(void);
#define assert_current(ctx) assert_ptr_equal(logctx_current(), ctx)
/* Of the loop of that name. */
logctx_histogram_t delay_of(const char *name);

/* Runs the base until nothing is left, or somebody ends it. */
void run(void);

/* A pair of sockets whose first end is readable. */
void make_readable(int pair[2]);
void close_pair(const int pair[2]);

#endif
