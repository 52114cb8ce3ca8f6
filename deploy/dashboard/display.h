/*
 * display.h: text from strangers made fit for a terminal: no control character gets through, and lengths are counted
 * in the columns that it will take. display_begin has to be called first by the thread that prints.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_DISPLAY_H
#define DASHBOARD_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A name with all its escapes, at most; what is longer is cut. */
enum { DISPLAY_SIZE = 1024 };

/* Makes the C library know the widths of characters, for this thread. Without it each character counts as one. */
void display_begin(void);
void display_end(void);

/* The columns of a text that holds nothing to escape. */
int display_columns(const char *text);

/*
 * The text (NULL: "") with control characters, marks that turn the writing direction, and bytes that are no UTF-8 as
 * \xHH or \u{HHHH}, cut with an ellipsis to at most `columns` columns. `out` has DISPLAY_SIZE bytes.
 */
void display_fit(const char *text, int columns, char out[DISPLAY_SIZE]);

/* Numbers: with a comma between thousands; a time in the form 2026-11-23 12:00:00 (UTC), with milliseconds or not. */
void display_number(double value, int decimals, char *out, size_t out_size);
void display_time(int64_t unix_nano, bool date, bool milliseconds, char *out, size_t out_size);

/* How the seconds of one or several columns are written: the same unit for all, so that they compare at a glance. */
struct display_unit {
    const char *name;
    double factor;
    int decimals;
};
struct display_unit display_unit_for(double largest_s);

#endif
