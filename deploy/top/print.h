/*
 * print.h: one look as plain text or as JSON, and the list of processes, on a stream. Of the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TOP_PRINT_H
#define LOGCTX_TOP_PRINT_H

#include "rows.h"

void print_table(const struct snapshot *snapshot, const struct options *options, FILE *out);
void print_json(const struct snapshot *snapshot, const struct options *options, FILE *out);
/* How many there are. */
size_t print_processes(FILE *out);

#endif
