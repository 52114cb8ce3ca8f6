/*
 * local.h: the processes of this machine whose tables can be read. A resource is believed to be a process here if it names
 * this host, and the process of its id has a table of the same service, and is the same user's (or may be read for
 * another reason). Each call looks anew; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_LOCAL_H
#define DASHBOARD_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include "source.h"

/* What a resource says of its process. Borrowed; NULL and 0: it does not say. */
struct local_process {
    int64_t pid;
    const char *host;
    const char *service;
};

/* NULL: not here, or not to be read. To be closed with source_close. */
struct source *local_open(const struct local_process *process);

/* The same as a question. Who has not sent for an hour is not looked for; times are ns since 1970. */
bool local_is_here(const struct local_process *process, int64_t last, int64_t now);

#endif
