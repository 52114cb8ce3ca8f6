/*
 * report.h: what the sections of the summary share: the store, the paper, and small forms. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_REPORT_H
#define DASHBOARD_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <sqlite3.h>

struct report {
    sqlite3 *db;
    FILE *out;
    int width;
    const char *bold; /* escape codes, or "" without colour */
    const char *red;
    const char *dim;
    const char *plain;
    char failed[160]; /* why the first query failed that did; its section is incomplete */
};

/* A prepared query; NULL: marked as failed. With finish it is ended, and an error on the way is noted. */
sqlite3_stmt *report_query(struct report *report, const char *sql);
void report_finish(struct report *report, sqlite3_stmt *statement);

/* The first number of a query; NaN if it gives none. */
double report_number(struct report *report, const char *sql);

/* A column as text that may be NULL, or as a number that may be NaN. */
const char *report_text(sqlite3_stmt *statement, int column);
double report_real(sqlite3_stmt *statement, int column);

/* The title of a section, with a remark behind it (or ""). */
void report_title(struct report *report, const char *title, const char *remark);

/* The sections, in the order in which they are printed. */
void report_services(struct report *report);
void report_contexts(struct report *report);
void report_process(struct report *report);
void report_errors(struct report *report);
void report_books(struct report *report);
void report_alerts(struct report *report);

#endif
