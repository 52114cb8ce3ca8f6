/*
 * loops.h: internal. CPU time outside of contexts, summed for a collection: begin, add each thread, end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_CORE_LOOPS_H
#define LOGCTX_CORE_LOOPS_H

#include "types.h"

enum { LOOP_ROWS = 64 };

struct loop_row {
    char name[64];
    uint64_t since_unix;
    int64_t retired_loop, retired_unattributed; /* of ended and renamed threads */
    int64_t loop, unattributed;                 /* of the collection under way */
    int64_t emitted_loop, emitted_unattributed; /* never go down: scaled samples and clocks have noise */
};

LOGCTX_INTERNAL void logctx__loops_begin(void);
/* `running`: CPU of the context that runs on the thread now. */
LOGCTX_INTERNAL void logctx__loops_add(struct thread *thread, int64_t running);
/* Copies the rows to rows[LOOP_ROWS] and returns how many there are. */
LOGCTX_INTERNAL size_t logctx__loops_end(struct loop_row *rows);

#endif
