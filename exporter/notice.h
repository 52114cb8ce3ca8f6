/*
 * notice.h: what the exporter says to the host's logger about its own troubles: once for each change of state of one
 * endpoint, with numbers, and never once for each request. The exporter's thread alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_NOTICE_H
#define LOGCTX_EXPORTER_NOTICE_H

#include "response.h"

struct logctx__notice {
    const char *items;       // "spans" or "metric points"
    const char *where;       // the endpoint, as it may be shown
    bool failing;            // said that sending fails, and not yet that it works again
    bool rejecting;          // said that a part is refused
    bool full;               // said that the queue is full
    uint32_t dropping;       // reasons that were said since the last success, a bit each
    uint64_t failures;       // failed requests since the last success
    uint64_t dropped;        // items dropped since then
    uint64_t full_at_accept; // spans that had found the queue full at the last success
    uint64_t full_at_begin;  // and before that began
    char warning[256];       // the endpoint's last warning
};

void logctx__notice_failed(struct logctx__notice *notice, const struct logctx__verdict *verdict,
                           const struct logctx__answer *answer, int64_t wait_ms);
// `answer` may be NULL where there is none to speak of.
void logctx__notice_dropped(struct logctx__notice *notice, logctx_drop_reason_t reason, uint64_t items,
                            const struct logctx__verdict *verdict, const struct logctx__answer *answer);
void logctx__notice_accepted(struct logctx__notice *notice, const struct logctx__verdict *verdict, uint64_t items);
// `full` is how many spans have found the queue full so far. `accepted`: a batch has just gone through.
void logctx__notice_queue(struct logctx__notice *notice, uint64_t full, bool accepted);

#endif
