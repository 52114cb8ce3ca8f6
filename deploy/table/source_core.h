/*
 * source_core.h: a table inside an ELF core dump: found by its magic number at the beginning of a page, read by addresses
 * through the dump's segments. Everything in the dump may be hostile. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_DEPLOY_TABLE_SOURCE_CORE_H
#define LOGCTX_DEPLOY_TABLE_SOURCE_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core_segment {
    uint64_t address, offset, size; /* size: of what is in the file */
};

struct core_dump {
    int fd;
    struct core_segment *segments; /* sorted by address */
    size_t count;
    uint64_t base; /* of the table */
};

/* Whether the file begins as a core dump does. */
bool core_is_one(int fd);
/* Reads the program headers and looks for the table. False: `why` is what is wrong, a sentence. */
bool core_begin(struct core_dump *core, int fd, char *why, size_t why_size);
void core_end(struct core_dump *core);
/* Bytes of the table from `offset` on; how many there are. */
size_t core_read(const struct core_dump *core, uint64_t offset, void *out, size_t size);

#endif
