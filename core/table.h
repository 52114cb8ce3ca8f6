/*
 * table.h: the format of the table: one mapping in which the core keeps its contexts, kinds, call sites and threads, so
 * that a reader outside the process, or after its end, understands them. Readers include this file alone; it needs
 * nothing of the core. docs/table.md says how to read it.
 *
 * The header is at offset 0. Behind it, at `header_size`, the chunks follow each other without a gap up to `used`: each
 * begins with a struct logctx_table_chunk and is `size` bytes long, a multiple of LOGCTX_TABLE_PAGE. Elements are of one
 * type and size within a chunk. All numbers are of the byte order of the machine.
 *
 * What the table holds of the core is the core's own memory, which threads change while a reader looks: pointers are
 * addresses in the process, and a reader turns them into offsets by `base`. Any of them may be torn, stale or hostile.
 *
 * Owner: chunks and strings are made under the table's lock; an element belongs to whom its structure in types.h says.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_CORE_TABLE_H
#define LOGCTX_CORE_TABLE_H

#include <stdint.h>

#define LOGCTX_TABLE_MAGIC "LOGCTXTB" /* 8 bytes, without a NUL */
#define LOGCTX_TABLE_MEMFD "logctx-table"

enum {
    LOGCTX_TABLE_VERSION = 1,
    LOGCTX_TABLE_PAGE = 4096,
    LOGCTX_TABLE_HEADER_SIZE = 4096,
    LOGCTX_TABLE_CHUNK_MAGIC = 0x4b48434c, /* "LCHK" */
    LOGCTX_TABLE_CHUNK_HEADER = 64,
    LOGCTX_TABLE_TEXT_MAX = 1023, /* of an interned string, without its NUL */
};

enum logctx_table_type {
    LOGCTX_TABLE_CONTEXTS = 1, /* struct logctx: fields CONTEXT_* */
    LOGCTX_TABLE_STRINGS = 2,  /* NUL-terminated, one behind the other; element_size 1, count: bytes in use */
    LOGCTX_TABLE_KINDS = 3,    /* struct logctx_kind: fields KIND_* */
    LOGCTX_TABLE_SERIES = 4,   /* struct series: fields SERIES_* */
    LOGCTX_TABLE_SITES = 5,    /* struct logctx_table_site */
    LOGCTX_TABLE_THREADS = 6,  /* struct thread: fields THREAD_* */
};

/* The first 64 bytes of each chunk. `count` goes up, with release, when an element has been written. */
struct logctx_table_chunk {
    uint32_t magic;
    uint32_t type; /* enum logctx_table_type */
    uint32_t size; /* of the chunk, with this */
    uint32_t element_size;
    uint32_t count;    /* elements made; those of contexts are all made at once, most of them free */
    uint32_t reserved; /* 0 */
    uint64_t owner;    /* of contexts: address of the struct thread; else 0 */
    uint64_t unused[4];
};

/* A call site. What a context or the flight recorder holds is `address`; of two with the same address the later one is
 * right (a plug-in was unloaded and another one took its place). */
struct logctx_table_site {
    uint64_t address;  /* of the logctx_site_t in the process */
    uint64_t file;     /* address of a string in the table; or of the text "object+0x12 (symbol)" when line is 0 */
    uint64_t function; /* address of a string in the table; 0: none */
    uint32_t line;
    uint32_t reserved;
};

/*
 * Where readers find what they need in the structures of the core: X(NAME, what). A field that a version of the library
 * does not have is {0, 0} in its header; readers know more fields than they need, and none by heart.
 */
#define LOGCTX_TABLE_FIELDS(X)                                                                                         \
    X(CONTEXT_REFS, "u32: 0 for a slot that is free; all but `generation` and `owner` is without meaning then")        \
    X(CONTEXT_STARTED, "u8: 0 not current, 1 current on its thread, 2 current without a clock reading")                \
    X(CONTEXT_FINISHED, "u8: not 0 when finished")                                                                     \
    X(CONTEXT_HOME, "u64: id of the thread that may run it: THREAD_ID of a thread")                                    \
    X(CONTEXT_OWNER, "address of the thread that made it")                                                             \
    X(CONTEXT_WRITER, "address of the thread that charges it")                                                         \
    X(CONTEXT_GENERATION, "u32: goes up when the slot is freed; read before and after")                                \
    X(CONTEXT_SWITCHES, "u32: how often made current")                                                                 \
    X(CONTEXT_START_MONOTONIC, "u64 ns: when the slice that runs began")                                               \
    X(CONTEXT_SWITCHED_AT, "address of the site that made it current last; 0: none did")                               \
    X(CONTEXT_CPU, "i64 ns: own usage, without the slice that runs")                                                   \
    X(CONTEXT_CPU_USER, "i64 ns")                                                                                      \
    X(CONTEXT_CPU_SYSTEM, "i64 ns")                                                                                    \
    X(CONTEXT_RUNNING, "i64 ns: time being current")                                                                   \
    X(CONTEXT_DB_TRANSACTIONS, "i64")                                                                                  \
    X(CONTEXT_DB, "i64 ns")                                                                                            \
    X(CONTEXT_DB_WAIT, "i64 ns")                                                                                       \
    X(CONTEXT_DB_ROWS, "i64")                                                                                          \
    X(CONTEXT_SERIES, "address of the series: kind and type; or of one of the header's other_series")                  \
    X(CONTEXT_PARENT, "address of a context; 0: none")                                                                 \
    X(CONTEXT_ROOT, "address of a context")                                                                            \
    X(CONTEXT_NAME, "address of the whole name: CONTEXT_INLINE_NAME, a string of the table (a kind's), or outside")    \
    X(CONTEXT_INLINE_NAME, "the name's first bytes, NUL-terminated")                                                   \
    X(CONTEXT_CREATED_AT, "address of a site")                                                                         \
    X(CONTEXT_CREATED_MONOTONIC, "u64 ns; differences modulo 2^64")                                                    \
    X(CONTEXT_CREATED_UNIX, "u64 ns")                                                                                  \
    X(CONTEXT_TRACE_ID, "16 bytes")                                                                                    \
    X(CONTEXT_SPAN_ID, "8 bytes")                                                                                      \
    X(CONTEXT_PARENT_SPAN_ID, "8 bytes; all zero: none")                                                               \
    X(CONTEXT_FLAGS, "u8: W3C trace flags")                                                                            \
    X(CONTEXT_ERRORS, "u32: transition errors")                                                                        \
    X(CONTEXT_OPEN_TRANSACTIONS, "u32: database transactions begun and not ended")                                     \
    X(CONTEXT_SEGMENT_COUNT, "u8")                                                                                     \
    X(CONTEXT_SEGMENT_SCALE, "u8: offsets and lengths are microseconds >> scale")                                      \
    X(CONTEXT_SEGMENT_STATES, "u8 each: 0 run, 1 waited for a connection, 2 in a transaction")                         \
    X(CONTEXT_SEGMENTS, "u64 each: offset since creation << 32 | length")                                              \
    X(KIND_NAME, "address of a string in the table")                                                                   \
    X(KIND_NUMBER, "u32")                                                                                              \
    X(SERIES_KIND, "address of a kind; or the header's other_kind")                                                    \
    X(SERIES_TYPE, "u32: 0 request, 1 background, 2 nested, 3 thread, 4 callback")                                     \
    X(THREAD_ID, "u64: what counts as the same thread; 0: has none now")                                               \
    X(THREAD_TID, "i32: of the kernel")                                                                                \
    X(THREAD_ATTACHED, "u8: not 0 while it has a thread")                                                              \
    X(THREAD_PROCESS, "u32: the header's process; another number: of a parent process, and all its contexts inert")    \
    X(THREAD_LOOP_NAME, "text, NUL-terminated; \"none\": not a loop")                                                  \
    X(THREAD_IN_POLL, "u8: the loop waits for events")                                                                 \
    X(THREAD_CREATED, "u64: contexts made here")                                                                       \
    X(THREAD_ENDED, "u64: contexts of any thread that ended here")                                                     \
    X(THREAD_ATTRIBUTED_CPU, "i64 ns: slices of contexts")                                                             \
    X(THREAD_RECENT, "the flight recorder: entries of RECENT_*, each recent_size bytes")                               \
    X(THREAD_RECENT_NEXT, "u32: entries written; the newest is at (this - 1) % recent_count")                          \
    X(RECENT_FROM, "address of a context, or the header's sentinel")                                                   \
    X(RECENT_TO, "the same")                                                                                           \
    X(RECENT_FROM_GENERATION, "u32: the name is right only if the slot still has it")                                  \
    X(RECENT_TO_GENERATION, "u32")                                                                                     \
    X(RECENT_SITE, "address of a site")                                                                                \
    X(RECENT_MONOTONIC, "u64 ns")                                                                                      \
    X(CONTEXT_VALID, "u8: 0 while it is being made or freed: nothing else of it means anything then")

enum logctx_table_field_id {
#define LOGCTX_X(name, what) LOGCTX_TABLE_##name,
    LOGCTX_TABLE_FIELDS(LOGCTX_X)
#undef LOGCTX_X
        LOGCTX_TABLE_FIELD_COUNT
};

struct logctx_table_field {
    uint16_t offset; /* in its structure */
    uint16_t size;   /* of the whole field, arrays too; 0: there is none */
};

enum logctx_table_state {
    LOGCTX_TABLE_LIVE = 1,  /* or ended without saying so: killed, crashed */
    LOGCTX_TABLE_ENDED = 2, /* the process left by exit() */
};

/* At offset 0. `magic` is written last. Constant but for what says otherwise. */
struct logctx_table_header {
    char magic[8];
    uint32_t version;
    uint32_t header_size; /* offset of the first chunk */
    uint64_t base;        /* address of this header in the process */
    uint64_t reserved;    /* bytes of address space: how far the table may grow */
    uint64_t used;        /* bytes with chunks; goes up, with release */
    uint64_t file_size;   /* bytes that are there; goes up */

    int32_t pid;      /* in its own namespace */
    uint32_t process; /* how many forks ago the library was loaded; see THREAD_PROCESS */
    uint32_t state;   /* enum logctx_table_state; changes */
    uint32_t
        real_clock; /* 1: CONTEXT_*_MONOTONIC are of CLOCK_MONOTONIC; 0: of a clock of the host or a test; changes */
    uint64_t begun_unix;          /* ns: when the table was made */
    int64_t unix_minus_monotonic; /* ns, at that moment */
    uint64_t begun_boottime;      /* ns of CLOCK_BOOTTIME: which boot, and which of two processes with one pid */

    uint64_t sentinel;     /* address: what a loop runs in; outside the table */
    uint64_t other_kind;   /* address of the kind "_other"; outside the table */
    uint64_t other_series; /* address of its five series, by type; outside the table */
    uint32_t series_size;  /* of one of these */
    uint32_t recent_count; /* entries of a flight recorder */
    uint32_t recent_size;
    uint32_t segments; /* room for, in a context */

    uint64_t elsewhere;       /* contexts (slots) that found no room here and are not to be seen; changes */
    uint64_t elsewhere_other; /* the same: threads, kinds, series, sites and strings; changes */

    char library[16];    /* version of logctx */
    char executable[64]; /* name, without its path; cut */
    char service[128];   /* service.name, if known; else empty; changes */
    uint64_t unused[8];

    uint32_t field_count; /* of this version; a reader looks at no field beyond */
    uint32_t field_pad;
    struct logctx_table_field fields[LOGCTX_TABLE_FIELD_COUNT];
};

#endif
