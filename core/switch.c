// The switch: the one place where another context becomes current. One reading of the thread's clock stops the old context
// and starts the new one; everything that can go wrong here is reported, and the switch happens all the same.
//
// Budget: at most 265 instructions for `switch` and `switch_depth64`, at most 265 instructions for `switch_segments` (with
// the sentinel between them), as tests/budget counts them: logctx_set_current() without an error, checks, accounting, metrics,
// flight recorder and the profilers' pointer together.
//
// Of logctx__switch() without an error: one reading of the clocks, no allocation, no lock, no locked instruction, no
// system call but those of the clock (the "cpu" clock: none as a rule, see cpu_clock.h). The same for contexts that were
// handed over, and for the children of another thread's context: all that a switch writes is the context's and this
// thread's own.
//
// SPDX-License-Identifier: Apache-2.0
#include "probes.h"

static __attribute__((noinline, cold)) void report(struct thread *thread, logctx_error_kind_t kind, logctx_t *ctx,
                                                   const logctx_site_t *site, const logctx_site_t *set_by)
{
    logctx__report(
        thread, &(struct occurrence){
                    .kind = kind, .affected = ctx, .expected = logctx_name(ctx), .found_by = site, .set_by = set_by});
}

// For collections on other threads: which slice runs here, and since when. The sequence is odd from before the old slice
// is charged until the new one is known, so that a collection finds each slice running or charged, and never both.
static void change_slice(struct thread *thread)
{
    unsigned sequence = READ_RELAXED(thread->slice_sequence);
    atomic_store_explicit(&thread->slice_sequence, sequence + 1, memory_order_relaxed);
    FENCE(memory_order_release);
}

static inline __attribute__((always_inline)) void publish_slice(struct thread *thread, struct shard *shard,
                                                                int64_t total, uint64_t monotonic)
{
    unsigned sequence = READ_RELAXED(thread->slice_sequence);
    atomic_store_explicit(&thread->slice_shard, shard, memory_order_relaxed);
    atomic_store_explicit(&thread->slice_cpu, total + thread->cpu.to_kernel_least, memory_order_relaxed);
    atomic_store_explicit(&thread->slice_unsure, thread->cpu.unsure, memory_order_relaxed);
    atomic_store_explicit(&thread->slice_monotonic, monotonic, memory_order_relaxed);
    atomic_store_explicit(&thread->slice_sequence, sequence + 1, memory_order_release);
}

// Where the collections look for the slice: nowhere, if it is not charged to a shard of this thread that is known now.
static struct shard *shard_of(const struct thread *thread, const logctx_t *ctx)
{
    return likely(READ_RELAXED(ctx->writer) == thread) ? READ_RELAXED(ctx->shard) : NULL;
}

static __attribute__((noinline, cold)) void stop_elsewhere(struct thread *thread, logctx_t *ctx,
                                                           const logctx_site_t *site)
{
    if (is_inert(ctx))
        return;
    report(thread, LOGCTX_ERROR_STOPPED_ON_DIFFERENT_THREAD, ctx, site, thread->current_at);
    unsigned char runs = SLICE_RUNS; // at home, where it stays current: a hand-over must know
    atomic_compare_exchange_strong(&ctx->started, &runs, SLICE_LOST);
}

// What logctx__charge_slice() does, for nearly all slices: of the "cpu" clock, or another without exact parts, in which no
// tick fell, of an unfinished context that this thread writes. False: it is none of these, and nothing was done.
static inline __attribute__((always_inline)) bool charge_plainly(struct thread *thread, logctx_t *ctx,
                                                                 const logctx_cpu_reading_t *now, uint64_t monotonic)
{
    const logctx_cpu_reading_t *from = &ctx->start;
    struct shard *shard = shard_of(thread, ctx);
    int64_t cpu = now->total_ns - from->total_ns, running = (int64_t)(monotonic - ctx->start_monotonic);
    bool other_parts = ((now->user_ns ^ from->user_ns) | (now->system_ns ^ from->system_ns)) != 0;
    if (unlikely(!shard || (cpu | running) < 0 || other_parts || READ_RELAXED(ctx->folded) ||
                 READ_RELAXED(logctx__clock)->exact_parts))
        return false;
    ADD_OWNED(ctx->own.cpu, cpu);
    ADD_OWNED(ctx->own.running, running);
    ADD_OWNED(shard->usage.cpu, cpu);
    ADD_OWNED(shard->usage.running, running);
    ADD_OWNED(thread->attributed_cpu, cpu);
    if (!segment_prolong(ctx, SEGMENT_RUN, ctx->start_monotonic, monotonic))
        logctx__segment_new(ctx, SEGMENT_RUN, ctx->start_monotonic, monotonic);
    return true;
}

static inline __attribute__((always_inline)) void stop(struct thread *thread, logctx_t *ctx, bool has_reading,
                                                       const logctx_cpu_reading_t *now, uint64_t monotonic,
                                                       const logctx_site_t *site)
{
    if (unlikely(READ_RELAXED(thread->id) != READ_RELAXED(ctx->home))) {
        stop_elsewhere(thread, ctx, site);
        return;
    }
    if (unlikely(!has_reading))
        ;
    else if (unlikely(READ_RELAXED(ctx->started) != SLICE_RUNS))
        report(thread, LOGCTX_ERROR_STOP_WITHOUT_START, ctx, site, READ_RELAXED(ctx->switched_at)); // who wiped it
    else if (unlikely(!charge_plainly(thread, ctx, now, monotonic)))
        logctx__charge_slice(thread, ctx, *now, monotonic, site);
    atomic_store_explicit(&ctx->started, SLICE_NONE, memory_order_relaxed);
}

static inline void begin_slice(logctx_t *ctx, const logctx_cpu_reading_t *now, uint64_t monotonic)
{
    ctx->start = *now;
    ctx->start_monotonic = monotonic;
    atomic_store_explicit(&ctx->started, SLICE_RUNS, memory_order_release);
}

// Whether a slice of ctx runs now.
static inline __attribute__((always_inline)) bool start(struct thread *thread, logctx_t *ctx, bool has_reading,
                                                        const logctx_cpu_reading_t *now, uint64_t monotonic,
                                                        const logctx_site_t *site, const logctx_site_t *before)
{
    if (unlikely(READ_RELAXED(thread->id) != READ_RELAXED(ctx->home))) {
        report(thread, LOGCTX_ERROR_STARTED_ON_DIFFERENT_THREAD, ctx, site, before);
        return false;
    }
    ADD_OWNED(ctx->switches, 1);
    if (unlikely(READ_RELAXED(ctx->finished)))
        report(thread, LOGCTX_ERROR_RESTARTED_FINISHED, ctx, site, before);
    if (unlikely(READ_RELAXED(ctx->started) == SLICE_RUNS)) {
        report(thread, LOGCTX_ERROR_RESTARTED_ACTIVE, ctx, site, before);
        return has_reading;
    }
    if (unlikely(!has_reading)) {
        atomic_store_explicit(&ctx->started, SLICE_LOST, memory_order_relaxed);
        return false;
    }
    begin_slice(ctx, now, monotonic);
    return true;
}

static inline __attribute__((always_inline)) bool begin(struct thread *thread, logctx_t *ctx, bool has_reading,
                                                        const logctx_cpu_reading_t *now, uint64_t monotonic,
                                                        const logctx_site_t *site)
{
    const logctx_site_t *before = READ_RELAXED(ctx->switched_at); // who made it current the last time
    atomic_store_explicit(&ctx->switched_at, site, memory_order_relaxed);
    bool runs = start(thread, ctx, has_reading, now, monotonic, site, before);
    if (unlikely(ctx->process))
        logctx__process_resumed(thread, ctx, site, before);
    return runs;
}

static void remember(struct thread *thread, logctx_t *from, logctx_t *to, const logctx_site_t *site, uint64_t monotonic)
{
    struct recorded_switch *entry = &thread->recent[thread->recent_next++ % LOGCTX_RECENT];
    entry->from = from;
    entry->to = to;
    entry->from_generation = READ_RELAXED(from->generation);
    entry->to_generation = READ_RELAXED(to->generation);
    entry->site = site;
    entry->monotonic = monotonic;
}

static __attribute__((noinline, cold)) void report_freed(struct thread *thread, const logctx_site_t *site)
{
    logctx__report(thread, &(struct occurrence){
                               .kind = LOGCTX_ERROR_INVALID_USE,
                               .text = "a context was made current after its last reference was given back; keep one "
                                       "with logctx_ref(). The sentinel is current instead",
                               .found_by = site});
}

// Whether ctx may become current: a handle whose last reference was given back is caught here, not followed, and for a
// context of the parent process the sentinel stands in.
static logctx_t *checked(struct thread *thread, logctx_t *ctx, const logctx_site_t *site)
{
    if (likely(READ_RELAXED(ctx->refs) > 0))
        return likely(ctx->owner == thread) || !is_inert(ctx) ? ctx : &logctx__sentinel;
    if (!is_inert(ctx))
        report_freed(thread, site);
    return &logctx__sentinel;
}

// From the reading on. Once with a reading that is known to be there, without a look whether it is.
static inline __attribute__((always_inline)) logctx_t *change(struct thread *thread, logctx_t *from, logctx_t *to,
                                                              const logctx_site_t *site, bool has_reading,
                                                              const logctx_cpu_reading_t *reading, uint64_t monotonic)
{
    if (!is_sentinel(from))
        stop(thread, from, has_reading, reading, monotonic, site);
    if (unlikely(logctx__tls.thread != thread)) // a hook has forked, and this is the child
        return current_context();
    // Only an unfinished context that this thread writes is kept alive by itself while it is current.
    bool pin = !is_sentinel(to) &&
               (unlikely(READ_RELAXED(to->writer) != thread) || unlikely(READ_RELAXED(to->finished)));
    if (unlikely(pin))
        logctx_ref(to);
    bool unpin = thread->pinned;
    thread->pinned = pin;
    set_current_context(thread, to);
    remember(thread, from, to, site, monotonic);
    if (!is_sentinel(to) && begin(thread, to, has_reading, reading, monotonic, site))
        publish_slice(thread, shard_of(thread, to), reading->total_ns, monotonic);
    else
        publish_slice(thread, NULL, 0, 0);
    thread->current_at = site;
    probe_switch(from, to, site);
    if (unlikely(unpin))
        logctx_unref(from);
    return from;
}

static __attribute__((noinline)) logctx_t *change_slowly(struct thread *thread, logctx_t *from, logctx_t *to,
                                                         const logctx_site_t *site, uint64_t counter)
{
    logctx_cpu_reading_t reading = {0};
    uint64_t monotonic = 0;
    bool has_reading = logctx__read_clocks_slowly(thread, counter, &reading, &monotonic);
    return change(thread, from, to, site, has_reading, &reading, monotonic);
}

logctx_t *logctx__switch(struct thread *thread, logctx_t *to, const logctx_site_t *site)
{
    logctx_t *from = current_context();
    if (from == to)
        return from;
    if (unlikely(thread == NULL))
        return from;
    if (unlikely(thread->in_hook > 0)) {
        ADD_OWNED(thread->refused_switches, 1);
        return from;
    }
    to = checked(thread, to, site);
    if (unlikely(from == to))
        return from;

    // Before the reading: a collection that reads the clock after it must not take the slice as running.
    change_slice(thread);
    logctx_cpu_reading_t reading;
    uint64_t counter = cpu_counter(), mark = READ_RELAXED(logctx__cpu_source.mark), monotonic;
    if (unlikely(!cpu_clock_fast(&thread->cpu, mark, counter, &reading, &monotonic)))
        return change_slowly(thread, from, to, site, counter);
    return change(thread, from, to, site, true, &reading, monotonic);
}

void logctx__put_back(struct thread *thread, logctx_t *to, const logctx_site_t *site,
                      const logctx_site_t *made_current_at)
{
    logctx__switch(thread, to, site);
    if (made_current_at != site && likely(current_context() == to))
        thread->current_at = made_current_at;
}

// Charge the slice so far of the context that is current, and go on: for a finish without a switch.
void logctx__charge_running(struct thread *thread, logctx_t *ctx)
{
    logctx_cpu_reading_t now;
    if (ctx != current_context() || READ_RELAXED(thread->id) != READ_RELAXED(ctx->home) ||
        READ_RELAXED(ctx->started) != SLICE_RUNS)
        return;
    // Within a switch (a hook finishes the context that is being left) the slice is being changed already.
    bool within = READ_RELAXED(thread->slice_sequence) & 1;
    if (!within)
        change_slice(thread);
    uint64_t monotonic;
    if (!read_clocks(thread, &now, &monotonic)) {
        if (!within)
            publish_slice(thread, NULL, 0, 0);
        return;
    }
    logctx__charge_slice(thread, ctx, now, monotonic, NULL);
    ctx->start = now;
    ctx->start_monotonic = monotonic;
    if (!within)
        publish_slice(thread, shard_of(thread, ctx), now.total_ns, monotonic);
}

// For a context that was current here before it was handed over: its slice begins now. Not within a switch.
void logctx__begin_slice(struct thread *thread, logctx_t *ctx)
{
    logctx_cpu_reading_t now;
    uint64_t monotonic;
    if (!read_clocks(thread, &now, &monotonic))
        return;
    change_slice(thread);
    ADD_OWNED(ctx->switches, 1);
    begin_slice(ctx, &now, monotonic);
    publish_slice(thread, shard_of(thread, ctx), now.total_ns, monotonic);
}

// For a thread that ends, perhaps within a switch, in a hook of the host.
void logctx__end_slice(struct thread *thread)
{
    if (!(READ_RELAXED(thread->slice_sequence) & 1))
        change_slice(thread);
    publish_slice(thread, NULL, 0, 0);
}

logctx_t *logctx_set_current_at(logctx_t *ctx, const logctx_site_t *site)
{
    if (unlikely(ctx == NULL)) {
        logctx__misuse("logctx_set_current() got a NULL context; the sentinel is current instead", site);
        ctx = &logctx__sentinel;
    }
    return logctx__switch(this_thread(), ctx, site);
}

logctx_t *(logctx_set_current)(logctx_t *ctx)
{
    return logctx_set_current_at(ctx, logctx__site_of_caller(__builtin_return_address(0)));
}
