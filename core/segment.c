// Segments: how a context's life went, a bounded list of stretches in which it ran, waited for a connection or was in a
// transaction. Beyond the bound neighbours are merged in pairs, so that keeping them costs a few stores a switch.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <stdio.h>

static void merge_pairs(logctx_t *ctx)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < ctx->segment_count; i += 2, kept++) {
        struct segment merged = ctx->segments[i];
        uint8_t state = ctx->segment_states[i];
        if (i + 1 < ctx->segment_count) {
            struct segment next = ctx->segments[i + 1];
            if (next.length > merged.length)
                state = ctx->segment_states[i + 1];
            uint32_t begin = merged.offset < next.offset ? merged.offset : next.offset;
            uint64_t end_a = (uint64_t)merged.offset + merged.length, end_b = (uint64_t)next.offset + next.length;
            uint64_t end = end_a > end_b ? end_a : end_b;
            merged = (struct segment){begin, (uint32_t)(end - begin)};
        }
        ctx->segments[kept] = merged;
        ctx->segment_states[kept] = state;
    }
    ctx->segment_count = (uint8_t)kept;
}

// A life longer than 71 minutes does not fit into 32 bits of microseconds: the unit is doubled.
static void coarsen(logctx_t *ctx)
{
    ctx->segment_scale++;
    for (unsigned i = 0; i < ctx->segment_count; i++) {
        ctx->segments[i].offset >>= 1;
        ctx->segments[i].length >>= 1;
    }
}

void logctx__segment_add(logctx_t *ctx, enum segment_state state, uint64_t from, uint64_t to)
{
    if (from < ctx->created_monotonic)
        from = ctx->created_monotonic;
    if (to < from)
        to = from;
    uint64_t begin = (from - ctx->created_monotonic) / 1000, end = (to - ctx->created_monotonic) / 1000;
    while (unlikely(end >> ctx->segment_scale > UINT32_MAX / 2))
        coarsen(ctx);
    uint32_t offset = (uint32_t)(begin >> ctx->segment_scale), length = (uint32_t)((end - begin) >> ctx->segment_scale);
    if (ctx->segment_count > 0) {
        // Stretches that touch are one: a context that is left and entered again at once did not pause.
        struct segment *last = &ctx->segments[ctx->segment_count - 1];
        if (ctx->segment_states[ctx->segment_count - 1] == state && offset >= last->offset &&
            offset <= last->offset + last->length + 1) {
            if (offset + length > last->offset + last->length)
                last->length = offset + length - last->offset;
            return;
        }
    }
    if (ctx->segment_count == LOGCTX_SEGMENTS)
        merge_pairs(ctx);
    ctx->segments[ctx->segment_count] = (struct segment){offset, length};
    ctx->segment_states[ctx->segment_count++] = (uint8_t)state;
}

size_t logctx__segment_text(const logctx_t *ctx, char *out, size_t size)
{
    static const char *const names[] = {"run", "pool", "txn"};
    // In the order of their begin: a transaction is noted at its end, after the slices that it spans.
    uint8_t order[LOGCTX_SEGMENTS];
    for (unsigned i = 0; i < ctx->segment_count; i++) {
        unsigned at = i;
        for (; at > 0 && ctx->segments[order[at - 1]].offset > ctx->segments[i].offset; at--)
            order[at] = order[at - 1];
        order[at] = (uint8_t)i;
    }
    size_t length = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < ctx->segment_count; i++) {
        const struct segment *segment = &ctx->segments[order[i]];
        int written = snprintf(out + length, size - length, "%s%llu+%llu:%s", i ? " " : "",
                               (unsigned long long)segment->offset << ctx->segment_scale,
                               (unsigned long long)segment->length << ctx->segment_scale,
                               names[ctx->segment_states[order[i]]]);
        if (written < 0 || (size_t)written >= size - length)
            break;
        length += (size_t)written;
    }
    out[length] = '\0';
    return length;
}
