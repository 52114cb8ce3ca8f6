// SPDX-License-Identifier: Apache-2.0
// The pool. The wait for a connection and the transaction are charged to the context that asked, also when they begin and
// end in callbacks that were called for somebody else.
#include "pool.h"

#include <stdio.h>
#include <string.h>

static uv_loop_t *loop;
static sqlite3 *idle[POOL_CONNECTIONS];
static int idle_count;
static pool_query_t *waiting; // the first of them

bool pool_open(uv_loop_t *on, const char *path)
{
    loop = on;
    for (idle_count = 0; idle_count < POOL_CONNECTIONS; idle_count++) {
        sqlite3 **at = &idle[idle_count];
        if (sqlite3_open_v2(path, at, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, NULL)) {
            logctx_log(LOGCTX_ERROR_SEVERITY, "A connection to the database %s cannot be made: %s", path,
                       sqlite3_errmsg(*at));
            sqlite3_close(*at);
            return false;
        }
        sqlite3_busy_timeout(*at, 1000);
        // Of a database in memory that connections share: nobody waits for who reads.
        sqlite3_exec(*at, "PRAGMA read_uncommitted = 1", NULL, NULL, NULL);
    }
    return true;
}

void pool_close(void)
{
    while (idle_count > 0)
        sqlite3_close(idle[--idle_count]);
}

// On a worker thread: the loop's thread leaves the query alone until on_end().
static void work(uv_work_t *request)
{
    pool_query_t *query = request->data;
    sqlite3_stmt *statement = NULL;
    query->status = sqlite3_prepare_v2(query->connection, query->sql, -1, &statement, NULL);
    while (!query->status && sqlite3_step(statement) == SQLITE_ROW)
        if (query->rows < POOL_ROWS_MAX) {
            const char *text = (const char *)sqlite3_column_text(statement, 0);
            snprintf(query->text[query->rows++], POOL_TEXT_MAX, "%s", text ? text : "");
        }
    int status = sqlite3_finalize(statement);
    query->status = query->status ? query->status : status;
}

static void lend(void);

// In the sentinel: libuv calls it.
static void on_end(uv_work_t *request, int status)
{
    pool_query_t *query = request->data;
    idle[idle_count++] = query->connection;
    logctx_set_current(query->ctx);
    logctx_db_end(&query->cost);
    logctx_db_fetched(query->rows);
    logctx_set_current(logctx_sentinel());
    query->done(query); // the query is gone
    lend();
}

static void begin(pool_query_t *query)
{
    query->connection = idle[--idle_count];
    query->work.data = query;
    logctx_db_begin(&query->cost);
    uv_queue_work(loop, &query->work, work, on_end);
}

// To the first who waits, if there are both.
static void lend(void)
{
    pool_query_t *query = waiting;
    if (!query || idle_count == 0)
        return;
    waiting = query->next;
    logctx_t *before = logctx_set_current(query->ctx);
    logctx_db_waited((int64_t)(uv_hrtime() - query->asked));
    begin(query);
    logctx_set_current(before);
}

void pool_ask(pool_query_t *query)
{
    query->rows = 0;
    query->next = NULL;
    query->asked = uv_hrtime();
    pool_query_t **last = &waiting;
    while (*last)
        last = &(*last)->next;
    *last = query;
    lend();
}

bool pool_forget(pool_query_t *query)
{
    for (pool_query_t **at = &waiting; *at; at = &(*at)->next)
        if (*at == query) {
            *at = query->next;
            return true;
        }
    return false;
}
