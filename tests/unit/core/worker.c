/*
 * worker.c: threads of tests that do one step at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "worker.h"

#include <sys/syscall.h>
#include <unistd.h>

void on_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, body, argument), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    pthread_mutex_lock(&worker->mutex);
    worker->tid = syscall(SYS_gettid);
    while (!worker->end) {
        if (worker->step) {
            worker->step(worker->argument);
            worker->step = NULL;
            pthread_cond_broadcast(&worker->cond);
        }
        if (!worker->end)
            pthread_cond_wait(&worker->cond, &worker->mutex);
    }
    pthread_mutex_unlock(&worker->mutex);
    return NULL;
}

void worker_start(struct worker *worker)
{
    memset(worker, 0, sizeof *worker);
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_cond_init(&worker->cond, NULL);
    assert_int_equal(pthread_create(&worker->thread, NULL, worker_main, worker), 0);
}

void worker_do(struct worker *worker, void (*step)(void *), void *argument)
{
    pthread_mutex_lock(&worker->mutex);
    worker->step = step;
    worker->argument = argument;
    pthread_cond_broadcast(&worker->cond);
    while (worker->step)
        pthread_cond_wait(&worker->cond, &worker->mutex);
    pthread_mutex_unlock(&worker->mutex);
}

void worker_end(struct worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    worker->end = true;
    pthread_cond_broadcast(&worker->cond);
    pthread_mutex_unlock(&worker->mutex);
    pthread_join(worker->thread, NULL);
    pthread_cond_destroy(&worker->cond);
    pthread_mutex_destroy(&worker->mutex);
}

void take(void *ctx)
{
    assert_int_equal(logctx_hand_over(ctx), LOGCTX_OK);
}

void set(void *ctx)
{
    logctx_set_current(ctx);
}

void to_sentinel(void *unused)
{
    (void)unused;
    logctx_set_current(logctx_sentinel());
}

void take_and_set(void *ctx)
{
    take(ctx);
    set(ctx);
}

void drop_it(void *ctx)
{
    logctx_unref(ctx);
}

void run_and_end(void *ctx)
{
    take(ctx);
    logctx_set_current(ctx);
    run_user(2 * MS);
    logctx_db_transaction(MS);
    logctx_set_current(logctx_sentinel());
    logctx_set_current(ctx);
    run_system(3 * MS);
    logctx_exit(ctx);
    assert_current(logctx_sentinel());
    logctx_unref(ctx);
}

void finish_here(void *ctx)
{
    logctx_finish(ctx);
}
