// SPDX-License-Identifier: Apache-2.0
// A hundred thousand deferreds, each waiting for the next, on a stack of 256 KiB: nothing recurses. One thread.
#include "check.h"
#include <pthread.h>

enum { LENGTH = 100000, STACK = 256 * 1024 };

static logctx_result_t wait_for_next(void *user, logctx_result_t *result)
{
    (void)result;
    return logctx_wait_for(user); // hands the reference over
}

static void *run_chain(void *unused)
{
    (void)unused;
    int answer = 42;
    logctx_deferred_t *last = logctx_deferred_new(NULL, NULL, NULL), *first = logctx_deferred_ref(last);
    for (int i = 0; i < LENGTH; i++) {
        logctx_deferred_t *before = logctx_deferred_called(logctx_success(NULL, NULL));
        logctx_deferred_add(before, wait_for_next, NULL, first, NULL); // runs now, and waits
        first = before;
    }
    CHECK(!logctx_deferred_is_complete(first));
    logctx_deferred_succeed(last, &answer, NULL); // the result goes all the way to the first
    CHECK(logctx_deferred_result(first)->value == &answer);
    logctx_deferred_unref(first);
    logctx_deferred_unref(last);
    return NULL;
}

int main(void)
{
    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK);
    CHECK(pthread_create(&thread, &small, run_chain, NULL) == 0 && pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&small);
    CHECK(all_errors() == 0 && logctx_deferred_pending() == 0);
    return failures > 0;
}
