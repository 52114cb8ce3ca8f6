/*
 * test_trace.c: identity: ids, flags, parents, sampling, tracestate, and the headers of outgoing calls.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "spans.h"

#include <logctx/trace.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static logctx_t *from_caller(const char *name, const char *traceparent, const char *tracestate)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = name;
    opts.traceparent = traceparent;
    opts.tracestate = tracestate;
    return logctx_new(logctx_kind("traced"), &opts);
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
    uint8_t any = 0;
    for (size_t i = 0; i < length; i++)
        any |= bytes[i];
    return any == 0;
}

static void test_a_root(void **state)
{
    (void)state;
    logctx_t *a = make("k", "a"), *b = make("k", "b");
    logctx_span_context_t ids = logctx_get_span_context(a), other = logctx_get_span_context(b);
    assert_false(is_zero(ids.trace_id, 16) || is_zero(ids.span_id, 8));
    assert_memory_not_equal(ids.trace_id, other.trace_id, 16);
    assert_memory_not_equal(ids.span_id, other.span_id, 8);
    assert_int_equal(ids.flags, LOGCTX_FLAG_SAMPLED | LOGCTX_FLAG_RANDOM);
    end(a);
    end(b);
    const logctx_span_t *span = span_of("a");
    assert_memory_equal(span->trace_id, ids.trace_id, 16);
    assert_memory_equal(span->span_id, ids.span_id, 8);
    assert_false(span->has_parent);
    assert_true(is_zero(span->parent_span_id, 8));
    assert_int_equal(span->flags, 0x103);
    assert_string_equal(span->tracestate, "");
}

static void test_a_child(void **state)
{
    (void)state;
    logctx_t *parent = from_caller("parent", "00-" TRACE "-" SPAN "-01", "a=1,b=2"),
             *child = make_child(parent, "child");
    logctx_span_context_t of_parent = logctx_get_span_context(parent);
    end(child);
    end(parent);
    const logctx_span_t *span = span_of("child");
    assert_memory_equal(span->trace_id, of_parent.trace_id, 16);
    assert_memory_equal(span->parent_span_id, of_parent.span_id, 8);
    assert_true(span->has_parent);
    assert_int_equal(span->flags, 0x101); // a local parent; not random, as the caller was not
    assert_string_equal(span->tracestate, "a=1,b=2");
    assert_int_equal(span_of("parent")->flags, 0x301);
}

static void test_continued_traces(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        uint32_t flags;
        bool sampled;
    } rows[] = {
        {"00-" TRACE "-" SPAN "-01", 0x301, true},      {"00-" TRACE "-" SPAN "-03", 0x303, true},
        {"00-" TRACE "-" SPAN "-ff", 0x303, true}, // unknown flags are not carried on
        {"00-" TRACE "-" SPAN "-00", 0x300, false},     {"00-" TRACE "-" SPAN "-02", 0x302, false},
        {"cc-" TRACE "-" SPAN "-01-more", 0x301, true},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        logctx_recorder_clear(recorder);
        logctx_t *ctx = from_caller("c", rows[i].header, NULL);
        assert_int_equal(logctx_is_recording(ctx), rows[i].sampled);
        char header[LOGCTX_TRACEPARENT_SIZE];
        assert_true(logctx_inject(ctx, header, NULL, 0));
        assert_memory_equal(header, "00-" TRACE "-", 36);
        assert_memory_not_equal(header + 36, SPAN, 16); // its own span, not the caller's
        end(ctx);
        assert_int_equal(logctx_recorder_count(recorder), rows[i].sampled);
        if (rows[i].sampled)
            assert_int_equal(span_of("c")->flags, rows[i].flags);
    }
}

static void test_bad_headers_start_a_new_trace(void **state)
{
    (void)state;
    static const char *const rows[] = {"",
                                       "junk",
                                       "00-" TRACE "-" SPAN "-0",
                                       "ff-" TRACE "-" SPAN "-01",
                                       "00-00000000000000000000000000000000-" SPAN "-01",
                                       "00-" TRACE "-0000000000000000-01"};
    for (size_t i = 0; i < COUNT(rows); i++) {
        logctx_t *ctx = from_caller("c", rows[i], "a=1");
        end(ctx);
        assert_false(span_of("c")->has_parent);
        assert_int_equal(span_of("c")->flags, 0x103);
        assert_string_equal(span_of("c")->tracestate, "");
    }
}

// Order of the rows: sampler; root, parent sampled, parent not sampled.
static void test_samplers(void **state)
{
    (void)state;
    static const struct {
        logctx_sampler_t sampler;
        bool root, sampled, unsampled;
    } rows[] = {
        {LOGCTX_SAMPLER_PARENTBASED_ALWAYS_ON, true, true, false},
        {LOGCTX_SAMPLER_ALWAYS_ON, true, true, true},
        {LOGCTX_SAMPLER_ALWAYS_OFF, false, false, false},
        {LOGCTX_SAMPLER_PARENTBASED_ALWAYS_OFF, false, true, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        logctx_set_sampler(LOGCTX_SAMPLER_ALWAYS_ON);
        logctx_t *yes = make("k", "yes");
        logctx_set_sampler(LOGCTX_SAMPLER_ALWAYS_OFF);
        logctx_t *no = make("k", "no");
        logctx_set_sampler(rows[i].sampler);
        assert_int_equal(logctx_get_sampler(), rows[i].sampler);
        const struct {
            logctx_t *ctx;
            bool want;
        } cases[] = {
            {make("k", "root"), rows[i].root},
            {make_child(yes, "local"), rows[i].sampled},
            {make_child(no, "local"), rows[i].unsampled},
            {from_caller("remote", "00-" TRACE "-" SPAN "-01", NULL), rows[i].sampled},
            {from_caller("remote", "00-" TRACE "-" SPAN "-00", NULL), rows[i].unsampled},
        };
        for (size_t j = 0; j < COUNT(cases); j++) {
            size_t before = logctx_recorder_count(recorder);
            assert_int_equal(logctx_is_recording(cases[j].ctx), cases[j].want);
            assert_int_equal(logctx_get_span_context(cases[j].ctx).flags & 1, cases[j].want);
            end(cases[j].ctx);
            assert_int_equal(logctx_recorder_count(recorder) - before, cases[j].want);
        }
        end(yes);
        end(no);
    }
}

static void test_an_unsampled_context_has_ids(void **state)
{
    (void)state;
    logctx_set_sampler(LOGCTX_SAMPLER_ALWAYS_OFF);
    logctx_t *ctx = make("k", "c");
    logctx_span_context_t ids = logctx_get_span_context(ctx);
    assert_false(is_zero(ids.trace_id, 16) || is_zero(ids.span_id, 8));
    char header[LOGCTX_TRACEPARENT_SIZE];
    assert_true(logctx_inject(ctx, header, NULL, 0));
    assert_string_equal(header + 53, "02");
    assert_int_equal(logctx_set_string(ctx, "a", "b"), LOGCTX_OK); // nothing to do, and no error
    end(ctx);
}

static void test_inject(void **state)
{
    (void)state;
    char header[LOGCTX_TRACEPARENT_SIZE] = "x", tracestate[64] = "x";
    assert_false(logctx_inject(logctx_sentinel(), header, tracestate, sizeof tracestate));
    assert_string_equal(header, "");
    assert_string_equal(tracestate, "");
    assert_false(logctx_inject(NULL, header, tracestate, sizeof tracestate));
    logctx_t *ctx = from_caller("c", "00-" TRACE "-" SPAN "-01", " a=1 , b=2,a=3 ");
    assert_false(logctx_inject(ctx, NULL, tracestate, sizeof tracestate));
    assert_true(logctx_inject(ctx, header, tracestate, sizeof tracestate));
    assert_string_equal(tracestate, "a=1,b=2");
    assert_true(logctx_inject(ctx, header, tracestate, 7));
    assert_string_equal(tracestate, "a=1"); // by whole members
    assert_true(logctx_inject(ctx, header, tracestate, 1));
    assert_string_equal(tracestate, "");
    assert_true(logctx_inject(ctx, header, tracestate, 0));
    logctx_span_context_t again, ids = logctx_get_span_context(ctx);
    assert_true(logctx_traceparent_read(header, strlen(header), &again));
    assert_memory_equal(&again, &ids, sizeof ids);
    end(ctx);
    assert_true(is_zero((const uint8_t *)&(logctx_span_context_t){0}, sizeof ids));
    ids = logctx_get_span_context(logctx_sentinel());
    assert_true(is_zero(ids.trace_id, 16) && is_zero(ids.span_id, 8) && ids.flags == 0);
}

static void test_a_parent_wins_over_a_header(void **state)
{
    (void)state;
    logctx_t *parent = make("k", "parent");
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = "both";
    opts.parent = parent;
    opts.traceparent = "00-" TRACE "-" SPAN "-01";
    logctx_t *ctx = logctx_new(logctx_kind("k"), &opts);
    end(ctx);
    end(parent);
    assert_memory_equal(span_of("both")->parent_span_id, span_of("parent")->span_id, 8);
}

// ---- the generator ----

static unsigned random_calls;

static void count_up(void *user, void *out, size_t length)
{
    assert_ptr_equal(user, &random_calls);
    memset(out, (int)(++random_calls), length);
}

static void zeros_at_first(void *user, void *out, size_t length)
{
    (void)user;
    memset(out, ++random_calls % 3 == 0 ? 7 : 0, length);
}

static void zeros(void *user, void *out, size_t length)
{
    (void)user;
    memset(out, 0, length);
}

static void test_another_generator(void **state)
{
    (void)state;
    random_calls = 0;
    logctx_set_random(count_up, &random_calls);
    logctx_t *ctx = make("k", "c"), *child = make_child(ctx, "d");
    logctx_span_context_t ids = logctx_get_span_context(ctx);
    for (int i = 0; i < 16; i++)
        assert_int_equal(ids.trace_id[i], 1);
    assert_int_equal(ids.span_id[0], 2);
    assert_int_equal(logctx_get_span_context(child).span_id[7], 3);
    end(child);
    end(ctx);
    random_calls = 0;
    logctx_set_random(zeros_at_first, NULL); // ids of zeros are asked for again
    ctx = make("k", "c");
    assert_int_equal(logctx_get_span_context(ctx).trace_id[0], 7);
    assert_int_equal(random_calls, 6);
    end(ctx);
    logctx_set_random(zeros, NULL); // a generator that has nothing else is not asked for ever
    ctx = make("k", "c");
    ids = logctx_get_span_context(ctx);
    assert_false(is_zero(ids.trace_id, 16) || is_zero(ids.span_id, 8));
    end(ctx);
}

static void test_ids_differ(void **state)
{
    (void)state;
    enum { IDS = 2000 };
    static uint64_t seen[IDS];
    for (size_t i = 0; i < IDS; i++) {
        logctx_t *ctx = make("k", "c");
        logctx_span_context_t ids = logctx_get_span_context(ctx);
        memcpy(&seen[i], ids.trace_id + 8, 8);
        for (size_t j = 0; j < i; j++)
            if (seen[j] == seen[i])
                fail_msg("the trace id of context %zu came again", j);
        end(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_a_root),
        core_test(test_a_child),
        core_test(test_continued_traces),
        core_test(test_bad_headers_start_a_new_trace),
        core_test(test_samplers),
        core_test(test_an_unsampled_context_has_ids),
        core_test(test_inject),
        core_test(test_a_parent_wins_over_a_header),
        core_test(test_another_generator),
        core_test(test_ids_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
