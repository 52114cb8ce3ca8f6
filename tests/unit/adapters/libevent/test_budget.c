/*
 * test_budget.c: what is armed and called again and again allocates nothing. The allocations of this program and of the static
 * libraries in it are counted, not libevent's own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

static unsigned allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    allocations++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    allocations++;
    return __real_realloc(old, size);
}

static int calls;
static struct event *event;

static void again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    if (++calls % 100 != 0)
        logctx_event_add(event, &(struct timeval){0, 0});
}

static void reads(struct bufferevent *bufferevent, void *arg)
{
    (void)bufferevent;
    (void)arg;
    calls++;
}

static void a_hundred_timers(void)
{
    logctx_event_add(event, &(struct timeval){0, 0});
    logctx_event_base_dispatch(base);
}

static void test_armed_again(void **state)
{
    (void)state;
    logctx_t *a = make("A");
    unsigned before = allocations;
    event = logctx_evtimer_new(base, again, NULL);
    assert_int_equal(allocations, before + 1); // it is seen
    logctx_set_current(a);
    logctx_event_add(event, &(struct timeval){0, 0});
    logctx_set_current(logctx_sentinel());
    logctx_event_base_dispatch(base);
    before = allocations;
    logctx_set_current(a);
    logctx_event_add(event, &(struct timeval){0, 0});
    logctx_set_current(logctx_sentinel());
    logctx_event_base_dispatch(base);
    a_hundred_timers();
    assert_int_equal(allocations, before);
    assert_int_equal(calls, 300);
    logctx_event_free(event);
    end(a);
}

static void test_set_again(void **state)
{
    (void)state;
    int pair[2];
    make_readable(pair);
    logctx_t *a = make("A");
    struct bufferevent *bufferevent = bufferevent_socket_new(base, pair[0], 0);
    logctx_bufferevent_setcb(bufferevent, reads, NULL, NULL, NULL);
    unsigned before = allocations;
    logctx_set_current(a);
    for (int i = 0; i < 100; i++) {
        logctx_bufferevent_setcb(bufferevent, reads, NULL, NULL, NULL);
        bufferevent_trigger(bufferevent, EV_READ, BEV_TRIG_IGNORE_WATERMARKS);
    }
    assert_int_equal(allocations, before);
    logctx_bufferevent_free(bufferevent);
    close_pair(pair);
    end(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {a_test(test_armed_again), a_test(test_set_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
