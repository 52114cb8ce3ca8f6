// SPDX-License-Identifier: Apache-2.0
// Opens the store and runs its transactions. Owned by the thread that writes.

#include "store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "schema.h"

const char *const store_counter_names[STORE_COUNTER_COUNT] = {
#define STORE_X(id, name) [STORE_##id] = name,
    STORE_COUNTERS(STORE_X)
#undef STORE_X
};

// With synchronous=NORMAL a commit is in the kernel's hands, though not yet on the disk: the end of this process by
// any signal loses nothing that was answered with 200. Only a crash of the whole machine can take back the last
// commits; it cannot harm the file. FULL would cost a disk flush for each answer.
static const char settings[] = "PRAGMA journal_mode = WAL;"
                               "PRAGMA synchronous = NORMAL;"
                               "PRAGMA journal_size_limit = 67108864;"
                               "PRAGMA cache_size = -16384;"
                               "PRAGMA temp_store = MEMORY;"
                               "PRAGMA trusted_schema = OFF;";

static const char *const statement_texts[STATEMENTS] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_COUNT_UP] = "INSERT INTO counter (name, value) VALUES (?1, ?2) "
                           "ON CONFLICT (name) DO UPDATE SET value = value + ?2",
    [STATEMENT_RESOURCE_FIND] = "SELECT id FROM resource WHERE attributes = ?",
    [STATEMENT_RESOURCE_ADD] = "INSERT INTO resource (attributes, service, version, instance, host, pid) "
                               "VALUES (?, ?, ?, ?, ?, ?)",
    [STATEMENT_SERIES_FIND] = "SELECT id FROM series WHERE resource = ? AND name = ? AND form = ? "
                              "AND temporality = ? AND attributes = ?",
    [STATEMENT_SERIES_ADD] =
        "INSERT INTO series (resource, name, form, temporality, attributes, monotonic, unit, description, scope, "
        "context_kind, context_type, cpu_mode, error_kind, error_type, sampling, loop) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [STATEMENT_SPAN_ADD] =
        "INSERT OR IGNORE INTO span (resource, trace_id, span_id, parent_id, scope, name, kind, start, end, status, "
        "status_message, context, type, server, attributes, cpu, cpu_user, cpu_system, db_transactions, db_time, "
        "db_wait, db_rows, running, errors) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [STATEMENT_EVENT_ADD] = "INSERT INTO event (span, time, name, attributes) VALUES (?, ?, ?, ?)",
    [STATEMENT_LINK_ADD] = "INSERT INTO link (span, trace_id, span_id, attributes) VALUES (?, ?, ?, ?)",
    [STATEMENT_ERROR_ADD] = "INSERT INTO transition_error (span, late, time, kind, message, expected, found, "
                            "found_by, set_by, recent, stack, affected, resource) "
                            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT resource FROM span WHERE id = ?1))",
    [STATEMENT_POINT_ADD] = "INSERT OR IGNORE INTO point (series, time, start, value, count, sum, min, max, detail) "
                            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [STATEMENT_HEARD] = "UPDATE resource SET contexts = contexts + ?, last = max(last, ?) WHERE id = ?",
    [STATEMENT_ARRIVED] = "INSERT OR REPLACE INTO arrival (time, span, point) SELECT ?, "
                          "coalesce((SELECT max(id) FROM span), 0), coalesce((SELECT max(id) FROM point), 0)",
};

bool store__failed(struct store *store)
{
    int code = sqlite3_errcode(store->db) & 0xFF;
    store->refused_rows = code == SQLITE_CONSTRAINT || code == SQLITE_TOOBIG || code == SQLITE_MISMATCH;
    snprintf(store->why, sizeof store->why, "%s", sqlite3_errmsg(store->db));
    return false;
}

sqlite3_stmt *store__statement(struct store *store, enum statement which)
{
    sqlite3_stmt **statement = &store->statements[which];
    if (*statement != NULL) {
        sqlite3_clear_bindings(*statement);
        return *statement;
    }
    int result = sqlite3_prepare_v3(store->db, statement_texts[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
    if (result != SQLITE_OK)
        store__failed(store);
    return *statement;
}

bool store__run(struct store *store, sqlite3_stmt *statement)
{
    bool done = sqlite3_step(statement) == SQLITE_DONE;
    if (!done)
        store__failed(store);
    sqlite3_reset(statement);
    return done;
}

static bool run(struct store *store, enum statement which)
{
    sqlite3_stmt *statement = store__statement(store, which);
    return statement != NULL && store__run(store, statement);
}

// SQLite would make the file with the rights that the umask leaves. What is in a trace is nobody else's business.
static bool make_file(const char *path, char *why, size_t why_size)
{
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, S_IRUSR | S_IWUSR);
    if (file < 0) {
        snprintf(why, why_size, "it cannot be opened for writing: %s.", strerror(errno));
        return false;
    }
    struct stat status;
    bool regular = fstat(file, &status) == 0 && S_ISREG(status.st_mode);
    close(file);
    if (!regular)
        snprintf(why, why_size, "it is not a regular file.");
    return regular;
}

static int64_t real_time(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

void store_set_clock(struct store *store, int64_t (*clock)(void))
{
    store->clock = clock;
}

static bool count_rows(struct store *store)
{
    store->spans = schema_number(store->db, "SELECT count(*) FROM span");
    store->points = schema_number(store->db, "SELECT count(*) FROM point");
    store->series = schema_number(store->db, "SELECT count(*) FROM series");
    store->resources = schema_number(store->db, "SELECT count(*) FROM resource");
    return true;
}

static bool open_database(struct store *store, const char *path, char *why, size_t why_size)
{
    bool in_memory = strcmp(path, ":memory:") == 0;
    if (!in_memory && !make_file(path, why, why_size))
        return false;
    // The name of a file may begin with "file:"; without the URI flag it is one all the same.
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, &store->db, in_memory ? flags | SQLITE_OPEN_MEMORY : flags, NULL) != SQLITE_OK) {
        snprintf(why, why_size, "%s.", store->db != NULL ? sqlite3_errmsg(store->db) : "no memory");
        return false;
    }
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_busy_timeout(store->db, 5000);
    if (!schema_prepare(store->db, why, why_size))
        return false;
    if (sqlite3_exec(store->db, settings, NULL, NULL, NULL) != SQLITE_OK) {
        snprintf(why, why_size, "%s.", sqlite3_errmsg(store->db));
        return false;
    }
    return count_rows(store);
}

struct store *store_open(const char *path, const struct store_limits *limits, char *why, size_t why_size)
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        snprintf(why, why_size, "there is no memory left.");
        return NULL;
    }
    store->limits = *limits;
    store->clock = real_time;
    logctx__text_init(&store->scratch, 0);
    if (open_database(store, path, why, why_size))
        return store;
    store_close(store);
    return NULL;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(store->statements[i]);
    if (store->db != NULL)
        sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_close(store->db);
    logctx__text_free(&store->scratch);
    free(store);
}

const char *store_why(const struct store *store)
{
    return store->why;
}

bool store_refused_rows(const struct store *store)
{
    return store->refused_rows;
}

struct logctx__text *store_scratch(struct store *store)
{
    return &store->scratch;
}

void store_count(struct store *store, enum store_counter counter, int64_t amount)
{
    store->counts[counter] += amount;
}

static bool write_counters(struct store *store)
{
    for (int i = 0; i < STORE_COUNTER_COUNT; i++) {
        if (store->counts[i] == 0)
            continue;
        sqlite3_stmt *statement = store__statement(store, STATEMENT_COUNT_UP);
        if (statement == NULL)
            return false;
        sqlite3_bind_text(statement, 1, store_counter_names[i], -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 2, store->counts[i]);
        if (!store__run(store, statement))
            return false;
        store->counts[i] = 0;
    }
    return true;
}

bool store__write_heard(struct store *store)
{
    for (; store->heard_count > 0; store->heard_count--) {
        const struct heard *heard = &store->heard[store->heard_count - 1];
        sqlite3_stmt *statement = store__statement(store, STATEMENT_HEARD);
        if (statement == NULL)
            return false;
        sqlite3_bind_int64(statement, 1, heard->contexts);
        sqlite3_bind_int64(statement, 2, store->clock());
        sqlite3_bind_int64(statement, 3, heard->resource);
        if (!store__run(store, statement))
            return false;
    }
    return true;
}

bool store__hear(struct store *store, int64_t resource, int64_t contexts)
{
    for (int i = 0; i < store->heard_count; i++) {
        if (store->heard[i].resource == resource) {
            store->heard[i].contexts += contexts;
            return true;
        }
    }
    if (store->heard_count == HEARD_MAX && !store__write_heard(store))
        return false;
    store->heard[store->heard_count++] = (struct heard){resource, contexts};
    return true;
}

// Once a minute, so that the table stays small: the age of a row is known to the minute.
static bool write_arrival(struct store *store)
{
    int64_t now = store->clock();
    if (store->arrived != 0 && now - store->arrived < ARRIVAL_SECONDS * INT64_C(1000000000) && now >= store->arrived)
        return true;
    sqlite3_stmt *statement = store__statement(store, STATEMENT_ARRIVED);
    if (statement == NULL)
        return false;
    sqlite3_bind_int64(statement, 1, now);
    store->arrived = now;
    return store__run(store, statement);
}

bool store_begin(struct store *store)
{
    memset(store->counts, 0, sizeof store->counts);
    store->heard_count = 0;
    return run(store, STATEMENT_BEGIN);
}

bool store_commit(struct store *store)
{
    if (store__write_heard(store) && write_arrival(store) && store__prune(store) && write_counters(store) &&
        run(store, STATEMENT_COMMIT))
        return true;
    store_rollback(store);
    return false;
}

void store_rollback(struct store *store)
{
    char why[sizeof store->why];
    bool refused_rows = store->refused_rows;
    memcpy(why, store->why, sizeof why);
    // A full disk makes SQLite roll back by itself; then there is nothing left to do here.
    if (sqlite3_get_autocommit(store->db) == 0)
        run(store, STATEMENT_ROLLBACK);
    memcpy(store->why, why, sizeof why);
    store->refused_rows = refused_rows;
    store->arrived = 0;
    count_rows(store);
}
