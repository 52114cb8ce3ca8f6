/*
 * fork.c: the generation counter. It is raised in the child of a fork, before its only thread runs on; everybody
 * else only reads it. Making the exporter again in the child starts here: what holds an old generation knows that
 * it is inert.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fork.h"

#include <pthread.h>
#include <stdatomic.h>

// Relaxed: the child has one thread when it is written, and later threads are made by that one.
static _Atomic uint32_t generation;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void in_child(void)
{
    atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
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
