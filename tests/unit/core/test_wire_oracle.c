/*
 * test_wire_oracle.c: core/wire.c against protobuf-c: random attributes, events and links, packed by both,
 * have to be the same bytes. Texts are valid and hold no zero here, since protobuf-c takes what it gets up to
 * the first zero.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire.h"

#include <logctx/sink.h>
#include <opentelemetry/proto/common/v1/common.pb-c.h>
#include <opentelemetry/proto/trace/v1/trace.pb-c.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef Opentelemetry__Proto__Common__V1__AnyValue any_value_t;
typedef Opentelemetry__Proto__Common__V1__ArrayValue array_value_t;
typedef Opentelemetry__Proto__Common__V1__KeyValue key_value_t;
typedef Opentelemetry__Proto__Trace__V1__Span__Event event_t;
typedef Opentelemetry__Proto__Trace__V1__Span__Link link_t;

#define MAX_ATTRS 6
static const logctx__wire_limits_t no_limits = {.value_length = UINT32_MAX, .attr_count = UINT32_MAX};

// Everything that one case allocates; given back at its end.
static void *held[4096];
static size_t held_count;

static void *hold(size_t size)
{
    assert_true(held_count < sizeof held / sizeof held[0]);
    void *memory = calloc(1, size + 1);
    assert_non_null(memory);
    return held[held_count++] = memory;
}

static void let_go(void)
{
    while (held_count > 0)
        free(held[--held_count]);
}

static uint64_t next_random(void)
{
    static uint64_t seed = 88172645463325252u;
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static uint64_t below(uint64_t limit)
{
    return next_random() % limit;
}

// Lengths on both sides of where a length takes another byte are as likely as all the others.
static size_t random_length(void)
{
    static const size_t borders[] = {0, 1, 126, 127, 128, 129, 300, 16383, 16384};
    uint64_t choice = below(40);
    return choice < sizeof borders / sizeof borders[0] ? borders[choice] : below(40);
}

static char *random_text(size_t *length)
{
    static const char *const characters[] = {"a", "Z", "/", "\u00E4", "\u20AC", "\U0001F427", "\uFFFD", "\x7F"};
    size_t want = random_length();
    char *text = hold(want + 4);
    for (*length = 0; *length < want;) {
        const char *c = characters[below(8)];
        memcpy(text + *length, c, strlen(c));
        *length += strlen(c);
    }
    return text;
}

static int64_t random_int(void)
{
    return (int64_t)(next_random() >> below(64)) * (below(2) ? 1 : -1);
}

static void random_value(unsigned depth, logctx_value_t *ours, any_value_t *theirs);

static void random_array(unsigned depth, logctx_value_t *ours, any_value_t *theirs)
{
    size_t count = below(5);
    logctx_value_t *items = hold(count * sizeof *items);
    array_value_t *array = hold(sizeof *array);
    opentelemetry__proto__common__v1__array_value__init(array);
    array->values = hold(count * sizeof(any_value_t *));
    array->n_values = count;
    for (size_t i = 0; i < count; i++) {
        array->values[i] = hold(sizeof(any_value_t));
        random_value(depth + 1, &items[i], array->values[i]);
    }
    *ours = logctx_attr_array("", items, count).value;
    theirs->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_ARRAY_VALUE;
    theirs->array_value = array;
}

static void random_bytes(logctx_value_t *ours, any_value_t *theirs)
{
    size_t length = random_length();
    uint8_t *bytes = hold(length);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)next_random();
    *ours = logctx_attr_bytes("", bytes, length).value;
    theirs->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_BYTES_VALUE;
    theirs->bytes_value = (ProtobufCBinaryData){.len = length, .data = bytes};
}

static void random_value(unsigned depth, logctx_value_t *ours, any_value_t *theirs)
{
    size_t length;
    opentelemetry__proto__common__v1__any_value__init(theirs);
    switch (below(depth < 5 ? 7 : 5)) {
    case 0:
        *ours = logctx_attr_bool("", below(2)).value;
        theirs->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_BOOL_VALUE;
        theirs->bool_value = ours->as.boolean;
        break;
    case 1:
        *ours = logctx_attr_int("", random_int()).value;
        theirs->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE;
        theirs->int_value = ours->as.integer;
        break;
    case 2:
        *ours = logctx_attr_double("", (double)random_int() / 7).value;
        theirs->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_DOUBLE_VALUE;
        theirs->double_value = ours->as.real;
        break;
    case 3:
        theirs->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE;
        theirs->string_value = random_text(&length);
        *ours = logctx_attr_string_n("", theirs->string_value, length).value;
        break;
    case 4:
        random_bytes(ours, theirs);
        break;
    case 5:
        *ours = logctx_attr_("", LOGCTX_VALUE_EMPTY).value;
        break;
    default:
        random_array(depth, ours, theirs);
        break;
    }
}

static key_value_t *random_attr(logctx_attr_t *ours)
{
    key_value_t *theirs = hold(sizeof *theirs);
    opentelemetry__proto__common__v1__key_value__init(theirs);
    theirs->key = random_text(&ours->key_length);
    ours->key = theirs->key;
    theirs->value = hold(sizeof *theirs->value);
    random_value(1, &ours->value, theirs->value);
    return theirs;
}

// What protobuf-c packs; also that unpacking it gives no error, so that the comparison is one of real
// messages.
static uint8_t *pack(const ProtobufCMessage *message, size_t *size)
{
    *size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = hold(*size);
    assert_int_equal(protobuf_c_message_pack(message, bytes), *size);
    ProtobufCMessage *again = protobuf_c_message_unpack(message->descriptor, NULL, *size, bytes);
    assert_non_null(again);
    protobuf_c_message_free_unpacked(again, NULL);
    return bytes;
}

static void test_attributes(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        logctx_attr_t attr;
        size_t size;
        key_value_t *theirs = random_attr(&attr);
        const uint8_t *want = pack(&theirs->base, &size);
        uint8_t *bytes = hold(size);
        assert_int_equal(logctx__wire_attr_put(bytes, size, &attr, UINT32_MAX), size);
        assert_memory_equal(bytes, want, size);

        logctx_attr_t read;
        assert_true(logctx_attr_read(bytes, size, &read));
        assert_int_equal(read.key_length, attr.key_length);
        assert_memory_equal(read.key, attr.key, attr.key_length);
        assert_int_equal(read.value.type, attr.value.type);
        let_go();
    }
}

// Attributes with different keys, for ours and for theirs.
static size_t random_attrs(logctx_attr_t ours[MAX_ATTRS], key_value_t *theirs[MAX_ATTRS])
{
    size_t count = below(MAX_ATTRS + 1);
    for (size_t i = 0; i < count; i++) {
        theirs[i] = random_attr(&ours[i]);
        // A first character of its own keeps the key from being another's, or empty.
        char *key = hold(ours[i].key_length + 1);
        key[0] = (char)('0' + i);
        memcpy(key + 1, ours[i].key, ours[i].key_length);
        theirs[i]->key = key;
        ours[i].key = key;
        ours[i].key_length++;
    }
    return count;
}

static void test_events(void **state)
{
    (void)state;
    for (int i = 0; i < 4000; i++) {
        logctx_attr_t attrs[MAX_ATTRS];
        key_value_t *their_attrs[MAX_ATTRS];
        event_t theirs = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__EVENT__INIT;
        logctx__wire_event_t event = {.unix_ns = next_random(), .attrs = attrs};
        theirs.name = random_text(&event.name_length);
        event.name = theirs.name;
        event.count = random_attrs(attrs, their_attrs);
        logctx__wire_limits_t limits = no_limits;
        if (below(3) == 0)
            limits.attr_count = (uint32_t)below(MAX_ATTRS);
        theirs.time_unix_nano = event.unix_ns;
        theirs.attributes = their_attrs;
        theirs.n_attributes = event.count < limits.attr_count ? event.count : limits.attr_count;
        theirs.dropped_attributes_count = (uint32_t)(event.count - theirs.n_attributes);

        size_t size;
        const uint8_t *want = pack(&theirs.base, &size);
        uint8_t *bytes = hold(size);
        assert_int_equal(logctx__wire_event_put(bytes, size, &event, &limits), size);
        assert_memory_equal(bytes, want, size);

        logctx_event_t read;
        logctx_attr_t attr;
        size_t cursor = 0;
        assert_true(logctx_event_read(bytes, size, &read));
        assert_int_equal(read.unix_ns, event.unix_ns);
        assert_int_equal(read.dropped_attributes, theirs.dropped_attributes_count);
        for (size_t n = 0; n < theirs.n_attributes; n++) {
            assert_true(logctx_event_next(&read, &cursor, &attr));
            assert_int_equal(attr.key[0], '0' + n);
        }
        assert_false(logctx_event_next(&read, &cursor, &attr));
        let_go();
    }
}

static void test_links(void **state)
{
    (void)state;
    for (int i = 0; i < 4000; i++) {
        logctx_attr_t attrs[MAX_ATTRS];
        key_value_t *their_attrs[MAX_ATTRS];
        uint8_t ids[24];
        for (size_t n = 0; n < sizeof ids; n++)
            ids[n] = (uint8_t)below(3);
        link_t theirs = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__LINK__INIT;
        logctx__wire_link_t link = {.trace_id = ids, .span_id = ids + 16, .attrs = attrs};
        theirs.trace_state = random_text(&link.tracestate_length);
        link.tracestate = theirs.trace_state;
        link.count = random_attrs(attrs, their_attrs);
        link.flags = below(2) ? (uint32_t)next_random() : 0;
        theirs.trace_id = (ProtobufCBinaryData){.len = 16, .data = ids};
        theirs.span_id = (ProtobufCBinaryData){.len = 8, .data = ids + 16};
        theirs.flags = link.flags;
        theirs.attributes = their_attrs;
        theirs.n_attributes = link.count;

        size_t size;
        const uint8_t *want = pack(&theirs.base, &size);
        uint8_t *bytes = hold(size);
        assert_int_equal(logctx__wire_link_put(bytes, size, &link, &no_limits), size);
        assert_memory_equal(bytes, want, size);
        let_go();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_links),
    };
    return cmocka_run_group_tests_name("wire_oracle", tests, NULL, NULL);
}
