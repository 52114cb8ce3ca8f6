// The host's logger: lines get the current context's tags and go to the callback that the host installed.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <stdarg.h>
#include <stdio.h>

static struct {
    lock_t lock;
    atomic_bool any;
    logctx_logger_t *logger;
    void *user;
} installed = {.lock = 0};

void logctx_set_logger(logctx_logger_t *logger, void *user)
{
    logctx__lock(&installed.lock);
    installed.logger = logger;
    installed.user = user;
    atomic_store_explicit(&installed.any, logger != NULL, memory_order_relaxed);
    logctx__unlock(&installed.lock);
}

bool logctx__has_logger(void)
{
    return READ_RELAXED(installed.any);
}

static void hex(const uint8_t *bytes, size_t length, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

void logctx_log_stamp(logctx_log_line_t *line)
{
    if (!line)
        return;
    if (line->unix_ns == 0)
        line->unix_ns = logctx__unix();
    const logctx_t *ctx = current_context();
    bool real = !is_sentinel(ctx);
    if (real || !line->request || !*line->request)
        line->request = ctx->name;
    if (real || !line->server_name || !*line->server_name)
        line->server_name = logctx_server(ctx);
    if (!real)
        return;
    hex(ctx->profile.trace_id, sizeof ctx->profile.trace_id, line->trace_id);
    hex(ctx->profile.span_id, sizeof ctx->profile.span_id, line->span_id);
    hex(&ctx->profile.flags, 1, line->trace_flags);
}

// A logger that logs would call itself for ever: such lines are dropped.
void logctx__log_message(logctx_severity_t severity, const char *message)
{
    static _Thread_local bool in_logger __attribute__((tls_model("initial-exec")));
    if (in_logger)
        return;
    logctx__lock(&installed.lock);
    logctx_logger_t *logger = installed.logger;
    void *user = installed.user;
    logctx__unlock(&installed.lock);
    if (!logger)
        return;
    logctx_log_line_t line = LOGCTX_LOG_LINE_INIT;
    line.severity = severity;
    line.message = message;
    logctx_log_stamp(&line);
    struct thread *thread = logctx__tls.thread;
    if (thread)
        thread->in_hook++;
    in_logger = true;
    logger(&line, user);
    in_logger = false;
    if (thread)
        thread->in_hook--;
}

void logctx_log(logctx_severity_t severity, const char *format, ...)
{
    if (!format || !logctx__has_logger())
        return;
    char message[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    logctx__log_message(severity, message);
}
