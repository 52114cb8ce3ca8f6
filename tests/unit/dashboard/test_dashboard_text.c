// SPDX-License-Identifier: Apache-2.0
// What is read from and shown to people: UTF-8, widths, tables, addresses, options, answers. One thread.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "address.h"
#include "clean.h"
#include "display.h"
#include "google/rpc/status.pb-c.h"
#include "options.h"
#include "reply.h"
#include "table.h"

static void check_clean(const char *text, size_t limit, const char *expected)
{
    char *mended = clean_text(text, limit);
    assert_string_equal(mended != NULL ? mended : text, expected);
    free(mended);
}

static void test_clean(void **state)
{
    (void)state;
    assert_null(clean_text("", 0));
    assert_null(clean_text("plain \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80", 100));
    check_clean("a\xFFz", 10, "a\xEF\xBF\xBDz");
    check_clean("\xC0\x80", 10, "\xEF\xBF\xBD\xEF\xBF\xBD");
    check_clean("\xED\xA0\x80", 10, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    check_clean("\xF4\x90\x80\x80", 20, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    check_clean("cut \xE2\x82", 20, "cut \xEF\xBF\xBD\xEF\xBF\xBD");
    check_clean("abcdef", 3, "abc\xE2\x80\xA6");
    // Never in the middle of a character.
    check_clean("ab\xE2\x82\xAC", 4, "ab\xE2\x80\xA6");
}

static void check_fit(const char *text, int columns, const char *expected)
{
    char out[DISPLAY_SIZE];
    display_fit(text, columns, out);
    assert_string_equal(out, expected);
    assert_true(display_columns(out) <= columns);
}

static void test_display(void **state)
{
    (void)state;
    display_begin();
    check_fit(NULL, 5, "");
    check_fit("exact", 5, "exact");
    check_fit("longer", 5, "long\xE2\x80\xA6");
    check_fit("\x1b[31mred", 20, "\\x1b[31mred");
    check_fit("a\nb\tc\x7f", 20, "a\\x0ab\\x09c\\x7f");
    check_fit("\xC2\x9b"
              "2J",
              20, "\\u{9b}2J");
    check_fit("user\xE2\x80\xAEtxt.exe", 40, "user\\u{202e}txt.exe");
    check_fit("\xFF\xFE", 20, "\\xff\\xfe");
    // Wide characters take two columns, and combining ones none.
    check_fit("\xE6\x97\xA5\xE6\x9C\xAC", 4, "\xE6\x97\xA5\xE6\x9C\xAC");
    check_fit("\xE6\x97\xA5\xE6\x9C\xAC", 3, "\xE6\x97\xA5\xE2\x80\xA6");
    check_fit("e\xCC\x81"
              "e\xCC\x81",
              2,
              "e\xCC\x81"
              "e\xCC\x81");
    // So many marks on one letter that they would never end.
    char pile[4001] = "x";
    for (size_t i = 1; i + 2 < sizeof pile; i += 2)
        memcpy(pile + i, "\xCC\x81", 3);
    char out[DISPLAY_SIZE];
    display_fit(pile, 10, out);
    assert_true(strlen(out) < DISPLAY_SIZE);
    display_end();
}

static void check_number(double value, int decimals, const char *expected)
{
    char out[64];
    display_number(value, decimals, out, sizeof out);
    assert_string_equal(out, expected);
}

static void test_numbers(void **state)
{
    (void)state;
    check_number(0, 0, "0");
    check_number(999, 0, "999");
    check_number(1000, 0, "1,000");
    check_number(-1234567.891, 2, "-1,234,567.89");
    check_number(0.00049, 3, "0.000");
    check_number(1e300, 2, "1e+300");
    char out[64];
    display_time(INT64_C(1795435200123456789), true, true, out, sizeof out);
    assert_string_equal(out, "2026-11-23 12:00:00.123");
    display_time(0, false, false, out, sizeof out);
    assert_string_equal(out, "00:00:00");
    assert_string_equal(display_unit_for(0.0009).name, "\xC2\xB5s");
    assert_string_equal(display_unit_for(0.5).name, "ms");
    assert_string_equal(display_unit_for(1000).name, "s");
}

static char *print_table(int width)
{
    static const struct column columns[] = {
        {.title = "kind", .left = true},
        {.title = "type", .left = true, .spare = 1},
        {.group = "time", .title = "mean", .unit = "ms"},
        {.title = "max", .unit = "ms", .spare = 2},
    };
    static const char *const cells[] = {
        "GET /a/rather/long/route/name", "request", "1.25", "12,345.00", "b", "background", "0.10", "0.20"};
    struct table table;
    table_begin(&table, columns, 4);
    for (size_t i = 0; i < 8; i++)
        table_cell(&table, cells[i]);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    display_begin();
    table_end(&table, out, width, "", "");
    display_end();
    fclose(out);
    return text;
}

static void test_table(void **state)
{
    (void)state;
    char *wide = print_table(110);
    assert_string_equal(wide, "                                             "
                              "\xE2\x94\x80\xE2\x94\x80\xE2\x94\x80\xE2\x94\x80 time "
                              "\xE2\x94\x80\xE2\x94\x80\xE2\x94\x80\xE2\x94\x80\xE2\x94\x80\n"
                              "  kind                           type        mean        max\n"
                              "                                               ms         ms\n"
                              "  GET /a/rather/long/route/name  request     1.25  12,345.00\n"
                              "  b                              background  0.10       0.20\n");
    free(wide);
    char *narrow = print_table(38);
    assert_string_equal(narrow, "                                  time\n"
                                "  kind                type        mean\n"
                                "                                    ms\n"
                                "  GET /a/rather/lon\xE2\x80\xA6  request     1.25\n"
                                "  b                   background  0.10\n");
    free(narrow);
}

static void check_host(const char *listen, const char *host, bool expected)
{
    static const char *const extra[] = {"dashboard"};
    struct address address;
    char why[300];
    assert_true(address_parse(&address, listen, why, sizeof why));
    if (address_answers_to(&address, extra, 1, host) != expected)
        fail_msg("Host \"%s\" at %s: expected %s", host, listen, expected ? "an answer" : "a refusal");
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const good[] = {"127.0.0.1:4318", "[::1]:0", "0.0.0.0:65535"};
    static const char *const bad[] = {
        "",          "4318",     "127.0.0.1", "127.0.0.1:",  "127.0.0.1:65536", ":4318",      "[::1]",
        "[::1:4318", "::1:4318", "example:1", "1.2.3.4:12a", "1.2.3:80",        "[1.2.3.4]:1"};
    struct address address;
    char text[80];
    char why[300];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(address_parse(&address, good[i], why, sizeof why));
        address_print(&address, text, sizeof text);
        assert_string_equal(text, good[i]);
        assert_int_equal(address_is_loopback(&address), i < 2);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        why[0] = '\0';
        assert_false(address_parse(&address, bad[i], why, sizeof why));
        assert_true(strlen(why) > 20);
    }
    assert_true(address_parse(&address, "LocalHost:80", why, sizeof why));
    assert_true(address_is_loopback(&address));
}

static void test_hosts(void **state)
{
    (void)state;
    static const char *const ours[] = {
        "localhost", "LOCALHOST:4318", "127.0.0.1:4318", "127.1.2.3", "[::1]:4318", "dashboard:4318", NULL};
    static const char *const foreign[] = {"evil.example",           "evil.example:4318",
                                          "localhost.evil.example", "",
                                          "192.168.1.7:4318",       "[fe80::1]",
                                          "localhost:evil",         "[::1",
                                          "[dashboard]:4318",       "127.0.0.1.evil.example"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        check_host("127.0.0.1:4318", ours[i], true);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        check_host("127.0.0.1:4318", foreign[i], false);
    check_host("192.168.1.7:4318", "192.168.1.7", true);
    check_host("192.168.1.7:4318", "192.168.1.8", false);
    // An address in digits cannot be made to point elsewhere, so a server on all of them takes any; but no name.
    check_host("0.0.0.0:4318", "192.168.1.8", true);
    check_host("[::]:4318", "[fe80::1]:4318", true);
    check_host("0.0.0.0:4318", "evil.example", false);
}

static bool read_options(struct options *options, char *why, size_t why_size, int count, ...)
{
    char *argv[16] = {(char *)"logctx-dashboard"};
    va_list words;
    va_start(words, count);
    for (int i = 0; i < count; i++)
        argv[1 + i] = va_arg(words, char *);
    va_end(words);
    why[0] = '\0';
    return options_read(options, count + 1, argv, why, why_size);
}

static void test_options(void **state)
{
    (void)state;
    static struct options options;
    char why[512];
    assert_true(read_options(&options, why, sizeof why, 0));
    assert_int_equal(options.mode, MODE_SERVE);
    assert_int_equal(options.max_body, 20 << 20);
    assert_int_equal(options.limits.spans, 1000000);
    assert_true(address_is_loopback(&options.listen));
    assert_true(read_options(&options, why, sizeof why, 8, "--listen", "[::1]:0", "--db=x.db", "--max-body", "2M",
                             "--max-size=1G", "--max-spans", "0"));
    assert_int_equal(options.max_body, 2 << 20);
    assert_true(options.limits.bytes == INT64_C(1) << 30);
    assert_int_equal(options.limits.spans, 0);
    assert_string_equal(options.db, "x.db");
    assert_int_equal(options.limits.age_s, 7 * 86400);
    assert_true(read_options(&options, why, sizeof why, 2, "--max-age", "90m"));
    assert_int_equal(options.limits.age_s, 5400);
    assert_true(read_options(&options, why, sizeof why, 2, "--max-age", "0"));
    assert_int_equal(options.limits.age_s, 0);
    assert_false(read_options(&options, why, sizeof why, 2, "--max-age", "90"));
    assert_false(read_options(&options, why, sizeof why, 2, "--max-age", "d"));
    assert_false(read_options(&options, why, sizeof why, 2, "--max-age", "1h30m"));
    assert_false(read_options(&options, why, sizeof why, 2, "--max-age", "367d"));
    assert_non_null(strstr(why, "--max-age"));
    assert_true(read_options(&options, why, sizeof why, 3, "--token-file", "t", "--open-ingest"));
    assert_string_equal(options.token_file, "t");
    assert_true(options.open_ingest);
    assert_true(read_options(&options, why, sizeof why, 4, "--summary", "y.db", "--width", "90"));
    assert_int_equal(options.mode, MODE_SUMMARY);
    assert_int_equal(options.width, 90);
    assert_true(read_options(&options, why, sizeof why, 1, "--help"));
    assert_int_equal(options.mode, MODE_HELP);
}

static void test_bad_options(void **state)
{
    (void)state;
    static struct options options;
    static const char *const bad[][2] = {
        {"--nonsense", "x"},   {"--listen", "somewhere"},
        {"--max-body", "65M"}, {"--max-body", "-1"},
        {"--max-body", "2T"},  {"--max-spans", "1M"},
        {"--max-spans", ""},   {"--max-size", "99999999999999G"},
        {"--width", "20"},     {"--db", ""},
        {"--help", "stray"},   {"--max-points", "9999999999999999999"},
    };
    char why[512];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(read_options(&options, why, sizeof why, 2, bad[i][0], bad[i][1]));
        assert_true(strlen(why) > 20);
    }
    assert_false(read_options(&options, why, sizeof why, 1, "--db"));
    assert_non_null(strstr(why, "--db"));
}

static void test_default_db(void **state)
{
    (void)state;
    static struct options options;
    char folder[] = "/tmp/logctx-dashboard-XXXXXX";
    char why[512] = "";
    char path[600];
    struct stat status;
    assert_non_null(mkdtemp(folder));
    setenv("XDG_STATE_HOME", "relative/is/ignored", 1);
    setenv("HOME", folder, 1);
    assert_true(options_default_db(&options, why, sizeof why));
    snprintf(path, sizeof path, "%s/.local/state/logctx/dashboard.db", folder);
    assert_string_equal(options.db, path);
    snprintf(path, sizeof path, "%s/.local/state/logctx", folder);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    unsetenv("HOME");
    assert_false(options_default_db(&options, why, sizeof why));
    assert_non_null(strstr(why, "--db"));
    snprintf(path, sizeof path, "rm -r '%s'", folder);
    assert_int_equal(system(path), 0);
}

static void test_replies(void **state)
{
    (void)state;
    assert_int_equal(reply_encoding("Application/JSON; charset=utf-8"), ENCODING_JSON);
    assert_int_equal(reply_encoding("application/x-protobuf"), ENCODING_PROTOBUF);
    assert_int_equal(reply_encoding("application/jsonl"), ENCODING_UNKNOWN);
    assert_int_equal(reply_encoding(NULL), ENCODING_UNKNOWN);
    struct reply reply = reply_make(&(struct outcome){.status = 200}, SIGNAL_TRACES, ENCODING_PROTOBUF);
    assert_int_equal(reply.length, 0);
    free(reply.bytes);
    reply =
        reply_make(&(struct outcome){.status = 200, .rejected = 2, .sentence = "why"}, SIGNAL_METRICS, ENCODING_JSON);
    assert_int_equal(reply.length,
                     strlen("{\"partialSuccess\":{\"rejectedDataPoints\":\"2\",\"errorMessage\":\"why\"}}"));
    assert_memory_equal(reply.bytes, "{\"partialSuccess\":{\"rejectedDataPoints\":\"2\",\"errorMessage\":\"why\"}}",
                        reply.length);
    free(reply.bytes);
    reply = reply_make(&(struct outcome){.status = 400, .sentence = "bad \xFF byte"}, SIGNAL_TRACES, ENCODING_PROTOBUF);
    Google__Rpc__Status *status = google__rpc__status__unpack(NULL, reply.length, (uint8_t *)reply.bytes);
    assert_non_null(status);
    assert_string_equal(status->message, "bad \xEF\xBF\xBD byte");
    google__rpc__status__free_unpacked(status, NULL);
    free(reply.bytes);
    reply = reply_make(&(struct outcome){.status = 415, .sentence = "words"}, SIGNAL_TRACES, ENCODING_UNKNOWN);
    assert_int_equal(reply.length, 6);
    free(reply.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),   cmocka_unit_test(test_display),     cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_table),   cmocka_unit_test(test_addresses),   cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_options), cmocka_unit_test(test_bad_options), cmocka_unit_test(test_default_db),
        cmocka_unit_test(test_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
