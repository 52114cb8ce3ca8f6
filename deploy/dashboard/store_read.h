/*
 * store_read.h: opens a store to read from it, also while a logctx-dashboard writes. The connection is the caller's, for
 * one thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_STORE_READ_H
#define DASHBOARD_STORE_READ_H

#include <stdbool.h>
#include <stddef.h>

#include <sqlite3.h>

/* False: `why` says why. In any case *db is to be closed. */
bool store_read_open(sqlite3 **db, const char *path, char *why, size_t why_size);

#endif
