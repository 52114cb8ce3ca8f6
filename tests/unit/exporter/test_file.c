/*
 * test_file.c: the OTLP/JSON lines sink: a line for each flush, keys as the specification writes them, modes, errors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdint.h>

#include "support.h"

#include <logctx/otlp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/logctx-file-XXXXXX";
static char traces_path[64];
static char metrics_path[64];

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    snprintf(traces_path, sizeof traces_path, "%s/traces.jsonl", folder);
    snprintf(metrics_path, sizeof metrics_path, "%s/metrics.jsonl", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(traces_path);
    unlink(metrics_path);
    return rmdir(folder);
}

static char *slurp(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = calloc(1, 4 << 20);
    size_t length = fread(text, 1, (4 << 20) - 1, file);
    text[length] = '\0';
    fclose(file);
    return text;
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what)) {
        n++;
    }
    return n;
}

static logctx_otlp_file_t *open_file(const char *traces, const char *metrics)
{
    const logctx_otlp_file_opts_t opts = {
        .struct_size = sizeof opts, .traces_path = traces, .metrics_path = metrics, .service_name = "filed"};
    logctx_otlp_file_t *file = NULL;
    assert_int_equal(logctx_otlp_file_open(&opts, &file), LOGCTX_OK);
    return file;
}

static void test_lines(void **state)
{
    (void)state;
    logctx_otlp_file_t *file = open_file(traces_path, metrics_path);
    support_contexts("GET /file", 3);
    assert_int_equal(logctx_otlp_file_flush(file), LOGCTX_OK);
    support_contexts("GET /file", 2);
    assert_int_equal(logctx_otlp_file_close(file), LOGCTX_OK);

    char *traces = slurp(traces_path);
    char *metrics = slurp(metrics_path);
    struct stat facts;
    assert_int_equal(stat(traces_path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    assert_int_equal(count(traces, "\"spanId\":\""), 5);
    assert_int_equal(count(traces, "\"name\":\"GET /file\""), 5);
    assert_true(count(traces, "\n") >= 2 && count(traces, "\n") <= 5);
    const char *begin = "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":";
    assert_int_equal(strncmp(traces, begin, strlen(begin)), 0);
    assert_int_equal(count(traces, "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"filed\"}}"),
                     count(traces, "\n"));
    assert_int_equal(count(metrics, "\n"), 2);
    assert_int_equal(strncmp(metrics, "{\"resourceMetrics\":[", 20), 0);
    assert_int_equal(count(metrics, "\"name\":\"logctx.context.created\""), 2);
    free(traces);
    free(metrics);
}

// Opened again, it appends; only one of the files is wanted.
static void test_append(void **state)
{
    (void)state;
    char *before = slurp(traces_path);
    char *metrics_before = slurp(metrics_path);
    logctx_otlp_file_t *file = open_file(traces_path, NULL);
    support_contexts("GET /append", 1);
    assert_int_equal(logctx_otlp_file_close(file), LOGCTX_OK);
    char *after = slurp(traces_path);
    char *metrics_after = slurp(metrics_path);
    assert_int_equal(strncmp(before, after, strlen(before)), 0);
    assert_int_equal(count(after, "\"name\":\"GET /append\""), 1);
    assert_string_equal(metrics_before, metrics_after);
    free(before);
    free(after);
    free(metrics_before);
    free(metrics_after);
}

static void test_cannot_open(void **state)
{
    (void)state;
    const logctx_otlp_file_opts_t opts = {.struct_size = sizeof opts,
                                          .traces_path = "/nonexistent/folder/traces.jsonl"};
    logctx_otlp_file_t *file = NULL;
    support_log_begin();
    assert_int_equal(logctx_otlp_file_open(&opts, &file), LOGCTX_E_IO);
    assert_null(file);
    assert_int_equal(support_log_matching("/nonexistent/folder/traces.jsonl", "No such file"), 1);
    assert_int_equal(logctx_otlp_file_open(NULL, &file), LOGCTX_E_INVALID);
    assert_int_equal(logctx_otlp_file_flush(NULL), LOGCTX_E_INVALID);
    assert_int_equal(logctx_otlp_file_close(NULL), LOGCTX_OK);
}

// A file system without room: said once, and each flush tells that something was lost.
static void test_cannot_write(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0) {
        print_message("/dev/full is not there: test_cannot_write is skipped\n");
        skip();
    }
    support_log_begin();
    logctx_otlp_file_t *file = open_file("/dev/full", NULL);
    for (int i = 0; i < 2; i++) {
        support_contexts("GET /full", 1);
        assert_int_equal(logctx_otlp_file_flush(file), LOGCTX_E_IO);
    }
    assert_int_equal(logctx_otlp_file_flush(file), LOGCTX_OK);
    assert_int_equal(support_log_matching("/dev/full", "No space left"), 1);
    assert_int_equal(support_log_count(), 1);
    assert_int_equal(logctx_otlp_file_close(file), LOGCTX_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        logctx_unit_test(test_lines),
        logctx_unit_test(test_append),
        logctx_unit_test(test_cannot_open),
        logctx_unit_test(test_cannot_write),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
