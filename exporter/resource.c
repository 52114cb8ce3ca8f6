/*
 * resource.c: collects the resource once, at the start. Reads /proc and uname; asks no name service, which could hang,
 * and takes neither the arguments of the process (they hold secrets) nor the machine id (it is not for the network).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "resource.h"

#include "attributes.h"
#include "fork.h"
#include "messages.h"
#include "pairs.h"

#include <logctx/log.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

enum { ARENA_LIMIT = 4 << 20 };

struct builder {
    struct logctx__arena *arena;
    struct logctx__attributes list;
};

static void set_string(struct builder *b, const char *key, const char *value)
{
    logctx__attributes_set(&b->list, b->arena, logctx_attr_string(key, value));
}

static uint64_t to_ns(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;
}

// Field 22 of /proc/self/stat, in clock ticks since the boot; the name in field 2 may contain spaces and parentheses.
static bool read_start_ticks(unsigned long long *ticks)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL) {
        return false;
    }
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    const char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    if (at == NULL) {
        return false;
    }
    *ticks = strtoull(at + 1, NULL, 10);
    return *ticks != 0;
}

uint64_t logctx__process_start_unix_ns(void)
{
    struct timespec now;
    struct timespec since_boot;
    unsigned long long ticks = 0;
    long per_second = sysconf(_SC_CLK_TCK);
    clock_gettime(CLOCK_REALTIME, &now);
    if (per_second <= 0 || !read_start_ticks(&ticks) || clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0) {
        return to_ns(&now);
    }
    uint64_t start = (uint64_t)ticks * (1000000000u / (uint64_t)per_second);
    uint64_t age = to_ns(&since_boot) > start ? to_ns(&since_boot) - start : 0;
    return to_ns(&now) - age;
}

// One for each process, whatever sinks it has and however often they are started; a child of fork is another process.
static bool instance_bytes(uint8_t out[16])
{
    static logctx__fork_lock_t lock;
    static uint8_t bytes[16];
    static uint64_t drawn_by; // generation + 1; 0: not yet
    uint64_t me = (uint64_t)logctx__fork_generation() + 1;
    logctx__fork_lock(&lock);
    if (drawn_by != me && getrandom(bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes) {
        drawn_by = me;
    }
    bool known = drawn_by == me;
    memcpy(out, bytes, sizeof bytes);
    logctx__fork_unlock(&lock);
    return known;
}

static void set_instance_id(struct builder *b)
{
    uint8_t r[16];
    if (!instance_bytes(r)) {
        return;
    }
    r[6] = (uint8_t)((r[6] & 0x0F) | 0x40); // RFC 9562: version 4, variant 10
    r[8] = (uint8_t)((r[8] & 0x3F) | 0x80);
    char text[37];
    snprintf(text, sizeof text, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0], r[1],
             r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13], r[14], r[15]);
    set_string(b, "service.instance.id", text);
}

static void set_executable(struct builder *b)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0) {
        set_string(b, "service.name", "unknown_service");
        return;
    }
    path[length] = '\0';
    const char *gone = " (deleted)";
    size_t tail = strlen(gone);
    if ((size_t)length > tail && strcmp(path + length - tail, gone) == 0) {
        path[(size_t)length - tail] = '\0';
    }
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    char service[PATH_MAX + 32];
    snprintf(service, sizeof service, "unknown_service:%s", name);
    set_string(b, "service.name", service);
    set_string(b, "process.executable.name", name);
    set_string(b, "process.executable.path", path);
}

static void set_process(struct builder *b)
{
    logctx__attributes_set(&b->list, b->arena, logctx_attr_int("process.pid", getpid()));
    uint64_t start = logctx__process_start_unix_ns();
    time_t seconds = (time_t)(start / 1000000000u);
    struct tm parts;
    char text[64];
    if (gmtime_r(&seconds, &parts) != NULL && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts) != 0) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, ".%03uZ", (unsigned)(start / 1000000u % 1000u));
        set_string(b, "process.creation.time", text);
    }
#ifdef __GLIBC__
    set_string(b, "process.runtime.name", "glibc");
    set_string(b, "process.runtime.version", gnu_get_libc_version());
#endif
}

static const char *architecture(const char *machine)
{
    static const char *const names[][2] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}, {"i686", "x86"},
                                           {"i586", "x86"},     {"i486", "x86"},      {"i386", "x86"},
                                           {"ppc64le", "ppc64"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(machine, names[i][0]) == 0) {
            return names[i][1];
        }
    }
    return strncmp(machine, "arm", 3) == 0 ? "arm32" : machine;
}

static void set_host(struct builder *b)
{
    struct utsname names;
    if (uname(&names) != 0) {
        return;
    }
    set_string(b, "host.name", names.nodename);
    set_string(b, "host.arch", architecture(names.machine));
    for (char *c = names.sysname; *c != '\0'; c++) {
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    }
    set_string(b, "os.type", names.sysname);
}

static void set_library(struct builder *b)
{
    set_string(b, "telemetry.sdk.name", "logctx");
    set_string(b, "telemetry.sdk.language", "c");
    set_string(b, "telemetry.sdk.version", logctx_version());
}

// One bad member makes the whole variable void: half of a resource would be a different one.
static bool environment_is_good(const char *list)
{
    struct logctx__pair pair;
    for (int number = 1; logctx__pairs_next(&list, &pair); number++) {
        if (pair.fault != NULL) {
            logctx_log(LOGCTX_WARN,
                       "OTEL_RESOURCE_ATTRIBUTES: member %d is wrong: %s; the whole variable is ignored; write "
                       "key=value,key=value with %%XX for special characters",
                       number, pair.fault);
            return false;
        }
    }
    return true;
}

static void set_from_environment(struct builder *b, const struct logctx__environment *env)
{
    const char *list = logctx__environment_get(env, "OTEL_RESOURCE_ATTRIBUTES");
    if (list != NULL && environment_is_good(list)) {
        struct logctx__pair pair;
        while (logctx__pairs_next(&list, &pair)) {
            logctx__attributes_set(&b->list, b->arena, logctx_attr_string_n(pair.key, pair.value, pair.value_length));
        }
    }
    const char *name = logctx__environment_get(env, "OTEL_SERVICE_NAME");
    if (name != NULL) {
        set_string(b, "service.name", name);
    }
}

static void set_from_code(struct builder *b, const struct logctx__resource_given *given)
{
    for (size_t i = 0; i < given->attr_count && given->attrs != NULL; i++) {
        logctx__attributes_set(&b->list, b->arena, given->attrs[i]);
    }
    if (given->service_name != NULL && given->service_name[0] != '\0') {
        set_string(b, "service.name", given->service_name);
    }
    if (given->service_version != NULL && given->service_version[0] != '\0') {
        set_string(b, "service.version", given->service_version);
    }
}

static bool pack(struct logctx__resource *out, const struct builder *b)
{
    out->message = logctx__arena_alloc(&out->arena, sizeof *out->message);
    if (out->message == NULL) {
        return false;
    }
    opentelemetry__proto__resource__v1__resource__init(out->message);
    out->message->attributes = b->list.items;
    out->message->n_attributes = b->list.count;
    out->length = opentelemetry__proto__resource__v1__resource__get_packed_size(out->message);
    out->bytes = logctx__arena_array(&out->arena, out->length + 1, 1);
    if (out->arena.failed) {
        return false;
    }
    opentelemetry__proto__resource__v1__resource__pack(out->message, out->bytes);
    return true;
}

logctx_status_t logctx__resource_build(struct logctx__resource *out, const struct logctx__resource_given *given,
                                       const struct logctx__environment *env)
{
    *out = (struct logctx__resource){.length = 0};
    logctx__fork_watch();
    logctx__arena_init(&out->arena, ARENA_LIMIT);
    struct builder b = {.arena = &out->arena};
    set_executable(&b);
    set_instance_id(&b);
    set_process(&b);
    set_host(&b);
    set_library(&b);
    set_from_environment(&b, env);
    set_from_code(&b, given);
    return pack(out, &b) ? LOGCTX_OK : LOGCTX_E_NO_MEMORY;
}

logctx_status_t logctx__resource_again(struct logctx__resource *out, const struct logctx__resource *inherited)
{
    *out = (struct logctx__resource){.length = 0};
    logctx__arena_init(&out->arena, ARENA_LIMIT);
    struct builder b = {.arena = &out->arena};
    b.list.count = b.list.capacity = inherited->message->n_attributes;
    b.list.items = logctx__arena_array(b.arena, b.list.count + 1, sizeof(otlp_pair_t *));
    if (b.list.items != NULL) {
        memcpy(b.list.items, inherited->message->attributes, b.list.count * sizeof(otlp_pair_t *));
        set_instance_id(&b);
        set_process(&b);
        if (pack(out, &b)) {
            return LOGCTX_OK;
        }
    }
    logctx__arena_free(&out->arena);
    return LOGCTX_E_NO_MEMORY;
}

const char *logctx__resource_service(const struct logctx__resource *resource)
{
    for (size_t i = 0; resource->message != NULL && i < resource->message->n_attributes; i++) {
        const otlp_pair_t *pair = resource->message->attributes[i];
        if (strcmp(pair->key, "service.name") == 0 &&
            pair->value->value_case == OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE) {
            return pair->value->string_value;
        }
    }
    return "";
}

void logctx__resource_free(struct logctx__resource *resource)
{
    logctx__arena_free(&resource->arena);
}
