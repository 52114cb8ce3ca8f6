/*
 * recorder.h: the flight recorder of one transition error as the store keeps it, OTLP/JSON of a list of strings. Owned by
 * the thread that reads it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_RECORDER_H
#define DASHBOARD_RECORDER_H

#include <stddef.h>

#include <jansson.h>

#include "flight.h"

struct recorder {
    struct flight_switch entries[FLIGHT_MAX]; /* newest first; `from` NULL: it is not in the form of a switch */
    char *texts[FLIGHT_MAX];                  /* what the entries point into */
    size_t count;
    int guilty; /* the index of the switch that most likely did it, or -1 */
};

/* An error's row; texts may be NULL. */
struct recorded_error {
    const char *kind;
    const char *expected;
    const char *found;
    const char *found_by;
    const char *set_by;
    const char *recent;
};

/* To be cleared in any case. Without a recorder it is empty. */
void recorder_read(struct recorder *recorder, const struct recorded_error *error);
void recorder_clear(struct recorder *recorder);

/* The switches as the views show them, oldest first. */
json_t *recorder_switches(const struct recorder *recorder);

/* Since when a context had been current: `{"site", "ago"}` of the newest switch to it that is not newer than the entry
 * `from`, or null. */
json_t *recorder_since(const struct recorder *recorder, const char *name, int from);

#endif
