// SPDX-License-Identifier: Apache-2.0
// Log lines with the context on them: through the library, and in a logger that a program has already. One thread.
#include <logctx/logctx.h>
#include <stdio.h>
#include <string.h>

static char last[1024];

// The host's logger: gets the library's lines and those of logctx_log(), as JSON here.
static void write_json(const logctx_log_line_t *line, void *file)
{
    char text[1024];
    logctx_log_json(line, text, sizeof text);
    fprintf(file, "%s\n", text);
    snprintf(last, sizeof last, "%s", text);
}

// A program's own function: it stamps its line, and writes the parts as it likes.
static void my_log(FILE *file, const char *message)
{
    logctx_log_line_t line = LOGCTX_LOG_LINE_INIT;
    logctx_log_stamp(&line);
    fprintf(file, "%s trace=%s span=%s %s\n", line.request, line.trace_id, line.span_id, message);
}

int main(void)
{
    logctx_set_logger(write_json, stderr);
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = "GET-4711";
    opts.server = "rooms.example";
    LOGCTX_SCOPE(logctx_new(logctx_kind("GET /rooms/{id}"), &opts));
    logctx_log(LOGCTX_INFO, "found %d rooms", 3);
    my_log(stderr, "the same, by hand");
    return strstr(last, "\"GET-4711\"") && strstr(last, "\"rooms.example\"") ? 0 : 1;
}
