/*
 * worker.h: a thread that does one step when the test tells it, so that it is still there in the next one; and the steps of
 * contexts that are handed over. For the test's own thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_CORE_WORKER_H
#define LOGCTX_TESTS_CORE_WORKER_H

#include "support.h"

#include <pthread.h>

/* Run to its end on another thread. */
void on_thread(void *(*body)(void *), void *argument);

struct worker {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    void (*step)(void *); // NULL: nothing to do
    void *argument;
    bool end;
    long tid;
};
void worker_start(struct worker *worker);
void worker_do(struct worker *worker, void (*step)(void *), void *argument); /* until it is done */
void worker_end(struct worker *worker);

/* Steps: what they get is a context, or nothing. */
void take(void *ctx); /* hand over to the thread that runs the step */
void set(void *ctx);
void to_sentinel(void *unused);
void take_and_set(void *ctx);
void drop_it(void *ctx);
void finish_here(void *ctx);
void run_and_end(void *ctx); /* taken: 2 ms user and 3 ms system, one transaction of 1 ms, and its end */

#endif
