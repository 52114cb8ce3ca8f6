// Hot operations for callgrind, each as often as it is told to. There is no rseq under valgrind: the clock's word is one of
// ours, and its deadlines are far away, so that the kernel is never asked and every run counts the same. How long slices
// are depends on the counter, which does not wait for valgrind: time passes more slowly by as much as that makes everything
// slower, or, where each slice is to be a segment of its own, so fast that it always is.
//     budget NAME TIMES [slow]     slow: with a clock that asks the kernel each time, which has to be seen
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <logctx/bind.h>
#include <logctx/metrics.h>
#include <logctx/recorder.h>
#include <logctx/runtime.h>
#include <logctx/trace.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 64, SLOWER = 256, FASTER = 64 };
static logctx_t *a, *b;
static logctx_kind_t *kind;
static volatile uintptr_t seen;

static void current(long times)
{
    for (long i = 0; i < times; i++)
        seen = (uintptr_t)logctx_current();
}

// From now on, after what was made by the kernel's time.
static void pace(uint64_t faster, uint64_t slower)
{
    struct cpu_clock *clock = &logctx__tls.thread->cpu;
    uint64_t now = cpu_counter();
    clock->total += (int64_t)((now - clock->base) * clock->scale >> 32);
    clock->monotonic = logctx__monotonic();
    clock->base = clock->last = now;
    clock->scale = clock->scale * faster / slower;
}

static void switch_contexts(long times)
{
    pace(1, SLOWER);
    for (long i = 0; i < times; i++)
        logctx_set_current(i & 1 ? a : b);
}

static void switch_deep(long times)
{
    for (int i = 0; i < DEPTH; i++)
        logctx_enter(logctx_new_nested("part"));
    a = logctx_new_nested("one");
    b = logctx_new_nested("other");
    switch_contexts(times);
}

static void switch_segments(long times)
{
    pace(FASTER, 1);
    for (long i = 0; i < times; i += 2) {
        logctx_set_current(i & 2 ? a : b);
        logctx_set_current(logctx_sentinel());
    }
}

static void nothing(void *user)
{
    seen = (uintptr_t)user;
}

static void call_bound(long times)
{
    logctx_set_current(a);
    logctx_bound_t *bound = logctx_bind(nothing, NULL);
    logctx_set_current(logctx_sentinel());
    pace(1, SLOWER);
    for (long i = 0; i < times; i++)
        logctx_bound_call(bound);
}

static void live(long times)
{
    pace(1, SLOWER);
    for (long i = 0; i < times; i++) {
        logctx_t *ctx = logctx_new(kind, NULL);
        logctx_enter(ctx);
        logctx_exit(ctx);
        logctx_unref(ctx);
    }
}

static void drop(void *user, logctx_record_t *record)
{
    (void)user;
    logctx_record_unref(record);
}

static void live_with_span(long times)
{
    static const logctx_sink_t sink = {.struct_size = sizeof sink, .ended = drop};
    logctx_sink_add(&sink);
    live(times);
}

static void live_with_attributes(long times)
{
    static const logctx_sink_t sink = {.struct_size = sizeof sink, .ended = drop};
    logctx_sink_add(&sink);
    pace(1, SLOWER);
    for (long i = 0; i < times; i++) {
        logctx_t *ctx = logctx_new(kind, NULL);
        logctx_enter(ctx);
        logctx_set_string(ctx, "http.request.method", "GET");
        logctx_set_string(ctx, "http.route", "/rooms/{id}/messages");
        logctx_set_string(ctx, "url.scheme", "https");
        logctx_set_string(ctx, "user_agent.original", "bench/1.0 (a test)");
        logctx_set_int(ctx, "http.response.status_code", 200);
        logctx_set_int(ctx, "http.response.body.size", 123456);
        logctx_set_double(ctx, "app.score", 0.73);
        logctx_set_double(ctx, "app.ratio", 12.5);
        logctx_exit(ctx);
        logctx_unref(ctx);
    }
}

// All parts of one span, again and again, as an exporter does it with each.
static void write_record(long times)
{
    enum { ATTRIBUTES = 8 };
    logctx_recorder_t *recorder = logctx_recorder_new(1);
    logctx_t *ctx = logctx_new(kind, NULL);
    char key[32];
    for (int i = 0; i < ATTRIBUTES; i++) {
        snprintf(key, sizeof key, "an.attribute.of.%d", i);
        logctx_set_string(ctx, key, "a value of the usual length");
    }
    logctx_finish(ctx);
    const logctx_record_t *written = logctx_recorder_at(recorder, 0);
    uint8_t *to = malloc(logctx_record_room(written));
    for (long i = 0; to && i < times; i++) {
        uint8_t *end = logctx_record_write(written, LOGCTX_PART_ATTRIBUTE, to);
        end = logctx_record_write(written, LOGCTX_PART_EVENT, end);
        seen = (uintptr_t)logctx_record_write(written, LOGCTX_PART_LINK, end);
    }
    free(to);
    logctx_unref(ctx);
    logctx_recorder_free(recorder);
}

static void parse(long times)
{
    static const char header[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    logctx_span_context_t caller;
    for (long i = 0; i < times; i++)
        seen = logctx_traceparent_read(header, sizeof header - 1, &caller);
}

static void add(long times)
{
    logctx_point_t *point = logctx_point(logctx_counter("budget", NULL, NULL), NULL, 0);
    for (long i = 0; i < times; i++)
        logctx_point_add(point, 1);
}

static void add_by_lookup(long times)
{
    logctx_instrument_t *instrument = logctx_counter("budget.l", NULL, NULL);
    for (long i = 0; i < times; i++) {
        const logctx_attr_t attrs[] = {logctx_attr_string("http.request.method", "GET"),
                                       logctx_attr_int("http.response.status_code", 200)};
        logctx_instrument_add(instrument, 1, attrs, 2);
    }
}

static void record(long times)
{
    logctx_point_t *point = logctx_point(logctx_histogram("budget.h", NULL, NULL, NULL, 0), NULL, 0);
    for (long i = 0; i < times; i++)
        logctx_point_record(point, (double)(i % 1000));
}

static const struct {
    const char *name;
    void (*run)(long times);
} operations[] = {{"current", current},
                  {"switch", switch_contexts},
                  {"switch_depth64", switch_deep},
                  {"switch_segments", switch_segments},
                  {"bound_call", call_bound},
                  {"context_bare", live},
                  {"context_span", live_with_span},
                  {"context_8_attributes", live_with_attributes},
                  {"record_write", write_record},
                  {"traceparent_parse", parse},
                  {"counter_add", add},
                  {"counter_add_lookup", add_by_lookup},
                  {"histogram_record", record}};

static bool aim(bool slow)
{
    static volatile uint64_t word;
    logctx__cpu_probe();
    logctx__cpu_aim(&word);
    logctx__cpu_force(slow ? CPU_THREAD_CLOCK : CPU_FULL);
    if (logctx_set_clock(NULL) != LOGCTX_OK || (!slow && logctx__cpu_probe() != CPU_FULL))
        return false;
    kind = logctx_kind("GET /rooms");
    a = logctx_new(kind, NULL);
    b = logctx_new(kind, NULL);
    logctx_set_current(a);
    logctx_set_current(logctx_sentinel());
    if (!slow) {
        struct cpu_clock *clock = &logctx__tls.thread->cpu;
        clock->longest = clock->deadline = logctx__tls.thread->unix_until = UINT64_MAX / 2;
        logctx__tls.thread->unix_offset = logctx__unix() - logctx__monotonic();
    }
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 3 || !aim(argc > 3)) {
        fputs("budget: there is no counter on this machine, or an argument is missing.\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        if (strcmp(operations[i].name, argv[1]) == 0) {
            operations[i].run(atol(argv[2]));
            return 0;
        }
    return 2;
}
