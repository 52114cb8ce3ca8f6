// What is kept while libuv waits: arming keeps the current context and the host's callback, calling back resumes it. On the
// loop's thread, but for logctx__uv_begin_elsewhere().
//
// SPDX-License-Identifier: Apache-2.0
#include "attached.h"

#include <stdio.h>

#define BIT(slot) (1u << (slot))

// Which callbacks a handle of a type may have, but for that of its close.
static uint32_t slots_of(uv_handle_type type)
{
    switch (type) {
    case UV_TIMER:
        return BIT(SLOT_TIMER);
    case UV_IDLE:
        return BIT(SLOT_IDLE);
    case UV_PREPARE:
        return BIT(SLOT_PREPARE);
    case UV_CHECK:
        return BIT(SLOT_CHECK);
    case UV_ASYNC:
        return BIT(SLOT_ASYNC);
    case UV_SIGNAL:
        return BIT(SLOT_SIGNAL);
    case UV_POLL:
        return BIT(SLOT_POLL);
    case UV_PROCESS:
        return BIT(SLOT_EXIT);
    case UV_FS_EVENT:
        return BIT(SLOT_FS_EVENT);
    case UV_FS_POLL:
        return BIT(SLOT_FS_POLL);
    case UV_TCP:
    case UV_NAMED_PIPE:
    case UV_TTY:
        return BIT(SLOT_CONNECTION) | BIT(SLOT_READ);
    case UV_UDP:
        return BIT(SLOT_RECV);
    default:
        return 0;
    }
}

// Those that are active exactly while their one callback may come.
static bool says_when_armed(uv_handle_type type)
{
    return type == UV_TIMER || type == UV_IDLE || type == UV_PREPARE || type == UV_CHECK || type == UV_SIGNAL ||
           type == UV_POLL || type == UV_FS_EVENT || type == UV_FS_POLL;
}

// ---- arming ----

bool logctx__uv_given(const void *one, const void *other, const char *function, const logctx_site_t *site)
{
    if (likely(one && other))
        return true;
    char text[160];
    snprintf(text, sizeof text, "%s got NULL; pass a handle, request or loop that is initialised", function);
    logctx_report_misuse(text, site);
    return false;
}

// One handle of the loop: what is kept for it is no leftover, but a context that it does not need any more is.
static void see(uv_handle_t *handle, void *user)
{
    logctx_uv_t *attached = user;
    uint32_t slots = slots_of(handle->type) | BIT(SLOT_CLOSE);
    bool idle = says_when_armed(handle->type) && !uv_is_active(handle);
    for (uint32_t slot = 0; slot < SLOT_REQUESTS; slot++) {
        struct entry *entry = slots & BIT(slot) ? logctx__uv_table_find(&attached->kept, handle, slot) : NULL;
        if (!entry)
            continue;
        entry->seen = true;
        if (idle && slot != SLOT_CLOSE)
            logctx_capture_clear(&entry->capture);
    }
}

// Handles that the host closed by libuv's own function have left entries behind. They are looked for when the table is
// full, that is, as often as it doubles: so the leftovers are bounded by what is in use.
static bool make_room(logctx_uv_t *attached)
{
    if (likely(logctx__uv_table_has_room(&attached->kept)))
        return true;
    if (attached->kept.count > 0) {
        uv_walk(attached->loop, see, attached);
        logctx__uv_table_sweep(&attached->kept);
    }
    // After a sweep that found little the next one would come too soon.
    return attached->kept.count < attached->kept.capacity / 2 || logctx__uv_table_grow(&attached->kept);
}

static void report_not_attached(const uv_loop_t *loop, const char *function, const logctx_site_t *site)
{
    logctx__uv_lock();
    const logctx_uv_t *anyones = logctx__uv_anyones(loop);
    bool elsewhere = anyones && !anyones->detached;
    logctx__uv_unlock();
    char text[256];
    snprintf(text, sizeof text, "%s was called %s; the callback runs without its context", function,
             elsewhere ? "on another thread than that which attached the loop: call it there"
                       : "for a loop that is not attached: call logctx_uv_attach() first, on the loop's thread");
    logctx_report_misuse(text, site);
}

logctx_uv_t *logctx__uv_ready(const uv_loop_t *loop, const char *function, const logctx_site_t *site)
{
    logctx_uv_t *attached = mine(loop);
    if (likely(attached && !attached->detached))
        return make_room(attached) ? attached : NULL;
    report_not_attached(loop, function, site);
    return NULL;
}

struct entry *logctx__uv_keep(logctx_uv_t *to, const void *object, enum slot slot, any_fn_t *fn, any_fn_t *second,
                              const logctx_site_t *site)
{
    struct entry *entry = logctx__uv_table_put(&to->kept, object, slot);
    logctx_capture_t before = entry->capture;
    entry->fn = fn;
    entry->second = second;
    logctx_capture_init(&entry->capture, site);
    logctx_capture_clear(&before);
    return entry;
}

void logctx__uv_drop(const uv_loop_t *loop, const void *object, enum slot slot)
{
    logctx_uv_t *attached = mine(loop);
    struct entry *entry = attached ? logctx__uv_table_find(&attached->kept, object, slot) : NULL;
    if (!entry)
        return;
    struct entry taken = logctx__uv_table_take(&attached->kept, entry);
    logctx_capture_clear(&taken.capture);
    logctx__uv_taken(attached);
}

void logctx__uv_drop_handle(const uv_handle_t *handle)
{
    uint32_t slots = slots_of(handle->type);
    for (uint32_t slot = 0; slot < SLOT_REQUESTS; slot++)
        if (slots & BIT(slot))
            logctx__uv_drop(handle->loop, handle, slot);
}

// ---- calling back ----

void logctx__uv_resume(struct call *call, const logctx_uv_t *attached, const struct entry *entry, unsigned flags)
{
    logctx_loop_check_at(attached->site);
    call->fn = entry->fn;
    call->second = entry->second;
    call->resumed = flags & CALL_OVER ? logctx_resume_unless_finished(&entry->capture) : logctx_resume(&entry->capture);
    call->resumes = true;
}

bool logctx__uv_begin(struct call *call, const uv_loop_t *loop, const void *object, enum slot slot, unsigned flags)
{
    logctx_uv_t *attached = mine(loop);
    struct entry *entry = likely(attached) ? logctx__uv_table_find(&attached->kept, object, slot) : NULL;
    if (unlikely(!entry))
        return logctx__uv_begin_elsewhere(call, loop, object, slot);
    logctx_poll_woke();
    if (flags & CALL_READY)
        logctx_loop_ran(0);
    if (!(flags & CALL_ONCE)) {
        logctx__uv_resume(call, attached, entry, flags);
        return true;
    }
    struct entry taken = logctx__uv_table_take(&attached->kept, entry);
    logctx__uv_resume(call, attached, &taken, flags);
    logctx_capture_clear(&taken.capture);
    logctx__uv_taken(attached);
    return true;
}

void logctx__uv_end(struct call *call)
{
    if (likely(call->resumes))
        logctx_resume_end(&call->resumed);
}

// The loop was attached on one thread and is run by another: its contexts are not this thread's. The host's callback must
// be called all the same; nothing else touches the table then, or the host uses its loop on two threads at once.
bool logctx__uv_begin_elsewhere(struct call *call, const uv_loop_t *loop, const void *object, enum slot slot)
{
    logctx__uv_lock();
    logctx_uv_t *attached = logctx__uv_anyones(loop);
    struct entry *entry =
        attached ? logctx__uv_table_find(slot == SLOT_WORK ? &attached->works : &attached->kept, object, slot) : NULL;
    if (entry)
        *call = (struct call){.fn = entry->fn, .second = entry->second};
    const logctx_site_t *site = entry ? entry->capture.site : NULL;
    logctx__uv_unlock();
    if (!entry)
        logctx_report_misuse("libuv called back for an object that nothing is kept for; a request that is pending must "
                             "not be used again, and memory of a handle not before it is closed",
                             site);
    else
        logctx__uv_tell_elsewhere(attached);
    return entry != NULL;
}
