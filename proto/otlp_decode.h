/* SPDX-License-Identifier: Apache-2.0 */
/* Reading messages that strangers sent. protobuf-c alone recurses as deep as the bytes tell it to, and two
 * bytes can make it allocate a hundred: here the nesting is checked before, and the memory is counted while
 * it is taken. */

#ifndef LOGCTX_PROTO_OTLP_DECODE_H
#define LOGCTX_PROTO_OTLP_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

/* An allocator (malloc and free) that refuses once `left` is used up. It belongs to one thread, and has to
 * outlive no message: what it gave may be freed through it or through NULL, protobuf-c's own allocator. */
struct logctx__budget {
    ProtobufCAllocator allocator;
    size_t left;
    bool exceeded; /* something was refused: the sender's message is too large, and not malformed */
};

void logctx__budget_init(struct logctx__budget *budget, size_t bytes);

/* NULL and a sentence in `why` if the bytes are not a message of this type, nest deeper than
 * LOGCTX__OTLP_MAX_DEPTH, or do not fit the allocator. Free the message with protobuf_c_message_free_unpacked
 * and the same allocator. */
ProtobufCMessage *logctx__otlp_decode(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t length,
                                      ProtobufCAllocator *allocator, char *why, size_t why_size);

#endif
