// SPDX-License-Identifier: Apache-2.0
// From request bodies to rows: hostile spans, repeats, limits, reopening, files that are not ours. One thread.

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "sample.h"
#include "schema.h"
#include "store_internal.h"

static struct outcome receive_span(struct store *store, sample_span_t *span)
{
    size_t length;
    uint8_t *bytes = sample_pack(span, &length);
    struct outcome outcome = sample_receive(store, SIGNAL_TRACES, ENCODING_PROTOBUF, bytes, length);
    free(bytes);
    return outcome;
}

static char *text_of(struct store *store, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    char *copy = text != NULL ? strdup(text) : NULL;
    sqlite3_finalize(statement);
    return copy;
}

static void test_spans(void **state)
{
    (void)state;
    struct store *store = sample_store(NULL, NULL);
    struct outcome outcome = sample_receive_json(store, SIGNAL_TRACES, sample_traces(0, 10));
    assert_int_equal(outcome.status, 200);
    assert_int_equal(outcome.rejected, 0);
    assert_string_equal(outcome.sentence, "");
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span WHERE name = 'GET /x' AND type = 'request'"), 10);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span WHERE cpu = 0.001 AND end - start = 500000"), 10);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM event"), 10);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM link"), 10);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM resource WHERE service = 'demo'"), 1);
    assert_int_equal(sample_number(store, "SELECT value FROM counter WHERE name = 'contexts received'"), 10);
    store_close(store);
}

static void test_repeats(void **state)
{
    (void)state;
    struct store *store = sample_store(NULL, NULL);
    sample_receive_json(store, SIGNAL_TRACES, sample_traces(0, 10));
    struct outcome outcome = sample_receive_json(store, SIGNAL_TRACES, sample_traces(5, 10));
    assert_int_equal(outcome.status, 200);
    assert_int_equal(outcome.rejected, 0);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span"), 15);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM event"), 15);
    assert_int_equal(sample_number(store, "SELECT value FROM counter WHERE name = 'spans received'"), 15);
    assert_int_equal(sample_number(store, "SELECT value FROM counter WHERE name = 'spans received again'"), 5);
    for (int i = 0; i < 3; i++)
        sample_receive_json(store, SIGNAL_METRICS, sample_counter("requests", 7, 100));
    sample_receive_json(store, SIGNAL_METRICS, sample_counter("requests", 9, 200));
    assert_int_equal(sample_number(store, "SELECT count(*) FROM series"), 1);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM point"), 2);
    assert_int_equal(sample_number(store, "SELECT sum(value) FROM point"), 16);
    store_close(store);
}

static void test_bad_ids(void **state)
{
    (void)state;
    static uint8_t id[17] = {9};
    static uint8_t zeros[16];
    const struct {
        ProtobufCBinaryData trace, span, parent;
        const char *why;
    } cases[] = {
        {{15, id}, {8, id}, {0, NULL}, "trace id has 15 bytes"},
        {{17, id}, {8, id}, {0, NULL}, "trace id has 17 bytes"},
        {{16, zeros}, {8, id}, {0, NULL}, "all zeros"},
        {{16, id}, {7, id}, {0, NULL}, "span id has 7 bytes"},
        {{16, id}, {8, zeros}, {0, NULL}, "all zeros"},
        {{16, id}, {8, id}, {3, id}, "parent"},
    };
    struct store *store = sample_store(NULL, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sample_span_t span = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__INIT;
        span.trace_id = cases[i].trace;
        span.span_id = cases[i].span;
        span.parent_span_id = cases[i].parent;
        struct outcome outcome = receive_span(store, &span);
        assert_int_equal(outcome.status, 200);
        assert_int_equal(outcome.rejected, 1);
        assert_non_null(strstr(outcome.sentence, cases[i].why));
    }
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span"), 0);
    // The twin: the same span with good ids is taken, a parent of zeros being none.
    sample_span_t span = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__INIT;
    span.parent_span_id = (ProtobufCBinaryData){8, zeros};
    assert_int_equal(receive_span(store, &span).rejected, 0);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span WHERE parent_id IS NULL"), 1);
    assert_int_equal(sample_number(store, "SELECT value FROM counter WHERE name = 'spans refused'"), 6);
    store_close(store);
}

// One bad span between good ones costs only itself.
static void test_partial(void **state)
{
    (void)state;
    struct store *store = sample_store(NULL, NULL);
    char *json = sample_traces(0, 3);
    char *id = strstr(json, "\"spanId\":\"0000000000000002\",\"name\"");
    assert_non_null(id);
    memset(id + 10, '0', 16);
    struct outcome outcome = sample_receive_json(store, SIGNAL_TRACES, json);
    assert_int_equal(outcome.status, 200);
    assert_int_equal(outcome.rejected, 1);
    assert_string_equal(outcome.sentence, "1 span was refused; the first: its span id is all zeros.");
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span"), 2);
    store_close(store);
}

static void test_hostile_text(void **state)
{
    (void)state;
    static char huge[10001];
    static char monster[200001];
    memset(huge, 'n', sizeof huge - 1);
    memset(monster, 'm', sizeof monster - 1);
    key_value_t *attributes[] = {
        sample_attribute("logctx.name", "\xFF\x1b[2J\xE2\x82"),
        sample_attribute(huge, huge),
        sample_attribute("monster", monster),
        sample_attribute("", ""),
        sample_attribute("logctx.type", huge),
    };
    sample_span_t span = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__INIT;
    span.name = huge;
    span.attributes = attributes;
    span.n_attributes = 5;
    struct store *store = sample_store(NULL, NULL);
    assert_int_equal(receive_span(store, &span).rejected, 0);
    char *name = text_of(store, "SELECT name FROM span");
    assert_int_equal(strlen(name), 1024 + 3);
    assert_string_equal(name + 1024, "\xE2\x80\xA6");
    free(name);
    char *context = text_of(store, "SELECT context FROM span");
    assert_string_equal(context, "\xEF\xBF\xBD\x1b[2J\xEF\xBF\xBD\xEF\xBF\xBD");
    free(context);
    // Too large an attribute is left out, and the others stay; all of it is JSON.
    assert_int_equal(sample_number(store, "SELECT json_valid(attributes) FROM span"), 1);
    assert_int_equal(sample_number(store, "SELECT json_array_length(attributes) FROM span"), 4);
    store_close(store);
    for (size_t i = 0; i < 5; i++)
        free(attributes[i]);
}

// protobuf-c ends a string at a NUL inside it; nothing behind it may be read, and nothing else may be lost.
static void test_nul_in_name(void **state)
{
    (void)state;
    sample_span_t span = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__INIT;
    size_t length;
    span.name = (char *)"AxB";
    uint8_t *bytes = sample_pack(&span, &length);
    uint8_t *name = memmem(bytes, length, "AxB", 3);
    assert_non_null(name);
    name[1] = '\0';
    struct store *store = sample_store(NULL, NULL);
    assert_int_equal(sample_receive(store, SIGNAL_TRACES, ENCODING_PROTOBUF, bytes, length).status, 200);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span WHERE name = 'A'"), 1);
    store_close(store);
    free(bytes);
}

static void test_times(void **state)
{
    (void)state;
    sample_span_t span = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__INIT;
    span.start_time_unix_nano = UINT64_MAX;
    span.end_time_unix_nano = 5;
    struct store *store = sample_store(NULL, NULL);
    assert_int_equal(receive_span(store, &span).rejected, 0);
    assert_true(sample_number(store, "SELECT start FROM span") == INT64_MAX);
    store_close(store);
}

static void test_not_messages(void **state)
{
    (void)state;
    static const struct {
        enum encoding encoding;
        const char *bytes;
        size_t length;
    } cases[] = {
        {ENCODING_PROTOBUF, "\x0a\x7f", 2},
        {ENCODING_PROTOBUF, "{}", 2},
        {ENCODING_JSON, "", 0},
        {ENCODING_JSON, "[]", 2},
        {ENCODING_JSON, "{\"resourceSpans\":3}", 19},
        {ENCODING_JSON, "{", 1},
    };
    struct store *store = sample_store(NULL, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct outcome outcome =
            sample_receive(store, SIGNAL_TRACES, cases[i].encoding, cases[i].bytes, cases[i].length);
        assert_int_equal(outcome.status, 400);
        assert_true(strlen(outcome.sentence) > 20);
    }
    // Nothing at all is a valid protobuf request, and asks for nothing.
    assert_int_equal(sample_receive(store, SIGNAL_TRACES, ENCODING_PROTOBUF, NULL, 0).status, 200);
    assert_int_equal(sample_receive(store, SIGNAL_METRICS, ENCODING_JSON, "{}", 2).status, 200);
    store_close(store);
}

// Two bytes make an empty span, which takes hundreds in memory.
static void test_many_objects(void **state)
{
    (void)state;
    enum { SPANS = 2000000 };
    uint8_t *bytes = malloc(2 * SPANS + 32);
    assert_non_null(bytes);
    size_t at = 0;
    // ExportTraceServiceRequest.resource_spans, its scope_spans, their spans; lengths of four bytes.
    size_t inner = 2 * SPANS;
    for (int level = 0; level < 2; level++) {
        size_t length = level == 0 ? inner + 5 : inner;
        bytes[at++] = level == 0 ? 0x0a : 0x12;
        for (int i = 0; i < 4; i++)
            bytes[at++] = (uint8_t)((length >> (7 * i) & 0x7f) | (i < 3 ? 0x80 : 0));
    }
    for (int i = 0; i < SPANS; i++) {
        bytes[at++] = 0x12;
        bytes[at++] = 0;
    }
    struct store *store = sample_store(NULL, NULL);
    struct outcome outcome = sample_receive(store, SIGNAL_TRACES, ENCODING_PROTOBUF, bytes, at);
    assert_int_equal(outcome.status, 413);
    assert_non_null(strstr(outcome.sentence, "smaller batches"));
    store_close(store);
    free(bytes);
}

static void test_metrics(void **state)
{
    (void)state;
    static const char json[] =
        "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":["
        "{\"name\":\"g\",\"gauge\":{\"dataPoints\":[{\"timeUnixNano\":\"5\",\"asDouble\":1.5,\"attributes\":["
        "{\"key\":\"logctx.type\",\"value\":{\"stringValue\":\"request\"}},"
        "{\"key\":\"logctx.kind\",\"value\":{\"stringValue\":\"GET /\"}}]},"
        "{\"timeUnixNano\":\"6\",\"asDouble\":2.5,\"attributes\":["
        "{\"key\":\"logctx.kind\",\"value\":{\"stringValue\":\"GET /\"}},"
        "{\"key\":\"logctx.type\",\"value\":{\"stringValue\":\"request\"}}]},"
        "{\"timeUnixNano\":\"7\",\"flags\":1,\"attributes\":[]},{\"asInt\":\"3\"}]}},"
        "{\"name\":\"h\",\"histogram\":{\"aggregationTemporality\":2,\"dataPoints\":[{\"timeUnixNano\":\"5\","
        "\"count\":\"3\",\"sum\":6,\"min\":1,\"max\":3,\"bucketCounts\":[\"1\",\"2\"],\"explicitBounds\":[2]},"
        "{\"timeUnixNano\":\"6\",\"count\":\"3\",\"bucketCounts\":[\"1\"],\"explicitBounds\":[2]}]}},"
        "{\"name\":\"e\",\"exponentialHistogram\":{\"dataPoints\":[{\"timeUnixNano\":\"5\",\"count\":\"4\"}]}},"
        "{\"name\":\"s\",\"summary\":{\"dataPoints\":[{\"timeUnixNano\":\"5\",\"count\":\"9\",\"sum\":2}]}},"
        "{\"name\":\"nothing\"}]}]}]}";
    struct store *store = sample_store(NULL, NULL);
    struct outcome outcome = sample_receive(store, SIGNAL_METRICS, ENCODING_JSON, json, strlen(json));
    assert_int_equal(outcome.status, 200);
    // The point without a time, the one whose buckets do not fit its bounds, the metric without data.
    assert_int_equal(outcome.rejected, 3);
    // The order of attributes makes no other series.
    assert_int_equal(sample_number(store, "SELECT count(*) FROM series WHERE name = 'g'"), 2);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM series WHERE context_kind = 'GET /' AND "
                                          "context_type = 'request'"),
                     1);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM point"), 6);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM point WHERE count IS NULL AND value IS NULL"), 1);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM point WHERE count = 3 AND sum = 6 AND min = 1 AND "
                                          "max = 3 AND json_extract(detail, '$.bucketCounts[1]') = '2'"),
                     1);
    store_close(store);
}

static void test_span_limit(void **state)
{
    (void)state;
    struct store *store = sample_store(NULL, &(struct store_limits){.spans = 100});
    for (int i = 0; i < 10; i++)
        sample_receive_json(store, SIGNAL_TRACES, sample_traces(i * 50, 50));
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span"), 100);
    assert_int_equal(store->spans, 100);
    assert_int_equal(sample_number(store, "SELECT min(CAST(substr(context, 5) AS INTEGER)) FROM span"), 400);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM event"), 100);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM link"), 100);
    assert_int_equal(sample_number(store, "SELECT value FROM counter WHERE name = 'spans pruned'"), 400);
    store_close(store);
}

static void test_point_limit(void **state)
{
    (void)state;
    struct store *store = sample_store(NULL, &(struct store_limits){.points = 20});
    sample_receive_json(store, SIGNAL_METRICS, sample_counter("silent", 42, 1));
    for (int i = 1; i <= 100; i++)
        sample_receive_json(store, SIGNAL_METRICS, sample_counter("busy", i, i));
    assert_int_equal(sample_number(store, "SELECT count(*) FROM point"), 20);
    assert_int_equal(sample_number(store, "SELECT max(value) FROM point"), 100);
    // The oldest point of all stays, since it is the last word of its series.
    assert_int_equal(sample_number(store, "SELECT count(*) FROM point WHERE value = 42"), 1);
    store_close(store);
}

static void test_size_limit(void **state)
{
    (void)state;
    enum { LIMIT = 1 << 20 };
    struct store *store = sample_store(NULL, &(struct store_limits){.bytes = LIMIT});
    for (int i = 0; i < 40; i++)
        sample_receive_json(store, SIGNAL_TRACES, sample_traces(i * 200, 200));
    int64_t used = (sample_number(store, "PRAGMA page_count") - sample_number(store, "PRAGMA freelist_count")) *
                   sample_number(store, "PRAGMA page_size");
    assert_true(used <= LIMIT);
    assert_true(sample_number(store, "SELECT value FROM counter WHERE name = 'spans pruned'") > 0);
    assert_int_equal(sample_number(store, "SELECT max(CAST(substr(context, 5) AS INTEGER)) FROM span"), 7999);
    store_close(store);
}

static void test_rollback(void **state)
{
    (void)state;
    struct store *store = sample_store(NULL, NULL);
    sample_receive_json(store, SIGNAL_TRACES, sample_traces(0, 5));
    assert_true(store_begin(store));
    struct resource_row row = {.attributes = "[]", .pid = NAN};
    assert_true(store_resource(store, &row) > 0);
    store_count(store, STORE_SPANS, 1000);
    store_rollback(store);
    assert_int_equal(store->resources, 1);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM resource"), 1);
    assert_int_equal(sample_number(store, "SELECT value FROM counter WHERE name = 'spans received'"), 5);
    store_close(store);
}

struct folder {
    char name[64];
    char file[96];
};

static int make_folder(void **state)
{
    static struct folder folder;
    strcpy(folder.name, "/tmp/logctx-dashboard-XXXXXX");
    if (mkdtemp(folder.name) == NULL)
        return -1;
    snprintf(folder.file, sizeof folder.file, "%s/store.db", folder.name);
    *state = &folder;
    return 0;
}

static int remove_folder(void **state)
{
    struct folder *folder = *state;
    char command[160];
    snprintf(command, sizeof command, "rm -r '%s'", folder->name);
    return system(command);
}

static void test_reopen(void **state)
{
    struct folder *folder = *state;
    struct stat status;
    umask(0);
    struct store *store = sample_store(folder->file, NULL);
    sample_receive_json(store, SIGNAL_TRACES, sample_traces(0, 10));
    assert_int_equal(stat(folder->file, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    char log[128];
    snprintf(log, sizeof log, "%s-wal", folder->file);
    assert_int_equal(stat(log, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    store_close(store);
    assert_int_not_equal(stat(log, &status), 0);
    store = sample_store(folder->file, NULL);
    assert_int_equal(store->spans, 10);
    sample_receive_json(store, SIGNAL_TRACES, sample_traces(9, 2));
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span"), 11);
    assert_int_equal(sample_number(store, "SELECT value FROM counter WHERE name = 'spans received again'"), 1);
    store_close(store);
}

static void expect_refusal(const char *path, const char *words)
{
    char why[300] = "";
    assert_null(store_open(path, &(struct store_limits){0}, why, sizeof why));
    if (strstr(why, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why, words);
}

static void write_database(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    unlink(path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_foreign_files(void **state)
{
    struct folder *folder = *state;
    expect_refusal(folder->name, "cannot be opened");
    expect_refusal("/nonexistent/folder/x.db", "cannot be opened");
    write_database(folder->file, "CREATE TABLE theirs (x)");
    expect_refusal(folder->file, "another program");
    write_database(folder->file, "CREATE TABLE x (y); PRAGMA application_id = 1818457208; PRAGMA user_version = 999");
    expect_refusal(folder->file, "newer");
    FILE *file = fopen(folder->file, "w");
    fprintf(file, "This is a diary and no database, and it is long enough to have a header of its own. Keep it.");
    fclose(file);
    expect_refusal(folder->file, "not a database");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_bad_ids),
        cmocka_unit_test(test_partial),
        cmocka_unit_test(test_hostile_text),
        cmocka_unit_test(test_nul_in_name),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_not_messages),
        cmocka_unit_test(test_many_objects),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_span_limit),
        cmocka_unit_test(test_point_limit),
        cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_rollback),
        cmocka_unit_test_setup_teardown(test_reopen, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_foreign_files, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
