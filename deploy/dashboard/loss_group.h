/*
 * loss_group.h: which transition errors are one: those of one kind with the same two places. The id is a hash of them,
 * so that it is the same in every store and after every restart. Plain functions; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_LOSS_GROUP_H
#define DASHBOARD_LOSS_GROUP_H

enum { LOSS_GROUP_SIZE = 17 };

/* 16 hexadecimal digits. Places may be NULL. */
void loss_group(const char *kind, const char *found_by, const char *set_by, char group[LOSS_GROUP_SIZE]);

#endif
