/*
 * fuzz_response.c: libFuzzer target for answers of an endpoint. The input is a few bytes that choose status, signal and
 * content type, a line that is the Retry-After header, and the body.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "response.h"
#include "retry.h"

#include <stdlib.h>
#include <string.h>

enum { ITEMS = 100, DAY_MS = 86400 * 1000, MAX_LINE = 128 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check(const struct logctx__verdict *verdict)
{
    require(verdict->rejected <= ITEMS);
    require(verdict->outcome == LOGCTX__ACCEPTED || verdict->rejected == 0);
    require(verdict->outcome != LOGCTX__REFUSED || verdict->reason < LOGCTX_DROP_COUNT);
    require(verdict->retry_after_ms >= -1 && verdict->retry_after_ms <= DAY_MS);
    require(memchr(verdict->message, '\0', sizeof verdict->message) != NULL);
    for (const char *c = verdict->message; *c != '\0'; c++)
        require((unsigned char)*c >= 0x20 && *c != 0x7F);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const long statuses[] = {200, 202, 301, 400, 404, 429, 500, 503};
    static const char *const types[] = {NULL,         "application/x-protobuf", "application/x-protobuf; charset=utf-8",
                                        "text/plain", "application/json",       "application/xml",
                                        "",           "Application/Protobuf"};
    char retry_after[MAX_LINE];
    if (size < 2)
        return 0;
    uint8_t first = data[0];
    uint8_t second = data[1];
    data += 2;
    size -= 2;
    const uint8_t *end = size != 0 ? memchr(data, '\n', size) : NULL;
    size_t line = end != NULL ? (size_t)(end - data) : 0;
    size_t taken = line < MAX_LINE ? line : MAX_LINE - 1;
    memcpy(retry_after, data, taken);
    retry_after[taken] = '\0';
    size_t skipped = end != NULL ? line + 1 : 0;

    // A copy of exactly the body's size, so that a sanitizer sees what reads beyond it.
    size_t length = size - skipped;
    uint8_t *body = malloc(length != 0 ? length : 1);
    require(body != NULL);
    memcpy(body, data + skipped, length);
    const struct logctx__answer answer = {.exchange = (enum logctx__exchange)(second >> 6),
                                          .status = statuses[first & 7],
                                          .content_type = types[(first >> 3) & 7],
                                          .retry_after = (second & 1) != 0 ? retry_after : NULL,
                                          .body = body,
                                          .length = length,
                                          .trouble = retry_after};
    struct logctx__verdict verdict;
    logctx__response_judge(&verdict, &answer, (second & 2) != 0 ? LOGCTX__METRICS : LOGCTX__TRACES, ITEMS, 1700000000);
    check(&verdict);
    require(logctx__retry_after(retry_after, 1700000000) <= DAY_MS);
    free(body);
    return 0;
}
