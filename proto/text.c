// SPDX-License-Identifier: Apache-2.0
// The growable, bounded text that OTLP/JSON is printed into.
// A text belongs to one thread; nothing here is shared.

#include "text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };

void logctx__text_init(struct logctx__text *text, size_t limit)
{
    // The NUL has to be countable too.
    *text = (struct logctx__text){.limit = limit < SIZE_MAX ? limit : SIZE_MAX - 1};
}

void logctx__text_free(struct logctx__text *text)
{
    free(text->bytes);
    logctx__text_init(text, text->limit);
}

void logctx__text_reset(struct logctx__text *text, size_t length)
{
    if (length < text->length)
        text->length = length;
    if (text->bytes != NULL)
        text->bytes[text->length] = '\0';
    text->failed = false;
}

static bool grow(struct logctx__text *text, size_t needed)
{
    size_t capacity = text->capacity > 0 ? text->capacity : FIRST_CAPACITY;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? SIZE_MAX : capacity * 2;
    if (capacity > text->limit + 1)
        capacity = text->limit + 1;
    char *bytes = realloc(text->bytes, capacity);
    if (bytes == NULL)
        return false;
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

bool logctx__text_append(struct logctx__text *text, const void *bytes, size_t length)
{
    if (text->failed)
        return false;
    bool fits = length <= text->limit - text->length;
    size_t needed = text->length + length + 1;
    if (!fits || (needed > text->capacity && !grow(text, needed))) {
        text->failed = true;
        return false;
    }
    if (length > 0)
        memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
    return true;
}

bool logctx__text_append_string(struct logctx__text *text, const char *string)
{
    return logctx__text_append(text, string, strlen(string));
}

bool logctx__text_append_byte(struct logctx__text *text, char byte)
{
    return logctx__text_append(text, &byte, 1);
}
