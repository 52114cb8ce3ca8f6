// SPDX-License-Identifier: Apache-2.0
// Which alerts fire, or would if it went on, at the newest metrics of each service. The printing thread owns everything.

#include <stdlib.h>
#include <string.h>

#include "alert_board.h"
#include "display.h"
#include "report.h"

enum { NAME_WIDTH = 28, STATE_WIDTH = 10 };

static void list_names(struct report *report, const struct alert_board *board, enum alert_state state,
                       const char *words)
{
    int count = 0;
    for (int i = 0; i < ALERT_COUNT; i++) {
        if (board->rows[i].state != state)
            continue;
        fprintf(report->out, "%s%s", count++ > 0 ? ", " : words, alert_table[i].name);
    }
    if (count > 0)
        fputc('.', report->out);
}

static int count_of(const struct alert_board *board, enum alert_state state)
{
    int count = 0;
    for (int i = 0; i < ALERT_COUNT; i++)
        count += board->rows[i].state == state;
    return count;
}

// The last words of the summary.
static void print_verdict(struct report *report, const struct alert_board *board)
{
    int firing = count_of(board, ALERT_FIRING);
    int pending = count_of(board, ALERT_PENDING);
    int unknown = count_of(board, ALERT_UNKNOWN);
    fprintf(report->out, "  ");
    if (firing + pending == 0)
        fprintf(report->out, "No alert would fire.");
    list_names(report, board, ALERT_FIRING, "Would fire: ");
    list_names(report, board, ALERT_PENDING, firing > 0 ? " If it goes on, also: " : "Would fire if it goes on: ");
    if (unknown > 0)
        fprintf(report->out, " Of %d more nothing is known yet.", unknown);
    fputc('\n', report->out);
}

static void print_row(struct report *report, const struct alert *alert, const struct alert_row *row)
{
    char sentence[DISPLAY_SIZE];
    int indent = 2 + NAME_WIDTH + STATE_WIDTH;
    display_fit(row->sentence, report->width - indent, sentence);
    fprintf(report->out, "  %s%-*s%s%-*s%s\n", row->state == ALERT_FIRING ? report->red : "", NAME_WIDTH, alert->name,
            row->state == ALERT_FIRING ? report->plain : "", STATE_WIDTH, alert_state_names[row->state], sentence);
}

static void print_board(struct report *report, const char *service, const struct alert_board *board)
{
    char name[DISPLAY_SIZE];
    char time[64];
    char remark[DISPLAY_SIZE + 128];
    display_fit(service, 40, name);
    display_time(board->evaluated, false, false, time, sizeof time);
    snprintf(remark, sizeof remark, "%s, as of its newest metrics at %s UTC", name, time);
    report_title(report, "ALERTS", remark);
    for (int state = ALERT_FIRING; state >= ALERT_PENDING; state--)
        for (int i = 0; i < ALERT_COUNT; i++)
            if ((int)board->rows[i].state == state)
                print_row(report, &alert_table[i], &board->rows[i]);
    print_verdict(report, board);
}

void report_alerts(struct report *report)
{
    struct alert_board *board = malloc(sizeof *board);
    sqlite3_stmt *row = report_query(report, "SELECT service, max(time) AS newest FROM total JOIN resource ON "
                                             "resource.id = total.resource GROUP BY service ORDER BY newest LIMIT 4");
    if (board == NULL)
        snprintf(report->failed, sizeof report->failed, "no memory");
    while (board != NULL && sqlite3_step(row) == SQLITE_ROW) {
        const char *service = report_text(row, 0);
        memset(board, 0, sizeof *board);
        if (alert_board_evaluate(board, report->db, service, sqlite3_column_int64(row, 1)))
            print_board(report, service != NULL ? service : "a service without a name", board);
        else if (report->failed[0] == '\0')
            snprintf(report->failed, sizeof report->failed, "the alerts could not be evaluated");
    }
    report_finish(report, row);
    free(board);
}
