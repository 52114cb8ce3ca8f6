// What is looked up only for the context that somebody looks at: its parent, its segments, its thread's last switches; and
// the names of states and types. Owned by the thread that took the snapshot.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "snapshot.h"

const char *snapshot_type_name(unsigned type)
{
    static const char *const names[SNAPSHOT_TYPE_COUNT] = {"request", "background", "nested", "thread", "callback"};
    return type < SNAPSHOT_TYPE_COUNT ? names[type] : "unknown";
}

const char *snapshot_state_name(enum snapshot_state state)
{
    static const char *const names[SNAPSHOT_STATE_COUNT] = {"running", "txn", "idle", "new", "held"};
    return names[state];
}

const struct snapshot_context *snapshot_find(const struct snapshot *snapshot, uint64_t address)
{
    size_t low = 0, high = snapshot->context_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (snapshot->contexts[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < snapshot->context_count && snapshot->contexts[low].address == address;
    return found ? &snapshot->contexts[low] : NULL;
}

size_t snapshot_segments(const struct snapshot *snapshot, const struct snapshot_context *context,
                         struct snapshot_segment out[SNAPSHOT_SEGMENTS_MAX])
{
    const struct layout *layout = &snapshot->layout;
    size_t count = layout_number(layout, context->element, LOGCTX_TABLE_CONTEXT_SEGMENT_COUNT);
    uint64_t scale = layout_number(layout, context->element, LOGCTX_TABLE_CONTEXT_SEGMENT_SCALE) & 31;
    struct layout_text all = layout_bytes(layout, context->element, LOGCTX_TABLE_CONTEXT_SEGMENTS);
    size_t most = all.length / sizeof(uint64_t) < SNAPSHOT_SEGMENTS_MAX ? all.length / sizeof(uint64_t)
                                                                        : SNAPSHOT_SEGMENTS_MAX;
    count = count < most ? count : most;
    for (size_t i = 0; i < count; i++) {
        unsigned index = (unsigned)i;
        uint64_t packed = layout_number_at(layout, context->element, LOGCTX_TABLE_CONTEXT_SEGMENTS, 8, index);
        struct snapshot_segment segment = {
            (packed >> 32) << scale, (packed & UINT32_MAX) << scale,
            (unsigned)layout_number_at(layout, context->element, LOGCTX_TABLE_CONTEXT_SEGMENT_STATES, 1, index)};
        size_t at = i; // a wait is told when it is over, and may lie before what has run since
        for (; at > 0 && out[at - 1].offset_us > segment.offset_us; at--)
            out[at] = out[at - 1];
        out[at] = segment;
    }
    return count;
}

static struct layout_text name_of(const struct snapshot *snapshot, uint64_t address, uint32_t generation)
{
    static const char sentinel[] = "sentinel";
    const struct layout *layout = &snapshot->layout;
    if (address == layout->header.sentinel)
        return (struct layout_text){sentinel, sizeof sentinel - 1};
    struct layout_element element = layout_find(layout, LOGCTX_TABLE_CONTEXTS, address);
    if (!element.at || layout_number(layout, element, LOGCTX_TABLE_CONTEXT_GENERATION) != generation ||
        layout_number(layout, element, LOGCTX_TABLE_CONTEXT_REFS) == 0)
        return (struct layout_text){NULL, 0};
    struct layout_text whole = layout_string(layout, layout_number(layout, element, LOGCTX_TABLE_CONTEXT_NAME));
    return whole.at ? whole : layout_inline_text(layout, element, LOGCTX_TABLE_CONTEXT_INLINE_NAME);
}

size_t snapshot_recent(const struct snapshot *snapshot, const struct snapshot_thread *thread,
                       struct snapshot_switch out[SNAPSHOT_RECENT_MAX])
{
    const struct layout *layout = &snapshot->layout;
    struct layout_text all = layout_bytes(layout, thread->element, LOGCTX_TABLE_THREAD_RECENT);
    uint32_t size = layout->header.recent_size, room = layout->header.recent_count;
    if (size == 0 || room == 0 || room > SNAPSHOT_RECENT_MAX || all.length / size < room)
        return 0;
    size_t count = 0;
    for (uint32_t i = 1; i <= room && i <= thread->recent_next; i++) {
        uint32_t entry = thread->recent_next - i;
        if ((int32_t)(entry - thread->recent_safe) < 0)
            break;
        struct layout_element element = {(uint8_t *)(uintptr_t)all.at + (size_t)(entry % room) * size, size};
        uint64_t moment = layout_number(layout, element, LOGCTX_TABLE_RECENT_MONOTONIC);
        out[count++] = (struct snapshot_switch){
            .from = name_of(snapshot, layout_number(layout, element, LOGCTX_TABLE_RECENT_FROM),
                            (uint32_t)layout_number(layout, element, LOGCTX_TABLE_RECENT_FROM_GENERATION)),
            .to = name_of(snapshot, layout_number(layout, element, LOGCTX_TABLE_RECENT_TO),
                          (uint32_t)layout_number(layout, element, LOGCTX_TABLE_RECENT_TO_GENERATION)),
            .site = layout_number(layout, element, LOGCTX_TABLE_RECENT_SITE),
            .ago = snapshot->now - moment,
        };
        if (!snapshot->at_last_event && (int64_t)out[count - 1].ago < 0) // since the clock was read
            out[count - 1].ago = 0;
    }
    return count;
}
