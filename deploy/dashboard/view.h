/*
 * view.h: what the page shows, as JSON (docs/dashboard-api.md): the list of views, and what an answer is made from. An
 * answer is made on one reader's thread, in one read transaction; nothing in it outlives the call.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_VIEW_H
#define DASHBOARD_VIEW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <sqlite3.h>

#include "params.h"
#include "reply.h"
#include "store.h"

enum { VIEW_REST_SIZE = 96 };

/* The path of the one that goes on: it has no answer. */
#define VIEW_LIVE "/live"

struct alert_boards;

/* What is the same for all answers. Constant while the server runs. */
struct view_settings {
    char address[80]; /* where it listens */
    struct store_limits limits;
    struct alert_boards *boards; /* shared by the answers, with a lock of its own; NULL: none */
};

/* One question. `out` has the head already; the answer adds its members. */
struct view_call {
    sqlite3 *db;
    const struct view_settings *settings;
    const struct params *params;
    const char *rest; /* what stands behind the view's path: an id; "" if nothing does */
    json_t *out;
    struct outcome outcome; /* view_refuse changes it */
    int64_t now;            /* this and the next two: ns since 1970 */
    int64_t from;           /* the window: what ended after this */
    int64_t to;             /* and at this or before */
    char *service;          /* the one asked for, or that sent last; NULL: none is known; freed by view_end */
    const char *instance;   /* NULL: all of the service */
    int64_t deadline;       /* monotonic ns: a query that runs on until then fails, and the answer is 503 */
    const atomic_bool *stopping;
    size_t tail; /* so many steps at the end of each list of them are told; 0: all */
};

typedef void view_fn(struct view_call *call);

struct view {
    const char *path;
    bool takes_rest; /* also PATH/REST; without: the path alone */
    bool needs_rest;
    const struct param_rule *rules; /* its parameters besides those of all views; NULL: none */
    view_fn *answer;
};

/* The view of a path, and what stands behind its own path ("" or behind the slash). NULL: there is none. */
const struct view *view_find(const char *url, const char **rest);

/*
 * Begins a transaction, and puts the head into the answer. The caller has set what no comment says is found out here; a
 * `service` that is there already is the one. False: call->outcome says why. In any case to be ended.
 */
bool view_begin(struct view_call *call);
void view_end(struct view_call *call);

/* All of it: head and answer. Returns the JSON text, from malloc; NULL: call->outcome says why. */
char *view_answer(const struct view *view, struct view_call *call, size_t *length);

/* The answer will be an error, for what the database failed with last. */
void view_failed(struct view_call *call);

/* The answer will be an error with this sentence. */
void view_refuse(struct view_call *call, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * A prepared query; NULL: it failed, and so does the answer. The parameters :service, :instance, :from and :to are bound
 * where it has them. With view_finish it is ended (NULL is fine); false: it failed on the way, and so does the answer.
 */
sqlite3_stmt *view_query(struct view_call *call, const char *sql);
bool view_finish(struct view_call *call, sqlite3_stmt *statement);

/* Binds a number to a parameter with a name; nothing if there is none. SQLite counts a ? from the one before it, whatever
 * that is: beside names, numbers are written as ?1. */
void view_bind(sqlite3_stmt *statement, const char *name, int64_t number);

/* A condition on a column `resource`: it is of the service (and instance) asked for. */
#define VIEW_OF_SERVICE                                                                                                \
    "resource IN (SELECT id FROM resource WHERE service IS :service AND (:instance IS NULL OR instance = :instance))"

/* Spans that are contexts of this library; as the index has it, so that it is used. */
#define VIEW_IS_CONTEXT "scope = 'logctx' AND name <> 'logctx.transition_error'"

/* The first number of a query; 0 if it gives none. */
int64_t view_number(struct view_call *call, const char *sql);

/* Columns: text that may be NULL, a number that may be NaN. */
const char *view_text_of(sqlite3_stmt *statement, int column);
double view_real_of(sqlite3_stmt *statement, int column);

/* Hex digits as bytes. False: not exactly so many, or others among them. */
bool view_read_hex(const char *text, uint8_t *bytes, size_t length);

/* Seconds that are left of the time for this answer, less than 0 if none are. */
double view_time_left(const struct view_call *call);

/* The head's members; view_answer does that. */
void view_head(struct view_call *call);

view_fn view_now;
view_fn view_contexts;
view_fn view_trace;
view_fn view_losses;
view_fn view_loss;
view_fn view_alerts;
extern const struct param_rule view_contexts_rules[];

#endif
