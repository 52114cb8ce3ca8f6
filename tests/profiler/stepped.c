// The update of a process context, looked at after each instruction: whatever the time says, what it stands for is whole.
// A child publishes one and replaces it; its parent steps through that.
//
// SPDX-License-Identifier: Apache-2.0
#include "elf_tls.h"

#include <logctx/profile.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SHORT = 100, LONG = 3000, STEPS_MAX = 4000000 };

// Stops before the first step, and after the last one.
static int publish_twice(void)
{
    static uint8_t first[SHORT], second[LONG];
    memset(first, 'a', sizeof first);
    memset(second, 'b', sizeof second);
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0 || logctx_publish_process_context(first, sizeof first) != LOGCTX_OK)
        return 1;
    raise(SIGSTOP);
    if (logctx_publish_process_context(second, sizeof second) != LOGCTX_OK)
        return 1;
    raise(SIGSTOP);
    return 0;
}

static uint64_t find_mapping(pid_t pid)
{
    char path[64], line[512];
    uint64_t at = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    while (maps && !at && fgets(line, sizeof line, maps))
        at = strstr(line, "OTEL_CTX") ? strtoul(line, NULL, 16) : 0;
    if (maps)
        fclose(maps);
    return at;
}

// 'a' or 'b': what is published, all of it; '0': it is being changed; '?': it cannot be read, or is neither.
static char look(pid_t pid, uint64_t at, uint64_t *time)
{
    struct {
        char signature[8];
        uint32_t version, size;
        uint64_t published_at, payload;
    } header;
    uint8_t payload[LONG + 1024];
    if (!read_process(pid, at, &header, sizeof header))
        return '?';
    *time = header.published_at;
    if (header.published_at == 0)
        return '0';
    if (memcmp(header.signature, "OTEL_CTX", 8) != 0 || header.version != 2 || header.size > sizeof payload ||
        !read_process(pid, header.payload, payload, header.size) || payload[0] != 0x0a)
        return '?';
    // The resource's tag, its length in one byte or two, and its bytes; attributes follow.
    size_t begin = payload[1] & 0x80 ? 3 : 2;
    size_t length = begin == 2 ? payload[1] : (payload[1] & 0x7fu) | (size_t)payload[2] << 7;
    char kind = (char)payload[begin];
    if (length != (kind == 'a' ? SHORT : LONG) || header.size <= begin + length || payload[begin + length] != 0x12)
        return '?';
    for (size_t i = begin; i < begin + length; i++)
        if (payload[i] != kind)
            return '?';
    return kind;
}

// The states in the order in which they were seen, each once.
static long step_through(pid_t child, uint64_t at, char *seen, size_t size, uint64_t times[2])
{
    long steps = 0;
    size_t count = 0;
    int status = 0;
    for (;; steps++) {
        uint64_t time = 0;
        char now = look(child, at, &time);
        if (count + 1 < size && (count == 0 || seen[count - 1] != now))
            seen[count++] = now;
        if (now == 'a' || now == 'b')
            times[now - 'a'] = time;
        if (steps == STEPS_MAX || ptrace(PTRACE_SINGLESTEP, child, 0, 0) != 0 || waitpid(child, &status, 0) != child ||
            !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
            break;
    }
    seen[count] = '\0';
    return steps;
}

int main(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(publish_twice());
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP) {
        printf("the child has not published, status %d\n", status);
        return 1;
    }
    char seen[16];
    uint64_t times[2] = {0, 0};
    long steps = step_through(child, find_mapping(child), seen, sizeof seen, times);
    ptrace(PTRACE_CONT, child, 0, 0);
    bool ended = waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    printf("%ld instructions, states \"%s\", times %llu and %llu, status %d\n", steps, seen,
           (unsigned long long)times[0], (unsigned long long)times[1], status);
    return ended && strcmp(seen, "a0b") == 0 && times[1] > times[0] ? 0 : 1;
}
