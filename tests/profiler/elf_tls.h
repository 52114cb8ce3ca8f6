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

/*
 * The distance of the symbol from a thread's pointer, if an object that is mapped in the process defines it in its .dynsym:
 * in the executable by its place in the first TLS block, in a library by the TLS descriptor that the loader has filled in.
 */
bool find_tls_symbol(pid_t pid, const char *symbol, int64_t *offset);

#endif
