// The CPU clock of one thread: what to do when a switch cannot go by the counter alone. Owned by its thread.
//
// In a context, a segment is charged by the counter if it is short and the word says that nothing came between. Else the
// kernel is asked, and what it says since the last time, less what has been charged since, is the segment's. What was
// charged too much or too little is carried as a debt, so that the sums are the kernel's.
//
// Between contexts the thread may have slept, and what it used is of no interest, if the kernel need not be asked later.
// So a context that starts after it does not ask, and its end only does if it must. It then has a start that is not known
// exactly: what the loop used in between is estimated. If contexts do need the kernel, they begin with a reading.
//
// SPDX-License-Identifier: Apache-2.0
#include "cpu_clock.h"

#include <string.h>

enum {
    TICK_MARGIN = 32, // a tick may come early by that part of a period,
    TICK_CREEP = 1024,
    TICK_LOOKS_NS = 2000,  // and is looked for that often from then on
    SHORTEST_ABSENCE = 20, // nobody gives a processor away and gets it back in that part of CPU_LONGEST_NS
};

static const double UNDECIDED = 0.3; // of a tick: nearer to one side than that
static const double STOOD_NS = 2000; // what is less is no growth: microseconds, rounded

// What ran since the last reading.
struct stretch {
    int64_t start;  // `total` when it began
    int64_t length; // by the counter
    bool in_context;
    bool undisturbed;
    bool known; // the counter can be believed
};

static int64_t nanoseconds(uint64_t scale, uint64_t counts)
{
    if (scale == 0)
        return 0;
    return counts > UINT64_MAX / scale ? INT64_MAX / 4 : (int64_t)(counts * scale >> 32);
}

static uint64_t counts_of(uint64_t scale, int64_t ns)
{
    if (scale == 0 || ns <= 0)
        return 0;
    return ns > INT32_MAX ? (uint64_t)ns / scale << 32 : ((uint64_t)ns << 32) / scale;
}

static void adopt_scale(struct cpu_clock *clock, const struct cpu_source *source)
{
    clock->scale = atomic_load_explicit(&source->scale, memory_order_relaxed);
    clock->longest = counts_of(clock->scale, CPU_LONGEST_NS);
}

void logctx__cpu_clock_rest(struct cpu_clock *clock)
{
    static volatile uint64_t none = 0; // read by all threads, and written by nobody
    memset(clock, 0, sizeof *clock);
    clock->word = &none;
}

void logctx__cpu_clock_begin(struct cpu_clock *clock, struct cpu_source *source, volatile uint64_t *word)
{
    logctx__cpu_clock_rest(clock);
    clock->has_word = word != NULL;
    if (word)
        clock->word = word;
    adopt_scale(clock, source);
    logctx_cpu_reading_t unused;
    uint64_t monotonic;
    logctx__cpu_clock_read(clock, source, source->counter(), CPU_SENTINEL | CPU_ASK, &unused, &monotonic);
    clock->turn_cost = 0; // that was the thread's life before
}

static struct stretch look(const struct cpu_clock *clock, const struct cpu_source *source, uint64_t now,
                           bool in_context)
{
    uint64_t mark = atomic_load_explicit(&source->mark, memory_order_relaxed);
    struct stretch stretch = {.start = clock->total + nanoseconds(clock->scale, clock->last - clock->base),
                              .length = nanoseconds(clock->scale, now - clock->last),
                              .in_context = in_context,
                              .undisturbed = *clock->word == mark};
    stretch.known = stretch.undisturbed && now - clock->last <= clock->longest;
    return stretch;
}

static bool must_ask(const struct cpu_clock *clock, const struct cpu_source *source, const struct stretch *stretch)
{
    if (stretch->known)
        return stretch->start + stretch->length - clock->asked >= CPU_UNASKED_NS;
    if (stretch->in_context)
        return true;
    return atomic_load_explicit(&source->mode, memory_order_relaxed) != CPU_FULL || clock->expect > 0 ||
           clock->unseen >= CPU_UNSEEN_TURNS_MAX;
}

// What the kernel says of a context's segment. A start that is not known exactly is no earlier than the last reading, and
// a segment no longer than the counter says.
static int64_t said_of_context(const struct cpu_clock *clock, const struct stretch *stretch, int64_t kernel)
{
    int64_t said = kernel - clock->to_kernel - stretch->start;
    if (clock->unseen == 0)
        return said;
    int64_t at_most = said + clock->estimated;
    if (at_most > stretch->length)
        at_most = stretch->length;
    if (stretch->undisturbed || said > at_most || at_most < 0)
        return at_most;
    return said > 0 ? said : 0;
}

static void charge(struct cpu_clock *clock, const struct stretch *stretch, int64_t kernel)
{
    int64_t due = said_of_context(clock, stretch, kernel) - clock->debt;
    clock->debt = due < 0 ? -due : 0;
    clock->total = stretch->start + (due > 0 ? due : 0);
    if (!stretch->known)
        clock->expect = CPU_EXPECT_STARTS;
}

// What the sentinel used is nobody's; how much it was, a turn, is remembered. If all of it was known, the kernel's word is
// on what was charged.
static void pass_sentinel(struct cpu_clock *clock, const struct stretch *stretch, int64_t kernel)
{
    int64_t known = stretch->known ? stretch->length : 0;
    int64_t rest = kernel - clock->to_kernel + clock->estimated - stretch->start - known;
    unsigned turns = clock->unseen + !stretch->known;
    clock->total = stretch->start + known;
    if (turns == 0 || rest < 0)
        clock->debt -= rest;
    else
        clock->turn_cost = clock->turn_cost ? (3 * clock->turn_cost + rest / turns) / 4 : rest / turns;
}

// The time of the kernel's answer lies in the middle of the question. The context that starts now pays for it, from `now`
// on; 0: none does.
static bool ask(struct cpu_clock *clock, struct cpu_source *source, struct stretch *stretch, uint64_t now, uint64_t *at)
{
    uint64_t before = source->counter();
    int64_t kernel;
    if (!source->total(&kernel))
        return false;
    *at = before + (source->counter() - before) / 2;
    if (!stretch->in_context && now != 0 && *at - now < clock->longest / SHORTEST_ABSENCE) {
        kernel -= nanoseconds(clock->scale, *at - now);
        *at = now;
    }
    stretch->length = nanoseconds(clock->scale, *at - clock->last);
    if (stretch->in_context)
        charge(clock, stretch, kernel);
    else
        pass_sentinel(clock, stretch, kernel);
    clock->to_kernel = kernel - clock->total;
    clock->asked = clock->total;
    clock->estimated = 0;
    clock->unseen = 0;
    if (source->tune)
        source->tune(*at);
    return true;
}

static void do_not_ask(struct cpu_clock *clock, const struct stretch *stretch)
{
    clock->total = stretch->start;
    if (stretch->known) {
        clock->total += stretch->length;
        return;
    }
    clock->unseen++;
    clock->estimated += clock->turn_cost;
    clock->to_kernel += clock->turn_cost;
}

// The ABI of rseq promises that a preemption clears the word. It cannot be tried without one, so it is watched instead:
// a kernel or a sandbox that never does it is not believed any more.
static void judge_preemption(struct cpu_clock *clock, struct cpu_source *source, const struct cpu_parts *parts)
{
    if (parts->preempted == clock->parts.preempted || atomic_load_explicit(&source->strikes, memory_order_relaxed) < 0)
        return;
    if (clock->clears > 0) {
        if (parts->blocked == clock->parts.blocked)
            atomic_store_explicit(&source->strikes, -1, memory_order_relaxed);
    } else if (atomic_fetch_add_explicit(&source->strikes, 1, memory_order_relaxed) + 1 == CPU_STRIKES_MAX) {
        atomic_store_explicit(&source->mode, CPU_THREAD_CLOCK, memory_order_relaxed);
        atomic_store_explicit(&source->mark, CPU_NO_MARK, memory_order_relaxed);
    }
}

// How many of the ticks since the last question fell into system time. The kernel does not tell its counts of ticks: it
// splits the exact total by their ratio. So a tick shows as what the parts grew otherwise than by the ratio so far. But no
// part may go down: what one of them is behind of the ratio for that reason (`lag`, of system time) comes with later ones.
// Where a part stood still, the rest is only known to be no less.
static void credit(struct cpu_clock *clock, const struct cpu_source *source, const struct cpu_parts *parts,
                   double ticks)
{
    double system = (double)(parts->system - clock->parts.system), user = (double)(parts->user - clock->parts.user);
    double before = (double)(clock->parts.system + clock->parts.user), tick = (double)source->tick_ns;
    double ratio = before > 0 ? ((double)clock->parts.system - clock->lag) / before : 0;
    double even = ratio * (system + user - ticks * tick) - clock->lag; // the growth of system time without their own
    double in_system = (system - even) / tick;
    bool system_stood = system < STOOD_NS, user_stood = user < STOOD_NS;
    bool decided = ticks > 0 && !(system_stood && user_stood);
    in_system = in_system < 0 ? 0 : in_system > ticks ? ticks : in_system;
    if (ticks < 2 && system_stood) {
        decided = decided && in_system < 1 - UNDECIDED;
        in_system = 0;
    } else if (ticks < 2 && user_stood) {
        decided = decided && in_system > UNDECIDED;
        in_system = ticks;
    } else if (ticks < 2) {
        decided = decided && (in_system < UNDECIDED || in_system > 1 - UNDECIDED); // else it was another thread's
    }
    clock->lag = system - even - in_system * tick;
    if ((!system_stood && !user_stood) || (system_stood && clock->lag < 0) || (user_stood && clock->lag > 0))
        clock->lag = 0;
    if (!decided)
        return;
    clock->system += (int64_t)(in_system * tick);
    clock->user += (int64_t)((ticks - in_system) * tick);
}

// `ticks`: of a context; 0: of nobody.
static bool ask_parts(struct cpu_clock *clock, struct cpu_source *source, uint64_t tick, int64_t ticks)
{
    struct cpu_parts parts;
    if (!source->parts(&parts))
        return false;
    credit(clock, source, &parts, (double)ticks);
    if (atomic_load_explicit(&source->mode, memory_order_relaxed) != CPU_THREAD_CLOCK)
        judge_preemption(clock, source, &parts);
    clock->parts = parts;
    clock->clears = 0;
    clock->tick_asked = tick;
    return true;
}

// At least the one that was seen, and as many as find room in the CPU time of the stretch.
static int64_t ticks_of(const struct cpu_clock *clock, const struct cpu_source *source, const struct stretch *stretch)
{
    int64_t length = clock->total - stretch->start;
    return length < 2 * (int64_t)source->tick_ns ? 1 : length / (int64_t)source->tick_ns;
}

// Ticks come at equal distances of the time that the coarse clock shows, or late: the least of the distances lately is it.
static void expect_tick(struct cpu_clock *clock, const struct cpu_source *source, uint64_t tick)
{
    int64_t period = (int64_t)source->tick_ns, late = (int64_t)(clock->monotonic - tick);
    int64_t creep = clock->tick_late + period / TICK_CREEP;
    clock->tick_late = clock->tick_late == 0 || late < creep ? late : creep;
    clock->tick_next = clock->base + counts_of(clock->scale, period - period / TICK_MARGIN + clock->tick_late - late);
}

// A tick is credited to the context in which it fell, if it is the only one that getrusage has not told yet. One that fell
// into the sentinel is told to nobody; while that was not done, contexts get none.
static bool look_at_tick(struct cpu_clock *clock, struct cpu_source *source, const struct stretch *stretch, bool asked)
{
    uint64_t tick = source->tick();
    bool fell = tick != clock->tick_seen, told = clock->tick_asked == clock->tick_seen;
    bool wanted = stretch->in_context ? fell && told : tick != clock->tick_asked && (stretch->known || asked);
    if (fell)
        expect_tick(clock, source, tick);
    clock->tick_seen = tick;
    return !wanted || ask_parts(clock, source, tick, stretch->in_context ? ticks_of(clock, source, stretch) : 0);
}

static void set_deadline(struct cpu_clock *clock)
{
    int64_t left = CPU_UNASKED_NS - (clock->total - clock->asked);
    clock->deadline = clock->base + counts_of(clock->scale, left > 0 ? left : 0);
    uint64_t look = clock->tick_next;
    if (look <= clock->base)
        look = clock->base + counts_of(clock->scale, TICK_LOOKS_NS);
    if (look < clock->deadline)
        clock->deadline = look;
}

// The word is set before the counter is read: what comes between them is seen the next time.
static void arm(struct cpu_clock *clock, const struct cpu_source *source)
{
    uint64_t mark = atomic_load_explicit(&source->mark, memory_order_relaxed);
    if (*clock->word == mark)
        return;
    clock->clears++;
    if (mark != CPU_NO_MARK && clock->has_word)
        *clock->word = mark;
}

// When the context that starts now began. It pays for the switch, unless the thread was somewhere else in the midst of it.
static uint64_t armed_at(const struct cpu_clock *clock, const struct cpu_source *source, uint64_t now)
{
    uint64_t at = source->counter();
    return at - now < clock->longest / SHORTEST_ABSENCE ? now : at;
}

// What time it was at `at`: the kernel is asked for it later, and what passed since then by the counter is taken off.
// Spans begin and end by this, so that two of them may lie on both sides of a new base.
static void set_monotonic(struct cpu_clock *clock, struct cpu_source *source, uint64_t at)
{
    uint64_t monotonic = source->monotonic();
    clock->monotonic = monotonic - (uint64_t)nanoseconds(clock->scale, source->counter() - at);
}

// A tracer stops the thread in each system call, those of this clock too: the word would be found cleared at the next
// switch, which would ask again, and so for ever. What ran since the answer is in the kernel's next one.
static void go_on_after_stop(struct cpu_clock *clock, struct cpu_source *source)
{
    if (*clock->word == atomic_load_explicit(&source->mark, memory_order_relaxed))
        return;
    arm(clock, source);
    clock->base = clock->last = source->counter();
    set_monotonic(clock, source, clock->base);
}

bool logctx__cpu_clock_read(struct cpu_clock *clock, struct cpu_source *source, uint64_t now, enum cpu_how how,
                            logctx_cpu_reading_t *out, uint64_t *monotonic)
{
    struct stretch stretch = look(clock, source, now, how & CPU_CONTEXT);
    bool asks = (how & CPU_ASK) || must_ask(clock, source, &stretch);
    uint64_t at = now;
    if (!stretch.in_context && !stretch.known && clock->expect > 0)
        clock->expect--;
    arm(clock, source);
    if (asks) {
        if (!ask(clock, source, &stretch, how & CPU_ASK ? 0 : now, &at))
            return false;
    } else {
        if (!stretch.known)
            at = armed_at(clock, source, now);
        do_not_ask(clock, &stretch);
    }
    if (asks || !stretch.known)
        set_monotonic(clock, source, at);
    else
        clock->monotonic += (uint64_t)nanoseconds(clock->scale, at - clock->base);
    *monotonic = clock->monotonic;
    clock->base = clock->last = at;
    bool has_parts = look_at_tick(clock, source, &stretch, asks);
    if (asks)
        go_on_after_stop(clock, source);
    adopt_scale(clock, source);
    set_deadline(clock);
    clock->to_kernel_least = clock->to_kernel - clock->estimated;
    clock->unsure = clock->estimated + CPU_UNSURE_NS + (clock->debt > 0 ? clock->debt : 0);
    out->total_ns = clock->total;
    out->user_ns = clock->user;
    out->system_ns = clock->system;
    return has_parts;
}

// Ticks of the running thread are told apart from those of its sleep: what fell before the poll is asked for now, and what
// falls into the poll counts as another's.
void logctx__cpu_clock_poll_begins(struct cpu_clock *clock, struct cpu_source *source)
{
    uint64_t tick = source->tick();
    if (tick != clock->tick_asked)
        ask_parts(clock, source, tick, 0);
    clock->tick_seen = tick;
}

void logctx__cpu_clock_poll_ended(struct cpu_clock *clock, struct cpu_source *source)
{
    if (clock->tick_seen == clock->tick_asked)
        clock->tick_seen = clock->tick_asked = source->tick();
    uint64_t mark = atomic_load_explicit(&source->mark, memory_order_relaxed);
    if (atomic_load_explicit(&source->mode, memory_order_relaxed) == CPU_PREEMPTION && *clock->word == mark)
        *clock->word = 0;
}
