/*
 * schema.h: the tables of the store, and the steps from one version of them to the next.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_SCHEMA_H
#define DASHBOARD_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

/* "lctx" in ASCII; in the file's header, so that no other program's database is taken for a store. */
enum { SCHEMA_APPLICATION_ID = 0x6C637478 };

/* Brings a new or an older store to the present version. False: `why` says why. */
bool schema_prepare(sqlite3 *db, char *why, size_t why_size);

/* Is this a store, of a version that this program can read? False: `why` says why not. */
bool schema_check(sqlite3 *db, char *why, size_t why_size);

/* The first column of the first row of a statement, as an integer; 0 if there is none. */
int64_t schema_number(sqlite3 *db, const char *sql);

#endif
