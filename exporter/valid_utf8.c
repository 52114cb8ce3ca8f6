/*
 * valid_utf8.c: UTF-8 by the table of well-formed sequences in the Unicode standard (section 3.9). No state.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "valid_utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const char replacement[] = "\xEF\xBF\xBD";

// The bounds of the second byte keep out overlong forms, surrogates and what is above U+10FFFF.
static void second_byte(uint8_t first, uint8_t *low, uint8_t *high)
{
    *low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    *high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
}

static size_t wanted_length(uint8_t first)
{
    if (first < 0x80) {
        return first == 0 ? 0 : 1;
    }
    if (first < 0xC2 || first > 0xF4) {
        return 0;
    }
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

// The length of the character at `text`; *good is false if it is the longest beginning of a bad one.
static size_t step(const uint8_t *text, size_t length, bool *good)
{
    size_t want = wanted_length(text[0]);
    *good = want != 0;
    if (want <= 1) {
        return 1;
    }
    uint8_t low = 0;
    uint8_t high = 0;
    second_byte(text[0], &low, &high);
    for (size_t i = 1; i < want; i++) {
        if (i == length || text[i] < low || text[i] > high) {
            *good = false;
            return i;
        }
        low = 0x80;
        high = 0xBF;
    }
    return want;
}

size_t logctx__valid_utf8(char *out, const char *text, size_t length)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t written = 0;
    for (size_t i = 0; i < length;) {
        bool good = false;
        size_t taken = step(bytes + i, length - i, &good);
        size_t put = good ? taken : sizeof replacement - 1;
        if (out != NULL) {
            memcpy(out + written, good ? text + i : replacement, put);
        }
        written += put;
        i += taken;
    }
    if (out != NULL) {
        out[written] = '\0';
    }
    return written;
}

void logctx__cut_utf8(char *out, size_t size, const char *text)
{
    size_t length = strlen(text);
    if (length >= size) {
        length = size - 1;
        while (length > 0 && ((uint8_t)text[length] & 0xC0) == 0x80) {
            length--;
        }
    }
    memcpy(out, text, length);
    out[length] = '\0';
}
