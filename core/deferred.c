// Deferreds: making, references, calling and cancelling. How their queues run is in deferred_run.c. A deferred belongs to one
// thread at a time, so nothing here is atomic; its memory comes from the pool of the thread that made it.
//
// SPDX-License-Identifier: Apache-2.0
#include "deferred.h"

#include <stdlib.h>

static void prepare_deferred(void *block, struct thread *owner)
{
    logctx_deferred_t *deferred = block;
    *deferred = (logctx_deferred_t){.owner = owner};
}

static void prepare_entry(void *block, struct thread *owner)
{
    struct entry *entry = block;
    *entry = (struct entry){.owner = owner};
}

void logctx__deferred_pools(struct pool *deferreds, struct pool *entries)
{
    *deferreds = (struct pool){.block_size = sizeof(struct logctx_deferred), .prepare = prepare_deferred};
    *entries = (struct pool){.block_size = sizeof(struct entry), .prepare = prepare_entry};
}

struct entry *logctx__entry_new(void)
{
    struct thread *thread = this_thread();
    struct entry *entry = thread ? logctx__pool_get(&thread->entries, thread) : NULL;
    if (entry)
        *entry = (struct entry){.owner = entry->owner};
    return entry;
}

void logctx__entry_free(struct entry *entry)
{
    logctx__pool_put(&entry->owner->entries, entry, entry->owner == logctx__tls.thread);
}

void logctx__entry_append(logctx_deferred_t *deferred, struct entry *entry)
{
    entry->next = NULL;
    if (deferred->last)
        deferred->last->next = entry;
    else
        deferred->first = entry;
    deferred->last = entry;
}

void logctx__result_free(logctx_result_t *result)
{
    logctx_result_t gone = *result;
    *result = logctx_success(NULL, NULL);
    if (gone.destroy)
        gone.destroy(gone.value);
}

bool logctx__deferred_usable(const logctx_deferred_t *deferred)
{
    if (likely(deferred && deferred->refs > 0))
        return true;
    if (deferred)
        logctx__misuse(
            "a deferred was used after its last reference was given back; keep one with logctx_deferred_ref()", NULL);
    return false;
}

logctx_deferred_t *logctx_deferred_new(logctx_canceller_t *cancel, void *user, void (*release)(void *user))
{
    struct thread *thread = this_thread();
    logctx_deferred_t *deferred = thread ? logctx__pool_get(&thread->deferreds, thread) : NULL;
    if (!deferred) {
        if (release)
            release(user);
        return NULL;
    }
    *deferred =
        (logctx_deferred_t){.owner = deferred->owner, .refs = 1, .cancel = cancel, .user = user, .release = release};
    ADD_OWNED(thread->deferreds_pending, 1);
    return deferred;
}

logctx_deferred_t *logctx_deferred_called(logctx_result_t result)
{
    logctx_deferred_t *deferred = logctx_deferred_new(NULL, NULL, NULL);
    if (deferred)
        logctx__deferred_set(deferred, result, NULL);
    else
        logctx__result_free(&result);
    return deferred;
}

// Of one thread it may be below zero: what it calls was made by another.
size_t logctx_deferred_pending(void)
{
    int64_t sum = 0;
    for (struct thread *thread = logctx__threads(); thread; thread = thread->next)
        sum += READ_RELAXED(thread->deferreds_pending);
    return sum > 0 ? (size_t)sum : 0;
}

// One that a parent process made was never counted here.
static void count_called(const logctx_deferred_t *deferred)
{
    struct thread *thread = this_thread();
    if (thread && !is_inherited(deferred->owner))
        ADD_OWNED(thread->deferreds_pending, -1);
}

logctx_deferred_t *logctx_deferred_ref(logctx_deferred_t *deferred)
{
    if (!logctx__deferred_usable(deferred))
        return NULL;
    deferred->refs++;
    return deferred;
}

static void drop_entry(struct entry *entry)
{
    switch (entry->kind) {
    case ENTRY_PAIR:
        if (entry->release)
            entry->release(entry->user);
        break;
    case ENTRY_HAND_OVER:
        entry->to->waiting_on = NULL;
        logctx_deferred_unref(entry->to);
        break;
    case ENTRY_STEP:
        entry->drop(entry);
        break;
    }
    logctx_capture_clear(&entry->capture);
    logctx__entry_free(entry);
}

static void report_unhandled(struct thread *thread, const logctx_deferred_t *deferred)
{
    if (!deferred->called || deferred->waiting || !deferred->result.error || deferred->handled)
        return;
    logctx__report(thread, &(struct occurrence){.kind = LOGCTX_ERROR_UNHANDLED_FAILURE,
                                                .affected = current_context(),
                                                .text = deferred->result.error,
                                                .set_by = deferred->called_at});
}

static void let_go(struct thread *thread, logctx_deferred_t *deferred)
{
    report_unhandled(thread, deferred);
    if (!deferred->called)
        count_called(deferred);
    logctx__result_free(&deferred->result);
    for (struct entry *entry = deferred->first, *next; entry; entry = next) {
        next = entry->next;
        drop_entry(entry);
    }
    if (deferred->release)
        deferred->release(deferred->user);
    if (deferred->gather) {
        logctx__gather_let_go(deferred->gather);
        free(deferred->gather);
    }
    logctx__pool_put(&deferred->owner->deferreds, deferred, deferred->owner == thread);
}

// Those that are in line. What the host's functions leave current is put back.
void logctx__deferreds_free(struct thread *thread)
{
    logctx_t *before = logctx_ref(current_context());
    const logctx_site_t *before_at = thread->current_at;
    thread->in_dying = true;
    while (thread->dying) {
        logctx_deferred_t *dead = thread->dying;
        thread->dying = dead->next_dead;
        let_go(thread, dead);
    }
    thread->in_dying = false;
    thread = this_thread(); // another one, if something has forked, and this is the child
    if (thread)
        logctx__put_back(thread, before, thread->current_at, before_at);
    logctx_unref(before);
}

// Freeing one may free the next, through its queue or a function of the host's: they line up, and nothing recurses.
void logctx_deferred_unref(logctx_deferred_t *deferred)
{
    if (!deferred || !logctx__deferred_usable(deferred) || --deferred->refs > 0)
        return;
    struct thread *thread = this_thread();
    if (!thread)
        return;
    deferred->next_dead = thread->dying;
    thread->dying = deferred;
    if (!thread->in_dying)
        logctx__deferreds_free(thread);
}

static logctx_status_t add_to_nothing(logctx_callback_t *errback, void *user, void (*release)(void *user))
{
    logctx_result_t failure = logctx_failure(LOGCTX_NO_MEMORY, NULL, NULL);
    logctx_result_t result = errback ? errback(user, &failure) : failure;
    logctx_deferred_unref(result.deferred);
    logctx__result_free(&result);
    if (release)
        release(user);
    return LOGCTX_OK;
}

static void append_and_run(logctx_deferred_t *deferred, struct entry *entry)
{
    logctx__entry_append(deferred, entry);
    if (!deferred->called)
        return;
    logctx_deferred_ref(deferred);
    logctx__deferred_run(deferred);
    logctx_deferred_unref(deferred);
}

logctx_status_t logctx_deferred_add(logctx_deferred_t *deferred, logctx_callback_t *callback,
                                    logctx_callback_t *errback, void *user, void (*release)(void *user))
{
    if (!logctx__deferred_usable(deferred))
        return add_to_nothing(errback, user, release);
    struct entry *entry = logctx__entry_new();
    if (!entry)
        return LOGCTX_E_NO_MEMORY;
    entry->kind = ENTRY_PAIR;
    entry->callback = callback;
    entry->errback = errback;
    entry->user = user;
    entry->release = release;
    append_and_run(deferred, entry);
    return LOGCTX_OK;
}

static logctx_result_t put_back(void *user, logctx_result_t *result)
{
    const logctx_capture_t *capture = user;
    logctx__switch(this_thread(), capture->ctx, capture->site);
    return *result;
}

static void clear_capture(void *user)
{
    logctx_capture_clear(user);
}

bool logctx__deferred_add_switch(logctx_deferred_t *deferred, logctx_t *ctx, const logctx_site_t *site)
{
    struct entry *entry = logctx__entry_new();
    if (!entry)
        return false;
    entry->kind = ENTRY_PAIR;
    entry->callback = entry->errback = put_back;
    entry->user = &entry->capture;
    entry->release = clear_capture;
    entry->capture = (logctx_capture_t){logctx_ref(ctx), site};
    append_and_run(deferred, entry);
    return true;
}

bool logctx__deferred_set(logctx_deferred_t *deferred, logctx_result_t result, const logctx_site_t *site)
{
    if (unlikely(result.deferred)) {
        logctx__misuse("a deferred was called with a result that waits for another one; return that from a callback",
                       site);
        logctx_deferred_unref(result.deferred);
        result = logctx_failure("_OTHER", NULL, NULL);
    }
    if (unlikely(deferred->called)) {
        logctx__result_free(&result);
        if (deferred->late)
            deferred->late = false;
        else
            logctx__report(this_thread(), &(struct occurrence){.kind = LOGCTX_ERROR_ALREADY_CALLED,
                                                               .affected = current_context(),
                                                               .found_by = site,
                                                               .set_by = deferred->called_at});
        return false;
    }
    deferred->called = true;
    deferred->called_at = site;
    deferred->result = result;
    count_called(deferred);
    return true;
}

static void call(logctx_deferred_t *deferred, logctx_result_t result, const logctx_site_t *site)
{
    if (!logctx__deferred_usable(deferred)) {
        logctx__result_free(&result);
        return;
    }
    logctx_deferred_ref(deferred);
    if (logctx__deferred_set(deferred, result, site))
        logctx__deferred_run(deferred);
    logctx_deferred_unref(deferred);
}

void logctx_deferred_call_here_at(logctx_deferred_t *deferred, logctx_result_t result, const logctx_site_t *site)
{
    call(deferred, result, site);
}

void(logctx_deferred_call_here)(logctx_deferred_t *deferred, logctx_result_t result)
{
    logctx_deferred_call_here_at(deferred, result, logctx__site_of_caller(__builtin_return_address(0)));
}

static void call_preserved(logctx_deferred_t *deferred, logctx_result_t result, const logctx_site_t *site)
{
    logctx_preserve_t block = logctx_preserve_enter_at(&logctx__sentinel, site);
    call(deferred, result, site);
    logctx_preserve_exit_at(&block, site);
}

void logctx_deferred_succeed_at(logctx_deferred_t *deferred, void *value, void (*destroy)(void *value),
                                const logctx_site_t *site)
{
    call_preserved(deferred, logctx_success(value, destroy), site);
}

void(logctx_deferred_succeed)(logctx_deferred_t *deferred, void *value, void (*destroy)(void *value))
{
    logctx_deferred_succeed_at(deferred, value, destroy, logctx__site_of_caller(__builtin_return_address(0)));
}

void logctx_deferred_fail_at(logctx_deferred_t *deferred, const char *error, void *value, void (*destroy)(void *value),
                             const logctx_site_t *site)
{
    call_preserved(deferred, logctx_failure(error, value, destroy), site);
}

void(logctx_deferred_fail)(logctx_deferred_t *deferred, const char *error, void *value, void (*destroy)(void *value))
{
    logctx_deferred_fail_at(deferred, error, value, destroy, logctx__site_of_caller(__builtin_return_address(0)));
}

// It waited for one that is gone: nobody else will give it a result.
static void cancel_orphan(logctx_deferred_t *deferred, const logctx_site_t *site)
{
    deferred->called_at = site;
    deferred->waiting = false;
    deferred->paused--;
    deferred->result = logctx_failure(LOGCTX_CANCELLED, NULL, NULL);
    logctx__deferred_run(deferred);
}

static void cancel_uncalled(logctx_deferred_t *deferred, const logctx_site_t *site)
{
    if (deferred->cancelling) // by its canceller, after which it fails
        return;
    deferred->cancelling = true;
    if (deferred->cancel)
        deferred->cancel(deferred->user, deferred);
    else
        deferred->late = true;
    if (!deferred->called)
        call(deferred, logctx_failure(LOGCTX_CANCELLED, NULL, NULL), site);
}

// Cancels one that is no gather under way, or the one that it waits for, and so on. Returns such a gather instead, with a
// reference, when that is what it comes to.
static logctx_deferred_t *cancel_one(logctx_deferred_t *deferred, const logctx_site_t *site)
{
    while (deferred->called && deferred->waiting_on && !deferred->gather)
        deferred = deferred->waiting_on;
    logctx_deferred_ref(deferred);
    if (!deferred->called && deferred->gather)
        return deferred;
    if (!deferred->called)
        cancel_uncalled(deferred, site);
    else if (deferred->waiting && !deferred->waiting_on && !deferred->gather)
        cancel_orphan(deferred, site);
    logctx_deferred_unref(deferred);
    return NULL;
}

// Gathers of gathers are walked with frames from the pool, whose `index` is the member that is next. A member may have its
// result and wait for the gather: that one is on its way already.
static struct entry *push_gather(struct entry *below, logctx_deferred_t *gather)
{
    struct entry *frame = gather->gather->cancelling == 0 ? logctx__entry_new() : NULL;
    if (!frame) {
        logctx_deferred_unref(gather);
        return below;
    }
    frame->next = below;
    frame->to = gather;
    gather->gather->cancelling++;
    return frame;
}

static struct entry *pop_gather(struct entry *frame)
{
    struct entry *below = frame->next;
    struct gather *members = frame->to->gather;
    members->cancelling--;
    if (frame->to->called)
        logctx__gather_let_go(members);
    logctx_deferred_unref(frame->to);
    logctx__entry_free(frame);
    return below;
}

void logctx_deferred_cancel_here_at(logctx_deferred_t *deferred, const logctx_site_t *site)
{
    if (!logctx__deferred_usable(deferred))
        return;
    logctx_deferred_t *gather = cancel_one(deferred, site);
    struct entry *top = gather ? push_gather(NULL, gather) : NULL;
    while (top) {
        struct gather *members = top->to->gather;
        if (top->index < members->count) {
            logctx_deferred_t *member = members->members[top->index++].deferred;
            gather = member ? cancel_one(member, site) : NULL;
            if (gather)
                top = push_gather(top, gather);
            continue;
        }
        top = pop_gather(top);
    }
}

void(logctx_deferred_cancel_here)(logctx_deferred_t *deferred)
{
    logctx_deferred_cancel_here_at(deferred, logctx__site_of_caller(__builtin_return_address(0)));
}

void logctx_deferred_cancel_at(logctx_deferred_t *deferred, const logctx_site_t *site)
{
    logctx_preserve_t block = logctx_preserve_enter_at(&logctx__sentinel, site);
    logctx_deferred_cancel_here_at(deferred, site);
    logctx_preserve_exit_at(&block, site);
}

void(logctx_deferred_cancel)(logctx_deferred_t *deferred)
{
    logctx_deferred_cancel_at(deferred, logctx__site_of_caller(__builtin_return_address(0)));
}

void logctx_deferred_pause(logctx_deferred_t *deferred)
{
    if (logctx__deferred_usable(deferred))
        deferred->paused++;
}

void logctx_deferred_unpause(logctx_deferred_t *deferred)
{
    if (!logctx__deferred_usable(deferred))
        return;
    if (deferred->paused == (deferred->waiting ? 1u : 0u)) {
        logctx__misuse("logctx_deferred_unpause() without logctx_deferred_pause(); each pause takes one", NULL);
        return;
    }
    if (--deferred->paused > 0 || !deferred->called)
        return;
    logctx_deferred_ref(deferred);
    logctx__deferred_run(deferred);
    logctx_deferred_unref(deferred);
}

bool logctx_deferred_is_called(const logctx_deferred_t *deferred)
{
    return !logctx__deferred_usable(deferred) || deferred->called;
}

bool logctx_deferred_is_complete(const logctx_deferred_t *deferred)
{
    return !logctx__deferred_usable(deferred) || (deferred->called && deferred->paused == 0);
}

unsigned logctx_deferred_paused(const logctx_deferred_t *deferred)
{
    return logctx__deferred_usable(deferred) ? deferred->paused : 0;
}

const logctx_result_t *logctx_deferred_result(const logctx_deferred_t *deferred)
{
    static const logctx_result_t no_memory = {LOGCTX_NO_MEMORY, NULL, NULL, NULL};
    if (!logctx__deferred_usable(deferred))
        return &no_memory;
    return deferred->called && !deferred->waiting ? &deferred->result : NULL;
}
