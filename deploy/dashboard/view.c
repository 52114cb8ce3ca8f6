// SPDX-License-Identifier: Apache-2.0
// The list of views, and what all of their answers do: read the window, ask the store, print. The reading thread owns
// everything.

#include "view.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "put.h"

#define SECOND INT64_C(1000000000)

enum { WINDOW_SECONDS = 900 };

static const struct view views[] = {
    {.path = VIEW_LIVE}, // answered by live.c
    {.path = "/now", .answer = view_now},
    {.path = "/contexts", .rules = view_contexts_rules, .answer = view_contexts},
    {.path = "/trace", .takes_rest = true, .needs_rest = true, .answer = view_trace},
    {.path = "/losses", .answer = view_losses},
    {.path = "/losses", .takes_rest = true, .needs_rest = true, .answer = view_loss},
    {.path = "/alerts", .answer = view_alerts},
};

const struct view *view_find(const char *url, const char **rest)
{
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        const struct view *view = &views[i];
        size_t length = strlen(view->path);
        if (strncmp(url, view->path, length) != 0)
            continue;
        bool more = url[length] == '/' && url[length + 1] != '\0';
        *rest = more ? url + length + 1 : "";
        if ((url[length] == '\0' && !view->needs_rest) || (more && view->takes_rest && strchr(*rest, '/') == NULL))
            return view;
    }
    return NULL;
}

void view_refuse(struct view_call *call, unsigned status, const char *format, ...)
{
    call->outcome = (struct outcome){.status = status};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(call->outcome.sentence, sizeof call->outcome.sentence, format, arguments);
    va_end(arguments);
}

void view_failed(struct view_call *call)
{
    if (call->outcome.status != 200)
        return;
    if (sqlite3_errcode(call->db) == SQLITE_INTERRUPT) {
        view_refuse(call, 503, "The answer would take too long; ask for a shorter window, or try again in a moment.");
        call->outcome.retry_after = 5;
    } else {
        view_refuse(call, 503, "The store cannot be read: %.200s.", sqlite3_errmsg(call->db));
    }
}

static void bind_name(sqlite3_stmt *statement, const char *name, const char *text)
{
    int index = sqlite3_bind_parameter_index(statement, name);
    if (index > 0)
        sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

void view_bind(sqlite3_stmt *statement, const char *name, int64_t number)
{
    int index = sqlite3_bind_parameter_index(statement, name);
    if (index > 0)
        sqlite3_bind_int64(statement, index, number);
}

sqlite3_stmt *view_query(struct view_call *call, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(call->db, sql, -1, &statement, NULL) != SQLITE_OK) {
        view_failed(call);
        return NULL;
    }
    bind_name(statement, ":service", call->service);
    bind_name(statement, ":instance", call->instance);
    view_bind(statement, ":from", call->from);
    view_bind(statement, ":to", call->to);
    return statement;
}

bool view_finish(struct view_call *call, sqlite3_stmt *statement)
{
    if (statement != NULL && sqlite3_finalize(statement) != SQLITE_OK)
        view_failed(call);
    return call->outcome.status == 200;
}

int64_t view_number(struct view_call *call, const char *sql)
{
    sqlite3_stmt *statement = view_query(call, sql);
    int64_t number = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    view_finish(call, statement);
    return number;
}

const char *view_text_of(sqlite3_stmt *statement, int column)
{
    return (const char *)sqlite3_column_text(statement, column);
}

double view_real_of(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL ? NAN : sqlite3_column_double(statement, column);
}

bool view_read_hex(const char *text, uint8_t *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    if (strlen(text) != 2 * length)
        return false;
    for (size_t i = 0; i < length; i++) {
        const char *high = strchr(digits, text[2 * i] | 0x20);
        const char *low = strchr(digits, text[2 * i + 1] | 0x20);
        if (high == NULL || low == NULL)
            return false;
        bytes[i] = (uint8_t)((high - digits) << 4 | (low - digits));
    }
    return true;
}

double view_time_left(const struct view_call *call)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)(call->deadline - (time.tv_sec * SECOND + time.tv_nsec)) / 1e9;
}

// SQLite asks it every few thousand of its instructions, which is well under a millisecond.
static int has_to_end(void *argument)
{
    const struct view_call *call = argument;
    return view_time_left(call) < 0 || atomic_load_explicit(call->stopping, memory_order_relaxed);
}

static void read_window(struct view_call *call)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    call->now = time.tv_sec * SECOND + time.tv_nsec;
    double to = params_number(call->params, "to", -1);
    call->to = to >= 0 ? (int64_t)(to * 1e9) : call->now;
    call->from = call->to - (int64_t)params_number(call->params, "window", WINDOW_SECONDS) * SECOND;
    call->instance = params_text(call->params, "instance");
    if (call->instance == NULL)
        call->instance = params_text(call->params, "instance");
    const char *service = params_text(call->params, "service");
    if (call->service == NULL && service != NULL)
        call->service = strdup(service);
}

bool view_begin(struct view_call *call)
{
    call->outcome = (struct outcome){.status = 200};
    call->out = json_object();
    read_window(call);
    sqlite3_progress_handler(call->db, 4000, has_to_end, call);
    if (sqlite3_exec(call->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        view_failed(call);
    if (call->outcome.status == 200)
        view_head(call);
    return call->outcome.status == 200;
}

void view_end(struct view_call *call)
{
    sqlite3_progress_handler(call->db, 0, NULL, NULL);
    sqlite3_exec(call->db, "ROLLBACK", NULL, NULL, NULL);
    json_decref(call->out);
    free(call->service);
    call->out = NULL;
    call->service = NULL;
}

char *view_answer(const struct view *view, struct view_call *call, size_t *length)
{
    char *text = NULL;
    if (view_begin(call))
        view->answer(call);
    if (call->outcome.status == 200) {
        text = json_dumps(call->out, JSON_COMPACT | JSON_REAL_PRECISION(15));
        if (text == NULL)
            view_refuse(call, 503, "There is no memory for the answer now; try again in a moment.");
    }
    *length = text != NULL ? strlen(text) : 0;
    view_end(call);
    return text;
}
