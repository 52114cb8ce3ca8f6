// The seal: at finish a context's usage is copied, its record gets the attributes of the telemetry contract, and goes to
// the sinks. What is found afterwards, or by another thread, becomes a zero-length span of its own.
//
// SPDX-License-Identifier: Apache-2.0
#include "record.h"
#include "utf8.h"

#include <logctx/telemetry.h>
#include <stdlib.h>
#include <string.h>

enum own {
#define LOGCTX_X(id, key, type, description) OWN_##id,
    LOGCTX_SPAN_ATTRIBUTES(LOGCTX_X)
#undef LOGCTX_X
        OWN_COUNT
};
static struct own_key own_keys[OWN_COUNT];

// When the library is loaded: they are constants that the compiler cannot make.
__attribute__((constructor)) static void encode_own_keys(void)
{
    static const char *const texts[OWN_COUNT] = {
#define LOGCTX_X(id, key, type, description) key,
        LOGCTX_SPAN_ATTRIBUTES(LOGCTX_X)
#undef LOGCTX_X
    };
#define LOGCTX_X(id, key, type, description)                                                                           \
    _Static_assert(sizeof(key) + 2 <= sizeof own_keys[0].head, "the head has room for the key and two tags");
    LOGCTX_SPAN_ATTRIBUTES(LOGCTX_X)
#undef LOGCTX_X
    for (size_t i = 0; i < OWN_COUNT; i++)
        logctx__own_key_init(&own_keys[i], texts[i]);
}

enum {
    SPLIT_FROM_NS = 20 * 1000 * 1000, // below, the user and system parts of one context are noise
    SEGMENTS_FROM_NS = 1000 * 1000,
    OTLP_FLAG_REMOTE_KNOWN = 0x100, // trace.proto, SpanFlags
    OTLP_FLAG_REMOTE = 0x200,
};

static double seconds(int64_t ns)
{
    return (double)ns / 1e9;
}

static void put_double(logctx_record_t *record, enum own id, double value)
{
    logctx__record_set_own_double(record, &own_keys[id], value);
}

static void put_int(logctx_record_t *record, enum own id, int64_t value)
{
    logctx__record_set_own_int(record, &own_keys[id], value);
}

static void put_string(logctx_record_t *record, enum own id, const char *value)
{
    logctx__record_set_own_string(record, &own_keys[id], value, strlen(value));
}

static void put_usage(logctx_record_t *record, const logctx_usage_t *own, const logctx_usage_t *total)
{
    put_double(record, OWN_CPU_TIME, seconds(own->cpu_ns));
    if (own->cpu_ns >= SPLIT_FROM_NS) {
        put_double(record, OWN_CPU_TIME_USER, seconds(own->cpu_user_ns));
        put_double(record, OWN_CPU_TIME_SYSTEM, seconds(own->cpu_system_ns));
    }
    put_int(record, OWN_DB_TRANSACTIONS, own->db_transactions);
    put_double(record, OWN_DB_TIME, seconds(own->db_ns));
    put_double(record, OWN_DB_WAIT_TIME, seconds(own->db_wait_ns));
    put_int(record, OWN_DB_ROWS, own->db_rows);
    put_double(record, OWN_RUNNING_TIME, seconds(own->running_ns));
    if (!total)
        return;
    put_double(record, OWN_TOTAL_CPU_TIME, seconds(total->cpu_ns));
    put_int(record, OWN_TOTAL_DB_TRANSACTIONS, total->db_transactions);
    put_double(record, OWN_TOTAL_DB_TIME, seconds(total->db_ns));
    put_double(record, OWN_TOTAL_DB_WAIT_TIME, seconds(total->db_wait_ns));
    put_int(record, OWN_TOTAL_DB_ROWS, total->db_rows);
}

static void put_identity(logctx_record_t *record, const logctx_t *ctx)
{
    put_string(record, OWN_NAME, ctx->name);
    put_string(record, OWN_TYPE, logctx_type_name(ctx->series->type));
    put_string(record, OWN_SERVER, logctx_server(ctx));
    put_int(record, OWN_THREAD_ID, READ_RELAXED(READ_RELAXED(ctx->writer)->tid));
}

// Segments belong to the writer, who may be running the context while another thread finishes it.
static void put_life(struct thread *thread, logctx_record_t *record, const logctx_t *ctx, uint64_t duration_ns)
{
    unsigned errors = READ_RELAXED(ctx->errors);
    put_int(record, OWN_SWITCHES, READ_RELAXED(ctx->switches));
    if (errors > 0)
        put_int(record, OWN_ERRORS, errors);
    if (thread != READ_RELAXED(ctx->writer) || (duration_ns < SEGMENTS_FROM_NS && errors == 0))
        return;
    char text[LOGCTX_SEGMENTS * 48];
    if (logctx__segment_text(ctx, text, sizeof text) > 0)
        put_string(record, OWN_SEGMENTS, text);
}

static bool copy_instance(logctx_record_t *record, const logctx_t *ctx)
{
    size_t length = strlen(ctx->name);
    if (length >= sizeof record->inline_instance) {
        char *copy = malloc(length + 1);
        if (!copy)
            return false;
        record->instance = copy;
    }
    memcpy(record->instance, ctx->name, length + 1);
    return true;
}

// What a span has in common with the zero-length spans of its errors.
static bool describe(logctx_record_t *record, const logctx_t *ctx)
{
    if (!copy_instance(record, ctx))
        return false;
    logctx_span_t *span = &record->span;
    memcpy(span->trace_id, ctx->profile.trace_id, sizeof span->trace_id);
    record->server = logctx__string_ref(ctx->server);
    record->tracestate = logctx__string_ref(ctx->tracestate);
    span->server = logctx_server(ctx);
    span->tracestate = record->tracestate ? record->tracestate->text : "";
    span->instance = record->instance;
    span->kind = ctx->series->kind->name;
    span->type = ctx->series->type;
    span->status_message = record->status_message ? record->status_message : "";
    span->flags = ctx->profile.flags | OTLP_FLAG_REMOTE_KNOWN;
    return true;
}

static void weigh(logctx_record_t *record)
{
    size_t bytes = sizeof *record;
    if (record->bytes != record->inline_bytes)
        bytes += record->room;
    if (record->entries != record->inline_entries)
        bytes += record->capacity * sizeof *record->entries;
    record->span.bytes = bytes;
}

static bool fill(struct thread *thread, logctx_record_t *record, logctx_t *ctx, uint64_t end_monotonic,
                 const logctx_usage_t *own, const logctx_usage_t *total)
{
    if (!describe(record, ctx))
        return false;
    logctx_span_t *span = &record->span;
    uint64_t duration = age_ns(ctx, end_monotonic);
    memcpy(span->span_id, ctx->profile.span_id, sizeof span->span_id);
    memcpy(span->parent_span_id, ctx->parent_span_id, sizeof span->parent_span_id);
    span->has_parent = ctx->has_parent_span;
    if (ctx->remote_parent)
        span->flags |= OTLP_FLAG_REMOTE;
    span->name = span->kind;
    span->span_kind = (logctx_span_kind_t)ctx->span_kind;
    span->start_unix_ns = ctx->created_unix;
    span->end_unix_ns = ctx->created_unix + duration;
    span->own = *own;
    span->total = *total;
    span->status = (logctx_status_code_t)ctx->status;
    put_identity(record, ctx);
    put_usage(record, own, READ_RELAXED(ctx->family) ? total : NULL);
    put_life(thread, record, ctx, duration);
    weigh(record);
    return true;
}

// Counts where the span went: exactly one place for each context, so that the books balance.
void logctx__seal(struct thread *thread, logctx_t *ctx, uint64_t end_monotonic, const logctx_usage_t *own,
                  const logctx_usage_t *total)
{
    logctx__lock(&ctx->lock);
    ctx->sealed = true;
    bool wanted = (ctx->profile.flags & LOGCTX_FLAG_SAMPLED) || ctx->has_error;
    bool sink = has_sink();
    logctx_record_t *record = NULL;
    if (wanted && sink && !(ctx->over_limit && !ctx->has_error))
        record = logctx__record_of(thread, ctx);
    if (record)
        logctx__record_fetch_bytes(thread);
    bool filled = record && fill(thread, record, ctx, end_monotonic, own, total);
    if (filled)
        ctx->record = NULL;
    logctx__unlock(&ctx->lock);

    if (filled && logctx__to_sinks(thread, record))
        ADD_OWNED(thread->handed_over, 1);
    else if (!wanted)
        ADD_OWNED(thread->unsampled, 1);
    else if (!sink || filled)
        ADD_OWNED(thread->no_sink, 1);
    else if (ctx->over_limit && !record)
        ADD_OWNED(thread->over_limit, 1);
    else
        ADD_OWNED(thread->no_record, 1);
}

void logctx__record_discard(logctx_t *ctx)
{
    logctx_record_unref(ctx->record);
    ctx->record = NULL;
}

static void send_error_span(struct thread *thread, logctx_t *ctx, const logctx_attr_t *attrs, size_t count)
{
    logctx_record_t *record = logctx__record_new(thread);
    if (!record)
        return;
    if (!describe(record, ctx)) {
        logctx_record_unref(record);
        return;
    }
    logctx_span_t *span = &record->span;
    logctx__random_id(thread, span->span_id, sizeof span->span_id);
    memcpy(span->parent_span_id, ctx->profile.span_id, sizeof span->parent_span_id);
    span->has_parent = true;
    span->name = LOGCTX_TRANSITION_EVENT;
    span->span_kind = LOGCTX_SPAN_INTERNAL;
    span->start_unix_ns = span->end_unix_ns = logctx__unix();
    span->is_error_span = true;
    for (size_t i = 0; i < count; i++)
        logctx__record_set(record, &attrs[i], false);
    put_string(record, OWN_NAME, ctx->name);
    put_string(record, OWN_TYPE, logctx_type_name(ctx->series->type));
    put_string(record, OWN_SERVER, logctx_server(ctx));
    weigh(record);
    if (logctx__to_sinks(thread, record))
        ADD_OWNED(thread->error_spans, 1);
}

// An event on the span while there is one, else (or if told so: the span will never come) a span of its own. Contexts in error are exported, sampled or not.
void logctx__record_error(struct thread *thread, logctx_t *ctx, const logctx_attr_t *attrs, size_t count, bool apart)
{
    if (!has_sink())
        return;
    logctx__lock(&ctx->lock);
    bool on_span = !ctx->sealed && !apart;
    if (on_span) {
        ctx->has_error = true;
        logctx_record_t *record = logctx__record_of(thread, ctx);
        if (record)
            logctx__record_add_event(record, LOGCTX_TRANSITION_EVENT, logctx__unix(), attrs, count, false);
    }
    logctx__unlock(&ctx->lock);
    if (!on_span)
        send_error_span(thread, ctx, attrs, count);
}
