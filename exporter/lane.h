/*
 * lane.h: the way of one signal to its endpoint: at most one batch at a time, sent until it is accepted, refused or
 * given up. Spans and metrics have a lane each, so that neither waits for the other. The exporter's thread alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_LANE_H
#define LOGCTX_EXPORTER_LANE_H

#include "books.h"
#include "gzip.h"
#include "http.h"
#include "notice.h"
#include "retry.h"

enum logctx__lane_state { LOGCTX__IDLE, LOGCTX__SENDING, LOGCTX__WAITING };

struct logctx__lane {
    enum logctx__signal signal;
    const struct logctx__signal_options *options;
    struct logctx__books *books;
    struct logctx__http *http;
    uint32_t (*random)(void);

    enum logctx__lane_state state;
    struct logctx__request request;
    struct logctx__gzip gzip;
    struct logctx__retry retry;
    struct logctx__notice notice;
    const uint8_t *body; // as it goes out
    size_t length;
    bool packed; // gzip
    uint64_t items;
    int64_t next_ms;       // WAITING: when the next attempt is due
    int64_t not_before_ms; // the endpoint asked for quiet until then; holds for the next batch too
    uint32_t attempts;
};

bool logctx__lane_init(struct logctx__lane *lane, const struct logctx__options *options, enum logctx__signal signal,
                       struct logctx__books *books, struct logctx__http *http);
void logctx__lane_free(struct logctx__lane *lane);

// A batch, already in the books as in flight. `body` must stay until the lane is idle again.
void logctx__lane_send(struct logctx__lane *lane, const uint8_t *body, size_t length, uint64_t items, int64_t now_ms);
// Begins the attempt that is due.
void logctx__lane_tick(struct logctx__lane *lane, int64_t now_ms);
// When tick() has something to do; INT64_MAX: only an answer can change anything.
int64_t logctx__lane_due(const struct logctx__lane *lane);
// The answer to what it sent. Returns whether a batch was accepted.
bool logctx__lane_answer(struct logctx__lane *lane, const struct logctx__answer *answer, int64_t now_ms);
// Somebody waits for a flush: try at once what waits for its own backoff, but not what the endpoint asked to wait for.
void logctx__lane_hurry(struct logctx__lane *lane, int64_t now_ms);
// The end: what is in flight is dropped.
void logctx__lane_abandon(struct logctx__lane *lane);

#endif
