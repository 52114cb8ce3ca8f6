// SPDX-License-Identifier: Apache-2.0
// The database. The wait for a connection and the transaction are charged to the context that asked, also when they begin and
// end in callbacks that were called for somebody else.
#include "database.h"
#include "account.h"

#include <stdio.h>
#include <string.h>

enum { BUSY_MS = 1000 };

static uv_loop_t *loop;
static sqlite3 *database;
static sqlite3 *idle[DATABASE_POOL];
static int idle_count;
static database_query_t *waiting; // the first of them

// ---- On the loop's thread ----

static int on_row(void *answer, int count, char **values, char **names)
{
    size_t used = strlen(answer);
    snprintf((char *)answer + used, DATABASE_ANSWER_MAX - used, "%s\n", values[0]);
    logctx_db_fetched(1);
    account.rows++;
    return 0;
}

int database_transact(char *answer, int good, char *sql)
{
    logctx_db_t cost;
    logctx_db_begin(&cost);
    int status = sql && !sqlite3_exec(database, sql, on_row, answer, NULL) ? good : 500;
    if (status == 500)
        logctx_log(LOGCTX_ERROR_SEVERITY, "The database refused a transaction: %s", sqlite3_errmsg(database));
    if (!sqlite3_get_autocommit(database))
        sqlite3_exec(database, "ROLLBACK", NULL, NULL, NULL);
    logctx_db_end(&cost);
    account.transactions++;
    sqlite3_free(sql);
    return status;
}

static bool open_pool(const char *path, int flags)
{
    for (idle_count = 0; idle_count < DATABASE_POOL; idle_count++) {
        sqlite3 **at = &idle[idle_count];
        if (sqlite3_open_v2(path, at, flags, NULL)) {
            logctx_log(LOGCTX_ERROR_SEVERITY, "There is no further connection to the database: %s",
                       sqlite3_errmsg(*at));
            sqlite3_close(*at);
            return false;
        }
        sqlite3_busy_timeout(*at, BUSY_MS);
        // Of a database in memory that connections share: who reads waits for nobody.
        sqlite3_exec(*at, "PRAGMA read_uncommitted = 1", NULL, NULL, NULL);
    }
    return true;
}

bool database_open(uv_loop_t *on, const char *path, char *schema)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI;
    const char *shared = strcmp(path, ":memory:") ? path : "file:demo?mode=memory&cache=shared";
    loop = on;
    sqlite3_open_v2(shared, &database, flags, NULL); // if that fails, so does the transaction, and says why
    sqlite3_busy_timeout(database, BUSY_MS);
    return database_transact(NULL, 200, schema) == 200 && open_pool(shared, flags);
}

void database_close(void)
{
    while (idle_count > 0)
        sqlite3_close(idle[--idle_count]);
    sqlite3_close(database);
}

// ---- The pool ----

// On a worker thread: the loop's thread leaves the query alone until on_end(). What it costs there is charged to a child.
static void work(uv_work_t *request)
{
    database_query_t *query = request->data;
    LOGCTX_SCOPE(logctx_new_on_thread(query->ctx));
    sqlite3_stmt *statement = NULL;
    query->status = sqlite3_prepare_v2(query->connection, query->sql, -1, &statement, NULL);
    while (!query->status && sqlite3_step(statement) == SQLITE_ROW)
        if (query->rows < DATABASE_ROWS_MAX) {
            const char *text = (const char *)sqlite3_column_text(statement, 0);
            snprintf(query->text[query->rows++], DATABASE_TEXT_MAX, "%s", text ? text : "");
        }
    int status = sqlite3_finalize(statement);
    query->status = query->status ? query->status : status;
}

static void lend(void);

// In the sentinel: libuv calls it.
static void on_end(uv_work_t *request, int status)
{
    database_query_t *query = request->data;
    idle[idle_count++] = query->connection;
    account.queries++;
    account.transactions++;
    account.rows += (uint64_t)query->rows;
    logctx_set_current(query->ctx);
    logctx_db_end(&query->cost);
    logctx_db_fetched(query->rows);
    logctx_set_current(logctx_sentinel());
    query->done(query); // the query is gone
    lend();
}

static void begin(database_query_t *query)
{
    query->connection = idle[--idle_count];
    query->work.data = query;
    logctx_db_begin(&query->cost);
    uv_queue_work(loop, &query->work, work, on_end);
}

// To the first who waits, if there are both.
static void lend(void)
{
    database_query_t *query = waiting;
    if (!query || idle_count == 0)
        return;
    waiting = query->next;
    logctx_t *before = logctx_set_current(query->ctx);
    logctx_db_waited((int64_t)(uv_hrtime() - query->asked));
    begin(query);
    logctx_set_current(before);
}

void database_ask(database_query_t *query)
{
    query->rows = 0;
    query->next = NULL;
    query->asked = uv_hrtime();
    database_query_t **last = &waiting;
    while (*last)
        last = &(*last)->next;
    *last = query;
    lend();
}

bool database_forget(database_query_t *query)
{
    for (database_query_t **at = &waiting; *at; at = &(*at)->next)
        if (*at == query) {
            *at = query->next;
            return true;
        }
    return false;
}
