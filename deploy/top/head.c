// The lines above the rows. Of the main thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "head.h"

#include "rows.h"

#include <inttypes.h>
#include <string.h>

static double share_of(const struct rates *before, uint64_t address, int64_t cpu, uint64_t elapsed)
{
    for (size_t i = 0; i < before->thread_count; i++) {
        if (before->threads[i].address == address && elapsed > 0)
            return ((double)cpu - (double)before->threads[i].cpu) / (double)elapsed;
    }
    return -1;
}

// With the slice that runs, which is not in the sum yet: a long one would else look like none.
static int64_t cpu_of(const struct snapshot *snapshot, const struct snapshot_thread *thread)
{
    bool computes = thread->current >= 0 && thread->kernel_state == 'R';
    uint64_t slice = computes ? snapshot->contexts[thread->current].slice : 0;
    return (int64_t)((uint64_t)thread->attributed_cpu + slice);
}

void rates_update(struct rates *rates, const struct snapshot *snapshot)
{
    struct rates before = *rates;
    uint64_t elapsed = before.now && snapshot->now > before.now ? snapshot->now - before.now : 0;
    *rates = (struct rates){.now = snapshot->now, .created = snapshot->created, .ended = snapshot->ended};
    rates->known = elapsed > 0 && snapshot->lives && rates->created >= before.created && rates->ended >= before.ended;
    if (rates->known) {
        rates->created_per_s = (double)(rates->created - before.created) * 1e9 / (double)elapsed;
        rates->ended_per_s = (double)(rates->ended - before.ended) * 1e9 / (double)elapsed;
    }
    for (size_t i = 0; i < snapshot->thread_count && i < HEAD_THREADS_MAX; i++) {
        const struct snapshot_thread *thread = &snapshot->threads[i];
        double share = rates->known ? share_of(&before, thread->address, cpu_of(snapshot, thread), elapsed) : -1;
        rates->threads[i].address = thread->address;
        rates->threads[i].cpu = cpu_of(snapshot, thread);
        rates->threads[i].share = share > 1 ? 1 : share < 0 && share > -1 ? 0 : share;
        rates->thread_count = i + 1;
    }
}

void head_process(const struct snapshot *snapshot, char *out)
{
    const struct logctx_table_header *header = &snapshot->layout.header;
    char service[DISPLAY_SIZE], executable[DISPLAY_SIZE], time[TEXT_SHORT];
    text_fit((struct layout_text){header->service, strnlen(header->service, sizeof header->service)}, 30, service);
    text_fit((struct layout_text){header->executable, strnlen(header->executable, sizeof header->executable)}, 30,
             executable);
    size_t used = (size_t)snprintf(out, DISPLAY_SIZE, "%s%s%s  pid %d  ", service, service[0] ? " / " : "", executable,
                                   (int)snapshot->pid);
    if (snapshot->lives)
        snprintf(out + used, DISPLAY_SIZE - used, "up %s", text_duration((int64_t)(snapshot->begun & INT64_MAX), time));
    else if (header->state == LOGCTX_TABLE_ENDED)
        snprintf(out + used, DISPLAY_SIZE - used, "has ended; as it was at %s", text_moment(snapshot->now_unix, time));
    else
        snprintf(out + used, DISPLAY_SIZE - used, "is gone; as it was at %s", text_moment(snapshot->now_unix, time));
}

void head_contexts(const struct snapshot *snapshot, const struct rates *rates, char *out)
{
    size_t held = snapshot->by_state[SNAPSHOT_HELD];
    int used = snprintf(out, DISPLAY_SIZE, "%zu in flight:", snapshot->context_count - held);
    for (unsigned i = 0; i < SNAPSHOT_HELD; i++) {
        if (i != SNAPSHOT_NEW || snapshot->by_state[i])
            used += snprintf(out + used, DISPLAY_SIZE - (size_t)used, "%s %zu %s", i ? "," : "", snapshot->by_state[i],
                             snapshot_state_name((enum snapshot_state)i));
    }
    if (held)
        used += snprintf(out + used, DISPLAY_SIZE - (size_t)used, "; %zu held", held);
    if (snapshot->errors)
        used += snprintf(out + used, DISPLAY_SIZE - (size_t)used, "; %" PRIu64 " errors", snapshot->errors);
    if (rates && rates->known)
        snprintf(out + used, DISPLAY_SIZE - (size_t)used, "; +%.0f -%.0f a second", rates->created_per_s,
                 rates->ended_per_s);
    else
        snprintf(out + used, DISPLAY_SIZE - (size_t)used, "; %" PRIu64 " made so far", snapshot->created);
}

static const char *doing(const struct snapshot_thread *thread)
{
    if (!thread->attached)
        return "has ended";
    if (thread->current >= 0)
        return thread->kernel_state && thread->kernel_state != 'R' ? "sleeps in" : "runs";
    if (thread->in_poll)
        return "waits for events";
    return "runs no context";
}

void head_thread(const struct snapshot *snapshot, const struct rates *rates, size_t index, char *out)
{
    const struct snapshot_thread *thread = &snapshot->threads[index];
    char name[DISPLAY_SIZE], what[DISPLAY_SIZE] = "", share[16] = "", slice[TEXT_SHORT] = "";
    rows_thread(thread, name);
    if (thread->current >= 0) {
        const struct snapshot_context *context = &snapshot->contexts[thread->current];
        text_fit(context->name, 40, what);
        text_duration((int64_t)(context->slice & INT64_MAX), slice);
    }
    if (rates && index < rates->thread_count && rates->threads[index].share >= 0)
        snprintf(share, sizeof share, "%3.0f%% ", rates->threads[index].share * 100);
    snprintf(out, DISPLAY_SIZE, "%.160s (%d) %s%s%s%.300s%s%s", thread->loop.length ? name : "thread", (int)thread->tid,
             share, doing(thread), what[0] ? " " : "", what, slice[0] ? ", since " : "", slice);
}

void head_unseen(const struct snapshot *snapshot, char *out)
{
    const struct logctx_table_header *header = &snapshot->layout.header;
    out[0] = '\0';
    if (header->elsewhere)
        snprintf(out, DISPLAY_SIZE, "The table is full: up to %" PRIu64 " contexts are not in it.", header->elsewhere);
    else if (snapshot->changing)
        snprintf(out, DISPLAY_SIZE, "%" PRIu64 " contexts changed too fast to be read.", snapshot->changing);
}
