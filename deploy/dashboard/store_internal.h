/*
 * store_internal.h: the store as its three files see it: opening and transactions (store.c), rows (store_rows.c) and
 * what goes when it is full (store_prune.c). Owned by the thread that writes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_STORE_INTERNAL_H
#define DASHBOARD_STORE_INTERNAL_H

#include <sqlite3.h>

#include "store.h"

enum statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_COUNT_UP,
    STATEMENT_RESOURCE_FIND,
    STATEMENT_RESOURCE_ADD,
    STATEMENT_SERIES_FIND,
    STATEMENT_SERIES_ADD,
    STATEMENT_SPAN_ADD,
    STATEMENT_EVENT_ADD,
    STATEMENT_LINK_ADD,
    STATEMENT_ERROR_ADD,
    STATEMENT_POINT_ADD,
    STATEMENT_HEARD,
    STATEMENT_ARRIVED,
    STATEMENTS,
};

/* A resource that sent something in the transaction at hand. */
struct heard {
    int64_t resource;
    int64_t contexts;
};

enum { HEARD_MAX = 16, ARRIVAL_SECONDS = 60 };

struct store {
    sqlite3 *db;
    struct store_limits limits;
    sqlite3_stmt *statements[STATEMENTS];
    int64_t counts[STORE_COUNTER_COUNT]; /* of the transaction at hand */
    int64_t spans;                       /* rows in the file; kept, because counting them takes long */
    int64_t points;
    int64_t series;
    int64_t resources;
    int64_t (*clock)(void);
    int64_t arrived; /* when the last row of `arrival` was made; 0: not by this process */
    struct heard heard[HEARD_MAX];
    int heard_count;
    struct logctx__text scratch;
    bool refused_rows;
    char why[256];
};

/* Remembers SQLite's message; always false. */
bool store__failed(struct store *store);

/* The prepared statement, reset and without values; NULL: failed. */
sqlite3_stmt *store__statement(struct store *store, enum statement which);

/* Steps a statement that gives no rows. */
bool store__run(struct store *store, sqlite3_stmt *statement);

/* Notes that a resource sent something, and writes down what was noted. False: failed. */
bool store__hear(struct store *store, int64_t resource, int64_t contexts);
bool store__write_heard(struct store *store);

/* Inside the transaction: deletes what is beyond the limits, a bounded number of rows at a time. */
bool store__prune(struct store *store);

#endif
