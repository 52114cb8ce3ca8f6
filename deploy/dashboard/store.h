/*
 * store.h: the SQLite file that keeps what was received. One thread writes; readers open the file for themselves.
 * Everything between store_begin and store_commit is there after a crash of this process, or nothing of it is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_STORE_H
#define DASHBOARD_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

struct store;

/* Beyond these the oldest rows go. 0: no limit of this kind. */
struct store_limits {
    int64_t spans;
    int64_t points;
    int64_t bytes; /* of the file's pages in use, without the log beside it */
    int64_t age_s; /* since it arrived, in seconds */
};

/* What the counters of the store count, over its whole life. X(id, "name") */
#define STORE_COUNTERS(X)                                                                                              \
    X(SPANS, "spans received")                                                                                         \
    X(CONTEXTS, "contexts received") /* those of the spans that are contexts of this library */                        \
    X(DUPLICATES, "spans received again")                                                                              \
    X(SPANS_REFUSED, "spans refused")                                                                                  \
    X(SPANS_PRUNED, "spans pruned")                                                                                    \
    X(CONTEXTS_PRUNED, "contexts pruned")                                                                              \
    X(POINTS, "points received")                                                                                       \
    X(POINTS_REFUSED, "points refused")                                                                                \
    X(POINTS_PRUNED, "points pruned")

enum store_counter {
#define STORE_X(id, name) STORE_##id,
    STORE_COUNTERS(STORE_X)
#undef STORE_X
        STORE_COUNTER_COUNT
};
extern const char *const store_counter_names[STORE_COUNTER_COUNT];

/* The figures of a span that have columns; NaN if it has none. X(id) in the order of the columns. */
#define STORE_FIGURES(X)                                                                                               \
    X(CPU) X(CPU_USER) X(CPU_SYSTEM) X(DB_TRANSACTIONS) X(DB_TIME) X(DB_WAIT) X(DB_ROWS) X(RUNNING) X(ERRORS)
enum store_figure {
#define STORE_X(id) FIGURE_##id,
    STORE_FIGURES(STORE_X)
#undef STORE_X
        FIGURE_COUNT
};

/* The rows. All pointers are borrowed; texts may be NULL, of any size and with any bytes: the store mends and cuts. */
struct resource_row {
    const char *attributes;
    const char *service;
    const char *version;
    const char *instance;
    const char *host;
    double pid;
};

struct span_row {
    int64_t resource;
    const uint8_t *trace_id;  /* 16 bytes */
    const uint8_t *span_id;   /* 8 bytes */
    const uint8_t *parent_id; /* 8 bytes or NULL */
    const char *scope;
    const char *name;
    int kind;
    int64_t start;
    int64_t end;
    int status;
    const char *status_message;
    const char *context;
    const char *type;
    const char *server;
    double figures[FIGURE_COUNT];
    const char *attributes;
    bool is_context;
};

struct event_row {
    int64_t span;
    int64_t time;
    const char *name;
    const char *attributes;
};

struct link_row {
    int64_t span;
    const uint8_t *trace_id;
    const uint8_t *span_id;
    const char *attributes;
};

struct error_row {
    int64_t span;
    int64_t time;
    bool late; /* the span is the error's own, child of the context that is affected */
    const char *kind;
    const char *message;
    const char *expected;
    const char *found;
    const char *found_by;
    const char *set_by;
    const char *recent; /* OTLP/JSON of an ArrayValue */
    const char *stack;
    const char *affected;
};

enum series_form { SERIES_GAUGE = 1, SERIES_SUM, SERIES_HISTOGRAM, SERIES_EXPONENTIAL_HISTOGRAM, SERIES_SUMMARY };

struct series_row {
    int64_t resource;
    const char *name;
    enum series_form form;
    int temporality;
    bool monotonic;
    const char *unit;
    const char *description;
    const char *scope;
    const char *attributes;
    const char *context_kind;
    const char *context_type;
    const char *cpu_mode;
    const char *error_kind;
    const char *error_type;
    const char *sampling;
    const char *loop;
};

struct point_row {
    int64_t series;
    int64_t time;
    int64_t start;
    double value;  /* the four of them: NaN if there is none */
    int64_t count; /* negative: none */
    double sum;
    double min;
    double max;
    const char *detail;
};

enum store_added {
    STORE_FAILED = -1, /* store_why says why; roll back */
    STORE_DUPLICATE,
    STORE_ADDED,
};

/* Makes the file (0600) if it is not there. ":memory:" keeps everything in memory. NULL: `why` says why. */
struct store *store_open(const char *path, const struct store_limits *limits, char *why, size_t why_size);

/* For tests: the clock that tells when something arrived, in ns since 1970. */
void store_set_clock(struct store *store, int64_t (*clock)(void));

/* Also brings everything into the one file. NULL is fine. */
void store_close(struct store *store);

/* False: nothing of the transaction is kept, store_why says why. A commit also prunes. */
bool store_begin(struct store *store);
bool store_commit(struct store *store);
void store_rollback(struct store *store);
const char *store_why(const struct store *store);

/* Was it the rows that the store refused, so that the same ones will be refused again? */
bool store_refused_rows(const struct store *store);

void store_count(struct store *store, enum store_counter counter, int64_t amount);

/* The id of the row, new or old; negative if the store failed. */
int64_t store_resource(struct store *store, const struct resource_row *row);
int64_t store_series(struct store *store, const struct series_row *row);

enum store_added store_span(struct store *store, const struct span_row *row, int64_t *id);
enum store_added store_point(struct store *store, const struct point_row *row);
bool store_event(struct store *store, const struct event_row *row);
bool store_link(struct store *store, const struct link_row *row);
bool store_error(struct store *store, const struct error_row *row);

/* A text that ingestion may print into, so that it need not allocate one for each span. */
struct logctx__text *store_scratch(struct store *store);

#endif
