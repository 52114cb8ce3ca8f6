/*
 * body.h: the body of one request, inflated while it arrives. The compressed bytes are never kept, and inflating stops
 * at the limit, so a small bomb costs no more than an honest body of the limit's size.
 * A body belongs to one thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_BODY_H
#define DASHBOARD_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zlib.h>

#include "memory.h"

enum body_state {
    BODY_GOOD,
    BODY_TOO_LARGE, /* over the limit, compressed or not */
    BODY_BROKEN,    /* not the gzip that its header announces */
    BODY_NO_MEMORY, /* the server's account is used up: worth another try */
};

struct body {
    struct memory *memory;
    size_t limit; /* for the bytes on the wire, and again for the inflated ones */
    size_t wire;  /* bytes that came, also those that were thrown away after a failure */
    uint8_t *bytes;
    size_t length;
    size_t capacity;
    enum body_state state; /* once it is not BODY_GOOD, further bytes are counted and thrown away */
    bool gzip;
    bool inside_member; /* the gzip member at hand has not ended */
    bool any_member;
    z_stream stream;
};

/* False without memory for the inflater. */
bool body_init(struct body *body, struct memory *memory, size_t limit, bool gzip);

/* Also for a body that is all zeros, and again for one that was freed. */
void body_free(struct body *body);

/* Takes the next bytes from the wire. */
enum body_state body_feed(struct body *body, const void *bytes, size_t length);

/* The last byte has come: tells a complete gzip body from a cut one. */
enum body_state body_finish(struct body *body);

/* What is wrong, as a sentence for the sender; "" for a good body. */
void body_why(const struct body *body, char *why, size_t why_size);

#endif
