/*
 * wire.c: attributes, events and links written as protobuf bytes. Pure functions, any thread, no allocation.
 *
 * Scalars are measured and written forwards. Arrays are written from their end to their start, because then
 * the length that stands before each level is known without measuring that level again: linear, however deep.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire.h"

#include "utf8.h"

#include <string.h>

// A bad byte never shrinks when it is replaced, so that more input than this is refused whatever follows it,
// and its size cannot overflow a size_t of 32 bits.
#define TEXT_MAX (LOGCTX__WIRE_MAX + 4)

static inline size_t framed(size_t length)
{
    return 1 + logctx__wire_varint_size(length) + length;
}

static inline uint8_t *head_write(uint8_t *p, uint32_t field, size_t length)
{
    *p++ = (uint8_t)LOGCTX__WIRE_TAG(field, LOGCTX__WIRE_BYTES);
    return logctx__wire_varint_write(p, length);
}

// ---- text ----

// Text with the size that it has on the wire.
typedef struct text {
    const char *data;
    size_t length;
    size_t size;
    uint32_t max_chars;
    bool same; // the wire has the first `size` bytes of data as they are
} text_t;

static inline text_t text_of(const void *data, size_t length, uint32_t max_chars)
{
    text_t text = {.data = data, .length = data ? length : 0, .max_chars = max_chars, .same = true};
    if (text.length > TEXT_MAX)
        text.length = TEXT_MAX;
    text.size = text.length;
    if (text.length > max_chars || !logctx__utf8_is_ascii(text.data, text.length))
        text.size = logctx__utf8_measure(text.data, text.length, max_chars, &text.same);
    return text;
}

// memcpy for lengths that are short and not known: two moves that overlap instead of a call.
static inline void copy(uint8_t *to, const void *from, size_t length)
{
    const uint8_t *in = from;
    if (length > 32) {
        memcpy(to, in, length);
    } else if (length >= 16) {
        memcpy(to, in, 16);
        memcpy(to + length - 16, in + length - 16, 16);
    } else if (length >= 8) {
        memcpy(to, in, 8);
        memcpy(to + length - 8, in + length - 8, 8);
    } else if (length >= 4) {
        memcpy(to, in, 4);
        memcpy(to + length - 4, in + length - 4, 4);
    } else {
        for (size_t i = 0; i < length; i++)
            to[i] = in[i];
    }
}

static inline uint8_t *text_write(uint8_t *p, const text_t *text)
{
    if (text->same)
        copy(p, text->data, text->size);
    else
        logctx__utf8_copy((char *)p, text->size, text->data, text->length, text->max_chars);
    return p + text->size;
}

// A string field of proto3: left out when empty.
static size_t text_field_size(const text_t *text)
{
    return text->size > 0 ? framed(text->size) : 0;
}

static uint8_t *text_field_write(uint8_t *p, uint32_t field, const text_t *text)
{
    if (text->size == 0)
        return p;
    return text_write(head_write(p, field, text->size), text);
}

// ---- values ----

// An AnyValue with its sizes on the wire.
typedef struct measured {
    size_t size;    // of the AnyValue body
    size_t content; // of the string, bytes or ArrayValue in it
    text_t text;
} measured_t;

// What is common to all levels of one value. Arrays may share their items, so that a small one unfolds
// without end; the count of the nodes seen bounds the work, since each takes two bytes at least.
typedef struct walk {
    uint32_t max_length;
    size_t nodes_left;
} walk_t;

static bool measure(const logctx_value_t *value, unsigned depth, walk_t *walk, measured_t *out);

static bool measure_items(const logctx_value_t *array, unsigned depth, walk_t *walk, size_t *size)
{
    *size = 0;
    size_t count = array->as.array.items ? array->as.array.count : 0;
    for (size_t i = 0; i < count; i++) {
        measured_t item;
        if (walk->nodes_left-- == 0 || !measure(&array->as.array.items[i], depth + 1, walk, &item))
            return false;
        *size += framed(item.size);
        if (*size > LOGCTX__WIRE_MAX)
            return false;
    }
    return true;
}

static size_t bytes_length(const logctx_value_t *value, uint32_t max_length)
{
    size_t length = value->as.bytes.data ? value->as.bytes.length : 0;
    return max_length != LOGCTX__UTF8_NO_LIMIT && length > max_length ? max_length : length;
}

// All but arrays. False: more than LOGCTX__WIRE_MAX bytes.
static inline bool measure_scalar(const logctx_value_t *value, uint32_t max_length, measured_t *out)
{
    *out = (measured_t){.size = 0};
    switch (value->type) {
    case LOGCTX_VALUE_BOOL:
        out->size = 2;
        return true;
    case LOGCTX_VALUE_INT:
        out->size = 1 + logctx__wire_varint_size((uint64_t)value->as.integer);
        return true;
    case LOGCTX_VALUE_DOUBLE:
        out->size = 1 + sizeof(uint64_t);
        return true;
    case LOGCTX_VALUE_STRING:
        out->text = text_of(value->as.bytes.data, value->as.bytes.length, max_length);
        out->content = out->text.size;
        break;
    case LOGCTX_VALUE_BYTES:
        out->content = bytes_length(value, max_length);
        break;
    case LOGCTX_VALUE_EMPTY:
    case LOGCTX_VALUE_ARRAY:
    default:
        return true;
    }
    if (out->content > LOGCTX__WIRE_MAX)
        return false;
    out->size = framed(out->content);
    return true;
}

// False: more than LOGCTX__WIRE_MAX bytes.
static bool measure(const logctx_value_t *value, unsigned depth, walk_t *walk, measured_t *out)
{
    if (value->type != LOGCTX_VALUE_ARRAY || depth > LOGCTX__WIRE_MAX_DEPTH)
        return measure_scalar(value, walk->max_length, out);
    if (!measure_items(value, depth, walk, &out->content))
        return false;
    out->size = framed(out->content);
    return true;
}

// All but arrays.
static inline uint8_t *scalar_write(uint8_t *p, const logctx_value_t *value, const measured_t *measured)
{
    uint64_t bits;
    switch (value->type) {
    case LOGCTX_VALUE_BOOL:
        *p++ = LOGCTX__WIRE_TAG(LOGCTX_VALUE_BOOL, LOGCTX__WIRE_VARINT);
        *p++ = value->as.boolean ? 1 : 0;
        return p;
    case LOGCTX_VALUE_INT:
        *p++ = LOGCTX__WIRE_TAG(LOGCTX_VALUE_INT, LOGCTX__WIRE_VARINT);
        return logctx__wire_varint_write(p, (uint64_t)value->as.integer);
    case LOGCTX_VALUE_DOUBLE:
        *p++ = LOGCTX__WIRE_TAG(LOGCTX_VALUE_DOUBLE, LOGCTX__WIRE_FIXED64);
        memcpy(&bits, &value->as.real, sizeof bits);
        return logctx__wire_fixed64_write(p, bits);
    case LOGCTX_VALUE_STRING:
        return text_write(head_write(p, LOGCTX_VALUE_STRING, measured->content), &measured->text);
    case LOGCTX_VALUE_BYTES:
        p = head_write(p, LOGCTX_VALUE_BYTES, measured->content);
        copy(p, value->as.bytes.data, measured->content);
        return p + measured->content;
    case LOGCTX_VALUE_EMPTY:
    case LOGCTX_VALUE_ARRAY:
    default:
        return p;
    }
}

// Writes what ends at `end`, and returns where it starts. The walk was measured before, so nothing here can
// fail.
static uint8_t *array_write_back(uint8_t *end, const logctx_value_t *array, unsigned depth, uint32_t max_length)
{
    if (depth > LOGCTX__WIRE_MAX_DEPTH)
        return end;
    uint8_t *p = end;
    for (size_t i = array->as.array.items ? array->as.array.count : 0; i-- > 0;) {
        const logctx_value_t *item = &array->as.array.items[i];
        uint8_t *after = p;
        if (item->type == LOGCTX_VALUE_ARRAY) {
            p = array_write_back(p, item, depth + 1, max_length);
        } else {
            measured_t measured;
            measure_scalar(item, max_length, &measured);
            p -= measured.size;
            scalar_write(p, item, &measured);
        }
        size_t size = (size_t)(after - p);
        p -= framed(size) - size;
        head_write(p, ARRAY_VALUES, size);
    }
    size_t size = (size_t)(end - p);
    p -= framed(size) - size;
    head_write(p, LOGCTX_VALUE_ARRAY, size);
    return p;
}

// ---- attributes ----

#define SHORT 0x7F // the greatest length that takes one byte

// Whether a text goes onto the wire as it is, with a length of one byte.
static inline bool is_short(const void *data, size_t length, size_t max)
{
    return length <= max && data && logctx__utf8_is_ascii(data, length);
}

// The size of an attribute of the sort that nearly all are: a short ASCII key, and a scalar or a short ASCII
// string. All its lengths take one byte, so that it is written without a second look. 0: not of that sort.
static inline size_t short_size(const logctx_attr_t *attr, uint32_t max_length, measured_t *value)
{
    if (attr->key_length == 0 || !is_short(attr->key, attr->key_length, SHORT))
        return 0;
    if (attr->value.type == LOGCTX_VALUE_STRING) {
        const size_t max = max_length < SHORT - 2 ? max_length : SHORT - 2;
        if (!is_short(attr->value.as.bytes.data, attr->value.as.bytes.length, max))
            return 0;
        *value = (measured_t){.size = 2 + attr->value.as.bytes.length};
    } else if (attr->value.type <= LOGCTX_VALUE_DOUBLE) {
        measure_scalar(&attr->value, max_length, value);
    } else {
        return 0;
    }
    return 2 + attr->key_length + 2 + value->size;
}

static inline uint8_t *short_write(uint8_t *p, const logctx_attr_t *attr, const measured_t *value)
{
    *p++ = LOGCTX__WIRE_TAG(KEY_VALUE_KEY, LOGCTX__WIRE_BYTES);
    *p++ = (uint8_t)attr->key_length;
    copy(p, attr->key, attr->key_length);
    p += attr->key_length;
    *p++ = LOGCTX__WIRE_TAG(KEY_VALUE_VALUE, LOGCTX__WIRE_BYTES);
    *p++ = (uint8_t)value->size;
    if (attr->value.type != LOGCTX_VALUE_STRING)
        return scalar_write(p, &attr->value, value);
    const size_t length = value->size - 2;
    *p++ = LOGCTX__WIRE_TAG(LOGCTX_VALUE_STRING, LOGCTX__WIRE_BYTES);
    *p++ = (uint8_t)length;
    copy(p, attr->value.as.bytes.data, length);
    return p + length;
}

// Any attribute. 0: more than LOGCTX__WIRE_MAX bytes.
static size_t any_size(const logctx_attr_t *attr, uint32_t max_length, text_t *key, measured_t *value)
{
    walk_t walk = {.max_length = max_length, .nodes_left = LOGCTX__WIRE_MAX / 2};
    *key = text_of(attr->key, attr->key_length, LOGCTX__UTF8_NO_LIMIT);
    if (key->size > LOGCTX__WIRE_MAX || !measure(&attr->value, 1, &walk, value))
        return 0;
    size_t size = text_field_size(key) + framed(value->size);
    return size <= LOGCTX__WIRE_MAX ? size : 0;
}

static size_t put_any(uint8_t *p, size_t room, const logctx_attr_t *attr, uint32_t max_length)
{
    text_t key;
    measured_t value;
    size_t size = any_size(attr, max_length, &key, &value);
    if (size == 0 || size > room)
        return size;
    p = text_field_write(p, KEY_VALUE_KEY, &key);
    p = head_write(p, KEY_VALUE_VALUE, value.size);
    if (attr->value.type == LOGCTX_VALUE_ARRAY)
        array_write_back(p + value.size, &attr->value, 1, max_length);
    else
        scalar_write(p, &attr->value, &value);
    return size;
}

size_t logctx__wire_attr_put(uint8_t *p, size_t room, const logctx_attr_t *attr, uint32_t max_value_length)
{
    measured_t value;
    size_t size = short_size(attr, max_value_length, &value);
    if (size == 0)
        return put_any(p, room, attr, max_value_length);
    if (size <= room)
        short_write(p, attr, &value);
    return size;
}

size_t logctx__wire_attr_size(const logctx_attr_t *attr, uint32_t max_value_length)
{
    text_t key;
    measured_t value;
    size_t size = short_size(attr, max_value_length, &value);
    return size > 0 ? size : any_size(attr, max_value_length, &key, &value);
}

// The attributes of one event or link that are written, by their index.
typedef struct chosen {
    uint32_t index[LOGCTX__WIRE_MAX_ATTRS];
    size_t count;
    uint32_t dropped;
    size_t size; // on the wire, with their heads and the dropped count
} chosen_t;

static size_t find_key(const chosen_t *chosen, const logctx_attr_t *attrs, const logctx_attr_t *attr)
{
    size_t i = 0;
    while (i < chosen->count) {
        const logctx_attr_t *other = &attrs[chosen->index[i]];
        if (logctx__utf8_equal(other->key, other->key_length, attr->key, attr->key_length))
            break;
        i++;
    }
    return i;
}

// False: more than LOGCTX__WIRE_MAX bytes.
static bool choose(chosen_t *chosen, const logctx_attr_t *attrs, size_t count, const logctx__wire_limits_t *limits)
{
    size_t limit = limits->attr_count < LOGCTX__WIRE_MAX_ATTRS ? limits->attr_count : LOGCTX__WIRE_MAX_ATTRS;
    chosen->count = 0;
    chosen->dropped = 0;
    chosen->size = 0;
    if (!attrs)
        count = 0;
    if (count > UINT32_MAX)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        bool has_key = attrs[i].key && attrs[i].key_length > 0;
        size_t at = has_key ? find_key(chosen, attrs, &attrs[i]) : limit;
        if (at >= limit) {
            chosen->dropped++;
            continue;
        }
        chosen->index[at] = i;
        if (at == chosen->count)
            chosen->count++;
    }
    for (size_t i = 0; i < chosen->count; i++) {
        size_t size = logctx__wire_attr_size(&attrs[chosen->index[i]], limits->value_length);
        chosen->size += framed(size);
        if (size == 0 || chosen->size > LOGCTX__WIRE_MAX)
            return false;
    }
    chosen->size += chosen->dropped > 0 ? 1 + logctx__wire_varint_size(chosen->dropped) : 0;
    return true;
}

// `field` is the one of the attributes; the dropped count has the next number in events and in links.
static uint8_t *chosen_write(uint8_t *p, uint32_t field, const chosen_t *chosen, const logctx_attr_t *attrs,
                             const logctx__wire_limits_t *limits)
{
    for (size_t i = 0; i < chosen->count; i++) {
        const logctx_attr_t *attr = &attrs[chosen->index[i]];
        p = head_write(p, field, logctx__wire_attr_size(attr, limits->value_length));
        p = logctx__wire_attr_write(p, attr, limits->value_length);
    }
    if (chosen->dropped > 0) {
        *p++ = (uint8_t)LOGCTX__WIRE_TAG(field + 1, LOGCTX__WIRE_VARINT);
        p = logctx__wire_varint_write(p, chosen->dropped);
    }
    return p;
}

// ---- events and links ----

_Static_assert(EVENT_DROPPED == EVENT_ATTRIBUTES + 1 && LINK_DROPPED == LINK_ATTRIBUTES + 1, "see chosen_write()");

// 0: more than LOGCTX__WIRE_MAX bytes, as for links below.
static size_t event_size(const logctx__wire_event_t *event, const logctx__wire_limits_t *limits, text_t *name,
                         chosen_t *chosen)
{
    *name = text_of(event->name, event->name_length, LOGCTX__UTF8_NO_LIMIT);
    if (name->size > LOGCTX__WIRE_MAX || !choose(chosen, event->attrs, event->count, limits))
        return 0;
    size_t size = (event->unix_ns ? 1 + sizeof(uint64_t) : 0) + text_field_size(name) + chosen->size;
    return size <= LOGCTX__WIRE_MAX ? size : 0;
}

size_t logctx__wire_event_size(const logctx__wire_event_t *event, const logctx__wire_limits_t *limits)
{
    text_t name;
    chosen_t chosen;
    return event_size(event, limits, &name, &chosen);
}

size_t logctx__wire_event_put(uint8_t *p, size_t room, const logctx__wire_event_t *event,
                              const logctx__wire_limits_t *limits)
{
    text_t name;
    chosen_t chosen;
    size_t size = event_size(event, limits, &name, &chosen);
    if (size == 0 || size > room)
        return size;
    if (event->unix_ns) {
        *p++ = LOGCTX__WIRE_TAG(EVENT_TIME, LOGCTX__WIRE_FIXED64);
        p = logctx__wire_fixed64_write(p, event->unix_ns);
    }
    p = text_field_write(p, EVENT_NAME, &name);
    chosen_write(p, EVENT_ATTRIBUTES, &chosen, event->attrs, limits);
    return size;
}

static size_t link_size(const logctx__wire_link_t *link, const logctx__wire_limits_t *limits, text_t *state,
                        chosen_t *chosen)
{
    *state = text_of(link->tracestate, link->tracestate_length, LOGCTX__UTF8_NO_LIMIT);
    if (state->size > LOGCTX__WIRE_MAX || !choose(chosen, link->attrs, link->count, limits))
        return 0;
    size_t size = framed(16) + framed(8) + text_field_size(state) + chosen->size +
                  (link->flags ? 1 + sizeof(uint32_t) : 0);
    return size <= LOGCTX__WIRE_MAX ? size : 0;
}

size_t logctx__wire_link_size(const logctx__wire_link_t *link, const logctx__wire_limits_t *limits)
{
    text_t state;
    chosen_t chosen;
    return link_size(link, limits, &state, &chosen);
}

static uint8_t *id_write(uint8_t *p, uint32_t field, const uint8_t *id, size_t length)
{
    p = head_write(p, field, length);
    memcpy(p, id, length);
    return p + length;
}

size_t logctx__wire_link_put(uint8_t *p, size_t room, const logctx__wire_link_t *link,
                             const logctx__wire_limits_t *limits)
{
    text_t state;
    chosen_t chosen;
    size_t size = link_size(link, limits, &state, &chosen);
    if (size == 0 || size > room)
        return size;
    p = id_write(p, LINK_TRACE_ID, link->trace_id, 16);
    p = id_write(p, LINK_SPAN_ID, link->span_id, 8);
    p = text_field_write(p, LINK_TRACESTATE, &state);
    p = chosen_write(p, LINK_ATTRIBUTES, &chosen, link->attrs, limits);
    if (link->flags) {
        *p++ = LOGCTX__WIRE_TAG(LINK_FLAGS, LOGCTX__WIRE_FIXED32);
        logctx__wire_fixed32_write(p, link->flags);
    }
    return size;
}
