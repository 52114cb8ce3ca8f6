// Segments: how a context's life went, a bounded list of stretches in which it ran, waited for a connection or was in a
// transaction. Beyond the bound neighbours are merged in pairs, so that keeping them costs a few stores a switch.
//
// The writer adds without a lock. Another thread that finishes the context reads what is there at that moment: whole
// segments of states that exist, though a merge under way may show one twice.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <stdio.h>

#define STORE(cell, value) atomic_store_explicit(&(cell), (value), memory_order_relaxed)

static struct segment segment_at(const logctx_t *ctx, unsigned index)
{
    uint64_t packed = READ_RELAXED(ctx->segments[index]);
    return (struct segment){(uint32_t)(packed >> 32), (uint32_t)packed};
}

static void put(logctx_t *ctx, unsigned index, struct segment segment)
{
    STORE(ctx->segments[index], (uint64_t)segment.offset << 32 | segment.length);
}

static void merge_pairs(logctx_t *ctx)
{
    unsigned kept = 0, count = READ_RELAXED(ctx->segment_count);
    for (unsigned i = 0; i < count; i += 2, kept++) {
        struct segment merged = segment_at(ctx, i);
        uint8_t state = READ_RELAXED(ctx->segment_states[i]);
        if (i + 1 < count) {
            struct segment next = segment_at(ctx, i + 1);
            if (next.length > merged.length)
                state = READ_RELAXED(ctx->segment_states[i + 1]);
            uint32_t begin = merged.offset < next.offset ? merged.offset : next.offset;
            uint64_t end_a = (uint64_t)merged.offset + merged.length, end_b = (uint64_t)next.offset + next.length;
            uint64_t end = end_a > end_b ? end_a : end_b;
            merged = (struct segment){begin, (uint32_t)(end - begin)};
        }
        put(ctx, kept, merged);
        STORE(ctx->segment_states[kept], state);
    }
    STORE(ctx->segment_count, (uint8_t)kept);
}

// A life longer than 71 minutes does not fit into 32 bits of microseconds: the unit is doubled.
static void coarsen(logctx_t *ctx)
{
    STORE(ctx->segment_scale, (uint8_t)(READ_RELAXED(ctx->segment_scale) + 1));
    for (unsigned i = 0; i < READ_RELAXED(ctx->segment_count); i++) {
        struct segment segment = segment_at(ctx, i);
        put(ctx, i, (struct segment){segment.offset >> 1, segment.length >> 1});
    }
}

// Stretches that touch are one: a context that is left and entered again at once did not pause.
static bool extend_last(logctx_t *ctx, enum segment_state state, struct segment added)
{
    unsigned count = READ_RELAXED(ctx->segment_count);
    if (count == 0 || READ_RELAXED(ctx->segment_states[count - 1]) != state)
        return false;
    struct segment last = segment_at(ctx, count - 1);
    if (added.offset < last.offset || added.offset > last.offset + last.length + 1)
        return false;
    if (added.offset + added.length > last.offset + last.length)
        put(ctx, count - 1, (struct segment){last.offset, added.offset + added.length - last.offset});
    return true;
}

void logctx__segment_new(logctx_t *ctx, enum segment_state state, uint64_t from, uint64_t to)
{
    if ((int64_t)(from - ctx->created_monotonic) < 0)
        from = ctx->created_monotonic;
    if (to < from)
        to = from;
    uint64_t begin = (from - ctx->created_monotonic) / 1000, end = (to - ctx->created_monotonic) / 1000;
    while (unlikely(end >> READ_RELAXED(ctx->segment_scale) > UINT32_MAX / 2))
        coarsen(ctx);
    unsigned scale = READ_RELAXED(ctx->segment_scale);
    struct segment added = {(uint32_t)(begin >> scale), (uint32_t)((end - begin) >> scale)};
    if (extend_last(ctx, state, added))
        return;
    if (READ_RELAXED(ctx->segment_count) == LOGCTX_SEGMENTS)
        merge_pairs(ctx);
    unsigned count = READ_RELAXED(ctx->segment_count);
    if (unlikely(count >= LOGCTX_SEGMENTS))
        return; // two threads at once, against the rules: the segment is lost, and nothing else
    put(ctx, count, added);
    STORE(ctx->segment_states[count], (uint8_t)state);
    STORE(ctx->segment_count, (uint8_t)(count + 1));
}

void logctx__segment_add(logctx_t *ctx, enum segment_state state, uint64_t from, uint64_t to)
{
    if (to < from || !segment_prolong(ctx, state, from, to))
        logctx__segment_new(ctx, state, from, to);
}

size_t logctx__segment_text(const logctx_t *ctx, char *out, size_t size)
{
    static const char *const names[] = {"run", "pool", "txn"};
    unsigned count = READ_RELAXED(ctx->segment_count), scale = READ_RELAXED(ctx->segment_scale);
    struct segment segments[LOGCTX_SEGMENTS];
    uint8_t states[LOGCTX_SEGMENTS];
    // In the order of their begin: a transaction is noted at its end, after the slices that it spans.
    for (unsigned i = 0; i < count; i++) {
        struct segment segment = segment_at(ctx, i);
        unsigned at = i;
        for (; at > 0 && segments[at - 1].offset > segment.offset; at--) {
            segments[at] = segments[at - 1];
            states[at] = states[at - 1];
        }
        segments[at] = segment;
        states[at] = READ_RELAXED(ctx->segment_states[i]);
    }
    size_t length = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < count; i++) {
        int written = snprintf(out + length, size - length, "%s%llu+%llu:%s", i ? " " : "",
                               (unsigned long long)segments[i].offset << scale,
                               (unsigned long long)segments[i].length << scale, names[states[i]]);
        if (written < 0 || (size_t)written >= size - length)
            break;
        length += (size_t)written;
    }
    out[length] = '\0';
    return length;
}
