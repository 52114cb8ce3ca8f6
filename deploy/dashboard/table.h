/*
 * table.h: aligned columns of text. The first column takes what the others leave of the line, and is cut if need be;
 * if even that is too little, columns that can be spared go. Owned by the printing thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_TABLE_H
#define DASHBOARD_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { TABLE_COLUMNS_MAX = 16, TABLE_FIRST_MIN = 18 };

struct column {
    const char *group; /* a title over this column and those after it without one; NULL: none, "" ends a group */
    const char *title;
    const char *unit; /* NULL: none */
    bool left;
    int spare; /* 0: always there; else it goes if it is empty or the line is too short, the highest first */
};

struct table {
    const struct column *columns;
    size_t column_count;
    char **cells; /* row by row; made fit for the terminal when they come in */
    size_t cell_count;
    size_t capacity;
    int indent; /* blanks before each line; two, unless set after table_begin */
};

void table_begin(struct table *table, const struct column *columns, size_t column_count);

/* The next cell of the row at hand; NULL is "". Without memory the table stays as it is, and prints what it has. */
void table_cell(struct table *table, const char *text);
void table_number(struct table *table, double value, int decimals);

/* Prints the whole with `dim` and `plain` (escape codes or "") around the titles; and frees it. A table without
 * cells needs no end. */
void table_end(struct table *table, FILE *out, int width, const char *dim, const char *plain);

#endif
