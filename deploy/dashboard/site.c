// SPDX-License-Identifier: Apache-2.0
// Takes call sites apart. No state; any thread.

#include "site.h"

#include <stdio.h>
#include <string.h>

// What the recorder keeps of a place; logctx_switch_t has the size.
enum { CUT_LENGTH = 95 };

// Whether the first `length` bytes end with a mark and digits behind it, as in ":61".
static bool ends_with_number(const char *text, size_t length, const char *mark, const char *digits)
{
    size_t at = length;
    while (at > 0 && strchr(digits, text[at - 1]) != NULL)
        at--;
    size_t size = strlen(mark);
    return at < length && at > size && memcmp(text + at - size, mark, size) == 0;
}

static bool is_line(const char *text, size_t length)
{
    return ends_with_number(text, length, ":", "0123456789");
}

static bool is_place(const char *text, size_t length)
{
    return is_line(text, length) || ends_with_number(text, length, "+0x", "0123456789abcdef");
}

// The length without the function, whose name begins at `*function` and ends before the last byte.
static size_t before_function(const char *text, const char **function)
{
    size_t length = strlen(text);
    *function = NULL;
    if (length == 0 || text[length - 1] != ')')
        return length;
    for (const char *at = strstr(text, " ("); at != NULL; at = strstr(at + 1, " (")) {
        if (!is_place(text, (size_t)(at - text)))
            continue;
        *function = at + 2;
        return (size_t)(at - text);
    }
    return length;
}

bool site_read(const char *text, struct site *site)
{
    const char *function;
    *site = (struct site){.place = ""};
    if (text == NULL || *text == '\0')
        return false;
    size_t length = before_function(text, &function);
    size_t folder = 0;
    if (is_line(text, length)) {
        snprintf(site->path, sizeof site->path, "%.*s", (int)length, text);
        for (size_t i = 0; i < length; i++)
            if (text[i] == '/')
                folder = i + 1;
    }
    snprintf(site->place, sizeof site->place, "%.*s", (int)(length - folder), text + folder);
    if (function != NULL)
        snprintf(site->function, sizeof site->function, "%.*s", (int)(strlen(function) - 1), function);
    return true;
}

static bool is_end_of(const char *text, size_t length, const char *end, size_t end_length)
{
    return end_length <= length && memcmp(text + length - end_length, end, end_length) == 0;
}

bool site_same(const char *a, const char *b)
{
    const char *function;
    size_t a_length = before_function(a, &function);
    size_t b_length = before_function(b, &function);
    if (a_length == b_length)
        return memcmp(a, b, a_length) == 0;
    if (a_length >= CUT_LENGTH && b_length >= CUT_LENGTH)
        return is_end_of(a, a_length, b, b_length) || is_end_of(b, b_length, a, a_length);
    return false;
}
