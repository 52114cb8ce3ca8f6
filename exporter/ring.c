/*
 * ring.c: single-producer, single-consumer rings of record pointers, made of linked segments.
 *
 * Who owns what: a ring's producer fields belong to the thread that holds the ring, its consumer fields to the queue's
 * consumer, and `published` is the bridge. A ring changes hands between threads under the queue's lock only. The list
 * of rings grows under the lock at its head and shrinks under the lock by the consumer alone, so the consumer may walk
 * it without. The lock is a leaf: nothing else is taken while it is held.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ring.h"
#include "fork.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    SETTLE_COUNT = 64, // records read before `fill` is told: each time the producers have to fetch its cache line again
    LOOK_AHEAD = 512,  // bytes of the next record that are fetched while this one is encoded
    SEGMENT_SLOTS = 62,
    MAX_QUEUES = 8,  // that one thread pushes to: the core has at most 4 sinks
    TURN = 64,       // records in a row from one ring, so that a busy thread does not keep others waiting
    IDLE_RINGS = 16, // kept for the next threads
    COUNT_SHIFT = 40
};

struct segment {
    // Written by the producer before it publishes the first record behind it, hence relaxed.
    _Atomic(struct segment *) next;
    logctx_record_t *slots[SEGMENT_SLOTS];
};

struct ring {
    struct ring *next;      // in the queue's list
    struct ring *next_idle; // under the lock
    bool idle;              // under the lock: no thread holds it

    // The producer's.
    struct segment *last;
    unsigned filled; // slots of `last`
    // Written by the producer alone (relaxed), read by whoever counts.
    _Atomic uint64_t taken;
    _Atomic uint64_t dropped_full;
    _Atomic uint64_t dropped_no_memory;

    // Release by the producer after the slot is written; acquire by the consumer before it is read.
    _Atomic uint64_t published;
    // An emptied segment on its way back to the producer: release by the consumer, acquire by the producer.
    _Atomic(struct segment *) spare;

    // The consumer's.
    struct segment *first;
    unsigned read; // slots of `first`
    uint64_t consumed;
    uint64_t mark;
};

struct logctx__queue {
    struct logctx__queue_limits limits;
    void (*wake)(void *user);
    void *user;
    uint32_t generation;
    uint64_t id; // never used twice, so that a thread's slot of a queue that is gone matches nothing

    // Number of records << COUNT_SHIFT | their bytes. One atomic for both bounds: the limits keep each part in its
    // bits. Relaxed: what orders the records is `published`.
    _Atomic uint64_t fill;

    pthread_mutex_t lock;
    struct ring *rings; // see above
    struct ring *idle;  // under the lock
    unsigned idle_count;
    unsigned ring_count;
    unsigned holders;                               // under the lock: threads with a slot for this queue, and the owner
    bool closed;                                    // under the lock
    uint64_t gone_taken, gone_full, gone_no_memory; // under the lock: the counts of rings that were freed

    // The consumer's.
    struct ring *turn;
    unsigned turn_left;
    // What it has read and not taken off `fill` yet, in the same form. Written by it alone, read by whoever counts.
    _Atomic uint64_t read_since;

    // Pushes that found no memory for a ring. Relaxed.
    _Atomic uint64_t ringless;
};

struct slot {
    struct logctx__queue *queue;
    uint64_t id;
    struct ring *ring;
};

struct thread {
    struct slot slots[MAX_QUEUES];
    bool registered; // for the destructor
};

static _Thread_local struct thread this_thread;
static pthread_key_t thread_key;
static bool thread_key_works;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic uint64_t next_id = 1;

static void add_owned(_Atomic uint64_t *counter)
{
    // One writer: a load and a store are cheaper than a locked add.
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + 1, memory_order_relaxed);
}

// Rings.

static struct segment *segment_new(void)
{
    return calloc(1, sizeof(struct segment));
}

static struct ring *ring_new(void)
{
    struct ring *ring = calloc(1, sizeof *ring);
    struct segment *segment = segment_new();
    if (ring == NULL || segment == NULL) {
        free(ring);
        free(segment);
        return NULL;
    }
    ring->first = ring->last = segment;
    return ring;
}

static void ring_free(struct ring *ring)
{
    for (struct segment *segment = ring->first, *next; segment != NULL; segment = next) {
        next = atomic_load_explicit(&segment->next, memory_order_relaxed);
        free(segment);
    }
    free(atomic_load_explicit(&ring->spare, memory_order_acquire));
    free(ring);
}

// Producer: a segment behind the last one.
static bool ring_extend(struct ring *ring)
{
    struct segment *segment = atomic_exchange_explicit(&ring->spare, NULL, memory_order_acquire);
    if (segment == NULL) {
        segment = segment_new();
    }
    if (segment == NULL) {
        return false;
    }
    atomic_store_explicit(&segment->next, NULL, memory_order_relaxed);
    atomic_store_explicit(&ring->last->next, segment, memory_order_relaxed);
    ring->last = segment;
    ring->filled = 0;
    return true;
}

static bool ring_put(struct ring *ring, logctx_record_t *record)
{
    if (ring->filled == SEGMENT_SLOTS && !ring_extend(ring)) {
        return false;
    }
    ring->last->slots[ring->filled++] = record;
    uint64_t published = atomic_load_explicit(&ring->published, memory_order_relaxed);
    atomic_store_explicit(&ring->published, published + 1, memory_order_release);
    return true;
}

static bool ring_is_empty(const struct ring *ring)
{
    return atomic_load_explicit(&ring->published, memory_order_acquire) == ring->consumed;
}

// Consumer: steps to the next segment if the first one is read.
static void ring_advance(struct ring *ring)
{
    if (ring->read < SEGMENT_SLOTS) {
        return;
    }
    struct segment *empty = ring->first;
    struct segment *expected = NULL;
    ring->first = atomic_load_explicit(&empty->next, memory_order_relaxed);
    ring->read = 0;
    if (!atomic_compare_exchange_strong_explicit(&ring->spare, &expected, empty, memory_order_release,
                                                 memory_order_relaxed)) {
        free(empty);
    }
}

// Threads.

static void queue_free(struct logctx__queue *queue)
{
    for (struct ring *ring = queue->rings, *next; ring != NULL; ring = next) {
        next = ring->next;
        ring_free(ring);
    }
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

// A thread lets go of a queue: its ring is the next thread's, or of nobody if the queue is closed.
static void slot_release(struct slot *slot)
{
    struct logctx__queue *queue = slot->queue;
    if (queue == NULL) {
        return;
    }
    struct ring *ring = slot->ring;
    *slot = (struct slot){.queue = NULL};
    if (queue->generation != logctx__fork_generation()) {
        // Inherited by fork: the lock may be held by a thread that does not exist here.
        return;
    }
    pthread_mutex_lock(&queue->lock);
    ring->idle = true;
    ring->next_idle = queue->idle;
    queue->idle = ring;
    queue->idle_count++;
    bool last = --queue->holders == 0;
    pthread_mutex_unlock(&queue->lock);
    if (last) {
        queue_free(queue);
    }
}

static void thread_ends(void *argument)
{
    struct thread *thread = argument;
    thread->registered = false;
    for (int i = 0; i < MAX_QUEUES; i++) {
        slot_release(&thread->slots[i]);
    }
}

static void make_thread_key(void)
{
    thread_key_works = pthread_key_create(&thread_key, thread_ends) == 0;
}

static bool is_closed(struct logctx__queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool closed = queue->closed;
    pthread_mutex_unlock(&queue->lock);
    return closed;
}

// A slot that is free, or that can be freed because its queue is closed or from before a fork.
static struct slot *slot_find(struct thread *thread)
{
    for (int i = 0; i < MAX_QUEUES; i++) {
        struct slot *slot = &thread->slots[i];
        if (slot->queue != NULL && (slot->queue->generation != logctx__fork_generation() || is_closed(slot->queue))) {
            slot_release(slot);
        }
        if (slot->queue == NULL) {
            return slot;
        }
    }
    return NULL;
}

// Under the lock.
static struct ring *ring_take(struct logctx__queue *queue)
{
    struct ring *ring = queue->idle;
    if (ring != NULL) {
        queue->idle = ring->next_idle;
        queue->idle_count--;
        ring->idle = false;
        return ring;
    }
    ring = ring_new();
    if (ring != NULL) {
        ring->next = queue->rings;
        queue->rings = ring;
        queue->ring_count++;
    }
    return ring;
}

static struct ring *ring_register(struct logctx__queue *queue)
{
    struct thread *thread = &this_thread;
    struct slot *slot = slot_find(thread);
    if (slot == NULL || !thread_key_works) {
        return NULL;
    }
    if (!thread->registered) {
        // Also after the destructor has run: other destructors of a thread finish contexts.
        if (pthread_setspecific(thread_key, thread) != 0) {
            return NULL;
        }
        thread->registered = true;
    }
    pthread_mutex_lock(&queue->lock);
    struct ring *ring = ring_take(queue);
    if (ring != NULL) {
        *slot = (struct slot){.queue = queue, .id = queue->id, .ring = ring};
        queue->holders++;
    }
    pthread_mutex_unlock(&queue->lock);
    return ring;
}

static struct ring *ring_of_thread(struct logctx__queue *queue)
{
    for (int i = 0; i < MAX_QUEUES; i++) {
        if (this_thread.slots[i].id == queue->id) {
            return this_thread.slots[i].ring;
        }
    }
    return ring_register(queue);
}

// The queue.

struct logctx__queue *logctx__queue_new(const struct logctx__queue_limits *limits, void (*wake)(void *user), void *user)
{
    logctx__fork_watch();
    pthread_once(&once, make_thread_key);
    struct logctx__queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL) {
        return NULL;
    }
    queue->limits = *limits;
    if (queue->limits.count == 0) {
        queue->limits.count = (uint64_t)1 << 23;
    }
    queue->wake = wake;
    queue->user = user;
    queue->generation = logctx__fork_generation();
    queue->id = atomic_fetch_add_explicit(&next_id, 1, memory_order_relaxed);
    queue->holders = 1;
    pthread_mutex_init(&queue->lock, NULL);
    return queue;
}

void logctx__queue_close(struct logctx__queue *queue)
{
    while (logctx__queue_front(queue) != NULL) {
        logctx_record_t *record = logctx__queue_front(queue);
        logctx__queue_pop(queue);
        logctx_record_unref(record);
    }
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    bool last = --queue->holders == 0;
    pthread_mutex_unlock(&queue->lock);
    if (last) {
        queue_free(queue);
    }
}

static uint64_t weight_of(const logctx_record_t *record)
{
    return ((uint64_t)1 << COUNT_SHIFT) | (uint64_t)logctx_record_span(record)->bytes;
}

static uint64_t fill_count(uint64_t fill)
{
    return fill >> COUNT_SHIFT;
}

static uint64_t fill_bytes(uint64_t fill)
{
    return fill & (((uint64_t)1 << COUNT_SHIFT) - 1);
}

void logctx__queue_push(struct logctx__queue *queue, logctx_record_t *record)
{
    struct ring *ring = ring_of_thread(queue);
    if (ring == NULL) {
        atomic_fetch_add_explicit(&queue->ringless, 1, memory_order_relaxed);
        logctx_record_unref(record);
        return;
    }
    add_owned(&ring->taken);
    uint64_t weight = weight_of(record);
    uint64_t before = atomic_fetch_add_explicit(&queue->fill, weight, memory_order_relaxed);
    uint64_t after = before + weight;
    if (fill_count(after) > queue->limits.count || fill_bytes(after) > queue->limits.bytes) {
        atomic_fetch_sub_explicit(&queue->fill, weight, memory_order_relaxed);
        add_owned(&ring->dropped_full);
        logctx_record_unref(record);
        return;
    }
    if (!ring_put(ring, record)) {
        atomic_fetch_sub_explicit(&queue->fill, weight, memory_order_relaxed);
        add_owned(&ring->dropped_no_memory);
        logctx_record_unref(record);
        return;
    }
    // Of all that push, exactly one sees the number that completes a batch; the same for half of the bytes, lest few
    // large records fill the queue before there are enough of them.
    uint64_t half = queue->limits.bytes / 2;
    if (fill_count(after) == queue->limits.batch || (fill_bytes(before) < half && fill_bytes(after) >= half)) {
        queue->wake(queue->user);
    }
}

static struct ring *rings_of(struct logctx__queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    struct ring *rings = queue->rings;
    pthread_mutex_unlock(&queue->lock);
    return rings;
}

static void settle(struct logctx__queue *queue)
{
    uint64_t read = atomic_load_explicit(&queue->read_since, memory_order_relaxed);
    if (read == 0) {
        return;
    }
    atomic_fetch_sub_explicit(&queue->fill, read, memory_order_relaxed);
    atomic_store_explicit(&queue->read_since, 0, memory_order_relaxed);
}

static void look_ahead(const struct ring *ring)
{
    if (ring->read + 1 < SEGMENT_SLOTS &&
        atomic_load_explicit(&ring->published, memory_order_acquire) > ring->consumed + 1) {
        const char *record = (const char *)ring->first->slots[ring->read + 1];
        for (size_t at = 0; at < LOOK_AHEAD; at += 64) {
            __builtin_prefetch(record + at);
        }
    }
}

// From the ring behind `turn` on, once around.
static struct ring *next_filled(struct logctx__queue *queue)
{
    struct ring *rings = rings_of(queue);
    for (struct ring *ring = queue->turn != NULL ? queue->turn->next : NULL; ring != NULL; ring = ring->next) {
        if (!ring_is_empty(ring)) {
            return ring;
        }
    }
    for (struct ring *ring = rings; ring != NULL; ring = ring->next) {
        if (!ring_is_empty(ring)) {
            return ring;
        }
    }
    return NULL;
}

logctx_record_t *logctx__queue_front(struct logctx__queue *queue)
{
    if (queue->turn == NULL || queue->turn_left == 0 || ring_is_empty(queue->turn)) {
        struct ring *next = next_filled(queue);
        if (next == NULL) {
            settle(queue);
            return NULL;
        }
        queue->turn = next;
        queue->turn_left = TURN;
    }
    struct ring *ring = queue->turn;
    ring_advance(ring);
    look_ahead(ring);
    return ring->first->slots[ring->read];
}

void logctx__queue_pop(struct logctx__queue *queue)
{
    struct ring *ring = queue->turn;
    uint64_t weight = weight_of(ring->first->slots[ring->read]);
    ring->read++;
    ring->consumed++;
    queue->turn_left--;
    uint64_t read = atomic_load_explicit(&queue->read_since, memory_order_relaxed) + weight;
    atomic_store_explicit(&queue->read_since, read, memory_order_relaxed);
    if (fill_count(read) >= SETTLE_COUNT || ring_is_empty(ring)) {
        settle(queue);
    }
}

void logctx__queue_mark(struct logctx__queue *queue)
{
    for (struct ring *ring = rings_of(queue); ring != NULL; ring = ring->next) {
        ring->mark = atomic_load_explicit(&ring->published, memory_order_acquire);
    }
}

bool logctx__queue_has_marked(struct logctx__queue *queue)
{
    for (struct ring *ring = rings_of(queue); ring != NULL; ring = ring->next) {
        if (ring->consumed < ring->mark) {
            return true;
        }
    }
    return false;
}

// Under the lock: takes an idle ring out of both lists.
static void unlink_ring(struct logctx__queue *queue, struct ring *ring)
{
    struct ring **at = &queue->rings;
    while (*at != ring) {
        at = &(*at)->next;
    }
    *at = ring->next;
    queue->ring_count--;
    queue->idle_count--;
    queue->gone_taken += atomic_load_explicit(&ring->taken, memory_order_relaxed);
    queue->gone_full += atomic_load_explicit(&ring->dropped_full, memory_order_relaxed);
    queue->gone_no_memory += atomic_load_explicit(&ring->dropped_no_memory, memory_order_relaxed);
}

void logctx__queue_tidy(struct logctx__queue *queue)
{
    settle(queue);
    pthread_mutex_lock(&queue->lock);
    struct ring **at = &queue->idle;
    while (queue->idle_count > IDLE_RINGS && *at != NULL) {
        struct ring *ring = *at;
        if (!ring_is_empty(ring)) {
            at = &ring->next_idle;
            continue;
        }
        *at = ring->next_idle;
        unlink_ring(queue, ring);
        if (queue->turn == ring) {
            queue->turn = NULL;
        }
        ring_free(ring);
    }
    pthread_mutex_unlock(&queue->lock);
}

void logctx__queue_count(struct logctx__queue *queue, struct logctx__queue_counts *out)
{
    uint64_t ringless = atomic_load_explicit(&queue->ringless, memory_order_relaxed);
    pthread_mutex_lock(&queue->lock);
    *out = (struct logctx__queue_counts){.taken = ringless + queue->gone_taken,
                                         .dropped_full = queue->gone_full,
                                         .dropped_no_memory = ringless + queue->gone_no_memory,
                                         .rings = queue->ring_count};
    for (const struct ring *ring = queue->rings; ring != NULL; ring = ring->next) {
        out->taken += atomic_load_explicit(&ring->taken, memory_order_relaxed);
        out->dropped_full += atomic_load_explicit(&ring->dropped_full, memory_order_relaxed);
        out->dropped_no_memory += atomic_load_explicit(&ring->dropped_no_memory, memory_order_relaxed);
    }
    pthread_mutex_unlock(&queue->lock);
    uint64_t fill = atomic_load_explicit(&queue->fill, memory_order_relaxed);
    uint64_t read = atomic_load_explicit(&queue->read_since, memory_order_relaxed);
    bool settled = fill_count(read) > fill_count(fill) || fill_bytes(read) > fill_bytes(fill); // between the two loads
    out->waiting = fill_count(fill) - (settled ? 0 : fill_count(read));
    out->waiting_bytes = fill_bytes(fill) - (settled ? 0 : fill_bytes(read));
}

bool logctx__queue_is_ready(const struct logctx__queue *queue)
{
    uint64_t fill = atomic_load_explicit(&queue->fill, memory_order_relaxed);
    return fill_count(fill) >= queue->limits.batch || fill_bytes(fill) >= queue->limits.bytes / 2;
}
