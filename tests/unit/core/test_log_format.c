/*
 * test_log_format.c: log lines as text and as JSON, whole and cut at every size, and the logger that writes
 * to a descriptor. Times are compared with the C library's calendar.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <logctx/log.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOON UINT64_C(1769860800000000000) // 2026-01-31T12:00:00Z
#define TRACE_ID "0af7651916cd43dd8448eb211c80319c"
#define SPAN_ID "b7ad6b7169203331"

typedef size_t format_t(const logctx_log_line_t *, char *, size_t);

static logctx_log_line_t full_line(const char *message)
{
    logctx_log_line_t line = LOGCTX_LOG_LINE_INIT;
    line.severity = LOGCTX_WARN;
    line.unix_ns = NOON;
    line.message = message;
    line.request = "GET-4711";
    line.server_name = "example.org";
    memcpy(line.trace_id, TRACE_ID, sizeof line.trace_id);
    memcpy(line.span_id, SPAN_ID, sizeof line.span_id);
    memcpy(line.trace_flags, "01", sizeof line.trace_flags);
    return line;
}

static logctx_log_line_t bare_line(const char *message)
{
    logctx_log_line_t line = LOGCTX_LOG_LINE_INIT;
    line.severity = (logctx_severity_t)0;
    line.message = message;
    return line;
}

// Whether the text ends in the middle of a character or an escape. Only for texts without other backslashes.
static bool is_split(const char *text, size_t length, const char *whole)
{
    if (((unsigned char)whole[length] & 0xC0) == 0x80)
        return true;
    for (size_t back = 1; back <= 5 && back <= length; back++) {
        const char *escape = &text[length - back];
        size_t size = escape[0] != '\\'                 ? 0
                      : whole[length - back + 1] == 'x' ? 4
                      : whole[length - back + 1] == 'u' ? 6
                                                        : 2;
        if (size > back)
            return true;
    }
    return false;
}

// The whole, and every size below it: what is stored is a prefix that ends between two characters.
static void expect(format_t *format, const logctx_log_line_t *line, const char *want)
{
    size_t whole = strlen(want);
    for (size_t size = 0; size <= whole + 2; size++) {
        char *out = malloc(size + (size == 0));
        assert_non_null(out);
        assert_int_equal(format(line, out, size), whole);
        if (size > whole) {
            assert_string_equal(out, want);
        } else if (size > 0) {
            size_t length = strlen(out);
            assert_true(length < size);
            assert_memory_equal(out, want, length);
            assert_false(is_split(out, length, want));
            assert_true(size - 1 - length < 6);
        }
        free(out);
    }
    assert_int_equal(format(line, NULL, 0), whole);
    assert_int_equal(format(line, NULL, 10), whole);
}

static void test_text(void **state)
{
    (void)state;
    logctx_log_line_t line = full_line("it broke");
    expect(logctx_log_text, &line,
           "2026-01-31T12:00:00.000Z WARN GET-4711 example.org [" TRACE_ID "-" SPAN_ID "] it broke");
    line.server_name = "";
    line.span_id[0] = '\0';
    expect(logctx_log_text, &line, "2026-01-31T12:00:00.000Z WARN GET-4711 [" TRACE_ID "] it broke");
    line.trace_id[0] = '\0';
    line.request = NULL;
    line.unix_ns = 0;
    expect(logctx_log_text, &line, "WARN it broke");
    line = bare_line("it broke");
    expect(logctx_log_text, &line, "it broke");
    line.message = NULL;
    expect(logctx_log_text, &line, "");
    line.message = "x";
    memcpy(line.trace_id, "ab", 3);
    expect(logctx_log_text, &line, "[ab] x");
    expect(logctx_log_text, NULL, "");
}

static void test_json(void **state)
{
    (void)state;
    logctx_log_line_t line = full_line("it broke");
    expect(logctx_log_json, &line,
           "{\"time\":\"2026-01-31T12:00:00.000Z\",\"severity\":\"WARN\",\"message\":\"it broke\","
           "\"request\":\"GET-4711\",\"server_name\":\"example.org\",\"trace_id\":\"" TRACE_ID "\","
           "\"span_id\":\"" SPAN_ID "\",\"trace_flags\":\"01\"}");
    line = bare_line("it broke");
    expect(logctx_log_json, &line, "{\"message\":\"it broke\"}");
    line.message = "";
    expect(logctx_log_json, &line, "{}");
    line.request = "r";
    line.severity = LOGCTX_FATAL;
    expect(logctx_log_json, &line, "{\"severity\":\"FATAL\",\"request\":\"r\"}");
    expect(logctx_log_json, NULL, "");
}

// Ids that fill their arrays without a zero are read no further.
static void test_ids_without_end(void **state)
{
    (void)state;
    logctx_log_line_t line = bare_line("m");
    memset(line.trace_id, 'a', sizeof line.trace_id);
    memset(line.span_id, 'b', sizeof line.span_id);
    memset(line.trace_flags, 'c', sizeof line.trace_flags);
    expect(logctx_log_text, &line, "[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbbb] m");
    expect(logctx_log_json, &line,
           "{\"message\":\"m\",\"trace_id\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\","
           "\"span_id\":\"bbbbbbbbbbbbbbbbb\",\"trace_flags\":\"ccc\"}");
}

typedef struct escape {
    const char *in;
    const char *text;
    const char *json;
} escape_t;

static void test_escapes(void **state)
{
    (void)state;
    static const escape_t escapes[] = {
        {"a\nb", "a\\nb", "a\\nb"},
        {"a\r\nb", "a\\x0d\\nb", "a\\r\\nb"},
        {"\t\b\f\v\x01", "\\x09\\x08\\x0c\\x0b\\x01", "\\t\\b\\f\\u000b\\u0001"},
        {"\x1B[31mred\x1B[0m", "\\x1b[31mred\\x1b[0m", "\\u001b[31mred\\u001b[0m"},
        {"\x7F", "\\x7f", "\\u007f"},
        // One-byte forms of the C1 controls are bad UTF-8; the two-byte forms would reach a terminal as
        // controls.
        {"\x9B"
         "31m",
         "\uFFFD31m", "\uFFFD31m"},
        {"\xC2\x9B"
         "31m",
         "\\x9b31m", "\\u009b31m"},
        {"\xC2\x80\xC2\x85\xC2\x9F\xC2\xA0", "\\x80\\x85\\x9f\u00A0", "\\u0080\\u0085\\u009f\u00A0"},
        {"a\u2028b\u2029c\u2030", "a\\u2028b\\u2029c\u2030", "a\\u2028b\\u2029c\u2030"},
        {"say \"hi\" \u00E4\u20AC\U0001F427", "say \"hi\" \u00E4\u20AC\U0001F427",
         "say \\\"hi\\\" \u00E4\u20AC\U0001F427"},
        {"\xFF\xC0\xAF\xED\xA0\x80\xF0\x9F", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD",
         "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"},
    };
    for (size_t i = 0; i < COUNT(escapes); i++) {
        char json[256];
        logctx_log_line_t line = bare_line(escapes[i].in);
        expect(logctx_log_text, &line, escapes[i].text);
        snprintf(json, sizeof json, "{\"message\":\"%s\"}", escapes[i].json);
        expect(logctx_log_json, &line, json);
    }
    // A backslash is text in the one and an escape in the other.
    char out[64];
    logctx_log_line_t line = bare_line("C:\\new");
    logctx_log_text(&line, out, sizeof out);
    assert_string_equal(out, "C:\\new");
    logctx_log_json(&line, out, sizeof out);
    assert_string_equal(out, "{\"message\":\"C:\\\\new\"}");
}

// Nothing of a line can start another one or end the string that it is in.
static void test_every_field_is_escaped(void **state)
{
    (void)state;
    logctx_log_line_t line = bare_line("\x1B\n\"");
    line.request = "\x1B\n\"";
    line.server_name = "\x1B\n\"";
    memcpy(line.trace_id, "\x1B\n\"", 4);
    memcpy(line.span_id, "\x1B\n\"", 4);
    memcpy(line.trace_flags, "\x1B\n\"", 3);
    expect(logctx_log_text, &line, "\\x1b\\n\" \\x1b\\n\" [\\x1b\\n\"-\\x1b\\n\"] \\x1b\\n\"");
    expect(logctx_log_json, &line,
           "{\"message\":\"\\u001b\\n\\\"\",\"request\":\"\\u001b\\n\\\"\",\"server_name\":\"\\u001b\\n\\\"\","
           "\"trace_id\":\"\\u001b\\n\\\"\",\"span_id\":\"\\u001b\\n\\\"\",\"trace_flags\":\"\\u001b\\n\\\"\"}");
}

static void expect_time(uint64_t unix_ns)
{
    char want[40];
    char out[64];
    struct tm tm;
    time_t seconds = (time_t)(unix_ns / 1000000000);
    assert_non_null(gmtime_r(&seconds, &tm));
    size_t n = strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(want + n, sizeof want - n, ".%03uZ m", (unsigned)(unix_ns / 1000000 % 1000));
    logctx_log_line_t line = bare_line("m");
    line.unix_ns = unix_ns;
    logctx_log_text(&line, out, sizeof out);
    assert_string_equal(out, want);
}

static void test_times(void **state)
{
    (void)state;
    static const uint64_t day = UINT64_C(86400000000000);
    expect_time(1);
    expect_time(UINT64_MAX);
    for (uint64_t i = 0; i < UINT64_MAX / day; i++) {
        expect_time(i * day + 1000000);
        expect_time(i * day + day - 1);
    }
    uint64_t seed = 3;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        expect_time(seed | 1);
    }
}

static void test_severities(void **state)
{
    (void)state;
    static const char *const names[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"};
    for (int i = -1; i <= 26; i++) {
        char want[16];
        logctx_log_line_t line = bare_line("m");
        line.severity = (logctx_severity_t)i;
        bool named = i >= 1 && i <= 24;
        snprintf(want, sizeof want, "%s%sm", named ? names[(i - 1) / 4] : "", named ? " " : "");
        expect(logctx_log_text, &line, want);
    }
}

// ---- the logger ----

static int interruptions;
static int writes;

// Stands before the C library's, for what the logger does with it; a test cannot interrupt a call at the
// right moment.
ssize_t write(int fd, const void *bytes, size_t length)
{
    if (interruptions > 0) {
        interruptions--;
        errno = EINTR;
        return -1;
    }
    writes++;
    return (ssize_t)syscall(SYS_write, fd, bytes, length);
}

// What one call writes, by one read of a pipe that holds it all.
static size_t written_by(const logctx_log_line_t *line, char *out, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    errno = EDOM;
    writes = 0;
    logctx_log_to_fd(line, &ends[1]);
    assert_int_equal(errno, EDOM);
    assert_int_equal(writes, line != NULL);
    assert_int_equal(interruptions, 0);
    assert_int_equal(close(ends[1]), 0);
    ssize_t n = read(ends[0], out, size);
    assert_true(n >= 0);
    assert_int_equal(read(ends[0], out + n, size - (size_t)n), 0);
    assert_int_equal(close(ends[0]), 0);
    return (size_t)n;
}

static void test_to_fd(void **state)
{
    (void)state;
    static const char want[] = "2026-01-31T12:00:00.000Z WARN GET-4711 example.org [" TRACE_ID "-" SPAN_ID
                               "] two\\nlines\n";
    char out[512];
    logctx_log_line_t line = full_line("two\nlines");
    assert_int_equal(written_by(&line, out, sizeof out), sizeof want - 1);
    assert_memory_equal(out, want, sizeof want - 1);
    interruptions = 3;
    assert_int_equal(written_by(&line, out, sizeof out), sizeof want - 1);
    assert_memory_equal(out, want, sizeof want - 1);
    assert_int_equal(written_by(NULL, out, sizeof out), 0);
    logctx_log_to_fd(&line, NULL);
}

// Lines around the size of the logger's buffer: whole, or cut between characters with a mark; always one
// line.
static void test_to_fd_long(void **state)
{
    (void)state;
    enum { SIZE = 20000 };
    char *message = calloc(1, SIZE);
    char *out = malloc(SIZE);
    assert_non_null(message);
    assert_non_null(out);
    for (size_t length = 8100; length < 8300; length++) {
        memset(message, 0, SIZE);
        memset(message, 'x', length);
        logctx_log_line_t line = bare_line(message);
        size_t n = written_by(&line, out, SIZE);
        assert_true(n <= 8192);
        assert_ptr_equal(memchr(out, '\n', n), out + n - 1);
        bool whole = n == length + 1;
        assert_true(whole || (n > 8180 && memcmp(out + n - 5, "x...\n", 5) == 0));
        assert_true(whole || length > 8180);
    }
    for (size_t i = 0; i + 1 < SIZE; i += 3)
        memcpy(message + i, i + 3 < SIZE ? "\u20AC" : "\0\0", i + 3 < SIZE ? 3 : 1);
    logctx_log_line_t line = bare_line(message);
    size_t n = written_by(&line, out, SIZE);
    assert_int_equal(n % 3, 4 % 3);
    assert_memory_equal(out + n - 7, "\u20AC...\n", 7);
    free(message);
    free(out);
}

// A descriptor that takes nothing: the call comes back, and errno is as it was.
static void test_to_fd_fails(void **state)
{
    (void)state;
    logctx_log_line_t line = full_line("lost");
    int closed = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_true(closed >= 0);
    assert_int_equal(close(closed), 0);
    errno = EDOM;
    logctx_log_to_fd(&line, &closed);
    assert_int_equal(errno, EDOM);

    int ends[2];
    char block[4096] = {0};
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    while (write(ends[1], block, sizeof block) > 0) {
    }
    assert_int_equal(errno, EAGAIN);
    errno = EDOM;
    logctx_log_to_fd(&line, &ends[1]);
    assert_int_equal(errno, EDOM);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),       cmocka_unit_test(test_json),
        cmocka_unit_test(test_escapes),    cmocka_unit_test(test_every_field_is_escaped),
        cmocka_unit_test(test_times),      cmocka_unit_test(test_ids_without_end),
        cmocka_unit_test(test_severities), cmocka_unit_test(test_to_fd),
        cmocka_unit_test(test_to_fd_long), cmocka_unit_test(test_to_fd_fails),
    };
    return cmocka_run_group_tests_name("log_format", tests, NULL, NULL);
}
