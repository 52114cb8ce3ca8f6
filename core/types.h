/*
 * types.h: the structures of the core, their invariants, and who may touch what. Everything else in core/ includes this.
 *
 * Words: a *thread* is the library's state of one application thread. A context's *owner* is the thread that made it: its
 * memory and its place in the list of those in flight are there for good. Its *writer* is the thread whose plain stores
 * it takes, its *home* the thread id that may start and stop it: those of the owner, until logctx_hand_over() makes them
 * another thread's. Writer and home differ only when a thread ended and another one took its state over.
 *
 * Locks: spin locks, held for a few dozen instructions or one walk. Order, outermost first:
 *     the one of collections  >  logctx.lock of a tree's root  >  thread.lock  >  logctx.lock of a context for its record
 * The table's is behind all of them.
 * That of collections alone is held for longer, while the host's callbacks run; only other collections wait for it.
 *
 * Memory ordering: counters are relaxed atomics with one writer each (load, add, store), so that readers on other threads
 * see whole values; who must see something *because of* something else takes a lock, or says so beside the field.
 *
 * Fork: a child starts with an empty list of threads, so that nothing of its parent's is in its sums; what is left of the
 * parent's threads and contexts is never touched, and is *inert*: a context is inert if its owner is of another process.
 * In an inherited context `owner` and `made` are looked at, and nothing else but through logctx__inherited(): its memory
 * may be the parent's. Half done work of threads that are gone is never continued or freed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_CORE_TYPES_H
#define LOGCTX_CORE_TYPES_H

#include <logctx/collect.h>
#include <logctx/log.h>
#include <logctx/logctx.h>
#include <logctx/loop.h>
#include <logctx/sink.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "cpu_clock.h"
#include "table.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

enum {
    LOGCTX_RECENT = 32,      /* switches a thread remembers; a power of two */
    LOGCTX_LATE_NAMES = 32,  /* names of contexts that ended on a thread; a power of two */
    LOGCTX_SEGMENTS = 14,    /* of a context's life; the contract allows 32 */
    LOGCTX_NAME_INLINE = 32, /* longer names are in blocks of the thread's */
    LOGCTX_NAME_BLOCK = 256, /* still longer ones are allocated */
    LOGCTX_NAME_MAX = 4096,  /* longer names are cut */
    LOGCTX_KINDS_MAX = 2000, /* OpenTelemetry's default cardinality limit */
    LOGCTX_KIND_NAME_MAX = 255,
    LOGCTX_SINKS_MAX = 4,
    LOGCTX_TYPE_COUNT = 5,
    LOGCTX_POINTS_SHIFT = 5, /* a thread remembers 2^5 points of the application's that it looked up */
    LOGCTX_RESTING = 32, /* contexts that a thread which forks frees before it uses the memory of the first one again */
};

struct thread;
struct shard;

/* 0: free; else the generation of the process that holds it. */
typedef atomic_uchar lock_t;

/* A counted, immutable string: servers and tracestates, which children share with their parents. */
struct shared_string {
    atomic_uint refs; /* 0: kept for ever */
    uint32_t length;
    char text[];
};

/* Own usage of a context: one writer; any reader. Same order as logctx_usage_t. */
struct usage_cells {
    _Atomic int64_t cpu, user, system, running, transactions, db, wait, rows;
};

/* What only contexts with children, or with charges from another thread, need. Guarded by the root's lock. */
struct family {
    struct thread *owner; /* whose pool it came from; NULL: allocated, when that was exhausted */
    logctx_t *first_child;
    logctx_usage_t folded;      /* totals of finished descendants */
    struct usage_cells foreign; /* charged by threads other than the writer: root's lock; read by anyone */
};

/* One stretch of a context's life, in microseconds >> segment_scale since its creation. */
struct segment {
    uint32_t offset;
    uint32_t length;
};
enum segment_state { SEGMENT_RUN, SEGMENT_POOL, SEGMENT_TXN };

/*
 * What a profiler outside of the process reads of the context that is current: a thread context record by OTEP 4947, with
 * the name as its only attribute. It lies in the context, so that a switch has nothing to copy. Constant from when the
 * context is published until it is freed, as `name` is.
 */
struct profile {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t valid; /* 1; 0: freed, or not made yet */
    uint8_t flags; /* W3C */
    uint16_t data_size;
    uint8_t name_key; /* the number of "logctx.name" in the process context's list of keys */
    uint8_t name_length;
    char name[LOGCTX_NAME_INLINE]; /* longer ones: their beginning; ends with a NUL */
};
_Static_assert(offsetof(struct profile, data_size) == 26 && offsetof(struct profile, name_key) == 28, "OTEP 4947");

/* Whether a context is current at home. LOST: it is, without a reading: the clock gave none, or a foreign stop wiped it. */
enum slice_state { SLICE_NONE, SLICE_RUNS, SLICE_LOST };

/*
 * A context. References: one for each holder, one for each child (parent) and later sibling (previous, until that one
 * finishes), and the library's own *live* reference from creation until the context is finished and off its home's CPU.
 * So an unfinished context is never freed, and a switch to one needs no reference.
 */
struct logctx {
    /*
     * Hot: two cache lines, read or written by every switch. Written by the home thread only, but for what is atomic.
     * `home`, `writer`, `shard` and `previous` change hands under the owner's lock, and never after a finish has taken it.
     */
    atomic_uint refs;
    atomic_uchar started; /* enum slice_state: whether `start` holds a reading; a foreign thread may make it LOST */
    atomic_bool finished; /* set once */
    atomic_bool folded;   /* usage is in the parent's; later charges go up one by one; root's lock */
    lock_t lock;          /* of the record, and, in a root, of the tree */
    _Atomic uint64_t home;
    struct thread *owner;            /* constant for this memory, also after it is freed */
    _Atomic(struct thread *) writer; /* who charges it without a lock */
    atomic_uint generation;          /* constant for this memory while it is in use; goes up when it is freed */
    atomic_uint switches;            /* how often made current */
    atomic_uint made;                /* logctx__fork_mark at that moment; written before anything else of a new use */
    logctx_cpu_reading_t start;      /* of the slice that runs */
    uint64_t start_monotonic;
    _Atomic(struct shard *) shard; /* of the writer, for the series */
    _Atomic(const logctx_site_t *) switched_at;
    struct usage_cells own;

    /* Constant after construction. */
    struct series *series;
    logctx_t *parent;
    logctx_t *root;
    const char *name;
    struct shared_string *server;
    struct shared_string *tracestate; /* NULL: none */
    const logctx_site_t *created_at;
    uint64_t created_monotonic;
    uint64_t created_unix;
    uint8_t parent_span_id[8];
    bool has_parent_span : 1;
    bool remote_parent : 1;
    bool over_limit : 1; /* made beyond limits.live_contexts: no span */
    bool process : 1;    /* of type background: it ends once */
    uint8_t span_kind : 4;

    /* Under `lock`, with `record` and `error_type`: no byte of those that are read without. */
    unsigned char : 0;
    bool sealed : 1;
    bool has_error : 1; /* exported whether sampled or not */
    uint8_t status : 2;

    /*
     * Held strongly until finish, by generation afterwards: a chain of finished contexts must not keep itself alive. By
     * generation from a hand-over on, too: contexts that go to and fro between threads could hold each other in a ring.
     */
    atomic_bool previous_held;
    _Atomic uint8_t segment_count; /* with `segments` */
    uint32_t previous_generation;
    logctx_t *previous;

    /* With `segments`: written by the writer, which takes no lock for it; read by whoever finishes the context. */
    _Atomic uint8_t segment_scale;
    _Atomic uint8_t segment_states[LOGCTX_SEGMENTS];

    logctx_record_t *record; /* NULL until something is set on it */
    const char *error_type;  /* interned in the series; NULL: did not fail */

    _Atomic uint64_t segments[LOGCTX_SEGMENTS]; /* struct segment: offset << 32 | length */

    atomic_uint errors;
    atomic_uint open_transactions;

    _Atomic(struct family *) family;           /* made under the root's lock */
    logctx_t *next_sibling, *previous_sibling; /* root's lock */
    logctx_t *previous_live;                   /* owner's lock */
    union {
        logctx_t *next_live;    /* in flight: owner's lock */
        logctx_t *next_foreign; /* finished: on the writer's list of contexts that others finished */
    };
    struct profile profile;
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct logctx) <= 512, "a live context without attributes takes at most 512 bytes");

/* A kind: interned for ever. Its children are the kinds of nested contexts, found by suffix. */
struct logctx_kind {
    const char *name;
    uint32_t number;
    atomic_ulong instances; /* numbers the contexts that were given no name */
    struct logctx_kind *parent;
    const char *suffix;
    _Atomic(struct logctx_kind *) first_nested; /* append at the head only */
    struct logctx_kind *next_nested;
    struct logctx_kind *next_in_bucket;
    _Atomic(struct series *) series[LOGCTX_TYPE_COUNT];
};

/* A kind and type: one row of each metric. Interned for ever. */
struct series {
    struct logctx_kind *kind;
    logctx_type_t type;
    uint32_t number; /* index of its shard in every thread */
    _Atomic uint64_t since_unix;
    struct series *next; /* newest first */
    atomic_uint error_type_count;
    _Atomic(const char *) error_types[LOGCTX_ERROR_TYPES_MAX - 1];
    /* Collector only: what was emitted, so that the split of CPU time never makes a part go down. */
    int64_t emitted_cpu, emitted_user, emitted_system, emitted_running, sampled_user, sampled_system;
};

/* A thread's part of a series. Counters: written by the thread alone. The rest: under the thread's lock. */
struct shard {
    struct series *series;
    _Atomic uint64_t created, ended;
    struct usage_cells usage; /* never takes a negative charge */
    _Atomic uint64_t errors[LOGCTX_ERROR_COUNT];
    uint64_t next_instance, instances_end; /* numbers taken for contexts without a name; the thread alone */
    logctx_t *oldest, *newest;             /* in flight, owned by this thread, in the order of their creation */
    logctx_histogram_t cpu_usage;
    logctx_histogram_t *durations[LOGCTX_ERROR_TYPES_MAX]; /* 0: did not fail; else 1 + index of the error type */
};

/* One entry of the flight recorder: identities only; names are looked up when an error is shown. */
struct recorded_switch {
    logctx_t *from, *to;
    uint32_t from_generation, to_generation;
    const logctx_site_t *site;
    uint64_t monotonic;
};

/* The name of a context whose memory may be in another use by now, for the flight recorder. */
struct late_name {
    const logctx_t *ctx;
    uint32_t generation;
    char name[LOGCTX_NAME_INLINE]; /* a longer one: its beginning */
};

/* How late a loop ran what was ready. Written by the thread alone; readers see each cell whole. */
struct delay_cells {
    _Atomic uint64_t count, sum, min, max;
    _Atomic uint64_t buckets[LOGCTX_BOUNDS + 1];
};

/* Fixed-size blocks of one thread: allocated by it alone, freed by anyone. What others write has a cache line of its own. */
struct pool {
    size_t block_size;
    bool in_table;   /* of contexts; the others are on the heap */
    void *free_list; /* owner only */
    void *chunks;    /* for the end of the process; never unmapped: stale pointers stay readable */
    void *chunk;     /* the newest, with `fresh` blocks made of it; owner only */
    size_t fresh;
    uint32_t chunk_size;
    bool fresh_in_table;
    void (*prepare)(void *block, struct thread *owner); /* of each new block, once */
    void **resting; /* of a thread that has forked: blocks that it has freed, LOGCTX_RESTING of them; else NULL */
    unsigned rested;
    /* Pushed by others with release, taken as a whole by the owner with acquire. */
    _Atomic(void *) returned __attribute__((aligned(64)));
};

/* Blocks of one pool on their way back, by a thread that is not the owner: they are pushed together. */
struct pool_chain {
    void *first, *last;
};

/* The state of one application thread; taken over by a later thread when this one ends. Never freed. */
struct thread {
    _Atomic uint64_t id; /* what counts as the same thread; 0: has none now. Written by the owner, read by hand-overs */

    /* Owner only. */
    struct cpu_clock cpu;
    uint64_t unix_offset; /* what the wall clock is ahead of the monotonic one, */
    uint64_t unix_until;  /* counter: and how long that is believed */
    bool cpu_begun;       /* false: another clock is in use, as far as is known */
    uint64_t random[4];
    unsigned char random_generation; /* of the process that seeded it; 0: not seeded */
    bool pinned;                     /* current holds a reference, given back when it is left */
    unsigned in_hook;                /* inside an error hook, logger or sink: switches are refused */
    bool in_poll;
    bool poll_measured;
    bool loop_named;
    uint32_t turn;
    int64_t poll_cpu;    /* outside of contexts, when the poll began */
    int64_t poll_cost;   /* of the turn that was measured last: what the turns up to the next one count as */
    bool wants_delay;    /* somebody asks how late the loop is */
    uint64_t polled_at;  /* monotonic: when the poll ended; 0: not in a turn */
    void **profile_slot; /* otel_thread_ctx_v1 of this thread: the profile of what is current, or NULL */
    const logctx_site_t *current_at; /* who made current what is */
    const logctx_site_t *asking_at;  /* who asks a loop for a timer, while it starts it */
    struct recorded_switch recent[LOGCTX_RECENT];
    uint32_t recent_next;
    uint32_t late_next;
    struct late_name late[LOGCTX_LATE_NAMES];
    struct pool contexts, names, records, bounds, deferreds, entries, families;
    void *resting[LOGCTX_RESTING]; /* of `contexts` */
    struct logctx_deferred *dying; /* deferreds without a reference, being freed */
    bool in_dying;
    uint64_t live_check_at, live_checked_limit;
    struct logctx_point *points[1 << LOGCTX_POINTS_SHIFT]; /* point.c; points are for ever */

    /* Written by the owner, read by collections. */
    _Atomic uint64_t created, ended, created_sampled, ended_sampled, handed_over, unsampled, no_sink, over_limit,
        no_record, refused, error_spans;
    _Atomic uint64_t errors[LOGCTX_ERROR_COUNT];
    _Atomic uint64_t refused_switches;
    _Atomic int64_t attributed_cpu; /* slices of contexts on this thread */
    _Atomic int64_t loop_cpu;
    struct delay_cells delay;
    _Atomic int64_t deferreds_pending; /* made here less called here */
    atomic_uint process;               /* logctx__forks of the process whose thread it is; constant */
    atomic_uint in_sink;               /* seq_cst with the table of sinks: logctx_sink_remove() waits for 0 */
    /* The slice that runs, for collections on other threads: sequence odd while it changes. */
    atomic_uint slice_sequence;
    _Atomic(struct shard *) slice_shard;
    _Atomic int64_t slice_cpu;    /* as the kernel's clock of the thread: no later than that */
    _Atomic int64_t slice_unsure; /* the slice may be charged less than the kernel's clock shows, by that; 0: exact */
    _Atomic uint64_t slice_monotonic;
    _Atomic(logctx_t *) finished_elsewhere; /* contexts of ours that others finished: their live references */
    atomic_bool attached; /* has a thread; seq_cst with finished_elsewhere. Changed under the registry's lock */

    /* Under `lock`. */
    lock_t lock;
    bool has_clock_id;
    clockid_t clock_id;
    int64_t cpu_base;     /* the thread's clock when it was attached, or its sums were retired */
    int64_t unattributed; /* as the last collection saw it */
    atomic_int tid;       /* readers without the lock: finishes on other threads */
    char loop_name[64];
    struct shard **shards;
    uint32_t shard_count;
    uint32_t cell_count;
    void **cells;             /* of the application's points, by their number; each made once, and never freed */
    struct thread *next;      /* all threads, newest first; constant */
    struct thread *next_idle; /* those without a thread; registry's lock */
    struct thread *inherited; /* of the newest one that was inherited by fork: those inherited before */
};

/* What a thread reaches without asking anyone. */
struct thread_local_state {
    logctx_t *current;
    struct thread *thread; /* NULL until the thread uses the library, and after its end */
};
extern LOGCTX_INTERNAL _Thread_local struct thread_local_state logctx__tls __attribute__((tls_model("initial-exec")));
extern LOGCTX_INTERNAL struct logctx logctx__sentinel;
extern LOGCTX_INTERNAL const logctx_clock_t *_Atomic logctx__clock;

static inline logctx_t *current_context(void)
{
    return logctx__tls.current;
}

static inline bool is_sentinel(const logctx_t *ctx)
{
    return ctx == &logctx__sentinel;
}

/* Budget: two stores and a conditional move. The compiler's fence: the record is written before it can be found. */
static inline void set_current_context(struct thread *thread, logctx_t *ctx)
{
    logctx__tls.current = ctx;
    atomic_signal_fence(memory_order_release);
    *thread->profile_slot = is_sentinel(ctx) ? NULL : &ctx->profile;
}

/*
 * Fences order relaxed atomics only, never plain data, so nothing is lost to a sanitizer that does not know them: gcc's
 * for threads does not, and says so.
 */
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#define FENCE(order) atomic_signal_fence(order)
#else
#define FENCE(order) atomic_thread_fence(order)
#endif

/* created_monotonic may lie before the clock's zero (an earlier start_unix_ns), so differences are taken modulo 2^64. */
static inline uint64_t age_ns(const logctx_t *ctx, uint64_t now)
{
    int64_t age = (int64_t)(now - ctx->created_monotonic);
    return age > 0 ? (uint64_t)age : 0;
}

/* One writer: cheaper than an atomic addition, and whole for every reader. */
#define ADD_OWNED(cell, amount)                                                                                        \
    atomic_store_explicit(&(cell), atomic_load_explicit(&(cell), memory_order_relaxed) + (amount), memory_order_relaxed)
#define READ_RELAXED(cell) atomic_load_explicit(&(cell), memory_order_relaxed)

/*
 * memset() by the library's own, also where the compiler knows the size: it would make a `rep stos` of it, which takes as
 * long to begin as the other to do all.
 */
static inline void wipe(void *at, size_t size)
{
#if defined(__x86_64__)
    __asm__("" : "+r"(size));
#endif
    memset(at, 0, size);
}

/* lock.c */
LOGCTX_INTERNAL void logctx__lock(lock_t *lock);
LOGCTX_INTERNAL void logctx__unlock(lock_t *lock);

/* fork.c: numbers that are others in a child of fork(): how many forks ago the library was loaded, and a short one */
extern LOGCTX_INTERNAL atomic_uint logctx__forks;
/* inherited.c: goes up before each fork. */
extern LOGCTX_INTERNAL atomic_uint logctx__fork_mark;
extern LOGCTX_INTERNAL atomic_uchar logctx__process_generation;
static inline unsigned char logctx__generation(void)
{
    return READ_RELAXED(logctx__process_generation);
}
LOGCTX_INTERNAL void logctx__begin_process(void);

/* In a child, on its only thread, before fork() returns: plain stores, nothing that is not async-signal-safe. */
LOGCTX_INTERNAL void logctx__threads_in_child(void);
LOGCTX_INTERNAL void logctx__contexts_in_child(void);
LOGCTX_INTERNAL void logctx__loops_in_child(void);
LOGCTX_INTERNAL void logctx__sinks_in_child(void);
LOGCTX_INTERNAL void logctx__daemon_in_child(void);

/* Of a parent process. What is this thread's own needs no second look. */
static inline bool is_inherited(const struct thread *owner)
{
    return unlikely(owner != logctx__tls.thread) && owner &&
           READ_RELAXED(owner->process) != READ_RELAXED(logctx__forks);
}

/* Made by a parent process; the sentinel has no owner. */
static inline bool is_inert(const logctx_t *ctx)
{
    return is_inherited(ctx->owner);
}

/* pool.c */
LOGCTX_INTERNAL void *logctx__pool_get(struct pool *pool, struct thread *owner);
LOGCTX_INTERNAL void logctx__pool_put(struct pool *pool, void *block, bool owned);
LOGCTX_INTERNAL void logctx__pool_gather(struct pool *pool, void *block, struct pool_chain *chain);
LOGCTX_INTERNAL void logctx__pool_give_back(struct pool *pool, struct pool_chain *chain);
/* What the owner gets next, if that is known, for a look ahead; NULL: not known. */
LOGCTX_INTERNAL const void *logctx__pool_next(const struct pool *pool);
/* From now on blocks that their owner frees are used again late. */
LOGCTX_INTERNAL void logctx__pool_rest(struct pool *pool, void **room);

/* table.c: memory that readers see, or the heap's where there is no room; NULL without memory. Never freed. */
LOGCTX_INTERNAL void *logctx__table_contexts(size_t size, size_t element_size,
                                             const struct thread *owner); /* no heap */
LOGCTX_INTERNAL void logctx__table_filled(void *memory, size_t count);
LOGCTX_INTERNAL void *logctx__table_element(enum logctx_table_type type, size_t size);
/* Kinds, series and sites, when they are filled in: what readers look at is not changed afterwards. */
LOGCTX_INTERNAL void logctx__table_written(const void *memory, size_t size);
LOGCTX_INTERNAL const char *logctx__table_text(const char *text, size_t length);
LOGCTX_INTERNAL void logctx__table_begin(void);
LOGCTX_INTERNAL void logctx__table_say(void);
LOGCTX_INTERNAL void logctx__table_clock(bool real);
/* table_site.c */
LOGCTX_INTERNAL void logctx__table_site(const logctx_site_t *site, const char *file, int line, const char *function);
/* table_fork.c: as the others of a child, above */
LOGCTX_INTERNAL void logctx__table_in_child(void);

/* process.c: a background process was made current, or exited; `first`: it had not ended before. */
LOGCTX_INTERNAL void logctx__process_resumed(struct thread *thread, logctx_t *process, const logctx_site_t *site,
                                             const logctx_site_t *before);
LOGCTX_INTERNAL void logctx__process_exited(struct thread *thread, logctx_t *process, bool first,
                                            const logctx_site_t *site);

/* bind.c */
LOGCTX_INTERNAL void logctx__bound_pool(struct pool *pool);

/* thread.c: NULL without memory. */
LOGCTX_INTERNAL struct thread *logctx__attach(void);
LOGCTX_INTERNAL struct thread *logctx__threads(void);
LOGCTX_INTERNAL bool logctx__has_thread(const struct thread *thread);
LOGCTX_INTERNAL void logctx__drop_orphans(struct thread *thread);
LOGCTX_INTERNAL void logctx__reread_thread_id(void);
static inline struct thread *this_thread(void)
{
    struct thread *thread = logctx__tls.thread;
    return likely(thread != NULL) ? thread : logctx__attach();
}

/* clock.c, fake_clock.c */
extern LOGCTX_INTERNAL const logctx_clock_t logctx__fake_clock;
LOGCTX_INTERNAL uint64_t logctx__monotonic(void);
LOGCTX_INTERNAL uint64_t logctx__unix(void);
LOGCTX_INTERNAL bool logctx__has_real_time(void); /* the monotonic clock is the kernel's */
/* CPU and monotonic clock for what ran in this thread's current context until now. False: no CPU reading. */
LOGCTX_INTERNAL bool logctx__read_clocks_slowly(struct thread *thread, uint64_t counter, logctx_cpu_reading_t *out,
                                                uint64_t *monotonic);
/* What it found stays in registers, if its callers let it: the slow way has a reading of its own. */
static inline bool read_clocks(struct thread *thread, logctx_cpu_reading_t *out, uint64_t *monotonic)
{
    uint64_t counter = cpu_counter(), slow_monotonic;
    if (likely(cpu_clock_fast(&thread->cpu, READ_RELAXED(logctx__cpu_source.mark), counter, out, monotonic)))
        return true;
    logctx_cpu_reading_t slow = {0};
    bool read = logctx__read_clocks_slowly(thread, counter, &slow, &slow_monotonic);
    *out = slow;
    *monotonic = slow_monotonic;
    return read;
}
/*
 * Now, by the counter if the kernel's clocks are in use, and this thread was asked what time it is by one lately and has been
 * on its processor since. Differs from logctx__monotonic() as the readings of switches do, and fits to those.
 */
static inline bool counter_monotonic(const struct thread *thread, uint64_t counter, uint64_t *monotonic)
{
    const struct cpu_clock *cpu = &thread->cpu;
    if (unlikely(*cpu->word != READ_RELAXED(logctx__cpu_source.mark) || counter >= cpu->deadline))
        return false;
    *monotonic = cpu->monotonic + ((counter - cpu->base) * cpu->scale >> 32);
    return true;
}
static inline uint64_t monotonic_of(const struct thread *thread)
{
    uint64_t monotonic;
    return counter_monotonic(thread, cpu_counter(), &monotonic) ? monotonic : logctx__monotonic();
}
/* Both clocks at one moment. The wall clock is asked a thousand times a second at most: it is set as seldom as ever. */
LOGCTX_INTERNAL void logctx__read_times_slowly(struct thread *thread, uint64_t *monotonic, uint64_t *unix_ns);
static inline void read_times(struct thread *thread, uint64_t *monotonic, uint64_t *unix_ns)
{
    uint64_t counter = cpu_counter();
    if (likely(counter < thread->unix_until && counter_monotonic(thread, counter, monotonic)))
        *unix_ns = *monotonic + thread->unix_offset;
    else
        logctx__read_times_slowly(thread, monotonic, unix_ns);
}
/* What the kernel says of this thread at this moment. */
LOGCTX_INTERNAL bool logctx__read_cpu_now(struct thread *thread, int64_t *total);
/* A thread has attached, or the clock is another one. */
LOGCTX_INTERNAL void logctx__clock_begin(struct thread *thread);
LOGCTX_INTERNAL bool logctx__read_cpu_of(const struct thread *thread, int64_t *total);
LOGCTX_INTERNAL uint64_t logctx__clock_thread_id(void);

/* profile.c: the thread's pointer for profilers; what it points to */
LOGCTX_INTERNAL void **logctx__profile_slot(void);
LOGCTX_INTERNAL void logctx__profile_fill(logctx_t *ctx);

/* random.c */
LOGCTX_INTERNAL void logctx__random_id(struct thread *thread, uint8_t *out, size_t length);

/* shared_string.c */
LOGCTX_INTERNAL struct shared_string *logctx__string_new(const char *text, size_t length, size_t max_bytes);
/* The same for a server's name: the first few that a program has are kept, and counted no more. */
LOGCTX_INTERNAL struct shared_string *logctx__string_server(const char *text, size_t max_bytes);
LOGCTX_INTERNAL struct shared_string *logctx__string_ref(struct shared_string *string);
LOGCTX_INTERNAL void logctx__string_unref(struct shared_string *string);

/* site.c */
LOGCTX_INTERNAL const logctx_site_t *logctx__site_of_caller(void *return_address);
LOGCTX_INTERNAL void logctx__where(const logctx_site_t *site, char *out, size_t size);
LOGCTX_INTERNAL void logctx__where_address(void *address, char *out, size_t size);

/* kind.c */
LOGCTX_INTERNAL struct logctx_kind *logctx__nested_kind(struct logctx_kind *parent, const char *suffix);
LOGCTX_INTERNAL struct series *logctx__series(struct logctx_kind *kind, logctx_type_t type);
LOGCTX_INTERNAL struct series *logctx__all_series(void);
LOGCTX_INTERNAL const struct series *logctx__other_series(void);
LOGCTX_INTERNAL void logctx__series_restart(void);
LOGCTX_INTERNAL const char *logctx__error_type(struct series *series, const char *text);

/* shard.c: NULL without memory. logctx__count_end() also takes it from the list of those in flight. */
LOGCTX_INTERNAL struct shard *logctx__shard(struct thread *thread, struct series *series);
LOGCTX_INTERNAL void logctx__live_add(struct shard *shard, logctx_t *ctx);
LOGCTX_INTERNAL void logctx__count_end(struct thread *thread, logctx_t *ctx, uint64_t duration_ns, int64_t cpu_ns);

/* context.c */
/* False if it was finished before. `left_at`: monotonic, when it was left just now; 0: its end is now. */
LOGCTX_INTERNAL bool logctx__finish(struct thread *thread, logctx_t *ctx, const logctx_site_t *site, uint64_t left_at);
LOGCTX_INTERNAL void logctx__adopt_finished(struct thread *thread);
LOGCTX_INTERNAL uint64_t logctx__refused_without_thread(void);
LOGCTX_INTERNAL logctx_t *logctx__if_generation(logctx_t *ctx, uint32_t generation);
LOGCTX_INTERNAL bool logctx__ref_same(logctx_t *ctx, uint32_t generation);

/* switch.c */
LOGCTX_INTERNAL logctx_t *logctx__switch(struct thread *thread, logctx_t *to, const logctx_site_t *site);
/* The same, to a context that was current before; `made_current_at` is still who is to blame for it. */
LOGCTX_INTERNAL void logctx__put_back(struct thread *thread, logctx_t *to, const logctx_site_t *site,
                                      const logctx_site_t *made_current_at);
LOGCTX_INTERNAL void logctx__charge_running(struct thread *thread, logctx_t *ctx);
LOGCTX_INTERNAL void logctx__begin_slice(struct thread *thread, logctx_t *ctx);
LOGCTX_INTERNAL void logctx__end_slice(struct thread *thread);

/* usage.c: the slice that began at ctx->start ends now. */
LOGCTX_INTERNAL void logctx__charge_slice(struct thread *thread, logctx_t *ctx, logctx_cpu_reading_t now,
                                          uint64_t monotonic, const logctx_site_t *site);
LOGCTX_INTERNAL logctx_usage_t logctx__own_usage(const logctx_t *ctx);
LOGCTX_INTERNAL void logctx__split_parts(logctx_usage_t *usage, const logctx_t *ctx);

/* family.c: parents and children, under the lock of the tree's root. */
LOGCTX_INTERNAL void logctx__family_pool(struct pool *pool);
LOGCTX_INTERNAL bool logctx__family_join(logctx_t *child);
LOGCTX_INTERNAL logctx_usage_t logctx__family_total(logctx_t *ctx);
LOGCTX_INTERNAL void logctx__family_fold(logctx_t *ctx);
LOGCTX_INTERNAL void logctx__family_late(logctx_t *ctx, const logctx_usage_t *delta);
LOGCTX_INTERNAL void logctx__family_foreign(logctx_t *ctx, const logctx_usage_t *delta);
/* Of a context without references. */
LOGCTX_INTERNAL void logctx__family_free(logctx_t *ctx);

/* segment.c: added by the writer; the text may be asked for by any thread, and is as of some moment then. */
LOGCTX_INTERNAL void logctx__segment_add(logctx_t *ctx, enum segment_state state, uint64_t from, uint64_t to);
LOGCTX_INTERNAL void logctx__segment_new(logctx_t *ctx, enum segment_state state, uint64_t from, uint64_t to);
/*
 * On every switch, from <= to. A context that was left for less than a microsecond goes on with its last segment: with one
 * division, and with none if it ends in the same microsecond, as in a storm of switches. False: that is not so, and
 * nothing was done.
 */
static inline __attribute__((always_inline)) bool segment_prolong(logctx_t *ctx, enum segment_state state,
                                                                  uint64_t from, uint64_t to)
{
    unsigned count = READ_RELAXED(ctx->segment_count);
    if (count - 1 >= LOGCTX_SEGMENTS || READ_RELAXED(ctx->segment_scale) != 0 ||
        READ_RELAXED(ctx->segment_states[count - 1]) != state)
        return false;
    uint64_t packed = READ_RELAXED(ctx->segments[count - 1]), offset = packed >> 32, length = (uint32_t)packed;
    uint64_t end = to - ctx->created_monotonic, into = from - ctx->created_monotonic - offset * 1000;
    uint64_t reached = (length + 1) * 1000; /* from the segment's begin, as `into` is */
    if (into >= reached + 1000 || end >= (uint64_t)UINT32_MAX / 2 * 1000)
        return false;
    if (end - offset * 1000 >= reached) {
        packed = offset << 32 | (uint32_t)(end / 1000 - offset);
        atomic_store_explicit(&ctx->segments[count - 1], packed, memory_order_relaxed);
    }
    return true;
}
LOGCTX_INTERNAL size_t logctx__segment_text(const logctx_t *ctx, char *out, size_t size);

/* collect.c */
LOGCTX_INTERNAL void logctx__start_restart(void);

/* loops.c: the sums of CPU outside of contexts */
LOGCTX_INTERNAL void logctx__loop_retire(struct thread *thread, const char *new_name);

/* report.c */
struct occurrence {
    logctx_error_kind_t kind;
    logctx_t *affected;   /* NULL or the sentinel: none */
    const char *expected; /* names, or NULL */
    const char *found;
    const char *text; /* %M of the sentence, or NULL */
    const logctx_site_t *found_by;
    const logctx_site_t *set_by;
};
LOGCTX_INTERNAL void logctx__report(struct thread *thread, const struct occurrence *occurrence);
LOGCTX_INTERNAL void logctx__misuse(const char *text, const logctx_site_t *site);
LOGCTX_INTERNAL void logctx__count_error(struct thread *thread, logctx_error_kind_t kind, logctx_t *affected);

/* recent.c */
LOGCTX_INTERNAL size_t logctx__recent(const struct thread *thread, logctx_switch_t *out, const logctx_site_t **sites,
                                      size_t capacity);

/* log.c */
LOGCTX_INTERNAL bool logctx__has_logger(void);
LOGCTX_INTERNAL void logctx__log_message(logctx_severity_t severity, const char *message);

/* record.c */
LOGCTX_INTERNAL void logctx__record_pool(struct pool *pool);
LOGCTX_INTERNAL logctx_record_t *logctx__record_new(struct thread *thread);

/* seal.c */
LOGCTX_INTERNAL void logctx__seal(struct thread *thread, logctx_t *ctx, uint64_t end_monotonic,
                                  const logctx_usage_t *own, const logctx_usage_t *total);
LOGCTX_INTERNAL void logctx__record_error(struct thread *thread, logctx_t *ctx, const logctx_attr_t *attrs,
                                          size_t count, bool apart);
LOGCTX_INTERNAL void logctx__record_discard(logctx_t *ctx);

/* sink.c */
extern LOGCTX_INTERNAL atomic_uint logctx__sink_count;
static inline bool has_sink(void)
{
    return READ_RELAXED(logctx__sink_count) > 0;
}
LOGCTX_INTERNAL bool logctx__to_sinks(struct thread *thread, logctx_record_t *record);

/* runtime.c: the settings, each read on its own */
struct limits {
    atomic_uint attributes, events, links, attributes_per_event, attributes_per_link, value_length, span_bytes, live;
};
extern LOGCTX_INTERNAL struct limits logctx__limits;
LOGCTX_INTERNAL struct shared_string *logctx__default_server(void);
LOGCTX_INTERNAL bool logctx__sample(bool has_parent, bool parent_sampled);
extern LOGCTX_INTERNAL atomic_bool logctx__has_custom_random;
LOGCTX_INTERNAL bool logctx__custom_random(void *out, size_t length);

#endif
