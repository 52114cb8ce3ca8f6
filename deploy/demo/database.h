/*
 * database.h: the demo's SQLite. Short transactions work on the thread that calls them, so what they cost is charged to the
 * current context. Longer queries go to a pool: a few connections that are lent to who asks, each on a worker thread
 * meanwhile; who finds none free waits for its turn. Everything is called on the loop's thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DEMO_DATABASE_H
#define DEMO_DATABASE_H

#include <logctx/logctx.h>
#include <sqlite3.h>
#include <uv.h>

enum { DATABASE_POOL = 2, DATABASE_ANSWER_MAX = 4096, DATABASE_ROWS_MAX = 8, DATABASE_TEXT_MAX = 128 };

typedef struct database_query database_query_t;

// In the sentinel: the query may be freed, and the context that asked may end.
typedef void database_done_t(database_query_t *query);

struct database_query {
    char sql[512];                                   // one statement
    char text[DATABASE_ROWS_MAX][DATABASE_TEXT_MAX]; // its first column
    int rows, status;                                // SQLite's status
    logctx_t *ctx;                                   // on whose behalf; it lives until done() was called
    database_done_t *done;
    void *user;

    uv_work_t work; // from here on the database's
    sqlite3 *connection;
    logctx_db_t cost;
    uint64_t asked;
    database_query_t *next;
};

// Takes the SQL of its schema, from sqlite3_mprintf(). False: it cannot be used; the log says why.
bool database_open(uv_loop_t *loop, const char *path, char *schema);
void database_close(void);

// One transaction, of SQL from sqlite3_mprintf(), which it frees. What it selects is added to `answer`, a line for each row.
// Returns a status of HTTP: `good` or 500.
int database_transact(char *answer, int good, char *sql);

// Never calls done() before it returns. In any context.
void database_ask(database_query_t *query);

// True: it still waited for a connection, and done() will not be called. False: it will be, when the query has ended.
bool database_forget(database_query_t *query);

#endif
