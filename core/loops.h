/*
 * loops.h: internal. CPU time outside of contexts, summed for a collection: begin, add each thread, end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_CORE_LOOPS_H
#define LOGCTX_CORE_LOOPS_H

#include "types.h"

enum { LOOP_ROWS = 64 };

/* The slice that runs on a thread at one moment, and is in no counter yet. */
struct look {
    const struct series *series; /* NULL: none */
    unsigned sequence;           /* it is charged, and no longer running, once the thread's is another */
    int64_t cpu;                 /* of that slice: what it will be charged at least */
    int64_t most;                /* and at most: nobody else has used it */
    uint64_t since;              /* monotonic */
};

struct loop_row {
    char name[64];
    uint64_t since_unix;
    int64_t retired_loop, retired_unattributed; /* of ended and renamed threads */
    int64_t loop, unattributed;                 /* of the collection under way */
    int64_t emitted_loop, emitted_unattributed; /* never go down: scaled samples and clocks have noise */
    logctx_histogram_t retired_delay, delay;
};

LOGCTX_INTERNAL void logctx__loops_begin(void);
/* Adds the thread to its row, and says what runs on it. */
LOGCTX_INTERNAL void logctx__loops_add(struct thread *thread, struct look *look);
/* Copies the rows to rows[LOOP_ROWS] and returns how many there are. */
LOGCTX_INTERNAL size_t logctx__loops_end(struct loop_row *rows);

#endif
