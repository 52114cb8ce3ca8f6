/*
 * table_reader.c: the table read as from outside, for tests.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "table_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int table_fd(pid_t pid)
{
    char folder[64], path[400], target[256];
    snprintf(folder, sizeof folder, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(folder);
    int found = -1;
    for (struct dirent *entry; dir && found < 0 && (entry = readdir(dir));) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length > 0 ? length : 0] = '\0';
        if (strncmp(target, "/memfd:" LOGCTX_TABLE_MEMFD, strlen("/memfd:" LOGCTX_TABLE_MEMFD)) == 0)
            found = atoi(entry->d_name);
    }
    if (dir)
        closedir(dir);
    return found;
}

struct view view_file(const char *path)
{
    struct view view = {0};
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &info) == 0 && info.st_size >= LOGCTX_TABLE_HEADER_SIZE) {
        view.size = (size_t)info.st_size;
        view.bytes = malloc(view.size);
        if (view.bytes && pread(fd, view.bytes, view.size, 0) != (ssize_t)view.size)
            view_free(&view);
        view.header = (const struct logctx_table_header *)(void *)view.bytes;
    }
    if (fd >= 0)
        close(fd);
    return view;
}

struct view view_process(pid_t pid)
{
    char path[64];
    int fd = table_fd(pid);
    if (fd < 0)
        return (struct view){0};
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
    return view_file(path);
}

void view_free(struct view *view)
{
    free(view->bytes);
    *view = (struct view){0};
}

const void *at_address(const struct view *view, uint64_t address)
{
    uint64_t offset = address - view->header->base;
    return offset < view->size ? view->bytes + offset : NULL;
}

uint64_t field(const struct view *view, const void *element, enum logctx_table_field_id id)
{
    const struct logctx_table_field *where = &view->header->fields[id];
    uint64_t value = 0;
    memcpy(&value, (const char *)element + where->offset, where->size < sizeof value ? where->size : sizeof value);
    return value;
}

const void *find_element(const struct view *view, enum logctx_table_type type,
                         bool (*visit)(const struct view *view, const void *element, const void *user),
                         const void *user)
{
    for (uint64_t at = view->header->header_size; at < view->header->used;) {
        const struct logctx_table_chunk *chunk = (const struct logctx_table_chunk *)(void *)(view->bytes + at);
        if (chunk->magic != LOGCTX_TABLE_CHUNK_MAGIC || chunk->size == 0)
            return NULL;
        for (uint32_t i = 0; chunk->type == type && i < chunk->count; i++) {
            const char *element = view->bytes + at + LOGCTX_TABLE_CHUNK_HEADER + (size_t)i * chunk->element_size;
            if (visit(view, element, user))
                return element;
        }
        at += chunk->size;
    }
    return NULL;
}

static bool count_one(const struct view *view, const void *element, const void *user)
{
    (void)view;
    (void)element;
    ++*(size_t *)(uintptr_t)user;
    return false;
}

size_t count_elements(const struct view *view, enum logctx_table_type type)
{
    size_t count = 0;
    find_element(view, type, count_one, &count);
    return count;
}

static bool has_name(const struct view *view, const void *element, const void *name)
{
    const char *there = (const char *)element + view->header->fields[LOGCTX_TABLE_CONTEXT_INLINE_NAME].offset;
    return field(view, element, LOGCTX_TABLE_CONTEXT_REFS) > 0 && strncmp(there, name, strlen(name)) == 0;
}

const void *find_context(const struct view *view, const char *name)
{
    return find_element(view, LOGCTX_TABLE_CONTEXTS, has_name, name);
}

const char *kind_of(const struct view *view, const void *context)
{
    const void *series = at_address(view, field(view, context, LOGCTX_TABLE_CONTEXT_SERIES));
    const void *kind = series ? at_address(view, field(view, series, LOGCTX_TABLE_SERIES_KIND)) : NULL;
    const char *name = kind ? at_address(view, field(view, kind, LOGCTX_TABLE_KIND_NAME)) : NULL;
    return name ? name : "_other";
}

static bool has_address(const struct view *view, const void *element, const void *address)
{
    (void)view;
    return ((const struct logctx_table_site *)element)->address == *(const uint64_t *)address;
}

const struct logctx_table_site *find_site(const struct view *view, uint64_t address)
{
    return find_element(view, LOGCTX_TABLE_SITES, has_address, &address);
}
