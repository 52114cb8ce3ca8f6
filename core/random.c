// Trace and span ids: one generator for each thread (xoshiro256**, by Blackman and Vigna, in the public domain), seeded
// by the kernel, so that an id costs a few nanoseconds and no two threads or processes share a sequence.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

static uint64_t rotate(uint64_t value, int bits)
{
    return (value << bits) | (value >> (64 - bits));
}

// Only where the kernel gives nothing (early boot, a seccomp filter): different for each thread and moment.
static uint64_t mix_of_moment(struct thread *thread, unsigned round)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    uint64_t z = (uint64_t)at.tv_nsec * 0x9e3779b97f4a7c15u + (uint64_t)(uintptr_t)thread + round +
                 ((uint64_t)at.tv_sec << 32);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// Making a context is no cancellation point, and getrandom() is one: a thread cancelled here would leave half a context.
static void seed(struct thread *thread)
{
    int before;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    if (getrandom(thread->random, sizeof thread->random, GRND_NONBLOCK) != (ssize_t)sizeof thread->random)
        for (unsigned i = 0; i < 4; i++)
            thread->random[i] = mix_of_moment(thread, i) | 1;
    pthread_setcancelstate(before, NULL);
    thread->random_generation = logctx__generation();
}

static uint64_t next(struct thread *thread)
{
    uint64_t *s = thread->random;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

// A generator that gives nothing but zeros must not hang the program.
static __attribute__((noinline)) bool by_custom(uint8_t *out, size_t length)
{
    static const uint8_t zero[16];
    for (unsigned tries = 0; tries < 8 && logctx__custom_random(out, length); tries++)
        if (memcmp(out, zero, length) != 0)
            return true;
    return false;
}

// length: 8 or 16
void logctx__random_id(struct thread *thread, uint8_t *out, size_t length)
{
    if (unlikely(READ_RELAXED(logctx__has_custom_random)) && by_custom(out, length))
        return;
    if (unlikely(thread->random_generation != logctx__generation()))
        seed(thread);
    uint64_t words[2];
    do {
        words[0] = words[1] = next(thread);
        if (length > 8)
            words[1] = next(thread);
    } while (unlikely((words[0] | words[1]) == 0));
    memcpy(out, words, length > 8 ? 16 : 8);
}
