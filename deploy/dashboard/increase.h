/*
 * increase.h: by how much counters of the store have grown, whatever restarts and gaps there were. Owned by the reading
 * thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_INCREASE_H
#define DASHBOARD_INCREASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

enum { INCREASE_RESOURCES = 32 };

/* Prepared queries about the points of one series. */
struct increase {
    sqlite3_stmt *newest; /* at or before a moment */
    sqlite3_stmt *oldest; /* after a moment */
    sqlite3_stmt *between;
    sqlite3_stmt *first; /* when anything came of a resource for the first time */
    struct {
        int64_t resource; /* 0: none yet */
        int64_t time;
    } known[INCREASE_RESOURCES];
    size_t next;
    bool failed; /* a query did not come to its end */
};

/* False if the database failed. In any case to be cleared; false then: something was not read to its end. */
bool increase_init(struct increase *increase, sqlite3 *db);
bool increase_clear(struct increase *increase);

/* One series, as its row has it. */
struct counter_series {
    int64_t id;
    int64_t resource;
    bool delta; /* its points are increases themselves */
    bool whole; /* its first value counts, whenever its process began */
};

/*
 * The increase after `from` and up to `to` (ns since 1970), of a histogram that of its count. NaN: no point came in that
 * time. A counter that begins again counts from 0. A series that was not there at `from` counts with its whole first value
 * if its process began after that, or had been heard of before that, or if `whole` says so; else what it was at `from` is not known, and its
 * first value counts for nothing.
 */
double increase_of(struct increase *increase, const struct counter_series *series, int64_t from, int64_t to);

#endif
