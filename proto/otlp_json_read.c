// SPDX-License-Identifier: Apache-2.0
// Reads OTLP/JSON: jansson parses, a walk over the message's descriptor picks out what it knows.
// No state of its own: everything belongs to the calling thread. Messages are proto3, so that no field is
// required.

#include "otlp_json_read.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "json_numbers.h"
#include "otlp_json.h"

struct reader {
    ProtobufCAllocator *allocator;
    char *why;
    size_t why_size;
};

// Where in the body the walk is: a list up to the top level, on the stack.
struct place {
    const struct place *up;
    const char *key; // NULL: an element of the array that `up` names
    size_t index;
};

static void *take(const struct reader *reader, size_t size)
{
    ProtobufCAllocator *allocator = reader->allocator;
    return allocator != NULL ? allocator->alloc(allocator->allocator_data, size) : malloc(size);
}

static void give_back(const struct reader *reader, void *pointer)
{
    ProtobufCAllocator *allocator = reader->allocator;
    if (allocator != NULL)
        allocator->free(allocator->allocator_data, pointer);
    else
        free(pointer);
}

static void append(const struct reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void append(const struct reader *reader, const char *format, ...)
{
    size_t used = reader->why_size > 0 ? strlen(reader->why) : 0;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reader->why + used, reader->why_size - used, format, arguments);
    va_end(arguments);
}

// Returns how deep the place is. A deep one is cut, or it would crowd out what is wrong there.
static unsigned append_place(const struct reader *reader, const struct place *place)
{
    enum { SHOWN = 24 };
    unsigned depth = 1 + (place->up != NULL ? append_place(reader, place->up) : 0);
    if (depth > SHOWN + 1)
        return depth;
    if (depth == SHOWN + 1)
        append(reader, "...");
    else if (place->key == NULL)
        append(reader, "[%zu]", place->index);
    else
        append(reader, "%s%s", place->up != NULL ? "." : "", place->key);
    return depth;
}

static void begin_refusal(const struct reader *reader, const struct place *place)
{
    if (reader->why_size > 0)
        reader->why[0] = '\0';
    append(reader, "In the JSON body, at ");
    if (place != NULL)
        append_place(reader, place);
    else
        append(reader, "the top level");
    append(reader, ": ");
}

static bool refuse(const struct reader *reader, const struct place *place, const char *sentence)
{
    begin_refusal(reader, place);
    append(reader, "%s.", sentence);
    return false;
}

static bool refuse_type(const struct reader *reader, const struct place *place, const char *expected,
                        const json_t *found)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object",   [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "an integer", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",        [JSON_NULL] = "null",
    };
    begin_refusal(reader, place);
    append(reader, "expected %s, found %s.", expected, names[json_typeof(found)]);
    return false;
}

static bool refuse_memory(const struct reader *reader, const struct place *place)
{
    return refuse(reader, place, "the message needs more memory than one request may use; send it in smaller parts");
}

static bool read_string(const struct reader *reader, const struct place *place, const json_t *value, char **member)
{
    static const char replacement[] = "\xEF\xBF\xBD"; // U+FFFD
    if (!json_is_string(value))
        return refuse_type(reader, place, "a string", value);
    const char *from = json_string_value(value);
    size_t length = json_string_length(value);
    size_t nuls = 0;
    for (size_t i = 0; i < length; i++)
        nuls += from[i] == '\0';
    char *to = take(reader, length + 2 * nuls + 1);
    if (to == NULL)
        return refuse_memory(reader, place);
    *member = to;
    // In a C string a NUL would cut off what follows.
    for (size_t i = 0; i < length; i++) {
        if (from[i] != '\0') {
            *to++ = from[i];
        } else {
            memcpy(to, replacement, 3);
            to += 3;
        }
    }
    *to = '\0';
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool decode_hex(const char *text, size_t length, uint8_t *bytes)
{
    for (size_t i = 0; i < length; i += 2) {
        int high = hex_digit(text[i]);
        int low = hex_digit(text[i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    return true;
}

// An id is whole or, as some senders write for a root's parent, the empty string.
static bool read_hex(const struct reader *reader, const struct place *place, const json_t *value, size_t bytes,
                     ProtobufCBinaryData *member)
{
    if (!json_is_string(value))
        return refuse_type(reader, place, "a string of hex digits", value);
    size_t length = json_string_length(value);
    if (length == 0) {
        *member = (ProtobufCBinaryData){0};
        return true;
    }
    if (length != bytes * 2) {
        begin_refusal(reader, place);
        append(reader, "expected %zu hex digits, found %zu characters.", bytes * 2, length);
        return false;
    }
    uint8_t *data = take(reader, bytes);
    if (data == NULL)
        return refuse_memory(reader, place);
    if (!decode_hex(json_string_value(value), length, data)) {
        give_back(reader, data);
        return refuse(reader, place, "expected hex digits only, found another character");
    }
    *member = (ProtobufCBinaryData){.len = bytes, .data = data};
    return true;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

static bool decode_base64(const char *text, size_t length, uint8_t *bytes)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < length; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0)
            return false;
        bits = (bits << 6 | (uint32_t)digit) & 0xFFFFFF;
        if (i % 4 > 0)
            *bytes++ = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    return length % 4 != 1;
}

// Both alphabets, with and without padding, as proto3 JSON asks of readers.
static bool read_base64(const struct reader *reader, const struct place *place, const json_t *value,
                        ProtobufCBinaryData *member)
{
    if (!json_is_string(value))
        return refuse_type(reader, place, "a string in base64", value);
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    for (int padding = 0; padding < 2 && length > 0 && text[length - 1] == '='; padding++)
        length--;
    *member = (ProtobufCBinaryData){0};
    if (length == 0)
        return true;
    uint8_t *data = take(reader, length);
    if (data == NULL)
        return refuse_memory(reader, place);
    if (!decode_base64(text, length, data)) {
        give_back(reader, data);
        return refuse(reader, place, "expected base64, found a character or a length that it does not have");
    }
    *member = (ProtobufCBinaryData){.len = length / 4 * 3 + (length % 4 > 0 ? length % 4 - 1 : 0), .data = data};
    return true;
}

static bool read_whole(const struct reader *reader, const struct place *place, const json_t *value,
                       struct logctx__whole *whole, uint64_t most_negative, uint64_t most)
{
    if (!json_is_number(value) && !json_is_string(value))
        return refuse_type(reader, place, "an integer, as a number or as a string of digits", value);
    if (!logctx__json_whole(value, whole))
        return refuse(reader, place, "expected an integer of at most 64 bits, found something else");
    if (whole->magnitude > (whole->negative ? most_negative : most))
        return refuse(reader, place, "the integer is outside the range of the field");
    return true;
}

static bool read_signed(const struct reader *reader, const struct place *place, const json_t *value, int64_t most,
                        int64_t *member)
{
    struct logctx__whole whole;
    if (!read_whole(reader, place, value, &whole, (uint64_t)most + 1, (uint64_t)most))
        return false;
    // The detour keeps the most negative number within the type.
    *member = whole.negative && whole.magnitude > 0 ? -(int64_t)(whole.magnitude - 1) - 1 : (int64_t)whole.magnitude;
    return true;
}

static bool read_int32(const struct reader *reader, const struct place *place, const json_t *value, int32_t *member)
{
    int64_t wide;
    if (!read_signed(reader, place, value, INT32_MAX, &wide))
        return false;
    *member = (int32_t)wide;
    return true;
}

static bool read_enum(const struct reader *reader, const struct place *place, const json_t *value, int32_t *member)
{
    if (!json_is_number(value))
        return refuse_type(reader, place, "an integer, as OTLP/JSON has no names for the values of enums", value);
    return read_int32(reader, place, value, member);
}

static bool read_uint64(const struct reader *reader, const struct place *place, const json_t *value, uint64_t most,
                        uint64_t *member)
{
    struct logctx__whole whole;
    if (!read_whole(reader, place, value, &whole, 0, most))
        return false;
    *member = whole.magnitude;
    return true;
}

static bool read_uint32(const struct reader *reader, const struct place *place, const json_t *value, uint32_t *member)
{
    uint64_t wide;
    if (!read_uint64(reader, place, value, UINT32_MAX, &wide))
        return false;
    *member = (uint32_t)wide;
    return true;
}

static bool read_double(const struct reader *reader, const struct place *place, const json_t *value, double *member)
{
    if (!json_is_number(value) && !json_is_string(value))
        return refuse_type(reader, place, "a number", value);
    if (!logctx__json_double(value, member))
        return refuse(reader, place, "expected a number, or one of NaN, Infinity and -Infinity, found another string");
    return true;
}

static bool read_float(const struct reader *reader, const struct place *place, const json_t *value, float *member)
{
    double wide;
    if (!read_double(reader, place, value, &wide))
        return false;
    if (isfinite(wide) && fabs(wide) > (double)FLT_MAX)
        return refuse(reader, place, "the number is outside the range of the field");
    *member = (float)wide;
    return true;
}

static bool read_bool(const struct reader *reader, const struct place *place, const json_t *value,
                      protobuf_c_boolean *member)
{
    if (!json_is_boolean(value))
        return refuse_type(reader, place, "true or false", value);
    *member = json_is_true(value);
    return true;
}

static bool read_message(const struct reader *reader, const struct place *place, const json_t *value,
                         const ProtobufCMessageDescriptor *type, unsigned depth, ProtobufCMessage **member);

// Writes the member only on success.
static bool read_value(const struct reader *reader, const struct place *place, const json_t *value,
                       const ProtobufCFieldDescriptor *field, unsigned depth, void *member)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return read_int32(reader, place, value, member);
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(reader, place, value, member);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return read_uint32(reader, place, value, member);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return read_signed(reader, place, value, INT64_MAX, member);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return read_uint64(reader, place, value, UINT64_MAX, member);
    case PROTOBUF_C_TYPE_FLOAT:
        return read_float(reader, place, value, member);
    case PROTOBUF_C_TYPE_DOUBLE:
        return read_double(reader, place, value, member);
    case PROTOBUF_C_TYPE_BOOL:
        return read_bool(reader, place, value, member);
    case PROTOBUF_C_TYPE_STRING:
        return read_string(reader, place, value, member);
    case PROTOBUF_C_TYPE_BYTES:
        if (logctx__otlp_json_hex_bytes(field) > 0)
            return read_hex(reader, place, value, logctx__otlp_json_hex_bytes(field), member);
        return read_base64(reader, place, value, member);
    case PROTOBUF_C_TYPE_MESSAGE:
        return read_message(reader, place, value, field->descriptor, depth + 1, member);
    }
    return refuse(reader, place, "the field has a type that cannot be read");
}

// The count goes up with each element, so that a half-read message can be freed.
static bool read_repeated(const struct reader *reader, const struct place *place, const json_t *value,
                          const ProtobufCFieldDescriptor *field, unsigned depth, char *base)
{
    if (!json_is_array(value))
        return refuse_type(reader, place, "an array", value);
    size_t count = json_array_size(value);
    if (count == 0)
        return true;
    size_t size = logctx__otlp_json_value_size(field->type);
    char *values = take(reader, count * size);
    if (values == NULL)
        return refuse_memory(reader, place);
    *(void **)(void *)(base + field->offset) = values;
    size_t *done = (size_t *)(void *)(base + field->quantifier_offset);
    for (; *done < count; ++*done) {
        const struct place element = {.up = place, .index = *done};
        if (!read_value(reader, &element, json_array_get(value, *done), field, depth, values + *done * size))
            return false;
    }
    return true;
}

static bool read_field(const struct reader *reader, const struct place *place, const json_t *value,
                       const ProtobufCFieldDescriptor *field, unsigned depth, char *base)
{
    if (json_is_null(value))
        return true;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return read_repeated(reader, place, value, field, depth, base);
    if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)) {
        // An empty string stays the constant that protobuf-c starts with, and costs no memory.
        bool empty = field->type == PROTOBUF_C_TYPE_STRING && json_is_string(value) && json_string_length(value) == 0;
        return empty || read_value(reader, place, value, field, depth, base + field->offset);
    }
    uint32_t *chosen = (uint32_t *)(void *)(base + field->quantifier_offset);
    if (*chosen != 0)
        return refuse(reader, place, "another key of the same object already gives the value; leave one of them out");
    if (!read_value(reader, place, value, field, depth, base + field->offset))
        return false;
    *chosen = field->id;
    return true;
}

static bool read_fields(const struct reader *reader, const struct place *place, const json_t *object,
                        const ProtobufCMessageDescriptor *type, unsigned depth, char *base)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        char key[LOGCTX__OTLP_JSON_KEY_SIZE];
        const json_t *value = logctx__otlp_json_key(field->name, key) ? json_object_get(object, key) : NULL;
        const struct place inside = {.up = place, .key = key};
        if (value != NULL && !read_field(reader, &inside, value, field, depth, base))
            return false;
    }
    return true;
}

static bool read_message(const struct reader *reader, const struct place *place, const json_t *value,
                         const ProtobufCMessageDescriptor *type, unsigned depth, ProtobufCMessage **member)
{
    if (!json_is_object(value))
        return refuse_type(reader, place, "an object", value);
    if (depth > LOGCTX__OTLP_MAX_DEPTH)
        return refuse(reader, place, "the objects nest too deep; flatten the attribute values");
    ProtobufCMessage *message = take(reader, type->sizeof_message);
    if (message == NULL)
        return refuse_memory(reader, place);
    protobuf_c_message_init(type, message);
    if (!read_fields(reader, place, value, type, depth, (char *)message)) {
        protobuf_c_message_free_unpacked(message, reader->allocator);
        return false;
    }
    *member = message;
    return true;
}

// jansson's tree takes many times the room of the text; the commas and brackets bound how many values there
// are.
static bool has_too_many_values(const char *json, size_t length)
{
    size_t values = 1;
    bool quoted = false;
    for (size_t i = 0; i < length; i++) {
        char c = json[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == ',' || c == '[' || c == '{'))
            values++;
    }
    return values > LOGCTX__JSON_MAX_VALUES;
}

static json_t *parse(const struct reader *reader, const char *json, size_t length)
{
    json_error_t error;
    json_t *root = json_loadb(json, length, JSON_ALLOW_NUL, &error);
    if (root == NULL && json_error_code(&error) == json_error_numeric_overflow) {
        // Integers beyond 63 bits are legal here, and jansson has none: a second try with those in quotes.
        size_t quoted_length;
        char *quoted = logctx__json_quote_large_integers(json, length, &quoted_length);
        if (quoted != NULL)
            root = json_loadb(quoted, quoted_length, JSON_ALLOW_NUL, &error);
        free(quoted);
    }
    if (root != NULL)
        return root;
    // What follows "near" is the sender's own text, and may be cut within a character.
    char *near = strstr(error.text, " near ");
    if (near != NULL)
        *near = '\0';
    append(reader, "The body is not JSON that can be read: %s (line %d, column %d).", error.text, error.line,
           error.column);
    return NULL;
}

static ProtobufCMessage *read_body(const struct reader *reader, const ProtobufCMessageDescriptor *type,
                                   const char *json, size_t length)
{
    json_t *root = parse(reader, json, length);
    if (root == NULL)
        return NULL;
    ProtobufCMessage *message = NULL;
    read_message(reader, NULL, root, type, 1, &message);
    json_decref(root);
    return message;
}

ProtobufCMessage *logctx__otlp_json_read(const ProtobufCMessageDescriptor *type, const char *json, size_t length,
                                         ProtobufCAllocator *allocator, char *why, size_t why_size)
{
    const struct reader reader = {.allocator = allocator, .why = why, .why_size = why_size};
    if (why_size > 0)
        why[0] = '\0';
    if (length > LOGCTX__JSON_MAX_BYTES) {
        append(&reader, "The JSON body is larger than %d bytes; send it in smaller parts.", LOGCTX__JSON_MAX_BYTES);
        return NULL;
    }
    if (has_too_many_values(json, length)) {
        append(&reader, "The JSON body has more than %d values; send it in smaller parts.", LOGCTX__JSON_MAX_VALUES);
        return NULL;
    }
    // jansson looks at the decimal point of the locale, and ends the program if that is longer than a byte.
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (plain == (locale_t)0) {
        refuse_memory(&reader, NULL);
        return NULL;
    }
    locale_t before = uselocale(plain);
    ProtobufCMessage *message = read_body(&reader, type, json, length);
    uselocale(before);
    freelocale(plain);
    return message;
}
