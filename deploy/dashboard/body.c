// SPDX-License-Identifier: Apache-2.0
// Collects and inflates one request body within the limits of its header comment.
// No state beside the body itself.

#include "body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_CAPACITY = 16 << 10,
    GZIP_ONLY = 15 + 16, // zlib's way to say: the largest window, and a gzip header
    OVER_LIMIT = 1000,   // beside zlib's own results
};

bool body_init(struct body *body, struct memory *memory, size_t limit, bool gzip)
{
    *body = (struct body){.memory = memory, .limit = limit, .gzip = gzip};
    return !gzip || inflateInit2(&body->stream, GZIP_ONLY) == Z_OK;
}

static void drop_bytes(struct body *body)
{
    free(body->bytes);
    if (body->capacity > 0)
        memory_give(body->memory, body->capacity);
    body->bytes = NULL;
    body->length = 0;
    body->capacity = 0;
}

void body_free(struct body *body)
{
    drop_bytes(body);
    if (body->gzip)
        inflateEnd(&body->stream);
    body->gzip = false;
}

static enum body_state fail(struct body *body, enum body_state state)
{
    drop_bytes(body);
    body->state = state;
    return state;
}

// Makes room for at least one more byte, and for `wanted` ones if the limit allows it.
static bool make_room(struct body *body, size_t wanted)
{
    if (body->capacity - body->length >= wanted)
        return true;
    size_t capacity = body->capacity > 0 ? body->capacity : FIRST_CAPACITY;
    while (capacity - body->length < wanted && capacity < body->limit)
        capacity *= 2;
    if (capacity > body->limit)
        capacity = body->limit;
    if (capacity == body->capacity)
        return body->length < capacity;
    if (!memory_take(body->memory, capacity - body->capacity))
        return false;
    uint8_t *bytes = realloc(body->bytes, capacity);
    if (bytes == NULL) {
        memory_give(body->memory, capacity - body->capacity);
        return false;
    }
    body->bytes = bytes;
    body->capacity = capacity;
    return true;
}

static enum body_state feed_plain(struct body *body, const void *bytes, size_t length)
{
    if (length > body->limit - body->length)
        return fail(body, BODY_TOO_LARGE);
    if (!make_room(body, length))
        return fail(body, BODY_NO_MEMORY);
    memcpy(body->bytes + body->length, bytes, length);
    body->length += length;
    return BODY_GOOD;
}

// One step of the inflater into the room that there is. At the limit it gets one byte of room elsewhere: whether the
// body ends exactly there or goes on can only be known by asking for more.
static int inflate_some(struct body *body)
{
    uint8_t one_too_many;
    bool full = body->length == body->limit;
    size_t room = full ? 1 : body->capacity - body->length;
    body->stream.next_out = full ? &one_too_many : body->bytes + body->length;
    body->stream.avail_out = room < UINT32_MAX ? (uInt)room : UINT32_MAX;
    uInt before = body->stream.avail_out;
    int result = inflate(&body->stream, Z_NO_FLUSH);
    size_t produced = before - body->stream.avail_out;
    if (full && produced > 0)
        return OVER_LIMIT;
    body->length += produced;
    return result;
}

static enum body_state inflate_all(struct body *body)
{
    for (;;) {
        if (body->length < body->limit && !make_room(body, 1))
            return fail(body, BODY_NO_MEMORY);
        if (!body->inside_member && body->stream.avail_in > 0) {
            // Several members in a row are one body, as gzip's own definition says.
            if (body->any_member && inflateReset(&body->stream) != Z_OK)
                return fail(body, BODY_BROKEN);
            body->inside_member = true;
            body->any_member = true;
        }
        if (!body->inside_member)
            return BODY_GOOD;
        int result = inflate_some(body);
        if (result == OVER_LIMIT)
            return fail(body, BODY_TOO_LARGE);
        if (result == Z_MEM_ERROR)
            return fail(body, BODY_NO_MEMORY);
        if (result == Z_STREAM_END)
            body->inside_member = false;
        else if (result == Z_BUF_ERROR || (result == Z_OK && body->stream.avail_in == 0 && body->stream.avail_out > 0))
            return BODY_GOOD;
        else if (result != Z_OK)
            return fail(body, BODY_BROKEN);
    }
}

static enum body_state feed_gzip(struct body *body, const void *bytes, size_t length)
{
    const uint8_t *next = bytes;
    while (length > 0 && body->state == BODY_GOOD) {
        uInt part = length < (1U << 30) ? (uInt)length : 1U << 30;
        body->stream.next_in = (z_const Bytef *)next;
        body->stream.avail_in = part;
        inflate_all(body);
        next += part;
        length -= part;
    }
    return body->state;
}

enum body_state body_feed(struct body *body, const void *bytes, size_t length)
{
    body->wire = length > SIZE_MAX - body->wire ? SIZE_MAX : body->wire + length;
    if (body->state != BODY_GOOD || length == 0)
        return body->state;
    if (body->wire > body->limit)
        return fail(body, BODY_TOO_LARGE);
    return body->gzip ? feed_gzip(body, bytes, length) : feed_plain(body, bytes, length);
}

enum body_state body_finish(struct body *body)
{
    if (body->state == BODY_GOOD && body->gzip && (body->inside_member || !body->any_member))
        return fail(body, BODY_BROKEN);
    return body->state;
}

void body_why(const struct body *body, char *why, size_t why_size)
{
    switch (body->state) {
    case BODY_TOO_LARGE:
        snprintf(why, why_size,
                 "The body is larger than %zu bytes%s; send smaller batches, or start logctx-dashboard with a larger "
                 "--max-body.",
                 body->limit, body->gzip ? " before or after inflating" : "");
        break;
    case BODY_BROKEN:
        snprintf(why, why_size,
                 "The body is not the complete gzip that its Content-Encoding announces; check that "
                 "it is compressed once and sent whole.");
        break;
    case BODY_NO_MEMORY:
        snprintf(why, why_size,
                 "Other requests use all the memory that this server gives to bodies; try again in "
                 "a moment.");
        break;
    case BODY_GOOD:
        snprintf(why, why_size, "%s", "");
        break;
    }
}
