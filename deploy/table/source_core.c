// A table inside an ELF core dump. Only cores of this machine's class and byte order are read. One thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "source_core.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/table.h"

typedef ElfW(Ehdr) elf_header;
typedef ElfW(Phdr) elf_segment;

enum {
    SEGMENTS_MAX = 1 << 20, // far beyond the kernel's limit of mappings
    BLOCK = 1 << 20,        // what is read of a dump at once while it is searched
};

static bool read_whole(int fd, uint64_t offset, void *out, size_t size)
{
    return offset <= INT64_MAX && pread(fd, out, size, (off_t)offset) == (ssize_t)size;
}

bool core_is_one(int fd)
{
    elf_header header;
    return read_whole(fd, 0, &header, sizeof header) && memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
           header.e_type == ET_CORE;
}

static int compare_segments(const void *a, const void *b)
{
    const struct core_segment *left = a, *right = b;
    return (left->address > right->address) - (left->address < right->address);
}

// With more than 65534 segments, their number stands in the first section header.
static uint64_t segment_count(int fd, const elf_header *header)
{
    ElfW(Shdr) section;
    if (header->e_phnum != PN_XNUM)
        return header->e_phnum;
    return read_whole(fd, header->e_shoff, &section, sizeof section) ? section.sh_info : 0;
}

static bool read_segments(struct core_dump *core, char *why, size_t why_size)
{
    elf_header header;
    struct stat file;
    int class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
    if (!read_whole(core->fd, 0, &header, sizeof header) || fstat(core->fd, &file) != 0 ||
        header.e_ident[EI_CLASS] != class || header.e_phentsize != sizeof(elf_segment)) {
        snprintf(why, why_size, "the core dump is of another kind of machine; read it on one of its own kind");
        return false;
    }
    uint64_t count = segment_count(core->fd, &header);
    core->segments = count > 0 && count <= SEGMENTS_MAX ? calloc(count, sizeof *core->segments) : NULL;
    for (uint64_t i = 0; core->segments && i < count; i++) {
        elf_segment segment;
        if (!read_whole(core->fd, header.e_phoff + i * sizeof segment, &segment, sizeof segment))
            break;
        uint64_t there = (uint64_t)file.st_size;
        if (segment.p_type != PT_LOAD || segment.p_offset >= there || segment.p_filesz == 0)
            continue;
        uint64_t size = segment.p_filesz < there - segment.p_offset ? segment.p_filesz : there - segment.p_offset;
        core->segments[core->count++] = (struct core_segment){segment.p_vaddr, segment.p_offset, size};
    }
    if (!core->segments || core->count == 0) {
        snprintf(why, why_size, "the core dump holds no memory; it may have been cut short (ulimit -c)");
        return false;
    }
    qsort(core->segments, core->count, sizeof *core->segments, compare_segments);
    return true;
}

// The magic number alone may be in any copy of a table; the header says where it was in the process.
static bool is_table(const uint8_t *page, uint64_t address)
{
    struct logctx_table_header header;
    memcpy(&header, page, offsetof(struct logctx_table_header, reserved));
    return memcmp(header.magic, LOGCTX_TABLE_MAGIC, sizeof header.magic) == 0 && header.base == address;
}

static bool search(struct core_dump *core, const struct core_segment *segment, uint64_t limit, uint8_t *block)
{
    uint64_t size = segment->size < limit ? segment->size : limit;
    uint64_t skip = -segment->address % LOGCTX_TABLE_PAGE;
    for (uint64_t at = skip; at < size;) {
        ssize_t got = pread(core->fd, block, BLOCK, (off_t)(segment->offset + at));
        if (got < LOGCTX_TABLE_PAGE)
            return false;
        uint64_t pages = (uint64_t)got / LOGCTX_TABLE_PAGE;
        for (uint64_t page = 0; page < pages && at < size; page++, at += LOGCTX_TABLE_PAGE) {
            if (is_table(block + page * LOGCTX_TABLE_PAGE, segment->address + at)) {
                core->base = segment->address + at;
                return true;
            }
        }
    }
    return false;
}

bool core_begin(struct core_dump *core, int fd, char *why, size_t why_size)
{
    *core = (struct core_dump){.fd = fd};
    bool found = false;
    uint8_t *block = malloc(BLOCK);
    if (block && read_segments(core, why, why_size)) {
        // A mapping of its own begins with it: only if none does, each page is looked at.
        for (size_t i = 0; !found && i < core->count; i++)
            found = search(core, &core->segments[i], 1, block);
        for (size_t i = 0; !found && i < core->count; i++)
            found = search(core, &core->segments[i], UINT64_MAX, block);
        if (!found)
            snprintf(why, why_size,
                     "the core dump holds no table; the program may not use logctx, or the dump leaves out shared "
                     "memory (bit 1 of /proc/PID/coredump_filter)");
    }
    free(block);
    if (!found)
        core_end(core);
    return found;
}

void core_end(struct core_dump *core)
{
    free(core->segments);
    core->segments = NULL;
    core->count = 0;
}

static const struct core_segment *segment_of(const struct core_dump *core, uint64_t address)
{
    size_t low = 0, high = core->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (core->segments[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || address - core->segments[low - 1].address >= core->segments[low - 1].size)
        return NULL;
    return &core->segments[low - 1];
}

size_t core_read(const struct core_dump *core, uint64_t offset, void *out, size_t size)
{
    size_t done = 0;
    while (done < size) {
        uint64_t address = core->base + offset + done;
        const struct core_segment *segment = segment_of(core, address);
        if (!segment)
            break;
        uint64_t inside = address - segment->address;
        size_t part = segment->size - inside < size - done ? (size_t)(segment->size - inside) : size - done;
        ssize_t got = pread(core->fd, (char *)out + done, part, (off_t)(segment->offset + inside));
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return done;
}
