/*
 * tracestate.c: the W3C Trace Context header `tracestate`, Level 2: read, reduced, cut. Pure functions, any
 * thread.
 *
 * The values are opaque to us. A bad member costs the whole header and never the trace.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tracestate.h"

#include <logctx/trace.h>

#define MAX_MEMBERS 32
#define MAX_KEY 256
#define MAX_VALUE 256
#define LONG_MEMBER 128

// A member, as a piece of the header.
typedef struct member {
    const char *text;
    size_t length;
    size_t key_length;
} member_t;

typedef struct members {
    member_t at[MAX_MEMBERS];
    size_t count;
} members_t;

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_key_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_key_char(char c)
{
    return is_key_start(c) || c == '_' || c == '-' || c == '*' || c == '/' || c == '@';
}

static bool is_value_char(char c)
{
    return c >= 0x20 && c <= 0x7E && c != ',' && c != '=';
}

// Checks one member without white space around it, and finds its key. A last character that is a space cannot
// occur.
static bool check(member_t *member)
{
    const char *text = member->text;
    size_t key = 0;
    while (key < member->length && is_key_char(text[key]))
        key++;
    if (key == 0 || key > MAX_KEY || !is_key_start(text[0]) || key == member->length || text[key] != '=')
        return false;
    size_t value = member->length - key - 1;
    if (value == 0 || value > MAX_VALUE)
        return false;
    for (size_t i = key + 1; i < member->length; i++) {
        if (!is_value_char(text[i]))
            return false;
    }
    member->key_length = key;
    return true;
}

static bool has_key(const members_t *members, const member_t *member)
{
    for (size_t i = 0; i < members->count; i++) {
        const member_t *other = &members->at[i];
        if (other->key_length == member->key_length && memcmp(other->text, member->text, member->key_length) == 0)
            return true;
    }
    return false;
}

// The text up to the next comma, without white space around it; *header and *length go behind that comma.
static member_t take(const char **header, size_t *length)
{
    const char *comma = memchr(*header, ',', *length);
    size_t size = comma ? (size_t)(comma - *header) : *length;
    member_t member = {.text = *header, .length = size};
    *header += comma ? size + 1 : size;
    *length -= comma ? size + 1 : size;

    while (member.length > 0 && is_space(member.text[0])) {
        member.text++;
        member.length--;
    }
    while (member.length > 0 && is_space(member.text[member.length - 1]))
        member.length--;
    return member;
}

static bool split(const char *header, size_t length, members_t *out)
{
    out->count = 0;
    size_t seen = 0;
    while (length > 0) {
        member_t member = take(&header, &length);
        if (member.length == 0)
            continue;
        if (++seen > MAX_MEMBERS || !check(&member))
            return false;
        if (!has_key(out, &member))
            out->at[out->count++] = member;
    }
    return true;
}

static size_t joined_length(const members_t *members)
{
    size_t length = members->count > 0 ? members->count - 1 : 0;
    for (size_t i = 0; i < members->count; i++)
        length += members->at[i].length;
    return length;
}

// Removes the right-most member longer than `longer_than`; false if there is none.
static bool remove_last(members_t *members, size_t longer_than)
{
    for (size_t i = members->count; i-- > 0;) {
        if (members->at[i].length <= longer_than)
            continue;
        memmove(&members->at[i], &members->at[i + 1], (members->count - i - 1) * sizeof members->at[0]);
        members->count--;
        return true;
    }
    return false;
}

static size_t join(members_t *members, char *out, size_t size)
{
    if (size == 0)
        return 0;
    while (joined_length(members) >= size) {
        if (!remove_last(members, LONG_MEMBER))
            remove_last(members, 0);
    }
    char *p = out;
    for (size_t i = 0; i < members->count; i++) {
        if (i > 0)
            *p++ = ',';
        // memmove: a header may be reduced in place, since nothing moves to the right.
        memmove(p, members->at[i].text, members->at[i].length);
        p += members->at[i].length;
    }
    *p = '\0';
    return (size_t)(p - out);
}

size_t logctx_tracestate_read(const char *header, size_t length, char *out, size_t size)
{
    members_t members;
    if (!out || size == 0)
        return 0;
    if (!header || length >= LOGCTX_TRACESTATE_SIZE || !split(header, length, &members))
        members.count = 0;
    return join(&members, out, size);
}

size_t logctx__tracestate_cut(char *out, size_t size, const char *state)
{
    return logctx_tracestate_read(state, state ? strlen(state) : 0, out, size);
}
