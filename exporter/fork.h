/*
 * fork.h: which process this is. A child of fork inherits the exporter's memory but not its thread, so what was made
 * before the fork is not to be waited for, locked or sent on there: it is told by its generation.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_FORK_H
#define LOGCTX_EXPORTER_FORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// How often this process has been forked from an ancestor that had used the exporter. Any thread.
uint32_t logctx__fork_generation(void);

// Begins the counting; called before anything keeps a generation.
void logctx__fork_watch(void);

// Connections, any thread: a child closes its descriptors of them. Told once open, and before they are closed.
void logctx__fork_opened(int fd);
void logctx__fork_closing(int fd);

// A spin lock for what is done once in a process: in a child it is free, whoever held it. 0: free.
typedef _Atomic uint64_t logctx__fork_lock_t;
void logctx__fork_lock(logctx__fork_lock_t *lock);
void logctx__fork_unlock(logctx__fork_lock_t *lock);

// inherit.c: in a child, before fork() returns. Async-signal-safe.
void logctx__inherit_in_child(void);

#endif
