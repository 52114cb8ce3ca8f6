// SPDX-License-Identifier: Apache-2.0
// Events and their clients. `lock` guards the list of clients and all that is in them; the connection to the store is the
// thread's. A client's connection is suspended while it has nothing to send, and resumed under the lock, so that it cannot
// go away in between.

#include "live.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "put.h"
#include "store_read.h"
#include "view_alerts.h"

#define SECOND INT64_C(1000000000)

enum { TAIL_STEPS = 3, LIMIT_SECONDS = 3, KEEP_ALIVE_SECONDS = 15, COST_FACTOR = 10, NEWS_MAX = 100000 };

// What is the same for all clients that look at the same: from the second look on, what has changed is known.
struct topic {
    char *service;
    char *instance;
    char *window;
    int64_t due; // monotonic ns
    int64_t newest;
    int64_t losses;
    int64_t losses_last_minute;
    uint64_t alerts; // alerts_mark
    bool looked;
};

struct client {
    struct live *live;
    struct client *next;
    struct MHD_Connection *connection;
    struct topic topic; // texts are the client's own
    char *bytes;        // still to be sent
    size_t length;
    size_t capacity;
    int64_t last_sent; // monotonic ns
    bool suspended;
    bool ended;
};

struct live {
    const struct view_settings *settings;
    const char *path;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct client *clients;
    size_t count;
    bool ended;
    atomic_bool stopping; // relaxed: read by a query under way
};

static int64_t monotonic(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static bool same(const char *a, const char *b)
{
    return a != NULL && b != NULL ? strcmp(a, b) == 0 : a == b;
}

static void wake_client(struct client *client)
{
    if (!client->suspended)
        return;
    client->suspended = false;
    MHD_resume_connection(client->connection);
}

static void end_client(struct client *client)
{
    client->ended = true;
    wake_client(client);
}

// Under the lock.
static void send_bytes(struct client *client, const char *bytes, size_t length)
{
    if (client->ended)
        return;
    if (client->length + length > client->capacity) {
        size_t capacity = client->length + length + 1024;
        char *grown = capacity <= LIVE_PENDING_MAX ? realloc(client->bytes, capacity) : NULL;
        if (grown == NULL) {
            end_client(client);
            return;
        }
        client->bytes = grown;
        client->capacity = capacity;
    }
    memcpy(client->bytes + client->length, bytes, length);
    client->length += length;
    client->last_sent = monotonic();
    wake_client(client);
}

static ssize_t read_client(void *user, uint64_t position, char *out, size_t most)
{
    struct client *client = user;
    (void)position;
    pthread_mutex_lock(&client->live->lock);
    ssize_t result = 0;
    if (client->ended) {
        result = MHD_CONTENT_READER_END_OF_STREAM;
    } else if (client->length > 0) {
        size_t size = client->length < most ? client->length : most;
        memcpy(out, client->bytes, size);
        client->length -= size;
        memmove(client->bytes, client->bytes + size, client->length);
        result = (ssize_t)size;
    } else {
        client->suspended = true;
        MHD_suspend_connection(client->connection);
    }
    pthread_mutex_unlock(&client->live->lock);
    return result;
}

static void free_topic(struct topic *topic)
{
    free(topic->service);
    free(topic->instance);
    free(topic->window);
}

static void free_client(void *user)
{
    struct client *client = user;
    struct live *live = client->live;
    pthread_mutex_lock(&live->lock);
    for (struct client **at = &live->clients; *at != NULL; at = &(*at)->next) {
        if (*at == client) {
            *at = client->next;
            live->count--;
            break;
        }
    }
    pthread_mutex_unlock(&live->lock);
    free_topic(&client->topic);
    free(client->bytes);
    free(client);
}

static char *copy_of(const char *text)
{
    return text != NULL ? strdup(text) : NULL;
}

struct MHD_Response *live_response(struct live *live, struct MHD_Connection *connection, const struct params *params)
{
    static const char greeting[] = "retry: 2000\n\n";
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    *client = (struct client){.live = live,
                              .connection = connection,
                              .topic = {.service = copy_of(params_text(params, "service")),
                                        .instance = copy_of(params_text(params, "instance")),
                                        .window = copy_of(params_text(params, "window"))}};
    pthread_mutex_lock(&live->lock);
    bool taken = live->count < LIVE_CLIENTS_MAX && !live->ended;
    if (taken) {
        client->next = live->clients;
        live->clients = client;
        live->count++;
        send_bytes(client, greeting, sizeof greeting - 1);
        pthread_cond_signal(&live->wake);
    }
    pthread_mutex_unlock(&live->lock);
    struct MHD_Response *response =
        taken ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, read_client, client, free_client) : NULL;
    if (response == NULL)
        free_client(client);
    return response;
}

// One event, as text in `out`.
static void print_event(FILE *out, const char *name, const json_t *data)
{
    char *text = json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(15));
    if (text != NULL)
        fprintf(out, "event: %s\ndata: %s\n\n", name, text);
    free(text);
}

static void print_contexts(struct view_call *call, struct topic *topic, FILE *out)
{
    int64_t newest = topic->newest;
    int64_t added = 0;
    sqlite3_stmt *statement = view_query(call, topic->looked ? "SELECT id FROM span WHERE id > ?1 AND " VIEW_OF_SERVICE
                                                               " AND " VIEW_IS_CONTEXT " ORDER BY id LIMIT :most"
                                                             : "SELECT coalesce(max(id), 0) FROM span WHERE id > ?1");
    sqlite3_bind_int64(statement, 1, topic->newest);
    view_bind(statement, ":most", NEWS_MAX);
    for (; sqlite3_step(statement) == SQLITE_ROW; added++)
        newest = sqlite3_column_int64(statement, 0);
    if (!view_finish(call, statement))
        return;
    if (topic->looked && added > 0) {
        json_t *data = json_object();
        put_whole(data, "newest", newest);
        put_whole(data, "added", added);
        print_event(out, "contexts", data);
        json_decref(data);
    }
    topic->newest = newest;
}

static void print_losses(struct view_call *call, struct topic *topic, FILE *out)
{
    json_t *losses = json_object_get(call->out, "losses");
    int64_t total = json_integer_value(json_object_get(losses, "total"));
    int64_t last_minute = json_integer_value(json_object_get(losses, "last_minute"));
    if (topic->looked && (total != topic->losses || last_minute != topic->losses_last_minute))
        print_event(out, "losses", losses);
    topic->losses = total;
    topic->losses_last_minute = last_minute;
}

static void print_alerts(struct view_call *call, struct topic *topic, FILE *out)
{
    struct alert_board *board = malloc(sizeof *board);
    if (board != NULL && alert_board_of(call, board)) {
        uint64_t mark = alerts_mark(board);
        json_t *data = json_object();
        alerts_put_all(data, board);
        if (topic->looked && mark != topic->alerts)
            print_event(out, "alerts", data);
        json_decref(data);
        topic->alerts = mark;
    }
    free(board);
}

// What is new of a topic, as events; from malloc, NULL: nothing can be said now.
static char *look(struct live *live, sqlite3 *db, struct topic *topic, size_t *length)
{
    char query[64] = "";
    char why[128];
    char *text = NULL;
    struct params params = {.count = 0};
    if (topic->window != NULL)
        snprintf(query, sizeof query, "window=%.16s", topic->window);
    params_read(&params, query, NULL, why, sizeof why);
    struct view_call call = {.db = db,
                             .settings = live->settings,
                             .params = &params,
                             .rest = "",
                             .tail = TAIL_STEPS,
                             .service = copy_of(topic->service),
                             .instance = topic->instance,
                             .deadline = monotonic() + LIMIT_SECONDS * SECOND,
                             .stopping = &live->stopping};
    FILE *out = open_memstream(&text, length);
    if (out != NULL && view_begin(&call)) {
        view_now(&call);
        print_contexts(&call, topic, out);
        print_losses(&call, topic, out);
        print_alerts(&call, topic, out);
        if (call.outcome.status == 200)
            print_event(out, "now", call.out);
        topic->looked = true;
    }
    view_end(&call);
    params_free(&params);
    if (out != NULL && fclose(out) != 0) {
        free(text);
        text = NULL;
    }
    return text;
}

static bool is_of_topic(const struct client *client, const struct topic *topic)
{
    return same(client->topic.service, topic->service) && same(client->topic.instance, topic->instance) &&
           same(client->topic.window, topic->window);
}

// The topics of the clients there are, each once. What was known of them stays known.
static size_t gather(struct live *live, struct topic *topics, size_t count)
{
    for (size_t i = 0; i < count;) {
        bool wanted = false;
        for (struct client *client = live->clients; client != NULL; client = client->next)
            wanted |= is_of_topic(client, &topics[i]);
        if (wanted) {
            i++;
        } else {
            free_topic(&topics[i]);
            topics[i] = topics[--count];
        }
    }
    for (struct client *client = live->clients; client != NULL; client = client->next) {
        bool known = false;
        for (size_t i = 0; i < count; i++)
            known |= is_of_topic(client, &topics[i]);
        if (!known && count < LIVE_CLIENTS_MAX)
            topics[count++] = (struct topic){.service = copy_of(client->topic.service),
                                             .instance = copy_of(client->topic.instance),
                                             .window = copy_of(client->topic.window)};
    }
    return count;
}

// To all clients of the topic; without text a comment that keeps the line open, where nothing was sent for long.
static void deliver(struct live *live, const struct topic *topic, const char *text, size_t length)
{
    static const char comment[] = ": still here\n\n";
    pthread_mutex_lock(&live->lock);
    for (struct client *client = live->clients; client != NULL; client = client->next) {
        if (!is_of_topic(client, topic))
            continue;
        if (length > 0)
            send_bytes(client, text, length);
        else if (monotonic() - client->last_sent >= KEEP_ALIVE_SECONDS * SECOND)
            send_bytes(client, comment, sizeof comment - 1);
    }
    pthread_mutex_unlock(&live->lock);
}

// A look that takes long is taken less often, so that a tenth of the time at most goes into it.
static void serve(struct live *live, sqlite3 **db, struct topic *topic)
{
    char why[256];
    size_t length = 0;
    int64_t begun = monotonic();
    if (begun < topic->due)
        return;
    if (*db == NULL && !store_read_open(db, live->path, why, sizeof why)) {
        sqlite3_close(*db);
        *db = NULL;
    }
    char *text = *db != NULL ? look(live, *db, topic, &length) : NULL;
    int64_t cost = monotonic() - begun;
    int64_t pause = cost * COST_FACTOR > SECOND ? cost * COST_FACTOR : SECOND;
    // By the second, however long the look took, unless that was far too long.
    topic->due = (topic->due > begun - SECOND && pause == SECOND ? topic->due : begun) + pause;
    deliver(live, topic, text, text != NULL ? length : 0);
    free(text);
}

// Waits for the next look that is due, or until there is a client. False: the end.
static bool wait_for_due(struct live *live, struct topic *topics, size_t *count)
{
    pthread_mutex_lock(&live->lock);
    for (;;) {
        *count = gather(live, topics, *count);
        int64_t due = INT64_MAX;
        for (size_t i = 0; i < *count; i++)
            due = topics[i].due < due ? topics[i].due : due;
        if (live->ended || due <= monotonic())
            break;
        struct timespec until = {.tv_sec = due / SECOND, .tv_nsec = due % SECOND};
        if (*count == 0)
            pthread_cond_wait(&live->wake, &live->lock);
        else
            pthread_cond_timedwait(&live->wake, &live->lock, &until);
    }
    bool goes_on = !live->ended;
    pthread_mutex_unlock(&live->lock);
    return goes_on;
}

static void *run(void *argument)
{
    struct live *live = argument;
    struct topic topics[LIVE_CLIENTS_MAX];
    size_t count = 0;
    sqlite3 *db = NULL;
    while (wait_for_due(live, topics, &count))
        for (size_t i = 0; i < count; i++)
            serve(live, &db, &topics[i]);
    for (size_t i = 0; i < count; i++)
        free_topic(&topics[i]);
    sqlite3_close(db);
    return NULL;
}

struct live *live_start(const struct view_settings *settings, const char *path)
{
    struct live *live = calloc(1, sizeof *live);
    if (live == NULL)
        return NULL;
    live->settings = settings;
    live->path = path;
    atomic_init(&live->stopping, false);
    pthread_mutex_init(&live->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&live->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&live->thread, NULL, run, live) == 0)
        return live;
    live_free(live);
    return NULL;
}

void live_end(struct live *live)
{
    atomic_store_explicit(&live->stopping, true, memory_order_relaxed);
    pthread_mutex_lock(&live->lock);
    live->ended = true;
    for (struct client *client = live->clients; client != NULL; client = client->next)
        end_client(client);
    pthread_cond_signal(&live->wake);
    pthread_mutex_unlock(&live->lock);
}

void live_stop(struct live *live)
{
    live_end(live);
    pthread_join(live->thread, NULL);
}

void live_free(struct live *live)
{
    pthread_cond_destroy(&live->wake);
    pthread_mutex_destroy(&live->lock);
    free(live);
}
