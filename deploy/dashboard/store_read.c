// SPDX-License-Identifier: Apache-2.0
// Opens a store for reading. No state; any thread.

#include "store_read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "schema.h"

bool store_read_open(sqlite3 **db, const char *path, char *why, size_t why_size)
{
    // Read-write first, as a reader of a log needs the index beside it, which it can only make with that right;
    // nothing is written all the same. A file on a read-only medium has no log that matters.
    struct stat status;
    *db = NULL;
    if (stat(path, &status) != 0) {
        snprintf(why, why_size, "%s; name a file that logctx-dashboard wrote.", strerror(errno));
        return false;
    }
    int result = sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (result != SQLITE_OK) {
        snprintf(why, why_size, "%s.", *db != NULL ? sqlite3_errmsg(*db) : "no memory");
        return false;
    }
    sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_busy_timeout(*db, 5000);
    sqlite3_exec(*db,
                 "PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON; "
                 "PRAGMA cache_size = -32768;",
                 NULL, NULL, NULL);
    return schema_check(*db, why, why_size);
}
