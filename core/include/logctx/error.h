/*
 * logctx/error.h: transition errors: switches that show that code lost, leaked, restarted or misplaced a context.
 *
 * An error never stops the program: it is reported and the switch happens. Each one goes to the error hook, to the
 * span of the context that is affected (as the event `logctx.transition_error`), to the counters, and as a line to the
 * host's logger, which is rate-limited for each kind and place.
 *
 * Unless it says otherwise, a function here may be called on any thread, leaves the current context as it was, and takes
 * over nothing that it is given; what it returns is borrowed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_ERROR_H
#define LOGCTX_ERROR_H

#include <logctx/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The closed set of kinds, and the only list of them: enum, names, counters, docs and alerts come from it.
 * X(id, "name", class, origin, severity, "sentence", "help")
 *   class     TRANSITION counts as a loss in the alerts; MISUSE does not
 *   origin    REFERENCE: named and worded as Matrix Synapse words it, so that operators can look for what they know;
 *             OURS: what the reference cannot see. Errors of this origin report; they change nothing
 *   sentence  %A is the name of the context concerned, %B of the one found, %M a message of the occurrence
 */
#define LOGCTX_ERRORS(X)                                                                                               \
    X(CONTEXT_LOST, "context_lost", TRANSITION, REFERENCE, WARN, "Expected logging context %A was lost",               \
      "A block of work ended and the sentinel was current instead of its context: some callback cleared it.")          \
    X(UNEXPECTED_CONTEXT, "unexpected_context", TRANSITION, REFERENCE, WARN,                                           \
      "Expected logging context %A but found %B",                                                                      \
      "A block of work ended and another context was current: some callback left its own behind.")                     \
    X(PREVIOUS_CONTEXT_MISMATCH, "previous_context_mismatch", TRANSITION, REFERENCE, WARN,                             \
      "Expected previous context %A, found %B",                                                                        \
      "A context was entered where another one was current than when it was made.")                                    \
    X(RESTARTED_FINISHED, "restarted_finished", TRANSITION, REFERENCE, WARN, "Re-starting finished log context %A",    \
      "Code ran in a context whose work had already ended: a timer or callback outlived its request.")                 \
    X(RESTARTED_ACTIVE, "restarted_active", TRANSITION, REFERENCE, WARN, "Re-starting already-active log context %A",  \
      "A context was made current while it was still running elsewhere.")                                              \
    X(STARTED_ON_DIFFERENT_THREAD, "started_on_different_thread", TRANSITION, REFERENCE, WARN,                         \
      "Started logcontext %A on different thread",                                                                     \
      "A context was made current on a thread that is not its home; use logctx_new_on_thread().")                      \
    X(STOPPED_ON_DIFFERENT_THREAD, "stopped_on_different_thread", TRANSITION, REFERENCE, WARN,                         \
      "Stopped logcontext %A on different thread",                                                                     \
      "A context that is not this thread's was current here and left; its time is charged to nobody.")                 \
    X(STOP_WITHOUT_START, "stop_without_start", TRANSITION, REFERENCE, WARN,                                           \
      "Called stop on logcontext %A without recording a start rusage",                                                 \
      "A context was left whose start another thread had wiped; the slice is charged to nobody.")                      \
    X(UTIME_BACKWARDS, "utime_backwards", TRANSITION, REFERENCE, ERROR, "utime went backwards! %M",                    \
      "The thread's user CPU clock was lower at the stop than at the start; the slice counts as 0.")                   \
    X(STIME_BACKWARDS, "stime_backwards", TRANSITION, REFERENCE, ERROR, "stime went backwards! %M",                    \
      "The thread's system CPU clock was lower at the stop than at the start; the slice counts as 0.")                 \
    X(BACKGROUND_MAINTAINED_VIOLATION, "background_maintained_violation", TRANSITION, REFERENCE, WARN,                 \
      "run_in_background(*): deferred already completed but the function did not maintain the calling "                \
      "logcontext %A (found %B)",                                                                                      \
      "A function started in the background completed at once and left another context behind.")                       \
    X(BGPROC_REENTERED, "bgproc_reentered", TRANSITION, REFERENCE, ERROR,                                              \
      "Background process re-entered without a proc: %A",                                                              \
      "The context of a background process that had ended was made current again.")                                    \
    X(BGPROC_EXITED, "bgproc_exited", TRANSITION, REFERENCE, ERROR, "Background process exited without a proc: %A",    \
      "A background process ended twice.")                                                                             \
    X(NESTED_FROM_SENTINEL, "nested_from_sentinel", TRANSITION, REFERENCE, WARN,                                       \
      "Starting nested logging context from sentinel context: metrics will be lost",                                   \
      "A nested context was made where no context was current, so its cost has no parent.")                            \
    X(THREADPOOL_FROM_SENTINEL, "threadpool_from_sentinel", TRANSITION, REFERENCE, WARN,                               \
      "Calling defer_to_threadpool from sentinel context: metrics will be lost",                                       \
      "Work was handed to a thread where no context was current, so its cost has no parent.")                          \
    X(BGPROC_EXCEPTION, "bgproc_exception", MISUSE, REFERENCE, ERROR, "Background process '%M' threw an exception",    \
      "A background process ended with an error.")                                                                     \
    X(NEGATIVE_DURATION, "negative_duration", MISUSE, REFERENCE, ERROR, "%M",                                          \
      "A database duration below zero was reported; it was not charged.")                                              \
    X(ALREADY_CALLED, "already_called", MISUSE, REFERENCE, ERROR, "deferred already called",                           \
      "A deferred was fired twice.")                                                                                   \
    X(LEAKED_TO_LOOP, "leaked_to_loop", TRANSITION, OURS, WARN, "Logging context %B leaked to the event loop",         \
      "A callback returned to the event loop with its context still current; the sentinel was put back.")              \
    X(UNFINISHED_AT_EXIT, "unfinished_at_exit", TRANSITION, OURS, WARN,                                                \
      "Logging context %A was still unfinished at exit",                                                               \
      "A context was made and never finished: its work was forgotten, or the program ended too early.")                \
    X(OUTLIVED_PARENT, "outlived_parent", TRANSITION, OURS, WARN, "Logging context %A outlived its parent %B",         \
      "A child finished after its parent: work that goes on after its request needs a context of its own.")            \
    X(THREAD_EXIT_WITH_CONTEXT, "thread_exit_with_context", TRANSITION, OURS, WARN,                                    \
      "A thread ended with logging context %B still current",                                                          \
      "A thread ended without setting the sentinel; the running slice is charged to nobody.")                          \
    X(UNHANDLED_FAILURE, "unhandled_failure", MISUSE, OURS, ERROR, "Unhandled failure in a deferred: %M",              \
      "A deferred failed, and nothing was there to handle it.")                                                        \
    X(INVALID_USE, "invalid_use", MISUSE, OURS, ERROR, "Wrong use of logctx: %M",                                      \
      "A call got a NULL context, was made twice, or where its header says that it must not.")

typedef enum logctx_error_kind {
#define LOGCTX_X(id, name, cls, origin, severity, sentence, help) LOGCTX_ERROR_##id,
    LOGCTX_ERRORS(LOGCTX_X)
#undef LOGCTX_X
        LOGCTX_ERROR_COUNT
} logctx_error_kind_t;

typedef enum logctx_error_class { LOGCTX_ERROR_CLASS_TRANSITION, LOGCTX_ERROR_CLASS_MISUSE } logctx_error_class_t;
typedef enum logctx_error_origin { LOGCTX_ERROR_ORIGIN_REFERENCE, LOGCTX_ERROR_ORIGIN_OURS } logctx_error_origin_t;

/* One row of the table; `anchor` is the section in docs/guide.md. */
typedef struct logctx_error_info {
    const char *name;
    logctx_error_class_t cls;
    logctx_error_origin_t origin;
    int severity; /* OpenTelemetry severity number: 13 warning, 17 error */
    const char *sentence;
    const char *help;
    const char *anchor;
} logctx_error_info_t;

/* The row of a kind; for a number outside the set the row of invalid_use. Any thread; static. */
LOGCTX_API const logctx_error_info_t *logctx_error_info(logctx_error_kind_t kind);

/*
 * One switch of the flight recorder. Names are copies. Of a context that has ended and whose memory is used again, the name
 * is its first 31 bytes; or "?", if more than 32 contexts have ended on this thread since, or it ended on another one.
 */
typedef struct logctx_switch {
    char from[48];
    char to[48];
    char where[96];  /* file:line, or object+offset for callers without macros */
    uint64_t ago_ns; /* before the error */
} logctx_switch_t;

/* How many switches an error shows. */
#define LOGCTX_RECENT_MAX 16

/* One transition error, as the hook gets it. Everything is borrowed and valid during the call only. */
typedef struct logctx_error {
    size_t struct_size;
    logctx_error_kind_t kind;
    const char *message;           /* the sentence with the names in it */
    logctx_t *affected;            /* whose span gets the event; the sentinel if no context is concerned */
    const char *expected;          /* name of the context that should have been there, or "" */
    const char *found;             /* name of the one that was, or "" */
    const char *found_by;          /* file:line that noticed */
    const char *set_by;            /* file:line that made current what was found, or called the deferred, or "" */
    const logctx_switch_t *recent; /* the last switches of this thread, newest first */
    size_t recent_count;
    const char *stack; /* one frame a line; "" except once a second for each place */
} logctx_error_t;

/*
 * Called for every error, on the thread where it happens, in the context that is current at that moment. It may read
 * everything and switch nothing: a switch inside it is refused and counted.
 */
typedef void logctx_error_hook_t(const logctx_error_t *error, void *user);

/* Install the hook of the process (NULL: none). Any thread; errors under way on other threads may still use the old one. */
LOGCTX_API void logctx_set_error_hook(logctx_error_hook_t *hook, void *user);

/* The hook of the process and, unless `user` is NULL, what it is called with; for whoever wants to put it back. Any thread. */
LOGCTX_API logctx_error_hook_t *logctx_get_error_hook(void **user);

/* How many errors of that kind there were since the start, in all threads. Any thread. */
LOGCTX_API uint64_t logctx_error_count(logctx_error_kind_t kind);

/* How many switches were refused because they were tried inside an error hook. */
LOGCTX_API uint64_t logctx_refused_switches(void);

/* Whether this thread is inside an error hook, a logger or a sink, where nothing may switch or wait for the library. */
LOGCTX_API bool logctx_in_callback(void);

/*
 * Report unfinished_at_exit for every context in flight (the first 64 one by one, the others in the counter). For the
 * end of a program; the exporter's shutdown does it. Any thread.
 */
LOGCTX_API void logctx_check_unfinished(void);

#ifdef __cplusplus
}
#endif
#endif
