/*
 * uv_support.h: what the tests of logctx::uv share: a real loop that is attached, and a text of who was called in which
 * context. All of it is the test's own thread's, but for say(), which locks.
 *
 * Every test is one of logctx/testing.h: it fails if an error was reported that it did not take, or if a context is still in
 * flight (so nothing may keep a reference: most tests give theirs back as soon as the context is armed). The teardown fails
 * if the loop cannot be closed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_UV_SUPPORT_H
#define LOGCTX_TESTS_UV_SUPPORT_H

#include <logctx/collect.h>
#include <logctx/logctx.h>
#include <logctx/recorder.h>
#include <logctx/uv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/reported.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

extern uv_loop_t loop;
extern logctx_uv_t *attached;
extern int attached_at; /* line of uv_support.c */
extern logctx_recorder_t *recorder;

int uv_setup(void **state);      /* with a loop that is attached */
int uv_setup_bare(void **state); /* with a loop that is not */
int uv_teardown(void **state);
#define uv_test(name) logctx_unit_test_setup_teardown(name, uv_setup, uv_teardown)
#define uv_test_bare(name) logctx_unit_test_setup_teardown(name, uv_setup_bare, uv_teardown)

/* A context that is current then; and: the sentinel is current, and the test's reference is given back. */
logctx_t *in(const char *name);
void leave(void);
/* The same, and its work is over. */
void leave_finished(void);

/* "what:NAME " is added to what was said, with the name of the current context. Any thread. */
void say(const char *what);
/* What was said since the last time is this. */
void assert_said(const char *text);
void take_said(char *out, size_t size);

void run(void); /* until nothing is active or pending */
#define assert_in_sentinel() assert_true(logctx_is_sentinel(logctx_current()))
uint64_t live(void);
/* A close callback that says so. */
void on_closed(uv_handle_t *handle);

#endif
