/*
 * response.h: what an endpoint's answer means for the batch that was sent (OTLP specification, OTLP/HTTP Response).
 * A pure function of the answer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_RESPONSE_H
#define LOGCTX_EXPORTER_RESPONSE_H

#include "options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How the exchange went, before its content is looked at.
enum logctx__exchange {
    LOGCTX__ANSWERED,  // there is a status
    LOGCTX__NO_ANSWER, // no connection, it broke, or time ran out
    LOGCTX__OVERSIZE,  // the answer was larger than allowed
    LOGCTX__UNREADABLE // not HTTP, or not to be inflated
};

struct logctx__answer {
    enum logctx__exchange exchange;
    long status;
    const char *content_type; // NULL: none
    const char *retry_after;  // NULL: none
    const uint8_t *body;
    size_t length;
    const char *trouble; // why there is no answer, in libcurl's words; "" otherwise
};

enum logctx__outcome { LOGCTX__ACCEPTED, LOGCTX__RETRY, LOGCTX__REFUSED };

struct logctx__verdict {
    enum logctx__outcome outcome;
    logctx_drop_reason_t reason; // if REFUSED
    uint64_t rejected;           // if ACCEPTED: how many items of the batch were not, in a partial success
    int64_t retry_after_ms;      // if RETRY; -1: the endpoint did not say
    char message[256]; // for the log line: valid UTF-8 without control characters; "" if there is nothing to say
};

// `items` is how many spans or points the batch had; `now_unix` is for dates in Retry-After.
void logctx__response_judge(struct logctx__verdict *verdict, const struct logctx__answer *answer,
                            enum logctx__signal signal, uint64_t items, int64_t now_unix);

#endif
