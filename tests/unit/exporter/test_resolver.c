/*
 * test_resolver.c: a name server that never answers, played by a getaddrinfo() of this program's own: flush and
 * shutdown keep their deadlines all the same, and nothing is touched by whoever comes back later.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdint.h>

#include "support.h"

#include <logctx/otlp.h>

#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int asked;
static int returned;
static bool released;

// libcurl finds this one before the C library's.
__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
                                                       const struct addrinfo *hints, struct addrinfo **result)
{
    (void)node;
    (void)service;
    (void)hints;
    *result = NULL;
    pthread_mutex_lock(&lock);
    asked++;
    pthread_cond_broadcast(&changed);
    while (!released) {
        pthread_cond_wait(&changed, &lock);
    }
    returned++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return EAI_FAIL;
}

static void wait_until_asked(void)
{
    pthread_mutex_lock(&lock);
    while (asked == 0) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void release_all(void)
{
    pthread_mutex_lock(&lock);
    released = true;
    pthread_cond_broadcast(&changed);
    while (returned < asked) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void test_resolver_hangs(void **state)
{
    (void)state;
    const logctx_otlp_opts_t opts = {.struct_size = sizeof opts, .endpoint = "http://collector.test:4318"};
    logctx_otlp_t *otlp = NULL;
    support_log_begin();
    assert_int_equal(logctx_otlp_start(&opts, &otlp), LOGCTX_OK);
    support_contexts("GET /resolver", 2);
    assert_int_equal(logctx_otlp_flush(otlp, 50), LOGCTX_E_TIMEOUT);
    wait_until_asked();
    assert_int_equal(logctx_otlp_shutdown(otlp, 1000), LOGCTX_E_TIMEOUT);
    // The thread did not hang with the resolver: it has counted and said what was lost.
    assert_int_equal(support_log_matching("2 spans", "the program ended before it could be sent"), 1);
    assert_int_equal(support_log_matching("did not end in time", NULL), 0);
    release_all();
}

int main(void)
{
    setenv("no_proxy", "*", 1);
    const struct CMUnitTest tests[] = {
        logctx_unit_test(test_resolver_hangs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
