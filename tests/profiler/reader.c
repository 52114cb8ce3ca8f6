// A profiler's part: tells from outside of a process which context each of its threads runs, and who it is, and compares that
// with what the process says itself.
//     reader FORM TARGET [ARGUMENT...]
// FORM is how the loader has to have placed the pointer for it: executable, static or dynamic (enum tls_form).
//
// SPDX-License-Identifier: Apache-2.0
#include "elf_tls.h"

#include <opentelemetry/proto/common/v1/common.pb-c.h>
#include <opentelemetry/proto/resource/v1/resource.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

typedef Opentelemetry__Proto__Resource__V1__Resource resource_t;
typedef Opentelemetry__Proto__Common__V1__KeyValue pair_t;

static int wrong;
#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            wrong++;                                                                                                   \
            printf("line %d: %s: ", __LINE__, #condition);                                                             \
            printf(__VA_ARGS__);                                                                                       \
            printf("\n");                                                                                              \
        }                                                                                                              \
    } while (0)

// ---- the process context, OTEP 4719 ----

struct header {
    char signature[8];
    uint32_t version, payload_size;
    uint64_t published_at, payload;
};

static uint64_t find_process_context(pid_t pid)
{
    char path[64], line[4096];
    unsigned long start = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    while (maps && !start && fgets(line, sizeof line, maps))
        if (strstr(line, "[anon_shmem:OTEL_CTX]") || strstr(line, "[anon:OTEL_CTX]") || strstr(line, "/memfd:OTEL_CTX"))
            start = strtoul(line, NULL, 16);
    if (maps)
        fclose(maps);
    return start;
}

static void check_resource(const uint8_t *bytes, size_t length)
{
    resource_t *resource = opentelemetry__proto__resource__v1__resource__unpack(NULL, length, bytes);
    bool good = resource && resource->n_attributes == 1 && strcmp(resource->attributes[0]->key, "service.name") == 0 &&
                strcmp(resource->attributes[0]->value->string_value, "profiled") == 0;
    CHECK(good, "the resource is another one");
    if (resource)
        opentelemetry__proto__resource__v1__resource__free_unpacked(resource, NULL);
}

static int check_attribute(const uint8_t *bytes, size_t length)
{
    int known = 0;
    pair_t *pair = opentelemetry__proto__common__v1__key_value__unpack(NULL, length, bytes);
    if (pair && strcmp(pair->key, "threadlocal.schema_version") == 0)
        known = strcmp(pair->value->string_value, "tlsdesc_v1_dev") == 0;
    else if (pair && strcmp(pair->key, "threadlocal.attribute_key_map") == 0)
        known = pair->value->array_value->n_values == 1 &&
                strcmp(pair->value->array_value->values[0]->string_value, "logctx.name") == 0;
    if (pair)
        opentelemetry__proto__common__v1__key_value__free_unpacked(pair, NULL);
    return known;
}

// Two fields, both with lengths.
static void check_payload(const uint8_t *bytes, size_t length)
{
    int attributes = 0;
    for (size_t at = 0; at < length;) {
        unsigned tag = bytes[at++], shift = 0;
        size_t size = 0;
        do {
            size |= (size_t)(bytes[at] & 0x7f) << shift;
            shift += 7;
        } while (bytes[at++] & 0x80 && at < length);
        if (size > length - at) {
            CHECK(false, "a field is longer than the payload");
            return;
        }
        if (tag == 0x0a)
            check_resource(bytes + at, size);
        else if (tag == 0x12)
            attributes += check_attribute(bytes + at, size);
        else
            CHECK(false, "an unknown field, tag %u", tag);
        at += size;
    }
    CHECK(attributes == 2, "%d known attributes", attributes);
}

static void check_process_context(pid_t pid)
{
    struct header before, after;
    uint8_t payload[4096];
    uint64_t at = find_process_context(pid);
    CHECK(at != 0, "no mapping is called OTEL_CTX");
    if (!at || !read_process(pid, at, &before, sizeof before)) {
        CHECK(!at, "the header cannot be read");
        return;
    }
    CHECK(memcmp(before.signature, "OTEL_CTX", 8) == 0, "another signature");
    CHECK(before.version == 2 && before.published_at > 0, "version %u", before.version);
    bool fits = before.payload_size > 0 && before.payload_size <= sizeof payload;
    CHECK(fits && read_process(pid, before.payload, payload, before.payload_size), "the payload cannot be read");
    CHECK(read_process(pid, at, &after, sizeof after) && after.published_at == before.published_at, "it has changed");
    if (fits)
        check_payload(payload, before.payload_size);
}

// ---- thread contexts, OTEP 4947 ----

struct record {
    uint8_t trace_id[16], span_id[8], valid, flags;
    uint16_t data_size;
    uint8_t data[256];
} __attribute__((packed));

// With the thread stopped. False: it has none.
static bool read_thread(pid_t pid, pid_t tid, const struct tls_place *place, struct record *record)
{
    struct user_regs_struct registers;
    uint64_t slot = 0, pointer = 0;
    bool there = false;
    if (ptrace(PTRACE_SEIZE, tid, 0, 0) != 0 || ptrace(PTRACE_INTERRUPT, tid, 0, 0) != 0 ||
        waitpid(tid, NULL, __WALL) != tid || ptrace(PTRACE_GETREGS, tid, 0, &registers) != 0) {
        CHECK(false, "thread %d cannot be stopped", (int)tid);
        return false;
    }
    if (!find_on_thread(pid, registers.fs_base, place, &slot) ||
        (slot && !read_process(pid, slot, &pointer, sizeof pointer)))
        CHECK(false, "thread %d: its pointer cannot be read", (int)tid);
    else if (pointer)
        there = read_process(pid, pointer, record, 28) && record->data_size <= sizeof record->data &&
                read_process(pid, pointer + 28, record->data, record->data_size);
    CHECK(there || !pointer, "thread %d: its record cannot be read", (int)tid);
    ptrace(PTRACE_DETACH, tid, 0, 0);
    return there;
}

// The same text as the target's own.
static void describe(pid_t pid, pid_t tid, const struct tls_place *place, char *out, size_t size)
{
    struct record record;
    int at = snprintf(out, size, "%d ", (int)tid);
    if (!read_thread(pid, tid, place, &record)) {
        snprintf(out + at, size - (size_t)at, "-");
        return;
    }
    CHECK(record.valid == 1, "thread %d: valid is %d", (int)tid, record.valid);
    CHECK(record.flags & 1, "thread %d: flags are %d", (int)tid, record.flags);
    CHECK(record.data_size >= 2 && record.data[0] == 0 && record.data[1] == record.data_size - 2,
          "thread %d: not one attribute of the key 0", (int)tid);
    for (int i = 0; i < 16; i++)
        at += snprintf(out + at, size - (size_t)at, "%02x", record.trace_id[i]);
    at += snprintf(out + at, size - (size_t)at, " ");
    for (int i = 0; i < 8; i++)
        at += snprintf(out + at, size - (size_t)at, "%02x", record.span_id[i]);
    snprintf(out + at, size - (size_t)at, " %.*s", record.data[1], (const char *)record.data + 2);
}

// ---- the target ----

static FILE *from_target, *to_target;
static const char *const forms[] = {"executable", "static", "dynamic"};
static const char *expected_form;

static pid_t start(char **program)
{
    int in[2], out[2];
    if (pipe(in) != 0 || pipe(out) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execv(program[0], program);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    to_target = fdopen(in[1], "w");
    from_target = fdopen(out[0], "r");
    return child;
}

// One stage: what it says of its threads, and what can be seen. How many contexts were seen; -1: it has ended.
static int compare(pid_t pid, bool has_process_context)
{
    char line[512], seen[512];
    struct tls_place place = {.form = TLS_EXECUTABLE};
    int contexts = 0, threads = 0;
    while (fgets(line, sizeof line, from_target) && line[0] != '\n') {
        pid_t tid = (pid_t)atol(line);
        pid_t owner = pid ? pid : tid; // the child of the fork is its only thread
        line[strcspn(line, "\n")] = '\0';
        char *name = strrchr(line, ' ') + 1;
        if (strlen(name) > 31)
            name[31] = '\0';
        if (threads++ == 0) {
            CHECK(find_tls_symbol(owner, "otel_thread_ctx_v1", &place), "the symbol is not to be found");
            CHECK(strcmp(forms[place.form], expected_form) == 0, "it is placed as %s", forms[place.form]);
            if (has_process_context)
                check_process_context(owner);
            else
                CHECK(!find_process_context(owner), "a child of fork has its parent's process context");
        }
        describe(owner, tid, &place, seen, sizeof seen);
        CHECK(strcmp(seen, line) == 0, "the process says \"%s\", and \"%s\" is seen", line, seen);
        contexts += strchr(name, '-') && name[1];
    }
    fputs("\n", to_target);
    fflush(to_target);
    return threads ? contexts : -1;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc < 3)
        return 2;
    expected_form = argv[1];
    pid_t target = start(argv + 2);
    if (target < 0)
        return 2;
    static const int expected[] = {1, 1, 1};
    for (size_t stage = 0; stage < sizeof expected / sizeof expected[0]; stage++) {
        int contexts = compare(target, true);
        CHECK(contexts == expected[stage], "stage %zu shows %d contexts", stage, contexts);
    }
    CHECK(compare(0, false) == 0, "the child of fork shows a context");
    CHECK(compare(0, true) == 1, "the child of fork has published, and shows no context");
    int status = 0;
    waitpid(target, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the target ended with status %d", status);
    printf("%d problems\n", wrong);
    return wrong ? 1 : 0;
}
