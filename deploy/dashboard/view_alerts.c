// SPDX-License-Identifier: Apache-2.0
// GET /alerts, and what other views show of it. The reading thread owns everything but the boards that all of them share.

#include "view_alerts.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "put.h"

#define SECOND INT64_C(1000000000)

enum { BOARDS_MAX = 8, SERVICE_SIZE = 1100 };

// One service's board, kept from one answer to the next. Conditions are remembered by it, and who asks within the interval
// gets what the last one found.
struct kept {
    char service[SERVICE_SIZE];
    bool used;
    struct alert_board board;
};

// `lock` guards all of it, also while a board is evaluated: who wants the same would only do the same work.
struct alert_boards {
    pthread_mutex_t lock;
    struct kept kept[BOARDS_MAX];
};

struct alert_boards *alert_boards_new(void)
{
    struct alert_boards *boards = calloc(1, sizeof *boards);
    if (boards != NULL)
        pthread_mutex_init(&boards->lock, NULL);
    return boards;
}

void alert_boards_free(struct alert_boards *boards)
{
    if (boards == NULL)
        return;
    pthread_mutex_destroy(&boards->lock);
    free(boards);
}

// The service's own, or the one that was evaluated longest ago, emptied.
static struct kept *find(struct alert_boards *boards, const char *service)
{
    struct kept *oldest = &boards->kept[0];
    for (int i = 0; i < BOARDS_MAX; i++) {
        struct kept *kept = &boards->kept[i];
        if (kept->used && strcmp(kept->service, service) == 0)
            return kept;
        if (oldest->used && (!kept->used || kept->board.evaluated < oldest->board.evaluated))
            oldest = kept;
    }
    memset(oldest, 0, sizeof *oldest);
    oldest->used = true;
    snprintf(oldest->service, sizeof oldest->service, "%s", service);
    return oldest;
}

// As of now the shared board is brought up to date; the past is looked up each time.
bool alert_board_of(struct view_call *call, struct alert_board *board)
{
    struct alert_boards *boards = call->settings->boards;
    bool good = true;
    memset(board, 0, sizeof *board);
    if (boards == NULL || call->service == NULL || call->to != call->now) {
        good = alert_board_evaluate(board, call->db, call->service, call->to);
    } else {
        pthread_mutex_lock(&boards->lock);
        struct kept *kept = find(boards, call->service);
        int64_t age = call->now - kept->board.evaluated;
        if (age < 0 || age >= ALERTS_INTERVAL_S * SECOND)
            good = alert_board_evaluate(&kept->board, call->db, call->service, call->now);
        if (good)
            *board = kept->board;
        pthread_mutex_unlock(&boards->lock);
    }
    if (!good)
        view_failed(call);
    return good;
}

static void put_rule(json_t *rule, const struct alert *alert, const struct alert_row *row)
{
    char runbook[128];
    snprintf(runbook, sizeof runbook, "docs/runbook.md#%s", alert->anchor);
    put_text(rule, "id", alert->id);
    put_text(rule, "alert", alert->name);
    put_text(rule, "title", alert->title);
    put_text(rule, "severity", alert->severity == ALERT_CRITICAL ? "critical" : "warning");
    put_text(rule, "state", alert_state_names[row->state]);
    put_time(rule, "since", row->since);
    put_whole(rule, "for", alert->hold);
    put_real(rule, "value", row->value);
    put_real(rule, "limit", alert->signal == ALERT_SILENCE ? alert->lately : alert->limit);
    put_text(rule, "unit", alert->unit);
    put_text(rule, "sentence", row->sentence);
    put_text(rule, "summary", alert->summary);
    put_text(rule, "description", alert->description);
    put_text(rule, "view", alert->view);
    put_text(rule, "runbook", runbook);
    put_text(rule, "instance", row->instance[0] != '\0' ? row->instance : NULL);
}

void alerts_put_active(json_t *out, const struct alert_board *board)
{
    int quiet = 0;
    put_time(out, "evaluated", board->evaluated);
    json_t *rules = put_list(out, "rules");
    for (int state = ALERT_FIRING; state >= ALERT_PENDING; state--)
        for (int i = 0; i < ALERT_COUNT; i++)
            if ((int)board->rows[i].state == state)
                put_rule(put_row(rules), &alert_table[i], &board->rows[i]);
    for (int i = 0; i < ALERT_COUNT; i++)
        quiet += board->rows[i].state == ALERT_QUIET;
    put_whole(out, "quiet", quiet);
}

uint64_t alerts_mark(const struct alert_board *board)
{
    uint64_t mark = 0;
    for (int i = 0; i < ALERT_COUNT; i++)
        mark = mark * 4 + (uint64_t)board->rows[i].state;
    return mark;
}

void alerts_put_all(json_t *out, const struct alert_board *board)
{
    put_time(out, "evaluated", board->evaluated);
    put_whole(out, "interval", ALERTS_INTERVAL_S);
    json_t *rules = put_list(out, "rules");
    for (int i = 0; i < ALERT_COUNT; i++)
        put_rule(put_row(rules), &alert_table[i], &board->rows[i]);
    put_text(
        out, "note",
        "These are the rules of deploy/prometheus, evaluated on what this store holds; nobody is notified. An alert "
        "that concerns several processes shows the worst of them.");
}

void view_alerts(struct view_call *call)
{
    struct alert_board *board = malloc(sizeof *board);
    if (board == NULL)
        view_refuse(call, 503, "There is no memory for the answer now; try again in a moment.");
    else if (alert_board_of(call, board))
        alerts_put_all(call->out, board);
    free(board);
}
