/*
 * valid_utf8.h: makes valid UTF-8 of text that comes from the environment, the system or the application.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_VALID_UTF8_H
#define LOGCTX_EXPORTER_VALID_UTF8_H

#include <stddef.h>

// The length of `text` with every bad sequence and every zero byte as U+FFFD. Writes that and a zero to `out` if
// not NULL.
size_t logctx__valid_utf8(char *out, const char *text, size_t length);

// Cuts a valid text to at most `size` - 1 bytes, on a character.
void logctx__cut_utf8(char *out, size_t size, const char *text);

#endif
