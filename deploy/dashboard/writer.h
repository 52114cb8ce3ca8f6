/*
 * writer.h: the one thread that decodes and stores. Requests that arrive while it is busy are stored together in the
 * next transaction, and each is answered only after its transaction is committed: what was answered with 200 is kept.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_WRITER_H
#define DASHBOARD_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reply.h"
#include "store.h"

struct writer;

/*
 * One request on its way through the writer. Owned by the submitter; between submitting and `done` the writer alone
 * touches it. `done` is called on the writer's thread, outside of its locks.
 */
struct job {
    enum signal_kind signal;
    enum encoding encoding;
    const uint8_t *bytes;
    size_t length;
    struct outcome outcome;
    void (*done)(struct job *job);
    void *user;
    struct job *next; /* the writer's */
};

/* How many requests can wait; beyond, senders are asked to come again. */
enum { WRITER_QUEUE_MAX = 256 };

/* Tells what the operator should know (a sentence), once for each change of state. On the writer's thread. */
typedef void writer_report_t(const char *sentence);

/* Takes the store over until writer_stop. NULL without memory or thread. */
struct writer *writer_start(struct store *store, size_t memory_limit, writer_report_t *report);

/* False: too many are waiting, or the writer is stopping; the job is untouched. */
bool writer_submit(struct writer *writer, struct job *job);

/* Lets the store forget what has become too old, also while nobody sends. Does not wait for it. */
void writer_tend(struct writer *writer);

/* Whether the last transaction was kept. Any thread. */
bool writer_healthy(const struct writer *writer);

/* Finishes everything that was submitted, and ends the thread. From then on every submission is refused. */
void writer_stop(struct writer *writer);

/* After writer_stop, when nobody can submit any more. */
void writer_free(struct writer *writer);

#endif
