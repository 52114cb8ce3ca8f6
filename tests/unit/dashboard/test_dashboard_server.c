// SPDX-License-Identifier: Apache-2.0
// The program itself, over sockets: every answer, many senders at once, and both ways to end. One thread here; the
// senders that have to be concurrent are processes.

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "client.h"
#include "google/rpc/status.pb-c.h"
#include "sample.h"
#include "schema.h"

#define JSON "Content-Type: application/json\r\n"
#define PROTOBUF "Content-Type: application/x-protobuf\r\n"
#define GZIP "Content-Encoding: gzip\r\n"

static struct dashboard dashboard;

static int start(void **state)
{
    (void)state;
    dashboard_start(&dashboard, (const char *[]){"--max-body", "100000", "--allow-host", "collector", NULL});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    int status = dashboard_stop(&dashboard, SIGTERM);
    dashboard_remove(&dashboard);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

// How many rows the store has, as another process sees it.
static int64_t stored(const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(dashboard.db, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    int64_t number = schema_number(db, sql);
    sqlite3_close(db);
    return number;
}

static void *gzip(const void *bytes, size_t length, size_t *packed)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&stream, length);
    void *out = malloc(room);
    assert_non_null(out);
    stream.next_in = (z_const Bytef *)bytes;
    stream.avail_in = (uInt)length;
    stream.next_out = out;
    stream.avail_out = (uInt)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    *packed = room - stream.avail_out;
    deflateEnd(&stream);
    return out;
}

static void expect(struct response response, int status, const char *type, const char *words)
{
    if (response.status != status)
        fail_msg("%d instead of %d: %s", response.status, status, response.body);
    assert_string_equal(response_header(&response, "Content-Type"), type);
    if (words != NULL && memmem(response.body, response.length, words, strlen(words)) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", response.body, words);
    response_free(&response);
}

static void test_good_requests(void **state)
{
    (void)state;
    int connection = client_connect(&dashboard);
    char *traces = sample_traces(0, 20);
    char *counter = sample_counter("requests", 7, 100);
    size_t length;
    sample_span_t span = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__INIT;
    span.name = (char *)"packed";
    uint8_t *packed = sample_pack(&span, &length);
    size_t zipped_length;
    void *zipped = gzip(packed, length, &zipped_length);
    // All on one connection: each answer leaves it usable.
    expect(client_post(connection, "/v1/traces", JSON, traces, strlen(traces)), 200, "application/json", "{}");
    expect(client_post(connection, "/v1/metrics", JSON, counter, strlen(counter)), 200, "application/json", "{}");
    expect(client_post(connection, "/v1/traces", PROTOBUF GZIP, zipped, zipped_length), 200, "application/x-protobuf",
           NULL);
    expect(client_post(connection, "/v1/traces", PROTOBUF "Content-Encoding: none\r\n", packed, length), 200,
           "application/x-protobuf", NULL);
    expect(client_post(connection, "/v1/metrics", PROTOBUF, "", 0), 200, "application/x-protobuf", NULL);
    close(connection);
    assert_int_equal(stored("SELECT count(*) FROM span"), 21);
    assert_int_equal(stored("SELECT count(*) FROM point"), 1);
    free(zipped);
    free(packed);
    free(counter);
    free(traces);
}

static void test_pages(void **state)
{
    (void)state;
    expect(client_once(&dashboard, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200, "text/plain; charset=utf-8",
           "--summary");
    expect(client_once(&dashboard, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:4318\r\n\r\n"), 200,
           "text/plain; charset=utf-8", "ok");
    struct response response = client_once(&dashboard, "DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_string_equal(response_header(&response, "Allow"), "GET, HEAD");
    expect(response, 405, "text/plain; charset=utf-8", NULL);
}

static void test_wrong_requests(void **state)
{
    (void)state;
    int connection = client_connect(&dashboard);
    expect(client_post(connection, "/v1/logs", JSON, "{}", 2), 404, "application/json", "logs");
    expect(client_post(connection, "/v1/traces/", JSON, "{}", 2), 404, "application/json", "GET /");
    expect(client_post(connection, "/v1/traces", "Content-Type: text/plain\r\n", "{}", 2), 415,
           "text/plain; charset=utf-8", "application/x-protobuf");
    expect(client_post(connection, "/v1/traces", "", "{}", 2), 415, "text/plain; charset=utf-8", NULL);
    expect(client_post(connection, "/v1/traces", JSON "Content-Encoding: br\r\n", "{}", 2), 415, "application/json",
           "br");
    expect(client_post(connection, "/v1/traces", JSON, "{\"resourceSpans\":7}", 19), 400, "application/json",
           "resourceSpans");
    expect(client_post(connection, "/v1/traces", JSON, "", 0), 400, "application/json", NULL);
    expect(client_post(connection, "/v1/traces", JSON GZIP, "{}", 2), 400, "application/json", "gzip");
    close(connection);
    struct response response = client_once(&dashboard, "GET /v1/traces HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_string_equal(response_header(&response, "Allow"), "POST");
    expect(response, 405, "text/plain; charset=utf-8", "POST");
    response = client_once(&dashboard, "OPTIONS /v1/traces HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(response, 405, "text/plain; charset=utf-8", NULL);
    response = client_once(&dashboard, "OPTIONS /v1/traces HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil\r\n\r\n");
    assert_null(response_header(&response, "Access-Control-Allow-Origin"));
    expect(response, 403, "text/plain; charset=utf-8", NULL);
}

static void test_error_in_protobuf(void **state)
{
    (void)state;
    int connection = client_connect(&dashboard);
    struct response response = client_post(connection, "/v1/traces", PROTOBUF, "\x0a\x7f", 2);
    Google__Rpc__Status *status = google__rpc__status__unpack(NULL, response.length, (uint8_t *)response.body);
    assert_non_null(status);
    assert_int_equal(status->code, 3);
    assert_true(strlen(status->message) > 20);
    google__rpc__status__free_unpacked(status, NULL);
    expect(response, 400, "application/x-protobuf", NULL);
    close(connection);
}

static void test_partial_success(void **state)
{
    (void)state;
    int connection = client_connect(&dashboard);
    static const char json[] = "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"no ids\"}]}]}]}";
    expect(client_post(connection, "/v1/traces", JSON, json, strlen(json)), 200, "application/json",
           "{\"partialSuccess\":{\"rejectedSpans\":\"1\",\"errorMessage\":\"1 span was refused");
    close(connection);
}

static void test_hosts(void **state)
{
    (void)state;
    expect(client_once(&dashboard, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 403, "text/plain; charset=utf-8",
           "evil.example");
    expect(client_once(&dashboard,
                       "POST /v1/traces HTTP/1.1\r\nHost: evil.example:4318\r\n" JSON "Content-Length: 2\r\n\r\n{}"),
           403, "application/json", "--allow-host");
    expect(client_once(&dashboard, "GET /healthz HTTP/1.1\r\nHost: collector:4318\r\n\r\n"), 200,
           "text/plain; charset=utf-8", NULL);
}

static void test_sizes(void **state)
{
    (void)state;
    static char large[150000];
    memset(large, ' ', sizeof large);
    int connection = client_connect(&dashboard);
    // Too much is read to its end and refused, and the connection lives on; just enough is taken.
    expect(client_post(connection, "/v1/traces", JSON, large, sizeof large), 413, "application/json", "--max-body");
    large[0] = '{';
    large[1] = '}';
    expect(client_post(connection, "/v1/traces", JSON, large, 100000), 200, "application/json", NULL);
    expect(client_post(connection, "/v1/traces", JSON, large, 100001), 413, "application/json", NULL);
    close(connection);
    // In chunks nothing announces the size.
    connection = client_connect(&dashboard);
    static const char head[] = "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n" JSON
                               "Transfer-Encoding: chunked\r\n\r\n";
    client_send(connection, head, strlen(head));
    for (int i = 0; i < 2; i++) {
        client_send(connection, "c350\r\n", 6);
        client_send(connection, large, 50000);
        client_send(connection, "\r\n", 2);
    }
    client_send(connection, "1\r\n \r\n0\r\n\r\n", 11);
    struct response response;
    assert_true(client_read(connection, &response));
    expect(response, 413, "application/json", NULL);
    close(connection);
    // Who asks first, or announces far too much, is told at once.
    expect(client_once(&dashboard, "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n" JSON
                                   "Content-Length: 150000\r\nExpect: 100-continue\r\n\r\n"),
           413, "application/json", NULL);
    expect(client_once(&dashboard,
                       "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n" JSON "Content-Length: 99999999999\r\n\r\n"),
           413, "application/json", NULL);
}

static void test_bomb(void **state)
{
    (void)state;
    size_t length = 80 << 20;
    size_t packed;
    void *zeros = calloc(1, length);
    assert_non_null(zeros);
    void *bomb = gzip(zeros, length, &packed);
    assert_true(packed < 100000);
    int connection = client_connect(&dashboard);
    expect(client_post(connection, "/v1/traces", PROTOBUF GZIP, bomb, packed), 413, "application/x-protobuf",
           "inflating");
    expect(client_post(connection, "/v1/traces", PROTOBUF GZIP, bomb, packed / 2), 413, "application/x-protobuf", NULL);
    close(connection);
    free(bomb);
    free(zeros);
}

static void test_rude_clients(void **state)
{
    (void)state;
    static const char *const starts[] = {
        "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n" JSON "Content-Length: 1000\r\n\r\n{",
        "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n" JSON "Transfer-Encoding: chunked\r\n\r\nzzz\r\n",
        "\x16\x03\x01\x02",
        "GET",
        "",
    };
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        int connection = client_connect(&dashboard);
        client_send(connection, starts[i], strlen(starts[i]));
        close(connection);
    }
    expect(client_once(&dashboard, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200,
           "text/plain; charset=utf-8", "ok");
}

// Each sender is a process that posts its own spans and fails if an answer is not 200.
static void send_batches(int sender, int batches, int size)
{
    int connection = client_connect(&dashboard);
    for (int i = 0; i < batches; i++) {
        char *json = sample_traces((sender * batches + i) * size, size);
        struct response response = client_post(connection, "/v1/traces", JSON, json, strlen(json));
        if (response.status != 200)
            _exit(1);
        response_free(&response);
        free(json);
    }
    close(connection);
    _exit(0);
}

static void test_many_senders(void **state)
{
    (void)state;
    enum { SENDERS = 8, BATCHES = 20, SIZE = 50 };
    for (int i = 0; i < SENDERS; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            send_batches(i, BATCHES, SIZE);
    }
    for (int i = 0; i < SENDERS; i++) {
        int status;
        assert_true(waitpid(-1, &status, 0) > 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_int_equal(stored("SELECT count(*) FROM span"), SENDERS * BATCHES * SIZE);
    assert_int_equal(stored("SELECT value FROM counter WHERE name = 'spans received'"), SENDERS * BATCHES * SIZE);
}

// What was answered with 200 is there, even if the program is killed at that moment.
static void test_kill(void **state)
{
    (void)state;
    int connection = client_connect(&dashboard);
    char *json = sample_traces(0, 100);
    expect(client_post(connection, "/v1/traces", JSON, json, strlen(json)), 200, "application/json", NULL);
    int status = dashboard_stop(&dashboard, SIGKILL);
    assert_true(WIFSIGNALED(status));
    close(connection);
    dashboard_restart(&dashboard, NULL);
    assert_int_equal(stored("SELECT count(*) FROM span"), 100);
    // And the sender that did not hear the answer may send it again.
    connection = client_connect(&dashboard);
    expect(client_post(connection, "/v1/traces", JSON, json, strlen(json)), 200, "application/json", NULL);
    close(connection);
    assert_int_equal(stored("SELECT count(*) FROM span"), 100);
    free(json);
}

static void test_end(void **state)
{
    (void)state;
    struct stat status;
    char log[128];
    int connection = client_connect(&dashboard);
    char *json = sample_traces(0, 10);
    expect(client_post(connection, "/v1/traces", JSON, json, strlen(json)), 200, "application/json", NULL);
    snprintf(log, sizeof log, "%s-wal", dashboard.db);
    assert_int_equal(stat(log, &status), 0);
    int ended = dashboard_stop(&dashboard, SIGINT);
    assert_true(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
    // Everything is in the one file, which only its owner can read.
    assert_int_not_equal(stat(log, &status), 0);
    assert_int_equal(stat(dashboard.db, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    close(connection);
    dashboard_restart(&dashboard, NULL);
    assert_int_equal(stored("SELECT count(*) FROM span"), 10);
    free(json);
}

static void test_address_in_use(void **state)
{
    (void)state;
    char command[512];
    char line[512] = "";
    snprintf(command, sizeof command, "%s --listen 127.0.0.1:%d --db '%s.other' 2>&1", DASHBOARD, dashboard.port,
             dashboard.db);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    assert_non_null(fgets(line, sizeof line, out));
    assert_int_equal(WEXITSTATUS(pclose(out)), 1);
    assert_non_null(strstr(line, "--listen"));
}

static void test_summary_option(void **state)
{
    (void)state;
    char command[512];
    char text[200] = "";
    snprintf(command, sizeof command, "%s --summary '%s'", DASHBOARD, dashboard.db);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    assert_true(fread(text, 1, sizeof text - 1, out) > 0);
    while (fgetc(out) != EOF)
        continue;
    assert_int_equal(pclose(out), 0);
    assert_non_null(strstr(text, "logctx-dashboard"));
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(test_good_requests),
        SERVED(test_pages),
        SERVED(test_wrong_requests),
        SERVED(test_error_in_protobuf),
        SERVED(test_partial_success),
        SERVED(test_hosts),
        SERVED(test_sizes),
        SERVED(test_bomb),
        SERVED(test_rude_clients),
        SERVED(test_many_senders),
        SERVED(test_kill),
        SERVED(test_end),
        SERVED(test_address_in_use),
        SERVED(test_summary_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
