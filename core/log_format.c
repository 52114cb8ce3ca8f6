/*
 * log_format.c: a log line as text or as JSON, and a logger that writes it to a descriptor. Any thread, no
 * allocation.
 *
 * What is written holds no control character, C1 ones and line separators included: one line stays one line,
 * and no terminal takes orders from a log. Times are computed here because gmtime_r() takes the locks of the
 * time zone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "utf8.h"

#include <errno.h>
#include <logctx/log.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE 8192
#define TIME_SIZE 24 // 2026-01-31T12:00:00.000Z

// As snprintf: `length` counts everything, and nothing is stored once something has not fitted. What is put
// in one piece (a character, an escape) is stored whole or not at all.
typedef struct output {
    char *buffer;
    size_t room; // without the zero
    size_t stored;
    size_t length;
} output_t;

static output_t output_to(char *buffer, size_t size)
{
    return (output_t){.buffer = buffer, .room = size > 0 ? size - 1 : 0};
}

static void put(output_t *out, const char *piece, size_t length)
{
    if (out->room > 0 && out->stored == out->length && length <= out->room - out->stored) {
        memcpy(out->buffer + out->stored, piece, length);
        out->stored += length;
    }
    out->length += length;
}

// Text that may be cut anywhere, because each of its bytes is a character.
static void put_ascii(output_t *out, const char *text, size_t length)
{
    size_t room = out->stored == out->length ? out->room - out->stored : 0;
    size_t fits = length < room ? length : room;
    if (fits > 0)
        memcpy(out->buffer + out->stored, text, fits);
    out->stored += fits;
    out->length += length;
}

static size_t finish(output_t *out, size_t size)
{
    if (size > 0)
        out->buffer[out->stored] = '\0';
    return out->length;
}

// ---- escapes ----

static char hex(uint32_t value)
{
    return "0123456789abcdef"[value & 15];
}

static bool is_control(uint32_t codepoint)
{
    return codepoint < 0x20 || (codepoint >= 0x7F && codepoint <= 0x9F);
}

static bool is_line_separator(uint32_t codepoint)
{
    return codepoint == 0x2028 || codepoint == 0x2029;
}

static void put_u_escape(output_t *out, uint32_t codepoint)
{
    char escape[6] = {'\\', 'u', hex(codepoint >> 12), hex(codepoint >> 8), hex(codepoint >> 4), hex(codepoint)};
    put(out, escape, sizeof escape);
}

static void put_character(output_t *out, uint32_t codepoint)
{
    char utf8[4];
    put(out, utf8, logctx__utf8_put(utf8, codepoint));
}

static void put_text_character(output_t *out, uint32_t codepoint)
{
    if (codepoint == '\n') {
        put(out, "\\n", 2);
    } else if (is_control(codepoint)) {
        char escape[4] = {'\\', 'x', hex(codepoint >> 4), hex(codepoint)};
        put(out, escape, sizeof escape);
    } else if (is_line_separator(codepoint)) {
        put_u_escape(out, codepoint);
    } else {
        put_character(out, codepoint);
    }
}

// What stands behind the backslash in JSON's short escapes; 0: the character has none.
static char json_letter(uint32_t codepoint)
{
    switch (codepoint) {
    case '"':
    case '\\':
        return (char)codepoint;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static void put_json_character(output_t *out, uint32_t codepoint)
{
    char letter = json_letter(codepoint);
    if (letter)
        put(out, (char[2]){'\\', letter}, 2);
    else if (is_control(codepoint) || is_line_separator(codepoint))
        put_u_escape(out, codepoint);
    else
        put_character(out, codepoint);
}

// Bytes at the start of the text that neither form escapes.
static size_t plain_run(const char *text, size_t length)
{
    size_t i = 0;
    while (i < length && text[i] >= 0x20 && text[i] < 0x7F && text[i] != '"' && text[i] != '\\')
        i++;
    return i;
}

static void put_escaped(output_t *out, const char *text, size_t length, void (*put_one)(output_t *, uint32_t))
{
    for (size_t i = 0; i < length;) {
        size_t run = plain_run(text + i, length - i);
        put_ascii(out, text + i, run);
        i += run;
        if (i == length)
            break;
        uint32_t codepoint;
        i += logctx__utf8_next(text + i, length - i, &codepoint);
        put_one(out, codepoint);
    }
}

// ---- time and severity ----

static char *put_digits(char *p, unsigned value, unsigned count)
{
    for (unsigned i = count; i-- > 0; value /= 10)
        p[i] = (char)('0' + value % 10);
    return p + count;
}

typedef struct date {
    unsigned year;
    unsigned month;
    unsigned day;
} date_t;

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

// 64 bits of nanoseconds end in 2554, so that counting the years one by one costs less than it takes to
// explain better.
static date_t date_of(uint64_t days_since_1970)
{
    static const uint8_t lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned days = (unsigned)days_since_1970;
    date_t date = {.year = 1970, .month = 1};
    for (unsigned length = 365; days >= length; length = is_leap(date.year) ? 366 : 365) {
        days -= length;
        date.year++;
    }
    for (;;) {
        unsigned length = lengths[date.month - 1] + (date.month == 2 && is_leap(date.year) ? 1u : 0u);
        if (days < length)
            break;
        days -= length;
        date.month++;
    }
    date.day = days + 1;
    return date;
}

static void format_time(char out[TIME_SIZE], uint64_t unix_ns)
{
    uint64_t ms = unix_ns / 1000000;
    date_t date = date_of(ms / 86400000);
    unsigned rest = (unsigned)(ms % 86400000);
    char *p = put_digits(out, date.year, 4);
    *p++ = '-';
    p = put_digits(p, date.month, 2);
    *p++ = '-';
    p = put_digits(p, date.day, 2);
    *p++ = 'T';
    p = put_digits(p, rest / 3600000, 2);
    *p++ = ':';
    p = put_digits(p, rest / 60000 % 60, 2);
    *p++ = ':';
    p = put_digits(p, rest / 1000 % 60, 2);
    *p++ = '.';
    p = put_digits(p, rest % 1000, 3);
    *p = 'Z';
}

// Each name stands for a range of four numbers; NULL outside them.
static const char *severity_name(logctx_severity_t severity)
{
    static const char *const names[6] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"};
    int number = (int)severity;
    return number >= 1 && number <= 24 ? names[(number - 1) / 4] : NULL;
}

// ---- lines ----

// One part of a line, after a space unless it is the first.
static void put_word(output_t *out, const char *text)
{
    if (!text || !*text)
        return;
    if (out->length > 0)
        put(out, " ", 1);
    put_escaped(out, text, strlen(text), put_text_character);
}

static void put_time(output_t *out, const logctx_log_line_t *line)
{
    char time[TIME_SIZE];
    format_time(time, line->unix_ns);
    put_ascii(out, time, sizeof time);
}

static void put_ids(output_t *out, const logctx_log_line_t *line)
{
    if (!line->trace_id[0])
        return;
    if (out->length > 0)
        put(out, " ", 1);
    put(out, "[", 1);
    put_escaped(out, line->trace_id, strnlen(line->trace_id, sizeof line->trace_id), put_text_character);
    if (line->span_id[0]) {
        put(out, "-", 1);
        put_escaped(out, line->span_id, strnlen(line->span_id, sizeof line->span_id), put_text_character);
    }
    put(out, "]", 1);
}

size_t logctx_log_text(const logctx_log_line_t *line, char *buffer, size_t size)
{
    output_t out = output_to(buffer, buffer ? size : 0);
    if (line) {
        if (line->unix_ns)
            put_time(&out, line);
        put_word(&out, severity_name(line->severity));
        put_word(&out, line->request);
        put_word(&out, line->server_name);
        put_ids(&out, line);
        put_word(&out, line->message);
    }
    return finish(&out, buffer ? size : 0);
}

static void put_key(output_t *out, const char *key)
{
    if (out->length > 1)
        put(out, ",", 1);
    put(out, "\"", 1);
    put_ascii(out, key, strlen(key));
    put_ascii(out, "\":", 2);
}

static void put_member(output_t *out, const char *key, const char *text, size_t length)
{
    if (length == 0)
        return;
    put_key(out, key);
    put(out, "\"", 1);
    put_escaped(out, text, length, put_json_character);
    put(out, "\"", 1);
}

static void put_string_member(output_t *out, const char *key, const char *text)
{
    put_member(out, key, text, text ? strlen(text) : 0);
}

// A JSON object that is cut is no JSON any more: the caller sees it by the length, as with snprintf.
size_t logctx_log_json(const logctx_log_line_t *line, char *buffer, size_t size)
{
    output_t out = output_to(buffer, buffer ? size : 0);
    if (line) {
        put(&out, "{", 1);
        if (line->unix_ns) {
            char time[TIME_SIZE];
            format_time(time, line->unix_ns);
            put_member(&out, "time", time, sizeof time);
        }
        put_string_member(&out, "severity", severity_name(line->severity));
        put_string_member(&out, "message", line->message);
        put_string_member(&out, "request", line->request);
        put_string_member(&out, "server_name", line->server_name);
        put_member(&out, "trace_id", line->trace_id, strnlen(line->trace_id, sizeof line->trace_id));
        put_member(&out, "span_id", line->span_id, strnlen(line->span_id, sizeof line->span_id));
        put_member(&out, "trace_flags", line->trace_flags, strnlen(line->trace_flags, sizeof line->trace_flags));
        put(&out, "}", 1);
    }
    return finish(&out, buffer ? size : 0);
}

void logctx_log_to_fd(const logctx_log_line_t *line, void *user)
{
    static const char cut_mark[] = "...\n";
    char text[LINE_SIZE];
    if (!line || !user)
        return;
    int saved = errno;
    // The mark replaces the zero and stands in room of its own, so that a line that was cut says so.
    size_t room = sizeof text - (sizeof cut_mark - 1);
    size_t length = logctx_log_text(line, text, room);
    if (length < room) {
        text[length++] = '\n';
    } else {
        length = strlen(text);
        memcpy(text + length, cut_mark, sizeof cut_mark - 1);
        length += sizeof cut_mark - 1;
    }
    // What does not go out at once is lost: waiting for a full pipe here would stop the work that is being
    // logged.
    while (write(*(const int *)user, text, length) < 0 && errno == EINTR) {
    }
    errno = saved;
}
