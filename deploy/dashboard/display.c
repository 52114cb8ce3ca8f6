// SPDX-License-Identifier: Apache-2.0
// Escaping, cutting, and the forms of numbers. The character widths are the C library's, through a locale that is set
// for the printing thread only.

#include "display.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include "clean.h"

static _Thread_local locale_t widths;

void display_begin(void)
{
    widths = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (widths != (locale_t)0)
        uselocale(widths);
}

void display_end(void)
{
    uselocale(LC_GLOBAL_LOCALE);
    if (widths != (locale_t)0)
        freelocale(widths);
    widths = (locale_t)0;
}

static int columns_of(uint32_t code)
{
    int columns = widths != (locale_t)0 ? wcwidth((wchar_t)code) : 1;
    return columns >= 0 ? columns : 1;
}

int display_columns(const char *text)
{
    int columns = 0;
    uint32_t code;
    for (size_t length; *text != '\0'; text += length) {
        length = clean_character(text, &code);
        columns += length > 0 ? columns_of(code) : 1;
        length += length == 0;
    }
    return columns;
}

// Controls, invisible marks, and those that make a terminal write backwards: what is shown has to be what is there.
static bool needs_escape(uint32_t code)
{
    static const struct {
        uint32_t from, to;
    } ranges[] = {{0, 0x1F},        {0x7F, 0x9F},       {0xAD, 0xAD},     {0x61C, 0x61C},
                  {0x200B, 0x200F}, {0x2028, 0x202E},   {0x2060, 0x206F}, {0xFEFF, 0xFEFF},
                  {0xFFF9, 0xFFFB}, {0xE0000, 0xE0FFF}, {0xE000, 0xF8FF}, {0xF0000, 0x10FFFF}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (code >= ranges[i].from && code <= ranges[i].to)
            return true;
    return false;
}

// The next character as it is shown, and its columns; returns the bytes it takes in the text.
static size_t show(const char *text, char shown[16], int *columns)
{
    uint32_t code;
    size_t length = clean_character(text, &code);
    if (length == 0)
        snprintf(shown, 16, "\\x%02x", (unsigned)(unsigned char)*text);
    else if (needs_escape(code))
        snprintf(shown, 16, code < 0x80 ? "\\x%02x" : "\\u{%x}", (unsigned)code);
    else
        snprintf(shown, 16, "%.*s", (int)length, text);
    bool plain = length > 0 && !needs_escape(code);
    *columns = plain ? columns_of(code) : (int)strlen(shown);
    return length > 0 ? length : 1;
}

void display_fit(const char *text, int columns, char out[DISPLAY_SIZE])
{
    static const char ellipsis[] = "\xE2\x80\xA6";
    size_t used = 0;
    size_t cut_at = 0; // up to here the text leaves room for the ellipsis
    int taken = 0;
    if (text == NULL)
        text = "";
    while (*text != '\0') {
        char shown[16];
        int more;
        size_t step = show(text, shown, &more);
        size_t size = strlen(shown);
        // Marks of no width of their own could be piled up without end; the size of `out` ends them.
        if (taken + more > columns || used + size + sizeof ellipsis > DISPLAY_SIZE) {
            memcpy(out + cut_at, ellipsis, sizeof ellipsis);
            return;
        }
        memcpy(out + used, shown, size);
        used += size;
        taken += more;
        text += step;
        if (taken < columns)
            cut_at = used;
    }
    out[used] = '\0';
}

void display_number(double value, int decimals, char *out, size_t out_size)
{
    // What no honest measurement gives must not tear the columns apart.
    if (!isfinite(value) || fabs(value) >= (decimals > 0 ? 1e9 : 1e15)) {
        snprintf(out, out_size, isfinite(value) ? "%.3g" : "%.0f", value);
        return;
    }
    char plain[64];
    snprintf(plain, sizeof plain, "%.*f", decimals, value);
    size_t whole = strcspn(plain, ".");
    size_t sign = plain[0] == '-' ? 1 : 0;
    size_t used = 0;
    for (size_t i = 0; plain[i] != '\0' && used + 2 < out_size; i++) {
        if (i > sign && i < whole && (whole - i) % 3 == 0)
            out[used++] = ',';
        out[used++] = plain[i];
    }
    out[used] = '\0';
}

void display_time(int64_t unix_nano, bool date, bool milliseconds, char *out, size_t out_size)
{
    time_t seconds = unix_nano / 1000000000;
    struct tm parts = {0};
    char text[64];
    gmtime_r(&seconds, &parts);
    size_t length = strftime(text, sizeof text, date ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &parts);
    if (milliseconds)
        snprintf(text + length, sizeof text - length, ".%03d", (int)(unix_nano / 1000000 % 1000));
    snprintf(out, out_size, "%s", text);
}

struct display_unit display_unit_for(double largest_s)
{
    if (largest_s > 0 && largest_s < 0.001)
        return (struct display_unit){"\xC2\xB5s", 1e6, 1};
    if (largest_s < 1)
        return (struct display_unit){"ms", 1e3, 2};
    if (largest_s < 100)
        return (struct display_unit){"ms", 1e3, 1};
    return (struct display_unit){"s", 1, 2};
}
