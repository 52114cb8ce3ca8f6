/*
 * lane.c: the life of a batch: IDLE -> SENDING -> (WAITING -> SENDING)* -> IDLE. Each end of it is entered in the
 * books.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lane.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static uint32_t kernel_random(void)
{
    uint32_t value = 0;
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) != (ssize_t)sizeof value) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        value = (uint32_t)now.tv_nsec * 2654435761u;
    }
    return value;
}

bool logctx__lane_init(struct logctx__lane *lane, const struct logctx__options *options, enum logctx__signal signal,
                       struct logctx__books *books, struct logctx__http *http)
{
    const struct logctx__signal_options *own = &options->signals[signal];
    *lane = (struct logctx__lane){
        .signal = signal,
        .options = own,
        .books = books,
        .http = http,
        .random = kernel_random,
        .retry = {.initial_ms = options->retry_initial_ms,
                  .max_ms = options->retry_max_ms,
                  .elapsed_ms = options->retry_elapsed_ms},
        .notice = {.items = signal == LOGCTX__TRACES ? "spans" : "metric points", .where = own->endpoint.shown},
        .not_before_ms = INT64_MIN,
    };
    return logctx__request_init(&lane->request, own, (size_t)options->max_response_bytes);
}

void logctx__lane_free(struct logctx__lane *lane)
{
    logctx__request_free(&lane->request, lane->http);
    logctx__gzip_free(&lane->gzip);
}

// The batch has ended. Its time counts with all its attempts and waits.
static void finish(struct logctx__lane *lane, const char *error_type, long status, int64_t now_ms)
{
    logctx__books_took(lane->books, lane->signal, error_type, status, (double)(now_ms - lane->retry.began_ms) / 1e3);
    lane->state = LOGCTX__IDLE;
    lane->body = NULL;
}

static void drop(struct logctx__lane *lane, logctx_drop_reason_t reason, const struct logctx__verdict *verdict,
                 const struct logctx__answer *answer, int64_t now_ms)
{
    char type[24];
    snprintf(type, sizeof type, "%s", logctx__drop_name(reason));
    logctx__books_drop(lane->books, lane->signal, reason, lane->items, lane->items);
    logctx__notice_dropped(&lane->notice, reason, lane->items, verdict, answer);
    finish(lane, type, answer->exchange == LOGCTX__ANSWERED ? answer->status : 0, now_ms);
}

static void wait_or_give_up(struct logctx__lane *lane, const struct logctx__verdict *verdict,
                            const struct logctx__answer *answer, int64_t now_ms)
{
    int64_t asked = verdict->retry_after_ms;
    if (asked > lane->retry.elapsed_ms) {
        // No answer of an endpoint stops the export for longer than a batch lives.
        asked = lane->retry.elapsed_ms;
    }
    int64_t wait = logctx__retry_wait(&lane->retry, now_ms, asked, lane->random());
    if (asked > 0) {
        lane->not_before_ms = now_ms + asked;
    }
    if (wait < 0) {
        drop(lane, LOGCTX_DROP_RETRY_EXHAUSTED, verdict, answer, now_ms);
        return;
    }
    lane->next_ms = now_ms + wait;
    lane->state = LOGCTX__WAITING;
    logctx__notice_failed(&lane->notice, verdict, answer, wait);
}

bool logctx__lane_answer(struct logctx__lane *lane, const struct logctx__answer *answer, int64_t now_ms)
{
    struct logctx__verdict verdict;
    logctx__response_judge(&verdict, answer, lane->signal, lane->items, (int64_t)time(NULL));
    switch (verdict.outcome) {
    case LOGCTX__ACCEPTED:
        logctx__books_accept(lane->books, lane->signal, lane->items, verdict.rejected);
        logctx__notice_accepted(&lane->notice, &verdict, lane->items);
        finish(lane, "", answer->status, now_ms);
        return true;
    case LOGCTX__REFUSED:
        drop(lane, verdict.reason, &verdict, answer, now_ms);
        return false;
    case LOGCTX__RETRY:
        wait_or_give_up(lane, &verdict, answer, now_ms);
        return false;
    }
    return false;
}

static void attempt(struct logctx__lane *lane, int64_t now_ms)
{
    logctx__books_request(lane->books, lane->attempts > 0);
    lane->attempts++;
    lane->state = LOGCTX__SENDING;
    if (!logctx__request_send(&lane->request, lane->http, lane->body, lane->length, lane->packed)) {
        const struct logctx__answer none = {.exchange = LOGCTX__NO_ANSWER, .trouble = "no memory for a request"};
        logctx__lane_answer(lane, &none, now_ms);
    }
}

void logctx__lane_send(struct logctx__lane *lane, const uint8_t *body, size_t length, uint64_t items, int64_t now_ms)
{
    lane->items = items;
    lane->attempts = 0;
    lane->packed = lane->options->gzip && logctx__gzip_pack(&lane->gzip, body, length);
    lane->body = lane->packed ? lane->gzip.bytes : body;
    lane->length = lane->packed ? lane->gzip.length : length;
    logctx__retry_begin(&lane->retry, now_ms);
    attempt(lane, now_ms);
}

void logctx__lane_tick(struct logctx__lane *lane, int64_t now_ms)
{
    if (lane->state == LOGCTX__WAITING && now_ms >= lane->next_ms) {
        attempt(lane, now_ms);
    }
}

int64_t logctx__lane_due(const struct logctx__lane *lane)
{
    return lane->state == LOGCTX__WAITING ? lane->next_ms : INT64_MAX;
}

void logctx__lane_hurry(struct logctx__lane *lane, int64_t now_ms)
{
    if (lane->state == LOGCTX__WAITING) {
        lane->next_ms = now_ms > lane->not_before_ms ? now_ms : lane->not_before_ms;
    }
}

void logctx__lane_abandon(struct logctx__lane *lane)
{
    if (lane->state == LOGCTX__IDLE) {
        return;
    }
    logctx__request_cancel(&lane->request, lane->http);
    logctx__books_drop(lane->books, lane->signal, LOGCTX_DROP_SHUTDOWN, lane->items, lane->items);
    logctx__notice_dropped(&lane->notice, LOGCTX_DROP_SHUTDOWN, lane->items, NULL, NULL);
    lane->state = LOGCTX__IDLE;
}
