/*
 * in_flight.h: the contexts that are in flight: from the tables of processes on this machine, else their numbers from the
 * metrics. The reading thread owns everything.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_IN_FLIGHT_H
#define DASHBOARD_IN_FLIGHT_H

#include "view.h"

/* What the tile beside the list says of it. */
struct in_flight {
    bool from_table;
    double total;   /* NaN: nothing is known */
    double oldest;  /* seconds; NaN: likewise */
    json_t *states; /* how many are in each; a reference of the caller's; NULL: not from a table */
};

/* Puts the member `in_flight` into the answer. */
void in_flight_put(struct view_call *call, struct in_flight *in_flight);

#endif
