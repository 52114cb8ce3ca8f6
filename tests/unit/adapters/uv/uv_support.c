/*
 * uv_support.c: the loop, the collecting hook and the text of uv_support.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "uv_support.h"

#include <pthread.h>

uv_loop_t loop;
logctx_uv_t *attached;
int attached_at;
logctx_recorder_t *recorder;

enum { NOTED_MAX = 64 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
    struct noted list[NOTED_MAX];
    size_t count, taken;
} errors;
static char said[4096];

static void note(const logctx_error_t *error, void *user)
{
    (void)user;
    pthread_mutex_lock(&mutex);
    if (errors.count < NOTED_MAX) {
        struct noted *noted = &errors.list[errors.count++];
        noted->kind = error->kind;
        snprintf(noted->message, sizeof noted->message, "%s", error->message);
        snprintf(noted->found_by, sizeof noted->found_by, "%s", error->found_by);
        snprintf(noted->set_by, sizeof noted->set_by, "%s", error->set_by);
        snprintf(noted->affected, sizeof noted->affected, "%s", logctx_name(error->affected));
    }
    pthread_mutex_unlock(&mutex);
}

size_t errors_waiting(void)
{
    pthread_mutex_lock(&mutex);
    size_t waiting = errors.count - errors.taken;
    pthread_mutex_unlock(&mutex);
    return waiting;
}

const struct noted *take_error(logctx_error_kind_t kind)
{
    if (errors_waiting() == 0)
        fail_msg("expected the error %s, and there was none", logctx_error_info(kind)->name);
    const struct noted *noted = &errors.list[errors.taken++];
    if (noted->kind != kind)
        fail_msg("expected the error %s, got: %s", logctx_error_info(kind)->name, noted->message);
    return noted;
}

void take_misuse(const char *text)
{
    const struct noted *noted = take_error(LOGCTX_ERROR_INVALID_USE);
    if (!strstr(noted->message, text))
        fail_msg("expected a sentence with \"%s\", got: %s", text, noted->message);
}

void assert_at_(const char *text, const char *file, int line)
{
    const char *slash = strrchr(file, '/');
    char want[256];
    snprintf(want, sizeof want, "%s:%d", slash ? slash + 1 : file, line);
    size_t length = strlen(text), tail = strlen(want);
    if (length < tail || strcmp(text + length - tail, want) != 0)
        fail_msg("expected the place %s, got \"%s\"", want, text);
}

int uv_setup_bare(void **state)
{
    (void)state;
    assert_in_sentinel();
    assert_int_equal(live(), 0);
    errors.count = errors.taken = 0;
    said[0] = '\0';
    logctx_set_error_hook(note, NULL);
    logctx_set_logger(NULL, NULL);
    recorder = logctx_recorder_new(1024);
    assert_non_null(recorder);
    assert_int_equal(uv_loop_init(&loop), 0);
    attached = NULL;
    return 0;
}

int uv_setup(void **state)
{
    uv_setup_bare(state);
    attached = logctx_uv_attach(&loop, "tested");
    attached_at = __LINE__ - 1;
    assert_non_null(attached);
    return 0;
}

int uv_teardown(void **state)
{
    (void)state;
    logctx_uv_detach(attached);
    attached = NULL;
    run();
    assert_int_equal(uv_loop_close(&loop), 0);
    logctx_recorder_free(recorder);
    if (errors_waiting() > 0)
        fail_msg("%zu unexpected errors, the first is: %s", errors_waiting(), errors.list[errors.taken].message);
    assert_in_sentinel();
    assert_int_equal(live(), 0);
    assert_said("");
    logctx_set_error_hook(NULL, NULL);
    return 0;
}

logctx_t *in(const char *name)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = name;
    logctx_t *ctx = logctx_new(logctx_kind("tested"), &opts);
    logctx_set_current(ctx);
    return ctx;
}

void leave(void)
{
    logctx_t *ctx = logctx_set_current(logctx_sentinel());
    logctx_unref(ctx);
}

void say(const char *what)
{
    pthread_mutex_lock(&mutex);
    size_t length = strlen(said);
    snprintf(said + length, sizeof said - length, "%s:%s ", what,
             logctx_is_sentinel(logctx_current()) ? "-" : logctx_name(logctx_current()));
    pthread_mutex_unlock(&mutex);
}

void take_said(char *out, size_t size)
{
    pthread_mutex_lock(&mutex);
    snprintf(out, size, "%s", said);
    said[0] = '\0';
    pthread_mutex_unlock(&mutex);
}

void assert_said(const char *text)
{
    char copy[sizeof said];
    take_said(copy, sizeof copy);
    assert_string_equal(copy, text);
}

void run(void)
{
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_in_sentinel();
}

uint64_t live(void)
{
    logctx_books_t books;
    logctx_get_books(&books);
    return books.live;
}

void on_closed(uv_handle_t *handle)
{
    (void)handle;
    say("closed");
}
