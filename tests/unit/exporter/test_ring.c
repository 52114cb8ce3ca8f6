/*
 * test_ring.c: the queue of spans: order, bounds, wake-ups, flush marks, threads that come and go.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdint.h>

#include "ring.h"
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_int wakes;

static void count_wake(void *user)
{
    (void)user;
    atomic_fetch_add(&wakes, 1);
}

static struct logctx__queue *make_queue(uint64_t bytes, uint64_t count, uint64_t batch)
{
    const struct logctx__queue_limits limits = {.bytes = bytes, .count = count, .batch = batch};
    atomic_store(&wakes, 0);
    struct logctx__queue *queue = logctx__queue_new(&limits, count_wake, NULL);
    assert_non_null(queue);
    return queue;
}

static logctx_recorder_t *recorder;

// One record of which tests push more and more references.
static logctx_record_t *a_record(void)
{
    return (logctx_record_t *)(uintptr_t)logctx_recorder_at(recorder, 0);
}

static int setup(void **state)
{
    (void)state;
    recorder = logctx_recorder_new(1);
    support_contexts("record", 1);
    return recorder == NULL || logctx_recorder_count(recorder) != 1;
}

static int teardown(void **state)
{
    (void)state;
    logctx_recorder_free(recorder);
    return 0;
}

static void push(struct logctx__queue *queue, int count)
{
    for (int i = 0; i < count; i++) {
        logctx__queue_push(queue, logctx_record_ref(a_record()));
    }
}

static int drain(struct logctx__queue *queue, int most)
{
    int count = 0;
    while (count < most) {
        logctx_record_t *record = logctx__queue_front(queue);
        if (record == NULL) {
            break;
        }
        logctx__queue_pop(queue);
        logctx_record_unref(record);
        count++;
    }
    return count;
}

static struct logctx__queue_counts counts_of(struct logctx__queue *queue)
{
    struct logctx__queue_counts counts;
    logctx__queue_count(queue, &counts);
    return counts;
}

static void test_counts(void **state)
{
    (void)state;
    struct logctx__queue *queue = make_queue(1 << 30, 0, 1000);
    assert_null(logctx__queue_front(queue));
    push(queue, 500);
    struct logctx__queue_counts counts = counts_of(queue);
    assert_int_equal(counts.taken, 500);
    assert_int_equal(counts.waiting, 500);
    assert_int_equal(counts.waiting_bytes, 500 * logctx_record_span(a_record())->bytes);
    assert_int_equal(drain(queue, 200), 200);
    assert_int_equal(counts_of(queue).waiting, 300);
    push(queue, 100);
    assert_int_equal(drain(queue, 1000), 400);
    assert_null(logctx__queue_front(queue));
    assert_int_equal(counts_of(queue).waiting_bytes, 0);
    logctx__queue_close(queue);
}

static void test_bound_by_number(void **state)
{
    (void)state;
    struct logctx__queue *queue = make_queue(1 << 30, 10, 5);
    push(queue, 25);
    struct logctx__queue_counts counts = counts_of(queue);
    assert_int_equal(counts.taken, 25);
    assert_int_equal(counts.waiting, 10);
    assert_int_equal(counts.dropped_full, 15);
    assert_int_equal(drain(queue, 100), 10);
    push(queue, 1);
    assert_int_equal(counts_of(queue).waiting, 1);
    logctx__queue_close(queue);
}

static void test_bound_by_bytes(void **state)
{
    (void)state;
    uint64_t bytes = logctx_record_span(a_record())->bytes;
    struct logctx__queue *queue = make_queue(bytes * 4, 0, 100);
    push(queue, 6);
    struct logctx__queue_counts counts = counts_of(queue);
    assert_int_equal(counts.waiting, 4);
    assert_int_equal(counts.dropped_full, 2);
    // Half of the bytes wakes the consumer, long before there is a batch.
    assert_int_equal(atomic_load(&wakes), 1);
    assert_true(logctx__queue_is_ready(queue));
    logctx__queue_close(queue);
}

static void test_wakes_at_batch(void **state)
{
    (void)state;
    struct logctx__queue *queue = make_queue(1 << 30, 0, 10);
    push(queue, 9);
    assert_int_equal(atomic_load(&wakes), 0);
    assert_false(logctx__queue_is_ready(queue));
    push(queue, 1);
    assert_int_equal(atomic_load(&wakes), 1);
    assert_true(logctx__queue_is_ready(queue));
    push(queue, 50);
    assert_int_equal(atomic_load(&wakes), 1);
    drain(queue, 60);
    push(queue, 10);
    assert_int_equal(atomic_load(&wakes), 2);
    logctx__queue_close(queue);
}

static void test_marks(void **state)
{
    (void)state;
    struct logctx__queue *queue = make_queue(1 << 30, 0, 1000);
    assert_false(logctx__queue_has_marked(queue));
    push(queue, 3);
    assert_false(logctx__queue_has_marked(queue));
    logctx__queue_mark(queue);
    push(queue, 5);
    assert_true(logctx__queue_has_marked(queue));
    drain(queue, 2);
    assert_true(logctx__queue_has_marked(queue));
    drain(queue, 1);
    assert_false(logctx__queue_has_marked(queue));
    assert_int_equal(counts_of(queue).waiting, 5);
    logctx__queue_close(queue);
}

// Close gives back what is still in it; the leak checker is the judge.
static void test_close_with_records(void **state)
{
    (void)state;
    struct logctx__queue *queue = make_queue(1 << 30, 0, 1000);
    push(queue, 300);
    logctx__queue_close(queue);
}

// More queues one after the other than a thread has slots.
static void test_many_queues(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        struct logctx__queue *queue = make_queue(1 << 30, 0, 1000);
        push(queue, 3);
        assert_int_equal(drain(queue, 10), 3);
        logctx__queue_close(queue);
    }
}

// Threads.

struct producer {
    struct logctx__queue *queue;
    int number;
    int contexts;
};

static struct logctx__queue *sink_queue;

static void to_queue(void *user, logctx_record_t *record)
{
    (void)user;
    logctx__queue_push(sink_queue, record);
}

static void *produce(void *argument)
{
    const struct producer *producer = argument;
    for (int i = 0; i < producer->contexts; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d %d", producer->number, i);
        logctx_opts_t opts = LOGCTX_OPTS_INIT;
        opts.name = name;
        logctx_t *ctx = logctx_new(logctx_kind("ring"), &opts);
        logctx_finish(ctx);
        logctx_unref(ctx);
    }
    return NULL;
}

// Each thread's records arrive complete and in its order, while other threads push and the consumer takes.
static void test_order_under_threads(void **state)
{
    (void)state;
    enum { THREADS = 6, CONTEXTS = 2000 };
    struct producer producers[THREADS];
    pthread_t threads[THREADS];
    int next[THREADS] = {0};
    const logctx_sink_t sink = {.struct_size = sizeof sink, .ended = to_queue};
    sink_queue = make_queue(1 << 30, 0, 100);
    assert_int_equal(logctx_sink_add(&sink), LOGCTX_OK);
    for (int i = 0; i < THREADS; i++) {
        producers[i] = (struct producer){.number = i, .contexts = CONTEXTS};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    for (int taken = 0; taken < THREADS * CONTEXTS;) {
        logctx_record_t *record = logctx__queue_front(sink_queue);
        if (record == NULL) {
            logctx__queue_tidy(sink_queue);
            continue;
        }
        int number = -1;
        int sequence = -1;
        assert_int_equal(sscanf(logctx_record_span(record)->instance, "%d %d", &number, &sequence), 2);
        assert_in_range(number, 0, THREADS - 1);
        assert_int_equal(sequence, next[number]++);
        logctx__queue_pop(sink_queue);
        logctx_record_unref(record);
        taken++;
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(logctx_sink_remove(&sink), LOGCTX_OK);
    struct logctx__queue_counts counts = counts_of(sink_queue);
    assert_int_equal(counts.taken, THREADS * CONTEXTS);
    assert_int_equal(counts.waiting, 0);
    assert_int_equal(counts.dropped_full, 0);
    logctx__queue_close(sink_queue);
}

static void *push_one(void *argument)
{
    push(argument, 1);
    return NULL;
}

// Thousands of threads, one after the other, share one ring; at once they leave few behind.
static void test_threads_leave_nothing(void **state)
{
    (void)state;
    enum { AT_ONCE = 64 };
    struct logctx__queue *queue = make_queue(1 << 30, 0, 1 << 20);
    pthread_t thread;
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(pthread_create(&thread, NULL, push_one, queue), 0);
        pthread_join(thread, NULL);
    }
    assert_int_equal(counts_of(queue).rings, 1);
    pthread_t threads[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, push_one, queue), 0);
    }
    for (int i = 0; i < AT_ONCE; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(counts_of(queue).taken, 2000 + AT_ONCE);
    assert_int_equal(drain(queue, 1 << 20), 2000 + AT_ONCE);
    logctx__queue_tidy(queue);
    assert_true(counts_of(queue).rings <= 16);
    // What the freed rings had counted is not forgotten.
    assert_int_equal(counts_of(queue).taken, 2000 + AT_ONCE);
    logctx__queue_close(queue);
}

// A thread that lives on after the queue was closed.
static pthread_barrier_t barrier;

static void *push_and_wait(void *argument)
{
    push(argument, 2);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void test_close_before_thread_ends(void **state)
{
    (void)state;
    struct logctx__queue *queue = make_queue(1 << 30, 0, 100);
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, push_and_wait, queue), 0);
    pthread_barrier_wait(&barrier);
    logctx__queue_close(queue);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&barrier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        logctx_unit_test(test_counts),
        logctx_unit_test(test_bound_by_number),
        logctx_unit_test(test_bound_by_bytes),
        logctx_unit_test(test_wakes_at_batch),
        logctx_unit_test(test_marks),
        logctx_unit_test(test_close_with_records),
        logctx_unit_test(test_many_queues),
        logctx_unit_test(test_order_under_threads),
        logctx_unit_test(test_threads_leave_nothing),
        logctx_unit_test(test_close_before_thread_ends),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
