// SPDX-License-Identifier: Apache-2.0
// The tables. Times are nanoseconds since 1970, durations and usage are seconds, attributes are sorted JSON arrays of
// OTLP key-value objects. Rows are pruned in the order of their ids, which is the order of arrival.

#include "schema.h"

#include <stdio.h>

// steps[i] leads from version i to version i + 1. A released step is never changed; a change is a new step.
static const char *const steps[] = {
    "CREATE TABLE resource ("
    "  id INTEGER PRIMARY KEY, attributes TEXT NOT NULL UNIQUE, service TEXT, version TEXT, instance TEXT,"
    "  host TEXT, pid INTEGER) STRICT;"

    "CREATE TABLE span ("
    "  id INTEGER PRIMARY KEY, trace_id BLOB NOT NULL, span_id BLOB NOT NULL, parent_id BLOB,"
    "  resource INTEGER NOT NULL REFERENCES resource, scope TEXT, name TEXT NOT NULL, kind INTEGER NOT NULL,"
    "  start INTEGER NOT NULL, end INTEGER NOT NULL, status INTEGER NOT NULL, status_message TEXT,"
    "  context TEXT, type TEXT, server TEXT, cpu REAL, cpu_user REAL, cpu_system REAL, db_transactions INTEGER,"
    "  db_time REAL, db_wait REAL, db_rows INTEGER, running REAL, errors INTEGER, attributes TEXT NOT NULL,"
    "  UNIQUE (trace_id, span_id)) STRICT;"

    "CREATE TABLE event ("
    "  span INTEGER NOT NULL REFERENCES span, time INTEGER NOT NULL, name TEXT NOT NULL,"
    "  attributes TEXT NOT NULL) STRICT;"
    "CREATE INDEX event_span ON event (span);"

    "CREATE TABLE link ("
    "  span INTEGER NOT NULL REFERENCES span, trace_id BLOB NOT NULL, span_id BLOB NOT NULL,"
    "  attributes TEXT NOT NULL) STRICT;"
    "CREATE INDEX link_span ON link (span);"

    // The event of that name, or the zero-length span if it was noticed after its context had ended.
    "CREATE TABLE transition_error ("
    "  id INTEGER PRIMARY KEY, span INTEGER NOT NULL REFERENCES span, late INTEGER NOT NULL, time INTEGER NOT NULL,"
    "  kind TEXT NOT NULL, message TEXT, expected TEXT, found TEXT, found_by TEXT, set_by TEXT, recent TEXT,"
    "  stack TEXT, affected TEXT) STRICT;"
    "CREATE INDEX transition_error_span ON transition_error (span);"

    // What the summary asks for stands in columns: the rest of the attributes only in the JSON.
    "CREATE TABLE series ("
    "  id INTEGER PRIMARY KEY, resource INTEGER NOT NULL REFERENCES resource, name TEXT NOT NULL,"
    "  form INTEGER NOT NULL, temporality INTEGER NOT NULL, monotonic INTEGER NOT NULL, unit TEXT, description TEXT,"
    "  scope TEXT, attributes TEXT NOT NULL, context_kind TEXT, context_type TEXT, cpu_mode TEXT, error_kind TEXT,"
    "  error_type TEXT, sampling TEXT, loop TEXT,"
    "  UNIQUE (resource, name, form, temporality, attributes)) STRICT;"
    "CREATE INDEX series_name ON series (name);"

    "CREATE TABLE point ("
    "  id INTEGER PRIMARY KEY, series INTEGER NOT NULL REFERENCES series, time INTEGER NOT NULL,"
    "  start INTEGER NOT NULL, value REAL, count INTEGER, sum REAL, min REAL, max REAL, detail TEXT,"
    "  UNIQUE (series, time)) STRICT;"

    "CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;",

    // What the views ask. Each of the two large indexes has all that one pass over a window reads, so that the rows, which
    // are many times as large, are not touched.
    "ALTER TABLE resource ADD COLUMN contexts INTEGER NOT NULL DEFAULT 0;" // received of it, ever
    "ALTER TABLE resource ADD COLUMN last INTEGER NOT NULL DEFAULT 0;"     // when it sent last, by the clock here
    "UPDATE resource SET contexts = sent.contexts, last = sent.last FROM (SELECT resource, max(end) AS last, "
    "  sum(scope IS 'logctx' AND name <> 'logctx.transition_error') AS contexts FROM span GROUP BY resource) AS sent "
    "  WHERE resource.id = sent.resource;"
    "UPDATE resource SET last = unixepoch() * 1000000000 WHERE last = 0 OR last > unixepoch() * 1000000000;"
    "CREATE INDEX span_end ON span (end, resource, scope, name, type, start, status, cpu, running, db_transactions, "
    "  db_time, db_wait, errors, context);"
    "ALTER TABLE transition_error ADD COLUMN resource INTEGER;"
    "UPDATE transition_error SET resource = (SELECT resource FROM span WHERE id = span);"
    "CREATE INDEX transition_error_time ON transition_error (time, resource, kind, span);"
    "CREATE INDEX point_time ON point (time, series, start, value);"
    "CREATE INDEX link_target ON link (trace_id);"
    // The largest ids that were there at a time, by the clock here: what is older than a time has smaller ones.
    "CREATE TABLE arrival (time INTEGER PRIMARY KEY, span INTEGER NOT NULL, point INTEGER NOT NULL) STRICT;"
    "INSERT INTO counter (name, value) SELECT 'contexts pruned', max(0, value - (SELECT sum(contexts) FROM resource)) "
    "  FROM counter WHERE name = 'contexts received';",

    // Errors of one place: how many there were when, without a look at any other.
    "CREATE INDEX transition_error_place ON transition_error (kind, found_by, set_by, time, resource, span);",
};

enum { VERSION = sizeof steps / sizeof steps[0] };

int64_t schema_number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int64_t number = 0;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

static bool run_step(sqlite3 *db, int version)
{
    char mark[96];
    snprintf(mark, sizeof mark, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;", SCHEMA_APPLICATION_ID,
             version + 1);
    if (sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL) != SQLITE_OK)
        return false;
    // Another process may have taken the step while this one waited for the lock.
    if (schema_number(db, "PRAGMA user_version") != version)
        return sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK;
    if (sqlite3_exec(db, steps[version], NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_exec(db, mark, NULL, NULL, NULL) == SQLITE_OK)
        return true;
    return false;
}

// Reads from the file for the first time: if it is no database, this is where that shows.
static bool read_first(sqlite3 *db, bool *empty, char *why, size_t why_size)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(db, "SELECT count(*) FROM sqlite_schema", -1, &statement, NULL);
    if (result == SQLITE_OK) {
        *empty = sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_int64(statement, 0) == 0;
        result = sqlite3_finalize(statement);
    }
    if (result != SQLITE_OK)
        snprintf(why, why_size, "it cannot be read: %s.", sqlite3_errmsg(db));
    return result == SQLITE_OK;
}

static bool is_ours(sqlite3 *db, bool may_be_empty, char *why, size_t why_size)
{
    bool empty = false;
    if (!read_first(db, &empty, why, why_size))
        return false;
    if (empty && may_be_empty)
        return true;
    if (schema_number(db, "PRAGMA application_id") != SCHEMA_APPLICATION_ID) {
        snprintf(why, why_size,
                 "it is a database of another program; name a file that logctx-dashboard made, or a "
                 "new one.");
        return false;
    }
    int64_t version = schema_number(db, "PRAGMA user_version");
    if (version > VERSION) {
        snprintf(why, why_size,
                 "it was written by a newer logctx-dashboard (version %lld, this one knows %d); use "
                 "that one, or another file.",
                 (long long)version, (int)VERSION);
        return false;
    }
    return true;
}

bool schema_prepare(sqlite3 *db, char *why, size_t why_size)
{
    if (!is_ours(db, true, why, why_size))
        return false;
    for (int64_t version = schema_number(db, "PRAGMA user_version"); version < VERSION;
         version = schema_number(db, "PRAGMA user_version")) {
        if (!run_step(db, (int)version)) {
            snprintf(why, why_size, "its tables cannot be brought to version %d: %s.", (int)VERSION,
                     sqlite3_errmsg(db));
            sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
            return false;
        }
    }
    return true;
}

bool schema_check(sqlite3 *db, char *why, size_t why_size)
{
    if (!is_ours(db, false, why, why_size))
        return false;
    int64_t version = schema_number(db, "PRAGMA user_version");
    if (version == VERSION)
        return true;
    snprintf(why, why_size,
             "it was written by an older logctx-dashboard (version %lld, this one reads %d); start "
             "logctx-dashboard with --db on it once, and it will be brought up to date.",
             (long long)version, (int)VERSION);
    return false;
}
