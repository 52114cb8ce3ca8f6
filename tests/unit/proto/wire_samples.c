// SPDX-License-Identifier: Apache-2.0
// Writes what check_wire.py compares: to standard output one line for each field, enum value and packed
// sample of every OTLP message, as the generated code has them.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sample.h"

static const char *type_name(const ProtobufCFieldDescriptor *field)
{
    static const char *const names[] = {
        [PROTOBUF_C_TYPE_INT32] = "int32",       [PROTOBUF_C_TYPE_SINT32] = "sint32",
        [PROTOBUF_C_TYPE_SFIXED32] = "sfixed32", [PROTOBUF_C_TYPE_INT64] = "int64",
        [PROTOBUF_C_TYPE_SINT64] = "sint64",     [PROTOBUF_C_TYPE_SFIXED64] = "sfixed64",
        [PROTOBUF_C_TYPE_UINT32] = "uint32",     [PROTOBUF_C_TYPE_FIXED32] = "fixed32",
        [PROTOBUF_C_TYPE_UINT64] = "uint64",     [PROTOBUF_C_TYPE_FIXED64] = "fixed64",
        [PROTOBUF_C_TYPE_FLOAT] = "float",       [PROTOBUF_C_TYPE_DOUBLE] = "double",
        [PROTOBUF_C_TYPE_BOOL] = "bool",         [PROTOBUF_C_TYPE_STRING] = "string",
        [PROTOBUF_C_TYPE_BYTES] = "bytes",
    };
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return ((const ProtobufCMessageDescriptor *)field->descriptor)->name;
    if (field->type == PROTOBUF_C_TYPE_ENUM)
        return ((const ProtobufCEnumDescriptor *)field->descriptor)->name;
    return names[field->type];
}

static const char *label_name(const ProtobufCFieldDescriptor *field)
{
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return "oneof";
    return field->label == PROTOBUF_C_LABEL_REPEATED ? "repeated" : "single";
}

static void write_sample(const ProtobufCMessageDescriptor *type, unsigned variant)
{
    ProtobufCMessage *message = sample_message(type, variant);
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL)
        exit(1);
    protobuf_c_message_pack(message, bytes);
    printf("sample %s %u ", type->name, variant);
    for (size_t i = 0; i < size; i++)
        printf("%02x", bytes[i]);
    printf("\n");
    free(bytes);
    protobuf_c_message_free_unpacked(message, NULL);
}

int main(void)
{
    for (size_t t = 0; sample_types[t] != NULL; t++) {
        const ProtobufCMessageDescriptor *type = sample_types[t];
        for (unsigned i = 0; i < type->n_fields; i++) {
            const ProtobufCFieldDescriptor *field = &type->fields[i];
            printf("field %s %s %" PRIu32 " %s %s\n", type->name, field->name, field->id, label_name(field),
                   type_name(field));
        }
        for (unsigned variant = 0; variant < sample_variants(type); variant++)
            write_sample(type, variant);
    }
    for (size_t e = 0; sample_enums[e] != NULL; e++)
        for (unsigned i = 0; i < sample_enums[e]->n_values; i++)
            printf("enum %s %s %d\n", sample_enums[e]->name, sample_enums[e]->values[i].name,
                   sample_enums[e]->values[i].value);
    return 0;
}
