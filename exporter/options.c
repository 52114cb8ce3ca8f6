/*
 * options.c: reads the settings once, at the start, on the thread that starts the exporter. Values from the
 * environment that are wrong are said in a log line and replaced by their default; wrong values from code are refused.
 * Values of headers appear in no line: they hold secrets.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "options.h"
#include "pairs.h"
#include "values.h"

#include <logctx/log.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_LIMIT = 1 << 20, DEFAULT_TIMEOUT_MS = 10000, MAX_HEADERS = 64, SHOWN = 64 };

static const char *const default_endpoint = "http://localhost:4318";
static const char *const signal_names[LOGCTX__SIGNALS] = {"TRACES", "METRICS"};
static const char *const signal_paths[LOGCTX__SIGNALS] = {"v1/traces", "v1/metrics"};

static const char *process_getenv(void *user, const char *name)
{
    (void)user;
    return getenv(name);
}

struct logctx__environment logctx__environment_process(void)
{
    return (struct logctx__environment){.get = process_getenv};
}

const char *logctx__environment_get(const struct logctx__environment *env, const char *name)
{
    const char *value = env->get(env->user, name);
    return logctx__value_blank(value) ? NULL : value;
}

// What every complaint about the environment looks like. The value is cut, for nobody knows how long it is.
static void complain(const char *name, const char *value, const char *wants, const char *instead)
{
    logctx_log(LOGCTX_WARN, "%s is \"%.*s\", but it has to be %s; using %s instead", name, SHOWN, value, wants,
               instead);
}

/*
 * The general variables are read once for each signal that is on. What is wrong with one is said for the first of them
 * only; a signal's own variable is always the subject of a line.
 */
struct reader {
    const struct logctx__environment *env;
    struct logctx__options *out;
    int signal;
};

static bool is_general_again(const struct reader *reader, const char *name)
{
    bool own = strstr(name, "_TRACES_") != NULL || strstr(name, "_METRICS_") != NULL;
    return !own && reader->signal != LOGCTX__TRACES && !reader->out->signals[LOGCTX__TRACES].off;
}

static void complain_once(const struct reader *reader, const char *name, const char *value, const char *wants,
                          const char *instead)
{
    if (!is_general_again(reader, name)) {
        complain(name, value, wants, instead);
    }
}

// The variable of a signal, else the general one. *name is the one that is set.
static const char *signal_value(const struct reader *reader, const char *what, char *name, size_t size)
{
    snprintf(name, size, "OTEL_EXPORTER_OTLP_%s_%s", signal_names[reader->signal], what);
    const char *value = logctx__environment_get(reader->env, name);
    if (value == NULL) {
        snprintf(name, size, "OTEL_EXPORTER_OTLP_%s", what);
        value = logctx__environment_get(reader->env, name);
    }
    return value;
}

// Numbers.

enum number_type { TYPE_INTEGER, TYPE_DURATION };

struct number {
    const char *field;
    const char *variable;
    enum number_type type;
    int64_t low;
    int64_t high;
    int64_t fallback;
    size_t offset;
};

static const struct number numbers[] = {
#define LOGCTX_X(field, variable, type, low, high, fallback)                                                           \
    {#field, variable, TYPE_##type, low, high, fallback, offsetof(struct logctx__options, field)},
    LOGCTX__NUMBERS(LOGCTX_X)
#undef LOGCTX_X
};

static int64_t number_from_environment(const struct number *row, const struct logctx__environment *env)
{
    const char *text = row->variable != NULL ? logctx__environment_get(env, row->variable) : NULL;
    int64_t value = row->fallback;
    if (text != NULL && !logctx__value_integer(text, row->low, row->high, &value)) {
        char wants[96];
        char instead[64];
        const char *unit = row->type == TYPE_DURATION ? " of milliseconds" : "";
        snprintf(wants, sizeof wants, "a number%s from %" PRId64 " to %" PRId64, unit, row->low, row->high);
        snprintf(instead, sizeof instead, "%" PRId64, row->fallback);
        complain(row->variable, text, wants, row->fallback == 0 ? "no bound" : instead);
        value = row->fallback;
    }
    return value;
}

static bool read_numbers(struct logctx__options *out, const logctx_otlp_opts_t *opts,
                         const struct logctx__environment *env)
{
    const int64_t given[] = {
#define LOGCTX_X(field, variable, type, low, high, fallback)                                                           \
    (uint64_t) opts->field > (uint64_t)INT64_MAX ? -1 : (int64_t)opts->field,
        LOGCTX__NUMBERS(LOGCTX_X)
#undef LOGCTX_X
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const struct number *row = &numbers[i];
        if (given[i] != 0 && (given[i] < row->low || given[i] > row->high)) {
            logctx_log(LOGCTX_ERROR_SEVERITY,
                       "logctx_otlp_start: opts.%s is %" PRId64 ", but it has to be from %" PRId64 " to %" PRId64
                       ", or 0 for the default",
                       row->field, given[i], row->low, row->high);
            return false;
        }
        int64_t value = given[i] != 0 ? given[i] : number_from_environment(row, env);
        memcpy((char *)out + row->offset, &value, sizeof value);
    }
    if (out->max_queue != 0 && out->max_batch > out->max_queue) {
        out->max_batch = out->max_queue;
    }
    if (out->retry_max_ms < out->retry_initial_ms) {
        out->retry_max_ms = out->retry_initial_ms;
    }
    return true;
}

// What each signal has of its own.

static bool read_timeout(const struct reader *reader, struct logctx__signal_options *out,
                         const logctx_otlp_opts_t *opts)
{
    if (opts->timeout_ms < 0 || opts->timeout_ms > INT32_MAX) {
        logctx_log(LOGCTX_ERROR_SEVERITY,
                   "logctx_otlp_start: opts.timeout_ms is %" PRId64 ", but it has to be a number of milliseconds "
                   "from 1 to %" PRId32 ", or 0 for the default",
                   opts->timeout_ms, INT32_MAX);
        return false;
    }
    out->timeout_ms = opts->timeout_ms;
    if (opts->timeout_ms == 0) {
        char name[80];
        const char *text = signal_value(reader, "TIMEOUT", name, sizeof name);
        out->timeout_ms = DEFAULT_TIMEOUT_MS;
        if (text != NULL && !logctx__value_integer(text, 0, INT32_MAX, &out->timeout_ms)) {
            complain_once(reader, name, text, "a number of milliseconds, or 0 for no limit", "10000");
        }
    }
    return true;
}

static bool read_compression(const struct reader *reader, struct logctx__signal_options *out,
                             const logctx_otlp_opts_t *opts)
{
    static const char *const words[] = {"none", "gzip"};
    if (opts->compression != LOGCTX_COMPRESSION_DEFAULT) {
        out->gzip = opts->compression == LOGCTX_COMPRESSION_GZIP;
        if (out->gzip || opts->compression == LOGCTX_COMPRESSION_NONE) {
            return true;
        }
        logctx_log(LOGCTX_ERROR_SEVERITY,
                   "logctx_otlp_start: opts.compression is %d, which is not a logctx_compression_t",
                   (int)opts->compression);
        return false;
    }
    char name[80];
    const char *text = signal_value(reader, "COMPRESSION", name, sizeof name);
    int word = text != NULL ? logctx__value_word(text, words, 2) : 1;
    if (word < 0) {
        complain_once(reader, name, text, "gzip or none", "gzip");
    }
    out->gzip = word != 0;
    return true;
}

static void check_protocol(const struct reader *reader)
{
    static const char *const words[] = {"http/protobuf"};
    char name[80];
    const char *text = signal_value(reader, "PROTOCOL", name, sizeof name);
    if (text != NULL && logctx__value_word(text, words, 1) < 0) {
        complain_once(reader, name, text, "http/protobuf, the only protocol that is built in", "http/protobuf");
    }
}

static bool add_header(struct logctx__arena *arena, struct logctx__signal_options *out, const struct logctx__pair *pair)
{
    if (out->headers == NULL) {
        out->headers = logctx__arena_array(arena, MAX_HEADERS, sizeof *out->headers);
    }
    size_t size = strlen(pair->key) + pair->value_length + 3;
    char *line = logctx__arena_array(arena, size, 1);
    if (out->headers == NULL || line == NULL) {
        return false;
    }
    // A header without a value is written with a semicolon: with a colon libcurl would take it for one to be removed.
    const char *between = pair->value_length == 0 ? ";" : ": ";
    snprintf(line, size, "%s%s%s", pair->key, between, pair->value);
    out->headers[out->header_count++] = line;
    return true;
}

static void complain_of_header(const struct reader *reader, const char *name, int number, const char *fault,
                               bool strict)
{
    if (strict || !is_general_again(reader, name)) {
        logctx_log(strict ? LOGCTX_ERROR_SEVERITY : LOGCTX_WARN,
                   "%s: member %d is not usable as a header: %s; write name=value,name=value with %%XX for special "
                   "characters%s",
                   name, number, fault, strict ? "" : "; this member is left out");
    }
}

// From code a bad member is an error; from the environment it is said and left out.
static bool read_headers(const struct reader *reader, struct logctx__signal_options *out,
                         const logctx_otlp_opts_t *opts)
{
    char name[80] = "opts.headers";
    bool strict = opts->headers != NULL;
    const char *list = strict ? opts->headers : signal_value(reader, "HEADERS", name, sizeof name);
    struct logctx__pair pair;
    for (int number = 1; logctx__pairs_next(&list, &pair); number++) {
        const char *fault = logctx__pair_header_fault(&pair);
        if (fault == NULL && out->header_count == MAX_HEADERS) {
            fault = "there are too many";
        }
        if (fault != NULL) {
            complain_of_header(reader, name, number, fault, strict);
            if (strict) {
                return false;
            }
        } else if (!add_header(&reader->out->arena, out, &pair)) {
            return false;
        }
    }
    return true;
}

static bool endpoint_from_code(struct logctx__signal_options *out, const char *field, const char *url, const char *path)
{
    const char *fault = path != NULL ? logctx__endpoint_base(&out->endpoint, url, path)
                                     : logctx__endpoint_exact(&out->endpoint, url);
    if (fault != NULL) {
        logctx_log(LOGCTX_ERROR_SEVERITY, "logctx_otlp_start: opts.%s is not usable: %s", field, fault);
    }
    return fault == NULL;
}

// Whether the variable is set and usable.
static bool endpoint_from_variable(const struct reader *reader, struct logctx__signal_options *out, const char *name,
                                   const char *path, const char *instead)
{
    const char *url = logctx__environment_get(reader->env, name);
    if (url == NULL) {
        return false;
    }
    const char *fault = path != NULL ? logctx__endpoint_base(&out->endpoint, url, path)
                                     : logctx__endpoint_exact(&out->endpoint, url);
    if (fault != NULL && !is_general_again(reader, name)) {
        // Not the value: it may hold a password.
        logctx_log(LOGCTX_WARN, "%s is not usable: %s; using %s instead", name, fault, instead);
    }
    return fault == NULL;
}

static void endpoint_from_environment(const struct reader *reader, struct logctx__signal_options *out)
{
    const char *path = signal_paths[reader->signal];
    char name[80];
    snprintf(name, sizeof name, "OTEL_EXPORTER_OTLP_%s_ENDPOINT", signal_names[reader->signal]);
    if (!endpoint_from_variable(reader, out, name, NULL, "OTEL_EXPORTER_OTLP_ENDPOINT or its default") &&
        !endpoint_from_variable(reader, out, "OTEL_EXPORTER_OTLP_ENDPOINT", path, default_endpoint)) {
        logctx__endpoint_base(&out->endpoint, default_endpoint, path);
    }
}

static bool read_endpoint(const struct reader *reader, struct logctx__signal_options *out,
                          const logctx_otlp_opts_t *opts)
{
    bool traces = reader->signal == LOGCTX__TRACES;
    const char *own = traces ? opts->traces_endpoint : opts->metrics_endpoint;
    if (own != NULL) {
        return endpoint_from_code(out, traces ? "traces_endpoint" : "metrics_endpoint", own, NULL);
    }
    if (opts->endpoint != NULL) {
        return endpoint_from_code(out, "endpoint", opts->endpoint, signal_paths[reader->signal]);
    }
    endpoint_from_environment(reader, out);
    return true;
}

// OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER: a list, of which we have only one member to offer.
static bool exporter_is_off(int signal, const struct logctx__environment *env)
{
    static const char *const words[] = {"otlp", "none"};
    char name[64];
    snprintf(name, sizeof name, "OTEL_%s_EXPORTER", signal_names[signal]);
    const char *text = logctx__environment_get(env, name);
    int word = text != NULL ? logctx__value_word(text, words, 2) : 0;
    if (word < 0) {
        complain(name, text, "otlp or none", "otlp");
    }
    return word == 1;
}

static logctx_status_t read_signal(struct logctx__options *out, const logctx_otlp_opts_t *opts, int signal,
                                   const struct logctx__environment *env)
{
    struct logctx__signal_options *options = &out->signals[signal];
    bool off = signal == LOGCTX__TRACES ? opts->traces_off : opts->metrics_off;
    options->off = off || exporter_is_off(signal, env);
    if (options->off) {
        return LOGCTX_OK;
    }
    const struct reader reader = {.env = env, .out = out, .signal = signal};
    check_protocol(&reader);
    if (!read_endpoint(&reader, options, opts) || !read_timeout(&reader, options, opts) ||
        !read_compression(&reader, options, opts)) {
        return LOGCTX_E_CONFIG;
    }
    if (!read_headers(&reader, options, opts)) {
        return out->arena.failed ? LOGCTX_E_NO_MEMORY : LOGCTX_E_CONFIG;
    }
    return LOGCTX_OK;
}

// What belongs to the core.

static void read_sampler(struct logctx__options *out, const struct logctx__environment *env)
{
    static const char *const words[] = {"always_on", "always_off", "parentbased_always_on", "parentbased_always_off"};
    static const logctx_sampler_t samplers[] = {LOGCTX_SAMPLER_ALWAYS_ON, LOGCTX_SAMPLER_ALWAYS_OFF,
                                                LOGCTX_SAMPLER_PARENTBASED_ALWAYS_ON,
                                                LOGCTX_SAMPLER_PARENTBASED_ALWAYS_OFF};
    const char *text = logctx__environment_get(env, "OTEL_TRACES_SAMPLER");
    if (text == NULL) {
        return;
    }
    int word = logctx__value_word(text, words, 4);
    if (word < 0) {
        complain("OTEL_TRACES_SAMPLER", text, "always_on, always_off, parentbased_always_on or parentbased_always_off",
                 "parentbased_always_on");
        return;
    }
    out->has_sampler = true;
    out->sampler = samplers[word];
}

static bool read_limit(const struct logctx__environment *env, const char *name, uint32_t *limit)
{
    const char *text = name != NULL ? logctx__environment_get(env, name) : NULL;
    int64_t value = 0;
    if (text == NULL) {
        return false;
    }
    if (!logctx__value_integer(text, 0, UINT32_MAX, &value)) {
        complain(name, text, "a number from 0 to 4294967295", "the default");
        return false;
    }
    *limit = (uint32_t)value;
    return true;
}

static void read_limits(struct logctx__options *out, const struct logctx__environment *env)
{
    out->limits.struct_size = sizeof out->limits;
    logctx_get_limits(&out->limits);
#define LOGCTX_X(field, variable, general)                                                                             \
    if (read_limit(env, variable, &out->limits.field) || read_limit(env, general, &out->limits.field)) {               \
        out->has_limits = true;                                                                                        \
    }
    LOGCTX__LIMITS(LOGCTX_X)
#undef LOGCTX_X
}

static void read_exemplar_filter(struct logctx__options *out, const struct logctx__environment *env)
{
    static const char *const words[] = {"always_off", "trace_based"};
    const char *name = "OTEL_METRICS_EXEMPLAR_FILTER";
    const char *text = logctx__environment_get(env, name);
    int word = text != NULL ? logctx__value_word(text, words, 2) : 1;
    if (word < 0) {
        complain(name, text, "trace_based or always_off", "trace_based");
    }
    out->exemplars = word != 0;
}

static void read_process_context(struct logctx__options *out, const struct logctx__environment *env)
{
    static const char *const words[] = {"off", "on"};
    const char *text = logctx__environment_get(env, "LOGCTX_PROCESS_CONTEXT");
    int word = text != NULL ? logctx__value_word(text, words, 2) : 1;
    if (word < 0) {
        complain("LOGCTX_PROCESS_CONTEXT", text, "on or off", "on");
    }
    out->process_context = word != 0;
}

static void name_unsupported(const struct logctx__environment *env)
{
    static const struct {
        const char *name;
        const char *anyway;
    } rows[] = {
#define LOGCTX_X(variable, value) {variable, value},
        LOGCTX__UNSUPPORTED(LOGCTX_X)
#undef LOGCTX_X
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *text = logctx__environment_get(env, rows[i].name);
        if (text != NULL && (rows[i].anyway == NULL || logctx__value_word(text, &rows[i].anyway, 1) < 0)) {
            logctx_log(LOGCTX_WARN, "%s is set, but this version of logctx does not support it; it has no effect",
                       rows[i].name);
        }
    }
}

static bool read_disabled(const struct logctx__environment *env)
{
    const char *text = logctx__environment_get(env, "OTEL_SDK_DISABLED");
    bool odd = false;
    bool yes = text != NULL && logctx__value_boolean(text, &odd);
    if (odd) {
        complain("OTEL_SDK_DISABLED", text, "true or false", "false");
    }
    return yes;
}

// An older caller's struct is shorter: what it does not have is 0.
bool logctx__options_copy(logctx_otlp_opts_t *to, const logctx_otlp_opts_t *from)
{
    *to = (logctx_otlp_opts_t){.struct_size = sizeof *to};
    if (from == NULL) {
        return true;
    }
    if (from->struct_size < offsetof(logctx_otlp_opts_t, service_name) + sizeof from->service_name) {
        logctx_log(LOGCTX_ERROR_SEVERITY,
                   "logctx_otlp_start: opts.struct_size is %zu; set it to sizeof(logctx_otlp_opts_t)",
                   from->struct_size);
        return false;
    }
    memcpy(to, from, from->struct_size < sizeof *to ? from->struct_size : sizeof *to);
    return true;
}

logctx_status_t logctx__options_read(struct logctx__options *out, const logctx_otlp_opts_t *opts,
                                     const struct logctx__environment *env)
{
    *out = (struct logctx__options){.exemplars = true};
    logctx__arena_init(&out->arena, ARENA_LIMIT);
    logctx_otlp_opts_t given;
    if (!logctx__options_copy(&given, opts)) {
        return LOGCTX_E_CONFIG;
    }
    out->disabled = read_disabled(env);
    if (out->disabled) {
        return LOGCTX_OK;
    }
    if (!read_numbers(out, &given, env)) {
        return LOGCTX_E_CONFIG;
    }
    for (int signal = 0; signal < LOGCTX__SIGNALS; signal++) {
        logctx_status_t status = read_signal(out, &given, signal, env);
        if (status != LOGCTX_OK) {
            return status;
        }
    }
    read_sampler(out, env);
    read_limits(out, env);
    read_exemplar_filter(out, env);
    read_process_context(out, env);
    name_unsupported(env);
    return LOGCTX_OK;
}

void logctx__options_free(struct logctx__options *options)
{
    logctx__arena_free(&options->arena);
}

void logctx__options_apply(const struct logctx__options *options)
{
    if (options->has_sampler) {
        logctx_set_sampler(options->sampler);
    }
    if (options->has_limits) {
        logctx_set_limits(&options->limits);
    }
}
