/*
 * uv_support.c: the loop and the text of uv_support.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "uv_support.h"

#include <pthread.h>

uv_loop_t loop;
logctx_uv_t *attached;
int attached_at;
logctx_recorder_t *recorder;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; // of `said`
static char said[4096];

int uv_setup_bare(void **state)
{
    (void)state;
    said[0] = '\0';
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
    assert_said("");
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

void leave_finished(void)
{
    logctx_t *ctx = logctx_set_current(logctx_sentinel());
    logctx_finish(ctx);
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
