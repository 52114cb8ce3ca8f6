// Reads the objects of a process from the files that are mapped, and what the loader made of them from its memory.
//
// SPDX-License-Identifier: Apache-2.0
#include "elf_tls.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct object {
    const uint8_t *bytes;
    size_t size;
    const Elf64_Ehdr *head;
    uint64_t base; // what is added to its addresses in the process
};

bool read_process(pid_t pid, uint64_t address, void *out, size_t size)
{
    struct iovec to = {out, size}, from = {(void *)(uintptr_t)address, size};
    return process_vm_readv(pid, &to, 1, &from, 1, 0) == (ssize_t)size;
}

static const Elf64_Shdr *section(const struct object *object, unsigned type)
{
    const Elf64_Shdr *all = (const Elf64_Shdr *)(const void *)(object->bytes + object->head->e_shoff);
    for (unsigned i = 0; i < object->head->e_shnum; i++)
        if (all[i].sh_type == type)
            return &all[i];
    return NULL;
}

static const Elf64_Phdr *segment(const struct object *object, unsigned type)
{
    const Elf64_Phdr *all = (const Elf64_Phdr *)(const void *)(object->bytes + object->head->e_phoff);
    for (unsigned i = 0; i < object->head->e_phnum; i++)
        if (all[i].p_type == type)
            return &all[i];
    return NULL;
}

// Its number in .dynsym; 0: it is not defined there.
static uint64_t symbol_number(const struct object *object, const char *name, uint64_t *value)
{
    const Elf64_Shdr *table = section(object, SHT_DYNSYM);
    if (!table)
        return 0;
    const Elf64_Shdr *all = (const Elf64_Shdr *)(const void *)(object->bytes + object->head->e_shoff);
    const char *strings = (const char *)object->bytes + all[table->sh_link].sh_offset;
    const Elf64_Sym *symbols = (const Elf64_Sym *)(const void *)(object->bytes + table->sh_offset);
    for (uint64_t i = 1; i < table->sh_size / sizeof *symbols; i++)
        if (ELF64_ST_TYPE(symbols[i].st_info) == STT_TLS && symbols[i].st_shndx != SHN_UNDEF &&
            strcmp(strings + symbols[i].st_name, name) == 0) {
            *value = symbols[i].st_value;
            return i;
        }
    return 0;
}

// The block of the executable ends at the thread pointer.
static int64_t in_executable(const struct object *object, uint64_t value)
{
    const Elf64_Phdr *tls = segment(object, PT_TLS);
    uint64_t align = tls->p_align ? tls->p_align : 1;
    uint64_t block = (tls->p_memsz + (-tls->p_vaddr & (align - 1)) + align - 1) / align * align;
    return (int64_t)value - (int64_t)block;
}

// Without descriptors (clang) the compiler asks for the module's number and the offset in it, side by side.
static bool read_index(pid_t pid, uint64_t address, struct tls_place *place)
{
    uint64_t index[2];
    if (!read_process(pid, address, index, sizeof index))
        return false;
    *place = (struct tls_place){.form = TLS_DYNAMIC, .offset = (int64_t)index[1], .module = index[0]};
    return true;
}

// What the loader has put into the descriptor's second word: the distance, which is negative, while the module is in the
// static block; else where the module's number and the offset in it are.
static bool read_descriptor(pid_t pid, uint64_t address, struct tls_place *place)
{
    int64_t word;
    if (!read_process(pid, address + 8, &word, sizeof word) || word == 0)
        return false;
    if (word > 0)
        return read_index(pid, (uint64_t)word, place);
    *place = (struct tls_place){.form = TLS_STATIC, .offset = word};
    return word > -(1 << 26);
}

// Through the relocation of the symbol in the object that defines it.
static bool in_library(const struct object *object, pid_t pid, uint64_t number, struct tls_place *place)
{
    const Elf64_Shdr *all = (const Elf64_Shdr *)(const void *)(object->bytes + object->head->e_shoff);
    for (unsigned i = 0; i < object->head->e_shnum; i++) {
        const Elf64_Rela *entries = (const Elf64_Rela *)(const void *)(object->bytes + all[i].sh_offset);
        for (uint64_t k = 0; all[i].sh_type == SHT_RELA && k < all[i].sh_size / sizeof *entries; k++) {
            if (ELF64_R_SYM(entries[k].r_info) != number)
                continue;
            uint64_t address = object->base + entries[k].r_offset;
            if (ELF64_R_TYPE(entries[k].r_info) == R_X86_64_TLSDESC)
                return read_descriptor(pid, address, place);
            if (ELF64_R_TYPE(entries[k].r_info) == R_X86_64_DTPMOD64)
                return read_index(pid, address, place);
        }
    }
    return false;
}

// The word after the thread's pointer to itself is that to its vector: pairs of a block's address and what the loader keeps
// there; the pair before the first holds how many there are.
bool find_on_thread(pid_t pid, uint64_t thread_pointer, const struct tls_place *place, uint64_t *address)
{
    uint64_t vector, count, block;
    *address = thread_pointer + (uint64_t)place->offset;
    if (place->form != TLS_DYNAMIC)
        return true;
    *address = 0;
    if (!read_process(pid, thread_pointer + 8, &vector, sizeof vector) ||
        !read_process(pid, vector - 16, &count, sizeof count))
        return false;
    if (place->module > count)
        return true;
    if (!read_process(pid, vector + 16 * place->module, &block, sizeof block))
        return false;
    if (block != 0 && block != UINT64_MAX)
        *address = block + (uint64_t)place->offset;
    return true;
}

static bool find_in(const char *path, uint64_t start, pid_t pid, const char *symbol, struct tls_place *place)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0 || status.st_size < (off_t)sizeof(Elf64_Ehdr)) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    struct object object = {.size = (size_t)status.st_size, .base = start};
    object.bytes = mmap(NULL, object.size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (object.bytes == MAP_FAILED)
        return false;
    object.head = (const Elf64_Ehdr *)(const void *)object.bytes;
    bool elf = memcmp(object.head->e_ident, ELFMAG, SELFMAG) == 0;
    uint64_t value = 0, number = elf ? symbol_number(&object, symbol, &value) : 0;
    bool executable = number && segment(&object, PT_INTERP);
    if (executable)
        *place = (struct tls_place){.form = TLS_EXECUTABLE, .offset = in_executable(&object, value)};
    bool found = executable || (number && in_library(&object, pid, number, place));
    munmap((void *)(uintptr_t)object.bytes, object.size);
    return found;
}

bool find_tls_symbol(pid_t pid, const char *symbol, struct tls_place *place)
{
    char path[64], line[4096], file[4096];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    bool found = false;
    while (maps && !found && fgets(line, sizeof line, maps)) {
        unsigned long start, at;
        if (sscanf(line, "%lx-%*x %*4s %lx %*s %*s %4095s", &start, &at, file) == 3 && at == 0 && file[0] == '/')
            found = find_in(file, start, pid, symbol, place);
    }
    if (maps)
        fclose(maps);
    return found;
}
