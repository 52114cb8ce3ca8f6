/*
 * logctx/context.h: contexts and which one is current.
 *
 * A context (logctx_t) stands for one unit of work: a request, a background job, a task on another thread. Exactly
 * one context is current on each thread; where nothing else is, it is the sentinel. CPU time and database time are
 * charged to the current context. Switching is the only thing that moves CPU time from one context to another.
 *
 * Four rules (docs/guide.md explains them with examples):
 *   1. Every context that logctx_new() returns is finished once (logctx_exit or logctx_finish) and unreferenced once.
 *   2. A context runs on the thread that made it. Another thread works in a child made by logctx_new_on_thread(), or
 *      takes the context over for good with logctx_hand_over().
 *   3. Whoever returns to the event loop with work still pending has set the sentinel.
 *   4. Whoever completes that work makes the context current again before its code runs.
 *
 * Each function below says: Thread (who may call it), Current (which context is current on return), Owner (who owns
 * what), Errors. Unless it says otherwise a function may be called on any thread, leaves the current context as it
 * was, and neither blocks nor makes a system call, other than those of the CPU clock (logctx/runtime.h). No function returns
 * NULL for a context: where one cannot be made the sentinel is returned, on which every call is safe and does nothing.
 *
 * In a child of fork() the sentinel is current, and contexts of the parent are inert: every call with them is safe, does
 * nothing and reports nothing, and where one was to become current the sentinel does. Their names can be read, and their
 * traces continued, for as long as the parent has not ended them (and 32 more on the thread that forked); what was asked for by
 * then stays known. After that a context is finished, named "a context of the parent process", and has no trace.
 *
 * The semantics are those of Matrix Synapse's logging contexts; docs/guide.md says where they differ.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_CONTEXT_H
#define LOGCTX_CONTEXT_H

#include <logctx/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct logctx logctx_t;
typedef struct logctx_kind logctx_kind_t;

/* Why a context exists. X(name, value, wire name) */
#define LOGCTX_TYPES(X)                                                                                                \
    X(REQUEST, 0, "request")                                                                                           \
    X(BACKGROUND, 1, "background")                                                                                     \
    X(NESTED, 2, "nested")                                                                                             \
    X(THREAD, 3, "thread")                                                                                             \
    X(CALLBACK, 4, "callback")

typedef enum logctx_type {
#define LOGCTX_X(name, value, text) LOGCTX_TYPE_##name = (value),
    LOGCTX_TYPES(LOGCTX_X)
#undef LOGCTX_X
} logctx_type_t;

/* OpenTelemetry's span kinds (trace.proto, Span.SpanKind); 0 lets the type decide: SERVER for requests, else INTERNAL. */
typedef enum logctx_span_kind {
    LOGCTX_SPAN_DEFAULT = 0,
    LOGCTX_SPAN_INTERNAL = 1,
    LOGCTX_SPAN_SERVER = 2,
    LOGCTX_SPAN_CLIENT = 3,
    LOGCTX_SPAN_PRODUCER = 4,
    LOGCTX_SPAN_CONSUMER = 5
} logctx_span_kind_t;

/*
 * The kind called `name`: the low-cardinality name that contexts share, such as "GET /rooms/{id}". It becomes the
 * span's name and a metric label, so it must not hold ids. Interned: the same name gives the same kind, for ever.
 * Look it up once and keep it in a static. At most 2000 kinds exist in a process and a name has at most 255 bytes;
 * beyond that, and for NULL or "", the kind "_other" is returned. Any thread. Owner: the library.
 */
LOGCTX_API logctx_kind_t *logctx_kind(const char *name);

/* The kind's name. Any thread; lives as long as the process. */
LOGCTX_API const char *logctx_kind_name(const logctx_kind_t *kind);

/* What logctx_new() may be told; a zeroed struct with struct_size set is the default. */
typedef struct logctx_opts {
    size_t struct_size; /* sizeof(logctx_opts_t): lets the struct grow without breaking callers */
    const char *name;   /* this instance, such as "GET-4711"; copied, cut at 4096 bytes; NULL: kind and a number */
    const char *server; /* which server of the process; copied; NULL: the parent's, else the process's default */
    logctx_t *parent;   /* usage and trace go up to it; referenced by the child; NULL: none */
    logctx_type_t type; /* request by default */
    logctx_span_kind_t span_kind; /* 0: from the type */
    const char *traceparent;      /* the caller's W3C header, or NULL; a bad one starts a new trace (trace.h) */
    const char *tracestate;       /* the caller's W3C header, all its lines joined by commas, or NULL */
    uint64_t start_unix_ns;       /* when the work began, if that was earlier; 0: now */
} logctx_opts_t;

#define LOGCTX_OPTS_INIT                                                                                               \
    {                                                                                                                  \
        sizeof(logctx_opts_t), NULL, NULL, NULL, LOGCTX_TYPE_REQUEST, LOGCTX_SPAN_DEFAULT, NULL, NULL, 0               \
    }

/*
 * A new context. It remembers what is current now (its `previous`) and this thread (its home, until another one takes
 * it over); it does not become current. `opts` may be NULL.
 * Thread: becomes the home of the context. Current: unchanged. Owner: the caller has one reference, to be given back
 * with logctx_unref(). Errors: without memory the sentinel is returned; `refused_no_memory` of the books counts it.
 */
LOGCTX_API logctx_t *logctx_new(logctx_kind_t *kind, const logctx_opts_t *opts);
LOGCTX_API logctx_t *logctx_new_at(logctx_kind_t *kind, const logctx_opts_t *opts, const logctx_site_t *site);

/*
 * A child of the current context for a part of its work: named "<current>-<suffix>", of the kind "<kind>-<suffix>",
 * same server, same trace. `suffix` is a literal, not an id. In the sentinel it has no parent and
 * `nested_from_sentinel` is reported.
 * Thread, Current, Owner, Errors: as logctx_new().
 */
LOGCTX_API logctx_t *logctx_new_nested(const char *suffix);
LOGCTX_API logctx_t *logctx_new_nested_at(const char *suffix, const logctx_site_t *site);

/*
 * A child of `caller` for work that another thread does for it: same name, kind and server, type thread. Call it on
 * the thread that will do the work; the caller's side has taken a reference for it (logctx_ref) that stays the
 * caller's. With the sentinel as caller the work has no parent and `threadpool_from_sentinel` is reported.
 * Thread: the one that does the work. Current: unchanged. Owner, Errors: as logctx_new().
 */
LOGCTX_API logctx_t *logctx_new_on_thread(logctx_t *caller);
LOGCTX_API logctx_t *logctx_new_on_thread_at(logctx_t *caller, const logctx_site_t *site);

/*
 * Take ctx over from the thread that it ran on: this thread is its home from now on. For programs that move work
 * between threads: work stealing, or one loop that gives a connection to another. Deliberate, and so no error; work on
 * another thread for a context that stays where it is runs in a child instead (logctx_new_on_thread).
 *     on the old thread: set the sentinel, push the context, with a reference, on a queue
 *     on the new one:    take it from the queue, logctx_hand_over(ctx), logctx_set_current(ctx)
 * The queue must order the two, as one with a lock does: what the old thread did with ctx happens before this call.
 * Afterwards the old thread is like any other: it may still set attributes, charge database work, finish, ref and
 * unref. Switches, CPU and metrics of ctx are this thread's, as cheap as if it had been made here; what it used before
 * stays with it. `thread.id` of its span is that of its last home. Its children stay on the threads that they are on.
 * Its `previous`, which logctx_enter() expects and logctx_exit() puts back, is now what is current here (the sentinel,
 * if that is ctx itself, or if that is gone by then). On a context that is at home here already only that changes, and
 * if it is current besides, nothing.
 * Thread: the one that takes ctx over. Current: unchanged; if ctx is current already, it is charged from here on.
 * Owner: the caller has a reference and keeps it. The sentinel is accepted and belongs to every thread.
 * Errors: LOGCTX_E_STATE, and nothing changes, if ctx is current on another thread (reported as invalid_use) or in an
 * error hook, logger or sink; LOGCTX_E_FINISHED; LOGCTX_E_INVALID for NULL, or if its last reference was given back
 * (reported); LOGCTX_E_NO_MEMORY. A thread that ended with ctx current does not keep it.
 */
LOGCTX_API logctx_status_t logctx_hand_over(logctx_t *ctx);
LOGCTX_API logctx_status_t logctx_hand_over_at(logctx_t *ctx, const logctx_site_t *site);

/* One more reference; returns ctx. Any thread that already owns one, or on which ctx is current. */
LOGCTX_API logctx_t *logctx_ref(logctx_t *ctx);

/*
 * Give a reference back. NULL and the sentinel are accepted. If it was the last and the context was never finished it
 * is finished, since nobody else could do it: now, or, while it is current here, when it is left. Any thread.
 */
LOGCTX_API void logctx_unref(logctx_t *ctx);

/* The context of this thread, never NULL. Budget: one thread-local load. Borrowed: logctx_ref() it to keep it. */
LOGCTX_API logctx_t *logctx_current(void);

/* The sentinel: the root context; never started, stopped, finished, charged or freed. */
LOGCTX_API logctx_t *logctx_sentinel(void);

/*
 * Make `ctx` current and return what was current. If that is the same context nothing happens at all. Otherwise one
 * reading of the thread's CPU clock stops the old context and starts the new one.
 * Thread: ctx's home, else `started_on_different_thread` is reported and the time is charged to nobody.
 * Current: ctx (the sentinel for NULL, which is reported). Owner: nothing changes hands; ctx stays alive while current, so
 * what is returned may be gone if it is finished and nobody else has a reference: compare it, or set it current again.
 * Errors (reported, the switch happens): started_on_different_thread, stopped_on_different_thread,
 * restarted_finished, restarted_active, stop_without_start, utime_backwards, stime_backwards.
 * Budget: one clock reading, no allocation, no lock.
 */
LOGCTX_API logctx_t *logctx_set_current(logctx_t *ctx);
LOGCTX_API logctx_t *logctx_set_current_at(logctx_t *ctx, const logctx_site_t *site);

/*
 * Begin a block of work: make ctx current, after which logctx_exit() is due.
 * Thread: home. Current: ctx. Errors: previous_context_mismatch if what was current is not what was current when ctx
 * was made; those of logctx_set_current().
 */
LOGCTX_API void logctx_enter(logctx_t *ctx);
LOGCTX_API void logctx_enter_at(logctx_t *ctx, const logctx_site_t *site);

/*
 * End a block of work: make current what was current when ctx was made, and finish ctx.
 * Thread: home. Current: the previous context, always. Owner: the caller's reference stays its own.
 * Errors: context_lost if the sentinel was current instead of ctx, unexpected_context if another one was; those of
 * logctx_set_current().
 */
LOGCTX_API void logctx_exit(logctx_t *ctx);
LOGCTX_API void logctx_exit_at(logctx_t *ctx, const logctx_site_t *site);

/*
 * Finish ctx without a switch, for code that uses logctx_set_current(): its span is sealed and goes to the sinks.
 * What it uses afterwards counts in the metrics, not in the span. Finishing twice does nothing.
 * Thread: home (another is safe). Current: unchanged, also if it is ctx; set another one next.
 * Errors: outlived_parent if its parent was finished before.
 */
LOGCTX_API void logctx_finish(logctx_t *ctx);
LOGCTX_API void logctx_finish_at(logctx_t *ctx, const logctx_site_t *site);

/* What a preserve block remembers. Lives on the caller's stack; its fields are private. */
typedef struct logctx_preserve {
    logctx_t *old;
    const logctx_site_t *old_at;
    logctx_t *target;
    uint32_t old_generation;
    uint32_t target_generation;
    bool held;
    const logctx_site_t *site;
} logctx_preserve_t;

/*
 * Switch to `target` (often the sentinel) for a block, after which logctx_preserve_exit() puts back what is current
 * now. Do this around calls that may run somebody else's code: completing or cancelling pending work, calling back.
 * Thread: the block begins and ends on one thread. Current: target. Owner: the block holds both contexts until its
 * first exit. Errors: those of logctx_set_current().
 */
LOGCTX_API logctx_preserve_t logctx_preserve_enter(logctx_t *target);
LOGCTX_API logctx_preserve_t logctx_preserve_enter_at(logctx_t *target, const logctx_site_t *site);

/*
 * End a preserve block. Current: what was current before it, always.
 * Errors: context_lost or unexpected_context if the block did not leave its target current; those of
 * logctx_set_current().
 */
LOGCTX_API void logctx_preserve_exit(logctx_preserve_t *block);
LOGCTX_API void logctx_preserve_exit_at(logctx_preserve_t *block, const logctx_site_t *site);

/* Facts about a context. Any thread that may use ctx; strings live as long as ctx. */
LOGCTX_API const char *logctx_name(const logctx_t *ctx);
LOGCTX_API const char *logctx_server(const logctx_t *ctx);
LOGCTX_API logctx_kind_t *logctx_kind_of(const logctx_t *ctx);
LOGCTX_API logctx_type_t logctx_type(const logctx_t *ctx);
LOGCTX_API const char *logctx_type_name(logctx_type_t type);
LOGCTX_API bool logctx_is_finished(const logctx_t *ctx);
LOGCTX_API bool logctx_is_sentinel(const logctx_t *ctx);

/* For code that runs in a signal handler: copies the current context's name, cut to size-1 bytes; async-signal-safe. */
LOGCTX_API size_t logctx_current_name(char *buffer, size_t size);

/*
 * Scopes that cannot be left unbalanced: LOGCTX_SCOPE enters ctx here and, however the enclosing block is left (but
 * for longjmp and exit), exits it and gives its reference back. LOGCTX_PRESERVE is a preserve block to the end of the
 * enclosing block. The plain functions above do the same by hand.
 *
 *     LOGCTX_SCOPE(logctx_new(kind, NULL));
 */
typedef struct logctx_scope {
    logctx_t *ctx;
    const logctx_site_t *site; /* of its begin: errors at its end name this line, since the end has none */
} logctx_scope_t;

LOGCTX_API logctx_scope_t logctx_scope_begin(logctx_t *ctx, const logctx_site_t *site);
LOGCTX_API void logctx_scope_end(logctx_scope_t *scope);
LOGCTX_API void logctx_preserve_end(logctx_preserve_t *block);

#define LOGCTX_CONCAT2(a, b) a##b
#define LOGCTX_CONCAT(a, b) LOGCTX_CONCAT2(a, b)
#define LOGCTX_SCOPE(ctx)                                                                                              \
    __attribute__((cleanup(logctx_scope_end), unused)) logctx_scope_t LOGCTX_CONCAT(logctx_scope_, __LINE__) =         \
        logctx_scope_begin((ctx), LOGCTX_HERE)
#define LOGCTX_PRESERVE(ctx)                                                                                           \
    __attribute__((cleanup(logctx_preserve_end), unused)) logctx_preserve_t LOGCTX_CONCAT(                             \
        logctx_preserve_, __LINE__) = logctx_preserve_enter_at((ctx), LOGCTX_HERE)

#define logctx_new(kind, opts) logctx_new_at((kind), (opts), LOGCTX_HERE)
#define logctx_new_nested(suffix) logctx_new_nested_at((suffix), LOGCTX_HERE)
#define logctx_new_on_thread(caller) logctx_new_on_thread_at((caller), LOGCTX_HERE)
#define logctx_hand_over(ctx) logctx_hand_over_at((ctx), LOGCTX_HERE)
#define logctx_set_current(ctx) logctx_set_current_at((ctx), LOGCTX_HERE)
#define logctx_enter(ctx) logctx_enter_at((ctx), LOGCTX_HERE)
#define logctx_exit(ctx) logctx_exit_at((ctx), LOGCTX_HERE)
#define logctx_finish(ctx) logctx_finish_at((ctx), LOGCTX_HERE)
#define logctx_preserve_enter(ctx) logctx_preserve_enter_at((ctx), LOGCTX_HERE)
#define logctx_preserve_exit(block) logctx_preserve_exit_at((block), LOGCTX_HERE)

#ifdef __cplusplus
}
#endif
#endif
