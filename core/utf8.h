/*
 * utf8.h: internal. Text from strangers made valid UTF-8: each maximal bad subsequence becomes one U+FFFD, as
 * Unicode and WHATWG recommend. Pure functions, any thread, no allocation.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_CORE_UTF8_H
#define LOGCTX_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LOGCTX__UTF8_NO_LIMIT UINT32_MAX
#define LOGCTX__UTF8_HIGH_BITS UINT64_C(0x8080808080808080)

static inline uint64_t logctx__utf8_load(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

/*
 * Whether all bytes are below 0x80. NULL with length 0 is. Inline because every key and nearly every value of
 * every attribute passes here and no further; the last word overlaps the one before, so that there is no loop
 * over bytes.
 */
static inline bool logctx__utf8_is_ascii(const char *in, size_t in_len)
{
    uint64_t high = 0;
    if (in_len >= 8) {
        for (size_t i = 0; i < in_len - 8; i += 8)
            high |= logctx__utf8_load(in + i);
        return ((high | logctx__utf8_load(in + in_len - 8)) & LOGCTX__UTF8_HIGH_BITS) == 0;
    }
    for (size_t i = 0; i < in_len; i++)
        high |= (unsigned char)in[i];
    return (high & 0x80) == 0;
}

/*
 * How many bytes at the start of in[0..in_len), which must not be empty, make one character or one bad
 * subsequence; *codepoint gets the character, or U+FFFD for a bad one.
 */
size_t logctx__utf8_next(const char *in, size_t in_len, uint32_t *codepoint);

/* Write a character of logctx__utf8_next() in 1 to 4 bytes; returns how many. */
size_t logctx__utf8_put(char out[4], uint32_t codepoint);

/* How many bytes logctx__utf8_copy() writes when there is room. `in` may be NULL: 0. */
size_t logctx__utf8_size(const char *in, size_t in_len, uint32_t max_chars);

/* The same; *same says whether those bytes are a plain prefix of `in`, so that memcpy will do. */
size_t logctx__utf8_measure(const char *in, size_t in_len, uint32_t max_chars, bool *same);

/*
 * Copy made valid, at most max_chars characters and out_size bytes, never splitting a character. Returns the
 * bytes written; writes no zero. U+0000 is a character like any other. `in` may be NULL: 0.
 */
size_t logctx__utf8_copy(char *out, size_t out_size, const char *in, size_t in_len, uint32_t max_chars);

/* Whether two texts are the same once they are made valid: "\xff" equals "\xfe". */
bool logctx__utf8_equal(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
