// SPDX-License-Identifier: Apache-2.0
/*
 * logctx-demo: a small server that shows where logging contexts begin, rest, go on and end. libuv calls us in the
 * sentinel, and we return to it in the sentinel. Everything belongs to the loop's thread, except for make_report(),
 * which runs on a worker thread.
 */
#include "account.h"
#include "database.h"
#include "mistakes.h"
#include "options.h"
#include "process.h"

#include <errno.h>
#include <http_parser.h>
#include <inttypes.h>
#include <logctx/deferred.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

enum { HEAD_MAX = 8192, BODY_MAX = 1024, ANSWER_MAX = DATABASE_ANSWER_MAX, CONNECTIONS_MAX = 256, PATIENCE_MS = 10000 };
enum { CLIENT_GONE = 499 }; // a status that nobody gets to see
enum { TRACEPARENT, TRACESTATE, USER_AGENT, OTHER, URL, TEXTS };
static const char *const header_names[] = {"traceparent", "tracestate", "user-agent"};

typedef struct connection connection_t;

// What the server can do: the name of a kind, of which "{id}" stands for any text that is not empty; and a handler,
// which runs in the request's context and returns the answer's status, or 0: the answer comes later.
typedef struct route {
    const char *name;
    int (*handle)(connection_t *c);
} route_t;

// A connection and the request that it carries, one at a time.
struct connection {
    uv_tcp_t tcp; // first, so that its handle is the connection
    bool open;
    bool gone;         // the client has left, with a request under way
    bool parsing;      // in read_requests()
    uint64_t deadline; // loop time at which it is given up; 0: never
    size_t filled;     // of the input
    char input[2 * HEAD_MAX], output[ANSWER_MAX + 512];
    uv_timer_t timer;

    logctx_t *ctx;        // from the complete request to its answer; zero before that, as is all from here on
    const route_t *route; // NULL: there is none
    logctx_kind_t *kind;
    const char *method, *path, *query;
    logctx_deferred_t *result;    // what the answer waits for; NULL: nothing, or it cannot be cancelled
    uint64_t began;               // uv_hrtime()
    size_t used;                  // of the input
    int status, text, keep_alive; // text: which one the parser is in
    http_parser parser;
    char texts[TEXTS][HEAD_MAX], body[BODY_MAX + 1], answer[ANSWER_MAX];
    size_t body_length;
    uv_work_t work;
    database_query_t search;
    atomic_bool stop;   // the work is not wanted any more
    connection_t *next; // that leaks, too
};

static connection_t connections[CONNECTIONS_MAX];
static uv_loop_t *loop;
static uv_tcp_t listener;
static uv_timer_t every_second;
static uv_idle_t each_turn;
static uv_signal_t signals[2];
static logctx_otlp_t *otlp;

static void answer(connection_t *c, int status);
static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer);
static void read_requests(connection_t *c);

// ---- Requests that are answered at once. SQLite works on the thread that calls it. ----

static int get_room(connection_t *c)
{
    static const char sql[] = "BEGIN; SELECT name FROM rooms WHERE id = %s;"
                              "SELECT text FROM messages WHERE room = %s ORDER BY id DESC LIMIT 20; COMMIT";
    const char *id = c->path + strlen("/rooms/");
    if (strlen(id) - 1 > 17 || id[strspn(id, "0123456789")])
        return 400;
    int status = database_transact(c->answer, 200, sqlite3_mprintf(sql, id, id));
    return status == 200 && !c->answer[0] ? 404 : status;
}

static int post_room(connection_t *c)
{
    static const char sql[] = "BEGIN; INSERT INTO rooms (name) VALUES (%Q) RETURNING '/rooms/' || id;"
                              "INSERT INTO messages (room, text) VALUES (last_insert_rowid(), 'Opened'); COMMIT";
    bool good = c->body_length > 0 && c->body_length <= 64 && strlen(c->body) == c->body_length;
    return good ? database_transact(c->answer, 201, sqlite3_mprintf(sql, c->body)) : 400;
}

// ---- Requests that wait. A client that leaves cancels what its request waits for. ----

// In the request's context, whoever has called or cancelled the deferred.
static logctx_result_t on_result(void *user, logctx_result_t *result)
{
    connection_t *c = user;
    answer(c, !result->error ? 200 : c->gone ? CLIENT_GONE : 503);
    return logctx_success(NULL, NULL);
}

// The answer waits for c->result. logctx_make_yieldable() sets the sentinel now, and puts the request's context back before
// on_result() runs. False, with the context as it was: there is no memory for that.
static bool answer_later(connection_t *c, logctx_canceller_t *cancel)
{
    logctx_deferred_t *result = logctx_deferred_new(cancel, c, NULL);
    if (!result)
        return false;
    logctx_make_yieldable(result);
    c->result = result;
    if (!logctx_deferred_add(result, on_result, on_result, c, NULL))
        return true;
    c->result = NULL;
    logctx_deferred_unref(result);
    logctx_set_current(c->ctx);
    return false;
}

static void on_time(uv_timer_t *timer)
{
    connection_t *c = timer->data;
    snprintf(c->answer, sizeof c->answer, "It is time.\n");
    logctx_deferred_succeed(c->result, NULL, NULL);
}

static void stop_timer(void *user, logctx_deferred_t *result)
{
    uv_timer_stop(&((connection_t *)user)->timer);
}

static int get_slow(connection_t *c)
{
    const char *ms = c->path + strlen("/slow/");
    if (strlen(ms) > 5 || ms[strspn(ms, "0123456789")])
        return 400;
    if (!answer_later(c, stop_timer))
        return 500;
    c->timer.data = c;
    uv_timer_start(&c->timer, on_time, strtoul(ms, NULL, 10), 0);
    return 0;
}

// ---- Work on another thread. A context belongs to one thread; the worker gets a child: same name, kind, trace. ----

static void make_report(uv_work_t *work)
{
    connection_t *c = work->data; // its context is alive: it ends on the loop's thread, after on_report()
    LOGCTX_SCOPE(logctx_new_on_thread(c->ctx));
    uint64_t hash = 1;
    for (uint64_t i = 0; i < 30000000 && !(i % 1024 == 0 && c->stop); i++)
        hash = (hash ^ i) * 1099511628211u;
    snprintf(c->answer, sizeof c->answer, "The number of the day is %" PRIu64 ".\n", hash);
    if (c->stop)
        logctx_set_failed(logctx_current(), LOGCTX_CANCELLED, NULL);
}

static void on_report(uv_work_t *work, int status)
{
    connection_t *c = work->data;
    account.worker_jobs += !status; // else it was cancelled before it began
    if (c->stop)
        logctx_deferred_unpause(c->result);
    else
        logctx_deferred_succeed(c->result, NULL, NULL);
}

// A worker that is at work cannot be stopped, only asked to; until it has ended the request waits, with a failure, so that
// nothing of it is left running when its context ends.
static void stop_report(void *user, logctx_deferred_t *result)
{
    connection_t *c = user;
    c->stop = true;
    uv_cancel((uv_req_t *)&c->work);
    logctx_deferred_pause(result);
}

static int get_report(connection_t *c)
{
    if (!answer_later(c, stop_report))
        return 500;
    c->work.data = c;
    uv_queue_work(loop, &c->work, make_report, on_report);
    return 0;
}

// ---- A query on another thread, by a connection that has to be had first: the request waits twice, and each wait is
// charged to it as what it is. What was found is put in order by a part of the request that has a context of its own. ----

static void rank(connection_t *c)
{
    LOGCTX_SCOPE(logctx_new_nested("rank"));
    account.ranked++;
    for (int i = 0; i < c->search.rows; i++)
        snprintf(c->answer + strlen(c->answer), ANSWER_MAX - strlen(c->answer), "%d. %s\n", i + 1, c->search.text[i]);
}

static void on_found(database_query_t *query)
{
    connection_t *c = query->user;
    if (!c->stop && !query->status) {
        logctx_set_current(c->ctx);
        rank(c);
        logctx_set_current(logctx_sentinel());
    }
    if (c->stop)
        logctx_deferred_unpause(c->result);
    else if (query->status)
        logctx_deferred_fail(c->result, "database", NULL, NULL);
    else
        logctx_deferred_succeed(c->result, NULL, NULL);
}

static void stop_search(void *user, logctx_deferred_t *result)
{
    connection_t *c = user;
    c->stop = !database_forget(&c->search);
    if (c->stop)
        logctx_deferred_pause(result);
}

// Rooms that have the same messages as the one that is asked for: a query that takes a few milliseconds.
static int get_search(connection_t *c)
{
    static const char sql[] =
        "SELECT r.name || ', ' || count(*) FROM messages a JOIN messages b ON substr(a.text, -1) = "
        "substr(b.text, -1) JOIN rooms r ON r.id = b.room WHERE a.room = %s GROUP BY b.room ORDER BY "
        "count(*) DESC LIMIT 8";
    const char *id = c->path + strlen("/search/");
    if (strlen(id) - 1 > 17 || id[strspn(id, "0123456789")])
        return 400;
    snprintf(c->search.sql, sizeof c->search.sql, sql, id);
    c->search.done = on_found;
    c->search.user = c;
    c->search.ctx = c->ctx;
    if (!answer_later(c, stop_search))
        return 500;
    database_ask(&c->search);
    return 0;
}

// ---- Three mistakes. Each is the one line that is marked; the library tells its place, its context and its kind. ----

// A callback puts the sentinel back as if the loop had called it. It was called in the request's context though, which
// then ends where it is not current any more: context_lost.
static int bug_lost(connection_t *c)
{
    account.bugs_lost++;
    logctx_set_current(logctx_sentinel()); // BUG: lost
    return 200;
}

// A callback of the loop puts its context back, and returns with the work not done and the sentinel not set; what runs
// next would be charged to this request: leaked_to_loop. The idle phase comes just before the poll, and one leak a turn
// is all that it makes, so that each is found before another callback covers it.
static connection_t *leaking;

static void on_next_turn(uv_idle_t *idle)
{
    connection_t *c = leaking;
    logctx_set_current(c->ctx); // BUG: leaked
    if (!c->status) {
        c->status = 200; // it goes on in the next turn
        account.bugs_leaked++;
        return;
    }
    leaking = c->next;
    if (!leaking)
        uv_idle_stop(idle);
    answer(c, 200); // ends the context, so nothing leaks this time
}

static int bug_leaked(connection_t *c)
{
    c->next = leaking;
    leaking = c;
    uv_idle_start(&each_turn, on_next_turn);
    return 0;
}

// Work that is left for after the answer goes on in the request's context, which has ended by then:
// restarted_finished. It should have one of its own, as the background job has.
static void on_audit(uv_timer_t *timer)
{
    account.bugs_restarted++;
    logctx_set_current(timer->data); // BUG: restarted
    logctx_log(LOGCTX_DEBUG, "audited");
    logctx_set_current(logctx_sentinel());
    logctx_unref(timer->data);
    uv_close((uv_handle_t *)timer, (uv_close_cb)free);
}

static int bug_restarted(connection_t *c)
{
    uv_timer_t *timer = malloc(sizeof *timer);
    if (!timer)
        return 500;
    uv_timer_init(loop, timer);
    timer->data = logctx_ref(c->ctx); // keeps the memory; it does not keep the work from being over
    uv_timer_start(timer, on_audit, 20, 0);
    return 200;
}

static const route_t routes[] = {{"GET /rooms/{id}", get_room},    {"POST /rooms", post_room},
                                 {"GET /report", get_report},      {"GET /slow/{ms}", get_slow},
                                 {"GET /search/{id}", get_search}, {"GET /bug/lost", bug_lost},
                                 {"GET /bug/leaked", bug_leaked},  {"GET /bug/restarted", bug_restarted}};

// ---- Connections. A client for whom none is free waits in the kernel's queue. ----

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    connection_t *c = (connection_t *)handle;
    *buffer = uv_buf_init(c->input + c->filled, (unsigned)(sizeof c->input - c->filled));
}

// What has come of it already goes to the front.
static void next_request(connection_t *c)
{
    c->filled -= c->used;
    memmove(c->input, c->input + c->used, c->filled);
    c->used = 0;
    c->deadline = uv_now(loop) + PATIENCE_MS;
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    if (c->filled && !c->parsing)
        read_requests(c);
}

static void on_connection(uv_stream_t *stream, int status)
{
    connection_t *c = connections;
    while (c < connections + CONNECTIONS_MAX && c->open)
        c++;
    if (status < 0 || c == connections + CONNECTIONS_MAX || uv_accept(stream, (uv_stream_t *)&c->tcp))
        return;
    c->open = true;
    c->gone = false;
    c->filled = c->used = 0;
    account.connections++;
    next_request(c);
}

static void on_closed(uv_handle_t *handle)
{
    ((connection_t *)handle)->open = false;
    uv_tcp_init(loop, (uv_tcp_t *)handle);
    on_connection((uv_stream_t *)&listener, 0);
}

static void close_connection(connection_t *c)
{
    if (!uv_is_closing((uv_handle_t *)&c->tcp))
        uv_close((uv_handle_t *)&c->tcp, on_closed);
}

// Closes who has sent no request for too long; at the end, everyone who has none under way, and sends away who only waits.
static void sweep(void)
{
    bool end = uv_is_closing((uv_handle_t *)&listener);
    for (connection_t *c = connections; c < connections + CONNECTIONS_MAX; c++)
        if (c->open && c->deadline && (end || c->deadline <= uv_now(loop)))
            close_connection(c);
        else if (end && uv_is_active((uv_handle_t *)&c->timer))
            logctx_deferred_cancel(c->result);
}

// In the background, every second: the loop's own work, and a job.
static void on_second(uv_timer_t *timer)
{
    sweep();
    LOGCTX_SCOPE(new_background("prune_rooms", NULL));
    account.background_runs++;
    database_transact(NULL, 0,
                      sqlite3_mprintf("DELETE FROM rooms WHERE id BETWEEN 101 AND (SELECT max(id) - 9999 FROM rooms)"));
}

// What the span says, by OpenTelemetry's conventions for HTTP servers. The first SHARED stand on the metric, too, and
// their texts are literals.
static void describe(connection_t *c)
{
    const char *version = c->parser.http_major != 1 ? NULL : c->parser.http_minor ? "1.1" : "1.0";
    const char *type = c->status == CLIENT_GONE ? LOGCTX_CANCELLED
                       : c->status == 503       ? "503"
                       : c->status >= 500       ? "500"
                                                : NULL; // others are no failure of ours
    // clang-format off
    const logctx_attr_t attrs[] = {
        logctx_attr_string("http.request.method", c->method), logctx_attr_string("url.scheme", "http"),
        logctx_attr_string("http.route", c->route ? strchr(c->route->name, '/') : NULL),
        logctx_attr_int("http.response.status_code", c->status), logctx_attr_string("error.type", type),
        logctx_attr_string("network.protocol.version", version), logctx_attr_string("url.path", c->path),
        logctx_attr_string("url.query", c->query), logctx_attr_string("user_agent.original", c->texts[USER_AGENT])};
    // clang-format on
    account_request(c->kind, c->status, (double)(uv_hrtime() - c->began) / 1e9, attrs);
    account.cancelled += c->status == CLIENT_GONE;
    for (size_t i = 0; i < sizeof attrs / sizeof *attrs; i++)
        if (attrs[i].value.type != LOGCTX_VALUE_STRING || attrs[i].value.as.bytes.length)
            logctx_set_attr(c->ctx, attrs[i]);
    if (type)
        logctx_set_failed(c->ctx, type, NULL);
}

// ---- A request: the life of its context ----

// A request is complete, or refused. From here on there is work of its own, and it gets a context.
static void start_request(connection_t *c, int status)
{
    char *url = c->texts[URL], line[HEAD_MAX + 16], name[32];
    unsigned method = c->parser.method;
    bool known = *url && (method <= HTTP_TRACE || method == HTTP_PATCH);
    c->deadline = 0; // it may take as long as it takes
    c->began = uv_hrtime();
    c->keep_alive = c->keep_alive && !status;
    c->path = strsep(&url, "?");
    c->query = url;
    c->method = known ? http_method_str(method) : "_OTHER"; // a kind's name is a label: few, whatever comes
    snprintf(line, sizeof line, "%s %s", c->method, c->path);
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        size_t fixed = strcspn(routes[i].name, "{");
        if (!strncmp(line, routes[i].name, fixed) && !line[fixed] == !routes[i].name[fixed])
            c->route = &routes[i];
    }
    c->kind = logctx_kind(c->route ? c->route->name : known ? c->method : "HTTP");
    snprintf(name, sizeof name, "%s-%" PRIu64, c->method, ++account.requests_total);
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = name;
    opts.traceparent = c->texts[TRACEPARENT]; // the caller's trace goes on in ours
    opts.tracestate = c->texts[TRACESTATE];
    c->ctx = logctx_new(c->kind, &opts);
    logctx_enter(c->ctx);
    status = status ? status : c->route ? c->route->handle(c) : 404;
    if (status)
        answer(c, status);
    logctx_set_current(logctx_sentinel()); // the answer may be pending, and we return to the loop
}

// The end of a request, and of its context. Without a text the answer is the name of the status.
static void answer(connection_t *c, int status)
{
    const char *reason = http_status_str((enum http_status)status), *text = c->answer[0] ? c->answer : reason;
    logctx_deferred_t *result = c->result;
    c->result = NULL;
    c->status = status;
    c->keep_alive = c->keep_alive && !uv_is_closing((uv_handle_t *)&listener);
    int length = snprintf(
        c->output, sizeof c->output,
        "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n%s", status, reason,
        strlen(text), c->keep_alive ? "keep-alive" : "close", strcmp(c->method, "HEAD") ? text : "");
    uv_buf_t output = uv_buf_init(c->output, (unsigned)length);
    describe(c);
    logctx_log(LOGCTX_INFO, "%s %s %d", c->method, c->path, status);
    logctx_exit(c->ctx); // puts back what was current when it was made: the sentinel
    logctx_unref(c->ctx);
    logctx_deferred_unref(result);
    c->ctx = NULL;
    // An answer fits into the kernel's buffer, unless the client has left, or asks without reading.
    if (c->gone || uv_try_write((uv_stream_t *)&c->tcp, &output, 1) != length || !c->keep_alive)
        close_connection(c);
    else
        next_request(c);
}

// ---- Reading. There is no request yet, so this is the loop's own work: it runs in the sentinel. ----

// A header that comes twice is joined by a comma: right for tracestate, and two traceparents become an invalid one,
// which is what they are.
static int on_text(http_parser *parser, const char *at, size_t length)
{
    connection_t *c = parser->data;
    char *text = c->texts[c->text];
    snprintf(text + strlen(text), HEAD_MAX - strlen(text), "%s%.*s", *text ? "," : "", (int)length, at);
    return 0;
}

static int on_field(http_parser *parser, const char *at, size_t length)
{
    int i = 0;
    while (i < OTHER && (strncasecmp(at, header_names[i], length) || header_names[i][length]))
        i++;
    ((connection_t *)parser->data)->text = i;
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t length)
{
    connection_t *c = parser->data;
    size_t room = BODY_MAX - c->body_length;
    memcpy(c->body + c->body_length, at, length < room ? length : room);
    c->body_length += length < room ? length : room;
    return length > room; // ends the parsing
}

static int on_complete(http_parser *parser)
{
    ((connection_t *)parser->data)->keep_alive = http_should_keep_alive(parser);
    http_parser_pause(parser, 1);
    return 0;
}

// Parse what has come, from its beginning, so that nothing is in pieces, until it is a request or cannot become one.
static void read_request(connection_t *c)
{
    // clang-format off
    static const http_parser_settings settings = {
        .on_url = on_text, .on_header_field = on_field, .on_header_value = on_text, .on_body = on_body,
        .on_message_complete = on_complete};
    // clang-format on
    memset(&c->ctx, 0, sizeof *c - offsetof(connection_t, ctx));
    c->text = URL;
    c->parser.data = c;
    http_parser_init(&c->parser, HTTP_REQUEST);
    c->used = http_parser_execute(&c->parser, &settings, c->input, c->filled);
    enum http_errno error = HTTP_PARSER_ERRNO(&c->parser);
    if (error == HPE_PAUSED)
        start_request(c, c->parser.http_major == 1 ? 0 : 400);
    else if (error || c->filled == sizeof c->input)
        start_request(c, error == HPE_HEADER_OVERFLOW ? 431 : !error || error == HPE_CB_body ? 413 : 400);
}

// A client may send requests without waiting for the answers: they are answered one after the other.
static void read_requests(connection_t *c)
{
    uint64_t before;
    c->parsing = true;
    do {
        before = account.requests_total;
        read_request(c);
    } while (c->filled && !c->ctx && before != account.requests_total && !uv_is_closing((uv_handle_t *)&c->tcp));
    c->parsing = false;
}

// The client has gone. What its request waits for is cancelled; what cannot be, ends as it would have.
static void on_gone(connection_t *c)
{
    uv_read_stop((uv_stream_t *)&c->tcp);
    c->gone = c->ctx;
    if (!c->ctx)
        close_connection(c);
    else if (c->result)
        logctx_deferred_cancel(c->result);
}

// While a request is under way this goes on, for that is how a client's leaving is noticed.
static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    connection_t *c = (connection_t *)stream;
    logctx_poll_woke(); // libuv calls back while it goes through what its poll has found
    logctx_loop_ran(0); // so this callback waited for those before it: logctx.loop.delay
    c->filled += count > 0 ? (size_t)count : 0;
    if (count < 0)
        on_gone(c);
    else if (!c->ctx)
        read_requests(c);
    if (c->ctx && c->filled == sizeof c->input)
        uv_read_stop(stream); // until the answer
}

// ---- The loop: it runs in the sentinel, and that is checked every time before it sleeps. ----

static void before_poll(uv_prepare_t *handle)
{
    logctx_poll_begin();
}

static void after_poll(uv_check_t *handle)
{
    logctx_poll_end();
}

// Who waits for a request is closed, a request under way is finished, and after the last of them the loop ends.
static void on_signal(uv_signal_t *handle, int number)
{
    LOGCTX_SCOPE(new_background("shutdown", "shutdown"));
    account.shutdowns++;
    logctx_log(LOGCTX_INFO, "Signal %d: finishing what is under way.", number);
    uv_close((uv_handle_t *)&listener, NULL);
    uv_unref((uv_handle_t *)&every_second);
    for (int i = 0; i < 2; i++) // the next signal ends the program at once
        uv_close((uv_handle_t *)&signals[i], NULL);
    sweep();
}

// ---- Start and stop ----

// Returns the port, or libuv's negative error.
static int serve(void)
{
    struct sockaddr_in bound;
    int length = sizeof bound, result = uv_ip4_addr(options.address, atoi(options.port), &bound);
    for (connection_t *c = connections; c < connections + CONNECTIONS_MAX; c++)
        uv_tcp_init(loop, &c->tcp), uv_timer_init(loop, &c->timer);
    http_parser_set_max_header_size(HEAD_MAX);
    uv_tcp_init(loop, &listener);
    if (result || (result = uv_tcp_bind(&listener, (struct sockaddr *)&bound, 0)) ||
        (result = uv_listen((uv_stream_t *)&listener, CONNECTIONS_MAX, on_connection)) ||
        (result = uv_tcp_getsockname(&listener, (struct sockaddr *)&bound, &length)))
        return result;
    return ntohs(bound.sin_port);
}

// The loop's own handles: what checks it, and what wakes it.
static void prepare_loop(void)
{
    static uv_prepare_t prepare;
    static uv_check_t check;
    uv_prepare_init(loop, &prepare); // libuv runs these in the reverse order of their starts, and this one is to be the
    uv_prepare_start(&prepare, before_poll); // last before the poll: it is started before any other
    uv_check_init(loop, &check);
    uv_check_start(&check, after_poll);
    uv_idle_init(loop, &each_turn);
    uv_timer_init(loop, &every_second);
    uv_timer_start(&every_second, on_second, 1000, 1000);
    uv_unref((uv_handle_t *)&prepare); // these are no reason for the loop to go on
    uv_unref((uv_handle_t *)&check);
    for (int i = 0; i < 2; i++) {
        uv_signal_init(loop, &signals[i]);
        uv_signal_start(&signals[i], on_signal, i ? SIGINT : SIGTERM);
    }
}

// The loop does not run yet, but this is work as well, and it has a context.
static bool start(logctx_daemon_t *daemon)
{
    static const char schema[] =
        "BEGIN; CREATE TABLE IF NOT EXISTS rooms (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE IF NOT EXISTS "
        "messages (id INTEGER PRIMARY KEY, room INTEGER, text TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT "
        "i + 1 FROM n WHERE i < 1000) INSERT OR IGNORE INTO messages SELECT i, 1 + i %% 100, 'Message ' || i FROM n;"
        "INSERT OR IGNORE INTO rooms SELECT id, 'Room ' || id FROM messages WHERE id <= 100; COMMIT";
    LOGCTX_SCOPE(new_background("main", "main"));
    account.startups++;
    logctx_otlp_opts_t opts = {.struct_size = sizeof opts};
    opts.service_name = getenv("OTEL_SERVICE_NAME") ? NULL : "logctx-demo";
    if (logctx_otlp_start(&opts, &otlp))
        return fail_to_start(daemon, "The exporter does not start; the log says why.");
    loop = uv_default_loop();
    prepare_loop();
    if (!database_open(loop, options.database, sqlite3_mprintf(schema)))
        return fail_to_start(daemon, "The database %s cannot be used; the log says why.", options.database);
    int port = serve();
    if (port < 0)
        return fail_to_start(daemon,
                             "Cannot listen on address %s, port %s: %s. Choose others with --address and --port.",
                             options.address, options.port, uv_strerror(port));
    FILE *file = fopen(options.port_file, "we");
    if (!file || fprintf(file, "%d\n", port) < 0 || fclose(file))
        logctx_log(LOGCTX_ERROR_SEVERITY, "The port cannot be written to %s: %s", options.port_file, strerror(errno));
    logctx_log(LOGCTX_INFO, "Listening on http://%s:%d", options.address, port);
    return true;
}

int main(int count, char **words)
{
    logctx_daemon_t *daemon = NULL;
    int status = read_options(count, words);
    if (status >= 0)
        return status;
    umask(077);               // what it writes is its user's alone
    signal(SIGPIPE, SIG_IGN); // a client that leaves early is no reason to die
    if (!settle(&daemon))
        return 1; // a sentence has said why
    bool good = start(daemon);
    if (!otlp)
        return 1;
    if (good) {
        make_mistake();
        logctx_daemon_ready(daemon);
        good = !uv_run(loop, UV_RUN_DEFAULT); // until nothing is listening, open or pending
    }
    logctx_otlp_books_t sent = {.struct_size = sizeof sent};
    database_close();
    logctx_otlp_flush(otlp, 4000); // before the books are read, for there are none after the shutdown
    logctx_otlp_get_books(otlp, &sent);
    logctx_otlp_shutdown(otlp, 1000);
    return account_write(options.stats_file, &sent) && good ? 0 : 1;
}
