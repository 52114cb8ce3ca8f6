/*
 * rows.h: which contexts are shown, and in which order; and how each looks as a line. Of the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TOP_ROWS_H
#define LOGCTX_TOP_ROWS_H

#include "options.h"
#include "text.h"

struct rows {
    const struct snapshot_context **rows; /* NULL: no memory */
    size_t count;
    size_t hidden; /* not shown for the filter, the kind or the limit */
};

struct rows rows_select(const struct snapshot *snapshot, const struct options *options);
void rows_free(struct rows *rows);

/* Columns, in the order in which they are shown. */
enum column_id {
    COLUMN_AGE,
    COLUMN_STATE,
    COLUMN_THREAD,
    COLUMN_CPU,
    COLUMN_DB,
    COLUMN_WAIT,
    COLUMN_TXN,
    COLUMN_ERRORS,
    COLUMN_TYPE,
    COLUMN_NAME,
    COLUMN_KIND,
    COLUMN_SITE,
    COLUMN_COUNT
};

struct columns {
    int width[COLUMN_COUNT]; /* 0: not shown */
};

/* What fits into so many columns of the terminal: first the numbers, then names, then the rest. */
struct columns rows_fit(const struct snapshot *snapshot, const struct rows *rows, int width);
/* As wide as each text is, and all of them. */
struct columns rows_whole(const struct snapshot *snapshot, const struct rows *rows);

const char *rows_title(enum column_id column);
bool rows_is_number(enum column_id column);
/* The column by which that order is. */
enum column_id rows_sorted_by(enum sort sort);
/* One cell, escaped and not yet cut; `out` has DISPLAY_SIZE bytes. */
void rows_cell(const struct snapshot *snapshot, const struct snapshot_context *context, enum column_id column,
               char *out);
/* running, asleep (it is current, and its thread sleeps in the kernel), txn, idle, new or held. */
const char *rows_state(const struct snapshot *snapshot, const struct snapshot_context *context);
/* What CPU is shown: with the slice that runs, as long as its thread has not slept. */
int64_t rows_cpu(const struct snapshot *snapshot, const struct snapshot_context *context);
/* The thread's loop, or its number. */
void rows_thread(const struct snapshot_thread *thread, char *out);

#endif
