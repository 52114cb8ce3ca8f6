/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP/JSON, the reading side: JSON bytes from a stranger to a message of this folder, by proto3 JSON with
 * OTLP's exceptions. Unknown keys are skipped; a key in snake_case is unknown. Depends on jansson; link
 * logctx_proto too. */

#ifndef LOGCTX_PROTO_OTLP_JSON_READ_H
#define LOGCTX_PROTO_OTLP_JSON_READ_H

#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

/* The bounds on one body. A value costs up to about 300 bytes while it is parsed, hence the second one; the
 * depth of the messages is LOGCTX__OTLP_MAX_DEPTH. */
enum { LOGCTX__JSON_MAX_BYTES = 64 << 20, LOGCTX__JSON_MAX_VALUES = 1 << 20 };

/* NULL and a sentence in `why` (what is wrong and at which path; 512 bytes hold every one) if the text is not
 * JSON, not this message, or beyond a bound. Everything that the message consists of comes from `allocator`
 * (NULL: malloc); free it with protobuf_c_message_free_unpacked and the same allocator. */
ProtobufCMessage *logctx__otlp_json_read(const ProtobufCMessageDescriptor *type, const char *json, size_t length,
                                         ProtobufCAllocator *allocator, char *why, size_t why_size);

#endif
