// SPDX-License-Identifier: Apache-2.0
// What every answer begins with: the window, the services that send, what the store holds and has dropped, how many
// losses there were. The reading thread owns everything.

#include <stdlib.h>
#include <string.h>

#include <logctx/base.h>

#include "local.h"
#include "put.h"
#include "view.h"

enum { SERVICES_MAX = 50, INSTANCES_MAX = 200 };

static int64_t counter(struct view_call *call, enum store_counter which)
{
    sqlite3_stmt *statement = view_query(call, "SELECT value FROM counter WHERE name = ?");
    sqlite3_bind_text(statement, 1, store_counter_names[which], -1, SQLITE_STATIC);
    int64_t value = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    view_finish(call, statement);
    return value;
}

static bool same_text(const char *a, const char *b)
{
    return a != NULL && b != NULL ? strcmp(a, b) == 0 : a == b;
}

static void choose_service(struct view_call *call)
{
    if (call->service != NULL)
        return;
    sqlite3_stmt *statement = view_query(call, "SELECT service FROM resource ORDER BY last DESC, id DESC LIMIT 1");
    const char *service = sqlite3_step(statement) == SQLITE_ROW ? view_text_of(statement, 0) : NULL;
    call->service = service != NULL ? strdup(service) : NULL;
    view_finish(call, statement);
}

static void put_instance(struct view_call *call, json_t *instances, sqlite3_stmt *statement)
{
    struct local_process process = {
        .pid = sqlite3_column_int64(statement, 6),
        .host = view_text_of(statement, 5),
        .service = view_text_of(statement, 0),
    };
    json_t *row = put_row(instances);
    put_text(row, "instance", view_text_of(statement, 4));
    put_text(row, "host", process.host);
    json_object_set_new(row, "pid", process.pid > 0 ? json_integer(process.pid) : json_null());
    put_text(row, "version", view_text_of(statement, 7));
    put_time(row, "last", sqlite3_column_int64(statement, 3));
    put_bool(row, "local", local_is_here(&process, sqlite3_column_int64(statement, 3), call->now));
}

// Those that sent last come first, in each service too.
static void put_services(struct view_call *call)
{
    json_t *services = put_list(call->out, "services");
    json_t *instances = NULL;
    char *service = NULL;
    int64_t shown = 0;
    sqlite3_stmt *statement = view_query(
        call, "WITH latest AS (SELECT service, sum(contexts) AS contexts, max(last) AS last FROM resource "
              "  GROUP BY service ORDER BY max(last) DESC LIMIT ?) "
              "SELECT latest.service, latest.contexts, latest.last, resource.last, instance, host, pid, version "
              "FROM latest JOIN resource ON resource.service IS latest.service "
              "ORDER BY latest.last DESC, latest.service, resource.last DESC, resource.id DESC LIMIT ?");
    sqlite3_bind_int(statement, 1, SERVICES_MAX);
    sqlite3_bind_int(statement, 2, INSTANCES_MAX);
    for (; sqlite3_step(statement) == SQLITE_ROW; shown++) {
        const char *name = view_text_of(statement, 0);
        if (instances == NULL || !same_text(name, service)) {
            json_t *row = put_row(services);
            put_text(row, "service", name);
            put_whole(row, "contexts", sqlite3_column_int64(statement, 1));
            put_time(row, "last", sqlite3_column_int64(statement, 2));
            instances = put_list(row, "instances");
            free(service);
            service = name != NULL ? strdup(name) : NULL;
        }
        put_instance(call, instances, statement);
    }
    free(service);
    if (view_finish(call, statement))
        put_whole(call->out, "instances_total", view_number(call, "SELECT count(*) FROM resource"));
    put_whole(call->out, "instances_shown", shown);
}

static void put_store(struct view_call *call)
{
    json_t *store = put_object(call->out, "store");
    int64_t pages = view_number(call, "PRAGMA page_count") - view_number(call, "PRAGMA freelist_count");
    put_whole(store, "contexts", counter(call, STORE_CONTEXTS) - counter(call, STORE_CONTEXTS_PRUNED));
    put_time(store, "oldest", view_number(call, "SELECT min(end) FROM span"));
    put_time(store, "newest", view_number(call, "SELECT max(end) FROM span"));
    put_whole(store, "bytes", pages * view_number(call, "PRAGMA page_size"));
    int64_t limit = call->settings->limits.bytes;
    json_object_set_new(store, "limit", limit > 0 ? json_integer(limit) : json_null());
    int64_t age = call->settings->limits.age_s;
    json_object_set_new(store, "max_age", age > 0 ? json_integer(age) : json_null());
    put_whole(store, "dropped_contexts", counter(call, STORE_CONTEXTS_PRUNED));
    put_whole(store, "dropped_points", counter(call, STORE_POINTS_PRUNED));
    put_whole(store, "refused_spans", counter(call, STORE_SPANS_REFUSED));
    put_whole(store, "refused_points", counter(call, STORE_POINTS_REFUSED));
    put_whole(store, "duplicates", counter(call, STORE_DUPLICATES));
}

static void put_losses(struct view_call *call)
{
    json_t *losses = put_object(call->out, "losses");
    put_whole(losses, "total",
              view_number(call, "SELECT count(*) FROM transition_error WHERE time > :from AND time <= :to "
                                "AND " VIEW_OF_SERVICE));
    put_whole(losses, "last_minute",
              view_number(call, "SELECT count(*) FROM transition_error WHERE time > max(:from, :to - 60000000000) "
                                "AND time <= :to AND " VIEW_OF_SERVICE));
}

void view_head(struct view_call *call)
{
    choose_service(call);
    put_time(call->out, "time", call->now);
    put_time(call->out, "from", call->from);
    put_time(call->out, "to", call->to);
    put_text(call->out, "service", call->service);
    put_text(call->out, "instance", call->instance);
    put_services(call);
    put_store(call);
    put_losses(call);
    put_text(call->out, "address", call->settings->address);
    put_text(call->out, "version", LOGCTX_VERSION);
}
