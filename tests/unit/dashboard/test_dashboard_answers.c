// SPDX-License-Identifier: Apache-2.0
// What views answer, asked without a server: filters, orders and pages of contexts; rates of several instances; the time
// for an answer. One thread.

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "readers.h"
#include "sample.h"
#include "store_read.h"

#define SECOND INT64_C(1000000000)

static char path[64];
static struct store *store;
static sqlite3 *db;

static int start(void **state)
{
    char why[200];
    (void)state;
    strcpy(path, "/tmp/logctx-answers-XXXXXX");
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    store = sample_store(path, NULL);
    return store_read_open(&db, path, why, sizeof why) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    sqlite3_close(db);
    store_close(store);
    return unlink(path);
}

static int64_t in_seconds(int seconds)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (time.tv_sec + seconds) * SECOND + time.tv_nsec;
}

static char *ask_by(const char *url, const char *query, int64_t deadline, bool stopping, struct outcome *outcome)
{
    static const struct view_settings settings = {.address = "127.0.0.1:1"};
    struct params params;
    char why[200] = "";
    const char *rest;
    size_t length;
    const struct view *view = view_find(url, &rest);
    assert_non_null(view);
    if (!params_read(&params, query, view->rules, why, sizeof why))
        fail_msg("%s: %s", query, why);
    atomic_bool flag;
    atomic_init(&flag, stopping);
    struct view_call call = {
        .db = db, .settings = &settings, .params = &params, .rest = rest, .deadline = deadline, .stopping = &flag};
    char *text = view_answer(view, &call, &length);
    *outcome = call.outcome;
    assert_true((text != NULL) == (outcome->status == 200));
    params_free(&params);
    return text;
}

static json_t *ask(const char *url, const char *query)
{
    struct outcome outcome;
    char *text = ask_by(url, query, in_seconds(60), false, &outcome);
    if (text == NULL)
        fail_msg("%s?%s: %u %s", url, query, outcome.status, outcome.sentence);
    json_t *answer = json_loads(text, 0, NULL);
    assert_non_null(answer);
    free(text);
    return answer;
}

// A context, with what the tests look at. Times in milliseconds since 1000 s.
struct span {
    const char *name, *kind, *type;
    int start, length;
    int cpu, wait; // ms; negative: not told
    int status;
    const char *error;
    const char *room; // an attribute
};

static void attribute(FILE *out, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void attribute(FILE *out, const char *key, const char *format, ...)
{
    va_list arguments;
    fprintf(out, ",{\"key\":\"%s\",\"value\":{", key);
    va_start(arguments, format);
    vfprintf(out, format, arguments);
    va_end(arguments);
    fprintf(out, "}}");
}

static void send_span(const struct span *span, int id)
{
    char *json = NULL;
    size_t size;
    FILE *out = open_memstream(&json, &size);
    assert_non_null(out);
    fprintf(
        out,
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":"
        "\"demo\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"logctx\"},\"spans\":[{\"traceId\":\"%032x\",\"spanId\":"
        "\"%016x\",\"name\":\"%s\",\"startTimeUnixNano\":\"%d000000\",\"endTimeUnixNano\":\"%d000000\",\"status\":{"
        "\"code\":%d},\"attributes\":[{\"key\":\"logctx.name\",\"value\":{\"stringValue\":\"%s\"}}",
        id, id, span->kind, 1000000 + span->start, 1000000 + span->start + span->length, span->status, span->name);
    attribute(out, "logctx.type", "\"stringValue\":\"%s\"", span->type);
    attribute(out, "thread.id", "\"intValue\":\"4712\"");
    if (span->cpu >= 0)
        attribute(out, "logctx.cpu.time", "\"doubleValue\":%g", span->cpu / 1e3);
    if (span->wait >= 0)
        attribute(out, "logctx.db.wait_time", "\"doubleValue\":%g", span->wait / 1e3);
    if (span->length == 500)
        attribute(out, "logctx.segments", "\"stringValue\":\"0+100000:run 200000+100000:pool 350000+50000:txn\"");
    if (span->length == 40)
        attribute(out, "logctx.segments", "\"stringValue\":\"0+100000:run or so\"");
    if (span->room != NULL)
        attribute(out, "room", "%s", span->room);
    fprintf(out, "]");
    if (span->error != NULL)
        fprintf(out,
                ",\"events\":[{\"name\":\"logctx.transition_error\",\"timeUnixNano\":\"%d000000\",\"attributes\":[{"
                "\"key\":\"logctx.error.kind\",\"value\":{\"stringValue\":\"%s\"}}]}]",
                1000000 + span->start, span->error);
    fprintf(out, "}]}]}]}");
    fclose(out);
    sample_receive_json(store, SIGNAL_TRACES, json);
}

static const struct span spans[] = {
    {"GET-1", "GET /a", "request", 0, 10, 5, 0, 1, NULL, "\"stringValue\":\"blue / \\\"x\\\"\""},
    {"GET-2", "GET /b", "request", 100, 500, 50, 20, 2, NULL, "\"intValue\":\"7\""},
    {"job-3", "prune", "background", 200, 2000, -1, -1, 0, "leaked_to_loop", NULL},
    {"get-4", "GET /a", "request", 300, 2, 1, 1, 0, "context_lost", "\"boolValue\":true"},
    {"GET-5", "GET /b", "nested", 400, 40, 30, 5, 0, NULL, "\"doubleValue\":0.5"},
};
enum { SPANS = sizeof spans / sizeof spans[0] };

static void send_spans(void)
{
    for (int i = 0; i < SPANS; i++)
        send_span(&spans[i], i + 1);
}

// The names of the rows, in their order, as one text.
static void expect_rows(const char *query, const char *names)
{
    char whole[256];
    char found[256] = "";
    snprintf(whole, sizeof whole, "to=1010&window=60&%s", query);
    json_t *answer = ask("/contexts", whole);
    size_t index;
    const json_t *row;
    json_array_foreach(json_object_get(answer, "rows"), index, row)
    {
        strcat(found, index > 0 ? " " : "");
        strcat(found, json_string_value(json_object_get(row, "name")));
    }
    if (strcmp(found, names) != 0)
        fail_msg("%s: \"%s\" instead of \"%s\"", query, found, names);
    json_decref(answer);
}

static void test_filters(void **state)
{
    (void)state;
    send_spans();
    expect_rows("", "job-3 GET-2 GET-5 get-4 GET-1");
    expect_rows("kind=GET%20/a", "get-4 GET-1");
    expect_rows("kind=GET%20/a&kind=prune", "job-3 get-4 GET-1");
    expect_rows("not_kind=GET%20/a&not_kind=prune", "GET-2 GET-5");
    expect_rows("kind=get%20/a", "");
    expect_rows("type=nested", "GET-5");
    expect_rows("failed=1", "GET-2");
    expect_rows("slipped=1", "job-3 get-4");
    expect_rows("error_kind=context_lost", "get-4");
    expect_rows("error_kind=unheard_of", "");
    expect_rows("min_duration=0.04", "job-3 GET-2 GET-5");
    expect_rows("min_duration=0.04&max_duration=0.5", "GET-2 GET-5");
    // What was not measured is neither small nor large.
    expect_rows("min_cpu=0", "GET-2 GET-5 get-4 GET-1");
    expect_rows("max_cpu=0.005", "get-4 GET-1");
    expect_rows("min_wait=0.005", "GET-2 GET-5");
    expect_rows("q=GeT-", "GET-2 GET-5 get-4 GET-1");
    expect_rows("q=/b", "GET-2 GET-5");
    expect_rows("q=%25", "");
    expect_rows("q=00000000000000000000000000000002", "GET-2");
    expect_rows("q=room=7", "GET-2");
    expect_rows("attribute=room=blue%20/%20%22x%22", "GET-1");
    expect_rows("attribute=room=7", "GET-2");
    expect_rows("attribute=room=true", "get-4");
    expect_rows("attribute=room=0.5", "GET-5");
    expect_rows("attribute=room=7&attribute=thread.id=4712", "GET-2");
    expect_rows("attribute=room=7&attribute=thread.id=1", "");
    expect_rows("attribute=room", "");
    expect_rows("attribute=oom=7", "");
    expect_rows("upto=2", "GET-2 GET-1");
}

static void test_orders(void **state)
{
    (void)state;
    send_spans();
    expect_rows("sort=end&order=asc", "GET-1 get-4 GET-5 GET-2 job-3");
    expect_rows("sort=start", "GET-5 get-4 job-3 GET-2 GET-1");
    expect_rows("sort=duration", "job-3 GET-2 GET-5 GET-1 get-4");
    expect_rows("sort=duration&order=asc", "get-4 GET-1 GET-5 GET-2 job-3");
    // What was not measured is last in both directions.
    expect_rows("sort=cpu", "GET-2 GET-5 GET-1 get-4 job-3");
    expect_rows("sort=cpu&order=asc", "get-4 GET-1 GET-5 GET-2 job-3");
    expect_rows("sort=name&order=asc", "GET-1 GET-2 GET-5 get-4 job-3");
    expect_rows("sort=kind&order=asc", "get-4 GET-1 GET-5 GET-2 job-3");
    expect_rows("sort=errors", "get-4 job-3 GET-5 GET-2 GET-1");
    expect_rows("sort=db_wait&limit=2", "GET-2 GET-5");
    expect_rows("sort=db_wait&limit=2&offset=2", "get-4 GET-1");
    expect_rows("limit=2&offset=4", "GET-1");
    expect_rows("offset=5", "");
}

static void test_rows(void **state)
{
    (void)state;
    send_spans();
    json_t *answer = ask("/contexts", "to=1010&window=60");
    const json_t *row = json_array_get(json_object_get(answer, "rows"), 3);
    assert_string_equal(json_string_value(json_object_get(row, "error")), "context_lost");
    assert_int_equal(json_integer_value(json_object_get(row, "errors")), 1);
    assert_string_equal(json_string_value(json_object_get(row, "thread")), "4712");
    assert_string_equal(json_string_value(json_object_get(row, "span_id")), "0000000000000004");
    assert_true(fabs(json_number_value(json_object_get(row, "start")) - 1000.3) < 1e-6);
    row = json_array_get(json_object_get(answer, "rows"), 0);
    assert_true(json_is_null(json_object_get(json_object_get(row, "usage"), "cpu")));
    row = json_array_get(json_object_get(answer, "rows"), 1);
    const json_t *split = json_object_get(row, "split");
    static const struct {
        const char *state;
        double seconds;
    } parts[] = {{"run", 0.1}, {"pool", 0.1}, {"txn", 0.05}, {"idle", 0.25}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        assert_true(fabs(json_number_value(json_object_get(split, parts[i].state)) - parts[i].seconds) < 1e-6);
    // One that cannot be read, and one that is not there.
    for (size_t i = 2; i < 4; i++)
        assert_true(json_is_null(json_object_get(json_array_get(json_object_get(answer, "rows"), i), "split")));
    assert_int_equal(json_integer_value(json_object_get(answer, "newest")), 5);
    assert_int_equal(json_array_size(json_object_get(answer, "types")), 3);
    assert_int_equal(json_array_size(json_object_get(answer, "error_kinds")), 2);
    // Kinds are told apart by type as well.
    assert_int_equal(json_integer_value(json_object_get(answer, "kinds_total")), 4);
    const json_t *kind = json_array_get(json_object_get(answer, "kinds"), 0);
    assert_string_equal(json_string_value(json_object_get(kind, "kind")), "GET /a");
    assert_int_equal(json_integer_value(json_object_get(kind, "count")), 2);
    assert_true(fabs(json_number_value(json_object_get(kind, "max")) - 0.010) < 1e-6);
    assert_true(fabs(json_number_value(json_object_get(kind, "p50")) - 0.002) < 1e-6);
    const json_t *buckets = json_object_get(kind, "buckets");
    assert_int_equal(json_integer_value(json_array_get(buckets, 1)), 1);
    assert_int_equal(json_integer_value(json_array_get(buckets, 2)), 1);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(answer, "losses"), "total")), 2);
    json_decref(answer);
}

// Pages up to the newest that the first one told: what comes meanwhile moves nothing.
static void test_pages(void **state)
{
    (void)state;
    bool seen[301] = {false};
    sample_receive_json(store, SIGNAL_TRACES, sample_traces(0, 300));
    json_t *answer = ask("/contexts", "to=60&window=60&limit=100");
    int newest = (int)json_integer_value(json_object_get(answer, "newest"));
    json_decref(answer);
    for (int page = 0; page < 3; page++) {
        char query[128];
        sample_receive_json(store, SIGNAL_TRACES, sample_traces(1000 + 10 * page, 10));
        snprintf(query, sizeof query, "to=60&window=60&limit=100&offset=%d&upto=%d", 100 * page, newest);
        answer = ask("/contexts", query);
        assert_int_equal(json_integer_value(json_object_get(answer, "matched")), 300);
        size_t index;
        const json_t *row;
        json_array_foreach(json_object_get(answer, "rows"), index, row)
        {
            int id = (int)json_integer_value(json_object_get(row, "id"));
            assert_in_range(id, 1, 300);
            assert_false(seen[id]);
            seen[id] = true;
        }
        assert_int_equal(index, 100);
        json_decref(answer);
    }
}

// A cumulative counter of one process, at these seconds after 2000.
static void send_count(const char *instance, int second, double value)
{
    char *json = NULL;
    assert_true(
        asprintf(&json,
                 "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{"
                 "\"stringValue\":\"demo\"}},{\"key\":\"service.instance.id\",\"value\":{\"stringValue\":\"%s\"}}]"
                 "},\"scopeMetrics\":[{\"scope\":{\"name\":\"logctx\"},\"metrics\":[{\"name\":"
                 "\"logctx.context.cpu.time\",\"sum\":{\"aggregationTemporality\":2,\"isMonotonic\":true,"
                 "\"dataPoints\":[{\"asDouble\":%g,\"startTimeUnixNano\":\"1900000000000\",\"timeUnixNano\":"
                 "\"%d000000000\",\"attributes\":[{\"key\":\"logctx.kind\",\"value\":{\"stringValue\":\"%s\"}}]}]"
                 "}}]}]}]}",
                 instance, value, 2000 + second, instance) > 0);
    sample_receive_json(store, SIGNAL_METRICS, json);
}

static void expect_values(const json_t *list, const double *values, size_t count)
{
    assert_int_equal(json_array_size(list), count);
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(list, i);
        if (json_is_null(value) != isnan(values[i]) || fabs(json_number_value(value) - values[i]) > 1e-6)
            fail_msg("step %zu: %f instead of %f", i, json_is_null(value) ? NAN : json_number_value(value), values[i]);
    }
}

static void test_instances(void **state)
{
    (void)state;
    // One exports each 10 s, from 0 to 60; the other one each 5 s, and ends at 30.
    for (int second = 0; second <= 60; second += 10)
        send_count("slow", second, second);
    for (int second = 0; second <= 30; second += 5)
        send_count("quick", second, 2 * second);
    json_t *answer = ask("/now", "to=2063&window=60");
    // The last steps end at 60; both count until 30, and the quick one is missed for as long as it might be late.
    static const double sums[12] = {3, 3, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1};
    const json_t *tile = json_object_get(json_object_get(answer, "tiles"), "cpu");
    expect_values(json_object_get(tile, "values"), sums, 12);
    const json_t *kinds = json_object_get(tile, "kinds");
    assert_int_equal(json_array_size(kinds), 2);
    static const double quick[12] = {2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0};
    assert_string_equal(json_string_value(json_object_get(json_array_get(kinds, 0), "kind")), "quick");
    expect_values(json_object_get(json_array_get(kinds, 0), "values"), quick, 12);
    json_decref(answer);
    // At 49, the slow one has told of 40 only, and the quick one is gone.
    answer = ask("/now", "to=2049&window=60");
    static const double so_far[12] = {NAN, NAN, NAN, 3, 3, 3, 3, 3, 3, 1, 1, NAN};
    expect_values(json_object_get(json_object_get(json_object_get(answer, "tiles"), "cpu"), "values"), so_far, 12);
    json_decref(answer);
    answer = ask("/now", "to=2049&window=60&instance=quick");
    static const double alone[12] = {NAN, NAN, NAN, 2, 2, 2, 2, 2, 2, NAN, NAN, NAN};
    expect_values(json_object_get(json_object_get(json_object_get(answer, "tiles"), "cpu"), "values"), alone, 12);
    json_decref(answer);
}

// A kind that is there for the first time began after the export before.
static void test_new_kind(void **state)
{
    (void)state;
    send_count("a", 0, 5);
    send_count("a", 10, 15);
    send_count("a", 20, 25);
    char *json = NULL;
    assert_true(
        asprintf(&json,
                 "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{"
                 "\"stringValue\":\"demo\"}},{\"key\":\"service.instance.id\",\"value\":{\"stringValue\":\"a\"}}]},"
                 "\"scopeMetrics\":[{\"scope\":{\"name\":\"logctx\"},\"metrics\":[{\"name\":"
                 "\"logctx.transition.errors\",\"sum\":{\"aggregationTemporality\":2,\"isMonotonic\":true,"
                 "\"dataPoints\":[{\"asInt\":\"4\",\"startTimeUnixNano\":\"1900000000000\",\"timeUnixNano\":"
                 "\"2020000000000\",\"attributes\":[{\"key\":\"logctx.error.kind\",\"value\":{\"stringValue\":"
                 "\"context_lost\"}}]}]}}]}]}]}") > 0);
    sample_receive_json(store, SIGNAL_METRICS, json);
    json_t *answer = ask("/now", "to=2020&window=60");
    const json_t *tile = json_object_get(json_object_get(answer, "tiles"), "errors");
    // A count stays whole, in the step whose export told of it.
    static const double counts[12] = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0, 0, 0, 4};
    expect_values(json_object_get(tile, "values"), counts, 12);
    assert_true(json_number_value(json_object_get(tile, "now")) == 48);
    const json_t *kind = json_array_get(json_object_get(tile, "kinds"), 0);
    assert_string_equal(json_string_value(json_object_get(kind, "kind")), "context_lost");
    assert_int_equal(json_integer_value(json_object_get(kind, "count")), 4);
    json_decref(answer);
}

static void test_time_for_an_answer(void **state)
{
    (void)state;
    struct outcome outcome;
    for (int i = 0; i < 20; i++)
        sample_receive_json(store, SIGNAL_TRACES, sample_traces(i * 1000, 1000));
    // Over before it began; at the end of the program; and with time enough.
    assert_null(ask_by("/contexts", "to=60&window=60", in_seconds(-1), false, &outcome));
    assert_int_equal(outcome.status, 503);
    assert_non_null(strstr(outcome.sentence, "too long"));
    assert_null(ask_by("/contexts", "to=60&window=60", in_seconds(60), true, &outcome));
    assert_int_equal(outcome.status, 503);
    json_t *answer = ask("/contexts", "to=60&window=60");
    assert_int_equal(json_integer_value(json_object_get(answer, "searched")), 20000);
    assert_int_equal(json_integer_value(json_object_get(answer, "total")), 20000);
    json_decref(answer);
    // With little time left the pass ends, and says so: the newest were searched.
    char *text = ask_by("/contexts", "to=60&window=60", in_seconds(3), false, &outcome);
    answer = json_loads(text, 0, NULL);
    assert_in_range(json_integer_value(json_object_get(answer, "searched")), 1, 19999);
    assert_int_equal(json_integer_value(json_object_get(answer, "total")), 20000);
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(answer, "rows"), 0), "name")),
                        "GET-19999");
    json_decref(answer);
    free(text);
}

static void test_paths(void **state)
{
    (void)state;
    const char *rest;
    assert_non_null(view_find("/now", &rest));
    assert_string_equal(rest, "");
    assert_null(view_find("/now/", &rest));
    assert_null(view_find("/now/x", &rest));
    assert_null(view_find("/nowhere", &rest));
    assert_null(view_find("/", &rest));
    assert_null(view_find("", &rest));
}

#define ASKED(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ASKED(test_filters),
        ASKED(test_orders),
        ASKED(test_rows),
        ASKED(test_pages),
        ASKED(test_instances),
        ASKED(test_new_kind),
        ASKED(test_time_for_an_answer),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
