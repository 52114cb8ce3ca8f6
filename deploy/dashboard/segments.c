// SPDX-License-Identifier: Apache-2.0
// Reads segments, and makes of overlapping ones a sequence. No state; any thread.

#include "segments.h"

#include <string.h>

enum { DIGITS_MAX = 15 }; // 31 years in microseconds, and exact in a double

const char *const segment_state_names[SEGMENT_STATES] = {
    [SEGMENT_RUN] = "run", [SEGMENT_POOL] = "pool", [SEGMENT_TXN] = "txn"};

static bool read_number(const char **at, int64_t *number)
{
    size_t digits = strspn(*at, "0123456789");
    if (digits == 0 || digits > DIGITS_MAX || (digits > 1 && **at == '0'))
        return false;
    *number = 0;
    for (size_t i = 0; i < digits; i++)
        *number = *number * 10 + ((*at)[i] - '0');
    *at += digits;
    return true;
}

static bool read_state(const char **at, enum segment_state *state)
{
    size_t length = strcspn(*at, " ");
    for (int i = 0; i < SEGMENT_STATES; i++) {
        if (strlen(segment_state_names[i]) != length || memcmp(*at, segment_state_names[i], length) != 0)
            continue;
        *state = (enum segment_state)i;
        *at += length;
        return true;
    }
    return false;
}

static const char *read_one(const char **at, struct segment *segment)
{
    if (!read_number(at, &segment->offset_us) || *(*at)++ != '+')
        return "an entry does not begin with a number and a plus sign";
    if (!read_number(at, &segment->length_us) || *(*at)++ != ':')
        return "an entry has no length with a colon behind it";
    return read_state(at, &segment->state) ? NULL : "an entry has a state that is not run, pool or txn";
}

static const char *read_all(const char *text, struct segments *segments)
{
    for (const char *at = text;;) {
        if (segments->count == SEGMENTS_MAX)
            return "it has more than 32 entries";
        struct segment *segment = &segments->items[segments->count];
        const char *why = read_one(&at, segment);
        if (why != NULL)
            return why;
        if (segments->count > 0 && segment->offset_us < segment[-1].offset_us)
            return "its entries are not in order";
        segments->count++;
        if (*at == '\0')
            return NULL;
        at++; // the blank, since a state ends only there
    }
}

bool segments_read(const char *text, struct segments *segments, const char **why)
{
    segments->count = 0;
    *why = read_all(text, segments);
    if (*why == NULL)
        return true;
    segments->count = 0;
    return false;
}

static int64_t end_of(const struct segment *segment)
{
    return segment->offset_us + segment->length_us;
}

// Appends to the sequence; what continues the last one prolongs it.
static void append(struct segments *flat, enum segment_state state, int64_t from, int64_t to)
{
    struct segment *last = flat->count > 0 ? &flat->items[flat->count - 1] : NULL;
    if (last != NULL && last->state == state && end_of(last) == from)
        last->length_us = to - last->offset_us;
    else if (flat->count < SEGMENTS_FLAT_MAX)
        flat->items[flat->count++] = (struct segment){from, to - from, state};
}

// The first moment after `from` at which a segment begins or ends, or the end of the life.
static int64_t next_change(const struct segments *segments, int64_t from, int64_t life_us)
{
    int64_t next = life_us;
    for (size_t i = 0; i < segments->count; i++) {
        int64_t begin = segments->items[i].offset_us;
        int64_t end = end_of(&segments->items[i]);
        if (begin > from && begin < next)
            next = begin;
        if (end > from && end < next)
            next = end;
    }
    return next;
}

static int state_at(const struct segments *segments, int64_t moment)
{
    int state = -1;
    for (size_t i = 0; i < segments->count; i++) {
        const struct segment *segment = &segments->items[i];
        if (segment->offset_us <= moment && end_of(segment) > moment && (int)segment->state > state)
            state = (int)segment->state;
    }
    return state;
}

void segments_flatten(struct segments *segments, int64_t life_us)
{
    struct segments flat = {.count = 0};
    for (int64_t from = 0, to; from < life_us; from = to) {
        to = next_change(segments, from, life_us);
        int state = state_at(segments, from);
        if (state >= 0)
            append(&flat, (enum segment_state)state, from, to);
    }
    *segments = flat;
}

struct split segments_split(const struct segments *segments, int64_t life_us)
{
    struct split split = {.idle = 0};
    int64_t sums[SEGMENT_STATES] = {0};
    int64_t idle = life_us > 0 ? life_us : 0;
    for (size_t i = 0; i < segments->count; i++) {
        sums[segments->items[i].state] += segments->items[i].length_us;
        idle -= segments->items[i].length_us;
    }
    for (int i = 0; i < SEGMENT_STATES; i++)
        split.states[i] = (double)sums[i] / 1e6;
    split.idle = (double)idle / 1e6;
    return split;
}
