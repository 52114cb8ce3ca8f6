/*
 * logctx/log.h: log lines carry the context. The library writes no log of its own: lines go to the host's logger.
 *
 * Unless it says otherwise, a function here may be called on any thread, leaves the current context as it was, and takes
 * over nothing that it is given; what it returns is borrowed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_LOG_H
#define LOGCTX_LOG_H

#include <logctx/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* OpenTelemetry severity numbers (logs data model): the lowest of each range. */
typedef enum logctx_severity {
    LOGCTX_TRACE = 1,
    LOGCTX_DEBUG = 5,
    LOGCTX_INFO = 9,
    LOGCTX_WARN = 13,
    LOGCTX_ERROR_SEVERITY = 17,
    LOGCTX_FATAL = 21
} logctx_severity_t;

/* One line. What is NULL or empty is left out when it is written. Borrowed by whoever gets it. */
typedef struct logctx_log_line {
    size_t struct_size;
    logctx_severity_t severity;
    uint64_t unix_ns;        /* 0: logctx_log_stamp() fills it in */
    const char *message;     /* any text; control characters are escaped when written */
    const char *request;     /* name of the context */
    const char *server_name; /* its server */
    char trace_id[33];       /* lowercase hex; "" where there is none */
    char span_id[17];
    char trace_flags[3];
} logctx_log_line_t;

#define LOGCTX_LOG_LINE_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(logctx_log_line_t), LOGCTX_INFO, 0, "", NULL, NULL, "", "", ""                                          \
    }

/*
 * Tag a line with the current context: request, server, trace and span id. In the sentinel the request is "sentinel"
 * and the server "unknown_server_from_sentinel_context"; what the line already carries is overwritten by a real context
 * and kept in the sentinel. Thread: any; the strings live as long as the context.
 */
LOGCTX_API void logctx_log_stamp(logctx_log_line_t *line);

/*
 * Write a line as text ("2026-01-31T12:00:00.000Z WARN GET-4711 server [trace-span] message") or as one JSON object
 * (keys time, severity, message, request, server_name, trace_id, span_id, trace_flags). Like snprintf: at most size-1
 * bytes and a zero, and returns the length of the whole. Text is cut on a character; bad UTF-8 becomes U+FFFD.
 */
LOGCTX_API size_t logctx_log_text(const logctx_log_line_t *line, char *buffer, size_t size);
LOGCTX_API size_t logctx_log_json(const logctx_log_line_t *line, char *buffer, size_t size);

/*
 * The host's logger: gets stamped lines, on the thread that logs; must not switch contexts, and what it logs itself
 * is dropped. NULL (the default) drops all. The library's own lines (transition errors, the exporter's troubles) go there too, rate-limited.
 */
typedef void logctx_logger_t(const logctx_log_line_t *line, void *user);
LOGCTX_API void logctx_set_logger(logctx_logger_t *logger, void *user);

/* A logger that writes text lines to the file descriptor `*(const int *)user`, each with one write(2). */
LOGCTX_API void logctx_log_to_fd(const logctx_log_line_t *line, void *user);

/* Format, stamp and hand a line to the host's logger. At most 4096 bytes of message. Any thread. */
LOGCTX_API void logctx_log(logctx_severity_t severity, const char *format, ...) __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif
#endif
