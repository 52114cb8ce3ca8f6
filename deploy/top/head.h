/*
 * head.h: the lines above the rows: the process, its contexts in sum, its threads; and what is known only from two looks.
 * Of the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TOP_HEAD_H
#define LOGCTX_TOP_HEAD_H

#include "text.h"

enum { HEAD_THREADS_MAX = 256 };

/* What was seen at the last look, and what follows from it. */
struct rates {
    bool known;
    uint64_t now, created, ended;
    double created_per_s, ended_per_s;
    struct {
        uint64_t address;
        int64_t cpu;
        double share; /* of the thread's time that it ran contexts; negative: not known */
    } threads[HEAD_THREADS_MAX];
    size_t thread_count;
};

void rates_update(struct rates *rates, const struct snapshot *snapshot);

/* The process: name, id, how long it is up, or how it ended. `out` has DISPLAY_SIZE bytes, as below. */
void head_process(const struct snapshot *snapshot, char *out);
/* Contexts in flight by state, and how many come and go. */
void head_contexts(const struct snapshot *snapshot, const struct rates *rates, char *out);
/* One thread: what it does now. */
void head_thread(const struct snapshot *snapshot, const struct rates *rates, size_t index, char *out);
/* What cannot be seen, a sentence; empty if all of it can. */
void head_unseen(const struct snapshot *snapshot, char *out);

#endif
