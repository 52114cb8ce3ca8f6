/*
 * details.h: all that the table says of one context, as lines of text. Of the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TOP_DETAILS_H
#define LOGCTX_TOP_DETAILS_H

#include "text.h"

/* Calls `line` for each; the texts are escaped, and not wider than `width`. */
void details_show(const struct snapshot *snapshot, const struct snapshot_context *context, int width,
                  void (*line)(const char *text, void *user), void *user);

#endif
