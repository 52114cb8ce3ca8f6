/*
 * metrics_core.c: the sums of contexts, loops and transition errors as points, by the table in logctx/telemetry.h. Runs
 * inside logctx_collect(), on the thread that collects; nothing of it outlives the collection.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "metrics.h"

#include <logctx/collect.h>

#include <string.h>

// The errors of one kind of context, of all types.
struct by_kind {
    const char *kind;
    uint64_t since;
    uint64_t errors[LOGCTX_ERROR_COUNT];
};

struct collection {
    logctx__metrics_t *metrics;
    struct by_kind *kinds;
    size_t kind_count;
    size_t kind_capacity;
    // What is beyond the limit of attribute sets, summed.
    logctx_series_t *rest;             // NULL: nothing
    logctx_usage_t *rest_cpu;          // NULL: nothing
    logctx_histogram_t *rest_duration; // NULL: nothing
};

static double seconds(int64_t ns)
{
    return (double)ns / 1e9;
}

static uint64_t not_negative(int64_t value)
{
    return value > 0 ? (uint64_t)value : 0;
}

static void add_histogram(logctx_histogram_t *to, const logctx_histogram_t *from)
{
    if (from->count == 0) {
        return;
    }
    to->min = to->count == 0 || from->min < to->min ? from->min : to->min;
    to->max = to->count == 0 || from->max > to->max ? from->max : to->max;
    to->count += from->count;
    to->sum += from->sum;
    for (size_t i = 0; i <= LOGCTX_BOUNDS; i++) {
        to->buckets[i] += from->buckets[i];
    }
}

static void add_usage(logctx_usage_t *to, const logctx_usage_t *from)
{
    to->cpu_ns += from->cpu_ns;
    to->cpu_user_ns += from->cpu_user_ns;
    to->cpu_system_ns += from->cpu_system_ns;
    to->running_ns += from->running_ns;
    to->db_transactions += from->db_transactions;
    to->db_ns += from->db_ns;
    to->db_wait_ns += from->db_wait_ns;
    to->db_rows += from->db_rows;
}

static void add_rest(struct collection *c, const logctx_series_t *series)
{
    if (c->rest == NULL) {
        c->rest = logctx__arena_alloc(&c->metrics->arena, sizeof *c->rest);
        if (c->rest == NULL) {
            return;
        }
        c->rest->since_unix_ns = logctx_start_unix_ns();
    }
    c->rest->created += series->created;
    c->rest->in_flight += series->in_flight;
    if (series->oldest_age_s > c->rest->oldest_age_s) {
        c->rest->oldest_age_s = series->oldest_age_s;
    }
    add_usage(&c->rest->usage, &series->usage);
    add_histogram(&c->rest->cpu_usage, &series->cpu_usage);
}

static void emit_series(struct collection *c, const logctx_series_t *series, const struct logctx__labels *labels)
{
    logctx__metrics_t *m = c->metrics;
    const logctx_usage_t *usage = &series->usage;
    uint64_t since = series->since_unix_ns;
    logctx__point_int(m, LOGCTX__METRIC_CONTEXT_CREATED, labels, since, series->created);
    logctx__point_int(m, LOGCTX__METRIC_CONTEXT_IN_FLIGHT, labels, since, series->in_flight);
    logctx__point_double(m, LOGCTX__METRIC_CONTEXT_OLDEST_AGE, labels, since, series->oldest_age_s);
    logctx__point_double(m, LOGCTX__METRIC_CONTEXT_RUNNING_TIME, labels, since, seconds(usage->running_ns));
    logctx__point_histogram(m, LOGCTX__METRIC_CONTEXT_CPU_USAGE, labels, since, logctx_cpu_bounds, &series->cpu_usage);
    logctx__point_int(m, LOGCTX__METRIC_CONTEXT_DB_TRANSACTIONS, labels, since, not_negative(usage->db_transactions));
    logctx__point_double(m, LOGCTX__METRIC_CONTEXT_DB_TIME, labels, since, seconds(usage->db_ns));
    logctx__point_double(m, LOGCTX__METRIC_CONTEXT_DB_WAIT_TIME, labels, since, seconds(usage->db_wait_ns));
    logctx__point_int(m, LOGCTX__METRIC_CONTEXT_DB_ROWS, labels, since, not_negative(usage->db_rows));
}

static void emit_cpu(struct collection *c, const struct logctx__labels *labels, uint64_t since, int64_t user,
                     int64_t system)
{
    struct logctx__labels user_labels = *labels;
    struct logctx__labels system_labels = *labels;
    logctx__label(c->metrics, &user_labels, "cpu.mode", "user");
    logctx__label(c->metrics, &system_labels, "cpu.mode", "system");
    logctx__point_double(c->metrics, LOGCTX__METRIC_CONTEXT_CPU_TIME, &user_labels, since, seconds(user));
    logctx__point_double(c->metrics, LOGCTX__METRIC_CONTEXT_CPU_TIME, &system_labels, since, seconds(system));
}

// The split of a total follows whole clock ticks, so it is corrected later: neither part may go down for that.
static void split_cpu(struct logctx__admitted *last, const logctx_usage_t *usage, int64_t *user, int64_t *system)
{
    int64_t total = usage->cpu_ns > last->user_ns + last->system_ns ? usage->cpu_ns : last->user_ns + last->system_ns;
    *user = usage->cpu_user_ns > last->user_ns ? usage->cpu_user_ns : last->user_ns;
    if (*user > total - last->system_ns) {
        *user = total - last->system_ns;
    }
    *system = total - *user;
    last->user_ns = *user;
    last->system_ns = *system;
}

static void take_cpu(struct collection *c, const logctx_series_t *series, const struct logctx__labels *labels)
{
    struct logctx__admitted *own = logctx__admit(c->metrics->memory, LOGCTX__BY_CPU, series->kind, series->type, "");
    if (own == NULL) {
        if (c->rest_cpu == NULL) {
            c->rest_cpu = logctx__arena_alloc(&c->metrics->arena, sizeof *c->rest_cpu);
        }
        if (c->rest_cpu != NULL) {
            add_usage(c->rest_cpu, &series->usage);
        }
        return;
    }
    int64_t user = 0;
    int64_t system = 0;
    split_cpu(own, &series->usage, &user, &system);
    emit_cpu(c, labels, series->since_unix_ns, user, system);
}

static void take_durations(struct collection *c, const logctx_series_t *series, const struct logctx__labels *labels)
{
    for (size_t i = 0; i < series->duration_count; i++) {
        const logctx_duration_t *duration = &series->durations[i];
        const char *type = duration->error_type != NULL ? duration->error_type : "";
        if (logctx__admit(c->metrics->memory, LOGCTX__BY_DURATION, series->kind, series->type, type) == NULL) {
            if (c->rest_duration == NULL) {
                c->rest_duration = logctx__arena_alloc(&c->metrics->arena, sizeof *c->rest_duration);
            }
            if (c->rest_duration != NULL) {
                add_histogram(c->rest_duration, &duration->histogram);
            }
            continue;
        }
        struct logctx__labels own = *labels;
        if (type[0] != '\0') {
            logctx__label(c->metrics, &own, "error.type", type);
        }
        logctx__point_histogram(c->metrics, LOGCTX__METRIC_CONTEXT_DURATION, &own, series->since_unix_ns,
                                logctx_duration_bounds, &duration->histogram);
    }
}

static struct by_kind *kind_entry(struct collection *c, const char *kind)
{
    for (size_t i = 0; i < c->kind_count; i++) {
        if (c->kinds[i].kind == kind || strcmp(c->kinds[i].kind, kind) == 0) {
            return &c->kinds[i];
        }
    }
    struct by_kind *kinds =
        logctx__arena_grow(&c->metrics->arena, c->kinds, c->kind_count, &c->kind_capacity, sizeof *kinds);
    if (kinds == NULL) {
        return NULL;
    }
    c->kinds = kinds;
    c->kinds[c->kind_count] = (struct by_kind){.kind = kind, .since = UINT64_MAX};
    return &c->kinds[c->kind_count++];
}

static void take_errors(struct collection *c, const logctx_series_t *series)
{
    struct by_kind *entry = NULL;
    for (size_t kind = 0; kind < LOGCTX_ERROR_COUNT; kind++) {
        if (series->errors[kind] == 0) {
            continue;
        }
        entry = entry != NULL ? entry : kind_entry(c, series->kind);
        if (entry == NULL) {
            return;
        }
        entry->errors[kind] += series->errors[kind];
    }
    if (entry != NULL && series->since_unix_ns < entry->since) {
        entry->since = series->since_unix_ns;
    }
}

static void on_series(void *user, const logctx_series_t *series)
{
    struct collection *c = user;
    struct logctx__labels labels = {.count = 0};
    logctx__label(c->metrics, &labels, "logctx.kind", series->kind);
    logctx__label(c->metrics, &labels, "logctx.type", series->type);
    if (logctx__admit(c->metrics->memory, LOGCTX__BY_SERIES, series->kind, series->type, "") != NULL) {
        emit_series(c, series, &labels);
    } else {
        add_rest(c, series);
    }
    take_cpu(c, series, &labels);
    take_durations(c, series, &labels);
    take_errors(c, series);
}

static void on_loop(void *user, const logctx_loop_sums_t *loop)
{
    struct collection *c = user;
    struct logctx__labels labels = {.count = 0};
    logctx__label(c->metrics, &labels, "logctx.loop.name", loop->name);
    logctx__point_double(c->metrics, LOGCTX__METRIC_LOOP_CPU_TIME, &labels, loop->since_unix_ns,
                         seconds(loop->loop_cpu_ns));
    logctx__point_double(c->metrics, LOGCTX__METRIC_UNATTRIBUTED_CPU_TIME, &labels, loop->since_unix_ns,
                         seconds(loop->unattributed_cpu_ns));
    if (loop->delay.count > 0) {
        logctx__point_histogram(c->metrics, LOGCTX__METRIC_LOOP_DELAY, &labels, loop->since_unix_ns,
                                logctx_duration_bounds, &loop->delay);
    }
}

static void emit_rest(struct collection *c)
{
    struct logctx__labels labels = {.count = 0};
    uint64_t since = logctx_start_unix_ns();
    logctx__label_overflow(c->metrics, &labels);
    if (c->rest != NULL) {
        emit_series(c, c->rest, &labels);
    }
    if (c->rest_cpu != NULL) {
        // The overflow is one set by the specification: one point, not split.
        logctx__point_double(c->metrics, LOGCTX__METRIC_CONTEXT_CPU_TIME, &labels, since, seconds(c->rest_cpu->cpu_ns));
    }
    if (c->rest_duration != NULL) {
        logctx__point_histogram(c->metrics, LOGCTX__METRIC_CONTEXT_DURATION, &labels, since, logctx_duration_bounds,
                                c->rest_duration);
    }
}

// Every kind of error from the first collection on, as 0: a counter that is born at 1 never shows an increase.
static void emit_errors(logctx__metrics_t *metrics)
{
    for (int kind = 0; kind < LOGCTX_ERROR_COUNT; kind++) {
        struct logctx__labels labels = {.count = 0};
        logctx__label(metrics, &labels, "logctx.error.kind", logctx_error_info((logctx_error_kind_t)kind)->name);
        logctx__point_int(metrics, LOGCTX__METRIC_TRANSITION_ERRORS, &labels, logctx_start_unix_ns(),
                          logctx_error_count((logctx_error_kind_t)kind));
    }
}

static void emit_errors_by_kind(struct collection *c)
{
    uint64_t rest = 0;
    for (size_t i = 0; i < c->kind_count; i++) {
        const struct by_kind *entry = &c->kinds[i];
        for (int error = 0; error < LOGCTX_ERROR_COUNT; error++) {
            if (entry->errors[error] == 0) {
                continue;
            }
            const char *name = logctx_error_info((logctx_error_kind_t)error)->name;
            if (logctx__admit(c->metrics->memory, LOGCTX__BY_ERROR, name, entry->kind, "") == NULL) {
                rest += entry->errors[error];
                continue;
            }
            struct logctx__labels labels = {.count = 0};
            logctx__label(c->metrics, &labels, "logctx.error.kind", name);
            logctx__label(c->metrics, &labels, "logctx.kind", entry->kind);
            logctx__point_int(c->metrics, LOGCTX__METRIC_TRANSITION_ERRORS_BY_KIND, &labels, entry->since,
                              entry->errors[error]);
        }
    }
    if (rest != 0) {
        struct logctx__labels labels = {.count = 0};
        logctx__label_overflow(c->metrics, &labels);
        logctx__point_int(c->metrics, LOGCTX__METRIC_TRANSITION_ERRORS_BY_KIND, &labels, logctx_start_unix_ns(), rest);
    }
}

logctx_status_t logctx__metrics_add_core(logctx__metrics_t *metrics)
{
    struct collection c = {.metrics = metrics};
    const logctx_collector_t collector = {.series = on_series, .loop = on_loop, .user = &c};
    logctx_status_t status = logctx_collect(&collector);
    if (status != LOGCTX_OK) {
        return status;
    }
    emit_rest(&c);
    emit_errors(metrics);
    emit_errors_by_kind(&c);
    return metrics->arena.failed ? LOGCTX_E_NO_MEMORY : LOGCTX_OK;
}
