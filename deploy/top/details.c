// One context in full: identity, usage, how its life went, and what its thread did last. Of the main thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "details.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "rows.h"

struct page {
    const struct snapshot *snapshot;
    const struct snapshot_context *context;
    int width;
    void (*line)(const char *text, void *user);
    void *user;
};

static void say(const struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Every line goes through here, so nothing is left to escape whatever it was made of.
static void say(const struct page *page, const char *format, ...)
{
    char text[DISPLAY_SIZE], fit[DISPLAY_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    page->line(text_fit(text_of(text), page->width, fit), page->user);
}

static void say_state(const struct page *page)
{
    const struct snapshot_context *context = page->context;
    char thread[DISPLAY_SIZE] = "no thread", age[TEXT_SHORT], since[TEXT_SHORT], slice[TEXT_SHORT];
    if (context->thread >= 0)
        rows_thread(&page->snapshot->threads[context->thread], thread);
    say(page, "state    %s%s%s, of thread %.60s; %s old, made %s", rows_state(page->snapshot, context),
        context->slice ? " for " : "",
        context->slice ? text_duration((int64_t)(context->slice & INT64_MAX), slice) : "", thread,
        text_duration((int64_t)(context->age & INT64_MAX), age), text_moment(context->created_unix, since));
}

static void say_places(const struct page *page)
{
    char made[DISPLAY_SIZE], switched[DISPLAY_SIZE];
    text_site(&page->snapshot->layout, page->context->created_at, true, made);
    text_site(&page->snapshot->layout, page->context->switched_at, true, switched);
    say(page, "made at  %.400s", made[0] ? made : "a place that is not known");
    if (page->context->switched_at)
        say(page, "last run %.400s", switched[0] ? switched : "from a place that is not known");
}

static void say_usage(const struct page *page)
{
    const struct snapshot_context *context = page->context;
    char cpu[TEXT_SHORT], user[TEXT_SHORT], system[TEXT_SHORT], db[TEXT_SHORT], wait[TEXT_SHORT];
    say(page, "cpu      %s (ticks: %s user, %s system) in %" PRIu32 " switches; errors: %" PRIu32,
        text_duration(rows_cpu(page->snapshot, context), cpu), text_duration(context->cpu_user, user),
        text_duration(context->cpu_system, system), context->switches, context->errors);
    say(page, "database %" PRId64 " transactions in %s, %" PRIu32 " open; waited %s; %" PRId64 " rows",
        context->transactions, text_duration(context->db, db), context->open_transactions,
        text_duration(context->wait, wait), context->rows);
}

static void hex(const uint8_t *bytes, size_t size, char *out)
{
    for (size_t i = 0; i < size; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void say_trace(const struct page *page)
{
    static const uint8_t none[8];
    const struct snapshot_context *context = page->context;
    char trace[33], span[17], above[17];
    hex(context->trace_id, 16, trace);
    hex(context->span_id, 8, span);
    hex(context->parent_span_id, 8, above);
    const struct snapshot_context *parent = context->parent ? snapshot_find(page->snapshot, context->parent) : NULL;
    say(page, "trace    %s%s", trace, context->flags & 1 ? ", sampled" : "");
    if (memcmp(context->parent_span_id, none, sizeof none) != 0)
        say(page, "span     %s, child of %s", span, above);
    else
        say(page, "span     %s", span);
    if (parent)
        say(page, "parent   %.*s", (int)parent->name.length, parent->name.at);
}

// The life as a bar: of what fell into a column, the last thing that is not nothing.
static void say_life(const struct page *page)
{
    static const char marks[] = {'#', 'w', 't'};
    struct snapshot_segment segments[SNAPSHOT_SEGMENTS_MAX];
    size_t count = snapshot_segments(page->snapshot, page->context, segments);
    char bar[200];
    int columns = page->width - 11;
    columns = columns > 100 ? 100 : columns;
    double age_us = (double)page->context->age / 1000;
    if (columns < 8 || age_us < 1)
        return;
    memset(bar, '.', (size_t)columns);
    bar[columns] = '\0';
    for (size_t i = 0; i < count; i++) {
        double from = (double)segments[i].offset_us / age_us, to = from + (double)segments[i].length_us / age_us;
        int first = from < 1 ? (int)(from * columns) : columns - 1, end = to < 1 ? (int)(to * columns) : columns - 1;
        for (int at = first; at <= end; at++)
            bar[at] = segments[i].state < 3 ? marks[segments[i].state] : '?';
    }
    if (page->context->slice) {
        double from = 1 - (double)page->context->slice / (double)page->context->age;
        for (int at = from > 0 ? (int)(from * columns) : 0; at < columns; at++)
            bar[at] = '#';
    }
    say(page, "life     [%s]", bar);
    say(page, "          # runs   t in a transaction   w waits for a connection   . idle");
}

static void say_recent(const struct page *page)
{
    static const struct layout_text ended = {"(ended)", 7};
    struct snapshot_switch recent[SNAPSHOT_RECENT_MAX];
    if (page->context->thread < 0)
        return;
    const struct snapshot_thread *thread = &page->snapshot->threads[page->context->thread];
    size_t count = snapshot_recent(page->snapshot, thread, recent);
    char name[DISPLAY_SIZE];
    rows_thread(thread, name);
    say(page, "last switches of thread %.60s, newest first:", name);
    for (size_t i = 0; i < count; i++) {
        char ago[TEXT_SHORT], from[DISPLAY_SIZE], to[DISPLAY_SIZE], site[DISPLAY_SIZE];
        text_column(recent[i].from.at ? recent[i].from : ended, 18, from);
        text_column(recent[i].to.at ? recent[i].to : ended, 18, to);
        text_site(&page->snapshot->layout, recent[i].site, true, site);
        say(page, "  %6s ago  %s -> %s  %.300s", text_duration((int64_t)(recent[i].ago & INT64_MAX), ago), from, to,
            site);
    }
}

void details_show(const struct snapshot *snapshot, const struct snapshot_context *context, int width,
                  void (*line)(const char *text, void *user), void *user)
{
    struct page page = {snapshot, context, width, line, user};
    say(&page, "%.*s%s   %s   kind %.*s", (int)context->name.length, context->name.at ? context->name.at : "",
        context->name_is_cut ? "..." : "", snapshot_type_name(context->type), (int)context->kind.length,
        context->kind.at);
    say_state(&page);
    say_places(&page);
    say_usage(&page);
    say_trace(&page);
    say_life(&page);
    say_recent(&page);
}
