/*
 * round.c: the numbers of rounds, and waiting for them. See round.h for who calls what.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "round.h"

#include <errno.h>
#include <string.h>
#include <time.h>

uint64_t logctx__now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void logctx__rounds_init(struct logctx__rounds *rounds)
{
    memset(rounds, 0, sizeof *rounds);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&rounds->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&rounds->lock, NULL);
}

void logctx__rounds_free(struct logctx__rounds *rounds)
{
    pthread_cond_destroy(&rounds->changed);
    pthread_mutex_destroy(&rounds->lock);
}

uint64_t logctx__round_ask(struct logctx__rounds *rounds)
{
    pthread_mutex_lock(&rounds->lock);
    if (rounds->asked == rounds->begun) {
        rounds->asked++;
    }
    uint64_t round = rounds->asked;
    pthread_mutex_unlock(&rounds->lock);
    return round;
}

// Under the lock. False at the deadline.
static bool sleep_until(struct logctx__rounds *rounds, uint64_t deadline_ns)
{
    struct timespec at = {.tv_sec = (time_t)(deadline_ns / 1000000000u), .tv_nsec = (long)(deadline_ns % 1000000000u)};
    return pthread_cond_timedwait(&rounds->changed, &rounds->lock, &at) != ETIMEDOUT;
}

logctx_status_t logctx__round_wait(struct logctx__rounds *rounds, uint64_t round, uint64_t deadline_ns)
{
    pthread_mutex_lock(&rounds->lock);
    bool in_time = true;
    while (rounds->finished < round && !rounds->ended && in_time) {
        in_time = sleep_until(rounds, deadline_ns);
    }
    logctx_status_t status = LOGCTX_E_TIMEOUT;
    if (rounds->finished >= round) {
        status = rounds->results[round % LOGCTX__ROUNDS_KEPT];
    } else if (rounds->ended) {
        status = LOGCTX_E_SHUTDOWN;
    }
    pthread_mutex_unlock(&rounds->lock);
    return status;
}

bool logctx__round_begin(struct logctx__rounds *rounds)
{
    pthread_mutex_lock(&rounds->lock);
    bool begins = rounds->begun == rounds->finished && rounds->asked > rounds->begun;
    if (begins) {
        rounds->begun = rounds->asked;
    }
    pthread_mutex_unlock(&rounds->lock);
    return begins;
}

void logctx__round_finish(struct logctx__rounds *rounds, logctx_status_t result)
{
    pthread_mutex_lock(&rounds->lock);
    rounds->finished = rounds->begun;
    rounds->results[rounds->finished % LOGCTX__ROUNDS_KEPT] = result;
    pthread_cond_broadcast(&rounds->changed);
    pthread_mutex_unlock(&rounds->lock);
}

void logctx__rounds_end(struct logctx__rounds *rounds)
{
    pthread_mutex_lock(&rounds->lock);
    rounds->ended = true;
    pthread_cond_broadcast(&rounds->changed);
    pthread_mutex_unlock(&rounds->lock);
}

bool logctx__rounds_wait_end(struct logctx__rounds *rounds, uint64_t deadline_ns)
{
    pthread_mutex_lock(&rounds->lock);
    bool in_time = true;
    while (!rounds->ended && in_time) {
        in_time = sleep_until(rounds, deadline_ns);
    }
    bool ended = rounds->ended;
    pthread_mutex_unlock(&rounds->lock);
    return ended;
}
