/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as OTLP/JSON writes them: integers of 64 bits as numbers or as strings, and doubles that JSON
 * cannot write. Everything is independent of the host's locale. */

#ifndef LOGCTX_PROTO_JSON_NUMBERS_H
#define LOGCTX_PROTO_JSON_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/* Any integer from -(2^64 - 1) to 2^64 - 1; the field that takes it decides which of them it wants. */
struct logctx__whole {
    bool negative;
    uint64_t magnitude;
};

/* False if the value is not a whole number, be it as integer, as real like 2.0, or as string of digits. */
bool logctx__json_whole(const json_t *value, struct logctx__whole *whole);

/* False if the value is neither a number nor a string that holds one, or NaN, Infinity, -Infinity. */
bool logctx__json_double(const json_t *value, double *number);

/* A copy, from malloc, in which every integer of 19 and more digits stands in quotes; NULL without memory. */
char *logctx__json_quote_large_integers(const char *json, size_t length, size_t *quoted_length);

#endif
