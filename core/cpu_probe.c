// What the "cpu" clock reads from, on this machine and for this thread: the processor's counter and its rate, the word of
// the thread's rseq area, the kernel's clocks. Tried at the first use, by whichever thread that is; constant afterwards,
// but for the rate, which becomes more exact.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#if defined(__x86_64__) && defined(__LP64__)
#include <cpuid.h>
#define CPU_COUNTER "tsc"
#elif defined(__aarch64__) && defined(__LP64__)
#define CPU_COUNTER "cntvct"
#endif
#if defined(CPU_COUNTER) && defined(__GLIBC__) && defined(__has_include)
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#endif
#endif
#if defined(RSEQ_SIG)
#define CPU_HAS_WORD 1
#else
#define CPU_HAS_WORD 0
#endif

enum {
    RATE_FIRST_NS = 20000,     // between the two readings of the first rate
    RATE_LAST_NS = 1000000000, // and of the last one: better than the kernel's own adjustments
    RATE_LATER = 16,           // times as long for the next one
    PAIR_TRIES = 5,
};

static uint64_t read_ns(clockid_t id)
{
    struct timespec at;
    if (clock_gettime(id, &at) != 0)
        return 0;
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static uint64_t read_monotonic(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

static uint64_t read_tick(void)
{
    return read_ns(CLOCK_MONOTONIC_COARSE);
}

static bool read_total(int64_t *ns)
{
    struct timespec at;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at) != 0)
        return false;
    *ns = (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
    return true;
}

static int64_t timeval_ns(struct timeval value)
{
    return (int64_t)value.tv_sec * 1000000000 + (int64_t)value.tv_usec * 1000;
}

static bool read_parts(struct cpu_parts *parts)
{
    struct rusage usage;
    if (getrusage(RUSAGE_THREAD, &usage) != 0)
        return false;
    *parts =
        (struct cpu_parts){timeval_ns(usage.ru_utime), timeval_ns(usage.ru_stime), usage.ru_nivcsw, usage.ru_nvcsw};
    return true;
}

static uint64_t read_counter(void)
{
    return cpu_counter();
}

static void tune(uint64_t counter);

struct cpu_source logctx__cpu_source = {.counter = read_counter,
                                        .total = read_total,
                                        .parts = read_parts,
                                        .monotonic = read_monotonic,
                                        .tick = read_tick,
                                        .tune = tune,
                                        .mark = CPU_NO_MARK};

// ---- the counter's rate ----

// Under `tuning`, which is only tried: whoever comes second leaves it.
static struct {
    uint64_t counter, monotonic; // when the rate began to be measured
} first;
static atomic_flag tuning = ATOMIC_FLAG_INIT;
static _Atomic uint64_t tune_at = UINT64_MAX; // counter

// Both clocks at one moment: of several tries the one in which the least came between. False: too much did.
static bool read_pair(uint64_t *counter, uint64_t *monotonic)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < PAIR_TRIES; i++) {
        uint64_t before = cpu_counter(), ns = read_monotonic(), after = cpu_counter();
        if (after - before < least) {
            least = after - before;
            *counter = before + least / 2;
            *monotonic = ns;
        }
    }
    return least < UINT64_MAX / 2 && *monotonic > 0;
}

static void plan(uint64_t passed_ns, uint64_t counter, uint64_t scale)
{
    uint64_t next = passed_ns * RATE_LATER < RATE_LAST_NS ? passed_ns * RATE_LATER : RATE_LAST_NS;
    uint64_t at = passed_ns >= RATE_LAST_NS ? UINT64_MAX : counter + ((next - passed_ns) << 32) / scale;
    atomic_store_explicit(&tune_at, at, memory_order_relaxed);
}

// A new rate that is far from the old one is not a better one: the machine has slept, or a reading was torn apart.
static bool set_rate(void)
{
    uint64_t counter, monotonic;
    if (!read_pair(&counter, &monotonic) || monotonic - first.monotonic < RATE_FIRST_NS || counter <= first.counter)
        return false;
    uint64_t passed = monotonic - first.monotonic;
    uint64_t scale = (uint64_t)((double)passed * 4294967296.0 / (double)(counter - first.counter));
    uint64_t old = READ_RELAXED(logctx__cpu_source.scale);
    if (scale == 0 || (old && (scale > old + old / 256 || scale < old - old / 256)))
        scale = old;
    if (scale == 0)
        return false;
    atomic_store_explicit(&logctx__cpu_source.scale, scale, memory_order_relaxed);
    plan(passed, counter, scale);
    return true;
}

static void tune(uint64_t counter)
{
    if (likely(counter < READ_RELAXED(tune_at)) || atomic_flag_test_and_set_explicit(&tuning, memory_order_acquire))
        return;
    atomic_store_explicit(&tune_at, UINT64_MAX, memory_order_relaxed);
    set_rate();
    atomic_flag_clear_explicit(&tuning, memory_order_release);
}

// The blocking that was tried has taken as long, as a rule.
static bool find_rate(void)
{
    enum { TRIES = 100000 };
    bool found = false;
    for (int i = 0; i < TRIES && !found; i++)
        found = set_rate();
    return found;
}

// ---- the word ----

static volatile uint64_t *aimed; // by a test
static uint64_t descriptor;      // its address; 0: none

static bool counter_is_steady(void)
{
#if defined(__x86_64__)
    enum { LEAF = 0x80000007, INVARIANT = 1 << 8 };
    unsigned a, b, c, d;
    return __get_cpuid((unsigned)LEAF, &a, &b, &c, &d) && (d & INVARIANT);
#else
    return true; // the architecture says so
#endif
}

#if CPU_HAS_WORD
static volatile uint64_t *own_word(void)
{
    enum { CPU_ID = 4, WORD = 8 }; // the kernel's ABI
    char *pointer;
#if defined(__x86_64__)
    __asm__("movq %%fs:0, %0" : "=r"(pointer));
#else
    __asm__("mrs %0, tpidr_el0" : "=r"(pointer));
#endif
    char *area = pointer + __rseq_offset;
    if (__rseq_size == 0 || *(volatile int32_t *)(void *)(area + CPU_ID) < 0)
        return NULL;
    return (volatile uint64_t *)(void *)(area + WORD);
}

// As the kernel checks it: the word before the abort address is the signature that the C library registered. Nothing is
// ever run there, since no instruction lies in a range of no length. The memory is never unmapped, also not when a program
// unloads what we are linked into: the kernel ends a process whose word points nowhere.
static uint64_t make_descriptor(void)
{
    struct page {
        struct {
            uint32_t version, flags;
            uint64_t start, length, abort;
        } descriptor __attribute__((aligned(32)));
        uint32_t signature;
        uint32_t nothing;
    } *page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return 0;
    page->signature = RSEQ_SIG;
    page->descriptor.start = (uintptr_t)page;
    page->descriptor.abort = (uintptr_t)&page->nothing;
    mprotect(page, sizeof *page, PROT_READ);
    return (uintptr_t)&page->descriptor;
}
#else
static volatile uint64_t *own_word(void)
{
    return NULL;
}

static uint64_t make_descriptor(void)
{
    static uint64_t unused;
    return (uintptr_t)&unused;
}
#endif

volatile uint64_t *logctx__cpu_word(void)
{
    return aimed ? aimed : own_word();
}

// Whether the kernel clears the word of a thread that blocks by itself. A sleep may be over before it has begun, and the
// thread may be preempted besides: the kernel's counts tell what has happened. In a thread that is never let asleep it
// stays unknown, which counts as no.
static bool sees_blocking(volatile uint64_t *word)
{
    int slack_ns = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    if (slack_ns > 0)
        prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); // else the sleep takes ten times as long; put back below
    static const long sleeps_ns[] = {5000, 20000, 100000};
    bool seen = false, known = false;
    for (size_t i = 0; i < sizeof sleeps_ns / sizeof *sleeps_ns && !known; i++) {
        struct cpu_parts before, after;
        struct timespec sleep = {0, sleeps_ns[i]};
        if (!read_parts(&before))
            break;
        *word = descriptor;
        bool slept = nanosleep(&sleep, NULL) == 0;
        seen = *word != descriptor;
        known = slept && read_parts(&after) && after.blocked > before.blocked && after.preempted == before.preempted;
    }
    if (slack_ns > 0)
        prctl(PR_SET_TIMERSLACK, (unsigned long)slack_ns, 0, 0, 0);
    if (*word == descriptor)
        *word = 0;
    return known && seen;
}

// ---- the first use ----

static pthread_once_t probed = PTHREAD_ONCE_INIT;

static enum cpu_mode try_mode(void)
{
#ifdef CPU_COUNTER
    volatile uint64_t *word = own_word();
    if (!word || !counter_is_steady())
        return CPU_THREAD_CLOCK;
    descriptor = make_descriptor();
    if (descriptor == 0 || !read_pair(&first.counter, &first.monotonic))
        return CPU_THREAD_CLOCK;
    enum cpu_mode mode = sees_blocking(word) ? CPU_FULL : CPU_PREEMPTION;
    return find_rate() ? mode : CPU_THREAD_CLOCK;
#else
    return CPU_THREAD_CLOCK;
#endif
}

static void set_mode(enum cpu_mode mode)
{
    atomic_store_explicit(&logctx__cpu_source.mode, mode, memory_order_relaxed);
    logctx__cpu_use(true);
}

static void probe(void)
{
    struct timespec tick;
    logctx__cpu_source.tick_ns = clock_getres(CLOCK_MONOTONIC_COARSE, &tick) == 0 ? (uint64_t)tick.tv_nsec : 0;
    set_mode(try_mode());
}

enum cpu_mode logctx__cpu_probe(void)
{
    pthread_once(&probed, probe);
    return (enum cpu_mode)READ_RELAXED(logctx__cpu_source.mode);
}

void logctx__cpu_use(bool in_use)
{
    bool marks = in_use && READ_RELAXED(logctx__cpu_source.mode) != CPU_THREAD_CLOCK;
    atomic_store_explicit(&logctx__cpu_source.mark, marks ? descriptor : CPU_NO_MARK, memory_order_relaxed);
}

const char *logctx__cpu_mode_name(void)
{
#ifdef CPU_COUNTER
    static const char *const names[] = {"thread clock", ("rseq+" CPU_COUNTER ", preemption only"),
                                        ("rseq+" CPU_COUNTER)};
#else
    static const char *const names[] = {"thread clock", "", ""};
#endif
    return names[logctx__cpu_probe()];
}

void logctx__cpu_aim(volatile uint64_t *word)
{
    logctx__cpu_probe();
    aimed = word;
    atomic_store_explicit(&logctx__cpu_source.strikes, -1, memory_order_relaxed); // nobody clears that word
    if (word && descriptor == 0) {
        descriptor = make_descriptor();
        read_pair(&first.counter, &first.monotonic);
        find_rate();
    }
}

void logctx__cpu_force(enum cpu_mode mode)
{
    logctx__cpu_probe();
    if (descriptor != 0 && READ_RELAXED(logctx__cpu_source.scale) != 0)
        set_mode(mode);
}
