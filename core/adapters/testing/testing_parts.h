/*
 * testing_parts.h: what the files of this library ask of each other. All of it runs on the thread that runs the tests, but
 * for the error hook in errors.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTING_PARTS_H
#define LOGCTX_TESTING_PARTS_H

#include <logctx/testing.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* say.c: text for cmocka's report of this test. */
void logctx__say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* errors.c: begin to collect errors; end it, and put back what was before. */
void logctx__errors_begin(void);
void logctx__errors_end(void);
/* Whether a test is between the two. */
bool logctx__errors_collected(void);
/* Say what was not expected and what did not come; returns how many complaints that were. */
size_t logctx__errors_judge(void);
/* Say what came, for a test that has failed by itself. */
void logctx__errors_mention(void);

/* leftovers.c: what there is before the test; say what it has left; give the memory back. */
bool logctx__leftovers_begin(void);
size_t logctx__leftovers_judge(void);
void logctx__leftovers_end(void);
/* Say which contexts are in flight at all. */
void logctx__leftovers_list(void);
/* Say that the sentinel is not current, and put it back. */
size_t logctx__sentinel_judge(const char *when);
/* Put it back without a word, and without an error to anybody. */
void logctx__sentinel_restore(void);

#endif
