/*
 * notice.c: the exporter's log lines. What comes from the endpoint was cleaned and cut before (response.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "notice.h"
#include "books.h"

#include <logctx/log.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { WHY_SIZE = 384 };

static const char *why(char text[WHY_SIZE], const struct logctx__verdict *verdict, const struct logctx__answer *answer)
{
    const char *message = verdict != NULL ? verdict->message : "";
    if (answer != NULL && answer->exchange == LOGCTX__ANSWERED) {
        snprintf(text, WHY_SIZE, "HTTP status %ld%s%s", answer->status, message[0] != '\0' ? ": " : "", message);
    } else {
        snprintf(text, WHY_SIZE, "%s", message[0] != '\0' ? message : "no answer");
    }
    return text;
}

void logctx__notice_failed(struct logctx__notice *notice, const struct logctx__verdict *verdict,
                           const struct logctx__answer *answer, int64_t wait_ms)
{
    notice->failures++;
    if (notice->failing) {
        return;
    }
    notice->failing = true;
    char text[WHY_SIZE];
    logctx_log(LOGCTX_WARN,
               "Sending %s to %s failed: %s; the next attempt is in %" PRId64 ".%03" PRId64
               " s, and more follow without a line for each",
               notice->items, notice->where, why(text, verdict, answer), wait_ms / 1000, wait_ms % 1000);
}

void logctx__notice_dropped(struct logctx__notice *notice, logctx_drop_reason_t reason, uint64_t items,
                            const struct logctx__verdict *verdict, const struct logctx__answer *answer)
{
    notice->dropped += items;
    if (answer != NULL) {
        notice->failures++;
    }
    if ((notice->dropping & 1u << reason) != 0) {
        return;
    }
    notice->dropping |= 1u << reason;
    char text[WHY_SIZE] = "";
    if (answer != NULL) {
        why(text, verdict, answer);
    }
    logctx_log(LOGCTX_WARN, "%" PRIu64 " %s for %s were dropped: %s%s%s; more are counted without a line for each",
               items, notice->items, notice->where, logctx__drop_sentence(reason), text[0] != '\0' ? ": " : "", text);
}

static void say_recovered(struct logctx__notice *notice)
{
    if (notice->failing || notice->dropping != 0) {
        logctx_log(LOGCTX_INFO,
                   "Sending %s to %s works again after %" PRIu64 " failed requests; %" PRIu64 " %s were dropped",
                   notice->items, notice->where, notice->failures, notice->dropped, notice->items);
    }
    notice->failing = false;
    notice->dropping = 0;
    notice->failures = 0;
    notice->dropped = 0;
}

void logctx__notice_accepted(struct logctx__notice *notice, const struct logctx__verdict *verdict, uint64_t items)
{
    say_recovered(notice);
    if (verdict->rejected != 0) {
        if (!notice->rejecting) {
            logctx_log(LOGCTX_WARN,
                       "%s took a request and refused %" PRIu64 " of its %" PRIu64
                       " %s: %s; more are counted without a line for each",
                       notice->where, verdict->rejected, items, notice->items,
                       verdict->message[0] != '\0' ? verdict->message : "it gives no reason");
        }
        notice->rejecting = true;
        return;
    }
    notice->rejecting = false;
    if (verdict->message[0] != '\0' && strcmp(verdict->message, notice->warning) != 0) {
        snprintf(notice->warning, sizeof notice->warning, "%s", verdict->message);
        logctx_log(LOGCTX_WARN, "%s took all %s, and warns: %s", notice->where, notice->items, verdict->message);
    }
}

void logctx__notice_queue(struct logctx__notice *notice, uint64_t full, bool accepted)
{
    if (!notice->full && full > notice->full_at_accept) {
        notice->full = true;
        notice->full_at_begin = notice->full_at_accept;
        logctx_log(LOGCTX_WARN, "Spans for %s are being dropped: %s; more are counted without a line for each",
                   notice->where, logctx__drop_sentence(LOGCTX_DROP_QUEUE_FULL));
    }
    if (!accepted) {
        return;
    }
    if (notice->full && full == notice->full_at_accept) {
        notice->full = false;
        logctx_log(LOGCTX_INFO, "The queue of spans for %s has room again; %" PRIu64 " were dropped", notice->where,
                   full - notice->full_at_begin);
    }
    notice->full_at_accept = full;
}
