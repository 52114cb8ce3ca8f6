// Work for libuv's pool. Its function runs on a thread of the pool, which knows nothing but the request: so what is kept for
// work lies in a table under the lock, by the loop's thread put in and taken out, by the pool's thread copied.
//
// SPDX-License-Identifier: Apache-2.0
#include "attached.h"

#define FN(cb) ((any_fn_t *)(cb))

// What is kept for a request that is under way, with a reference to its context: it may be detached meanwhile.
static bool look_up(uv_work_t *req, struct entry *found)
{
    logctx__uv_lock();
    const logctx_uv_t *attached = logctx__uv_anyones(req->loop);
    const struct entry *entry = attached ? logctx__uv_table_find(&attached->works, req, SLOT_WORK) : NULL;
    if (entry) {
        *found = *entry;
        if (found->capture.ctx)
            logctx_ref(found->capture.ctx);
    }
    logctx__uv_unlock();
    return entry != NULL;
}

static bool take(logctx_uv_t *attached, const uv_work_t *req, struct entry *taken)
{
    logctx__uv_lock();
    struct entry *entry = logctx__uv_table_find(&attached->works, req, SLOT_WORK);
    if (entry)
        *taken = logctx__uv_table_take(&attached->works, entry);
    logctx__uv_unlock();
    return entry != NULL;
}

static void work_in(uv_work_t *req, const struct entry *work)
{
    logctx_t *child = logctx_new_on_thread_at(work->capture.ctx, work->capture.site);
    logctx_enter_at(child, work->capture.site);
    ((uv_work_cb)work->fn)(req);
    logctx_exit_at(child, work->capture.site);
    logctx_unref(child);
}

// On the pool's thread. A detached loop keeps no contexts.
static void on_pool(uv_work_t *req)
{
    struct entry work;
    if (!look_up(req, &work)) {
        logctx_report_misuse(
            "a thread of libuv's pool got work that nothing is kept for; a request that is pending must "
            "not be used again",
            NULL);
        return;
    }
    if (work.capture.ctx)
        work_in(req, &work);
    else
        ((uv_work_cb)work.fn)(req);
    logctx_capture_clear(&work.capture);
}

// On the loop's thread, also for work that was cancelled and never ran.
static void after_work(uv_work_t *req, int status)
{
    struct call call;
    struct entry taken;
    logctx_uv_t *attached = mine(req->loop);
    if (likely(attached && take(attached, req, &taken))) {
        logctx_poll_woke();
        logctx_loop_ran(0);
        logctx__uv_resume(&call, attached, &taken, over_if(status == UV_ECANCELED));
        logctx_capture_clear(&taken.capture);
        logctx__uv_taken(attached);
    } else if (!logctx__uv_begin_elsewhere(&call, req->loop, req, SLOT_WORK)) {
        return;
    }
    if (call.second)
        ((uv_after_work_cb)call.second)(req, status);
    logctx__uv_end(&call);
}

static bool keep(logctx_uv_t *to, const uv_work_t *req, uv_work_cb work_cb, uv_after_work_cb after_work_cb,
                 const logctx_site_t *site)
{
    logctx_capture_t capture, before = {NULL, NULL};
    logctx_capture_init(&capture, site);
    logctx__uv_lock();
    bool room = logctx__uv_table_has_room(&to->works) || logctx__uv_table_grow(&to->works);
    if (room) {
        struct entry *entry = logctx__uv_table_put(&to->works, req, SLOT_WORK);
        before = entry->capture;
        entry->fn = FN(work_cb);
        entry->second = FN(after_work_cb);
        entry->capture = capture;
    }
    logctx__uv_unlock();
    logctx_capture_clear(room ? &before : &capture);
    return room;
}

// Kept before libuv has it, since a thread of the pool may be quicker than this one.
int logctx_uv_queue_work_at(uv_loop_t *loop, uv_work_t *req, uv_work_cb work_cb, uv_after_work_cb after_work_cb,
                            const logctx_site_t *site)
{
    if (!logctx__uv_given(loop, req, "logctx_uv_queue_work()", site))
        return UV_EINVAL;
    logctx_uv_t *to = work_cb ? logctx__uv_ready(loop, "logctx_uv_queue_work()", site) : NULL;
    if (!to || !keep(to, req, work_cb, after_work_cb, site))
        return uv_queue_work(loop, req, work_cb, after_work_cb);
    int result = uv_queue_work(loop, req, on_pool, after_work);
    struct entry taken;
    if (unlikely(result < 0) && take(to, req, &taken))
        logctx_capture_clear(&taken.capture);
    return result;
}

int logctx_uv_cancel(uv_req_t *req)
{
    return logctx__uv_given(req, req, "logctx_uv_cancel()", NULL) ? uv_cancel(req) : UV_EINVAL;
}
