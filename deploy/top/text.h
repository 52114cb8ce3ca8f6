/*
 * text.h: what the table says made fit for a terminal: names without control characters, and numbers short enough for a
 * column. Of the printing thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TOP_TEXT_H
#define LOGCTX_TOP_TEXT_H

#include <stdio.h>

#include "display.h"
#include "snapshot.h"

/* Takes from the environment whether the terminal shows more than ASCII. */
void text_begin(void);
void text_end(void);

/* Escaped, and cut to `columns`. Returns `out`, of DISPLAY_SIZE bytes. */
char *text_fit(struct layout_text text, int columns, char *out);
/* The same, filled with spaces up to `columns`. */
char *text_column(struct layout_text text, int columns, char *out);
struct layout_text text_of(const char *text);

enum { TEXT_SHORT = 24 };
/* At most 6 columns: 0, 12us, 3.4ms, 1.23s, 59.9s, 2m05s, 3h12m, 4d02h, 312d. */
char *text_duration(int64_t ns, char out[TEXT_SHORT]);
/* At most 5 columns: 0, 999, 12.3k, 4.5M. */
char *text_count(uint64_t count, char out[TEXT_SHORT]);
/* 2026-11-23 12:00:00 UTC */
char *text_moment(uint64_t unix_ns, char out[TEXT_SHORT]);
/* "demo/demo.c:12 handle", or "" if the table does not know the site. `out` has DISPLAY_SIZE bytes and may hold anything. */
void text_site(const struct layout *layout, uint64_t address, bool function, char *out);

#endif
