// SPDX-License-Identifier: Apache-2.0
// Reads what is in flight. Tables are copied and read while their processes run; each belongs to the reading thread.

#include "in_flight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clean.h"
#include "local.h"
#include "put.h"
#include "snapshot.h"

#define SECOND INT64_C(1000000000)

enum { PROCESSES_MAX = 16, ROWS_SHOWN = 200, KINDS_SHOWN = 200, RECENT_S = 300, TEXT_MAX = 1024 };

// One process of which there is a snapshot.
struct process {
    char *instance;
    struct source *source;
    struct snapshot snapshot;
};

struct place {
    uint64_t age;
    size_t process, context;
};

struct live {
    struct process processes[PROCESSES_MAX];
    size_t process_count;
    int64_t elsewhere; // instances that send, and cannot be read here
    struct place *places;
    size_t count;
    size_t states[SNAPSHOT_STATE_COUNT];
};

static json_t *new_text(struct layout_text text)
{
    char bytes[TEXT_MAX + 1];
    size_t length = text.at != NULL && text.length < TEXT_MAX ? text.length : TEXT_MAX;
    if (text.at == NULL)
        return json_null();
    memcpy(bytes, text.at, length);
    bytes[length] = '\0';
    char *mended = clean_text(bytes, TEXT_MAX);
    json_t *value = put_new_text(mended != NULL ? mended : bytes);
    free(mended);
    return value;
}

static void take_snapshot(struct live *live, const struct local_process *local, const char *instance)
{
    char why[SOURCE_WHY];
    struct process *process = &live->processes[live->process_count];
    *process = (struct process){.source = local_open(local)};
    if (process->source != NULL && snapshot_take(&process->snapshot, process->source, why) == SOURCE_GOOD) {
        process->instance = instance != NULL ? strdup(instance) : NULL;
        live->process_count++;
        return;
    }
    source_close(process->source);
    live->elsewhere++;
}

// Those that sent something lately: who ended has nothing in flight.
static void take_snapshots(struct live *live, struct view_call *call)
{
    sqlite3_stmt *statement =
        view_query(call, "SELECT pid, host, service, instance FROM resource WHERE last > ? AND service IS :service "
                         "AND (:instance IS NULL OR instance = :instance) ORDER BY last DESC");
    sqlite3_bind_int64(statement, 1, call->now - RECENT_S * SECOND);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        struct local_process local = {.pid = sqlite3_column_int64(statement, 0),
                                      .host = view_text_of(statement, 1),
                                      .service = view_text_of(statement, 2)};
        bool known = false;
        for (size_t i = 0; i < live->process_count; i++)
            known |= source_pid(live->processes[i].source) == local.pid;
        if (live->process_count == PROCESSES_MAX)
            live->elsewhere++;
        else if (!known)
            take_snapshot(live, &local, view_text_of(statement, 3));
    }
    view_finish(call, statement);
}

static int oldest_first(const void *a, const void *b)
{
    const struct place *x = a;
    const struct place *y = b;
    return (x->age < y->age) - (x->age > y->age);
}

static void list_contexts(struct live *live)
{
    size_t total = 0;
    for (size_t i = 0; i < live->process_count; i++)
        total += live->processes[i].snapshot.context_count;
    live->places = calloc(total + 1, sizeof *live->places);
    for (size_t i = 0; live->places != NULL && i < live->process_count; i++) {
        const struct snapshot *snapshot = &live->processes[i].snapshot;
        for (size_t j = 0; j < snapshot->context_count; j++)
            live->places[live->count++] = (struct place){snapshot->contexts[j].age, i, j};
        for (int state = 0; state < SNAPSHOT_STATE_COUNT; state++)
            live->states[state] += snapshot->by_state[state];
    }
    if (live->places != NULL)
        qsort(live->places, live->count, sizeof *live->places, oldest_first);
}

// As exported: {"place", "function", "path"}; null if the table does not know the site.
static json_t *new_site(const struct snapshot *snapshot, uint64_t address)
{
    char path[TEXT_MAX + 16];
    struct layout_text file, function;
    uint32_t line;
    if (address == 0 || !layout_site(&snapshot->layout, address, &file, &line, &function) || file.at == NULL)
        return json_null();
    int length = (int)(file.length < TEXT_MAX ? file.length : TEXT_MAX);
    if (line > 0)
        snprintf(path, sizeof path, "%.*s:%u", length, file.at, line);
    else
        snprintf(path, sizeof path, "%.*s", length, file.at);
    char *mended = clean_text(path, sizeof path);
    const char *whole = mended != NULL ? mended : path;
    const char *slash = line > 0 ? strrchr(whole, '/') : NULL;
    json_t *site = json_object();
    put_text(site, "place", slash != NULL ? slash + 1 : whole);
    json_object_set_new(site, "function", new_text(function));
    put_text(site, "path", whole);
    free(mended);
    return site;
}

static json_t *new_thread(const struct snapshot *snapshot, const struct snapshot_context *context)
{
    char text[32];
    if (context->thread < 0)
        return json_null();
    const struct snapshot_thread *thread = &snapshot->threads[context->thread];
    if (thread->loop.length > 0)
        return new_text(thread->loop);
    snprintf(text, sizeof text, "thread %d", thread->tid);
    return json_string(text);
}

static void put_id(json_t *row, const char *key, const uint8_t *id, size_t length)
{
    char text[33] = "";
    for (size_t i = 0; i < length; i++)
        snprintf(text + 2 * i, 3, "%02x", id[i]);
    put_text(row, key, text);
}

static void put_usage(json_t *row, const struct snapshot_context *context)
{
    json_t *usage = put_object(row, "usage");
    put_real(usage, "cpu", (double)context->cpu / 1e9);
    put_real(usage, "cpu_user", (double)context->cpu_user / 1e9);
    put_real(usage, "cpu_system", (double)context->cpu_system / 1e9);
    put_real(usage, "running", (double)context->running / 1e9 + (double)context->slice / 1e9);
    put_whole(usage, "db_transactions", context->transactions);
    put_real(usage, "db_time", (double)context->db / 1e9);
    put_real(usage, "db_wait", (double)context->wait / 1e9);
    put_whole(usage, "db_rows", context->rows);
}

static void put_context(json_t *row, const struct process *process, const struct snapshot_context *context)
{
    const struct snapshot *snapshot = &process->snapshot;
    json_object_set_new(row, "name", new_text(context->name));
    json_object_set_new(row, "kind", new_text(context->kind));
    put_text(row, "type", snapshot_type_name(context->type));
    put_real(row, "age", (double)context->age / 1e9);
    put_text(row, "state", snapshot_state_name(context->state));
    // How long it has been anything but current, the table does not say; what is new was so for all of its life.
    double since = context->state == SNAPSHOT_RUNNING ? (double)context->slice / 1e9
                   : context->state == SNAPSHOT_NEW   ? (double)context->age / 1e9
                                                      : NAN;
    put_real(row, "for", since);
    json_object_set_new(row, "thread", new_thread(snapshot, context));
    put_usage(row, context);
    put_whole(row, "errors", context->errors);
    json_object_set_new(row, "site",
                        new_site(snapshot, context->switched_at != 0 ? context->switched_at : context->created_at));
    put_id(row, "trace_id", context->trace_id, sizeof context->trace_id);
    put_id(row, "span_id", context->span_id, sizeof context->span_id);
    put_text(row, "instance", process->instance);
    put_whole(row, "pid", source_pid(process->source));
}

static void put_live(json_t *member, const struct live *live, struct in_flight *in_flight)
{
    char why[160];
    snprintf(why, sizeof why,
             "%lld of %lld instances cannot be read from here; what they have in flight is not listed.",
             (long long)live->elsewhere, (long long)live->elsewhere + (long long)live->process_count);
    put_text(member, "source", "table");
    put_text(member, "why", live->elsewhere > 0 ? why : NULL);
    put_whole(member, "total", (int64_t)live->count);
    put_whole(member, "shown", (int64_t)(live->count < ROWS_SHOWN ? live->count : ROWS_SHOWN));
    put_list(member, "kinds");
    json_t *rows = put_list(member, "rows");
    for (size_t i = 0; i < live->count && i < ROWS_SHOWN; i++) {
        const struct process *process = &live->processes[live->places[i].process];
        put_context(put_row(rows), process, &process->snapshot.contexts[live->places[i].context]);
    }
    in_flight->from_table = true;
    in_flight->total = (double)live->count;
    in_flight->oldest = live->count > 0 ? (double)live->places[0].age / 1e9 : NAN;
    in_flight->states = json_object();
    for (int state = 0; state < SNAPSHOT_STATE_COUNT; state++)
        if (live->states[state] > 0)
            put_whole(in_flight->states, snapshot_state_name((enum snapshot_state)state), (int64_t)live->states[state]);
}

// The last values of each series, unless its process has been silent for long.
static void put_numbers(struct view_call *call, json_t *member, const char *why, struct in_flight *in_flight)
{
    json_t *kinds = json_array();
    int64_t shown = 0;
    sqlite3_stmt *statement = view_query(
        call,
        "WITH latest AS (SELECT s.name, s.context_kind, s.context_type, (SELECT value FROM point WHERE series = s.id "
        "    AND time > :to - 300000000000 AND time <= :to ORDER BY time DESC LIMIT 1) AS value FROM series AS s "
        "    WHERE s.name IN ('logctx.context.in_flight', 'logctx.context.oldest.age') AND s." VIEW_OF_SERVICE ") "
        "SELECT context_kind, context_type, sum(value) FILTER (WHERE name = 'logctx.context.in_flight') AS live, "
        "  max(value) FILTER (WHERE name = 'logctx.context.oldest.age') AS oldest, count(value) FROM latest "
        "GROUP BY context_kind, context_type ORDER BY oldest DESC");
    bool known = false;
    double total = 0;
    double oldest = NAN;
    while (sqlite3_step(statement) == SQLITE_ROW) {
        double live = view_real_of(statement, 2);
        known |= sqlite3_column_int64(statement, 4) > 0;
        if (isnan(live) || live <= 0)
            continue;
        double age = view_real_of(statement, 3);
        oldest = isnan(oldest) || age > oldest ? age : oldest;
        total += live;
        if (++shown > KINDS_SHOWN)
            continue;
        json_t *row = put_row(kinds);
        put_text(row, "kind", view_text_of(statement, 0));
        put_text(row, "type", view_text_of(statement, 1));
        put_whole(row, "count", (int64_t)live);
        put_real(row, "oldest", age);
    }
    view_finish(call, statement);
    put_text(member, "source", known ? "metrics" : "none");
    put_text(member, "why", why);
    put_whole(member, "total", (int64_t)total);
    put_whole(member, "shown", 0);
    json_object_set_new(member, "kinds", kinds);
    put_list(member, "rows");
    in_flight->total = known ? total : NAN;
    in_flight->oldest = known && total > 0 ? oldest : NAN;
}

void in_flight_put(struct view_call *call, struct in_flight *in_flight)
{
    struct live live = {0};
    json_t *member = put_object(call->out, "in_flight");
    *in_flight = (struct in_flight){.total = NAN, .oldest = NAN};
    // A table tells of now alone.
    bool is_now = call->to > call->now - 15 * SECOND;
    if (is_now)
        take_snapshots(&live, call);
    list_contexts(&live);
    if (live.process_count > 0)
        put_live(member, &live, in_flight);
    else
        put_numbers(call, member,
                    is_now ? "No process of this service can be read from here: they run on another machine or as "
                             "another user, or have ended."
                           : "The window ends in the past, of which only the metrics tell.",
                    in_flight);
    for (size_t i = 0; i < live.process_count; i++) {
        snapshot_free(&live.processes[i].snapshot);
        source_close(live.processes[i].source);
        free(live.processes[i].instance);
    }
    free(live.places);
}
