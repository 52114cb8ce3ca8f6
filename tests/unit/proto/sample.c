// SPDX-License-Identifier: Apache-2.0
// Fills messages by their descriptors. The rule: with n the field's number, plus one for the second element
// of a repeated field, signed integers are -(n * 1000 + 7), unsigned ones the top bit plus n, doubles n +
// 0.25, enums 1, strings the field's name, a space, an accented letter and n; ids have their length, other
// bytes are 00 FF n.

#include "sample.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "google/rpc/status.pb-c.h"
#include "opentelemetry/proto/collector/logs/v1/logs_service.pb-c.h"
#include "opentelemetry/proto/collector/metrics/v1/metrics_service.pb-c.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "otlp_json.h"

#define COMMON(x) &opentelemetry__proto__common__v1__##x##__descriptor
#define TRACE(x) &opentelemetry__proto__trace__v1__##x##__descriptor
#define METRICS(x) &opentelemetry__proto__metrics__v1__##x##__descriptor
#define LOGS(x) &opentelemetry__proto__logs__v1__##x##__descriptor
#define COLLECTOR(x) &opentelemetry__proto__collector__##x##__descriptor

const ProtobufCMessageDescriptor *const sample_types[] = {
    COMMON(any_value),
    COMMON(array_value),
    COMMON(key_value_list),
    COMMON(key_value),
    COMMON(instrumentation_scope),
    COMMON(entity_ref),
    &opentelemetry__proto__resource__v1__resource__descriptor,
    TRACE(traces_data),
    TRACE(resource_spans),
    TRACE(scope_spans),
    TRACE(span),
    TRACE(span__event),
    TRACE(span__link),
    TRACE(status),
    METRICS(metrics_data),
    METRICS(resource_metrics),
    METRICS(scope_metrics),
    METRICS(metric),
    METRICS(gauge),
    METRICS(sum),
    METRICS(histogram),
    METRICS(exponential_histogram),
    METRICS(summary),
    METRICS(number_data_point),
    METRICS(histogram_data_point),
    METRICS(exponential_histogram_data_point),
    METRICS(exponential_histogram_data_point__buckets),
    METRICS(summary_data_point),
    METRICS(summary_data_point__value_at_quantile),
    METRICS(exemplar),
    LOGS(logs_data),
    LOGS(resource_logs),
    LOGS(scope_logs),
    LOGS(log_record),
    COLLECTOR(trace__v1__export_trace_service_request),
    COLLECTOR(trace__v1__export_trace_service_response),
    COLLECTOR(trace__v1__export_trace_partial_success),
    COLLECTOR(metrics__v1__export_metrics_service_request),
    COLLECTOR(metrics__v1__export_metrics_service_response),
    COLLECTOR(metrics__v1__export_metrics_partial_success),
    COLLECTOR(logs__v1__export_logs_service_request),
    COLLECTOR(logs__v1__export_logs_service_response),
    COLLECTOR(logs__v1__export_logs_partial_success),
    &google__rpc__status__descriptor,
    &google__protobuf__any__descriptor,
    NULL,
};

const ProtobufCEnumDescriptor *const sample_enums[] = {
    TRACE(span__span_kind),    TRACE(status__status_code), TRACE(span_flags),      METRICS(aggregation_temporality),
    METRICS(data_point_flags), LOGS(severity_number),      LOGS(log_record_flags), NULL,
};

enum { LEVELS = 3 };

static void *take(size_t size)
{
    void *memory = calloc(1, size);
    assert(memory != NULL);
    return memory;
}

static ProtobufCMessage *fill(const ProtobufCMessageDescriptor *type, unsigned variant, unsigned level);

static ProtobufCBinaryData sample_bytes(const ProtobufCFieldDescriptor *field, uint32_t n)
{
    size_t id = logctx__otlp_json_hex_bytes(field);
    ProtobufCBinaryData bytes = {.len = id > 0 ? id : 3};
    bytes.data = take(bytes.len);
    for (size_t i = 0; i < bytes.len; i++)
        bytes.data[i] = (uint8_t)(n + i);
    if (id == 0)
        memcpy(bytes.data, (uint8_t[]){0x00, 0xFF, (uint8_t)n}, 3);
    return bytes;
}

static void fill_value(const ProtobufCFieldDescriptor *field, uint32_t n, unsigned variant, unsigned level,
                       void *member)
{
    char text[128];
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        *(int32_t *)member = -(int32_t)(n * 1000 + 7);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        *(int64_t *)member = -(int64_t)(n * 1000 + 7);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        *(uint32_t *)member = UINT32_C(0x80000000) + n;
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        *(uint64_t *)member = UINT64_C(0x8000000000000000) + n;
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        *(float *)member = (float)n + 0.25F;
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        *(double *)member = n + 0.25;
        break;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)member = 1;
        break;
    case PROTOBUF_C_TYPE_ENUM:
        *(int32_t *)member = 1;
        break;
    case PROTOBUF_C_TYPE_STRING:
        snprintf(text, sizeof text, "%s \xC3\xA9%u", field->name, n);
        *(char **)member = strcpy(take(strlen(text) + 1), text);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        *(ProtobufCBinaryData *)member = sample_bytes(field, n);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)member = fill(field->descriptor, variant, level + 1);
        break;
    }
}

// The fields of one oneof share the place of their case.
static unsigned members(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field)
{
    unsigned count = 0;
    for (unsigned i = 0; i < type->n_fields; i++)
        count += type->fields[i].quantifier_offset == field->quantifier_offset;
    return count;
}

static unsigned place_in_oneof(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field)
{
    unsigned place = 0;
    for (const ProtobufCFieldDescriptor *f = type->fields; f < field; f++)
        place += f->quantifier_offset == field->quantifier_offset;
    return place;
}

static void fill_field(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, unsigned variant,
                       unsigned level)
{
    char *base = (char *)message;
    void *quantifier = base + field->quantifier_offset;
    void *member = base + field->offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t size = logctx__otlp_json_value_size(field->type);
        char *values = take(2 * size);
        fill_value(field, field->id, variant, level, values);
        fill_value(field, field->id + 1, variant, level, values + size);
        *(void **)member = values;
        *(size_t *)quantifier = 2;
        return;
    }
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        const ProtobufCMessageDescriptor *type = message->descriptor;
        if (place_in_oneof(type, field) != variant % members(type, field))
            return;
        *(uint32_t *)quantifier = field->id;
    }
    fill_value(field, field->id, variant, level, member);
}

static ProtobufCMessage *fill(const ProtobufCMessageDescriptor *type, unsigned variant, unsigned level)
{
    ProtobufCMessage *message = take(type->sizeof_message);
    protobuf_c_message_init(type, message);
    for (unsigned i = 0; level <= LEVELS && i < type->n_fields; i++)
        fill_field(message, &type->fields[i], variant, level);
    return message;
}

ProtobufCMessage *sample_message(const ProtobufCMessageDescriptor *type, unsigned variant)
{
    return fill(type, variant, 1);
}

unsigned sample_variants(const ProtobufCMessageDescriptor *type)
{
    unsigned most = 1;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && members(type, field) > most)
            most = members(type, field);
    }
    return most;
}
