/*
 * alloc.c: the wrapped allocators. Counters are atomic; failures are set while one thread runs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "alloc.h"

#include <stddef.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *block);

atomic_long alloc_calls, alloc_blocks;
static atomic_long countdown; // 0: off
static atomic_bool lasting_failure, failed;

void alloc_fail(long nth, bool lasting)
{
    countdown = nth;
    lasting_failure = lasting;
    failed = false;
}

bool alloc_failed(void)
{
    return failed;
}

static bool refused(void)
{
    alloc_calls++;
    if (countdown == 0)
        return false;
    if (countdown > 1) {
        countdown--;
        return false;
    }
    failed = true;
    if (!lasting_failure)
        countdown = 0;
    return true;
}

static void *counted(void *block)
{
    alloc_blocks += block != NULL;
    return block;
}

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refused() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (refused())
        return NULL;
    void *block = __real_realloc(old, size);
    alloc_blocks += block && !old;
    return block;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return refused() ? NULL : counted(__real_aligned_alloc(alignment, size));
}

char *__wrap_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = refused() ? NULL : counted(__real_malloc(size));
    return copy ? memcpy(copy, text, size) : NULL;
}

void __wrap_free(void *block)
{
    alloc_blocks -= block != NULL;
    __real_free(block);
}
