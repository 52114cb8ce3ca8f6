// SPDX-License-Identifier: Apache-2.0
// Routes requests and carries them to the writer and back. A request belongs to libmicrohttpd's thread, except between
// writer_submit and its `done`, when it is suspended and the writer's. `lock` guards `active` and `stopping`.

#include "server.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include <logctx/base.h>

#include "body.h"

enum {
    CONNECTIONS_MAX = 128,
    CONNECTION_MEMORY = 64 << 10, // header lines, and the chunks in which a body comes
    IDLE_SECONDS = 30,            // without a byte
    UPLOAD_SECONDS = 60,          // for one whole request, however slowly it drips
    DRAIN_FACTOR = 4,             // a refused body is read on to this many times the limit, then the line is cut
    WHY_SIZE = 256,
};

struct server {
    struct server_options options;
    struct writer *writer;
    struct MHD_Daemon *daemon;
    struct address address;
    int listener; // ours to close; -1 while it is the daemon's
    struct memory memory;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    int active;
    bool stopping;
};

struct request {
    struct server *server;
    struct MHD_Connection *connection;
    time_t started;
    enum signal_kind signal;
    enum encoding encoding;
    struct outcome outcome; // once its status is not 0 the answer is known, and what still comes is thrown away
    const char *allow;
    const char *page; // answered instead of an outcome's sentence
    struct body body;
    size_t drained;
    struct job job;
    bool seen_headers;
    bool submitted;
};

static time_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec;
}

static void refuse(struct request *request, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void refuse(struct request *request, unsigned status, const char *format, ...)
{
    request->outcome = (struct outcome){.status = status};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(request->outcome.sentence, sizeof request->outcome.sentence, format, arguments);
    va_end(arguments);
}

static const char *header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

// Which of the two encodings of a body; anything else is refused.
static bool read_content_encoding(struct request *request, bool *gzip)
{
    const char *encoding = header(request, MHD_HTTP_HEADER_CONTENT_ENCODING);
    *gzip = encoding != NULL && strcasecmp(encoding, "gzip") == 0;
    if (encoding == NULL || *gzip || encoding[0] == '\0' || strcasecmp(encoding, "identity") == 0 ||
        strcasecmp(encoding, "none") == 0)
        return true;
    refuse(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
           "Content-Encoding \"%.40s\" is not understood here; send gzip, or the body as it is.", encoding);
    return false;
}

static void refuse_memory(struct request *request)
{
    refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "There is no memory for the request now; try again in a moment.");
    request->outcome.retry_after = 1;
}

// A client that waits for leave to send (Expect), or that announces far too much, is told so before it sends.
static bool refuse_large(struct request *request)
{
    const char *text = header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    unsigned long long length = text != NULL ? strtoull(text, NULL, 10) : 0;
    size_t limit = request->server->options.max_body;
    if (length <= limit)
        return false;
    refuse(request, MHD_HTTP_CONTENT_TOO_LARGE,
           "The body has %llu bytes, and this server takes %zu; send smaller batches, or start logctx-dashboard with a "
           "larger --max-body.",
           length, limit);
    return header(request, MHD_HTTP_HEADER_EXPECT) != NULL || length / DRAIN_FACTOR > limit;
}

// True if the answer should not wait for the body.
static bool route_export(struct request *request, const char *method, enum signal_kind signal)
{
    bool gzip;
    request->signal = signal;
    if (strcmp(method, MHD_HTTP_METHOD_POST) != 0) {
        request->allow = "POST";
        refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "Send an export request with POST, not with %.20s.", method);
    } else if (request->encoding == ENCODING_UNKNOWN) {
        const char *type = header(request, MHD_HTTP_HEADER_CONTENT_TYPE);
        refuse(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
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

static void route_page(struct request *request, const char *method, const char *page)
{
    if (strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0) {
        request->outcome.status = MHD_HTTP_OK;
        request->page = page;
    } else {
        request->allow = "GET, HEAD";
        refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "This page can be read with GET; %.20s does nothing here.",
               method);
    }
}

static void route_health(struct request *request, const char *method)
{
    route_page(request, method, "ok\n");
    if (request->page != NULL && !writer_healthy(request->server->writer)) {
        request->page = NULL;
        refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "The store cannot be written; the program's messages say why.");
        request->outcome.retry_after = 5;
    }
}

static bool is_stopping(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    bool stopping = server->stopping;
    pthread_mutex_unlock(&server->lock);
    return stopping;
}

static bool route(struct request *request, const char *url, const char *method)
{
    const struct server *server = request->server;
    const char *host = header(request, MHD_HTTP_HEADER_HOST);
    request->encoding = reply_encoding(header(request, MHD_HTTP_HEADER_CONTENT_TYPE));
    if (!address_answers_to(&server->address, server->options.extra_hosts, server->options.extra_host_count, host)) {
        refuse(request, MHD_HTTP_FORBIDDEN,
               "This server does not go by the name \"%.60s\"; use its address, or start logctx-dashboard with "
               "--allow-host.",
               host);
    } else if (is_stopping(request->server)) {
        refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "logctx-dashboard is stopping; send the request again later.");
        request->outcome.retry_after = 5;
    } else if (strcmp(url, "/v1/traces") == 0) {
        return route_export(request, method, SIGNAL_TRACES);
    } else if (strcmp(url, "/v1/metrics") == 0) {
        return route_export(request, method, SIGNAL_METRICS);
    } else if (strcmp(url, "/") == 0) {
        route_page(request, method, "");
    } else if (strcmp(url, "/healthz") == 0) {
        route_health(request, method);
    } else if (strcmp(url, "/v1/logs") == 0) {
        refuse(request, MHD_HTTP_NOT_FOUND,
               "Traces and metrics are taken here, logs are not; send them to another endpoint, or not at all.");
    } else {
        refuse(request, MHD_HTTP_NOT_FOUND, "There is nothing at this path; see GET / for what there is.");
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
                          "\n"
                          "To send here:         OTEL_EXPORTER_OTLP_ENDPOINT=http://%s\n"
                          "To see what arrived:  logctx-dashboard --summary %s\n",
                          address, server->options.db_path);
    return length >= 0 ? page : NULL;
}

static struct reply make_reply(const struct request *request)
{
    if (request->page == NULL)
        return reply_make(&request->outcome, request->signal, request->encoding);
    struct reply reply = {.status = request->outcome.status, .content_type = "text/plain; charset=utf-8"};
    reply.bytes = request->page[0] == '\0' ? front_page(request->server) : strdup(request->page);
    reply.length = reply.bytes != NULL ? strlen(reply.bytes) : 0;
    return reply;
}

static enum MHD_Result answer(struct request *request)
{
    body_free(&request->body);
    struct reply reply = make_reply(request);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply.length, reply.bytes != NULL ? reply.bytes : "",
                                        reply.bytes != NULL ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (response == NULL) {
        free(reply.bytes);
        return MHD_NO;
    }
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%u", reply.retry_after);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply.content_type);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (reply.retry_after > 0)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    if (request->allow != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, request->allow);
    if (is_stopping(request->server))
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result result = MHD_queue_response(request->connection, reply.status, response);
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
        refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE,
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

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *bytes, size_t *length, void **context)
{
    (void)version;
    struct request *request = *context;
    if (request == NULL) {
        request = *context = begin(user, connection);
        if (request == NULL)
            return MHD_NO;
        return route(request, url, method) ? answer(request) : MHD_YES;
    }
    if (*length > 0)
        return take_bytes(request, bytes, length);
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
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
                            MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
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
    if (server->listener >= 0) {
        server->daemon = start_daemon(server, server->listener);
        if (server->daemon != NULL) {
            server->listener = -1;
            return server;
        }
        snprintf(why, why_size, "The HTTP server cannot be started: no memory or no thread for it.");
    }
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
    while (server->active > 0 && pthread_cond_timedwait(&server->idle, &server->lock, &deadline) == 0)
        continue;
    pthread_mutex_unlock(&server->lock);
}

void server_stop(struct server *server)
{
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
    if (server->listener >= 0)
        close(server->listener);
    pthread_cond_destroy(&server->idle);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
