/*
 * test_response.c: what each answer of an endpoint means, Retry-After in both forms, and the arithmetic of waiting with
 * time and randomness made up.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdint.h>

#include "books.h"
#include "messages.h"
#include "response.h"
#include "retry.h"
#include "round.h"
#include "support.h"

#include <google/rpc/status.pb-c.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROTOBUF "application/x-protobuf"

static struct logctx__verdict judge(long status, const char *type, const void *body, size_t length)
{
    struct logctx__verdict verdict;
    const struct logctx__answer answer = {.exchange = LOGCTX__ANSWERED,
                                          .status = status,
                                          .content_type = type,
                                          .body = body,
                                          .length = length,
                                          .trouble = ""};
    logctx__response_judge(&verdict, &answer, LOGCTX__TRACES, 10, 0);
    return verdict;
}

static void test_statuses(void **state)
{
    (void)state;
    for (long status = 200; status < 600; status++) {
        struct logctx__verdict verdict = judge(status, NULL, NULL, 0);
        if (status < 300) {
            assert_int_equal(verdict.outcome, LOGCTX__ACCEPTED);
            assert_int_equal(verdict.rejected, 0);
        } else if (status == 429 || status == 502 || status == 503 || status == 504) {
            assert_int_equal(verdict.outcome, LOGCTX__RETRY);
            assert_int_equal(verdict.retry_after_ms, -1);
        } else {
            assert_int_equal(verdict.outcome, LOGCTX__REFUSED);
            assert_int_equal(verdict.reason, LOGCTX_DROP_REJECTED_BY_STATUS);
        }
    }
}

// The status line came, the body did not: what the status says for good is not asked again.
static void test_cut_off_answer(void **state)
{
    (void)state;
    static const struct {
        long status;
        enum logctx__outcome outcome;
    } rows[] = {{0, LOGCTX__RETRY},   {200, LOGCTX__RETRY},   {302, LOGCTX__REFUSED}, {400, LOGCTX__REFUSED},
                {429, LOGCTX__RETRY}, {500, LOGCTX__REFUSED}, {503, LOGCTX__RETRY}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct logctx__verdict verdict;
        const struct logctx__answer answer = {
            .exchange = LOGCTX__NO_ANSWER, .status = rows[i].status, .trouble = "transfer closed"};
        logctx__response_judge(&verdict, &answer, LOGCTX__TRACES, 10, 0);
        assert_int_equal(verdict.outcome, rows[i].outcome);
    }
}

static void test_no_answer(void **state)
{
    (void)state;
    static const struct {
        enum logctx__exchange exchange;
        enum logctx__outcome outcome;
        logctx_drop_reason_t reason;
    } rows[] = {{LOGCTX__NO_ANSWER, LOGCTX__RETRY, 0},
                {LOGCTX__OVERSIZE, LOGCTX__REFUSED, LOGCTX_DROP_TOO_LARGE},
                {LOGCTX__UNREADABLE, LOGCTX__REFUSED, LOGCTX_DROP_BAD_RESPONSE}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct logctx__verdict verdict;
        const struct logctx__answer answer = {.exchange = rows[i].exchange, .status = 200, .trouble = "line\none\x01"};
        logctx__response_judge(&verdict, &answer, LOGCTX__METRICS, 10, 0);
        assert_int_equal(verdict.outcome, rows[i].outcome);
        if (verdict.outcome == LOGCTX__REFUSED) {
            assert_int_equal(verdict.reason, rows[i].reason);
        }
        assert_string_equal(verdict.message, "line one ");
    }
}

static size_t pack_partial(uint8_t *out, int64_t rejected, const char *message)
{
    Opentelemetry__Proto__Collector__Trace__V1__ExportTracePartialSuccess partial =
        OPENTELEMETRY__PROTO__COLLECTOR__TRACE__V1__EXPORT_TRACE_PARTIAL_SUCCESS__INIT;
    Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceResponse response =
        OPENTELEMETRY__PROTO__COLLECTOR__TRACE__V1__EXPORT_TRACE_SERVICE_RESPONSE__INIT;
    partial.rejected_spans = rejected;
    partial.error_message = (char *)(uintptr_t)message;
    response.partial_success = &partial;
    return protobuf_c_message_pack(&response.base, out);
}

static void test_partial_success(void **state)
{
    (void)state;
    uint8_t body[512];
    struct logctx__verdict verdict = judge(200, PROTOBUF, body, pack_partial(body, 3, "three are too old"));
    assert_int_equal(verdict.outcome, LOGCTX__ACCEPTED);
    assert_int_equal(verdict.rejected, 3);
    assert_string_equal(verdict.message, "three are too old");
    verdict = judge(200, PROTOBUF "; charset=x", body, pack_partial(body, 0, "a warning"));
    assert_int_equal(verdict.rejected, 0);
    assert_string_equal(verdict.message, "a warning");
    verdict = judge(200, PROTOBUF, body, pack_partial(body, 0, ""));
    assert_int_equal(verdict.outcome, LOGCTX__ACCEPTED);
    assert_int_equal(verdict.rejected, 0);
    assert_string_equal(verdict.message, "");
    // Counts that cannot be.
    verdict = judge(200, PROTOBUF, body, pack_partial(body, 1000, ""));
    assert_int_equal(verdict.rejected, 10);
    verdict = judge(200, PROTOBUF, body, pack_partial(body, -1, ""));
    assert_int_equal(verdict.rejected, 0);
}

static void test_other_success_bodies(void **state)
{
    (void)state;
    static const char json[] = "{\"partialSuccess\":{\"rejectedSpans\":\"3\"}}";
    static const uint8_t junk[] = {0xFF, 0xFF, 0xFF};
    const char *const types[] = {"application/json", "text/plain", "application/x-protobuffer", NULL};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        assert_int_equal(judge(200, types[i], json, sizeof json - 1).outcome, LOGCTX__ACCEPTED);
    }
    struct logctx__verdict verdict = judge(200, "APPLICATION/X-PROTOBUF", junk, sizeof junk);
    assert_int_equal(verdict.outcome, LOGCTX__REFUSED);
    assert_int_equal(verdict.reason, LOGCTX_DROP_BAD_RESPONSE);
}

static void test_messages(void **state)
{
    (void)state;
    uint8_t body[2048];
    static char text[1000];
    Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
    static char words[] = "bad\r\nrequest";
    status.code = 3;
    status.message = words;
    size_t length = protobuf_c_message_pack(&status.base, body);
    assert_string_equal(judge(400, PROTOBUF, body, length).message, "bad  request");
    assert_string_equal(judge(503, PROTOBUF, body, length).message, "bad  request");
    assert_string_equal(judge(400, "text/plain; charset=utf-8", "no\x1b[31m way", 11).message, "no [31m way");
    assert_string_equal(judge(400, "application/json", "{}", 2).message, "{}");
    assert_string_equal(judge(400, "text/html", "<html>", 6).message, "");
    assert_string_equal(judge(400, NULL, "what?", 5).message, "");
    assert_string_equal(judge(400, PROTOBUF, "\xFF", 1).message, "");
    assert_string_equal(judge(400, "text/plain", "\xFF\xFE", 2).message, "\xEF\xBF\xBD\xEF\xBF\xBD");
    memset(text, 'x', sizeof text);
    assert_int_equal(strlen(judge(400, "text/plain", text, sizeof text).message), 200);
    memset(text, '\xFF', sizeof text);
    assert_true(strlen(judge(400, "text/plain", text, sizeof text).message) <= 255);
}

static void test_retry_after(void **state)
{
    (void)state;
    const int64_t now = 1700000000; // Tue, 14 Nov 2023 22:13:20 GMT
    assert_int_equal(logctx__retry_after("0", now), 0);
    assert_int_equal(logctx__retry_after(" 120 \r\n", now), 120000);
    assert_int_equal(logctx__retry_after("86400", now), 86400000);
    assert_int_equal(logctx__retry_after("99999999999999999999999", now), 86400000);
    assert_int_equal(logctx__retry_after("Tue, 14 Nov 2023 22:14:20 GMT", now), 60000);
    assert_int_equal(logctx__retry_after("Tuesday, 14-Nov-23 22:14:20 GMT", now), 60000);
    assert_int_equal(logctx__retry_after("Tue Nov 14 22:14:20 2023", now), 60000);
    assert_int_equal(logctx__retry_after("Tue, 14 Nov 2023 22:13:00 GMT", now), 0);
    assert_int_equal(logctx__retry_after("Fri, 14 Nov 2053 22:13:00 GMT", now), 86400000);
    const char *const bad[] = {"", " ", "-1", "1.5", "soon", "12 s", "Tue, 99 Foo 2023", "\xFF"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(logctx__retry_after(bad[i], now), -1);
    }
    struct logctx__verdict verdict;
    struct logctx__answer answer = {.exchange = LOGCTX__ANSWERED, .status = 503, .retry_after = "7", .trouble = ""};
    logctx__response_judge(&verdict, &answer, LOGCTX__TRACES, 1, now);
    assert_int_equal(verdict.retry_after_ms, 7000);
    // Where it does not belong it changes nothing.
    answer.status = 400;
    logctx__response_judge(&verdict, &answer, LOGCTX__TRACES, 1, now);
    assert_int_equal(verdict.outcome, LOGCTX__REFUSED);
}

static void test_backoff(void **state)
{
    (void)state;
    struct logctx__retry retry = {.initial_ms = 1000, .max_ms = 30000, .elapsed_ms = 300000};
    logctx__retry_begin(&retry, 0);
    // With the middle of all random numbers the wait is the backoff: x1.5 up to the largest.
    const int64_t middle[] = {1000, 1500, 2250, 3375, 5063, 7595, 11393, 17090, 25635, 30000, 30000};
    for (size_t i = 0; i < sizeof middle / sizeof middle[0]; i++) {
        assert_int_equal(logctx__retry_wait(&retry, 0, -1, 0x80000000u) / 2, middle[i] / 2);
    }
    logctx__retry_begin(&retry, 0);
    assert_int_equal(logctx__retry_wait(&retry, 0, -1, 0), 500);
    logctx__retry_begin(&retry, 0);
    assert_int_equal(logctx__retry_wait(&retry, 0, -1, UINT32_MAX), 1499);
    // What the endpoint asks for, if it is more.
    logctx__retry_begin(&retry, 0);
    assert_int_equal(logctx__retry_wait(&retry, 0, 60000, 0x80000000u), 60000);
    assert_int_equal(logctx__retry_wait(&retry, 0, 10, 0x80000000u), 1500);
}

static void test_giving_up(void **state)
{
    (void)state;
    struct logctx__retry retry = {.initial_ms = 1000, .max_ms = 30000, .elapsed_ms = 10000};
    logctx__retry_begin(&retry, 5000);
    assert_int_equal(logctx__retry_wait(&retry, 5000, -1, 0x80000000u), 1000);
    assert_int_equal(logctx__retry_wait(&retry, 13500, -1, 0x80000000u), 1500);
    assert_int_equal(logctx__retry_wait(&retry, 14999, -1, 0x80000000u), -1);
    logctx__retry_begin(&retry, 0);
    assert_int_equal(logctx__retry_wait(&retry, 0, 10001, 0), -1);
    logctx__retry_begin(&retry, 0);
    assert_int_equal(logctx__retry_wait(&retry, 0, 10000, 0), 10000);
}

// The exporter's accounts.
static void test_books(void **state)
{
    (void)state;
    struct logctx__books books;
    logctx__books_init(&books);
    logctx__books_take(&books, LOGCTX__TRACES, 10);
    logctx__books_accept(&books, LOGCTX__TRACES, 10, 3);
    logctx__books_take(&books, LOGCTX__TRACES, 5);
    logctx__books_drop(&books, LOGCTX__TRACES, LOGCTX_DROP_TOO_LARGE, 5, 5);
    logctx__books_drop(&books, LOGCTX__METRICS, LOGCTX_DROP_NO_MEMORY, 2, 0);
    struct logctx__tally tally = logctx__books_tally(&books, LOGCTX__TRACES);
    assert_int_equal(tally.exported, 7);
    assert_int_equal(tally.rejected, 3);
    assert_int_equal(tally.in_flight, 0);
    assert_int_equal(tally.dropped[LOGCTX_DROP_TOO_LARGE], 5);
    assert_int_equal(logctx__books_lost(&books), 10);
    // An endpoint that answers with every status there is fills the table and no more.
    for (long status = 100; status < 600; status++) {
        logctx__books_took(&books, LOGCTX__TRACES, "http_error", status, 1.5);
    }
    assert_int_equal(books.took_count[LOGCTX__TRACES], LOGCTX__TOOK_MAX);
    uint64_t count = 0;
    for (size_t i = 0; i < LOGCTX__TOOK_MAX; i++) {
        count += books.took[LOGCTX__TRACES][i].count;
    }
    assert_int_equal(count, 500);
    assert_string_equal(books.took[LOGCTX__TRACES][LOGCTX__TOOK_MAX - 1].error_type, "_OTHER");
    logctx__books_free(&books);
}

static void test_rounds(void **state)
{
    (void)state;
    struct logctx__rounds rounds;
    logctx__rounds_init(&rounds);
    assert_false(logctx__round_begin(&rounds));
    uint64_t first = logctx__round_ask(&rounds);
    assert_int_equal(logctx__round_ask(&rounds), first); // nobody has begun it: it serves both
    assert_true(logctx__round_begin(&rounds));
    uint64_t second = logctx__round_ask(&rounds);
    assert_int_equal(second, first + 1);
    assert_false(logctx__round_begin(&rounds)); // one at a time
    assert_int_equal(logctx__round_wait(&rounds, first, 0), LOGCTX_E_TIMEOUT);
    logctx__round_finish(&rounds, LOGCTX_E_IO);
    assert_int_equal(logctx__round_wait(&rounds, first, 0), LOGCTX_E_IO);
    assert_int_equal(logctx__round_wait(&rounds, second, 0), LOGCTX_E_TIMEOUT);
    assert_true(logctx__round_begin(&rounds));
    logctx__round_finish(&rounds, LOGCTX_OK);
    assert_int_equal(logctx__round_wait(&rounds, second, 0), LOGCTX_OK);
    assert_int_equal(logctx__round_wait(&rounds, first, 0), LOGCTX_E_IO);
    uint64_t third = logctx__round_ask(&rounds);
    assert_false(logctx__rounds_wait_end(&rounds, 0));
    logctx__rounds_end(&rounds);
    assert_true(logctx__rounds_wait_end(&rounds, 0));
    assert_int_equal(logctx__round_wait(&rounds, third, 0), LOGCTX_E_SHUTDOWN);
    logctx__rounds_free(&rounds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        logctx_unit_test(test_statuses),
        logctx_unit_test(test_cut_off_answer),
        logctx_unit_test(test_no_answer),
        logctx_unit_test(test_partial_success),
        logctx_unit_test(test_other_success_bodies),
        logctx_unit_test(test_messages),
        logctx_unit_test(test_retry_after),
        logctx_unit_test(test_backoff),
        logctx_unit_test(test_giving_up),
        logctx_unit_test(test_books),
        logctx_unit_test(test_rounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
