/*
 * support.c: see support.h. The kept lines are guarded by a lock, for the exporter's thread writes some of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdint.h>

#include "support.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LINES = 256 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char lines[MAX_LINES][1024];
static int line_count;

static const char *get(void *user, const char *name)
{
    const char *const *pairs = user;
    for (; pairs != NULL && *pairs != NULL; pairs += 2) {
        if (strcmp(pairs[0], name) == 0) {
            return pairs[1];
        }
    }
    return NULL;
}

struct logctx__environment support_environment(const char *const *pairs)
{
    return (struct logctx__environment){.get = get, .user = (void *)(uintptr_t)pairs};
}

static void keep(const logctx_log_line_t *line, void *user)
{
    (void)user;
    pthread_mutex_lock(&lock);
    if (line_count < MAX_LINES) {
        snprintf(lines[line_count++], sizeof lines[0], "%s", line->message);
    }
    pthread_mutex_unlock(&lock);
}

void support_log_begin(void)
{
    pthread_mutex_lock(&lock);
    line_count = 0;
    pthread_mutex_unlock(&lock);
    logctx_set_logger(keep, NULL);
}

int support_log_count(void)
{
    pthread_mutex_lock(&lock);
    int count = line_count;
    pthread_mutex_unlock(&lock);
    return count;
}

int support_log_matching(const char *word, const char *other)
{
    int count = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < line_count; i++) {
        count += strstr(lines[i], word) != NULL && (other == NULL || strstr(lines[i], other) != NULL);
    }
    pthread_mutex_unlock(&lock);
    return count;
}

void support_contexts(const char *kind, int count)
{
    for (int i = 0; i < count; i++) {
        logctx_t *ctx = logctx_new(logctx_kind(kind), NULL);
        logctx_enter(ctx);
        logctx_set_int(ctx, "number", i);
        logctx_exit(ctx);
        logctx_unref(ctx);
    }
}
