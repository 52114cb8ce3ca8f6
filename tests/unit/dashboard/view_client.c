// SPDX-License-Identifier: Apache-2.0
// Helpers of view_client.h. One thread.

#include "view_client.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TEXTS = 16, TEXT_SIZE = 16384 };

static char *next_text(void)
{
    static char texts[TEXTS][TEXT_SIZE];
    static int next;
    return texts[next++ % TEXTS];
}

const char *views_nano(long microseconds)
{
    char *text = next_text();
    snprintf(text, TEXT_SIZE, "\"%lld\"", (long long)(VIEWS_EPOCH * 1000000LL + microseconds) * 1000);
    return text;
}

// As JSON writes it, with its quotes.
static void quote(const char *value, char *out, size_t size)
{
    json_t *string = json_string(value);
    char *text = json_dumps(string, JSON_ENCODE_ANY);
    assert_non_null(text);
    snprintf(out, size, "%s", text);
    free(text);
    json_decref(string);
}

const char *views_text(const char *key, const char *value)
{
    static char quoted[TEXT_SIZE - 128];
    char *text = next_text();
    quote(value, quoted, sizeof quoted);
    snprintf(text, TEXT_SIZE, "{\"key\":\"%s\",\"value\":{\"stringValue\":%s}}", key, quoted);
    return text;
}

const char *views_number(const char *key, double value)
{
    char *text = next_text();
    if (value == floor(value))
        snprintf(text, TEXT_SIZE, "{\"key\":\"%s\",\"value\":{\"intValue\":\"%.0f\"}}", key, value);
    else
        snprintf(text, TEXT_SIZE, "{\"key\":\"%s\",\"value\":{\"doubleValue\":%.9g}}", key, value);
    return text;
}

static void put_resource(FILE *out, const char *service, const char *instance)
{
    fprintf(out, "{\"resource\":{\"attributes\":[%s,%s]},", views_text("service.name", service),
            views_text("service.instance.id", instance));
}

void views_begin(struct sending *sending, const char *service, const char *instance, const char *scope)
{
    *sending = (struct sending){.json = NULL};
    sending->out = open_memstream(&sending->json, &sending->size);
    assert_non_null(sending->out);
    fprintf(sending->out, "{\"resourceSpans\":[");
    put_resource(sending->out, service, instance);
    fprintf(sending->out, "\"scopeSpans\":[{\"scope\":{\"name\":\"%s\"},\"spans\":[", scope);
}

static const char *or_nothing(const char *text)
{
    return text != NULL ? text : "";
}

void views_span(struct sending *sending, const struct sent_span *span)
{
    char name[4096];
    quote(span->name, name, sizeof name);
    fprintf(sending->out,
            "%s{\"traceId\":\"%s\",\"spanId\":\"%s\",\"parentSpanId\":\"%s\",\"name\":%s,\"kind\":%d,"
            "\"startTimeUnixNano\":%s,\"endTimeUnixNano\":%s,\"status\":{\"code\":%d},\"attributes\":[%s],"
            "\"events\":[%s],\"links\":[%s]}",
            sending->spans++ > 0 ? "," : "", span->trace, span->span, or_nothing(span->parent), name, span->kind,
            views_nano(span->start), views_nano(span->end), span->status, or_nothing(span->attributes),
            or_nothing(span->events), or_nothing(span->links));
}

static void post(const struct dashboard *dashboard, const char *path, const char *json)
{
    int connection = client_connect(dashboard);
    struct response response = client_post(connection, path, "Content-Type: application/json\r\n", json, strlen(json));
    if (response.status != 200 || strcmp(response.body, "{}") != 0)
        fail_msg("%s: %d %s: %s", path, response.status, response.body, json);
    response_free(&response);
    close(connection);
}

void views_send(struct sending *sending, const struct dashboard *dashboard)
{
    fprintf(sending->out, "]}]}]}");
    fclose(sending->out);
    post(dashboard, "/v1/traces", sending->json);
    free(sending->json);
}

void views_send_counter(const struct dashboard *dashboard, const char *service, const char *instance, const char *name,
                        const char *attributes, double value, long time)
{
    char *json = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&json, &size);
    assert_non_null(out);
    fprintf(out, "{\"resourceMetrics\":[");
    put_resource(out, service, instance);
    fprintf(
        out,
        "\"scopeMetrics\":[{\"scope\":{\"name\":\"logctx\"},\"metrics\":[{\"name\":\"%s\",\"sum\":{"
        "\"aggregationTemporality\":2,\"isMonotonic\":true,\"dataPoints\":[{\"asDouble\":%.9g,\"startTimeUnixNano\":%s,"
        "\"timeUnixNano\":%s,\"attributes\":[%s]}]}}]}]}]}",
        name, value, views_nano(-3600L * 1000000), views_nano(time), attributes);
    fclose(out);
    post(dashboard, "/v1/metrics", json);
    free(json);
}

json_t *views_get(const struct dashboard *dashboard, const char *path, int status)
{
    char request[1024];
    json_error_t error;
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n", path);
    struct response response = client_once(dashboard, request);
    if (response.status != status)
        fail_msg("%s: %d instead of %d: %s", path, response.status, status, response.body);
    assert_string_equal(response_header(&response, "Content-Type"), "application/json");
    json_t *value = json_loads(response.body, JSON_REJECT_DUPLICATES, &error);
    if (value == NULL)
        fail_msg("%s: %s: %s", path, error.text, response.body);
    response_free(&response);
    return value;
}

json_t *views_at(json_t *value, const char *way)
{
    char part[128];
    json_t *at = value;
    for (const char *next = way; *next != '\0';) {
        size_t length = strcspn(next, ".");
        snprintf(part, sizeof part, "%.*s", (int)length, next);
        at = json_is_array(at) ? json_array_get(at, (size_t)strtoul(part, NULL, 10)) : json_object_get(at, part);
        if (at == NULL)
            fail_msg("there is no %s (looking for %s)", part, way);
        next += length + (next[length] == '.');
    }
    return at;
}

const char *views_string(json_t *value, const char *way)
{
    json_t *at = views_at(value, way);
    if (!json_is_string(at))
        fail_msg("%s is no text", way);
    return json_string_value(at);
}

double views_real(json_t *value, const char *way)
{
    json_t *at = views_at(value, way);
    if (!json_is_number(at))
        fail_msg("%s is no number", way);
    return json_number_value(at);
}

void views_expect_text(json_t *value, const char *way, const char *expected)
{
    if (strcmp(views_string(value, way), expected) != 0)
        fail_msg("%s is \"%s\" instead of \"%s\"", way, views_string(value, way), expected);
}

void views_expect_null(json_t *value, const char *way)
{
    if (!json_is_null(views_at(value, way)))
        fail_msg("%s is something", way);
}

void views_expect_near(json_t *value, const char *way, double expected)
{
    double found = views_real(value, way);
    if (!(fabs(found - expected) <= 1e-6 * (1 + fabs(expected) * 1e-6)))
        fail_msg("%s is %.9g instead of %.9g", way, found, expected);
}

void views_expect_count(json_t *value, const char *way, size_t expected)
{
    size_t found = json_array_size(views_at(value, way));
    if (found != expected)
        fail_msg("%s has %zu entries instead of %zu", way, found, expected);
}
