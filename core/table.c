// The table: the mapping in which contexts, kinds, series, call sites and threads lie, and how it grows (table.h says what
// readers see of it). Address space is reserved once; memory and the file behind it grow by steps, so that a core dump holds
// what was used and no more. Whatever finds no room is made on the heap by its caller, and counted: it works as well,
// only readers do not see it.
//
// Chunks and strings are made by any thread under the table's lock, the last of all, which is never held while code of the
// host runs. Memory of the table is never given back or moved: stale pointers stay readable.
//
// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "table_map.h"

#define RESERVED (sizeof(void *) < 8 ? (size_t)64 << 20 : (size_t)1 << 30)

enum { CHUNK_OF_OTHERS = 8192, CHUNK_OF_THREADS = 32768 };

struct table_map logctx__table = {.lock = 0, .file = {.fd = -1}};

// Under the table's lock: what the log is to say of the table.
static char why[TABLE_PATH_MAX + 256];
static atomic_bool has_why;
static char service[sizeof((struct logctx_table_header *)NULL)->service];

#define TABLE_STORE(cell, value) __atomic_store_n(&(cell), (value), __ATOMIC_RELEASE)

static uint64_t clock_ns(clockid_t id)
{
    struct timespec now = {0};
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static size_t page_up(size_t size)
{
    return (size + LOGCTX_TABLE_PAGE - 1) & ~(size_t)(LOGCTX_TABLE_PAGE - 1);
}

// A host with a limit of its address space needs it for itself.
static size_t how_much(void)
{
    struct rlimit limit;
    size_t size = RESERVED;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        while (size > limit.rlim_cur / 8 && size > (size_t)1 << 20)
            size /= 2;
    return size;
}

// Steps that grow with the table, so that a large one is made of few system calls.
static bool commit(struct table_map *table, size_t to)
{
    size_t committed = table->committed;
    if (to <= committed)
        return true;
    size_t goal = to > committed + committed / 8 ? to : committed + committed / 8;
    goal = (goal + TABLE_STEP - 1) / TABLE_STEP * TABLE_STEP;
    if (goal > table->reserved)
        goal = table->reserved;
    if (to > goal || (READ_RELAXED(table->shared) && !logctx__table_grow(&table->file, committed, goal)))
        return false;
    table->committed = goal;
    return true;
}

static bool is_live(enum logctx_table_type type)
{
    return type == LOGCTX_TABLE_CONTEXTS || type == LOGCTX_TABLE_THREADS;
}

static bool note_run(struct table_map *table, size_t at, size_t size)
{
    unsigned count = READ_RELAXED(table->run_count), process = READ_RELAXED(logctx__forks);
    struct table_run *last = count > 0 ? &table->runs[count - 1] : NULL;
    if (last && READ_RELAXED(last->process) == process && READ_RELAXED(last->end) == at) {
        atomic_store_explicit(&last->end, at + size, memory_order_release);
        return true;
    }
    if (count == TABLE_RUNS)
        return false;
    atomic_store_explicit(&table->runs[count].begin, at, memory_order_relaxed);
    atomic_store_explicit(&table->runs[count].end, at + size, memory_order_relaxed);
    atomic_store_explicit(&table->runs[count].process, process, memory_order_relaxed);
    atomic_store_explicit(&table->run_count, count + 1, memory_order_release);
    return true;
}

// A place that could not be mapped may not be ours any more: then the table ends there, for a child too.
static bool map(struct table_map *table, size_t at, size_t size, bool live)
{
    char *place = READ_RELAXED(table->base) + at;
    bool in_file = live && READ_RELAXED(table->shared);
    if ((in_file && !logctx__table_is_ours(&table->file)) || (live && !note_run(table, at, size)))
        return false;
    int flags = in_file ? MAP_SHARED | MAP_FIXED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    if (mmap(place, size, PROT_READ | PROT_WRITE, flags, in_file ? table->file.fd : -1, in_file ? (off_t)at : 0) !=
        MAP_FAILED)
        return true;
    table->reserved = at;
    if (live)
        atomic_store_explicit(&table->runs[READ_RELAXED(table->run_count) - 1].end, at, memory_order_relaxed);
    return false;
}

// What readers are to see of it: what is not live is given to the file. Outside of the table there is nothing to do.
void logctx__table_written(const void *memory, size_t size)
{
    struct table_map *table = &logctx__table;
    if (!atomic_load_explicit(&table->shared, memory_order_acquire))
        return;
    size_t at = (size_t)((const char *)memory - READ_RELAXED(table->base));
    int error = errno;
    if (at < READ_RELAXED(table->used))
        (void)logctx__table_write(&table->file, at, memory, size);
    errno = error;
}

// Said once, by logctx__table_say().
static void set_why(const char *what, const char *sentence)
{
    snprintf(why, sizeof why, "%s: %s", what, sentence);
    atomic_store_explicit(&has_why, true, memory_order_relaxed);
}

static void say_private(const char *sentence)
{
    set_why("The table of contexts is in private memory, where logctx-top does not see it", sentence);
}

static const char no_room[] = "there is no memory left for its file, or the limit of file sizes (ulimit -f) is too low";

// The first time in a process that something finds no place. What is on the heap works as well.
static void say_full(struct table_map *table, size_t to)
{
    if (table->said_full)
        return;
    table->said_full = true;
    const char *reason = READ_RELAXED(table->shared) && !logctx__table_is_ours(&table->file)
                             ? "the program has closed its descriptor"
                         : to > table->reserved ? "the address space that was reserved for it is used up"
                                                : no_room;
    set_why("The table of contexts does not grow any more, and logctx-top does not see what has no place in it",
            reason);
}

#define FIELD(id, type, member)                                                                                        \
    [LOGCTX_TABLE_##id] = {(uint16_t)offsetof(struct type, member), (uint16_t)sizeof(((struct type *)NULL)->member)}

static const struct logctx_table_field fields[LOGCTX_TABLE_FIELD_COUNT] = {
    FIELD(CONTEXT_REFS, logctx, refs),
    FIELD(CONTEXT_STARTED, logctx, started),
    FIELD(CONTEXT_FINISHED, logctx, finished),
    FIELD(CONTEXT_HOME, logctx, home),
    FIELD(CONTEXT_OWNER, logctx, owner),
    FIELD(CONTEXT_WRITER, logctx, writer),
    FIELD(CONTEXT_GENERATION, logctx, generation),
    FIELD(CONTEXT_SWITCHES, logctx, switches),
    FIELD(CONTEXT_START_MONOTONIC, logctx, start_monotonic),
    FIELD(CONTEXT_SWITCHED_AT, logctx, switched_at),
    FIELD(CONTEXT_CPU, logctx, own.cpu),
    FIELD(CONTEXT_CPU_USER, logctx, own.user),
    FIELD(CONTEXT_CPU_SYSTEM, logctx, own.system),
    FIELD(CONTEXT_RUNNING, logctx, own.running),
    FIELD(CONTEXT_DB_TRANSACTIONS, logctx, own.transactions),
    FIELD(CONTEXT_DB, logctx, own.db),
    FIELD(CONTEXT_DB_WAIT, logctx, own.wait),
    FIELD(CONTEXT_DB_ROWS, logctx, own.rows),
    FIELD(CONTEXT_SERIES, logctx, series),
    FIELD(CONTEXT_PARENT, logctx, parent),
    FIELD(CONTEXT_ROOT, logctx, root),
    FIELD(CONTEXT_NAME, logctx, name),
    FIELD(CONTEXT_INLINE_NAME, logctx, profile.name),
    FIELD(CONTEXT_CREATED_AT, logctx, created_at),
    FIELD(CONTEXT_CREATED_MONOTONIC, logctx, created_monotonic),
    FIELD(CONTEXT_CREATED_UNIX, logctx, created_unix),
    FIELD(CONTEXT_TRACE_ID, logctx, profile.trace_id),
    FIELD(CONTEXT_SPAN_ID, logctx, profile.span_id),
    FIELD(CONTEXT_PARENT_SPAN_ID, logctx, parent_span_id),
    FIELD(CONTEXT_FLAGS, logctx, profile.flags),
    FIELD(CONTEXT_ERRORS, logctx, errors),
    FIELD(CONTEXT_OPEN_TRANSACTIONS, logctx, open_transactions),
    FIELD(CONTEXT_SEGMENT_COUNT, logctx, segment_count),
    FIELD(CONTEXT_SEGMENT_SCALE, logctx, segment_scale),
    FIELD(CONTEXT_SEGMENT_STATES, logctx, segment_states),
    FIELD(CONTEXT_SEGMENTS, logctx, segments),
    FIELD(KIND_NAME, logctx_kind, name),
    FIELD(KIND_NUMBER, logctx_kind, number),
    FIELD(SERIES_KIND, series, kind),
    FIELD(SERIES_TYPE, series, type),
    FIELD(THREAD_ID, thread, id),
    FIELD(THREAD_TID, thread, tid),
    FIELD(THREAD_ATTACHED, thread, attached),
    FIELD(THREAD_PROCESS, thread, process),
    FIELD(THREAD_LOOP_NAME, thread, loop_name),
    FIELD(THREAD_IN_POLL, thread, in_poll),
    FIELD(THREAD_CREATED, thread, created),
    FIELD(THREAD_ENDED, thread, ended),
    FIELD(THREAD_ATTRIBUTED_CPU, thread, attributed_cpu),
    FIELD(THREAD_RECENT, thread, recent),
    FIELD(THREAD_RECENT_NEXT, thread, recent_next),
    FIELD(RECENT_FROM, recorded_switch, from),
    FIELD(RECENT_TO, recorded_switch, to),
    FIELD(RECENT_FROM_GENERATION, recorded_switch, from_generation),
    FIELD(RECENT_TO_GENERATION, recorded_switch, to_generation),
    FIELD(RECENT_SITE, recorded_switch, site),
    FIELD(RECENT_MONOTONIC, recorded_switch, monotonic),
    FIELD(CONTEXT_VALID, logctx, profile.valid),
};

static void describe_process(struct logctx_table_header *header)
{
    header->pid = (int32_t)getpid();
    header->process = READ_RELAXED(logctx__forks);
    header->state = LOGCTX_TABLE_LIVE;
    header->begun_unix = clock_ns(CLOCK_REALTIME);
    header->unix_minus_monotonic = (int64_t)(header->begun_unix - clock_ns(CLOCK_MONOTONIC));
    header->begun_boottime = clock_ns(CLOCK_BOOTTIME);
    header->real_clock = logctx__has_real_time();
}

static void write_header(struct table_map *table)
{
    struct logctx_table_header *header = table_header();
    header->version = LOGCTX_TABLE_VERSION;
    header->header_size = LOGCTX_TABLE_HEADER_SIZE;
    header->base = (uintptr_t)header;
    header->reserved = table->reserved;
    header->used = READ_RELAXED(table->used);
    header->file_size = table->committed;
    header->elsewhere = header->elsewhere_other = 0;
    header->sentinel = (uintptr_t)&logctx__sentinel;
    header->other_kind = (uintptr_t)logctx_kind(NULL);
    header->other_series = (uintptr_t)logctx__other_series();
    header->series_size = sizeof(struct series);
    header->recent_count = LOGCTX_RECENT;
    header->recent_size = sizeof(struct recorded_switch);
    header->segments = LOGCTX_SEGMENTS;
    snprintf(header->library, sizeof header->library, "%s", logctx_version());
    snprintf(header->executable, sizeof header->executable, "%s", program_invocation_short_name);
    memcpy(header->service, service, sizeof service);
    header->field_count = LOGCTX_TABLE_FIELD_COUNT;
    memcpy(header->fields, fields, sizeof fields);
    describe_process(header);
    memcpy(header->magic, LOGCTX_TABLE_MAGIC, sizeof header->magic);
}
_Static_assert(sizeof(struct logctx_table_header) <= LOGCTX_TABLE_HEADER_SIZE, "the header has a page");

// A host that runs with another one's rights does not let the environment choose files.
static const char *setting_of(const struct table_map *table)
{
    const char *setting = table->setting[0] ? table->setting : secure_getenv("LOGCTX_TABLE");
    return setting && *setting ? setting : "memfd";
}

static bool open_file(struct table_map *table)
{
    char sentence[sizeof why - 128];
    bool opened = logctx__table_open(setting_of(table), &table->file, sentence, sizeof sentence);
    if (sentence[0])
        say_private(sentence);
    return opened;
}

// The path is its parent's, most probably: then the child takes what has no name.
static bool open_file_in_child(struct table_map *table)
{
    char unsaid[sizeof why - 128];
    const char *setting = setting_of(table);
    if (!strchr(setting, '/') || strstr(setting, "%p"))
        return open_file(table);
    return logctx__table_open(setting, &table->file, unsaid, sizeof unsaid) ||
           logctx__table_open("memfd", &table->file, unsaid, sizeof unsaid);
}

// There is a file, and no memory for what is to be in it.
static void close_file(struct table_map *table)
{
    say_private(no_room);
    if (logctx__table_is_ours(&table->file)) {
        logctx__table_remove(&table->file);
        close(table->file.fd);
    }
    table->file.fd = -1;
    atomic_store_explicit(&table->shared, false, memory_order_relaxed);
}

static bool map_header(struct table_map *table)
{
    table->committed = 0;
    atomic_store_explicit(&table->run_count, 0, memory_order_relaxed);
    return commit(table, LOGCTX_TABLE_HEADER_SIZE) && map(table, 0, LOGCTX_TABLE_HEADER_SIZE, true);
}

static void begin(struct table_map *table)
{
    table->reserved = how_much();
    char *base = mmap(NULL, table->reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return;
    atomic_store_explicit(&table->base, base, memory_order_relaxed);
    atomic_store_explicit(&table->shared, open_file(table), memory_order_release);
    bool mapped = map_header(table);
    if (!mapped && READ_RELAXED(table->shared)) {
        close_file(table);
        mapped = map_header(table);
    }
    if (!mapped) {
        munmap(base, table->reserved);
        atomic_store_explicit(&table->base, NULL, memory_order_relaxed);
        return;
    }
    atomic_store_explicit(&table->used, LOGCTX_TABLE_HEADER_SIZE, memory_order_relaxed);
    write_header(table);
    // What only the table points to is not lost.
    if (__lsan_register_root_region)
        __lsan_register_root_region(base, table->reserved);
}

// In a child of fork() the table is private memory (table_fork.c), until somebody adds to it or is attached: then it becomes
// the child's own, at the same place. The live chunks of the parent are no part of it.
static void begin_in_child(struct table_map *table)
{
    if (open_file_in_child(table)) {
        table->committed = READ_RELAXED(table->used);
        if (logctx__table_write_all(table))
            atomic_store_explicit(&table->shared, true, memory_order_release);
        else
            close_file(table);
    }
    if (READ_RELAXED(table->shared) || mmap(table_header(), LOGCTX_TABLE_HEADER_SIZE, PROT_READ | PROT_WRITE,
                                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
        write_header(table);
}

// Under the lock. False: there is no table.
static bool ready(struct table_map *table)
{
    unsigned process = READ_RELAXED(logctx__forks);
    if (likely(READ_RELAXED(table->begun) && READ_RELAXED(table->process) == process))
        return READ_RELAXED(table->base) != NULL;
    int error = errno; // of the host
    bool first = !READ_RELAXED(table->begun);
    atomic_store_explicit(&table->begun, true, memory_order_relaxed);
    atomic_store_explicit(&table->process, process, memory_order_relaxed);
    table->said_full = false;
    // A parent that was making it at the fork had come to no header.
    if (first || READ_RELAXED(table->used) == 0)
        begin(table);
    else
        begin_in_child(table);
    errno = error;
    return READ_RELAXED(table->base) != NULL;
}

void logctx__table_begin(void)
{
    struct table_map *table = &logctx__table;
    logctx__lock(&table->lock);
    ready(table);
    logctx__unlock(&table->lock);
}

// The log line that the lock did not allow.
void logctx__table_say(void)
{
    if (likely(!READ_RELAXED(has_why)) || !atomic_exchange(&has_why, false))
        return;
    char text[sizeof why];
    logctx__lock(&logctx__table.lock);
    memcpy(text, why, sizeof text);
    logctx__unlock(&logctx__table.lock);
    logctx_log(LOGCTX_WARN, "%s", text);
}

static struct logctx_table_chunk *new_chunk(struct table_map *table, enum logctx_table_type type, size_t size,
                                            size_t element_size, const void *owner)
{
    if (!ready(table))
        return NULL;
    size_t at = READ_RELAXED(table->used);
    int error = errno;
    bool there = commit(table, at + size) && map(table, at, size, is_live(type));
    errno = error;
    if (!there) {
        say_full(table, at + size);
        return NULL;
    }
    struct logctx_table_header *header = table_header();
    struct logctx_table_chunk *chunk = (struct logctx_table_chunk *)(void *)((char *)header + at);
    *chunk = (struct logctx_table_chunk){.magic = LOGCTX_TABLE_CHUNK_MAGIC,
                                         .type = type,
                                         .size = (uint32_t)size,
                                         .element_size = (uint32_t)element_size,
                                         .owner = (uintptr_t)owner};
    atomic_store_explicit(&table->used, at + size, memory_order_relaxed);
    if (!is_live(type))
        logctx__table_written(chunk, sizeof *chunk);
    TABLE_STORE(header->file_size, table->committed);
    TABLE_STORE(header->used, at + size);
    return chunk;
}

void logctx__table_count_elsewhere(uint64_t contexts, uint64_t others)
{
    if (!READ_RELAXED(logctx__table.base))
        return;
    __atomic_fetch_add(&table_header()->elsewhere, contexts, __ATOMIC_RELAXED);
    __atomic_fetch_add(&table_header()->elsewhere_other, others, __ATOMIC_RELAXED);
}

void *logctx__table_contexts(size_t size, size_t element_size, const struct thread *owner)
{
    struct table_map *table = &logctx__table;
    logctx__lock(&table->lock);
    struct logctx_table_chunk *chunk = new_chunk(table, LOGCTX_TABLE_CONTEXTS, size, element_size, owner);
    logctx__unlock(&table->lock);
    if (unlikely(!chunk))
        logctx__table_say(); // here alone of those who find no room no lock is held
    return chunk;
}

void logctx__table_filled(void *memory, size_t count)
{
    struct logctx_table_chunk *chunk = memory;
    TABLE_STORE(chunk->count, (uint32_t)count);
}

// Under the lock; zeroed. `count` goes up at once: a reader finds the element empty, which is none.
void *logctx__table_new_element(struct table_map *table, enum logctx_table_type type, size_t size)
{
    if (!ready(table))
        return NULL;
    struct logctx_table_chunk *chunk = table->open[type];
    size_t room = LOGCTX_TABLE_CHUNK_HEADER + size;
    if (!chunk || LOGCTX_TABLE_CHUNK_HEADER + (chunk->count + (uint64_t)1) * size > chunk->size) {
        size_t usual = type == LOGCTX_TABLE_THREADS ? CHUNK_OF_THREADS : CHUNK_OF_OTHERS;
        chunk = new_chunk(table, type, room > usual ? page_up(room) : usual, size, NULL);
        if (!chunk)
            return NULL;
        table->open[type] = chunk;
    }
    void *element = (char *)chunk + LOGCTX_TABLE_CHUNK_HEADER + chunk->count * size;
    TABLE_STORE(chunk->count, chunk->count + 1);
    if (!is_live(type))
        logctx__table_written(chunk, sizeof *chunk);
    return element;
}

// Kinds, series and threads, which are for ever. NULL: neither here nor on the heap.
void *logctx__table_element(enum logctx_table_type type, size_t size)
{
    struct table_map *table = &logctx__table;
    size = (size + 63) / 64 * 64;
    logctx__lock(&table->lock);
    void *element = logctx__table_new_element(table, type, size);
    logctx__unlock(&table->lock);
    if (element)
        return element;
    logctx__table_count_elsewhere(0, 1);
    element = aligned_alloc(64, size);
    return element ? memset(element, 0, size) : NULL;
}

// Under the lock. What is too long loses its beginning: what tells places apart is at the end.
const char *logctx__table_new_text(struct table_map *table, const char *text, size_t length)
{
    if (!ready(table))
        return NULL;
    if (length > LOGCTX_TABLE_TEXT_MAX) {
        text += length - LOGCTX_TABLE_TEXT_MAX;
        length = LOGCTX_TABLE_TEXT_MAX;
    }
    struct logctx_table_chunk *chunk = table->open[LOGCTX_TABLE_STRINGS];
    if (!chunk || LOGCTX_TABLE_CHUNK_HEADER + chunk->count + length + 1 > chunk->size) {
        chunk = new_chunk(table, LOGCTX_TABLE_STRINGS, CHUNK_OF_OTHERS, 1, NULL);
        if (!chunk)
            return NULL;
        table->open[LOGCTX_TABLE_STRINGS] = chunk;
    }
    char *copy = (char *)chunk + LOGCTX_TABLE_CHUNK_HEADER + chunk->count;
    memcpy(copy, text, length);
    copy[length] = '\0';
    TABLE_STORE(chunk->count, chunk->count + (uint32_t)length + 1);
    logctx__table_written(copy, length + 1);
    logctx__table_written(chunk, sizeof *chunk);
    return copy;
}

// Of at most LOGCTX_TABLE_TEXT_MAX bytes. NULL: neither here nor on the heap.
const char *logctx__table_text(const char *text, size_t length)
{
    struct table_map *table = &logctx__table;
    logctx__lock(&table->lock);
    const char *copy = logctx__table_new_text(table, text, length);
    logctx__unlock(&table->lock);
    if (copy)
        return copy;
    logctx__table_count_elsewhere(0, 1);
    return strndup(text, length);
}

// The table may not be begun yet: then it is described when it is.
void logctx__table_clock(bool real)
{
    logctx__lock(&logctx__table.lock);
    if (READ_RELAXED(logctx__table.used) > 0)
        table_header()->real_clock = real;
    logctx__unlock(&logctx__table.lock);
}

logctx_status_t logctx_set_table(const char *setting)
{
    struct table_map *table = &logctx__table;
    if (!setting || !*setting)
        return LOGCTX_E_INVALID;
    logctx__lock(&table->lock);
    bool late = READ_RELAXED(table->begun), fits = strlen(setting) < sizeof table->setting;
    if (!late && fits) {
        strcpy(table->setting, setting);
        ready(table);
    }
    bool failed = !fits || READ_RELAXED(has_why);
    logctx__unlock(&table->lock);
    if (late)
        return LOGCTX_E_STATE;
    logctx__table_say();
    return failed ? LOGCTX_E_CONFIG : LOGCTX_OK;
}

void logctx_set_table_service(const char *name)
{
    struct table_map *table = &logctx__table;
    logctx__lock(&table->lock);
    snprintf(service, sizeof service, "%s", name ? name : "");
    if (READ_RELAXED(table->used) > 0)
        memcpy(table_header()->service, service, sizeof service);
    logctx__unlock(&table->lock);
}

// exit(), and not a crash: nobody needs to look for what is left. Threads may go on for a moment, in memory that stays.
__attribute__((destructor)) static void end(void)
{
    struct table_map *table = &logctx__table;
    if (!READ_RELAXED(table->shared) || READ_RELAXED(table->process) != READ_RELAXED(logctx__forks))
        return;
    __atomic_store_n(&table_header()->state, LOGCTX_TABLE_ENDED, __ATOMIC_RELAXED);
    logctx__table_remove(&table->file);
}
