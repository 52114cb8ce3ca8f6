// SPDX-License-Identifier: Apache-2.0
// Server-sent events over sockets: what comes, that it is what was sent meanwhile, who is dropped, and the end. One thread.

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "client.h"
#include "live.h"
#include "sample.h"

#define JSON "Content-Type: application/json\r\n"
#define ASK "GET /live?window=60 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"

static struct dashboard dashboard;

static int start(void **state)
{
    (void)state;
    dashboard_start(&dashboard, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    int status = dashboard.pid != 0 ? dashboard_stop(&dashboard, SIGTERM) : 0;
    dashboard_remove(&dashboard);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

// A stream of events: the bytes that came, taken out of their chunks.
struct stream {
    int connection;
    char *bytes;
    size_t length;
};

static int read_byte(int connection)
{
    unsigned char byte;
    return recv(connection, &byte, 1, 0) == 1 ? byte : -1;
}

// False: the end, which is a chunk of no bytes or that of the connection.
static bool read_chunk(struct stream *stream)
{
    char line[32] = "";
    for (size_t i = 0; i + 1 < sizeof line && (i == 0 || line[i - 1] != '\n'); i++) {
        int byte = read_byte(stream->connection);
        if (byte < 0)
            return false;
        line[i] = (char)byte;
    }
    size_t size = strtoul(line, NULL, 16);
    stream->bytes = realloc(stream->bytes, stream->length + size + 1);
    assert_non_null(stream->bytes);
    for (size_t i = 0; i < size; i++) {
        int byte = read_byte(stream->connection);
        if (byte < 0)
            return false;
        stream->bytes[stream->length++] = (char)byte;
    }
    stream->bytes[stream->length] = '\0';
    assert_int_equal(read_byte(stream->connection), '\r');
    assert_int_equal(read_byte(stream->connection), '\n');
    return size > 0;
}

static struct stream follow(int status)
{
    struct stream stream = {.connection = client_connect(&dashboard)};
    struct response response;
    client_send(stream.connection, ASK, strlen(ASK));
    assert_true(client_read(stream.connection, &response));
    assert_int_equal(response.status, status);
    if (status == 200) {
        assert_string_equal(response_header(&response, "Content-Type"), "text/event-stream");
        assert_string_equal(response_header(&response, "Cache-Control"), "no-store");
    }
    response_free(&response);
    return stream;
}

static void leave(struct stream *stream)
{
    close(stream->connection);
    free(stream->bytes);
}

// The next event of that name; others are passed over.
static json_t *next(struct stream *stream, const char *name)
{
    char head[64];
    snprintf(head, sizeof head, "event: %s\ndata: ", name);
    for (;;) {
        char *end = stream->length > 0 ? strstr(stream->bytes, "\n\n") : NULL;
        if (end == NULL) {
            if (!read_chunk(stream))
                fail_msg("the stream ended before an event %s came", name);
            continue;
        }
        *end = '\0';
        json_t *data = NULL;
        if (strncmp(stream->bytes, head, strlen(head)) == 0) {
            data = json_loads(stream->bytes + strlen(head), 0, NULL);
            assert_non_null(data);
        }
        stream->length -= (size_t)(end + 2 - stream->bytes);
        memmove(stream->bytes, end + 2, stream->length + 1);
        if (data != NULL)
            return data;
    }
}

static void send_traces(int first, int count)
{
    char *json = sample_traces(first, count);
    int connection = client_connect(&dashboard);
    struct response response = client_post(connection, "/v1/traces", JSON, json, strlen(json));
    assert_int_equal(response.status, 200);
    response_free(&response);
    close(connection);
    free(json);
}

static int64_t number(const json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return json_integer_value(json_object_get(object, key));
}

static void test_events(void **state)
{
    (void)state;
    send_traces(0, 5);
    struct stream stream = follow(200);
    json_t *event = next(&stream, "now");
    assert_int_equal(json_array_size(json_object_get(event, "times")), 3);
    assert_string_equal(json_string_value(json_object_get(event, "service")), "demo");
    assert_int_equal(number(json_object_get(event, "store"), "contexts"), 5);
    json_t *tile = json_object_get(json_object_get(event, "tiles"), "contexts");
    assert_int_equal(json_array_size(json_object_get(tile, "values")), 3);
    json_decref(event);
    // What was there before is no news; what comes now is, in one event or in several.
    send_traces(5, 7);
    int64_t added = 0;
    int64_t newest = 0;
    while (added < 7) {
        event = next(&stream, "contexts");
        added += number(event, "added");
        newest = number(event, "newest");
        json_decref(event);
    }
    assert_int_equal(added, 7);
    assert_int_equal(newest, 12);
    event = next(&stream, "now");
    assert_int_equal(number(json_object_get(event, "store"), "contexts"), 12);
    json_decref(event);
    leave(&stream);
}

// A transition error at this very second, as an event of a span.
static void send_error(int id)
{
    char *json = NULL;
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    long long now = (long long)time.tv_sec;
    assert_true(asprintf(&json,
                         "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{"
                         "\"stringValue\":\"demo\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"logctx\"},\"spans\":[{"
                         "\"traceId\":\"%032x\",\"spanId\":\"%016x\",\"name\":\"GET /x\",\"startTimeUnixNano\":"
                         "\"%lld000000000\",\"endTimeUnixNano\":\"%lld000000001\",\"events\":[{\"name\":"
                         "\"logctx.transition_error\",\"timeUnixNano\":\"%lld000000000\",\"attributes\":[{\"key\":"
                         "\"logctx.error.kind\",\"value\":{\"stringValue\":\"context_lost\"}}]}]}]}]}]}",
                         id, id, now, now, now) > 0);
    int connection = client_connect(&dashboard);
    struct response response = client_post(connection, "/v1/traces", JSON, json, strlen(json));
    assert_int_equal(response.status, 200);
    response_free(&response);
    close(connection);
    free(json);
}

static void test_losses(void **state)
{
    (void)state;
    send_error(1);
    struct stream stream = follow(200);
    json_t *event = next(&stream, "now");
    assert_int_equal(number(json_object_get(event, "losses"), "total"), 1);
    json_decref(event);
    send_error(2);
    event = next(&stream, "losses");
    assert_int_equal(number(event, "total"), 2);
    assert_int_equal(number(event, "last_minute"), 2);
    json_decref(event);
    leave(&stream);
}

// The counter of an error that no program should make, with one of them, as of now.
static void send_count(void)
{
    char *json = NULL;
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    assert_true(
        asprintf(&json,
                 "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{"
                 "\"stringValue\":\"demo\"}}]},\"scopeMetrics\":[{\"scope\":{\"name\":\"logctx\"},\"metrics\":[{"
                 "\"name\":\"logctx.transition.errors\",\"sum\":{\"aggregationTemporality\":2,\"isMonotonic\":true,"
                 "\"dataPoints\":[{\"asInt\":\"1\",\"startTimeUnixNano\":\"%lld000000000\",\"timeUnixNano\":"
                 "\"%lld%09ld\",\"attributes\":[{\"key\":\"logctx.error.kind\",\"value\":{\"stringValue\":"
                 "\"restarted_finished\"}}]}]}}]}]}]}",
                 (long long)time.tv_sec - 9, (long long)time.tv_sec, time.tv_nsec) > 0);
    int connection = client_connect(&dashboard);
    struct response response = client_post(connection, "/v1/metrics", JSON, json, strlen(json));
    assert_int_equal(response.status, 200);
    response_free(&response);
    close(connection);
    free(json);
}

static void test_alerts(void **state)
{
    (void)state;
    send_traces(0, 1);
    struct stream stream = follow(200);
    json_t *event = next(&stream, "now");
    json_t *alerts = json_object_get(event, "alerts");
    assert_int_equal(json_array_size(json_object_get(alerts, "rules")), 0);
    assert_int_equal(number(alerts, "quiet"), 0); // nothing is known: no metrics have come
    json_decref(event);
    send_count();
    event = next(&stream, "alerts");
    size_t i;
    json_t *rule;
    int firing = 0;
    json_array_foreach(json_object_get(event, "rules"), i, rule)
    {
        if (strcmp(json_string_value(json_object_get(rule, "state")), "firing") != 0)
            continue;
        firing++;
        assert_string_equal(json_string_value(json_object_get(rule, "id")), "context_restarted");
    }
    assert_int_equal(firing, 1);
    json_decref(event);
    event = next(&stream, "now");
    rule = json_array_get(json_object_get(json_object_get(event, "alerts"), "rules"), 0);
    assert_string_equal(json_string_value(json_object_get(rule, "alert")), "LogctxContextRestarted");
    json_decref(event);
    leave(&stream);
}

static void test_too_many(void **state)
{
    (void)state;
    struct stream streams[LIVE_CLIENTS_MAX];
    for (int i = 0; i < LIVE_CLIENTS_MAX; i++)
        streams[i] = follow(200);
    for (int i = 0; i < LIVE_CLIENTS_MAX; i++)
        json_decref(next(&streams[i], "now"));
    struct stream refused = follow(503);
    leave(&refused);
    // Whoever leaves makes room, as soon as the next event finds out.
    leave(&streams[0]);
    json_decref(next(&streams[1], "now"));
    json_decref(next(&streams[1], "now"));
    json_decref(next(&streams[1], "now"));
    streams[0] = follow(200);
    json_decref(next(&streams[0], "now"));
    for (int i = 0; i < LIVE_CLIENTS_MAX; i++)
        leave(&streams[i]);
}

static void test_end(void **state)
{
    (void)state;
    struct stream stream = follow(200);
    json_decref(next(&stream, "now"));
    int status = dashboard_stop(&dashboard, SIGTERM);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    while (read_chunk(&stream))
        continue;
    leave(&stream);
}

static void test_refused(void **state)
{
    (void)state;
    struct response response = client_once(&dashboard, "GET /live?q=x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_int_equal(response.status, 400);
    assert_non_null(strstr(response.body, "{\"error\":"));
    response_free(&response);
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(test_events),   SERVED(test_losses), SERVED(test_alerts),
        SERVED(test_too_many), SERVED(test_end),    SERVED(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
