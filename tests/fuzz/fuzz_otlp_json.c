// SPDX-License-Identifier: Apache-2.0
// libFuzzer: OTLP/JSON from a stranger is refused with a sentence, or it becomes a message that prints to
// JSON which reads back as the same message; a message from the wire prints as one line. The first byte
// chooses between them; one thread.

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "opentelemetry/proto/collector/logs/v1/logs_service.pb-c.h"
#include "opentelemetry/proto/collector/metrics/v1/metrics_service.pb-c.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "otlp_decode.h"
#include "otlp_json.h"
#include "otlp_json_read.h"

#define DESCRIPTOR(x) &opentelemetry__proto__##x##__descriptor

static const ProtobufCMessageDescriptor *const types[] = {
    DESCRIPTOR(collector__trace__v1__export_trace_service_request),
    DESCRIPTOR(collector__metrics__v1__export_metrics_service_request),
    DESCRIPTOR(collector__logs__v1__export_logs_service_request),
    DESCRIPTOR(common__v1__any_value),
};

static void require(int condition)
{
    if (!condition)
        abort();
}

static ProtobufCMessage *read_json(const ProtobufCMessageDescriptor *type, const char *json, size_t length)
{
    struct logctx__budget budget;
    char why[512] = "";
    logctx__budget_init(&budget, (size_t)64 << 20);
    ProtobufCMessage *message = logctx__otlp_json_read(type, json, length, &budget.allocator, why, sizeof why);
    require((message == NULL) == (why[0] != '\0'));
    return message;
}

static uint8_t *pack(const ProtobufCMessage *message, size_t *size)
{
    *size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(*size + 1);
    require(bytes != NULL);
    require(protobuf_c_message_pack(message, bytes) == *size);
    return bytes;
}

static void compare_packed(const ProtobufCMessage *first, const ProtobufCMessage *second)
{
    size_t first_size;
    size_t second_size;
    uint8_t *first_bytes = pack(first, &first_size);
    uint8_t *second_bytes = pack(second, &second_size);
    require(first_size == second_size && memcmp(first_bytes, second_bytes, first_size) == 0);
    free(first_bytes);
    free(second_bytes);
}

// What this project packs, it has to read again, by way of the nesting check.
static void compare_decoded(const ProtobufCMessage *message)
{
    char why[512] = "";
    size_t size;
    uint8_t *bytes = pack(message, &size);
    ProtobufCMessage *decoded = logctx__otlp_decode(message->descriptor, bytes, size, NULL, why, sizeof why);
    require(decoded != NULL);
    compare_packed(message, decoded);
    protobuf_c_message_free_unpacked(decoded, NULL);
    free(bytes);
}

static void try_json(const ProtobufCMessageDescriptor *type, const char *json, size_t length)
{
    ProtobufCMessage *message = read_json(type, json, length);
    if (message == NULL)
        return;
    struct logctx__text text;
    logctx__text_init(&text, (size_t)64 << 20);
    require(logctx__otlp_json_print(message, &text));
    ProtobufCMessage *again = read_json(type, text.bytes, text.length);
    require(again != NULL);
    compare_packed(message, again);
    compare_decoded(message);
    logctx__text_free(&text);
    protobuf_c_message_free_unpacked(again, NULL);
    protobuf_c_message_free_unpacked(message, NULL);
}

// A message from the wire may hold ids of any length, which JSON readers refuse; it still has to print as a
// line.
static void try_bytes(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t length)
{
    struct logctx__budget budget;
    char why[512] = "";
    logctx__budget_init(&budget, (size_t)64 << 20);
    ProtobufCMessage *message = logctx__otlp_decode(type, bytes, length, &budget.allocator, why, sizeof why);
    require((message == NULL) == (why[0] != '\0'));
    if (message == NULL)
        return;
    struct logctx__text text;
    logctx__text_init(&text, (size_t)64 << 20);
    require(logctx__otlp_json_print(message, &text));
    require(strchr(text.bytes, '\n') == NULL && strlen(text.bytes) == text.length);
    protobuf_c_message_free_unpacked(read_json(type, text.bytes, text.length), NULL);
    logctx__text_free(&text);
    protobuf_c_message_free_unpacked(message, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { TYPES = sizeof types / sizeof *types };
    if (size == 0)
        return 0;
    const ProtobufCMessageDescriptor *type = types[data[0] % TYPES];
    if (data[0] / TYPES % 2 == 0)
        try_json(type, (const char *)data + 1, size - 1);
    else
        try_bytes(type, data + 1, size - 1);
    return 0;
}
