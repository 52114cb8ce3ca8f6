// SPDX-License-Identifier: Apache-2.0
// Puts rows into the store. Texts are mended here, at the door, so that whatever is in the file is valid UTF-8 of
// bounded size. Owned by the thread that writes.

#include "store_internal.h"

#include <stdlib.h>

#include "attributes.h"
#include "clean.h"

enum {
    NAME_LIMIT = 1024,
    SENTENCE_LIMIT = 4096,
    STACK_LIMIT = 16 << 10,
};

// Binds the values of one statement from the left.
struct binder {
    sqlite3_stmt *statement;
    int next;
};

static void bind_text(struct binder *binder, const char *text, size_t limit)
{
    int index = binder->next++;
    if (text == NULL)
        return;
    char *mended = clean_text(text, limit);
    if (mended != NULL)
        sqlite3_bind_text(binder->statement, index, mended, -1, free);
    else
        sqlite3_bind_text(binder->statement, index, text, -1, SQLITE_STATIC);
}

static void bind_name(struct binder *binder, const char *text)
{
    bind_text(binder, text, NAME_LIMIT);
}

static void bind_integer(struct binder *binder, int64_t value)
{
    sqlite3_bind_int64(binder->statement, binder->next++, value);
}

// SQLite stores NaN as NULL, which is what it means here.
static void bind_real(struct binder *binder, double value)
{
    sqlite3_bind_double(binder->statement, binder->next++, value);
}

// For columns of integers, which refuse a real that is not whole.
static void bind_whole(struct binder *binder, double value)
{
    int index = binder->next++;
    if (value >= -9e15 && value <= 9e15)
        sqlite3_bind_int64(binder->statement, index, (int64_t)value);
}

static void bind_id(struct binder *binder, const uint8_t *id, int length)
{
    int index = binder->next++;
    if (id != NULL)
        sqlite3_bind_blob(binder->statement, index, id, length, SQLITE_STATIC);
}

static int64_t find(struct store *store, sqlite3_stmt *statement)
{
    int result = sqlite3_step(statement);
    int64_t id = result == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    if (result != SQLITE_ROW && result != SQLITE_DONE) {
        store__failed(store);
        id = -1;
    }
    sqlite3_reset(statement);
    return id;
}

int64_t store_resource(struct store *store, const struct resource_row *row)
{
    struct binder binder = {store__statement(store, STATEMENT_RESOURCE_FIND), 1};
    if (binder.statement == NULL)
        return -1;
    bind_text(&binder, row->attributes, ATTRIBUTES_LIMIT);
    int64_t id = find(store, binder.statement);
    if (id != 0)
        return id < 0 || store__hear(store, id, 0) ? id : -1;
    binder = (struct binder){store__statement(store, STATEMENT_RESOURCE_ADD), 1};
    if (binder.statement == NULL)
        return -1;
    bind_text(&binder, row->attributes, ATTRIBUTES_LIMIT);
    bind_name(&binder, row->service);
    bind_name(&binder, row->version);
    bind_name(&binder, row->instance);
    bind_name(&binder, row->host);
    bind_whole(&binder, row->pid);
    if (!store__run(store, binder.statement))
        return -1;
    store->resources++;
    id = sqlite3_last_insert_rowid(store->db);
    return store__hear(store, id, 0) ? id : -1;
}

static void bind_series_key(struct binder *binder, const struct series_row *row)
{
    bind_integer(binder, row->resource);
    bind_name(binder, row->name);
    bind_integer(binder, row->form);
    bind_integer(binder, row->temporality);
    bind_text(binder, row->attributes, ATTRIBUTES_LIMIT);
}

int64_t store_series(struct store *store, const struct series_row *row)
{
    struct binder binder = {store__statement(store, STATEMENT_SERIES_FIND), 1};
    if (binder.statement == NULL)
        return -1;
    bind_series_key(&binder, row);
    int64_t id = find(store, binder.statement);
    if (id != 0)
        return id;
    binder = (struct binder){store__statement(store, STATEMENT_SERIES_ADD), 1};
    if (binder.statement == NULL)
        return -1;
    bind_series_key(&binder, row);
    bind_integer(&binder, row->monotonic);
    bind_name(&binder, row->unit);
    bind_name(&binder, row->description);
    bind_name(&binder, row->scope);
    bind_name(&binder, row->context_kind);
    bind_name(&binder, row->context_type);
    bind_name(&binder, row->cpu_mode);
    bind_name(&binder, row->error_kind);
    bind_name(&binder, row->error_type);
    bind_name(&binder, row->sampling);
    bind_name(&binder, row->loop);
    if (!store__run(store, binder.statement))
        return -1;
    store->series++;
    return sqlite3_last_insert_rowid(store->db);
}

static void bind_figures(struct binder *binder, const double figures[FIGURE_COUNT])
{
    for (int i = 0; i < FIGURE_COUNT; i++) {
        if (i == FIGURE_DB_TRANSACTIONS || i == FIGURE_DB_ROWS || i == FIGURE_ERRORS)
            bind_whole(binder, figures[i]);
        else
            bind_real(binder, figures[i]);
    }
}

enum store_added store_span(struct store *store, const struct span_row *row, int64_t *id)
{
    struct binder binder = {store__statement(store, STATEMENT_SPAN_ADD), 1};
    if (binder.statement == NULL)
        return STORE_FAILED;
    bind_integer(&binder, row->resource);
    bind_id(&binder, row->trace_id, 16);
    bind_id(&binder, row->span_id, 8);
    bind_id(&binder, row->parent_id, 8);
    bind_name(&binder, row->scope);
    bind_name(&binder, row->name);
    bind_integer(&binder, row->kind);
    bind_integer(&binder, row->start);
    bind_integer(&binder, row->end);
    bind_integer(&binder, row->status);
    bind_text(&binder, row->status_message, SENTENCE_LIMIT);
    bind_name(&binder, row->context);
    bind_name(&binder, row->type);
    bind_name(&binder, row->server);
    bind_text(&binder, row->attributes, ATTRIBUTES_LIMIT);
    bind_figures(&binder, row->figures);
    if (!store__run(store, binder.statement))
        return STORE_FAILED;
    if (sqlite3_changes(store->db) == 0) {
        store_count(store, STORE_DUPLICATES, 1);
        return STORE_DUPLICATE;
    }
    *id = sqlite3_last_insert_rowid(store->db);
    store->spans++;
    store_count(store, STORE_SPANS, 1);
    store_count(store, STORE_CONTEXTS, row->is_context);
    return store__hear(store, row->resource, row->is_context) ? STORE_ADDED : STORE_FAILED;
}

enum store_added store_point(struct store *store, const struct point_row *row)
{
    struct binder binder = {store__statement(store, STATEMENT_POINT_ADD), 1};
    if (binder.statement == NULL)
        return STORE_FAILED;
    bind_integer(&binder, row->series);
    bind_integer(&binder, row->time);
    bind_integer(&binder, row->start);
    bind_real(&binder, row->value);
    if (row->count >= 0)
        sqlite3_bind_int64(binder.statement, binder.next, row->count);
    binder.next++;
    bind_real(&binder, row->sum);
    bind_real(&binder, row->min);
    bind_real(&binder, row->max);
    bind_text(&binder, row->detail, ATTRIBUTES_LIMIT);
    if (!store__run(store, binder.statement))
        return STORE_FAILED;
    if (sqlite3_changes(store->db) == 0)
        return STORE_DUPLICATE;
    store->points++;
    store_count(store, STORE_POINTS, 1);
    return STORE_ADDED;
}

bool store_event(struct store *store, const struct event_row *row)
{
    struct binder binder = {store__statement(store, STATEMENT_EVENT_ADD), 1};
    if (binder.statement == NULL)
        return false;
    bind_integer(&binder, row->span);
    bind_integer(&binder, row->time);
    bind_name(&binder, row->name);
    bind_text(&binder, row->attributes, ATTRIBUTES_LIMIT);
    return store__run(store, binder.statement);
}

bool store_link(struct store *store, const struct link_row *row)
{
    struct binder binder = {store__statement(store, STATEMENT_LINK_ADD), 1};
    if (binder.statement == NULL)
        return false;
    bind_integer(&binder, row->span);
    bind_id(&binder, row->trace_id, 16);
    bind_id(&binder, row->span_id, 8);
    bind_text(&binder, row->attributes, ATTRIBUTES_LIMIT);
    return store__run(store, binder.statement);
}

bool store_error(struct store *store, const struct error_row *row)
{
    struct binder binder = {store__statement(store, STATEMENT_ERROR_ADD), 1};
    if (binder.statement == NULL)
        return false;
    bind_integer(&binder, row->span);
    bind_integer(&binder, row->late);
    bind_integer(&binder, row->time);
    bind_name(&binder, row->kind != NULL ? row->kind : "");
    bind_text(&binder, row->message, SENTENCE_LIMIT);
    bind_name(&binder, row->expected);
    bind_name(&binder, row->found);
    bind_name(&binder, row->found_by);
    bind_name(&binder, row->set_by);
    bind_text(&binder, row->recent, ATTRIBUTES_LIMIT);
    bind_text(&binder, row->stack, STACK_LIMIT);
    bind_name(&binder, row->affected);
    return store__run(store, binder.statement);
}
