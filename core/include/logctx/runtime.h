/*
 * logctx/runtime.h: settings of the process, and the clocks.
 *
 * Unless it says otherwise, a function here may be called on any thread, leaves the current context as it was, and takes
 * over nothing that it is given; what it returns is borrowed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_RUNTIME_H
#define LOGCTX_RUNTIME_H

#include <logctx/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One reading of a thread's CPU clock. `total_ns` counts; the parts are cumulative and may lag behind it. */
typedef struct logctx_cpu_reading {
    int64_t total_ns;
    int64_t user_ns;
    int64_t system_ns;
} logctx_cpu_reading_t;

/*
 * The clocks behind one interface. A test installs its own. `read_cpu` is called once per switch and returns false for
 * "no reading" (nothing is charged, nothing is reported). With `exact_parts` user and system are exact and total is
 * their sum (getrusage, tests); without, total is exact and the parts are whole ticks credited to whoever ran.
 * Thread: called on every thread, concurrently. The struct must live as long as the process. A child of fork() keeps the
 * clock: what it remembers of the parent's thread must not be in its readings there, or utime_backwards is reported.
 */
typedef struct logctx_clock {
    const char *name;
    bool exact_parts;
    bool (*read_cpu)(void *user, logctx_cpu_reading_t *out);
    uint64_t (*monotonic_ns)(void *user);
    uint64_t (*unix_ns)(void *user);
    uint64_t (*thread_id)(void *user); /* what counts as "the same thread"; 0 from none */
    void *user;
} logctx_clock_t;

/*
 * The built-in clocks: "cpu" (exact; the default, see below), "rusage" (getrusage only, as the reference;
 * reads 0 for most contexts under 4 ms), "wall" (no CPU accounting), "fake" (for tests, see below). NULL for another
 * name. Static.
 *
 * The "cpu" clock charges what CLOCK_THREAD_CPUTIME_ID says, and makes a system call for it only when it must. A switch
 * goes by the processor's counter while the kernel shows, in the thread's rseq area, that the thread was not
 * taken off the processor. It asks the kernel after a context that was disturbed or ran for more than 20 us, and when 1 ms
 * of CPU time has been charged without asking; sums agree with the kernel's. Its read_cpu(), for a host that calls or wraps
 * it, always asks the kernel.
 * It shares the field `rseq_cs` with whoever else uses it on the thread: their critical sections work as ever, and cost this
 * clock a system call. The first use in a process sleeps for a moment, to see how much the kernel shows.
 */
LOGCTX_API const logctx_clock_t *logctx_clock(const char *name);

/* The clock in use, for whoever wants to put it back. */
LOGCTX_API const logctx_clock_t *logctx_get_clock(void);

/*
 * The name of the clock in use. For the "cpu" clock, how it works here:
 *   "rseq+tsc"                    as above (on AArch64 "rseq+cntvct"). Contexts are right within 3 %, sums within 0.5 %
 *   "rseq+tsc, preemption only"   the kernel does not show that a thread blocks by itself: a context that blocks for less
 *                                 than 20 us is charged for it, until the kernel is asked the next time
 *   "thread clock"                there is no rseq or no steady counter: a system call at each switch
 * Changes only to the last of these, if the kernel turns out to show nothing. Static.
 */
LOGCTX_API const char *logctx_cpu_clock_name(void);

/*
 * Install a clock (NULL: the default). Only while no context exists and no other thread uses the library, else
 * LOGCTX_E_STATE.
 */
LOGCTX_API logctx_status_t logctx_set_clock(const logctx_clock_t *clock);

/*
 * The "fake" clock stands still until these move it: the CPU time of the calling thread, which is 0 at first, and the
 * time of all threads, monotonic and Unix. Negative values set it back.
 */
LOGCTX_API void logctx_fake_cpu(int64_t user_ns, int64_t system_ns);
LOGCTX_API void logctx_fake_time(int64_t ns);

/* Which contexts are exported as spans. A context with a transition error always is; metrics count all of them. */
typedef enum logctx_sampler {
    LOGCTX_SAMPLER_PARENTBASED_ALWAYS_ON = 0, /* as the caller decided; roots are sampled */
    LOGCTX_SAMPLER_ALWAYS_ON = 1,
    LOGCTX_SAMPLER_ALWAYS_OFF = 2,
    LOGCTX_SAMPLER_PARENTBASED_ALWAYS_OFF = 3
} logctx_sampler_t;

/* OpenTelemetry's span limits (trace/sdk.md, Span Limits), and ours. Contexts made later follow them. */
typedef struct logctx_limits {
    size_t struct_size;
    uint32_t attributes;             /* a span: 128 */
    uint32_t events;                 /* a span: 128 */
    uint32_t links;                  /* a span: 128 */
    uint32_t attributes_per_event;   /* 128 */
    uint32_t attributes_per_link;    /* 128 */
    uint32_t attribute_value_length; /* characters of a string, bytes of bytes; UINT32_MAX: no limit, the default */
    uint32_t span_bytes;             /* all attributes, events and links of a span: 1 MiB; at most 64 MiB */
    uint32_t live_contexts;          /* contexts beyond this many at once get metrics and no span: 1,000,000 */
} logctx_limits_t;

LOGCTX_API void logctx_get_limits(logctx_limits_t *limits);
/* Any thread. Errors: LOGCTX_E_INVALID if struct_size is 0 or span_bytes is over 64 MiB. */
LOGCTX_API logctx_status_t logctx_set_limits(const logctx_limits_t *limits);

/*
 * Where the table of contexts lies, which shows a reader outside the process (logctx-top) every context that is in flight,
 * without asking and without stopping anyone, and after a crash what was going on:
 *     "memfd"     in memory that has no name; readers of the same user find it by the process id. The default
 *     "off"       in private memory: for core dumps only
 *     a path      with a slash in it, on a tmpfs (/run, /dev/shm): a file of mode 0600. "%p" in it is the process id. The
 *                 file is removed by exit(); that of a process that crashed is kept as PATH.last. With "%p" the latest four
 *                 of processes that are gone are kept, as they are
 *     "disk:PATH" the same on any file system, where a store may wait for the disk
 * Without this call the environment's LOGCTX_TABLE counts, and it is not looked at in a set-user-id program. A child of
 * fork() gets a table of its own: a memfd, if the path is its parent's.
 * Where it cannot be had, it lies in private memory, and a log line says why; contexts work as well.
 *
 * Before anything else of the library is used. Errors: LOGCTX_E_STATE after that; LOGCTX_E_INVALID: NULL or empty;
 * LOGCTX_E_CONFIG: refused, as the log line says.
 */
LOGCTX_API logctx_status_t logctx_set_table(const char *where);

/* The service's name for readers of the table; copied, cut at 127 bytes; empty at first. Any thread. */
LOGCTX_API void logctx_set_table_service(const char *name);

LOGCTX_API void logctx_set_sampler(logctx_sampler_t sampler);
LOGCTX_API logctx_sampler_t logctx_get_sampler(void);

/* The server of contexts that name none and have no parent; "default" at first. Copied, cut at 255 bytes. Any thread. */
LOGCTX_API void logctx_set_default_server(const char *server);

/*
 * Replace the generator of trace and span ids (NULL: the per-thread generator seeded by the kernel). `fill` writes
 * `length` random bytes; it is called on every thread. Ids of all zero bytes are asked for again.
 */
typedef void logctx_random_t(void *user, void *out, size_t length);
LOGCTX_API void logctx_set_random(logctx_random_t *fill, void *user);

#ifdef __cplusplus
}
#endif
#endif
