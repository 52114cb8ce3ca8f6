/*
 * exporter.c: the public calls: start, flush, shutdown, the books. They run on the application's threads and share with
 * the exporter's thread only what exporter.h says. At most one exporter runs in a process.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "exporter.h"
#include "fork.h"

#include <logctx/log.h>
#include <logctx/profile.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Generation + 1 of the process in which one runs, 0: none. In a child of fork that is the parent's at first: either the
// inherited one is made again there, or the child starts its own, and the inherited one stays inert.
static _Atomic uint64_t running;

static bool claim(void)
{
    uint64_t mine = (uint64_t)logctx__fork_generation() + 1;
    uint64_t seen = atomic_load(&running);
    return seen != mine && atomic_compare_exchange_strong(&running, &seen, mine);
}

bool logctx__exporter_claim_inherited(const logctx_otlp_t *otlp)
{
    uint64_t theirs = (uint64_t)atomic_load(&otlp->generation) + 1;
    uint64_t mine = (uint64_t)logctx__fork_generation() + 1;
    return atomic_compare_exchange_strong(&running, &theirs, mine);
}

void logctx__exporter_disclaim(void)
{
    atomic_store(&running, 0);
}

// The last reference: nobody else uses it any more.
static void release(logctx_otlp_t *otlp)
{
    if (atomic_fetch_sub(&otlp->references, 1) != 1) {
        return;
    }
    logctx__lane_free(&otlp->lanes[LOGCTX__TRACES]);
    logctx__lane_free(&otlp->lanes[LOGCTX__METRICS]);
    logctx__http_free(&otlp->http);
    if (otlp->queue != NULL) {
        logctx__queue_close(otlp->queue);
    }
    logctx__span_batch_free(&otlp->batch);
    logctx__series_memory_free(&otlp->series);
    free(otlp->metrics_body);
    logctx__books_free(&otlp->books);
    logctx__rounds_free(&otlp->rounds);
    logctx__resource_free(&otlp->resource);
    logctx__options_free(&otlp->options);
    free(otlp);
}

// The sink: on the thread that finished the context.
static void on_ended(void *user, logctx_record_t *record)
{
    logctx_otlp_t *otlp = user;
    bool ours = !logctx__inherit_is_inert(otlp) || logctx__inherit_again(otlp);
    if (ours && otlp->queue != NULL) {
        logctx__queue_push(otlp->queue, record);
        return;
    }
    if (!ours && logctx__inherit_has_failed(otlp)) {
        atomic_fetch_add(&otlp->lost, 1);
    }
    logctx_record_unref(record);
}

static void on_batch(void *user)
{
    logctx__worker_wake(user);
}

static bool make_sender(logctx_otlp_t *otlp);

static logctx_status_t remove_sink(logctx_otlp_t *otlp)
{
    bool there = !otlp->options.signals[LOGCTX__TRACES].off || atomic_exchange(&otlp->telltale, false);
    return there ? logctx_sink_remove(&otlp->sink) : LOGCTX_OK;
}

static void *thread_main(void *argument)
{
    logctx_otlp_t *otlp = argument;
    if (otlp->queue == NULL) {
        remove_sink(otlp); // of a child: it has told
    }
    if (!otlp->anew.by_thread || make_sender(otlp)) {
        logctx__worker_run(otlp);
    } else {
        logctx_log(LOGCTX_WARN, "In this child of fork there was no memory for connections: nothing is exported");
    }
    logctx__rounds_end(&otlp->rounds);
    release(otlp);
    return NULL;
}

// Starting.

static logctx_status_t make_resource(logctx_otlp_t *otlp, const logctx_otlp_opts_t *opts,
                                     const struct logctx__environment *env)
{
    logctx_otlp_opts_t given;
    if (!logctx__options_copy(&given, opts)) {
        return LOGCTX_E_CONFIG;
    }
    const struct logctx__resource_given resource = {.service_name = given.service_name,
                                                    .service_version = given.service_version,
                                                    .attrs = given.resource,
                                                    .attr_count = given.resource_count};
    return logctx__resource_build(&otlp->resource, &resource, env);
}

static uint64_t unix_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool make_lanes(logctx_otlp_t *otlp)
{
    for (int signal = 0; signal < LOGCTX__SIGNALS; signal++) {
        if (!otlp->options.signals[signal].off &&
            !logctx__lane_init(&otlp->lanes[signal], &otlp->options, (enum logctx__signal)signal, &otlp->books,
                               &otlp->http)) {
            return false;
        }
    }
    return true;
}

static bool make_sender(logctx_otlp_t *otlp)
{
    return logctx__http_init(&otlp->http) && make_lanes(otlp) && logctx__series_memory_init(&otlp->series);
}

// Nothing to do if there are no spans to send.
bool logctx__exporter_make_queue(logctx_otlp_t *otlp)
{
    const struct logctx__options *options = &otlp->options;
    otlp->since_unix_ns = unix_ns();
    logctx_set_table_service(logctx__resource_service(&otlp->resource));
    // Whether a profiler can read it or not, the telemetry goes out.
    if (options->process_context) {
        (void)logctx_publish_process_context(otlp->resource.bytes, otlp->resource.length);
    }
    otlp->process_start_unix_ns = logctx__process_start_unix_ns();
    if (options->signals[LOGCTX__TRACES].off) {
        return true;
    }
    const struct logctx__queue_limits limits = {.bytes = (uint64_t)options->max_queue_bytes,
                                                .count = (uint64_t)options->max_queue,
                                                .batch = (uint64_t)options->max_batch};
    otlp->queue = logctx__queue_new(&limits, on_batch, otlp);
    logctx__span_batch_init(&otlp->batch, otlp->resource.bytes, otlp->resource.length,
                            (size_t)options->max_request_bytes);
    return otlp->queue != NULL;
}

static logctx_status_t make_parts(logctx_otlp_t *otlp, const logctx_otlp_opts_t *opts,
                                  const struct logctx__environment *env)
{
    logctx_status_t status = make_resource(otlp, opts, env);
    if (status != LOGCTX_OK) {
        return status;
    }
    bool good = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && make_sender(otlp) &&
                logctx__exporter_make_queue(otlp);
    return good ? LOGCTX_OK : LOGCTX_E_NO_MEMORY;
}

// The thread inherits the mask of its maker: no signal of the host is ever handled on it, SIGPIPE of a socket neither.
bool logctx__exporter_start_thread(logctx_otlp_t *otlp)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    atomic_fetch_add(&otlp->references, 1);
    bool started = pthread_create(&otlp->thread, NULL, thread_main, otlp) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!started) {
        atomic_fetch_sub(&otlp->references, 1);
        return false;
    }
    pthread_setname_np(otlp->thread, "logctx-export");
    return true;
}

static logctx_status_t begin(logctx_otlp_t *otlp)
{
    otlp->sink = (logctx_sink_t){.struct_size = sizeof otlp->sink, .ended = on_ended, .user = otlp};
    if (otlp->queue != NULL) {
        logctx_status_t status = logctx_sink_add(&otlp->sink);
        if (status != LOGCTX_OK) {
            return status;
        }
    }
    otlp->started = logctx__exporter_start_thread(otlp);
    if (!otlp->started) {
        if (otlp->queue != NULL) {
            logctx_sink_remove(&otlp->sink);
        }
        return LOGCTX_E_NO_MEMORY;
    }
    if (otlp->queue == NULL) {
        logctx__inherit_watch(otlp);
    }
    return LOGCTX_OK;
}

static logctx_status_t make(logctx_otlp_t *otlp, const logctx_otlp_opts_t *opts)
{
    const struct logctx__environment env = logctx__environment_process();
    logctx_status_t status = logctx__options_read(&otlp->options, opts, &env);
    bool off = otlp->options.disabled ||
               (otlp->options.signals[LOGCTX__TRACES].off && otlp->options.signals[LOGCTX__METRICS].off);
    if (status == LOGCTX_OK && !off) {
        status = make_parts(otlp, opts, &env);
    }
    if (status != LOGCTX_OK || off) {
        return status;
    }
    logctx__options_apply(&otlp->options);
    return begin(otlp);
}

logctx_status_t logctx_otlp_start(const logctx_otlp_opts_t *opts, logctx_otlp_t **out)
{
    if (out == NULL) {
        return LOGCTX_E_INVALID;
    }
    *out = NULL;
    logctx__fork_watch();
    if (!claim()) {
        return LOGCTX_E_STATE;
    }
    logctx_otlp_t *otlp = calloc(1, sizeof *otlp);
    if (otlp == NULL) {
        atomic_store(&running, 0);
        return LOGCTX_E_NO_MEMORY;
    }
    atomic_store(&otlp->references, 1);
    atomic_store(&otlp->generation, logctx__fork_generation());
    logctx__books_init(&otlp->books);
    logctx__rounds_init(&otlp->rounds);
    logctx_status_t status = make(otlp, opts);
    if (status != LOGCTX_OK) {
        release(otlp);
        atomic_store(&running, 0);
        return status;
    }
    *out = otlp;
    return LOGCTX_OK;
}

// Flushing and ending.

static uint64_t deadline_after(uint64_t now_ns, int64_t ms)
{
    const int64_t longest_ms = (int64_t)1000 * 3600 * 24 * 365;
    int64_t bounded = ms < 0 ? 0 : ms < longest_ms ? ms : longest_ms;
    return now_ns + (uint64_t)bounded * 1000000u;
}

static logctx_status_t flush_until(logctx_otlp_t *otlp, uint64_t deadline_ns)
{
    uint64_t round = logctx__round_ask(&otlp->rounds);
    logctx__worker_wake(otlp);
    return logctx__round_wait(&otlp->rounds, round, deadline_ns);
}

logctx_status_t logctx_otlp_flush(logctx_otlp_t *otlp, int64_t deadline_ms)
{
    if (otlp == NULL) {
        return LOGCTX_E_INVALID;
    }
    if (!otlp->started) {
        return LOGCTX_OK;
    }
    // Asked to send, a child becomes one that sends.
    bool ours = !logctx__inherit_is_inert(otlp) || logctx__inherit_again(otlp);
    if (!ours || pthread_equal(pthread_self(), otlp->thread)) {
        return LOGCTX_E_STATE;
    }
    atomic_fetch_add(&otlp->references, 1);
    logctx_status_t status = flush_until(otlp, deadline_after(logctx__now_ns(), deadline_ms));
    release(otlp);
    return status;
}

// A part of the time is kept for the thread to count what is left and to end.
static int64_t share_for_flush(int64_t deadline_ms)
{
    int64_t kept = deadline_ms / 10 < 100 ? deadline_ms / 10 : 100;
    return deadline_ms > 0 ? deadline_ms - kept : 0;
}

static logctx_status_t end_thread(logctx_otlp_t *otlp, int64_t deadline_ms)
{
    uint64_t now = logctx__now_ns();
    logctx_status_t status = flush_until(otlp, deadline_after(now, share_for_flush(deadline_ms)));
    atomic_store(&otlp->stop, true);
    // Not by way of `wake_pending`: a thread that has just cleared it must not miss this one.
    logctx__http_wake(&otlp->http);
    if (logctx__rounds_wait_end(&otlp->rounds, deadline_after(now, deadline_ms))) {
        pthread_join(otlp->thread, NULL);
    } else {
        // It hangs in a callback or in a library; it cleans up behind itself when it comes back.
        pthread_detach(otlp->thread);
        logctx_log(LOGCTX_WARN,
                   "The exporter's thread did not end in time; it is left to itself, and what it still has "
                   "is counted as dropped");
        status = LOGCTX_E_TIMEOUT;
    }
    return status;
}

logctx_status_t logctx_otlp_shutdown(logctx_otlp_t *otlp, int64_t deadline_ms)
{
    if (otlp == NULL) {
        return LOGCTX_OK;
    }
    bool on_thread = otlp->started && !logctx__inherit_is_inert(otlp) && pthread_equal(pthread_self(), otlp->thread);
    if (logctx_in_callback() || on_thread) {
        return LOGCTX_E_STATE;
    }
    logctx_status_t status = LOGCTX_OK;
    if (otlp->started) {
        logctx_check_unfinished();
        if (remove_sink(otlp) == LOGCTX_E_STATE) {
            return LOGCTX_E_STATE; // called from a sink
        }
        if (logctx__inherit_is_inert(otlp)) {
            logctx__inherit_leave(otlp); // no context has ended in this child
            return LOGCTX_OK;
        }
        logctx__inherit_forget(otlp);
        status = end_thread(otlp, deadline_ms);
    }
    atomic_store(&running, 0);
    release(otlp);
    return status;
}

// The books.

static void fill_books(logctx_otlp_t *otlp, logctx_otlp_books_t *out)
{
    struct logctx__queue_counts counts = {.taken = 0};
    if (otlp->queue != NULL) {
        logctx__queue_count(otlp->queue, &counts);
    }
    pthread_mutex_lock(&otlp->books.lock);
    const struct logctx__tally *spans = &otlp->books.signals[LOGCTX__TRACES];
    const struct logctx__tally *points = &otlp->books.signals[LOGCTX__METRICS];
    out->taken = counts.taken;
    out->exported = spans->exported;
    out->rejected = spans->rejected;
    out->queued = counts.waiting;
    out->in_flight = spans->in_flight;
    for (int reason = 0; reason < LOGCTX_DROP_COUNT; reason++) {
        out->dropped[reason] = spans->dropped[reason];
        out->points_dropped += points->dropped[reason];
    }
    out->dropped[LOGCTX_DROP_QUEUE_FULL] += counts.dropped_full;
    out->dropped[LOGCTX_DROP_NO_MEMORY] += counts.dropped_no_memory;
    out->requests = otlp->books.requests;
    out->retries = otlp->books.retries;
    out->points_exported = points->exported;
    out->points_rejected = points->rejected;
    out->connections = otlp->books.connections;
    pthread_mutex_unlock(&otlp->books.lock);
}

void logctx_otlp_get_books(logctx_otlp_t *otlp, logctx_otlp_books_t *books)
{
    if (books == NULL) {
        return;
    }
    logctx_otlp_books_t own = {.struct_size = sizeof own};
    size_t size = books->struct_size != 0 && books->struct_size < sizeof own ? books->struct_size : sizeof own;
    if (otlp != NULL && !logctx__inherit_is_inert(otlp)) {
        fill_books(otlp, &own);
    } else if (otlp != NULL && logctx__inherit_has_failed(otlp)) {
        own.taken = own.dropped[LOGCTX_DROP_NO_MEMORY] = atomic_load(&otlp->lost);
    }
    own.struct_size = size;
    memcpy(books, &own, size);
}
