// SPDX-License-Identifier: Apache-2.0
// The trace of one scenario: its records, and the events that wait for the next record. Only one thread of a
// scenario runs at a time (the others are joining it), so that nothing here needs a lock.

#ifndef CONFORMANCE_TRACE_H
#define CONFORMANCE_TRACE_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

typedef struct trace {
    json_t *records; // what section 2 of the format describes, in the order of time
    json_t *events;  // raised since the last record
} trace_t;

void trace_open(trace_t *trace);
void trace_close(trace_t *trace);

/* From here on the library's errors become events of this trace; with NULL they go nowhere. */
void trace_listen(trace_t *trace);

/* Add the record of `path`, with the events that wait. `result` may be NULL; its reference is taken. */
void trace_record(trace_t *trace, const char *path, json_t *result);

/* Is the trace what was expected? If not, the first record that differs is printed from both sides. */
bool trace_compare(const trace_t *trace, const json_t *expect, const char *id, FILE *out);

/* One line: {"id":...,"expect":[...]} */
void trace_print(const trace_t *trace, const char *id, FILE *out);

/* A JSON string of what the library printed, UTF-8 or not. */
json_t *trace_text(const char *text);

#endif
