/*
 * uv_support.h: what the tests of logctx::uv share: a real loop that is attached, an error hook that collects, and a text of
 * who was called in which context. All of it is the test's own thread's, but for the hook and say(), which lock.
 *
 * The teardown fails if an error was reported that the test did not take, if a context is still in flight (so nothing may
 * keep a reference: most tests give theirs back as soon as the context is armed), or if the loop cannot be closed.
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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

extern uv_loop_t loop;
extern logctx_uv_t *attached;
extern int attached_at; /* line of uv_support.c */
extern logctx_recorder_t *recorder;

int uv_setup(void **state);      /* with a loop that is attached */
int uv_setup_bare(void **state); /* with a loop that is not */
int uv_teardown(void **state);
#define uv_test(name) cmocka_unit_test_setup_teardown(name, uv_setup, uv_teardown)
#define uv_test_bare(name) cmocka_unit_test_setup_teardown(name, uv_setup_bare, uv_teardown)

/* One error, as the hook got it. */
struct noted {
    logctx_error_kind_t kind;
    char message[512], found_by[192], set_by[192], affected[64];
};
/* The oldest that was not taken; fails if there is none or it is of another kind. */
const struct noted *take_error(logctx_error_kind_t kind);
/* The same, of invalid_use, which must say that. */
void take_misuse(const char *text);
size_t errors_waiting(void);
/* "file:line" of that line of the calling file. */
#define assert_at(text, line_number) assert_at_(text, __FILE__, line_number)
void assert_at_(const char *text, const char *file, int line);

/* A context that is current then; and: the sentinel is current, and the test's reference is given back. */
logctx_t *in(const char *name);
void leave(void);

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
