// The event loop's poll: the cheapest check there is. Whoever polls must have the sentinel; what runs around the poll is
// the loop's own CPU time, measured on one turn in 64: each turn up to the next measured one counts as much.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

enum { MEASURED_TURNS = 64 }; // a power of two

static void report_leak(struct thread *thread, logctx_t *leaked, const logctx_site_t *site)
{
    const logctx_site_t *set_by = thread->current_at;
    logctx_ref(leaked);
    logctx__switch(thread, &logctx__sentinel, site);
    logctx__report(thread, &(struct occurrence){.kind = LOGCTX_ERROR_LEAKED_TO_LOOP,
                                                .affected = leaked,
                                                .expected = "sentinel",
                                                .found = logctx_name(leaked),
                                                .found_by = site,
                                                .set_by = set_by});
    logctx_unref(leaked);
}

// libuv runs the callbacks of streams before its poll phase ends: what contexts used in between is theirs.
static bool outside_contexts(struct thread *thread, int64_t *cpu)
{
    int64_t now;
    if (!logctx__read_cpu_now(thread, &now))
        return false;
    *cpu = now - READ_RELAXED(thread->attributed_cpu);
    return true;
}

void logctx_poll_begin_at(const logctx_site_t *site)
{
    struct thread *thread = this_thread();
    if (unlikely(!thread))
        return;
    if (unlikely(!is_sentinel(current_context())))
        report_leak(thread, current_context(), site);
    if (unlikely(!thread->loop_named))
        logctx_set_loop_name("loop");
    thread->in_poll = true;
    thread->polled_at = 0;
    thread->poll_measured = thread->turn++ % MEASURED_TURNS == 0;
    if (unlikely(thread->poll_measured))
        thread->poll_measured = outside_contexts(thread, &thread->poll_cpu);
    if (thread->cpu_begun)
        logctx__cpu_clock_poll_begins(&thread->cpu, &logctx__cpu_source);
}

void(logctx_poll_begin)(void)
{
    logctx_poll_begin_at(logctx__site_of_caller(__builtin_return_address(0)));
}

void logctx_loop_check_at(const logctx_site_t *site)
{
    if (likely(is_sentinel(current_context())))
        return;
    struct thread *thread = this_thread();
    if (thread)
        report_leak(thread, current_context(), site);
}

void(logctx_loop_check)(void)
{
    logctx_loop_check_at(logctx__site_of_caller(__builtin_return_address(0)));
}

void logctx_poll_woke(void)
{
    struct thread *thread = logctx__tls.thread;
    if (thread && thread->in_poll && thread->wants_delay && thread->polled_at == 0)
        thread->polled_at = logctx__monotonic();
}

void logctx_poll_end(void)
{
    struct thread *thread = logctx__tls.thread;
    if (!thread || !thread->in_poll)
        return;
    thread->in_poll = false;
    if (thread->cpu_begun)
        logctx__cpu_clock_poll_ended(&thread->cpu, &logctx__cpu_source);
    int64_t now;
    if (unlikely(thread->poll_measured) && outside_contexts(thread, &now))
        thread->poll_cost = now > thread->poll_cpu ? now - thread->poll_cpu : 0;
    ADD_OWNED(thread->loop_cpu, thread->poll_cost);
    if (thread->wants_delay && thread->polled_at == 0)
        thread->polled_at = logctx__monotonic();
}

uint64_t logctx_now_ns(void)
{
    return logctx__monotonic();
}

// min before count, which readers look at first: a count above 0 has a minimum.
static void count_delay(struct delay_cells *delay, uint64_t ns)
{
    uint64_t count = READ_RELAXED(delay->count);
    double seconds = (double)ns / 1e9;
    unsigned bucket = 0;
    while (bucket < LOGCTX_BOUNDS && seconds > logctx_duration_bounds[bucket])
        bucket++;
    ADD_OWNED(delay->buckets[bucket], 1);
    ADD_OWNED(delay->sum, ns);
    if (count == 0 || ns < READ_RELAXED(delay->min))
        atomic_store_explicit(&delay->min, ns, memory_order_relaxed);
    if (ns > READ_RELAXED(delay->max))
        atomic_store_explicit(&delay->max, ns, memory_order_relaxed);
    atomic_store_explicit(&delay->count, count + 1, memory_order_release);
}

void logctx_loop_ran(uint64_t ready_ns)
{
    struct thread *thread = this_thread();
    if (unlikely(!thread))
        return;
    thread->wants_delay = true;
    if (ready_ns == 0)
        ready_ns = thread->polled_at;
    if (ready_ns == 0)
        return;
    uint64_t now = logctx__monotonic();
    count_delay(&thread->delay, now > ready_ns ? now - ready_ns : 0);
}

void logctx_set_loop_name(const char *name)
{
    struct thread *thread = this_thread();
    if (!thread || !name)
        return;
    logctx__loop_retire(thread, *name ? name : "loop");
    thread->poll_measured = false; // the sums that it began with are gone
    thread->loop_named = true;
}
