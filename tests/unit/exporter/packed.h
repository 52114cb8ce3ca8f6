/*
 * packed.h: the spans of a batch by chance (any_context.h) as the encoder writes them, and as protobuf-c packs their models.
 * One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_PACKED_H
#define LOGCTX_TESTS_PACKED_H

#include "any_context.h"
#include "encode_span.h"

#include <logctx/recorder.h>

void packed_begin(void);
void packed_end(void);

// The request around `count` spans, packed by protobuf-c; in the batch's arena.
uint8_t *packed_by_protobuf(otlp_span_t *const *spans, size_t count, size_t *length);
// The request around what the recorder holds, one for each model; until the next call.
const uint8_t *packed_by_encoder(logctx_recorder_t *recorder, size_t *length);
// Whether the models of the batch are packed to these bytes.
bool packed_is_alike(const uint8_t *bytes, size_t length);
// Shows where, in a batch that differs.
void packed_show_difference(logctx_recorder_t *recorder);

#endif
