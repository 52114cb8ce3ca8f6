// SPDX-License-Identifier: Apache-2.0
// GET /trace/ID of a real dashboard, held to what was sent. One thread.

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "view_client.h"

#define A "4bf92f3577b34da6a3ce929d0e0e4736"
#define B "9c1e04b700000000000000000000000b"
#define C "c0000000000000000000000000000001"
#define ROOT "00f0000000000001"

static struct dashboard dashboard;
static json_t *trace;

// What the request's span says, with an error and its recorder: the pool loses the context.
static void send_request(struct sending *sending)
{
    char attributes[4096];
    char events[4096];
    char links[256];
    snprintf(attributes, sizeof attributes, "%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s", views_text("logctx.name", "GET-48213"),
             views_text("logctx.type", "request"), views_text("logctx.server", "main"),
             views_number("logctx.cpu.time", 0.0156), views_number("logctx.db.transactions", 1),
             views_number("logctx.total.cpu.time", 0.1116), views_number("logctx.total.db.transactions", 2),
             views_number("logctx.switches", 29), views_number("thread.id", 4712),
             views_text("logctx.segments", "0+1900:run 2000+30700:txn 2100+50:run 139800+92400:pool 240000+99999:run"),
             views_text("http.route", "/rooms/{id}/messages"));
    snprintf(events, sizeof events,
             "{\"name\":\"retry\",\"timeUnixNano\":%s,\"attributes\":[%s]},"
             "{\"name\":\"logctx.transition_error\",\"timeUnixNano\":%s,\"attributes\":[%s,%s,%s,%s,%s,%s,"
             "{\"key\":\"logctx.error.recent\",\"value\":{\"arrayValue\":{\"values\":["
             "{\"stringValue\":\"GET-48213 -> sentinel at src/pool.c:88, 14.400 ms ago\"},"
             "{\"stringValue\":\"sentinel -> GET-48213 at src/pool.c:84, 14.600 ms ago\"}]}}}]}",
             views_nano(50000), views_number("attempt", 2), views_nano(246800),
             views_text("logctx.error.kind", "context_lost"),
             views_text("logctx.error.message", "Expected logging context GET-48213 was lost"),
             views_text("logctx.error.expected", "GET-48213"), views_text("logctx.error.found", "sentinel"),
             views_text("logctx.error.found_by", "src/http.c:341 (on_complete)"),
             views_text("logctx.error.set_by", "src/pool.c:88"));
    snprintf(links, sizeof links,
             "{\"traceId\":\"" C "\",\"spanId\":\"00000000000000c1\"},{\"traceId\":\"" C
             "\",\"spanId\":\"00000000000000ff\"}");
    views_span(sending, &(struct sent_span){A, ROOT, NULL, "GET /rooms/{id}/messages", 2, 0, 246800, attributes, events,
                                            links, 0});
}

static void send_all(void)
{
    struct sending sending;
    char text[1024];
    views_begin(&sending, "booking-api", "booking-api@node-b", "logctx");
    // In no order: a child before its parent, and the younger one of two siblings first.
    snprintf(text, sizeof text, "%s,%s", views_text("logctx.name", "render-1"), views_number("logctx.cpu.time", 0.08));
    views_span(&sending,
               &(struct sent_span){A, "00f0000000000003", ROOT, "render", 1, 80000, 127200, text, NULL, NULL, 0});
    snprintf(text, sizeof text, "%s,%s", views_text("logctx.name", "check-token-48213"),
             views_number("logctx.cpu.time", 0.016));
    views_span(&sending,
               &(struct sent_span){A, "00f0000000000002", ROOT, "check-token", 1, 1900, 38600, text, NULL, NULL, 2});
    send_request(&sending);
    views_span(&sending, &(struct sent_span){A, "00f0000000000004", "00f0000000000002", "inner", 1, 3000, 3500, NULL,
                                             NULL, NULL, 0});
    views_span(&sending, &(struct sent_span){A, "00f0000000000005", "00f00000000000ee", "orphan", 1, 150000, 402000,
                                             NULL, NULL, NULL, 0});
    // Noticed after its context was sent; and one whose context has not come.
    snprintf(text, sizeof text, "%s,%s,%s,%s", views_text("logctx.error.kind", "restarted_finished"),
             views_text("logctx.error.message", "Re-starting finished log context GET-48213"),
             views_text("logctx.error.found_by", "src/audit.c:57"), views_text("logctx.name", "GET-48213"));
    views_span(&sending, &(struct sent_span){A, "00f0000000000006", ROOT, "logctx.transition_error", 1, 300000, 300000,
                                             text, NULL, NULL, 0});
    views_span(&sending, &(struct sent_span){A, "00f0000000000007", "00f00000000000dd", "logctx.transition_error", 1,
                                             350000, 350000, text, NULL, NULL, 0});
    // A process that the request started, with a child; and what started the request.
    snprintf(text, sizeof text, "{\"traceId\":\"" A "\",\"spanId\":\"" ROOT "\"}");
    views_span(&sending,
               &(struct sent_span){B, "00000000000000b1", NULL, "push-notify", 1, 138100, 402500, NULL, NULL, text, 0});
    views_span(&sending, &(struct sent_span){B, "00000000000000b2", "00000000000000b1", "POST push", 3, 282100, 362000,
                                             NULL, NULL, NULL, 0});
    views_span(&sending, &(struct sent_span){C, "00000000000000c1", NULL, "yesterday", 1, -86400000000, -86399000000,
                                             NULL, NULL, NULL, 0});
    views_send(&sending, &dashboard);
    // Another library's span, of another service, below one of ours.
    views_begin(&sending, "search", "search@node-c", "other");
    views_span(&sending, &(struct sent_span){A, "00f0000000000008", "00f0000000000003", "SELECT", 3, 90000, 91000, NULL,
                                             NULL, NULL, 1});
    views_send(&sending, &dashboard);
}

static int start(void **state)
{
    (void)state;
    dashboard_start(&dashboard, NULL);
    send_all();
    trace = views_get(&dashboard, "/trace/" A, 200);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    json_decref(trace);
    int status = dashboard_stop(&dashboard, SIGTERM);
    dashboard_remove(&dashboard);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static json_t *context(const char *span_id)
{
    size_t i;
    json_t *item;
    json_array_foreach(views_at(trace, "contexts"), i,
                       item) if (strcmp(views_string(item, "span_id"), span_id) == 0) return item;
    fail_msg("context %s is not there", span_id);
    return NULL;
}

static void test_parents_come_before_children(void **state)
{
    (void)state;
    static const struct {
        const char *span_id;
        int depth;
        const char *parent;
        double offset;
    } expected[] = {
        {ROOT, 0, "none", 0},
        {"00f0000000000002", 1, "received", 0.0019},
        {"00f0000000000004", 2, "received", 0.003},
        {"00f0000000000003", 1, "received", 0.08},
        {"00f0000000000008", 2, "received", 0.09},
        {"00f0000000000005", 0, "missing", 0.15},
        {"00f0000000000007", 0, "missing", 0.35},
        {"00000000000000c1", 0, "none", -86400},
        {"00000000000000b1", 0, "none", 0.1381},
        {"00000000000000b2", 1, "received", 0.2821},
    };
    size_t count = sizeof expected / sizeof expected[0];
    views_expect_count(trace, "contexts", count);
    views_expect_near(trace, "total", (double)count);
    views_expect_near(trace, "shown", (double)count);
    views_expect_text(trace, "trace_id", A);
    views_expect_near(trace, "start", VIEWS_EPOCH);
    views_expect_near(trace, "duration", 0.4025);
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_array_get(views_at(trace, "contexts"), i);
        views_expect_text(item, "span_id", expected[i].span_id);
        views_expect_near(item, "depth", expected[i].depth);
        views_expect_text(item, "parent", expected[i].parent);
        views_expect_near(item, "offset", expected[i].offset);
    }
    views_expect_null(context(ROOT), "parent_span_id");
    views_expect_text(context("00f0000000000005"), "parent_span_id", "00f00000000000ee");
}

static void test_a_context_is_what_was_sent(void **state)
{
    (void)state;
    json_t *root = context(ROOT);
    views_expect_text(root, "name", "GET-48213");
    views_expect_text(root, "kind", "GET /rooms/{id}/messages");
    views_expect_text(root, "type", "request");
    views_expect_text(root, "server", "main");
    views_expect_text(root, "service", "booking-api");
    views_expect_text(root, "instance", "booking-api@node-b");
    views_expect_text(root, "thread", "4712");
    views_expect_text(root, "span_kind", "server");
    views_expect_text(root, "status", "unset");
    views_expect_near(root, "duration", 0.2468);
    views_expect_near(root, "switches", 29);
    views_expect_null(root, "delay");
    assert_true(json_is_true(views_at(root, "is_context")));
    views_expect_near(root, "own.cpu", 0.0156);
    views_expect_near(root, "own.db_transactions", 1);
    views_expect_null(root, "own.db_time");
    views_expect_near(root, "with_children.cpu", 0.1116);
    views_expect_near(root, "with_children.db_transactions", 2);
    views_expect_null(root, "with_children.db_rows");
    views_expect_text(context("00f0000000000002"), "status", "error");
    json_t *leaf = context("00f0000000000003");
    views_expect_near(leaf, "with_children.cpu", 0.08);
    json_t *foreign = context("00f0000000000008");
    assert_false(json_is_true(views_at(foreign, "is_context")));
    views_expect_text(foreign, "name", "SELECT");
    views_expect_text(foreign, "service", "search");
    views_expect_null(foreign, "type");
    views_expect_text(foreign, "status", "ok");
    views_expect_text(foreign, "segments_note", "This span is no context of logctx: how its life went is not known.");
}

static void test_segments(void **state)
{
    (void)state;
    json_t *root = context(ROOT);
    views_expect_null(root, "segments_note");
    views_expect_count(root, "segments", 4);
    views_expect_text(root, "segments.0.state", "run");
    views_expect_near(root, "segments.0.length", 0.0019);
    views_expect_text(root, "segments.1.state", "txn");
    views_expect_near(root, "segments.1.offset", 0.002);
    views_expect_near(root, "segments.1.length", 0.0307);
    views_expect_text(root, "segments.2.state", "pool");
    // Cut where the life ends.
    views_expect_near(root, "segments.3.offset", 0.24);
    views_expect_near(root, "segments.3.length", 0.0068);
    views_expect_null(context("00f0000000000004"), "segments");
    views_expect_text(context("00f0000000000004"), "segments_note",
                      "How a life went is recorded from 1 ms on, and for contexts with an error.");
}

static void test_what_was_noted(void **state)
{
    (void)state;
    json_t *root = context(ROOT);
    views_expect_count(root, "attributes", 1);
    views_expect_near(root, "attributes_total", 1);
    views_expect_text(root, "attributes.0.key", "http.route");
    views_expect_text(root, "attributes.0.value", "/rooms/{id}/messages");
    views_expect_count(root, "events", 1);
    views_expect_text(root, "events.0.name", "retry");
    views_expect_near(root, "events.0.offset", 0.05);
    views_expect_text(root, "events.0.attributes.0.value", "2");
    views_expect_count(root, "links", 2);
    views_expect_text(root, "links.0.trace_id", C);
    assert_true(json_is_true(views_at(root, "links.0.received")));
    assert_true(json_is_false(views_at(root, "links.1.received")));
    views_expect_null(root, "linked");
    views_expect_text(context("00000000000000c1"), "linked.direction", "out");
    views_expect_text(context("00000000000000b1"), "linked.direction", "in");
    views_expect_text(context("00000000000000b1"), "linked.from", ROOT);
    views_expect_null(context("00000000000000b2"), "linked");
    views_expect_text(context("00000000000000b2"), "trace_id", B);
}

static void test_errors(void **state)
{
    (void)state;
    json_t *root = context(ROOT);
    views_expect_count(root, "errors", 2);
    views_expect_near(root, "errors_total", 2);
    views_expect_text(root, "errors.0.kind", "context_lost");
    views_expect_near(root, "errors.0.offset", 0.2468);
    views_expect_near(root, "errors.0.since", 0.2324);
    views_expect_text(root, "errors.0.found_by.place", "http.c:341");
    views_expect_text(root, "errors.0.found_by.function", "on_complete");
    views_expect_text(root, "errors.0.set_by.path", "src/pool.c:88");
    assert_true(json_is_false(views_at(root, "errors.0.late")));
    views_expect_text(root, "errors.1.kind", "restarted_finished");
    views_expect_near(root, "errors.1.offset", 0.3);
    views_expect_null(root, "errors.1.since");
    views_expect_null(root, "errors.1.set_by");
    assert_true(json_is_true(views_at(root, "errors.1.late")));
    json_t *alone = context("00f0000000000007");
    views_expect_count(alone, "errors", 1);
    views_expect_text(alone, "name", "GET-48213");
    assert_true(json_is_false(views_at(alone, "is_context")));
    // The group leads to the loss.
    char path[128];
    snprintf(path, sizeof path, "/losses/%s?to=%ld", views_string(root, "errors.0.group"), VIEWS_EPOCH + 60);
    json_t *loss = views_get(&dashboard, path, 200);
    views_expect_text(loss, "kind", "context_lost");
    json_decref(loss);
}

// From the other side: the process knows who started it.
static void test_the_trace_of_a_process(void **state)
{
    (void)state;
    json_t *process = views_get(&dashboard, "/trace/" B, 200);
    views_expect_count(process, "contexts", 3);
    views_expect_text(process, "contexts.2.span_id", ROOT);
    views_expect_text(process, "contexts.2.linked.direction", "out");
    views_expect_text(process, "contexts.2.linked.from", "00000000000000b1");
    views_expect_near(process, "contexts.0.offset", 0);
    views_expect_near(process, "contexts.2.offset", -0.1381);
    views_expect_near(process, "duration", 0.2644);
    json_decref(process);
}

static void test_a_late_error_is_inside_of_the_picture(void **state)
{
    (void)state;
    static const char id[] = "88888888888888888888888888888888";
    struct sending sending;
    char path[64];
    views_begin(&sending, "api", "api@a", "logctx");
    views_span(&sending, &(struct sent_span){id, "0000000000000001", NULL, "short", 1, 0, 100, NULL, NULL, NULL, 0});
    views_span(&sending,
               &(struct sent_span){id, "0000000000000002", "0000000000000001", "logctx.transition_error", 1, 5000, 5000,
                                   views_text("logctx.error.kind", "restarted_finished"), NULL, NULL, 0});
    views_send(&sending, &dashboard);
    snprintf(path, sizeof path, "/trace/%s", id);
    json_t *answer = views_get(&dashboard, path, 200);
    views_expect_count(answer, "contexts", 1);
    views_expect_near(answer, "contexts.0.duration", 0.0001);
    views_expect_near(answer, "contexts.0.errors.0.offset", 0.005);
    views_expect_near(answer, "duration", 0.005);
    json_decref(answer);
}

static void test_refusals(void **state)
{
    (void)state;
    json_t *answer = views_get(&dashboard, "/trace/" A "0", 400);
    views_expect_text(answer, "error", "A trace id has 32 digits, 0 to 9 and a to f.");
    json_decref(answer);
    json_decref(views_get(&dashboard, "/trace/4BF92F3577B34DA6A3CE929D0E0E4736", 400));
    json_decref(views_get(&dashboard, "/trace/%3Cscript%3E", 400));
    answer = views_get(&dashboard, "/trace/00000000000000000000000000000001", 404);
    assert_non_null(strstr(views_string(answer, "error"), "never received, not sampled, or dropped since"));
    json_decref(answer);
}

// Parents in circles, a span that is its own parent, a clock that was set back, and text that is none.
static void test_hostile_traces(void **state)
{
    (void)state;
    static const char id[] = "66666666666666666666666666666666";
    struct sending sending;
    char attributes[4096];
    char name[3001];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(attributes, sizeof attributes, "%s,%s,%s,%s", views_text("logctx.name", name),
             views_text("logctx.segments", "0+5:run <script>"), views_text("<b>", "</script>\xE2\x80\xAE"),
             "{\"key\":\"list\",\"value\":{\"arrayValue\":{\"values\":[{\"intValue\":\"7\"},{\"stringValue\":\"x\"},"
             "{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":{\"boolValue\":true}}]}}]}}}");
    views_begin(&sending, "<script>", "\"", "logctx");
    views_span(&sending, &(struct sent_span){id, "0000000000000001", "0000000000000002", "a", 1, 10, 2000, attributes,
                                             NULL, NULL, 0});
    views_span(&sending,
               &(struct sent_span){id, "0000000000000002", "0000000000000003", "b", 1, 20, 0, NULL, NULL, NULL, 0});
    views_span(&sending,
               &(struct sent_span){id, "0000000000000003", "0000000000000001", "c", 1, 30, 40, NULL, NULL, NULL, 0});
    views_span(&sending,
               &(struct sent_span){id, "0000000000000004", "0000000000000004", "d", 99, 40, 50, NULL, NULL, NULL, 9});
    views_send(&sending, &dashboard);
    char path[64];
    snprintf(path, sizeof path, "/trace/%s", id);
    json_t *answer = views_get(&dashboard, path, 200);
    views_expect_count(answer, "contexts", 4);
    views_expect_near(answer, "duration", 0.00199);
    json_t *a = views_at(answer, "contexts.1");
    views_expect_text(a, "kind", "a");
    views_expect_near(a, "depth", 0);
    assert_true(strlen(views_string(a, "name")) < 1100); // the store cuts names
    views_expect_text(a, "segments_note",
                      "logctx.segments is ignored, since it is not well formed: an entry does not begin with a number "
                      "and a plus sign.");
    views_expect_null(a, "segments");
    views_expect_text(a, "attributes.0.key", "<b>");
    views_expect_text(a, "attributes.0.value", "</script>\xE2\x80\xAE");
    views_expect_text(a, "attributes.1.value", "[7, \"x\", {\"k\": true}]");
    views_expect_text(answer, "contexts.2.kind", "c");
    views_expect_text(answer, "contexts.3.kind", "b");
    views_expect_near(answer, "contexts.3.depth", 2);
    views_expect_near(answer, "contexts.3.duration", 0);
    views_expect_text(answer, "contexts.0.kind", "d");
    views_expect_text(answer, "contexts.0.parent", "received"); // itself
    views_expect_text(answer, "contexts.0.span_kind", "unspecified");
    json_decref(answer);
}

static void test_long_traces_are_cut(void **state)
{
    (void)state;
    static const char id[] = "77777777777777777777777777777777";
    struct sending sending;
    views_begin(&sending, "api", "api@a", "logctx");
    for (int i = 0; i < 2100; i++) {
        char span[17];
        char parent[17];
        snprintf(span, sizeof span, "%016x", i + 1);
        snprintf(parent, sizeof parent, "%016x", i);
        views_span(&sending,
                   &(struct sent_span){id, span, i > 0 ? parent : NULL, "deep", 1, i, 5000, NULL, NULL, NULL, 0});
    }
    views_send(&sending, &dashboard);
    char path[64];
    snprintf(path, sizeof path, "/trace/%s", id);
    json_t *answer = views_get(&dashboard, path, 200);
    views_expect_near(answer, "total", 2100);
    views_expect_near(answer, "shown", 2000);
    views_expect_count(answer, "contexts", 2000);
    views_expect_near(answer, "contexts.1999.depth", 1999);
    json_decref(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parents_come_before_children),
        cmocka_unit_test(test_a_context_is_what_was_sent),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_what_was_noted),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_the_trace_of_a_process),
        cmocka_unit_test(test_a_late_error_is_inside_of_the_picture),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_hostile_traces),
        cmocka_unit_test(test_long_traces_are_cut),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
