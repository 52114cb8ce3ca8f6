// SPDX-License-Identifier: Apache-2.0
// Measures the signals of the alerts. The reading thread owns everything.

#include "alert_signal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <logctx/error.h>

#define SECOND INT64_C(1000000000)

#define CREATED "logctx.context.created"
#define ERRORS "logctx.transition.errors"
#define IN_FLIGHT "logctx.context.in_flight"
#define OLDEST_AGE "logctx.context.oldest.age"
#define CONTEXT_CPU "logctx.context.cpu.time"
#define LOOP_CPU "logctx.loop.cpu.time"
#define UNATTRIBUTED_CPU "logctx.unattributed.cpu.time"
#define DB_TIME "logctx.context.db.time"
#define DB_WAIT "logctx.context.db.wait_time"
#define DB_TRANSACTIONS "logctx.context.db.transactions"
#define PROCESSED "otel.sdk.processor.span.processed"
#define EXPORTED "otel.sdk.exporter.span.exported"
#define OPERATIONS "otel.sdk.exporter.operation.duration"

// Which series of a metric are meant.
enum outcome_filter { ANY, GOOD, FAILED };
struct terms {
    const char *name; // NULL: the end of a list
    enum outcome_filter outcome;
    bool whole; // see counter_series
};

// A part of a whole, and what there has to be enough of.
struct share {
    enum alert_signal signal;
    struct terms part[3];
    struct terms whole[4];
    struct terms enough[4];
};
static const struct share shares[] = {
    {ALERT_CPU_SHARE,
     {{UNATTRIBUTED_CPU, ANY, false}},
     {{CONTEXT_CPU, ANY, false}, {LOOP_CPU, ANY, false}, {UNATTRIBUTED_CPU, ANY, false}},
     {{CONTEXT_CPU, ANY, false}, {LOOP_CPU, ANY, false}, {UNATTRIBUTED_CPU, ANY, false}}},
    {ALERT_WAIT_SHARE,
     {{DB_WAIT, ANY, false}},
     {{DB_WAIT, ANY, false}, {DB_TIME, ANY, false}},
     {{DB_TRANSACTIONS, ANY, false}}},
    {ALERT_DROP_SHARE,
     {{PROCESSED, FAILED, false}, {EXPORTED, FAILED, false}},
     {{PROCESSED, FAILED, false}, {EXPORTED, FAILED, false}, {EXPORTED, GOOD, false}},
     {{PROCESSED, FAILED, false}, {EXPORTED, FAILED, false}, {EXPORTED, GOOD, false}}},
    {ALERT_FAILURE_SHARE, {{OPERATIONS, FAILED, false}}, {{OPERATIONS, ANY, false}}, {{OPERATIONS, ANY, false}}},
};

const char *signal_metrics(enum alert_signal signal)
{
    static const char *const names[] = {
        [ALERT_LOSS_RATIO] = CREATED " or " ERRORS,
        [ALERT_LOSS_RATE] = ERRORS,
        [ALERT_LOSS_COUNT] = ERRORS,
        [ALERT_GROWTH] = IN_FLIGHT,
        [ALERT_AGE] = OLDEST_AGE,
        [ALERT_CPU_SHARE] = CONTEXT_CPU " or " UNATTRIBUTED_CPU,
        [ALERT_WAIT_SHARE] = DB_WAIT " or " DB_TIME,
        [ALERT_DROP_SHARE] = EXPORTED,
        [ALERT_FAILURE_SHARE] = OPERATIONS,
        [ALERT_SILENCE] = "metric",
    };
    return names[signal];
}

static bool read_resources(struct signal_reader *reader)
{
    sqlite3_stmt *row = NULL;
    sqlite3_prepare_v2(
        reader->db,
        "SELECT id FROM resource AS r WHERE service IS ? AND EXISTS (SELECT 1 FROM series WHERE resource "
        "= r.id) ORDER BY id DESC LIMIT ?",
        -1, &row, NULL);
    sqlite3_bind_text(row, 1, reader->service, -1, SQLITE_STATIC);
    sqlite3_bind_int(row, 2, SIGNAL_INSTANCES_MAX);
    while (sqlite3_step(row) == SQLITE_ROW && reader->resource_count < SIGNAL_INSTANCES_MAX)
        reader->resources[reader->resource_count++] = sqlite3_column_int64(row, 0);
    return row != NULL && sqlite3_finalize(row) == SQLITE_OK;
}

bool signal_reader_init(struct signal_reader *reader, sqlite3 *db, const char *service)
{
    static const char series[] = "SELECT id, temporality = 1, error_kind, error_type, context_kind, context_type FROM "
                                 "series WHERE resource = ? AND name = ?";
    // All series of one export have one time.
    static const char in_flight[] =
        "SELECT min(live), max(live) FROM (SELECT sum(value) AS live FROM point WHERE series IN (SELECT id FROM series "
        "WHERE resource = ? AND name = '" IN_FLIGHT "') AND time > ? AND time <= ? GROUP BY time)";
    static const char newest[] = "SELECT max((SELECT max(time) FROM point WHERE series = series.id AND time <= ?2)) "
                                 "FROM series WHERE resource = ?1";
    static const char oldest_age[] = "SELECT max(value) FROM point WHERE series = ? AND time > ? AND time <= ?";
    *reader = (struct signal_reader){.db = db, .service = service};
    bool good = increase_init(&reader->increase, db);
    good = sqlite3_prepare_v2(db, series, -1, &reader->series, NULL) == SQLITE_OK && good;
    good = sqlite3_prepare_v2(db, in_flight, -1, &reader->in_flight, NULL) == SQLITE_OK && good;
    good = sqlite3_prepare_v2(db, newest, -1, &reader->newest, NULL) == SQLITE_OK && good;
    good = sqlite3_prepare_v2(db, oldest_age, -1, &reader->oldest_age, NULL) == SQLITE_OK && good;
    reader->failed = !good || !read_resources(reader);
    return !reader->failed;
}

bool signal_reader_clear(struct signal_reader *reader)
{
    sqlite3_finalize(reader->series);
    sqlite3_finalize(reader->in_flight);
    sqlite3_finalize(reader->newest);
    sqlite3_finalize(reader->oldest_age);
    bool good = increase_clear(&reader->increase);
    return good && !reader->failed;
}

static void end(struct signal_reader *reader, sqlite3_stmt *row)
{
    if (sqlite3_reset(row) != SQLITE_OK)
        reader->failed = true;
}

static sqlite3_stmt *series_of(struct signal_reader *reader, int64_t resource, const char *name)
{
    sqlite3_bind_int64(reader->series, 1, resource);
    sqlite3_bind_text(reader->series, 2, name, -1, SQLITE_STATIC);
    return reader->series;
}

static bool is_wanted_kind(const char *kind, uint32_t kinds)
{
    static const char *const names[LOGCTX_ERROR_COUNT] = {
#define DASHBOARD_X(id, name, cls, origin, severity, sentence, help) [LOGCTX_ERROR_##id] = name,
        LOGCTX_ERRORS(DASHBOARD_X)
#undef DASHBOARD_X
    };
    for (int i = 0; i < LOGCTX_ERROR_COUNT && kind != NULL; i++)
        if (strcmp(names[i], kind) == 0)
            return (kinds >> i & 1) != 0;
    return false;
}

// The increase of all series of a metric that are meant; NaN if nothing of them came in that time.
static double increase(struct signal_reader *reader, int64_t resource, struct terms terms, uint32_t kinds, int64_t from,
                       int64_t to)
{
    double sum = NAN;
    sqlite3_stmt *row = series_of(reader, resource, terms.name);
    while (sqlite3_step(row) == SQLITE_ROW) {
        bool failed = sqlite3_column_type(row, 3) != SQLITE_NULL;
        if (kinds != 0 && !is_wanted_kind((const char *)sqlite3_column_text(row, 2), kinds))
            continue;
        if ((terms.outcome == GOOD && failed) || (terms.outcome == FAILED && !failed))
            continue;
        struct counter_series series = {sqlite3_column_int64(row, 0), resource, sqlite3_column_int(row, 1) != 0,
                                        terms.whole};
        double more = increase_of(&reader->increase, &series, from, to);
        if (!isnan(more))
            sum = isnan(sum) ? more : sum + more;
    }
    end(reader, row);
    return sum;
}

static double add_terms(struct signal_reader *reader, int64_t resource, const struct terms *terms, int64_t from,
                        int64_t to)
{
    double sum = NAN;
    for (; terms->name != NULL; terms++) {
        double more = increase(reader, resource, *terms, 0, from, to);
        if (!isnan(more))
            sum = isnan(sum) ? more : sum + more;
    }
    return sum;
}

// 0 of 0 is nothing wrong; something of 0 is as wrong as can be.
static double ratio(double part, double whole)
{
    return part > 0 ? (whole > part ? part / whole : 1) : 0;
}

static void measure_losses(struct signal_reader *reader, const struct alert *alert, int64_t moment,
                           struct signal_group *group)
{
    const struct terms errors = {ERRORS, ANY, alert->signal == ALERT_LOSS_COUNT};
    static const struct terms created = {CREATED, ANY, false};
    int64_t over = moment - alert->over * SECOND;
    int64_t lately = moment - alert->lately * SECOND;
    bool counts = alert->signal == ALERT_LOSS_COUNT;
    double errors_lately = increase(reader, group->resource, errors, alert->kinds, counts ? over : lately, moment);
    group->known = !isnan(errors_lately);
    group->value = alert->signal == ALERT_LOSS_RATE ? errors_lately / (alert->lately / 60.0) : errors_lately;
    group->holds = group->value > alert->limit;
    if (alert->signal != ALERT_LOSS_RATIO)
        return;
    double created_over = increase(reader, group->resource, created, 0, over, moment);
    double created_lately = increase(reader, group->resource, created, 0, lately, moment);
    double errors_over = increase(reader, group->resource, errors, alert->kinds, over, moment);
    group->known = group->known && !isnan(created_lately);
    group->value = ratio(errors_lately, created_lately);
    group->holds = group->value > alert->limit && ratio(errors_over, created_over) > alert->limit;
    if (created_over < alert->guard) {
        group->holds = false;
        group->guarded = created_over;
    }
}

static void measure_share(struct signal_reader *reader, const struct alert *alert, const struct share *share,
                          int64_t moment, struct signal_group *group)
{
    int64_t over = moment - alert->over * SECOND;
    int64_t lately = moment - alert->lately * SECOND;
    double part_over = add_terms(reader, group->resource, share->part, over, moment);
    double part_lately = add_terms(reader, group->resource, share->part, lately, moment);
    double whole_over = add_terms(reader, group->resource, share->whole, over, moment);
    double whole_lately = add_terms(reader, group->resource, share->whole, lately, moment);
    double enough = add_terms(reader, group->resource, share->enough, over, moment);
    // Series of failures are born with the first of them, so that the part may not be there.
    group->known = !isnan(whole_lately);
    group->value = whole_lately > 0 ? ratio(part_lately, whole_lately) : NAN;
    group->holds = group->value > alert->limit && ratio(part_over, whole_over) > alert->limit;
    if (!(enough >= alert->guard)) {
        group->holds = false;
        group->guarded = isnan(enough) ? 0 : enough;
    }
}

static bool in_flight(struct signal_reader *reader, int64_t resource, int64_t from, int64_t to, double *least,
                      double *most)
{
    sqlite3_stmt *row = reader->in_flight;
    sqlite3_bind_int64(row, 1, resource);
    sqlite3_bind_int64(row, 2, from);
    sqlite3_bind_int64(row, 3, to);
    bool found = sqlite3_step(row) == SQLITE_ROW && sqlite3_column_type(row, 0) != SQLITE_NULL;
    *least = found ? sqlite3_column_double(row, 0) : NAN;
    *most = found ? sqlite3_column_double(row, 1) : NAN;
    end(reader, row);
    return found;
}

static void measure_growth(struct signal_reader *reader, const struct alert *alert, int64_t moment,
                           struct signal_group *group)
{
    static const struct terms created = {CREATED, ANY, false};
    int64_t lately = alert->lately * SECOND;
    int64_t before = moment - alert->over * SECOND;
    double least, most, unused;
    group->known = in_flight(reader, group->resource, moment - lately, moment, &least, &unused) &&
                   in_flight(reader, group->resource, before - lately, before, &unused, &most);
    if (!group->known)
        return;
    double traffic = increase(reader, group->resource, created, 0, moment - lately, moment);
    double traffic_before = increase(reader, group->resource, created, 0, before - lately, before);
    group->value = least - most;
    group->holds = group->value > alert->limit;
    if (group->holds && !(traffic <= alert->guard * traffic_before)) {
        group->holds = false;
        group->guarded = traffic;
    }
}

static struct signal_group *add_group(struct signal_groups *groups, int64_t resource)
{
    if (groups->count == SIGNAL_GROUPS_MAX)
        return NULL;
    struct signal_group *group = &groups->items[groups->count++];
    *group = (struct signal_group){.resource = resource, .value = NAN, .guarded = NAN};
    return group;
}

static struct signal_group *kind_group(struct signal_groups *groups, int64_t resource, const char *kind)
{
    for (size_t i = 0; i < groups->count; i++)
        if (groups->items[i].resource == resource && strncmp(groups->items[i].kind, kind, SIGNAL_KIND_SIZE - 1) == 0)
            return &groups->items[i];
    struct signal_group *group = add_group(groups, resource);
    if (group != NULL)
        snprintf(group->kind, sizeof group->kind, "%s", kind);
    return group;
}

static double greatest_age(struct signal_reader *reader, int64_t series, int64_t from, int64_t to)
{
    sqlite3_stmt *row = reader->oldest_age;
    sqlite3_bind_int64(row, 1, series);
    sqlite3_bind_int64(row, 2, from);
    sqlite3_bind_int64(row, 3, to);
    bool found = sqlite3_step(row) == SQLITE_ROW && sqlite3_column_type(row, 0) != SQLITE_NULL;
    double age = found ? sqlite3_column_double(row, 0) : NAN;
    end(reader, row);
    return age;
}

static void measure_ages(struct signal_reader *reader, const struct alert *alert, int64_t resource, int64_t moment,
                         struct signal_groups *groups)
{
    sqlite3_stmt *row = series_of(reader, resource, OLDEST_AGE);
    while (sqlite3_step(row) == SQLITE_ROW) {
        const char *kind = (const char *)sqlite3_column_text(row, 4);
        const char *type = (const char *)sqlite3_column_text(row, 5);
        double age = greatest_age(reader, sqlite3_column_int64(row, 0), moment - alert->lately * SECOND, moment);
        if (isnan(age) || (type != NULL && strcmp(type, "background") == 0))
            continue;
        struct signal_group *group = kind_group(groups, resource, kind != NULL ? kind : "");
        if (group == NULL || (group->known && group->value >= age))
            continue;
        group->known = true;
        group->value = age;
        group->holds = age > alert->limit;
    }
    end(reader, row);
}

static int64_t newest_point(struct signal_reader *reader, int64_t resource, int64_t moment)
{
    sqlite3_stmt *row = reader->newest;
    sqlite3_bind_int64(row, 1, resource);
    sqlite3_bind_int64(row, 2, moment);
    int64_t time = sqlite3_step(row) == SQLITE_ROW ? sqlite3_column_int64(row, 0) : 0;
    end(reader, row);
    return time;
}

// A service that was never heard of is not missed. One that the store knows is, however long ago it came to an end.
static void measure_silence(struct signal_reader *reader, const struct alert *alert, int64_t moment,
                            struct signal_groups *groups)
{
    int64_t last = 0;
    for (size_t i = 0; i < reader->resource_count; i++) {
        int64_t time = newest_point(reader, reader->resources[i], moment);
        last = time > last ? time : last;
    }
    struct signal_group *group = add_group(groups, 0);
    group->known = last > 0;
    if (!group->known)
        return;
    group->value = (double)(moment - last) / 1e9;
    group->holds = group->value >= alert->lately;
}

static void measure(struct signal_reader *reader, const struct alert *alert, int64_t moment, struct signal_group *group)
{
    if (alert->signal == ALERT_GROWTH) {
        measure_growth(reader, alert, moment, group);
        return;
    }
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        if (shares[i].signal == alert->signal) {
            measure_share(reader, alert, &shares[i], moment, group);
            return;
        }
    }
    measure_losses(reader, alert, moment, group);
}

void signal_measure(struct signal_reader *reader, const struct alert *alert, int64_t moment,
                    struct signal_groups *groups)
{
    groups->count = 0;
    if (alert->signal == ALERT_SILENCE) {
        measure_silence(reader, alert, moment, groups);
        return;
    }
    for (size_t i = 0; i < reader->resource_count; i++) {
        if (alert->signal == ALERT_AGE) {
            measure_ages(reader, alert, reader->resources[i], moment, groups);
            continue;
        }
        struct signal_group *group = add_group(groups, reader->resources[i]);
        if (group != NULL)
            measure(reader, alert, moment, group);
    }
}
