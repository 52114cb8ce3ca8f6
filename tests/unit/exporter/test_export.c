/*
 * test_export.c: contexts go in, requests come out: the exporter end to end against a scripted server. The books
 * balance after each scenario. Nothing here depends on how long something takes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "exporting.h"
#include "messages.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint8_t partial_two[] = {0x0A, 0x06, 0x08, 0x02, 0x12, 0x02, 'n', 'o'};

// Answers.

static void answer_503_twice(void *user, int index, const struct server_request *request, struct server_reply *reply)
{
    (void)user;
    (void)request;
    if (index < 2) {
        reply->status = 503;
        reply->headers = "Content-Type: text/plain\r\n";
        reply->body = "busy";
        reply->length = 4;
    }
}

static void answer_partial(void *user, int index, const struct server_request *request, struct server_reply *reply)
{
    (void)user;
    (void)index;
    (void)request;
    reply->headers = "Content-Type: application/x-protobuf\r\n";
    reply->body = partial_two;
    reply->length = sizeof partial_two;
}

static void answer_400(void *user, int index, const struct server_request *request, struct server_reply *reply)
{
    (void)user;
    (void)index;
    (void)request;
    reply->status = 400;
}

static void answer_never(void *user, int index, const struct server_request *request, struct server_reply *reply)
{
    (void)user;
    (void)index;
    (void)request;
    reply->action = SERVER_HANG;
}

static void close_first(void *user, int index, const struct server_request *request, struct server_reply *reply)
{
    (void)user;
    (void)request;
    reply->action = index == 0 ? SERVER_CLOSE : SERVER_REPLY;
}

static void answer_junk(void *user, int index, const struct server_request *request, struct server_reply *reply)
{
    (void)user;
    (void)index;
    (void)request;
    reply->action = SERVER_RAW;
    reply->body = "SSH-2.0-OpenSSH_9.2\r\n";
    reply->length = strlen(reply->body);
}

static void answer_large(void *user, int index, const struct server_request *request, struct server_reply *reply)
{
    static char body[8192];
    (void)user;
    (void)index;
    (void)request;
    reply->body = body;
    reply->length = sizeof body;
}

static void answer_redirect(void *user, int index, const struct server_request *request, struct server_reply *reply)
{
    (void)user;
    (void)index;
    (void)request;
    reply->status = 307;
    reply->headers = "Location: http://127.0.0.1:1/elsewhere\r\n";
}

// Scenarios.

static void test_accepted(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    opts.headers = "x-token=a%20secret,x-empty=";
    logctx_otlp_t *otlp = start(&opts);
    support_contexts("GET /accepted", 5);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    logctx_otlp_books_t books = books_of(otlp);
    assert_int_equal(books.taken, 5);
    assert_int_equal(books.exported, 5);
    assert_int_equal(books.requests, 1);
    assert_int_equal(server_count(server), 1);
    const struct server_request *request = server_request_at(server, 0);
    assert_int_equal(strncmp(request->head, "POST /v1/traces HTTP/1.1\r\n", 26), 0);
    assert_true(request->gzip);
    assert_int_equal(spans_in(request), 5);
    assert_string_equal(server_header(request, "Content-Type"), "application/x-protobuf");
    assert_string_equal(server_header(request, "User-Agent"), "OTel-OTLP-Exporter-C/" LOGCTX_VERSION);
    assert_string_equal(server_header(request, "x-token"), "a secret");
    assert_string_equal(server_header(request, "x-empty"), "");
    assert_null(server_header(request, "Expect"));
    assert_balanced(otlp);
    assert_int_equal(logctx_otlp_shutdown(otlp, LONG_MS), LOGCTX_OK);
    server_free(server);
}

static void test_plain_body(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    opts.compression = LOGCTX_COMPRESSION_NONE;
    logctx_otlp_t *otlp = start(&opts);
    support_contexts("GET /plain", 2);
    assert_int_equal(logctx_otlp_shutdown(otlp, LONG_MS), LOGCTX_OK);
    assert_int_equal(server_count(server), 1);
    assert_false(server_request_at(server, 0)->gzip);
    assert_null(server_header(server_request_at(server, 0), "Content-Encoding"));
    assert_int_equal(spans_in(server_request_at(server, 0)), 2);
    server_free(server);
}

static void test_retried(void **state)
{
    (void)state;
    struct server *server = server_new(answer_503_twice, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    support_log_begin();
    logctx_otlp_t *otlp = start(&opts);
    support_contexts("GET /retried", 3);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    logctx_otlp_books_t books = books_of(otlp);
    assert_int_equal(books.exported, 3);
    assert_int_equal(books.requests, 3);
    assert_int_equal(books.retries, 2);
    // The same bytes each time, one line for the failure and one for the recovery.
    const struct server_request *first = server_request_at(server, 0);
    const struct server_request *last = server_request_at(server, 2);
    assert_int_equal(first->length, last->length);
    assert_memory_equal(first->body, last->body, first->length);
    assert_int_equal(support_log_matching("failed: HTTP status 503: busy", "next attempt"), 1);
    assert_int_equal(support_log_matching("works again after 2 failed requests", NULL), 1);
    assert_int_equal(support_log_count(), 2);
    assert_balanced(otlp);
    assert_int_equal(logctx_otlp_shutdown(otlp, LONG_MS), LOGCTX_OK);
    server_free(server);
}

static void test_partial(void **state)
{
    (void)state;
    struct server *server = server_new(answer_partial, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    support_log_begin();
    logctx_otlp_t *otlp = start(&opts);
    for (int round = 0; round < 2; round++) {
        support_contexts("GET /partial", 5);
        assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_E_IO);
    }
    logctx_otlp_books_t books = books_of(otlp);
    assert_int_equal(books.exported, 6);
    assert_int_equal(books.rejected, 4);
    assert_int_equal(books.requests, 2);
    assert_int_equal(books.retries, 0);
    assert_int_equal(support_log_matching("refused 2 of its 5 spans: no", NULL), 1);
    assert_int_equal(support_log_count(), 1);
    assert_balanced(otlp);
    logctx_otlp_shutdown(otlp, LONG_MS);
    server_free(server);
}

struct refusal {
    server_answer_t *answer;
    logctx_drop_reason_t reason;
    size_t max_response_bytes;
};

static void check_refused(const struct refusal *refusal)
{
    struct server *server = server_new(refusal->answer, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    opts.max_response_bytes = refusal->max_response_bytes;
    support_log_begin();
    logctx_otlp_t *otlp = start(&opts);
    for (int round = 0; round < 2; round++) {
        support_contexts("GET /refused", 4);
        assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_E_IO);
    }
    logctx_otlp_books_t books = books_of(otlp);
    assert_int_equal(books.exported, 0);
    assert_int_equal(books.dropped[refusal->reason], 8);
    assert_int_equal(books.requests, 2);
    assert_int_equal(support_log_matching("4 spans", "were dropped"), 1);
    assert_int_equal(support_log_count(), 1);
    assert_balanced(otlp);
    logctx_otlp_shutdown(otlp, LONG_MS);
    server_free(server);
}

static void test_refused(void **state)
{
    (void)state;
    check_refused(&(struct refusal){answer_400, LOGCTX_DROP_REJECTED_BY_STATUS, 0});
    check_refused(&(struct refusal){answer_redirect, LOGCTX_DROP_REJECTED_BY_STATUS, 0});
    check_refused(&(struct refusal){answer_junk, LOGCTX_DROP_BAD_RESPONSE, 0});
    check_refused(&(struct refusal){answer_large, LOGCTX_DROP_TOO_LARGE, 4096});
}

// The twin of the last one: an answer below its limit is none of these.
static void test_large_answer_within_limit(void **state)
{
    (void)state;
    struct server *server = server_new(answer_large, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    opts.max_response_bytes = 8192;
    logctx_otlp_t *otlp = start(&opts);
    support_contexts("GET /large", 4);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    assert_int_equal(books_of(otlp).exported, 4);
    logctx_otlp_shutdown(otlp, LONG_MS);
    server_free(server);
}

static void test_closed_without_answer(void **state)
{
    (void)state;
    struct server *server = server_new(close_first, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    logctx_otlp_t *otlp = start(&opts);
    support_contexts("GET /closed", 3);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    logctx_otlp_books_t books = books_of(otlp);
    assert_int_equal(books.exported, 3);
    assert_int_equal(server_count(server), 2);
    assert_balanced(otlp);
    logctx_otlp_shutdown(otlp, LONG_MS);
    server_free(server);
}

static void test_refused_then_listening(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    logctx_otlp_opts_t opts = traces_only(server);
    // Only rounds send: the second flush must not wait for a batch's turn.
    opts.schedule_delay_ms = 3600 * 1000;
    support_log_begin();
    logctx_otlp_t *otlp = start(&opts);
    support_contexts("GET /away", 3);
    assert_int_equal(logctx_otlp_flush(otlp, 50), LOGCTX_E_TIMEOUT);
    assert_balanced(otlp);
    assert_int_equal(books_of(otlp).exported, 0);
    server_listen(server);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    assert_int_equal(books_of(otlp).exported, 3);
    assert_int_equal(support_log_matching("failed: ", server_url(server)), 1);
    assert_int_equal(support_log_matching("works again", server_url(server)), 1);
    assert_balanced(otlp);
    logctx_otlp_shutdown(otlp, LONG_MS);
    server_free(server);
}

static void test_given_up(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    logctx_otlp_opts_t opts = traces_only(server);
    opts.retry_elapsed_ms = 1;
    logctx_otlp_t *otlp = start(&opts);
    support_contexts("GET /given-up", 3);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_E_IO);
    assert_int_equal(books_of(otlp).dropped[LOGCTX_DROP_RETRY_EXHAUSTED], 3);
    assert_balanced(otlp);
    logctx_otlp_shutdown(otlp, LONG_MS);
    server_free(server);
}

static void test_deadlines(void **state)
{
    (void)state;
    struct server *server = server_new(answer_never, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    opts.metrics_off = false;
    support_log_begin();
    logctx_otlp_t *otlp = start(&opts);
    support_contexts("GET /never", 3);
    assert_int_equal(logctx_otlp_flush(otlp, 50), LOGCTX_E_TIMEOUT);
    assert_int_equal(logctx_otlp_flush(otlp, 0), LOGCTX_E_TIMEOUT);
    server_wait(server, 2);
    assert_int_equal(books_of(otlp).in_flight, 3);
    assert_balanced(otlp);
    assert_int_equal(logctx_otlp_shutdown(otlp, 1000), LOGCTX_E_TIMEOUT);
    assert_int_equal(support_log_matching("3 spans", "the program ended before it could be sent"), 1);
    server_free(server);
}

// Metrics arrive although the answer to the spans never does.
static void hang_traces(void *user, int index, const struct server_request *request, struct server_reply *reply)
{
    (void)user;
    (void)index;
    if (strncmp(request->head, "POST /v1/traces", 15) == 0) {
        reply->action = SERVER_HANG;
    }
}

static void test_signals_are_independent(void **state)
{
    (void)state;
    struct server *server = server_new(hang_traces, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    opts.metrics_off = false;
    opts.metric_interval_ms = 1;
    opts.max_batch = 1;
    logctx_otlp_t *otlp = start(&opts);
    support_contexts("GET /independent", 1);
    server_wait(server, 5);
    logctx_otlp_books_t books = books_of(otlp);
    assert_int_equal(books.exported, 0);
    assert_true(books.points_exported > 0);
    assert_int_equal(logctx_otlp_shutdown(otlp, 100), LOGCTX_E_TIMEOUT);
    server_free(server);
}

static void test_connection_is_kept(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    logctx_otlp_t *otlp = start(&opts);
    for (int i = 0; i < 50; i++) {
        support_contexts("GET /kept", 1);
        assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    }
    assert_int_equal(books_of(otlp).requests, 50);
    assert_int_equal(books_of(otlp).connections, 1);
    assert_int_equal(server_connections(server), 1);
    logctx_otlp_shutdown(otlp, LONG_MS);
    server_free(server);
}

// Programs that the host starts do not inherit the connection. The server's end is a socket of this process too, but
// its peer has another port.
static void test_connection_is_not_inherited(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    logctx_otlp_t *otlp = start(&opts);
    support_contexts("GET /inherited", 1);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    int found = 0;
    for (int fd = 0; fd < 1024; fd++) {
        struct sockaddr_in peer = {.sin_port = 0};
        socklen_t size = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && ntohs(peer.sin_port) == server_port(server)) {
            found++;
            assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        }
    }
    assert_int_equal(found, 1);
    logctx_otlp_shutdown(otlp, LONG_MS);
    server_free(server);
}

static void test_batches(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    opts.max_batch = 10;
    logctx_otlp_t *otlp = start(&opts);
    support_contexts("GET /batches", 95);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    uint64_t spans = 0;
    for (int i = 0; i < server_count(server); i++) {
        uint64_t n = spans_in(server_request_at(server, i));
        assert_in_range(n, 1, 10);
        spans += n;
    }
    assert_int_equal(spans, 95);
    assert_balanced(otlp);
    logctx_otlp_shutdown(otlp, LONG_MS);
    server_free(server);
}

// A full batch goes out without a flush and before its delay, which is an hour here.
static void test_batch_size_triggers(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    opts.max_batch = 7;
    opts.schedule_delay_ms = 3600 * 1000;
    logctx_otlp_t *otlp = start(&opts);
    support_contexts("GET /trigger", 7);
    server_wait(server, 1);
    assert_int_equal(spans_in(server_request_at(server, 0)), 7);
    logctx_otlp_shutdown(otlp, LONG_MS);
    server_free(server);
}

static void test_queue_full(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    logctx_otlp_opts_t opts = traces_only(server);
    opts.max_queue = 20;
    opts.max_batch = 5;
    opts.retry_initial_ms = opts.retry_max_ms = 1;
    support_log_begin();
    logctx_otlp_t *otlp = start(&opts);
    support_contexts("GET /full", 200);
    logctx_otlp_books_t books = books_of(otlp);
    assert_int_equal(books.taken, 200);
    assert_in_range(books.dropped[LOGCTX_DROP_QUEUE_FULL], 200 - 20 - 5, 200 - 20);
    server_listen(server);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_E_IO);
    books = books_of(otlp);
    assert_int_equal(books.exported + books.dropped[LOGCTX_DROP_QUEUE_FULL], 200);
    assert_int_equal(support_log_matching("are being dropped", "the queue was full"), 1);
    support_contexts("GET /full", 1);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    assert_int_equal(support_log_matching("has room again", NULL), 1);
    assert_balanced(otlp);
    logctx_otlp_shutdown(otlp, LONG_MS);
    server_free(server);
}

static void test_large_spans(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    opts.max_request_bytes = 20000;
    support_log_begin();
    logctx_otlp_t *otlp = start(&opts);
    static char text[30001];
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 6; i++) {
        logctx_t *ctx = logctx_new(logctx_kind("GET /large-span"), NULL);
        // Two of them fit into a request, the fourth not even alone.
        text[i == 3 ? 30000 : 8000] = '\0';
        logctx_set_string(ctx, "text", text);
        text[i == 3 ? 30000 : 8000] = 'x';
        logctx_finish(ctx);
        logctx_unref(ctx);
    }
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_E_IO);
    logctx_otlp_books_t books = books_of(otlp);
    assert_int_equal(books.exported, 5);
    assert_int_equal(books.dropped[LOGCTX_DROP_TOO_LARGE], 1);
    assert_int_equal(books.requests, 3);
    for (int i = 0; i < server_count(server); i++) {
        assert_true(server_request_at(server, i)->length <= 20000);
    }
    assert_balanced(otlp);
    logctx_otlp_shutdown(otlp, LONG_MS);
    server_free(server);
}

static void test_metrics_are_split(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    opts.metrics_off = false;
    opts.traces_off = true;
    opts.max_request_bytes = 4000;
    logctx_otlp_t *otlp = start(&opts);
    support_contexts("GET /split", 3);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    assert_true(server_count(server) > 1);
    for (int i = 0; i < server_count(server); i++) {
        assert_true(server_request_at(server, i)->length <= 4000);
        assert_int_equal(strncmp(server_request_at(server, i)->head, "POST /v1/metrics", 16), 0);
    }
    logctx_otlp_books_t books = books_of(otlp);
    assert_int_equal(books.taken, 0);
    assert_int_equal(books.points_dropped, 0);
    logctx_otlp_shutdown(otlp, LONG_MS);
    server_free(server);
}

// Several threads, each ending contexts and itself, while others flush.
static void *busy_thread(void *argument)
{
    (void)argument;
    support_contexts("GET /threads", 100);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    opts.max_batch = 64;
    logctx_otlp_t *otlp = start(&opts);
    for (int round = 0; round < 5; round++) {
        pthread_t threads[8];
        for (int i = 0; i < 8; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, busy_thread, NULL), 0);
        }
        assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
        for (int i = 0; i < 8; i++) {
            pthread_join(threads[i], NULL);
        }
    }
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    logctx_otlp_books_t books = books_of(otlp);
    assert_int_equal(books.exported, 4000);
    assert_balanced(otlp);
    logctx_otlp_shutdown(otlp, LONG_MS);
    server_free(server);
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    logctx_otlp_t *otlp = start(&opts);
    logctx_otlp_t *second = NULL;
    assert_int_equal(logctx_otlp_start(&opts, &second), LOGCTX_E_STATE);
    assert_null(second);
    assert_int_equal(logctx_otlp_shutdown(otlp, LONG_MS), LOGCTX_OK);
    otlp = start(&opts);
    assert_int_equal(logctx_otlp_shutdown(otlp, LONG_MS), LOGCTX_OK);
    assert_int_equal(logctx_otlp_shutdown(NULL, LONG_MS), LOGCTX_OK);
    assert_int_equal(logctx_otlp_flush(NULL, LONG_MS), LOGCTX_E_INVALID);
    server_free(server);
}

int main(void)
{
    // A proxy of the developer's must not come between.
    setenv("no_proxy", "*", 1);
    const struct CMUnitTest tests[] = {
        logctx_unit_test(test_accepted),
        logctx_unit_test(test_plain_body),
        logctx_unit_test(test_retried),
        logctx_unit_test(test_partial),
        logctx_unit_test(test_refused),
        logctx_unit_test(test_large_answer_within_limit),
        logctx_unit_test(test_closed_without_answer),
        logctx_unit_test(test_refused_then_listening),
        logctx_unit_test(test_given_up),
        logctx_unit_test(test_deadlines),
        logctx_unit_test(test_signals_are_independent),
        logctx_unit_test(test_connection_is_kept),
        logctx_unit_test(test_connection_is_not_inherited),
        logctx_unit_test(test_batches),
        logctx_unit_test(test_batch_size_triggers),
        logctx_unit_test(test_queue_full),
        logctx_unit_test(test_large_spans),
        logctx_unit_test(test_metrics_are_split),
        logctx_unit_test(test_threads),
        logctx_unit_test(test_one_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
