// SPDX-License-Identifier: Apache-2.0
// The ids of groups of transition errors. No state; any thread.

#include "loss_group.h"

#include <stdint.h>
#include <stdio.h>

// FNV-1a, with the terminating NUL: what one text ends with is not what the next one begins with. NULL is not "".
static uint64_t hash(uint64_t state, const char *text)
{
    if (text == NULL)
        return (state ^ 0xFF) * UINT64_C(0x100000001B3);
    do
        state = (state ^ (unsigned char)*text) * UINT64_C(0x100000001B3);
    while (*text++ != '\0');
    return state;
}

void loss_group(const char *kind, const char *found_by, const char *set_by, char group[LOSS_GROUP_SIZE])
{
    uint64_t state = hash(hash(hash(UINT64_C(0xCBF29CE484222325), kind), found_by), set_by);
    snprintf(group, LOSS_GROUP_SIZE, "%016llx", (unsigned long long)state);
}
