/*
 * pool.h: a few connections to the database that are lent to who asks; each works on a thread of its own meanwhile. Who finds
 * none free waits for its turn. Everything is called on the loop's thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DEMO_POOL_H
#define DEMO_POOL_H

#include <logctx/logctx.h>
#include <sqlite3.h>
#include <uv.h>

enum { POOL_CONNECTIONS = 2, POOL_ROWS_MAX = 8, POOL_TEXT_MAX = 128 };

typedef struct pool_query pool_query_t;

// In the sentinel: the query may be freed, and the context that asked may end.
typedef void pool_done_t(pool_query_t *query);

struct pool_query {
    char sql[512];                           // one statement
    char text[POOL_ROWS_MAX][POOL_TEXT_MAX]; // its first column
    int rows, status;                        // SQLite's status
    logctx_t *ctx;                           // on whose behalf; it lives until done() was called
    pool_done_t *done;
    void *user;

    uv_work_t work; // from here on the pool's
    sqlite3 *connection;
    logctx_db_t cost;
    uint64_t asked;
    pool_query_t *next;
};

// False: the database cannot be opened; the log says why.
bool pool_open(uv_loop_t *loop, const char *path);
void pool_close(void);

// Never calls done() before it returns. In any context.
void pool_ask(pool_query_t *query);

// True: it still waited for a connection, and done() will not be called. False: it will be, when the query has ended.
bool pool_forget(pool_query_t *query);

#endif
