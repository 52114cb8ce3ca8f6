/*
 * source.h: where a table lies (a process, a file, a core dump), and copies of its bytes. The process is neither asked nor
 * stopped, and nothing of it is written to. A source belongs to one thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_DEPLOY_TABLE_SOURCE_H
#define LOGCTX_DEPLOY_TABLE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum source_result {
    SOURCE_GOOD,
    SOURCE_TROUBLE,  /* no memory, an error of input */
    SOURCE_MISSING,  /* no such process or file */
    SOURCE_NO_TABLE, /* it is there, and has no table */
    SOURCE_REFUSED,  /* another user's */
    SOURCE_UNKNOWN,  /* another version, or damaged */
};

enum source_kind { SOURCE_PROCESS, SOURCE_FILE, SOURCE_CORE };

struct source;

enum { SOURCE_WHY = 512 };

/* Anything but SOURCE_GOOD: `why` is a sentence that says what to do, and there is no source. Never waits for a process. */
enum source_result source_open_process(pid_t pid, struct source **source, char why[SOURCE_WHY]);
/* A table's file, or an ELF core; which one, its first bytes tell. */
enum source_result source_open_file(const char *path, struct source **source, char why[SOURCE_WHY]);
void source_close(struct source *source);

enum source_kind source_kind(const struct source *source);
/* The process, as this process counts; 0: a file whose process is gone, or a core. */
pid_t source_pid(const struct source *source);
/* Whether the process that writes the table is there still; a zombie is not. */
bool source_lives(const struct source *source);
/* Of a thread of a process that lives: R, S, D ... as ps(1) has them; 0: not known. */
char source_thread_state(const struct source *source, int32_t tid);

/* A copy of all that is used, to be freed. */
enum source_result source_copy(struct source *source, uint8_t **bytes, size_t *size, char why[SOURCE_WHY]);
/* Bytes of the table as they are now. False: not all of them are there. */
bool source_read(const struct source *source, uint64_t offset, void *out, size_t size);

/* Calls `visit` for each process that has a table and may be read, with a source that lives until it returns. */
void source_each_process(void (*visit)(struct source *source, void *user), void *user);

#endif
