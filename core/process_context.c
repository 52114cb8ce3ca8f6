// The process context: a mapping that readers outside of the process find by its name and read (OTEP 4719). The steps and
// their order are those of the specification: what is written last is the time, and it is 0 while anything changes.
//
// Everything here is under `lock`. A child does not have the mapping (MADV_DONTFORK), and publishes its own: it is told by
// the count of forks, and by its process id if it was made without the handlers of fork (_Fork, clone).
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <logctx/profile.h>

#ifdef __linux__
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

enum { VERSION = 2, RESOURCE_MAX = 64 * 1024, CONTEXT_RESOURCE = 1, CONTEXT_ATTRIBUTES = 2 };

struct header {
    char signature[8]; // no NUL
    uint32_t version;
    uint32_t payload_size;
    _Atomic uint64_t published_at; // CLOCK_BOOTTIME, ns; 0: being changed
    const uint8_t *payload;
};
_Static_assert(sizeof(void *) != 8 || sizeof(struct header) == 32, "OTEP 4719");

static struct {
    lock_t lock;
    uint32_t process;       // logctx__forks of who has published, and 1
    pid_t pid;              // of the same
    struct header *mapping; // of that process
    size_t size;
    uint8_t *payload;
} published;

// The names of the attributes of thread contexts, by number: profile.name_key is 0.
static const logctx_value_t keys[] = {{LOGCTX_VALUE_STRING, {.bytes = {"logctx.name", 11}}}};

static uint8_t *put_message(uint8_t *at, int field, const void *bytes, size_t length)
{
    *at++ = (uint8_t)LOGCTX__WIRE_TAG(field, LOGCTX__WIRE_BYTES);
    at = logctx__wire_varint_write(at, length);
    if (length > 0)
        memcpy(at, bytes, length);
    return at + length;
}

static uint8_t *put_attribute(uint8_t *at, const logctx_attr_t *attr)
{
    uint8_t body[256];
    return put_message(at, CONTEXT_ATTRIBUTES, body, logctx__wire_attr_put(body, sizeof body, attr, UINT32_MAX));
}

// A ProcessContext. NULL without memory; from malloc.
static uint8_t *encode(const void *resource, size_t length, size_t *size)
{
    uint8_t *bytes = malloc(length + 1024);
    if (!bytes)
        return NULL;
    uint8_t *at = put_message(bytes, CONTEXT_RESOURCE, resource, length);
    const logctx_attr_t version = logctx_attr_string("threadlocal.schema_version", "tlsdesc_v1_dev");
    const logctx_attr_t map = logctx_attr_array("threadlocal.attribute_key_map", keys, sizeof keys / sizeof keys[0]);
    at = put_attribute(at, &version);
    at = put_attribute(at, &map);
    *size = (size_t)(at - bytes);
    return bytes;
}

static bool is_context(const char *line)
{
    return strstr(line, "[anon_shmem:OTEL_CTX]") || strstr(line, "[anon:OTEL_CTX]") || strstr(line, "/memfd:OTEL_CTX");
}

// Whether somebody else has published one. A process whose mappings cannot be read is taken to have none.
static bool is_taken(void)
{
    char line[512];
    bool taken = false;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && !taken && fgets(line, sizeof line, maps))
        taken = is_context(line);
    if (maps)
        fclose(maps);
    return taken;
}

static bool set_visible(const struct header *mapping, size_t size)
{
    return prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, (unsigned long)(uintptr_t)mapping, size, "OTEL_CTX") == 0;
}

static int open_memory(size_t size)
{
    int fd = memfd_create("OTEL_CTX", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0)
        fd = memfd_create("OTEL_CTX", MFD_CLOEXEC | MFD_ALLOW_SEALING); // kernels before 6.3
    if (fd >= 0 && ftruncate(fd, (off_t)size) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static struct header *map(size_t size, bool *named)
{
    int fd = open_memory(size);
    *named = fd >= 0;
    void *mapping =
        mmap(NULL, size, PROT_READ | PROT_WRITE, fd >= 0 ? MAP_PRIVATE : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
    if (fd >= 0)
        close(fd);
    if (mapping == MAP_FAILED)
        return NULL;
    if (madvise(mapping, size, MADV_DONTFORK) == 0)
        return mapping;
    munmap(mapping, size);
    return NULL;
}

static uint64_t later_than(uint64_t before)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_BOOTTIME, &now);
    uint64_t ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return ns > before ? ns : before + 1;
}

static void fill(struct header *header, uint8_t *payload, size_t size)
{
    uint64_t before = READ_RELAXED(header->published_at);
    atomic_store_explicit(&header->published_at, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    memcpy(header->signature, "OTEL_CTX", sizeof header->signature);
    header->version = VERSION;
    header->payload_size = (uint32_t)size;
    header->payload = payload;
    atomic_thread_fence(memory_order_seq_cst);
    atomic_store_explicit(&header->published_at, later_than(before), memory_order_relaxed);
}

static logctx_status_t publish_first(uint8_t *payload, size_t size)
{
    bool named;
    if (is_taken())
        return LOGCTX_E_STATE;
    published.size = (size_t)sysconf(_SC_PAGESIZE);
    struct header *mapping = map(published.size, &named);
    if (!mapping)
        return LOGCTX_E_IO;
    fill(mapping, payload, size);
    if (!set_visible(mapping, published.size) && !named) {
        munmap(mapping, published.size);
        return LOGCTX_E_IO;
    }
    published.mapping = mapping;
    return LOGCTX_OK;
}

// Takes the payload over if it succeeds.
static logctx_status_t publish(uint8_t *payload, size_t size)
{
    uint32_t process = READ_RELAXED(logctx__forks) + 1;
    pid_t pid = getpid();
    if (published.process != process || published.pid != pid)
        published.mapping = NULL; // the parent's
    published.process = process;
    published.pid = pid;
    if (!published.mapping) {
        logctx_status_t status = publish_first(payload, size);
        if (status != LOGCTX_OK)
            return status;
    } else {
        fill(published.mapping, payload, size);
        set_visible(published.mapping, published.size);
    }
    free(published.payload);
    published.payload = payload;
    return LOGCTX_OK;
}

logctx_status_t logctx_publish_process_context(const void *resource, size_t length)
{
    if ((!resource && length > 0) || length > RESOURCE_MAX)
        return LOGCTX_E_INVALID;
    size_t size;
    uint8_t *payload = encode(resource, length, &size);
    if (!payload)
        return LOGCTX_E_NO_MEMORY;
    logctx__lock(&published.lock);
    logctx_status_t status = publish(payload, size);
    logctx__unlock(&published.lock);
    if (status != LOGCTX_OK)
        free(payload);
    if (status == LOGCTX_E_STATE)
        logctx_log(LOGCTX_INFO,
                   "Another library in this process has published a process context (OTEL_CTX) for profilers; "
                   "there may be one only, so that of logctx is left out");
    return status;
}
#else
logctx_status_t logctx_publish_process_context(const void *resource, size_t length)
{
    return length > 0 && !resource ? LOGCTX_E_INVALID : LOGCTX_E_IO;
}
#endif
