/*
 * forked.h: children of fork in tests. A child judges by its exit status; a line of its own says what was wrong.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_CORE_FORKED_H
#define LOGCTX_TESTS_CORE_FORKED_H

#include <logctx/collect.h>
#include <logctx/logctx.h>
#include <logctx/recorder.h>
#include <stdio.h>

/* In a child: cmocka's assertions would go on with the parent's tests there. */
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: in the child: %s\n", __FILE__, __LINE__, #condition);                              \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

enum { HANGS_AFTER_S = 60 };

/* Runs the body in a child, and returns its exit status. The child is killed if it hangs. */
int run_child(int (*body)(void));

logctx_books_t books(void);
bool balanced(void);
uint64_t all_errors(void);
logctx_t *make(const char *name, logctx_t *parent);
void end(logctx_t *ctx);

/* Contexts that are made before a fork; and everything that one can do with a context, right and wrong. */
extern struct inherited {
    logctx_recorder_t *recorder;
    logctx_t *parent, *running, *finished, *other; // `running` is a child of `parent`; `other` was never current
} inherited;
void make_inherited(void);
void drop_inherited(void);
void use(logctx_t *ctx);

#endif
