/*
 * view_alerts.h: the states of the alerts for the views that show them: /alerts, /now and /live. The boards are shared by
 * all reading threads; what is copied from them is the caller's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_VIEW_ALERTS_H
#define DASHBOARD_VIEW_ALERTS_H

#include <stdbool.h>
#include <stdint.h>

#include "alert_board.h"
#include "view.h"

/* An answer is at most so old. */
enum { ALERTS_INTERVAL_S = 5 };

/* The boards of the services that are looked at. NULL without memory, and NULL is fine for freeing. Any thread. */
struct alert_boards *alert_boards_new(void);
void alert_boards_free(struct alert_boards *boards);

/* The board of the service that is asked for, as of the end of the window. False: the answer has failed. */
bool alert_board_of(struct view_call *call, struct alert_board *board);

/* What /now shows of it: `evaluated`, how many are quiet, and the rules that fire or are pending. */
void alerts_put_active(json_t *out, const struct alert_board *board);

/* What /alerts shows of it, without the head. */
void alerts_put_all(json_t *out, const struct alert_board *board);

/* A number that is another one when a state has changed. */
uint64_t alerts_mark(const struct alert_board *board);

#endif
