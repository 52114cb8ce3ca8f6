/*
 * table_reader.h: the table read as somebody outside would, who knows core/table.h and nothing else: bytes of a file, pointers
 * by the base, fields by the header. For tests; it trusts what it reads more than a program should.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_CORE_TABLE_READER_H
#define LOGCTX_TESTS_CORE_TABLE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "table.h"

struct view {
    char *bytes; /* NULL: there is no table */
    size_t size;
    const struct logctx_table_header *header;
};

/* A copy of the table of a process (its memfd), or of a file. */
struct view view_process(pid_t pid);
struct view view_file(const char *path);
void view_free(struct view *view);

/* The descriptor of a process's table, by its name; -1: there is none. */
int table_fd(pid_t pid);

/* What an address of the process is in the copy; NULL: it lies outside. */
const void *at_address(const struct view *view, uint64_t address);
uint64_t field(const struct view *view, const void *element, enum logctx_table_field_id id);

/* Calls `visit` for each element of a type until it says true; that element, or NULL. */
const void *find_element(const struct view *view, enum logctx_table_type type,
                         bool (*visit)(const struct view *view, const void *element, const void *user),
                         const void *user);
size_t count_elements(const struct view *view, enum logctx_table_type type);

/* A slot that is in use; by the beginning of its name. */
const void *find_context(const struct view *view, const char *name);
const char *kind_of(const struct view *view, const void *context);
const struct logctx_table_site *find_site(const struct view *view, uint64_t address);

#endif
