/* SPDX-License-Identifier: Apache-2.0 */
/* A text that grows up to a limit. The first append that does not fit, in the limit or in memory, makes it
 * failed, and failed it stays until it is reset: a long chain of appends is checked once, at its end. One
 * thread owns it. */

#ifndef LOGCTX_PROTO_TEXT_H
#define LOGCTX_PROTO_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct logctx__text {
    char *bytes;     /* NUL-terminated as soon as anything was appended; NULL before */
    size_t length;   /* without the NUL */
    size_t capacity; /* with the NUL */
    size_t limit;    /* the largest length */
    bool failed;
};

/* An empty text without memory of its own yet. */
void logctx__text_init(struct logctx__text *text, size_t limit);
void logctx__text_free(struct logctx__text *text);

/* Cuts the text to its first `length` bytes, keeps the memory, and forgives an earlier failure. */
void logctx__text_reset(struct logctx__text *text, size_t length);

bool logctx__text_append(struct logctx__text *text, const void *bytes, size_t length);
bool logctx__text_append_string(struct logctx__text *text, const char *string);
bool logctx__text_append_byte(struct logctx__text *text, char byte);

#endif
