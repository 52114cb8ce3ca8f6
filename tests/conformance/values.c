// SPDX-License-Identifier: Apache-2.0
// Values by number. A value is an entry of a table that stays, so that one that is destroyed twice is noticed and not
// followed. Whatever thread of the scenario runs owns the table.

#include "values.h"

#include <stdio.h>

enum { VALUES_MAX = 1024 };

typedef struct value {
    int number;
    int destroyed; // how often
} value_t;

static value_t values[VALUES_MAX];
static int count;
static int held;

void *values_new(void)
{
    if (count == VALUES_MAX) {
        return NULL;
    }
    value_t *value = &values[count++];
    *value = (value_t){.number = count};
    return value;
}

void values_destroy(void *value)
{
    ((value_t *)value)->destroyed++;
}

int values_number(const void *value)
{
    return value ? ((const value_t *)value)->number : 0;
}

int values_live(void)
{
    int live = 0;

    for (int i = 0; i < count; i++) {
        live += values[i].destroyed == 0;
    }
    return live;
}

void values_held(int change)
{
    held += change;
}

bool values_close(char *problem, size_t size)
{
    bool right = held == 0;

    if (!right) {
        snprintf(problem, size, "%d callbacks and cancellers were not released at its end.", held);
    }
    for (int i = 0; i < count; i++) {
        if (values[i].destroyed != 1) {
            snprintf(problem, size, "value %d was destroyed %d times.", values[i].number, values[i].destroyed);
            right = false;
        }
    }
    count = held = 0;
    return right;
}
