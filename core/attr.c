// What the application says on a context's span: attributes, events, links, status. Each call takes the context's lock for
// the moment in which it writes; setting is safe from any thread, as OpenTelemetry asks for.
//
// SPDX-License-Identifier: Apache-2.0
#include "inherited.h"
#include "record.h"
#include "tracestate.h"
#include "utf8.h"
#include "wire.h"

#include <stdlib.h>

static bool may_record(const logctx_t *ctx)
{
    return (ctx->profile.flags & LOGCTX_FLAG_SAMPLED) && !ctx->over_limit && has_sink() && !is_inert(ctx);
}

bool logctx_is_recording(const logctx_t *ctx)
{
    return ctx && !is_sentinel(ctx) && may_record(ctx) && !READ_RELAXED(ctx->finished);
}

static bool refuse_null(const logctx_t *ctx, const char *text)
{
    if (ctx)
        return false;
    logctx__misuse(text, NULL);
    return true;
}

// Taken and given back at once, and nearly always free.
static inline void take_lock(lock_t *lock)
{
    unsigned char seen = 0;
    if (unlikely(!atomic_compare_exchange_strong_explicit(lock, &seen, logctx__generation(), memory_order_acquire,
                                                          memory_order_relaxed)))
        logctx__lock(lock);
}

static inline void give_lock(lock_t *lock)
{
    atomic_store_explicit(lock, 0, memory_order_release);
}

// Takes the lock and gives the record, or says in *status why there is none; then the lock is not held.
static inline logctx_record_t *begin(logctx_t *ctx, logctx_status_t *status)
{
    *status = LOGCTX_OK;
    if (is_sentinel(ctx) || !may_record(ctx))
        return NULL;
    struct thread *thread = this_thread();
    take_lock(&ctx->lock);
    logctx_record_t *record = ctx->sealed ? NULL : ctx->record ? ctx->record : logctx__record_of(thread, ctx);
    if (likely(record != NULL))
        return record;
    *status = ctx->sealed ? LOGCTX_E_FINISHED : LOGCTX_E_NO_MEMORY;
    logctx__unlock(&ctx->lock);
    return NULL;
}

// A value that claims bytes or items and has none is a mistake of the caller, not an empty value.
static bool is_sound(const logctx_value_t *value)
{
    switch (value->type) {
    case LOGCTX_VALUE_STRING:
    case LOGCTX_VALUE_BYTES:
        return value->as.bytes.data || value->as.bytes.length == 0;
    case LOGCTX_VALUE_ARRAY:
        return value->as.array.items || value->as.array.count == 0;
    case LOGCTX_VALUE_EMPTY:
    case LOGCTX_VALUE_BOOL:
    case LOGCTX_VALUE_INT:
    case LOGCTX_VALUE_DOUBLE:
        return true;
    }
    return false;
}

static logctx_status_t set(logctx_t *ctx, const logctx_attr_t *attr)
{
    if (refuse_null(ctx, "an attribute was set on a NULL context; pass logctx_current() or a context of yours") ||
        !attr->key || attr->key_length == 0 || !is_sound(&attr->value))
        return LOGCTX_E_INVALID;
    logctx_status_t status;
    logctx_record_t *record = begin(ctx, &status);
    if (!record)
        return status;
    status = logctx__record_set(record, attr, true);
    give_lock(&ctx->lock);
    return status;
}

logctx_status_t logctx_set_attr(logctx_t *ctx, logctx_attr_t attr)
{
    return set(ctx, &attr);
}

// What is set on a span that will not be: before a look at what it is, but for what would be refused. Most spans of a busy
// server are not sampled.
static inline bool is_idle(const logctx_t *ctx, const char *key)
{
    return ctx && key && *key && (is_sentinel(ctx) || !may_record(ctx));
}

logctx_status_t logctx_set_string(logctx_t *ctx, const char *key, const char *value)
{
    if (is_idle(ctx, key))
        return LOGCTX_OK;
    const logctx_attr_t attr = logctx_attr_string(key, value);
    return set(ctx, &attr);
}

logctx_status_t logctx_set_int(logctx_t *ctx, const char *key, int64_t value)
{
    if (is_idle(ctx, key))
        return LOGCTX_OK;
    const logctx_attr_t attr = logctx_attr_int(key, value);
    return set(ctx, &attr);
}

logctx_status_t logctx_set_double(logctx_t *ctx, const char *key, double value)
{
    if (is_idle(ctx, key))
        return LOGCTX_OK;
    const logctx_attr_t attr = logctx_attr_double(key, value);
    return set(ctx, &attr);
}

logctx_status_t logctx_set_bool(logctx_t *ctx, const char *key, bool value)
{
    if (is_idle(ctx, key))
        return LOGCTX_OK;
    const logctx_attr_t attr = logctx_attr_bool(key, value);
    return set(ctx, &attr);
}

logctx_status_t logctx_add_event(logctx_t *ctx, const char *name, const logctx_attr_t *attrs, size_t count)
{
    if (refuse_null(ctx, "an event was added to a NULL context; pass logctx_current() or a context of yours") ||
        !name || (!attrs && count > 0))
        return LOGCTX_E_INVALID;
    logctx_status_t status;
    logctx_record_t *record = begin(ctx, &status);
    if (!record)
        return status;
    status = logctx__record_add_event(record, name, logctx__unix(), attrs, count, true);
    logctx__unlock(&ctx->lock);
    return status;
}

static logctx_status_t add_link(logctx_record_t *record, const logctx__wire_link_t *link)
{
    logctx__wire_limits_t limits = {READ_RELAXED(logctx__limits.value_length),
                                    READ_RELAXED(logctx__limits.attributes_per_link)};
    size_t size = logctx__wire_link_size(link, &limits);
    bool fits = size > 0 && record->live[2] < READ_RELAXED(logctx__limits.links) &&
                record->used - record->dead_bytes + size <= READ_RELAXED(logctx__limits.span_bytes);
    uint8_t *bytes = fits ? logctx__record_reserve(record, size) : NULL;
    if (!bytes) {
        record->span.dropped_links++;
        return fits ? LOGCTX_E_NO_MEMORY : LOGCTX_E_LIMIT;
    }
    logctx__wire_link_write(bytes, link, &limits);
    logctx__record_commit(record, LOGCTX_PART_LINK, 0, size);
    return LOGCTX_OK;
}

logctx_status_t logctx_add_link(logctx_t *ctx, const logctx_span_context_t *to, const char *tracestate,
                                const logctx_attr_t *attrs, size_t count)
{
    if (refuse_null(ctx, "a link was added to a NULL context; pass logctx_current() or a context of yours") || !to ||
        (!attrs && count > 0))
        return LOGCTX_E_INVALID;
    logctx_status_t status;
    logctx_record_t *record = begin(ctx, &status);
    if (!record)
        return status;
    // Whether the linked span is remote is not known here, so bits 8 and 9 stay unset (trace.proto, Link.flags).
    logctx__wire_link_t link = {to->trace_id, to->span_id, to->flags, tracestate, tracestate ? strlen(tracestate) : 0,
                                attrs,        count};
    status = add_link(record, &link);
    logctx__unlock(&ctx->lock);
    return status;
}

static char *copy_valid(const char *text)
{
    size_t length = strlen(text), room = logctx__utf8_size(text, length, 4096);
    char *copy = malloc(room + 1);
    if (copy)
        copy[logctx__utf8_copy(copy, room, text, length, 4096)] = '\0';
    return copy;
}

logctx_status_t logctx_set_status(logctx_t *ctx, logctx_status_code_t code, const char *message)
{
    if (refuse_null(ctx, "a status was set on a NULL context; pass logctx_current() or a context of yours") ||
        (unsigned)code > LOGCTX_STATUS_ERROR)
        return LOGCTX_E_INVALID;
    if (code == LOGCTX_STATUS_UNSET)
        return LOGCTX_OK;
    logctx_status_t status;
    logctx_record_t *record = begin(ctx, &status);
    if (!record)
        return status;
    if (ctx->status != LOGCTX_STATUS_OK) {
        ctx->status = (unsigned)code & 3u;
        free(record->status_message);
        record->status_message = code == LOGCTX_STATUS_ERROR && message && *message ? copy_valid(message) : NULL;
    }
    logctx__unlock(&ctx->lock);
    return LOGCTX_OK;
}

logctx_status_t logctx_set_failed(logctx_t *ctx, const char *error_type, const char *message)
{
    if (refuse_null(ctx, "a NULL context was set failed; pass logctx_current() or a context of yours"))
        return LOGCTX_E_INVALID;
    if (is_sentinel(ctx) || is_inert(ctx))
        return LOGCTX_OK;
    char valid[65 * 4];
    const char *type = error_type && *error_type ? error_type : "_OTHER";
    valid[logctx__utf8_copy(valid, sizeof valid - 1, type, strlen(type), 64)] = '\0';
    // The label of the duration: also for contexts that no span is made of.
    const char *interned = logctx__error_type(ctx->series, valid);
    logctx__lock(&ctx->lock);
    bool sealed = ctx->sealed;
    if (!sealed)
        ctx->error_type = interned;
    logctx__unlock(&ctx->lock);
    if (sealed)
        return LOGCTX_E_FINISHED;
    logctx_set_string(ctx, "error.type", valid);
    return logctx_set_status(ctx, LOGCTX_STATUS_ERROR, message);
}

logctx_span_context_t logctx_get_span_context(const logctx_t *ctx)
{
    logctx_span_context_t out;
    memset(&out, 0, sizeof out);
    if (!ctx || is_sentinel(ctx))
        return out;
    if (unlikely(is_inert(ctx))) {
        const struct inherited_facts *inherited = logctx__inherited(ctx);
        memcpy(out.trace_id, inherited->trace_id, sizeof out.trace_id);
        memcpy(out.span_id, inherited->span_id, sizeof out.span_id);
        out.flags = inherited->flags;
        return out;
    }
    memcpy(out.trace_id, ctx->profile.trace_id, sizeof out.trace_id);
    memcpy(out.span_id, ctx->profile.span_id, sizeof out.span_id);
    out.flags = ctx->profile.flags;
    return out;
}

bool logctx_inject(const logctx_t *ctx, char traceparent[LOGCTX_TRACEPARENT_SIZE], char *tracestate,
                   size_t tracestate_size)
{
    if (traceparent)
        traceparent[0] = '\0';
    if (tracestate && tracestate_size > 0)
        tracestate[0] = '\0';
    if (!ctx || is_sentinel(ctx) || !traceparent)
        return false;
    const struct inherited_facts *inherited = is_inert(ctx) ? logctx__inherited(ctx) : NULL;
    if (inherited && !inherited->series)
        return false;
    logctx_span_context_t context = logctx_get_span_context(ctx);
    logctx_traceparent_write(&context, traceparent);
    const struct shared_string *state = inherited ? inherited->tracestate : ctx->tracestate;
    if (tracestate && tracestate_size > 0 && state)
        logctx__tracestate_cut(tracestate, tracestate_size, state->text);
    return true;
}
