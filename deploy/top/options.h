/*
 * options.h: the command line of logctx-top, and what the keys change of it. Of the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TOP_OPTIONS_H
#define LOGCTX_TOP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum mode { MODE_SCREEN, MODE_ONCE, MODE_JSON, MODE_LIST, MODE_HELP, MODE_VERSION };
enum sort { SORT_AGE, SORT_CPU, SORT_DB, SORT_WAIT, SORT_ERRORS, SORT_NAME, SORT_STATE, SORT_COUNT };
enum { FILTER_SIZE = 128 };

struct options {
    enum mode mode;
    pid_t pid;        /* 0: a file */
    const char *file; /* NULL: a process */
    unsigned delay_ms;
    enum sort sort;
    bool reverse;
    uint64_t limit;           /* rows; 0: all */
    const char *kind;         /* NULL: any */
    char filter[FILTER_SIZE]; /* in the name or the kind; empty: any */
};

enum { DELAY_MIN_MS = 100, DELAY_MAX_MS = 60000 };

extern const char options_help[];
extern const char *const sort_names[SORT_COUNT];

/* False: `why` is a sentence. */
bool options_read(struct options *options, int argc, char **argv, char *why, size_t why_size);

#endif
