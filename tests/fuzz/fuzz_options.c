/*
 * fuzz_options.c: libFuzzer target for the environment. The input is lines `NUMBER=value`: the value of the
 * variable with that number in the list below. Whatever they say, there are settings to work with afterwards.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "options.h"
#include "resource.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_INPUT = 65536 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
#define LOGCTX_X(field, variable, type, low, high, fallback) variable,
    LOGCTX__NUMBERS(LOGCTX_X)
#undef LOGCTX_X
#define LOGCTX_X(field, variable, general) variable, general,
        LOGCTX__LIMITS(LOGCTX_X)
#undef LOGCTX_X
            "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_TRACES_EXPORTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_METRICS_EXEMPLAR_FILTER",
    "OTEL_SDK_DISABLED",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SERVICE_NAME"};
enum { NAMES = sizeof names / sizeof names[0] };

struct environment {
    const char *values[NAMES];
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static const char *get(void *user, const char *name)
{
    const struct environment *environment = user;
    for (size_t i = 0; i < NAMES; i++) {
        if (names[i] != NULL && strcmp(names[i], name) == 0)
            return environment->values[i];
    }
    return NULL;
}

// Cuts the text into lines in place.
static void read_lines(struct environment *environment, char *text)
{
    for (char *line = text, *next; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        char *value = NULL;
        unsigned long number = strtoul(line, &value, 10);
        if (*value == '=' && number < NAMES)
            environment->values[number] = value + 1;
    }
}

static void check_options(const struct logctx__options *options)
{
    for (int signal = 0; signal < LOGCTX__SIGNALS && !options->disabled; signal++) {
        const struct logctx__signal_options *own = &options->signals[signal];
        if (own->off)
            continue;
        require(strncmp(own->endpoint.url, "http", 4) == 0);
        require(own->timeout_ms >= 0);
        for (size_t i = 0; i < own->header_count; i++)
            require(strpbrk(own->headers[i], "\r\n") == NULL);
    }
    require(options->disabled || (options->max_batch >= 1 && options->schedule_delay_ms >= 0));
    require(options->max_queue == 0 || options->max_batch <= options->max_queue);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MAX_INPUT)
        return 0;
    char *text = malloc(size + 1);
    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    struct environment environment = {.values = {NULL}};
    read_lines(&environment, text);
    const struct logctx__environment env = {.get = get, .user = &environment};

    struct logctx__options options;
    require(logctx__options_read(&options, NULL, &env) == LOGCTX_OK || options.arena.failed);
    if (!options.arena.failed)
        check_options(&options);
    logctx__options_free(&options);

    struct logctx__resource resource;
    const struct logctx__resource_given given = {.service_name = NULL};
    require(logctx__resource_build(&resource, &given, &env) == LOGCTX_OK);
    logctx__resource_free(&resource);
    free(text);
    return 0;
}
