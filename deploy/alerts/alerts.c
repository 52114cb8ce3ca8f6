// SPDX-License-Identifier: Apache-2.0
// alerts.c: the table of alerts as data. Constant; any thread.
#include "alerts.h"

#define LOGCTX_X(ID, ...) [ALERT_##ID] = {__VA_ARGS__},
const struct alert alert_table[ALERT_COUNT] = {LOGCTX_ALERTS(LOGCTX_X)};
#undef LOGCTX_X
