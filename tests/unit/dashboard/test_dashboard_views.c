// SPDX-License-Identifier: Apache-2.0
// The views over sockets: what they answer is what was sent. One thread.

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "client.h"
#include "page.h"
#include "sample.h"
#include "schema.h"

#define JSON "Content-Type: application/json\r\n"

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
    int status = dashboard_stop(&dashboard, SIGTERM);
    dashboard_remove(&dashboard);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static struct response get(const char *target, const char *headers)
{
    char request[2048];
    assert_true(snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", target, headers) <
                (int)sizeof request);
    return client_once(&dashboard, request);
}

// The JSON of a view; asserts the status.
static json_t *ask(const char *target, int status)
{
    struct response response = get(target, "Accept: application/json\r\n");
    if (response.status != status)
        fail_msg("%s: %d instead of %d: %s", target, response.status, status, response.body);
    assert_string_equal(response_header(&response, "Content-Type"), "application/json");
    assert_string_equal(response_header(&response, "Cache-Control"), "no-store");
    json_t *answer = json_loads(response.body, 0, NULL);
    assert_non_null(answer);
    response_free(&response);
    return answer;
}

// The member at a path such as "store/contexts" or "rows/0/name".
static json_t *at(json_t *value, const char *path)
{
    char part[64];
    for (const char *next = path; *next != '\0'; next += *next == '/') {
        size_t length = strcspn(next, "/");
        snprintf(part, sizeof part, "%.*s", (int)length, next);
        value = json_is_array(value) ? json_array_get(value, (size_t)strtoul(part, NULL, 10))
                                     : json_object_get(value, part);
        next += length;
    }
    if (value == NULL)
        fail_msg("there is no %s", path);
    return value;
}

static double number(json_t *value, const char *path)
{
    return json_number_value(at(value, path));
}

static const char *text(json_t *value, const char *path)
{
    return json_string_value(at(value, path));
}

static void send_json(const char *path, char *json)
{
    int connection = client_connect(&dashboard);
    struct response response = client_post(connection, path, JSON, json, strlen(json));
    if (response.status != 200)
        fail_msg("%d: %s", response.status, response.body);
    response_free(&response);
    close(connection);
    free(json);
}

static void test_empty(void **state)
{
    (void)state;
    json_t *answer = ask("/now", 200);
    assert_true(json_is_null(at(answer, "service")));
    assert_int_equal(json_array_size(at(answer, "services")), 0);
    assert_int_equal(number(answer, "store/contexts"), 0);
    assert_true(json_is_null(at(answer, "store/oldest")));
    assert_true(json_is_null(at(answer, "tiles/contexts/now")));
    assert_int_equal(json_array_size(at(answer, "times")), 180);
    assert_string_equal(text(answer, "in_flight/source"), "none");
    json_decref(answer);
    answer = ask("/contexts?window=60", 200);
    assert_int_equal(json_array_size(at(answer, "rows")), 0);
    assert_int_equal(number(answer, "total"), 0);
    json_decref(answer);
}

static void test_negotiation(void **state)
{
    (void)state;
    bool page = page_asset_count > 0;
    struct response response = get("/now", "Accept: text/html,*/*;q=0.8\r\n");
    assert_int_equal(response.status, page ? 200 : 404);
    assert_string_equal(response_header(&response, "Content-Type"),
                        page ? "text/html; charset=utf-8" : "text/plain; charset=utf-8");
    assert_string_equal(response_header(&response, "X-Content-Type-Options"), "nosniff");
    assert_non_null(strstr(response_header(&response, "Content-Security-Policy"), "default-src 'none'"));
    response_free(&response);
    response = get("/now?window=60&format=json", "Accept: text/html\r\n");
    assert_int_equal(response.status, 200);
    assert_string_equal(response_header(&response, "Content-Type"), "application/json");
    response_free(&response);
    response = get("/trace", "Accept: text/html\r\n");
    assert_int_equal(response.status, page ? 200 : 404);
    response_free(&response);
    response = get("/trace", "Accept: application/json\r\n");
    assert_int_equal(response.status, 404);
    response_free(&response);
    response = get("/assets/nothing.js", "");
    assert_int_equal(response.status, 404);
    response_free(&response);
    response = client_once(&dashboard, "POST /now HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}");
    assert_int_equal(response.status, 405);
    response_free(&response);
    response = get("/nowhere", "");
    assert_int_equal(response.status, 404);
    response_free(&response);
}

// The files of the page, if it is compiled in: their bytes, and that a browser need not fetch them twice.
static void test_assets(void **state)
{
    (void)state;
    for (size_t i = 0; i < page_asset_count; i++) {
        const struct asset *asset = &page_assets[i];
        char target[256];
        char known[128];
        snprintf(target, sizeof target, "/assets/%s", asset->name);
        struct response response = get(target, "");
        assert_int_equal(response.status, 200);
        assert_string_equal(response_header(&response, "Content-Type"), asset->type);
        assert_string_equal(response_header(&response, "ETag"), asset->etag);
        assert_int_equal(response.length, asset->length);
        assert_memory_equal(response.body, asset->bytes, asset->length);
        response_free(&response);
        snprintf(known, sizeof known, "If-None-Match: \"x\", %s\r\n", asset->etag);
        response = get(target, known);
        assert_int_equal(response.status, 304);
        assert_int_equal(response.length, 0);
        response_free(&response);
        response = get(target, "If-None-Match: \"x\"\r\n");
        assert_int_equal(response.status, 200);
        response_free(&response);
    }
    struct response response = get("/", "Accept: text/html\r\n");
    assert_int_equal(response.status, page_asset_count > 0 ? 303 : 200);
    response_free(&response);
    response = get("/", "Accept: */*\r\n");
    assert_int_equal(response.status, 200);
    assert_non_null(strstr(response.body, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:"));
    response_free(&response);
}

// What was received is there after a restart, and views tell it.
static void test_restart(void **state)
{
    (void)state;
    send_json("/v1/traces", sample_traces(0, 50));
    assert_int_equal(dashboard_stop(&dashboard, SIGKILL), SIGKILL);
    dashboard_restart(&dashboard, NULL);
    json_t *answer = ask("/contexts?to=60&window=60", 200);
    assert_int_equal(number(answer, "matched"), 50);
    assert_int_equal(number(answer, "store/contexts"), 50);
    assert_int_equal(number(answer, "services/0/contexts"), 50);
    json_decref(answer);
}

// Somebody who reads the store for long, here this process, keeps nothing that is sent from being stored.
static void test_slow_reader(void **state)
{
    (void)state;
    sqlite3 *db = NULL;
    send_json("/v1/traces", sample_traces(0, 10));
    assert_int_equal(sqlite3_open_v2(dashboard.db, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM span", NULL, NULL, NULL), SQLITE_OK);
    for (int i = 1; i <= 20; i++)
        send_json("/v1/traces", sample_traces(i * 100, 100));
    json_t *answer = ask("/contexts?to=60&window=60", 200);
    assert_int_equal(number(answer, "matched"), 2010);
    json_decref(answer);
    assert_int_equal(schema_number(db, "SELECT count(*) FROM span"), 10);
    sqlite3_close(db);
}

static void test_refusals(void **state)
{
    (void)state;
    static const char *const targets[] = {"/now?window=1", "/now?q=x", "/contexts?sort=x", "/contexts?service=%zz"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        json_t *answer = ask(targets[i], 400);
        assert_true(strlen(text(answer, "error")) > 20);
        json_decref(answer);
    }
}

static void test_contexts(void **state)
{
    (void)state;
    // Their times begin with 1970: sample_traces() ends each i at i ms and a half.
    send_json("/v1/traces", sample_traces(0, 50));
    json_t *answer = ask("/contexts?to=60&window=60&limit=10", 200);
    assert_string_equal(text(answer, "service"), "demo");
    assert_int_equal(number(answer, "services/0/contexts"), 50);
    assert_int_equal(number(answer, "matched"), 50);
    assert_int_equal(number(answer, "searched"), 50);
    assert_int_equal(number(answer, "shown"), 10);
    assert_string_equal(text(answer, "rows/0/name"), "GET-49");
    assert_string_equal(text(answer, "rows/9/name"), "GET-40");
    assert_string_equal(text(answer, "rows/0/kind"), "GET /x");
    assert_string_equal(text(answer, "rows/0/trace_id"), "00000000000000000000000000000032");
    assert_true(fabs(number(answer, "rows/0/duration") - 0.0005) < 1e-9);
    assert_true(number(answer, "rows/0/usage/cpu") == 0.001);
    assert_int_equal(number(answer, "kinds/0/count"), 50);
    assert_int_equal(number(answer, "kinds/0/buckets/0"), 50);
    assert_true(fabs(number(answer, "kinds/0/p99") - 0.0005) < 1e-9);
    assert_true(fabs(number(answer, "kinds/0/cpu_each") - 0.001) < 1e-9);
    json_decref(answer);
    answer = ask("/contexts?to=60&window=60&limit=10&offset=45&sort=start&order=asc", 200);
    assert_int_equal(number(answer, "shown"), 5);
    assert_string_equal(text(answer, "rows/0/name"), "GET-45");
    json_decref(answer);
    answer = ask("/contexts?to=60&window=60&q=get-1", 200);
    assert_int_equal(number(answer, "matched"), 11);
    json_decref(answer);
    answer = ask("/contexts?to=60&window=60&attribute=logctx.name=GET-7", 200);
    assert_int_equal(number(answer, "matched"), 1);
    assert_string_equal(text(answer, "rows/0/name"), "GET-7");
    json_decref(answer);
    answer = ask("/contexts?to=60&window=60&q=00000000000000000000000000000003", 200);
    assert_int_equal(number(answer, "matched"), 1);
    assert_string_equal(text(answer, "rows/0/name"), "GET-2");
    json_decref(answer);
    answer = ask("/contexts?to=60&window=60&not_kind=GET%20/x", 200);
    assert_int_equal(number(answer, "matched"), 0);
    assert_int_equal(number(answer, "kinds/0/count"), 50);
    json_decref(answer);
    answer = ask("/contexts?to=60&window=60&service=another", 200);
    assert_int_equal(number(answer, "total"), 0);
    assert_string_equal(text(answer, "services/0/service"), "demo");
    json_decref(answer);
}

// Cumulative numbers become rates: 10 more in 5 s are 2 a second, and nothing where nothing came.
static void test_rates(void **state)
{
    (void)state;
    static const int values[][2] = {{0, 1000}, {10, 1005}, {30, 1010}, {30, 1015}, {5, 1035}, {15, 1040}};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        send_json("/v1/metrics", sample_counter("logctx.context.created", values[i][0], values[i][1]));
    json_t *answer = ask("/now?to=1040&window=60", 200);
    assert_int_equal(number(answer, "step"), 5);
    assert_int_equal(json_array_size(at(answer, "times")), 12);
    assert_int_equal(number(answer, "times/4"), 1005);
    json_t *rates = at(answer, "tiles/contexts/values");
    assert_true(json_is_null(json_array_get(rates, 3)));
    assert_true(fabs(json_number_value(json_array_get(rates, 4)) - 2) < 1e-9);
    assert_true(fabs(json_number_value(json_array_get(rates, 5)) - 4) < 1e-9);
    assert_true(json_number_value(json_array_get(rates, 6)) == 0);
    // Silent for too long, and begun anew: neither a zero nor a spike.
    for (size_t i = 7; i <= 10; i++)
        assert_true(json_is_null(json_array_get(rates, i)));
    assert_true(fabs(json_number_value(json_array_get(rates, 11)) - 2) < 1e-9);
    assert_true(fabs(number(answer, "rate") - 2) < 1e-9);
    assert_true(fabs(number(answer, "tiles/contexts/before") - 2) < 1e-9);
    json_decref(answer);
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(test_empty),  SERVED(test_negotiation), SERVED(test_slow_reader), SERVED(test_refusals),
        SERVED(test_assets), SERVED(test_restart),     SERVED(test_contexts),    SERVED(test_rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
