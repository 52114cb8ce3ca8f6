// SPDX-License-Identifier: Apache-2.0
/*
 * The service: rooms and their messages in SQLite, a report, a background job, and three mistakes on purpose. Handlers
 * run on the loop's thread, in their request's context, and so does SQLite: what it costs is charged to that context.
 * Only make_report() runs on a worker thread.
 */
#include "demo.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sqlite3 *database;
static uv_loop_t *loop;
static uv_timer_t every_second;
static uv_idle_t next_turn;

static int on_row(void *user, int count, char **values, char **names)
{
    (void)count, (void)names;
    request_t *request = user;
    size_t used = strlen(request->answer);
    snprintf(request->answer + used, sizeof request->answer - used, "%s\n", values[0]);
    account.rows++;
    logctx_db_fetched(1);
    return 0;
}

// One transaction of the context that is current. What it selects goes to the answer, a line for each row.
static bool transact(request_t *request, char *sql)
{
    logctx_db_t cost;
    logctx_db_begin(&cost);
    bool good = sql && !sqlite3_exec(database, sql, on_row, request, NULL);
    if (!good) {
        logctx_log(LOGCTX_ERROR_SEVERITY, "The database refused a transaction: %s", sqlite3_errmsg(database));
        sqlite3_exec(database, "ROLLBACK", NULL, NULL, NULL);
    }
    logctx_db_end(&cost);
    account.transactions++;
    sqlite3_free(sql);
    return good;
}

static void get_room(request_t *request)
{
    const char *id = strrchr(request->path, '/') + 1;
    size_t length = strlen(id);
    if (length < 1 || length > 18 || strspn(id, "0123456789") != length)
        http_answer(request, 400, "The id of a room is a number of at most 18 digits.\n");
    else if (!transact(request, sqlite3_mprintf("BEGIN; SELECT name FROM rooms WHERE id = %s; SELECT text FROM messages"
                                                " WHERE room = %s ORDER BY id DESC LIMIT 20; COMMIT",
                                                id, id)))
        http_answer(request, 500, NULL);
    else
        http_answer(request, request->answer[0] ? 200 : 404, request->answer);
}

static void post_room(request_t *request)
{
    if (request->body_length < 1 || request->body_length > 64 || strlen(request->body) != request->body_length)
        http_answer(request, 400, "The body is the room's name: 1 to 64 bytes of text.\n");
    else if (!transact(request, sqlite3_mprintf("BEGIN; INSERT INTO rooms (name) VALUES (%Q) RETURNING '/rooms/' || id;"
                                                "INSERT INTO messages (room, text) VALUES (last_insert_rowid(), "
                                                "'Opened'); COMMIT",
                                                request->body)))
        http_answer(request, 500, NULL);
    else
        http_answer(request, 201, request->answer);
}

// In the background, every second: it is nobody's request, so it has a root context of its own.
static void prune_rooms(uv_timer_t *timer)
{
    (void)timer;
    LOGCTX_SCOPE(new_background("prune_rooms"));
    account.background_runs++;
    transact(NULL, sqlite3_mprintf("DELETE FROM rooms WHERE id BETWEEN 101 AND (SELECT max(id) FROM rooms) - 10000"));
}

// ---- Work on another thread. A context belongs to one thread; the worker gets a child: same name, kind, trace. ----

static void count_primes(uv_work_t *work)
{
    request_t *request = work->data; // its context is alive: it ends on the loop's thread, after on_report()
    LOGCTX_SCOPE(logctx_new_on_thread(request->ctx));
    int primes = 0;
    for (int number = 2, divisor; number < 200000; number++) {
        for (divisor = 2; divisor * divisor <= number && number % divisor; divisor++)
            ;
        primes += divisor * divisor > number;
    }
    snprintf(request->answer, sizeof request->answer, "%d primes below 200000\n", primes);
}

static void on_report(uv_work_t *work, int status)
{
    (void)status; // says whether it was cancelled; ours never are
    request_t *request = work->data;
    logctx_set_current(request->ctx); // who completes the work puts its context back before its code goes on ...
    http_answer(request, 200, request->answer);
    logctx_set_current(logctx_sentinel()); // ... and returns to the loop in the sentinel
}

static void get_report(request_t *request)
{
    account.worker_jobs++;
    request->work.data = request;
    uv_queue_work(loop, &request->work, count_primes, on_report);
}

// ---- Three mistakes. Each is the one line that is marked; the library tells its place, its context and its kind. ----

// A callback puts the sentinel back as if the loop had called it. It was called in the request's context though, which
// then ends where it is not current any more: context_lost.
static void clear_context(request_t *request)
{
    (void)request;
    account.bugs_lost++;
    logctx_set_current(logctx_sentinel()); // BUG: lost
}

static void bug_lost(request_t *request)
{
    request->sent = clear_context;
    http_answer(request, 200, "This context gets lost.\n");
}

// A callback of the loop puts its context back and returns without setting the sentinel; what runs next would be
// charged to this request: leaked_to_loop. The idle phase comes just before the poll, and one leak a turn is all that
// it makes, so that each is found before another callback covers it.
static request_t *leaking;

static void on_next_turn(uv_idle_t *idle)
{
    request_t *request = leaking;
    leaking = request->next;
    if (!leaking)
        uv_idle_stop(idle);
    account.bugs_leaked++;
    logctx_set_current(request->ctx); // BUG: leaked
    http_answer(request, 200, "This context leaks.\n");
}

static void bug_leaked(request_t *request)
{
    request->next = leaking;
    leaking = request;
    uv_idle_start(&next_turn, on_next_turn);
}

// Work that is left for after the answer goes on in the request's context, which has ended by then:
// restarted_finished. It should have one of its own, as the background job has.
static void on_audit(uv_timer_t *timer)
{
    account.bugs_restarted++;
    logctx_set_current(timer->data); // BUG: restarted
    logctx_log(LOGCTX_DEBUG, "audited");
    logctx_set_current(logctx_sentinel());
    logctx_unref(timer->data);
    uv_close((uv_handle_t *)timer, (uv_close_cb)free);
}

static void start_audit(request_t *request)
{
    uv_timer_t *timer = malloc(sizeof *timer);
    if (!timer)
        return;
    uv_timer_init(loop, timer);
    timer->data = logctx_ref(request->ctx); // keeps the memory; it does not keep the work from being over
    uv_timer_start(timer, on_audit, 20, 0);
}

static void bug_restarted(request_t *request)
{
    request->sent = start_audit;
    http_answer(request, 200, "This context is started again.\n");
}

// ---- Start and stop ----

route_t routes[] = {{"GET /rooms/{id}", "GET /rooms/*", get_room, NULL},
                    {"POST /rooms", "POST /rooms", post_room, NULL},
                    {"GET /report", "GET /report", get_report, NULL},
                    {"GET /bug/lost", "GET /bug/lost", bug_lost, NULL},
                    {"GET /bug/leaked", "GET /bug/leaked", bug_leaked, NULL},
                    {"GET /bug/restarted", "GET /bug/restarted", bug_restarted, NULL},
                    {NULL, NULL, NULL, NULL}};

bool rooms_open(uv_loop_t *the_loop, const char *path)
{
    loop = the_loop;
    uv_idle_init(loop, &next_turn);
    uv_timer_init(loop, &every_second);
    uv_timer_start(&every_second, prune_rooms, 1000, 1000);
    return !sqlite3_open(path, &database) &&
           transact(NULL,
                    sqlite3_mprintf(
                        "BEGIN; CREATE TABLE IF NOT EXISTS rooms (id INTEGER PRIMARY KEY, name TEXT);"
                        "CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, room INTEGER, text TEXT);"
                        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
                        "INSERT OR IGNORE INTO messages SELECT i, 1 + i %% 100, 'Message ' || i FROM n;"
                        "INSERT OR IGNORE INTO rooms SELECT id, 'Room ' || id FROM messages WHERE id <= 100; COMMIT"));
}

// No request needs the database after http_stop().
void rooms_close(void)
{
    uv_timer_stop(&every_second);
    sqlite3_close(database);
}
