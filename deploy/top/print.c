// One look as plain text, and the list of processes. Of the main thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "print.h"

#include <string.h>

#include "head.h"

static void put_cell(const char *cell, int width, bool right, bool last, FILE *out)
{
    int gap = width - display_columns(cell);
    fprintf(out, "%*s%s%*s", right && gap > 0 ? gap : 0, "", cell, !right && !last && gap > 0 ? gap : 0, "");
    fputs(last ? "\n" : "  ", out);
}

void print_table(const struct snapshot *snapshot, const struct options *options, FILE *out)
{
    char text[DISPLAY_SIZE];
    head_process(snapshot, text);
    fprintf(out, "%s\n", text);
    head_contexts(snapshot, NULL, text);
    fprintf(out, "%s\n", text);
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        if (!snapshot->threads[i].attached)
            continue;
        head_thread(snapshot, NULL, i, text);
        fprintf(out, "%s\n", text);
    }
    head_unseen(snapshot, text);
    if (text[0])
        fprintf(out, "%s\n", text);
    struct rows rows = rows_select(snapshot, options);
    struct columns columns = rows_whole(snapshot, &rows);
    fputc('\n', out);
    for (unsigned i = 0; i < COLUMN_COUNT; i++)
        put_cell(rows_title((enum column_id)i), columns.width[i], rows_is_number((enum column_id)i),
                 i + 1 == COLUMN_COUNT, out);
    for (size_t row = 0; row < rows.count; row++) {
        for (unsigned i = 0; i < COLUMN_COUNT; i++) {
            rows_cell(snapshot, rows.rows[row], (enum column_id)i, text);
            put_cell(text, columns.width[i], rows_is_number((enum column_id)i), i + 1 == COLUMN_COUNT, out);
        }
    }
    if (rows.hidden)
        fprintf(out, "%zu more are not shown.\n", rows.hidden);
    rows_free(&rows);
}

struct list {
    FILE *out;
    size_t count;
};

static void list_one(struct source *source, void *user)
{
    struct list *list = user;
    struct snapshot snapshot;
    char why[SOURCE_WHY], text[DISPLAY_SIZE], up[TEXT_SHORT];
    enum source_result result = snapshot_take(&snapshot, source, why);
    if (result == SOURCE_NO_TABLE || result == SOURCE_MISSING)
        return;
    if (list->count++ == 0)
        fprintf(list->out, "%7s  %6s  %9s  %s\n", "PID", "UP", "IN FLIGHT", "PROGRAM");
    if (result != SOURCE_GOOD) {
        fprintf(list->out, "%7d  %6s  %9s  %s\n", (int)source_pid(source), "", "", why);
        return;
    }
    const struct logctx_table_header *header = &snapshot.layout.header;
    char service[DISPLAY_SIZE];
    text_fit((struct layout_text){header->executable, strnlen(header->executable, sizeof header->executable)}, 40,
             text);
    text_fit((struct layout_text){header->service, strnlen(header->service, sizeof header->service)}, 60, service);
    fprintf(list->out, "%7d  %6s  %9zu  %s%s%s%s\n", (int)source_pid(source),
            text_duration((int64_t)(snapshot.begun & INT64_MAX), up),
            snapshot.context_count - snapshot.by_state[SNAPSHOT_HELD], text, service[0] ? " (" : "", service,
            service[0] ? ")" : "");
    snapshot_free(&snapshot);
}

size_t print_processes(FILE *out)
{
    struct list list = {.out = out};
    source_each_process(list_one, &list);
    return list.count;
}
