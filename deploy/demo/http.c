// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/1.1: connections with one request at a time each, and the life of the requests' contexts. All on the loop's
 * thread. libuv calls us in the sentinel, and we return to it in the sentinel; in between a request's context is
 * current in start_request() and on_written(), and in rooms.c where it says so.
 */
#include "demo.h"
#include <fnmatch.h>
#include <http_parser.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { HEAD_MAX = 8192, CONNECTIONS_MAX = 256, PATIENCE_MS = 10000 };
enum { TRACEPARENT, TRACESTATE, USER_AGENT, OTHER, FIELD, URL, TEXTS };
static const char *const header_names[] = {"traceparent", "tracestate", "user-agent"};

typedef struct connection {
    request_t request; // first, so that a request is its connection
    uv_tcp_t tcp;
    uv_write_t write;
    http_parser parser;
    uint64_t deadline; // loop time at which it is given up; 0: never
    bool open, keep_alive;
    int text; // that the parser is in
    char texts[TEXTS][HEAD_MAX], peer[46], output[4096 + 512], *query;
} connection_t;

static connection_t connections[CONNECTIONS_MAX];
static uv_loop_t *loop;
static uv_tcp_t listener;
static uv_timer_t sweep;
static bool waiting, stopping; // waiting: a client stays in the kernel's queue until a connection is free
static const char *server_address;
static int server_port;

static void on_connection(uv_stream_t *stream, int status);

// ---- A request: the life of its context ----

// A request is complete, or refused. From here on there is work of its own, and it gets a context.
static void start_request(connection_t *c, int refusal)
{
    static unsigned long count;
    request_t *request = &c->request;
    char *url = c->texts[URL], line[HEAD_MAX + 16], name[32];
    unsigned method = c->parser.method;
    bool known = *url &&
                 (method <= HTTP_TRACE || method == HTTP_PATCH); // a kind's name is a label: few, whatever comes
    uv_read_stop((uv_stream_t *)&c->tcp);
    c->deadline = 0; // it may take as long as it takes
    url[strcspn(url, "#")] = '\0';
    c->query = strchr(url, '?');
    if (c->query)
        *c->query++ = '\0';
    request->began = uv_hrtime();
    request->path = url;
    request->method = known ? http_method_str(method) : "_OTHER";
    snprintf(line, sizeof line, "%s %s", request->method, url);
    for (route_t *route = routes; route->name && !request->route; route++)
        request->route = fnmatch(route->pattern, line, FNM_PATHNAME) ? NULL : route;
    request->kind = request->route ? request->route->kind : logctx_kind(known ? request->method : "HTTP");

    snprintf(name, sizeof name, "%s-%lu", request->method, ++count);
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = name;
    opts.traceparent = c->texts[TRACEPARENT]; // the caller's trace goes on in ours
    opts.tracestate = c->texts[TRACESTATE];
    request->ctx = logctx_new(request->kind, &opts);
    logctx_enter(request->ctx);
    if (request->route && !refusal)
        request->route->handle(request);
    else
        http_answer(request, refusal ? refusal : 404, NULL);
    logctx_set_current(logctx_sentinel()); // the answer is pending, and we return to the loop
}

// By OpenTelemetry's conventions for HTTP servers.
static void describe(connection_t *c, logctx_t *ctx)
{
    request_t *request = &c->request;
    logctx_attr_t *attr = request->attrs;
    *attr++ = logctx_attr_string("http.request.method", request->method);
    *attr++ = logctx_attr_string("url.scheme", "http");
    *attr++ = logctx_attr_int("http.response.status_code", request->status);
    if (c->parser.http_major == 1)
        *attr++ = logctx_attr_string("network.protocol.version", c->parser.http_minor ? "1.1" : "1.0");
    if (request->route)
        *attr++ = logctx_attr_string("http.route", strchr(request->route->name, '/'));
    if (request->status >= 500) {
        *attr++ = logctx_attr_string("error.type", "500"); // the only such status that this server answers
        logctx_set_failed(ctx, "500", NULL);
    }
    for (request->attr_count = 0; request->attrs + request->attr_count < attr; request->attr_count++)
        logctx_set_attr(ctx, request->attrs[request->attr_count]);
    logctx_set_string(ctx, "url.path", request->path);
    if (c->query)
        logctx_set_string(ctx, "url.query", c->query);
    if (c->texts[USER_AGENT][0])
        logctx_set_string(ctx, "user_agent.original", c->texts[USER_AGENT]);
    logctx_set_string(ctx, "client.address", c->peer);
    logctx_set_string(ctx, "server.address", server_address);
    logctx_set_int(ctx, "server.port", server_port);
}

static void close_connection(connection_t *c);
static void next_request(connection_t *c);

// The answer is out, or failed for good. Who completes pending work puts its context back before the work goes on.
static void on_written(uv_write_t *write, int result)
{
    connection_t *c = write->handle->data;
    request_t *request = &c->request;
    logctx_set_current(request->ctx);
    describe(c, request->ctx);
    account_request(request);
    logctx_log(LOGCTX_INFO, "%s %s %d", request->method, request->path, request->status);
    if (request->sent)
        request->sent(request);
    logctx_exit(request->ctx); // puts back what was current when it was made: the sentinel
    logctx_unref(request->ctx);
    request->ctx = NULL;
    if (result < 0 || !c->keep_alive)
        close_connection(c);
    else
        next_request(c);
}

void http_answer(request_t *request, int status, const char *text)
{
    connection_t *c = (connection_t *)request;
    const char *reason = http_status_str((enum http_status)status), *body = text ? text : reason;
    char date[32];
    time_t now = time(NULL);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&now));
    request->status = status;
    c->keep_alive = c->keep_alive && !stopping;
    c->deadline = uv_now(loop) + PATIENCE_MS;
    int length = snprintf(c->output, sizeof c->output,
                          "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                          "Connection: %s\r\n\r\n%s",
                          status, reason, date, strlen(body), c->keep_alive ? "keep-alive" : "close",
                          strcmp(request->method, "HEAD") ? body : "");
    uv_buf_t output = uv_buf_init(c->output, (unsigned)length);
    uv_write(&c->write, (uv_stream_t *)&c->tcp, &output, 1, on_written); // fails only where the handle was closed
}

// ---- Reading. There is no request yet, so this is the loop's own work: it runs in the sentinel. ----

// The parser gives what it finds in pieces. A head has HEAD_MAX bytes at most, so nothing that matters is cut.
static int on_text(http_parser *parser, const char *at, size_t length)
{
    connection_t *c = parser->data;
    size_t used = strlen(c->texts[c->text]);
    snprintf(c->texts[c->text] + used, HEAD_MAX - used, "%.*s", (int)length, at);
    return 0;
}

static int on_field(http_parser *parser, const char *at, size_t length)
{
    connection_t *c = parser->data;
    if (c->text != FIELD)
        c->texts[FIELD][0] = '\0';
    c->text = FIELD;
    return on_text(parser, at, length);
}

// A header that comes twice is joined by a comma: right for tracestate, and makes two traceparents invalid, as they are.
static int on_value(http_parser *parser, const char *at, size_t length)
{
    connection_t *c = parser->data;
    if (c->text == FIELD) {
        for (c->text = 0; c->text < OTHER && strcasecmp(c->texts[FIELD], header_names[c->text]); c->text++)
            ;
        if (c->texts[c->text][0])
            on_text(parser, ",", 1);
    }
    return on_text(parser, at, length);
}

static int on_body(http_parser *parser, const char *at, size_t length)
{
    request_t *request = &((connection_t *)parser->data)->request;
    if (length >= sizeof request->body - request->body_length)
        return 1; // ends the parsing
    memcpy(request->body + request->body_length, at, length);
    request->body_length += length;
    return 0;
}

static int on_complete(http_parser *parser)
{
    ((connection_t *)parser->data)->keep_alive = http_should_keep_alive(parser);
    http_parser_pause(parser, 1);
    return 0;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle, (void)suggested;
    static char input[65536]; // of all connections, since what is read is parsed at once
    *buffer = uv_buf_init(input, sizeof input);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    static const http_parser_settings settings = {.on_url = on_text,
                                                  .on_header_field = on_field,
                                                  .on_header_value = on_value,
                                                  .on_body = on_body,
                                                  .on_message_complete = on_complete};
    connection_t *c = stream->data;
    if (count < 0)
        close_connection(c);
    if (count <= 0)
        return;
    size_t used = http_parser_execute(&c->parser, &settings, buffer->base, (size_t)count);
    c->keep_alive = c->keep_alive && used == (size_t)count; // who does not wait for the answer has to ask again
    switch (HTTP_PARSER_ERRNO(&c->parser)) {
    case HPE_OK:
        break;
    case HPE_PAUSED:
        start_request(c, c->parser.http_major == 1 ? 0 : 400);
        break;
    case HPE_HEADER_OVERFLOW:
        start_request(c, 431);
        break;
    case HPE_CB_body:
        start_request(c, 413);
        break;
    default:
        start_request(c, 400);
    }
}

// ---- Connections ----

static void on_closed(uv_handle_t *handle)
{
    ((connection_t *)handle->data)->open = false;
    if (waiting)
        on_connection((uv_stream_t *)&listener, 0);
}

static void close_connection(connection_t *c)
{
    if (!uv_is_closing((uv_handle_t *)&c->tcp))
        uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void next_request(connection_t *c)
{
    memset(&c->request, 0, sizeof c->request);
    for (c->text = 0; c->text < TEXTS; c->text++)
        c->texts[c->text][0] = '\0';
    c->text = URL;
    c->keep_alive = false;
    c->deadline = uv_now(loop) + PATIENCE_MS;
    http_parser_init(&c->parser, HTTP_REQUEST);
    c->parser.data = c;
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

static void on_connection(uv_stream_t *stream, int status)
{
    connection_t *c = connections;
    struct sockaddr_in peer;
    int length = sizeof peer;
    while (c < connections + CONNECTIONS_MAX && c->open)
        c++;
    waiting = c == connections + CONNECTIONS_MAX; // libuv brings no other before we accept this one
    if (status < 0 || waiting)
        return;
    account.connections++;
    c->open = true;
    uv_tcp_init(loop, &c->tcp);
    c->tcp.data = c;
    if (uv_accept(stream, (uv_stream_t *)&c->tcp) || uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&peer, &length) ||
        uv_ip4_name(&peer, c->peer, sizeof c->peer))
        close_connection(c);
    else
        next_request(c);
}

static void on_sweep(uv_timer_t *timer)
{
    for (connection_t *c = connections; c < connections + CONNECTIONS_MAX; c++)
        if (c->open && ((c->deadline && c->deadline <= uv_now(timer->loop)) || (stopping && !c->request.ctx)))
            close_connection(c); // an answer on its way fails with that, and its request ends
}

// ---- Start and stop ----

int http_listen(uv_loop_t *the_loop, const char *address, int port)
{
    struct sockaddr_in bound;
    int length = sizeof bound, result;
    loop = the_loop;
    for (route_t *route = routes; route->name; route++)
        route->kind = logctx_kind(route->name);
    http_parser_set_max_header_size(HEAD_MAX);
    uv_tcp_init(loop, &listener);
    uv_timer_init(loop, &sweep);
    uv_timer_start(&sweep, on_sweep, 1000, 1000);
    uv_unref((uv_handle_t *)&sweep); // it is no reason for the loop to go on
    if ((result = uv_ip4_addr(address, port, &bound)) ||
        (result = uv_tcp_bind(&listener, (struct sockaddr *)&bound, 0)) ||
        (result = uv_listen((uv_stream_t *)&listener, CONNECTIONS_MAX, on_connection)) ||
        (result = uv_tcp_getsockname(&listener, (struct sockaddr *)&bound, &length)))
        return result;
    server_address = address;
    return server_port = ntohs(bound.sin_port);
}

// Who waits for a request is closed, a request under way is finished, and after the last of them the loop ends.
void http_stop(void)
{
    stopping = true;
    waiting = false;
    uv_close((uv_handle_t *)&listener, NULL);
    on_sweep(&sweep);
}
