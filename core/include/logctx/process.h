/*
 * logctx/process.h: background processes: work that nobody's request asked for, or that goes on after it.
 *
 * A background process has a root context of its own, of type `background`, named "<desc>-<n>": it shows in the metrics of
 * its kind while it runs, is one span when it ends, and is linked with, not part of, the work that started it. Every
 * context of type `background` is a process, also one that logctx_new() made: it ends once, and runs no more after that.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_PROCESS_H
#define LOGCTX_PROCESS_H

#include <logctx/deferred.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Run work(user) as a background process of kind `desc`, which is a literal, not an id. It ends when the work does: when it
 * returns a result, or when the deferred that it returns has one. A failure is reported as bgproc_exception, and is the
 * span's error.type; so is `no_memory`, when there is none to wait for the work with, which is then not begun.
 * Thread: that of the work. Current: unchanged, whatever the work leaves; the work begins in the process's context.
 * Owner: returns a deferred that succeeds when the process has ended, also if it failed; give the reference back to forget
 * it. Errors: unexpected_context if the work left a context behind when it returned; context_lost or unexpected_context if
 * it completes where the process's context is not current (a deferred that was not made yieldable).
 */
LOGCTX_API logctx_deferred_t *logctx_run_as_background_process(const char *desc, logctx_work_t *work, void *user)
    __attribute__((warn_unused_result));

/* The same with options: name, server, start_unix_ns and span_kind of `opts` (may be NULL) are used. */
LOGCTX_API logctx_deferred_t *logctx_run_as_background_process_at(const char *desc, const logctx_opts_t *opts,
                                                                  logctx_work_t *work, void *user,
                                                                  const logctx_site_t *site)
    __attribute__((warn_unused_result));

/*
 * Told of the life of all processes: `resumed` each time the context of one that has not ended is made current, also for the
 * first time, and `ended` once, when its context is finished. For accounts of your own; logctx_get_usage() in `ended` has
 * all that it used. Called on the thread where it happens, after the switch and its errors; must not switch, and what it
 * leaves current is put back. `struct_size` first; the struct must live as long as the process. NULL: none.
 * Thread: install it before there are processes. Any one may be NULL.
 */
typedef struct logctx_process_observer {
    size_t struct_size;
    void (*resumed)(void *user, logctx_t *process);
    void (*ended)(void *user, logctx_t *process);
    void *user;
} logctx_process_observer_t;
LOGCTX_API void logctx_set_process_observer(const logctx_process_observer_t *observer);

#define logctx_run_as_background_process(desc, work, user)                                                             \
    logctx_run_as_background_process_at((desc), NULL, (work), (user), LOGCTX_HERE)

#ifdef __cplusplus
}
#endif
#endif
