/*
 * alert_sentence.h: what an alert says of itself, with numbers. Plain functions; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_ALERT_SENTENCE_H
#define DASHBOARD_ALERT_SENTENCE_H

#include "alert_board.h"

/* The sentence about that group; NULL or one that is not known: what is missing. */
void alert_sentence(const struct alert *alert, const struct signal_group *group, char out[ALERT_SENTENCE_SIZE]);

/* A value in the unit of the table: "1.1 %", "15 min", "1,234". */
void alert_quantity(double value, const char *unit, char *out, size_t out_size);

#endif
