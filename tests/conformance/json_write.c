// SPDX-License-Identifier: Apache-2.0
// The writer of canonical JSON. jansson's own escapes control characters with upper case digits and refuses
// bytes that are not UTF-8, which is when a difference most needs to be shown. No state: everything belongs
// to the calling thread.

#include "json_write.h"

#include <stdint.h>
#include <string.h>

static void write_char(FILE *out, unsigned char c)
{
    static const char named[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

    if (c == '"' || c == '\\') {
        fprintf(out, "\\%c", c);
    } else if (c < sizeof named && named[c]) {
        fprintf(out, "\\%c", named[c]);
    } else if (c < 0x20) {
        fprintf(out, "\\u%04x", c);
    } else {
        putc(c, out);
    }
}

static void write_string(FILE *out, const char *text, size_t length)
{
    putc('"', out);
    for (size_t i = 0; i < length; i++) {
        write_char(out, (unsigned char)text[i]);
    }
    putc('"', out);
}

static void write_array(FILE *out, const json_t *array)
{
    putc('[', out);
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0) {
            putc(',', out);
        }
        json_write(out, json_array_get(array, i));
    }
    putc(']', out);
}

static void write_object(FILE *out, const json_t *object)
{
    const char *separator = "";
    const char *key;
    json_t *value;

    putc('{', out);
    // jansson's iteration wants a pointer to non-const, and changes nothing.
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        fputs(separator, out);
        write_string(out, key, strlen(key));
        putc(':', out);
        json_write(out, value);
        separator = ",";
    }
    putc('}', out);
}

void json_write(FILE *out, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        write_object(out, value);
        break;
    case JSON_ARRAY:
        write_array(out, value);
        break;
    case JSON_STRING:
        write_string(out, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        fprintf(out, "%.17g", json_real_value(value));
        break;
    case JSON_TRUE:
        fputs("true", out);
        break;
    case JSON_FALSE:
        fputs("false", out);
        break;
    case JSON_NULL:
        fputs("null", out);
        break;
    }
}
