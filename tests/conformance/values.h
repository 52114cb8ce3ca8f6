// SPDX-License-Identifier: Apache-2.0
// Values that results carry, and scripts that callbacks hold: each is counted when it is made and when the library gives it
// back. Whatever thread of the scenario runs owns the counts.

#ifndef CONFORMANCE_VALUES_H
#define CONFORMANCE_VALUES_H

#include <stdbool.h>
#include <stddef.h>

/* The next value of the scenario, to be destroyed once. NULL if there is no room for more. */
void *values_new(void);
void values_destroy(void *value);

/* Its number, from 1; 0 for NULL. */
int values_number(const void *value);

/* How many are not destroyed. */
int values_live(void);

/* One more, or one less, thing that the library has to release. */
void values_held(int change);

/* The end of a scenario. False, with what is wrong, unless each was destroyed, or released, exactly once. */
bool values_close(char *problem, size_t size);

#endif
