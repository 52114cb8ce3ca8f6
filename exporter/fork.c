/*
 * fork.c: the generation counter, and the descriptors that a child must not keep. The counter is raised in the child of a
 * fork, before its only thread runs on; everybody else only reads it. The handler takes no lock and no memory, for most
 * children only execute another program.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fork.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

enum { CONNECTIONS = 32 };

// Relaxed: the child has one thread when it is written, and later threads are made by that one.
static _Atomic uint32_t generation;
static pthread_once_t once = PTHREAD_ONCE_INIT;

// Descriptor + 1; 0: free. Beyond the bound a child keeps a connection open until it ends.
static _Atomic int connections[CONNECTIONS];

void logctx__fork_opened(int fd)
{
    for (int i = 0; fd >= 0 && i < CONNECTIONS; i++) {
        int none = 0;
        if (atomic_compare_exchange_strong(&connections[i], &none, fd + 1)) {
            return;
        }
    }
}

// Before the close: a number that is free again may be anybody's in the child.
void logctx__fork_closing(int fd)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        int there = fd + 1;
        if (atomic_compare_exchange_strong(&connections[i], &there, 0)) {
            return;
        }
    }
}

// By descriptor: the connection is the parent's, which must not see the end of its TLS session. At once, not when the
// exporter is made again: until then a program may have closed all descriptors and use the numbers itself.
static void in_child(void)
{
    atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
    for (int i = 0; i < CONNECTIONS; i++) {
        int fd = atomic_load_explicit(&connections[i], memory_order_relaxed) - 1;
        if (fd >= 0) {
            close(fd);
            atomic_store_explicit(&connections[i], 0, memory_order_relaxed);
        }
    }
    logctx__inherit_in_child();
}

static void watch(void)
{
    pthread_atfork(NULL, NULL, in_child);
}

void logctx__fork_watch(void)
{
    pthread_once(&once, watch);
}

uint32_t logctx__fork_generation(void)
{
    return atomic_load_explicit(&generation, memory_order_relaxed);
}

void logctx__fork_lock(logctx__fork_lock_t *lock)
{
    uint64_t mine = (uint64_t)logctx__fork_generation() + 1;
    for (uint64_t seen = 0; !atomic_compare_exchange_strong(lock, &seen, mine);) {
        if (seen == mine) {
            seen = 0;
            sched_yield();
        }
    }
}

void logctx__fork_unlock(logctx__fork_lock_t *lock)
{
    atomic_store(lock, 0);
}
