// SPDX-License-Identifier: Apache-2.0
// One scenario as it stands in a file: its id, what it does and what is expected of it. Read only once read.
// Belongs to the thread that read it; the threads of its run only look.

#ifndef CONFORMANCE_SCENARIO_H
#define CONFORMANCE_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

typedef struct scenario {
    json_t *root; // holds what follows
    const char *id;
    const char *group;
    const json_t *ops;
    const json_t *expect; // NULL if the file does not say
} scenario_t;

/* Reads a line of a file. False if it holds no scenario; `problem` then says why, in a sentence. */
bool scenario_read(scenario_t *scenario, const char *line, size_t length, char *problem, size_t size);

void scenario_close(scenario_t *scenario);

#endif
