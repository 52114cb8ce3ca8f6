// SPDX-License-Identifier: Apache-2.0
// The reference's report of its background processes (section 4.9 of the format: report, bg_scrape,
// bg_metrics), computed from what the library tells its process observer and from usage snapshots.
// Whatever thread of the scenario runs owns it.

#ifndef CONFORMANCE_PROCESSES_H
#define CONFORMANCE_PROCESSES_H

#include <stdint.h>

#include <logctx/process.h>
#include <logctx/usage.h>

/* What is reported for one description. */
typedef struct process_row {
    const char *desc; // of the kind: for ever
    int64_t started;
    int64_t in_flight;
    logctx_usage_t sum;
} process_row_t;

/* Listen to the library, until processes_reset(). */
void processes_install(void);

/* The end of a scenario: everything is forgotten, and what comes to an end from here on is nobody's. */
void processes_reset(void);

/* The row of a description, made if there is none. Valid until the next row is made. */
process_row_t *processes_row(const char *desc);

/* Report each process that has run since the last scrape. */
void processes_scrape(void);

#endif
