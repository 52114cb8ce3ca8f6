/*
 * reported.h: what tests of logctx/testing.h say of the errors that were reported: which, and with which places. Thread: the
 * test's own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_REPORTED_H
#define LOGCTX_TESTS_REPORTED_H

#include <logctx/testing.h>

/* The oldest error that was not taken yet, which has to be of that kind; and several of them. */
#define take_error(kind) logctx_take_transition_error(kind)
#define take_errors(kind, count) take_errors_at((kind), (count), LOGCTX_HERE)
void take_errors_at(logctx_error_kind_t kind, size_t count, const logctx_site_t *site);

/* The oldest, which has to be invalid_use and to say that. */
#define take_misuse(text) take_misuse_at((text), LOGCTX_HERE)
void take_misuse_at(const char *text, const logctx_site_t *site);

/* "file:line" of that line of the calling file. */
#define assert_at(text, line_number) assert_at_(text, __FILE__, line_number)
void assert_at_(const char *text, const char *file, int line);
/* The same as spans have it: with the function, which is the test's. */
#define assert_in(text, line_number) assert_in_(text, __FILE__, line_number, __func__)
void assert_in_(const char *text, const char *file, int line, const char *function);

#endif
