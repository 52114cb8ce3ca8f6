// Counted immutable strings: a server's name or a tracestate, which a context shares with its children.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"
#include "utf8.h"

#include <stdlib.h>

// Made valid UTF-8, and cut on a character.
struct shared_string *logctx__string_new(const char *text, size_t length, size_t max_bytes)
{
    size_t room = logctx__utf8_size(text, length, LOGCTX__UTF8_NO_LIMIT);
    if (room > max_bytes)
        room = max_bytes;
    struct shared_string *string = malloc(sizeof *string + room + 1);
    if (!string)
        return NULL;
    atomic_init(&string->refs, 1);
    string->length = (uint32_t)logctx__utf8_copy(string->text, room, text, length, LOGCTX__UTF8_NO_LIMIT);
    string->text[string->length] = '\0';
    return string;
}

struct shared_string *logctx__string_ref(struct shared_string *string)
{
    if (string)
        atomic_fetch_add_explicit(&string->refs, 1, memory_order_relaxed);
    return string;
}

void logctx__string_unref(struct shared_string *string)
{
    if (string && atomic_fetch_sub_explicit(&string->refs, 1, memory_order_acq_rel) == 1)
        free(string);
}
