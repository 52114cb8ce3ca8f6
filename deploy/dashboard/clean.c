// SPDX-License-Identifier: Apache-2.0
// Checks and mends UTF-8. No state; any thread.

#include "clean.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char REPLACEMENT[] = "\xEF\xBF\xBD";
static const char ELLIPSIS[] = "\xE2\x80\xA6";

// The terminating NUL is no continuation byte, so nothing is read behind it.
size_t clean_character(const char *text, uint32_t *code)
{
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)text;
    size_t length = p[0] < 0x80 ? 1 : p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    uint32_t value = length == 1 ? p[0] : p[0] & (0xFFU >> (length + 1));
    if (length > 1 && (p[0] < 0xC2 || p[0] > 0xF4))
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (p[i] & 0x3F);
    }
    if (value < lowest[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *code = value;
    return length;
}

static bool is_clean(const char *text, size_t limit)
{
    uint32_t code;
    const char *p = text;
    while (*p != '\0') {
        size_t length = clean_character(p, &code);
        if (length == 0)
            return false;
        p += length;
        if ((size_t)(p - text) > limit)
            return false;
    }
    return true;
}

static char *mend(char *out, const char *text, size_t limit)
{
    uint32_t code;
    size_t used = 0;
    while (*text != '\0') {
        size_t length = clean_character(text, &code);
        const char *from = length > 0 ? text : REPLACEMENT;
        size_t size = length > 0 ? length : sizeof REPLACEMENT - 1;
        if (used + size > limit) {
            memcpy(out + used, ELLIPSIS, sizeof ELLIPSIS);
            return out;
        }
        memcpy(out + used, from, size);
        used += size;
        text += length > 0 ? length : 1;
    }
    out[used] = '\0';
    return out;
}

char *clean_text(const char *text, size_t limit)
{
    if (is_clean(text, limit))
        return NULL;
    char *out = malloc(limit + sizeof ELLIPSIS);
    return out != NULL ? mend(out, text, limit) : strdup("");
}
