// Contexts in flight: copies for whoever wants to look, and the last look at the end of a program.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"
#include "utf8.h"

#include <string.h>

enum { REPORTED_AT_EXIT = 64 };

static void copy_text(char *out, size_t size, const char *text)
{
    out[logctx__utf8_copy(out, size - 1, text, strlen(text), LOGCTX__UTF8_NO_LIMIT)] = '\0';
}

static void copy_context(logctx_snapshot_t *out, const logctx_t *ctx, uint64_t now)
{
    memset(out, 0, sizeof *out);
    copy_text(out->name, sizeof out->name, ctx->name);
    copy_text(out->kind, sizeof out->kind, ctx->series->kind->name);
    copy_text(out->server, sizeof out->server, logctx_server(ctx));
    out->type = ctx->series->type;
    out->state = READ_RELAXED(ctx->started) == SLICE_RUNS   ? LOGCTX_STATE_RUNNING
                 : READ_RELAXED(ctx->open_transactions) > 0 ? LOGCTX_STATE_TXN
                                                            : LOGCTX_STATE_IDLE;
    out->age_ns = age_ns(ctx, now);
    out->thread_id = (uint64_t)READ_RELAXED(READ_RELAXED(ctx->writer)->tid);
    memcpy(out->trace_id, ctx->profile.trace_id, sizeof out->trace_id);
    memcpy(out->span_id, ctx->profile.span_id, sizeof out->span_id);
    out->own = logctx__own_usage(ctx);
    logctx__split_parts(&out->own, ctx);
    const logctx_site_t *site = READ_RELAXED(ctx->switched_at);
    logctx__where(site ? site : ctx->created_at, out->where, sizeof out->where);
}

// Unfinished contexts are held by their live reference, and leave the list under the lock before they may be freed.
size_t logctx_get_snapshot(logctx_snapshot_t *entries, size_t capacity)
{
    size_t count = 0;
    uint64_t now = logctx__monotonic();
    for (struct thread *thread = logctx__threads(); thread; thread = thread->next) {
        logctx__lock(&thread->lock);
        for (uint32_t i = 0; i < thread->shard_count; i++) {
            struct shard *shard = thread->shards[i];
            for (logctx_t *ctx = shard ? shard->oldest : NULL; ctx; ctx = ctx->next_live, count++)
                if (entries && count < capacity)
                    copy_context(&entries[count], ctx, now);
        }
        logctx__unlock(&thread->lock);
    }
    return count;
}

// References to the first ones, so that they can be reported without the lock; the others are counted.
static size_t take_unfinished(struct thread *self, logctx_t **out)
{
    size_t count = 0;
    for (struct thread *thread = logctx__threads(); thread; thread = thread->next) {
        logctx__lock(&thread->lock);
        for (uint32_t i = 0; i < thread->shard_count; i++) {
            struct shard *shard = thread->shards[i];
            for (logctx_t *ctx = shard ? shard->oldest : NULL; ctx; ctx = ctx->next_live) {
                if (count < REPORTED_AT_EXIT)
                    out[count++] = logctx_ref(ctx);
                else
                    ADD_OWNED(self->errors[LOGCTX_ERROR_UNFINISHED_AT_EXIT], 1);
            }
        }
        logctx__unlock(&thread->lock);
    }
    return count;
}

void logctx_check_unfinished(void)
{
    struct thread *self = this_thread();
    logctx_t *unfinished[REPORTED_AT_EXIT];
    size_t count = self ? take_unfinished(self, unfinished) : 0;
    for (size_t i = 0; i < count; i++) {
        logctx__report(self, &(struct occurrence){.kind = LOGCTX_ERROR_UNFINISHED_AT_EXIT,
                                                  .affected = unfinished[i],
                                                  .expected = logctx_name(unfinished[i]),
                                                  .set_by = unfinished[i]->created_at});
        logctx_unref(unfinished[i]);
    }
}
