/*
 * model_span.c: see model_span.h. Plain lists that are searched from the front: slow, and easy to believe.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model_span.h"

#include <stdio.h>
#include <string.h>

static size_t size_of(const ProtobufCMessage *message)
{
    return protobuf_c_message_get_packed_size(message);
}

void model_span_init(struct model_span *span, struct any *any, const logctx_limits_t *limits)
{
    *span = (struct model_span){.any = any, .limits = limits};
    opentelemetry__proto__trace__v1__span__init(&span->message);
    opentelemetry__proto__trace__v1__status__init(&span->status);
    span->message.attributes = span->attributes;
    span->message.events = span->events;
    span->message.links = span->links;
}

// Attributes.

static size_t index_of(otlp_pair_t *const *pairs, size_t count, const char *key)
{
    size_t i = 0;
    while (i < count && strcmp(pairs[i]->key, key) != 0) {
        i++;
    }
    return i;
}

static void append(struct model_span *span, otlp_pair_t *pair)
{
    size_t at = index_of(span->attributes, span->message.n_attributes, pair->key);
    if (at < span->message.n_attributes) {
        span->bytes -= size_of(&span->attributes[at]->base);
        span->message.n_attributes--;
        memmove(&span->attributes[at], &span->attributes[at + 1],
                (span->message.n_attributes - at) * sizeof span->attributes[0]);
    }
    span->attributes[span->message.n_attributes++] = pair;
    span->bytes += size_of(&pair->base);
}

logctx_status_t model_span_set(struct model_span *span, const struct any_attr *attr)
{
    enum { REPAIRED_KEY_BYTES = 256 }; // a key that is not ASCII is cut at that
    struct any_text key = attr->key;
    if (key.given_length == 0) {
        return LOGCTX_E_INVALID;
    }
    if (!key.ascii) {
        any_text_cut(&key, SIZE_MAX, REPAIRED_KEY_BYTES);
    }
    otlp_pair_t *pair = any_make_pair(span->any, any_valid_string(span->any, &key), attr->value);
    size_t count = span->message.n_attributes;
    size_t at = index_of(span->attributes, count, pair->key);
    size_t replaced = at < count ? size_of(&span->attributes[at]->base) : 0;
    if ((at == count && count >= span->limits->attributes) ||
        span->bytes - replaced + size_of(&pair->base) > span->limits->span_bytes) {
        span->message.dropped_attributes_count++;
        return LOGCTX_E_LIMIT;
    }
    append(span, pair);
    return LOGCTX_OK;
}

// Those of an event or a link: of equal keys the last value counts, in the place of the first. Returns how many are
// dropped.
static uint32_t choose(struct any *any, const struct any_attr *attrs, size_t count, uint32_t limit,
                       otlp_pair_t ***chosen, size_t *chosen_count)
{
    uint32_t dropped = 0;
    *chosen = logctx__arena_array(any->arena, count + 1, sizeof **chosen);
    *chosen_count = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = index_of(*chosen, *chosen_count, attrs[i].key.valid);
        if (attrs[i].key.given_length == 0 || at >= limit) {
            dropped++;
            continue;
        }
        (*chosen)[at] = any_make_pair(any, attrs[i].key.valid, attrs[i].value);
        *chosen_count += at == *chosen_count;
    }
    return dropped;
}

// Whether there is room for one more event or link; if so it counts from here on.
static bool take_room(struct model_span *span, size_t count, uint32_t limit, const ProtobufCMessage *message)
{
    size_t size = size_of(message);
    if (count >= limit || span->bytes + size > span->limits->span_bytes) {
        return false;
    }
    span->bytes += size;
    return true;
}

logctx_status_t model_span_event(struct model_span *span, uint64_t unix_ns, const struct any_text *name,
                                 const struct any_attr *attrs, size_t count)
{
    otlp_event_t *event = logctx__arena_alloc(span->any->arena, sizeof *event);
    opentelemetry__proto__trace__v1__span__event__init(event);
    event->time_unix_nano = unix_ns;
    event->name = name->valid;
    event->dropped_attributes_count =
        choose(span->any, attrs, count, span->limits->attributes_per_event, &event->attributes, &event->n_attributes);
    if (!take_room(span, span->message.n_events, span->limits->events, &event->base)) {
        span->message.dropped_events_count++;
        return LOGCTX_E_LIMIT;
    }
    span->events[span->message.n_events++] = event;
    return LOGCTX_OK;
}

static ProtobufCBinaryData copy_of(struct any *any, const uint8_t *bytes, size_t length)
{
    uint8_t *copy = logctx__arena_array(any->arena, length, 1);
    memcpy(copy, bytes, length);
    return (ProtobufCBinaryData){length, copy};
}

logctx_status_t model_span_link(struct model_span *span, const logctx_span_context_t *to,
                                const struct any_text *tracestate, const struct any_attr *attrs, size_t count)
{
    otlp_link_t *link = logctx__arena_alloc(span->any->arena, sizeof *link);
    opentelemetry__proto__trace__v1__span__link__init(link);
    link->trace_id = copy_of(span->any, to->trace_id, sizeof to->trace_id);
    link->span_id = copy_of(span->any, to->span_id, sizeof to->span_id);
    link->flags = to->flags;
    if (tracestate != NULL) {
        link->trace_state = tracestate->valid;
    }
    link->dropped_attributes_count =
        choose(span->any, attrs, count, span->limits->attributes_per_link, &link->attributes, &link->n_attributes);
    if (!take_room(span, span->message.n_links, span->limits->links, &link->base)) {
        span->message.dropped_links_count++;
        return LOGCTX_E_LIMIT;
    }
    span->links[span->message.n_links++] = link;
    return LOGCTX_OK;
}

// Unset is never set, ok is final, and a message stays only with an error.
void model_span_status(struct model_span *span, logctx_status_code_t code, const struct any_text *message)
{
    enum { MESSAGE_CHARACTERS = 4096 };
    if (code == LOGCTX_STATUS_UNSET || (int)span->status.code == LOGCTX_STATUS_OK) {
        return;
    }
    opentelemetry__proto__trace__v1__status__init(&span->status);
    span->status.code = (Opentelemetry__Proto__Trace__V1__Status__StatusCode)code;
    if (code == LOGCTX_STATUS_ERROR && message != NULL) {
        struct any_text cut = *message;
        any_text_cut(&cut, MESSAGE_CHARACTERS, SIZE_MAX);
        span->status.message = any_valid_string(span->any, &cut);
    }
    span->message.status = &span->status;
}

// The life.

// In whole microseconds; stretches of one state that touch, or have one microsecond between them, are one.
void model_span_stretch(struct model_span *span, const char *state, uint64_t from, uint64_t to)
{
    struct model_stretch *last = &span->stretches[span->stretch_count - (span->stretch_count > 0)];
    from /= 1000;
    to /= 1000;
    if (span->stretch_count > 0 && strcmp(last->state, state) == 0 && from >= last->from && from <= last->to + 1) {
        last->to = to > last->to ? to : last->to;
        return;
    }
    span->stretches[span->stretch_count++] = (struct model_stretch){state, from, to};
}

static const char *life_text(struct model_span *span)
{
    enum { STRETCH_BYTES = 64 };
    char *text = logctx__arena_array(span->any->arena, MODEL_STRETCHES, STRETCH_BYTES);
    size_t length = 0;
    bool written[MODEL_STRETCHES] = {false};
    for (size_t n = 0; n < span->stretch_count; n++) {
        size_t first = span->stretch_count;
        for (size_t i = 0; i < span->stretch_count; i++) {
            if (!written[i] &&
                (first == span->stretch_count || span->stretches[i].from < span->stretches[first].from)) {
                first = i;
            }
        }
        written[first] = true;
        const struct model_stretch *stretch = &span->stretches[first];
        length += (size_t)snprintf(text + length, STRETCH_BYTES, "%s%llu+%llu:%s", n > 0 ? " " : "",
                                   (unsigned long long)stretch->from, (unsigned long long)(stretch->to - stretch->from),
                                   stretch->state);
    }
    return text;
}

// The seal.

static void own_string(struct model_span *span, const char *key, const char *text)
{
    append(span, any_make_pair(span->any, key, any_make_string(span->any, text)));
}

static void own_int(struct model_span *span, const char *key, int64_t number)
{
    append(span, any_make_pair(span->any, key, any_make_int(span->any, number)));
}

static void own_seconds(struct model_span *span, const char *key, int64_t ns)
{
    append(span, any_make_pair(span->any, key, any_make_double(span->any, (double)ns / 1e9)));
}

void model_span_seal(struct model_span *span, const struct model_identity *identity)
{
    enum { SPLIT_FROM_NS = 20000000, LIFE_FROM_NS = 1000000 };
    const logctx_usage_t *own = &span->own;
    const logctx_usage_t *total = &span->total;
    own_string(span, "logctx.name", identity->name);
    own_string(span, "logctx.type", identity->type);
    own_string(span, "logctx.server", identity->server);
    own_int(span, "thread.id", identity->thread_id);
    own_seconds(span, "logctx.cpu.time", own->cpu_ns);
    if (own->cpu_ns >= SPLIT_FROM_NS) {
        own_seconds(span, "logctx.cpu.time.user", own->cpu_user_ns);
        own_seconds(span, "logctx.cpu.time.system", own->cpu_system_ns);
    }
    own_int(span, "logctx.db.transactions", own->db_transactions);
    own_seconds(span, "logctx.db.time", own->db_ns);
    own_seconds(span, "logctx.db.wait_time", own->db_wait_ns);
    own_int(span, "logctx.db.rows", own->db_rows);
    own_seconds(span, "logctx.running.time", own->running_ns);
    if (span->has_children) {
        own_seconds(span, "logctx.total.cpu.time", total->cpu_ns);
        own_int(span, "logctx.total.db.transactions", total->db_transactions);
        own_seconds(span, "logctx.total.db.time", total->db_ns);
        own_seconds(span, "logctx.total.db.wait_time", total->db_wait_ns);
        own_int(span, "logctx.total.db.rows", total->db_rows);
    }
    own_int(span, "logctx.switches", span->switches);
    uint64_t age = span->message.end_time_unix_nano - span->message.start_time_unix_nano;
    if (age >= LIFE_FROM_NS && span->stretch_count > 0) {
        own_string(span, "logctx.segments", life_text(span));
    }
}
