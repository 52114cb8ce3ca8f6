/*
 * test_process_context.c: what the exporter shows of the process to profilers: its resource, unless the setting or the
 * environment says no; in a child of fork the child's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "exporting.h"
#include "messages.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// The encoded resource in the process's context. NULL: there is none.
static const uint8_t *published(size_t *length)
{
    char line[512];
    unsigned long at = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && at == 0 && fgets(line, sizeof line, maps) != NULL) {
        at = strstr(line, "OTEL_CTX") != NULL ? strtoul(line, NULL, 16) : 0;
    }
    if (maps != NULL) {
        fclose(maps);
    }
    if (at == 0) {
        return NULL;
    }
    const uint8_t *payload;
    memcpy((void *)&payload, (const char *)(uintptr_t)at + 24, sizeof payload);
    unsigned shift = 0;
    *length = 0;
    do { // after the tag of the first field its length, seven bits a byte
        *length |= (size_t)(*++payload & 0x7f) << shift;
        shift += 7;
    } while ((*payload & 0x80) != 0);
    return payload + 1;
}

// The value of a text attribute of the published resource; "" if there is none.
static void read_attribute(const char *key, char *out, size_t size)
{
    size_t length;
    const uint8_t *bytes = published(&length);
    otlp_resource_t *resource =
        bytes != NULL ? opentelemetry__proto__resource__v1__resource__unpack(NULL, length, bytes) : NULL;
    out[0] = '\0';
    for (size_t i = 0; resource != NULL && i < resource->n_attributes; i++) {
        if (strcmp(resource->attributes[i]->key, key) == 0) {
            snprintf(out, size, "%s", resource->attributes[i]->value->string_value);
        }
    }
    if (resource != NULL) {
        opentelemetry__proto__resource__v1__resource__free_unpacked(resource, NULL);
    }
}

// In this order, for a process context stays. The last one shows that the others would have been seen.
static void test_settings(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    static const struct {
        const char *name, *value;
        bool shown;
        int complaints;
    } cases[] = {{"LOGCTX_PROCESS_CONTEXT", "off", false, 0},
                 {"OTEL_SDK_DISABLED", "true", false, 0},
                 {"LOGCTX_PROCESS_CONTEXT", "sometimes", true, 1}};
    size_t length;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        setenv(cases[i].name, cases[i].value, 1);
        support_log_begin();
        logctx_otlp_t *otlp = start(&opts);
        assert_int_equal(published(&length) != NULL, cases[i].shown);
        assert_int_equal(support_log_matching("LOGCTX_PROCESS_CONTEXT", "on or off"), cases[i].complaints);
        assert_int_equal(logctx_otlp_shutdown(otlp, LONG_MS), LOGCTX_OK);
        unsetenv(cases[i].name);
    }
    server_free(server);
}

// What a reader of the table (logctx-top) is told the service is.
static void read_table_service(char *out, size_t size)
{
    char path[64];
    char target[256];
    struct logctx_table_header header = {.service = ""};
    for (int fd = 0; fd < 64; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length > 0 ? length : 0] = '\0';
        if (strstr(target, "memfd:logctx-table") != NULL) {
            assert_int_equal(pread(fd, &header, sizeof header, 0), sizeof header);
        }
    }
    snprintf(out, size, "%s", header.service);
}

static void test_the_table_names_the_service(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    support_contexts("GET /before", 1);
    char text[128];
    read_table_service(text, sizeof text);
    assert_string_not_equal(text, "booking");
    opts.service_name = "booking";
    logctx_otlp_t *otlp = start(&opts);
    read_table_service(text, sizeof text);
    assert_string_equal(text, "booking");
    assert_int_equal(logctx_otlp_shutdown(otlp, LONG_MS), LOGCTX_OK);
    server_free(server);
}

static char instance[64];

// Exit status: which step went wrong.
static int look_in_child(void)
{
    char text[64];
    size_t length;
    if (published(&length) != NULL) {
        return 1;
    }
    support_contexts("GET /child", 1); // the child's exporter begins
    read_attribute("service.name", text, sizeof text);
    if (strcmp(text, "test") != 0) {
        return 2;
    }
    read_attribute("service.instance.id", text, sizeof text);
    return text[0] == '\0' || strcmp(text, instance) == 0 ? 3 : 0;
}

static void test_the_child_has_its_own(void **state)
{
    (void)state;
    struct server *server = server_new(answer_ok, NULL);
    server_listen(server);
    logctx_otlp_opts_t opts = traces_only(server);
    logctx_otlp_t *otlp = start(&opts);
    char text[64];
    read_attribute("service.name", text, sizeof text);
    assert_string_equal(text, "test");
    read_attribute("service.instance.id", instance, sizeof instance);
    assert_string_not_equal(instance, "");
    pid_t child = fork();
    if (child == 0) {
        _exit(look_in_child());
    }
    int status = -1;
    assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    read_attribute("service.instance.id", text, sizeof text);
    assert_string_equal(text, instance);
    assert_int_equal(logctx_otlp_shutdown(otlp, LONG_MS), LOGCTX_OK);
    server_free(server);
}

int main(void)
{
    // A proxy of the developer's must not come between.
    setenv("no_proxy", "*", 1);
    const struct CMUnitTest tests[] = {
        logctx_unit_test(test_settings),
        logctx_unit_test(test_the_child_has_its_own),
        logctx_unit_test(test_the_table_names_the_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
