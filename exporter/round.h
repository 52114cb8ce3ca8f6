/*
 * round.h: flushes. Callers ask for a round and wait; the thread that sends begins a round when none is running,
 * and whoever had asked by then is served by it. Any thread; the lock is a leaf.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_ROUND_H
#define LOGCTX_EXPORTER_ROUND_H

#include <logctx/base.h>

#include <pthread.h>

enum { LOGCTX__ROUNDS_KEPT = 32 };

struct logctx__rounds {
    pthread_mutex_t lock;
    pthread_cond_t changed; // on CLOCK_MONOTONIC
    // All under the lock.
    uint64_t asked;    // the newest round that somebody waits for
    uint64_t begun;    // the newest that was begun
    uint64_t finished; // the newest that is over
    logctx_status_t results[LOGCTX__ROUNDS_KEPT];
    bool ended; // there will be no more
};

void logctx__rounds_init(struct logctx__rounds *rounds);
void logctx__rounds_free(struct logctx__rounds *rounds);

// The caller: asks for a round that begins from now on, and gets its number.
uint64_t logctx__round_ask(struct logctx__rounds *rounds);
// Waits for it until `deadline_ns` of CLOCK_MONOTONIC: its result, LOGCTX_E_TIMEOUT, or LOGCTX_E_SHUTDOWN.
logctx_status_t logctx__round_wait(struct logctx__rounds *rounds, uint64_t round, uint64_t deadline_ns);

// The thread that sends: true if a round is to begin; it is then begun.
bool logctx__round_begin(struct logctx__rounds *rounds);
void logctx__round_finish(struct logctx__rounds *rounds, logctx_status_t result);
// No round will be served any more.
void logctx__rounds_end(struct logctx__rounds *rounds);
// Waits for that until `deadline_ns`; false at the deadline.
bool logctx__rounds_wait_end(struct logctx__rounds *rounds, uint64_t deadline_ns);

uint64_t logctx__now_ns(void);

#endif
