// Usage: charging contexts and reading what they have used. The writer charges with plain stores; other threads (which may
// charge database work, and nothing else) add to the `foreign` cells of the context's family.
//
// SPDX-License-Identifier: Apache-2.0
#include "inherited.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static logctx_usage_t read_cells(const struct usage_cells *cells)
{
    return (logctx_usage_t){.cpu_ns = READ_RELAXED(cells->cpu),
                            .cpu_user_ns = READ_RELAXED(cells->user),
                            .cpu_system_ns = READ_RELAXED(cells->system),
                            .running_ns = READ_RELAXED(cells->running),
                            .db_transactions = READ_RELAXED(cells->transactions),
                            .db_ns = READ_RELAXED(cells->db),
                            .db_wait_ns = READ_RELAXED(cells->wait),
                            .db_rows = READ_RELAXED(cells->rows)};
}

static void add_owned(struct usage_cells *cells, const logctx_usage_t *amount)
{
    ADD_OWNED(cells->cpu, amount->cpu_ns);
    ADD_OWNED(cells->user, amount->cpu_user_ns);
    ADD_OWNED(cells->system, amount->cpu_system_ns);
    ADD_OWNED(cells->running, amount->running_ns);
}

static void add_owned_db(struct usage_cells *cells, const logctx_usage_t *amount)
{
    ADD_OWNED(cells->transactions, amount->db_transactions);
    ADD_OWNED(cells->db, amount->db_ns);
    ADD_OWNED(cells->wait, amount->db_wait_ns);
    ADD_OWNED(cells->rows, amount->db_rows);
}

// As it is counted: under a clock without exact parts, user and system are ticks and not nanoseconds of the total.
logctx_usage_t logctx__own_usage(const logctx_t *ctx)
{
    logctx_usage_t own = read_cells(&ctx->own);
    struct family *family = atomic_load_explicit(&ctx->family, memory_order_acquire);
    if (family) {
        logctx_usage_t foreign = read_cells(&family->foreign);
        own.cpu_ns += foreign.cpu_ns;
        own.cpu_user_ns += foreign.cpu_user_ns;
        own.cpu_system_ns += foreign.cpu_system_ns;
        own.db_transactions += foreign.db_transactions;
        own.db_ns += foreign.db_ns;
        own.db_wait_ns += foreign.db_wait_ns;
        own.db_rows += foreign.db_rows;
    }
    return own;
}

static void split_total(logctx_usage_t *usage, double user, double system)
{
    if (READ_RELAXED(logctx__clock)->exact_parts)
        return;
    usage->cpu_user_ns = user + system > 0 ? (int64_t)((double)usage->cpu_ns * (user / (user + system)))
                                           : usage->cpu_ns;
    usage->cpu_system_ns = usage->cpu_ns - usage->cpu_user_ns;
}

// Split the exact total by the ticks that fell into it, or, where none did, by those of its kind on this thread.
void logctx__split_parts(logctx_usage_t *usage, const logctx_t *ctx)
{
    if (READ_RELAXED(logctx__clock)->exact_parts)
        return;
    double user = (double)usage->cpu_user_ns, system = (double)usage->cpu_system_ns;
    struct shard *shard = atomic_load_explicit(&ctx->shard, memory_order_acquire);
    if (user + system <= 0 && shard) {
        user = (double)READ_RELAXED(shard->usage.user);
        system = (double)READ_RELAXED(shard->usage.system);
    }
    split_total(usage, user, system);
}

// The part that went backwards counts as 0; the other part counts.
static int64_t part_since(struct thread *thread, logctx_t *ctx, logctx_error_kind_t kind, int64_t from, int64_t now,
                          const logctx_site_t *site)
{
    if (likely(now >= from))
        return now - from;
    char text[64];
    // Without real numbers: their decimal point is the host's locale's.
    const int64_t now_us = (now + 500) / 1000, from_us = (from + 500) / 1000;
    snprintf(text, sizeof text, "%" PRId64 ".%06" PRId64 " < %" PRId64 ".%06" PRId64, now_us / 1000000,
             now_us % 1000000, from_us / 1000000, from_us % 1000000);
    logctx__report(thread, &(struct occurrence){.kind = kind, .affected = ctx, .text = text, .found_by = site});
    return 0;
}

static logctx_usage_t slice_since(struct thread *thread, logctx_t *ctx, const logctx_cpu_reading_t *now,
                                  uint64_t monotonic, const logctx_site_t *site)
{
    logctx_usage_t slice = {0};
    const logctx_cpu_reading_t *from = &ctx->start;
    if (READ_RELAXED(logctx__clock)->exact_parts) {
        slice.cpu_user_ns = part_since(thread, ctx, LOGCTX_ERROR_UTIME_BACKWARDS, from->user_ns, now->user_ns, site);
        slice.cpu_system_ns =
            part_since(thread, ctx, LOGCTX_ERROR_STIME_BACKWARDS, from->system_ns, now->system_ns, site);
        slice.cpu_ns = slice.cpu_user_ns + slice.cpu_system_ns;
    } else {
        slice.cpu_ns = part_since(thread, ctx, LOGCTX_ERROR_UTIME_BACKWARDS, from->total_ns, now->total_ns, site);
        slice.cpu_user_ns = now->user_ns > from->user_ns ? now->user_ns - from->user_ns : 0;
        slice.cpu_system_ns = now->system_ns > from->system_ns ? now->system_ns - from->system_ns : 0;
    }
    if (monotonic > ctx->start_monotonic)
        slice.running_ns = (int64_t)(monotonic - ctx->start_monotonic);
    return slice;
}

void logctx__charge_slice(struct thread *thread, logctx_t *ctx, logctx_cpu_reading_t now, uint64_t monotonic,
                          const logctx_site_t *site)
{
    logctx_usage_t slice = slice_since(thread, ctx, &now, monotonic, site);
    // Its home by number, but another writer: a thread id was used again after its thread ended.
    bool foreign = unlikely(READ_RELAXED(ctx->writer) != thread);
    if (foreign)
        logctx__family_foreign(ctx, &slice);
    else
        add_owned(&ctx->own, &slice);
    struct shard *shard = likely(!foreign) ? READ_RELAXED(ctx->shard) : logctx__shard(thread, ctx->series);
    if (likely(shard != NULL))
        add_owned(&shard->usage, &slice);
    ADD_OWNED(thread->attributed_cpu, slice.cpu_ns);
    if (foreign)
        return;
    if (unlikely(READ_RELAXED(ctx->folded)))
        logctx__family_late(ctx, &slice);
    else
        logctx__segment_add(ctx, SEGMENT_RUN, ctx->start_monotonic, monotonic);
}

// Whether ctx takes plain stores of this thread, and does so until leave_own(). What is current here stays here; anything
// else may be handed over at this very moment, but for the lock under which that happens.
static bool enter_own(struct thread *thread, logctx_t *ctx)
{
    if (READ_RELAXED(ctx->writer) != thread)
        return false;
    if (ctx == current_context())
        return true;
    logctx__lock(&ctx->owner->lock);
    if (READ_RELAXED(ctx->writer) == thread)
        return true;
    logctx__unlock(&ctx->owner->lock);
    return false;
}

static void leave_own(logctx_t *ctx)
{
    if (ctx != current_context())
        logctx__unlock(&ctx->owner->lock);
}

// A charge that is not a slice: from any thread, for any context but the sentinel. Metrics never go down.
static void charge(struct thread *thread, logctx_t *ctx, const logctx_usage_t *amount)
{
    if (is_inert(ctx))
        return;
    if (enter_own(thread, ctx)) {
        add_owned(&ctx->own, amount);
        add_owned_db(&ctx->own, amount);
        leave_own(ctx);
        if (READ_RELAXED(ctx->folded))
            logctx__family_late(ctx, amount);
    } else {
        logctx__family_foreign(ctx, amount);
    }
    struct shard *shard = thread ? logctx__shard(thread, ctx->series) : NULL;
    if (shard) {
        logctx_usage_t up = *amount;
        int64_t *const parts[] = {&up.cpu_user_ns, &up.cpu_system_ns, &up.db_ns, &up.db_wait_ns, &up.db_rows};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            if (*parts[i] < 0)
                *parts[i] = 0;
        up.cpu_ns = up.cpu_user_ns + up.cpu_system_ns;
        add_owned(&shard->usage, &up);
        add_owned_db(&shard->usage, &up);
    }
}

void logctx_charge_cpu(logctx_t *ctx, int64_t user_ns, int64_t system_ns)
{
    if (!ctx) {
        logctx__misuse("logctx_charge_cpu() got a NULL context; pass logctx_current() or a context of yours", NULL);
        return;
    }
    if (!is_sentinel(ctx))
        charge(this_thread(), ctx,
               &(logctx_usage_t){.cpu_ns = user_ns + system_ns, .cpu_user_ns = user_ns, .cpu_system_ns = system_ns});
}

static logctx_status_t refuse_negative(struct thread *thread, logctx_t *ctx, const char *text,
                                       const logctx_site_t *site)
{
    logctx__report(
        thread,
        &(struct occurrence){.kind = LOGCTX_ERROR_NEGATIVE_DURATION, .affected = ctx, .text = text, .found_by = site});
    return LOGCTX_E_NEGATIVE;
}

// The segment of database work that ends now; only the writer keeps them.
static void note_segment(struct thread *thread, logctx_t *ctx, enum segment_state state, int64_t duration_ns)
{
    uint64_t now = logctx__monotonic(), length = (uint64_t)duration_ns;
    if (READ_RELAXED(ctx->finished) || !enter_own(thread, ctx))
        return;
    logctx__segment_add(ctx, state, length < now ? now - length : 0, now);
    leave_own(ctx);
}

static logctx_status_t charge_transaction(logctx_t *ctx, int64_t duration_ns, const logctx_site_t *site)
{
    struct thread *thread = this_thread();
    if (duration_ns < 0)
        return refuse_negative(thread, ctx, "DB txn time can only be non-negative", site);
    note_segment(thread, ctx, SEGMENT_TXN, duration_ns);
    charge(thread, ctx, &(logctx_usage_t){.db_transactions = 1, .db_ns = duration_ns});
    return LOGCTX_OK;
}

logctx_status_t logctx_db_transaction_at(int64_t duration_ns, const logctx_site_t *site)
{
    logctx_t *ctx = current_context();
    return is_sentinel(ctx) ? LOGCTX_OK : charge_transaction(ctx, duration_ns, site);
}

logctx_status_t(logctx_db_transaction)(int64_t duration_ns)
{
    return logctx_db_transaction_at(duration_ns, logctx__site_of_caller(__builtin_return_address(0)));
}

logctx_status_t logctx_db_waited_at(int64_t duration_ns, const logctx_site_t *site)
{
    logctx_t *ctx = current_context();
    if (is_sentinel(ctx))
        return LOGCTX_OK;
    struct thread *thread = this_thread();
    if (duration_ns < 0)
        return refuse_negative(thread, ctx, "DB scheduling time can only be non-negative", site);
    note_segment(thread, ctx, SEGMENT_POOL, duration_ns);
    charge(thread, ctx, &(logctx_usage_t){.db_wait_ns = duration_ns});
    return LOGCTX_OK;
}

logctx_status_t(logctx_db_waited)(int64_t duration_ns)
{
    return logctx_db_waited_at(duration_ns, logctx__site_of_caller(__builtin_return_address(0)));
}

void logctx_db_fetched(int64_t rows)
{
    logctx_t *ctx = current_context();
    if (!is_sentinel(ctx))
        charge(this_thread(), ctx, &(logctx_usage_t){.db_rows = rows});
}

void logctx_db_begin(logctx_db_t *db)
{
    if (!db) {
        logctx__misuse("logctx_db_begin() got NULL; pass a logctx_db_t to be filled in", NULL);
        return;
    }
    db->ctx = logctx_ref(current_context());
    db->began_ns = logctx__monotonic();
    if (!is_sentinel(db->ctx))
        atomic_fetch_add_explicit(&db->ctx->open_transactions, 1, memory_order_relaxed);
}

void logctx_db_end(logctx_db_t *db)
{
    if (!db || !db->ctx) {
        logctx__misuse("logctx_db_end() without logctx_db_begin(), or a second time; each begin needs one end", NULL);
        return;
    }
    if (!is_sentinel(db->ctx) && !is_inert(db->ctx)) {
        uint64_t now = logctx__monotonic();
        atomic_fetch_sub_explicit(&db->ctx->open_transactions, 1, memory_order_relaxed);
        charge_transaction(db->ctx, now > db->began_ns ? (int64_t)(now - db->began_ns) : 0, NULL);
    }
    logctx_unref(db->ctx);
    db->ctx = NULL;
}

// The running slice, if this thread may know it: with the errors that a stop would raise, and nothing stored.
static logctx_usage_t running_slice(logctx_t *ctx)
{
    struct thread *thread = this_thread();
    logctx_cpu_reading_t now;
    uint64_t monotonic;
    // Acquired: who sees the slice that began after a hand-over sees the new home, too.
    if (!thread || atomic_load_explicit(&ctx->started, memory_order_acquire) != SLICE_RUNS ||
        READ_RELAXED(thread->id) != READ_RELAXED(ctx->home) || !read_clocks(thread, &now, &monotonic))
        return (logctx_usage_t){0};
    return slice_since(thread, ctx, &now, monotonic, NULL);
}

static void add_slice(logctx_usage_t *usage, const logctx_usage_t *slice)
{
    usage->cpu_ns += slice->cpu_ns;
    usage->cpu_user_ns += slice->cpu_user_ns;
    usage->cpu_system_ns += slice->cpu_system_ns;
    usage->running_ns += slice->running_ns;
}

// That of the parent process, when it was first asked for here; what its children have used is the parent's affair.
static void get_inherited(const logctx_t *ctx, logctx_usage_t *own, logctx_usage_t *total)
{
    logctx_usage_t usage = logctx__inherited(ctx)->own;
    split_total(&usage, (double)usage.cpu_user_ns, (double)usage.cpu_system_ns);
    if (own)
        *own = usage;
    if (total)
        *total = usage;
}

void logctx_get_usage(logctx_t *ctx, logctx_usage_t *own, logctx_usage_t *total)
{
    if (own)
        memset(own, 0, sizeof *own);
    if (total)
        memset(total, 0, sizeof *total);
    if (!ctx)
        logctx__misuse("logctx_get_usage() got a NULL context; pass logctx_current() or a context of yours", NULL);
    if (!ctx || is_sentinel(ctx))
        return;
    if (is_inert(ctx)) {
        get_inherited(ctx, own, total);
        return;
    }
    logctx_usage_t slice = running_slice(ctx);
    if (own) {
        *own = logctx__own_usage(ctx);
        add_slice(own, &slice);
        logctx__split_parts(own, ctx);
    }
    if (total) {
        *total = logctx__family_total(ctx);
        add_slice(total, &slice);
        logctx__split_parts(total, ctx);
    }
}
