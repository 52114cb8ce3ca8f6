// SPDX-License-Identifier: Apache-2.0
// Decodes protobuf bytes from outside: a walk over the nesting that needs no recursion, then protobuf-c.
// No state of its own; a budget belongs to the thread that decodes with it.

#include "otlp_decode.h"

#include <stdio.h>
#include <stdlib.h>

#include "otlp_json.h"

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

static void *budget_alloc(void *data, size_t size)
{
    struct logctx__budget *budget = data;
    // What malloc keeps beside a small block counts too; it is most of what a hostile message costs.
    size_t cost = size < SIZE_MAX - 16 ? size + 16 : SIZE_MAX;
    if (cost > budget->left) {
        budget->exceeded = true;
        return NULL;
    }
    budget->left -= cost;
    return malloc(size > 0 ? size : 1);
}

static void budget_free(void *data, void *pointer)
{
    (void)data;
    free(pointer);
}

void logctx__budget_init(struct logctx__budget *budget, size_t bytes)
{
    *budget = (struct logctx__budget){
        .allocator = {.alloc = budget_alloc, .free = budget_free, .allocator_data = budget},
        .left = bytes,
    };
}

// Reads a varint of at most `most` bytes; the position after it, or NULL.
static const uint8_t *read_varint(const uint8_t *p, const uint8_t *end, int most, uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < most && p < end; i++) {
        *value |= (uint64_t)(*p & 0x7F) << (7 * i);
        if ((*p++ & 0x80) == 0)
            return p;
    }
    return NULL;
}

// The message one level down, or the place where the current field ends.
struct field {
    const uint8_t *start;
    const uint8_t *end;
    const ProtobufCMessageDescriptor *message; // NULL for everything that is not a message
};

// Limits on the length of tags and lengths are protobuf-c's: both have to see the same fields.
static bool read_field(const ProtobufCMessageDescriptor *type, const uint8_t *p, const uint8_t *end,
                       struct field *field)
{
    uint64_t tag;
    uint64_t length;
    p = read_varint(p, end, 5, &tag);
    if (p == NULL)
        return false;
    *field = (struct field){0};
    switch (tag & 7) {
    case WIRE_VARINT:
        field->end = read_varint(p, end, 10, &length);
        return field->end != NULL;
    case WIRE_FIXED64:
    case WIRE_FIXED32:
        length = (tag & 7) == WIRE_FIXED64 ? 8 : 4;
        break;
    case WIRE_BYTES:
        p = read_varint(p, end, 5, &length);
        if (p == NULL)
            return false;
        break;
    default:
        return false;
    }
    if (length > (uint64_t)(end - p))
        return false;
    field->start = p;
    field->end = p + length;
    const ProtobufCFieldDescriptor *known =
        (tag & 7) == WIRE_BYTES ? protobuf_c_message_descriptor_get_field(type, (unsigned)(uint32_t)(tag >> 3)) : NULL;
    if (known != NULL && known->type == PROTOBUF_C_TYPE_MESSAGE)
        field->message = known->descriptor;
    return true;
}

enum shape { SHAPE_GOOD, SHAPE_BROKEN, SHAPE_TOO_DEEP };

static enum shape check_shape(const ProtobufCMessageDescriptor *type, const uint8_t *p, size_t length)
{
    struct {
        const uint8_t *end;
        const ProtobufCMessageDescriptor *type;
    } stack[LOGCTX__OTLP_MAX_DEPTH];
    size_t depth = 1;
    stack[0].end = p + length;
    stack[0].type = type;
    while (depth > 0) {
        if (p == stack[depth - 1].end) {
            depth--;
            continue;
        }
        struct field field;
        if (!read_field(stack[depth - 1].type, p, stack[depth - 1].end, &field))
            return SHAPE_BROKEN;
        p = field.end;
        if (field.message == NULL)
            continue;
        if (depth == LOGCTX__OTLP_MAX_DEPTH)
            return SHAPE_TOO_DEEP;
        p = field.start;
        stack[depth].end = field.end;
        stack[depth].type = field.message;
        depth++;
    }
    return SHAPE_GOOD;
}

ProtobufCMessage *logctx__otlp_decode(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t length,
                                      ProtobufCAllocator *allocator, char *why, size_t why_size)
{
    static const uint8_t nothing[1];
    if (bytes == NULL)
        bytes = nothing;
    switch (check_shape(type, bytes, length)) {
    case SHAPE_TOO_DEEP:
        snprintf(why, why_size, "The messages nest deeper than %d levels; flatten the attribute values.",
                 LOGCTX__OTLP_MAX_DEPTH);
        return NULL;
    case SHAPE_BROKEN:
        snprintf(why, why_size,
                 "The bytes are not a protobuf message: a field is cut off or has no valid type; "
                 "check that the body is complete and that its Content-Encoding is declared.");
        return NULL;
    case SHAPE_GOOD:
        break;
    }
    ProtobufCMessage *message = protobuf_c_message_unpack(type, allocator, length, bytes);
    if (message == NULL)
        snprintf(why, why_size,
                 "The bytes are not a valid %s, or it needs more memory than one request may use; "
                 "check what was sent, or send it in smaller parts.",
                 type->name);
    return message;
}
