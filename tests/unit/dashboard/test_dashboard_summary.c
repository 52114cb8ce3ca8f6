// SPDX-License-Identifier: Apache-2.0
// The summary: against summary.golden for fixed requests (LOGCTX_UPDATE_GOLDEN=1 writes it anew), and for stores that
// are empty, hostile, or none at all. Each test has a folder of its own as its working directory. One thread.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "display.h"
#include "sample.h"
#include "summary.h"

static char folder[64];

static int enter_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/logctx-dashboard-XXXXXX");
    return mkdtemp(folder) != NULL ? chdir(folder) : -1;
}

static int leave_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return chdir("/") == 0 ? system(command) : -1;
}

static char *summary(const char *path, int width, bool color)
{
    char why[512] = "";
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    if (!summary_print(path, &(struct summary_options){.width = width, .color = color}, out, why, sizeof why))
        fail_msg("no summary: %s", why);
    fclose(out);
    return text;
}

static void send_file(struct store *store, enum signal_kind signal, const char *name)
{
    size_t length;
    char *json = sample_file(name, &length);
    struct outcome outcome = sample_receive_json(store, signal, json);
    assert_int_equal(outcome.status, 200);
    assert_int_equal(outcome.rejected, 0);
}

static void fill(const char *path)
{
    struct store *store = sample_store(path, NULL);
    send_file(store, SIGNAL_TRACES, LOGCTX_TEST_DATA "/summary_traces.json");
    send_file(store, SIGNAL_METRICS, LOGCTX_TEST_DATA "/summary_metrics.json");
    store_close(store);
}

static void test_golden(void **state)
{
    (void)state;
    static const char golden[] = LOGCTX_TEST_DATA "/summary.golden";
    size_t length;
    fill("store.db");
    char *text = summary("store.db", 110, false);
    if (getenv("LOGCTX_UPDATE_GOLDEN") != NULL) {
        FILE *file = fopen(golden, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
    }
    char *expected = sample_file(golden, &length);
    assert_string_equal(text, expected);
    free(expected);
    free(text);
}

// No line is wider than asked, none ends in blanks, and no control character is among them.
static void check_lines(const char *text, int width)
{
    char *copy = strdup(text);
    display_begin();
    for (char *line = strtok(copy, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (display_columns(line) > width)
            fail_msg("%d columns: %s", display_columns(line), line);
        assert_int_not_equal(line[strlen(line) - 1], ' ');
        for (const char *p = line; *p != '\0'; p++)
            assert_true((unsigned char)*p >= ' ' && *p != 0x7F);
    }
    display_end();
    free(copy);
}

static void test_widths(void **state)
{
    (void)state;
    fill("store.db");
    static const int widths[] = {80, 100, 110, 300};
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        char *text = summary("store.db", widths[i], false);
        check_lines(text, widths[i]);
        free(text);
    }
    char *plain = summary("store.db", 110, false);
    char *colored = summary("store.db", 110, true);
    assert_null(strchr(plain, '\x1b'));
    assert_non_null(strchr(colored, '\x1b'));
    free(plain);
    free(colored);
}

// The writer still has it open, and its last commits are in the log beside the file.
static void test_live_store(void **state)
{
    (void)state;
    struct store *store = sample_store("store.db", NULL);
    sample_receive_json(store, SIGNAL_TRACES, sample_traces(0, 1234));
    char *text = summary("store.db", 110, false);
    assert_non_null(strstr(text, "1,234"));
    assert_non_null(strstr(text, "none have arrived yet"));
    free(text);
    sample_receive_json(store, SIGNAL_TRACES, sample_traces(1234, 1));
    text = summary("store.db", 110, false);
    assert_non_null(strstr(text, "1,235"));
    free(text);
    store_close(store);
}

static void test_empty_store(void **state)
{
    (void)state;
    store_close(sample_store("store.db", NULL));
    char *text = summary("store.db", 110, false);
    assert_non_null(strstr(text, "no spans have arrived yet"));
    free(text);
}

static void send_hostile(struct store *store, const char *name)
{
    size_t length;
    static uint8_t id[8] = {7};
    Opentelemetry__Proto__Trace__V1__Span__Event event = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__EVENT__INIT;
    Opentelemetry__Proto__Trace__V1__Span__Event *events[] = {&event};
    key_value_t *attributes[] = {
        sample_attribute("logctx.error.kind", name),  sample_attribute("logctx.error.message", name),
        sample_attribute("logctx.error.found", name), sample_attribute("logctx.error.found_by", name),
        sample_attribute("logctx.type", name),
    };
    event.name = (char *)"logctx.transition_error";
    event.attributes = attributes;
    event.n_attributes = 4;
    sample_span_t span = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__INIT;
    id[7]++;
    span.span_id = (ProtobufCBinaryData){8, id};
    span.name = (char *)name;
    span.events = events;
    span.n_events = 1;
    span.attributes = attributes + 4;
    span.n_attributes = 1;
    span.end_time_unix_nano = UINT64_MAX;
    uint8_t *bytes = sample_pack(&span, &length);
    sample_receive(store, SIGNAL_TRACES, ENCODING_PROTOBUF, bytes, length);
    free(bytes);
    for (size_t i = 0; i < 5; i++)
        free(attributes[i]);
}

static void test_hostile_names(void **state)
{
    (void)state;
    static char huge[10001];
    memset(huge, 'n', sizeof huge - 1);
    static const char *const names[] = {
        "\x1b]0;owned\x07\x1b[2J",
        "new\nline\r",
        "\xE2\x80\xAEgnp.exe",
        "\xFF\xC0\x80",
        huge,
        "",
        "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E",
        "%s%n%d",
        "'; DROP TABLE span; --",
    };
    struct store *store = sample_store("store.db", NULL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        send_hostile(store, names[i]);
    char *text = summary("store.db", 80, false);
    assert_non_null(strstr(text, "\\x1b]0;owned\\x07"));
    assert_non_null(strstr(text, "\\u{202e}"));
    check_lines(text, 80);
    free(text);
    store_close(store);
}

static void test_no_store(void **state)
{
    (void)state;
    char why[512] = "";
    FILE *out = fopen("/dev/null", "w");
    struct summary_options options = {.width = 110};
    assert_false(summary_print("nothing.db", &options, out, why, sizeof why));
    assert_non_null(strstr(why, "nothing.db"));
    // Asking for a summary makes no file.
    assert_int_not_equal(access("nothing.db", F_OK), 0);
    FILE *file = fopen("text.db", "w");
    fprintf(file, "%0600d", 1);
    fclose(file);
    assert_false(summary_print("text.db", &options, out, why, sizeof why));
    assert_non_null(strstr(why, "not a database"));
    fclose(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_golden, enter_folder, leave_folder),
        cmocka_unit_test_setup_teardown(test_widths, enter_folder, leave_folder),
        cmocka_unit_test_setup_teardown(test_live_store, enter_folder, leave_folder),
        cmocka_unit_test_setup_teardown(test_empty_store, enter_folder, leave_folder),
        cmocka_unit_test_setup_teardown(test_hostile_names, enter_folder, leave_folder),
        cmocka_unit_test_setup_teardown(test_no_store, enter_folder, leave_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
