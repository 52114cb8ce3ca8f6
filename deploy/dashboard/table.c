// SPDX-License-Identifier: Apache-2.0
// Collects cells, measures them, and prints them in columns.

#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "display.h"

enum { GAP = 2, CELL_MAX = 120, TEXT_MAX = 56, TEXT_MIN = 8 };

struct layout {
    int widths[TABLE_COLUMNS_MAX];
    bool shown[TABLE_COLUMNS_MAX];
};

void table_begin(struct table *table, const struct column *columns, size_t column_count)
{
    *table = (struct table){.columns = columns, .column_count = column_count, .indent = 2};
}

void table_cell(struct table *table, const char *text)
{
    if (table->cell_count == table->capacity) {
        size_t capacity = table->capacity > 0 ? 2 * table->capacity : 64;
        char **cells = realloc(table->cells, capacity * sizeof *cells);
        if (cells == NULL)
            return;
        table->cells = cells;
        table->capacity = capacity;
    }
    char shown[DISPLAY_SIZE];
    display_fit(text, CELL_MAX, shown);
    char *copy = strdup(shown);
    if (copy != NULL)
        table->cells[table->cell_count++] = copy;
}

void table_number(struct table *table, double value, int decimals)
{
    char text[64];
    display_number(value, decimals, text, sizeof text);
    table_cell(table, isnan(value) ? "\xE2\x80\x93" : text);
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static void measure(const struct table *table, struct layout *layout)
{
    for (size_t i = 0; i < table->column_count; i++) {
        const struct column *column = &table->columns[i];
        int width = 0;
        for (size_t j = i; j < table->cell_count; j += table->column_count)
            width = larger(width, display_columns(table->cells[j]));
        layout->shown[i] = width > 0 || column->spare == 0;
        width = larger(width, display_columns(column->title));
        if (column->unit != NULL)
            width = larger(width, display_columns(column->unit));
        layout->widths[i] = i > 0 && width > TEXT_MAX ? TEXT_MAX : width;
    }
}

static int total_width(const struct table *table, const struct layout *layout)
{
    int total = table->indent - GAP;
    for (size_t i = 0; i < table->column_count; i++)
        if (layout->shown[i])
            total += GAP + layout->widths[i];
    return total;
}

// The column that is missed least; 0 (the first is never spared) if none can go.
static size_t sparest(const struct table *table, const struct layout *layout)
{
    size_t found = 0;
    for (size_t i = 1; i < table->column_count; i++)
        if (layout->shown[i] && table->columns[i].spare > table->columns[found].spare)
            found = i;
    return found;
}

// The widest column of text after the first; 0 if none can be made narrower.
static size_t widest(const struct table *table, const struct layout *layout)
{
    size_t found = 0;
    for (size_t i = 1; i < table->column_count; i++)
        if (layout->shown[i] && table->columns[i].left && layout->widths[i] > TEXT_MIN &&
            (found == 0 || layout->widths[i] > layout->widths[found]))
            found = i;
    return found;
}

static void squeeze(const struct table *table, struct layout *layout, int width)
{
    int natural = layout->widths[0];
    layout->widths[0] = natural < TABLE_FIRST_MIN ? natural : TABLE_FIRST_MIN;
    for (size_t i = sparest(table, layout); i != 0 && total_width(table, layout) > width; i = sparest(table, layout))
        layout->shown[i] = false;
    for (size_t i = widest(table, layout); i != 0 && total_width(table, layout) > width; i = widest(table, layout))
        layout->widths[i]--;
    int room = width - total_width(table, layout);
    if (room > natural - layout->widths[0])
        room = natural - layout->widths[0];
    layout->widths[0] += room > 0 ? room : 0;
}

static void pad(FILE *out, int columns)
{
    fprintf(out, "%*s", columns > 0 ? columns : 0, "");
}

// Blanks at the end of a line are held back until something follows them.
static void print_cell(FILE *out, const char *text, int width, bool left, int *pending)
{
    int blanks = width - display_columns(text);
    if (!left)
        *pending += blanks;
    if (*text != '\0') {
        pad(out, *pending);
        fputs(text, out);
        *pending = 0;
    }
    if (left)
        *pending += blanks;
}

static void print_row(const struct table *table, const struct layout *layout, FILE *out, const char *const *cells)
{
    int pending = table->indent;
    for (size_t i = 0; i < table->column_count; i++) {
        if (!layout->shown[i])
            continue;
        char cut[DISPLAY_SIZE];
        display_fit(cells[i], layout->widths[i], cut);
        print_cell(out, cut, layout->widths[i], table->columns[i].left, &pending);
        pending += GAP;
    }
    fputc('\n', out);
}

// A group's title stands in the middle of a line over its columns.
static void print_group(FILE *out, const char *title, int width, int *pending)
{
    int dashes = width - display_columns(title) - 2;
    if (dashes < 2) {
        print_cell(out, title, width, true, pending);
        return;
    }
    pad(out, *pending);
    *pending = 0;
    for (int i = 0; i < dashes / 2; i++)
        fputs("\xE2\x94\x80", out);
    fprintf(out, " %s ", title);
    for (int i = dashes / 2; i < dashes; i++)
        fputs("\xE2\x94\x80", out);
}

static void print_groups(const struct table *table, const struct layout *layout, FILE *out)
{
    int pending = table->indent;
    size_t i = 0;
    while (i < table->column_count) {
        const char *group = table->columns[i].group;
        int width = -GAP;
        size_t next = i;
        do {
            width += layout->shown[next] ? layout->widths[next] + GAP : 0;
            next++;
        } while (next < table->column_count && table->columns[next].group == NULL);
        if (group != NULL && *group != '\0' && width > 0)
            print_group(out, group, width, &pending);
        else
            pending += width > 0 ? width : 0;
        pending += width > 0 ? GAP : 0;
        i = next;
    }
    fputc('\n', out);
}

static void print_titles(const struct table *table, const struct layout *layout, FILE *out)
{
    const char *titles[TABLE_COLUMNS_MAX] = {NULL};
    const char *units[TABLE_COLUMNS_MAX] = {NULL};
    bool any_group = false;
    bool any_unit = false;
    for (size_t i = 0; i < table->column_count; i++) {
        titles[i] = table->columns[i].title;
        units[i] = table->columns[i].unit != NULL ? table->columns[i].unit : "";
        any_group = any_group || table->columns[i].group != NULL;
        any_unit = any_unit || table->columns[i].unit != NULL;
    }
    if (any_group)
        print_groups(table, layout, out);
    print_row(table, layout, out, titles);
    if (any_unit)
        print_row(table, layout, out, units);
}

void table_end(struct table *table, FILE *out, int width, const char *dim, const char *plain)
{
    struct layout layout = {0};
    measure(table, &layout);
    squeeze(table, &layout, width);
    fputs(dim, out);
    print_titles(table, &layout, out);
    fputs(plain, out);
    for (size_t i = 0; i + table->column_count <= table->cell_count; i += table->column_count)
        print_row(table, &layout, out, (const char *const *)table->cells + i);
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct table){0};
}
