/*
 * summary.h: the text view of a store, for a person. It opens the file for reading only, also while a
 * logctx-dashboard writes to it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_SUMMARY_H
#define DASHBOARD_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct summary_options {
    int width;
    bool color;
};

/* False: the store cannot be read, and `why` says why. What is wrong with `out` shows in ferror(out). */
bool summary_print(const char *path, const struct summary_options *options, FILE *out, char *why, size_t why_size);

#endif
