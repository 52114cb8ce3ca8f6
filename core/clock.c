// The clocks: those of the kernel behind logctx_clock_t (the one for tests is in fake_clock.c), and the one in use.
//
// A switch under the "cpu" clock goes by cpu_clock.c, which asks the kernel as seldom as it can. Its functions here, which
// a host may call and wrap, always ask.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <string.h>
#include <sys/resource.h>
#include <time.h>

static uint64_t read_ns(clockid_t id)
{
    struct timespec at;
    if (clock_gettime(id, &at) != 0)
        return 0;
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static uint64_t monotonic_ns(void *user)
{
    (void)user;
    return read_ns(CLOCK_MONOTONIC);
}

static uint64_t unix_ns(void *user)
{
    (void)user;
    return read_ns(CLOCK_REALTIME);
}

// Threads get numbers that are never used again, unlike the kernel's ids.
static uint64_t thread_number(void *user)
{
    (void)user;
    static _Atomic uint64_t last;
    static _Thread_local uint64_t mine __attribute__((tls_model("initial-exec")));
    if (mine == 0)
        mine = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    return mine;
}

static int64_t timeval_ns(struct timeval value)
{
    return (int64_t)value.tv_sec * 1000000000 + (int64_t)value.tv_usec * 1000;
}

static bool read_rusage(void *user, logctx_cpu_reading_t *out)
{
    (void)user;
    struct rusage usage;
    if (getrusage(RUSAGE_THREAD, &usage) != 0)
        return false;
    out->user_ns = timeval_ns(usage.ru_utime);
    out->system_ns = timeval_ns(usage.ru_stime);
    out->total_ns = out->user_ns + out->system_ns;
    return true;
}

// The total is exact; the parts are ticks.
static bool read_thread_clock(void *user, logctx_cpu_reading_t *out)
{
    struct timespec at;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at) != 0 || !read_rusage(user, out))
        return false;
    out->total_ns = (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
    return true;
}

static bool read_nothing(void *user, logctx_cpu_reading_t *out)
{
    (void)user;
    memset(out, 0, sizeof *out);
    return true;
}

static const logctx_clock_t clocks[] = {
    {"cpu", false, read_thread_clock, monotonic_ns, unix_ns, thread_number, NULL},
    {"rusage", true, read_rusage, monotonic_ns, unix_ns, thread_number, NULL},
    {"wall", true, read_nothing, monotonic_ns, unix_ns, thread_number, NULL},
};

// Written by logctx_set_clock() only, while nobody else uses the library.
const logctx_clock_t *_Atomic logctx__clock = &clocks[0];

const logctx_clock_t *logctx_clock(const char *name)
{
    for (size_t i = 0; name && i < sizeof clocks / sizeof *clocks; i++)
        if (strcmp(clocks[i].name, name) == 0)
            return &clocks[i];
    return name && strcmp(name, logctx__fake_clock.name) == 0 ? &logctx__fake_clock : NULL;
}

const logctx_clock_t *logctx_get_clock(void)
{
    return READ_RELAXED(logctx__clock);
}

// Whose readings cpu_clock.c makes.
static bool is_cpu(const logctx_clock_t *clock)
{
    return clock == &clocks[0];
}

const char *logctx_cpu_clock_name(void)
{
    const logctx_clock_t *clock = READ_RELAXED(logctx__clock);
    return is_cpu(clock) ? logctx__cpu_mode_name() : clock->name;
}

logctx_status_t logctx_set_clock(const logctx_clock_t *clock)
{
    if (clock && !(clock->read_cpu && clock->monotonic_ns && clock->unix_ns))
        return LOGCTX_E_INVALID;
    logctx_books_t books;
    logctx_get_books(&books);
    if (books.live > 0 || !is_sentinel(current_context()))
        return LOGCTX_E_STATE;
    if (logctx__tls.thread)
        logctx__loop_retire(logctx__tls.thread, "none"); // what the old clock has measured
    atomic_store_explicit(&logctx__clock, clock ? clock : &clocks[0], memory_order_relaxed);
    logctx__table_clock(logctx__has_real_time());
    logctx__cpu_use(!clock || is_cpu(clock));
    logctx__reread_thread_id();
    return LOGCTX_OK;
}

bool logctx__has_real_time(void)
{
    return READ_RELAXED(logctx__clock)->monotonic_ns == monotonic_ns;
}

uint64_t logctx__monotonic(void)
{
    const logctx_clock_t *clock = READ_RELAXED(logctx__clock);
    return clock->monotonic_ns(clock->user);
}

uint64_t logctx__unix(void)
{
    const logctx_clock_t *clock = READ_RELAXED(logctx__clock);
    return clock->unix_ns(clock->user);
}

// The two are read one after the other: what lies between is seen by a third reading. If the thread was away in between they
// are read again, for the pair is one moment of a span, whose end is told by the difference to it. An offset is kept only if
// that was as short as it should be.
void logctx__read_times_slowly(struct thread *thread, uint64_t *monotonic, uint64_t *unix_ns)
{
    enum { APART_NS = 1000, AWAY_NS = CPU_LONGEST_NS, TRIES = 4, KEPT = 50 /* times CPU_LONGEST_NS: a millisecond */ };
    bool kernels = thread->cpu_begun && is_cpu(READ_RELAXED(logctx__clock));
    uint64_t counter, apart;
    thread->unix_until = 0;
    int tries = 0;
    do {
        counter = cpu_counter();
        *monotonic = logctx__monotonic();
        *unix_ns = logctx__unix();
        apart = kernels ? logctx__monotonic() - *monotonic : 0;
    } while (apart > AWAY_NS && ++tries < TRIES);
    if (!kernels || apart > APART_NS)
        return;
    thread->unix_offset = *unix_ns - *monotonic;
    thread->unix_until = counter + KEPT * thread->cpu.longest;
}

void logctx__clock_begin(struct thread *thread)
{
    thread->unix_until = 0;
    thread->cpu_begun = is_cpu(READ_RELAXED(logctx__clock));
    if (thread->cpu_begun) {
        logctx__cpu_probe();
        logctx__cpu_clock_begin(&thread->cpu, &logctx__cpu_source, logctx__cpu_word());
    } else {
        logctx__cpu_clock_rest(&thread->cpu);
    }
}

// A thread that was attached while another clock was in use has not begun with this one.
static bool read_cpu_clock(struct thread *thread, uint64_t counter, enum cpu_how how, logctx_cpu_reading_t *out,
                           uint64_t *monotonic)
{
    if (unlikely(!thread->cpu_begun))
        logctx__clock_begin(thread);
    if (!is_sentinel(current_context()))
        how |= CPU_CONTEXT;
    return logctx__cpu_clock_read(&thread->cpu, &logctx__cpu_source, counter, how, out, monotonic);
}

bool logctx__read_clocks_slowly(struct thread *thread, uint64_t counter, logctx_cpu_reading_t *out, uint64_t *monotonic)
{
    const logctx_clock_t *clock = READ_RELAXED(logctx__clock);
    if (is_cpu(clock))
        return read_cpu_clock(thread, counter, CPU_SENTINEL, out, monotonic);
    if (unlikely(thread->cpu_begun))
        logctx__clock_begin(thread);
    bool read = clock->read_cpu(clock->user, out);
    *monotonic = clock->monotonic_ns(clock->user);
    return read;
}

bool logctx__read_cpu_now(struct thread *thread, int64_t *total)
{
    const logctx_clock_t *clock = READ_RELAXED(logctx__clock);
    logctx_cpu_reading_t reading;
    uint64_t monotonic;
    bool read;
    if (is_cpu(clock)) {
        read = read_cpu_clock(thread, cpu_counter(), CPU_ASK, &reading, &monotonic);
        reading.total_ns += thread->cpu.to_kernel;
    } else {
        read = clock->read_cpu(clock->user, &reading);
    }
    *total = reading.total_ns;
    return read;
}

uint64_t logctx__clock_thread_id(void)
{
    const logctx_clock_t *clock = READ_RELAXED(logctx__clock);
    uint64_t id = clock->thread_id ? clock->thread_id(clock->user) : 0;
    return id ? id : thread_number(NULL);
}

// Another thread's clock can be read for the kernel's clocks only; an injected clock knows the calling thread alone.
bool logctx__read_cpu_of(const struct thread *thread, int64_t *total)
{
    const logctx_clock_t *clock = READ_RELAXED(logctx__clock);
    if (is_cpu(clock) || clock == &clocks[1]) {
        struct timespec at;
        if (!thread->has_clock_id || clock_gettime(thread->clock_id, &at) != 0)
            return false;
        *total = (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
        return true;
    }
    logctx_cpu_reading_t reading;
    if (thread != logctx__tls.thread || !clock->read_cpu(clock->user, &reading))
        return false;
    *total = reading.total_ns;
    return true;
}
