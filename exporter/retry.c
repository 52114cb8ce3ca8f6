/*
 * retry.c: the arithmetic of waiting. One lane owns each struct; no clock is read here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "retry.h"
#include "values.h"

#include <curl/curl.h>

enum { DAY_S = 86400 };

void logctx__retry_begin(struct logctx__retry *retry, int64_t now_ms)
{
    retry->began_ms = now_ms;
    retry->backoff_ms = 0;
}

static int64_t next_backoff(const struct logctx__retry *retry)
{
    int64_t next = retry->backoff_ms == 0 ? retry->initial_ms : retry->backoff_ms + (retry->backoff_ms + 1) / 2;
    return next < retry->max_ms ? next : retry->max_ms;
}

// Half to one and a half of it: clients that failed together must not come back together.
static int64_t jittered(int64_t backoff_ms, uint32_t random)
{
    int64_t wait = backoff_ms / 2 + (int64_t)(((uint64_t)backoff_ms * random) >> 32);
    return wait > 0 ? wait : 1;
}

int64_t logctx__retry_wait(struct logctx__retry *retry, int64_t now_ms, int64_t retry_after_ms, uint32_t random)
{
    retry->backoff_ms = next_backoff(retry);
    int64_t wait = jittered(retry->backoff_ms, random);
    if (retry_after_ms > wait) {
        wait = retry_after_ms;
    }
    return now_ms - retry->began_ms + wait > retry->elapsed_ms ? -1 : wait;
}

int64_t logctx__retry_after(const char *value, int64_t now_unix)
{
    int64_t seconds = 0;
    char text[64];
    logctx__value_trim(value, text, sizeof text);
    bool digits = text[0] != '\0';
    for (const char *c = text; *c != '\0'; c++) {
        digits = digits && *c >= '0' && *c <= '9';
    }
    if (digits) {
        // More digits than fit mean "very long".
        if (!logctx__value_integer(text, 0, DAY_S, &seconds)) {
            seconds = DAY_S;
        }
        return seconds * 1000;
    }
    // A date begins with the name of a day; libcurl's parser takes much else.
    if (text[0] < 'A' || text[0] > 'Z') {
        return -1;
    }
    time_t date = curl_getdate(text, NULL);
    if (date == -1) {
        return -1;
    }
    seconds = (int64_t)date - now_unix;
    return seconds <= 0 ? 0 : seconds < DAY_S ? seconds * 1000 : (int64_t)DAY_S * 1000;
}
