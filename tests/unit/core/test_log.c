/*
 * test_log.c: log lines carry the context: the stamp, and the host's logger. How lines are written: test_log_format.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <logctx/trace.h>

static logctx_log_line_t preset(void)
{
    logctx_log_line_t line = LOGCTX_LOG_LINE_INIT;
    line.request = "preset_request";
    line.server_name = "preset_server";
    return line;
}

static void test_stamp_in_the_sentinel(void **state)
{
    (void)state;
    logctx_log_stamp(NULL);
    logctx_log_line_t line = LOGCTX_LOG_LINE_INIT;
    logctx_log_stamp(&line);
    assert_string_equal(line.request, "sentinel");
    assert_string_equal(line.server_name, "unknown_server_from_sentinel_context");
    assert_string_equal(line.trace_id, "");
    assert_string_equal(line.span_id, "");
    assert_string_equal(line.trace_flags, "");
    assert_true(line.unix_ns == UNIX_START);
    line = preset();
    line.unix_ns = 5;
    logctx_log_stamp(&line);
    assert_string_equal(line.request, "preset_request");
    assert_string_equal(line.server_name, "preset_server");
    assert_true(line.unix_ns == 5);
}

static void test_stamp_in_a_context(void **state)
{
    (void)state;
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = "GET-1";
    opts.server = "example.org";
    opts.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    logctx_t *ctx = logctx_new(logctx_kind("k"), &opts);
    logctx_set_current(ctx);
    logctx_log_line_t line = preset();
    logctx_log_stamp(&line);
    assert_string_equal(line.request, "GET-1");
    assert_string_equal(line.server_name, "example.org");
    assert_string_equal(line.trace_id, "0af7651916cd43dd8448eb211c80319c");
    assert_int_equal(strlen(line.span_id), 16);
    assert_string_equal(line.trace_flags, "01");
    char header[LOGCTX_TRACEPARENT_SIZE];
    logctx_inject(ctx, header, NULL, 0);
    assert_memory_equal(header + 36, line.span_id, 16);
    end(ctx);
}

static struct {
    size_t count;
    logctx_severity_t severity;
    char message[8192], request[64], server[64];
} got;

static void keep(const logctx_log_line_t *line, void *user)
{
    assert_ptr_equal(user, &got);
    got.count++;
    got.severity = line->severity;
    snprintf(got.message, sizeof got.message, "%s", line->message);
    snprintf(got.request, sizeof got.request, "%s", line->request);
    snprintf(got.server, sizeof got.server, "%s", line->server_name);
}

static void test_the_hosts_logger(void **state)
{
    (void)state;
    memset(&got, 0, sizeof got);
    logctx_log(LOGCTX_INFO, "into %s", "nothing");
    assert_int_equal(got.count, 0);
    logctx_set_logger(keep, &got);
    logctx_log(LOGCTX_WARN, "%d %s", 7, "%s");
    assert_int_equal(got.count, 1);
    assert_int_equal(got.severity, LOGCTX_WARN);
    assert_string_equal(got.message, "7 %s");
    assert_string_equal(got.request, "sentinel");
    logctx_t *ctx = make("k", "GET-2");
    logctx_set_current(ctx);
    logctx_log(LOGCTX_DEBUG, "%s", "x");
    assert_string_equal(got.request, "GET-2");
    assert_string_equal(got.server, "default");
    end(ctx);
    logctx_set_logger(NULL, NULL);
    logctx_log(LOGCTX_INFO, "nobody");
    assert_int_equal(got.count, 2);
}

static void test_long_messages_are_cut(void **state)
{
    (void)state;
    char text[9000];
    memset(text, 'm', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    logctx_set_logger(keep, &got);
    logctx_log(LOGCTX_INFO, "%s", text);
    assert_in_range(strlen(got.message), 4000, 4096);
}

static void switching_logger(const logctx_log_line_t *line, void *user)
{
    (void)line;
    logctx_set_current(user);
}

static void test_the_logger_cannot_switch(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    uint64_t refused = logctx_refused_switches();
    logctx_set_logger(switching_logger, ctx);
    logctx_log(LOGCTX_INFO, "x");
    assert_current(logctx_sentinel());
    assert_int_equal(logctx_refused_switches() - refused, 1);
    end(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_stamp_in_the_sentinel),    core_test(test_stamp_in_a_context),
        core_test(test_the_hosts_logger),         core_test(test_long_messages_are_cut),
        core_test(test_the_logger_cannot_switch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
