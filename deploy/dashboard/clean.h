/*
 * clean.h: text from strangers made safe to keep: valid UTF-8 of bounded size. No state; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_CLEAN_H
#define DASHBOARD_CLEAN_H

#include <stddef.h>
#include <stdint.h>

/* The length of the well-formed UTF-8 character at the start of the NUL-terminated text, and its code; 0 if the first
 * byte begins none. */
size_t clean_character(const char *text, uint32_t *code);

/*
 * NULL if the text is valid UTF-8 of at most `limit` bytes; else a copy, to be freed, that is: each byte that belongs
 * to no character becomes U+FFFD, and the rest is cut on a character and marked with an ellipsis. Without memory: "".
 */
char *clean_text(const char *text, size_t limit);

#endif
