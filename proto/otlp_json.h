/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP/JSON, the writing side: any message of this folder as one line of JSON, without a JSON library.
 * It is proto3 JSON with OTLP's exceptions: trace and span ids in hex, enums as integers, lowerCamelCase keys
 * only. One deviation: google.protobuf.Any appears with its two fields and not expanded, as nobody here knows
 * its types. */

#ifndef LOGCTX_PROTO_OTLP_JSON_H
#define LOGCTX_PROTO_OTLP_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "text.h"

/* How deep messages may nest: attributes 64 levels deep, as the OpenTelemetry SDKs allow, need 64 * 3 + 9. */
enum { LOGCTX__OTLP_MAX_DEPTH = 256 };

/* A key of JSON, with its NUL; long enough for every field of these messages. */
enum { LOGCTX__OTLP_JSON_KEY_SIZE = 64 };

/* Appends the message, without a line end. On false (the text's limit, memory, or messages nested deeper than
 * LOGCTX__OTLP_MAX_DEPTH) the text is as it was before, except that it is marked failed until it is reset. */
bool logctx__otlp_json_print(const ProtobufCMessage *message, struct logctx__text *out);

/* The lowerCamelCase form of a field's name; false if it does not fit. */
bool logctx__otlp_json_key(const char *field_name, char key[LOGCTX__OTLP_JSON_KEY_SIZE]);

/* The length of an id (16 or 8 bytes) if OTLP/JSON writes this field in hex; 0 for every other field. */
size_t logctx__otlp_json_hex_bytes(const ProtobufCFieldDescriptor *field);

/* The size in memory of one value of this type, alone or in a repeated field. */
size_t logctx__otlp_json_value_size(ProtobufCType type);

#endif
