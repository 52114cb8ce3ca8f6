/* SPDX-License-Identifier: Apache-2.0 */
/* Messages with every field set, made from their descriptors, for the tests of this folder. The values follow
 * a rule (in sample.c) that check_wire.py states a second time, so that it can tell the bytes without the
 * generated code. */

#ifndef LOGCTX_TESTS_PROTO_SAMPLE_H
#define LOGCTX_TESTS_PROTO_SAMPLE_H

#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

/* Every message of OTLP, nested ones too, NULL at the end. */
extern const ProtobufCMessageDescriptor *const sample_types[];
extern const ProtobufCEnumDescriptor *const sample_enums[];

/* Three levels of messages, below them empty ones. Each oneof has its (variant mod members)th member set.
 * Free it with protobuf_c_message_free_unpacked and NULL. */
ProtobufCMessage *sample_message(const ProtobufCMessageDescriptor *type, unsigned variant);

/* As many variants as it takes to see every member of every oneof of this message itself. */
unsigned sample_variants(const ProtobufCMessageDescriptor *type);

#endif
