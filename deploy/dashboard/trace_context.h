/*
 * trace_context.h: one context of a trace as JSON: what it used, how its life went, what was noted on it. The reading
 * thread owns everything.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_TRACE_CONTEXT_H
#define DASHBOARD_TRACE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <sqlite3.h>

#include "trace_tree.h"

/* So many of each are shown of one context; the totals stand beside them. */
enum { CONTEXT_ATTRIBUTES_MAX = 128, CONTEXT_EVENTS_MAX = 128, CONTEXT_LINKS_MAX = 128, CONTEXT_ERRORS_MAX = 64 };

enum context_statement {
    CONTEXT_SPAN,
    CONTEXT_USED,
    CONTEXT_EVENTS,
    CONTEXT_LINKS,
    CONTEXT_ERRORS,
    CONTEXT_ERROR,
    CONTEXT_LATE,
    CONTEXT_STATEMENTS,
};

struct used;
struct late;

struct context_reader {
    const struct tree *tree;
    int64_t start; /* offsets count from here */
    sqlite3_stmt *statements[CONTEXT_STATEMENTS];
    bool failed;
    struct used *used; /* of each node with those below it in its process */
    struct late *late; /* errors that were noticed after their context had been sent */
    size_t late_count;
};

/* False: no memory, or the database failed. In any case to be cleared. */
bool context_reader_init(struct context_reader *reader, sqlite3 *db, const struct tree *tree, int64_t start);

/* The context at that index of the nodes. A new reference. */
json_t *context_read(struct context_reader *reader, int node);

/* False: something was not read to its end. */
bool context_reader_clear(struct context_reader *reader);

#endif
