/*
 * cpu_clock.h: the CPU clock of one thread that asks the kernel as seldom as it can. All of a `cpu_clock` belongs to its
 * thread; `cpu_source` is where it reads from, one for the process.
 *
 * The word is the field `rseq_cs` of the thread's rseq area. We leave in it the mark: the address of a descriptor without
 * code, which tells the kernel nothing but that it clears the word when it takes the processor away. While the word holds
 * the mark, the processor's counter runs exactly when the thread does.
 *
 * `total` counts what ran in contexts, and what is known of the time between them; it never goes back. `to_kernel` is
 * what the kernel's clock of the thread is ahead: it grows by what ran in the sentinel unseen.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_CORE_CPU_CLOCK_H
#define LOGCTX_CORE_CPU_CLOCK_H

#include <logctx/runtime.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#ifndef LOGCTX_INTERNAL
#define LOGCTX_INTERNAL __attribute__((visibility("hidden")))
#endif

enum {
    CPU_UNSURE_NS = 50000,     /* at least: what the counter and the kernel may differ by in a slice */
    CPU_LONGEST_NS = 20000,    /* what is longer is not believed without the kernel */
    CPU_UNASKED_NS = 1000000,  /* of CPU time that the kernel was not asked about */
    CPU_EXPECT_STARTS = 16,    /* after a segment that needed the kernel: so many begin with a reading */
    CPU_UNSEEN_TURNS_MAX = 64, /* of the loop, between two readings */
    CPU_STRIKES_MAX = 8,       /* preemptions that did not clear the word, when none ever did */
};
#define CPU_NO_MARK UINT64_C(1) /* what no word ever holds: every reading asks the kernel */

enum cpu_mode {
    CPU_THREAD_CLOCK, /* the kernel is asked each time */
    CPU_PREEMPTION,   /* the word is not cleared when the thread blocks by itself */
    CPU_FULL,
};

struct cpu_parts {
    int64_t user, system;
    int64_t preempted, blocked; /* how often, since the thread began */
};

/* The functions are called on every thread. Constant once the first thread has begun, but for what is atomic. */
struct cpu_source {
    uint64_t (*counter)(void);
    bool (*total)(int64_t *ns);
    bool (*parts)(struct cpu_parts *parts);
    uint64_t (*monotonic)(void);
    uint64_t (*tick)(void);         /* the coarse clock: it changes at ticks */
    void (*tune)(uint64_t counter); /* now and then; may change `scale`. NULL: none */
    uint64_t tick_ns;
    _Atomic uint64_t mark;  /* CPU_NO_MARK: the mode is CPU_THREAD_CLOCK, or another clock is in use */
    _Atomic uint64_t scale; /* nanoseconds of one count, times 2^32 */
    atomic_int mode;        /* enum cpu_mode */
    atomic_int strikes;     /* preemptions that were not seen; negative: one was */
};

struct cpu_clock {
    /* Read by every switch. */
    volatile uint64_t *word; /* written by the kernel, too */
    uint64_t last;           /* counter at the last reading */
    uint64_t longest;        /* in counts */
    uint64_t deadline;       /* counter: there is something to do besides */
    uint64_t base;           /* counter when these were true */
    uint64_t scale;
    int64_t total;
    uint64_t monotonic;

    int64_t user, system; /* ticks that fell into contexts */
    int64_t to_kernel;
    int64_t to_kernel_least; /* without estimates */
    int64_t unsure; /* by how much a slice that begins now may be charged less than the kernel's clock then shows */

    /* Asked when needed. */
    int64_t asked;     /* `total` at the last reading of the kernel's clock */
    int64_t debt;      /* charged beyond what the kernel said */
    int64_t turn_cost; /* of the sentinel between two contexts, when the kernel did not tell: as it was lately */
    int64_t estimated; /* what of `to_kernel` is such costs */
    unsigned unseen;   /* how many of them */
    unsigned expect;   /* contexts that begin with a reading */
    bool has_word;
    uint64_t tick_seen, tick_asked; /* different: a tick of the sentinel may be in what getrusage says next */
    int64_t tick_late;              /* ns by which it is seen after the time it shows, at least */
    uint64_t tick_next;             /* counter: not before */
    struct cpu_parts parts;         /* as the kernel said last */
    double lag;                     /* what of its system time is more than the ratio of its ticks says */
    unsigned clears;                /* since then */
};

enum cpu_how {
    CPU_SENTINEL = 0, /* what ran since the last reading */
    CPU_CONTEXT = 1,
    CPU_ASK = 2, /* the kernel, in any case */
};

/* cpu_clock.c */
/* `word` NULL: the thread has none, and the kernel is asked each time. */
LOGCTX_INTERNAL void logctx__cpu_clock_begin(struct cpu_clock *clock, struct cpu_source *source,
                                             volatile uint64_t *word);
/* Another clock is in use: nothing is read from this one until it begins again. */
LOGCTX_INTERNAL void logctx__cpu_clock_rest(struct cpu_clock *clock);
/* False without a reading. `now`: the counter, read before the word is looked at. */
LOGCTX_INTERNAL bool logctx__cpu_clock_read(struct cpu_clock *clock, struct cpu_source *source, uint64_t now,
                                            enum cpu_how how, logctx_cpu_reading_t *out, uint64_t *monotonic);
/* Around a poll, in which the thread may sleep, unseen. */
LOGCTX_INTERNAL void logctx__cpu_clock_poll_begins(struct cpu_clock *clock, struct cpu_source *source);
LOGCTX_INTERNAL void logctx__cpu_clock_poll_ended(struct cpu_clock *clock, struct cpu_source *source);

/* cpu_probe.c */
extern LOGCTX_INTERNAL struct cpu_source logctx__cpu_source;
LOGCTX_INTERNAL enum cpu_mode logctx__cpu_probe(void);     /* the first call tries everything */
LOGCTX_INTERNAL volatile uint64_t *logctx__cpu_word(void); /* of this thread; NULL: none */
LOGCTX_INTERNAL void logctx__cpu_use(bool in_use);         /* whether the `cpu` clock is the one of the process */
LOGCTX_INTERNAL const char *logctx__cpu_mode_name(void);
/* For tests, with logctx_set_clock() after it: a word elsewhere (NULL: the thread's own), and another mode than the one found. */
LOGCTX_INTERNAL void logctx__cpu_aim(volatile uint64_t *word);
LOGCTX_INTERNAL void logctx__cpu_force(enum cpu_mode mode);

/* The counter of the processor, in program order with what is volatile. */
static inline uint64_t cpu_counter(void)
{
#if defined(__x86_64__)
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
#elif defined(__aarch64__)
    uint64_t count;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count) : : "memory");
    return count;
#else
    return 0;
#endif
}

/*
 * Budget: the counter, two multiplications, no call. The counter is read before the word: whoever is interrupted between
 * the two finds the word cleared.
 */
static inline bool cpu_clock_fast(struct cpu_clock *clock, uint64_t mark, uint64_t now, logctx_cpu_reading_t *out,
                                  uint64_t *monotonic)
{
    if (__builtin_expect(*clock->word != mark || now - clock->last > clock->longest || now >= clock->deadline, 0))
        return false;
    uint64_t passed = (now - clock->base) * clock->scale >> 32;
    clock->last = now;
    out->total_ns = clock->total + (int64_t)passed;
    out->user_ns = clock->user;
    out->system_ns = clock->system;
    *monotonic = clock->monotonic + passed;
    return true;
}

#endif
