/*
 * fuzz_encode.c: libFuzzer target for spans from the setters to the wire. The bytes choose what contexts are made, and what is
 * set on them; what the encoder writes of it has to be, byte for byte, what protobuf-c packs from a model of what was set. Where
 * the bytes end, a fixed sequence goes on. One thread, with the fake clock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <logctx/logctx.h>
#include <logctx/recorder.h>
#include <logctx/runtime.h>

#include "packed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static logctx_recorder_t *recorder;

static void prepare(void)
{
    if (recorder != NULL)
        return;
    recorder = logctx_recorder_new(BATCH_MAX);
    if (recorder == NULL || logctx_set_clock(logctx_clock("fake")) != LOGCTX_OK)
        abort();
    any_world_begin();
    packed_begin();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    prepare();
    any_world_seed(1);
    world.any.input = data;
    world.any.input_left = size;
    logctx_recorder_clear(recorder);
    any_batch_make();
    size_t length = 0;
    const uint8_t *bytes = packed_by_encoder(recorder, &length);
    if (!packed_is_alike(bytes, length)) {
        packed_show_difference(recorder);
        abort();
    }
    world.any.input_left = 0;
    return 0;
}
