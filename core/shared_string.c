// Counted immutable strings: a server's name or a tracestate, which a context shares with its children.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

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

// Servers: a program names few, and names them with each context. The first ones are kept for ever, so that contexts of
// them allocate nothing, and threads do not count references in one place. `refs` 0: kept.
enum { KEPT = 64, KEPT_MAX = 255 };
static _Atomic(struct shared_string *) kept[KEPT];

static bool is_kept(const struct shared_string *string)
{
    return READ_RELAXED(string->refs) == 0;
}

// The kept one of that text, which is made if there is room; NULL if there is none, or no memory.
static struct shared_string *keep(const char *text, size_t length)
{
    for (size_t i = 0; i < KEPT;) {
        struct shared_string *there = atomic_load_explicit(&kept[i], memory_order_acquire);
        if (there && there->length == length && memcmp(there->text, text, length) == 0)
            return there;
        if (there) {
            i++;
            continue;
        }
        struct shared_string *made = logctx__string_new(text, length, KEPT_MAX);
        if (!made)
            return NULL;
        atomic_init(&made->refs, 0);
        if (atomic_compare_exchange_strong(&kept[i], &there, made))
            return made;
        free(made); // another thread was quicker: look at what it has put there
    }
    return NULL;
}

struct shared_string *logctx__string_server(const char *text, size_t max_bytes)
{
    size_t length = strlen(text);
    bool plain = length <= KEPT_MAX && logctx__utf8_is_ascii(text, length);
    struct shared_string *string = plain ? keep(text, length) : NULL;
    return string ? string : logctx__string_new(text, length, max_bytes);
}

struct shared_string *logctx__string_ref(struct shared_string *string)
{
    if (string && !is_kept(string))
        atomic_fetch_add_explicit(&string->refs, 1, memory_order_relaxed);
    return string;
}

void logctx__string_unref(struct shared_string *string)
{
    if (string && !is_kept(string) && atomic_fetch_sub_explicit(&string->refs, 1, memory_order_acq_rel) == 1)
        free(string);
}
