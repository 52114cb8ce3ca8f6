/*
 * elf_tls.h: where a thread-local symbol of a running process is, for a reader outside of it: x86-64, as OTEP 4947 says.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_ELF_TLS_H
#define LOGCTX_TESTS_ELF_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Copies from another process. */
bool read_process(pid_t pid, uint64_t address, void *out, size_t size);

/* How the loader has placed a thread-local symbol. */
enum tls_form {
    TLS_EXECUTABLE, /* in the first block: its place in the file tells the distance from the thread's pointer */
    TLS_STATIC,     /* in a library's block at a distance that is the same for all threads: the descriptor holds it */
    TLS_DYNAMIC     /* in a block of its own for each thread, which the thread's vector of modules (DTV) points to */
};

struct tls_place {
    enum tls_form form;
    int64_t offset;  /* from the thread's pointer; TLS_DYNAMIC: from the beginning of the module's block */
    uint64_t module; /* TLS_DYNAMIC: its number in the vector */
};

/* Whether an object that is mapped in the process defines the symbol in its .dynsym, and where each thread has it. */
bool find_tls_symbol(pid_t pid, const char *symbol, struct tls_place *place);

/* The symbol's address on the thread with that pointer; 0: it has not used it yet. False: that cannot be read. */
bool find_on_thread(pid_t pid, uint64_t thread_pointer, const struct tls_place *place, uint64_t *address);

#endif
