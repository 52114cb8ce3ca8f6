// Which contexts are shown, in which order, and what stands in each column. Of the main thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE = 500 }; // rows that the widths of a screen's columns are taken from

static bool is_kind(const struct snapshot_context *context, const char *kind)
{
    return !kind || (strlen(kind) == context->kind.length && memcmp(kind, context->kind.at, context->kind.length) == 0);
}

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static bool has_text(struct layout_text text, const char *part)
{
    size_t length = strlen(part);
    for (size_t at = 0; text.at && at + length <= text.length; at++) {
        size_t i = 0;
        while (i < length && lower(text.at[at + i]) == lower(part[i]))
            i++;
        if (i == length)
            return true;
    }
    return false;
}

static bool is_wanted(const struct snapshot_context *context, const struct options *options)
{
    return is_kind(context, options->kind) && (!options->filter[0] || has_text(context->name, options->filter) ||
                                               has_text(context->kind, options->filter));
}

static int compare_texts(struct layout_text a, struct layout_text b)
{
    size_t both = a.length < b.length ? a.length : b.length;
    int order = both ? memcmp(a.at, b.at, both) : 0;
    return order ? order : (a.length > b.length) - (a.length < b.length);
}

static int descending(int64_t a, int64_t b)
{
    return (a < b) - (a > b);
}

struct order {
    const struct snapshot *snapshot;
    const struct options *options;
};

static int compare(const void *a, const void *b, void *user)
{
    const struct order *order = user;
    const struct snapshot_context *left = *(const struct snapshot_context *const *)a;
    const struct snapshot_context *right = *(const struct snapshot_context *const *)b;
    int result = 0;
    switch (order->options->sort) {
    case SORT_CPU:
        result = descending(rows_cpu(order->snapshot, left), rows_cpu(order->snapshot, right));
        break;
    case SORT_DB:
        result = descending(left->db, right->db);
        break;
    case SORT_WAIT:
        result = descending(left->wait, right->wait);
        break;
    case SORT_ERRORS:
        result = descending(left->errors, right->errors);
        break;
    case SORT_NAME:
        result = compare_texts(left->name, right->name);
        break;
    case SORT_STATE:
        result = (int)left->state - (int)right->state;
        break;
    case SORT_AGE:
    case SORT_COUNT:
        break;
    }
    // The same order in every look, also of what is equal.
    if (!result)
        result = descending((int64_t)(left->age >> 1), (int64_t)(right->age >> 1));
    if (!result)
        result = left->address < right->address ? -1 : left->address > right->address;
    return order->options->reverse ? -result : result;
}

struct rows rows_select(const struct snapshot *snapshot, const struct options *options)
{
    struct rows rows = {.rows = malloc((snapshot->context_count + 1) * sizeof *rows.rows)};
    if (!rows.rows)
        return rows;
    for (size_t i = 0; i < snapshot->context_count; i++) {
        if (is_wanted(&snapshot->contexts[i], options))
            rows.rows[rows.count++] = &snapshot->contexts[i];
    }
    struct order order = {snapshot, options};
    qsort_r(rows.rows, rows.count, sizeof *rows.rows, compare, &order);
    if (options->limit && rows.count > options->limit)
        rows.count = (size_t)options->limit;
    rows.hidden = snapshot->context_count - rows.count;
    return rows;
}

void rows_free(struct rows *rows)
{
    free(rows->rows);
    *rows = (struct rows){0};
}

static const struct snapshot_thread *thread_of(const struct snapshot *snapshot, const struct snapshot_context *context)
{
    return context->thread >= 0 ? &snapshot->threads[context->thread] : NULL;
}

const char *rows_state(const struct snapshot *snapshot, const struct snapshot_context *context)
{
    const struct snapshot_thread *thread = thread_of(snapshot, context);
    if (context->state == SNAPSHOT_RUNNING && thread && thread->kernel_state && thread->kernel_state != 'R')
        return "asleep";
    return snapshot_state_name(context->state);
}

int64_t rows_cpu(const struct snapshot *snapshot, const struct snapshot_context *context)
{
    const struct snapshot_thread *thread = thread_of(snapshot, context);
    bool computes = thread && thread->kernel_state == 'R' && context->slice < INT64_MAX / 2 &&
                    context->cpu < INT64_MAX / 2;
    return computes ? context->cpu + (int64_t)context->slice : context->cpu;
}

void rows_thread(const struct snapshot_thread *thread, char *out)
{
    if (thread->loop.length > 0)
        text_fit(thread->loop, 40, out);
    else if (thread->tid > 0)
        snprintf(out, DISPLAY_SIZE, "%" PRId32, thread->tid);
    else
        snprintf(out, DISPLAY_SIZE, "%s", "-");
}

static const struct {
    const char *title;
    int width; // 0: as its texts are
    bool number;
} about[COLUMN_COUNT] = {
    [COLUMN_AGE] = {"AGE", 6, true},    [COLUMN_STATE] = {"STATE", 7, false}, [COLUMN_THREAD] = {"THREAD", 0, false},
    [COLUMN_CPU] = {"CPU", 6, true},    [COLUMN_DB] = {"DB", 6, true},        [COLUMN_WAIT] = {"WAIT", 6, true},
    [COLUMN_TXN] = {"TXNS", 5, true},   [COLUMN_ERRORS] = {"ERR", 4, true},   [COLUMN_TYPE] = {"TYPE", 0, false},
    [COLUMN_NAME] = {"NAME", 0, false}, [COLUMN_KIND] = {"KIND", 0, false},   [COLUMN_SITE] = {"LAST SWITCH", 0, false},
};

const char *rows_title(enum column_id column)
{
    return about[column].title;
}

bool rows_is_number(enum column_id column)
{
    return about[column].number;
}

enum column_id rows_sorted_by(enum sort sort)
{
    static const enum column_id columns[SORT_COUNT] = {COLUMN_AGE,    COLUMN_CPU,  COLUMN_DB,   COLUMN_WAIT,
                                                       COLUMN_ERRORS, COLUMN_NAME, COLUMN_STATE};
    return columns[sort];
}

// A dash for what is nothing: a screen full of zeros hides the numbers that matter.
static void show_duration(int64_t ns, char *out)
{
    char text[TEXT_SHORT];
    snprintf(out, DISPLAY_SIZE, "%s", ns >= 1000 ? text_duration(ns, text) : "-");
}

static void show_count(uint64_t count, char *out)
{
    char text[TEXT_SHORT];
    snprintf(out, DISPLAY_SIZE, "%s", count ? text_count(count, text) : "-");
}

static void show_name(const struct snapshot_context *context, char *out)
{
    text_fit(context->name, DISPLAY_SIZE / 4, out);
    size_t used = strlen(out);
    if (context->name_is_cut && used + 4 < DISPLAY_SIZE)
        memcpy(out + used, "...", 4);
}

// The details have all of the path.
static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

void rows_cell(const struct snapshot *snapshot, const struct snapshot_context *context, enum column_id column,
               char *out)
{
    const struct snapshot_thread *thread = thread_of(snapshot, context);
    char site[DISPLAY_SIZE];
    out[0] = '\0';
    switch (column) {
    case COLUMN_AGE:
        show_duration((int64_t)(context->age & INT64_MAX), out);
        break;
    case COLUMN_STATE:
        snprintf(out, DISPLAY_SIZE, "%s", rows_state(snapshot, context));
        break;
    case COLUMN_THREAD:
        if (thread)
            rows_thread(thread, out);
        break;
    case COLUMN_CPU:
        show_duration(rows_cpu(snapshot, context), out);
        break;
    case COLUMN_DB:
        show_duration(context->db, out);
        break;
    case COLUMN_WAIT:
        show_duration(context->wait, out);
        break;
    case COLUMN_TXN:
        show_count((uint64_t)context->transactions, out);
        break;
    case COLUMN_ERRORS:
        show_count(context->errors, out);
        break;
    case COLUMN_TYPE:
        snprintf(out, DISPLAY_SIZE, "%s", snapshot_type_name(context->type));
        break;
    case COLUMN_NAME:
        show_name(context, out);
        break;
    case COLUMN_KIND:
        text_fit(context->kind, DISPLAY_SIZE / 4, out);
        break;
    case COLUMN_SITE:
        text_site(&snapshot->layout, context->switched_at ? context->switched_at : context->created_at, false, site);
        text_fit(text_of(last_part(site)), DISPLAY_SIZE / 4, out);
        break;
    case COLUMN_COUNT:
        break;
    }
}

struct columns rows_whole(const struct snapshot *snapshot, const struct rows *rows)
{
    struct columns columns;
    char cell[DISPLAY_SIZE];
    for (unsigned i = 0; i < COLUMN_COUNT; i++) {
        enum column_id column = (enum column_id)i;
        int *width = &columns.width[column];
        *width = about[column].width ? about[column].width : (int)strlen(about[column].title);
        for (size_t row = 0; about[column].width == 0 && row < rows->count; row++) {
            rows_cell(snapshot, rows->rows[row], column, cell);
            int needed = display_columns(cell);
            *width = needed > *width ? needed : *width;
        }
    }
    return columns;
}

static int sum(const struct columns *columns)
{
    int total = -1;
    for (int i = 0; i < COLUMN_COUNT; i++)
        total += columns->width[i] ? columns->width[i] + 1 : 0;
    return total;
}

struct columns rows_fit(const struct snapshot *snapshot, const struct rows *rows, int width)
{
    struct rows sample = *rows;
    if (sample.count > SAMPLE)
        sample.count = SAMPLE;
    struct columns whole = rows_whole(snapshot, &sample);
    struct columns columns = whole;
    // Cut first what can be cut, then drop what is missed least, until the rest fits.
    static const struct {
        enum column_id column;
        int least; // 0: not at all
    } steps[] = {{COLUMN_SITE, 24}, {COLUMN_NAME, 24},  {COLUMN_KIND, 24}, {COLUMN_THREAD, 10}, {COLUMN_SITE, 20},
                 {COLUMN_TYPE, 0},  {COLUMN_KIND, 18},  {COLUMN_SITE, 0},  {COLUMN_NAME, 16},   {COLUMN_THREAD, 0},
                 {COLUMN_KIND, 14}, {COLUMN_TXN, 0},    {COLUMN_WAIT, 0},  {COLUMN_KIND, 0},    {COLUMN_DB, 0},
                 {COLUMN_NAME, 10}, {COLUMN_ERRORS, 0}, {COLUMN_CPU, 0},   {COLUMN_STATE, 0}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && sum(&columns) > width; i++) {
        int *at = &columns.width[steps[i].column];
        int over = sum(&columns) - width;
        int left = *at - over > steps[i].least && steps[i].least ? *at - over : steps[i].least;
        *at = left < *at ? left : *at;
    }
    if (sum(&columns) > width)
        columns.width[COLUMN_NAME] -= sum(&columns) - width;
    if (columns.width[COLUMN_NAME] < 1)
        columns.width[COLUMN_NAME] = 1;
    // What is left over goes to those that were cut.
    static const enum column_id grow[] = {COLUMN_SITE, COLUMN_KIND, COLUMN_NAME};
    for (size_t i = 0; i < sizeof grow / sizeof grow[0]; i++) {
        int *at = &columns.width[grow[i]];
        int spare = width - sum(&columns), wish = whole.width[grow[i]] - *at;
        if (*at && spare > 0 && wish > 0)
            *at += spare < wish ? spare : wish;
    }
    return columns;
}
