/*
 * flight.h: the flight recorder of a transition error: the last switches of its thread, one text each, in the form
 * "FROM -> TO at WHERE, 0.411 ms ago". The texts may be anybody's. Plain values; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_FLIGHT_H
#define DASHBOARD_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>

#include "explain.h"

/* More are not looked at; the library sends at most LOGCTX_RECENT_MAX. */
enum { FLIGHT_MAX = 64 };

/* One switch. Its texts point into the text that it was read from. */
struct flight_switch {
    const char *from; /* "?" if the context was gone by then, also of `to` */
    const char *to;
    const char *where;
    const char *ago; /* "0.411": milliseconds before the error, as they came */
    double ago_s;
};

/* Cuts the text into its parts. False: it is of another form, and as it was. */
bool flight_read(char *text, struct flight_switch *entry);

/* Whether a name of the recorder is a context's: it keeps the first 47 bytes of a long one. */
bool flight_is(const char *recorded, const char *name);

/* What an error says of itself, for finding the switch to blame. Texts may be NULL. */
struct flight_error {
    enum explain_blame blame;
    const char *expected;
    const char *found;
    const char *found_by;
    const char *set_by;
};

/*
 * The index of the switch that most likely did it, or -1. `entries` are newest first, as they are sent; `from` NULL
 * marks one that could not be read.
 */
int flight_guilty(const struct flight_switch *entries, size_t count, const struct flight_error *error);

/* The newest switch that made that context current, or -1. */
int flight_last_to(const struct flight_switch *entries, size_t count, const char *name);

#endif
