/*
 * values.c: integers, booleans and words of environment variables. Independent of the host's locale. No state.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "values.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

// The part of `text` without the white space around it.
static const char *trimmed(const char *text, size_t *length)
{
    while (is_space(*text)) {
        text++;
    }
    *length = strlen(text);
    while (*length > 0 && is_space(text[*length - 1])) {
        --*length;
    }
    return text;
}

static bool same(const char *text, size_t length, const char *word)
{
    if (length != strlen(word)) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (lower(text[i]) != lower(word[i])) {
            return false;
        }
    }
    return true;
}

bool logctx__value_integer(const char *text, int64_t low, int64_t high, int64_t *out)
{
    size_t length = 0;
    text = trimmed(text, &length);
    bool negative = length > 0 && text[0] == '-';
    size_t i = length > 0 && (negative || text[0] == '+') ? 1 : 0;
    if (i == length) {
        return false;
    }
    int64_t value = 0;
    for (; i < length; i++) {
        int digit = text[i] - '0';
        if (digit < 0 || digit > 9 || value > (INT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    value = negative ? -value : value;
    if (value < low || value > high) {
        return false;
    }
    *out = value;
    return true;
}

bool logctx__value_boolean(const char *text, bool *odd)
{
    size_t length = 0;
    text = trimmed(text, &length);
    bool yes = same(text, length, "true");
    *odd = !yes && length != 0 && !same(text, length, "false");
    return yes;
}

int logctx__value_word(const char *text, const char *const *words, size_t count)
{
    size_t length = 0;
    text = trimmed(text, &length);
    for (size_t i = 0; i < count; i++) {
        if (same(text, length, words[i])) {
            return (int)i;
        }
    }
    return -1;
}

void logctx__value_trim(const char *text, char *out, size_t size)
{
    size_t length = 0;
    text = trimmed(text, &length);
    if (length >= size) {
        length = size - 1;
    }
    memcpy(out, text, length);
    out[length] = '\0';
}

bool logctx__value_blank(const char *text)
{
    size_t length = 0;
    if (text != NULL) {
        trimmed(text, &length);
    }
    return length == 0;
}
