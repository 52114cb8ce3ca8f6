/*
 * utf8.c: text from strangers made valid UTF-8. Pure functions, any thread, no allocation.
 *
 * Nearly all text is ASCII, so that runs of it are skipped and copied whole; only what is not goes through
 * the decoder.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "utf8.h"

#define REPLACEMENT 0xFFFDu

// Bytes at the start of `in` that are ASCII.
static size_t ascii_run(const char *in, size_t in_len)
{
    size_t i = 0;
    while (i + 8 <= in_len && (logctx__utf8_load(in + i) & LOGCTX__UTF8_HIGH_BITS) == 0)
        i += 8;
    while (i < in_len && (unsigned char)in[i] < 0x80)
        i++;
    return i;
}

// What may follow a lead byte: how many bytes, and the range of the first of them, which is what keeps
// overlong forms, surrogates and characters beyond U+10FFFF out. more = 0: no lead byte.
typedef struct lead {
    unsigned more;
    unsigned char low;
    unsigned char high;
} lead_t;

static lead_t lead_of(unsigned char byte)
{
    if (byte >= 0xC2 && byte <= 0xDF)
        return (lead_t){.more = 1, .low = 0x80, .high = 0xBF};
    if (byte >= 0xE0 && byte <= 0xEF) {
        return (lead_t){.more = 2, .low = byte == 0xE0 ? 0xA0 : 0x80, .high = byte == 0xED ? 0x9F : 0xBF};
    }
    if (byte >= 0xF0 && byte <= 0xF4) {
        return (lead_t){.more = 3, .low = byte == 0xF0 ? 0x90 : 0x80, .high = byte == 0xF4 ? 0x8F : 0xBF};
    }
    return (lead_t){.more = 0, .low = 0, .high = 0};
}

// As logctx__utf8_next(); *valid tells a bad subsequence from a U+FFFD that was there.
static size_t decode(const char *in, size_t in_len, uint32_t *codepoint, bool *valid)
{
    unsigned char first = (unsigned char)in[0];
    *valid = first < 0x80;
    *codepoint = *valid ? first : REPLACEMENT;
    lead_t lead = lead_of(first);
    if (lead.more == 0)
        return 1;

    uint32_t value = first & (0x3Fu >> lead.more);
    unsigned char low = lead.low;
    unsigned char high = lead.high;
    for (size_t i = 1; i <= lead.more; i++) {
        if (i == in_len || (unsigned char)in[i] < low || (unsigned char)in[i] > high)
            return i;
        value = value << 6 | ((unsigned char)in[i] & 0x3Fu);
        low = 0x80;
        high = 0xBF;
    }
    *valid = true;
    *codepoint = value;
    return lead.more + 1;
}

size_t logctx__utf8_next(const char *in, size_t in_len, uint32_t *codepoint)
{
    bool valid;
    return decode(in, in_len, codepoint, &valid);
}

static size_t codepoint_size(uint32_t codepoint)
{
    return 1 + (size_t)(codepoint >= 0x80) + (size_t)(codepoint >= 0x800) + (size_t)(codepoint >= 0x10000);
}

size_t logctx__utf8_put(char out[4], uint32_t codepoint)
{
    static const unsigned char marks[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t size = codepoint_size(codepoint);
    for (size_t i = size - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (codepoint & 0x3F));
        codepoint >>= 6;
    }
    out[0] = (char)(marks[size] | codepoint);
    return size;
}

size_t logctx__utf8_measure(const char *in, size_t in_len, uint32_t max_chars, bool *same)
{
    *same = true;
    if (!in)
        return 0;
    if (in_len <= max_chars && logctx__utf8_is_ascii(in, in_len))
        return in_len;

    size_t size = 0;
    size_t left = max_chars == LOGCTX__UTF8_NO_LIMIT ? SIZE_MAX : max_chars;
    for (size_t i = 0; i < in_len && left > 0;) {
        size_t run = ascii_run(in + i, in_len - i < left ? in_len - i : left);
        i += run;
        size += run;
        left -= run;
        if (i == in_len || left == 0)
            break;
        uint32_t codepoint;
        bool valid;
        i += decode(in + i, in_len - i, &codepoint, &valid);
        size += codepoint_size(codepoint);
        left--;
        *same = *same && valid;
    }
    return size;
}

size_t logctx__utf8_size(const char *in, size_t in_len, uint32_t max_chars)
{
    bool same;
    return logctx__utf8_measure(in, in_len, max_chars, &same);
}

size_t logctx__utf8_copy(char *out, size_t out_size, const char *in, size_t in_len, uint32_t max_chars)
{
    if (!in || in_len == 0)
        return 0;
    size_t written = 0;
    size_t left = max_chars == LOGCTX__UTF8_NO_LIMIT ? SIZE_MAX : max_chars;
    for (size_t i = 0; i < in_len && left > 0;) {
        size_t want = in_len - i < left ? in_len - i : left;
        size_t run = ascii_run(in + i, want < out_size - written ? want : out_size - written);
        if (run > 0)
            memcpy(out + written, in + i, run);
        i += run;
        written += run;
        left -= run;
        if (i == in_len || left == 0)
            break;
        uint32_t codepoint;
        i += logctx__utf8_next(in + i, in_len - i, &codepoint);
        if (codepoint_size(codepoint) > out_size - written)
            break;
        written += logctx__utf8_put(out + written, codepoint);
        left--;
    }
    return written;
}

bool logctx__utf8_equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
    if (a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0))
        return true;
    size_t i = 0;
    size_t j = 0;
    while (i < a_len && j < b_len) {
        // The common case of different ASCII keys ends here without decoding.
        if (a[i] != b[j] && ((unsigned char)a[i] < 0x80 || (unsigned char)b[j] < 0x80))
            return false;
        uint32_t left;
        uint32_t right;
        i += logctx__utf8_next(a + i, a_len - i, &left);
        j += logctx__utf8_next(b + j, b_len - j, &right);
        if (left != right)
            return false;
    }
    return i == a_len && j == b_len;
}
