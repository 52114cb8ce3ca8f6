/*
 * logctx/base.h: what every other header needs: visibility, version, status codes, call sites.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_BASE_H
#define LOGCTX_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Define LOGCTX_STATIC where the static library becomes part of a shared one that should not export its symbols. */
#if defined(LOGCTX_STATIC)
#define LOGCTX_API
#else
#define LOGCTX_API __attribute__((visibility("default")))
#endif

#define LOGCTX_VERSION_MAJOR 0
#define LOGCTX_VERSION_MINOR 1
#define LOGCTX_VERSION_PATCH 0
#define LOGCTX_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that is linked, which may be newer than LOGCTX_VERSION. Any thread; static string. */
LOGCTX_API const char *logctx_version(void);

/*
 * What a call that can fail returns: 0, or one of these negative numbers. No call reports through errno.
 * X(name, value, sentence)
 */
#define LOGCTX_STATUSES(X)                                                                                             \
    X(OK, 0, "success")                                                                                                \
    X(E_INVALID, -1, "an argument is NULL or outside its range")                                                       \
    X(E_NO_MEMORY, -2, "no memory could be allocated")                                                                 \
    X(E_NEGATIVE, -3, "a duration is negative; durations are counted upwards only")                                    \
    X(E_LIMIT, -4, "a limit is reached; the item was dropped and counted")                                             \
    X(E_FINISHED, -5, "the context is finished and its span is sealed")                                                \
    X(E_TIMEOUT, -6, "the deadline passed before the work was done")                                                   \
    X(E_STATE, -7, "the call is not allowed now; its header comment says when it is")                                  \
    X(E_IO, -8, "reading or writing failed")                                                                           \
    X(E_CONFIG, -9, "a setting is wrong; the log line before this says which")                                         \
    X(E_SHUTDOWN, -10, "the exporter is shut down")

typedef enum logctx_status {
#define LOGCTX_X(name, value, sentence) LOGCTX_##name = (value),
    LOGCTX_STATUSES(LOGCTX_X)
#undef LOGCTX_X
} logctx_status_t;

/* The sentence of a status; never NULL. Any thread; static string. */
LOGCTX_API const char *logctx_strerror(logctx_status_t status);

/*
 * A place in the source. One static object per use of LOGCTX_HERE; it must stay in memory for as long as the process
 * runs, because recorders and reports keep its address. The functions that take a site have a macro of the same
 * name without `_at` that fills it in; the function of that name remains callable, as `(logctx_enter)(ctx)` or from
 * another language, and then records the return address instead.
 */
typedef struct logctx_site {
    const char *file;
    int line;
    const char *function;
} logctx_site_t;

/*
 * Write a site down in the table that readers outside the process see (logctx_set_table() in runtime.h), unless `seen` is
 * set, and set it. LOGCTX_HERE does so once for each of its uses. A site that is not written down works as well; logctx-top
 * does not show where it is. Any thread; the current context stays.
 * Owner: `site` and its strings live as long as the process, or as the plug-in they are in; they are copied.
 */
LOGCTX_API void logctx_site_seen(const logctx_site_t *site, unsigned char *seen);

#define LOGCTX_HERE                                                                                                    \
    (__extension__({                                                                                                   \
        static const logctx_site_t logctx_here_ = {__FILE__, __LINE__, __func__};                                      \
        static unsigned char logctx_seen_;                                                                             \
        if (__builtin_expect(!__atomic_load_n(&logctx_seen_, __ATOMIC_RELAXED), 0))                                    \
            logctx_site_seen(&logctx_here_, &logctx_seen_);                                                            \
        &logctx_here_;                                                                                                 \
    }))

#ifdef __cplusplus
}
#endif
#endif
