// How the queues of deferreds run: entry by entry, each with the result of the one before. What an entry sets off (a deferred
// that waited for this one, one that a step of the library calls) runs before the rest, from a stack of frames that are the
// entries themselves: no recursion and no memory, however long the chain. Runs on the thread of whoever calls the deferred.
//
// Budget of one callback: no malloc in steady state, no lock, no switch of our own.
//
// SPDX-License-Identifier: Apache-2.0
#include "deferred.h"

static struct entry *take(logctx_deferred_t *deferred)
{
    struct entry *entry = deferred->first;
    deferred->first = entry->next;
    if (!deferred->first)
        deferred->last = NULL;
    return entry;
}

static void release_pair(struct entry *entry)
{
    if (entry->release)
        entry->release(entry->user);
}

// Looks along the chain only if somebody waits for `other`: else nobody in the chain does.
static bool waits_for(const logctx_deferred_t *deferred, const logctx_deferred_t *other)
{
    if (other->waiters == 0)
        return deferred == other;
    while (deferred && deferred != other)
        deferred = deferred->waiting_on;
    return deferred == other;
}

// The value of `in` goes, unless it comes back in `out` or the function has kept it.
static void replace_result(logctx_deferred_t *deferred, logctx_result_t *in, logctx_result_t out)
{
    bool same = !out.deferred && out.value == in->value;
    deferred->result = logctx_success(NULL, NULL);
    if (!same)
        logctx__result_free(in);
    if (!out.deferred)
        deferred->result = out;
}

// The result of one that is there. What is lent stays with who works on it, but for the error.
static void take_result(logctx_deferred_t *deferred, logctx_deferred_t *other)
{
    deferred->result = other->lent ? (logctx_result_t){.error = other->result.error} : other->result;
    deferred->called_at = other->called_at;
    other->result = logctx_success(NULL, NULL);
}

// The pair of `entry` has returned `other`: either its result is there, or `entry` is what goes on when it is.
static void wait_for(logctx_deferred_t *deferred, struct entry *entry, logctx_deferred_t *other)
{
    if (unlikely(!logctx__deferred_usable(other))) {
        deferred->result = logctx_failure("_OTHER", NULL, NULL);
        logctx__entry_free(entry);
        return;
    }
    if (waits_for(other, deferred)) {
        logctx__misuse(
            "a function of a deferred returned that deferred, or one that waits for it: neither could ever have a "
            "result, so it fails",
            deferred->called_at);
        deferred->result = logctx_failure("_OTHER", NULL, NULL);
        logctx__entry_free(entry);
    } else if (!other->called || other->paused > 0) {
        *entry = (struct entry){.owner = entry->owner, .kind = ENTRY_HAND_OVER, .to = logctx_deferred_ref(deferred)};
        deferred->paused++;
        deferred->waiting = true;
        deferred->waiting_on = other;
        other->waiters++;
        logctx__entry_append(other, entry);
    } else {
        take_result(deferred, other);
        logctx__entry_free(entry);
    }
    logctx_deferred_unref(other);
}

// True if the deferred waits for another one now. It counts as running until all is released: what the host's functions
// add meanwhile has its turn after what is there.
static bool run_pair(logctx_deferred_t *deferred, struct entry *entry)
{
    logctx_callback_t *function = deferred->result.error ? entry->errback : entry->callback;
    logctx_result_t in = deferred->result, out = in;
    deferred->running = true;
    if (function) {
        deferred->lent = true;
        out = function(entry->user, &in);
        deferred->lent = false;
        replace_result(deferred, &in, out);
    }
    release_pair(entry);
    if (unlikely(out.deferred))
        wait_for(deferred, entry, out.deferred);
    else
        logctx__entry_free(entry);
    deferred->running = false;
    return deferred->waiting;
}

// Whoever has taken the result while the step ran has taken a copy without the value.
static void end_step(logctx_deferred_t *deferred, const struct entry *entry)
{
    deferred->lent = false;
    deferred->result = entry->in;
    if (entry->clear)
        logctx__result_free(&deferred->result);
    deferred->running = false;
}

// True, and the entry is a frame, if it has called another deferred, which runs before the step ends.
static bool run_step(logctx_deferred_t *deferred, struct entry *entry)
{
    deferred->running = deferred->lent = true;
    entry->in = deferred->result;
    logctx_deferred_t *called = entry->step(entry, &entry->in);
    if (called) {
        entry->to = called;
        entry->calls = true;
        entry->resumes = deferred;
        return true;
    }
    end_step(deferred, entry);
    logctx__entry_free(entry);
    return false;
}

static void hand_over(logctx_deferred_t *deferred, const struct entry *entry)
{
    logctx_deferred_t *to = entry->to;
    deferred->waiters--;
    to->result = deferred->result;
    to->called_at = deferred->called_at;
    to->waiting = false;
    to->waiting_on = NULL;
    to->paused--;
    deferred->result = logctx_success(NULL, NULL);
}

// Runs the queue until it is empty or waits: NULL; or until another deferred is to run first: the frame of that one.
static struct entry *run_queue(logctx_deferred_t *deferred)
{
    while (deferred->first) {
        struct entry *entry = take(deferred);
        switch (entry->kind) {
        case ENTRY_HAND_OVER:
            hand_over(deferred, entry);
            return entry;
        case ENTRY_STEP:
            if (run_step(deferred, entry))
                return entry;
            break;
        case ENTRY_PAIR:
            if (run_pair(deferred, entry))
                return NULL;
            break;
        }
    }
    return NULL;
}

static struct entry *pop(struct entry *top)
{
    struct entry *below = top->next;
    logctx_deferred_unref(top->to);
    if (top->calls && top->resumes)
        end_step(top->resumes, top);
    if (top->owner)
        logctx__entry_free(top);
    return below;
}

// One that is held up ends all that was run for the same call; what made the call goes on.
static struct entry *abandon(struct entry *top)
{
    while (top && !top->calls)
        top = pop(top);
    return top ? pop(top) : NULL;
}

void logctx__deferred_run(logctx_deferred_t *deferred)
{
    if (deferred->running)
        return;
    struct entry base = {.calls = true, .to = logctx_deferred_ref(deferred)};
    struct entry *top = &base;
    bool in_step = false; // going on within a queue, which is not held up any more
    while (top) {
        if (!in_step && top->to->paused > 0) {
            in_step = true;
            top = abandon(top);
            continue;
        }
        struct entry *frame = run_queue(top->to);
        if (frame) {
            frame->next = top;
            top = frame;
            in_step = false;
            continue;
        }
        in_step = top->calls;
        top = pop(top);
    }
}
