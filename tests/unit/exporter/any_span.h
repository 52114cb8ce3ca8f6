/*
 * any_span.h: texts, values and attributes by chance, each in two forms: as a caller hands it to the library, and as the
 * protobuf-c message that has to come of it. The same seed gives the same ones everywhere. One thread.
 *
 * The second form is made from the pieces that the first one is made of, and from nothing that the library says.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_ANY_SPAN_H
#define LOGCTX_TESTS_ANY_SPAN_H

#include "arena.h"
#include "messages.h"

#include <logctx/trace.h>

struct any {
    uint64_t state;
    const uint8_t *input; // decides, as long as there is some of it
    size_t input_left;
    struct logctx__arena *arena; // of all that is made
    uint32_t value_length;       // the limit: characters of a string, bytes of bytes
};

uint32_t any_below(struct any *any, uint32_t below);
static inline bool any_one_in(struct any *any, uint32_t count)
{
    return any_below(any, count) == 0;
}
uint64_t any_bits(struct any *any);

struct any_text {
    char *given; // ends in a zero, and has no other one: protobuf-c's strings cannot
    size_t given_length;
    char *valid;
    size_t valid_length; // less than that of `valid` if it was cut
    bool ascii;
};

// Of that many characters: ASCII, or UTF-8, or not even that.
struct any_text any_text(struct any *any, size_t characters);
// As long as texts are, now and then around a length that takes another byte.
struct any_text any_usual_text(struct any *any);
// Shortens the valid form, without splitting a character.
void any_text_cut(struct any_text *text, size_t characters, size_t bytes);
// The valid form as it is after the cut.
char *any_valid_string(struct any *any, const struct any_text *text);

struct any_attr {
    logctx_attr_t given;
    struct any_text key;
    otlp_value_t *value;
};

// Of any type, with a key out of few, so that the same ones come again. Sometimes without a key.
struct any_attr any_attr(struct any *any);
struct any_attr any_string_attr(struct any *any, const char *key, struct any_text text);

otlp_value_t *any_make_string(struct any *any, const char *text);
otlp_value_t *any_make_int(struct any *any, int64_t value);
otlp_value_t *any_make_double(struct any *any, double value);
otlp_pair_t *any_make_pair(struct any *any, const char *key, otlp_value_t *value);

#endif
