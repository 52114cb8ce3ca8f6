// SPDX-License-Identifier: Apache-2.0
// Writes JSON in the one form that the scenario format allows, so that two traces can be compared byte by
// byte. No state; the caller owns the stream and the value.

#ifndef CONFORMANCE_JSON_WRITE_H
#define CONFORMANCE_JSON_WRITE_H

#include <stdio.h>

#include <jansson.h>

/*
 * No white space, keys in the order of the object, in strings only `"`, `\` and control characters escaped
 * (\n \r \t \b \f, else \u00xx in lower case). Bytes that are not UTF-8 pass through: what the library
 * printed is what is seen. Errors of the stream are found with ferror().
 */
void json_write(FILE *out, const json_t *value);

#endif
