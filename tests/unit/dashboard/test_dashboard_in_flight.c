// SPDX-License-Identifier: Apache-2.0
// What is in flight, from the table of a process that is really there: this one. What it says of itself goes over a socket,
// its contexts the dashboard reads where they are. One thread.

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

#include <logctx/logctx.h>
#include <logctx/runtime.h>

#include "client.h"

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

// One value of logctx.context.in_flight of a process, now.
static void send_gauge(const char *service, const char *host, int pid, int value)
{
    char *json = NULL;
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    int length = asprintf(
        &json,
        "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":"
        "\"%s\"}},{\"key\":\"service.instance.id\",\"value\":{\"stringValue\":\"%s-%d\"}},{\"key\":\"host.name\","
        "\"value\":{\"stringValue\":\"%s\"}},{\"key\":\"process.pid\",\"value\":{\"intValue\":\"%d\"}}]},"
        "\"scopeMetrics\":[{\"scope\":{\"name\":\"logctx\"},\"metrics\":[{\"name\":\"logctx.context.in_flight\","
        "\"sum\":{"
        "\"aggregationTemporality\":2,\"dataPoints\":[{\"asInt\":\"%d\",\"startTimeUnixNano\":\"1000\","
        "\"timeUnixNano\":\"%lld000000000\",\"attributes\":[{\"key\":\"logctx.kind\",\"value\":{\"stringValue\":"
        "\"GET /x\"}},{\"key\":\"logctx.type\",\"value\":{\"stringValue\":\"request\"}}]}]}}]}]}]}",
        service, service, pid, host, pid, value, (long long)time.tv_sec);
    assert_true(length > 0);
    int connection = client_connect(&dashboard);
    struct response response = client_post(connection, "/v1/metrics", JSON, json, strlen(json));
    assert_int_equal(response.status, 200);
    response_free(&response);
    close(connection);
    free(json);
}

static json_t *ask(const char *query)
{
    char request[256];
    snprintf(request, sizeof request, "GET /now?window=60%s HTTP/1.1\r\nHost: localhost\r\n\r\n", query);
    struct response response = client_once(&dashboard, request);
    assert_int_equal(response.status, 200);
    json_t *answer = json_loads(response.body, 0, NULL);
    assert_non_null(answer);
    response_free(&response);
    return answer;
}

static const char *text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static int64_t whole(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static logctx_t *make(const char *kind, const char *name)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = name;
    return logctx_new(logctx_kind(kind), &opts);
}

static void end(logctx_t *context)
{
    logctx_finish(context);
    logctx_unref(context);
}

static void test_table(void **state)
{
    (void)state;
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    logctx_set_table_service("tables");
    logctx_t *first = make("GET /slow", "GET-1");
    logctx_t *second = make("GET /<b>", "<script>alert(1)</script>");
    logctx_set_current(second);
    logctx_set_current(logctx_sentinel());
    send_gauge("tables", host, (int)getpid(), 7);
    json_t *answer = ask("");
    const json_t *list = json_object_get(answer, "in_flight");
    assert_string_equal(text(list, "source"), "table");
    assert_true(json_is_null(json_object_get(list, "why")));
    assert_int_equal(whole(list, "total"), 2);
    assert_int_equal(whole(list, "shown"), 2);
    const json_t *row = json_array_get(json_object_get(list, "rows"), 0);
    assert_string_equal(text(row, "name"), "GET-1");
    assert_string_equal(text(row, "kind"), "GET /slow");
    assert_string_equal(text(row, "state"), "new");
    assert_int_equal(whole(row, "pid"), getpid());
    assert_int_equal(strlen(text(row, "trace_id")), 32);
    const json_t *site = json_object_get(row, "site");
    assert_non_null(strstr(text(site, "place"), "test_dashboard_in_flight.c:"));
    assert_string_equal(text(site, "function"), "make");
    row = json_array_get(json_object_get(list, "rows"), 1);
    assert_string_equal(text(row, "name"), "<script>alert(1)</script>");
    assert_string_equal(text(row, "state"), "idle");
    const json_t *tile = json_object_get(json_object_get(answer, "tiles"), "in_flight");
    assert_int_equal(json_number_value(json_object_get(tile, "now")), 2);
    assert_int_equal(whole(json_object_get(tile, "states"), "new"), 1);
    const json_t *service = json_array_get(json_object_get(answer, "services"), 0);
    assert_true(json_is_true(json_object_get(json_array_get(json_object_get(service, "instances"), 0), "local")));
    json_decref(answer);
    // As of an hour ago, what is in flight now tells nothing.
    answer = ask("&to=1764061200");
    assert_string_equal(text(json_object_get(answer, "in_flight"), "source"), "none");
    json_decref(answer);
    end(first);
    end(second);
    answer = ask("");
    assert_int_equal(whole(json_object_get(answer, "in_flight"), "total"), 0);
    assert_string_equal(text(json_object_get(answer, "in_flight"), "source"), "table");
    json_decref(answer);
}

// The numbers of the metrics stand in where nothing can be read, and it is said why.
static void expect_numbers(const char *service, const char *host, int pid)
{
    char query[128];
    send_gauge(service, host, pid, 7);
    snprintf(query, sizeof query, "&service=%s", service);
    json_t *answer = ask(query);
    const json_t *list = json_object_get(answer, "in_flight");
    assert_string_equal(text(list, "source"), "metrics");
    assert_non_null(strstr(text(list, "why"), "another machine"));
    assert_int_equal(whole(list, "total"), 7);
    const json_t *kind = json_array_get(json_object_get(list, "kinds"), 0);
    assert_string_equal(text(kind, "kind"), "GET /x");
    assert_int_equal(whole(kind, "count"), 7);
    const json_t *tile = json_object_get(json_object_get(answer, "tiles"), "in_flight");
    assert_true(json_is_null(json_object_get(tile, "states")));
    const json_t *first = json_array_get(json_object_get(answer, "services"), 0);
    assert_true(json_is_false(json_object_get(json_array_get(json_object_get(first, "instances"), 0), "local")));
    json_decref(answer);
}

static void test_numbers(void **state)
{
    (void)state;
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    logctx_set_table_service("tables");
    logctx_t *context = make("GET /slow", "GET-1");
    // Its table can be read, but another host's process of that number is another process, and so is another service's.
    expect_numbers("tables", "elsewhere.example", (int)getpid());
    expect_numbers("another", host, (int)getpid());
    // A process that has ended.
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    assert_true(waitpid(child, NULL, 0) == child);
    expect_numbers("ended", host, (int)child);
    // One that has no table: the dashboard itself.
    expect_numbers("dashboards", host, (int)dashboard.pid);
    end(context);
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(test_table),
        SERVED(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
