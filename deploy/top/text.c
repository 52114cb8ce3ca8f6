// Names and numbers fit for a terminal. Of the printing thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "text.h"

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <string.h>

static bool ascii;

void text_begin(void)
{
    setlocale(LC_CTYPE, "");
    ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
    display_begin();
}

void text_end(void)
{
    display_end();
}

struct layout_text text_of(const char *text)
{
    return (struct layout_text){text, strlen(text)};
}

// One '?' for each character that the terminal cannot show, as many columns as it would have taken.
static void make_ascii(char *text)
{
    char *out = text;
    for (char *at = text; *at;) {
        char one[8] = "";
        size_t length = 1;
        while ((at[length] & 0xC0) == 0x80 && length < 4)
            length++;
        memcpy(one, at, length);
        int columns = *at & 0x80 ? display_columns(one) : 1;
        char shown = *at & 0x80 ? '?' : *at;
        at += length;
        for (int i = 0; i < columns; i++)
            *out++ = shown;
    }
    *out = '\0';
}

char *text_fit(struct layout_text text, int columns, char *out)
{
    char whole[DISPLAY_SIZE];
    size_t length = text.at && text.length < sizeof whole - 1 ? text.length : text.at ? sizeof whole - 1 : 0;
    if (length > 0)
        memcpy(whole, text.at, length);
    whole[length] = '\0';
    display_fit(whole, columns > 0 ? columns : 0, out);
    if (columns <= 0)
        out[0] = '\0';
    if (ascii)
        make_ascii(out);
    return out;
}

char *text_column(struct layout_text text, int columns, char *out)
{
    text_fit(text, columns, out);
    size_t used = strlen(out);
    for (int taken = display_columns(out); taken < columns && used < DISPLAY_SIZE - 1; taken++)
        out[used++] = ' ';
    out[used] = '\0';
    return out;
}

char *text_duration(int64_t ns, char out[TEXT_SHORT])
{
    uint64_t us = ns > 0 ? (uint64_t)ns / 1000 : 0;
    uint64_t s = us / 1000000;
    if (us < 1)
        snprintf(out, TEXT_SHORT, "0");
    else if (us < 1000)
        snprintf(out, TEXT_SHORT, "%" PRIu64 "us", us);
    else if (us < 100000)
        snprintf(out, TEXT_SHORT, "%" PRIu64 ".%" PRIu64 "ms", us / 1000, us / 100 % 10);
    else if (us < 1000000)
        snprintf(out, TEXT_SHORT, "%" PRIu64 "ms", us / 1000);
    else if (s < 10)
        snprintf(out, TEXT_SHORT, "%" PRIu64 ".%02" PRIu64 "s", s, us / 10000 % 100);
    else if (s < 60)
        snprintf(out, TEXT_SHORT, "%" PRIu64 ".%" PRIu64 "s", s, us / 100000 % 10);
    else if (s < 3600)
        snprintf(out, TEXT_SHORT, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, TEXT_SHORT, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
    else if (s < 86400 * 100)
        snprintf(out, TEXT_SHORT, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s / 3600 % 24);
    else
        snprintf(out, TEXT_SHORT, "%" PRIu64 "d", s / 86400 < 99999 ? s / 86400 : 99999);
    return out;
}

char *text_count(uint64_t count, char out[TEXT_SHORT])
{
    static const char units[] = "kMGTPE";
    if (count < 10000) {
        snprintf(out, TEXT_SHORT, "%" PRIu64, count);
        return out;
    }
    unsigned unit = 0;
    uint64_t tenths = count / 100;
    for (; tenths >= 10000; tenths /= 1000)
        unit++;
    if (tenths < 1000)
        snprintf(out, TEXT_SHORT, "%" PRIu64 ".%" PRIu64 "%c", tenths / 10, tenths % 10, units[unit]);
    else
        snprintf(out, TEXT_SHORT, "%" PRIu64 "%c", tenths / 10, units[unit]);
    return out;
}

char *text_moment(uint64_t unix_ns, char out[TEXT_SHORT])
{
    char text[64];
    display_time((int64_t)(unix_ns & INT64_MAX), true, false, text, sizeof text);
    snprintf(out, TEXT_SHORT, "%.19s UTC", text);
    return out;
}

void text_site(const struct layout *layout, uint64_t address, bool function, char *out)
{
    struct layout_text file, name;
    uint32_t line;
    out[0] = '\0';
    if (!layout_site(layout, address, &file, &line, &name))
        return;
    if (line == 0)
        snprintf(out, DISPLAY_SIZE, "%.*s", (int)file.length, file.at);
    else if (function && name.at)
        snprintf(out, DISPLAY_SIZE, "%.*s:%u %.*s", (int)file.length, file.at, line, (int)name.length, name.at);
    else
        snprintf(out, DISPLAY_SIZE, "%.*s:%u", (int)file.length, file.at, line);
}
