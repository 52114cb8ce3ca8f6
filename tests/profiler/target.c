// What is looked at: three threads that run contexts or the sentinel, and say so themselves. In each stage a line for each
// thread, `TID TRACE-ID SPAN-ID NAME` or `TID -`, and an empty one; then it waits for a line. At the end it forks, and the
// child does the same twice: before it has published anything, in the sentinel, and after that, in a context.
//
// SPDX-License-Identifier: Apache-2.0
#include <logctx/logctx.h>
#include <logctx/profile.h>
#include <logctx/trace.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 2, STAGES = 3 };
static pthread_barrier_t begun, done;
static char lines[WORKERS][256];

// An encoded Resource: service.name = "profiled".
static const uint8_t resource[] = "\x0a\x1a\x0a\x0cservice.name\x12\x0a\x0a\x08profiled";

static void say(char *line, size_t size)
{
    logctx_t *ctx = logctx_current();
    logctx_span_context_t ids = logctx_get_span_context(ctx);
    int at = snprintf(line, size, "%ld ", (long)syscall(SYS_gettid));
    if (ctx == logctx_sentinel()) {
        snprintf(line + at, size - (size_t)at, "-");
        return;
    }
    for (int i = 0; i < 16; i++)
        at += snprintf(line + at, size - (size_t)at, "%02x", ids.trace_id[i]);
    at += snprintf(line + at, size - (size_t)at, " ");
    for (int i = 0; i < 8; i++)
        at += snprintf(line + at, size - (size_t)at, "%02x", ids.span_id[i]);
    snprintf(line + at, size - (size_t)at, " %s", logctx_name(ctx));
}

static logctx_t *make(int worker, int stage)
{
    char name[64];
    snprintf(name, sizeof name, worker ? "GET-%d-%d" : "a-name-that-is-much-longer-than-readers-get-%d-%d", worker,
             stage);
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = name;
    return logctx_new(logctx_kind("GET /profiled"), &opts);
}

// In turns in a context and in the sentinel; the workers in opposite phases.
static void *work(void *user)
{
    int worker = (int)(intptr_t)user;
    for (int stage = 0; stage < STAGES; stage++) {
        logctx_t *ctx = (stage + worker) % 2 ? NULL : make(worker, stage);
        if (ctx)
            logctx_enter(ctx);
        say(lines[worker], sizeof lines[worker]);
        pthread_barrier_wait(&begun);
        pthread_barrier_wait(&done);
        if (ctx)
            logctx_exit(ctx);
        logctx_unref(ctx);
    }
    return NULL;
}

static void wait_for_a_line(void)
{
    char line[16];
    printf("\n");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        exit(1);
}

static void look_at_me(void)
{
    char line[256];
    say(line, sizeof line);
    printf("%s\n", line);
    wait_for_a_line();
}

// In the sentinel, whatever its parent was in.
static int be_the_child(void)
{
    look_at_me();
    if (logctx_publish_process_context(resource, sizeof resource - 1) != LOGCTX_OK)
        return 1;
    logctx_t *ctx = make(2, STAGES);
    logctx_enter(ctx);
    look_at_me();
    logctx_exit(ctx);
    logctx_unref(ctx);
    return 0;
}

int main(void)
{
    pthread_t threads[WORKERS];
    if (logctx_publish_process_context(resource, sizeof resource - 1) != LOGCTX_OK)
        return 1;
    pthread_barrier_init(&begun, NULL, WORKERS + 1);
    pthread_barrier_init(&done, NULL, WORKERS + 1);
    for (int i = 0; i < WORKERS; i++)
        pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i);
    for (int stage = 0; stage < STAGES; stage++) {
        pthread_barrier_wait(&begun);
        for (int i = 0; i < WORKERS; i++)
            printf("%s\n", lines[i]);
        look_at_me();
        pthread_barrier_wait(&done);
    }
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    logctx_t *ctx = make(1, STAGES);
    logctx_enter(ctx);
    pid_t child = fork();
    if (child == 0)
        _exit(be_the_child());
    int status = 0;
    waitpid(child, &status, 0);
    logctx_exit(ctx);
    logctx_unref(ctx);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}
