/*
 * books.h: where every span and every metric point went, and how long the exports took. The exporter's thread writes;
 * whoever asks reads under the lock, which is a leaf and is held for a few stores.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_BOOKS_H
#define LOGCTX_EXPORTER_BOOKS_H

#include "options.h"

#include <pthread.h>

// What happened to the items (spans or points) of one signal after they left the queue or the collection.
struct logctx__tally {
    uint64_t in_flight;
    uint64_t exported;
    uint64_t rejected;
    uint64_t dropped[LOGCTX_DROP_COUNT];
};

// Exports that took the same way: count, sum, smallest and largest of their seconds.
struct logctx__took {
    char error_type[24]; // "": accepted
    long status;         // 0: no answer
    uint64_t count;
    double sum;
    double min;
    double max;
};

enum { LOGCTX__TOOK_MAX = 24 };

struct logctx__books {
    pthread_mutex_t lock;
    struct logctx__tally signals[LOGCTX__SIGNALS]; // under the lock
    uint64_t requests;                             // under the lock
    uint64_t retries;                              // under the lock
    uint64_t connections;                          // under the lock
    // The exporter's thread alone.
    struct logctx__took took[LOGCTX__SIGNALS][LOGCTX__TOOK_MAX];
    size_t took_count[LOGCTX__SIGNALS];
    struct logctx__took collections;
};

void logctx__books_init(struct logctx__books *books);
void logctx__books_free(struct logctx__books *books);

// Items are taken for a batch.
void logctx__books_take(struct logctx__books *books, enum logctx__signal signal, uint64_t items);
// A batch is accepted, but for `rejected` of its items.
void logctx__books_accept(struct logctx__books *books, enum logctx__signal signal, uint64_t items, uint64_t rejected);
// A batch is dropped; `in_flight` of the items were taken before.
void logctx__books_drop(struct logctx__books *books, enum logctx__signal signal, logctx_drop_reason_t reason,
                        uint64_t items, uint64_t in_flight);
void logctx__books_request(struct logctx__books *books, bool retry);
void logctx__books_connect(struct logctx__books *books, uint64_t connections);
void logctx__books_took(struct logctx__books *books, enum logctx__signal signal, const char *error_type, long status,
                        double seconds);
void logctx__took_add(struct logctx__took *took, double seconds);

// All that was lost so far, of both signals.
uint64_t logctx__books_lost(struct logctx__books *books);

struct logctx__tally logctx__books_tally(struct logctx__books *books, enum logctx__signal signal);

// The name of a reason as error.type; static.
const char *logctx__drop_name(logctx_drop_reason_t reason);
const char *logctx__drop_sentence(logctx_drop_reason_t reason);

#endif
