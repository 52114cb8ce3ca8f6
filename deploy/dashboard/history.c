// SPDX-License-Identifier: Apache-2.0
// Reads the points of a window in one pass over their index, keeps the last of each step, and makes rates of them. The
// reading thread owns everything.

#include "history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)

enum { SERIES_MAX = 20000, PROCESSES_MAX = 1000, POINTS_MAX = 4000000 };

static const char *const metric_names[HISTORY_METRIC_COUNT] = {
#define HISTORY_X(id, name) [HISTORY_##id] = name,
    HISTORY_METRICS(HISTORY_X)
#undef HISTORY_X
};

// The finest step that makes no more of them than a chart has room for.
static void make_steps(struct history *history, const struct view_call *call)
{
    static const int lengths[] = {5, 10, 15, 30, 60, 120, 300, 600};
    int64_t window = call->to - call->from;
    size_t i = 0;
    while (window / (lengths[i] * SECOND) > HISTORY_STEPS_MAX - 2 && i + 1 < sizeof lengths / sizeof lengths[0])
        i++;
    history->step = lengths[i] * SECOND;
    int64_t last = call->to / history->step * history->step;
    history->count = (size_t)(window / history->step);
    for (size_t s = 0; s < history->count; s++)
        history->ends[s] = last - (int64_t)(history->count - 1 - s) * history->step;
}

static size_t find_process(struct history *history, int64_t resource)
{
    for (size_t i = 0; i < history->process_count; i++)
        if (history->processes[i].resource == resource)
            return i;
    if (history->process_count == PROCESSES_MAX)
        return PROCESSES_MAX;
    history->processes[history->process_count] = (struct history_process){.resource = resource};
    return history->process_count++;
}

static char *copy_of(const char *text)
{
    return text != NULL ? strdup(text) : NULL;
}

static bool add_series(struct history *history, sqlite3_stmt *statement)
{
    struct history_series *series = &history->series[history->series_count];
    *series = (struct history_series){.id = sqlite3_column_int64(statement, 0), .metric = HISTORY_METRIC_COUNT};
    const char *name = view_text_of(statement, 2);
    for (int i = 0; i < HISTORY_METRIC_COUNT; i++)
        if (strcmp(metric_names[i], name) == 0)
            series->metric = (enum history_metric)i;
    series->process = find_process(history, sqlite3_column_int64(statement, 1));
    if (series->metric == HISTORY_METRIC_COUNT || series->process == PROCESSES_MAX)
        return true;
    series->sums = sqlite3_column_int(statement, 3) == SERIES_SUM && sqlite3_column_int(statement, 5) != 0;
    series->delta = sqlite3_column_int(statement, 4) == 1;
    int kind = series->metric == HISTORY_ERRORS                                               ? 8
               : series->metric == HISTORY_LOOP_CPU || series->metric == HISTORY_UNATTRIBUTED ? 9
                                                                                              : 6;
    series->kind = copy_of(view_text_of(statement, kind));
    series->type = copy_of(view_text_of(statement, 7));
    series->points = calloc(history->count + 1, sizeof *series->points);
    history->series_count++;
    return series->points != NULL;
}

// In the order of their ids, so that a point's series is found by halving.
static bool read_series(struct history *history, struct view_call *call)
{
    bool memory = true;
    history->series = calloc(SERIES_MAX, sizeof *history->series);
    history->processes = calloc(PROCESSES_MAX, sizeof *history->processes);
    if (history->series == NULL || history->processes == NULL) {
        view_refuse(call, 503, "There is no memory for the answer now; try again in a moment.");
        return false;
    }
    // Who was silent through all of the window, and before, has nothing to say: its series are many in an old store.
    sqlite3_stmt *statement = view_query(
        call, "SELECT id, resource, name, form, temporality, monotonic, context_kind, context_type, error_kind, loop "
              "FROM series WHERE name GLOB 'logctx.*' AND " VIEW_OF_SERVICE " AND EXISTS (SELECT 1 FROM point "
              "WHERE series = series.id AND time > :from - 600000000000 AND time <= :to) ORDER BY id");
    while (memory && history->series_count < SERIES_MAX && sqlite3_step(statement) == SQLITE_ROW)
        memory = add_series(history, statement);
    if (!memory)
        view_refuse(call, 503, "There is no memory for the answer now; try again in a moment.");
    return view_finish(call, statement);
}

static struct history_series *find_series(const struct history *history, int64_t id)
{
    size_t low = 0;
    size_t high = history->series_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (history->series[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < history->series_count && history->series[low].id == id ? &history->series[low] : NULL;
}

// 0: before the first step; else one more than the index of the step.
static size_t place_of(const struct history *history, int64_t time)
{
    int64_t begin = history->ends[0] - history->step;
    if (time <= begin)
        return 0;
    size_t place = (size_t)((time - begin - 1) / history->step) + 1;
    return place <= history->count ? place : history->count + 1;
}

static bool read_points(struct history *history, struct view_call *call)
{
    sqlite3_stmt *statement =
        view_query(call, "SELECT series, time, start, value FROM point INDEXED BY point_time "
                         "WHERE time > :from - 600000000000 AND time <= :to AND value IS NOT NULL ORDER BY time");
    for (int64_t count = 0; count < POINTS_MAX && sqlite3_step(statement) == SQLITE_ROW; count++) {
        struct history_series *series = find_series(history, sqlite3_column_int64(statement, 0));
        int64_t time = sqlite3_column_int64(statement, 1);
        size_t place = place_of(history, time);
        if (series == NULL || place > history->count)
            continue;
        struct history_point *point = &series->points[place];
        double before = series->delta && point->time != 0 ? point->value : 0;
        *point = (struct history_point){.time = time,
                                        .start = series->delta && point->time != 0 ? point->start
                                                                                   : sqlite3_column_int64(statement, 2),
                                        .value = sqlite3_column_double(statement, 3) + before};
        history->processes[series->process].exports[place] = time;
    }
    return view_finish(call, statement);
}

static int by_length(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

// How often a process exports, its exports tell; 0: it has sent one only.
static int64_t usual_of(const struct history *history, const struct history_process *process)
{
    int64_t lengths[HISTORY_STEPS_MAX];
    size_t count = 0;
    int64_t last = 0;
    for (size_t s = 0; s <= history->count; s++) {
        if (process->exports[s] == 0)
            continue;
        if (last != 0)
            lengths[count++] = process->exports[s] - last;
        last = process->exports[s];
    }
    qsort(lengths, count, sizeof lengths[0], by_length);
    return count > 0 ? lengths[(count - 1) / 2] : 0;
}

// The first step that a time from there on touches.
static size_t first_step(const struct history *history, int64_t time)
{
    size_t place = place_of(history, time + 1);
    return place > 0 ? place - 1 : 0;
}

static bool begins_before(const struct history *history, size_t s, int64_t time)
{
    return s < history->count && history->ends[s] - history->step < time;
}

// How much of a step lies between two times: 0 to 1.
static double overlap(const struct history *history, size_t s, int64_t begin, int64_t end)
{
    int64_t from = history->ends[s] - history->step;
    from = begin > from ? begin : from;
    int64_t to = end < history->ends[s] ? end : history->ends[s];
    return to > from ? (double)(to - from) / (double)history->step : 0;
}

static void cover(const struct history *history, struct history_process *process, int64_t to)
{
    int64_t last = 0;
    int64_t usual = usual_of(history, process);
    // Two exports may be missing before it is a gap. Once a minute is what senders do if nobody says otherwise.
    process->gap = (usual > 0 ? usual : 60 * SECOND) * 5 / 2 + history->step;
    for (size_t s = 0; s <= history->count; s++) {
        int64_t time = process->exports[s];
        if (time == 0)
            continue;
        bool whole = last != 0 && time - last <= process->gap;
        for (size_t at = first_step(history, last); whole && begins_before(history, at, time); at++)
            process->cover[at] += overlap(history, at, last, time);
        last = time;
    }
    // The others' figures do not wait for one that should have come: most likely the process has ended.
    for (size_t s = 0; s < history->count; s++)
        process->waits[s] = usual > 0 && last < history->ends[s] && to - last <= usual * 3 / 2 + history->step;
}

bool history_read(struct history *history, struct view_call *call)
{
    *history = (struct history){0};
    make_steps(history, call);
    if (!read_series(history, call) || !read_points(history, call))
        return false;
    for (size_t i = 0; i < history->process_count; i++)
        cover(history, &history->processes[i], call->to);
    return true;
}

void history_free(struct history *history)
{
    for (size_t i = 0; i < history->series_count; i++) {
        free(history->series[i].kind);
        free(history->series[i].type);
        free(history->series[i].points);
    }
    free(history->series);
    free(history->processes);
    *history = (struct history){0};
}

// What was counted, and since when; false: it is not known.
static bool amount_of(const struct history *history, const struct history_series *series, size_t place,
                      const struct history_point *last, int64_t *since, double *amount)
{
    const struct history_point *point = &series->points[place];
    const struct history_process *process = &history->processes[series->process];
    // A series that is new in a process whose other series are not: it began after the export before.
    int64_t before = 0;
    for (size_t s = 0; (last == NULL || series->delta) && s < place; s++)
        before = process->exports[s] != 0 ? process->exports[s] : before;
    if (last != NULL && !series->delta) {
        *since = last->time;
        *amount = point->value - last->value;
        if (*amount < 0 || point->start > last->time)
            return false;
    } else {
        *since = series->delta && point->start > 0 && point->start < point->time ? point->start : before;
        *amount = point->value;
        if (last == NULL && before == 0 && !series->delta)
            *since = point->start;
    }
    return *since > 0 && *since < point->time && point->time - *since <= process->gap && *amount >= 0;
}

static bool is_chosen(const struct history_series *series, enum history_metric metric, history_choice *chosen,
                      const void *argument)
{
    return series->metric == metric && (chosen == NULL || chosen(series, argument));
}

// A step of which a living process has not told yet has no value: the sum of the others would be too small.
static void hide_unknown(const struct history *history, double out[HISTORY_STEPS_MAX])
{
    for (size_t s = 0; s < history->count; s++) {
        bool known = false;
        bool waits = false;
        for (size_t i = 0; i < history->process_count; i++) {
            known |= history->processes[i].cover[s] >= 0.5;
            waits |= history->processes[i].waits[s];
        }
        if (!known || waits)
            out[s] = NAN;
    }
}

void history_rates(const struct history *history, enum history_metric metric, history_choice *chosen,
                   const void *argument, double out[HISTORY_STEPS_MAX])
{
    memset(out, 0, HISTORY_STEPS_MAX * sizeof *out);
    for (size_t i = 0; i < history->series_count; i++) {
        const struct history_series *series = &history->series[i];
        if (!is_chosen(series, metric, chosen, argument))
            continue;
        const double *covered = history->processes[series->process].cover;
        const struct history_point *last = NULL;
        for (size_t place = 0; place <= history->count; place++) {
            const struct history_point *point = &series->points[place];
            int64_t since = 0;
            double amount = 0;
            if (point->time == 0)
                continue;
            if (amount_of(history, series, place, last, &since, &amount)) {
                double rate = amount / ((double)(point->time - since) / 1e9);
                for (size_t s = first_step(history, since); begins_before(history, s, point->time); s++)
                    if (covered[s] >= 0.5)
                        out[s] += rate * overlap(history, s, since, point->time) / (covered[s] < 1 ? covered[s] : 1);
            }
            last = point;
        }
    }
    hide_unknown(history, out);
}

void history_counts(const struct history *history, enum history_metric metric, history_choice *chosen,
                    const void *argument, double out[HISTORY_STEPS_MAX])
{
    memset(out, 0, HISTORY_STEPS_MAX * sizeof *out);
    for (size_t i = 0; i < history->series_count; i++) {
        const struct history_series *series = &history->series[i];
        const struct history_point *last = NULL;
        for (size_t place = 0; place <= history->count && is_chosen(series, metric, chosen, argument); place++) {
            int64_t since = 0;
            double amount = 0;
            if (series->points[place].time == 0)
                continue;
            if (place > 0 && amount_of(history, series, place, last, &since, &amount))
                out[place - 1] += amount;
            last = &series->points[place];
        }
    }
    hide_unknown(history, out);
}

void history_levels(const struct history *history, enum history_metric metric, bool most, double out[HISTORY_STEPS_MAX])
{
    for (size_t s = 0; s < HISTORY_STEPS_MAX; s++)
        out[s] = NAN;
    for (size_t i = 0; i < history->series_count; i++) {
        const struct history_series *series = &history->series[i];
        const struct history_process *process = &history->processes[series->process];
        const struct history_point *last = NULL;
        for (size_t place = 0; place <= history->count && series->metric == metric; place++) {
            if (series->points[place].time != 0)
                last = &series->points[place];
            if (place == 0 || last == NULL || history->ends[place - 1] - last->time > process->gap)
                continue;
            double *value = &out[place - 1];
            if (isnan(*value))
                *value = last->value;
            else
                *value = !most ? *value + last->value : *value > last->value ? *value : last->value;
        }
    }
    for (size_t s = 0; s < history->count; s++)
        for (size_t i = 0; i < history->process_count; i++)
            if (history->processes[i].waits[s])
                out[s] = NAN;
}

double history_total(const struct history *history, const struct history_series *series)
{
    double total = 0;
    const struct history_point *last = NULL;
    for (size_t place = 0; place <= history->count; place++) {
        int64_t since = 0;
        double amount = 0;
        if (series->points[place].time == 0)
            continue;
        if (place > 0 && amount_of(history, series, place, last, &since, &amount))
            total += amount;
        last = &series->points[place];
    }
    return total;
}

bool history_of_kind(const struct history_series *series, const void *argument)
{
    return series->kind != NULL && strcmp(series->kind, argument) == 0;
}

bool history_of_type(const struct history_series *series, const void *argument)
{
    return series->type != NULL && strcmp(series->type, argument) == 0;
}
