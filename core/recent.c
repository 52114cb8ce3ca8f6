// The flight recorder, read: the last switches of this thread with names. Entries hold identities only; a name is shown if
// the context's memory is still in the same use, which a reference keeps it in meanwhile, or if the context was one of the
// last that ended on this thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"
#include "utf8.h"

#include <stdio.h>
#include <string.h>

static const char *late_name(const struct thread *thread, const logctx_t *ctx, uint32_t generation)
{
    for (size_t i = 0; i < LOGCTX_LATE_NAMES; i++)
        if (thread->late[i].ctx == ctx && thread->late[i].generation == generation)
            return thread->late[i].name;
    return "?";
}

static void copy_name(const struct thread *thread, logctx_t *ctx, uint32_t generation, char *out, size_t size)
{
    bool same = is_sentinel(ctx) || logctx__ref_same(ctx, generation);
    const char *name = same ? ctx->name : late_name(thread, ctx, generation);
    out[logctx__utf8_copy(out, size - 1, name, strlen(name), LOGCTX__UTF8_NO_LIMIT)] = '\0';
    if (same)
        logctx_unref(ctx);
}

size_t logctx__recent(const struct thread *thread, logctx_switch_t *out, const logctx_site_t **sites, size_t capacity)
{
    uint64_t now = logctx__monotonic();
    size_t count = 0;
    for (uint32_t back = 1; back <= LOGCTX_RECENT && count < capacity; back++) {
        const struct recorded_switch *entry = &thread->recent[(thread->recent_next - back) % LOGCTX_RECENT];
        if (back > thread->recent_next || !entry->from)
            break;
        sites[count] = entry->site;
        logctx_switch_t *shown = &out[count++];
        copy_name(thread, entry->from, entry->from_generation, shown->from, sizeof shown->from);
        copy_name(thread, entry->to, entry->to_generation, shown->to, sizeof shown->to);
        logctx__where(entry->site, shown->where, sizeof shown->where);
        shown->ago_ns = now > entry->monotonic ? now - entry->monotonic : 0;
    }
    return count;
}
