/*
 * fork.h: which process this is. A child of fork inherits the exporter's memory but not its thread, so whatever was
 * made before the fork is inert in the child: nobody may wait for it, lock it, or send on its connections.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_FORK_H
#define LOGCTX_EXPORTER_FORK_H

#include <stdbool.h>
#include <stdint.h>

// How often this process has been forked from an ancestor that had used the exporter. Any thread.
uint32_t logctx__fork_generation(void);

// Begins the counting; called before anything keeps a generation.
void logctx__fork_watch(void);

#endif
