// SPDX-License-Identifier: Apache-2.0
// Connections, routes, and what is sent here: it is carried to the writer and back. Whose a request is when,
// server_internal.h says.

#include "server_internal.h"
#include "view_alerts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <logctx/base.h>

enum {
    CONNECTIONS_MAX = 128,
    CONNECTION_MEMORY = 64 << 10, // header lines, and the chunks in which a body comes
    IDLE_SECONDS = 30,            // without a byte
    UPLOAD_SECONDS = 60,          // for one whole request, however slowly it drips
    DRAIN_FACTOR = 4,             // a refused body is read on to this many times the limit, then the line is cut
    WHY_SIZE = 256,
};

static time_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec;
}

void server__refuse(struct request *request, unsigned status, const char *format, ...)
{
    request->outcome = (struct outcome){.status = status};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(request->outcome.sentence, sizeof request->outcome.sentence, format, arguments);
    va_end(arguments);
}

const char *server__header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

// Which of the two encodings of a body; anything else is refused.
static bool read_content_encoding(struct request *request, bool *gzip)
{
    const char *encoding = server__header(request, MHD_HTTP_HEADER_CONTENT_ENCODING);
    *gzip = encoding != NULL && strcasecmp(encoding, "gzip") == 0;
    if (encoding == NULL || *gzip || encoding[0] == '\0' || strcasecmp(encoding, "identity") == 0 ||
        strcasecmp(encoding, "none") == 0)
        return true;
    server__refuse(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                   "Content-Encoding \"%.40s\" is not understood here; send gzip, or the body as it is.", encoding);
    return false;
}

static void refuse_memory(struct request *request)
{
    server__refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                   "There is no memory for the request now; try again in a moment.");
    request->outcome.retry_after = 1;
}

// A client that waits for leave to send (Expect), or that announces far too much, is told so before it sends.
static bool refuse_large(struct request *request)
{
    const char *text = server__header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    unsigned long long length = text != NULL ? strtoull(text, NULL, 10) : 0;
    size_t limit = request->server->options.max_body;
    if (length <= limit)
        return false;
    server__refuse(
        request, MHD_HTTP_CONTENT_TOO_LARGE,
        "The body has %llu bytes, and this server takes %zu; send smaller batches, or start logctx-dashboard with a "
        "larger --max-body.",
        length, limit);
    return server__header(request, MHD_HTTP_HEADER_EXPECT) != NULL || length / DRAIN_FACTOR > limit;
}

// True if the answer should not wait for the body.
static bool route_export(struct request *request, const char *method, enum signal_kind signal)
{
    bool gzip;
    request->signal = signal;
    if (strcmp(method, MHD_HTTP_METHOD_POST) != 0) {
        request->allow = "POST";
        server__refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "Send an export request with POST, not with %.20s.",
                       method);
    } else if (request->encoding == ENCODING_UNKNOWN) {
        const char *type = server__header(request, MHD_HTTP_HEADER_CONTENT_TYPE);
        server__refuse(
            request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
            "Content-Type \"%.60s\" is not understood here; send application/x-protobuf or application/json.",
            type != NULL ? type : "");
    } else if (!refuse_large(request)) {
        if (request->outcome.status == 0 && read_content_encoding(request, &gzip) &&
            !body_init(&request->body, &request->server->memory, request->server->options.max_body, gzip))
            refuse_memory(request);
        return false;
    } else {
        return true;
    }
    return false;
}

static void route_health(struct request *request, const char *method)
{
    if (!server__reads(request, method))
        return;
    request->text = "ok\n";
    request->outcome.status = MHD_HTTP_OK;
    if (!writer_healthy(request->server->writer)) {
        request->text = NULL;
        server__refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                       "The store cannot be written; the program's messages say why.");
        request->outcome.retry_after = 5;
    }
}

bool server__is_stopping(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    bool stopping = server->stopping;
    pthread_mutex_unlock(&server->lock);
    return stopping;
}

static bool route(struct request *request, const char *url, const char *method)
{
    const struct server *server = request->server;
    const char *host = server__header(request, MHD_HTTP_HEADER_HOST);
    request->encoding = reply_encoding(server__header(request, MHD_HTTP_HEADER_CONTENT_TYPE));
    if (!address_answers_to(&server->address, server->options.extra_hosts, server->options.extra_host_count, host)) {
        server__refuse(request, MHD_HTTP_FORBIDDEN,
                       "This server does not go by the name \"%.60s\"; use its address, or start logctx-dashboard with "
                       "--allow-host.",
                       host);
    } else if (!server__admits(request, url, method)) {
        return false;
    } else if (server__is_stopping(request->server)) {
        server__refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                       "logctx-dashboard is stopping; send the request again later.");
        request->outcome.retry_after = 5;
    } else if (strcmp(url, "/v1/traces") == 0) {
        return route_export(request, method, SIGNAL_TRACES);
    } else if (strcmp(url, "/v1/metrics") == 0) {
        return route_export(request, method, SIGNAL_METRICS);
    } else if (strcmp(url, "/healthz") == 0) {
        route_health(request, method);
    } else if (strcmp(url, "/v1/logs") == 0) {
        server__refuse(
            request, MHD_HTTP_NOT_FOUND,
            "Traces and metrics are taken here, logs are not; send them to another endpoint, or not at all.");
    } else if (!server__route_page(request, url, method)) {
        server__refuse(request, MHD_HTTP_NOT_FOUND, "There is nothing at this path; see GET / for what there is.");
    }
    return false;
}

static char *front_page(const struct server *server)
{
    char address[80];
    char *page = NULL;
    address_print(&server->address, address, sizeof address);
    int length = asprintf(&page,
                          "logctx-dashboard " LOGCTX_VERSION " receives OpenTelemetry traces and metrics over HTTP.\n"
                          "\n"
                          "  POST /v1/traces    spans, as application/x-protobuf or application/json, gzip or plain\n"
                          "  POST /v1/metrics   metrics, likewise\n"
                          "  GET  /healthz      answers 200 while the store can be written\n"
                          "  GET  /now          what happens now: the page, or JSON with ?format=json\n"
                          "  GET  /contexts     the contexts that have ended, likewise\n"
                          "\n"
                          "To send here:         OTEL_EXPORTER_OTLP_ENDPOINT=http://%s\n"
                          "To see what arrived:  logctx-dashboard --summary %s\n",
                          address, server->options.db_path);
    return length >= 0 ? page : NULL;
}

static struct MHD_Response *make_response(struct request *request)
{
    if (request->asset != NULL || request->json || request->live)
        return server__page_response(request);
    if (request->text != NULL) {
        char *text = request->text[0] == '\0' ? front_page(request->server) : strdup(request->text);
        return server__response(request, text, text != NULL ? strlen(text) : 0, "text/plain; charset=utf-8");
    }
    struct reply reply = reply_make(&request->outcome, request->signal, request->encoding);
    return server__response(request, reply.bytes, reply.length, reply.content_type);
}

static enum MHD_Result answer(struct request *request)
{
    body_free(&request->body);
    struct MHD_Response *response = make_response(request);
    if (response == NULL)
        return MHD_NO;
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%u", request->outcome.retry_after);
    if (request->outcome.retry_after > 0)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    if (request->allow != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, request->allow);
    char cookie[ACCESS_TOKEN_MAX + 96];
    access_cookie(&request->server->options.access, server__port(request->server), cookie, sizeof cookie);
    if (request->set_cookie)
        MHD_add_response_header(response, MHD_HTTP_HEADER_SET_COOKIE, cookie);
    if (request->outcome.status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    if (request->location != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, request->location);
    if (server__is_stopping(request->server))
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result result = MHD_queue_response(request->connection, request->outcome.status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result take_bytes(struct request *request, const char *bytes, size_t *length)
{
    size_t limit = request->server->options.max_body;
    if (request->body.memory != NULL)
        body_feed(&request->body, bytes, *length);
    request->drained += *length;
    *length = 0;
    bool patient = request->drained / DRAIN_FACTOR <= limit && now() - request->started <= UPLOAD_SECONDS;
    return patient ? MHD_YES : MHD_NO;
}

static void on_done(struct job *job)
{
    struct request *request = job->user;
    request->outcome = job->outcome;
    // The last touch: from here on the request is the server's again.
    MHD_resume_connection(request->connection);
}

static enum MHD_Result submit(struct request *request)
{
    request->submitted = true;
    if (body_finish(&request->body) != BODY_GOOD) {
        static const unsigned statuses[] = {[BODY_TOO_LARGE] = 413, [BODY_BROKEN] = 400, [BODY_NO_MEMORY] = 503};
        request->outcome.status = statuses[request->body.state];
        request->outcome.retry_after = request->body.state == BODY_NO_MEMORY ? 1 : 0;
        body_why(&request->body, request->outcome.sentence, sizeof request->outcome.sentence);
        return answer(request);
    }
    request->job = (struct job){.signal = request->signal,
                                .encoding = request->encoding,
                                .bytes = request->body.bytes,
                                .length = request->body.length,
                                .done = on_done,
                                .user = request};
    // First suspended, then submitted: the writer may be done before this function is.
    MHD_suspend_connection(request->connection);
    if (!writer_submit(request->server->writer, &request->job)) {
        server__refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                       "%d requests wait to be stored, more than that are not queued; try again in a moment.",
                       WRITER_QUEUE_MAX);
        request->outcome.retry_after = 1;
        MHD_resume_connection(request->connection);
    }
    return MHD_YES;
}

static struct request *begin(struct server *server, struct MHD_Connection *connection)
{
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL)
        return NULL;
    request->server = server;
    request->connection = connection;
    request->started = now();
    pthread_mutex_lock(&server->lock);
    server->active++;
    pthread_mutex_unlock(&server->lock);
    return request;
}

// The first that is known of a request: the URL as it came. Parameters are read from that, not from what libmicrohttpd
// makes of them, which lets malformed ones pass.
static void *on_url(void *user, const char *url, struct MHD_Connection *connection)
{
    struct request *request = begin(user, connection);
    const char *query = strchr(url, '?');
    if (request != NULL && query != NULL)
        request->query = strdup(query + 1);
    return request;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *bytes, size_t *length, void **context)
{
    (void)version;
    (void)user;
    (void)connection;
    struct request *request = *context;
    if (request == NULL)
        return MHD_NO;
    if (!request->seen_headers) {
        request->seen_headers = true;
        return route(request, url, method) ? answer(request) : MHD_YES;
    }
    if (*length > 0)
        return take_bytes(request, bytes, length);
    if (request->reading.view != NULL && !request->submitted) {
        server__submit_reading(request);
        return MHD_YES;
    }
    return request->outcome.status != 0 || request->submitted ? answer(request) : submit(request);
}

static void on_completed(void *user, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode why)
{
    (void)connection;
    (void)why;
    struct server *server = user;
    struct request *request = *context;
    if (request == NULL)
        return;
    body_free(&request->body);
    params_free(&request->reading.params);
    free(request->reading.text);
    free(request->query);
    free(request);
    *context = NULL;
    pthread_mutex_lock(&server->lock);
    server->active--;
    pthread_cond_signal(&server->idle);
    pthread_mutex_unlock(&server->lock);
}

static int listen_at(struct address *address, char *why, size_t why_size)
{
    char name[80];
    address_print(address, name, sizeof name);
    int on = 1;
    int family = address->socket.any.sa_family;
    int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener >= 0)
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (listener >= 0 && family == AF_INET6)
        setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (listener >= 0 && bind(listener, &address->socket.any, address->length) == 0 &&
        listen(listener, SOMAXCONN) == 0 && getsockname(listener, &address->socket.any, &address->length) == 0)
        return listener;
    if (errno == EADDRINUSE)
        snprintf(why, why_size,
                 "Another program listens on %s already, perhaps another logctx-dashboard or a "
                 "collector; stop it, or choose another address with --listen.",
                 name);
    else
        snprintf(why, why_size, "Cannot listen on %s: %s; choose another address with --listen.", name,
                 strerror(errno));
    if (listener >= 0)
        close(listener);
    return -1;
}

static struct MHD_Daemon *start_daemon(struct server *server, int listener)
{
    // poll(), not epoll: with that, libmicrohttpd misses the end of a connection that comes together with its last
    // bytes, and keeps it until it times out. For so few connections poll() is as fast.
    return MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, server,
                            MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
                            MHD_OPTION_URI_LOG_CALLBACK, on_url, server, MHD_OPTION_CONNECTION_LIMIT,
                            (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
                            MHD_OPTION_END);
}

static bool start_readers(struct server *server)
{
    address_print(&server->address, server->settings.address, sizeof server->settings.address);
    server->settings.limits = server->options.limits;
    server->settings.boards = alert_boards_new();
    server->readers = readers_start(&server->settings, server->options.db_path);
    server->live = live_start(&server->settings, server->options.db_path);
    return server->readers != NULL && server->live != NULL;
}

struct server *server_start(const struct server_options *options, struct writer *writer, char *why, size_t why_size)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        snprintf(why, why_size, "There is no memory to start the server.");
        return NULL;
    }
    server->options = *options;
    server->writer = writer;
    server->address = options->address;
    server->memory.limit = options->max_bodies;
    pthread_mutex_init(&server->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&server->idle, &attributes);
    pthread_condattr_destroy(&attributes);
    server->listener = listen_at(&server->address, why, why_size);
    if (server->listener >= 0 && start_readers(server)) {
        server->daemon = start_daemon(server, server->listener);
        if (server->daemon != NULL) {
            server->listener = -1;
            return server;
        }
    }
    if (server->listener >= 0)
        snprintf(why, why_size, "The HTTP server cannot be started: no memory or no thread for it.");
    server_stop(server);
    return NULL;
}

const struct address *server_address(const struct server *server)
{
    return &server->address;
}

void server_quiesce(struct server *server, int grace_s)
{
    // The daemon's thread may still hold it in its hands, so it is closed only after that thread has ended.
    server->listener = MHD_quiesce_daemon(server->daemon);
    if (server->listener >= 0)
        shutdown(server->listener, SHUT_RDWR);
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += grace_s;
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_mutex_unlock(&server->lock);
    live_end(server->live);
    pthread_mutex_lock(&server->lock);
    while (server->active > 0 && pthread_cond_timedwait(&server->idle, &server->lock, &deadline) == 0)
        continue;
    pthread_mutex_unlock(&server->lock);
}

void server_stop(struct server *server)
{
    // First the readers: no request is suspended any more when the daemon ends.
    if (server->live != NULL)
        live_stop(server->live);
    if (server->readers != NULL)
        readers_stop(server->readers);
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
    if (server->readers != NULL)
        readers_free(server->readers);
    if (server->live != NULL)
        live_free(server->live);
    alert_boards_free(server->settings.boards);
    if (server->listener >= 0)
        close(server->listener);
    pthread_cond_destroy(&server->idle);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
