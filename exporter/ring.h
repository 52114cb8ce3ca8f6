/*
 * ring.h: the way of sealed spans from the threads that finish contexts to the one that sends them. Each thread has a
 * ring of its own in a queue, so that a push is a few stores and no lock; a thread's first push takes one for a moment.
 * When a thread ends, its ring goes to the next thread that needs one, or back to malloc.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_RING_H
#define LOGCTX_EXPORTER_RING_H

#include <logctx/sink.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct logctx__queue;

struct logctx__queue_limits {
    uint64_t bytes; // at most 2^36
    uint64_t count; // at most 2^23; 0: bounded by bytes alone
    uint64_t batch; // `wake` is called when this many are waiting, or half of the bytes
};

// `wake` is called on the pushing thread and must neither block nor push. NULL: no memory.
struct logctx__queue *logctx__queue_new(const struct logctx__queue_limits *limits, void (*wake)(void *user),
                                        void *user);

/*
 * Close: gives back every record. Nobody pushes any more, and only the consumer's side calls this. Memory of threads
 * that still live goes when they end.
 */
void logctx__queue_close(struct logctx__queue *queue);

// Any thread. Takes over the reference to the record in each case: if there is no room it is counted and given back.
void logctx__queue_push(struct logctx__queue *queue, logctx_record_t *record);

// The consumer: one thread. The next record, which stays in the queue; NULL if there is none.
logctx_record_t *logctx__queue_front(struct logctx__queue *queue);
// The record that front() gave leaves the queue, and its reference is the caller's.
void logctx__queue_pop(struct logctx__queue *queue);
// Marks all that is in the queue now, for a flush; and whether something marked is still in it.
void logctx__queue_mark(struct logctx__queue *queue);
bool logctx__queue_has_marked(struct logctx__queue *queue);
// Gives back the memory of threads that have ended.
void logctx__queue_tidy(struct logctx__queue *queue);

struct logctx__queue_counts {
    uint64_t taken; // ever pushed, those without room among them
    uint64_t dropped_full;
    uint64_t dropped_no_memory;
    uint64_t waiting;
    uint64_t waiting_bytes;
    uint64_t rings; // of threads that live, and kept for the next ones
};

// Any thread. Exact when nobody pushes.
void logctx__queue_count(struct logctx__queue *queue, struct logctx__queue_counts *out);

// Whether there is what `wake` is called for; any thread, one load.
bool logctx__queue_is_ready(const struct logctx__queue *queue);

#endif
