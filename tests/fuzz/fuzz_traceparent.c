/*
 * fuzz_traceparent.c: libFuzzer target for the two W3C headers. Whatever comes in, what is read must be
 * writable, read back the same, and hold to the grammar.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tracestate.h"

#include <logctx/trace.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_traceparent(const char *header, size_t size)
{
    logctx_span_context_t read;
    logctx_span_context_t again;
    char written[LOGCTX_TRACEPARENT_SIZE];
    if (!logctx_traceparent_read(header, size, &read))
        return;
    static const logctx_span_context_t zero;
    require(memcmp(read.trace_id, zero.trace_id, sizeof zero.trace_id) != 0);
    require(memcmp(read.span_id, zero.span_id, sizeof zero.span_id) != 0);
    require((read.flags & ~(LOGCTX_FLAG_SAMPLED | LOGCTX_FLAG_RANDOM)) == 0);
    logctx_traceparent_write(&read, written);
    require(strlen(written) == LOGCTX_TRACEPARENT_SIZE - 1);
    require(logctx_traceparent_read(written, strlen(written), &again));
    require(memcmp(&read, &again, sizeof read) == 0);
}

// Every room gives a string that is itself a tracestate, and no more room never gives less.
static void check_cut(const char *state, size_t length)
{
    char cut[LOGCTX_TRACESTATE_SIZE];
    char again[LOGCTX_TRACESTATE_SIZE];
    for (size_t room = 1; room <= length + 1; room += 1 + length / 64) {
        size_t size = logctx__tracestate_cut(cut, room, state);
        require(size < room && strlen(cut) == size);
        require(logctx_tracestate_read(cut, size, again, sizeof again) == size);
        require(memcmp(cut, again, size) == 0);
    }
    require(logctx__tracestate_cut(cut, sizeof cut, state) == length);
    require(strcmp(cut, state) == 0);
}

static void check_tracestate(const char *header, size_t size)
{
    char state[LOGCTX_TRACESTATE_SIZE];
    size_t length = logctx_tracestate_read(header, size, state, sizeof state);
    require(length <= size && strlen(state) == length);
    if (length == 0)
        return;
    size_t members = 1;
    for (size_t i = 0; i < length; i++) {
        require(state[i] >= 0x20 && state[i] <= 0x7E);
        members += state[i] == ',';
    }
    require(members <= 32);
    check_cut(state, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_traceparent((const char *)data, size);
    check_tracestate((const char *)data, size);
    return 0;
}
