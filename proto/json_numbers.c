// SPDX-License-Identifier: Apache-2.0
// From JSON's numbers and strings to 64-bit integers and doubles.
// No state: the values belong to the calling thread.

#include "json_numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// The length of the longest integer that always fits jansson's 63 bits.
enum { SAFE_DIGITS = 18 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool whole_from_string(const char *text, size_t length, struct logctx__whole *whole)
{
    const char *end = text + length;
    *whole = (struct logctx__whole){.negative = length > 0 && *text == '-'};
    if (whole->negative)
        text++;
    if (text == end)
        return false;
    for (; text < end; text++) {
        if (!is_digit(*text))
            return false;
        uint64_t digit = (uint64_t)(*text - '0');
        if (whole->magnitude > (UINT64_MAX - digit) / 10)
            return false;
        whole->magnitude = whole->magnitude * 10 + digit;
    }
    return true;
}

static bool whole_from_real(double number, struct logctx__whole *whole)
{
    // The first double beyond 64 bits; every smaller one converts.
    const double beyond = 18446744073709551616.0;
    double size = fabs(number);
    if (!(size < beyond) || floor(size) < size)
        return false;
    *whole = (struct logctx__whole){.negative = number < 0, .magnitude = (uint64_t)size};
    return true;
}

bool logctx__json_whole(const json_t *value, struct logctx__whole *whole)
{
    if (json_is_string(value))
        return whole_from_string(json_string_value(value), json_string_length(value), whole);
    if (json_is_real(value))
        return whole_from_real(json_real_value(value), whole);
    if (!json_is_integer(value))
        return false;
    json_int_t number = json_integer_value(value);
    whole->negative = number < 0;
    whole->magnitude = whole->negative ? 0 - (uint64_t)number : (uint64_t)number;
    return true;
}

// jansson itself reads the number in the string: it knows the grammar, and undoes the locale's decimal point.
static bool double_from_string(const char *text, size_t length, double *number)
{
    static const char characters[] = "+-.0123456789Ee";
    if (strlen(text) != length || strspn(text, characters) != length)
        return false;
    json_t *parsed = json_loadb(text, length, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    bool real = json_is_real(parsed);
    if (real)
        *number = json_real_value(parsed);
    json_decref(parsed);
    return real;
}

bool logctx__json_double(const json_t *value, double *number)
{
    if (json_is_number(value)) {
        *number = json_number_value(value);
        return true;
    }
    if (!json_is_string(value))
        return false;
    const char *text = json_string_value(value);
    if (strcmp(text, "NaN") == 0)
        *number = (double)NAN;
    else if (strcmp(text, "Infinity") == 0)
        *number = (double)INFINITY;
    else if (strcmp(text, "-Infinity") == 0)
        *number = -(double)INFINITY;
    else
        return double_from_string(text, json_string_length(value), number);
    return true;
}

// The length of the string at the start of the text, its quotation marks included.
static size_t string_length(const char *text, const char *end)
{
    const char *p = text + 1;
    while (p < end && *p != '"')
        p += *p == '\\' && end - p > 1 ? 2 : 1;
    return (size_t)((p < end ? p + 1 : end) - text);
}

// The length of the number, or of anything made of its characters; *large if it is an integer that may not
// fit.
static size_t number_length(const char *text, const char *end, bool *large)
{
    const char *digits = text < end && *text == '-' ? text + 1 : text;
    const char *p = digits;
    while (p < end && is_digit(*p))
        p++;
    const char *integer_end = p;
    while (p < end && *p != '\0' && strchr("0123456789+-.eE", *p) != NULL)
        p++;
    *large = p == integer_end && p - digits > SAFE_DIGITS && *digits != '0';
    return (size_t)(p - text);
}

char *logctx__json_quote_large_integers(const char *json, size_t length, size_t *quoted_length)
{
    char *copy = malloc(length + 2 * (length / SAFE_DIGITS) + 1);
    if (copy == NULL)
        return NULL;
    char *to = copy;
    for (const char *p = json, *end = json + length; p < end;) {
        bool large = false;
        size_t token = 1;
        if (*p == '"')
            token = string_length(p, end);
        else if (*p == '-' || is_digit(*p))
            token = number_length(p, end, &large);
        if (large)
            *to++ = '"';
        memcpy(to, p, token);
        to += token;
        if (large)
            *to++ = '"';
        p += token;
    }
    *quoted_length = (size_t)(to - copy);
    return copy;
}
