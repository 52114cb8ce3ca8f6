// SPDX-License-Identifier: Apache-2.0
// GET /losses, /losses/GROUP and /alerts of a real dashboard, held to what was sent. One thread.

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

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SECOND 1000000L

// The window of all questions ends here, after the epoch in seconds.
enum { TO = 900 };

static struct dashboard dashboard;

struct loss {
    const char *kind;
    const char *message;
    const char *expected;
    const char *found;
    const char *found_by;
    const char *set_by;
    const char *recent; // JSON of the values
};

static const struct loss lost = {"context_lost",
                                 "Expected logging context GET-1 was lost",
                                 "GET-1",
                                 "sentinel",
                                 "src/http.c:341",
                                 "src/pool.c:88",
                                 "{\"stringValue\":\"GET-1 -> sentinel at src/pool.c:88, 14.400 ms ago\"},"
                                 "{\"stringValue\":\"sentinel -> GET-1 at src/pool.c:84, 14.600 ms ago\"},"
                                 "{\"stringValue\":\"garbage <b>\"},"
                                 "{\"stringValue\":\"PUT-2 -> sentinel at src/http.c:7, 20.000 ms ago\"},"
                                 "{\"stringValue\":\"? -> PUT-2 at src/http.c:212 (on_headers), 31.200 ms ago\"}"};
static const struct loss unexpected = {
    "unexpected_context", "Expected logging context A but found B", "A", "B", "src/room.c:9", "src/room.c:96", ""};
static const struct loss restarted = {"restarted_finished",
                                      "Re-starting finished log context GET-9",
                                      "GET-9",
                                      NULL,
                                      "src/audit.c:57",
                                      "src/http.c:1",
                                      ""};
static const struct loss newer = {"kind_of_tomorrow", "Something <script>", NULL, NULL, NULL, NULL, ""};

static void append(char *out, size_t size, const char *key, const char *value)
{
    size_t length = strlen(out);
    if (value != NULL)
        snprintf(out + length, size - length, "%s%s", length > 0 ? "," : "", views_text(key, value));
}

static void attributes_of(const struct loss *loss, char *out, size_t size)
{
    out[0] = '\0';
    append(out, size, "logctx.error.kind", loss->kind);
    append(out, size, "logctx.error.message", loss->message);
    append(out, size, "logctx.error.expected", loss->expected);
    append(out, size, "logctx.error.found", loss->found);
    append(out, size, "logctx.error.found_by", loss->found_by);
    append(out, size, "logctx.error.set_by", loss->set_by);
    size_t length = strlen(out);
    if (*loss->recent != '\0')
        snprintf(out + length, size - length,
                 ",{\"key\":\"logctx.error.recent\",\"value\":{\"arrayValue\":{\"values\":[%s]}}}", loss->recent);
}

// A context of that kind whose only event is the error, at that second.
static void send_loss(const struct loss *loss, const char *service, const char *kind, int number, long second)
{
    struct sending sending;
    char attributes[4096];
    char events[8192];
    char span[17];
    snprintf(span, sizeof span, "%016x", number);
    attributes_of(loss, attributes, sizeof attributes);
    snprintf(events, sizeof events, "{\"name\":\"logctx.transition_error\",\"timeUnixNano\":%s,\"attributes\":[%s]}",
             views_nano(second * SECOND), attributes);
    snprintf(attributes, sizeof attributes, "%s,%s",
             views_text("logctx.name", loss->expected != NULL ? loss->expected : ""), views_number("thread.id", 4712));
    views_begin(&sending, service, "api@a", "logctx");
    views_span(&sending, &(struct sent_span){TRACE, span, NULL, kind, 2, second * SECOND - 250000, second * SECOND,
                                             attributes, events, NULL, 0});
    views_send(&sending, &dashboard);
}

static void send_late(const struct loss *loss, int number, const char *parent, long second)
{
    struct sending sending;
    char attributes[4096];
    char span[17];
    snprintf(span, sizeof span, "%016x", number);
    attributes_of(loss, attributes, sizeof attributes);
    append(attributes, sizeof attributes, "logctx.name", "GET-9");
    views_begin(&sending, "api", "api@a", "logctx");
    views_span(&sending, &(struct sent_span){TRACE, span, parent, "logctx.transition_error", 1, second * SECOND,
                                             second * SECOND, attributes, NULL, NULL, 0});
    views_send(&sending, &dashboard);
}

static void send_all(void)
{
    // Before the window; 3 in it of one kind of request and 2 of another; 2 of them in the last minute.
    send_loss(&lost, "api", "GET /x", 1, -500);
    send_loss(&lost, "api", "GET /x", 2, 100);
    send_loss(&lost, "api", "GET /x", 3, 101);
    send_loss(&lost, "api", "PUT /y", 4, 130);
    send_loss(&lost, "api", "PUT /y", 5, 850);
    send_loss(&lost, "api", "GET /x", 6, 900);
    send_loss(&lost, "api", "GET /x", 7, 901); // after it
    send_loss(&unexpected, "api", "GET /x", 8, 50);
    send_loss(&newer, "api", "GET /x", 9, 60);
    send_late(&restarted, 10, "0000000000000002", 200);
    send_loss(&lost, "other", "GET /z", 11, 300);
    // The counters know of one that no span told of.
    for (int i = 0; i < 2; i++) {
        long time = i == 0 ? 10 * SECOND : 800 * SECOND;
        views_send_counter(&dashboard, "api", "api@a", "logctx.transition.errors",
                           views_text("logctx.error.kind", "context_lost"), i == 0 ? 0 : 5, time);
        views_send_counter(&dashboard, "api", "api@a", "logctx.transition.errors",
                           views_text("logctx.error.kind", "leaked_to_loop"), i == 0 ? 2 : 10, time);
        views_send_counter(&dashboard, "api", "api@a", "logctx.transition.errors",
                           views_text("logctx.error.kind", "outlived_parent"), i == 0 ? 3 : 3, time);
    }
}

static json_t *get(const char *path, int status)
{
    char whole[256];
    snprintf(whole, sizeof whole, "%s%cservice=api&window=900&to=%ld", path, strchr(path, '?') != NULL ? '&' : '?',
             VIEWS_EPOCH + TO);
    return views_get(&dashboard, whole, status);
}

static int start(void **state)
{
    (void)state;
    dashboard_start(&dashboard, NULL);
    send_all();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    int status = dashboard_stop(&dashboard, SIGTERM);
    dashboard_remove(&dashboard);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static void test_groups(void **state)
{
    (void)state;
    json_t *losses = get("/losses", 200);
    views_expect_near(losses, "total", 8);
    views_expect_near(losses, "last_minute", 2);
    views_expect_near(losses, "first", VIEWS_EPOCH + 50);
    views_expect_near(losses, "places", 4);
    views_expect_near(losses, "shown", 4);
    views_expect_count(losses, "groups", 4);
    json_t *group = views_at(losses, "groups.0");
    views_expect_text(group, "kind", "context_lost");
    views_expect_text(group, "site.place", "pool.c:88");
    views_expect_text(group, "found_by.path", "src/http.c:341");
    views_expect_null(group, "set_by.function");
    views_expect_near(group, "count", 5);
    views_expect_near(group, "last_minute", 2);
    views_expect_near(group, "first", VIEWS_EPOCH - 500);
    views_expect_near(group, "last", VIEWS_EPOCH + 900);
    views_expect_count(group, "kinds", 2);
    views_expect_text(group, "kinds.0.kind", "GET /x");
    views_expect_near(group, "kinds.0.count", 3);
    views_expect_near(group, "kinds.1.count", 2);
    json_decref(losses);
}

static void test_bars_add_up(void **state)
{
    (void)state;
    json_t *losses = get("/losses", 200);
    size_t count = json_array_size(views_at(losses, "times"));
    views_expect_count(losses, "groups.0.counts", count);
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double time = json_number_value(json_array_get(views_at(losses, "times"), i));
        double bar = json_number_value(json_array_get(views_at(losses, "groups.0.counts"), i));
        // A step of 30 s; what happened at its end is in it.
        double expected = time == VIEWS_EPOCH + 120   ? 2
                          : time == VIEWS_EPOCH + 150 ? 1
                          : time == VIEWS_EPOCH + 870 ? 1
                          : time == VIEWS_EPOCH + 900 ? 1
                                                      : 0;
        if (bar != expected)
            fail_msg("%g errors in the bar that ends at %+g", bar, time - VIEWS_EPOCH);
        sum += bar;
    }
    assert_int_equal(count, 30);
    assert_true(sum == views_real(losses, "groups.0.count"));
    json_decref(losses);
}

static void test_the_place_to_blame(void **state)
{
    (void)state;
    json_t *losses = get("/losses", 200);
    // Who starts a finished context is wrong, not who started it before.
    size_t i;
    json_t *group;
    bool seen = false;
    json_array_foreach(views_at(losses, "groups"), i, group)
    {
        if (strcmp(views_string(group, "kind"), "restarted_finished") != 0)
            continue;
        seen = true;
        views_expect_text(group, "site.place", "audit.c:57");
        views_expect_text(group, "kinds.0.kind", "GET /x"); // of the context whose error it is
    }
    assert_true(seen);
    json_decref(losses);
}

static bool has_text(json_t *list, const char *text)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) if (strcmp(json_string_value(item), text) == 0) return true;
    return false;
}

static void test_silent_and_unseen_kinds(void **state)
{
    (void)state;
    json_t *losses = get("/losses", 200);
    views_expect_count(losses, "unseen", 1);
    views_expect_text(losses, "unseen.0.kind", "leaked_to_loop");
    views_expect_near(losses, "unseen.0.count", 8); // what it was before is not of the window
    views_expect_count(losses, "silent", 20);       // 24 kinds, less three that were seen and one that was not
    assert_true(has_text(views_at(losses, "silent"), "outlived_parent")); // counted before
    assert_true(has_text(views_at(losses, "silent"), "bgproc_exited"));
    assert_false(has_text(views_at(losses, "silent"), "context_lost"));
    assert_false(has_text(views_at(losses, "silent"), "leaked_to_loop"));
    json_decref(losses);
}

static void test_one_group(void **state)
{
    (void)state;
    char path[64];
    json_t *losses = get("/losses", 200);
    snprintf(path, sizeof path, "/losses/%s", views_string(losses, "groups.0.group"));
    json_t *loss = get(path, 200);
    assert_true(json_equal(views_at(loss, "counts"), views_at(losses, "groups.0.counts")));
    assert_true(json_equal(views_at(loss, "kinds"), views_at(losses, "groups.0.kinds")));
    views_expect_near(loss, "count", 5);
    views_expect_text(loss, "title", "Expected logging context GET-1 was lost");
    views_expect_text(loss, "explanation.anchor", "docs/guide.md#context_lost");
    views_expect_text(loss, "explanation.example.3.mark", "-");
    views_expect_text(loss, "explanation.example.3.text", "    logctx_set_current(before);");
    json_t *example = views_at(loss, "example");
    views_expect_near(example, "time", VIEWS_EPOCH + 900);
    views_expect_text(example, "expected", "GET-1");
    views_expect_text(example, "found", "sentinel");
    views_expect_text(example, "thread", "4712");
    views_expect_text(example, "instance", "api@a");
    views_expect_text(example, "trace_id", TRACE);
    views_expect_text(example, "span_id", "0000000000000006");
    views_expect_text(example, "context", "GET-1");
    views_expect_text(example, "context_kind", "GET /x");
    views_expect_null(example, "affected");
    views_expect_null(example, "stack");
    json_decref(loss);
    json_decref(losses);
}

static void test_the_recorder(void **state)
{
    (void)state;
    char path[64];
    json_t *losses = get("/losses", 200);
    snprintf(path, sizeof path, "/losses/%s", views_string(losses, "groups.0.group"));
    json_t *loss = get(path, 200);
    json_t *example = views_at(loss, "example");
    views_expect_count(example, "switches", 5);
    views_expect_null(example, "switches.0.from"); // that context had ended
    views_expect_text(example, "switches.0.to", "PUT-2");
    views_expect_text(example, "switches.0.site.function", "on_headers");
    views_expect_near(example, "switches.0.ago", 0.0312);
    views_expect_near(example, "switches.0.stayed", 0.0112);
    views_expect_text(example, "switches.2.text", "garbage <b>");
    views_expect_near(example, "switches.3.stayed", 0.0002);
    views_expect_near(example, "switches.4.stayed", 0.0144);
    views_expect_near(example, "guilty", 4);
    views_expect_text(example, "expected_since.site.place", "pool.c:84");
    views_expect_near(example, "expected_since.ago", 0.0146);
    views_expect_text(example, "found_since.site.place", "pool.c:88");
    json_decref(loss);
    json_decref(losses);
}

static json_t *loss_of_kind(const char *kind)
{
    json_t *losses = get("/losses", 200);
    json_t *loss = NULL;
    size_t i;
    json_t *group;
    json_array_foreach(views_at(losses, "groups"), i, group)
    {
        char path[64];
        if (strcmp(views_string(group, "kind"), kind) != 0)
            continue;
        snprintf(path, sizeof path, "/losses/%s", views_string(group, "group"));
        loss = get(path, 200);
    }
    json_decref(losses);
    assert_non_null(loss);
    return loss;
}

static void test_a_late_error_and_one_of_tomorrow(void **state)
{
    (void)state;
    json_t *late = loss_of_kind("restarted_finished");
    views_expect_text(late, "example.context", "GET-1"); // the parent's name
    views_expect_text(late, "example.span_id", "0000000000000002");
    views_expect_text(late, "example.affected", "GET-9");
    views_expect_text(late, "example.thread", "4712");
    views_expect_count(late, "example.switches", 0);
    views_expect_null(late, "example.guilty");
    json_decref(late);
    json_t *unknown = loss_of_kind("kind_of_tomorrow");
    views_expect_null(unknown, "explanation");
    views_expect_null(unknown, "site");
    views_expect_text(unknown, "title", "Something <script>");
    json_decref(unknown);
}

static void test_refusals(void **state)
{
    (void)state;
    json_decref(get("/losses/00000000000000000", 400));
    json_decref(get("/losses/zzzzzzzzzzzzzzzz", 400));
    json_decref(get("/losses/0000000000000000", 404));
}

static json_t *alert_of(json_t *alerts, const char *id)
{
    size_t i;
    json_t *rule;
    json_array_foreach(views_at(alerts, "rules"), i, rule) if (strcmp(views_string(rule, "id"), id) == 0) return rule;
    fail_msg("there is no alert %s", id);
    return NULL;
}

static void test_alerts(void **state)
{
    (void)state;
    json_t *alerts = get("/alerts", 200);
    views_expect_near(alerts, "evaluated", VIEWS_EPOCH + TO);
    views_expect_near(alerts, "interval", 5);
    views_expect_count(alerts, "rules", 13);
    // 13 errors counted in 300 s would be 2.6 a minute; they came within the window of this rule.
    json_t *burst = alert_of(alerts, "loss_burst");
    views_expect_text(burst, "state", "quiet");
    views_expect_text(burst, "alert", "LogctxLossBurst");
    views_expect_text(burst, "severity", "critical");
    views_expect_text(burst, "unit", "errors/min");
    views_expect_text(burst, "runbook", "docs/runbook.md#logctxlossburst");
    views_expect_near(burst, "limit", 60);
    views_expect_near(burst, "for", 300);
    views_expect_near(burst, "value", (5.0 + 8) / 5);
    views_expect_null(burst, "since");
    views_expect_text(burst, "sentence", "2.6 losses per minute over 5 min; the limit is 60.");
    views_expect_text(alert_of(alerts, "unattributed_cpu"), "state", "unknown");
    views_expect_null(alert_of(alerts, "unattributed_cpu"), "value");
    json_decref(alerts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_bars_add_up),
        cmocka_unit_test(test_the_place_to_blame),
        cmocka_unit_test(test_silent_and_unseen_kinds),
        cmocka_unit_test(test_one_group),
        cmocka_unit_test(test_the_recorder),
        cmocka_unit_test(test_a_late_error_and_one_of_tomorrow),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_alerts),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
