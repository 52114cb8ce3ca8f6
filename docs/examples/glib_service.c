// SPDX-License-Identifier: Apache-2.0
// A service on GLib's main loop: lines come in on a descriptor, each is a request; the answer takes a thread and a timer.
// The loop's thread owns everything but what `compute` gets.
#include <glib-unix.h>
#include <logctx/glib.h>
#include <logctx/logctx.h>
#include <string.h>
#include <unistd.h>

typedef struct request {
    logctx_t *ctx;
    GThread *worker;
    int number; // written by the worker, read when it is joined
} request_t;

static GMainLoop *loop;
static int answered;

// In the request's context, as everything that it armed.
static void on_answer(gpointer data)
{
    request_t *request = data;
    g_print("%s: %d\n", logctx_name(logctx_current()), request->number);
    logctx_exit(request->ctx);
    logctx_unref(request->ctx);
    g_free(request);
    if (++answered == 2)
        g_main_loop_quit(loop);
}

// Asked for by the worker, dispatched by the loop: in the request that the worker works for.
static void on_computed(gpointer data)
{
    request_t *request = data;
    g_thread_join(request->worker); // before the request ends, its worker has to
    logctx_g_timeout_add_once(2, on_answer, request);
}

// On a thread of its own, in a child of the request.
static gpointer compute(gpointer data)
{
    request_t *request = data;
    for (int i = 0; i < 1000; i++)
        request->number += i % 7;
    logctx_g_idle_add_once(on_computed, request);
    return NULL;
}

static void begin_request(const char *line)
{
    request_t *request = g_new0(request_t, 1);
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = line;
    request->ctx = logctx_new(logctx_kind("GET /number"), &opts);
    logctx_enter(request->ctx);
    request->worker = logctx_g_thread_new("worker", compute, request);
    logctx_set_current(logctx_sentinel()); // the rest comes later: back to the loop
}

// Armed in the sentinel, because it belongs to no request.
static gboolean on_readable(gint fd, GIOCondition condition, gpointer data)
{
    (void)condition;
    (void)data;
    char lines[256];
    ssize_t length = read(fd, lines, sizeof lines - 1);
    if (length <= 0)
        return G_SOURCE_REMOVE;
    lines[length] = '\0';
    char *rest = NULL;
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        begin_request(line);
    return G_SOURCE_CONTINUE;
}

int main(void)
{
    static const char input[] = "GET-1\nGET-2\n";
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], input, strlen(input)) != (ssize_t)strlen(input))
        return 1;

    logctx_glib_t *attached = logctx_glib_attach(NULL, "service");
    loop = g_main_loop_new(NULL, FALSE);
    guint watch = logctx_g_unix_fd_add(ends[0], G_IO_IN, on_readable, NULL);
    logctx_g_main_loop_run(loop);

    g_source_remove(watch);
    g_main_loop_unref(loop);
    logctx_glib_detach(attached);
    close(ends[0]);
    close(ends[1]);
    logctx_check_unfinished();
    uint64_t errors = 0;
    for (int kind = 0; kind < LOGCTX_ERROR_COUNT; kind++)
        errors += logctx_error_count((logctx_error_kind_t)kind);
    return answered == 2 && errors == 0 ? 0 : 1;
}
