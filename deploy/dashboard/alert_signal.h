/*
 * alert_signal.h: what the alerts of deploy/alerts/alerts.h measure, on what a store holds. As of any moment: what came
 * after it does not count. Owned by the reading thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_ALERT_SIGNAL_H
#define DASHBOARD_ALERT_SIGNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <alerts.h>
#include <sqlite3.h>

#include "increase.h"

/* Processes that are looked at, the newest first; kinds of contexts of one; and so all groups of an alert. */
enum { SIGNAL_INSTANCES_MAX = 32, SIGNAL_GROUPS_MAX = 256, SIGNAL_KIND_SIZE = 128 };

/* One process, or one kind of contexts in it, or the service: what `by` of the alert says. */
struct signal_group {
    int64_t resource;            /* 0: the service */
    char kind[SIGNAL_KIND_SIZE]; /* "" unless it is by kind */
    bool known;                  /* what it takes to tell has come */
    bool holds;                  /* the condition */
    double value;                /* NaN: there is none */
    double guarded;              /* what `guard` is about, if that is why it does not hold; else NaN */
};

struct signal_groups {
    struct signal_group items[SIGNAL_GROUPS_MAX];
    size_t count;
};

struct signal_reader {
    sqlite3 *db;
    const char *service; /* NULL: the store has no service with a name */
    struct increase increase;
    int64_t resources[SIGNAL_INSTANCES_MAX];
    size_t resource_count;
    sqlite3_stmt *series;
    sqlite3_stmt *in_flight;
    sqlite3_stmt *oldest_age;
    sqlite3_stmt *newest;
    bool failed;
};

/* False if the database failed. In any case to be cleared; false then: something was not read to its end. */
bool signal_reader_init(struct signal_reader *reader, sqlite3 *db, const char *service);
bool signal_reader_clear(struct signal_reader *reader);

/* The alert's groups at that moment (ns since 1970): those of which there is anything to say. */
void signal_measure(struct signal_reader *reader, const struct alert *alert, int64_t moment,
                    struct signal_groups *groups);

/* What it takes to tell: "logctx.context.created". */
const char *signal_metrics(enum alert_signal signal);

#endif
