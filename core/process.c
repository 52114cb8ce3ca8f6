// Background processes: work in a root context of its own, and the end of such a context: once, and not to be run after.
// The calls of timers.c run here too: in a root context that ends with the work, and is no process.
//
// SPDX-License-Identifier: Apache-2.0
#include "deferred.h"

#include <logctx/process.h>
#include <logctx/trace.h>

static const logctx_process_observer_t *_Atomic installed;

void logctx_set_process_observer(const logctx_process_observer_t *observer)
{
    atomic_store_explicit(&installed, observer, memory_order_release);
}

static void tell(struct thread *thread, logctx_t *process, bool ended)
{
    const logctx_process_observer_t *observer = atomic_load_explicit(&installed, memory_order_acquire);
    void (*function)(void *, logctx_t *) = !observer ? NULL : ended ? observer->ended : observer->resumed;
    if (!function)
        return;
    if (!ended) { // within the switch
        thread->in_hook++;
        function(observer->user, process);
        thread->in_hook--;
        return;
    }
    logctx_t *before = logctx_ref(current_context());
    const logctx_site_t *before_at = thread->current_at;
    function(observer->user, process);
    thread = this_thread(); // another one, if it has forked, and this is the child
    if (thread)
        logctx__put_back(thread, before, thread->current_at, before_at);
    logctx_unref(before);
}

static void report(struct thread *thread, logctx_error_kind_t kind, logctx_t *process, const logctx_site_t *site,
                   const logctx_site_t *set_by)
{
    logctx__report(
        thread,
        &(struct occurrence){
            .kind = kind, .affected = process, .expected = logctx_name(process), .found_by = site, .set_by = set_by});
}

void logctx__process_resumed(struct thread *thread, logctx_t *process, const logctx_site_t *site,
                             const logctx_site_t *before)
{
    if (unlikely(READ_RELAXED(process->finished)))
        report(thread, LOGCTX_ERROR_BGPROC_REENTERED, process, site, before);
    else
        tell(thread, process, false);
}

void logctx__process_exited(struct thread *thread, logctx_t *process, bool first, const logctx_site_t *site)
{
    if (unlikely(!first))
        report(thread, LOGCTX_ERROR_BGPROC_EXITED, process, site, READ_RELAXED(process->switched_at));
    else
        tell(thread, process, true);
}

// What it takes to end, in the entry that waits for the work.
struct running {
    logctx_t *ctx;
    const logctx_site_t *site;
};

static void report_failure(const struct running *running, const char *error)
{
    bool process = running->ctx->process;
    logctx_set_failed(running->ctx, error, NULL);
    logctx__report(this_thread(), &(struct occurrence){
                                      .kind = process ? LOGCTX_ERROR_BGPROC_EXCEPTION : LOGCTX_ERROR_UNHANDLED_FAILURE,
                                      .affected = running->ctx,
                                      .text = process ? logctx_kind_name(logctx_kind_of(running->ctx)) : error,
                                      .found_by = running->site});
}

static void end(const struct running *running, const char *error)
{
    if (error)
        report_failure(running, error);
    logctx_exit_at(running->ctx, running->site);
    logctx_unref(running->ctx);
}

// The work has its result: the process ends where that was found, and whoever waits for the process is called.
static logctx_deferred_t *end_later(struct entry *entry, const logctx_result_t *result)
{
    struct running running = {entry->data, entry->capture.site};
    logctx_deferred_t *ended = entry->to;
    entry->clear = true;
    end(&running, result->error);
    if (ended && logctx__deferred_set(ended, logctx_success(NULL, NULL), running.site))
        return ended;
    logctx_deferred_unref(ended);
    return NULL;
}

// Nobody will complete the work any more.
static void drop(struct entry *entry)
{
    logctx_unref(entry->data);
    logctx_deferred_unref(entry->to);
}

// Made before the work begins: what has begun can be waited for. NULL without memory.
static struct entry *new_end(const struct running *running, logctx_deferred_t *ended)
{
    struct entry *entry = ended ? logctx__entry_new() : NULL;
    if (!entry)
        return NULL;
    entry->kind = ENTRY_STEP;
    entry->step = end_later;
    entry->drop = drop;
    entry->data = running->ctx;
    entry->capture.site = running->site;
    entry->to = ended;
    return entry;
}

static logctx_t *new_process(logctx_kind_t *desc, const logctx_opts_t *opts, logctx_t *starter,
                             const logctx_site_t *site)
{
    logctx_opts_t own = LOGCTX_OPTS_INIT;
    if (opts) {
        own.name = opts->name;
        own.server = opts->server;
        own.span_kind = opts->span_kind;
        own.start_unix_ns = opts->start_unix_ns;
    }
    own.type = LOGCTX_TYPE_BACKGROUND;
    if (!own.server && !is_sentinel(starter))
        own.server = logctx_server(starter);
    logctx_t *ctx = logctx_new_at(desc, &own, site);
    if (is_sentinel(starter) || is_sentinel(ctx))
        return ctx;
    logctx_span_context_t here = logctx_get_span_context(starter), there = logctx_get_span_context(ctx);
    logctx_add_link(ctx, &here, NULL, NULL, 0);
    logctx_add_link(starter, &there, NULL, NULL, 0);
    return ctx;
}

static logctx_result_t begin(logctx_work_t *work, void *user, const struct entry *end)
{
    if (!work || !end)
        return logctx_failure(work ? LOGCTX_NO_MEMORY : "_OTHER", NULL, NULL);
    return work(user);
}

static void run(const struct running *running, logctx_work_t *work, void *user, logctx_deferred_t *ended)
{
    struct entry *later = new_end(running, ended);
    logctx_result_t result = begin(work, user, later);
    logctx_deferred_t *deferred = result.deferred;
    if (deferred && !logctx_deferred_is_complete(deferred)) {
        logctx_deferred_ref(ended);
        logctx__entry_append(deferred, later);
        logctx_deferred_unref(deferred);
        return;
    }
    if (later)
        logctx__entry_free(later);
    const logctx_result_t *there = deferred ? logctx_deferred_result(deferred) : &result;
    const char *error = there->error;
    if (deferred && logctx__deferred_usable(deferred))
        deferred->handled = true;
    end(running, error);
    logctx_deferred_call_here_at(ended, logctx_success(NULL, NULL), running->site);
    if (deferred)
        logctx_deferred_unref(deferred);
    else
        logctx__result_free(&result);
}

// In the sentinel, with a context that was made there; it takes over the reference to that one.
static void run_in(logctx_t *ctx, logctx_work_t *work, void *user, logctx_deferred_t *ended, const logctx_site_t *site)
{
    struct running running = {ctx, site};
    logctx_enter_at(ctx, site);
    run(&running, work, user, ended);
}

logctx_deferred_t *logctx_run_as_background_process_at(const char *desc, const logctx_opts_t *opts, logctx_work_t *work,
                                                       void *user, const logctx_site_t *site)
{
    if (!work)
        logctx__misuse("logctx_run_as_background_process() got a NULL function; pass the work to be done", site);
    logctx_t *starter = logctx_ref(current_context());
    logctx_preserve_t block = logctx_preserve_enter_at(&logctx__sentinel, site);
    logctx_t *ctx = new_process(logctx_kind(desc), opts, starter, site);
    logctx_deferred_t *ended = logctx_deferred_new(NULL, NULL, NULL);
    run_in(ctx, work, user, ended, site);
    logctx_preserve_exit_at(&block, site);
    logctx_unref(starter);
    return ended;
}

void logctx__run_call(logctx_kind_t *kind, logctx_work_t *work, void *user, logctx_deferred_t *ended,
                      const logctx_site_t *site)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.type = LOGCTX_TYPE_CALLBACK;
    logctx_preserve_t block = logctx_preserve_enter_at(&logctx__sentinel, site);
    run_in(logctx_new_at(kind, &opts, site), work, user, ended, site);
    logctx_preserve_exit_at(&block, site);
}
