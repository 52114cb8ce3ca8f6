// SPDX-License-Identifier: Apache-2.0
// The clock that the library runs on here: each thread has CPU time that moves only when a scenario says so,
// and a thread's identity is the scenario's label for it. The time of a thread belongs to that thread; the
// labels belong to whatever thread of the scenario runs.

#ifndef CONFORMANCE_CLOCK_H
#define CONFORMANCE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* One thread's time and identity. */
typedef struct clock_thread {
    uint64_t id;
    int64_t user_ns;
    int64_t system_ns;
    int64_t tick_user_ns; // what each reading is followed by
    int64_t tick_system_ns;
} clock_thread_t;

/* Install the clock, with the calling thread as the one labelled "main". False if the library refused it. */
bool clock_install(void);

/* The clock of a new scenario: readable, and the calling thread's time at 0/0 and standing still. */
void clock_reset(void);

/* A thread's time at 0/0; the same label has the same identity whenever it comes. */
void clock_thread_init(clock_thread_t *thread, const char *label);

/* The calling thread runs on `thread`, which has to live until the join: the library may ask at its end. */
void clock_attach(clock_thread_t *thread);

/* The calling thread's time goes on, or back. False, and nothing happens, if it would be out of range. */
bool clock_advance(int64_t user_ns, int64_t system_ns);

/* From now on every reading of the calling thread's time is followed by an advance. */
void clock_tick(int64_t user_ns, int64_t system_ns);

/* From now on no thread's CPU time can be read, as on a platform that has none, until the next scenario. */
void clock_break(void);

/* Forget the labels. No thread but the calling one may be left. */
void clock_close(void);

#endif
