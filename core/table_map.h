/*
 * table_map.h: what the parts of the table share: its mapping (table.c), the file behind it (table_file.c), and what
 * fork() makes of it (table_fork.c). All of it is under the table's lock, but in the handlers of fork().
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_CORE_TABLE_MAP_H
#define LOGCTX_CORE_TABLE_MAP_H

#include <sys/stat.h>

#include "table.h"
#include "types.h"

enum { TABLE_STEP = 65536, TABLE_PATH_MAX = 4096, TABLE_RUNS = 512, TABLE_TYPES = LOGCTX_TABLE_THREADS + 1 };

/* A file that lies behind the table. It is ours only while the descriptor still leads to it: hosts close what they do
 * not know, and open their own files under the same number. */
struct table_file {
    int fd; /* negative: none */
    dev_t device;
    ino_t inode;
    char path[TABLE_PATH_MAX]; /* empty: a memfd */
};

/* Live chunks, one behind the other: bytes from `base` on. */
struct table_run {
    _Atomic size_t begin, end;
    atomic_uint process; /* logctx__forks of the process whose they are */
};

/*
 * Two sorts of chunks lie in the table. The *live* ones (contexts, threads, and the header) are the file's memory, so that
 * readers see each store. What is *written down* once (strings, kinds, series, sites) is private memory of the process, and
 * a copy of it is written to the file: so a child of fork() has it as it was, and nobody needs to wait for that.
 *
 * A run is noted before it is mapped, so that a child finds all of the file's memory that it has, whatever other threads
 * were doing at the fork.
 */
struct table_map {
    lock_t lock;
    _Atomic(char *) base; /* NULL: not begun, or there is no address space for it */
    size_t reserved;      /* address space */
    size_t committed;     /* bytes that the file has memory for; only grows */
    _Atomic size_t used;  /* bytes with chunks; those beyond may not be touched */
    atomic_bool begun;
    atomic_bool shared;                           /* live chunks lie in the file */
    atomic_uint process;                          /* logctx__forks of the process that it was last begun in */
    bool said_full;                               /* that nothing more finds room in it */
    struct logctx_table_chunk *open[TABLE_TYPES]; /* the chunk of each type that has room */
    struct table_run runs[TABLE_RUNS];
    atomic_uint run_count;
    struct table_file file;
    char setting[TABLE_PATH_MAX + 8]; /* of the host; empty: the environment's */
};
extern LOGCTX_INTERNAL struct table_map logctx__table;

/* NULL where no leak checker runs. */
__attribute__((weak, visibility("default"))) void __lsan_register_root_region(const void *begin, size_t size);

static inline struct logctx_table_header *table_header(void)
{
    return (struct logctx_table_header *)(void *)READ_RELAXED(logctx__table.base);
}

/* table.c: zeroed, for ever; NULL: no room. Under the lock. A text is written down at once. */
LOGCTX_INTERNAL void *logctx__table_new_element(struct table_map *table, enum logctx_table_type type, size_t size);
LOGCTX_INTERNAL const char *logctx__table_new_text(struct table_map *table, const char *text, size_t length);
/* Any thread, without the lock. */
LOGCTX_INTERNAL void logctx__table_count_elsewhere(uint64_t contexts, uint64_t others);

/* table_file.c: opens what `setting` says. False: `why` is a sentence, and there is no file; an empty one: as was asked. */
LOGCTX_INTERNAL bool logctx__table_open(const char *setting, struct table_file *file, char *why, size_t size);
LOGCTX_INTERNAL bool logctx__table_grow(const struct table_file *file, size_t from, size_t to);
LOGCTX_INTERNAL bool logctx__table_write(const struct table_file *file, size_t at, const void *data, size_t size);
LOGCTX_INTERNAL bool logctx__table_is_ours(const struct table_file *file);
LOGCTX_INTERNAL void logctx__table_remove(const struct table_file *file);

/* table_tidy.c: of the files that a pattern with %p has left in its directory, keeps the latest. */
LOGCTX_INTERNAL void logctx__table_tidy(int directory, const char *pattern);

/* table_fork.c: in a child, give the file, which is new, what is written down. Under the lock. */
LOGCTX_INTERNAL bool logctx__table_write_all(struct table_map *table);

#endif
