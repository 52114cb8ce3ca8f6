// SPDX-License-Identifier: Apache-2.0
/*
 * The program: options, the loop with logctx around its poll, the exporter, and the account that the demo keeps of
 * itself. Two threads share the table of request durations and nothing else: the loop's adds, the exporter's collects.
 */
#include "demo.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct account account;

// ---- http.server.request.duration: the application's own metric, by OpenTelemetry's conventions ----

enum { SERIES_MAX = 256, BOUNDS = 14 }; // more than there are kinds with the statuses that they can have
static const double bounds[BOUNDS] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10};

static struct series {
    request_t like; // its first request: the others are of the same kind, and had the same status
    uint64_t count, buckets[BOUNDS + 1];
    logctx_otlp_histogram_t point;
} series[SERIES_MAX + 1];      // a count of 0 ends it
static uv_mutex_t series_lock; // holds all of it

void account_request(const request_t *request)
{
    double seconds = (double)(uv_hrtime() - request->began) / 1e9;
    struct series *s = series;
    size_t bucket = 0;
    while (bucket < BOUNDS && seconds > bounds[bucket])
        bucket++;
    uv_mutex_lock(&series_lock);
    while (s->count && (s->like.kind != request->kind || s->like.status != request->status))
        s++;
    if (!s->count) {
        s->like = *request;
        s->point = (logctx_otlp_histogram_t){.struct_size = sizeof s->point,
                                             .name = "http.server.request.duration",
                                             .description = "Duration of HTTP server requests.",
                                             .unit = "s",
                                             .attrs = s->like.attrs,
                                             .attr_count = s->like.attr_count,
                                             .since_unix_ns = logctx_start_unix_ns(),
                                             .bounds = bounds,
                                             .bound_count = BOUNDS,
                                             .bucket_counts = s->buckets,
                                             .min = seconds};
    }
    s->count++;
    s->buckets[bucket]++;
    s->point.sum += seconds;
    s->point.min = seconds < s->point.min ? seconds : s->point.min;
    s->point.max = seconds > s->point.max ? seconds : s->point.max;
    uv_mutex_unlock(&series_lock);
}

// On the exporter's thread, whenever it collects the library's metrics.
static void collect(void *user, logctx_otlp_metrics_t *metrics)
{
    (void)user;
    uv_mutex_lock(&series_lock);
    for (const struct series *s = series; s->count; s++)
        logctx_otlp_add_histogram(metrics, &s->point);
    uv_mutex_unlock(&series_lock);
}

// ---- What the demo counted itself, to hold beside what the library did ----

#define OURS(X)                                                                                                        \
    X(account, connections)                                                                                            \
    X(account, worker_jobs) X(account, background_runs) X(account, startups) X(account, shutdowns)                     \
        X(account, transactions) X(account, rows) X(account, bugs_lost) X(account, bugs_leaked)                        \
            X(account, bugs_restarted)
#define LIBRARYS(X)                                                                                                    \
    X(books, live)                                                                                                     \
    X(books, ended) X(books, handed_over) X(books, unsampled) X(books, no_sink) X(books, dropped_live_limit)           \
        X(books, dropped_no_memory) X(books, refused_no_memory) X(books, error_spans) X(sent, taken) X(sent, exported) \
            X(sent, rejected) X(sent, queued) X(sent, in_flight) X(sent, spooled)
#define PRINT(of, field) fprintf(file, ", \"" #field "\": %" PRIu64, of.field);

static bool write_stats(const char *path, logctx_otlp_books_t sent)
{
    FILE *file = fopen(path, "we");
    logctx_books_t books;
    logctx_get_books(&books);
    if (!file)
        return false;
    fprintf(file, "{\"started_unix_ns\": %" PRIu64, logctx_start_unix_ns());
    OURS(PRINT)
    for (const struct series *s = series; s->count; s++)
        fprintf(file, "%s{\"kind\": \"%s\", \"status\": %d, \"count\": %" PRIu64 "}",
                s == series ? ", \"requests\": [" : ",\n", logctx_kind_name(s->like.kind), s->like.status, s->count);
    fprintf(file, "],\n\"library\": {\"created\": %" PRIu64, books.created);
    LIBRARYS(PRINT)
    for (logctx_error_kind_t kind = 0; kind < LOGCTX_ERROR_COUNT; kind++)
        fprintf(file, ", \"%s\": %" PRIu64, logctx_error_info(kind)->name, logctx_error_count(kind));
    fprintf(file, "}}\n");
    return !fclose(file);
}

// ---- The loop: it runs in the sentinel, and that is checked every time before it sleeps. ----

static void before_poll(uv_prepare_t *handle)
{
    (void)handle;
    logctx_poll_begin();
}

static void after_poll(uv_check_t *handle)
{
    (void)handle;
    logctx_poll_end();
}

// Work that is nobody's request has a context of its own.
logctx_t *new_background(const char *kind)
{
    logctx_opts_t opts = {.struct_size = sizeof opts, .type = LOGCTX_TYPE_BACKGROUND};
    return logctx_new(logctx_kind(kind), &opts);
}

static void on_signal(uv_signal_t *handle, int number)
{
    LOGCTX_SCOPE(new_background("shutdown"));
    account.shutdowns++;
    logctx_log(LOGCTX_INFO, "Signal %d: finishing what is under way.", number);
    uv_close((uv_handle_t *)handle, NULL); // the next one ends the program at once
    http_stop();
    rooms_close();
}

// ---- Start and stop ----

enum { ADDRESS, PORT, PORT_FILE, STATS_FILE, DATABASE, CLOCK, OPTIONS };
static const char *const names[OPTIONS] = {"--address",    "--port",     "--port-file",
                                           "--stats-file", "--database", "--clock"};
static const char *options[OPTIONS] = {"127.0.0.1", "8080", NULL, NULL, ":memory:", "cpu"};

// The loop does not run yet, but this is work as well, and it has a context.
static bool start(uv_loop_t *loop)
{
    static uv_prepare_t prepare;
    static uv_check_t check;
    static uv_signal_t terminate;
    LOGCTX_SCOPE(new_background("startup"));
    account.startups++;
    logctx_set_loop_name("main");
    uv_prepare_init(loop, &prepare); // libuv runs these in the reverse order of their starts, and this one is to be the
    uv_prepare_start(&prepare, before_poll); // last before the poll: it is started before any other
    uv_check_init(loop, &check);
    uv_check_start(&check, after_poll);
    uv_unref((uv_handle_t *)&prepare);
    uv_unref((uv_handle_t *)&check);
    uv_signal_init(loop, &terminate);
    uv_signal_start(&terminate, on_signal, SIGTERM);
    int port = http_listen(loop, options[ADDRESS], atoi(options[PORT]));
    if (port < 0)
        logctx_log(LOGCTX_FATAL, "Cannot listen on address %s, port %s: %s. Choose others with --address and --port.",
                   options[ADDRESS], options[PORT], uv_strerror(port));
    if (port < 0 || !rooms_open(loop, options[DATABASE]))
        return false;
    FILE *file = options[PORT_FILE] ? fopen(options[PORT_FILE], "we") : NULL;
    if (file) {
        fprintf(file, "%d\n", port);
        fclose(file);
    }
    logctx_log(LOGCTX_INFO, "Listening on http://%s:%d", options[ADDRESS], port);
    return true;
}

int main(int count, char **words)
{
    static int standard_error = STDERR_FILENO;
    bool good = true;
    for (int i = 1; i < count; i += 2) {
        int option = 0;
        while (option < OPTIONS && strcmp(words[i], names[option]))
            option++;
        good = good && option < OPTIONS && words[i + 1];
        if (good)
            options[option] = words[i + 1];
    }
    if (!good || logctx_set_clock(logctx_clock(options[CLOCK]))) {
        fprintf(stderr,
                "usage: logctx-demo [--address 127.0.0.1] [--port 8080] [--port-file FILE] [--stats-file FILE]\n"
                "                   [--database FILE] [--clock cpu|rusage|wall]\n"
                "Port 0 is any free one. Telemetry goes to OTEL_EXPORTER_OTLP_ENDPOINT, or http://localhost:4318.\n");
        return 2;
    }
    umask(077);               // what it writes is its user's alone
    signal(SIGPIPE, SIG_IGN); // a client that leaves early is no reason to die
    uv_mutex_init(&series_lock);
    logctx_set_logger(logctx_log_to_fd, &standard_error);
    logctx_otlp_opts_t opts = {.struct_size = sizeof opts, .collect = collect};
    opts.service_name = getenv("OTEL_SERVICE_NAME") ? NULL : "logctx-demo";
    logctx_otlp_books_t sent = {.struct_size = sizeof sent};
    logctx_otlp_t *otlp;
    if (logctx_otlp_start(&opts, &otlp))
        return 1;
    uv_loop_t *loop = uv_default_loop();
    good = start(loop) && !uv_run(loop, UV_RUN_DEFAULT); // until nothing is listening, open or pending
    logctx_otlp_flush(otlp, 4000); // before the books are read, for there are none after the shutdown
    logctx_otlp_get_books(otlp, &sent);
    logctx_otlp_shutdown(otlp, 1000);
    return good && (!options[STATS_FILE] || write_stats(options[STATS_FILE], sent)) ? 0 : 1;
}
