/*
 * any_span.c: see any_span.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "any_span.h"

#include <stdio.h>
#include <string.h>

uint64_t any_bits(struct any *any)
{
    any->state += 0x9e3779b97f4a7c15u;
    uint64_t z = any->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    if (any->input_left >= 2) { // the highest bits, which are those that choose
        z = z >> 16 | (uint64_t)any->input[0] << 56 | (uint64_t)any->input[1] << 48;
        any->input += 2;
        any->input_left -= 2;
    }
    return z;
}

uint32_t any_below(struct any *any, uint32_t below)
{
    return (uint32_t)(((any_bits(any) >> 32) * below) >> 32);
}

// Texts.

// What makes one character, and what it becomes. None begins with a byte that could go on with what stands before.
static const struct piece {
    const char *given;
    const char *valid;
} pieces[] = {
    {"a", "a"},
    {"~", "~"},
    {"\n", "\n"},
    {"\x7F", "\x7F"},
    {"\xC2\x80", "\xC2\x80"},
    {"\xC3\xA4", "\xC3\xA4"},
    {"\xDF\xBF", "\xDF\xBF"},
    {"\xE0\xA0\x80", "\xE0\xA0\x80"},
    {"\xE2\x82\xAC", "\xE2\x82\xAC"},
    {"\xEF\xBF\xBD", "\xEF\xBF\xBD"},
    {"\xF0\x90\x80\x80", "\xF0\x90\x80\x80"},
    {"\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
    {"\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF"},
    // From here on they are broken.
    {"\xFF", "\xEF\xBF\xBD"},
    {"\xC3", "\xEF\xBF\xBD"},
    {"\xE2\x82", "\xEF\xBF\xBD"},
    {"\xF0\x9F\x98", "\xEF\xBF\xBD"},
    {"\xC0", "\xEF\xBF\xBD"},
};
enum { ASCII_PIECES = 4, VALID_PIECES = 13, PIECES = sizeof pieces / sizeof *pieces, LONGEST = 4 };

static char *ascii(struct any *any, size_t length)
{
    char *text = logctx__arena_array(any->arena, length + 9, 1);
    for (size_t i = 0; i < length; i += 8) {
        uint64_t letters = (any_bits(any) & 0x1f1f1f1f1f1f1f1fu) | 0x4040404040404040u;
        memcpy(text + i, &letters, sizeof letters);
    }
    text[length] = '\0';
    return text;
}

struct any_text any_text(struct any *any, size_t characters)
{
    uint32_t style = any_below(any, 10);
    if (style < 6) {
        char *text = ascii(any, characters);
        return (struct any_text){text, characters, text, characters, true};
    }
    struct any_text text = {.given = logctx__arena_array(any->arena, characters * LONGEST + 1, 1),
                            .valid = logctx__arena_array(any->arena, characters * LONGEST + 1, 1),
                            .ascii = true};
    for (size_t i = 0; i < characters; i++) {
        // Most characters of most texts are ASCII.
        uint32_t from = any_below(any, 3) != 0 ? ASCII_PIECES : style < 9 ? VALID_PIECES : PIECES;
        uint32_t which = any_below(any, from);
        size_t given = strlen(pieces[which].given);
        size_t valid = strlen(pieces[which].valid);
        memcpy(text.given + text.given_length, pieces[which].given, given);
        memcpy(text.valid + text.valid_length, pieces[which].valid, valid);
        text.given_length += given;
        text.valid_length += valid;
        text.ascii = text.ascii && which < ASCII_PIECES;
    }
    return text;
}

struct any_text any_usual_text(struct any *any)
{
    static const uint32_t boundaries[] = {125, 16380};
    uint32_t sort = any_below(any, 1000);
    if (sort < 50) {
        return any_text(any, 0);
    }
    if (sort < 800) {
        return any_text(any, any_below(any, 24));
    }
    if (sort < 900) {
        return any_text(any, any_below(any, 300));
    }
    return any_text(any, boundaries[sort == 999] + any_below(any, 8));
}

void any_text_cut(struct any_text *text, size_t characters, size_t bytes)
{
    size_t end = 0;
    for (; end < text->valid_length && characters > 0; characters--) {
        size_t next = end + 1;
        while (((unsigned char)text->valid[next] & 0xC0) == 0x80) {
            next++;
        }
        if (next > bytes) {
            break;
        }
        end = next;
    }
    text->valid_length = end;
}

char *any_valid_string(struct any *any, const struct any_text *text)
{
    if (text->valid[text->valid_length] == '\0') {
        return text->valid;
    }
    char *copy = logctx__arena_array(any->arena, text->valid_length + 1, 1);
    memcpy(copy, text->valid, text->valid_length);
    return copy;
}

// Values.

static otlp_value_t *make_value(struct any *any)
{
    otlp_value_t *value = logctx__arena_alloc(any->arena, sizeof *value);
    opentelemetry__proto__common__v1__any_value__init(value);
    return value;
}

otlp_value_t *any_make_string(struct any *any, const char *text)
{
    otlp_value_t *value = make_value(any);
    value->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE;
    value->string_value = (char *)(uintptr_t)text;
    return value;
}

otlp_value_t *any_make_int(struct any *any, int64_t number)
{
    otlp_value_t *value = make_value(any);
    value->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE;
    value->int_value = number;
    return value;
}

otlp_value_t *any_make_double(struct any *any, double number)
{
    otlp_value_t *value = make_value(any);
    value->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_DOUBLE_VALUE;
    value->double_value = number;
    return value;
}

otlp_pair_t *any_make_pair(struct any *any, const char *key, otlp_value_t *value)
{
    otlp_pair_t *pair = logctx__arena_alloc(any->arena, sizeof *pair);
    opentelemetry__proto__common__v1__key_value__init(pair);
    pair->key = (char *)(uintptr_t)key;
    pair->value = value;
    return pair;
}

static otlp_value_t *string_value(struct any *any, logctx_value_t *given, struct any_text text)
{
    *given =
        (logctx_value_t){.type = LOGCTX_VALUE_STRING, .as.bytes = {.data = text.given, .length = text.given_length}};
    any_text_cut(&text, any->value_length, SIZE_MAX);
    return any_make_string(any, any_valid_string(any, &text));
}

static otlp_value_t *bytes_value(struct any *any, logctx_value_t *given)
{
    size_t length = any_one_in(any, 20) ? 120 + any_below(any, 16) : any_below(any, 20);
    uint8_t *bytes = logctx__arena_array(any->arena, length + 8, 1);
    for (size_t i = 0; i < length; i += 8) {
        uint64_t some = any_bits(any);
        memcpy(bytes + i, &some, length - i < 8 ? length - i : 8);
    }
    *given = (logctx_value_t){.type = LOGCTX_VALUE_BYTES, .as.bytes = {.data = bytes, .length = length}};
    otlp_value_t *value = make_value(any);
    value->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_BYTES_VALUE;
    value->bytes_value = (ProtobufCBinaryData){length < any->value_length ? length : any->value_length, bytes};
    return value;
}

// Numbers of each length that varints have, and the special doubles among the others.
static int64_t any_integer(struct any *any)
{
    uint64_t number = any_bits(any) >> any_below(any, 64);
    return (int64_t)(any_one_in(any, 3) ? 0 - number : number);
}

static double any_double(struct any *any)
{
    static const double special[] = {0.0, -0.0, 1.0, 1e308, 5e-324, __builtin_inf(), -__builtin_inf()};
    if (any_one_in(any, 4)) {
        return special[any_below(any, sizeof special / sizeof *special)];
    }
    return (double)any_integer(any) / 7;
}

static otlp_value_t *any_value(struct any *any, logctx_value_t *given, unsigned depth);

static otlp_value_t *array_value(struct any *any, logctx_value_t *given, unsigned depth, size_t count)
{
    enum { MAX_DEPTH = 64 }; // of arrays; the next one is an empty value
    logctx_value_t *items = logctx__arena_array(any->arena, count + 1, sizeof *items);
    otlp_array_t *array = logctx__arena_alloc(any->arena, sizeof *array);
    opentelemetry__proto__common__v1__array_value__init(array);
    array->values = logctx__arena_array(any->arena, count + 1, sizeof *array->values);
    array->n_values = count;
    for (size_t i = 0; i < count; i++) {
        array->values[i] = any_value(any, &items[i], depth + 1);
    }
    *given = (logctx_value_t){.type = LOGCTX_VALUE_ARRAY, .as.array = {.items = items, .count = count}};
    otlp_value_t *value = make_value(any);
    if (depth <= MAX_DEPTH) {
        value->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_ARRAY_VALUE;
        value->array_value = array;
    }
    return value;
}

static otlp_value_t *any_value(struct any *any, logctx_value_t *given, unsigned depth)
{
    // Some arrays go on into the depth, one item a level, to the greatest that there may be and beyond it.
    if (depth > 3 && depth < 66 && !any_one_in(any, 40)) {
        return array_value(any, given, depth, 1);
    }
    uint32_t sort = any_below(any, 16);
    otlp_value_t *value = NULL;
    switch (sort) {
    case 0:
        *given = (logctx_value_t){.type = LOGCTX_VALUE_EMPTY};
        return make_value(any);
    case 1:
    case 2:
        *given = (logctx_value_t){.type = LOGCTX_VALUE_BOOL, .as.boolean = any_one_in(any, 2)};
        value = make_value(any);
        value->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_BOOL_VALUE;
        value->bool_value = given->as.boolean;
        return value;
    case 3:
    case 4:
    case 5:
        *given = (logctx_value_t){.type = LOGCTX_VALUE_INT, .as.integer = any_integer(any)};
        return any_make_int(any, given->as.integer);
    case 6:
    case 7:
    case 8:
        *given = (logctx_value_t){.type = LOGCTX_VALUE_DOUBLE, .as.real = any_double(any)};
        return any_make_double(any, given->as.real);
    case 9:
        return bytes_value(any, given);
    case 10:
        if (depth < 3 || any_one_in(any, 20)) {
            return array_value(any, given, depth, any_below(any, 4));
        }
        return bytes_value(any, given);
    default:
        return string_value(any, given, any_usual_text(any));
    }
}

// Attributes.

static struct any_text key_text(struct any *any)
{
    // Keys that the library sets itself, too: its value replaces the application's.
    static const char *const known[] = {"logctx.name", "logctx.server",   "logctx.cpu.time",
                                        "error.type",  "logctx.segments", "thread.id"};
    uint32_t sort = any_below(any, 60);
    if (sort == 0) {
        return any_text(any, 0);
    }
    if (sort == 1) {
        char *key = logctx__arena_string(any->arena, known[any_below(any, sizeof known / sizeof *known)]);
        return (struct any_text){key, strlen(key), key, strlen(key), true};
    }
    if (sort < 5) {
        return any_text(any, 1 + any_below(any, 3));
    }
    if (sort < 8) {
        return any_text(any, (any_one_in(any, 2) ? 62 : 122) + any_below(any, 8));
    }
    if (sort == 8 && any_one_in(any, 5)) {
        return any_text(any, 250 + any_below(any, 12));
    }
    char *key = logctx__arena_array(any->arena, 24, 1);
    int length = snprintf(key, 24, "a.key.number.%u", any_below(any, 25));
    return (struct any_text){key, (size_t)length, key, (size_t)length, true};
}

struct any_attr any_attr(struct any *any)
{
    struct any_attr attr = {.key = key_text(any)};
    attr.given.key = attr.key.given;
    attr.given.key_length = attr.key.given_length;
    attr.value = any_value(any, &attr.given.value, 1);
    return attr;
}

struct any_attr any_string_attr(struct any *any, const char *key, struct any_text text)
{
    char *copy = logctx__arena_string(any->arena, key);
    struct any_attr attr = {.key = {copy, strlen(copy), copy, strlen(copy), true}};
    attr.given.key = copy;
    attr.given.key_length = strlen(copy);
    attr.value = string_value(any, &attr.given.value, text);
    return attr;
}
