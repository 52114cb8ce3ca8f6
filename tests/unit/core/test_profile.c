// What profilers read: the record of the context that is current, and the process context while it is replaced. The reader from
// outside is in tests/profiler.
//
// SPDX-License-Identifier: Apache-2.0
#include "support.h"

#include "types.h"

#include <logctx/profile.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

extern _Thread_local void *otel_thread_ctx_v1;

static void test_the_pointer_follows(void **state)
{
    (void)state;
    logctx_t *a = make("kind", "a"), *b = make("kind", "b");
    assert_null(otel_thread_ctx_v1);
    logctx_set_current(a);
    assert_ptr_equal(otel_thread_ctx_v1, &a->profile);
    logctx_set_current(b);
    assert_ptr_equal(otel_thread_ctx_v1, &b->profile);
    logctx_set_current(logctx_sentinel());
    assert_null(otel_thread_ctx_v1);
    end(a);
    end(b);
}

// As a reader outside of the process sees it, who does not know that the context has been freed.
static int valid_outside(const struct profile *profile)
{
    struct profile seen;
    struct iovec to = {&seen, sizeof seen}, from = {(void *)(uintptr_t)profile, sizeof seen};
    return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)sizeof seen ? seen.valid : -1;
}

static void test_the_record(void **state)
{
    (void)state;
    const char *const names[] = {"x", "a-name-of-just-thirty-one-bytes", "a name that is longer than thirty-one bytes",
                                 "cut-on-a-character-of-two-byte\xC3\xA4"};
    const char *const shown[] = {"x", "a-name-of-just-thirty-one-bytes", "a name that is longer than thir",
                                 "cut-on-a-character-of-two-byte"};
    for (size_t i = 0; i < COUNT(names); i++) {
        logctx_t *ctx = make("kind", names[i]);
        const logctx_span_context_t ids = logctx_get_span_context(ctx);
        assert_memory_equal(&ctx->profile, ids.trace_id, 16);
        assert_memory_equal(ctx->profile.span_id, ids.span_id, 8);
        assert_int_equal(ctx->profile.valid, 1);
        assert_int_equal(ctx->profile.flags, ids.flags);
        assert_int_equal(ctx->profile.name_length, strlen(shown[i]));
        assert_int_equal(ctx->profile.data_size, strlen(shown[i]) + 2);
        assert_string_equal(ctx->profile.name, shown[i]);
        assert_string_equal(logctx_name(ctx), names[i]);
        assert_int_equal(valid_outside(&ctx->profile), 1);
        end(ctx);
        assert_int_equal(valid_outside(&ctx->profile), 0);
    }
}

// Where the mapping is; NULL: there is none.
static const uint8_t *mapping(void)
{
    char line[512];
    unsigned long at = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && !at && fgets(line, sizeof line, maps))
        if (strstr(line, "OTEL_CTX"))
            at = strtoul(line, NULL, 16);
    if (maps)
        fclose(maps);
    return (const uint8_t *)(uintptr_t)at;
}

static void read_header(const uint8_t *from, uint64_t *published_at, const uint8_t **payload)
{
    memcpy(published_at, from + 16, 8);
    memcpy((void *)payload, from + 24, sizeof *payload);
}

static void test_the_process_context_is_replaced(void **state)
{
    (void)state;
    uint64_t first, second;
    const uint8_t *payload;
    assert_null(mapping());
    assert_int_equal(logctx_publish_process_context("\x0a\x00", 2), LOGCTX_OK);
    const uint8_t *at = mapping();
    assert_non_null(at);
    assert_memory_equal(at, "OTEL_CTX\x02\0\0\0", 12);
    read_header(at, &first, &payload);
    assert_memory_equal(payload, "\x0a\x02\x0a\x00", 4);
    assert_int_equal(logctx_publish_process_context(NULL, 0), LOGCTX_OK);
    assert_ptr_equal(mapping(), at);
    read_header(at, &second, &payload);
    assert_true(second > first);
    assert_memory_equal(payload, "\x0a\x00\x12", 3);
    static uint8_t large[65 * 1024];
    assert_int_equal(logctx_publish_process_context(large, sizeof large), LOGCTX_E_INVALID);
    assert_int_equal(logctx_publish_process_context(NULL, 1), LOGCTX_E_INVALID);
    read_header(at, &first, &payload);
    assert_int_equal(first, second);
}

// In a child: what was found, as bits.
static int in_child(bool taken)
{
    int found = mapping() ? 1 : 0; // the parent's does not come along
    if (taken) {
        int fd = memfd_create("OTEL_CTX", MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, 4096) != 0 || mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED)
            return 128;
    }
    logctx_status_t status = logctx_publish_process_context(NULL, 0);
    return found | (status == LOGCTX_OK) << 1 | (status == LOGCTX_E_STATE) << 2 | (mapping() != NULL) << 3;
}

// A child that the handlers of fork have not seen is one, too.
static pid_t fork_unseen(void)
{
#ifdef SYS_fork
    return (pid_t)syscall(SYS_fork);
#else
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#endif
}

static int run(pid_t (*forking)(void), bool taken)
{
    int status = -1;
    pid_t child = forking();
    if (child == 0)
        _exit(in_child(taken));
    assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_children_and_other_libraries(void **state)
{
    (void)state;
    assert_int_equal(logctx_publish_process_context(NULL, 0), LOGCTX_OK);
    assert_int_equal(run(fork, false), 2 | 8);
    assert_int_equal(run(fork, true), 4 | 8);
    assert_int_equal(run(fork_unseen, false), 2 | 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_the_pointer_follows),
        core_test(test_the_record),
        core_test(test_the_process_context_is_replaced),
        core_test(test_children_and_other_libraries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
