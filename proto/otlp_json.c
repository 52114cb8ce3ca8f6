// SPDX-License-Identifier: Apache-2.0
// Prints a protobuf-c message as OTLP/JSON by walking its descriptor.
// No state of its own: message and text belong to the calling thread.

#include "otlp_json.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char REPLACEMENT[] = "\xEF\xBF\xBD"; // U+FFFD

bool logctx__otlp_json_key(const char *field_name, char key[LOGCTX__OTLP_JSON_KEY_SIZE])
{
    size_t length = 0;
    bool raise = false;
    for (const char *p = field_name; *p != '\0'; p++) {
        if (*p == '_') {
            raise = true;
            continue;
        }
        if (length + 1 == LOGCTX__OTLP_JSON_KEY_SIZE)
            return false;
        bool lower = *p >= 'a' && *p <= 'z';
        key[length++] = raise && lower ? (char)(*p - 'a' + 'A') : *p;
        raise = false;
    }
    key[length] = '\0';
    return true;
}

size_t logctx__otlp_json_hex_bytes(const ProtobufCFieldDescriptor *field)
{
    if (field->type != PROTOBUF_C_TYPE_BYTES)
        return 0;
    if (strcmp(field->name, "trace_id") == 0)
        return 16;
    if (strcmp(field->name, "span_id") == 0 || strcmp(field->name, "parent_span_id") == 0)
        return 8;
    return 0;
}

static bool continues(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

// The length of the well-formed character at the start of the bytes, or 0. Overlong forms, surrogates and
// what lies beyond U+10FFFF are not well-formed; each shows in the second byte. The bytes end in a NUL, which
// continues nothing, so a cut character is never read past its end.
static size_t character_length(const uint8_t *p)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4 || !continues(p[1]))
        return 0;
    if (p[0] < 0xE0)
        return 2;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || !continues(p[2]))
        return 0;
    if (p[0] < 0xF0)
        return 3;
    if ((p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F) || !continues(p[3]))
        return 0;
    return 4;
}

// Only control characters, the quotation mark and the backslash come here, so the table is long enough.
static void print_escaped(struct logctx__text *out, uint8_t byte)
{
    static const char named[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'};
    if (named[byte] != '\0') {
        logctx__text_append(out, (char[]){'\\', named[byte]}, 2);
        return;
    }
    char code[7];
    snprintf(code, sizeof code, "\\u%04x", byte);
    logctx__text_append_string(out, code);
}

static void print_string(struct logctx__text *out, const char *string)
{
    const uint8_t *run = (const uint8_t *)(string != NULL ? string : "");
    const uint8_t *p = run;
    logctx__text_append_byte(out, '"');
    while (*p != '\0') {
        size_t length = character_length(p);
        bool plain = length > 0 && *p >= 0x20 && *p != '"' && *p != '\\';
        if (plain) {
            p += length;
            continue;
        }
        logctx__text_append(out, run, (size_t)(p - run));
        if (length > 0)
            print_escaped(out, *p);
        else
            logctx__text_append_string(out, REPLACEMENT);
        run = ++p;
    }
    logctx__text_append(out, run, (size_t)(p - run));
    logctx__text_append_byte(out, '"');
}

static void print_hex(struct logctx__text *out, const ProtobufCBinaryData *data)
{
    static const char digits[] = "0123456789abcdef";
    logctx__text_append_byte(out, '"');
    for (size_t i = 0; i < data->len; i++)
        logctx__text_append(out, (char[]){digits[data->data[i] >> 4], digits[data->data[i] & 15]}, 2);
    logctx__text_append_byte(out, '"');
}

static void print_base64(struct logctx__text *out, const ProtobufCBinaryData *data)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    logctx__text_append_byte(out, '"');
    for (size_t i = 0; i < data->len; i += 3) {
        size_t left = data->len - i;
        uint32_t bits = (uint32_t)data->data[i] << 16;
        if (left > 1)
            bits |= (uint32_t)data->data[i + 1] << 8;
        if (left > 2)
            bits |= data->data[i + 2];
        char quad[4] = {digits[bits >> 18], digits[bits >> 12 & 63], digits[bits >> 6 & 63], digits[bits & 63]};
        if (left < 3)
            quad[3] = '=';
        if (left < 2)
            quad[2] = '=';
        logctx__text_append(out, quad, sizeof quad);
    }
    logctx__text_append_byte(out, '"');
}

// printf writes the decimal point of the host's locale, which may be a comma or several bytes.
static void append_number(struct logctx__text *out, const char *number)
{
    static const char plain[] = "0123456789+-e";
    size_t length = strspn(number, plain);
    logctx__text_append(out, number, length);
    if (number[length] == '\0')
        return;
    logctx__text_append_byte(out, '.');
    logctx__text_append_string(out, number + length + strcspn(number + length, plain));
}

// The shortest of three forms that reads back as the same value; the last one always does.
static void print_double(struct logctx__text *out, double value, int shortest, int longest)
{
    if (isnan(value)) {
        logctx__text_append_string(out, "\"NaN\"");
    } else if (isinf(value)) {
        logctx__text_append_string(out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    } else if (fpclassify(value) == FP_ZERO) {
        logctx__text_append_string(out, signbit(value) ? "-0.0" : "0");
    } else {
        char number[48];
        for (int digits = shortest; digits <= longest; digits++) {
            snprintf(number, sizeof number, "%.*g", digits, value);
            double back = strtod(number, NULL);
            if (!(back < value) && !(back > value))
                break;
        }
        append_number(out, number);
    }
}

static void print_integer(struct logctx__text *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void print_integer(struct logctx__text *out, const char *format, ...)
{
    char number[32];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(number, sizeof number, format, arguments);
    va_end(arguments);
    logctx__text_append_string(out, number);
}

static bool print_message(struct logctx__text *out, const ProtobufCMessage *message, unsigned depth);

static void print_bytes(struct logctx__text *out, const ProtobufCFieldDescriptor *field,
                        const ProtobufCBinaryData *data)
{
    if (logctx__otlp_json_hex_bytes(field) > 0)
        print_hex(out, data);
    else
        print_base64(out, data);
}

static bool print_value(struct logctx__text *out, const ProtobufCFieldDescriptor *field, const void *member,
                        unsigned depth)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_ENUM:
        print_integer(out, "%" PRId32, *(const int32_t *)member);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        print_integer(out, "%" PRIu32, *(const uint32_t *)member);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        print_integer(out, "\"%" PRId64 "\"", *(const int64_t *)member);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        print_integer(out, "\"%" PRIu64 "\"", *(const uint64_t *)member);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        print_double(out, (double)*(const float *)member, 9, 9);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        print_double(out, *(const double *)member, 15, 17);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        logctx__text_append_string(out, *(const protobuf_c_boolean *)member ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_STRING:
        print_string(out, *(char *const *)member);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        print_bytes(out, field, member);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        return print_message(out, *(ProtobufCMessage *const *)member, depth + 1);
    }
    return !out->failed;
}

size_t logctx__otlp_json_value_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}

static bool is_default(const ProtobufCFieldDescriptor *field, const void *member)
{
    static const uint8_t zeros[8];
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *string = *(char *const *)member;
        return string == NULL || *string == '\0';
    }
    if (field->type == PROTOBUF_C_TYPE_BYTES)
        return ((const ProtobufCBinaryData *)member)->len == 0;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(ProtobufCMessage *const *)member == NULL;
    return memcmp(member, zeros, logctx__otlp_json_value_size(field->type)) == 0;
}

static bool is_absent(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *)message;
    const void *member = base + field->offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return *(const size_t *)(const void *)(base + field->quantifier_offset) == 0;
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        bool chosen = *(const uint32_t *)(const void *)(base + field->quantifier_offset) == field->id;
        bool nothing = field->type == PROTOBUF_C_TYPE_MESSAGE && *(ProtobufCMessage *const *)member == NULL;
        return !chosen || nothing;
    }
    return is_default(field, member);
}

static bool print_repeated(struct logctx__text *out, const ProtobufCMessage *message,
                           const ProtobufCFieldDescriptor *field, unsigned depth)
{
    const char *base = (const char *)message;
    size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
    const char *values = *(char *const *)(const void *)(base + field->offset);
    size_t size = logctx__otlp_json_value_size(field->type);
    logctx__text_append_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            logctx__text_append_byte(out, ',');
        if (!print_value(out, field, values + i * size, depth))
            return false;
    }
    return logctx__text_append_byte(out, ']');
}

static bool print_field(struct logctx__text *out, const ProtobufCMessage *message,
                        const ProtobufCFieldDescriptor *field, unsigned depth)
{
    char key[LOGCTX__OTLP_JSON_KEY_SIZE];
    if (!logctx__otlp_json_key(field->name, key))
        return false;
    logctx__text_append_byte(out, '"');
    logctx__text_append_string(out, key);
    logctx__text_append(out, "\":", 2);
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return print_repeated(out, message, field, depth);
    return print_value(out, field, (const char *)message + field->offset, depth);
}

static bool print_message(struct logctx__text *out, const ProtobufCMessage *message, unsigned depth)
{
    if (depth > LOGCTX__OTLP_MAX_DEPTH)
        return false;
    bool first = true;
    logctx__text_append_byte(out, '{');
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (is_absent(message, field))
            continue;
        if (!first)
            logctx__text_append_byte(out, ',');
        first = false;
        if (!print_field(out, message, field, depth))
            return false;
    }
    return logctx__text_append_byte(out, '}');
}

bool logctx__otlp_json_print(const ProtobufCMessage *message, struct logctx__text *out)
{
    size_t before = out->length;
    if (out->failed)
        return false;
    if (print_message(out, message, 1))
        return true;
    logctx__text_reset(out, before);
    out->failed = true;
    return false;
}
