/*
 * test_encode_any.c: a million spans by chance, made by the public API and encoded, against what protobuf-c packs from a
 * model of what was set: byte for byte. The clock is the fake one and the ids come from the seed, so that every run is
 * the same one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdint.h>

#include "packed.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) ||               \
    __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
enum { SPANS = 20000 };
#else
enum { SPANS = 1000000 };
#endif

enum { ERROR_SPANS = 300 };

static logctx_recorder_t *recorder;

static int setup(void **state)
{
    (void)state;
    recorder = logctx_recorder_new(BATCH_MAX);
    any_world_begin();
    packed_begin();
    return recorder == NULL;
}

static int teardown(void **state)
{
    (void)state;
    packed_end();
    any_world_end();
    logctx_recorder_free(recorder);
    return 0;
}

static void make_batch(void)
{
    logctx_recorder_clear(recorder);
    any_batch_make();
    assert_int_equal(logctx_recorder_count(recorder), world.model_count);
}

// What a run must not have been without. In a million there are thousands of each.
static void assert_all_came(void)
{
    const struct any_tally *tally = &world.tally;
    assert_true(tally->dropped_attributes > 0 && tally->dropped_events > 0 && tally->dropped_links > 0);
    assert_true(tally->huge > 0 && tally->parents > 0 && tally->nested > 0 && tally->remote > 0);
    assert_true(tally->lives > 0 && tally->failed > 0);
}

static void test_a_million_spans(void **state)
{
    (void)state;
    const char *wish = getenv("LOGCTX_SPANS"); // for longer runs
    size_t wanted = wish != NULL ? strtoul(wish, NULL, 10) : SPANS;
    any_world_seed(20261125);
    world.tally = (struct any_tally){.huge = 0};
    for (size_t spans = 0; spans < wanted; spans += world.model_count) {
        size_t length = 0;
        make_batch();
        const uint8_t *bytes = packed_by_encoder(recorder, &length);
        if (!packed_is_alike(bytes, length)) {
            print_message("after %zu spans:\n", spans);
            packed_show_difference(recorder);
            fail();
        }
    }
    assert_all_came();
}

// Whether a model that says something else, in one field of one span, is told from what was encoded. One for each field.
static void assert_change_is_seen(uint8_t *field, const uint8_t *bytes, size_t length)
{
    *field ^= 1;
    assert_false(packed_is_alike(bytes, length));
    *field ^= 1;
}

static void assert_changes_are_seen(otlp_span_t *span, const uint8_t *bytes, size_t length)
{
    assert_change_is_seen(span->trace_id.data, bytes, length);
    assert_change_is_seen(span->span_id.data + 7, bytes, length);
    assert_change_is_seen((uint8_t *)&span->kind, bytes, length);
    assert_change_is_seen((uint8_t *)&span->flags, bytes, length);
    assert_change_is_seen((uint8_t *)&span->start_time_unix_nano, bytes, length);
    assert_change_is_seen((uint8_t *)&span->end_time_unix_nano, bytes, length);
    assert_change_is_seen((uint8_t *)&span->dropped_attributes_count, bytes, length);
    assert_change_is_seen((uint8_t *)&span->dropped_events_count, bytes, length);
    assert_change_is_seen((uint8_t *)&span->dropped_links_count, bytes, length);
    for (size_t i = 0; i < span->n_attributes; i++) {
        otlp_value_t *value = span->attributes[i]->value;
        if (value->value_case == OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE) {
            assert_change_is_seen((uint8_t *)&value->int_value, bytes, length);
        }
    }
    for (size_t i = 0; i < span->n_events; i++) {
        assert_change_is_seen((uint8_t *)&span->events[i]->time_unix_nano, bytes, length);
        assert_change_is_seen((uint8_t *)&span->events[i]->dropped_attributes_count, bytes, length);
    }
    for (size_t i = 0; i < span->n_links; i++) {
        assert_change_is_seen((uint8_t *)&span->links[i]->flags, bytes, length);
    }
    otlp_pair_t *first = span->attributes[0];
    span->attributes[0] = span->attributes[1];
    span->attributes[1] = first;
    assert_false(packed_is_alike(bytes, length));
    span->attributes[1] = span->attributes[0];
    span->attributes[0] = first;
}

// The twin: a wrong byte of the encoder's is seen, and so is a model that is wrong in anything.
static void test_a_wrong_byte_is_seen(void **state)
{
    (void)state;
    any_world_seed(1);
    for (int round = 0; round < 20; round++) {
        size_t length = 0;
        make_batch();
        const uint8_t *encoded = packed_by_encoder(recorder, &length);
        uint8_t *bytes = logctx__arena_array(&world.arena, length, 1);
        memcpy(bytes, encoded, length);
        assert_true(packed_is_alike(bytes, length));
        for (int i = 0; i < 20; i++) {
            assert_change_is_seen(&bytes[any_below(&world.any, (uint32_t)length)], bytes, length);
        }
        assert_changes_are_seen(&world.models[any_below(&world.any, (uint32_t)world.model_count)]->message, bytes,
                                length);
        assert_true(packed_is_alike(bytes, length));
        assert_false(packed_is_alike(bytes, length - 1));
    }
}

// Spans with transition errors.

// What a record says to those who read it, as a message: the stacks in it are nobody's to foresee.
static otlp_span_t *read_back(const logctx_record_t *record)
{
    struct model_span *model = any_model();
    const logctx_span_t *span = logctx_record_span(record);
    otlp_span_t *message = &model->message;
    const uint8_t *bytes = NULL;
    size_t length = 0;
    for (size_t at = 0; logctx_record_next(record, LOGCTX_PART_ATTRIBUTE, &at, &bytes, &length);) {
        model->attributes[message->n_attributes++] =
            opentelemetry__proto__common__v1__key_value__unpack(NULL, length, bytes);
    }
    for (size_t at = 0; logctx_record_next(record, LOGCTX_PART_EVENT, &at, &bytes, &length);) {
        model->events[message->n_events++] = (otlp_event_t *)protobuf_c_message_unpack(
            &opentelemetry__proto__trace__v1__span__event__descriptor, NULL, length, bytes);
    }
    message->trace_id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)span->trace_id};
    message->span_id = (ProtobufCBinaryData){8, (uint8_t *)(uintptr_t)span->span_id};
    message->parent_span_id =
        (ProtobufCBinaryData){span->has_parent ? 8 : 0, (uint8_t *)(uintptr_t)span->parent_span_id};
    message->trace_state = (char *)(uintptr_t)span->tracestate;
    message->name = (char *)(uintptr_t)span->name;
    message->kind = (Opentelemetry__Proto__Trace__V1__Span__SpanKind)span->span_kind;
    message->flags = span->flags;
    message->start_time_unix_nano = span->start_unix_ns;
    message->end_time_unix_nano = span->end_unix_ns;
    if (span->status != LOGCTX_STATUS_UNSET) {
        model_span_status(model, span->status, NULL);
        model->status.message = (char *)(uintptr_t)span->status_message;
    }
    return message;
}

static void free_parts(otlp_span_t *message)
{
    for (size_t i = 0; i < message->n_attributes; i++) {
        protobuf_c_message_free_unpacked(&message->attributes[i]->base, NULL);
    }
    for (size_t i = 0; i < message->n_events; i++) {
        protobuf_c_message_free_unpacked(&message->events[i]->base, NULL);
    }
}

// An error on the span while it lives (it is left for the sentinel, and exits there), and one after its seal, which
// becomes a span of its own.
static void make_errors(void)
{
    static const char traceparent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = any_usual_text(&world.any).given;
    opts.traceparent = any_one_in(&world.any, 2) ? traceparent : NULL;
    opts.tracestate = "a=b";
    logctx_t *ctx = logctx_new(world.kinds[any_below(&world.any, KINDS)], &opts);
    logctx_enter(ctx);
    logctx_set_string(ctx, "key", any_usual_text(&world.any).given);
    if (any_one_in(&world.any, 2)) {
        logctx_set_current(logctx_sentinel());
    }
    if (any_one_in(&world.any, 3)) {
        logctx_set_failed(ctx, "500", any_usual_text(&world.any).given);
    }
    logctx_exit(ctx);
    logctx_set_current(ctx);
    logctx_set_current(logctx_sentinel());
    logctx_unref(ctx);
}

static void test_spans_with_errors(void **state)
{
    (void)state;
    logctx_allow_transition_errors(LOGCTX_ERROR_CONTEXT_LOST);
    logctx_allow_transition_errors(LOGCTX_ERROR_RESTARTED_FINISHED);
    size_t of_their_own = 0;
    size_t with_events = 0;
    any_world_seed(2);
    any_batch_begin();
    for (int round = 0; round < ERROR_SPANS; round++) {
        size_t length = 0;
        logctx_recorder_clear(recorder);
        make_errors();
        size_t count = logctx_recorder_count(recorder);
        otlp_span_t *spans[BATCH_MAX];
        size_t expected_length = 0;
        for (size_t i = 0; i < count; i++) {
            const logctx_record_t *record = logctx_recorder_at(recorder, i);
            spans[i] = read_back(record);
            of_their_own += logctx_record_span(record)->is_error_span;
            with_events += spans[i]->n_events > 0;
        }
        world.model_count = count;
        const uint8_t *bytes = packed_by_encoder(recorder, &length);
        const uint8_t *expected = packed_by_protobuf(spans, count, &expected_length);
        assert_int_equal(length, expected_length);
        assert_memory_equal(bytes, expected, length);
        for (size_t i = 0; i < count; i++) {
            free_parts(spans[i]);
        }
    }
    assert_true(of_their_own >= ERROR_SPANS);
    assert_in_range(with_events, ERROR_SPANS / 4, ERROR_SPANS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        logctx_unit_test_fake_clock(test_a_million_spans),
        logctx_unit_test_fake_clock(test_a_wrong_byte_is_seen),
        logctx_unit_test_fake_clock(test_spans_with_errors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
