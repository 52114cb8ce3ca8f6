/*
 * alert_board.h: the state of all alerts of one service, as of a moment: what Prometheus would say that had evaluated the
 * same rules all the time. Plain values; a board belongs to whoever evaluates it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_ALERT_BOARD_H
#define DASHBOARD_ALERT_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <alerts.h>
#include <sqlite3.h>

#include "alert_signal.h"

enum { ALERT_ACTIVE_MAX = 256, ALERT_SENTENCE_SIZE = 384, ALERT_INSTANCE_SIZE = 256 };

enum alert_state { ALERT_UNKNOWN, ALERT_QUIET, ALERT_PENDING, ALERT_FIRING };
extern const char *const alert_state_names[];

/* One alert. If it concerns several processes or kinds of contexts, this is the worst of them. */
struct alert_row {
    enum alert_state state;
    int64_t since;                      /* ns since 1970: the condition holds since then; 0: it does not */
    double value;                       /* NaN: there is none */
    char instance[ALERT_INSTANCE_SIZE]; /* "" if it is not about one process, or that has no name */
    char sentence[ALERT_SENTENCE_SIZE];
};

/* A condition that holds, remembered from one evaluation to the next. */
struct alert_active {
    int alert;
    int64_t resource;
    char kind[SIGNAL_KIND_SIZE];
    int64_t since;
};

struct alert_board {
    int64_t evaluated; /* ns since 1970; 0: never */
    struct alert_row rows[ALERT_COUNT];
    struct alert_active active[ALERT_ACTIVE_MAX];
    size_t active_count;
};

/*
 * Brings the board (all zeros in the beginning) to that moment. A board that has not been evaluated for a minute finds out
 * from the store since when conditions have held, so that nothing depends on who looked when. False: the database failed,
 * and the board is as it was.
 */
bool alert_board_evaluate(struct alert_board *board, sqlite3 *db, const char *service, int64_t moment);

#endif
