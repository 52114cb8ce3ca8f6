/*
 * test_runtime.c: settings of the process: limits, the default server, clocks, version.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "spans.h"

#include <time.h>

// ---- limits ----

static void test_limits(void **state)
{
    (void)state;
    logctx_limits_t limits, again;
    logctx_get_limits(NULL);
    logctx_get_limits(&limits);
    assert_int_equal(limits.struct_size, sizeof limits);
    assert_int_equal(limits.attributes, 128);
    assert_int_equal(limits.live_contexts, 1000000);
    assert_int_equal(logctx_set_limits(NULL), LOGCTX_E_INVALID);
    limits.struct_size = 0;
    assert_int_equal(logctx_set_limits(&limits), LOGCTX_E_INVALID);
    limits.struct_size = sizeof limits;
    limits.span_bytes = (64u << 20) + 1;
    assert_int_equal(logctx_set_limits(&limits), LOGCTX_E_INVALID);
    limits.span_bytes = 64u << 20;
    assert_int_equal(logctx_set_limits(&limits), LOGCTX_OK);
    // An older caller, who knows the first field only.
    limits.attributes = 7;
    limits.events = 9;
    limits.struct_size = offsetof(logctx_limits_t, events);
    assert_int_equal(logctx_set_limits(&limits), LOGCTX_OK);
    logctx_get_limits(&again);
    assert_int_equal(again.attributes, 7);
    assert_int_equal(again.events, 128);
    assert_int_equal(again.span_bytes, 64u << 20);
}

static void set_live_limit(uint32_t live)
{
    logctx_limits_t limits;
    logctx_get_limits(&limits);
    limits.live_contexts = live;
    assert_int_equal(logctx_set_limits(&limits), LOGCTX_OK);
}

static void test_the_live_limit(void **state)
{
    (void)state;
    enum { LIMIT = 10, MADE = 25 };
    logctx_t *ctx[MADE];
    end(make("k", "before")); // the limit is heeded also when it is set later
    logctx_recorder_clear(recorder);
    set_live_limit(LIMIT);
    logctx_books_t before = books();
    for (int i = 0; i < MADE; i++) {
        ctx[i] = make("crowd", "c");
        assert_int_equal(logctx_is_recording(ctx[i]), i < LIMIT);
        assert_int_equal(logctx_set_string(ctx[i], "a", "b"), LOGCTX_OK);
        logctx_set_current(ctx[i]);
        run_user(MS);
    }
    logctx_set_current(logctx_sentinel());
    assert_int_equal(own_of(ctx[20]).cpu_ns, MS); // metrics and usage go on
    for (int i = 0; i < MADE; i++)
        end(ctx[i]);
    assert_int_equal(logctx_recorder_count(recorder), LIMIT);
    logctx_books_t after = books();
    assert_int_equal(after.dropped_live_limit - before.dropped_live_limit, MADE - LIMIT);
    assert_int_equal(after.created - before.created, MADE);
    assert_int_equal(after.ended - before.ended, MADE);
    logctx_t *again = make("crowd", "room again");
    assert_true(logctx_is_recording(again));
    end(again);
    set_live_limit(0);
    again = make("crowd", "none");
    assert_false(logctx_is_recording(again));
    end(again);
}

static void count_line(const logctx_log_line_t *line, void *user)
{
    if (strstr(line->message, "limits.live_contexts"))
        ++*(int *)user;
}

// A program that stays at its limit is told once, not with every context that comes and goes there.
static void test_the_live_limit_is_said_once(void **state)
{
    (void)state;
    enum { LIMIT = 8 };
    logctx_t *ctx[LIMIT];
    int lines = 0;
    end(make("crowd", "far from the limit")); // whatever was said before is taken back
    logctx_set_logger(count_line, &lines);
    set_live_limit(LIMIT);
    for (int i = 0; i < LIMIT; i++)
        ctx[i] = make("crowd", "c");
    end(make("crowd", "beyond"));
    assert_int_equal(lines, 1);
    for (int i = 0; i < 5; i++) {
        end(ctx[LIMIT - 1]);
        ctx[LIMIT - 1] = make("crowd", "at the limit");
        end(make("crowd", "beyond"));
    }
    assert_int_equal(lines, 1);
    for (int i = 0; i < LIMIT; i++)
        end(ctx[i]);
    end(make("crowd", "room again"));
    assert_int_equal(lines, 2);
    logctx_set_logger(NULL, NULL);
}

static void test_beyond_the_limit_errors_are_exported(void **state)
{
    (void)state;
    set_live_limit(0);
    logctx_t *ctx = make("k", "crowded and lost");
    logctx_exit(ctx);
    take_error(LOGCTX_ERROR_CONTEXT_LOST);
    logctx_unref(ctx);
    assert_int_equal(count_events(record_of("crowded and lost"), LOGCTX_TRANSITION_EVENT), 1);
}

// ---- servers ----

static const char *server_seen(const char *given, logctx_t *parent)
{
    static char seen[5000];
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.server = given;
    opts.parent = parent;
    logctx_t *ctx = logctx_new(logctx_kind("k"), &opts);
    snprintf(seen, sizeof seen, "%s", logctx_server(ctx));
    end(ctx);
    return seen;
}

static void test_servers(void **state)
{
    (void)state;
    assert_string_equal(server_seen(NULL, NULL), "default");
    assert_string_equal(server_seen("own", NULL), "own");
    logctx_t *before = make("k", "before");
    logctx_set_default_server("example.org");
    assert_string_equal(logctx_server(before), "default");
    assert_string_equal(server_seen(NULL, NULL), "example.org");
    assert_string_equal(server_seen(NULL, before), "default"); // the parent's
    assert_string_equal(server_seen("own", before), "own");
    end(before);
    char name[400];
    memset(name, 's', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    logctx_set_default_server(name);
    assert_int_equal(strlen(server_seen(NULL, NULL)), 255);
    logctx_set_default_server("bad \xff");
    assert_string_equal(server_seen(NULL, NULL), "bad \xef\xbf\xbd");
    logctx_set_default_server(NULL);
    assert_string_equal(server_seen(NULL, NULL), "default");
}

// ---- clocks ----

static void test_builtin_clocks(void **state)
{
    (void)state;
    static const char *const names[] = {"cpu", "rusage", "wall"};
    for (size_t i = 0; i < COUNT(names); i++) {
        const logctx_clock_t *clock = logctx_clock(names[i]);
        assert_non_null(clock);
        assert_string_equal(clock->name, names[i]);
        assert_int_equal(logctx_set_clock(clock), LOGCTX_OK);
        if (i > 0)
            assert_string_equal(logctx_cpu_clock_name(), names[i]);
        logctx_cpu_reading_t before = {0}, after = {0};
        assert_true(clock->read_cpu(clock->user, &before));
        for (volatile int spin = 0; spin < 100000; spin++)
            ;
        assert_true(clock->read_cpu(clock->user, &after));
        assert_true(after.total_ns >= before.total_ns);
        assert_true(!clock->exact_parts || after.total_ns == after.user_ns + after.system_ns);
        logctx_t *ctx = make("clocked", "c");
        // What a machine took away from this thread may have been charged already: then the first work here is paid by that.
        for (int round = 0; round == 0 || (i == 0 && own_of(ctx).cpu_ns == 0 && round < 1000); round++) {
            logctx_set_current(ctx);
            for (volatile int spin = 0; spin < 100000; spin++)
                ;
            logctx_set_current(logctx_sentinel());
        }
        logctx_usage_t own = own_of(ctx);
        assert_true(own.cpu_ns >= 0 && own.running_ns > 0);
        assert_int_equal(own.cpu_user_ns + own.cpu_system_ns, own.cpu_ns);
        assert_true(i != 0 || own.cpu_ns > 0);
        assert_true(i != 2 || own.cpu_ns == 0);
        end(ctx);
    }
    assert_null(logctx_clock("sundial"));
    assert_null(logctx_clock(NULL));
    assert_int_equal(logctx_set_clock(NULL), LOGCTX_OK);
    assert_string_equal(logctx_get_clock()->name, "cpu");
}

static uint64_t wall_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

// Spans begin and end by the wall clock, though it is not asked each time. A machine that is taken away between the readings of
// two clocks sets them apart for a moment; clocks that do not belong together would be apart in all spans.
static void test_the_wall_clock(void **state)
{
    (void)state;
    enum { APART_NS = 100000, CONTEXTS = 20000 };
    assert_int_equal(logctx_set_clock(NULL), LOGCTX_OK);
    uint64_t last = 0, apart = 0;
    for (int i = 0; i < CONTEXTS; i++) {
        uint64_t before = wall_ns();
        logctx_t *ctx = make("k", "by the wall");
        end(ctx);
        uint64_t after = wall_ns();
        const logctx_span_t *span = span_of("by the wall");
        apart += span->start_unix_ns + APART_NS <= before || span->end_unix_ns >= after + APART_NS ||
                 span->start_unix_ns + APART_NS <= last;
        assert_true(span->start_unix_ns <= span->end_unix_ns);
        last = span->end_unix_ns;
        logctx_recorder_clear(recorder);
    }
    assert_in_range(apart, 0, CONTEXTS / 100);
}

static void test_the_clock_stays_while_contexts_live(void **state)
{
    (void)state;
    logctx_clock_t broken = fake_exact;
    broken.monotonic_ns = NULL;
    assert_int_equal(logctx_set_clock(&broken), LOGCTX_E_INVALID);
    logctx_t *ctx = make("k", "c");
    assert_int_equal(logctx_set_clock(NULL), LOGCTX_E_STATE);
    assert_string_equal(logctx_cpu_clock_name(), "fake");
    logctx_set_current(ctx);
    logctx_finish(ctx);
    assert_int_equal(logctx_set_clock(NULL), LOGCTX_E_STATE); // still current
    logctx_set_current(logctx_sentinel());
    logctx_unref(ctx);
    assert_int_equal(logctx_set_clock(NULL), LOGCTX_OK);
}

static void test_version(void **state)
{
    (void)state;
    assert_string_equal(logctx_version(), LOGCTX_VERSION);
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", LOGCTX_VERSION_MAJOR, LOGCTX_VERSION_MINOR, LOGCTX_VERSION_PATCH);
    assert_string_equal(text, LOGCTX_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_limits),
        core_test(test_the_live_limit),
        core_test(test_the_live_limit_is_said_once),
        core_test(test_beyond_the_limit_errors_are_exported),
        core_test(test_servers),
        core_test(test_builtin_clocks),
        core_test(test_the_wall_clock),
        core_test(test_the_clock_stays_while_contexts_live),
        core_test(test_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
