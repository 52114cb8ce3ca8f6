/*
 * file.c: the second sink: OTLP/JSON lines, one TracesData or MetricsData in a line. A thread of its own writes, so
 * that a slow disk blocks nobody. The lines come from the same encoders as the requests, by way of protobuf-c's
 * messages.
 *
 * Who owns what: the application's threads push to the queue and wait for rounds; everything else is the thread's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "encode_span.h"
#include "fork.h"
#include "metrics_self.h"
#include "resource.h"
#include "ring.h"
#include "round.h"

#include <logctx/log.h>
#include <otlp_decode.h>
#include <otlp_json.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    BATCH_SPANS = 512,
    LINE_LIMIT = 256 << 20,
    REQUEST_LIMIT = 16 << 20,
    DEFAULT_QUEUE_BYTES = 16 << 20,
    WRITE_DELAY_MS = 1000,
    METRIC_INTERVAL_MS = 60000
};

// One file; fd -1: not wanted.
struct output {
    char *path;
    int fd;
    bool failing; // said that writing fails
};

struct logctx_otlp_file {
    uint32_t generation; // of fork: in a child the handle is inert
    pthread_t thread;
    _Atomic bool stop;
    int wake_fd; // an eventfd, non-blocking
    logctx_sink_t sink;
    struct logctx__queue *queue; // NULL: no spans
    struct logctx__resource resource;
    struct logctx__rounds rounds;

    // The thread's.
    struct output traces;
    struct output metrics;
    struct logctx__span_batch batch;
    struct logctx__series_memory series;
    struct logctx__text line;
    uint64_t process_start_unix_ns;
    uint64_t next_metrics_ns;
    bool lost; // something could not be written since the last round
    uint64_t dropped_before;
};

static void wake(void *user)
{
    const logctx_otlp_file_t *file = user;
    uint64_t one = 1;
    // Full means that a wake-up is pending already.
    ssize_t ignored = write(file->wake_fd, &one, sizeof one);
    (void)ignored;
}

// Writing.

static void complain(struct output *output, const char *what)
{
    if (!output->failing) {
        output->failing = true;
        logctx_log(LOGCTX_WARN, "Writing to %s failed: %s; what belongs there is lost until it works again",
                   output->path, what);
    }
}

// A line goes out whole, or is cut back off: half a line would spoil the next one too.
static bool write_line(struct output *output, const char *bytes, size_t length)
{
    off_t begin = lseek(output->fd, 0, SEEK_END);
    size_t done = 0;
    while (done < length) {
        ssize_t n = write(output->fd, bytes + done, length - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            complain(output, n < 0 ? strerrordesc_np(errno) : "nothing was written");
            if (begin >= 0 && done != 0 && ftruncate(output->fd, begin) != 0) {
                complain(output, "an incomplete line is left in it");
            }
            return false;
        }
        done += (size_t)n;
    }
    output->failing = false;
    return true;
}

static bool print_message(logctx_otlp_file_t *file, struct output *output, const ProtobufCMessageDescriptor *type,
                          const uint8_t *bytes, size_t length)
{
    struct logctx__budget budget;
    char reason[160] = "no memory";
    logctx__budget_init(&budget, (size_t)LINE_LIMIT * 2);
    ProtobufCMessage *message = logctx__otlp_decode(type, bytes, length, &budget.allocator, reason, sizeof reason);
    if (message == NULL) {
        complain(output, reason);
        return false;
    }
    logctx__text_reset(&file->line, 0);
    bool good = logctx__otlp_json_print(message, &file->line) && logctx__text_append_byte(&file->line, '\n');
    protobuf_c_message_free_unpacked(message, &budget.allocator);
    if (!good) {
        complain(output, "a line is too long, or there is no memory for it");
        return false;
    }
    return write_line(output, file->line.bytes, file->line.length);
}

static void fill_batch(logctx_otlp_file_t *file)
{
    logctx__span_batch_reset(&file->batch);
    while (file->batch.spans < BATCH_SPANS) {
        logctx_record_t *record = logctx__queue_front(file->queue);
        if (record == NULL) {
            return;
        }
        enum logctx__added added = logctx__span_batch_add(&file->batch, record);
        if (added == LOGCTX__BATCH_FULL) {
            return;
        }
        file->lost = file->lost || added != LOGCTX__ADDED;
        logctx__queue_pop(file->queue);
        logctx_record_unref(record);
    }
}

static void write_spans(logctx_otlp_file_t *file)
{
    while (file->queue != NULL && logctx__queue_front(file->queue) != NULL) {
        fill_batch(file);
        size_t length = 0;
        if (file->batch.spans == 0) {
            continue;
        }
        const uint8_t *bytes = logctx__span_batch_finish(&file->batch, &length);
        if (bytes == NULL || !print_message(file, &file->traces,
                                            &opentelemetry__proto__trace__v1__traces_data__descriptor, bytes, length)) {
            file->lost = true;
        }
    }
    if (file->queue != NULL) {
        logctx__queue_tidy(file->queue);
    }
}

static bool write_collection(logctx_otlp_file_t *file, logctx__metrics_t *metrics)
{
    struct logctx__metrics_cursor cursor = {.metric = 0};
    struct logctx__metrics_request request;
    enum logctx__packed packed;
    while ((packed = logctx__metrics_pack(metrics, file->resource.message, REQUEST_LIMIT, &cursor, &request)) ==
           LOGCTX__PACKED) {
        bool good = print_message(file, &file->metrics, &opentelemetry__proto__metrics__v1__metrics_data__descriptor,
                                  request.bytes, request.length);
        free(request.bytes);
        if (!good || request.too_large != 0) {
            return false;
        }
    }
    return packed == LOGCTX__PACKED_ALL && request.too_large == 0;
}

static void write_metrics(logctx_otlp_file_t *file)
{
    file->next_metrics_ns = logctx__now_ns() + (uint64_t)METRIC_INTERVAL_MS * 1000000u;
    if (file->metrics.fd < 0) {
        return;
    }
    logctx__metrics_t metrics;
    logctx__metrics_init(&metrics, &file->series, true);
    bool good = logctx__metrics_add_core(&metrics) == LOGCTX_OK;
    logctx__metrics_add_process(&metrics, file->process_start_unix_ns);
    good = logctx__metrics_add_app(&metrics) == LOGCTX_OK && good;
    logctx__metrics_stamp(&metrics);
    if (!good || !write_collection(file, &metrics)) {
        file->lost = true;
    }
    logctx__metrics_free(&metrics);
}

// The thread.

static void serve_round(logctx_otlp_file_t *file)
{
    if (!logctx__round_begin(&file->rounds)) {
        return;
    }
    write_spans(file);
    write_metrics(file);
    struct logctx__queue_counts counts = {.taken = 0};
    if (file->queue != NULL) {
        logctx__queue_count(file->queue, &counts);
    }
    uint64_t dropped = counts.dropped_full + counts.dropped_no_memory;
    bool lost = file->lost || dropped != file->dropped_before;
    file->lost = false;
    file->dropped_before = dropped;
    logctx__round_finish(&file->rounds, lost ? LOGCTX_E_IO : LOGCTX_OK);
}

static void sleep_a_while(const logctx_otlp_file_t *file)
{
    struct pollfd fd = {.fd = file->wake_fd, .events = POLLIN};
    uint64_t count = 0;
    if (poll(&fd, 1, WRITE_DELAY_MS) > 0) {
        ssize_t ignored = read(file->wake_fd, &count, sizeof count);
        (void)ignored;
    }
}

static void *thread_main(void *argument)
{
    logctx_otlp_file_t *file = argument;
    file->next_metrics_ns = logctx__now_ns() + (uint64_t)METRIC_INTERVAL_MS * 1000000u;
    while (!atomic_load(&file->stop)) {
        sleep_a_while(file);
        serve_round(file);
        write_spans(file);
        if (logctx__now_ns() >= file->next_metrics_ns) {
            write_metrics(file);
        }
    }
    serve_round(file);
    logctx__rounds_end(&file->rounds);
    return NULL;
}

// Opening and closing.

static bool is_inert(const logctx_otlp_file_t *file)
{
    return file->generation != logctx__fork_generation();
}

static void on_ended(void *user, logctx_record_t *record)
{
    logctx_otlp_file_t *file = user;
    if (is_inert(file)) {
        logctx_record_unref(record);
        return;
    }
    logctx__queue_push(file->queue, record);
}

static logctx_status_t open_output(struct output *output, const char *path)
{
    output->fd = -1;
    if (path == NULL) {
        return LOGCTX_OK;
    }
    output->path = strdup(path);
    if (output->path == NULL) {
        return LOGCTX_E_NO_MEMORY;
    }
    output->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    if (output->fd < 0) {
        logctx_log(LOGCTX_ERROR_SEVERITY, "logctx_otlp_file_open: %s cannot be opened for appending: %s", path,
                   strerrordesc_np(errno));
        return LOGCTX_E_IO;
    }
    return LOGCTX_OK;
}

static void close_output(struct output *output)
{
    if (output->fd >= 0) {
        close(output->fd);
    }
    free(output->path);
}

static void destroy(logctx_otlp_file_t *file)
{
    if (file->queue != NULL) {
        logctx__queue_close(file->queue);
    }
    close_output(&file->traces);
    close_output(&file->metrics);
    if (file->wake_fd >= 0) {
        close(file->wake_fd);
    }
    logctx__span_batch_free(&file->batch);
    logctx__series_memory_free(&file->series);
    logctx__text_free(&file->line);
    logctx__resource_free(&file->resource);
    logctx__rounds_free(&file->rounds);
    free(file);
}

static logctx_status_t make_queue(logctx_otlp_file_t *file, const logctx_otlp_file_opts_t *opts)
{
    if (file->traces.fd < 0) {
        return LOGCTX_OK;
    }
    const struct logctx__queue_limits limits = {
        .bytes = opts->max_queue_bytes != 0 ? opts->max_queue_bytes : DEFAULT_QUEUE_BYTES, .batch = BATCH_SPANS};
    file->queue = logctx__queue_new(&limits, wake, file);
    logctx__span_batch_init(&file->batch, file->resource.bytes, file->resource.length, REQUEST_LIMIT);
    return file->queue != NULL ? LOGCTX_OK : LOGCTX_E_NO_MEMORY;
}

static logctx_status_t make_parts(logctx_otlp_file_t *file, const logctx_otlp_file_opts_t *opts)
{
    const struct logctx__environment env = logctx__environment_process();
    const struct logctx__resource_given given = {.service_name = opts->service_name,
                                                 .service_version = opts->service_version,
                                                 .attrs = opts->resource,
                                                 .attr_count = opts->resource_count};
    logctx_status_t status = open_output(&file->traces, opts->traces_path);
    if (status == LOGCTX_OK) {
        status = open_output(&file->metrics, opts->metrics_path);
    }
    if (status == LOGCTX_OK) {
        status = logctx__resource_build(&file->resource, &given, &env);
    }
    if (status == LOGCTX_OK) {
        status = make_queue(file, opts);
    }
    file->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (status == LOGCTX_OK && (file->wake_fd < 0 || !logctx__series_memory_init(&file->series))) {
        status = LOGCTX_E_NO_MEMORY;
    }
    file->process_start_unix_ns = logctx__process_start_unix_ns();
    return status;
}

static bool start_thread(logctx_otlp_file_t *file)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&file->thread, NULL, thread_main, file) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started) {
        pthread_setname_np(file->thread, "logctx-file");
    }
    return started;
}

static logctx_status_t begin(logctx_otlp_file_t *file)
{
    if (file->queue != NULL) {
        file->sink = (logctx_sink_t){.struct_size = sizeof file->sink, .ended = on_ended, .user = file};
        logctx_status_t status = logctx_sink_add(&file->sink);
        if (status != LOGCTX_OK) {
            return status;
        }
    }
    if (!start_thread(file)) {
        if (file->queue != NULL) {
            logctx_sink_remove(&file->sink);
        }
        return LOGCTX_E_NO_MEMORY;
    }
    return LOGCTX_OK;
}

logctx_status_t logctx_otlp_file_open(const logctx_otlp_file_opts_t *opts, logctx_otlp_file_t **out)
{
    if (opts == NULL || out == NULL || opts->struct_size < sizeof *opts || opts->max_queue_bytes > (size_t)1 << 36) {
        return LOGCTX_E_INVALID;
    }
    *out = NULL;
    logctx__fork_watch();
    logctx_otlp_file_t *file = calloc(1, sizeof *file);
    if (file == NULL) {
        return LOGCTX_E_NO_MEMORY;
    }
    file->generation = logctx__fork_generation();
    file->wake_fd = file->traces.fd = file->metrics.fd = -1;
    logctx__text_init(&file->line, LINE_LIMIT);
    logctx__rounds_init(&file->rounds);
    logctx_status_t status = make_parts(file, opts);
    if (status == LOGCTX_OK) {
        status = begin(file);
    }
    if (status != LOGCTX_OK) {
        destroy(file);
        return status;
    }
    *out = file;
    return LOGCTX_OK;
}

logctx_status_t logctx_otlp_file_flush(logctx_otlp_file_t *file)
{
    if (file == NULL) {
        return LOGCTX_E_INVALID;
    }
    if (is_inert(file)) {
        return LOGCTX_E_STATE;
    }
    uint64_t round = logctx__round_ask(&file->rounds);
    wake(file);
    return logctx__round_wait(&file->rounds, round, UINT64_MAX / 2);
}

logctx_status_t logctx_otlp_file_close(logctx_otlp_file_t *file)
{
    if (file == NULL) {
        return LOGCTX_OK;
    }
    if (is_inert(file)) {
        return LOGCTX_E_STATE;
    }
    if (file->queue != NULL && logctx_sink_remove(&file->sink) == LOGCTX_E_STATE) {
        return LOGCTX_E_STATE; // called from a sink
    }
    logctx_status_t status = logctx_otlp_file_flush(file);
    atomic_store(&file->stop, true);
    wake(file);
    pthread_join(file->thread, NULL);
    destroy(file);
    return status;
}
