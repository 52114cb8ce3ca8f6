/*
 * test_fork.c: an exporter whose process forks: the child exports its own contexts under an identity of its own, nothing is
 * sent twice, and the parent loses nothing. Children judge by their exit status; a line of theirs says what was wrong.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "exporting.h"
#include "messages.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__has_feature)
#define ADDRESS_SANITIZER __has_feature(address_sanitizer)
#define THREAD_SANITIZER __has_feature(thread_sanitizer)
#else
#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER 1
#endif
#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#endif
#endif
#ifndef ADDRESS_SANITIZER
#define ADDRESS_SANITIZER 0
#endif
#ifndef THREAD_SANITIZER
#define THREAD_SANITIZER 0
#endif

enum { HANGS_AFTER_S = 60, HOUR_MS = 3600 * 1000 };

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: in the child: %s\n", __FILE__, __LINE__, #condition);                              \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

// The fixture: a server, and an exporter that sends when it is told to.
static struct server *server;
static logctx_otlp_opts_t opts;
static logctx_otlp_t *otlp;

static int set_up(void **state)
{
    static const logctx_attr_t attrs[] = {{"colour", 6, {.type = LOGCTX_VALUE_INT, .as = {.integer = 7}}}};
    (void)state;
    server = server_new(answer_ok, NULL);
    server_listen(server);
    opts = traces_only(server);
    opts.schedule_delay_ms = HOUR_MS;
    opts.metric_interval_ms = HOUR_MS;
    opts.resource = attrs;
    opts.resource_count = 1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (otlp != NULL) {
        logctx_otlp_shutdown(otlp, LONG_MS);
    }
    otlp = NULL;
    server_free(server);
    return 0;
}

// The allocators of the sanitizers do not survive a fork while they are in use: forked is when the exporter is at rest.
static void begin_quietly(void)
{
    otlp = start(&opts);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
}

static int status_of(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        fail_msg("a child was ended by signal %d", WTERMSIG(status));
    }
    return WEXITSTATUS(status);
}

static pid_t start_child(int (*body)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(HANGS_AFTER_S);
        _exit(body());
    }
    return pid;
}

static int run_child(int (*body)(void))
{
    return status_of(start_child(body));
}

// What arrived.

struct sender {
    int64_t pid;
    int64_t colour;
    char instance[64];
    char service[64];
};

static struct sender sender_of(const otlp_resource_t *resource)
{
    struct sender sender = {.pid = 0};
    for (size_t i = 0; i < resource->n_attributes; i++) {
        const otlp_pair_t *pair = resource->attributes[i];
        if (strcmp(pair->key, "process.pid") == 0) {
            sender.pid = pair->value->int_value;
        } else if (strcmp(pair->key, "colour") == 0) {
            sender.colour = pair->value->int_value;
        } else if (strcmp(pair->key, "service.instance.id") == 0) {
            snprintf(sender.instance, sizeof sender.instance, "%s", pair->value->string_value);
        } else if (strcmp(pair->key, "service.name") == 0) {
            snprintf(sender.service, sizeof sender.service, "%s", pair->value->string_value);
        }
    }
    return sender;
}

typedef Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest traces_t;

static bool is_metrics(const struct server_request *request)
{
    return strstr(request->head, "/v1/metrics") != NULL;
}

// All spans of that name that have arrived, and who sent the last of them.
static uint64_t spans_named(const char *name, struct sender *sender)
{
    uint64_t count = 0;
    for (int i = 0; i < server_count(server); i++) {
        const struct server_request *request = server_request_at(server, i);
        if (is_metrics(request)) {
            continue;
        }
        traces_t *message = opentelemetry__proto__collector__trace__v1__export_trace_service_request__unpack(
            NULL, request->length, request->body);
        assert_non_null(message);
        for (size_t k = 0; k < message->resource_spans[0]->scope_spans[0]->n_spans; k++) {
            if (strcmp(message->resource_spans[0]->scope_spans[0]->spans[k]->name, name) == 0) {
                count++;
                if (sender != NULL) {
                    *sender = sender_of(message->resource_spans[0]->resource);
                }
            }
        }
        opentelemetry__proto__collector__trace__v1__export_trace_service_request__free_unpacked(message, NULL);
    }
    return count;
}

// What a child sees of itself.

static int entries_of(const char *path)
{
    DIR *folder = opendir(path);
    int count = 0;
    while (folder != NULL && readdir(folder) != NULL) {
        count++;
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return count - 2;
}

static int threads(void)
{
    return entries_of("/proc/self/task");
}

static int sockets(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++) {
        char path[64];
        char target[64] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        count += readlink(path, target, sizeof target - 1) > 0 && strncmp(target, "socket:", 7) == 0;
    }
    return count;
}

// Sending.

static int send_two(void)
{
    support_contexts("GET /child", 2);
    logctx_otlp_books_t books = books_of(otlp);
    CHECK(books.taken == 2 && books.queued == 2 && books.exported == 0);
    CHECK(logctx_otlp_flush(otlp, LONG_MS) == LOGCTX_OK);
    books = books_of(otlp);
    CHECK(books.taken == 2 && books.exported == 2 && books.requests == 1 && books.connections == 1);
    CHECK(logctx_otlp_shutdown(otlp, LONG_MS) == LOGCTX_OK);
    return 0;
}

static void test_child_exports(void **state)
{
    (void)state;
    begin_quietly();
    support_contexts("GET /before", 2);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK); // a connection is there
    support_contexts("GET /parent", 3);
    pid_t pid = start_child(send_two);
    assert_int_equal(status_of(pid), 0);
    struct sender child = {.pid = 0};
    struct sender parent = {.pid = 0};
    assert_int_equal(server_count(server), 2);
    assert_int_equal(spans_named("GET /child", &child), 2);
    assert_int_equal(spans_named("GET /parent", NULL), 0);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    assert_int_equal(spans_named("GET /parent", &parent), 3);
    assert_int_equal(spans_named("GET /child", NULL), 2);
    assert_int_equal(spans_named("GET /before", NULL), 2);
    assert_int_equal(child.pid, pid);
    assert_int_equal(parent.pid, getpid());
    assert_string_not_equal(child.instance, parent.instance);
    assert_string_equal(child.service, parent.service);
    assert_int_equal(child.colour, 7);
    assert_int_equal(books_of(otlp).exported, 5);
    assert_balanced(otlp);
    // The parent's connection went on; the child had its own.
    assert_int_equal(server_connections(server), 2);
    assert_int_equal(server_request_at(server, 2)->connection, server_request_at(server, 0)->connection);
    assert_int_not_equal(server_request_at(server, 1)->connection, server_request_at(server, 0)->connection);
}

static int send_and_fork(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        alarm(HANGS_AFTER_S);
        _exit(send_two());
    }
    int status = 1;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    support_contexts("GET /middle", 1);
    CHECK(logctx_otlp_flush(otlp, LONG_MS) == LOGCTX_OK);
    pid = fork();
    if (pid == 0) {
        alarm(HANGS_AFTER_S);
        _exit(send_two());
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(books_of(otlp).exported == 1);
    return 0;
}

static void test_grandchildren_export(void **state)
{
    (void)state;
    begin_quietly();
    assert_int_equal(run_child(send_and_fork), 0);
    assert_int_equal(spans_named("GET /child", NULL), 4);
    assert_int_equal(spans_named("GET /middle", NULL), 1);
}

// A connection that waits for its answer at the fork.

static atomic_bool answered;
static pthread_barrier_t asked;

static void answer_late(void *user, int index, const struct server_request *request, struct server_reply *reply)
{
    (void)user;
    (void)request;
    (void)reply;
    if (index == 0) {
        pthread_barrier_wait(&asked);
        pthread_barrier_wait(&asked);
        atomic_store(&answered, true);
    }
}

static void test_fork_under_way(void **state)
{
    (void)state;
    struct server *late = server_new(answer_late, NULL);
    pthread_barrier_init(&asked, NULL, 2);
    server_listen(late);
    opts.endpoint = server_url(late);
    opts.max_batch = 1;
    begin_quietly();
    support_contexts("GET /slow", 1);
    pthread_barrier_wait(&asked);
    // The server's are not of this library: what is new in the parent must not be in the child.
    int in_parent = sockets();
    pid_t pid = fork();
    if (pid == 0) {
        _exit(sockets() == in_parent - 1 ? 0 : 1);
    }
    assert_int_equal(status_of(pid), 0);
    pthread_barrier_wait(&asked);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    assert_true(atomic_load(&answered));
    assert_int_equal(books_of(otlp).exported, 1);
    assert_int_equal(books_of(otlp).connections, 1);
    logctx_otlp_shutdown(otlp, LONG_MS);
    otlp = NULL;
    server_free(late);
}

// What costs nothing.

static size_t memory_before;
static int descriptors_before, sockets_before;

static int do_nothing(void)
{
    CHECK(mallinfo2().uordblks == memory_before);
    CHECK(threads() == 1);
    CHECK(sockets() == sockets_before - 1);                       // the parent's connection
    CHECK(entries_of("/proc/self/fd") == descriptors_before - 2); // that, and its table
    support_contexts("GET /child", 1);
    CHECK(threads() == 2); // the twin
    return 0;
}

static int end_unused(void)
{
    CHECK(books_of(otlp).taken == 0);
    CHECK(logctx_otlp_shutdown(otlp, LONG_MS) == LOGCTX_OK);
    CHECK(threads() == 1);
    support_contexts("GET /after", 1); // nobody is there for it
    logctx_books_t books;
    logctx_get_books(&books);
    CHECK(books.no_sink == 1 && books.handed_over == 0);
    logctx_otlp_t *own = NULL;
    CHECK(logctx_otlp_start(&opts, &own) == LOGCTX_OK);
    CHECK(logctx_otlp_shutdown(own, LONG_MS) == LOGCTX_OK);
    return 0;
}

static int flush_unused(void)
{
    CHECK(logctx_otlp_flush(otlp, LONG_MS) == LOGCTX_OK);
    CHECK(logctx_otlp_shutdown(otlp, LONG_MS) == LOGCTX_OK);
    return 0;
}

static void test_unused_costs_nothing(void **state)
{
    (void)state;
    begin_quietly();
    support_contexts("GET /before", 2);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    sockets_before = sockets();
    descriptors_before = entries_of("/proc/self/fd");
    memory_before = mallinfo2().uordblks;
    assert_int_equal(run_child(do_nothing), 0);
    assert_int_equal(run_child(end_unused), 0);
    assert_int_equal(run_child(flush_unused), 0);
    assert_int_equal(server_count(server), 1);
}

extern char **environ;

static void test_spawned_programs(void **state)
{
    (void)state;
    char *const arguments[] = {(char[]){"true"}, NULL};
    begin_quietly();
    support_contexts("GET /parent", 3);
    pid_t pid = -1;
    assert_int_equal(posix_spawnp(&pid, "true", NULL, NULL, arguments, environ), 0);
    assert_int_equal(status_of(pid), 0);
    pid = vfork();
    if (pid == 0) {
        execvp("true", arguments);
        _exit(127);
    }
    assert_int_equal(status_of(pid), 0);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    assert_int_equal(spans_named("GET /parent", NULL), 3);
    assert_balanced(otlp);
}

// A child that starts an exporter of its own: the inherited one stays out of it.

static int start_own(void)
{
    logctx_otlp_t *own = NULL;
    CHECK(logctx_otlp_start(&opts, &own) == LOGCTX_OK);
    support_contexts("GET /child", 2);
    CHECK(books_of(otlp).taken == 0 && books_of(own).taken == 2);
    CHECK(logctx_otlp_flush(otlp, LONG_MS) == LOGCTX_E_STATE);
    CHECK(logctx_otlp_shutdown(own, LONG_MS) == LOGCTX_OK);
    support_contexts("GET /nobody", 1);
    CHECK(logctx_otlp_flush(otlp, LONG_MS) == LOGCTX_E_STATE);
    CHECK(logctx_otlp_shutdown(otlp, LONG_MS) == LOGCTX_OK);
    CHECK(threads() == 1);
    return 0;
}

static int start_second(void)
{
    logctx_otlp_t *own = NULL;
    support_contexts("GET /child", 1);
    CHECK(logctx_otlp_start(&opts, &own) == LOGCTX_E_STATE);
    CHECK(logctx_otlp_shutdown(otlp, LONG_MS) == LOGCTX_OK);
    return 0;
}

static void test_child_starts_its_own(void **state)
{
    (void)state;
    begin_quietly();
    support_contexts("GET /parent", 3);
    assert_int_equal(run_child(start_own), 0);
    assert_int_equal(spans_named("GET /child", NULL), 2);
    assert_int_equal(spans_named("GET /nobody", NULL), 0);
    assert_int_equal(run_child(start_second), 0);
    assert_int_equal(spans_named("GET /child", NULL), 3);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    assert_int_equal(spans_named("GET /parent", NULL), 3);
}

static int stay_off(void)
{
    support_contexts("GET /off", 1);
    CHECK(logctx_otlp_flush(otlp, LONG_MS) == LOGCTX_OK);
    CHECK(logctx_otlp_shutdown(otlp, LONG_MS) == LOGCTX_OK);
    CHECK(threads() == 1);
    return 0;
}

static void test_switched_off(void **state)
{
    (void)state;
    setenv("OTEL_SDK_DISABLED", "true", 1);
    begin_quietly();
    unsetenv("OTEL_SDK_DISABLED");
    assert_int_equal(run_child(stay_off), 0);
    assert_int_equal(server_count(server), 0);
}

// Metrics.

static uint64_t forked_at;

struct child_metrics {
    uint64_t created; // of "GET /child"
    uint64_t kinds;   // series of contexts created
    uint64_t oldest_start;
};

static struct child_metrics metrics_from(const struct server_request *request, struct sender *sender)
{
    struct child_metrics seen = {.oldest_start = UINT64_MAX};
    otlp_metrics_request_t *message =
        opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__unpack(NULL, request->length,
                                                                                             request->body);
    assert_non_null(message);
    *sender = sender_of(message->resource_metrics[0]->resource);
    otlp_scope_metrics_t *scope = message->resource_metrics[0]->scope_metrics[0];
    for (size_t i = 0; i < scope->n_metrics; i++) {
        const otlp_metric_t *metric = scope->metrics[i];
        for (size_t k = 0;
             metric->data_case == OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM && k < metric->sum->n_data_points;
             k++) {
            const otlp_number_point_t *point = metric->sum->data_points[k];
            // The process began at the fork, but the kernel tells that in hundredths of a second.
            bool of_process = strcmp(metric->name, "process.cpu.time") == 0;
            if (!of_process && point->start_time_unix_nano < seen.oldest_start) {
                seen.oldest_start = point->start_time_unix_nano;
            }
            if (strcmp(metric->name, "logctx.context.created") == 0) {
                seen.kinds++;
                seen.created += (uint64_t)point->as_int;
            }
        }
    }
    opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__free_unpacked(message, NULL);
    return seen;
}

static int send_metrics(void)
{
    support_contexts("GET /child", 2);
    CHECK(logctx_otlp_flush(otlp, LONG_MS) == LOGCTX_OK);
    return 0;
}

static void test_metrics_from_zero(void **state)
{
    (void)state;
    struct timespec now;
    struct sender sender;
    opts.metrics_off = false;
    begin_quietly();
    support_contexts("GET /parent", 3);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    int before = server_count(server);
    clock_gettime(CLOCK_REALTIME, &now);
    forked_at = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    pid_t pid = start_child(send_metrics);
    assert_int_equal(status_of(pid), 0);
    assert_int_equal(server_count(server), before + 2);
    bool found = false;
    for (int i = before; i < before + 2; i++) {
        if (is_metrics(server_request_at(server, i))) {
            struct child_metrics seen = metrics_from(server_request_at(server, i), &sender);
            assert_int_equal(sender.pid, pid);
            assert_int_equal(seen.created, 2);
            assert_int_equal(seen.kinds, 1);
            assert_true(seen.oldest_start >= forked_at);
            found = true;
        }
    }
    assert_true(found);
}

static int wake_by_context(void)
{
    logctx_t *ctx = logctx_new(logctx_kind("GET /child"), NULL);
    CHECK(threads() == 1);
    logctx_finish(ctx);
    logctx_unref(ctx);
    CHECK(threads() == 2);
    CHECK(logctx_otlp_flush(otlp, LONG_MS) == LOGCTX_OK);
    ctx = logctx_new(logctx_kind("GET /child"), NULL);
    CHECK(!logctx_is_recording(ctx)); // no spans are made any more: nobody wants them
    logctx_finish(ctx);
    logctx_unref(ctx);
    CHECK(logctx_otlp_shutdown(otlp, LONG_MS) == LOGCTX_OK);
    return 0;
}

// Without spans there is no sink, but the first context that ends must wake the child's exporter all the same.
static void test_metrics_alone(void **state)
{
    (void)state;
    opts.metrics_off = false;
    opts.traces_off = true;
    begin_quietly();
    int before = server_count(server);
    pid_t pid = start_child(wake_by_context);
    assert_int_equal(status_of(pid), 0);
    assert_int_equal(server_count(server), before + 2);
    struct sender sender;
    struct child_metrics seen = metrics_from(server_request_at(server, before), &sender);
    assert_int_equal(sender.pid, pid);
    assert_int_equal(seen.created, 1);
    seen = metrics_from(server_request_at(server, before + 1), &sender);
    assert_int_equal(seen.created, 2);
    assert_int_equal(run_child(flush_unused), 0);
}

// Without a thread.

static atomic_bool no_threads;
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *user);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *user);

// ThreadSanitizer does not bear it that a child's thread gets the stack of one that stayed in the parent: each generation
// has larger ones.
static int create_elsewhere(pthread_t *thread, void *(*run)(void *), void *user)
{
    static pid_t last;
    static size_t size = (size_t)4 << 20;
    if (last != getpid()) {
        last = getpid();
        size += (size_t)4 << 20;
    }
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, size);
    int status = __real_pthread_create(thread, &attr, run, user);
    pthread_attr_destroy(&attr);
    return status;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *user)
{
    if (atomic_load(&no_threads)) {
        return EAGAIN;
    }
    return THREAD_SANITIZER ? create_elsewhere(thread, run, user) : __real_pthread_create(thread, attr, run, user);
}

static int drop_all(void)
{
    atomic_store(&no_threads, true);
    support_log_begin();
    support_contexts("GET /child", 3);
    logctx_otlp_books_t books = books_of(otlp);
    CHECK(books.taken == 3 && books.dropped[LOGCTX_DROP_NO_MEMORY] == 3 && books.queued == 0);
    CHECK(support_log_matching("In this child of fork", NULL) == 1);
    CHECK(logctx_otlp_flush(otlp, LONG_MS) == LOGCTX_E_STATE);
    CHECK(logctx_otlp_shutdown(otlp, LONG_MS) == LOGCTX_OK);
    return 0;
}

static void test_no_thread_to_be_had(void **state)
{
    (void)state;
    begin_quietly();
    assert_int_equal(run_child(drop_all), 0);
    assert_int_equal(server_count(server), 0);
}

// Two threads of a child end its first contexts at the same time: one exporter.

static pthread_barrier_t together;

static void *end_together(void *user)
{
    pthread_barrier_wait(&together);
    support_contexts("GET /child", 50);
    return user;
}

static int race(void)
{
    pthread_t others[4];
    pthread_barrier_init(&together, NULL, 4);
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_create(&others[i], NULL, end_together, NULL) == 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(others[i], NULL);
    }
    CHECK(threads() == 2);
    CHECK(books_of(otlp).taken == 200);
    CHECK(logctx_otlp_shutdown(otlp, LONG_MS) == LOGCTX_OK);
    return 0;
}

static void test_first_contexts_at_once(void **state)
{
    (void)state;
    begin_quietly();
    for (int i = 0; i < 10; i++) {
        assert_int_equal(run_child(race), 0);
    }
    assert_int_equal(spans_named("GET /child", NULL), 2000);
}

// Ten busy threads, an exporter that is sending, and many children.

enum { BUSY = 10, CHILDREN = 30, BACKLOG = 5000 };
static atomic_bool stop;

static void *be_busy(void *user)
{
    uint64_t *made = user;
    for (; !atomic_load(&stop); ++*made) {
        support_contexts("GET /parent", 1);
        while (*made % 64 == 0 && books_of(otlp).queued > BACKLOG && !atomic_load(&stop)) {
            sched_yield(); // full is another test's matter
        }
    }
    return NULL;
}

static int send_some(void)
{
    support_contexts("GET /child", 3);
    CHECK(logctx_otlp_shutdown(otlp, LONG_MS) == LOGCTX_OK);
    return 0;
}

static void test_ten_busy_threads(void **state)
{
    (void)state;
#if ADDRESS_SANITIZER || THREAD_SANITIZER
    print_message(
        "A sanitizer's allocator does not survive a fork while it is in use: test_ten_busy_threads is skipped\n");
    skip();
#endif
    pthread_t busy[BUSY];
    uint64_t made[BUSY] = {0};
    opts.schedule_delay_ms = 1;
    opts.max_queue_bytes = (size_t)256 << 20;
    begin_quietly();
    for (int i = 0; i < BUSY; i++) {
        assert_int_equal(pthread_create(&busy[i], NULL, be_busy, &made[i]), 0);
    }
    int wrong = 0;
    for (int i = 0; i < CHILDREN; i++) {
        wrong += run_child(send_some);
    }
    atomic_store(&stop, true);
    uint64_t sum = 0;
    for (int i = 0; i < BUSY; i++) {
        pthread_join(busy[i], NULL);
        sum += made[i];
    }
    assert_int_equal(wrong, 0);
    assert_int_equal(logctx_otlp_flush(otlp, LONG_MS), LOGCTX_OK);
    assert_int_equal(books_of(otlp).exported, sum);
    assert_balanced(otlp);
    assert_int_equal(spans_named("GET /child", NULL), 3 * CHILDREN);
    assert_int_equal(spans_named("GET /parent", NULL), sum);
}

int main(void)
{
    // A proxy of the developer's must not come between.
    setenv("no_proxy", "*", 1);
#define TEST(name) logctx_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_child_exports),        TEST(test_grandchildren_export),   TEST(test_fork_under_way),
        TEST(test_unused_costs_nothing), TEST(test_spawned_programs),       TEST(test_child_starts_its_own),
        TEST(test_switched_off),         TEST(test_metrics_from_zero),      TEST(test_metrics_alone),
        TEST(test_no_thread_to_be_had),  TEST(test_first_contexts_at_once), TEST(test_ten_busy_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
