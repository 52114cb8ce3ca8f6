/*
 * segments.h: how the life of a context went, from its attribute logctx.segments: "offset_us+length_us:state ...". The
 * text may be anybody's: it is read as a whole or not at all. Plain values; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_SEGMENTS_H
#define DASHBOARD_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The contract allows so many in a text; without overlaps they can become about twice as many. */
enum { SEGMENTS_MAX = 32, SEGMENTS_FLAT_MAX = 2 * SEGMENTS_MAX };

/* A later one covers an earlier one: a transaction says more about a moment than that the context was current in it. */
enum segment_state { SEGMENT_RUN, SEGMENT_POOL, SEGMENT_TXN, SEGMENT_STATES };
extern const char *const segment_state_names[SEGMENT_STATES];

struct segment {
    int64_t offset_us; /* from the start of the context */
    int64_t length_us;
    enum segment_state state;
};

struct segments {
    struct segment items[SEGMENTS_FLAT_MAX];
    size_t count;
};

/* Shares of a life, in seconds: together they are its duration. */
struct split {
    double states[SEGMENT_STATES];
    double idle;
};

/*
 * Reads the text. False: it is not well formed, `segments` is empty, and `*why` is a sentence. Well formed are 1 to
 * SEGMENTS_MAX entries with one blank between them, in the order of their offsets, with numbers of at most 15 digits.
 */
bool segments_read(const char *text, struct segments *segments, const char **why);

/* Cuts what lies beyond the end of the life, and resolves overlaps: in order, none touches one of its own state. */
void segments_flatten(struct segments *segments, int64_t life_us);

/* For segments that are flat for that life. */
struct split segments_split(const struct segments *segments, int64_t life_us);

#endif
